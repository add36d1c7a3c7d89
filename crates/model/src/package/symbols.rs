//! Which functions a program has, in little room.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Values among which a name hashes, for each name of a set: a name that is not in it is taken for one that is once in
/// as many times.
const SPREAD: u64 = 1 << 13;

/// Names of one set.
const MAX_NAMES: usize = 1 << 20;

/// The packages of a module that are in a program, and their functions, as advisories for Go name them: an import path,
/// and `Function` or `Type.Method`.
///
/// A set that can be asked, not listed: names of functions are the greater part of what a program says of itself, and
/// nobody asks for another than those of some thousand advisories, which are not known when the program is read. It takes
/// two bytes for a name. A wrong yes, once in 8192, keeps a finding that could be left out; there is no wrong no.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Symbols {
    /// The number of names, then the hashes in their order as differences, all as varints.
    packed: Vec<u8>,
}

impl Symbols {
    /// A set of packages and functions: each with its path, a package without a name.
    pub fn new<'a>(names: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        Self::of_hashes(names.map(|(path, name)| hash(path, name)).collect())
    }

    /// The set of names with these hashes.
    pub fn of_hashes(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        hashes.truncate(MAX_NAMES);
        let count = hashes.len() as u64;
        let mut packed = Vec::new();
        varint(count, &mut packed);
        let mut last = 0;
        // Scaling keeps the order.
        for place in hashes.into_iter().map(|hash| place(hash, count)) {
            varint(place - last, &mut packed);
            last = place;
        }
        Self { packed }
    }

    /// Whether any function of the package is there.
    pub fn has_package(&self, path: &str) -> bool {
        self.has_hash(hash(path, None))
    }

    /// Whether a function is there.
    pub fn has(&self, path: &str, name: &str) -> bool {
        self.has_hash(hash(path, Some(name)))
    }

    fn has_hash(&self, hash: u64) -> bool {
        let mut rest = self.packed.as_slice();
        let Some(count) = take_varint(&mut rest) else { return false };
        let wanted = place(hash, count);
        let mut at = 0_u64;
        while let Some(step) = take_varint(&mut rest) {
            at = at.saturating_add(step);
            if at >= wanted {
                return at == wanted;
            }
        }
        false
    }
}

/// What a name goes by: FNV-1a, mixed so that all bits depend on all bytes.
pub fn hash(path: &str, name: Option<&str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let parts = path.bytes().chain([b'\n']).chain(name.unwrap_or_default().bytes());
    for byte in parts {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

fn place(hash: u64, count: u64) -> u64 {
    let values = u128::from(count.min(MAX_NAMES as u64)) * u128::from(SPREAD);
    u64::try_from((u128::from(hash) * values) >> 64).unwrap_or(u64::MAX)
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl fmt::Debug for Symbols {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Symbols({} bytes)", self.packed.len())
    }
}

impl Serialize for Symbols {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.packed))
    }
}

impl<'de> Deserialize<'de> for Symbols {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map(|packed| Self { packed }).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_there_is_found_and_little_else() {
        let names: Vec<String> = (0..1000).map(|number| format!("Type{}.Method{number}", number % 77)).collect();
        let set = Symbols::new(names.iter().map(|name| ("example.org/x", Some(name.as_str()))));
        assert!(names.iter().all(|name| set.has("example.org/x", name)));
        let wrong = (0..2000).filter(|number| set.has("example.org/x", &format!("Other{number}"))).count();
        assert!(wrong < 5, "{wrong} of 2000");
        assert!(!set.has_package("example.org/x") && !set.has("example.org/y", &names[0]));
        assert!(set.packed.len() < 1000 * 9 / 4, "{} bytes", set.packed.len());
    }

    #[test]
    fn packages_are_not_functions() {
        let set = Symbols::new([("net/http", None), ("net/http", Some("Get"))].into_iter());
        assert!(set.has_package("net/http") && set.has("net/http", "Get"));
        assert!(!set.has_package("net") && !set.has("net/http", "Post"));
        assert!(!Symbols::default().has_package(""));
        assert_eq!(serde_json::to_string(&Symbols::new([].into_iter())).unwrap(), "\"AA\"");
    }

    proptest! {
        #[test]
        fn sets_come_back(hashes in vec(any::<u64>(), 0..100)) {
            let set = Symbols::of_hashes(hashes.clone());
            prop_assert!(hashes.iter().all(|hash| set.has_hash(*hash)));
            let kept: Symbols = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
            prop_assert_eq!(kept, set);
        }

        #[test]
        fn no_bytes_make_it_panic(packed in vec(any::<u8>(), 0..100), hash in any::<u64>()) {
            let _ = Symbols { packed }.has_hash(hash);
        }
    }
}
