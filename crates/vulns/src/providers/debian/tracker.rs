//! The tracker's JSON.

use std::collections::BTreeMap;

use killick_model::advisory::{Level, StatedFix, Statement, Verdict};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use serde::Deserialize;

use super::super::json::members;
use super::super::sink::UNDATED;
use super::super::{Input, ReadError, Sink};
use super::Terms;
use super::bulletins::Bulletins;
use crate::namespaces;

#[derive(Deserialize)]
struct Issue {
    releases: BTreeMap<String, State>,
}

#[derive(Deserialize)]
struct State {
    status: String,
    fixed_version: Option<String>,
    urgency: Option<String>,
    nodsa: Option<String>,
    nodsa_reason: Option<String>,
}

pub(super) fn read(input: &Input<'_>, bulletins: &Bulletins, terms: &Terms, sink: &mut Sink) -> Result<(), ReadError> {
    members(input.reader()?, |source, issues| {
        let serde_json::Value::Object(issues) = issues else {
            return sink.skip(&source, "expected an object of vulnerabilities");
        };
        for (id, issue) in issues {
            match serde_json::from_value::<Issue>(issue) {
                Ok(issue) => file(&source, &id, &issue, bulletins, terms, sink),
                Err(error) => sink.skip(&format!("{source}/{id}"), error),
            }
        }
    })
    .map_err(|error| input.malformed(error))
}

fn file(source: &str, id: &str, issue: &Issue, bulletins: &Bulletins, terms: &Terms, sink: &mut Sink) {
    for (codename, state) in &issue.releases {
        let Some(mut statement) = statement(source, id, state) else {
            sink.skip(&format!("{source}/{id}/{codename}"), format!("unknown status `{}`", state.status));
            continue;
        };
        if let Some(fix) = bulletins.fix(codename, source, id).filter(|_| statement.fix.state == FixState::Fixed) {
            statement.fix.advisories.clone_from(&fix.advisories);
        }
        sink.note(release(codename));
        sink.note(super::complete(&namespaces::debian(codename)));
        super::file(codename, &statement, terms, sink);
    }
}

/// What is noted of a release the JSON knows.
pub(super) fn release(codename: &str) -> (&'static str, String) {
    ("release", namespaces::debian(codename))
}

fn statement(source: &str, id: &str, state: &State) -> Option<Statement> {
    let all = Range::all(Scheme::Dpkg);
    let no_fix = StatedFix::default();
    let (verdict, versions, fix) = match (state.status.as_str(), state.fixed_version.as_deref()) {
        // Resolved without a version: the package left the release.
        ("resolved", Some("0") | None) => (Verdict::NotAffected, all, no_fix),
        ("resolved", Some(fixed)) => (
            Verdict::Affected,
            Range::new(Scheme::Dpkg, vec![Interval::before(fixed)], Vec::new()),
            StatedFix { state: FixState::Fixed, versions: vec![fixed.to_owned()], advisories: Vec::new() },
        ),
        ("open", _) => (Verdict::Affected, all, StatedFix { state: open_state(state), ..StatedFix::default() }),
        ("undetermined", _) => (Verdict::UnderInvestigation, all, no_fix),
        _ => return None,
    };
    Some(Statement {
        advisory: id.to_owned(),
        name: source.to_owned(),
        level: Level::Source,
        versions,
        verdict,
        fix,
        qualifiers: Vec::new(),
        severity: severity(state.urgency.as_deref().unwrap_or_default()),
        known_since: UNDATED,
    })
}

/// Four ways of not having fixed it: ignored, end of life, no advisory planned or postponed, nothing said.
fn open_state(state: &State) -> FixState {
    match (state.nodsa_reason.as_deref(), state.urgency.as_deref()) {
        (Some("ignored"), _) | (_, Some("end-of-life")) => FixState::WontFix,
        (Some(_), _) => FixState::Deferred,
        (None, _) if state.nodsa.is_some() => FixState::Deferred,
        _ => FixState::NotFixed,
    }
}

/// The tracker's urgency is a rating of this package in this release; a trailing `*` marked ratings of the NVD.
pub(super) fn severity(urgency: &str) -> Option<Severity> {
    if urgency.ends_with('*') {
        return None;
    }
    match urgency {
        "unimportant" => Some(Severity::Negligible),
        "low" => Some(Severity::Low),
        "medium" => Some(Severity::Medium),
        "high" => Some(Severity::High),
        _ => None,
    }
}
