//! What documents change about matches.
//!
//! Of everything that is said of one package and one vulnerability, each issuer's newest word is a claim. The voices are
//! heard in the order of the settings, and the first that says anything definite decides:
//!
//! - *not affected* or *fixed* turns a match into a suppression with the reason [`SuppressionReason::Vex`];
//! - *affected* keeps it, makes one of what was suppressed, or of nothing, where the index knows no such finding. It
//!   overrules that the installed version has the fix only if it names a version;
//! - *under investigation* decides nothing.
//!
//! The vendor's voice is heard where the distribution's own data decided, and for everything that matching suppressed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use killick_model::matching::{Confidence, Evidence, Fix, Match, Matches, Suppressed, SuppressionReason};
use killick_model::package::PackageId;
use killick_model::severity::Severity;
use killick_model::vex::{VexClaim, VexDocument, VexOrigin, VexStatus};

use super::envelope::Signing;
use super::product::{Image, Product};
use super::statement::{Document, Statement};
use super::{Vex, Voice};
use crate::index::{Index, IndexError};
use crate::matching::{finding, knowledge};
use crate::scores::SeverityOrder;
use crate::{names, risk};

/// Findings that documents may add to one image.
const MAX_RAISED: usize = 10_000;

/// Claims that are told of one finding.
const MAX_CLAIMS: usize = 50;

/// Holds the documents of `vex` against the matches of an image; `order` rates what they add.
///
/// A pure function: the same documents, settings and matches come to the same result, which tells which documents were
/// held against it. Reads nothing but ratings of vulnerabilities that documents add.
pub fn apply(
    index: &Index,
    image: &Image<'_>,
    vex: &Vex,
    order: &SeverityOrder,
    matches: &mut Matches,
) -> Result<(), IndexError> {
    matches.problems.extend(vex.problems.iter().cloned());
    matches.problems.sort();
    matches.problems.dedup();
    if vex.documents.is_empty() {
        return Ok(());
    }
    let said = Said::new(vex);
    let mut applied = vec![0_u64; vex.documents.len()];
    let mut kept = Vec::with_capacity(matches.matches.len());
    let mut suppressed = Vec::with_capacity(matches.suppressed.len());
    for mut found in std::mem::take(&mut matches.matches) {
        let names = std::iter::once(&found.vulnerability).chain(&found.aliases);
        let claims = said.claims(image, found.package, names);
        let is_vendors =
            image.subject.packages.get(found.package.0 as usize).is_some_and(|package| package.kind.is_os())
                && found.evidence.first().is_some_and(|evidence| evidence.confidence != Confidence::Cpe);
        let decided = decide(vex, &claims, is_vendors).map(|(at, claim)| (at, claim.clone()));
        if let Some((at, _)) = &decided
            && let Some(count) = applied.get_mut(*at)
        {
            *count = count.saturating_add(1);
        }
        match decided {
            Some((_, claim)) if claim.status.clears() => {
                let Match { package, vulnerability, evidence, .. } = found;
                let Some(evidence) = evidence.into_iter().next() else { continue };
                let reason = SuppressionReason::Vex;
                suppressed.push(Suppressed { package, vulnerability, reason, evidence, claim: Some(claim) });
            }
            decided => {
                let first = decided.map(|(_, claim)| claim);
                let rest = claims.into_iter().map(|(_, claim, _)| claim).filter(|claim| Some(claim) != first.as_ref());
                found.claims = first.clone().into_iter().chain(rest).take(MAX_CLAIMS).collect();
                kept.push(found);
            }
        }
    }
    let mut raised = Vec::new();
    for found in std::mem::take(&mut matches.suppressed) {
        let claims = said.claims(image, found.package, std::iter::once(&found.vulnerability));
        let is_answered = found.reason == SuppressionReason::Fixed;
        let claims: Vec<_> = claims.into_iter().filter(|(.., is_versioned)| *is_versioned || !is_answered).collect();
        match decide(vex, &claims, true) {
            Some((at, claim)) if claim.status == VexStatus::Affected && raised.len() < MAX_RAISED => {
                raised.push(Raised {
                    at,
                    package: found.package,
                    names: vec![found.vulnerability],
                    claim: claim.clone(),
                    evidence: Some(found.evidence),
                });
            }
            _ => suppressed.push(found),
        }
    }
    let of_found = kept.iter().flat_map(|found| {
        std::iter::once(&found.vulnerability).chain(&found.aliases).map(|name| (found.package, name.clone()))
    });
    let of_suppressed = suppressed.iter().map(|found| (found.package, found.vulnerability.clone()));
    let of_raised = raised.iter().flat_map(|raised| raised.names.iter().map(|name| (raised.package, name.clone())));
    let known = of_found.chain(of_suppressed).chain(of_raised).collect();
    said.unheard(image, known, &mut raised);
    let names = raised.iter().flat_map(|raised| raised.names.iter().cloned()).collect();
    let ratings = knowledge::gather(index, names)?;
    for raised in raised {
        if let Some(count) = applied.get_mut(raised.at) {
            *count = count.saturating_add(1);
        }
        kept.extend(raised.found(image, &ratings, order));
    }
    let by_name = |a: &str, b: &str| names::preference(a).cmp(&names::preference(b));
    kept.sort_by(|a, b| a.package.cmp(&b.package).then_with(|| by_name(&a.vulnerability, &b.vulnerability)));
    suppressed.sort_by(|a, b| a.package.cmp(&b.package).then_with(|| by_name(&a.vulnerability, &b.vulnerability)));
    matches.matches = kept;
    matches.suppressed = suppressed;
    let documents = vex.documents.iter().zip(applied);
    matches.vex = documents.map(|((document, origin), applied)| summary(vex, document, *origin, applied)).collect();
    Ok(())
}

