//! The list as JSON. Readers written in Go, which run the image, are lenient: they take a key in whatever case, and the
//! last of several. What they could read otherwise than we do is refused.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufReader, Read};

use killick_model::digest::Digest;
use killick_model::listing::Unusable;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::build::{Builder, Format, Table};
use crate::limits::Limits;

/// Reads a list of at most as many bytes and entries as the limits say.
pub(super) fn read(json: impl Read, format: Format, end: u64, limits: &Limits) -> Result<Table, Unusable> {
    let mut builder = Builder::new(format, end, limits.table_entries);
    // One byte more, so that what is cut off is seen.
    let input = BufReader::new(json.take(limits.table_bytes.saturating_add(1)));
    let mut json = serde_json::Deserializer::from_reader(input);
    let outcome = List(&mut builder).deserialize(&mut json).and_then(|()| json.end());
    outcome.map_err(|error| Unusable(format!("it is malformed: {error}")))?;
    builder.finish().map_err(|reason| Unusable(reason.to_owned()))
}

/// An entry as written, without what nobody asks for.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) link_name: String,
    pub(super) mode: i64,
    pub(super) size: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) digest: Option<Digest>,
    pub(super) offset: Option<u64>,
    pub(super) end_offset: Option<u64>,
    pub(super) inner_offset: u64,
    pub(super) chunk_size: u64,
    pub(super) chunk_offset: u64,
    pub(super) chunk_digest: Option<Digest>,
    pub(super) chunk_type: String,
}

/// Every key that means something.
const KEYS: [&str; 15] = [
    "type",
    "name",
    "linkName",
    "mode",
    "size",
    "uid",
    "gid",
    "digest",
    "offset",
    "endOffset",
    "innerOffset",
    "chunkSize",
    "chunkOffset",
    "chunkDigest",
    "chunkType",
];

/// Which of the `keys` it is, if any.
struct Key(Option<usize>);

struct KeyOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Key;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
        let exact = self.0.iter().position(|key| *key == text);
        // Go also takes `ſ` for `s` and the Kelvin sign for `k`.
        let is_doubtful = !text.is_ascii() || self.0.iter().any(|key| key.eq_ignore_ascii_case(text));
        if exact.is_none() && is_doubtful {
            return Err(E::custom("a key could be taken for another one"));
        }
        Ok(Key(exact))
    }
}

/// A digest; nothing if there is an empty one.
fn digest<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Digest>, A::Error> {
    let text: Cow<'_, str> = map.next_value()?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(A::Error::custom) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfEntry;

        impl<'de> Visitor<'de> for OfEntry {
            type Value = Raw;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an entry")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let (mut raw, mut seen) = (Raw::default(), 0_u32);
                while let Some(Key(key)) = map.next_key_seed(KeyOf(&KEYS))? {
                    let Some(key) = key else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let bit = 1 << key;
                    if seen & bit != 0 {
                        return Err(A::Error::custom("an entry has a key twice"));
                    }
                    seen |= bit;
                    match key {
                        0 => raw.kind = map.next_value()?,
                        1 => raw.name = map.next_value()?,
                        2 => raw.link_name = map.next_value()?,
                        3 => raw.mode = map.next_value()?,
                        4 => raw.size = map.next_value()?,
                        5 => raw.uid = map.next_value()?,
                        6 => raw.gid = map.next_value()?,
                        7 => raw.digest = digest(&mut map)?,
                        8 => raw.offset = Some(map.next_value()?),
                        9 => raw.end_offset = Some(map.next_value()?),
                        10 => raw.inner_offset = map.next_value()?,
                        11 => raw.chunk_size = map.next_value()?,
                        12 => raw.chunk_offset = map.next_value()?,
                        13 => raw.chunk_digest = digest(&mut map)?,
                        _ => raw.chunk_type = map.next_value()?,
                    }
                }
                Ok(raw)
            }
        }

        deserializer.deserialize_map(OfEntry)
    }
}

/// The document around the entries.
struct List<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a table of contents")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut version, mut has_entries) = (None::<u64>, false);
        while let Some(Key(key)) = map.next_key_seed(KeyOf(&["version", "entries"]))? {
            match key {
                Some(0) if version.is_none() => version = Some(map.next_value()?),
                Some(1) if !has_entries => {
                    has_entries = true;
                    map.next_value_seed(Entries(self.0))?;
                }
                Some(_) => return Err(A::Error::custom("it has a key twice")),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (version, has_entries) {
            (Some(1), true) => Ok(()),
            _ => Err(A::Error::custom("its version is unknown, or it has no entries")),
        }
    }
}

/// The entries, each handed on as it is read.
struct Entries<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of entries")
    }

    /// What Go writes for a list without entries.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<Raw>()? {
            self.0.add(&raw).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
