//! Executables and archives that are too large to be held: their readers see the parts of them that they ask for.
//!
//! While the layer is read for the first time, what is looked at first is kept: their beginning, their end, which has the
//! directory of an archive, and where an ELF file says that its sections are. What readers ask for besides is kept on another pass, and
//! whatever they need then on one more; a layer is read again only as far as needed.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::Range;

use killick_model::problem::Problem;
use sha2::{Digest as _, Sha256};

use super::again::Awaited;
use super::{MAX_PROBLEMS, show};
use crate::budget::Budget;
use crate::content::{Content, Parts, joined, total};
use crate::error::ReadError;
use crate::facts::{FoundIn, LayerFacts};
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::tar_stream::TarStream;

/// Passes over a layer besides the first. Headers, names of sections, what lies in a section, what that points to.
const PASSES: usize = 4;

/// Bytes held of one file.
const PART_BYTES: u64 = 96 << 20;

const BEGINNING: u64 = 64 << 10;
const END: u64 = 1 << 20;

/// Bytes before the table of sections that are kept with it: their names, where linkers put them.
const BEFORE_SECTIONS: u64 = 64 << 10;

/// What readers still want, by entry.
pub(super) type Wishes = BTreeMap<u32, Wish>;

/// What readers want of one file.
#[derive(Debug, Default)]
pub(super) struct Wish {
    readers: Vec<usize>,
    /// What is to be held of it, in order and apart.
    ranges: Vec<Range<u64>>,
}

/// What is kept of a file of `size` bytes that begins so.
pub(super) fn first(size: u64, beginning: &[u8]) -> Vec<Range<u64>> {
    let mut ranges = vec![0..BEGINNING.min(size), size.saturating_sub(END)..size];
    if let Some(sections) = elf_sections(beginning) {
        ranges.push(sections.saturating_sub(BEFORE_SECTIONS).min(size)..sections.saturating_add(BEGINNING).min(size));
    }
    joined(ranges)
}

/// elf(5): `e_shoff`, after `e_ident`, `e_type`, `e_machine`, `e_version`, `e_entry` and `e_phoff`.
fn elf_sections(beginning: &[u8]) -> Option<u64> {
    let is_64 = *beginning.strip_prefix(b"\x7fELF")?.first()? == 2;
    let is_big_endian = *beginning.get(5)? == 2;
    Some(match (is_64, is_big_endian) {
        (true, true) => u64::from_be_bytes(*beginning.get(40..)?.first_chunk()?),
        (true, false) => u64::from_le_bytes(*beginning.get(40..)?.first_chunk()?),
        (false, true) => u32::from_be_bytes(*beginning.get(32..)?.first_chunk()?).into(),
        (false, false) => u32::from_le_bytes(*beginning.get(32..)?.first_chunk()?).into(),
    })
}

/// Shows the parts that are held to the readers. What those ask for that miss something becomes a wish.
pub(super) fn search(
    number: u32,
    wish: Wish,
    mut parts: Parts,
    facts: &mut LayerFacts,
    may_find: &mut usize,
    (matcher, limits): (&Matcher, &Limits),
    wishes: &mut Wishes,
) -> Result<(), ReadError> {
    let Some((path, size)) = facts.entry(number).map(|entry| (entry.path.clone(), entry.size)) else { return Ok(()) };
    let mut next = Wish { readers: Vec::new(), ranges: wish.ranges };
    for index in wish.readers {
        let reader = matcher.reader(index);
        let before = *may_find;
        let found = show(reader, &path, Content::of_parts(&parts), may_find, limits)?;
        let missing = parts.take_missing();
        if missing.is_empty() {
            let found =
                found.map(|found| FoundIn { entry: number, name: None, reader: reader.name().to_owned(), found });
            facts.found.extend(found);
        } else {
            // What it found already it finds again.
            *may_find = before;
            next.readers.push(index);
            next.ranges.extend(missing);
        }
    }
    if next.readers.is_empty() {
        return Ok(());
    }
    next.ranges = joined(next.ranges);
    let may_hold = PART_BYTES.min(limits.held_bytes);
    if total(&next.ranges) <= may_hold {
        wishes.insert(number, next);
        return Ok(());
    }
    for index in next.readers {
        let reader = matcher.reader(index).name();
        let message = format!("{size} bytes, of which `{reader}` needs more than {may_hold}: not searched by it");
        if facts.problems.len() < MAX_PROBLEMS {
            facts.problems.push(Problem::new("limit-file-bytes", path.to_string(), message));
        }
    }
    Ok(())
}

