//! Looking things up in the files of a merged image.

use killick_model::file::{FileEntry, FileKind};

use crate::limits::Limits;
use crate::squash::links;

/// The file at exactly this path.
pub(crate) fn at<'a>(files: &'a [FileEntry], path: &[u8]) -> Option<&'a FileEntry> {
    let at = files.binary_search_by(|file| file.path.as_bytes().cmp(path)).ok()?;
    files.get(at)
}

/// The file a path leads to, symbolic links followed inside the image.
pub(crate) fn follow<'a>(files: &'a [FileEntry], path: &[u8]) -> Option<&'a FileEntry> {
    let link_at = |path: &[u8]| {
        let file = at(files, path).filter(|file| file.kind == FileKind::Symlink)?;
        file.link_target.as_deref()
    };
    at(files, &links::resolve(path, &Limits::default(), link_at).ok()?)
}

/// The file at a path, symbolic links above it followed inside the image, its own not.
pub(crate) fn at_place<'a>(files: &'a [FileEntry], path: &[u8]) -> Option<&'a FileEntry> {
    if let Some(file) = at(files, path) {
        return Some(file);
    }
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    let (parent, name) = path.split_at(slash);
    let parent = follow(files, parent).filter(|file| file.kind == FileKind::Directory)?;
    at(files, &[parent.path.as_bytes(), name].concat())
}
