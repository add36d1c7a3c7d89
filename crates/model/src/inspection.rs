//! What inspectors saw in the contents of files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::package::PackageId;
use crate::path::ImagePath;

/// The findings of all inspectors. A part is `None` where its inspector did not run, which is not the same as finding
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inspection {
    /// Files that are not as their distribution package brought them, in the order of packages and then of paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_files: Option<Vec<ChangedFile>>,
    /// Files that were asked for by path, ordered by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved_files: Option<Vec<RetrievedFile>>,
    /// Files in which a pattern of the user's matched, ordered by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_search: Option<Vec<SearchedFile>>,
    /// Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretScan>,
    /// Licences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licenses: Option<LicenseScan>,
    /// What each malware scanner said; empty if none could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malware: Option<Vec<MalwareScan>>,
}

impl Inspection {
    /// Whether no inspector ran.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A file of a distribution package that is not as the package brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// The package.
    pub package: PackageId,
    /// Where the package database says the file is.
    pub path: ImagePath,
    /// What is different, at least one.
    pub differences: Vec<Difference>,
    /// A configuration file: differences other than [`Difference::Missing`] are expected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_config: bool,
}

/// In what a file differs from what its package database says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Difference {
    /// It is not there. Also what was never installed: images without documentation lack much of it.
    Missing,
    /// Its content.
    Digest {
        /// `md5`, `sha1` or `sha256`.
        algorithm: String,
        /// Of the database, lower-case hex.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// Its permissions.
    Mode {
        /// Of the database, without file type: at most `0o7777`.
        expected: u32,
        /// Of the file.
        actual: u32,
    },
    /// Its size in bytes, told only where the database has no digest that can be compared.
    Size {
        /// Of the database.
        expected: u64,
        /// Of the file.
        actual: u64,
    },
}

/// A file kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievedFile {
    /// Where it is.
    pub path: ImagePath,
    /// Index of the layer that brought it (0 is the lowest).
    pub layer: u32,
    /// Its bytes; base64 in JSON.
    #[serde(with = "crate::inspection::base64_text")]
    pub content: Vec<u8>,
}

/// A file in which patterns matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchedFile {
    /// Where it is.
    pub path: ImagePath,
    /// Index of the layer that brought it (0 is the lowest).
    pub layer: u32,
    /// The patterns that matched, in the order of the settings.
    pub matches: Vec<PatternMatch>,
}

/// The lines of one file that one pattern matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternMatch {
    /// Name of the pattern; empty where the settings give none.
    pub name: String,
    /// The pattern as written in the settings.
    pub regex: String,
    /// Line numbers, the first line is 1; the lowest ones if there were too many.
    pub lines: Vec<u64>,
}

/// What was found of keys, tokens and passwords.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SecretScan {
    /// The secrets, ordered by path, layer and line.
    pub findings: Vec<Secret>,
    /// For the rule of each finding, the regular expression that it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patterns: BTreeMap<String, String>,
}

/// What is known of licences.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LicenseScan {
    /// What packages declare, for each that declares any.
    pub packages: Vec<PackageLicense>,
    /// Files with licences, ordered by path.
    pub files: Vec<LicenseFile>,
}

/// The declared licences of a package, as SPDX writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageLicense {
    /// The package.
    pub package: PackageId,
    /// One expression for all that could be understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Declared licences that are no expression, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A file with licences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseFile {
    /// Where it is.
    pub path: ImagePath,
    /// Index of the layer that brought it (0 is the lowest).
    pub layer: u32,
    /// The package that it came with, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageId>,
    /// What in it says so, ordered by line.
    pub evidence: Vec<LicenseEvidence>,
}

/// What says that a file is about a licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseEvidence {
    /// SPDX expression, or a declared name that is none.
    pub expression: String,
    /// What kind of evidence it is.
    pub kind: EvidenceKind,
    /// How much of the licence's text is there, in percent; 100 for what is named.
    pub confidence: u8,
    /// First line of it; the first of the file is 1.
    pub first_line: u64,
    /// Last line of it.
    pub last_line: u64,
}

/// Kinds of evidence of a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// Its text. Whether a later version may be chosen is not in a text.
    Text,
    /// A field of Debian's machine-readable copyright format.
    Declared,
    /// An `SPDX-License-Identifier` tag.
    Tag,
}

/// What one malware scanner said of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalwareScan {
    /// `clamav`, or the name of a list of digests.
    pub scanner: String,
    /// Version of the scanner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// Version of its signatures; for clamav that of the daily ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_version: Option<String>,
    /// When they were made, as the scanner writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_date: Option<String>,
    /// Whether it saw every file. Problems tell what it did not see.
    pub is_complete: bool,
    /// What it found, ordered by path and layer.
    pub findings: Vec<MalwareFinding>,
}

/// A file that a malware scanner knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalwareFinding {
    /// Where it is.
    pub path: ImagePath,
    /// Index of the layer that has it (0 is the lowest).
    pub layer: u32,
    /// What the scanner calls it.
    pub signature: String,
    /// An upper layer replaced or deleted the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_hidden: bool,
}

/// A key, token or password that should not be there. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Name of the rule: `AWS_ACCESS_KEY`, `GITHUB_TOKEN`, or that of a pattern of the user's.
    pub rule: String,
    /// What the rule looks for, for people; empty for a pattern of the user's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Where it is.
    pub path: ImagePath,
    /// Index of the layer that has it (0 is the lowest).
    pub layer: u32,
    /// Line, the first is 1.
    pub line: u64,
    /// The first few characters of a long secret, and a mark for the rest.
    pub preview: String,
    /// The same for the same secret, wherever it is: the first 16 hexadecimal digits of a hash.
    pub fingerprint: String,
    /// An upper layer replaced or deleted the file: the image does not show it, but whoever has its layers does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_hidden: bool,
}

pub(crate) mod base64_text {
    //! Bytes as base64 text.
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(input)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_for_is_not_written() {
        assert_eq!(serde_json::to_string(&Inspection::default()).unwrap(), "{}");
        let file =
            RetrievedFile { path: ImagePath::new(b"etc/passwd").unwrap(), layer: 1, content: b"\xff\0".to_vec() };
        let inspection = Inspection { retrieved_files: Some(vec![file]), ..Inspection::default() };
        let text = serde_json::to_string(&inspection).unwrap();
        assert_eq!(text, r#"{"retrieved_files":[{"path":"/etc/passwd","layer":1,"content":"/wA="}]}"#);
        assert_eq!(serde_json::from_str::<Inspection>(&text).unwrap(), inspection);
    }
}
