//! Which file goes to which cataloger: all wishes of all catalogers in one compiled matcher.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use killick_model::path::ImagePath;
use sha2::{Digest, Sha256};

use crate::catalogers::{CATALOGERS, Cataloger};
use crate::distribution::DistributionFiles;
use crate::facts::FORMAT;

/// Everything that reads files: the catalogers, and what tells the distribution.
pub(crate) fn readers() -> impl Iterator<Item = &'static dyn Cataloger> {
    CATALOGERS.iter().copied().chain([&DistributionFiles as &dyn Cataloger])
}

/// Changes whenever the facts of the same layer could: a hash of the readers with their revisions and of the format
/// in which facts are kept. With a diffID it is the identity of layer facts.
pub fn revision_key() -> &'static str {
    static KEY: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        hash.update(format!("facts {FORMAT}\n"));
        for reader in readers() {
            hash.update(format!("{} {}\n", reader.name(), reader.revision()));
        }
        hex::encode(&hash.finalize()[..16])
    });
    &KEY
}

/// Decides which readers want a file.
pub struct Matcher {
    readers: Vec<&'static dyn Cataloger>,
    globs: GlobSet,
    /// The reader of each glob.
    reader_of_glob: Vec<usize>,
    /// Beginnings of executables and the readers that want them.
    magics: Vec<(&'static [u8], usize)>,
}

impl Matcher {
    /// The matcher of all registered readers, compiled once.
    ///
    /// # Panics
    /// If a registered glob is malformed, which a test excludes.
    pub fn all() -> &'static Self {
        static ALL: LazyLock<Matcher> = LazyLock::new(|| Matcher::new(readers().collect()));
        &ALL
    }

    pub(crate) fn new(readers: Vec<&'static dyn Cataloger>) -> Self {
        let mut globs = GlobSetBuilder::new();
        let mut reader_of_glob = Vec::new();
        let mut magics = Vec::new();
        for (index, reader) in readers.iter().enumerate() {
            let wants = reader.wants();
            for glob in wants.globs {
                globs.add(GlobBuilder::new(glob).literal_separator(true).build().expect("registered globs are tested"));
                reader_of_glob.push(index);
            }
            magics.extend(wants.executables.iter().map(|magic| (*magic, index)));
        }
        let globs = globs.build().expect("registered globs are tested");
        Self { readers, globs, reader_of_glob, magics }
    }

    pub(crate) fn reader(&self, index: usize) -> &'static dyn Cataloger {
        self.readers[index]
    }

    /// The readers that want a regular file by its path.
    pub(crate) fn by_path(&self, path: &ImagePath, wanted: &mut Vec<usize>) {
        wanted.clear();
        let candidate = Candidate::new(OsStr::from_bytes(path.as_bytes()));
        self.globs.matches_candidate_into(&candidate, wanted);
        for index in wanted.iter_mut() {
            *index = self.reader_of_glob[*index];
        }
        wanted.sort_unstable();
        wanted.dedup();
    }

    /// Whether the reader of this number wants the path for its name.
    pub(crate) fn by_path_of(&self, reader: u16, path: &ImagePath) -> bool {
        let mut wanted = Vec::new();
        self.by_path(path, &mut wanted);
        wanted.contains(&usize::from(reader))
    }

    /// Adds the readers that want an executable with this beginning.
    pub(crate) fn by_magic(&self, path: &ImagePath, mode: u16, beginning: &[u8], wanted: &mut Vec<usize>) {
        let may_run = mode & 0o111 != 0 || memchr::memmem::find(path.file_name(), b".so").is_some();
        if !may_run {
            return;
        }
        for (magic, index) in &self.magics {
            if beginning.starts_with(magic) && !wanted.contains(index) {
                wanted.push(*index);
            }
        }
    }

    /// Whether the reader of this name wants the path for its name.
    pub(crate) fn wants(&self, reader: &str, path: &ImagePath) -> bool {
        let mut wanted = Vec::new();
        self.by_path(path, &mut wanted);
        wanted.iter().any(|&index| self.readers[index].name() == reader)
    }
}
