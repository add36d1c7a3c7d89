//! Layers with tables of contents, made of plain tars as their writers make them: eStargz after `docs/estargz.md` of
//! containerd's stargz-snapshotter, zstd:chunked after `pkg/chunked` of containers/storage.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use killick_model::digest::{Digest, Digester};
use killick_model::image::StagedLayer;
use serde_json::{Map, Value, json};

/// A stored layer, the digest of its tar, and the annotations of its descriptor.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) diff_id: Digest,
    pub(crate) annotations: Value,
}

/// How a writer cuts files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Bytes of a chunk.
    pub(crate) chunk: usize,
    /// eStargz: bytes of one member before another is begun; 0 for one member each.
    pub(crate) together: usize,
    /// eStargz: keep the end of the archive, so that the list lies behind it, as `BuildKit` does.
    pub(crate) keep_end: bool,
}

/// An entry of a tar, and the bytes it is written as.
struct Entry<'a> {
    /// Padding of the entry before, extended headers, header.
    head: &'a [u8],
    content: &'a [u8],
    listed: Map<String, Value>,
}

/// What the entry of each chunk but the first begins with.
fn next_chunk(entry: &Entry<'_>) -> Map<String, Value> {
    let own = [("type", "chunk".into()), ("name", entry.listed["name"].clone())];
    own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The entries, and what follows the last one. The error is what makes writers refuse the tar.
fn entries(bytes: &[u8]) -> Result<(Vec<Entry<'_>>, &[u8]), String> {
    let mut archive = tar::Archive::new(bytes);
    let (mut entries, mut end) = (Vec::new(), 0);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.map_err(|error| error.to_string())?;
        // Writers give it out whole, and what is left of its header spoils the archive of some.
        if let Some(records) = entry.pax_extensions().map_err(|error| error.to_string())?
            && records.flatten().any(|record| record.key_bytes().starts_with(b"GNU.sparse."))
        {
            return Err("a file with holes".to_owned());
        }
        let begin = usize::try_from(entry.raw_file_position()).unwrap();
        let kind = entry.header().entry_type();
        let kind = match kind {
            kind if kind.is_file() => "reg",
            kind if kind.is_dir() => "dir",
            kind if kind.is_symlink() => "symlink",
            kind if kind.is_hard_link() => "hardlink",
            kind if kind.is_character_special() => "char",
            kind if kind.is_block_special() => "block",
            kind if kind.is_fifo() => "fifo",
            other => return Err(format!("an entry of type {other:?}")),
        };
        let size = if kind == "reg" { usize::try_from(entry.size()).unwrap() } else { 0 };
        let mut listed = json!({
            "type": kind,
            "name": String::from_utf8_lossy(&entry.path_bytes()),
            "modtime": "2024-01-02T03:04:05Z",
            "mode": entry.header().mode().unwrap_or(0),
        });
        for (key, number) in [
            ("size", size as u64),
            ("uid", entry.header().uid().unwrap_or(0)),
            ("gid", entry.header().gid().unwrap_or(0)),
        ] {
            // Go leaves zeros out.
            if number > 0 {
                listed[key] = number.into();
            }
        }
        if let Some(link) = entry.link_name_bytes().filter(|_| matches!(kind, "symlink" | "hardlink")) {
            listed["linkName"] = String::from_utf8_lossy(&link).into();
        }
        let Value::Object(listed) = listed else { unreachable!("it is an object") };
        if bytes.len() < begin + size {
            return Err("an entry that is cut off".to_owned());
        }
        io::copy(&mut entry, &mut io::sink()).map_err(|error| error.to_string())?;
        entries.push(Entry { head: &bytes[end..begin], content: &bytes[begin..begin + size], listed });
        end = begin + size;
    }
    Ok((entries, &bytes[end..]))
}

