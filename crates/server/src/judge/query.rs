//! Which images have a vulnerability, and what is known of one.

use killick_model::matching::{Match, Matches};
use killick_report::vulnerabilities::{Kind, WontFix, records};
use killick_vulns::{Told, look_up, packages_of};
use serde_json::Value;

use super::{Freshness, analysis, matches};
use crate::api::error::ApiError;
use crate::app::App;
use crate::cpu;
use crate::records::Carrier;

/// Ids that are looked up in one answer.
const MAX_IDS: usize = 1_000;

/// The vulnerability that is asked about, and what its findings must be like.
pub(crate) struct Wanted<'a> {
    /// By any name.
    pub(crate) vulnerability: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) package: Option<&'a str>,
    pub(crate) severity: Option<&'a str>,
    pub(crate) wont_fix: WontFix,
}

/// The images with such findings, by digest, with the records of these.
///
/// The index tells under which names packages may have the vulnerability, the store which images carry those: only
/// these are asked for their matches, which are kept.
pub(crate) async fn vulnerable(
    app: &App,
    account: &str,
    wanted: &Wanted<'_>,
) -> Result<Vec<(Carrier, Vec<Value>)>, ApiError> {
    let Some(knowledge) = app.knowledge().current() else { return Ok(Vec::new()) };
    let vulnerability = wanted.vulnerability.to_owned();
    let names = cpu::run(move || packages_of(&knowledge.index, &vulnerability)).await;
    let names = names.map_err(|error| ApiError::internal(&error))?;
    let mut found = Vec::new();
    for carrier in app.records().carriers_of_names(account, names).await? {
        // It may be gone meanwhile.
        let Some(image) = app.records().image(account, &carrier.digest).await? else { continue };
        let (facts, all) = (analysis(app, &image).await?, matches(app, &image, Freshness::Kept).await?);
        let is_it = |found: &&Match| {
            let id = wanted.vulnerability;
            found.vulnerability == id
                || found.aliases.iter().any(|alias| alias == id)
                || found.anchore_id(facts.package(found.package)) == id
        };
        let matches = Matches { matches: all.matches.iter().filter(is_it).cloned().collect(), ..Matches::default() };
        let mut told = records(&facts, &matches, Kind::All, wanted.wont_fix);
        told.retain(|record| wanted.accepts(record));
        if !told.is_empty() {
            found.push((carrier, told));
        }
    }
    Ok(found)
}

impl Wanted<'_> {
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