fn summary(vex: &Vex, document: &Document, origin: VexOrigin, applied: u64) -> VexDocument {
    VexDocument {
        digest: document.digest.clone(),
        id: document.id.clone(),
        issuer: document.issuer.clone(),
        format: document.format,
        origin,
        said_at: document.said_at,
        key: match &document.signing {
            Signing::Verified(key) => Some(key.clone()),
            Signing::Unsigned | Signing::Unverified => None,
        },
        trusted: vex.settings.is_trusted(document, origin),
        statements: document.statements.len() as u64,
        applied,
    }
}

/// A claim with the position of its document, and whether it names versions.
type Told = (usize, VexClaim, bool);

/// A statement with the position of its document, the product it means, and whether it names versions.
type Heard<'v> = (usize, &'v Statement, String, bool);

/// The first voice that says anything definite; `None` where that is the vendor's, or nobody's.
fn decide<'c>(vex: &Vex, claims: &'c [Told], vendor_speaks: bool) -> Option<(usize, &'c VexClaim)> {
    for voice in vex.settings.voices() {
        let origin = match voice {
            Voice::Vendor if vendor_speaks => return None,
            Voice::Vendor => continue,
            Voice::User => VexOrigin::User,
            Voice::Attached => VexOrigin::Attached,
        };
        let mut heard = claims.iter().filter(|(_, claim, _)| {
            claim.trusted && claim.origin == origin && claim.status != VexStatus::UnderInvestigation
        });
        // Where several differ, somebody who says affected is not outvoted.
        let first = heard.clone().find(|(_, claim, _)| claim.status == VexStatus::Affected).or_else(|| heard.next());
        if let Some((at, claim, _)) = first {
            return Some((*at, claim));
        }
    }
    None
}

/// All statements by the vulnerability's names.
struct Said<'v> {
    vex: &'v Vex,
    by_name: HashMap<String, Vec<(usize, &'v Statement)>>,
}

impl<'v> Said<'v> {
    fn new(vex: &'v Vex) -> Self {
        let mut by_name: HashMap<String, Vec<(usize, &Statement)>> = HashMap::new();
        for (at, (document, _)) in vex.documents.iter().enumerate() {
            for statement in document.statements.iter().filter(|statement| !vex.settings.is_stale(statement.said_at)) {
                for name in &statement.names {
                    by_name.entry(name.to_ascii_uppercase()).or_default().push((at, statement));
                }
            }
        }
        Self { vex, by_name }
    }

