//! `a:1:{s:4:"name";s:5:"redis";}`.

use serde_json::Value;

use super::{Array, DEPTH, VALUES};

/// Reads a value. Objects are read as the array of their properties; references are null.
pub(in crate::catalogers) fn unserialize(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0, values: 0 };
    reader.value(0).ok_or_else(|| format!("not a serialised PHP value, at byte {}", reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: u32) -> Option<Value> {
        self.values += 1;
        if depth > DEPTH || self.values > VALUES {
            return None;
        }
        let kind = self.next()?;
        match kind {
            b'N' => self.expect(b";").map(|()| Value::Null),
            b'b' | b'i' | b'd' => {
                self.expect(b":")?;
                let text = self.until(b';')?;
                Some(match kind {
                    b'b' => Value::Bool(text == b"1"),
                    b'i' => Value::from(std::str::from_utf8(text).ok()?.parse::<i64>().ok()?),
                    _ => Value::String(String::from_utf8_lossy(text).into_owned()),
                })
            }
            b's' => {
                let text = self.text()?;
                self.expect(b";")?;
                Some(Value::String(text))
            }
            b'a' => {
                self.expect(b":")?;
                self.array(depth)
            }
            b'O' => {
                self.text()?;
                self.expect(b":")?;
                self.array(depth)
            }
            b'r' | b'R' => {
                self.expect(b":")?;
                self.until(b';').map(|_| Value::Null)
            }
            _ => None,
        }
    }

    /// `:5:"redis"`, counted in bytes.
    fn text(&mut self) -> Option<String> {
        self.expect(b":")?;
        let length: usize = std::str::from_utf8(self.until(b':')?).ok()?.parse().ok()?;
        self.expect(b"\"")?;
        let text = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        self.expect(b"\"")?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// `1:{key value}`. The count is not needed: nothing is allocated by it.
    fn array(&mut self, depth: u32) -> Option<Value> {
        self.until(b':')?;
        self.expect(b"{")?;
        let mut array = Array::default();
        while self.bytes.get(self.at) != Some(&b'}') {
            let key = self.value(depth + 1)?;
            array.insert(key, self.value(depth + 1)?);
        }
        self.at += 1;
        Some(array.finish())
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.strip_prefix(text)?;
        self.at += text.len();
        Some(())
    }

    fn until(&mut self, end: u8) -> Option<&[u8]> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|&byte| byte == end)?;
        self.at += length + 1;
        rest.get(..length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values() {
        for (text, want) in [
            ("N;", json!(null)),
            ("i:-5;", json!(-5)),
            ("d:0.5;", json!("0.5")),
            ("b:1;", json!(true)),
            ("s:3:\"a\"b\";", json!("a\"b")),
            ("s:2:\"\u{e9}\";", json!("\u{e9}")),
            ("a:2:{i:0;s:1:\"a\";s:1:\"k\";a:0:{}}", json!({"0": "a", "k": {}})),
            ("O:3:\"Foo\":1:{s:1:\"p\";r:1;}", json!({"p": null})),
        ] {
            assert_eq!(unserialize(text.as_bytes()), Ok(want), "{text}");
        }
        for text in ["", "s:9:\"a\";", "s:-1:\"a\";", "a:1:{i:0;", "i:x;", "x:1;", "s:99999999999999999999:\"a\";"] {
            assert!(unserialize(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "a:1:{i:0;".repeat(100_000);
        assert!(unserialize(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "(a:1:\\{|s:2:\"ab\";|i:1;|\\}|[a-zO:;{}\"0-9]){0,20}") {
            let _ = unserialize(text.as_bytes());
        }
    }
}
