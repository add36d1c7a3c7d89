//! A folder, which may be on a mirror or a stick.

use std::collections::HashSet;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;

use super::{Edition, MANIFEST, PlaceError, Sent, blob_path};

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> PlaceError {
    move |source| PlaceError::File { doing, path: path.to_owned(), source }
}

/// At most `limit` bytes and one.
pub(super) fn manifest(folder: &Path, limit: u64) -> Result<Vec<u8>, PlaceError> {
    let path = folder.join(MANIFEST);
    let mut bytes = Vec::new();
    let file = std::fs::File::options().read(true).open(&path).map_err(failed("read", &path))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", &path))?;
    Ok(bytes)
}

pub(super) fn blob(folder: &Path, digest: &Digest, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
    let mut file = fs_err::File::open(folder.join(blob_path(digest)))?;
    match part {
        None => Ok(Box::new(file)),
        Some(part) => {
            file.seek(SeekFrom::Start(part.start))?;
            Ok(Box::new(file.take(part.end.saturating_sub(part.start))))
        }
    }
}

/// Every file appears whole, by being renamed.
pub(super) fn publish(folder: &Path, edition: &Edition<'_>) -> Result<Sent, PlaceError> {
    let blobs = folder.join("blobs").join("sha256");
    fs_err::create_dir_all(&blobs).map_err(failed("write", &blobs))?;
    let mut sent = Sent::default();
    for upload in edition.uploads {
        let path = folder.join(blob_path(&upload.digest));
        if path.metadata().is_ok_and(|found| found.is_file() && found.len() == upload.bytes) {
            continue;
        }
        let bytes = (edition.read)(upload).map_err(failed("read", Path::new(&upload.title)))?;
        replace(&path, &bytes)?;
        sent.blobs += 1;
        sent.bytes += upload.bytes;
    }
    replace(&folder.join(MANIFEST), edition.manifest)?;
    if let Some(keep) = edition.keep {
        let kept: HashSet<String> =
            keep.iter().chain(edition.uploads.iter().map(|upload| &upload.digest)).map(Digest::hex).collect();
        for path in superseded(&blobs, &kept).map_err(failed("read", &blobs))? {
            fs_err::remove_file(&path).map_err(failed("write", &path))?;
        }
    }
    Ok(sent)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), PlaceError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = fs_err::File::create(&beside)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs_err::rename(&beside, path)
    };
    write().map_err(failed("write", path))
}

/// Blobs that nobody needs any more. What is not called like one is somebody else's.
fn superseded(blobs: &Path, kept: &HashSet<String>) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(blobs)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_blob = name.to_str().is_some_and(|name| {
            let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_digest && !kept.contains(name)
        });
        if is_blob {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}
