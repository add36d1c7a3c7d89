//! What is known of files, in one file of a folder.
//!
//! The whole is written beside its place and moved there: of two processes that learn at once the later one wins, and what
//! the other learnt is learnt again. A damaged file counts as missing.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{io, process};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{KnownFiles, KnownPackage, key, merged};

/// Version of the kept form.
const FORMAT: u32 = 1;

/// Files known at most by default: some 10 MB.
const MAX_FILES: usize = 300_000;

/// Bytes of the checksum before the rest.
const CHECKSUM: usize = 32;

/// Files that packages contain, known on this machine.
#[derive(Debug)]
pub struct FolderFiles {
    file: PathBuf,
    max_files: usize,
}

/// The kept form, packages learnt longest ago first. A package is JSON because model types describe themselves.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    format: u32,
    packages: Vec<(Vec<u8>, Vec<[u8; 32]>)>,
}

impl FolderFiles {
    /// In `folder`, which is made when first needed.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self { file: folder.as_ref().join("known-files"), max_files: MAX_FILES }
    }

    /// The same with another bound.
    #[must_use]
    pub fn with_max_files(self, max_files: usize) -> Self {
        Self { max_files, ..self }
    }

    /// Remembers what an image taught. What was learnt longest ago is forgotten when it becomes too much. A failure costs
    /// only what was learnt, and is logged.
    pub fn learn(&self, lessons: Vec<KnownPackage>) {
        if lessons.is_empty() {
            return;
        }
        let known = self.read();
        let by_key: HashMap<String, &KnownPackage> = known.iter().map(|known| (key(&known.package), known)).collect();
        let is_known = |lesson: &KnownPackage| {
            let of_it = by_key.get(&key(&lesson.package));
            of_it.is_some_and(|known| lesson.files.iter().all(|file| known.files.binary_search(file).is_ok()))
        };
        let new: Vec<KnownPackage> = lessons.into_iter().filter(|lesson| !is_known(lesson)).collect();
        if new.is_empty() {
            return;
        }
        let again: HashSet<String> = new.iter().map(|lesson| key(&lesson.package)).collect();
        let (before, mut rest): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|known| again.contains(&key(&known.package)));
        rest.extend(merged(before.into_iter().chain(new)));
        let mut files: usize = rest.iter().map(|known| known.files.len()).sum();
        let forgotten = rest.iter().take_while(|known| {
            let is_too_much = files > self.max_files;
            files -= if is_too_much { known.files.len() } else { 0 };
            is_too_much
        });
        let forgotten = forgotten.count();
        if let Err(error) = self.write(rest.get(forgotten..).unwrap_or_default()) {
            tracing::warn!("cannot keep what files are known in `{}`: {error}", self.file.display());
        }
    }

    fn read(&self) -> Vec<KnownPackage> {
        let Ok(bytes) = fs::read(&self.file) else { return Vec::new() };
        let known = unpack(&bytes);
        if known.is_none() {
            tracing::warn!("`{}` is damaged: files that were known are learnt again", self.file.display());
        }
        known.unwrap_or_default()
    }

    fn write(&self, known: &[KnownPackage]) -> io::Result<()> {
        let mut packages = Vec::with_capacity(known.len());
        for known in known {
            packages.push((serde_json::to_vec(&known.package)?, known.files.clone()));
        }
        let plain = postcard::to_stdvec(&Kept { format: FORMAT, packages }).map_err(io::Error::other)?;
        let folder = self.file.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder)?;
        let temporary = folder.join(format!("known-files-{}.tmp", process::id()));
        let outcome = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(&Sha256::digest(&plain))?;
            file.write_all(&plain)
        });
        let outcome = outcome.and_then(|()| fs::rename(&temporary, &self.file));
        if outcome.is_err() {
            // What is left of a failed write is no use to anybody.
            let _ = fs::remove_file(&temporary);
        }
        outcome
    }
}

