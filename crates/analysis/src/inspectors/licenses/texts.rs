//! Which licence a text is: by how many of a licence's runs of words are in it.
//!
//! Of each licence of the SPDX list a sketch is kept: the smallest 128 hashes of its runs of [`RUN`]
//! words. The share of them that a text has is close to the share of the licence that it has, however long either
//! is, and says nothing for a text that only talks about licences. Lines with names of copyright holders do not count.
//! The sketches are data (`texts.bin`), made from the texts of the `spdx` crate by a test, which also proves them.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use killick_model::inspection::{EvidenceKind, LicenseEvidence};
use serde::{Deserialize, Serialize};

/// Words in a run.
const RUN: usize = 6;
/// Share of a licence that must be there, in percent.
const ENOUGH: usize = 80;
/// Licences of which one text may have so nearly the same share that the longer one is meant.
const NEAR: usize = 4;
/// Most licences of one text.
const MAX_LICENSES: usize = 20;
/// Words of a text that are looked at.
const MAX_WORDS: usize = 400_000;

/// The sketch of one licence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sketch {
    /// SPDX identifier. Of those with the same text, the one that says least: `GPL-2.0-only`.
    id: String,
    /// Runs in the licence.
    runs: u32,
    hashes: Vec<u32>,
}

/// All sketches, and which have a hash.
struct Index {
    sketches: Vec<Sketch>,
    of_hash: HashMap<u32, Vec<u16>>,
}

/// # Panics
/// If the data are damaged, which a test excludes.
static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let sketches: Vec<Sketch> = postcard::from_bytes(include_bytes!("texts.bin")).expect("the data are tested");
    let mut of_hash: HashMap<u32, Vec<u16>> = HashMap::new();
    for (number, sketch) in (0_u16..).zip(&sketches) {
        for hash in &sketch.hashes {
            of_hash.entry(*hash).or_default().push(number);
        }
    }
    Index { sketches, of_hash }
});

/// The licences whose text is in `text`, with their lines.
pub(super) fn classify(text: &str) -> Vec<LicenseEvidence> {
    let index = &*INDEX;
    // Lines of the hashes that any licence has, and how many each licence has.
    let mut lines: HashMap<u32, (u64, u64)> = HashMap::new();
    for (hash, first, last) in runs(text) {
        if index.of_hash.contains_key(&hash) {
            lines.entry(hash).or_insert((first, last));
        }
    }
    let mut found = Vec::new();
    let mut explained: HashSet<u32> = HashSet::new();
    // Lines that are of a licence, without those where only stray runs of it are.
    let mut taken: Vec<(u64, u64)> = Vec::new();
    while found.len() < MAX_LICENSES {
        let mut counts: HashMap<u16, (usize, usize)> = HashMap::new();
        for (hash, (line, _)) in &lines {
            let is_new =
                !explained.contains(hash) && !taken.iter().any(|(first, last)| (*first..=*last).contains(line));
            for number in index.of_hash.get(hash).into_iter().flatten() {
                let (all, new) = counts.entry(*number).or_default();
                *all += 1;
                *new += usize::from(is_new);
            }
        }
        let candidates: Vec<(usize, u32, &Sketch)> = counts
            .into_iter()
            .filter_map(|(number, (all, new))| {
                let sketch = index.sketches.get(usize::from(number))?;
                let share = all * 100 / sketch.hashes.len().max(1);
                // Most of it must be something that no licence found so far explains.
                (share >= ENOUGH && new * 2 > sketch.hashes.len()).then_some((share, sketch.runs, sketch))
            })
            .collect();
        let Some(best) = candidates.iter().map(|(share, ..)| *share).max() else { break };
        let near = candidates.iter().filter(|(share, ..)| share + NEAR >= best);
        // Which of equals comes first must not depend on the order of a table.
        let Some((share, _, sketch)) = near.max_by(|a, b| (a.1, &b.2.id).cmp(&(b.1, &a.2.id))) else { break };
        // What a licence found before explains as well is a phrase that both have, and stands with that one.
        let mut places: Vec<(u64, u64)> = sketch.hashes.iter().filter_map(|hash| lines.get(hash).copied()).collect();
        places.retain(|(line, _)| !taken.iter().any(|(first, last)| (*first..=*last).contains(line)));
        places.sort_unstable();
        let stray = places.len() / 10;
        if let (Some((first, _)), Some((last, _))) = (places.get(stray), places.iter().rev().nth(stray)) {
            taken.push((*first, *last));
        }
        found.push(LicenseEvidence {
            expression: sketch.id.clone(),
            kind: EvidenceKind::Text,
            confidence: u8::try_from(*share).unwrap_or(100),
            first_line: places.iter().map(|(first, _)| *first).min().unwrap_or(1),
            last_line: places.iter().map(|(_, last)| *last).max().unwrap_or(1),
        });
        explained.extend(&sketch.hashes);
    }
    found
}

