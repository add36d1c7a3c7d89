//! The Debian security tracker, `tracker/data/json`.
//!
//! <https://security-tracker.debian.org/tracker/data/json>: source package, CVE, release, state. Keys are source
//! packages and codenames. The tracker also lists what is open and what never applied, so its silence counts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Instant, Level, License, StatedFix, Statement, Verdict,
};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use serde::Deserialize;

use super::json::members;
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, existing};
use crate::index::Coverage;
use crate::namespaces;

pub(super) const PROVIDER: Provider = Provider {
    name: "debian",
    title: "Debian security tracker",
    find: |root| -> Vec<Vec<PathBuf>> {
        existing(root, &["debian/tracker.json", "debian/tracker.json.zst", "tracker/data/json"])
    },
    read,
};

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

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    members(input.reader()?, |source, issues| {
        let serde_json::Value::Object(issues) = issues else {
            return sink.skip(&source, "expected an object of vulnerabilities");
        };
        for (id, issue) in issues {
            match serde_json::from_value::<Issue>(issue) {
                Ok(issue) => file(&source, &id, &issue, sink),
                Err(error) => sink.skip(&format!("{source}/{id}"), error),
            }
        }
    })
    .map_err(|error| input.malformed(error))?;
    if let Some(instant) = newest_advisory(input) {
        sink.date(instant);
    }
    Ok(())
}

fn file(source: &str, id: &str, issue: &Issue, sink: &mut Sink) {
    for (codename, state) in &issue.releases {
        let Some(statement) = statement(source, id, state) else {
            sink.skip(&format!("{source}/{id}/{codename}"), format!("unknown status `{}`", state.status));
            continue;
        };
        let namespace = namespaces::debian(codename);
        let filing = sink.file(&namespace, || Namespace {
            name: namespace.clone(),
            ecosystem: namespace.clone(),
            coverage: Coverage::Full,
            license: License::Public,
            attribution: "Debian security tracker, facts".to_owned(),
        });
        filing.statement(&statement);
        filing.advisory(&Advisory {
            id: id.to_owned(),
            aliases: Vec::new(),
            upstream: Vec::new(),
            kind: AdvisoryKind::Vulnerability,
            status: AdvisoryStatus::Active,
            published: None,
            modified: None,
            ratings: Vec::new(),
            cwes: Vec::new(),
            url: None,
            license: License::Public,
            known_since: UNDATED,
        });
    }
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
fn severity(urgency: &str) -> Option<Severity> {
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

/// The tracker's JSON has no date; the newest advisory of the list that comes with it is the next best thing.
fn newest_advisory(input: &Input<'_>) -> Option<Instant> {
    let list = input.root.join(input.path.parent()?).join("DSA/list");
    let text = fs_err::read_to_string(list).ok()?;
    let date = text.lines().next()?.strip_prefix('[')?.split_once(']')?.0;
    let date = jiff::civil::Date::strptime("%d %b %Y", date).ok()?;
    Instant::parse(&date.to_string())
}
