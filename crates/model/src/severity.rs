//! Severity words and CVSS scores.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How bad a vulnerability is, in ascending order; the six words of the v1 API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody has rated it. Never shown as low.
    #[default]
    Unknown,
    /// A vendor calls it unimportant.
    Negligible,
    /// CVSS below 4.
    Low,
    /// CVSS below 7.
    Medium,
    /// CVSS below 9.
    High,
    /// CVSS 9 and above.
    Critical,
}

impl Severity {
    /// All values, ascending.
    pub const ALL: [Self; 6] = [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word as the v1 API writes it, such as `High`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Negligible => "Negligible",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }

    /// The rating of a CVSS base score of version 3 or 4 (CVSS v3.1 specification, section 5); 0 is negligible.
    pub fn from_cvss3(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            score if score > 0.0 => Self::Low,
            _ => Self::Negligible,
        }
    }
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a severity: expected unknown, negligible, low, medium, high or critical")]
pub struct SeverityError(String);

impl FromStr for Severity {
    type Err = SeverityError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.title().eq_ignore_ascii_case(word))
            .ok_or_else(|| SeverityError(word.to_owned()))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.title())
    }
}

/// One CVSS rating of a vulnerability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cvss {
    /// Who rated: `nvd`, `ghsa`, `debian`, … .
    pub source: String,
    /// `2.0`, `3.0`, `3.1` or `4.0`.
    pub version: String,
    /// The vector as published.
    pub vector: String,
    /// Base score, 0 to 10.
    pub base: f64,
    /// Exploitability sub-score; `None` for version 4, which has none.
    pub exploitability: Option<f64>,
    /// Impact sub-score; `None` for version 4.
    pub impact: Option<f64>,
}
