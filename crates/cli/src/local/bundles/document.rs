//! Bundles in files, and what else lies beside them.

use std::path::Path;

use killick_policy::{Bundle, BundleProblem, ProblemSeverity};
use serde_json::Value;

use crate::local::documents;
use crate::report_error::with_hint;

/// What a document is, by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A policy bundle.
    Bundle,
    /// A list of exceptions, or an object with one.
    Exceptions,
    /// A test case of a bundle, which may have exceptions too.
    Case,
    /// What `scan -o json` writes.
    Report,
    /// None of these.
    Other,
}

/// Members by which a kind is known, the surest first.
const SIGNS: &[(Kind, &[&str])] = &[
    (Kind::Bundle, &["policies", "rule_sets", "mappings", "whitelists", "allowlists"]),
    (Kind::Report, &["analysis"]),
    (Kind::Case, &["facts", "report", "expect"]),
    (Kind::Exceptions, &["exceptions"]),
];

impl Kind {
    pub(super) fn of(document: &Value) -> Self {
        let has = |value: &Value, names: &[&str]| names.iter().any(|name| value.get(name).is_some());
        if let Some(entries) = document.as_array() {
            let is_exception =
                |entry: &Value| has(entry, &["select"]) || has(entry, &["reason"]) && has(entry, &["owner"]);
            return if entries.iter().any(is_exception) { Self::Exceptions } else { Self::Other };
        }
        SIGNS.iter().find(|(_, names)| has(document, names)).map_or(Self::Other, |(kind, _)| *kind)
    }

    /// In words.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bundle => "a bundle",
            Self::Exceptions => "exceptions",
            Self::Case => "a test case",
            Self::Report => "a report",
            Self::Other => "neither a bundle nor exceptions",
        }
    }
}

/// What a server says against the document: about its shape, and if that is right about what it means.
pub(super) fn problems(document: &Value, bundle: &Bundle) -> Vec<BundleProblem> {
    let shape = Bundle::check_schema(document);
    if shape.is_empty() { bundle.validate() } else { shape }
}

/// The bundle of a file, refused as a server would refuse it.
pub(crate) fn read_bundle(path: &Path) -> anyhow::Result<Bundle> {
    let text = documents::text(path)?;
    let document = serde_json::from_str(documents::unmarked(&text)).map_err(|error| {
        with_hint(
            format!("the policy bundle `{}` is not JSON: {error}", path.display()),
            "a bundle is one JSON object, no YAML; `killick policy schema` prints its form for editors",
        )
    })?;
    let refused = |what: &str, remedy: String| {
        with_hint(format!("the policy bundle `{}` is not valid: {what}", path.display()), remedy)
    };
    let bundle = Bundle::parse(&document).map_err(|error| {
        refused(&error.to_string(), "a bundle has `id`, `version`, `policies`, `whitelists` and `mappings`".to_owned())
    })?;
    let problems = problems(&document, &bundle);
    let mut errors = problems.iter().filter(|problem| problem.severity == ProblemSeverity::Error);
    let Some(first) = errors.next() else { return Ok(bundle) };
    let place = if first.path.is_empty() { String::new() } else { format!("`{}`: ", first.path) };
    let more = match errors.count() {
        0 => String::new(),
        more => format!(" (and {more} more: `killick policy validate` tells them)"),
    };
    let remedy = first.remedy.clone().unwrap_or_else(|| "`killick policy lint` suggests what to write".to_owned());
    Err(refused(&format!("{place}{}{more}", first.reason), remedy))
}
