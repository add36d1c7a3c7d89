//! From decided classes to matches and suppressions.

use std::cmp::Ordering;
use std::collections::HashMap;

use killick_model::advisory::Rating;
use killick_model::matching::{Fix, FixState, Match, Matches, SourceRating, Suppressed, SuppressionReason};
use killick_model::package::PackageId;
use killick_model::severity::{Cvss, Severity};
use killick_model::version::{self, compare};

use super::class::Class;
use super::knowledge::{self, Knowledge};
use super::opinion::Opinion;
use super::outcome::Outcome;
use super::{Judged, MatchOptions, Subject, Suppressions, ownership};
use crate::index::{Index, IndexError};
use crate::scores::{self, SeverityOrder};
use crate::{names, risk};

pub(crate) fn report(
    index: &Index,
    subject: Subject<'_>,
    judged: &Judged<'_>,
    options: &MatchOptions,
) -> Result<Matches, IndexError> {
    let known = knowledge::gather(index, affected_names(judged))?;
    let identity_of = identities(subject, judged);
    let mut report = Matches::default();
    for (classes, (_, packages)) in judged.classes.iter().zip(&judged.identities) {
        let drafts: Vec<Option<Match>> = classes.iter().map(|class| draft(class, &known, options)).collect();
        for &at in packages {
            let id = PackageId(u32::try_from(at).unwrap_or(u32::MAX));
            let owner = subject.packages[at].owner.map(|owner| owner.0 as usize);
            let vendor = owner.and_then(|owner| Some(judged.vendors.of(subject.packages.get(owner)?)));
            let owner = owner.and_then(|owner| judged.classes.get(*identity_of.get(owner)?));
            let owner = vendor.zip(owner);
            for (class, draft) in classes.iter().zip(&drafts) {
                let by_owner = owner
                    .filter(|_| class.outcome == Outcome::Affected)
                    .and_then(|(vendor, owner)| ownership::verdict(vendor, owner, class));
                match (draft, by_owner) {
                    (Some(draft), None) => report.matches.push(Match { package: id, ..draft.clone() }),
                    (Some(_), Some((reason, said))) => {
                        suppress(&mut report, options, id, class, reason, said.unwrap_or(class));
                    }
                    (None, _) => {
                        let withdrawn = class.outcome == Outcome::Affected;
                        let reason = class.outcome.suppression();
                        if let Some(reason) = reason.or(withdrawn.then_some(SuppressionReason::Withdrawn)) {
                            suppress(&mut report, options, id, class, reason, class);
                        }
                    }
                }
            }
        }
    }
    // Of each package they are in the order of its classes already, which is that of their names.
    report.matches.sort_by_key(|found| found.package);
    report.suppressed.sort_by_key(|found| found.package);
    Ok(report)
}

