//! Layers by their tables of contents: what is in them is known before any of it was fetched.

use std::io;

/// What an entry of a table of contents is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a file.
    HardLink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// One entry: what the header of the archive says of it, and the digest of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// What it is.
    pub kind: ListedKind,
    /// As written in the archive.
    pub path: Box<[u8]>,
    /// Target of a link, as written; empty for anything else.
    pub link: Box<[u8]>,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file; 0 for anything else.
    pub size: u64,
    /// SHA-256 of a file's content, as the table says; all zero for anything else.
    pub sha256: [u8; 32],
}

/// A verified table of contents, and the way to the contents.
pub trait Listing: Send + Sync {
    /// All entries in the order of the archive.
    fn entries(&self) -> &[ListedEntry];

    /// The entry of the table itself, which the table does not list, if the archive has one behind all others. May fetch
    /// what tells.
    fn own_entry(&self) -> io::Result<Option<ListedEntry>>;

    /// Bytes that the uncompressed layer has at least.
    fn unpacked_bytes(&self) -> u64;

    /// Stored bytes that have to be fetched for the files of these numbers, in ascending order, and for the own entry.
    fn stored_bytes(&self, files: &[u32]) -> u64;

    /// The contents of the files of these numbers, in ascending order, one behind the other without anything between
    /// them. A reader that comes to its end without an error has compared each with its digest. As with a layer
    /// that is read whole, it may block.
    fn open(&self, files: &[u32]) -> io::Result<Box<dyn io::BufRead + Send>>;
}

/// Why a layer cannot be read by its table of contents, though nothing speaks against reading it whole. Found inside an
/// [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the table of contents cannot be used: {0}")]
pub struct Unusable(pub String);

impl Unusable {
    /// Whether this is what an error says.
    pub fn is_in(error: &io::Error) -> bool {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).is_some()
    }
}

impl From<Unusable> for io::Error {
    fn from(error: Unusable) -> Self {
        Self::new(io::ErrorKind::Unsupported, error)
    }
}
