//! OSV records, `osv/cve/2021/UBUNTU-CVE-2021-3782.json`.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::advisory::{AdvisoryStatus, Instant, Level, License, Qualifier, Rating, RatingValue, Statement};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};
use serde::Deserialize;

use super::super::Sink;
use super::super::json::or_default;
use super::super::said::{self, Said};
use super::pocket::{self, Pocket};

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    upstream: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    related: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<Score>,
    published: Option<String>,
    modified: Option<String>,
    withdrawn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    affected: Vec<Affected>,
}

#[derive(Deserialize)]
struct Score {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "score")]
    value: String,
}

#[derive(Deserialize)]
struct Affected {
    package: Package,
    #[serde(default, deserialize_with = "or_default")]
    ranges: Vec<Events>,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<Score>,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Events {
    #[serde(default, deserialize_with = "or_default")]
    events: Vec<Event>,
}

/// One of both; other events do not occur.
#[derive(Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
}

/// A source package of a release and a pocket.
type Place<'a> = (String, &'a str, Pocket);

/// What is said there: since when, and until when, if it is fixed.
type Ranges = Vec<(Option<String>, Option<String>)>;

pub(super) fn file(bytes: &[u8], has_triage: bool, sink: &mut Sink) -> Result<(), String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    // What the vulnerability is called by everybody; rarely it has no CVE.
    let bare = record.id.strip_prefix("UBUNTU-").unwrap_or(&record.id);
    let cve = record.upstream.iter().map(String::as_str).find(|id| said::is_cve(id)).unwrap_or(bare);
    let mut places: BTreeMap<Place<'_>, (Ranges, Option<Severity>)> = BTreeMap::new();
    for affected in &record.affected {
        let Some((namespace, pocket)) = pocket::of_ecosystem(&affected.package.ecosystem) else {
            sink.leave_out();
            continue;
        };
        let place = (namespace, affected.package.name.as_str(), pocket);
        let (ranges, severity) = places.entry(place).or_default();
        ranges.extend(affected.ranges.iter().flat_map(|range| read(&range.events)));
        *severity = word(&affected.severity).or_else(|| word(&record.severity));
    }
    let mut advisory = said::advisory(cve, License::ShareAlike);
    advisory.published = record.published.as_deref().and_then(Instant::parse);
    advisory.modified = record.modified.as_deref().and_then(Instant::parse);
    if record.withdrawn.is_some() {
        advisory.status = AdvisoryStatus::Withdrawn;
    }
    let vectors = record.severity.iter().filter(|score| score.kind.starts_with("CVSS"));
    advisory.ratings = vectors
        .map(|score| Rating { source: "ubuntu".to_owned(), value: RatingValue::Vector(score.value.clone()) })
        .collect();
    advisory.ratings.dedup();
    if has_triage {
        sink.remember(&advisory, word(&record.severity));
    }
    let notices: Vec<String> = record.related.iter().filter(|id| id.starts_with("USN-")).cloned().collect();
    let has_base: BTreeSet<(String, &str)> = places
        .keys()
        .filter(|(.., pocket)| *pocket == Pocket::Base)
        .map(|(namespace, name, _)| (namespace.clone(), *name))
        .collect();
    let mut last: Option<String> = None;
    for ((namespace, name, pocket), (ranges, severity)) in places {
        let has_base = has_base.contains(&(namespace.clone(), name));
        // An open issue of longer support is open for everybody.
        let is_open = ranges.iter().all(|(_, fixed)| fixed.is_none());
        let pocket = if pocket == Pocket::Esm && is_open && !has_base { Pocket::Base } else { pocket };
        let mut statements = statements(cve, name, pocket, ranges, has_triage);
        let is_marked = statements.iter().any(|statement| !statement.qualifiers.is_empty());
        if pocket == Pocket::Esm && is_marked && !has_base {
            // What subscribers get is affected for everybody else.
            let base = Said::Unfixed(FixState::WontFix);
            statements.push(base.statement(cve, name, Level::Source, Scheme::Dpkg));
        }
        if statements.is_empty() {
            continue;
        }
        let filing = sink.file(&namespace, || super::namespace(&namespace));
        if last.as_ref() != Some(&namespace) {
            filing.advisory(&advisory);
            last = Some(namespace.clone());
        }
        for mut statement in statements {
            statement.severity = severity;
            if statement.fix.state == FixState::Fixed {
                statement.fix.advisories.clone_from(&notices);
            }
            filing.statement(&statement);
        }
    }
    Ok(())
}

/// Pairs of events.
fn read(events: &[Event]) -> Ranges {
    let mut found = Vec::new();
    let mut open: Option<Option<String>> = None;
    for event in events {
        if let Some(version) = &event.introduced {
            open = Some((version != "0").then(|| version.clone()));
        }
        if let Some(version) = &event.fixed {
            found.extend(open.take().map(|lower| (lower, Some(version.clone()))));
        }
    }
    found.extend(open.map(|lower| (lower, None)));
    found
}

fn statements(cve: &str, name: &str, pocket: Pocket, ranges: Ranges, has_triage: bool) -> Vec<Statement> {
    let mut found = Vec::new();
    for (lower, fixed) in ranges {
        let said = match &fixed {
            Some(version) => Said::FixedIn(version.clone()),
            // What will become of it is told by VEX.
            None if has_triage => continue,
            None => Said::Unfixed(FixState::NotFixed),
        };
        let mut statement = said.statement(cve, name, Level::Source, Scheme::Dpkg);
        if let Some(lower) = lower {
            let interval =
                Interval { lower: Some(Bound::inclusive(lower)), upper: fixed.clone().map(Bound::exclusive) };
            statement.versions = Range::new(Scheme::Dpkg, vec![interval], Vec::new());
        }
        let marks = pocket.marks();
        match marks.iter().find(|mark| fixed.as_ref().is_some_and(|version| version.contains(**mark))) {
            Some(mark) => {
                statement.qualifiers.push(Qualifier::Build((*mark).to_owned()));
                found.push(statement);
            }
            // The first fixes of extended support had no mark: their versions compare with all others.
            None if fixed.is_some() || marks.is_empty() => found.push(statement),
            None => found.extend(marks.iter().map(|mark| {
                let mut marked = statement.clone();
                marked.qualifiers.push(Qualifier::Build((*mark).to_owned()));
                marked
            })),
        }
    }
    found
}

/// Ubuntu's priority.
fn word(scores: &[Score]) -> Option<Severity> {
    scores.iter().find(|score| score.kind == "Ubuntu").and_then(|score| said::severity(&score.value))
}
