//! Why a vulnerability does, or does not, apply.
//!
//! The judgement is that of [`match_packages`](crate::match_packages) and [`vex::apply`]; here it is told about one
//! vulnerability, both ways. What is said of a package has a [`Why`] ([`sentence`]); what is said of the image as a whole,
//! because no package has to do with it or because the answer may be incomplete, a [`Remark`] ([`remarks`]). An advisory
//! of a distribution stands for the vulnerabilities that it fixes ([`asked`]).

use std::collections::BTreeSet;

use killick_model::advisory::{AdvisoryKind, AdvisoryStatus, Instant};
use killick_model::matching::{Evidence, FixState, Match, Matches, Suppressed};
use killick_model::package::PackageId;
use killick_model::problem::Problem;
use killick_model::vex::VexDocument;
use serde::Serialize;

use crate::index::{Index, IndexError};
use crate::matching::{self, MatchOptions, Subject, class::Class, finding};
use crate::names;
use crate::vex::{self, Image, Vex};

pub use self::remarks::{Remark, RemarkKind};
pub use self::sentence::Why;
pub use crate::matching::outcome::Outcome;

mod asked;
mod remarks;
mod sentence;
#[cfg(test)]
mod tests;

/// Names that are followed from one to the next, at most.
const MAX_NAMES: usize = 32;

/// Vulnerabilities of one advisory whose other names are followed.
const MAX_FOLLOWED: usize = 64;

/// Advisories that are told of all vulnerabilities of one advisory.
const MAX_ADVISORIES: usize = 200;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The image.
    pub subject: Subject<'a>,
    /// The vulnerability, by any of its names, or the advisory that fixes it; in capitals or not.
    pub vulnerability: &'a str,
    /// How to match.
    pub options: &'a MatchOptions,
    /// Documents to hold against it, with the image as they may speak of it.
    pub vex: Option<(&'a Vex, &'a Image<'a>)>,
    /// What could not be read of the image.
    pub problems: &'a [Problem],
    /// The instant for which ends of support are told.
    pub now: Instant,
}

/// Everything the index has to say about one vulnerability, or those of one advisory, and one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The name it goes by; that of the advisory, if one was asked for.
    pub vulnerability: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// The vulnerabilities that the advisory fixes, if one was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// What is to be said of the image as a whole.
    pub remarks: Vec<Remark>,
    /// The advisories that tell of it; none where the index does not know it at all.
    pub advisories: Vec<AdvisorySummary>,
    /// Packages some source connects with it, whether it applies to them or not.
    pub packages: Vec<PackageExplanation>,
    /// The VEX documents that were held against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<VexDocument>,
    /// What could not be judged or read of this image: the answer may be incomplete for these reasons.
    pub problems: Vec<Problem>,
}

/// What an explanation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It applies to a package.
    Applies,
    /// It applies to none, and nothing says that this may be wrong.
    DoesNotApply,
    /// It was found in no package, but the answer is incomplete: the remarks tell why.
    NotKnown,
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
    /// The vulnerability, which is one of several if an advisory was asked for.
    pub vulnerability: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The file that says it is there.
    pub location: String,
    /// The layer that brought it, 0 for the lowest.
    pub layer: u32,
    /// Why it does or does not apply.
    pub why: Why,
    /// The same as a sentence.
    pub text: String,
    /// Whether the sources agree, as a sentence, where several speak of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<String>,
    /// What its sources come to, ownership and VEX apart.
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
    /// The condition that the package does not fulfil.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The comparison.
    pub evidence: Evidence,
}

