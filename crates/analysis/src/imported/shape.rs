//! Whether a document is what the v1 API takes for a list of packages, told in the words of the contract. Nothing of it
//! is kept, so that the largest costs no more than its bytes.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why it is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// No JSON.
    #[error("Request body is not valid JSON")]
    Syntax,
    /// A member is missing or of another type.
    #[error("{0}")]
    Member(String),
}

/// The JSON type of a value that is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// A member that must be there, and its type.
type Member = (&'static str, Type);

const ROOT: &[Member] = &[("artifacts", Type::Array), ("source", Type::Object), ("distro", Type::Object)];

/// Of each artifact. Newer documents have no `metadataType` where there is no metadata.
const ARTIFACT: &[Member] = &[
    ("name", Type::String),
    ("version", Type::String),
    ("type", Type::String),
    ("locations", Type::Array),
    ("licenses", Type::Array),
    ("language", Type::String),
    ("cpes", Type::Array),
];

/// Newer documents have no `target` in it.
const SOURCE: &[Member] = &[("type", Type::String)];

/// Checks the document.
pub fn check(document: &[u8]) -> Result<(), ShapeError> {
    let mut input = serde_json::Deserializer::from_slice(document);
    let mut fault = None;
    let seen = Root(&mut fault).deserialize(&mut input).and_then(|()| input.end());
    match (seen, fault) {
        (Err(_), _) => Err(ShapeError::Syntax),
        (Ok(()), Some(fault)) => Err(ShapeError::Member(fault)),
        (Ok(()), None) => Ok(()),
    }
}

/// What was seen of the members that must be there.
fn fault(members: &[Member], seen: &[Option<Type>], at: &str) -> Option<String> {
    let place = |name: &str| match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    };
    let missing = members.iter().zip(seen).find(|(_, seen)| seen.is_none()).map(|((name, _), _)| match at {
        "" => format!("'{name}' is a required property"),
        at => format!("'{name}' is a required property - '{at}'"),
    });
    missing.or_else(|| {
        members.iter().zip(seen).find_map(|((name, want), seen)| {
            let got = seen.filter(|got| got != want)?;
            Some(format!("a value of type '{}' is not of type '{}' - '{}'", got.word(), want.word(), place(name)))
        })
    })
}

struct Root<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let (mut seen, mut inner) = ([None; ROOT.len()], [None, None]);
        while let Some(key) = object.next_key::<String>()? {
            let place = ROOT.iter().position(|(name, _)| *name == key);
            let kind = match key.as_str() {
                "artifacts" => object.next_value_seed(Artifacts(&mut inner[0]))?,
                "source" => object.next_value_seed(Members { wanted: SOURCE, at: "source", fault: &mut inner[1] })?,
                _ => object.next_value::<Passed>()?.0,
            };
            if let Some(seen) = place.and_then(|place| seen.get_mut(place)) {
                *seen = Some(kind);
            }
        }
        let [artifacts, source] = inner;
        *self.0 = fault(ROOT, &seen, "").or(artifacts).or(source);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        *self.0 = Some("[…] is not of type 'object'".to_owned());
        Ok(())
    }
}

/// The list of artifacts: the fault of the first that has one.
struct Artifacts<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Artifacts<'_> {
    type Value = Type;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Type, D::Error> {
        input.deserialize_any(self)
    }
}

/// What is neither a list nor an object is only told by its type.
macro_rules! scalars {
    () => {
        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("any value")
        }

        fn visit_bool<E>(self, _: bool) -> Result<Type, E> {
            Ok(Type::Boolean)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Type, E> {
            Ok(Type::Number)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Type, E> {
            Ok(Type::Number)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Type, E> {
            Ok(Type::Number)
        }

        fn visit_str<E>(self, _: &str) -> Result<Type, E> {
            Ok(Type::String)
        }

        fn visit_unit<E>(self) -> Result<Type, E> {
            Ok(Type::Null)
        }
    };
}

fn pass_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Type, A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(Type::Array)
}

fn pass_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Type, A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(Type::Object)
}

impl<'de> Visitor<'de> for Artifacts<'_> {
    type Value = Type;
    scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Type, A::Error> {
        let mut number = 0_usize;
        loop {
            let at = format!("artifacts.{number}");
            let mut found = None;
            let next = list.next_element_seed(Members { wanted: ARTIFACT, at: &at, fault: &mut found })?;
            let Some(kind) = next else { return Ok(Type::Array) };
            if kind != Type::Object && found.is_none() {
                found = Some(format!("a value of type '{}' is not of type 'object' - '{at}'", kind.word()));
            }
            if self.0.is_none() {
                *self.0 = found;
            }
            number = number.checked_add(1).ok_or_else(|| A::Error::custom("too many artifacts"))?;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Type, A::Error> {
        pass_object(object)
    }
}

/// An object and the members that it must have.
struct Members<'a> {
    wanted: &'static [Member],
    at: &'a str,
    fault: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Type;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Type, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Type;
    scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Type, A::Error> {
        pass_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Type, A::Error> {
        let mut seen = vec![None; self.wanted.len()];
        while let Some(key) = object.next_key::<String>()? {
            let Passed(kind) = object.next_value()?;
            let place = self.wanted.iter().position(|(name, _)| *name == key);
            if let Some(seen) = place.and_then(|place| seen.get_mut(place)) {
                *seen = Some(kind);
            }
        }
        *self.fault = fault(self.wanted, &seen, self.at);
        Ok(Type::Object)
    }
}

/// Any value.
struct Passed(Type);

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Type;
            scalars!();

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Type, A::Error> {
                pass_list(list)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Type, A::Error> {
                pass_object(object)
            }
        }
        input.deserialize_any(Visit).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn artifact() -> Value {
        json!({"name": "a", "version": "1", "type": "apk", "locations": [], "licenses": [], "language": "", "cpes": []})
    }

    #[test]
    fn what_is_missing_is_named() {
        let document = |artifacts: Value| json!({"artifacts": artifacts, "source": {"type": "image"}, "distro": {}});
        let without = |key: &str| {
            let mut artifact = artifact();
            artifact.as_object_mut().unwrap().remove(key);
            artifact
        };
        for (value, want) in [
            (json!({"x": 1}), "'artifacts' is a required property"),
            (json!({"artifacts": []}), "'source' is a required property"),
            (json!({"artifacts": [], "source": {"type": "image"}}), "'distro' is a required property"),
            (json!({"artifacts": [], "source": {}, "distro": {}}), "'type' is a required property - 'source'"),
            (
                json!({"artifacts": {}, "source": {"type": ""}, "distro": {}}),
                "a value of type 'object' is not of type 'array' - 'artifacts'",
            ),
            (document(json!([artifact(), without("cpes")])), "'cpes' is a required property - 'artifacts.1'"),
            (
                document(json!([artifact(), 7, without("name")])),
                "a value of type 'number' is not of type 'object' - 'artifacts.1'",
            ),
            (
                document(
                    json!([{"name": 1, "version": "", "type": "", "locations": [], "licenses": [], "language": "", "cpes": []}]),
                ),
                "a value of type 'number' is not of type 'string' - 'artifacts.0.name'",
            ),
            (json!([]), "[…] is not of type 'object'"),
        ] {
            assert_eq!(check(value.to_string().as_bytes()), Err(ShapeError::Member(want.to_owned())), "{value}");
        }
        assert_eq!(check(document(json!([artifact(), artifact()])).to_string().as_bytes()), Ok(()));
        for text in ["", "{", "7", "\"\"", "{} {}", "null"] {
            assert_eq!(check(text.as_bytes()), Err(ShapeError::Syntax), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes);
        }
    }
}
