//! What differs in one table of two segments, found without reading the blocks that both have.
//!
//! A key is in one block of a table only, so a block with the digest of one of the other side takes nothing with it that
//! could differ. What is left of both sides is compared in the order of its keys, one block of each in memory.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use super::cache::Unpacked;
use super::entries::{self, Entries};
use super::format::Block;
use super::{Index, IndexError, Table};

/// A segment of an index.
pub(crate) type Place<'a> = (&'a Index, usize);

/// Takes a key, and its encoded records in the old and in the new segment, where they are there.
type Visit<'a> = dyn FnMut(&str, Option<&[u8]>, Option<&[u8]>) -> Result<(), IndexError> + 'a;

/// What a comparison could leave unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// Segments of both indexes, each pair once.
    pub segments: u64,
    /// Of them those that differ.
    pub segments_compared: u64,
    /// Blocks of the segments that differ, on both sides.
    pub blocks: u64,
    /// Of them those that were read.
    pub blocks_read: u64,
}

impl Effort {
    /// Adds what another part took.
    pub(crate) fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.segments_compared += other.segments_compared;
        self.blocks += other.blocks;
        self.blocks_read += other.blocks_read;
    }
}

/// Calls `visit` with every key of a table whose bytes differ, ascending.
pub(crate) fn visit_differing(
    old: Option<Place<'_>>,
    new: Option<Place<'_>>,
    table: Table,
    effort: &mut Effort,
    visit: &mut Visit<'_>,
) -> Result<(), IndexError> {
    let (old_digests, new_digests) = (digests(old, table)?, digests(new, table)?);
    let mut old = Run::new(old, table, &new_digests)?;
    let mut new = Run::new(new, table, &old_digests)?;
    effort.blocks += (old_digests.len() + new_digests.len()) as u64;
    effort.blocks_read += (old.blocks.len() + new.blocks.len()) as u64;
    old.advance()?;
    new.advance()?;
    loop {
        let order = match (old.entry(), new.entry()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let before = old.entry().filter(|_| order.is_le());
        let after = new.entry().filter(|_| order.is_ge());
        let (before_value, after_value) = (before.map(|(_, value)| value), after.map(|(_, value)| value));
        if let Some((key, _)) = before.or(after)
            && before_value != after_value
        {
            visit(key, before_value, after_value)?;
        }
        if order.is_le() {
            old.advance()?;
        }
        if order.is_ge() {
            new.advance()?;
        }
    }
}

/// Calls `visit` with those of the `wanted` keys that a table has, reading only blocks that may have them.
pub(crate) fn visit_wanted(
    (index, segment): Place<'_>,
    table: Table,
    wanted: &BTreeSet<String>,
    visit: &mut super::Visit<'_>,
) -> Result<(), IndexError> {
    let corrupt = |number: usize, what: &str| index.corrupt(segment, table.name(), &format!("block {number}: {what}"));
    let tables = index.directory(segment)?.tables.iter().enumerate();
    for (at, found) in tables.filter(|(_, blocks)| blocks.table == table) {
        for (number, block) in found.blocks.iter().enumerate() {
            let next = found.blocks.get(number + 1).map(|next| &next.first_key);
            if next.is_some_and(|next| *next <= block.first_key) {
                return Err(corrupt(number, "it is not in order"));
            }
            let range = (Bound::Included(&block.first_key), next.map_or(Bound::Unbounded, Bound::Excluded));
            if wanted.range::<String, _>(range).next().is_none() {
                continue;
            }
            let bytes = index.block(segment, at, number, block)?;
            for entry in Entries::new(&bytes) {
                let (key, value) = entry.map_err(|_| corrupt(number, "malformed entry"))?;
                let key = std::str::from_utf8(key).map_err(|_| corrupt(number, "malformed entry"))?;
                if wanted.contains(key) {
                    visit(key, value)?;
                }
            }
        }
    }
    Ok(())
}

fn digests(place: Option<Place<'_>>, table: Table) -> Result<HashSet<[u8; 32]>, IndexError> {
    let Some((index, segment)) = place else { return Ok(HashSet::new()) };
    let tables = index.directory(segment)?.tables.iter().filter(|blocks| blocks.table == table);
    Ok(tables.flat_map(|blocks| &blocks.blocks).map(|block| block.digest).collect())
}

/// Position of a table in its directory, and of a block in the table.
type BlockAt<'a> = (usize, usize, &'a Block);

/// The entries of some blocks of a table, one after the other.
struct Run<'a> {
    place: Option<Place<'a>>,
    table: Table,
    blocks: std::vec::IntoIter<BlockAt<'a>>,
    /// The block that is open.
    bytes: Arc<Unpacked>,
    entries: std::vec::IntoIter<entries::Place>,
    /// Where key and value of the present entry are in it.
    present: Option<entries::Place>,
    last_key: Option<String>,
}

impl<'a> Run<'a> {
    /// The entries of all blocks but the `known` ones.
    fn new(place: Option<Place<'a>>, table: Table, known: &HashSet<[u8; 32]>) -> Result<Self, IndexError> {
        let mut blocks = Vec::new();
        if let Some((index, segment)) = place {
            let tables = index.directory(segment)?.tables.iter().enumerate();
            for (at, found) in tables.filter(|(_, blocks)| blocks.table == table) {
                let wanted = found.blocks.iter().enumerate().filter(|(_, block)| !known.contains(&block.digest));
                blocks.extend(wanted.map(|(number, block)| (at, number, block)));
            }
        }
        Ok(Self {
            place,
            table,
            blocks: blocks.into_iter(),
            bytes: Arc::new(Unpacked::new(Vec::new())),
            entries: Vec::new().into_iter(),
            present: None,
            last_key: None,
        })
    }

    fn entry(&self) -> Option<(&str, &[u8])> {
        let (key, value) = self.present.clone()?;
        // It was text when the block was opened.
        Some((std::str::from_utf8(self.bytes.get(key)?).ok()?, self.bytes.get(value)?))
    }

    fn advance(&mut self) -> Result<(), IndexError> {
        loop {
            self.present = self.entries.next();
            if self.present.is_some() {
                return Ok(());
            }
            let (Some((index, segment)), Some((at, number, block))) = (self.place, self.blocks.next()) else {
                return Ok(());
            };
            self.bytes = index.block(segment, at, number, block)?;
            let entries = places(&self.bytes, &mut self.last_key).ok_or_else(|| {
                index.corrupt(segment, self.table.name(), &format!("block {number}: malformed or unordered entries"))
            })?;
            self.entries = entries.into_iter();
        }
    }
}

/// Where keys and values are in a block; `None` unless the keys are text and ascend from `last_key`, which becomes the
/// last one.
fn places(block: &[u8], last_key: &mut Option<String>) -> Option<Vec<entries::Place>> {
    let mut found = Vec::new();
    let mut entries = Entries::new(block);
    while let Some(place) = entries.next_place(block.len()) {
        let place = place.ok()?;
        let key = std::str::from_utf8(block.get(place.0.clone())?).ok()?;
        if last_key.as_deref().is_some_and(|last| key <= last) {
            return None;
        }
        key.clone_into(last_key.get_or_insert_default());
        found.push(place);
    }
    Some(found)
}
