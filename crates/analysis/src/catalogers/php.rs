//! Values that PHP writes: `serialize()` (PHP manual, "serialize", and `ext/standard/var.c`) and the arrays of
//! `var_export()` that generated files return. Nothing is evaluated.

use serde_json::{Map, Value};

mod literal;
mod serialized;

pub(super) use literal::returned_array;
pub(super) use serialized::unserialize;

/// How deep arrays are nested.
const DEPTH: u32 = 64;

/// Values that are built at most, a multiple of what real files have.
const VALUES: usize = 500_000;

/// An array under construction. PHP's arrays are ordered maps; numbers among the keys become texts.
#[derive(Default)]
struct Array(Map<String, Value>);

impl Array {
    fn insert(&mut self, key: Value, value: Value) {
        let key = match key {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.0.insert(key, value);
    }

    /// Without a key: the next number.
    fn push(&mut self, value: Value) {
        self.0.insert(self.0.len().to_string(), value);
    }

    fn finish(self) -> Value {
        Value::Object(self.0)
    }
}
