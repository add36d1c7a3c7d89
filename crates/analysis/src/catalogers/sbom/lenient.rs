//! Values of documents that others wrote: what is of another type than it should be is as good as absent.
//!
//! So one odd field costs that field, and a file that is something else altogether is no error. What is skipped is not
//! kept in memory, and lists of more objects than a document can have (`{}` is a hundred times its size in memory) are
//! errors.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Bytes of a text that is kept; nothing that is longer is a name or a version.
const TEXT_BYTES: usize = 8 << 10;

/// Bytes of a text that is a document of its own.
const LONG_BYTES: usize = 1 << 20;

/// Bytes that the elements of a list take, with those of lists within it, besides their texts.
const LIST_BYTES: usize = 96 << 20;

thread_local! {
    /// How many lists within each other are being read, and how many bytes their elements may yet take.
    static LISTS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A list that is being read, and how many bytes each of its elements takes.
struct Keeping(usize);

impl Keeping {
    fn begin<T>() -> Self {
        let (depth, left) = LISTS.get();
        LISTS.set((depth.saturating_add(1), if depth == 0 { LIST_BYTES } else { left }));
        Self(size_of::<T>())
    }

    /// Fails if there is no room for one more element.
    fn make_room<E: Error>(&self) -> Result<(), E> {
        let (depth, left) = LISTS.get();
        let left = left.checked_sub(self.0).ok_or_else(|| E::custom("too many objects in lists"))?;
        LISTS.set((depth, left));
        Ok(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let (depth, left) = LISTS.get();
        LISTS.set((depth.saturating_sub(1), left));
    }
}

/// A text, if it is one and not too long.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Option<String>);

/// A text, if it is one, which may be a document of its own.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Long(pub(crate) Option<String>);

impl Text {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.as_deref() == Some(text)
    }
}

/// An object, if it is one.
#[derive(Debug, Clone)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The objects of a list, if it is one.
#[derive(Debug, Clone)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The objects of a list, or one object in its place: versions of a schema change from one to the other.
#[derive(Debug, Clone)]
pub(crate) struct OneOrList<T>(pub(crate) Vec<T>);

impl<T> Default for OneOrList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The texts of a list, each as it is or under a key of an object: schemas change from one to the other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

/// A whole number, if it is one, also written as a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) Option<u64>);

/// Texts by their names: an object, or a list of objects of `key` and `value`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

/// The texts of a list, or those of one text with blanks between.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Split(pub(crate) Vec<String>);

impl Pairs {
    /// The first text of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Everything that is not what is looked for.
macro_rules! skip_scalars {
    ($none:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("any value")
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Texts of at most so many bytes.
macro_rules! text {
    ($name:ident, $bytes:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                struct Visit;
                impl<'de> Visitor<'de> for Visit {
                    type Value = $name;
                    skip_scalars!($name(None));

                    fn visit_str<E>(self, text: &str) -> Result<$name, E> {
                        Ok($name((text.len() <= $bytes).then(|| text.to_owned())))
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<$name, A::Error> {
                        skip_list(list).map(|()| $name(None))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<$name, A::Error> {
                        skip_object(object).map(|()| $name(None))
                    }
                }
                input.deserialize_any(Visit)
            }
        }
    };
}

text!(Text, TEXT_BYTES);
text!(Long, LONG_BYTES);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Number;

            fn visit_bool<E>(self, _: bool) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(u64::try_from(number).ok()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(Some(number)))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.trim().parse().ok()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Number, A::Error> {
                skip_list(list).map(|()| Number(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Number, A::Error> {
                skip_object(object).map(|()| Number(None))
            }

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("any value")
            }
        }
        input.deserialize_any(Visit)
    }
}

impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Split;
            skip_scalars!(Split(Vec::new()));

            fn visit_str<E>(self, text: &str) -> Result<Split, E> {
                let text = if text.len() <= TEXT_BYTES { text } else { "" };
                Ok(Split(text.split_whitespace().map(str::to_owned).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Split, A::Error> {
                let (mut words, keeping) = (Vec::new(), Keeping::begin::<String>());
                while let Some(Text(word)) = list.next_element()? {
                    if let Some(word) = word {
                        keeping.make_room::<A::Error>()?;
                        words.push(word);
                    }
                }
                Ok(Split(words))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Split, A::Error> {
                skip_object(object).map(|()| Split(Vec::new()))
            }
        }
        input.deserialize_any(Visit)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Pair {
            #[serde(default)]
            key: Text,
            #[serde(default)]
            value: Long,
        }
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Pairs;
            skip_scalars!(Pairs(Vec::new()));

            fn visit_str<E>(self, _: &str) -> Result<Pairs, E> {
                Ok(Pairs(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
                let (mut pairs, keeping) = (Vec::new(), Keeping::begin::<(String, String)>());
                while let Some(Maybe(pair)) = list.next_element::<Maybe<Pair>>()? {
                    if let Some(Pair { key: Text(Some(key)), value: Long(Some(value)) }) = pair {
                        keeping.make_room::<A::Error>()?;
                        pairs.push((key, value));
                    }
                }
                Ok(Pairs(pairs))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Pairs, A::Error> {
                let (mut pairs, keeping) = (Vec::new(), Keeping::begin::<(String, String)>());
                while let Some((key, value)) = object.next_entry::<Text, Long>()? {
                    if let (Text(Some(key)), Long(Some(value))) = (key, value) {
                        keeping.make_room::<A::Error>()?;
                        pairs.push((key, value));
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        input.deserialize_any(Visit)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Maybe<T>;
            skip_scalars!(Maybe(None));

            fn visit_str<E>(self, _: &str) -> Result<Maybe<T>, E> {
                Ok(Maybe(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Maybe<T>, A::Error> {
                skip_list(list).map(|()| Maybe(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Maybe<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object)).map(|value| Maybe(Some(value)))
            }
        }
        input.deserialize_any(Visit(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = List<T>;
            skip_scalars!(List(Vec::new()));

            fn visit_str<E>(self, _: &str) -> Result<List<T>, E> {
                Ok(List(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let (mut values, keeping) = (Vec::new(), Keeping::begin::<T>());
                while let Some(value) = list.next_element::<Maybe<T>>()? {
                    if let Some(value) = value.0 {
                        keeping.make_room::<A::Error>()?;
                        values.push(value);
                    }
                }
                Ok(List(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<List<T>, A::Error> {
                skip_object(object).map(|()| List(Vec::new()))
            }
        }
        input.deserialize_any(Visit(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrList<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = OneOrList<T>;
            skip_scalars!(OneOrList(Vec::new()));

            fn visit_str<E>(self, _: &str) -> Result<OneOrList<T>, E> {
                Ok(OneOrList(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrList<T>, A::Error> {
                List::deserialize(SeqAccessDeserializer::new(list)).map(|List(values)| OneOrList(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<OneOrList<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object)).map(|value| OneOrList(vec![value]))
            }
        }
        input.deserialize_any(Visit(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Word(Text);
        struct VisitWord;
        impl<'de> Visitor<'de> for VisitWord {
            type Value = Word;
            skip_scalars!(Word(Text(None)));

            fn visit_str<E>(self, text: &str) -> Result<Word, E> {
                Ok(Word(Text(Some(text.to_owned()).filter(|text| text.len() <= TEXT_BYTES))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Word, A::Error> {
                skip_list(list).map(|()| Word(Text(None)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Word, A::Error> {
                let mut word = Text(None);
                while let Some(key) = object.next_key::<Text>()? {
                    let value: Text = object.next_value()?;
                    if matches!(key.0.as_deref(), Some("value" | "cpe" | "name")) && word.0.is_none() {
                        word = value;
                    }
                }
                Ok(Word(word))
            }
        }
        impl<'de> Deserialize<'de> for Word {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_any(VisitWord)
            }
        }
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Words;
            skip_scalars!(Words(Vec::new()));

            fn visit_str<E>(self, _: &str) -> Result<Words, E> {
                Ok(Words(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let (mut words, keeping) = (Vec::new(), Keeping::begin::<String>());
                while let Some(Word(word)) = list.next_element()? {
                    if let Some(word) = word.0 {
                        keeping.make_room::<A::Error>()?;
                        words.push(word);
                    }
                }
                Ok(Words(words))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Words, A::Error> {
                skip_object(object).map(|()| Words(Vec::new()))
            }
        }
        input.deserialize_any(Visit)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Thing {
        #[serde(default)]
        name: Text,
        #[serde(default)]
        inner: Maybe<Box<Thing>>,
        #[serde(default)]
        list: List<Thing>,
    }

    #[test]
    fn words_are_read_in_both_forms() {
        for (text, want) in [
            (r#"["a", {"value": "b", "type": "x"}, {"cpe": "c"}, 1, ["d"], {"value": 1}]"#, &["a", "b", "c"][..]),
            (r#"{"value": "a"}"#, &[]),
            ("null", &[]),
        ] {
            assert_eq!(serde_json::from_str::<Words>(text).unwrap().0, want, "{text}");
        }
    }

    #[test]
    fn numbers_and_pairs_are_read_in_both_forms() {
        for (text, want) in
            [("7", Some(7)), ("\"7\"", Some(7)), ("-1", None), ("1.5", None), ("[]", None), ("{}", None)]
        {
            assert_eq!(serde_json::from_str::<Number>(text).unwrap().0, want, "{text}");
        }
        for (text, want) in [
            (r#"[{"key": "a", "value": "b"}, {"key": "c"}, 1]"#, Some("b")),
            (r#"{"c": 1, "a": "b", "d": []}"#, Some("b")),
            (r#"["a", "b"]"#, None),
            ("null", None),
        ] {
            assert_eq!(serde_json::from_str::<Pairs>(text).unwrap().get("a"), want, "{text}");
        }
        for (text, want) in [("\"a b\"", &["a", "b"][..]), ("[\"a b\", 1]", &["a b"]), ("{}", &[]), ("null", &[])] {
            assert_eq!(serde_json::from_str::<Split>(text).unwrap().0, want, "{text}");
        }
    }

    #[test]
    fn lists_are_bounded_with_those_within_them() {
        struct Room([u8; 16 << 10]);
        impl Default for Room {
            fn default() -> Self {
                Self([0; 16 << 10])
            }
        }
        #[derive(Deserialize)]
        struct Large {
            #[serde(skip)]
            room: Room,
        }
        #[derive(Deserialize)]
        struct Outer {
            list: List<Large>,
        }
        let inner = format!("{{\"list\": [{}{{}}]}}", "{},".repeat(3999));
        for (outer, fits) in [(1, true), (2, false), (1, true)] {
            let text = format!("[{}]", vec![inner.as_str(); outer].join(","));
            let list = serde_json::from_str::<List<Outer>>(&text);
            assert_eq!(list.is_ok(), fits);
            let rooms = list.iter().flat_map(|list| &list.0).flat_map(|outer| &outer.list.0);
            assert_eq!(rooms.filter(|large| large.room.0[0] == 0).count(), if fits { 4000 } else { 0 });
        }
    }

    #[test]
    fn other_types_are_absent() {
        for value in ["null", "true", "1", "-1", "1.5", "\"text\"", "[[1], {\"a\": []}]", "{\"name\": [], \"x\": {}}"] {
            let text = format!("{{\"name\": {value}, \"inner\": {value}, \"list\": {value}}}");
            let thing: Thing = serde_json::from_str(&text).unwrap();
            assert_eq!(thing.name.0.is_some(), value == "\"text\"", "{value}");
            assert_eq!(thing.inner.0.is_some(), value.starts_with('{'), "{value}");
            assert_eq!(thing.list.0.len(), usize::from(value.starts_with('[')), "{value}");
        }
        let text = format!("{{\"name\": \"{}\", \"inner\": {{\"name\": \"in\"}}}}", "x".repeat(TEXT_BYTES + 1));
        let thing: Thing = serde_json::from_str(&text).unwrap();
        assert_eq!(thing.name.0, None);
        assert!(thing.inner.0.unwrap().name.is("in"));
    }
}