fn unpack(bytes: &[u8]) -> Option<Vec<KnownPackage>> {
    let (checksum, plain) = bytes.split_at_checked(CHECKSUM)?;
    if *Sha256::digest(plain) != *checksum {
        return None;
    }
    let kept: Kept = postcard::from_bytes(plain).ok()?;
    if kept.format != FORMAT {
        return None;
    }
    let package =
        |(package, files): (Vec<u8>, _)| Some(KnownPackage { package: serde_json::from_slice(&package).ok()?, files });
    kept.packages.into_iter().map(package).collect()
}

impl KnownFiles for FolderFiles {
    fn find(&self, contents: &[[u8; 32]]) -> Vec<KnownPackage> {
        let wanted: HashSet<&[u8; 32]> = contents.iter().collect();
        let mut known = self.read();
        for known in &mut known {
            known.files.retain(|file| wanted.contains(file));
        }
        known.retain(|known| !known.files.is_empty());
        known
    }
}

#[cfg(test)]
mod tests {
    use killick_model::package::{Package, PackageKind};
    use killick_model::path::ImagePath;

    use super::*;

    fn package(name: &str, files: &[u8]) -> KnownPackage {
        let package = Package::new(PackageKind::Deb, name, "1", ImagePath::default());
        KnownPackage { package, files: files.iter().map(|&byte| [byte; 32]).collect() }
    }

    fn names(known: &[KnownPackage]) -> Vec<String> {
        known.iter().map(|known| format!("{} {}", known.package.name, known.files.len())).collect()
    }

    #[test]
    fn what_was_learnt_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = FolderFiles::new(folder.path().join("made/when/needed"));
        assert_eq!(files.find(&[[1; 32]]), []);
        files.learn(vec![package("a", &[1, 2]), package("b", &[3])]);
        files.learn(vec![package("a", &[2, 4])]);
        assert_eq!(names(&files.find(&[[1; 32], [2; 32], [4; 32], [9; 32]])), ["a 3"]);
        assert_eq!(names(&files.find(&[[3; 32]])), ["b 1"]);
        // What teaches nothing new writes nothing.
        let written = fs::metadata(&files.file).expect("written").modified().expect("a time");
        files.learn(vec![package("b", &[3])]);
        assert_eq!(fs::metadata(&files.file).expect("written").modified().expect("a time"), written);
    }

    #[test]
    fn what_was_learnt_longest_ago_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = FolderFiles::new(folder.path()).with_max_files(4);
        for (name, contents) in [("a", [1, 2]), ("b", [3, 4]), ("c", [5, 6])] {
            files.learn(vec![package(name, &contents)]);
        }
        let all: Vec<[u8; 32]> = (0..9).map(|byte| [byte; 32]).collect();
        assert_eq!(names(&files.find(&all)), ["b 2", "c 2"]);
        // One that is learnt again is the latest.
        files.learn(vec![package("b", &[3, 7])]);
        assert_eq!(names(&files.find(&all)), ["b 3"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_costs_what_was_learnt() {
        let folder = tempfile::tempdir().expect("a folder");
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, b"").expect("written");
        let files = FolderFiles::new(&in_the_way);
        files.learn(vec![package("a", &[1])]);
        assert_eq!(files.find(&[[1; 32]]), []);
    }

    #[test]
    fn a_damaged_file_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = FolderFiles::new(folder.path());
        files.learn(vec![package("a", &[1])]);
        let whole = fs::read(&files.file).expect("written");
        for damaged in [&whole[..whole.len() - 1], &whole[1..], b"", &[whole.as_slice(), b"x"].concat()] {
            fs::write(&files.file, damaged).expect("written");
            assert_eq!(files.find(&[[1; 32]]), []);
        }
        files.learn(vec![package("a", &[1])]);
        assert_eq!(names(&files.find(&[[1; 32]])), ["a 1"]);
    }
}
