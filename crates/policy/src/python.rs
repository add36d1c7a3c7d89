//! Texts as Python prints them, because messages are hashed into trigger ids and error details are compared.
//!
//! Covers the values that bundles and findings hold: JSON values, lists of texts, floats and octal numbers.

use std::fmt::Write as _;

use serde_json::Value;

/// `repr()` of a text: single quotes unless only those occur inside.
pub(crate) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter == quote => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_ascii_control() || ('\u{7f}'..'\u{a1}').contains(&letter) => {
                let _ = write!(out, "\\x{:02x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push(quote);
    out
}

/// `repr()` of a list of texts.
pub(crate) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<_> = texts.into_iter().map(repr).collect();
    format!("[{}]", texts.join(", "))
}

/// `repr()` of a JSON value after Python read it.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => repr(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, field)| format!("{}: {}", repr(key), self::value(field))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// `str()` of a float: at least one decimal.
pub(crate) fn float(number: f64) -> String {
    format!("{number:?}")
}

/// `str.split()`: what stands between blanks.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_blank = |letter: char| letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter);
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// `str.splitlines()`.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_break = |letter: char| {
            matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
        };
        let Some((line, after)) = rest.split_once(is_break) else { return Some(std::mem::take(&mut rest)) };
        let is_pair = rest.get(line.len()..).is_some_and(|end| end.starts_with("\r\n"));
        rest = if is_pair { after.strip_prefix('\n').unwrap_or(after) } else { after };
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_print_as_python_prints_them() {
        for (text, want) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("^\\s*$", "'^\\\\s*$'"),
            ("a\nb\u{7f}", "'a\\nb\\x7f'"),
        ] {
            assert_eq!(repr(text), want);
        }
        assert_eq!(value(&json!({"a": [1, null, true, "x"]})), "{'a': [1, None, True, 'x']}");
        assert_eq!((float(7.0), float(-1.0), float(9.8)), ("7.0".into(), "-1.0".into(), "9.8".into()));
    }

    #[test]
    fn texts_are_split_as_python_splits_them() {
        assert_eq!(lines("a\r\nb\rc\n\nd\u{2028}e\n").collect::<Vec<_>>(), ["a", "b", "c", "", "d", "e"]);
        assert_eq!((lines("").count(), lines("\n").count()), (0, 1));
        assert_eq!(words(" a\u{1f}b\u{a0}c\n").collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
