//! The rows of `programs.toml`, compiled.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{LazyLock, OnceLock};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::inspectors::required;
use crate::inspectors::rules::{Expression, Keyword, Reach, Rule};

/// The table.
const TEXT: &str = include_str!("programs.toml");

/// What a pattern sees around a literal, if its row does not say.
const REACH: (usize, usize) = (64, 256);

/// Bytes of a version, or of the name of a library.
const NAME_BYTES: usize = 100;

/// A kind of program.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) purl: String,
    pub(super) cpes: Vec<String>,
    modules: Globs,
    files: Globs,
    pub(super) evidence: Vec<Evidence>,
}

/// Globs, compiled when they are first needed.
struct Globs {
    globs: Vec<String>,
    set: OnceLock<GlobSet>,
}

impl Globs {
    fn new(globs: Vec<String>) -> Self {
        Self { globs, set: OnceLock::new() }
    }

    fn compile(&self) -> Result<GlobSet, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in &self.globs {
            set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
        }
        set.build()
    }

    /// Nothing matches what is malformed, which a test excludes.
    fn is_match(&self, path: &OsStr) -> bool {
        self.set.get_or_init(|| self.compile().unwrap_or_default()).is_match(path)
    }
}

/// A way to the version of a program.
pub(super) enum Evidence {
    /// In the bytes of a program: the rule that finds it, the one that must find something as well, and what the name
    /// of the file says.
    Bytes { rule: u16, and: Option<u16>, name: Option<Expression> },
    /// In a text file.
    Text(Expression),
    /// In the name of another file.
    Beside(Expression),
}

/// All rows.
pub(super) struct Programs {
    pub(super) all: Vec<Program>,
    /// What the rows look for.
    rules: Vec<Pattern>,
}

/// A pattern, its literals and its reach.
type Pattern = (String, Vec<Vec<u8>>, (usize, usize));

/// The rows.
pub(super) static PROGRAMS: LazyLock<Programs> =
    LazyLock::new(|| Programs::read(TEXT).expect("the table is part of this program, and tested"));

/// Changes with every byte of the table (FNV-1a).
pub(super) const REVISION: u32 = {
    let (bytes, mut hash, mut at) = (TEXT.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    program: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    files: Vec<String>,
    purl: String,
    cpes: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
    evidence: Vec<Way>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    #[serde(default)]
    kind: Kind,
    find: Option<String>,
    #[serde(default)]
    near: Vec<String>,
    #[serde(default = "reach")]
    reach: (usize, usize),
    and: Option<String>,
    name: Option<String>,
    beside: Option<String>,
}

#[derive(Deserialize, Default, PartialEq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Program,
    Text,
}

fn reach() -> (usize, usize) {
    REACH
}

/// What is wrong with the table.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("the table is no TOML of the form it describes")]
    Form(#[source] toml::de::Error),
    #[error("`{0}` is no regular expression")]
    Regex(String),
    #[error("an evidence of `{0}` has no pattern for its kind, or its pattern has no group `version`")]
    Pattern(String),
}

impl Programs {
    fn read(text: &str) -> Result<Self, TableError> {
        let table: Table = toml::from_str(text).map_err(TableError::Form)?;
        let mut programs = Self { all: Vec::new(), rules: Vec::new() };
        for row in table.program {
            let mut evidence = Vec::new();
            for way in &row.evidence {
                evidence.push(programs.evidence(way).ok_or_else(|| TableError::Pattern(row.name.clone()))??);
            }
            programs.all.push(Program {
                files: Globs::new(row.files),
                modules: Globs::new(row.modules),
                evidence,
                name: row.name,
                purl: row.purl,
                cpes: row.cpes,
            });
        }
        Ok(programs)
    }

    fn evidence(&mut self, way: &Way) -> Option<Result<Evidence, TableError>> {
        let pattern = way.beside.as_ref().or(way.find.as_ref())?;
        let all = [Some(pattern), way.and.as_ref(), way.name.as_ref()];
        if let Some(wrong) = all.into_iter().flatten().find(|pattern| !required::is_pattern(pattern)) {
            return Some(Err(TableError::Regex(wrong.clone())));
        }
        if !["(?P<version>", "(?P<library>"].iter().any(|group| pattern.contains(group)) {
            return None;
        }
        let expression = Expression::later(pattern);
        if way.beside.is_some() {
            return Some(Ok(Evidence::Beside(expression)));
        }
        if way.kind == Kind::Text {
            return Some(Ok(Evidence::Text(expression)));
        }
        let near = way.near.iter().map(|word| word.as_bytes().to_vec()).collect();
        let rule = self.rule(pattern, near, way.reach);
        let and = way.and.as_ref().map(|pattern| self.rule(pattern, Vec::new(), REACH));
        let name = way.name.as_deref().map(Expression::later);
        Some(Ok(Evidence::Bytes { rule, and, name }))
    }

