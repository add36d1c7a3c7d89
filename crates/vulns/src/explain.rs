//! Why a vulnerability does, or does not, apply.

use std::collections::BTreeSet;

use killick_model::advisory::{AdvisoryKind, AdvisoryStatus, Instant};
use killick_model::matching::{Evidence, FixState, Match, Suppressed};
use killick_model::package::PackageId;
use killick_model::problem::Problem;
use serde::Serialize;

use crate::index::{Index, IndexError};
use crate::matching::{self, MatchOptions, Subject, finding};
use crate::names;

pub use crate::matching::outcome::Outcome;

/// Names that are followed from one to the next, at most.
const MAX_NAMES: usize = 32;

/// Everything the index has to say about one vulnerability and one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The name it goes by.
    pub vulnerability: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// The advisories that tell of it; none where the index does not know it at all.
    pub advisories: Vec<AdvisorySummary>,
    /// Packages some source connects with it, whether it applies to them or not.
    pub packages: Vec<PackageExplanation>,
    /// What could not be judged in this image: the answer may be incomplete for these reasons.
    pub problems: Vec<Problem>,
}

/// One advisory, packages apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdvisorySummary {
    /// Provider.
    pub provider: String,
    /// Namespace.
    pub namespace: String,
    /// Its id.
    pub id: String,
    /// What it is about.
    pub kind: AdvisoryKind,
    /// Whether it counts.
    pub status: AdvisoryStatus,
    /// When upstream last changed it.
    pub modified: Option<String>,
}

/// One package and the vulnerability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageExplanation {
    /// The package.
    pub package: PackageId,
    /// What its sources come to, ownership apart.
    pub outcome: Outcome,
    /// The match, if it is one in the end.
    pub matched: Option<Match>,
    /// What was suppressed and why, if it was.
    pub suppressed: Option<Suppressed>,
    /// Each statement with its comparison, the deciding one first.
    pub statements: Vec<StatementExplanation>,
}

/// One statement held against a package.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatementExplanation {
    /// What the statement means for the version.
    pub outcome: Outcome,
    /// Whether the source has a fix.
    pub fix: FixState,
    /// Versions with the fix.
    pub fixed_versions: Vec<String>,
    /// The comparison.
    pub evidence: Evidence,
}

/// Tells of each package what `index` says about `vulnerability`, by any of its names.
pub fn explain(index: &Index, subject: Subject<'_>, vulnerability: &str) -> Result<Explanation, IndexError> {
    let wanted = all_names(index, vulnerability)?;
    let advisories = summaries(index, &wanted)?;
    let judged = matching::judge(index, subject)?;
    let report = finding::report(index, subject, &judged, MatchOptions::default())?;
    let mut packages = Vec::new();
    for (classes, (_, members)) in judged.classes.iter().zip(&judged.identities) {
        for class in classes.iter().filter(|class| class.names.iter().any(|name| wanted.contains(name))) {
            for &at in members {
                let id = PackageId(u32::try_from(at).unwrap_or(u32::MAX));
                let same = |package: PackageId, name: &str| package == id && name == class.name();
                packages.push(PackageExplanation {
                    package: id,
                    outcome: class.outcome,
                    matched: report.matches.iter().find(|found| same(found.package, &found.vulnerability)).cloned(),
                    suppressed: report
                        .suppressed
                        .iter()
                        .find(|found| same(found.package, &found.vulnerability))
                        .cloned(),
                    statements: class
                        .opinions
                        .iter()
                        .map(|opinion| StatementExplanation {
                            outcome: opinion.outcome,
                            fix: opinion.statement.fix.state,
                            fixed_versions: opinion.statement.fix.versions.clone(),
                            evidence: opinion.evidence(),
                        })
                        .collect(),
                });
            }
        }
    }
    packages.sort_by_key(|package| package.package);
    let mut ordered: Vec<String> = wanted.into_iter().collect();
    ordered.sort_by(|a, b| names::preference(a).cmp(&names::preference(b)));
    let mut ordered = ordered.into_iter();
    Ok(Explanation {
        vulnerability: ordered.next().unwrap_or_else(|| vulnerability.to_owned()),
        aliases: ordered.collect(),
        advisories,
        packages,
        problems: judged.problems,
    })
}

/// Follows aliases in both directions through all sources.
fn all_names(index: &Index, vulnerability: &str) -> Result<BTreeSet<String>, IndexError> {
    let mut names = BTreeSet::from([vulnerability.to_owned()]);
    let mut next = vec![vulnerability.to_owned()];
    while let Some(name) = next.pop() {
        for segment in 0..index.manifest().segments.len() {
            let mut ids = index.aliases(segment, &name)?;
            ids.push(name.clone());
            for id in ids {
                for advisory in index.advisories(segment, &id)? {
                    // A distribution's advisory is not another name of the vulnerabilities it packages.
                    if !advisory.upstream.is_empty() {
                        continue;
                    }
                    for name in std::iter::once(advisory.id).chain(advisory.aliases) {
                        if names.len() < MAX_NAMES && names.insert(name.clone()) {
                            next.push(name);
                        }
                    }
                }
            }
        }
    }
    Ok(names)
}

fn summaries(index: &Index, names: &BTreeSet<String>) -> Result<Vec<AdvisorySummary>, IndexError> {
    let mut found = Vec::new();
    for (at, segment) in index.manifest().segments.iter().enumerate() {
        let mut ids = names.clone();
        for name in names {
            ids.extend(index.aliases(at, name)?);
        }
        for id in ids {
            for advisory in index.advisories(at, &id)? {
                let modified: Option<Instant> = advisory.modified.or(advisory.published);
                found.push(AdvisorySummary {
                    provider: segment.provider.clone(),
                    namespace: segment.namespace.clone(),
                    id: advisory.id,
                    kind: advisory.kind,
                    status: advisory.status,
                    modified: modified.and_then(|instant| Some(instant.timestamp()?.to_string())),
                });
            }
        }
    }
    Ok(found)
}
