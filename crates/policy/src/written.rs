//! Documents that people write, read into types: what is wrong is told with its place, and in words of the document.
//!
//! The errors of a JSON reader speak of Rust types, and do not know where in the document they are.

use std::fmt;

use killick_model::spelling::nearest;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Names and numbers that lead there, the innermost first.
    place: Vec<String>,
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

/// Reads a type out of a document.
pub(crate) fn read<'v, T: Deserialize<'v>>(document: &'v Value) -> Result<T, Wrong> {
    T::deserialize(At(document))
}

impl Wrong {
    fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: Vec::new(), reason: reason.into(), remedy: remedy.into() }
    }

    fn within(mut self, name: impl Into<String>) -> Self {
        self.place.push(name.into());
        self
    }

    /// Where it is, below `root`.
    pub(crate) fn path(&self, root: &str) -> String {
        let mut path = root.to_owned();
        for name in self.place.iter().rev() {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    /// A message `what is wrong: write this` has its remedy with it.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once(": write ") {
            Some((reason, remedy)) => Self::new(reason, format!("write {remedy}")),
            None => Self::new(message, "correct it"),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = form(&expected.to_string());
        let is_plain = matches!(
            found,
            Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
        );
        let remedy =
            if is_plain && wanted == "a text" { "put it in quotes".to_owned() } else { format!("write {wanted}") };
        let found = match found {
            Unexpected::Bool(flag) => format!("`{flag}`"),
            Unexpected::Unsigned(number) => format!("the number {number}"),
            Unexpected::Signed(number) => format!("the number {number}"),
            Unexpected::Float(number) => format!("the number {number}"),
            Unexpected::Str(_) => "a text".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "an object".to_owned(),
            _ => "empty".to_owned(),
        };
        Self::new(format!("it is {found}, not {wanted}"), remedy)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = form(&expected.to_string());
        let found = match found {
            Unexpected::Str(text) => format!("`{text}`"),
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            _ => "this".to_owned(),
        };
        Self::new(format!("{found} is not {wanted}"), format!("write {wanted}"))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("it has {length} entries, not {expected}"), "correct the list")
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let remedy = suggestion(variant, expected).unwrap_or_else(|| format!("write one of {}", expected.join(", ")));
        Self::new(format!("`{variant}` is no word that may stand here"), remedy)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let remedy = suggestion(field, expected).unwrap_or_else(|| match expected {
            [] => "remove it".to_owned(),
            expected => format!("remove it; there are: {}", expected.join(", ")),
        });
        Self::new("there is no such member", remedy).within(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"), format!("add `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is there twice"), "remove one of them")
    }
}

/// What a typing error was meant to be.
pub(crate) fn suggestion(given: &str, names: &[&str]) -> Option<String> {
    nearest(given, names.iter().copied()).map(|name| format!("did you mean `{name}`?"))
}

/// What a type is called in documents.
fn form(expected: &str) -> String {
    let first = expected.split([' ', '<']).next().unwrap_or_default();
    match (expected, first) {
        ("a string" | "str" | "string" | "a borrowed string", _) => "a text",
        ("a boolean", _) => "`true` or `false`",
        (_, "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize") => "a whole number",
        (_, "f32" | "f64") => "a number",
        (_, "struct" | "map") | ("a map", _) => "an object",
        (_, "tuple") | ("a sequence", _) => "a list",
        (_, "enum" | "variant") => "one of the words that may stand here",
        (other, _) => other,
    }
    .to_owned()
}

/// A value of the document.
struct At<'v>(&'v Value);

impl<'de> Deserializer<'de> for At<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(list) => visitor.visit_seq(Entries { left: list.iter(), number: 0 }),
            Value::Object(members) => visitor.visit_map(Members { left: members.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(Variant { name: word, content: None }),
            Value::Object(members) => match one_member(members) {
                Some((name, content)) => visitor.visit_enum(Variant { name, content: Some(content) }),
                None => Err(Wrong::new("it is an object, not a word", "write one of the words that may stand here")),
            },
            Value::Null => Err(Wrong::invalid_type(Unexpected::Unit, &"a text")),
            Value::Bool(flag) => Err(Wrong::invalid_type(Unexpected::Bool(*flag), &"a string")),
            Value::Number(_) => Err(Wrong::new("it is a number, not a text", "put it in quotes")),
            Value::Array(_) => Err(Wrong::invalid_type(Unexpected::Seq, &"a string")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn one_member(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut all = members.iter();
    let (name, content) = all.next()?;
    all.next().is_none().then_some((name.as_str(), content))
}

/// The entries of a list.
struct Entries<'v> {
    left: std::slice::Iter<'v, Value>,
    number: usize,
}

impl<'v> SeqAccess<'v> for Entries<'v> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some(entry) = self.left.next() else { return Ok(None) };
        let number = self.number;
        self.number += 1;
        seed.deserialize(At(entry)).map(Some).map_err(|wrong| wrong.within(number.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// The members of an object.
struct Members<'v> {
    left: serde_json::map::Iter<'v>,
    value: Option<(&'v str, &'v Value)>,
}

impl<'v> MapAccess<'v> for Members<'v> {
    type Error = Wrong;

    fn next_key_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some((name, value)) = self.left.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let Some((name, value)) = self.value.take() else { return Err(Wrong::custom("a value was asked for twice")) };
        seed.deserialize(At(value)).map_err(|wrong| wrong.within(name))
    }
}

/// A word that may have something with it.
struct Variant<'v> {
    name: &'v str,
    content: Option<&'v Value>,
}

impl<'v> EnumAccess<'v> for Variant<'v> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<(S::Value, Self), Wrong> {
        Ok((seed.deserialize(StrDeserializer::new(self.name))?, self))
    }
}

impl<'v> VariantAccess<'v> for Variant<'v> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Wrong::new("it is an object, not a word", format!("write `{}`", self.name))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<S::Value, Wrong> {
        let content = self.content.unwrap_or(&Value::Null);
        seed.deserialize(At(content)).map_err(|wrong| wrong.within(self.name))
    }

    fn tuple_variant<V: Visitor<'v>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        let content = self.content.unwrap_or(&Value::Null);
        At(content).deserialize_any(visitor).map_err(|wrong| wrong.within(self.name))
    }

    fn struct_variant<V: Visitor<'v>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        let content = self.content.unwrap_or(&Value::Null);
        At(content).deserialize_any(visitor).map_err(|wrong| wrong.within(self.name))
    }
}
