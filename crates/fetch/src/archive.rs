//! Image archives: a tar, plain or compressed, whose members are read in place.
//!
//! A plain archive is indexed by seeking from header to header. A compressed one is streamed once to index it, keeping
//! small members, and again up to a layer for each layer opened: time is paid so that nothing is written to disk and
//! nothing large is held. Member names are keys of a table and never become paths of this machine.

mod member;

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use killick_model::hint::Hint;
use killick_model::path::ImagePath;

use crate::layer::Blob;
use crate::limits::Limits;
use member::{Kind, ScanError};

/// Members of compressed archives up to this size are kept while indexing, for documents.
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
    #[error("cannot read the archive `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("`{}` is no tar archive", path.display())]
    NotAnArchive {
        /// The file.
        path: PathBuf,
    },
    /// The archive ends in the middle of a member.
    #[error("the archive `{}` ends in the middle of `{member}`", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// A header is damaged.
    #[error("the archive `{}` is damaged at byte {position}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Of the header, in the uncompressed archive.
        position: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More members or bytes than we index.
    #[error("the archive `{}` has more than {limit} {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// A member that another one names.
    #[error("the archive `{}` has no member `{member}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// A member is a link that leads nowhere.
    #[error("the member `{member}` of `{}` is a link that leads to no member", path.display())]
    Link {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
}

impl Hint for ArchiveError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAnArchive { .. } => "make one with `docker save -o FILE IMAGE`",
            Self::Truncated { .. } | Self::Malformed { .. } => "save or copy the archive again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// An indexed archive.
pub(crate) struct Archive {
    path: PathBuf,
    compression: Compression,
    members: HashMap<ImagePath, Member>,
}

#[derive(Clone, Copy)]
enum Compression {
    None,
    Gzip,
    Zstd(u32),
}

enum Member {
    File { offset: u64, size: u64, kept: Option<Arc<[u8]>> },
    Link(Option<ImagePath>),
}

impl Archive {
    /// Indexes the archive at `path`. If a name occurs twice, the last member counts, as when unpacking.
    pub(crate) fn open(path: PathBuf, limits: &Limits) -> Result<Self, ArchiveError> {
        let read = |source| ArchiveError::Read { path: path.clone(), source };
        let mut file = fs_err::File::open(&path).map_err(read)?;
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(read)?;
        file.rewind().map_err(read)?;
        let compression = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd(limits.zstd_window_log),
            _ => Compression::None,
        };
        let mut members = HashMap::new();
        let mut kept_total = 0;
        let mut visit = |name: &[u8], kind: Kind, content: &mut dyn Read| {
            let Some(name) = ImagePath::new(name) else { return Ok(()) };
            let member = match kind {
                Kind::File { offset, size } => {
                    let kept = if matches!(compression, Compression::None)
                        || size > KEPT_BYTES
                        || kept_total + size > KEPT_TOTAL_BYTES
                    {
                        None
                    } else {
                        let mut bytes = Vec::new();
                        content.read_to_end(&mut bytes)?;
                        kept_total += size;
                        (bytes.len() as u64 == size).then(|| bytes.into())
                    };
                    Member::File { offset, size, kept }
                }
                Kind::SymbolicLink { target } => {
                    let folder = ImagePath::new(name.parent().unwrap_or_default());
                    Member::Link(folder.and_then(|folder| folder.join(&target)))
                }
                Kind::HardLink { target } => Member::Link(ImagePath::new(&target)),
            };
            members.insert(name, member);
            Ok(())
        };
        let scanned = match compression {
            Compression::None => member::scan(&mut member::Seeking::new(file).map_err(read)?, limits, &mut visit),
            _ => {
                member::scan(&mut member::Streaming(uncompressed(file, compression).map_err(read)?), limits, &mut visit)
            }
        };
        match scanned {
            Ok(()) => Ok(Self { path, compression, members }),
            Err(error) => Err(describe(path, error)),
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
            Err(source) => Err(ArchiveError::Read { path: self.path.clone(), source }),
        }
    }

    /// The content of a member as something to open, and its size.
    pub(crate) fn blob(&self, name: &[u8]) -> Result<(Arc<dyn Blob>, u64), ArchiveError> {
        let member = || String::from_utf8_lossy(name).into_owned();
        let missing = || ArchiveError::Missing { path: self.path.clone(), member: member() };
        let mut at = ImagePath::new(name).ok_or_else(missing)?;
        for _ in 0..=LINKS {
            match self.members.get(&at) {
                None => return Err(missing()),
                Some(Member::Link(Some(target))) if self.members.contains_key(target) => at = target.clone(),
                Some(Member::Link(_)) => break,
                Some(Member::File { offset, size, kept }) => {
                    let blob = MemberBlob {
                        path: self.path.clone(),
                        compression: self.compression,
                        offset: *offset,
                        size: *size,
                        kept: kept.clone(),
                    };
                    return Ok((Arc::new(blob), *size));
                }
            }
        }
        Err(ArchiveError::Link { path: self.path.clone(), member: member() })
    }
}

struct MemberBlob {
    path: PathBuf,
    compression: Compression,
    offset: u64,
    size: u64,
    kept: Option<Arc<[u8]>>,
}

impl Blob for MemberBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        if let Some(kept) = &self.kept {
            return Ok(Box::new(io::Cursor::new(Arc::clone(kept))));
        }
        let mut file = fs_err::File::open(&self.path)?;
        if let Compression::None = self.compression {
            file.seek(SeekFrom::Start(self.offset))?;
            return Ok(Box::new(file.take(self.size)));
        }
        let mut reader = uncompressed(file, self.compression)?;
        io::copy(&mut reader.by_ref().take(self.offset), &mut io::sink())?;
        Ok(Box::new(reader.take(self.size)))
    }
}

fn uncompressed(file: fs_err::File, compression: Compression) -> io::Result<Box<dyn Read + Send>> {
    let file = BufReader::with_capacity(READ_BYTES, file);
    match compression {
        Compression::None => Ok(Box::new(file)),
        Compression::Gzip => {
            Ok(Box::new(BufReader::with_capacity(READ_BYTES, flate2::bufread::MultiGzDecoder::new(file))))
        }
        Compression::Zstd(window_log) => {
            let mut decoder = zstd::Decoder::with_buffer(file)?;
            decoder.window_log_max(window_log)?;
            Ok(Box::new(BufReader::with_capacity(READ_BYTES, decoder)))
        }
    }
}

fn describe(path: PathBuf, error: ScanError) -> ArchiveError {
    match error {
        ScanError::Read(source) => ArchiveError::Read { path, source },
        ScanError::NotAnArchive => ArchiveError::NotAnArchive { path },
        ScanError::Truncated { member } => ArchiveError::Truncated { path, member },
        ScanError::Malformed { position, reason } => ArchiveError::Malformed { path, position, reason },
        ScanError::TooLarge { limit, what } => ArchiveError::TooLarge { path, limit, what },
    }
}
