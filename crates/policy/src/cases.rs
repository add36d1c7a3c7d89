//! Unit tests for bundles: the facts of an image in, the verdict that is expected of it out.
//!
//! A case is a document: `facts` (or a `report` that was written with `-o json`), the `image` reference mappings see,
//! `now`, `exceptions`, and what to `expect`. What facts leave out is a small Debian image without packages.

mod expect;
mod facts;
mod places;

use jiff::Timestamp;
use killick_model::evaluation::Evaluation;
use serde_json::{Map, Value};

pub use expect::{expectation, failures};

use crate::bundle::Bundle;
use crate::evaluate::{Options, evaluate};
use crate::evidence::{Dockerfile, Evidence};
use crate::exceptions::{DEFAULT_NOTICE_DAYS, Exceptions};
use crate::written::suggestion;
use expect::Expected;
use facts::Facts;

/// The reference of cases that do not say one.
const REFERENCE: &str = "docker.io/library/case:latest";
/// How instants are written.
const INSTANT: &str = "write it like `2030-12-31T00:00:00Z`";
/// Members of a case.
const MEMBERS: &[&str] = &["name", "description", "image", "now", "facts", "report", "exceptions", "expect"];

/// A case that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", place(.path))]
pub struct CaseError {
    /// Where in the case.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("`{path}`: ") }
}

impl CaseError {
    fn at(path: impl Into<String>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), remedy: remedy.into() }
    }

    fn no_text(path: impl Into<String>) -> Self {
        Self::at(path, "it is no text", "put it in quotes")
    }
}

/// One image, and what a bundle is to make of it.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: Option<String>,
    reference: String,
    facts: Facts,
    exceptions: Exceptions,
    expected: Option<Expected>,
    now: Option<Timestamp>,
}

impl Case {
    /// Reads a case. `report` is the document that its member of that name stands for.
    pub fn parse(document: &Value, report: Option<&Value>) -> Result<Self, CaseError> {
        let case = object(document, "")?;
        known(case, MEMBERS, "")?;
        let text = |name: &str| match case.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(CaseError::no_text(name)),
        };
        let facts = match (case.get("facts"), report) {
            (Some(_), Some(_)) => {
                return Err(CaseError::at("report", "a case has either `facts` or a `report`", "remove one of them"));
            }
            (None, Some(report)) => Facts::of_report(report)?,
            (facts, None) => Facts::parse(facts.unwrap_or(&Value::Null))?,
        };
        let no_instant = |text: &str| CaseError::at("now", format!("`{text}` is no instant"), INSTANT);
        let now = text("now")?.map(|text| text.parse().map_err(|_| no_instant(&text))).transpose()?;
        let exceptions = match case.get("exceptions") {
            None | Some(Value::Null) => Exceptions::default(),
            Some(list) => Exceptions::parse(list).map_err(|problems| {
                let first = problems.into_iter().next();
                first.map_or_else(
                    || CaseError::at("exceptions", "they cannot be read", "write a list"),
                    |first| CaseError::at(first.path, first.reason, first.remedy),
                )
            })?,
        };
        Ok(Self {
            name: text("name")?,
            reference: text("image")?.unwrap_or_else(|| REFERENCE.to_owned()),
            facts,
            exceptions,
            expected: case.get("expect").map(Expected::parse).transpose()?.flatten(),
            now,
        })
    }

    /// The verdict of the bundle. `now` is the instant of cases that do not say one.
    pub fn evaluate(&self, bundle: &Bundle, options: &Options, now: Timestamp) -> Evaluation {
        let facts = &self.facts;
        let evidence = Evidence {
            first_seen: &facts.first_seen,
            dockerfile: facts.dockerfile.as_ref().map(|(text, mode)| Dockerfile { text, mode: *mode }),
            image_size_bytes: facts.size,
            feeds: &facts.feeds,
            sources: &facts.sources,
            unsupported: &facts.unsupported,
            npm_feed: facts.npm_feed.as_ref(),
            gem_feed: facts.gem_feed.as_ref(),
            ..Evidence::new(&facts.analysis, &facts.matches, self.now.unwrap_or(now))
        };
        let mut evaluation = evaluate(bundle, &evidence, &self.reference, options);
        self.exceptions.apply(&mut evaluation, DEFAULT_NOTICE_DAYS);
        evaluation
    }

    /// What of the evaluation is not as expected; `None` if nothing is expected at all.
    pub fn failures(&self, evaluation: &Evaluation) -> Option<Vec<String>> {
        self.expected.as_ref().map(|expected| failures(expected, evaluation))
    }
}

fn object<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, CaseError> {
    let remedy =
        || if path.is_empty() { "begin with `facts:`, `report:` or `expect:`" } else { "write names and values" };
    value.as_object().ok_or_else(|| CaseError::at(path, "it is no object", remedy()))
}

/// Refuses members that mean nothing: a case with a typing error would prove nothing.
fn known(members: &Map<String, Value>, names: &[&str], path: &str) -> Result<(), CaseError> {
    let Some(unknown) = members.keys().find(|name| !names.contains(&name.as_str())) else { return Ok(()) };
    let at = if path.is_empty() { unknown.clone() } else { format!("{path}.{unknown}") };
    let remedy = suggestion(unknown, names).unwrap_or_else(|| format!("remove it; there are: {}", names.join(", ")));
    Err(CaseError::at(at, "there is no such member", remedy))
}
