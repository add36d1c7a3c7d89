//! Tar headers for files of this machine (GNU format: long names as extra entries, large numbers in base 256).

use std::fs::{FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// Bytes of a name or a link target that fit into a header, with room for the terminating zero.
const SHORT: usize = 99;

/// The header blocks of one entry.
pub(super) fn header(
    name: &[u8],
    metadata: &Metadata,
    kind: EntryType,
    target: &[u8],
    size: u64,
) -> io::Result<Vec<u8>> {
    let mut blocks = Vec::new();
    if target.len() > SHORT {
        long(&mut blocks, EntryType::GNULongLink, target);
    }
    if name.len() > SHORT {
        long(&mut blocks, EntryType::GNULongName, name);
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or_default());
    header.set_size(size);
    if let EntryType::Char | EntryType::Block = kind {
        let (major, minor) = device_numbers(metadata.rdev());
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    let fields = header.as_old_mut();
    put(&mut fields.name, name);
    put(&mut fields.linkname, target);
    header.set_cksum();
    blocks.extend_from_slice(header.as_bytes());
    Ok(blocks)
}

/// Bytes from the end of a file of `size` to the next block.
pub(super) fn padding(size: u64) -> usize {
    usize::try_from(size.wrapping_neg() % BLOCK).expect("less than a block")
}

/// What a special file is in a tar; a socket is nothing.
pub(super) fn special(kind: FileType) -> Option<EntryType> {
    if kind.is_fifo() {
        Some(EntryType::Fifo)
    } else if kind.is_char_device() {
        Some(EntryType::Char)
    } else if kind.is_block_device() {
        Some(EntryType::Block)
    } else {
        None
    }
}

fn long(blocks: &mut Vec<u8>, kind: EntryType, text: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    put(&mut header.as_old_mut().name, b"././@LongLink");
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let size = text.len() as u64 + 1;
    header.set_size(size);
    header.set_cksum();
    blocks.extend_from_slice(header.as_bytes());
    blocks.extend_from_slice(text);
    blocks.push(0);
    blocks.extend(std::iter::repeat_n(0, padding(size)));
}

fn put(field: &mut [u8; 100], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// How Linux packs a device number (`makedev(3)`).
fn device_numbers(device: u64) -> (u32, u32) {
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & 0xffff_f000);
    let minor = (device & 0xff) | ((device >> 12) & 0xffff_ff00);
    (u32::try_from(major).unwrap_or(u32::MAX), u32::try_from(minor).unwrap_or(u32::MAX))
}
