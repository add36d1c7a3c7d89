//! Matches: which vulnerability applies to which package, and how we know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::package::{Package, PackageId};
use crate::problem::Problem;
use crate::severity::{Cvss, Severity};
use crate::vex::{VexClaim, VexDocument};

/// Kind of the problem that there are no data for packages of which none is there: documents claim them, or lock files
/// ask for them.
pub const NO_DATA_FOR_CLAIMS: &str = "no-data-for-claims";

/// The outcome of comparing an image's packages with the advisory index.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Matches {
    /// What applies, ordered by (package, vulnerability).
    pub matches: Vec<Match>,
    /// What was considered and does not apply although some source says it might, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Suppressed>,
    /// The VEX documents that were held against them, trusted or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<VexDocument>,
    /// What could not be judged: a version that cannot be compared, a distribution without data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// One vulnerability of one package: all sources that speak of it, merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The package.
    pub package: PackageId,
    /// The name it goes by: the CVE if there is one, else GHSA, else the source's own id.
    pub vulnerability: String,
    /// The other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The rating that counts.
    pub severity: Severity,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_source: Option<String>,
    /// All CVSS ratings, the vendor's first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cvss: Vec<Cvss>,
    /// The severity by each source, in the order in which they count: the first is the rating that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<SourceRating>,
    /// Whether, and with which version, it is fixed.
    pub fix: Fix,
    /// Where to read about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Known to be exploited (CISA KEV).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known_exploited: bool,
    /// Probability of exploitation in the next 30 days, 0 to 1 (EPSS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<f64>,
    /// The package does harm on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub malicious: bool,
    /// How urgent it is, 0 to 100: the order in which people look at matches.
    #[serde(default)]
    pub risk: f64,
    /// What VEX documents say of it, the deciding one first. Those that are not trusted change nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<VexClaim>,
    /// Why it matched: one entry per statement that says affected, the deciding one first; never empty.
    pub evidence: Vec<Evidence>,
}

/// The severity of a vulnerability by one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRating {
    /// Who rated: `nvd`, `ghsa`, `debian`, … .
    pub source: String,
    /// How bad it is, as the source says, or as follows from its score.
    pub severity: Severity,
    /// Version of the CVSS that it follows from; `None` for a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss_version: Option<String>,
    /// Base score, 0 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
}

impl Match {
    /// The id by which Anchore's API and policies call it: language packages by their GitHub advisory where there is
    /// one, packages of a distribution by its advisory where its feed had no CVEs, everything else by the name it goes
    /// by. Allowlists are written in these ids.
    pub fn anchore_id(&self, package: &Package) -> &str {
        let deciding = self.evidence.first();
        if package.kind.is_os() {
            let own = deciding.filter(|evidence| evidence.is_named_by_vendor());
            return own.map_or(&self.vulnerability, |evidence| &evidence.advisory);
        }
        if deciding.is_some_and(|evidence| evidence.confidence == Confidence::Cpe) {
            return &self.vulnerability;
        }
        let advisories = self.evidence.iter().map(|evidence| &evidence.advisory);
        advisories.chain(&self.aliases).find(|id| id.starts_with("GHSA-")).unwrap_or(&self.vulnerability)
    }
}

impl Evidence {
    /// Whether Anchore's feeds had this statement under the vendor's id: theirs do, and of the distributions Amazon
    /// Linux and Oracle Linux number advisories, not vulnerabilities.
    fn is_named_by_vendor(&self) -> bool {
        self.provider == "anchore" || ["ALAS", "ELSA-"].iter().any(|prefix| self.advisory.starts_with(prefix))
    }
}

/// State of the fix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fix {
    /// What the vendor did or will do.
    pub state: FixState,
    /// Versions that fix it, lowest first; empty unless `state` is [`FixState::Fixed`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// When we first saw this fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
}

/// What the vendor did or will do about a vulnerability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixState {
    /// Nobody says.
    #[default]
    Unknown,
    /// A fixed version exists.
    Fixed,
    /// No fix yet.
    NotFixed,
    /// The vendor will fix it some time, with no urgency (Debian `postponed`, `no-dsa`).
    Deferred,
    /// The vendor says it will not.
    WontFix,
}

