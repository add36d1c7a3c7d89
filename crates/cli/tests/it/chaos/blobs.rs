//! In the end, removing what nothing names takes everything of images that are gone, and nothing of others.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Tag, World};

impl World {
    /// Removes documents that nothing names, as if a day had passed. The manifest of each image is a document of its own,
    /// by which one sees whether all of it was kept, or removed.
    pub(super) async fn collect_blobs(&self, there: &[&Tag], gone: &[&Tag]) {
        let blobs = self.fleet.folder.path().join("data/blobs");
        // Nobody ever names it, so that it shows whether somebody was there.
        let orphan = file(&blobs, &format!("sha256:{}", "f".repeat(64)));
        fs_err::create_dir_all(orphan.parent().unwrap()).unwrap();
        fs_err::write(&orphan, b"orphan").unwrap();
        for file in files(&blobs) {
            // Somebody may be writing, and rename what was listed.
            if let Ok(file) = fs_err::OpenOptions::new().write(true).open(file) {
                file.file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }
        }
        // Who starts does so at once.
        self.fleet.restart("scheduler");
        let is_collected = async || {
            let left = gone.iter().flat_map(|tag| &tag.digests).filter(|digest| file(&blobs, digest).exists()).count();
            left == 0 && !orphan.exists()
        };
        self.wait_until("the documents of images that are gone are removed", is_collected).await;
        for digest in there.iter().flat_map(|tag| &tag.digests) {
            assert!(file(&blobs, digest).exists(), "the manifest of `{digest}` is lost");
        }
    }
}

/// Where the document of this digest is.
fn file(blobs: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    blobs.join(&hex[..2]).join(hex)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) =
        fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}
