//! What an exception was granted for, and what of it changed.

use killick_model::evaluation::Finding;
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use serde::{Deserialize, Serialize};

/// A change that makes an exception void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facet {
    /// The package has another version.
    Version,
    /// The vulnerability is rated more severe.
    Severity,
    /// There is a fix now, or the vendor is not going to fix it any more.
    Fix,
    /// It is known to be exploited now.
    KnownExploited,
    /// The package turned out to do harm on purpose.
    Malicious,
    /// The advisory that decides is another one, or was revised in any way. Sources revise theirs often for nothing.
    Advisory,
}

impl Facet {
    /// All but revisions of the advisory.
    pub const DEFAULT: &'static [Self] =
        &[Self::Version, Self::Severity, Self::Fix, Self::KnownExploited, Self::Malicious];
}

/// One finding as it was when an exception was granted.
///
/// Gate, trigger, vulnerability, package and path say which it is (the id, where there are none of these); the rest is
/// what may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// Gate.
    pub gate: String,
    /// Trigger.
    pub trigger: String,
    /// Trigger id, of a finding that is about nothing in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_id: Option<String>,
    /// Vulnerability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<String>,
    /// Type and name of the package: `deb/openssl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// File.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Version of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// State of the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixState>,
    /// Known to be exploited.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known_exploited: bool,
    /// The package does harm on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub malicious: bool,
    /// The advisory and its date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisory: Option<String>,
}

impl Granted {
    /// A finding as it is now.
    pub fn of(finding: &Finding) -> Self {
        let subject = &finding.subject;
        let (package, vulnerability) = (subject.package.as_ref(), subject.vulnerability.as_ref());
        Self {
            gate: finding.gate.clone(),
            trigger: finding.trigger.clone(),
            trigger_id: subject.is_unknown().then(|| finding.trigger_id.clone()),
            vulnerability: vulnerability.map(|found| found.id.clone()),
            package: package.map(|package| format!("{}/{}", package.kind.name(), package.name)),
            // Of a vulnerability the package says enough, and may be moved about.
            path: subject.path.clone().filter(|_| vulnerability.is_none()),
            version: package.map(|package| package.version.clone()),
            severity: vulnerability.map(|found| found.severity),
            fix: vulnerability.map(|found| found.fix),
            known_exploited: vulnerability.is_some_and(|found| found.known_exploited),
            malicious: vulnerability.is_some_and(|found| found.malicious),
            advisory: vulnerability.and_then(|found| found.advisory.clone()),
        }
    }

    /// Whether both are the same finding, changed or not. A vulnerability may meanwhile go by another of its names.
    fn is_same(&self, finding: &Finding, now: &Self) -> bool {
        let names_it = |id: &String| {
            finding.subject.vulnerability.as_ref().is_some_and(|found| found.id == *id || found.aliases.contains(id))
        };
        let vulnerability = match &self.vulnerability {
            Some(id) => names_it(id),
            None => now.vulnerability.is_none(),
        };
        vulnerability
            && (&self.gate, &self.trigger, &self.trigger_id) == (&now.gate, &now.trigger, &now.trigger_id)
            && (&self.package, &self.path) == (&now.package, &now.path)
    }

    /// What changed of it. What was not remembered did not change.
    fn changes(&self, facets: &[Facet], now: &Self) -> Vec<String> {
        let name = self.vulnerability.as_deref().or(self.package.as_deref()).unwrap_or_default();
        let mut changes = Vec::new();
        for facet in facets {
            let change = match facet {
                Facet::Version => {
                    let (was, is) = (self.version.as_deref(), now.version.as_deref());
                    let package = self.package.as_deref().unwrap_or_default();
                    different(was, is).map(|(was, is)| format!("`{package}` is {is}, not {was}"))
                }
                Facet::Severity => match (self.severity, now.severity) {
                    (Some(was), Some(is)) if is > was => {
                        let (was, is) = (was.title().to_lowercase(), is.title().to_lowercase());
                        Some(format!("{name} is {is} now, not {was}"))
                    }
                    _ => None,
                },
                Facet::Fix => match (self.fix, now.fix) {
                    (Some(was), Some(FixState::Fixed)) if was != FixState::Fixed => {
                        Some(format!("there is a fix for {name} now"))
                    }
                    (Some(was), Some(FixState::WontFix)) if was != FixState::WontFix => {
                        Some(format!("{name} will not be fixed"))
                    }
                    _ => None,
                },
                Facet::KnownExploited => (now.known_exploited && !self.known_exploited)
                    .then(|| format!("{name} is known to be exploited now")),
                Facet::Malicious => {
                    (now.malicious && !self.malicious).then(|| format!("the package of {name} is malicious"))
                }
                Facet::Advisory => {
                    let (was, is) = (self.advisory.as_deref(), now.advisory.as_deref());
                    different(was, is).map(|(was, is)| format!("the advisory on {name} is {is}, not {was}"))
                }
            };
            changes.extend(change);
        }
        changes
    }
}

fn different<'t>(was: Option<&'t str>, is: Option<&'t str>) -> Option<(&'t str, &'t str)> {
    Some((was?, is?)).filter(|(was, is)| was != is)
}

/// Why an exception that remembers this does not clear the finding; nothing if it does.
pub(super) fn changes(granted: &[Granted], facets: &[Facet], finding: &Finding) -> Vec<String> {
    if granted.is_empty() {
        return Vec::new();
    }
    let now = Granted::of(finding);
    let same = granted.iter().filter(|granted| granted.is_same(finding, &now));
    let fewest = same.map(|granted| granted.changes(facets, &now)).min_by_key(Vec::len);
    fewest.unwrap_or_else(|| {
        vec![format!("it was not granted for {}.{} `{}`", finding.gate, finding.trigger, finding.trigger_id)]
    })
}
