//! Mistakes in the documents that are made of a case, told where the case has them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CaseError;
use crate::written;

/// Reads a part of a case; `path` is where it stands.
pub(super) fn read<T: DeserializeOwned>(value: &Value, path: &str) -> Result<T, CaseError> {
    written::read(value).map_err(|wrong| CaseError::at(wrong.path(path), wrong.reason, wrong.remedy))
}

/// Where in an analysis stands what a case says elsewhere.
pub(super) const OF_ANALYSIS: &[(&str, &str)] = &[
    ("facts.manifest_digest", "facts.digest"),
    ("facts.config_digest", "facts.id"),
    ("facts.config.architecture", "facts.architecture"),
    ("facts.config.os", "facts.os"),
    ("facts.config.history", "facts.history"),
    ("facts.inspection.secrets.findings", "facts.secrets"),
    ("facts.inspection.malware", "facts.malware"),
    ("facts.inspection.content_search", "facts.content_search"),
];
/// The same of matches.
pub(super) const OF_MATCHES: &[(&str, &str)] =
    &[("facts.matches", "facts.vulnerabilities"), ("facts.problems", "facts.vulnerability_problems")];
/// Members that cases call otherwise, wherever they stand.
const OTHERWISE: &[(&str, &str)] = &[
    (".kind", ".type"),
    (".location", ".path"),
    (".vulnerability", ".id"),
    (".fix.state", ".fix"),
    (".fix.observed_at", ".fix_seen"),
];

/// The error with the place as the case has it.
pub(super) fn in_words(error: CaseError, places: &[(&str, &str)]) -> CaseError {
    let moved = places.iter().find_map(|(from, to)| Some(format!("{to}{}", error.path.strip_prefix(from)?)));
    let mut path = moved.unwrap_or(error.path);
    path = path.replace(".evidence.0", "").replace(".fix.versions", ".fixed_in");
    for (from, to) in OTHERWISE {
        if let Some(before) = path.strip_suffix(from) {
            path = format!("{before}{to}");
        }
    }
    CaseError { path, ..error }
}
