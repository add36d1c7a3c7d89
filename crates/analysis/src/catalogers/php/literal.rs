//! `<?php return array('name' => 'value', 'list' => [1, true, null]);`

use serde_json::Value;

use super::{Array, DEPTH, VALUES};

/// The array that a generated file returns. What is no literal (`__DIR__ . '/x'`) is read as far as it is one.
pub(in crate::catalogers) fn returned_array(text: &str) -> Result<Value, String> {
    let start = text.find("return").map_or(text.len(), |at| at + "return".len());
    let mut reader = Reader { rest: text.get(start..).unwrap_or_default(), values: 0 };
    let failed = |rest: usize| format!("not a PHP file that returns an array, at byte {}", text.len() - rest);
    reader.value(0).ok_or_else(|| failed(reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a str,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: u32) -> Option<Value> {
        self.values += 1;
        if depth > DEPTH || self.values > VALUES {
            return None;
        }
        let mut value = self.term(depth)?;
        // A concatenation: `__DIR__ . '/../a'`.
        while self.take(".") {
            let part = self.term(depth)?;
            if let (Value::String(text), Value::String(part)) = (&mut value, part) {
                text.push_str(&part);
            }
        }
        Some(value)
    }

    fn term(&mut self, depth: u32) -> Option<Value> {
        self.skip_blanks();
        if self.take("[") {
            return self.array("]", depth);
        }
        let first = self.rest.chars().next()?;
        if first == '\'' || first == '"' {
            return self.text(first);
        }
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_-+.\\:".contains(letter);
        let end = self.rest.find(|letter| !is_word(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.to_ascii_lowercase().as_str() {
            "" => None,
            "array" => {
                if !self.take("(") {
                    return None;
                }
                self.array(")", depth)
            }
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            word => Some(word.parse::<i64>().map_or_else(|_| Value::String(String::new()), Value::from)),
        }
    }

    fn array(&mut self, end: &str, depth: u32) -> Option<Value> {
        let mut array = Array::default();
        loop {
            if self.take(end) {
                return Some(array.finish());
            }
            let first = self.value(depth + 1)?;
            if self.take("=>") {
                let value = self.value(depth + 1)?;
                array.insert(first, value);
            } else {
                array.push(first);
            }
            if !self.take(",") {
                return self.take(end).then(|| array.finish());
            }
        }
    }

    /// Between quotes; a backslash stands before a quote or a backslash.
    fn text(&mut self, quote: char) -> Option<Value> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => {
                    let (_, next) = letters.next()?;
                    if next != quote && next != '\\' {
                        text.push('\\');
                    }
                    text.push(next);
                }
                letter if letter == quote => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(Value::String(text));
                }
                letter => text.push(letter),
            }
        }
        None
    }

    fn take(&mut self, word: &str) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Blanks and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|at| at + 2)
            } else if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.rest.find('\n')
            } else {
                return;
            };
            self.rest = self.rest.get(end.unwrap_or(self.rest.len())..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn arrays() {
        for (text, want) in [
            ("<?php return array('a' => 'it\\'s \\x', 'b' => NULL,);", json!({"a": "it's \\x", "b": null})),
            ("<?php return ['a' => __DIR__ . '/../b', 'c' => false];", json!({"a": "/../b", "c": false})),
            ("<?php\n/* x */ return [ // y\n 'x', 7, [\"z\"]];", json!({"0": "x", "1": 7, "2": {"0": "z"}})),
            ("return array();", json!({})),
        ] {
            assert_eq!(returned_array(text), Ok(want), "{text}");
        }
        for text in
            ["", "<?php return", "return array('a' => ", "return array('a' 'b');", "return ['a", "return [a(1)];"]
        {
            assert!(returned_array(text).is_err(), "{text}");
        }
        assert!(returned_array(&format!("return {}", "[".repeat(100_000))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "return( |array\\(|\\[|\\]|\\)|'[a\\\\'\u{e9}]*'|=>|,|\\.|/\\*|\\*/|#|\n|[a-z0-9]){0,20}") {
            let _ = returned_array(&text);
        }
    }
}