    /// What is said of a package and a vulnerability of these names: of each issuer the newest.
    fn claims<'n>(&self, image: &Image<'_>, package: PackageId, names: impl Iterator<Item = &'n String>) -> Vec<Told> {
        let mut newest: BTreeMap<(VexOrigin, bool, &str), Heard<'_>> = BTreeMap::new();
        for name in names {
            for &(at, statement) in self.by_name.get(&name.to_ascii_uppercase()).into_iter().flatten() {
                let Some((document, origin)) = self.vex.documents.get(at) else { continue };
                let meant = |product: &'v Product| {
                    image
                        .meant(product, package.0 as usize)
                        .map(|part| (product.describe(&part), product.is_versioned()))
                };
                let Some((product, is_versioned)) = statement.products.iter().find_map(meant) else { continue };
                let newer = |(known_at, known, ..): &Heard<'_>| {
                    // In one document the later statement counts, of two documents of one instant the one that clears nothing.
                    statement.said_at.cmp(&known.said_at).then_with(|| {
                        if at == *known_at {
                            std::cmp::Ordering::Greater
                        } else {
                            known.status.clears().cmp(&statement.status.clears())
                        }
                    })
                };
                // In anybody's name anybody may write: what is not trusted replaces nothing that is.
                let is_trusted = self.vex.settings.is_trusted(document, *origin);
                let key = (*origin, is_trusted, document.issuer.as_str());
                if newest.get(&key).is_none_or(|known| newer(known).is_gt()) {
                    newest.insert(key, (at, statement, product, is_versioned));
                }
            }
        }
        let told = newest
            .into_values()
            .map(|(at, statement, product, is_versioned)| (at, self.claim(at, statement, product), is_versioned));
        told.collect()
    }

    fn claim(&self, at: usize, statement: &Statement, product: String) -> VexClaim {
        let (document, origin) = &self.vex.documents[at];
        VexClaim {
            status: statement.status,
            justification: statement.justification,
            impact: statement.impact.clone(),
            action: statement.action.clone(),
            product,
            issuer: document.issuer.clone(),
            document: document.id.clone(),
            digest: document.digest.clone(),
            origin: *origin,
            said_at: statement.said_at,
            trusted: self.vex.settings.is_trusted(document, *origin),
        }
    }

    /// Packages that trusted documents call affected by what nobody else connects with them. The image as a whole is no
    /// package that could be affected.
    fn unheard(&self, image: &Image<'_>, mut known: HashSet<(PackageId, String)>, raised: &mut Vec<Raised>) {
        for (document, origin) in &self.vex.documents {
            if !self.vex.settings.is_trusted(document, *origin) {
                continue;
            }
            for statement in document.statements.iter().filter(|statement| statement.status == VexStatus::Affected) {
                let is_about_packages =
                    |product: &&Product| !product.parts.is_empty() || !image.is_image(&product.component);
                let products: Vec<&Product> = statement.products.iter().filter(is_about_packages).collect();
                let packages: BTreeSet<usize> = products.iter().flat_map(|product| image.candidates(product)).collect();
                for at in packages {
                    let id = PackageId(u32::try_from(at).unwrap_or(u32::MAX));
                    let is_known = statement.names.iter().any(|name| known.contains(&(id, name.clone())));
                    let is_meant = || products.iter().any(|product| image.meant(product, at).is_some());
                    if is_known || raised.len() >= MAX_RAISED || !is_meant() {
                        continue;
                    }
                    // Its issuer, or somebody who is heard first, may have said otherwise since.
                    let claims = self.claims(image, id, statement.names.iter());
                    if let Some((at, claim)) = decide(self.vex, &claims, false)
                        && claim.status == VexStatus::Affected
                    {
                        known.extend(statement.names.iter().map(|name| (id, name.clone())));
                        let names = statement.names.clone();
                        raised.push(Raised { at, package: id, names, claim: claim.clone(), evidence: None });
                    }
                }
            }
        }
    }
}

/// A finding that is one because a document says so.
struct Raised {
    at: usize,
    package: PackageId,
    names: Vec<String>,
    claim: VexClaim,
    /// What was suppressed.
    evidence: Option<Evidence>,
}

impl Raised {
    fn found(
        self,
        image: &Image<'_>,
        known: &HashMap<String, knowledge::Knowledge>,
        order: &SeverityOrder,
    ) -> Option<Match> {
        let package = image.subject.packages.get(self.package.0 as usize)?;
        let known: Vec<_> = self.names.iter().filter_map(|name| known.get(name)).collect();
        let mut ratings: Vec<_> = known.iter().flat_map(|known| known.ratings.iter().cloned()).collect();
        ratings.sort_by(|a, b| order.rank(&a.source).cmp(&order.rank(&b.source)).then_with(|| a.cmp(b)));
        ratings.dedup();
        let own = self.evidence.as_ref().map(|evidence| (evidence.provider.as_str(), evidence.severity));
        let rated = order.ratings(own.filter(|(_, severity)| *severity != Severity::Unknown), &ratings);
        let mut names = self.names;
        names.sort_by(|a, b| names::preference(a).cmp(&names::preference(b)));
        names.dedup();
        let mut names = names.into_iter();
        let vulnerability = names.next()?;
        let evidence = Evidence {
            provider: "vex".to_owned(),
            namespace: self.claim.issuer.clone(),
            advisory: vulnerability.clone(),
            matched_name: package.name.clone(),
            via_source: false,
            compared_version: package.version.clone(),
            scheme: package.kind.scheme().name().to_owned(),
            affected: "*".to_owned(),
            confidence: Confidence::Exact,
            linkage: None,
            severity: Severity::Unknown,
            published: self.claim.said_at.map(|instant| instant.to_string()),
            known_since: None,
        };
        let mut found = Match {
            package: self.package,
            url: names::url(&vulnerability, "vex"),
            vulnerability,
            aliases: names.collect(),
            severity: rated.first().map_or(Severity::Unknown, |rated| rated.severity),
            severity_source: rated.first().map(|rated| rated.source.clone()),
            cvss: finding::cvss(&ratings),
            ratings: rated,
            fix: Fix::default(),
            known_exploited: known.iter().any(|known| known.is_exploited),
            epss: known.iter().find_map(|known| known.epss),
            malicious: false,
            risk: 0.0,
            claims: vec![self.claim],
            evidence: std::iter::once(evidence).chain(self.evidence).collect(),
        };
        found.risk = risk::score(&found);
        Some(found)
    }
}
