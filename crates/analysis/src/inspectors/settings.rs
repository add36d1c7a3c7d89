//! What inspectors are asked to look for.

use crate::clamd::ClamdSettings;
use globset::GlobBuilder;
use killick_model::hint::Hint;
use killick_model::path::ImagePath;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Longest pattern of a user, in bytes.
const MAX_PATTERN_BYTES: usize = 4096;
/// Largest compiled pattern of a user, in bytes; twice that for what it remembers while it runs.
const MAX_PROGRAM_BYTES: usize = 1 << 20;
/// Most patterns of a user.
const MAX_PATTERNS: usize = 100;
/// Most files to retrieve.
const MAX_FILES: usize = 1000;

/// What inspectors look for. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Compare the files of distribution packages with what the package databases say of them.
    pub package_files: bool,
    /// Files to keep whole.
    pub retrieve_files: RetrieveFiles,
    /// Keys, tokens and passwords.
    pub secrets: SecretSettings,
    /// Licences that packages declare and that licence files have.
    pub licenses: bool,
    /// Malware.
    pub malware: MalwareSettings,
    /// Patterns to look for in every file.
    pub content_search: Vec<Pattern>,
}

/// How to look for secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretSettings {
    /// Whether to look for them.
    pub enabled: bool,
    /// Patterns of the user's, besides the rules that are built in.
    pub patterns: Vec<Pattern>,
    /// Names of rules whose findings are left out.
    pub ignore: Vec<String>,
}

/// How to look for malware.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MalwareSettings {
    /// The clamd to ask, if any.
    pub clamd: Option<ClamdSettings>,
    /// Digests to look for.
    pub hash_lists: Vec<HashList>,
}

/// A list of digests of files that should not be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashList {
    /// What findings call it.
    pub name: String,
    /// One digest per line, MD5, SHA-1 or SHA-256, with a name after it or not; also `ClamAV`'s `digest:size:name`.
    pub text: String,
}

/// Files to keep whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrieveFiles {
    /// Paths inside the image; empty for none.
    pub paths: Vec<String>,
    /// Larger files are left out.
    pub max_file_bytes: u64,
}

impl Default for RetrieveFiles {
    fn default() -> Self {
        Self { paths: Vec::new(), max_file_bytes: 1_000_000 }
    }
}

/// A pattern of the user's, matched against each line from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// What findings call it.
    #[serde(default)]
    pub name: String,
    /// A regular expression over bytes, without look-around and back-references.
    pub regex: String,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A pattern does not compile.
    #[error("the pattern of `{name}` cannot be used: {reason}")]
    Pattern {
        /// Its name, or the pattern itself.
        name: String,
        /// What the compiler says.
        reason: String,
    },
    /// A list is too long.
    #[error("`{list}` has {count} entries, more than {limit}")]
    TooMany {
        /// The setting.
        list: &'static str,
        /// Entries it has.
        count: usize,
        /// Entries it may have.
        limit: usize,
    },
    /// A list of digests has a line without one.
    #[error("line {line} of the hash list `{list}` has no digest")]
    HashList {
        /// Name of the list.
        list: String,
        /// The line.
        line: u64,
    },
    /// A path cannot be one of a file.
    #[error("`{path}` in `{list}` is no path of a file")]
    Path {
        /// The setting.
        list: &'static str,
        /// The path.
        path: String,
    },
}

impl Hint for SettingsError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Pattern { .. } => {
                "patterns run in time proportional to the content: no look-around, no back-references, no huge counts"
            }
            Self::TooMany { .. } => "put several into one: `a|b` for patterns",
            Self::HashList { .. } => "a line is a digest in hexadecimal digits and a name, or `digest:size:name`",
            Self::Path { .. } => "write it as it is inside the image, such as `/etc/passwd`",
        };
        Some(hint.to_owned())
    }
}