/// The tar with its files that have holes written whole ("PAX Format, Version 1.0" of GNU tar's manual), which is how the
/// readers that writers use give them out.
pub(crate) fn without_holes(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(bytes);
    let (mut whole, mut end) = (tar::Builder::new(Vec::new()), 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let records: HashMap<String, String> = match entry.pax_extensions()? {
            Some(records) => records
                .flatten()
                .map(|record| (record.key_bytes(), record.value_bytes()))
                .map(|(key, value)| [key, value].map(|text| String::from_utf8_lossy(text).into_owned()).into())
                .collect(),
            None => HashMap::new(),
        };
        let begin = usize::try_from(entry.raw_file_position()).unwrap();
        let size = usize::try_from(entry.size()).unwrap();
        if let Some(name) = records.get("GNU.sparse.name") {
            assert_eq!(records["GNU.sparse.major"], "1", "{name}");
            let stored = &bytes[begin..begin + size];
            let content = filled(stored, records["GNU.sparse.realsize"].parse().unwrap());
            let mut header = entry.header().clone();
            header.set_size(content.len() as u64);
            whole.append_data(&mut header, name, content.as_slice())?;
        } else {
            let padded = (begin + size).next_multiple_of(512).min(bytes.len());
            whole.get_mut().extend_from_slice(&bytes[end..padded]);
        }
        end = (begin + size).next_multiple_of(512).min(bytes.len());
        io::copy(&mut entry, &mut io::sink())?;
    }
    whole.into_inner()
}

/// A map of numbers in lines, how many parts and where each is and how long, filled up to a block; then the parts.
fn filled(stored: &[u8], size: usize) -> Vec<u8> {
    let mut position = 0;
    let mut number = || -> usize {
        let line = stored[position..].iter().position(|byte| *byte == b'\n').unwrap();
        let text = std::str::from_utf8(&stored[position..position + line]).unwrap();
        position += line + 1;
        text.parse().unwrap()
    };
    let count = number();
    let parts: Vec<_> = (0..count).map(|_| (number(), number())).collect();
    let mut rest = &stored[position.next_multiple_of(512)..];
    let mut content = vec![0; size];
    for (at, bytes) in parts {
        content[at..at + bytes].copy_from_slice(&rest[..bytes]);
        rest = &rest[bytes..];
    }
    content
}

fn gzip(parts: &[&[u8]]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        gzip.write_all(part).unwrap();
    }
    gzip.finish().unwrap()
}

/// What eStargz writers make of a tar. `change` may lie in the list.
pub(crate) fn estargz(tar: &[u8], cut: Cut, change: impl FnOnce(&mut Value)) -> Result<Layer, String> {
    let (entries, rest) = entries(tar)?;
    let (mut blob, mut list) = (Vec::new(), Vec::new());
    let (mut plain, mut length) = (Digester::default(), 0);
    let mut hash = |bytes: &[u8]| {
        plain.write_all(bytes).unwrap();
        length += bytes.len();
        length
    };
    // The member that is being written, and where it begins.
    let mut member: Vec<&[u8]> = Vec::new();
    let mut begin = 0;
    for entry in &entries {
        member.push(entry.head);
        hash(entry.head);
        let mut listed = entry.listed.clone();
        if listed["type"] == "reg" {
            listed.insert("digest".to_owned(), Digest::of(entry.content).to_string().into());
        }
        if entry.content.is_empty() {
            list.push(Value::Object(listed));
            continue;
        }
        let mut offset = 0;
        for chunk in entry.content.chunks(cut.chunk) {
            let inside: usize = member.iter().map(|part| part.len()).sum();
            // The first file never lies at the beginning: its header does.
            if inside >= cut.together || begin == 0 {
                blob.extend(gzip(&member));
                member.clear();
                begin = blob.len();
            }
            listed.insert("offset".to_owned(), begin.into());
            let inner: usize = member.iter().map(|part| part.len()).sum();
            if inner > 0 {
                listed.insert("innerOffset".to_owned(), inner.into());
            }
            if offset > 0 {
                listed.insert("chunkOffset".to_owned(), offset.into());
            }
            // The last chunk does not say its size, unless it is a full one.
            if chunk.len() == cut.chunk && entry.content.len() - offset >= cut.chunk {
                listed.insert("chunkSize".to_owned(), chunk.len().into());
            }
            listed.insert("chunkDigest".to_owned(), Digest::of(chunk).to_string().into());
            list.push(Value::Object(listed));
            listed = next_chunk(entry);
            member.push(chunk);
            hash(chunk);
            offset += chunk.len();
        }
    }
    // Without the end of the archive there is only the padding of the last file.
    let length = hash(b"");
    let rest = if cut.keep_end { rest } else { &rest[..length.next_multiple_of(512) - length] };
    member.push(rest);
    hash(rest);
    blob.extend(gzip(&member));
    let mut list = json!({"version": 1, "entries": list});
    change(&mut list);
    let list = serde_json::to_vec_pretty(&list).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("stargz.index.json").unwrap();
    header.set_size(list.len() as u64);
    header.set_mode(0);
    header.set_cksum();
    let mut own = [header.as_bytes().as_slice(), &list].concat();
    own.resize(own.len().next_multiple_of(512) + 1024, 0);
    let offset = blob.len();
    blob.extend(gzip(&[&own]));
    hash(&own);
    let field = format!("{offset:016x}STARGZ");
    blob.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, b'S', b'G', 22, 0]);
    blob.extend(field.as_bytes());
    blob.extend([1, 0, 0, 0xff, 0xff]);
    blob.extend([0; 8]);
    let annotations = json!({"containerd.io/snapshot/stargz/toc.digest": Digest::of(&list)});
    Ok(Layer { blob, diff_id: plain.digest(), annotations })
}