/// Grants wishes with further passes over the layer. What is not the file that was seen the first time is left out.
pub(super) fn grant<R: BufRead>(
    mut wishes: Wishes,
    open: impl Fn() -> Result<R, ReadError>,
    facts: &mut LayerFacts,
    may_find: &mut usize,
    reads: (&Matcher, &Limits),
    budget: &Budget,
) -> Result<(), ReadError> {
    for _ in 0..PASSES {
        if wishes.is_empty() {
            return Ok(());
        }
        wishes = pass(wishes, open()?, facts, may_find, reads, budget)?;
    }
    for (number, wish) in wishes {
        let Some(path) = facts.entry(number).map(|entry| entry.path.to_string()) else { continue };
        for index in wish.readers {
            let message =
                format!("`{}` would have to read the layer more than {PASSES} times", reads.0.reader(index).name());
            if facts.problems.len() < MAX_PROBLEMS {
                facts.problems.push(Problem::new("limit-file-bytes", path.clone(), message));
            }
        }
    }
    Ok(())
}

fn pass(
    mut wishes: Wishes,
    input: impl BufRead,
    facts: &mut LayerFacts,
    may_find: &mut usize,
    reads: (&Matcher, &Limits),
    budget: &Budget,
) -> Result<Wishes, ReadError> {
    let (matcher, limits) = reads;
    let mut awaited = Awaited::new(wishes.keys().copied(), facts);
    let mut next = Wishes::new();
    let mut stream = TarStream::new(input);
    while !awaited.is_empty() {
        let Some(entry) = stream.next_entry(limits.layer_entries)? else { break };
        let Some(number) = awaited.number(&entry, facts) else { continue };
        let Some(wish) = wishes.get_mut(&number).map(std::mem::take) else { continue };
        let bytes = matcher.held_bytes(wish.readers.iter().copied(), total(&wish.ranges), limits);
        let Some(_share) = budget.hold(bytes) else { continue };
        let mut parts = Parts::new(entry.size, &wish.ranges);
        let (mut hash, mut offset) = (Sha256::new(), 0);
        loop {
            let chunk = stream.chunk()?;
            let count = chunk.len();
            if count == 0 {
                break;
            }
            hash.update(chunk);
            parts.take(&wish.ranges, offset, chunk);
            offset += count as u64;
            stream.consume(count);
        }
        let sha256: [u8; 32] = hash.finalize().into();
        if facts.entry(number).is_none_or(|listed| listed.sha256 != sha256) {
            // Another file of the same name and size: the one that is meant comes yet.
            wishes.insert(number, wish);
            continue;
        }
        awaited.met(number, facts);
        search(number, wish, parts, facts, may_find, reads, &mut next)?;
    }
    Ok(next)
}

impl Wish {
    pub(super) fn new(readers: Vec<usize>, ranges: Vec<Range<u64>>) -> Self {
        Self { readers, ranges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_first_is_kept() {
        let size = 10 << 20;
        assert_eq!(first(size, b"MZ"), [0..BEGINNING, size - END..size]);
        assert_eq!(first(100, b"MZ").first(), Some(&(0..100)));
        let elf = |class: u8, order: u8, offset: &[u8]| {
            let at = if class == 2 { 40 } else { 32 };
            let mut header = [b"\x7fELF".as_slice(), &[class, order]].concat();
            header.resize(at, 0);
            header.extend_from_slice(offset);
            header
        };
        let middle = 4_u64 << 20;
        let want = [0..BEGINNING, middle - BEFORE_SECTIONS..middle + BEGINNING, size - END..size];
        for header in [
            elf(2, 1, &middle.to_le_bytes()),
            elf(2, 2, &middle.to_be_bytes()),
            elf(1, 1, &(4_u32 << 20).to_le_bytes()),
            elf(1, 2, &(4_u32 << 20).to_be_bytes()),
        ] {
            assert_eq!(first(size, &header), want);
        }
        assert_eq!(first(size, &elf(2, 1, &u64::MAX.to_le_bytes())), [0..BEGINNING, size - END..size]);
        assert_eq!(first(size, b"\x7fELF\x02\x01"), [0..BEGINNING, size - END..size]);
    }
}
