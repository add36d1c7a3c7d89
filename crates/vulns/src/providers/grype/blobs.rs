//! Blobs of the database: JSON texts that handles point to, and what they mean.

use killick_model::advisory::{Rating, RatingValue, StatedFix, Verdict};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};
use serde::Deserialize;
use serde_json::Value;

use super::super::json::or_default;
use super::super::said;
use crate::namespaces;

/// The blob of a vulnerability.
#[derive(Deserialize, Default)]
pub(super) struct Vulnerability {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) aliases: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) severities: Vec<Rated>,
}

#[derive(Deserialize)]
pub(super) struct Rated {
    pub(super) value: Value,
    pub(super) source: Option<String>,
}

/// The blob of a package.
#[derive(Deserialize)]
pub(super) struct Affected {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) cves: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) qualifiers: Qualifiers,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) ranges: Vec<Ranged>,
}

#[derive(Deserialize, Default)]
pub(super) struct Qualifiers {
    pub(super) rpm_modularity: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) go_imports: Vec<GoImport>,
}

#[derive(Deserialize)]
pub(super) struct GoImport {
    pub(super) path: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) symbols: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Ranged {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) version: Constraint,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) fix: Fixed,
}

#[derive(Deserialize, Default)]
pub(super) struct Constraint {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) constraint: String,
}

#[derive(Deserialize, Default)]
pub(super) struct Fixed {
    pub(super) version: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) state: String,
}

/// The blob of an entry in the catalogue of exploited vulnerabilities.
#[derive(Deserialize)]
pub(super) struct Known {
    pub(super) date_added: Option<String>,
    pub(super) due_date: Option<String>,
    #[serde(rename = "known_ransomware_campaign_use")]
    pub(super) ransomware: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) cwes: Vec<String>,
}

pub(super) fn ratings(vulnerability: &Vulnerability, provider: &str) -> Vec<Rating> {
    let rating = |rated: &Rated| {
        let value = match &rated.value {
            Value::String(word) => RatingValue::Word(word.parse::<Severity>().ok().or_else(|| said::severity(word))?),
            value => RatingValue::Vector(value.get("vector")?.as_str()?.to_owned()),
        };
        let source = rated.source.as_deref().filter(|source| !source.is_empty()).unwrap_or(provider);
        let source = match source {
            "nvd@nist.gov" => "nvd",
            "github" => "ghsa",
            source => source,
        };
        Some(Rating { source: source.to_owned(), value })
    };
    vulnerability.severities.iter().filter_map(rating).collect()
}

pub(super) fn scheme(kind: &str, namespace: &str, is_distribution: bool) -> Result<Scheme, String> {
    Ok(match kind.to_ascii_lowercase().as_str() {
        "apk" => Scheme::Apk,
        "deb" | "dpkg" => Scheme::Dpkg,
        "rpm" => Scheme::Rpm,
        "pacman" => Scheme::Pacman,
        "portage" => Scheme::Portage,
        // What the database calls unknown is what the ecosystem orders by rules of its own.
        _ if !is_distribution => namespaces::scheme(namespace),
        kind => return Err(format!("unknown version order `{kind}`")),
    })
}

pub(super) fn fix(fixed: &Fixed, verdict: Verdict) -> StatedFix {
    let version = fixed.version.clone().filter(|version| !version.is_empty());
    let state = match fixed.state.as_str() {
        _ if verdict == Verdict::NotAffected => FixState::Unknown,
        "fixed" => FixState::Fixed,
        "not-fixed" => FixState::NotFixed,
        "wont-fix" => FixState::WontFix,
        _ => FixState::Unknown,
    };
    let versions = version.filter(|_| state == FixState::Fixed).into_iter().collect();
    StatedFix { state, versions, advisories: Vec::new() }
}

/// Alternatives between `||`, each of comparators between commas; nothing is every version.
pub(super) fn constraint(scheme: Scheme, text: &str) -> Result<Range, String> {
    if text.trim().is_empty() {
        return Ok(Range::all(scheme));
    }
    let malformed = || format!("malformed range `{}`", text.chars().take(80).collect::<String>());
    let mut intervals = Vec::new();
    for alternative in text.split("||") {
        let mut interval = Interval::default();
        for comparator in alternative.split(',').map(str::trim) {
            let at = comparator.find(|letter: char| !matches!(letter, '<' | '>' | '=')).ok_or_else(malformed)?;
            let (operator, version) = comparator.split_at(at);
            let version = version.trim().trim_matches(['"', '\'']);
            if !version.starts_with(|first: char| first.is_alphanumeric()) {
                return Err(malformed());
            }
            let version = scheme.marked(version).into_owned();
            match operator {
                "<" => interval.upper = Some(Bound::exclusive(version)),
                "<=" => interval.upper = Some(Bound::inclusive(version)),
                ">" => interval.lower = Some(Bound::exclusive(version)),
                ">=" => interval.lower = Some(Bound::inclusive(version)),
                "" | "=" | "==" => {
                    let bound = Some(Bound::inclusive(version));
                    interval = Interval { lower: bound.clone(), upper: bound };
                }
                _ => return Err(malformed()),
            }
        }
        intervals.push(interval);
    }
    Ok(Range::new(scheme, intervals, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_ranges() {
        for (text, expected) in [
            ("", "*"),
            ("< 1.2", "< 1.2"),
            (">=1.0,<1.5 || >= 2.0, < 2.3", ">= 1.0, < 1.5 || >= 2.0, < 2.3"),
            ("= 1.0", "= 1.0"),
            ("<= 1.0", "<= 1.0"),
            ("> 1.0", "> 1.0"),
        ] {
            assert_eq!(constraint(Scheme::Semver, text).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(constraint(Scheme::Go, "<0.17.0").unwrap().to_string(), "< v0.17.0");
        for text in ["<", "!= 1", "< 1,", "~ 1"] {
            assert!(constraint(Scheme::Semver, text).is_err(), "{text}");
        }
    }
}