/// Zeros of which this many make a chunk that need not be fetched.
const ZEROS: usize = 1 << 10;

/// The chunks of a content and whether they are zeros.
fn chunks(content: &[u8], size: usize) -> Vec<(&[u8], bool)> {
    let (mut chunks, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < content.len() {
        let zeros = content[at..].iter().take_while(|byte| **byte == 0).count();
        if zeros >= ZEROS {
            chunks.extend(content[begin..at].chunks(size).map(|chunk| (chunk, false)));
            chunks.push((&content[at..at + zeros], true));
            begin = at + zeros;
        }
        at += zeros.max(1);
    }
    chunks.extend(content[begin..].chunks(size).map(|chunk| (chunk, false)));
    chunks
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn skipped(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap();
    [&[0x50, 0x2a, 0x4d, 0x18], size.to_le_bytes().as_slice(), bytes].concat()
}

/// What writers of zstd:chunked make of a tar. `change` may lie in the list.
pub(crate) fn zstd_chunked(tar: &[u8], cut: Cut, change: impl FnOnce(&mut Value)) -> Result<Layer, String> {
    let (entries, rest) = entries(tar)?;
    let (mut blob, mut list, mut heads) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &entries {
        heads.extend_from_slice(entry.head);
        let mut listed = entry.listed.clone();
        if entry.content.is_empty() {
            list.push(Value::Object(listed));
            continue;
        }
        blob.extend(zstd(&std::mem::take(&mut heads)));
        let chunks = chunks(entry.content, cut.chunk);
        listed.insert("digest".to_owned(), Digest::of(entry.content).to_string().into());
        let (file, mut offset) = (list.len(), 0);
        for (chunk, is_zeros) in &chunks {
            listed.insert("offset".to_owned(), blob.len().into());
            if chunks.len() > 1 {
                listed.insert("chunkSize".to_owned(), chunk.len().into());
                listed.insert("chunkDigest".to_owned(), Digest::of(chunk).to_string().into());
            }
            if offset > 0 {
                listed.insert("chunkOffset".to_owned(), offset.into());
            }
            if *is_zeros {
                listed.insert("chunkType".to_owned(), "zeros".into());
            }
            list.push(Value::Object(listed));
            listed = next_chunk(entry);
            blob.extend(zstd(chunk));
            offset += chunk.len();
        }
        list[file]["endOffset"] = blob.len().into();
    }
    heads.extend_from_slice(rest);
    blob.extend(zstd(&heads));
    let mut list = json!({"version": 1, "entries": list});
    change(&mut list);
    let list = list.to_string();
    let packed = zstd(list.as_bytes());
    let position = format!("{}:{}:{}:1", blob.len() + 8, packed.len(), list.len());
    blob.extend(skipped(&packed));
    // The footer, which nobody needs who has the annotations.
    let numbers = position.split(':').map(|number| number.parse::<u64>().unwrap().to_le_bytes());
    let footer: Vec<u8> = numbers.flatten().chain([0; 24]).chain(*b"GNUlInUx").collect();
    blob.extend(skipped(&footer));
    let annotations = json!({
        "io.github.containers.zstd-chunked.manifest-checksum": Digest::of(&packed),
        "io.github.containers.zstd-chunked.manifest-position": position,
    });
    Ok(Layer { blob, diff_id: Digest::of(tar), annotations })
}

/// The uncompressed bytes of a staged layer.
pub(crate) fn unpacked(layer: &StagedLayer) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    layer.source.open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
