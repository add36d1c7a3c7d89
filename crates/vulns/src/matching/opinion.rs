//! Everything the index says about the names a package goes by.

use std::sync::Arc;

use killick_model::advisory::{Advisory, AdvisoryKind, Level, Statement};
use killick_model::matching::{Confidence, Evidence, Linkage};
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::version::range::Epoch;

use super::identity::Identity;
use super::linkage;
use super::outcome::{self, Outcome};
use super::query::{self, Query};
use super::recent::Recent;
use super::vendor::Vendor;
use crate::index::{Index, IndexError};
use crate::{names, namespaces};

/// One statement of one source, held against one package.
#[derive(Debug, Clone)]
pub(crate) struct Opinion {
    pub(crate) provider: String,
    pub(crate) namespace: String,
    pub(crate) statement: Arc<Statement>,
    pub(crate) advisory: Option<Arc<Advisory>>,
    pub(crate) matched_name: String,
    pub(crate) compared_version: String,
    pub(crate) confidence: Confidence,
    pub(crate) linkage: Option<Linkage>,
    pub(crate) outcome: Outcome,
}

/// All opinions about a package, in the order of their sources.
pub(crate) fn opinions(
    recent: &mut Recent<'_>,
    vendor: &Vendor,
    identity: &Identity<'_>,
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
                for &segment in &vendor.segments {
                    look_up(recent, segment, &query, package, &mut found)?;
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
    if !package.kind.is_os() {
        by_cpe(index, package, &mut found)?;
    }
    outcome::settle_builds(&mut found);
    Ok(found)
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
    for (statement, advisory) in recent.statements(segment, &query.name)? {
        if query.levels.contains(&statement.level) {
            found.push(opinion(index, segment, statement, advisory.as_ref(), query, package));
        }
    }
    Ok(())
}

fn opinion(
    index: &Index,
    segment: usize,
    statement: &Arc<Statement>,
    advisory: Option<&Arc<Advisory>>,
    query: &Query<'_>,
    package: &Package,
) -> Opinion {
    let info = &index.manifest().segments[segment];
    let mut outcome = outcome::outcome(statement, advisory.map(Arc::as_ref), &query.version, query.epoch, package);
    let mut linkage = None;
    if outcome == Outcome::Affected {
        linkage = linkage::of(statement, package, &query.name);
        if linkage == Some(Linkage::NotLinked) {
            outcome = Outcome::NotLinked;
        }
    }
    Opinion {
        provider: info.provider.clone(),
        namespace: info.namespace.clone(),
        statement: Arc::clone(statement),
        advisory: advisory.cloned(),
        matched_name: query.name.clone().into_owned(),
        compared_version: query.version.clone().into_owned(),
        confidence: query.confidence,
        linkage,
        outcome,
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

fn by_cpe(index: &Index, package: &Package, found: &mut Vec<Opinion>) -> Result<(), IndexError> {
    for (segment, info) in index.segments_of(namespaces::CPE) {
        // Guesses are worth something only where nobody knows better: software that was recognised by its content. The
        // legacy service judged everything by them, and by product alone.
        let is_legacy = info.provider == "anchore";
        if !is_legacy && package.kind != PackageKind::Binary {
            continue;
        }
        for cpe in package.cpe_names().iter() {
            let Some(attributes) = names::cpe_attributes(cpe) else { continue };
            let version = names::cpe_version(&attributes).unwrap_or_else(|| package.version.clone());
            let product = attributes[2].to_lowercase();
            for statement in index.cpes(segment, &product)? {
                if !is_legacy && !is_product(&attributes, &statement.name) {
                    continue;
                }
                // A package has many guessed CPEs; the best one that finds a vulnerability stands for all.
                let known = |opinion: &Opinion| {
                    opinion.confidence == Confidence::Cpe && opinion.statement.advisory == statement.advisory
                };
                if found.iter().any(known) {
                    continue;
                }
                let query = Query {
                    name: cpe.as_str().into(),
                    version: version.as_str().into(),
                    confidence: Confidence::Cpe,
                    epoch: Epoch::Zero,
                    levels: &[Level::Cpe],
                };
                let advisory = index.advisories(segment, &statement.advisory)?.into_iter().next().map(Arc::new);
                let opinion = opinion(index, segment, &Arc::new(statement), advisory.as_ref(), &query, package);
                if opinion.outcome == Outcome::Affected {
                    found.push(opinion);
                }
            }
        }
    }
    Ok(())
}

/// Whether a criterion speaks of the package with these attributes: of the same vendor, and made for Linux or for
/// anything.
fn is_product(attributes: &[String], criterion: &str) -> bool {
    let Some(wanted) = names::cpe_attributes(criterion) else { return false };
    let vendor = |attributes: &[String]| attributes.get(1).map(|vendor| vendor.to_lowercase());
    let target = wanted.get(8).map_or("*", String::as_str);
    vendor(attributes) == vendor(&wanted)
        && matches!(target, "*" | "-" | "" | "linux" | "linux_kernel" | "unix" | "docker")
}

impl Opinion {
    /// The names under which this opinion speaks of vulnerabilities, each a vulnerability of its own; with aliases.
    pub(crate) fn vulnerabilities(&self) -> Vec<Vec<String>> {
        let own = self.statement.advisory.clone();
        let Some(advisory) = &self.advisory else { return vec![vec![own]] };
        if advisory.aliases.is_empty() && !advisory.upstream.is_empty() {
            return advisory.upstream.iter().take(MAX_UPSTREAM).map(|id| vec![id.clone()]).collect();
        }
        vec![std::iter::once(own).chain(advisory.aliases.iter().take(MAX_ALIASES).cloned()).collect()]
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
            crate::scores::choose(ratings.unwrap_or_default()).map(|(severity, _)| severity)
        });
        Evidence {
            provider: self.provider.clone(),
            namespace: self.namespace.clone(),
            advisory: self.statement.advisory.clone(),
            matched_name: self.matched_name.clone(),
            via_source: self.confidence == Confidence::Source,
            compared_version: self.compared_version.clone(),
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
