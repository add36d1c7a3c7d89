//! Looking things up in the files of a merged image, which are ordered by path.

use crate::file::{FileEntry, FileKind};
use crate::links::{self, Bounds};

/// The file at exactly this path.
pub fn at<'a>(files: &'a [FileEntry], path: &[u8]) -> Option<&'a FileEntry> {
    let at = files.binary_search_by(|file| file.path.as_bytes().cmp(path)).ok()?;
    files.get(at)
}

/// The file a path leads to, symbolic links followed inside the image.
pub fn follow<'a>(files: &'a [FileEntry], path: &[u8]) -> Option<&'a FileEntry> {
    let link_at = |path: &[u8]| {
        let file = at(files, path).filter(|file| file.kind == FileKind::Symlink)?;
        file.link_target.as_deref()
    };
    at(files, &links::resolve(path, Bounds::default(), link_at).ok()?)
}

/// The file at a path, symbolic links above it followed inside the image, its own not.
pub fn at_place<'a>(files: &'a [FileEntry], path: &[u8]) -> Option<&'a FileEntry> {
    if let Some(file) = at(files, path) {
        return Some(file);
    }
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    let (parent, name) = path.split_at(slash);
    let parent = follow(files, parent).filter(|file| file.kind == FileKind::Directory)?;
    at(files, &[parent.path.as_bytes(), name].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places() {
        let entry = |path: &str, kind: &str, target: Option<&str>| -> FileEntry {
            let mut value = json!({"path": path, "kind": kind, "mode": 0, "uid": 0, "gid": 0, "size": 0, "layer": 0});
            if let Some(target) = target {
                value["link_target"] = target.into();
            }
            serde_json::from_value(value).expect("a file")
        };
        let files = [
            entry("lib", "symlink", Some("usr/lib")),
            entry("loop", "symlink", Some("loop")),
            entry("usr", "directory", None),
            entry("usr/lib", "directory", None),
            entry("usr/lib/a.so", "symlink", Some("a.so.1")),
            entry("usr/lib/a.so.1", "file", None),
        ];
        let path = |file: Option<&FileEntry>| file.map(|file| file.path.to_string());
        for (looked_up, place, end) in [
            ("usr/lib/a.so", Some("/usr/lib/a.so"), Some("/usr/lib/a.so.1")),
            ("lib/a.so", Some("/usr/lib/a.so"), Some("/usr/lib/a.so.1")),
            ("lib/a.so.1", Some("/usr/lib/a.so.1"), Some("/usr/lib/a.so.1")),
            ("lib", Some("/lib"), Some("/usr/lib")),
            ("loop/a", None, None),
            ("usr/lib/a.so.1/b", None, None),
            ("lib/b", None, None),
            ("b", None, None),
        ] {
            assert_eq!(path(at_place(&files, looked_up.as_bytes())).as_deref(), place, "{looked_up}");
            assert_eq!(path(follow(&files, looked_up.as_bytes())).as_deref(), end, "{looked_up}");
        }
    }
}