impl Pattern {
    /// The pattern, compiled: anchored at the start of a line, over bytes.
    pub(crate) fn compile(&self) -> Result<Regex, SettingsError> {
        let error = |reason: String| {
            let name = if self.name.is_empty() { &self.regex } else { &self.name };
            SettingsError::Pattern { name: name.chars().take(100).collect(), reason }
        };
        if self.regex.len() > MAX_PATTERN_BYTES {
            return Err(error(format!("it is longer than {MAX_PATTERN_BYTES} bytes")));
        }
        let compile = |text: &str| {
            RegexBuilder::new(text)
                .unicode(false)
                .size_limit(MAX_PROGRAM_BYTES)
                .dfa_size_limit(2 * MAX_PROGRAM_BYTES)
                .build()
                .map_err(|fault| error(fault.to_string().lines().last().unwrap_or_default().trim().to_owned()))
        };
        // By itself first: `a)(b` must not become right by being wrapped.
        drop(compile(&self.regex)?);
        compile(&format!("\\A(?:{})", self.regex))
    }
}

/// Checks the length of a list of patterns.
pub(crate) fn check_patterns(list: &'static str, patterns: &[Pattern]) -> Result<(), SettingsError> {
    let too_many = SettingsError::TooMany { list, count: patterns.len(), limit: MAX_PATTERNS };
    if patterns.len() > MAX_PATTERNS { Err(too_many) } else { Ok(()) }
}

impl RetrieveFiles {
    /// The paths as globs that match nothing else.
    pub(crate) fn globs(&self) -> Result<Vec<String>, SettingsError> {
        let list = "retrieve_files.paths";
        if self.paths.len() > MAX_FILES {
            return Err(SettingsError::TooMany { list, count: self.paths.len(), limit: MAX_FILES });
        }
        let glob = |path: &String| {
            let error = || SettingsError::Path { list, path: path.chars().take(200).collect() };
            let inside = ImagePath::new(path.as_bytes()).ok_or_else(error)?;
            let inside = std::str::from_utf8(inside.as_bytes()).map_err(|_| error())?.to_owned();
            let glob = globset::escape(&inside);
            let is_usable = !inside.is_empty() && GlobBuilder::new(&glob).literal_separator(true).build().is_ok();
            if is_usable { Ok(glob) } else { Err(error()) }
        };
        self.paths.iter().map(glob).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(regex: &str) -> Pattern {
        Pattern { name: "X".to_owned(), regex: regex.to_owned() }
    }

    #[test]
    fn patterns_are_bounded_and_linear() {
        for (regex, reason) in [
            ("(?<!a)b", "look-around"),
            (r"(a)\1", "backreferences"),
            ("a)(b", "unopened group"),
            ("(a{1000}){1000}", "exceeds size limit"),
            (&"x".repeat(5000), "longer than"),
        ] {
            let error = pattern(regex).compile().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("`X`"), "{error}");
        }
        let regex = pattern(".*api_key").compile().unwrap();
        assert!(regex.is_match(b"\xff my api_key") && !regex.is_match(b"\nmy api_key"));
        assert!(!pattern("api").compile().unwrap().is_match(b"my api"));
        assert!(check_patterns("content_search", &vec![pattern("a"); 101]).is_err());
    }

    #[test]
    fn paths_are_paths_of_files() {
        let globs = |paths: &[&str]| {
            RetrieveFiles { paths: paths.iter().map(|path| (*path).to_owned()).collect(), max_file_bytes: 1 }.globs()
        };
        assert_eq!(globs(&["/etc/passwd", "./a//b"]).unwrap(), ["etc/passwd", "a/b"]);
        assert_eq!(globs(&["/a[1]*"]).unwrap(), ["a[[]1[]][*]"]);
        for path in ["", "/", "../x"] {
            assert!(globs(&[path]).is_err(), "{path}");
        }
        assert!(globs(&vec!["x"; 1001]).is_err());
    }
}
