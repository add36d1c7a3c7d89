//! `Packages.db` of SUSE: rpm's own database format (rpm source, `lib/backend/ndb/rpmpkg.c`).
//!
//! A header, pages of slots, and blobs in blocks of 16 bytes. All numbers are little endian.

use super::Each;
use crate::catalogers::pages::Order;

const MAGIC: &[u8] = b"RpmP";
const SLOT: &[u8] = b"Slot";
const BLOB: &[u8] = b"BlbS";
const BLOB_END: &[u8] = b"BlbE";
const BLOCK: usize = 16;
const PAGE: usize = 4096;

/// Slots the file header takes the room of.
const HEADER_SLOTS: usize = 2;

pub(super) fn is_ndb(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Hands every header to `each`, in the order of the slots; one that cannot be read as its reason.
pub(super) fn headers(bytes: &[u8], each: Each<'_>) -> Result<(), String> {
    let number = |at| Order::Little.u32(bytes, at).and_then(|value| usize::try_from(value).ok());
    if number(4) != Some(0) {
        return Err("the version of the database is unknown".to_owned());
    }
    let slot_bytes = number(12).unwrap_or_default().saturating_mul(PAGE);
    let slots = bytes.get(..slot_bytes).unwrap_or(bytes);
    for slot in slots.chunks_exact(BLOCK).skip(HEADER_SLOTS) {
        let field = |at| Order::Little.u32(slot, at);
        let index = field(4).unwrap_or_default();
        if !slot.starts_with(SLOT) {
            each(Err("a slot is not one".to_owned()));
            continue;
        }
        if index == 0 {
            continue;
        }
        match blob(bytes, index, field(8).unwrap_or_default(), field(12).unwrap_or_default()) {
            Some(header) => each(Ok(header)),
            None => each(Err(format!("header {index} is not where its slot says"))),
        }
    }
    if slot_bytes > bytes.len() {
        return Err("cut short within the slots".to_owned());
    }
    Ok(())
}

fn blob(bytes: &[u8], index: u32, first_block: u32, blocks: u32) -> Option<&[u8]> {
    let start = usize::try_from(first_block).ok()?.checked_mul(BLOCK)?;
    let end = start.checked_add(usize::try_from(blocks).ok()?.checked_mul(BLOCK)?)?;
    let blob = bytes.get(start..end)?;
    let length = usize::try_from(Order::Little.u32(blob, 12)?).ok()?;
    let is_sound = blob.starts_with(BLOB) && Order::Little.u32(blob, 4)? == index && blob.ends_with(BLOB_END);
    if is_sound { blob.get(16..length.checked_add(16)?) } else { None }
}