/// Hash, first and last line of each run of words.
fn runs(text: &str) -> impl Iterator<Item = (u32, u64, u64)> {
    let mut words: Vec<(u64, u64)> = Vec::new();
    for (number, line) in (1_u64..).zip(text.lines()) {
        if is_notice(line) {
            continue;
        }
        for word in line.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
            words.push((word_hash(word), number));
        }
        if words.len() > MAX_WORDS {
            break;
        }
    }
    let count = words.len().saturating_sub(RUN - 1);
    (0..count).filter_map(move |at| {
        let run = words.get(at..at + RUN)?;
        let hash =
            run.iter().fold(0_u64, |hash, (word, _)| (hash.rotate_left(7) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Some((u32::try_from(hash >> 32).unwrap_or(0), run.first()?.1, run.last()?.1))
    })
}

/// FNV-1a of a word in lower case; British and American spellings of the word that matters most are one.
fn word_hash(word: &str) -> u64 {
    let lower = word.to_lowercase();
    let lower = if lower == "licence" { "license" } else { &lower };
    lower.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A line that says whose copyright it is, and is different in every copy.
fn is_notice(line: &str) -> bool {
    let line = line.trim_start_matches(|letter: char| !letter.is_alphanumeric() && letter != '©').to_lowercase();
    line.starts_with('©')
        || line.starts_with("copyright (c)")
        || line.starts_with("copyright ©")
        || line.starts_with("copyright <")
        || line.strip_prefix("copyright ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use spdx::text::LICENSE_TEXTS;

    use super::*;

    /// Hashes kept of one licence.
    const SKETCH: usize = 128;

    /// Sketches of all licences that are not deprecated, those of one text once.
    fn sketches() -> Vec<Sketch> {
        let mut by_text: BTreeMap<Vec<u32>, Sketch> = BTreeMap::new();
        for (id, text) in LICENSE_TEXTS {
            if spdx::license_id(id).is_none_or(spdx::LicenseId::is_deprecated) {
                continue;
            }
            // The list has the GPL behind the LGPL, which refers to it; files have them apart.
            let text = if id.starts_with("LGPL-3.0") {
                text.split("GNU GENERAL PUBLIC LICENSE\n").next().unwrap()
            } else {
                text
            };
            let hashes: BTreeSet<u32> = runs(text).map(|(hash, ..)| hash).collect();
            // Too short to be told from what others say.
            if hashes.len() < 12 {
                continue;
            }
            let runs = u32::try_from(hashes.len()).unwrap();
            let hashes: Vec<u32> = hashes.into_iter().take(SKETCH).collect();
            let sketch = Sketch { id: (*id).to_owned(), runs, hashes: hashes.clone() };
            let known = by_text.entry(hashes).or_insert_with(|| sketch.clone());
            if sketch.id.ends_with("-only") || (sketch.id.len() < known.id.len() && !known.id.ends_with("-only")) {
                *known = sketch;
            }
        }
        let mut sketches: Vec<_> = by_text.into_values().collect();
        sketches.sort_by(|a, b| a.id.cmp(&b.id));
        sketches
    }

    #[test]
    fn the_data_are_those_of_the_texts() {
        let made = postcard::to_stdvec(&sketches()).unwrap();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/inspectors/licenses/texts.bin");
        let kept = fs_err::read(file).unwrap();
        if kept != made {
            fs_err::write(file, made).unwrap();
            panic!("the sketches of licences were out of date and were written anew: build and test again");
        }
    }

    /// Identifiers and percents found in a text.
    fn found(text: &str) -> Vec<(String, u8)> {
        classify(text).into_iter().map(|found| (found.expression, found.confidence)).collect()
    }

    fn text(id: &str) -> &'static str {
        LICENSE_TEXTS.iter().find(|(known, _)| *known == id).unwrap().1
    }

    #[test]
    fn licenses_are_told_from_their_kin() {
        for id in [
            "0BSD",
            "AGPL-3.0-only",
            "Apache-2.0",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "BSL-1.0",
            "CC0-1.0",
            "EPL-2.0",
            "GPL-2.0-only",
            "GPL-3.0-only",
            "ISC",
            "JSON",
            "LGPL-2.1-only",
            "MIT",
            "MPL-2.0",
            "Unlicense",
            "Zlib",
            "PSF-2.0",
            "OpenSSL",
        ] {
            let found = found(text(id));
            assert_eq!(found.first().map(|(id, percent)| (id.as_str(), *percent)), Some((id, 100)), "{found:?}");
            assert_eq!(found.len(), 1, "{id}: {found:?}");
        }
    }

    #[test]
    fn other_lines_other_holders_other_spelling() {
        let mit = text("MIT")
            .replace("Copyright (c) <year> <copyright holders>", "Copyright (c) 2001-2020 Some One <x@example.com>");
        let wrapped = mit.split_whitespace().collect::<Vec<_>>().join("\n");
        let comment = mit.lines().map(|line| format!(" * {line}\n")).collect::<String>();
        for text in [mit.clone(), wrapped, comment, mit.to_uppercase(), mit.replace("license", "licence")] {
            let found = found(&text);
            assert!(matches!(found.as_slice(), [(id, percent)] if id == "MIT" && *percent >= 85), "{found:?}\n{text}");
        }
    }

    #[test]
    fn several_in_one_file_with_their_lines() {
        let (first, second) = (text("MIT"), text("Apache-2.0"));
        let both = format!("These parts are under the first:\n\n{first}\n\n----\n\n{second}\n");
        let mut found = classify(&both);
        found.sort_by_key(|found| found.first_line);
        let ids: Vec<_> = found.iter().map(|found| found.expression.as_str()).collect();
        assert_eq!(ids, ["MIT", "Apache-2.0"]);
        let lines = first.lines().count() as u64;
        assert!(found[0].last_line <= lines + 4 && found[1].first_line > lines, "{found:?}");
    }

    #[test]
    fn talk_about_licenses_is_none() {
        for text in [
            "",
            "MIT",
            "This project is licensed under the MIT License - see the LICENSE file for details.",
            "Permission is hereby granted, free of charge, to any person obtaining a copy of this software.",
            &"word ".repeat(10_000),
        ] {
            assert_eq!(found(text), [], "{text:.60}");
        }
    }
}
