//! Everything the index says about the names a package goes by.

use std::sync::Arc;

use killick_model::advisory::{Advisory, AdvisoryKind, Level, Statement};
use killick_model::matching::{Confidence, Evidence, Linkage};
use killick_model::package::{Package, PackageDetails};
use killick_model::version::range::Epoch;

use super::identity::Identity;
use super::outcome::{self, Outcome};
use super::query::{self, Query};
use super::recent::Recent;
use super::vendor::Vendor;
use super::{CpeUse, cpe, linkage, stream};
use crate::index::{Index, IndexError};
use crate::names;

/// One statement of one source, held against one package.
#[derive(Debug, Clone)]
pub(crate) struct Opinion {
    pub(crate) provider: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) statement: Arc<Statement>,
    pub(crate) advisory: Option<Arc<Advisory>>,
    pub(crate) matched_name: Arc<str>,
    pub(crate) compared_version: Arc<str>,
    pub(crate) confidence: Confidence,
    pub(crate) linkage: Option<Linkage>,
    pub(crate) outcome: Outcome,
    /// The CVE that others know the vulnerability by, where its source gives none.
    pub(crate) cve: Option<String>,
}

/// All opinions about a package, in the order of their sources.
pub(crate) fn opinions(
    recent: &mut Recent<'_>,
    vendor: &Vendor,
    identity: &Identity<'_>,
    usage: CpeUse,
) -> Result<Vec<Opinion>, IndexError> {
    let package = identity.package;
    let index = recent.index;
    let mut found = Vec::new();
    if is_private(package) {
        return Ok(found);
    }
    match package.kind.ecosystem() {
        None if package.kind.is_os() => {
            for query in query::os(package) {
                let start = found.len();
                for &segment in &vendor.segments {
                    look_up(recent, segment, &query, package, &mut found)?;
                }
                if let (Some(stream), Some(new)) = (&vendor.stream, found.get_mut(start..)) {
                    stream::settle(stream, package, &query, new);
                }
            }
        }
        None => {}
        Some(ecosystem) => {
            for query in query::language(ecosystem, identity) {
                for (segment, _) in index.segments_of(ecosystem) {
                    look_up(recent, segment, &query, package, &mut found)?;
                }
            }
            by_artifact(recent, ecosystem, package, &mut found)?;
        }
    }
    cpe::opinions(index, package, usage, &mut found)?;
    outcome::settle_builds(&mut found);
    if package.kind.is_os() {
        name_by_cve(recent, &mut found)?;
    }
    Ok(found)
}

/// What a distribution calls by the name of somebody else's advisory, it often tells by its CVE as well, as if it were
/// another vulnerability: whoever gave the advisory its name tells the CVE.
fn name_by_cve(recent: &mut Recent<'_>, found: &mut [Opinion]) -> Result<(), IndexError> {
    for opinion in found.iter_mut().filter(|opinion| names::is_of_ecosystem(&opinion.statement.advisory)) {
        let advisory = opinion.advisory.as_ref();
        let is_named = advisory.is_some_and(|advisory| {
            !advisory.upstream.is_empty() || advisory.aliases.iter().any(|alias| alias.starts_with("CVE-"))
        });
        if !is_named {
            opinion.cve = recent.cve(&opinion.statement.advisory)?;
        }
    }
    Ok(())
}

/// Never published: whoever has the name in a registry, it is another package.
pub(crate) fn is_private(package: &Package) -> bool {
    matches!(package.details, PackageDetails::Npm { is_private: true, .. })
}

fn look_up(
    recent: &mut Recent<'_>,
    segment: usize,
    query: &Query<'_>,
    package: &Package,
    found: &mut Vec<Opinion>,
) -> Result<(), IndexError> {
    let index = recent.index;
    let mut lookup = None;
    for (statement, advisory) in recent.statements(segment, &query.name)? {
        if query.levels.contains(&statement.level) {
            let lookup = lookup.get_or_insert_with(|| Lookup::new(index, segment, query));
            found.push(opinion(lookup, statement, advisory.as_ref(), package));
        }
    }
    Ok(())
}

/// What all opinions of one look-up share.
pub(super) struct Lookup<'q> {
    query: &'q Query<'q>,
    provider: Arc<str>,
    namespace: Arc<str>,
    name: Arc<str>,
    version: Arc<str>,
}

impl<'q> Lookup<'q> {
    pub(super) fn new(index: &Index, segment: usize, query: &'q Query<'q>) -> Self {
        let info = &index.manifest().segments[segment];
        Self {
            query,
            provider: info.provider.as_str().into(),
            namespace: info.namespace.as_str().into(),
            name: query.name.as_ref().into(),
            version: query.version.as_ref().into(),
        }
    }
}

