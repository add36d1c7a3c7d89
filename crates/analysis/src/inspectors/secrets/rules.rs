//! The rules, read from their data.

use std::sync::LazyLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::check::{self, Check};
use crate::inspectors::required;
use crate::inspectors::rules::{Expression, Keyword, LINE_REACH, Reach};

/// Every rule, in the order of the data.
///
/// # Panics
/// If the data are wrong, which a test excludes.
pub(super) static RULES: LazyLock<Vec<SecretRule>> = LazyLock::new(|| {
    let data: Data = toml::from_str(include_str!("rules.toml")).expect("the rules are tested");
    data.rule.into_iter().map(|entry| entry.build().expect("the rules are tested")).collect()
});

/// A rule, ready to be used.
pub(super) struct SecretRule {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) keywords: Vec<Keyword>,
    pub(super) regex: Expression,
    pub(super) reach: Reach,
    pub(super) yields: bool,
    /// The files in which it counts; all if `None`.
    pub(super) files: Option<GlobSet>,
    entropy: f64,
    check: Option<Check>,
}

impl SecretRule {
    /// Whether what matched is a secret, and not a placeholder or something of the same form.
    pub(super) fn accepts(&self, secret: &[u8]) -> bool {
        let is_right = self.check.is_none_or(|check| check.accepts(secret));
        // Nobody makes up an example with a right checksum.
        let is_proven = is_right && self.check.is_some_and(Check::is_proof);
        is_right && (is_proven || (check::entropy(secret) >= self.entropy && !check::is_placeholder(self.body(secret))))
    }

    /// The secret without the word that it begins with.
    fn body<'s>(&self, secret: &'s [u8]) -> &'s [u8] {
        let bodies = self.keywords.iter().filter_map(|word| secret.strip_prefix(word.bytes.as_slice()));
        bodies.min_by_key(|body| body.len()).unwrap_or(secret)
    }
}

#[derive(Deserialize)]
struct Data {
    rule: Vec<Entry>,
}

/// A rule as the data have it, which explain the fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    about: String,
    words: Vec<String>,
    #[serde(default)]
    any_case: bool,
    token: Option<String>,
    assign: Option<String>,
    value: Option<String>,
    regex: Option<String>,
    before: Option<usize>,
    after: Option<usize>,
    #[serde(default)]
    entropy: f64,
    check: Option<Check>,
    #[serde(default)]
    yields: bool,
    files: Option<Vec<String>>,
}

/// Before a token: the beginning, anything that cannot be part of one, or the end of an escape.
const BEFORE: &str = r"(?:\A|[^A-Za-z0-9_]|\\[nrt]|%[0-9A-Fa-f]{2})";
/// After a token.
const AFTER: &str = r"(?:[^A-Za-z0-9_]|\z)";
/// Between a name and its value: what may end the name, something that assigns, what may begin the value.
const ASSIGNS: &str = r#"[A-Za-z0-9_]{0,20}\\?["'\])]{0,2}[ \t]{0,8}(?::=|=>|=|:|,|>)[ \t]{0,8}\\?["'(]{0,2}"#;
/// After a value.
const VALUE_ENDS: &str = r"(?:[^A-Za-z0-9_+/=-]|\z)";

impl Entry {
    fn build(self) -> Result<SecretRule, String> {
        let (pattern, usual_before) = match (self.token, self.assign, self.value, self.regex) {
            (Some(token), None, None, None) => (format!("{BEFORE}({token}){AFTER}"), 4),
            (None, Some(name), Some(value), None) => (format!("(?i:{name}){ASSIGNS}({value}){VALUE_ENDS}"), 40),
            (None, None, None, Some(regex)) => (regex, 4),
            _ => return Err(format!("`{}` must have one of token, assign with value, regex", self.name)),
        };
        let longest = self.after.or_else(|| required::longest(&pattern)).unwrap_or(LINE_REACH);
        let keyword = |word: &String| {
            let bytes = if self.any_case { word.to_ascii_lowercase() } else { word.clone() };
            Keyword { bytes: bytes.into_bytes(), any_case: self.any_case }
        };
        let files = self.files.map(|globs| {
            let mut set = GlobSetBuilder::new();
            for glob in globs {
                let glob = GlobBuilder::new(&glob).literal_separator(true).build();
                set.add(glob.map_err(|fault| format!("`{}`: {fault}", self.name))?);
            }
            set.build().map_err(|fault| format!("`{}`: {fault}", self.name))
        });
        Ok(SecretRule {
            keywords: self.words.iter().map(keyword).collect(),
            regex: Expression::later(&pattern),
            reach: Reach::Bytes(self.before.unwrap_or(usual_before), longest),
            yields: self.yields,
            files: files.transpose()?,
            entropy: self.entropy,
            check: self.check,
            name: self.name,
            about: self.about,
        })
    }
}
