//! The bytes of an index: a file that is read where needed, or memory.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the bytes are. Reading moves no cursor, so any number of threads may read.
#[derive(Debug)]
pub(crate) enum Source {
    File { file: std::fs::File, len: u64 },
    Static(&'static [u8]),
}

impl Source {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (file, _) = fs_err::File::open(path)?.into_parts();
        let len = file.metadata()?.len();
        Ok(Self::File { file, len })
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Static(bytes) => bytes.len() as u64,
        }
    }

    /// Exactly `len` bytes from `offset`. Nothing is allocated for a range that is not there.
    pub(crate) fn read(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let missing = || io::Error::new(io::ErrorKind::UnexpectedEof, format!("no {len} bytes at offset {offset}"));
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(missing());
        }
        let len = usize::try_from(len).map_err(|_| missing())?;
        match self {
            Self::File { file, .. } => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
            Self::Static(bytes) => {
                let from = usize::try_from(offset).map_err(|_| missing())?;
                bytes.get(from..).and_then(|rest| rest.get(..len)).map(<[u8]>::to_vec).ok_or_else(missing)
            }
        }
    }
}
