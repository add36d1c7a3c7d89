//! `bun.lockb`, format 2: what Bun wrote up to version 1.1.
//!
//! Format: Bun itself (`src/install/lockfile.zig`): after the header a table of packages, column by column, then six
//! buffers, each with its bounds before it, of which the last one has the texts. All numbers are little-endian. Which
//! packages are for developers only is not looked for.

use super::super::declarations::{Declaration, Declarations};
use super::super::package_lock::of_archive;

const HEADER: &[u8] = b"#!/usr/bin/env bun\nbun-lockfile-format-v0\n";

/// Bytes of the hash and the length behind the format's number.
const AFTER_FORMAT: usize = 32 + 8;

/// Columns of the table: name, hash of the name, resolution, of which these many bytes are for each package.
const NAME: usize = 8;
const NAME_HASH: usize = 8;
const RESOLUTION: usize = 64;

/// Kinds of resolution: all others are folders, workspaces and repositories, which have no version.
const REGISTRY: u8 = 2;
const LOCAL_ARCHIVE: u8 = 8;
const REMOTE_ARCHIVE: u8 = 80;

/// Adds the packages of a lock file. The error says what is wrong with it.
pub(super) fn read(bytes: &[u8], packages: &mut Declarations<'_>) -> Result<(), String> {
    let body = bytes.strip_prefix(HEADER).ok_or("not the lock file of Bun it should be")?;
    match number32(body, 0) {
        Some(2) => table(bytes, packages).ok_or_else(|| "a lock file of Bun with bounds outside of it".to_owned()),
        Some(format) => Err(format!("a lock file of Bun in format {format}, which is not known")),
        None => Err("a lock file of Bun that is cut short".to_owned()),
    }
}

fn table(bytes: &[u8], packages: &mut Declarations<'_>) -> Option<()> {
    let fields = HEADER.len() + 4 + AFTER_FORMAT;
    let count = usize::try_from(number(bytes, fields)?).ok()?;
    // Between them alignment and number of columns.
    let begin = usize::try_from(number(bytes, fields + 24)?).ok()?;
    let end = usize::try_from(number(bytes, fields + 32)?).ok()?;
    let columns = bytes.get(begin..end)?;
    let names = columns.get(..count.checked_mul(NAME)?)?;
    let resolutions = columns.get(count.checked_mul(NAME + NAME_HASH)?..)?.get(..count.checked_mul(RESOLUTION)?)?;
    let texts = texts(bytes, end)?;
    for (name, resolution) in names.chunks_exact(NAME).zip(resolutions.chunks_exact(RESOLUTION)) {
        let Some(name) = text(name, texts) else { continue };
        let Some(value) = resolution.get(8..).and_then(|value| text(value.get(..8)?, texts)) else { continue };
        let (version, fetched_from) = match resolution.first() {
            Some(&REGISTRY) => (version(resolution, texts)?, None),
            Some(&(LOCAL_ARCHIVE | REMOTE_ARCHIVE)) => {
                let (_, version, fetched_from) = of_archive(&name, &value);
                (version.to_owned(), fetched_from)
            }
            _ => continue,
        };
        packages.add(Declaration { name: &name, version: &version, fetched_from, is_development: false });
    }
    Some(())
}

/// The last of the six buffers behind the table.
fn texts(bytes: &[u8], table_end: usize) -> Option<&[u8]> {
    let mut at = table_end;
    for _ in 0..5 {
        let end = usize::try_from(number(bytes, at.checked_add(8)?)?).ok()?;
        // Each lies behind its own bounds, so that the walk comes to an end.
        at = Some(end).filter(|end| *end > at)?;
    }
    let begin = usize::try_from(number(bytes, at)?).ok()?;
    let end = usize::try_from(number(bytes, at.checked_add(8)?)?).ok()?;
    bytes.get(begin..end)
}

/// A version of the registry: three numbers, and what stands behind `-` and `+`, each a text with its hash.
fn version(resolution: &[u8], texts: &[u8]) -> Option<String> {
    let part = |at: usize| number32(resolution, at);
    let mut version = format!("{}.{}.{}", part(16)?, part(20)?, part(24)?);
    for (mark, at) in [('-', 32), ('+', 48)] {
        let tag = text(resolution.get(at..at + 8)?, texts)?;
        if !tag.is_empty() {
            version.push(mark);
            version.push_str(&tag);
        }
    }
    Some(version)
}

/// Eight bytes: a short text, or where a longer one lies, which the highest bit tells.
fn text(slot: &[u8], texts: &[u8]) -> Option<String> {
    let bytes = if slot.last()? & 0x80 == 0 {
        slot.split(|&byte| byte == 0).next()?
    } else {
        let begin = usize::try_from(number32(slot, 0)?).ok()?;
        let length = usize::try_from(number32(slot, 4)? & 0x7fff_ffff).ok()?;
        texts.get(begin..begin.checked_add(length)?)?
    };
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
