//! JSON as Python's `json.dumps` writes it: `", "` and `": "` between, ASCII only.
//!
//! The v1 API hands out whole documents as base64 of this text, so its bytes are part of the contract.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// The text of `value`.
pub(crate) fn dumps(value: &Value) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Python);
    value.serialize(&mut serializer).expect("writing a JSON value to memory cannot fail");
    String::from_utf8(text).expect("JSON text is UTF-8")
}

/// Base64 with a newline every 76 characters and at the end; empty for nothing.
pub(crate) fn mime_base64(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 76 + 1);
    for (at, letter) in encoded.chars().enumerate() {
        if at > 0 && at % 76 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        for letter in fragment.chars() {
            if letter.is_ascii() {
                out.write_all(&[u8::try_from(letter).unwrap_or(b'?')])?;
            } else {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            let written = dumps(&json!({"key": text}));
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&written).ok(), Some(json!({"key": text})));
        }
    }

    #[test]
    fn looks_like_python() {
        let value = json!({"a": [1, 2, "é\n\"𝄞"], "b": {}, "c": [], "d": null, "e": true});
        let want = "{\"a\": [1, 2, \"\\u00e9\\n\\\"\\ud834\\udd1e\"], \"b\": {}, \"c\": [], \"d\": null, \"e\": true}";
        assert_eq!(dumps(&value), want);
    }

    #[test]
    fn lines_are_76_long() {
        let text = mime_base64(&[0; 100]);
        let lines: Vec<usize> = text.split_inclusive('\n').map(str::len).collect();
        assert_eq!(lines, [77, 61]);
        assert_eq!(mime_base64(&[]), "");
    }
}
