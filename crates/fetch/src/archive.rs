//! Image archives: a tar, plain or compressed, whose members are read in place.
//!
//! A plain archive is indexed by seeking from header to header. One that cannot seek (compressed, or exported by a
//! container engine) is streamed once to index it, keeping small members, and once more to read the others: time is
//! paid so that nothing is written to disk and nothing large is held. Member names are keys of a table and never become
//! paths of this machine.

mod member;

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use killick_model::hint::Hint;
use killick_model::path::ImagePath;

use crate::carousel::{Carousel, Opener};
use crate::layer::Blob;
use crate::limits::Limits;
use member::{Kind, ScanError};

/// Members of archives that cannot seek are kept up to this size while indexing, for documents.
const KEPT_BYTES: u64 = 1 << 20;
/// Sum of what is kept.
const KEPT_TOTAL_BYTES: u64 = 16 << 20;
/// Links followed from a member name to its file.
const LINKS: usize = 8;
const READ_BYTES: usize = 128 << 10;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read or decompressed.
    #[error("cannot read the archive `{archive}`")]
    Read {
        /// The file, or the source it comes from.
        archive: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a pipe, or something else that is no file.
    #[error("`{archive}` is no file, and an archive is read in places")]
    NoFile {
        /// The path.
        archive: String,
    },
    /// The file is something else.
    #[error("`{archive}` is no tar archive")]
    NotAnArchive {
        /// The file, or the source it comes from.
        archive: String,
    },
    /// The archive ends in the middle of a member.
    #[error("the archive `{archive}` ends in the middle of `{member}`")]
    Truncated {
        /// The file, or the source it comes from.
        archive: String,
        /// The member.
        member: String,
    },
    /// A header is damaged.
    #[error("the archive `{archive}` is damaged at byte {position}: {reason}")]
    Malformed {
        /// The file, or the source it comes from.
        archive: String,
        /// Of the header, in the uncompressed archive.
        position: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More members or bytes than we index.
    #[error("the archive `{archive}` has more than {limit} {what}")]
    TooLarge {
        /// The file, or the source it comes from.
        archive: String,
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// A member that another one names.
    #[error("the archive `{archive}` has no member `{member}`")]
    Missing {
        /// The file, or the source it comes from.
        archive: String,
        /// The member.
        member: String,
    },
    /// A member is a link that leads nowhere.
    #[error("the member `{member}` of `{archive}` is a link that leads to no member")]
    Link {
        /// The file, or the source it comes from.
        archive: String,
        /// The member.
        member: String,
    },
}

impl Hint for ArchiveError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAnArchive { .. } => "make one with `docker save -o FILE IMAGE`",
            Self::NoFile { .. } => "write it to a file, as in `docker save -o FILE IMAGE`, and scan that",
            Self::Truncated { .. } | Self::Malformed { .. } => "save or copy the archive again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// An indexed archive.
pub(crate) struct Archive {
    /// For messages.
    name: String,
    origin: Origin,
    members: HashMap<ImagePath, Member>,
}

enum Origin {
    /// A file that can be read anywhere.
    File(PathBuf),
    /// A stream of the uncompressed archive.
    Stream(Arc<Carousel>),
}

enum Member {
    File { offset: u64, size: u64, kept: Option<Arc<[u8]>> },
    Link(Option<ImagePath>),
}

impl Archive {
    /// Indexes the archive at `path`.
    pub(crate) fn open(path: PathBuf, limits: &Limits) -> Result<Self, ArchiveError> {
        let name = path.display().to_string();
        let read = |source| ArchiveError::Read { archive: name.clone(), source };
        // Before it is opened: a pipe into which nobody writes would be waited for.
        if fs_err::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(ArchiveError::NoFile { archive: name });
        }
        let mut file = fs_err::File::open(&path).map_err(read)?;
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(read)?;
        file.rewind().map_err(read)?;
        let opener: Opener = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(move || gunzipped(&path)),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let window_log = limits.zstd_window_log;
                Box::new(move || unzstd(&path, window_log))
            }
            _ => {
                let mut members = Index::new(0);
                let mut file = member::Seeking::new(file).map_err(read)?;
                return match member::scan(&mut file, limits, &mut |name, kind, content| {
                    members.add(name, kind, content)
                }) {
                    Ok(()) => Ok(Self { name, origin: Origin::File(path), members: members.found }),
                    Err(error) => Err(describe(name, error)),
                };
            }
        };
        Self::stream(name, Carousel::new(opener), limits)
    }

    /// Indexes the archive of a stream.
    pub(crate) fn stream(name: String, stream: Arc<Carousel>, limits: &Limits) -> Result<Self, ArchiveError> {
        let reader = stream.open().map_err(|source| ArchiveError::Read { archive: name.clone(), source })?;
        let mut members = Index::new(KEPT_TOTAL_BYTES);
        let mut reader = member::Streaming(reader);
        match member::scan(&mut reader, limits, &mut |name, kind, content| members.add(name, kind, content)) {
            Ok(()) => Ok(Self { name, origin: Origin::Stream(stream), members: members.found }),
            Err(error) => Err(describe(name, error)),
        }
    }

    /// Whether there is a member of that name.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        ImagePath::new(name).is_some_and(|name| self.members.contains_key(&name))
    }

    /// The content of a member, at most `limit` bytes and one.
    pub(crate) fn read(&self, name: &[u8], limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let (blob, _) = self.blob(name)?;
        let mut bytes = Vec::new();
        let read = blob.open().and_then(|reader| reader.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(bytes),
            Err(source) => Err(ArchiveError::Read { archive: self.name.clone(), source }),
        }
    }

    /// The content of a member as something to open, and its size.
    pub(crate) fn blob(&self, name: &[u8]) -> Result<(Arc<dyn Blob>, u64), ArchiveError> {
        let member = || String::from_utf8_lossy(name).into_owned();
        let missing = || ArchiveError::Missing { archive: self.name.clone(), member: member() };
        let mut at = ImagePath::new(name).ok_or_else(missing)?;
        for _ in 0..=LINKS {
            match self.members.get(&at) {
                None => return Err(missing()),
                Some(Member::Link(Some(target))) if self.members.contains_key(target) => at = target.clone(),
                Some(Member::Link(_)) => break,
                Some(Member::File { offset, size, kept }) => {
                    let (offset, size) = (*offset, *size);
                    let blob: Arc<dyn Blob> = match (kept, &self.origin) {
                        (Some(kept), _) => Arc::new(Kept(Arc::clone(kept))),
                        (None, Origin::File(path)) => Arc::new(Slice { path: path.clone(), offset, size }),
                        (None, Origin::Stream(stream)) => Arc::new(stream.member(offset, size)),
                    };
                    return Ok((blob, size));
                }
            }
        }
        Err(ArchiveError::Link { archive: self.name.clone(), member: member() })
    }
}