/// One statement of one source that applies to the package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Provider name, such as `debian` or `osv`.
    pub provider: String,
    /// Namespace in the index, such as `debian:12` or `npm`.
    pub namespace: String,
    /// The advisory's own id.
    pub advisory: String,
    /// Name the statement was found under: the package's own or its source package's.
    pub matched_name: String,
    /// The name is that of the source package.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub via_source: bool,
    /// The version that was compared.
    pub compared_version: String,
    /// The version order used: `dpkg`, `rpm`, `semver`, … .
    pub scheme: String,
    /// The affected range, for people: `< 1.2.3`, `>= 2.0, < 2.1.4`, or `*`.
    pub affected: String,
    /// How sure the way of matching is.
    pub confidence: Confidence,
    /// Whether the program links what the statement says is flawed, where it says what of a module is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkage: Option<Linkage>,
    /// The severity this source gives.
    pub severity: Severity,
    /// When upstream published or last changed the statement, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// When our index first knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Timestamp>,
}

/// Whether a program links the packages and functions that a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Linkage {
    /// At least one of them.
    Linked,
    /// None of them.
    NotLinked,
    /// What it links is not known.
    Unknown,
}

/// How a package was tied to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// By the package's own name in its own ecosystem.
    Exact,
    /// Through the source package it was built from.
    Source,
    /// By its name alone, where it does not say whose it is (a Java archive without a group).
    Name,
    /// By CPE.
    Cpe,
}

/// A statement that was considered and does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suppressed {
    /// The package.
    pub package: PackageId,
    /// The vulnerability.
    pub vulnerability: String,
    /// The reason.
    pub reason: SuppressionReason,
    /// The statement that decided, and what was compared.
    pub evidence: Evidence,
    /// The VEX document's word, where that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<VexClaim>,
}

/// Why a statement does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionReason {
    /// The installed version contains the fix.
    Fixed,
    /// The vendor says the package is not affected.
    NotAffected,
    /// The version is in no affected range.
    OutsideRange,
    /// The advisory was withdrawn.
    Withdrawn,
    /// The distribution answers for this package, and does not list it.
    OwnedByDistribution,
    /// Headers or documentation only: the flaw is in code that is not here.
    NoAffectedCode,
    /// The program does not link the flawed functions.
    NotLinked,
    /// A trusted VEX document says that it is not affected, or fixed.
    Vex,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn anchore_goes_by_the_ids_of_its_feeds() {
        for (kind, provider, advisory, confidence, aliases, want) in [
            ("deb", "debian", "CVE-2024-1", "exact", &[][..], "CVE-2024-1"),
            ("deb", "osv", "DSA-5000-1", "source", &[], "CVE-2024-1"),
            ("deb", "anchore", "DSA-5000-1", "source", &[], "DSA-5000-1"),
            ("rpm", "osv", "ALAS2-2024-77", "exact", &[], "ALAS2-2024-77"),
            ("rpm", "oval", "ELSA-2024-77", "exact", &[], "ELSA-2024-77"),
            ("python", "osv", "PYSEC-2024-5", "exact", &["GHSA-aaaa-bbbb-cccc"], "GHSA-aaaa-bbbb-cccc"),
            ("python", "osv", "PYSEC-2024-5", "exact", &[], "CVE-2024-1"),
            ("python", "nvd", "CVE-2024-1", "cpe", &["GHSA-aaaa-bbbb-cccc"], "CVE-2024-1"),
        ] {
            let package: Package = serde_json::from_value(json!({
                "kind": kind, "name": "a", "version": "1", "location": "a", "layer": 0, "cataloger": kind,
            }))
            .unwrap();
            let found: Match = serde_json::from_value(json!({
                "package": 0, "vulnerability": "CVE-2024-1", "aliases": aliases, "severity": "high",
                "fix": {"state": "unknown"},
                "evidence": [{
                    "provider": provider, "namespace": "n", "advisory": advisory, "matched_name": "a",
                    "compared_version": "1", "scheme": "generic", "affected": "*", "confidence": confidence,
                    "severity": "high",
                }],
            }))
            .unwrap();
            assert_eq!(found.anchore_id(&package), want, "{kind} {advisory}");
        }
    }
}
