//! Comparing two outputs, and the differences we chose.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

use super::here;

/// What depends on when and where a recording was made.
pub(crate) struct Volatile(Vec<(Regex, &'static str)>);

impl Volatile {
    pub(crate) fn new() -> Self {
        let masks = [
            (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "<instant>"),
            (r"http://(localhost|127\.0\.0\.1):\d+", "<service>"),
            (r"\([^ ()]+, <service>\)", "(<host>, <service>)"),
            (r#""hostid": "[^"]*""#, r#""hostid": "<host>""#),
            (r"\b[0-9a-f]{32}\b", "<id>"),
        ];
        Self(masks.into_iter().map(|(pattern, name)| (Regex::new(pattern).expect("a pattern"), name)).collect())
    }

    pub(crate) fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, name) in &self.0 {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        text
    }

    fn lines(&self, text: &str) -> Vec<String> {
        self.masked(text).lines().map(str::to_owned).collect()
    }
}

/// Every place where the runs, exit code and output, differ after masking: `exit/WANT/GOT`; `stdout/-LINE` for a line
/// only the recording has, `stdout/+LINE` for one only we print; `stdout/order` for the same lines in another order.
/// Where one cell of a table differs the others are as wide as it makes them, so spaces count only in outputs whose
/// words are the same: `stdout/spacing`.
pub(crate) fn differences(volatile: &Volatile, want: (i32, &str), got: (i32, &str)) -> Vec<String> {
    let mut found = Vec::new();
    if want.0 != got.0 {
        found.push(format!("exit/{}/{}", want.0, got.0));
    }
    let (want, got) = (volatile.lines(want.1), volatile.lines(got.1));
    if want == got {
        return found;
    }
    let (words_wanted, words_got) = (words(&want), words(&got));
    let mut lines: BTreeMap<&str, i32> = BTreeMap::new();
    for line in &words_wanted {
        *lines.entry(line).or_default() -= 1;
    }
    for line in &words_got {
        *lines.entry(line).or_default() += 1;
    }
    let before = found.len();
    for (line, count) in lines {
        let sign = if count < 0 { '-' } else { '+' };
        found.extend((0..count.unsigned_abs()).map(|_| format!("stdout/{sign}{line}")));
    }
    if found.len() == before {
        found.push(if words_wanted == words_got { "stdout/spacing" } else { "stdout/order" }.to_owned());
    }
    found
}

fn words(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The differences we chose.
#[derive(Deserialize)]
pub(super) struct Differences {
    difference: Vec<Known>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Title of the entry in `docs/compatibility.md`.
    title: String,
    /// Recordings it is about, `*` for any characters.
    cases: Vec<String>,
    /// Places it is about, `*` for any characters.
    #[serde(default)]
    places: Vec<String>,
    /// Our exit code and whole output are others than the original's: they stand in `chosen/CASE.snap`.
    #[serde(default)]
    whole: bool,
}

impl Differences {
    pub(super) fn read() -> Self {
        let text = fs_err::read_to_string(here().join("differences.toml")).expect("the differences are there");
        toml::from_str(&text).expect("the differences are right")
    }

    /// Titles of all entries, in order.
    pub(super) fn titles(&self) -> impl Iterator<Item = &str> {
        self.difference.iter().map(|known| known.title.as_str())
    }

    /// Number of the entry by which somebody chose an output of our own for this case.
    pub(super) fn whole(&self, case: &str) -> Option<usize> {
        self.difference.iter().position(|known| known.whole && known.cases.iter().any(|pattern| matches(pattern, case)))
    }

    /// Number of the entry by which somebody chose this difference.
    pub(super) fn explain(&self, case: &str, place: &str) -> Option<usize> {
        self.difference.iter().position(|known| {
            known.cases.iter().any(|pattern| matches(pattern, case))
                && known.places.iter().any(|pattern| matches(pattern, place))
        })
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| matches(rest, &tail[at..]))
        }),
    }
}
