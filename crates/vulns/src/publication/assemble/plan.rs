//! Which blocks of a segment are at hand, and which runs of them are lacking.

use std::collections::HashMap;
use std::ops::Range;

use super::RUN_BYTES;
use super::fetching::Outcome;
use crate::index::Index;
use crate::index::format::{Block, Directory, MAX_BLOCK_BYTES};

/// Blocks of other files by their digests.
#[derive(Default)]
pub(super) struct Held<'a>(HashMap<[u8; 32], (&'a Index, Range<u64>)>);

impl<'a> Held<'a> {
    /// The blocks of a segment, unless its directory is damaged.
    pub(super) fn add(&mut self, index: &'a Index, segment: usize) {
        let blocks = index.blocks(segment).unwrap_or_default();
        self.0.extend(blocks.into_iter().map(|(digest, place)| (digest, (index, place))));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A run of bytes of the new segment.
pub(super) enum Piece<'a> {
    /// There already.
    InPlace(Range<u64>),
    /// One block, in another file, with its digest.
    Held(Range<u64>, &'a Index, Range<u64>, [u8; 32]),
    /// In the blob, with the digests of the blocks and how long they are.
    Lacking(Range<u64>, Vec<(u32, [u8; 32])>),
}

/// Whether a block of the segment is in its place already.
type InPlace<'a> = dyn Fn(&Range<u64>, &[u8; 32]) -> bool + 'a;

/// The blocks of a directory in their order, those that are lacking joined to runs.
pub(super) fn pieces<'a>(
    directory: &Directory,
    blocks_bytes: u64,
    held: &Held<'a>,
    in_place: &InPlace<'_>,
) -> Result<Vec<Piece<'a>>, Outcome> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut offset = 0_u64;
    for Block { offset: begin, stored_bytes, digest, .. } in directory.tables.iter().flat_map(|table| &table.blocks) {
        let end = offset.checked_add(u64::from(*stored_bytes)).filter(|_| *stored_bytes <= MAX_BLOCK_BYTES);
        let Some(end) = end.filter(|end| *begin == offset && *end <= blocks_bytes) else {
            return Err(Outcome::Wrong("the blocks of its directory do not follow each other".to_owned()));
        };
        let block = offset..end;
        offset = end;
        if in_place(&block, digest) {
            pieces.push(Piece::InPlace(block));
            continue;
        }
        let place = held.0.get(digest).filter(|(_, place)| place.end.saturating_sub(place.start) == end - block.start);
        match (place, pieces.last_mut()) {
            (Some((index, place)), _) => pieces.push(Piece::Held(block, index, place.clone(), *digest)),
            (None, Some(Piece::Lacking(run, blocks))) if end - run.start <= RUN_BYTES => {
                run.end = end;
                blocks.push((*stored_bytes, *digest));
            }
            (None, _) => pieces.push(Piece::Lacking(block, vec![(*stored_bytes, *digest)])),
        }
    }
    if offset != blocks_bytes {
        return Err(Outcome::Wrong("its directory does not cover its blocks".to_owned()));
    }
    Ok(pieces)
}

/// Bytes that have to be fetched.
pub(super) fn lacking(pieces: &[Piece<'_>]) -> u64 {
    let bytes = pieces.iter().map(|piece| match piece {
        Piece::InPlace(_) | Piece::Held(..) => 0,
        Piece::Lacking(range, _) => range.end - range.start,
    });
    bytes.fold(0, u64::saturating_add)
}