    /// The number of a rule; rows share those that are equal.
    fn rule(&mut self, pattern: &str, near: Vec<Vec<u8>>, reach: (usize, usize)) -> u16 {
        let rule = (pattern.to_owned(), near, reach);
        let known = self.rules.iter().position(|known| *known == rule);
        let number = known.unwrap_or_else(|| {
            self.rules.push(rule);
            self.rules.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// What the common pass over programs looks for. What is noted is the version, or the library after a NUL.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let rule = |(pattern, near, reach): &Pattern| {
            let exact = |word: &Vec<u8>| Keyword { bytes: word.clone(), any_case: false };
            let keywords = if near.is_empty() { required::keywords(pattern) } else { near.iter().map(exact).collect() };
            let regex = Expression::later(pattern);
            Rule { keywords, regex, reach: Reach::Bytes(reach.0, reach.1), judge: Some(Box::new(note)) }
        };
        self.rules.iter().map(rule).collect()
    }

    /// Whether a row of this name is about this main module of Go.
    pub(super) fn know_module(&self, name: &str, module: &str) -> bool {
        self.all.iter().any(|program| program.name == name && program.modules.is_match(OsStr::new(module)))
    }

    /// Whether any row knows files of this path.
    pub(super) fn know(&self, path: &[u8]) -> bool {
        self.of(path).next().is_some()
    }

    /// The rows that know files of this path.
    pub(super) fn of<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = &'a Program> {
        let path = OsStr::from_bytes(path.strip_suffix(b".exe").unwrap_or(path));
        self.all.iter().filter(move |program| program.files.is_match(path))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a judge")]
fn note(captures: &regex::bytes::Captures<'_>) -> Option<Vec<u8>> {
    let cut = |bytes: &[u8]| bytes.get(..NAME_BYTES).unwrap_or(bytes).to_vec();
    Some(match (captures.name("version"), captures.name("library")) {
        (Some(version), _) => cut(version.as_bytes()),
        (None, Some(library)) => [b"\0".as_slice(), &cut(library.as_bytes())].concat(),
        (None, None) => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_read() {
        let programs = Programs::read(TEXT).unwrap();
        let rules = programs.rules();
        assert_eq!(rules.len(), programs.rules.len(), "every pattern is one");
        for (rule, (pattern, ..)) in rules.iter().zip(&programs.rules) {
            assert!(rule.regex.regex().is_some(), "`{pattern}` is none");
            assert!(!rule.keywords.is_empty(), "`{pattern}` needs literals");
            assert!(rule.keywords.iter().all(|word| !word.any_case && word.bytes.len() > 2), "{pattern}");
        }
        let words: BTreeSet<&[u8]> = rules.iter().flat_map(|rule| &rule.keywords).map(|word| &*word.bytes).collect();
        assert!(words.len() <= 64, "{} literals: {words:?}", words.len());
        for program in &programs.all {
            assert!(program.purl.starts_with("pkg:") && !program.purl.contains('@'), "{}", program.name);
            assert!(program.files.compile().is_ok() && program.modules.compile().is_ok(), "{}", program.name);
            assert!(program.cpes.iter().all(|cpe| cpe.split(':').count() == 2), "{}", program.name);
        }
    }

    #[test]
    fn a_wrong_table_is_refused() {
        let row = |evidence: &str| {
            let text =
                format!("[[program]]\nname='x'\nfiles=['**/x']\npurl='pkg:generic/x'\ncpes=[]\nevidence=[{evidence}]");
            Programs::read(&text).err().map(|fault| fault.to_string())
        };
        assert_eq!(row("{ find = 'x(?P<version>[0-9]+)' }"), None);
        for (evidence, want) in [
            ("{ find = 'x([0-9]+)' }", "no group `version`"),
            ("{ }", "no pattern"),
            ("{ find = '(?P<version>' }", "no regular expression"),
            ("{ finds = 'x' }", "no TOML"),
        ] {
            let fault = row(evidence).unwrap_or_default();
            assert!(fault.contains(want), "{evidence}: {fault}");
        }
    }
}
