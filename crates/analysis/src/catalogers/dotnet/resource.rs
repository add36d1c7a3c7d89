//! The version resource of a file of the PE format.
//!
//! Format: Microsoft, "`VS_VERSIONINFO` structure" and "Version Information" (menurc): nested records, each with its
//! length, the length of its value, a type, a UTF-16 name, and a value and further records on boundaries of four bytes.

use std::collections::BTreeMap;

use object::LittleEndian;
use object::read::pe::{ResourceDirectory, SectionTable};

/// The type of version resources.
const VERSION: u16 = 16;

/// Records in a record; real ones have about a dozen.
const RECORDS: usize = 100;

/// Letters of one text.
const LETTERS: usize = 500;

/// `VS_FIXEDFILEINFO` and the value it begins with.
const FIXED: u32 = 0xfeef_04bd;
const FIXED_BYTES: usize = 52;

/// The texts of the first language by name.
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: BTreeMap<String, String>,
    /// The version of the file as numbers.
    fixed: Option<[u16; 4]>,
}

impl Texts {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The version that the makers of the file mean. The product's is what packages are published under, unless the
    /// file is part of a product that is counted in another way.
    pub(super) fn version(&self) -> Option<String> {
        let product = self.get("ProductVersion").and_then(plain);
        let fixed = self.fixed.map(|numbers| numbers.map(|number| number.to_string()).join("."));
        let file = self.get("FileVersion").and_then(plain).or(fixed.filter(|version| version != "0.0.0.0"));
        match (product, file) {
            (Some(product), Some(file)) => Some(if line(&product) == line(&file) { product } else { file }),
            (product, file) => product.or(file),
        }
    }
}

/// The version in a text: `13.0.1+commit`, `4.8.1 built by: x`, `1, 0, 0, 1`.
fn plain(text: &str) -> Option<String> {
    let text = text.trim().replace(", ", ".").replace(',', ".");
    let version = text.split(['+', ' ', '\t']).next().unwrap_or_default();
    let is_version = version.starts_with(|first: char| first.is_ascii_digit())
        && version.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_'));
    is_version.then(|| version.to_owned())
}

/// The first two numbers of a version.
fn line(version: &str) -> (u64, u64) {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// Reads the version resource.
pub(super) fn texts(directory: ResourceDirectory<'_>, bytes: &[u8], sections: &SectionTable<'_>) -> Option<Texts> {
    let root = directory.root().ok()?;
    let of_type = root.entries.iter().take(RECORDS).find(|entry| entry.name_or_id().id() == Some(VERSION))?;
    // By name and by language: the first of each.
    let names = of_type.data(directory).ok()?.table()?;
    let languages = names.entries.first()?.data(directory).ok()?.table()?;
    let data = languages.entries.first()?.data(directory).ok()?.data()?;
    let (address, size) = (data.offset_to_data.get(LittleEndian), data.size.get(LittleEndian));
    let resource = sections.pe_data_at(bytes, address)?;
    let resource = usize::try_from(size).ok().and_then(|size| resource.get(..size)).unwrap_or(resource);
    let root = Record::read(resource)?.0;
    let mut found = Texts { texts: BTreeMap::new(), fixed: fixed(root.value) };
    let strings = root.children().find(|record| record.name == "StringFileInfo");
    if let Some(table) = strings.and_then(|strings| strings.children().next()) {
        for text in table.children() {
            let value = text.value.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            let value = utf16(value.take(LETTERS).take_while(|unit| *unit != 0)).trim().to_owned();
            if !value.is_empty() {
                found.texts.entry(text.name).or_insert(value);
            }
        }
    }
    Some(found)
}

/// `dwFileVersionMS` and `dwFileVersionLS`.
fn fixed(value: &[u8]) -> Option<[u16; 4]> {
    let number = |at: usize| value.get(at..)?.first_chunk().map(|raw| u16::from_le_bytes(*raw));
    if value.len() < FIXED_BYTES || !value.starts_with(&FIXED.to_le_bytes()) {
        return None;
    }
    // Of each half the low word comes first.
    Some([number(10)?, number(8)?, number(14)?, number(12)?])
}

/// One record.
struct Record<'a> {
    name: String,
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that `bytes` begin with, and how long it is.
    fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let word = |at: usize| bytes.get(at..)?.first_chunk().map(|raw| u16::from_le_bytes(*raw));
        let (length, value_length, kind) = (usize::from(word(0)?), usize::from(word(2)?), word(4)?);
        let record = bytes.get(..length)?;
        let units = record.get(6..)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let name: Vec<u16> = units.take(LETTERS).take_while(|unit| *unit != 0).collect();
        let start = aligned(6 + 2 * (name.len() + 1));
        // The length of a text is in letters.
        let value_length = if kind == 1 { value_length * 2 } else { value_length };
        let value = record.get(start..).unwrap_or_default();
        let value = value.get(..value_length).unwrap_or(value);
        let rest = record.get(aligned(start + value.len())..).unwrap_or_default();
        Some((Self { name: utf16(name.into_iter()), value, rest }, length))
    }

    fn children(&self) -> impl Iterator<Item = Self> {
        let mut rest = self.rest;
        let next = move || {
            let (record, length) = Self::read(rest)?;
            rest = rest.get(aligned(length)..).unwrap_or_default();
            // A record without a length would be found again and again.
            (length > 0).then_some(record)
        };
        std::iter::from_fn(next).take(RECORDS)
    }
}

fn aligned(at: usize) -> usize {
    at.next_multiple_of(4)
}

fn utf16(units: impl Iterator<Item = u16>) -> String {
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_packages_are_published_under() {
        for (product, file, fixed, want) in [
            ("13.0.1+ae9fe44e1323e91bcbd185ca1a14099fba7c021f", "13.0.1.25517", None, Some("13.0.1")),
            ("6.0.5+70ae3df4a6f3c92fb6b315afc405edd10ff38579", "6.0.522.21309", None, Some("6.0.5")),
            ("3.1.3-servicing.20128.1+abc", "4.700.20.12001", None, Some("4.700.20.12001")),
            ("4.8.3761.0", "4.8.3761.0 built by: NET48REL1", None, Some("4.8.3761.0")),
            ("1, 2, 0, 0", "", None, Some("1.2.0.0")),
            ("Version one", "", Some([1, 2, 3, 4]), Some("1.2.3.4")),
            ("", "", Some([0; 4]), None),
            ("1.0.0-beta2", "", None, Some("1.0.0-beta2")),
        ] {
            let pairs = [("ProductVersion", product), ("FileVersion", file)];
            let texts = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            assert_eq!(Texts { texts, fixed }.version().as_deref(), want, "{product} {file}");
        }
    }
}
