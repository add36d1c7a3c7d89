//! Comparing two answers, and the differences we chose.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::exchange::Answer;
use crate::here;
use crate::mask::masked;

/// One place where our answer is not the recorded one.
#[derive(Debug)]
pub(crate) struct Difference {
    /// `status`, `header/NAME`, or `body/` and the way to the value, with positions in lists and names in sets.
    pub(crate) place: String,
    want: String,
    got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: recorded {}, got {}", self.place, self.want, self.got)
    }
}

/// Every place where the answers differ after masking.
pub(crate) fn differences(want: &Answer, got: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    if want.status != got.status {
        found.push(difference("status", &want.status.to_string(), &got.status.to_string()));
    }
    for (name, want) in &want.headers {
        let got = got.headers.get(name).map_or("nothing", String::as_str);
        if want != got {
            found.push(difference(&format!("header/{name}"), want, got));
        }
    }
    walk("body", &masked(&want.body), &masked(&got.body), &mut found);
    found
}

fn walk(place: &str, want: &Value, got: &Value, found: &mut Vec<Difference>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let names: BTreeSet<&String> = want.keys().chain(got.keys()).collect();
            for name in names {
                let place = format!("{place}/{name}");
                match (want.get(name), got.get(name)) {
                    (Some(want), Some(got)) => walk(&place, want, got, found),
                    (want, got) => found.push(difference(&place, &shown(want), &shown(got))),
                }
            }
        }
        (Value::Array(want), Value::Array(got)) => {
            for at in 0..want.len().max(got.len()) {
                let place = format!("{place}/{at}");
                match (want.get(at), got.get(at)) {
                    (Some(want), Some(got)) => walk(&place, want, got, found),
                    (want, got) => found.push(difference(&place, &shown(want), &shown(got))),
                }
            }
        }
        // The same number may be written with and without a fraction.
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (want, got) if want == got => {}
        (want, got) => found.push(difference(place, &shown(Some(want)), &shown(Some(got)))),
    }
}

fn difference(place: &str, want: &str, got: &str) -> Difference {
    Difference { place: place.to_owned(), want: want.to_owned(), got: got.to_owned() }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    if text.chars().count() > 300 { format!("{}…", text.chars().take(300).collect::<String>()) } else { text }
}

/// The differences we chose.
#[derive(Deserialize)]
pub(crate) struct Differences {
    #[serde(default)]
    difference: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    /// Title of the entry in `docs/compatibility.md`.
    title: String,
    /// Recordings it is about: `group/case`, `*` for any characters.
    cases: Vec<String>,
    /// Places it is about, `*` for any characters.
    places: Vec<String>,
}

impl Differences {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(here().join("differences.toml")).unwrap();
        toml::from_str(&text).unwrap()
    }

    /// Titles of all entries, in order.
    pub(crate) fn titles(&self) -> impl Iterator<Item = &str> {
        self.difference.iter().map(|known| known.title.as_str())
    }

    /// Number and title of the entry by which somebody chose this difference.
    pub(crate) fn explain(&self, case: &str, difference: &Difference) -> Option<(usize, &str)> {
        let at = self.difference.iter().position(|known| {
            known.cases.iter().any(|pattern| matches(pattern, case))
                && known.places.iter().any(|pattern| matches(pattern, &difference.place))
        })?;
        Some((at, &self.difference[at].title))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|tail| (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))),
    }
}

#[test]
fn patterns_match_any_characters() {
    assert!(matches("01/*", "01/a/b"));
    assert!(matches("*/b", "a/b"));
    assert!(matches("a*c", "abbc"));
    assert!(!matches("a*c", "abb"));
    assert!(!matches("a", "ab"));
}
