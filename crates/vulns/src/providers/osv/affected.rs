//! The `affected` entries of an OSV record: which versions of which package.

use std::cmp::Ordering;

use killick_model::advisory::{AdvisoryKind, Level, Qualifier, StatedFix, Statement, Verdict};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::range::{Bound, Interval, Range};
use killick_model::version::{self, Scheme, compare};
use serde::Deserialize;
use serde_json::Value;

use super::super::json::or_default;
use super::super::sink::UNDATED;
use super::{Score, ecosystems};
use crate::namespaces;

#[derive(Deserialize)]
pub(super) struct Affected {
    package: Option<Package>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) severity: Vec<Score>,
    #[serde(default, deserialize_with = "or_default")]
    ranges: Vec<Events>,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    ecosystem_specific: Value,
    #[serde(default, deserialize_with = "or_default")]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Events {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    events: Vec<Event>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

impl Affected {
    pub(super) fn ecosystem(&self) -> Option<&str> {
        self.package.as_ref().map(|package| package.ecosystem.as_str())
    }

    /// What `RustSec` says beside vulnerabilities.
    pub(super) fn kind(&self) -> Option<AdvisoryKind> {
        match self.database_specific.get("informational")?.as_str()? {
            "unmaintained" => Some(AdvisoryKind::Unmaintained),
            _ => Some(AdvisoryKind::Notice),
        }
    }

    /// The statement; `None` where nothing is said that versions can be compared with.
    pub(super) fn statement(&self, id: &str, severity: Option<Severity>) -> Result<Option<Statement>, String> {
        let Some(package) = &self.package else { return Ok(None) };
        let family = package.ecosystem.split(':').next().unwrap_or_default();
        let scheme = namespaces::scheme(family);
        let mut intervals = Vec::new();
        let mut fixes = Vec::new();
        let mut last_known = false;
        for range in self.ranges.iter().filter(|range| range.kind != "GIT") {
            if range.events.is_empty() {
                return Err(format!("a range of `{}` has no events", package.name));
            }
            for event in &range.events {
                match event {
                    Event::Fixed(version) => fixes.push(version.clone()),
                    Event::LastAffected(_) => last_known = true,
                    Event::Introduced(_) | Event::Limit(_) => {}
                }
            }
            intervals.extend(self.intervals(scheme, &range.events));
        }
        // Fixed before there was a version: how distributions write that they never were affected.
        if ecosystems::is_distribution(family) && fixes.iter().all(|version| version == "0") && !fixes.is_empty() {
            return Ok(Some(Self::never(id, package, scheme)));
        }
        let ranges = Range::new(scheme, intervals, Vec::new());
        // Most databases list every version inside the ranges once more.
        let outside = |version: &&String| ranges.contains(&scheme.marked(version)) != Some(true);
        let versions: Vec<String> =
            self.versions.iter().filter(outside).map(|version| scheme.marked(version).into_owned()).collect();
        if ranges.intervals.is_empty() && versions.is_empty() {
            return Ok(None);
        }
        fixes.sort_by(|a, b| version::order(scheme, &scheme.marked(a), &scheme.marked(b)));
        fixes.dedup();
        let state = match (fixes.is_empty(), last_known || ranges.intervals.is_empty()) {
            (false, _) => FixState::Fixed,
            (true, true) => FixState::Unknown,
            (true, false) => FixState::NotFixed,
        };
        Ok(Some(Statement {
            advisory: id.to_owned(),
            name: package.name.clone(),
            level: level(family),
            versions: Range::new(scheme, ranges.intervals, versions),
            verdict: Verdict::Affected,
            fix: StatedFix { state, versions: fixes, advisories: Vec::new() },
            qualifiers: self.imports(),
            severity,
            known_since: UNDATED,
        }))
    }

    fn never(id: &str, package: &Package, scheme: Scheme) -> Statement {
        Statement {
            advisory: id.to_owned(),
            name: package.name.clone(),
            level: level(ecosystems::family(&package.ecosystem)),
            versions: Range::all(scheme),
            verdict: Verdict::NotAffected,
            fix: StatedFix::default(),
            qualifiers: Vec::new(),
            severity: None,
            known_since: UNDATED,
        }
    }

