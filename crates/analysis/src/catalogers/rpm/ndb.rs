//! ndb, the form of SUSE: slots that point to blobs, all little endian.
//!
//! Format: rpm source, `lib/backend/ndb/rpmpkg.c`: a header of 32 bytes, slots of 16 bytes in the first pages, blobs
//! in blocks of 16 bytes.

use super::Sink;
use super::bytes::{size_at, slice};

const PAGE: usize = 4096;
const BLOCK: usize = 16;

/// Begins like an ndb package database.
pub(super) fn is(data: &[u8]) -> bool {
    data.starts_with(b"RpmP")
}

/// Hands every header blob to `sink`.
pub(super) fn read(data: &[u8], sink: Sink<'_>) -> Result<(), &'static str> {
    let pages = size_at(data, 12, false).ok_or("truncated header")?;
    let end = pages.saturating_mul(PAGE);
    let slots = data.get(..end).unwrap_or(data).chunks_exact(BLOCK).skip(2);
    let mut outcome = if end > data.len() { Err("fewer pages of slots than declared") } else { Ok(()) };
    for slot in slots {
        let index = size_at(slot, 4, false).unwrap_or(0);
        if !slot.starts_with(b"Slot") || index == 0 {
            continue;
        }
        match blob(data, slot, index) {
            Some(blob) => {
                if !sink(blob) {
                    break;
                }
            }
            None => outcome = Err("a slot points to no blob"),
        }
    }
    outcome
}

fn blob<'a>(data: &'a [u8], slot: &[u8], index: usize) -> Option<&'a [u8]> {
    let at = size_at(slot, 8, false)?.checked_mul(BLOCK)?;
    let header = slice(data, at, BLOCK)?;
    if !header.starts_with(b"BlbS") || size_at(header, 4, false)? != index {
        return None;
    }
    slice(data, at + BLOCK, size_at(header, 12, false)?)
}
