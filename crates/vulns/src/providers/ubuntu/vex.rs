//! `OpenVEX` documents, `vex/cve/2023/CVE-2023-38545.json`: what became of an issue in each release and pocket.

use std::collections::BTreeMap;

use killick_model::advisory::{Level, License, Qualifier};
use killick_model::matching::FixState;
use killick_model::version::Scheme;

use super::super::Sink;
use super::super::openvex::{Document, Statement, Status};
use super::super::said::{self, Said};
use super::pocket::{self, Pocket};

pub(super) fn file(bytes: &[u8], sink: &mut Sink) -> Result<(), String> {
    let document: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut found: BTreeMap<(String, String, String, Pocket), Said> = BTreeMap::new();
    for statement in &document.statements {
        let said = match statement.status {
            // In which version is told by OSV; the version here is the current one.
            Status::Fixed => continue,
            Status::NotAffected => Said::NotAffected,
            Status::UnderInvestigation => Said::UnderInvestigation,
            Status::Affected => Said::Unfixed(fix_state(&statement.action)),
        };
        let cve = statement.vulnerability();
        // Documents say the same of every binary package.
        for purl in statement.purls().filter(|purl| purl.qualifier("arch") == Some("source")) {
            let place = purl.qualifier("distro").and_then(pocket::of_distro);
            let Some((namespace, pocket)) = place.filter(|_| purl.kind == "deb" && purl.namespace == "ubuntu") else {
                sink.leave_out();
                continue;
            };
            // Of several statements the later one counts.
            found.insert((namespace, cve.to_owned(), purl.name, pocket), said.clone());
        }
    }
    let mut last: Option<(String, String)> = None;
    for ((namespace, cve, name, pocket), said) in found {
        let (advisory, severity) = sink.remembered(&cve).unwrap_or_else(|| {
            let mut advisory = said::advisory(&cve, License::ShareAlike);
            advisory.modified = document.modified();
            advisory.published = document.statements.iter().filter_map(Statement::said).min();
            (advisory, None)
        });
        let filing = sink.file(&namespace, || super::namespace(&namespace));
        filing.seen(document.modified());
        let key = (namespace, cve);
        if last.as_ref() != Some(&key) {
            filing.advisory(&advisory);
        }
        let mut statement = said.statement(&key.1, &name, Level::Source, Scheme::Dpkg);
        statement.severity = severity;
        if pocket.marks().is_empty() {
            filing.statement(&statement);
        }
        for mark in pocket.marks() {
            let mut marked = statement.clone();
            marked.qualifiers.push(Qualifier::Build((*mark).to_owned()));
            filing.statement(&marked);
        }
        last = Some(key);
    }
    Ok(())
}

/// The sentences Ubuntu writes.
fn fix_state(action: &str) -> FixState {
    let says = |words: &str| action.contains(words);
    if says("not fix it") || says("no longer supported") || says("decided to not fix") {
        FixState::WontFix
    } else if says("defer") {
        FixState::Deferred
    } else {
        FixState::NotFixed
    }
}