fn affected_names(judged: &Judged<'_>) -> Vec<String> {
    let affected = judged.classes.iter().flatten().filter(|class| class.outcome == Outcome::Affected);
    let mut names: Vec<String> = affected.flat_map(|class| class.names.iter().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Position of the identity of each package.
fn identities(subject: Subject<'_>, judged: &Judged<'_>) -> Vec<usize> {
    let mut of = vec![usize::MAX; subject.packages.len()];
    for (identity, (_, packages)) in judged.identities.iter().enumerate() {
        for &at in packages {
            of[at] = identity;
        }
    }
    of
}

fn suppress(
    report: &mut Matches,
    options: &MatchOptions,
    package: PackageId,
    class: &Class,
    reason: SuppressionReason,
    said: &Class,
) {
    if options.suppressed == Suppressions::Drop {
        return;
    }
    if let Some(opinion) = said.opinions.first() {
        let evidence = opinion.evidence();
        let vulnerability = class.name().to_owned();
        report.suppressed.push(Suppressed { package, vulnerability, reason, evidence, claim: None });
    }
}

/// The match a class comes to, package apart; `None` where it comes to none.
fn draft(class: &Class, known: &HashMap<String, Knowledge>, options: &MatchOptions) -> Option<Match> {
    let first = class.opinions.first().filter(|_| class.outcome == Outcome::Affected)?;
    let affected: Vec<&Opinion> =
        class.opinions.iter().filter(|opinion| opinion.outcome == Outcome::Affected).collect();
    let known: Vec<&Knowledge> = class.names.iter().filter_map(|name| known.get(name)).collect();
    // A vulnerability whose id was given in error, unless a vendor still stands by it.
    if known.iter().any(|known| known.is_rejected) && !first.is_vendors() {
        return None;
    }
    let order = &options.severity_order;
    let mut ratings: Vec<Rating> = affected
        .iter()
        .filter_map(|opinion| opinion.advisory.as_ref())
        .filter(|advisory| advisory.upstream.len() <= 1)
        .flat_map(|advisory| advisory.ratings.iter().cloned())
        .collect();
    ratings.extend(known.iter().flat_map(|known| known.ratings.iter().cloned()));
    ratings.sort_by(|a, b| order.rank(&a.source).cmp(&order.rank(&b.source)).then_with(|| a.cmp(b)));
    ratings.dedup();
    let rated = rated(first, &ratings, order);
    let malicious = first.is_malware();
    let (severity, severity_source) = match rated.first() {
        Some(rated) => (rated.severity, Some(rated.source.clone())),
        // Nobody rates malware, because there is nothing to weigh.
        None if malicious => (Severity::Critical, Some(first.provider.as_ref().to_owned())),
        None => (Severity::Unknown, None),
    };
    let url = first.advisory.as_ref().and_then(|advisory| advisory.url.clone());
    let mut found = Match {
        package: PackageId(0),
        vulnerability: class.name().to_owned(),
        aliases: class.names.iter().skip(1).cloned().collect(),
        severity,
        severity_source,
        cvss: cvss(&ratings),
        ratings: rated,
        fix: fix(&affected),
        url: url.or_else(|| names::url(&first.statement.advisory, &first.provider)),
        known_exploited: known.iter().any(|known| known.is_exploited),
        epss: known.iter().find_map(|known| known.epss),
        malicious,
        risk: 0.0,
        claims: Vec::new(),
        evidence: affected.iter().map(|opinion| opinion.evidence()).collect(),
    };
    found.risk = risk::score(&found);
    Some(found)
}

/// The severity by each source; whoever brought the distribution's own word here, it is the distribution's: `debian` of
/// `debian:12`.
fn rated(first: &Opinion, ratings: &[Rating], order: &SeverityOrder) -> Vec<SourceRating> {
    let name = first.namespace.split(':').next().unwrap_or(&first.namespace);
    let word = first.statement.severity.filter(|severity| *severity != Severity::Unknown);
    order.ratings(word.map(|severity| (name, severity)), ratings)
}

pub(crate) fn cvss(ratings: &[Rating]) -> Vec<Cvss> {
    let mut found: Vec<Cvss> = Vec::new();
    for cvss in ratings.iter().filter_map(scores::cvss) {
        let same =
            |known: &Cvss| known.source == cvss.source && known.version == cvss.version && known.vector == cvss.vector;
        if !found.iter().any(same) {
            found.push(cvss);
        }
    }
    found
}

/// The fix of the first opinion that has one for this version, else what the first says.
fn fix(affected: &[&Opinion]) -> Fix {
    for opinion in affected {
        let versions = later(opinion);
        if !versions.is_empty() {
            return Fix { state: FixState::Fixed, versions, observed_at: opinion.statement.known_since.timestamp() };
        }
    }
    let stated = affected.first().map_or(FixState::Unknown, |opinion| opinion.statement.fix.state);
    // Fixed, but in an older stream than this one.
    let state = if stated == FixState::Fixed { FixState::NotFixed } else { stated };
    Fix { state, versions: Vec::new(), observed_at: None }
}

/// Fixed versions after the installed one, lowest first: the first is that of its own stream.
fn later(opinion: &Opinion) -> Vec<String> {
    let scheme = opinion.statement.versions.scheme;
    let order = |a: &str, b: &str| compare(scheme, &scheme.marked(a), &scheme.marked(b));
    let mut versions: Vec<String> = opinion
        .statement
        .fix
        .versions
        .iter()
        .filter(|fixed| order(fixed, &opinion.compared_version) != Some(Ordering::Less))
        .cloned()
        .collect();
    versions.sort_by(|a, b| version::order(scheme, &scheme.marked(a), &scheme.marked(b)));
    versions.dedup();
    versions
}
