//! Reading JSON documents that are too large to hold: one member or element at a time.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;

/// Calls `each` with every member of the object that is the document.
pub(super) fn members(reader: impl Read, each: impl FnMut(String, Value)) -> serde_json::Result<()> {
    let mut document = serde_json::Deserializer::from_reader(reader);
    Members(each).deserialize(&mut document)?;
    document.end()
}

/// Calls `each` with every element of the array under `field` of the object that is the document.
pub(super) fn elements(reader: impl Read, field: &str, each: impl FnMut(Value)) -> serde_json::Result<()> {
    let mut document = serde_json::Deserializer::from_reader(reader);
    Field { field, each }.deserialize(&mut document)?;
    document.end()
}

/// Calls `each` with every element of the array that is the document.
pub(super) fn array(reader: impl Read, mut each: impl FnMut(Value)) -> serde_json::Result<()> {
    let mut document = serde_json::Deserializer::from_reader(reader);
    Elements(&mut each, PhantomData::<()>).deserialize(&mut document)?;
    document.end()
}

struct Members<F>(F);

impl<'de, F: FnMut(String, Value)> DeserializeSeed<'de> for Members<F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, Value)> Visitor<'de> for Members<F> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            (self.0)(key, value);
        }
        Ok(())
    }
}

struct Field<'a, F> {
    field: &'a str,
    each: F,
}

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for Field<'_, F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for Field<'_, F> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an object with `{}`", self.field)
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.field {
                map.next_value_seed(Elements(&mut self.each, PhantomData::<()>))?;
                found = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(de::Error::custom(format!("no `{}`", self.field))) }
    }
}

struct Elements<'a, F, T>(&'a mut F, PhantomData<T>);

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for Elements<'_, F, ()> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for Elements<'_, F, ()> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(value) = sequence.next_element()? {
            (self.0)(value);
        }
        Ok(())
    }
}

/// For fields that some writers give as `null` where others leave them out.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Numbers of `CWE-79` and the like.
pub(super) fn cwe_numbers<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
    let mut numbers: Vec<u32> =
        words.into_iter().filter_map(|word| word.trim().strip_prefix("CWE-")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
