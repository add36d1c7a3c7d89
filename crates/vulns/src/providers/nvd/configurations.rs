//! `configurations` of a CVE: which versions of which products, running on what.
//!
//! A configuration is a list of nodes, alternatives or (`AND`) all of them required; a node is a list of criteria, of which
//! some are vulnerable and others only have to be there. So each vulnerable criterion becomes a statement about its
//! product, with every other required node as a condition.

use std::collections::BTreeMap;

use killick_model::advisory::{Level, Qualifier, StatedFix, Statement, Verdict};
use killick_model::matching::FixState;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};
use serde::Deserialize;

use super::super::json::or_default;
use super::super::sink::{Sink, UNDATED};
use crate::names;

/// Criteria of one CVE that are read. Flaws of processors list tens of thousands of devices.
const MAX_CRITERIA: usize = 20_000;

#[derive(Deserialize)]
pub(super) struct Configuration {
    operator: Option<String>,
    #[serde(default)]
    negate: bool,
    #[serde(default, deserialize_with = "or_default")]
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    operator: Option<String>,
    #[serde(default)]
    negate: bool,
    #[serde(default, deserialize_with = "or_default")]
    cpe_match: Vec<Criterion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Criterion {
    vulnerable: bool,
    criteria: String,
    version_start_including: Option<String>,
    version_start_excluding: Option<String>,
    version_end_including: Option<String>,
    version_end_excluding: Option<String>,
}

/// What is said of one product under the same conditions.
#[derive(Default)]
struct Said {
    intervals: Vec<Interval>,
    versions: Vec<String>,
    fixes: Vec<String>,
}

/// The statements about a CVE's products, by the name of the product.
pub(super) fn products(id: &str, configurations: &[Configuration], sink: &mut Sink) -> Vec<(String, Statement)> {
    let mut found: BTreeMap<(String, Vec<Qualifier>), Said> = BTreeMap::new();
    let mut left = MAX_CRITERIA;
    for configuration in configurations {
        if configuration.negate || configuration.nodes.iter().any(|node| node.negate) {
            sink.leave_out();
            continue;
        }
        let all_nodes = configuration.operator.as_deref() == Some("AND");
        for (at, node) in configuration.nodes.iter().enumerate() {
            let others = configuration.nodes.iter().enumerate().filter(|(other, _)| all_nodes && *other != at);
            let conditions: Vec<Qualifier> = others.filter_map(|(_, other)| any_of(&other.cpe_match)).collect();
            for (at, criterion) in node.cpe_match.iter().enumerate().filter(|(_, criterion)| criterion.vulnerable) {
                let mut conditions = conditions.clone();
                if node.operator.as_deref() == Some("AND") {
                    let others = node.cpe_match.iter().enumerate().filter(|(other, _)| *other != at);
                    conditions.extend(others.filter_map(|(_, other)| any_of(std::slice::from_ref(other))));
                }
                let Some((name, attributes)) = product(&criterion.criteria).filter(|_| left > 0) else {
                    sink.leave_out();
                    continue;
                };
                left -= 1;
                conditions.sort();
                conditions.dedup();
                found.entry((name, conditions)).or_default().add(criterion, &attributes);
            }
        }
    }
    let statements = found.into_iter().filter_map(|((name, conditions), said)| {
        let product = names::cpe_attributes(&name)?.get(2)?.clone();
        Some((product, said.statement(id, name, conditions)?))
    });
    statements.collect()
}

/// Criteria of which one has to be there.
fn any_of(criteria: &[Criterion]) -> Option<Qualifier> {
    /// A condition with more alternatives than that restricts nothing worth checking.
    const MAX_ALTERNATIVES: usize = 64;
    let mut names: Vec<String> =
        criteria.iter().filter_map(|criterion| Some(without_version(&criterion.criteria)?.0)).collect();
    names.sort();
    names.dedup();
    (!names.is_empty() && names.len() <= MAX_ALTERNATIVES).then_some(Qualifier::RunningOn(names))
}

/// The name of a product that packages may be, with all attributes of the criterion.
fn product(criteria: &str) -> Option<(String, Vec<String>)> {
    let (name, attributes) = without_version(criteria)?;
    let at = |at: usize| attributes.get(at).map(String::as_str);
    // Devices and systems are in no image, except the kernel; a version that does not apply compares with none.
    let is_software = at(0) == Some("a") || (at(0), at(2)) == (Some("o"), Some("linux_kernel"));
    (is_software && at(3) != Some("-")).then_some((name, attributes))
}

/// A CPE 2.3 name with any version and update.
fn without_version(criteria: &str) -> Option<(String, Vec<String>)> {
    let attributes = names::cpe_attributes(criteria)?;
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = criteria.strip_prefix("cpe:2.3:")?;
    while let Some(end) = unescaped_colon(rest) {
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after.get(1..)?;
    }
    parts.push(rest);
    for part in parts.iter_mut().skip(3).take(2) {
        *part = "*";
    }
    Some((format!("cpe:2.3:{}", parts.join(":")), attributes))
}

fn unescaped_colon(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == ':' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

impl Said {
    fn add(&mut self, criterion: &Criterion, attributes: &[String]) {
        let text = |version: &Option<String>| version.clone().filter(|version| !version.is_empty());
        let lower = text(&criterion.version_start_including)
            .map(Bound::inclusive)
            .or_else(|| text(&criterion.version_start_excluding).map(Bound::exclusive));
        let upper = text(&criterion.version_end_including)
            .map(Bound::inclusive)
            .or_else(|| text(&criterion.version_end_excluding).map(Bound::exclusive));
        if lower.is_none()
            && upper.is_none()
            && let Some(version) = names::cpe_version(attributes)
        {
            self.versions.push(version);
            return;
        }
        self.fixes.extend(upper.as_ref().filter(|bound| !bound.inclusive).map(|bound| bound.version.clone()));
        self.intervals.push(Interval { lower, upper });
    }

    fn statement(mut self, id: &str, name: String, qualifiers: Vec<Qualifier>) -> Option<Statement> {
        self.versions.sort();
        self.versions.dedup();
        self.fixes.sort_by(|a, b| killick_model::version::order(Scheme::Generic, a, b));
        self.fixes.dedup();
        let versions = Range::new(Scheme::Generic, self.intervals, self.versions);
        if versions.intervals.is_empty() && versions.versions.is_empty() {
            return None;
        }
        // Where a range ends before a version, that one is the fix; elsewhere the NVD tells of none.
        let state = if self.fixes.is_empty() { FixState::Unknown } else { FixState::Fixed };
        Some(Statement {
            advisory: id.to_owned(),
            name,
            level: Level::Cpe,
            versions,
            verdict: Verdict::Affected,
            fix: StatedFix { state, versions: self.fixes, advisories: Vec::new() },
            qualifiers,
            severity: None,
            known_since: UNDATED,
        })
    }
}
