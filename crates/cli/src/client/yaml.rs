//! JSON values as Python's `yaml.safe_dump(value, default_flow_style=False)` prints them: blocks, members in order, texts
//! plain where they can be, broken at blanks after 80 columns.

use serde_json::Value;

/// After this column, a line is broken at the next single blank.
const WIDTH: usize = 80;

/// The whole document.
pub(super) fn dump(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => block(value, 0, &mut text),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut text),
        Value::String(_) | Value::Object(_) | Value::Array(_) => {
            scalar(value, 0, 0, &mut text);
            text.push('\n');
        }
        other => {
            scalar(other, 0, 0, &mut text);
            // A plain document of its own is ended.
            text.push_str("\n...\n");
        }
    }
    text
}

/// A mapping or a list, each line indented.
fn block(value: &Value, indent: usize, text: &mut String) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 || !text.ends_with("- ") {
                    text.push_str(&blanks);
                }
                let start = text.len();
                scalar(&Value::String(name.clone()), indent, indent, text);
                text.push(':');
                let column = indent + text[start..].chars().count() + 1;
                match value {
                    // A list stands below its name, not further in.
                    Value::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        block(value, indent, text);
                    }
                    Value::Object(below) if !below.is_empty() => {
                        text.push('\n');
                        block(value, indent + 2, text);
                    }
                    other => {
                        text.push(' ');
                        scalar(other, column, indent + 2, text);
                        text.push('\n');
                    }
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 || !text.ends_with("- ") {
                    text.push_str(&blanks);
                }
                text.push_str("- ");
                match item {
                    Value::Array(below) if !below.is_empty() => block(item, indent + 2, text),
                    Value::Object(below) if !below.is_empty() => block(item, indent + 2, text),
                    other => {
                        scalar(other, indent + 2, indent + 2, text);
                        text.push('\n');
                    }
                }
            }
        }
        _ => {}
    }
}

/// A value on one line, or a text broken into several.
fn scalar(value: &Value, column: usize, indent: usize, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
        Value::String(content) if content.chars().any(is_special) => text.push_str(&escaped(content)),
        Value::String(content) if is_plain(content) => text.push_str(&broken(content, column, indent)),
        Value::String(content) => {
            let quoted = content.replace('\'', "''");
            text.push('\'');
            text.push_str(&broken(&quoted, column + 1, indent));
            text.push('\'');
        }
    }
}

/// What only stands in double quotes.
fn is_special(letter: char) -> bool {
    !(' '..='~').contains(&letter)
}

/// Whether a text is read back as itself without quotes.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    let (Some(first), last) = (bytes.next(), text.bytes().last()) else { return false };
    let second = text.as_bytes().get(1).copied();
    let opens = match first {
        b'-' | b'?' | b':' => second.is_none_or(|second| second == b' '),
        other => b"#,[]{}&*!|>'\"%@` ".contains(&other),
    };
    let is_safe = !opens
        && last != Some(b' ')
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...");
    is_safe && !is_of_another_type(text)
}

/// Whether YAML 1.1 takes a plain text for something else.
fn is_of_another_type(text: &str) -> bool {
    const WORDS: &[&str] = &["yes", "no", "true", "false", "on", "off", "null", "~", "=", "<<"];
    let has_case = |word: &&str| text == *word || text == word.to_uppercase() || text == capital(word);
    if WORDS.iter().chain(&[".inf", ".nan"]).any(has_case) {
        return true;
    }
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = digits.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b"._:+-eExXabcdefABCDEF".contains(&byte))
        && (digits.replace('_', "").parse::<f64>().is_ok()
            || digits.starts_with("0x")
            || digits.starts_with("0b")
            || is_sexagesimal(digits));
    is_number || is_timestamp(text)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// `1:30`, which YAML 1.1 takes for a number of base 60.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let in_base = |part: &&str| part.split('.').next().is_some_and(|whole| whole.parse::<u8>().is_ok_and(|n| n < 60));
    !rest.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) && rest.iter().all(in_base)
}

/// `2024-01-02`, with or without a time.
fn is_timestamp(text: &str) -> bool {
    let mut parts = text.splitn(2, ['T', 't', ' ']);
    let date: Vec<&str> = parts.next().unwrap_or_default().split('-').collect();
    let is_number =
        |part: &&str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let [year, month, day] = date.as_slice() else { return false };
    let is_date = year.len() == 4 && is_number(year, 4) && is_number(month, 2) && is_number(day, 2);
    match parts.next() {
        None => is_date && month.len() == 2 && day.len() == 2,
        Some(time) => {
            let hours = time.split(':').next().unwrap_or_default();
            is_date && is_number(&hours.trim_start(), 2) && time.matches(':').count() >= 2
        }
    }
}

/// A text with a line break for each single blank after the width, as many as there are lines too long.
fn broken(text: &str, column: usize, indent: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = column;
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let is_single = *letter == ' '
            && at > 0
            && letters.get(at - 1) != Some(&' ')
            && letters.get(at + 1).is_some_and(|next| *next != ' ');
        if is_single && column > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            out.push(*letter);
            column += 1;
        }
    }
    out
}

/// In double quotes, with Python's escapes; on one line.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if !is_special(letter) => out.push(letter),
            letter if u32::from(letter) <= 0xff => out.push_str(&format!("\\x{:02X}", u32::from(letter))),
            letter if u32::from(letter) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push_str(&format!("\\U{:08X}", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Printed by `PyYAML` 6.
    #[test]
    fn blocks_are_those_of_python() {
        let event = json!({
            "type": "user.image.analysis.completed", "timestamp": "2026-11-23T20:33:59.925788Z", "level": "info",
            "message": "a: b", "details": {"list": ["x", {"b": 1, "a": []}, [1, 2]], "none": {}, "n": null, "t": true,
            "text": "Error encountered in an operation that was asked for, with a command that is rather long, rc=1, and it's",
            "yes": "yes", "empty": "", "digest": "sha256:ab", "number": "1.5", "version": "1.2.3", "é": "ü\n"},
        });
        let text = "\
details:
  digest: sha256:ab
  empty: ''
  list:
  - x
  - a: []
    b: 1
  - - 1
    - 2
  n: null
  none: {}
  number: '1.5'
  t: true
  text: Error encountered in an operation that was asked for, with a command that
    is rather long, rc=1, and it's
  version: 1.2.3
  'yes': 'yes'
  \"\\xE9\": \"\\xFC\\n\"
level: info
message: 'a: b'
timestamp: '2026-11-23T20:33:59.925788Z'
type: user.image.analysis.completed
";
        assert_eq!(dump(&event), text);
    }
}
