//! What an index says about a vulnerability, whatever packages there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use killick_model::advisory::{Advisory, Rating, Statement};
use killick_model::matching::FixState;
use killick_model::severity::{Cvss, Severity};
use killick_model::version::Scheme;
use rayon::prelude::*;

use crate::fleet::changes::speaking_of;
use crate::index::{Index, IndexError, Segment};
use crate::matching::knowledge;
use crate::matching::vendor::competence;
use crate::{explain, names, namespaces, scores};

/// What one source says about a vulnerability under this very id.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The id.
    pub id: String,
    /// Who says it.
    pub provider: String,
    /// Of what.
    pub namespace: String,
    /// The other names it gives.
    pub aliases: Vec<String>,
    /// The severity it gives, or that of the first rating that counts.
    pub severity: Severity,
    /// Where to read about it.
    pub url: Option<String>,
    /// The packages it names, without repetition.
    pub affected: Vec<Affected>,
    /// Scores of the NVD, by CVE: of the id itself or, where it is no CVE, of its aliases.
    pub nvd: Vec<(String, Vec<Cvss>)>,
    /// Its own scores.
    pub cvss: Vec<Cvss>,
}

/// A package a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// As the source writes it; the product of a CPE.
    pub name: String,
    /// The order of its versions; `None` where a CPE names it.
    pub scheme: Option<Scheme>,
    /// Affected versions, for people.
    pub versions: String,
    /// Versions with the fix.
    pub fixed: Vec<String>,
    /// The vendor's plans.
    pub fix: FixState,
}

/// What each source says about the vulnerabilities with these ids, in their order; of several sources of one namespace,
/// the most competent.
pub fn look_up(index: &Index, ids: &[String]) -> Result<Vec<Told>, IndexError> {
    let mut chosen: BTreeMap<(usize, &str), (u8, usize)> = BTreeMap::new();
    for (number, id) in ids.iter().enumerate() {
        for (at, segment) in index.manifest().segments.iter().enumerate() {
            let is_there = !index.advisories(at, id)?.is_empty()
                || (segment.ecosystem == namespaces::CPE && !index.enrichment(at, id)?.is_empty());
            if is_there {
                let known = (competence(&segment.provider), at);
                let best = chosen.entry((number, &segment.namespace)).or_insert(known);
                *best = known.min(*best);
            }
        }
    }
    let mut wanted: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for ((number, _), (_, at)) in &chosen {
        wanted.entry(*at).or_default().extend(ids.get(*number).map(String::as_str));
    }
    let statements: Result<BTreeMap<usize, Named>, IndexError> =
        wanted.par_iter().map(|(at, ids)| Ok((*at, named(index, *at, ids)?))).collect();
    let statements = statements?;
    let mut found = Vec::new();
    for ((number, _), (_, at)) in chosen {
        if let (Some(id), Some(segment)) = (ids.get(number), index.manifest().segments.get(at)) {
            let of_id = statements.get(&at).and_then(|named| named.get(id)).map_or(&[][..], Vec::as_slice);
            found.push(told(index, at, segment, id, of_id)?);
        }
    }
    Ok(found)
}

fn told(index: &Index, at: usize, segment: &Segment, id: &str, statements: &[Statement]) -> Result<Told, IndexError> {
    let advisory: Option<Advisory> = index.advisories(at, id)?.into_iter().next();
    let aliases = advisory.as_ref().map_or_else(Vec::new, |advisory| advisory.aliases.clone());
    let mut ratings = advisory.as_ref().map_or_else(Vec::new, |advisory| advisory.ratings.clone());
    for enrichment in index.enrichment(at, id)? {
        ratings.extend(enrichment.ratings);
    }
    let stated =
        statements.iter().filter_map(|statement| statement.severity).find(|severity| *severity != Severity::Unknown);
    let (mut nvd, mut rated) = (Vec::new(), ratings.clone());
    let cves = std::iter::once(id).chain(aliases.iter().map(String::as_str)).filter(|name| name.starts_with("CVE-"));
    for cve in cves.take(if id.starts_with("CVE-") { 1 } else { usize::MAX }) {
        let known = knowledge::of(index, cve)?.ratings;
        let scores = vectors(known.iter().filter(|rating| rating.source == "nvd"));
        if !scores.is_empty() {
            nvd.push((cve.to_owned(), scores));
        }
        rated.extend(known);
    }
    let chosen = scores::choose(&ratings).or_else(|| scores::choose(&rated));
    let url = advisory.as_ref().and_then(|advisory| advisory.url.clone());
    Ok(Told {
        id: id.to_owned(),
        provider: segment.provider.clone(),
        namespace: segment.namespace.clone(),
        aliases,
        severity: stated.or(chosen).unwrap_or_default(),
        url: url.or_else(|| names::url(id, &segment.provider)),
        affected: affected(statements),
        nvd,
        cvss: vectors(ratings.iter().filter(|rating| rating.source != "nvd")),
    })
}

/// Statements by the id of their advisory.
type Named = HashMap<String, Vec<Statement>>;

/// The statements of a segment that cite these advisories.
fn named(index: &Index, segment: usize, ids: &BTreeSet<&str>) -> Result<Named, IndexError> {
    let mut found = Named::new();
    for id in ids {
        let mut names = index.names(segment, id)?;
        // Packages of Maven are there under two names.
        names.retain(|name| !name.starts_with(':'));
        names.sort_unstable();
        for name in names {
            let statements = [index.statements(segment, &name)?, index.cpes(segment, &name)?];
            let cited = statements.into_iter().flatten().filter(|statement| statement.advisory == **id);
            found.entry((*id).to_owned()).or_default().extend(cited);
        }
    }
    Ok(found)
}

fn affected(statements: &[Statement]) -> Vec<Affected> {
    let mut found: Vec<Affected> = Vec::new();
    for statement in statements {
        let product = names::cpe_attributes(&statement.name).and_then(|attributes| attributes.get(2).cloned());
        let affected = Affected {
            scheme: product.is_none().then_some(statement.versions.scheme),
            name: product.unwrap_or_else(|| statement.name.clone()),
            versions: statement.versions.to_string(),
            fixed: statement.fix.versions.clone(),
            fix: statement.fix.state,
        };
        if !found.contains(&affected) {
            found.push(affected);
        }
    }
    found
}

/// Ratings with a vector or a score, each version of each rater once: the one that tells most.
fn vectors<'a>(ratings: impl Iterator<Item = &'a Rating>) -> Vec<Cvss> {
    let mut found: Vec<Cvss> = Vec::new();
    for cvss in ratings.filter_map(scores::cvss) {
        let same = |known: &&mut Cvss| known.source == cvss.source && known.version == cvss.version;
        match found.iter_mut().find(same) {
            Some(known) if known.exploitability.is_none() && cvss.exploitability.is_some() => *known = cvss,
            Some(_) => {}
            None => found.push(cvss),
        }
    }
    found
}

/// The names, by ecosystem, under which any source speaks of a vulnerability, whatever it calls it: packages that are
/// looked up under none of them do not have it.
pub fn packages_of(index: &Index, vulnerability: &str) -> Result<BTreeMap<String, BTreeSet<String>>, IndexError> {
    let vulnerabilities = explain::all_names(index, vulnerability)?;
    speaking_of(index, &vulnerabilities)
}