/// Members by name. If a name occurs twice, the last member counts, as when unpacking.
struct Index {
    found: HashMap<ImagePath, Member>,
    /// Bytes of members that may yet be kept.
    keeps: u64,
}

impl Index {
    fn new(keeps: u64) -> Self {
        Self { found: HashMap::new(), keeps }
    }

    fn add(&mut self, name: &[u8], kind: Kind, content: &mut dyn Read) -> io::Result<()> {
        let Some(name) = ImagePath::new(name) else { return Ok(()) };
        let member = match kind {
            Kind::File { offset, size } => {
                let mut kept = None;
                if size <= self.keeps.min(KEPT_BYTES) {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes)?;
                    self.keeps -= size;
                    kept = (bytes.len() as u64 == size).then(|| bytes.into());
                }
                Member::File { offset, size, kept }
            }
            Kind::SymbolicLink { target } => {
                let folder = ImagePath::new(name.parent().unwrap_or_default());
                Member::Link(folder.and_then(|folder| folder.join(&target)))
            }
            Kind::HardLink { target } => Member::Link(ImagePath::new(&target)),
        };
        self.found.insert(name, member);
        Ok(())
    }
}

/// A member in memory.
struct Kept(Arc<[u8]>);

impl Blob for Kept {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(Arc::clone(&self.0))))
    }
}

/// A member of a plain archive.
struct Slice {
    path: PathBuf,
    offset: u64,
    size: u64,
}

impl Blob for Slice {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut file = fs_err::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(Box::new(file.take(self.size)))
    }

    fn open_part(&self, part: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let mut file = fs_err::File::open(&self.path)?;
        let end = part.end.min(self.size);
        file.seek(SeekFrom::Start(self.offset.saturating_add(part.start)))?;
        Ok(Box::new(file.take(end.saturating_sub(part.start))))
    }
}

fn gunzipped(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let file = BufReader::with_capacity(READ_BYTES, fs_err::File::open(path)?);
    Ok(Box::new(BufReader::with_capacity(READ_BYTES, flate2::bufread::MultiGzDecoder::new(file))))
}

fn unzstd(path: &Path, window_log: u32) -> io::Result<Box<dyn Read + Send>> {
    let file = BufReader::with_capacity(READ_BYTES, fs_err::File::open(path)?);
    let mut decoder = zstd::Decoder::with_buffer(file)?;
    decoder.window_log_max(window_log)?;
    Ok(Box::new(BufReader::with_capacity(READ_BYTES, decoder)))
}

fn describe(archive: String, error: ScanError) -> ArchiveError {
    match error {
        ScanError::Read(source) => ArchiveError::Read { archive, source },
        ScanError::NotAnArchive => ArchiveError::NotAnArchive { archive },
        ScanError::Truncated { member } => ArchiveError::Truncated { archive, member },
        ScanError::Malformed { position, reason } => ArchiveError::Malformed { archive, position, reason },
        ScanError::TooLarge { limit, what } => ArchiveError::TooLarge { archive, limit, what },
    }
}
