//! Which file goes to which reader: all wishes of all catalogers and inspectors in one compiled matcher.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use killick_model::path::ImagePath;
use sha2::{Digest, Sha256};

use crate::catalogers::{CATALOGERS, Cataloger, Found, WantedFile, Wants};
use crate::distribution::DistributionFiles;
use crate::facts::FORMAT;
use crate::inspectors::WholeFiles;
use crate::limits::Limits;

/// What reads whole files.
pub(crate) enum Reader {
    Cataloger(&'static dyn Cataloger),
    /// An inspector, by name. What it sees in a file depends on its bytes alone.
    Inspector(&'static str, WholeFiles),
}

impl Reader {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cataloger(cataloger) => cataloger.name(),
            Self::Inspector(name, _) => name,
        }
    }

    /// Bytes of the largest file that it wants.
    pub(crate) fn max_bytes(&self) -> u64 {
        match self {
            Self::Cataloger(_) => u64::MAX,
            Self::Inspector(_, files) => files.max_bytes,
        }
    }

    /// Whether it can do with parts of an executable.
    pub(crate) fn reads_parts(&self) -> bool {
        match self {
            Self::Cataloger(cataloger) => cataloger.reads_parts(),
            Self::Inspector(..) => false,
        }
    }

    /// Bytes that it may hold besides a file of `size` bytes.
    pub(crate) fn unpacks(&self, size: u64, limits: &Limits) -> u64 {
        match self {
            Self::Cataloger(cataloger) => cataloger.unpacks(size, limits),
            Self::Inspector(..) => 0,
        }
    }

    pub(crate) fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        match self {
            Self::Cataloger(cataloger) => cataloger.read(file, found),
            Self::Inspector(_, files) => found.pieces.extend((files.read)(file.bytes, file.limits)),
        }
    }
}

/// Everything that reads files in any analysis: the catalogers, and what tells the distribution.
pub(crate) fn readers() -> impl Iterator<Item = Reader> {
    CATALOGERS.iter().copied().chain([&DistributionFiles as &dyn Cataloger]).map(Reader::Cataloger)
}

/// Changes whenever the facts of the same layer could, of an analysis without inspectors: a hash of the catalogers with
/// their revisions and of the format in which facts are kept.
pub(crate) fn revision_key() -> &'static str {
    static KEY: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        hash.update(format!("facts {FORMAT}\n"));
        for cataloger in CATALOGERS.iter().copied().chain([&DistributionFiles as &dyn Cataloger]) {
            hash.update(format!("{} {}\n", cataloger.name(), cataloger.revision()));
        }
        hex::encode(&hash.finalize()[..16])
    });
    &KEY
}

/// Decides which readers want a file.
pub(crate) struct Matcher {
    readers: Vec<Reader>,
    globs: GlobSet,
    /// The reader of each glob.
    reader_of_glob: Vec<usize>,
    /// Beginnings of executables and the readers that want them.
    magics: Vec<(&'static [u8], usize)>,
}

impl Matcher {
    pub(crate) fn new(readers: Vec<Reader>) -> Result<Self, globset::Error> {
        let mut globs = GlobSetBuilder::new();
        let mut reader_of_glob = Vec::new();
        let mut magics = Vec::new();
        for (index, reader) in readers.iter().enumerate() {
            let mut add = |glob: &str| {
                reader_of_glob.push(index);
                GlobBuilder::new(glob).literal_separator(true).build().map(|glob| {
                    globs.add(glob);
                })
            };
            match reader {
                Reader::Cataloger(cataloger) => {
                    let Wants { globs, executables } = cataloger.wants();
                    globs.iter().try_for_each(|glob| add(glob))?;
                    magics.extend(executables.iter().map(|magic| (*magic, index)));
                }
                Reader::Inspector(_, files) => files.globs.iter().try_for_each(|glob| add(glob))?,
            }
        }
        Ok(Self { readers, globs: globs.build()?, reader_of_glob, magics })
    }

    pub(crate) fn reader(&self, index: usize) -> &Reader {
        &self.readers[index]
    }

    /// What a file of `size` bytes takes while these readers look at it, one after another.
    pub(crate) fn held_bytes(&self, readers: impl Iterator<Item = usize>, size: u64, limits: &Limits) -> u64 {
        let besides = readers.map(|reader| self.reader(reader).unpacks(size, limits)).max().unwrap_or_default();
        size.saturating_add(besides.min(limits.held_bytes.saturating_sub(size)))
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
        if !may_run(path, mode) {
            return;
        }
        for (magic, index) in &self.magics {
            if beginning.starts_with(magic) && !wanted.contains(index) {
                wanted.push(*index);
            }
        }
    }

    /// Whether a file is looked at as a program if it begins like one: if it can be run or loaded, or has the name of a
    /// program that is known.
    pub(crate) fn may_be_program(&self, path: &ImagePath, mode: u16) -> bool {
        may_run(path, mode)
            || self.readers.iter().any(|reader| match reader {
                Reader::Cataloger(cataloger) => cataloger.knows_program(path),
                Reader::Inspector(..) => false,
            })
    }

    /// Whether the reader of this name wants the path for its name.
    pub(crate) fn wants(&self, reader: &str, path: &ImagePath) -> bool {
        let mut wanted = Vec::new();
        self.by_path(path, &mut wanted);
        wanted.iter().any(|&index| self.readers[index].name() == reader)
    }
}

fn may_run(path: &ImagePath, mode: u16) -> bool {
    mode & 0o111 != 0 || memchr::memmem::find(path.file_name(), b".so").is_some()
}
