//! Content-addressed documents in object storage, compressed with zstd.
//!
//! A key is the SHA-256 of the plain bytes, so writing twice is harmless and reading proves integrity.

mod orphans;

use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use killick_model::digest::{Digest, Digester};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::error::StoreError;

const LEVEL: i32 = 3;

/// Bytes that are gathered before they are compressed: documents are written in pieces of a few bytes.
const BUFFER: usize = 64 * 1024;

/// The blobs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
}

impl Blobs {
    /// In a local folder, made when missing.
    pub fn local(dir: &FilePath) -> Result<Self, StoreError> {
        fs_err::create_dir_all(dir).map_err(|source| StoreError::Folder { path: dir.to_owned(), source })?;
        let store = LocalFileSystem::new_with_prefix(dir)
            .map_err(|source| StoreError::Blob { key: dir.display().to_string(), source })?;
        Ok(Self { store: Arc::new(store.with_fsync(true)), folder: Some(dir.to_owned()) })
    }

    /// In memory, for tests.
    pub fn memory() -> Self {
        Self { store: Arc::new(InMemory::new()), folder: None }
    }

    /// Stores bytes and answers their key.
    ///
    /// Writes even what is there: only a fresh instant tells the removal of orphans that it is wanted again.
    pub async fn put(&self, plain: Vec<u8>) -> Result<Digest, StoreError> {
        self.put_written(move |out| out.write_all(&plain)).await
    }

    /// As [`Self::put`], with a document that is never in memory as a whole: `write` writes it piece by piece, off
    /// the threads of the runtime.
    pub async fn put_written(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Digest, StoreError> {
        let packed = blocking(move || pack(write)).await;
        let (key, packed) = packed.map_err(|source| StoreError::Document { source })?;
        self.store.put(&path(&key), Bytes::from(packed).into()).await.map_err(|source| blob_error(&key, source))?;
        Ok(key)
    }

    /// Reads bytes, at most so many, and checks that they are what was stored.
    pub async fn get(&self, key: &Digest, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let answer = self.store.get(&path(key)).await.map_err(|source| blob_error(key, source))?;
        if answer.meta.size > limit_bytes.saturating_add(1024) {
            return Err(StoreError::BlobTooLarge { key: key.to_string(), limit_bytes });
        }
        let packed = answer.bytes().await.map_err(|source| blob_error(key, source))?;
        let key = key.clone();
        blocking(move || unpack(&key, &packed, limit_bytes)).await
    }

    /// Bytes of a blob as it is stored.
    pub async fn stored_bytes(&self, key: &Digest) -> Result<u64, StoreError> {
        Ok(self.store.head(&path(key)).await.map_err(|source| blob_error(key, source))?.size)
    }

    /// Whether the blob is there.
    pub async fn exists(&self, key: &Digest) -> Result<bool, StoreError> {
        match self.store.head(&path(key)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(StoreError::Blob { key: key.to_string(), source }),
        }
    }

    /// Removes a blob; one that is not there is fine.
    pub async fn delete(&self, key: &Digest) -> Result<(), StoreError> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StoreError::Blob { key: key.to_string(), source }),
        }
    }
}

/// Hashes and compresses what is written to it.
struct Packer {
    digester: Digester,
    encoder: zstd::Encoder<'static, Vec<u8>>,
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write_all(bytes)?;
        self.digester.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A flush of the encoder would end a block, and the bytes stored would depend on it.
        Ok(())
    }
}

fn pack(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<(Digest, Vec<u8>)> {
    let packer = Packer { digester: Digester::default(), encoder: zstd::Encoder::new(Vec::new(), LEVEL)? };
    let mut out = BufWriter::with_capacity(BUFFER, packer);
    write(&mut out)?;
    let packer = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok((packer.digester.digest(), packer.encoder.finish()?))
}

fn unpack(key: &Digest, packed: &[u8], limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
    let mut plain = Vec::new();
    let decoder = zstd::Decoder::new(packed).map_err(|error| damaged(key, &error))?;
    decoder.take(limit_bytes.saturating_add(1)).read_to_end(&mut plain).map_err(|error| damaged(key, &error))?;
    if plain.len() as u64 > limit_bytes {
        return Err(StoreError::BlobTooLarge { key: key.to_string(), limit_bytes });
    }
    if Digest::of(&plain) != *key {
        return Err(StoreError::DamagedBlob { key: key.to_string(), reason: "its digest differs".to_owned() });
    }
    Ok(plain)
}

fn path(key: &Digest) -> Path {
    let hex = key.hex();
    Path::from(format!("{}/{hex}", &hex[..2]))
}

fn key(path: &Path) -> Option<Digest> {
    format!("sha256:{}", path.filename()?).parse().ok()
}

fn damaged(key: &Digest, error: &io::Error) -> StoreError {
    StoreError::DamagedBlob { key: key.to_string(), reason: error.to_string() }
}

fn blob_error(key: &Digest, source: object_store::Error) -> StoreError {
    match source {
        object_store::Error::NotFound { .. } => StoreError::NotFound { entity: "blob", name: key.to_string() },
        source => StoreError::Blob { key: key.to_string(), source },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
