//! Advisories: what the world knows about vulnerabilities, in one shape for all sources.
//!
//! An [`Advisory`] is about a vulnerability, a [`Statement`] is about a package, an [`Enrichment`] is about a CVE
//! and knows no package. Negative statements (not affected, fixed, under investigation) are data like any other:
//! they are what silences a less competent source. Which distribution release or ecosystem a statement belongs to
//! is told by the namespace it is filed under.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::matching::FixState;
use crate::severity::Severity;
use crate::version::range::Range;

/// A point in time to the second, small in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// Reads the time stamps feeds write: RFC 3339 with any fraction, without an offset (taken as UTC), or a date.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let stamp = text.parse::<Timestamp>().ok().or_else(|| {
            let civil = match text.parse::<jiff::civil::DateTime>() {
                Ok(civil) => civil,
                Err(_) => text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0),
            };
            jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
        })?;
        Some(Self(stamp.as_second()))
    }

    /// The same instant for the rest of the code; `None` where a hostile number is beyond the calendar.
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_second(self.0).ok()
    }
}

impl From<Timestamp> for Instant {
    fn from(stamp: Timestamp) -> Self {
        Self(stamp.as_second())
    }
}

/// What one source says about one vulnerability, packages apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// The source's own id.
    pub id: String,
    /// Other names of the same vulnerability.
    pub aliases: Vec<String>,
    /// The vulnerabilities this advisory packages (a distribution's advisory and its CVEs); no aliases.
    pub upstream: Vec<String>,
    /// What it is about.
    pub kind: AdvisoryKind,
    /// Whether it still counts.
    pub status: AdvisoryStatus,
    /// When upstream published it.
    pub published: Option<Instant>,
    /// When upstream last changed it.
    pub modified: Option<Instant>,
    /// Ratings it carries.
    pub ratings: Vec<Rating>,
    /// Weaknesses, as numbers of CWE.
    pub cwes: Vec<u32>,
    /// Where to read about it, unless that follows from the id.
    pub url: Option<String>,
    /// The terms it may be passed on under.
    pub license: License,
    /// When our index first knew it in this form.
    pub known_since: Instant,
}

/// What an advisory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisoryKind {
    /// A vulnerability.
    #[default]
    Vulnerability,
    /// The package is malicious.
    Malware,
    /// Nobody maintains the package.
    Unmaintained,
    /// A remark, a bug fix or an enhancement: no vulnerability.
    Notice,
}

/// Whether an advisory still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisoryStatus {
    /// It counts.
    #[default]
    Active,
    /// Somebody disputes it; it counts.
    Disputed,
    /// The id was given in error.
    Rejected,
    /// Upstream took it back.
    Withdrawn,
}

impl AdvisoryStatus {
    /// Whether upstream no longer stands by it.
    pub const fn is_void(self) -> bool {
        matches!(self, Self::Rejected | Self::Withdrawn)
    }
}

/// The terms data may be passed on under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum License {
    /// No rights reserved, or facts nobody claims.
    Public,
    /// May be passed on with attribution (CC-BY, Apache, MIT).
    Attribution,
    /// May be passed on under the same terms (CC-BY-SA).
    ShareAlike,
    /// May be fetched and used by the operator, not passed on.
    NotRedistributable,
    /// Not stated, or not known to us: not passed on.
    Unknown,
}

impl License {
    /// Whether a shipped index may contain it.
    pub const fn may_ship(self) -> bool {
        matches!(self, Self::Public | Self::Attribution)
    }
}

/// One rating of a vulnerability by somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rating {
    /// Who rated: `ghsa`, `nvd`, `adp`, `cna`, or the name of a provider.
    pub source: String,
    /// What was said.
    pub value: RatingValue,
}

