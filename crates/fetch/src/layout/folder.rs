//! The files of a layout in a directory. Links that lead out of it are refused.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Layout, LayoutError, SizedBlob};
use crate::layer::Blob;
use crate::stage::StageError;

/// A directory with an OCI layout.
pub(crate) struct Folder {
    /// Without links.
    root: PathBuf,
}

struct FileBlob(PathBuf);

impl Folder {
    pub(crate) fn open(path: PathBuf) -> Result<Self, LayoutError> {
        match fs_err::canonicalize(&path) {
            Ok(root) => Ok(Self { root }),
            Err(source) => Err(LayoutError::Read { path, source }),
        }
    }

    /// The file of that name and its size, if there is one.
    fn find(&self, name: &str) -> Result<Option<(PathBuf, u64)>, LayoutError> {
        let path = self.root.join(name);
        let real = match fs_err::canonicalize(&path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LayoutError::Read { path, source }),
        };
        if !real.starts_with(&self.root) {
            return Err(LayoutError::Outside { path });
        }
        match fs_err::metadata(&real) {
            Ok(metadata) if metadata.is_file() => Ok(Some((real, metadata.len()))),
            Ok(_) => Err(LayoutError::NotAFile { path }),
            Err(source) => Err(LayoutError::Read { path, source }),
        }
    }
}

impl Layout for Folder {
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StageError> {
        let Some((path, _)) = self.find(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = fs_err::File::open(&path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|source| LayoutError::Read { path, source });
        read?;
        Ok(Some(bytes))
    }

    fn blob(&self, name: &str) -> Result<Option<SizedBlob>, StageError> {
        let found = self.find(name)?;
        Ok(found.map(|(path, size)| (Arc::new(FileBlob(path)) as Arc<dyn Blob>, size)))
    }
}

impl Blob for FileBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs_err::File::open(&self.0)?))
    }
}
