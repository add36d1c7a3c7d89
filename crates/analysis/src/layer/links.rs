//! Files that are wanted only by a name they got later: hard links, as pnpm and others make them from a store.
//!
//! The archive has such a file under its first name, when nobody knows yet that it is wanted. Where a layer has any,
//! it is read a second time, only as far as needed. Targets in lower layers are not looked for: overlay file systems
//! copy what is linked into the layer that links it.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

use killick_model::path::ImagePath;
use sha2::{Digest as _, Sha256};

use super::show;
use crate::budget::Budget;
use crate::error::ReadError;
use crate::facts::{EntryKind, FoundIn, LayerFacts};
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::tar_stream::{EntryType, TarStream};

/// Links to links that are followed.
const CHAIN: usize = 3;

/// A hard link that a reader wants: its entry and the reader.
pub(super) type WantedLink = (u32, u16);

/// Files to be read again: by entry, the readers to show it to, and the entry of the link each wants it by.
pub(super) type Again = BTreeMap<u32, BTreeMap<u16, u32>>;

/// Which files of the layer have to be read again for `links`, and which links lead to more than `may_hold` bytes.
pub(super) fn to_read(
    facts: &LayerFacts,
    links: &[WantedLink],
    matcher: &Matcher,
    may_hold: u64,
) -> (Again, Vec<ImagePath>) {
    let (mut again, mut too_large) = (Again::new(), Vec::new());
    // What each wanted path is wanted for: reader and link.
    let mut needed: HashMap<ImagePath, Vec<(u16, u32)>> = HashMap::new();
    for (number, reader) in links {
        let target = facts.entry(*number).and_then(|link| ImagePath::new(link.link()));
        needed.entry(target.unwrap_or_default()).or_default().push((*reader, *number));
    }
    for _ in 0..CHAIN {
        if needed.is_empty() {
            break;
        }
        let mut further: HashMap<ImagePath, Vec<(u16, u32)>> = HashMap::new();
        for (number, entry) in facts.entries() {
            let Some(wishes) = needed.get(&entry.path) else { continue };
            match entry.kind {
                EntryKind::File => {
                    for (reader, link) in wishes {
                        let was_shown = matcher.by_path_of(*reader, &entry.path);
                        if !was_shown && entry.size <= may_hold {
                            again.entry(number).or_default().entry(*reader).or_insert(*link);
                        } else if !was_shown {
                            too_large.extend(facts.entry(*link).map(|link| link.path.clone()));
                        }
                    }
                }
                EntryKind::HardLink => {
                    let target = ImagePath::new(entry.link()).unwrap_or_default();
                    further.entry(target).or_default().extend(wishes.iter().copied());
                }
                _ => {}
            }
        }
        needed = further;
    }
    (again, too_large)
}

/// Shows the files to the readers. What is not the file that was seen the first time is left out.
pub(super) fn read_again(
    input: impl BufRead,
    again: &Again,
    facts: &mut LayerFacts,
    matcher: &Matcher,
    limits: &Limits,
    budget: &Budget,
) -> Result<(), ReadError> {
    let mut by_path: HashMap<ImagePath, Vec<u32>> = HashMap::new();
    for number in again.keys() {
        if let Some(entry) = facts.entry(*number) {
            by_path.entry(entry.path.clone()).or_default().push(*number);
        }
    }
    let mut stream = TarStream::new(input);
    let mut left = again.len();
    while left > 0 {
        let Some(entry) = stream.next_entry(limits.layer_entries)? else { break };
        let Some(numbers) = ImagePath::new(&entry.path).and_then(|path| by_path.get(&path)) else { continue };
        let is_listed = |number: &u32| facts.entry(*number).is_some_and(|listed| listed.size == entry.size);
        if entry.entry_type != EntryType::File || !numbers.iter().any(is_listed) {
            continue;
        }
        let Some(_share) = budget.hold(entry.size) else { continue };
        let mut held = Vec::new();
        loop {
            let chunk = stream.chunk()?;
            let count = chunk.len();
            if count == 0 {
                break;
            }
            held.extend_from_slice(chunk);
            stream.consume(count);
        }
        let sha256: [u8; 32] = Sha256::digest(&held).into();
        for number in numbers.clone() {
            if facts.entry(number).is_none_or(|listed| listed.sha256 != sha256) {
                continue;
            }
            left = left.saturating_sub(1);
            for (reader, link) in again.get(&number).into_iter().flatten() {
                let Some(name) = facts.entry(*link).map(|link| link.path.clone()) else { continue };
                let reader = matcher.reader(usize::from(*reader));
                if let Some(found) = show(reader, &name, &held, limits) {
                    let reader = reader.name().to_owned();
                    facts.found.push(FoundIn { entry: number, name: Some(*link), reader, found });
                }
            }
        }
    }
    Ok(())
}