/// The forms ratings come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RatingValue {
    /// A word.
    Word(Severity),
    /// A CVSS vector, from which the scores follow.
    Vector(String),
    /// A CVSS vector with the scores published beside it, in tenths, because those need not agree.
    Scored {
        /// `2.0`, `3.0`, `3.1` or `4.0`.
        version: String,
        /// The vector as published; may be empty.
        vector: String,
        /// Base score.
        base: u8,
        /// Exploitability sub-score.
        exploitability: Option<u8>,
        /// Impact sub-score.
        impact: Option<u8>,
    },
}

/// What one source says about one package and one vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Id of the advisory, of the same source.
    pub advisory: String,
    /// Name of the package as published. For [`Level::Cpe`] the CPE 2.3 name.
    pub name: String,
    /// What the name names.
    pub level: Level,
    /// The versions it speaks of.
    pub versions: Range,
    /// What it says of them.
    pub verdict: Verdict,
    /// State of the fix.
    pub fix: StatedFix,
    /// Conditions beyond name and version, all of which must hold.
    pub qualifiers: Vec<Qualifier>,
    /// The vendor's rating for this very package.
    pub severity: Option<Severity>,
    /// When our index first knew it in this form.
    pub known_since: Instant,
}

/// What the name of a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// A source package, and with it everything built from it.
    Source,
    /// A binary package.
    Binary,
    /// Either: the source does not tell.
    Any,
    /// A module or library of a language ecosystem.
    Module,
    /// A product, by CPE.
    Cpe,
}

/// What a statement says of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They have the vulnerability.
    Affected,
    /// They do not have it, and never had.
    NotAffected,
    /// Nobody has decided yet. Not shown as affected, but it explains silence.
    UnderInvestigation,
}

/// What a source says about the fix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatedFix {
    /// What was done or will be.
    pub state: FixState,
    /// Versions that fix it, ascending by stream.
    pub versions: Vec<String>,
    /// Ids of the advisories that shipped it.
    pub advisories: Vec<String>,
}

/// A condition of a statement beyond name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Qualifier {
    /// Only builds for these architectures.
    Architectures(Vec<String>),
    /// Only this module stream (`name:stream`).
    Module(String),
    /// Only packages from this repository of the distribution. Recorded; packages do not tell theirs.
    Repository(String),
    /// Only if this Go package, and of it one of these symbols where there are any, is linked.
    GoImport {
        /// Import path.
        path: String,
        /// Exported functions and methods; empty for the whole package.
        symbols: Vec<String>,
    },
    /// Only builds that carry this mark in their version: those of a stream that is maintained apart, such as
    /// `.el9_2` (extended support of one minor release) or `esm`.
    Build(String),
    /// Only packages in one of these slots, or in none of them. Gentoo keeps several lines of a package apart in slots.
    Slots {
        /// Whether it is in one of them.
        among: bool,
        /// The slots, without sub-slots.
        names: Vec<String>,
    },
    /// Only on one of these systems or devices, or beside one of these programs: CPE 2.3 names.
    RunningOn(Vec<String>),
}

/// What is known about a CVE whatever the package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrichment {
    /// Ratings.
    pub ratings: Vec<Rating>,
    /// Weaknesses, as numbers of CWE.
    pub cwes: Vec<u32>,
    /// Entry in the catalogue of known exploited vulnerabilities.
    pub exploited: Option<Exploited>,
    /// Probability of exploitation in the next 30 days, in millionths.
    pub epss_millionths: Option<u32>,
    /// Whether the CVE still counts.
    pub status: AdvisoryStatus,
    /// When upstream published it.
    pub published: Option<Instant>,
    /// When upstream last changed it.
    pub modified: Option<Instant>,
    /// When our index first knew it in this form.
    pub known_since: Instant,
}

/// An entry in the catalogue of known exploited vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploited {
    /// Day it was listed.
    pub added: Option<Instant>,
    /// Day by which agencies must act.
    pub due: Option<Instant>,
    /// Known use by ransomware.
    pub ransomware: bool,
}
