//! JSON values as Python prints them: anchore-cli's output is full of `str(value)`.

use serde_json::Value;

/// `str(value)`: `None`, `True`, numbers, bare strings, and `repr` for lists and objects.
pub(super) fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `str(record[key])` with `None` for a missing key.
pub(super) fn field(record: &Value, key: &str) -> String {
    str(&record[key])
}

fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quote(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}: {}", quote(key), repr(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(mark);
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if letter == mark => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push(mark);
    quoted
}

/// `json.dumps(value, indent=4, sort_keys=True)`, with its ASCII escapes.
pub(super) fn dumps(value: &Value) -> String {
    use serde::Serialize as _;

    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    sorted(value).serialize(&mut serializer).expect("a JSON value serialises into memory");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    let mut ascii = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            ascii.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut pairs: Vec<_> = fields.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_print_as_in_python() {
        for (value, want) in [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!("it's"), "it's"),
            (json!({"error_codes": []}), "{'error_codes': []}"),
            (json!(["it's", "a \"b\" 'c'"]), r#"["it's", 'a "b" \'c\'']"#),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(str(&value), want);
        }
    }

    #[test]
    fn dumps_sorts_and_escapes() {
        assert_eq!(dumps(&json!({"b": "é", "a": []})), "{\n    \"a\": [],\n    \"b\": \"\\u00e9\"\n}");
    }
}
