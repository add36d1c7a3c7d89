//! Which images have a vulnerability, and what is known of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use killick_model::matching::{Match, Matches};
use killick_model::package::Package;
use killick_report::vulnerabilities::{Kind, WontFix, records, records_of};
use killick_store::packages::StoredDocument;
use killick_vulns::fleet::{PackageIdentity, match_identities};
use killick_vulns::{Told, look_up, packages_of};
use serde_json::Value;

use super::{Freshness, analysis, matches};
use crate::api::error::ApiError;
use crate::app::App;
use crate::cpu;
use crate::knowledge::Current;
use crate::records::Carrier;

/// Ids that are looked up in one answer.
const MAX_IDS: usize = 1_000;

/// Packages that are matched at once.
const AT_ONCE: usize = 2_000;

/// Images that are asked at once.
const IMAGES_AT_ONCE: usize = 100;

/// The vulnerability that is asked about, and what its findings must be like.
pub(crate) struct Wanted<'a> {
    /// By any name.
    pub(crate) vulnerability: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) package: Option<&'a str>,
    pub(crate) severity: Option<&'a str>,
    pub(crate) wont_fix: WontFix,
}

/// Which images are asked for where it depends on the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Those after this digest.
    pub(crate) after: &'a str,
    /// At least so many, if there are.
    pub(crate) limit: usize,
}

impl Part<'_> {
    /// Every image.
    pub(crate) const ALL: Self = Self { after: "", limit: usize::MAX };
}

/// What has such findings, with their records.
pub(crate) enum Vulnerable {
    /// These packages, by their numbers, in whatever image.
    Packages(BTreeMap<i64, Vec<Value>>),
    /// These images: with some packages it depends on the image.
    Images(Vec<(Carrier, Vec<Value>)>),
}

/// What has such findings.
///
/// The index tells under which names packages may have the vulnerability, the store which packages go by those: each
/// is matched once, whatever number of images carry it.
pub(crate) async fn vulnerable(
    app: &App,
    account: &str,
    wanted: &Wanted<'_>,
    part: Part<'_>,
) -> Result<Vulnerable, ApiError> {
    let Some(knowledge) = app.knowledge().current() else { return Ok(Vulnerable::Images(Vec::new())) };
    let (index, vulnerability) = (knowledge.clone(), wanted.vulnerability.to_owned());
    let names = cpu::run(move || packages_of(&index.index, &vulnerability)).await;
    let names = names.map_err(|error| ApiError::internal(&error))?;
    let packages = app.records().packages_looked_up(names).await?;
    let mut findings = findings(app, &knowledge, &packages, wanted).await?;
    findings.retain(|_, told| told.as_ref().is_none_or(|told| !told.is_empty()));
    let possible: Vec<i64> = findings.keys().copied().collect();
    if findings.values().all(Option::is_some) {
        let told = findings.into_iter().filter_map(|(number, told)| Some((number, told?)));
        return Ok(Vulnerable::Packages(told.collect()));
    }
    let (mut found, mut after) = (Vec::new(), part.after.to_owned());
    while found.len() < part.limit {
        let carriers = app.records().carriers_after(account, &possible, &after, IMAGES_AT_ONCE).await?;
        let Some(last) = carriers.last() else { break };
        after.clone_from(&last.digest);
        for carrier in carriers {
            let of_packages: Option<Vec<&Vec<Value>>> =
                carrier.packages.iter().filter_map(|number| findings.get(number)).map(Option::as_ref).collect();
            let told = match of_packages {
                Some(told) => told.into_iter().flatten().cloned().collect(),
                None => in_image(app, account, &carrier, wanted).await?,
            };
            if !told.is_empty() {
                found.push((carrier, told));
            }
        }
    }
    Ok(Vulnerable::Images(found))
}

/// The records of each package, by its number; `None` where its images have to be asked: what matching looks at is not
/// known, or differs from image to image in what decides.
async fn findings(
    app: &App,
    knowledge: &Arc<Current>,
    packages: &[i64],
    wanted: &Wanted<'_>,
) -> Result<BTreeMap<i64, Option<Vec<Value>>>, ApiError> {
    let mut findings: BTreeMap<i64, Option<Vec<Value>>> = BTreeMap::new();
    for packages in packages.chunks(AT_ONCE) {
        let documents = app.records().store().package_documents(packages).await?;
        let index = knowledge.clone();
        let matched = cpu::run(move || {
            let read = |stored: &StoredDocument| PackageIdentity::from_document(stored.document.as_bytes());
            let identities: Result<Vec<_>, _> = documents.iter().map(read).collect();
            let identities = identities.map_err(|error| ApiError::internal(&error))?;
            let matches = match_identities(&index.index, &identities).map_err(|error| ApiError::internal(&error))?;
            Ok::<_, ApiError>((documents, identities, matches))
        });
        let (documents, identities, matches) = matched.await?;
        for ((stored, identity), matches) in documents.into_iter().zip(identities).zip(matches) {
            let told = wanted.records(identity.package(), matches);
            let known = findings.entry(stored.package_id).or_insert_with(|| Some(told.clone()));
            if known.as_ref() != Some(&told) {
                *known = None;
            }
        }
        for package in packages {
            findings.entry(*package).or_insert(None);
        }
    }
    Ok(findings)
}

/// The records of one image.
async fn in_image(app: &App, account: &str, carrier: &Carrier, wanted: &Wanted<'_>) -> Result<Vec<Value>, ApiError> {
    // It may be gone meanwhile.
    let Some(image) = app.records().image(account, &carrier.digest).await? else { return Ok(Vec::new()) };
    let (facts, all) = (analysis(app, &image).await?, matches(app, &image, Freshness::Kept).await?);
    let is_it = |found: &&Match| wanted.names(found, facts.package(found.package));
    let matches = Matches { matches: all.matches.iter().filter(is_it).cloned().collect(), ..Matches::default() };
    let mut told = records(&facts, &matches, Kind::All, wanted.wont_fix);
    told.retain(|record| wanted.accepts(record));
    Ok(told)
}

impl Wanted<'_> {
    /// Whether a match is of the vulnerability, by any name.
    fn names(&self, found: &Match, package: &Package) -> bool {
        let id = self.vulnerability;
        found.vulnerability == id || found.aliases.iter().any(|alias| alias == id) || found.anchore_id(package) == id
    }

    /// The records of one package.
    fn records(&self, package: &Package, mut matches: Vec<Match>) -> Vec<Value> {
        matches.retain(|found| self.names(found, package));
        let mut told = records_of(package, &matches, self.wont_fix);
        told.retain(|record| self.accepts(record));
        told
    }

    fn accepts(&self, record: &Value) -> bool {
        let is = |name: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| record[name] == wanted);
        is("feed_group", self.namespace) && is("package_name", self.package) && is("severity", self.severity)
    }
}

/// What is known under these ids, each once.
pub(crate) async fn known(app: &App, mut ids: Vec<String>) -> Result<Vec<Told>, ApiError> {
    let Some(knowledge) = app.knowledge().current() else { return Ok(Vec::new()) };
    ids.sort();
    ids.dedup();
    if ids.len() > MAX_IDS {
        return Err(ApiError::bad_request(format!("{} ids are too many: ask for {MAX_IDS} at most", ids.len())));
    }
    let told = cpu::run(move || look_up(&knowledge.index, &ids)).await;
    told.map_err(|error| ApiError::internal(&error))
}
