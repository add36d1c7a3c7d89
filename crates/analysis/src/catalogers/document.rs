//! Documents of general formats, as the catalogers of lock files and manifests read them.
//!
//! They are read into types that name the fields of interest, so that memory follows what is wanted and not what is
//! written: a million nested lists cost nothing. Depth is bounded by the parsers themselves.

use std::borrow::Cow;
use std::fmt::{self, Display};

use killick_model::problem::Problem;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Found, WantedFile};

/// Bytes of a document; the lock files of the largest monorepos have some ten megabytes.
const DOCUMENT_BYTES: usize = 32 << 20;

/// Bytes of a document of which a tree is built, a multiple of its size.
const TREE_BYTES: usize = 4 << 20;

/// Scalars, sequences and mappings of a YAML document.
const YAML_NODES: usize = 2_000_000;

/// Reads JSON. A byte order mark and bytes that are not UTF-8 are forgiven, as the tools that write such files do.
pub(super) fn json<T: DeserializeOwned>(file: &WantedFile<'_>, found: &mut Found) -> Option<T> {
    let text = bounded_text(file, DOCUMENT_BYTES, found)?;
    read(file, "JSON", serde_json::from_str(&text), found)
}

/// Reads JSON with comments and trailing commas.
pub(super) fn json_with_comments<T: DeserializeOwned>(file: &WantedFile<'_>, found: &mut Found) -> Option<T> {
    let text = bounded_text(file, DOCUMENT_BYTES, found)?;
    read(file, "JSON", serde_json::from_str(&plain_json(&text)), found)
}

/// JSON with blanks where comments and trailing commas were, so that places in it stay what they are.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Where the last comma lies, as long as nothing but blanks and comments follow.
    let mut comma = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('"', _) => {
                comma = None;
                plain.push(letter);
                while let Some(letter) = letters.next() {
                    plain.push(letter);
                    match letter {
                        '\\' => plain.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => while letters.next_if(|letter| *letter != '\n').is_some() {},
            ('/', Some('*')) => {
                letters.next();
                let mut last = ' ';
                for letter in letters.by_ref() {
                    if letter == '\n' {
                        plain.push(letter);
                    }
                    if last == '*' && letter == '/' {
                        break;
                    }
                    last = letter;
                }
            }
            (']' | '}', _) => {
                if let Some(comma) = comma.take() {
                    plain.replace_range(comma..=comma, " ");
                }
                plain.push(letter);
            }
            (letter, _) => {
                if letter == ',' {
                    comma = Some(plain.len());
                } else if !letter.is_whitespace() {
                    comma = None;
                }
                plain.push(letter);
            }
        }
    }
    plain
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
    // The parser's own bounds but for two, which the lock files of large monorepos reach. No text has more than two
    // nodes a letter; aliases may multiply them a little.
    let nodes = YAML_NODES.min(4 * text.len() + 1000);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: nodes * 3, max_nodes: nodes },
    };
    let outcome = serde_saphyr::from_str_with_options(&text, options);
    read(file, "YAML", outcome.map_err(|error| error.without_snippet().to_string()), found)
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

/// The keys of an object whose values do not matter.
#[derive(Debug, Default)]
pub(super) struct Keys(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn bounded_text<'a>(file: &WantedFile<'a>, limit: usize, found: &mut Found) -> Option<Cow<'a, str>> {
    let bytes = file.bytes;
    if bytes.len() > limit {
        let message = format!("more than {limit} bytes, not read");
        found.problems.push(Problem::new("limit-document-bytes", file.path.to_string(), message));
        return None;
    }
    // Redirected output of Windows' shell is UTF-16; of letters as in lock files, every other byte is zero then.
    let is_wide = |rest: &[u8]| memchr::memchr_iter(0, rest).count() > rest.len() / 3;
    Some(match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        [0xff, 0xfe, rest @ ..] if is_wide(rest) => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] if is_wide(rest) => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        bytes => String::from_utf8_lossy(bytes),
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| Some(unit(pair.try_into().ok()?)));
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_blanks() {
        for (text, want) in [
            ("{\"a\": [1, 2, ], // x\n}", json!({"a": [1, 2]})),
            ("{\"a\": \"// , }\", /* , */ }", json!({"a": "// , }"})),
            ("{\"a\": \"\\\"/*\" /**/ , \"b\": 1,}", json!({"a": "\"/*", "b": 1})),
            ("[,]", json!([])),
        ] {
            assert_eq!(serde_json::from_str::<Value>(&plain_json(text)).ok(), Some(want), "{text}");
        }
        for text in ["", "[1,,]", "{\"a\": /* 1}", "[1 2]"] {
            assert!(serde_json::from_str::<Value>(&plain_json(text)).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\"\\\\/*,\\]}\n \u{e9}]{0,20}") {
            plain_json(&text);
        }
    }
}
