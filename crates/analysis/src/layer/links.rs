//! Files that are wanted only by a name they got later: hard links, as pnpm and others make them from a store.
//!
//! The archive has such a file under its first name, when nobody knows yet that it is wanted. Where a layer has any,
//! it is read a second time, only as far as needed. Targets in lower layers are not looked for: overlay file systems
//! copy what is linked into the layer that links it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;

use killick_model::path::ImagePath;
use sha2::{Digest as _, Sha256};

use super::again::Awaited;
use super::{MAX_PROBLEMS, show};
use crate::budget::Budget;
use crate::content::Content;
use crate::error::ReadError;
use crate::facts::{EntryKind, FoundIn, LayerFacts};
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::tar_stream::TarStream;

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
    if links.is_empty() {
        return (again, too_large);
    }
    let names = names_of_interest(facts, links);
    let mut wanted = links.iter().peekable();
    // What each name of interest stands for by now, as the merge will see it: a link gets what its target is when the
    // link is made, or, if there is none yet, at the end.
    let mut current: HashMap<&ImagePath, u32> = HashMap::new();
    let mut early = Vec::new();
    let mut wish = |file: u32, reader: u16, link: u32| {
        let Some(entry) = facts.entry(file).filter(|entry| !matcher.by_path_of(reader, &entry.path)) else { return };
        if entry.size <= may_hold.min(matcher.reader(usize::from(reader)).max_bytes()) {
            again.entry(file).or_default().entry(reader).or_insert(link);
        } else if too_large.len() < MAX_PROBLEMS {
            too_large.extend(facts.entry(link).map(|link| link.path.clone()));
        }
    };
    for (number, entry) in facts.entries() {
        let name = names.get(&entry.path);
        let mut readers = Vec::new();
        while let Some((_, reader)) = wanted.next_if(|(link, _)| *link == number) {
            readers.push(*reader);
        }
        let file = match entry.kind {
            EntryKind::File | EntryKind::Code => Some(number),
            EntryKind::HardLink if name.is_some() || !readers.is_empty() => {
                let file = ImagePath::new(entry.link()).and_then(|target| current.get(&target).copied());
                if file.is_none() {
                    early.push((number, name, readers));
                    continue;
                }
                file
            }
            _ => None,
        };
        if let Some(file) = file {
            for reader in readers {
                wish(file, reader, number);
            }
        }
        if let Some(name) = name {
            match file {
                Some(file) => current.insert(name, file),
                None => current.remove(name),
            };
        }
    }
    for (number, name, readers) in early {
        let target = facts.entry(number).and_then(|entry| ImagePath::new(entry.link()));
        let Some(file) = target.and_then(|target| current.get(&target).copied()) else { continue };
        for reader in readers {
            wish(file, reader, number);
        }
        if let Some(name) = name {
            current.insert(name, file);
        }
    }
    (again, too_large)
}

/// The targets of the links, and of links to links.
fn names_of_interest(facts: &LayerFacts, links: &[WantedLink]) -> HashSet<ImagePath> {
    let target = |number: u32| facts.entry(number).and_then(|link| ImagePath::new(link.link()));
    let mut names: HashSet<ImagePath> = links.iter().filter_map(|(number, _)| target(*number)).collect();
    for _ in 1..CHAIN {
        let of_links = facts.entries().filter(|(_, entry)| entry.kind == EntryKind::HardLink);
        let further: Vec<_> = of_links
            .filter(|(_, entry)| names.contains(&entry.path))
            .filter_map(|(number, _)| target(number))
            .filter(|target| !names.contains(target))
            .collect();
        if further.is_empty() {
            break;
        }
        names.extend(further);
    }
    names
}

/// Shows the files to the readers. What is not the file that was seen the first time is left out.
pub(super) fn read_again(
    input: impl BufRead,
    again: &Again,
    facts: &mut LayerFacts,
    may_find: &mut usize,
    reads: (&Matcher, &Limits),
    budget: &Budget,
) -> Result<(), ReadError> {
    let (matcher, limits) = reads;
    let mut awaited = Awaited::new(again.keys().copied(), facts);
    let mut stream = TarStream::new(input);
    while !awaited.is_empty() {
        let Some(entry) = stream.next_entry(limits.layer_entries)? else { break };
        let Some(number) = awaited.number(&entry, facts) else { continue };
        let readers = again.get(&number).into_iter().flat_map(|readers| readers.keys().copied().map(usize::from));
        let Some(_share) = budget.hold(matcher.held_bytes(readers, entry.size, limits)) else { continue };
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
        if facts.entry(number).is_none_or(|listed| listed.sha256 != sha256) {
            continue;
        }
        awaited.met(number, facts);
        show_again(number, &held, again, facts, may_find, reads)?;
    }
    Ok(())
}

/// Shows the file of an entry to the readers that want it by the names of links.
pub(super) fn show_again(
    number: u32,
    held: &[u8],
    again: &Again,
    facts: &mut LayerFacts,
    may_find: &mut usize,
    (matcher, limits): (&Matcher, &Limits),
) -> Result<(), ReadError> {
    for (reader, link) in again.get(&number).into_iter().flatten() {
        let Some(name) = facts.entry(*link).map(|link| link.path.clone()) else { continue };
        let reader = matcher.reader(usize::from(*reader));
        if let Some(found) = show(reader, &name, Content::whole(held), may_find, limits)? {
            let reader = reader.name().to_owned();
            facts.found.push(FoundIn { entry: number, name: Some(*link), reader, found });
        }
    }
    Ok(())
}
