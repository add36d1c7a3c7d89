//! The files of the merged image.

use killick_model::file::{FileEntry, FileKind};
use serde_json::{Value, json};

use super::Subject;

/// The root itself is not listed.
pub(super) fn render(subject: &Subject<'_>) -> Value {
    subject.analysis.files.iter().filter(|file| !file.path.as_bytes().is_empty()).map(record).collect()
}

fn record(file: &FileEntry) -> Value {
    let link = file.link_target.as_deref();
    json!({
        "filename": file.path.to_string(),
        "gid": file.gid,
        "linkdest": link.map(String::from_utf8_lossy),
        "mode": format!("{:05o}", file.mode & 0o7777),
        "sha256": file.sha256.map(|raw| killick_model::digest::Digest::from_sha256(raw).hex()),
        // The size of a link is the length of its target.
        "size": link.map_or(file.size, |target| target.len() as u64),
        "type": type_name(file.kind),
        "uid": file.uid,
    })
}

const fn type_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "dir",
        FileKind::Symlink => "slink",
        FileKind::CharacterDevice | FileKind::BlockDevice | FileKind::Fifo => "dev",
    }
}