pub(super) fn opinion(
    lookup: &Lookup<'_>,
    statement: &Arc<Statement>,
    advisory: Option<&Arc<Advisory>>,
    package: &Package,
) -> Opinion {
    let query = lookup.query;
    let mut outcome = outcome::outcome(statement, advisory.map(Arc::as_ref), &query.version, query.epoch, package);
    let mut linkage = None;
    if outcome == Outcome::Affected {
        linkage = linkage::of(statement, package, &query.name);
        if linkage == Some(Linkage::NotLinked) {
            outcome = Outcome::NotLinked;
        }
    }
    Opinion {
        provider: Arc::clone(&lookup.provider),
        namespace: Arc::clone(&lookup.namespace),
        statement: Arc::clone(statement),
        advisory: advisory.cloned(),
        matched_name: Arc::clone(&lookup.name),
        compared_version: Arc::clone(&lookup.version),
        confidence: query.confidence,
        linkage,
        outcome,
        cve: None,
    }
}

/// Archives that do not tell their Maven group, or guessed it, are found by artifact where that is unambiguous.
fn by_artifact(
    recent: &mut Recent<'_>,
    ecosystem: &str,
    package: &Package,
    found: &mut Vec<Opinion>,
) -> Result<(), IndexError> {
    let PackageDetails::Java { pom_properties, .. } = &package.details else { return Ok(()) };
    if pom_properties.is_some() || !found.is_empty() {
        return Ok(());
    }
    let query = Query {
        name: format!(":{}", package.name).into(),
        version: package.version.as_str().into(),
        confidence: Confidence::Name,
        epoch: Epoch::Zero,
        levels: &[Level::Module],
    };
    let mut by_name = Vec::new();
    for (segment, _) in recent.index.segments_of(ecosystem) {
        look_up(recent, segment, &query, package, &mut by_name)?;
    }
    let one_group = by_name.windows(2).all(|pair| pair[0].statement.name == pair[1].statement.name);
    if one_group {
        found.extend(by_name);
    }
    Ok(())
}

impl Opinion {
    /// The names under which this opinion speaks of vulnerabilities, each a vulnerability of its own; with aliases.
    pub(crate) fn vulnerabilities(&self) -> Vec<Vec<String>> {
        let own = std::iter::once(self.statement.advisory.clone()).chain(self.cve.clone());
        let Some(advisory) = &self.advisory else { return vec![own.collect()] };
        if advisory.aliases.is_empty() && !advisory.upstream.is_empty() {
            return advisory.upstream.iter().take(MAX_UPSTREAM).map(|id| vec![id.clone()]).collect();
        }
        vec![own.chain(advisory.aliases.iter().take(MAX_ALIASES).cloned()).collect()]
    }

    pub(crate) fn is_malware(&self) -> bool {
        self.advisory.as_ref().is_some_and(|advisory| advisory.kind == AdvisoryKind::Malware)
    }

    pub(crate) fn is_vendors(&self) -> bool {
        !matches!(self.statement.level, Level::Module | Level::Cpe)
    }

    pub(crate) fn evidence(&self) -> Evidence {
        let dates = self.advisory.as_ref().and_then(|advisory| advisory.modified.or(advisory.published));
        let severity = self.statement.severity.or_else(|| {
            let ratings = self.advisory.as_ref().map(|advisory| advisory.ratings.as_slice());
            crate::scores::choose(ratings.unwrap_or_default())
        });
        Evidence {
            provider: self.provider.as_ref().to_owned(),
            namespace: self.namespace.as_ref().to_owned(),
            advisory: self.statement.advisory.clone(),
            matched_name: self.matched_name.as_ref().to_owned(),
            via_source: self.confidence == Confidence::Source,
            compared_version: self.compared_version.as_ref().to_owned(),
            scheme: self.statement.versions.scheme.name().to_owned(),
            affected: self.statement.versions.to_string(),
            confidence: self.confidence,
            linkage: self.linkage,
            severity: severity.unwrap_or_default(),
            published: dates.and_then(|date| Some(date.timestamp()?.to_string())),
            known_since: self.statement.known_since.timestamp(),
        }
    }
}

/// Vulnerabilities one distribution advisory may package: kernel updates have hundreds.
const MAX_UPSTREAM: usize = 4_000;

/// Aliases of one advisory that are believed.
const MAX_ALIASES: usize = 16;
