//! Feed `github`: GitHub's advisories, flattened to one group per ecosystem.

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Instant, Level, License, Rating, RatingValue, StatedFix, Statement, Verdict,
};
use killick_model::matching::FixState;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};
use serde::Deserialize;
use serde_json::Value;

use super::super::json::or_default;
use super::super::sink::{Sink, UNDATED};
use super::{ids, namespace, stated};
use crate::index::Coverage;
use crate::namespaces;

/// Groups of the feed and the ecosystems they speak of.
const ECOSYSTEMS: &[(&str, &str)] = &[
    ("github:composer", "Packagist"),
    ("github:gem", "RubyGems"),
    ("github:go", "Go"),
    ("github:java", "Maven"),
    ("github:npm", "npm"),
    ("github:nuget", "NuGet"),
    ("github:os", ""),
    ("github:python", "PyPI"),
];

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "Advisory")]
    advisory: Github,
}

#[derive(Deserialize)]
struct Github {
    #[serde(rename = "ghsaId")]
    id: String,
    namespace: String,
    #[serde(rename = "Severity", default, deserialize_with = "or_default")]
    severity: String,
    url: Option<String>,
    #[serde(rename = "CVE", default)]
    cves: Value,
    withdrawn: Option<String>,
    published: Option<String>,
    updated: Option<String>,
    #[serde(rename = "FixedIn", default, deserialize_with = "or_default")]
    fixed_in: Vec<FixedIn>,
}

#[derive(Deserialize)]
struct FixedIn {
    name: String,
    identifier: Option<String>,
    range: String,
}

pub(super) fn file(element: Value, sink: &mut Sink) -> Result<(), String> {
    let record: Record = serde_json::from_value(element).map_err(|error| error.to_string())?;
    let github = record.advisory;
    let name = github.namespace.as_str();
    let known = ECOSYSTEMS.iter().find(|(group, _)| *group == name);
    let (_, ecosystem) = known.ok_or_else(|| format!("unknown group `{name}`"))?;
    let statements: Result<Vec<Statement>, String> =
        github.fixed_in.iter().map(|row| statement(&github.id, namespaces::scheme(ecosystem), row)).collect();
    let statements = statements?;
    let filing = sink.file(name, || namespace(name, ecosystem, Coverage::Full));
    for statement in &statements {
        filing.statement(statement);
    }
    let word = github.severity.parse().ok().map(RatingValue::Word);
    filing.advisory(&Advisory {
        id: github.id,
        aliases: ids(Some(&github.cves)),
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: if github.withdrawn.is_some() { AdvisoryStatus::Withdrawn } else { AdvisoryStatus::Active },
        published: github.published.as_deref().and_then(Instant::parse),
        modified: github.updated.as_deref().and_then(Instant::parse),
        ratings: word.map(|value| Rating { source: "ghsa".to_owned(), value }).into_iter().collect(),
        cwes: Vec::new(),
        url: github.url,
        license: License::Attribution,
        known_since: UNDATED,
    });
    Ok(())
}

fn statement(id: &str, scheme: Scheme, row: &FixedIn) -> Result<Statement, String> {
    let versions = range(scheme, &row.range)?;
    let fixed = stated(row.identifier.as_deref()).map(str::to_owned);
    Ok(Statement {
        advisory: id.to_owned(),
        name: row.name.clone(),
        level: Level::Module,
        versions,
        verdict: Verdict::Affected,
        fix: StatedFix {
            state: if fixed.is_some() { FixState::Fixed } else { FixState::NotFixed },
            versions: fixed.into_iter().collect(),
            advisories: Vec::new(),
        },
        qualifiers: Vec::new(),
        severity: None,
        known_since: UNDATED,
    })
}

/// GitHub's ranges: comparators joined by commas, all of which hold.
fn range(scheme: Scheme, text: &str) -> Result<Range, String> {
    let mut interval = Interval::default();
    for comparator in text.split(',').map(str::trim) {
        let malformed = || format!("malformed range `{text}`");
        let at = comparator.find(|letter: char| !matches!(letter, '<' | '>' | '=')).ok_or_else(malformed)?;
        let (operator, version) = comparator.split_at(at);
        let version = version.trim();
        if version.is_empty() {
            return Err(malformed());
        }
        match operator {
            "<" => interval.upper = Some(Bound::exclusive(version)),
            "<=" => interval.upper = Some(Bound::inclusive(version)),
            ">" => interval.lower = Some(Bound::exclusive(version)),
            ">=" => interval.lower = Some(Bound::inclusive(version)),
            "=" | "==" => {
                interval = Interval { lower: Some(Bound::inclusive(version)), upper: Some(Bound::inclusive(version)) };
            }
            _ => return Err(malformed()),
        }
    }
    Ok(Range::new(scheme, vec![interval], Vec::new()))
}