/// Tells of each package what `index` says about the vulnerability, by any of its names.
pub fn explain(index: &Index, question: &Question<'_>) -> Result<Explanation, IndexError> {
    let Question { subject, options, .. } = *question;
    let asked = asked::resolve(index, question.vulnerability)?;
    let wanted = match asked.vulnerabilities.as_slice() {
        [] => all_names(index, &asked.name)?,
        few if few.len() <= MAX_FOLLOWED => {
            let names: Result<Vec<_>, IndexError> = few.iter().map(|name| all_names(index, name)).collect();
            names?.into_iter().flatten().collect()
        }
        many => many.iter().cloned().collect(),
    };
    let mut advisories = match asked.vulnerabilities.len() {
        0..=MAX_FOLLOWED => summaries(index, &wanted)?,
        _ => Vec::new(),
    };
    if !asked.vulnerabilities.is_empty() {
        advisories.retain(|advisory| advisory.id != asked.name);
        advisories.splice(0..0, summaries(index, &BTreeSet::from([asked.name.clone()]))?);
        advisories.truncate(MAX_ADVISORIES);
    }
    let judged = matching::judge(index, subject, options.cpe)?;
    let mut report = finding::report(index, subject, &judged, options)?;
    if let Some((vex, image)) = question.vex {
        vex::apply(index, image, vex, &options.severity_order, &mut report)?;
    }
    let mut packages = Vec::new();
    for (classes, (_, members)) in judged.classes.iter().zip(&judged.identities) {
        for class in classes.iter().filter(|class| class.names.iter().any(|name| wanted.contains(name))) {
            packages.extend(members.iter().filter_map(|&at| explained(subject, &report, at, class)));
        }
    }
    // What only a document connects with it.
    let is_new = |found: &&Match| {
        let is_it = std::iter::once(&found.vulnerability).chain(&found.aliases).any(|name| wanted.contains(name));
        let is_told = |known: &PackageExplanation| {
            known.package == found.package
                && (asked.vulnerabilities.is_empty() || known.vulnerability == found.vulnerability)
        };
        is_it && !packages.iter().any(is_told)
    };
    let raised: Vec<PackageExplanation> =
        report.matches.iter().filter(is_new).filter_map(|found| by_document(subject, found)).collect();
    packages.extend(raised);
    packages.sort_by(|a, b| {
        let by_name = || names::preference(&a.vulnerability).cmp(&names::preference(&b.vulnerability));
        a.package.cmp(&b.package).then_with(by_name)
    });
    let mut problems = judged.problems.clone();
    problems.extend(question.problems.iter().cloned());
    problems.extend(report.problems.iter().cloned());
    problems.sort();
    problems.dedup();
    let remarks = remarks::remarks(index, question, &judged, &asked, &wanted, &advisories, &packages)?;
    let verdict = if packages.iter().any(|package| package.matched.is_some()) {
        Verdict::Applies
    } else if remarks.iter().any(|remark| remark.kind.leaves_open())
        || packages.iter().any(|package| package.why.leaves_open())
    {
        Verdict::NotKnown
    } else {
        Verdict::DoesNotApply
    };
    let is_advisory = !asked.vulnerabilities.is_empty();
    let mut ordered: Vec<String> = if is_advisory { vec![asked.name] } else { wanted.into_iter().collect() };
    ordered.sort_by(|a, b| names::preference(a).cmp(&names::preference(b)));
    let mut ordered = ordered.into_iter();
    Ok(Explanation {
        vulnerability: ordered.next().unwrap_or_else(|| question.vulnerability.to_owned()),
        aliases: ordered.collect(),
        fixes: asked.vulnerabilities,
        verdict,
        remarks,
        advisories,
        packages,
        vex: report.vex,
        problems,
    })
}

/// What a class comes to for the package at `at`.
fn explained(subject: Subject<'_>, report: &Matches, at: usize, class: &Class) -> Option<PackageExplanation> {
    let package = subject.packages.get(at)?;
    let id = PackageId(u32::try_from(at).ok()?);
    let same = |package: PackageId, name: &str| package == id && class.names.iter().any(|known| known == name);
    let matched = report.matches.iter().find(|found| same(found.package, &found.vulnerability)).cloned();
    let suppressed = report.suppressed.iter().find(|found| same(found.package, &found.vulnerability)).cloned();
    let statements: Vec<StatementExplanation> = class
        .opinions
        .iter()
        .map(|opinion| StatementExplanation {
            outcome: opinion.outcome,
            fix: opinion.statement.fix.state,
            fixed_versions: opinion.statement.fix.versions.clone(),
            condition: sentence::condition(&opinion.statement, package),
            evidence: opinion.evidence(),
        })
        .collect();
    let why = Why::of(class.outcome, matched.as_ref(), suppressed.as_ref());
    let text = sentence::text(why, subject, package, &statements, matched.as_ref(), suppressed.as_ref());
    Some(PackageExplanation {
        package: id,
        vulnerability: class.name().to_owned(),
        name: package.name.clone(),
        version: package.version.clone(),
        location: package.virtual_path(),
        layer: package.layer,
        why,
        text,
        sources: sentence::sources(&statements),
        outcome: class.outcome,
        matched,
        suppressed,
        statements,
    })
}

/// A match that no source of the index knows of.
fn by_document(subject: Subject<'_>, found: &Match) -> Option<PackageExplanation> {
    let package = subject.packages.get(found.package.0 as usize)?;
    let why = Why::of(Outcome::OutsideRange, Some(found), None);
    Some(PackageExplanation {
        package: found.package,
        vulnerability: found.vulnerability.clone(),
        name: package.name.clone(),
        version: package.version.clone(),
        location: package.virtual_path(),
        layer: package.layer,
        why,
        text: sentence::text(why, subject, package, &[], Some(found), None),
        sources: None,
        outcome: Outcome::OutsideRange,
        matched: Some(found.clone()),
        suppressed: None,
        statements: Vec::new(),
    })
}

/// Follows aliases in both directions through all sources.
pub(crate) fn all_names(index: &Index, vulnerability: &str) -> Result<BTreeSet<String>, IndexError> {
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