    /// Walks over the events in version order, as the schema's evaluation does; as written where versions have no order.
    fn intervals(&self, scheme: Scheme, events: &[Event]) -> Vec<Interval> {
        let mut ordered: Vec<&Event> = events.iter().filter(|event| !matches!(event, Event::Limit(_))).collect();
        if ordered.iter().all(|event| event.is_first() || scheme.accepts(&scheme.marked(event.version()))) {
            ordered.sort_by(|a, b| a.order(b, scheme));
        }
        let mut intervals = Vec::new();
        let mut open: Option<Option<Bound>> = None;
        for event in ordered {
            match event {
                Event::Introduced(version) => {
                    let lower = (version != "0").then(|| Bound::inclusive(scheme.marked(version)));
                    open.get_or_insert(lower);
                }
                Event::Fixed(version) => {
                    if let Some(lower) = open.take() {
                        intervals.push(Interval { lower, upper: Some(Bound::exclusive(scheme.marked(version))) });
                    }
                }
                Event::LastAffected(version) => {
                    if let Some(lower) = open.take() {
                        intervals.push(Interval { lower, upper: Some(Bound::inclusive(scheme.marked(version))) });
                    }
                }
                Event::Limit(_) => {}
            }
        }
        if let Some(lower) = open {
            intervals.push(Interval { lower, upper: self.last_known(scheme) });
        }
        if let Some(limit) = limit(scheme, events) {
            for interval in &mut intervals {
                let ends_before =
                    |upper: &Bound| compare(scheme, &upper.version, &limit.version) == Some(Ordering::Less);
                if !interval.upper.as_ref().is_some_and(ends_before) {
                    interval.upper = Some(limit.clone());
                }
            }
        }
        intervals
    }

    /// GitHub closes ranges that have no fix with the last version that was seen to be affected.
    fn last_known(&self, scheme: Scheme) -> Option<Bound> {
        let text = self.database_specific.get("last_known_affected_version_range")?.as_str()?;
        if let Some(version) = text.strip_prefix("<=") {
            return Some(Bound::inclusive(scheme.marked(version.trim())));
        }
        text.strip_prefix('<').map(|version| Bound::exclusive(scheme.marked(version.trim())))
    }

    /// Packages and symbols of a Go module that hold the flaw.
    fn imports(&self) -> Vec<Qualifier> {
        let imports = self.ecosystem_specific.get("imports").and_then(Value::as_array);
        let words = |import: &Value| -> Vec<String> {
            let symbols = import.get("symbols").and_then(Value::as_array);
            symbols.into_iter().flatten().filter_map(|symbol| Some(symbol.as_str()?.to_owned())).collect()
        };
        imports
            .into_iter()
            .flatten()
            .filter_map(|import| {
                Some(Qualifier::GoImport { path: import.get("path")?.as_str()?.to_owned(), symbols: words(import) })
            })
            .collect()
    }
}

/// The highest limit, if there are any and none of them is infinity: no version from there on is spoken of.
fn limit(scheme: Scheme, events: &[Event]) -> Option<Bound> {
    let limits =
        || events.iter().filter_map(|event| if let Event::Limit(version) = event { Some(version) } else { None });
    if limits().any(|limit| limit == "*") {
        return None;
    }
    let highest =
        limits().map(|limit| scheme.marked(limit)).max_by(|a, b| compare(scheme, a, b).unwrap_or(Ordering::Equal));
    highest.map(Bound::exclusive)
}

impl Event {
    fn version(&self) -> &str {
        match self {
            Self::Introduced(version) | Self::Fixed(version) | Self::LastAffected(version) | Self::Limit(version) => {
                version
            }
        }
    }

    /// Whether it comes before every version.
    fn is_first(&self) -> bool {
        matches!(self, Self::Introduced(version) if version == "0")
    }

    /// By version, an introduction before an end at the same version.
    fn order(&self, other: &Self, scheme: Scheme) -> Ordering {
        let rank = |event: &Self| !matches!(event, Self::Introduced(_));
        other.is_first().cmp(&self.is_first()).then_with(|| {
            compare(scheme, &scheme.marked(self.version()), &scheme.marked(other.version()))
                .map_or(Ordering::Equal, |order| order.then_with(|| rank(self).cmp(&rank(other))))
        })
    }
}

fn level(family: &str) -> Level {
    match family {
        "Debian" | "Ubuntu" | "Alpine" | "Echo" => Level::Source,
        // Source packages, but at Rocky binary ones in records of before 2024.
        "Azure Linux" | "Rocky Linux" | "SUSE" | "openSUSE" => Level::Any,
        family if ecosystems::is_distribution(family) => Level::Binary,
        _ => Level::Module,
    }
}
