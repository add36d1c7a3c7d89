//! Documents of general formats, as the catalogers of lock files and manifests read them.
//!
//! They are read into types that name the fields of interest, so that memory follows what is wanted and not what is
//! written: a million nested lists cost nothing. Depth is bounded by the parsers themselves.

use std::borrow::Cow;
use std::fmt::Display;

use killick_model::problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Found, WantedFile};

/// Bytes of a document; the lock files of the largest monorepos have some ten megabytes.
const DOCUMENT_BYTES: usize = 32 << 20;

/// Bytes of a document of which a tree is built, a multiple of its size.
const TREE_BYTES: usize = 4 << 20;

/// Reads JSON. A byte order mark and bytes that are not UTF-8 are forgiven, as the tools that write such files do.
pub(super) fn json<T: DeserializeOwned>(file: &WantedFile<'_>, found: &mut Found) -> Option<T> {
    let text = bounded_text(file, DOCUMENT_BYTES, found)?;
    read(file, "JSON", serde_json::from_str(&text), found)
}

/// Reads JSON of no fixed shape.
pub(super) fn json_tree(file: &WantedFile<'_>, found: &mut Found) -> Option<Value> {
    let text = bounded_text(file, TREE_BYTES, found)?;
    read(file, "JSON", serde_json::from_str(&text), found)
}

/// Reads TOML, whose parser builds a tree first.
pub(super) fn toml<T: DeserializeOwned>(file: &WantedFile<'_>, found: &mut Found) -> Option<T> {
    let text = bounded_text(file, TREE_BYTES, found)?;
    read(file, "TOML", toml::from_str(&text), found)
}

/// Reads YAML, its first document. Aliases, nodes and depth are bounded by the parser's budget.
pub(super) fn yaml<T: DeserializeOwned>(file: &WantedFile<'_>, found: &mut Found) -> Option<T> {
    let text = bounded_text(file, DOCUMENT_BYTES, found)?;
    read(file, "YAML", serde_saphyr::from_str(&text).map_err(|error| error.without_snippet().to_string()), found)
}

/// The text of a file of a format of its own, of which real ones are short and a tree may be built.
pub(super) fn short_text<'a>(file: &WantedFile<'a>, found: &mut Found) -> Option<Cow<'a, str>> {
    bounded_text(file, TREE_BYTES, found)
}

/// The text of a file of a format of its own.
pub(super) fn text<'a>(file: &WantedFile<'a>, found: &mut Found) -> Option<Cow<'a, str>> {
    bounded_text(file, DOCUMENT_BYTES, found)
}

/// Says that a file is not what its name promises.
pub(super) fn malformed(file: &WantedFile<'_>, message: impl Into<String>, found: &mut Found) {
    found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
}

fn bounded_text<'a>(file: &WantedFile<'a>, limit: usize, found: &mut Found) -> Option<Cow<'a, str>> {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.bytes);
    if bytes.len() > limit {
        let message = format!("more than {limit} bytes, not read");
        found.problems.push(Problem::new("limit-document-bytes", file.path.to_string(), message));
        return None;
    }
    Some(String::from_utf8_lossy(bytes))
}

fn read<T>(file: &WantedFile<'_>, format: &str, outcome: Result<T, impl Display>, found: &mut Found) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            // The first line says where and the last one why; between them some parsers show an excerpt of the file.
            let error = error.to_string();
            let mut lines = error.lines().filter(|line| !line.trim().is_empty());
            let first = lines.next().unwrap_or_default();
            let reason = lines.next_back().map_or_else(|| first.to_owned(), |last| format!("{first}: {last}"));
            malformed(file, format!("not the {format} it should be: {reason}"), found);
            None
        }
    }
}
