//! Content-addressed documents, compressed with zstd, in a folder, a bucket or the database.
//!
//! A key is the SHA-256 of the plain bytes, so writing twice is harmless and reading proves integrity.

mod migration;
mod orphans;
mod place;

use std::io::{self, BufWriter, Read as _, Write};
use std::path::Path as FilePath;

use killick_model::digest::{Digest, Digester};
use object_store::path::Path;

use crate::error::StoreError;
use crate::sql::Pool;

pub use migration::Migrated;
use place::Place;
pub use place::{BlobsAt, Bucket};

/// The folder of blobs in the data folder.
const FOLDER: &str = "blobs";

/// Before the names of the blobs that are being removed.
const ASIDE: &str = "aside";

const LEVEL: i32 = 3;

/// Bytes that are gathered before they are compressed: documents are written in pieces of a few bytes.
const BUFFER: usize = 64 * 1024;

/// The blobs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    place: Place,
}

impl Blobs {
    /// Where the settings say.
    pub(crate) fn open(at: &BlobsAt, data_dir: &FilePath, pool: &Pool) -> Result<Self, StoreError> {
        let place = match at {
            BlobsAt::Folder => Place::folder(&data_dir.join(FOLDER))?,
            BlobsAt::Database => Place::Rows(pool.clone()),
            BlobsAt::Bucket(bucket) => Place::bucket(bucket)?,
        };
        Ok(Self { place })
    }

    /// In memory, for tests.
    pub fn memory() -> Self {
        Self { place: Place::memory() }
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
        self.place.write(&key, packed).await?;
        Ok(key)
    }

    /// Reads bytes, at most so many, and checks that they are what was stored.
    pub async fn get(&self, key: &Digest, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        // What does not compress is a little larger than it was.
        let packed = match self.place.read(key, limit_bytes.saturating_add(1024)).await {
            Err(StoreError::BlobTooLarge { key, .. }) => return Err(StoreError::BlobTooLarge { key, limit_bytes }),
            packed => packed?,
        };
        let key = key.clone();
        blocking(move || unpack(&key, &packed, limit_bytes)).await
    }

    /// Bytes of a blob as it is stored.
    pub async fn stored_bytes(&self, key: &Digest) -> Result<u64, StoreError> {
        let size = self.place.size(key).await?;
        size.ok_or_else(|| StoreError::NotFound { entity: "blob", name: key.to_string() })
    }

    /// Whether the blob is there.
    pub async fn exists(&self, key: &Digest) -> Result<bool, StoreError> {
        Ok(self.place.size(key).await?.is_some())
    }

    /// Removes a blob; one that is not there is fine.
    pub async fn delete(&self, key: &Digest) -> Result<(), StoreError> {
        self.place.remove(key).await
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

fn aside(key: &Digest) -> Path {
    Path::from(format!("{ASIDE}/{}", key.hex()))
}

fn micros(at: std::time::SystemTime) -> i64 {
    let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn key(path: &Path) -> Option<Digest> {
    format!("sha256:{}", path.filename()?).parse().ok()
}

fn damaged(key: &Digest, error: &io::Error) -> StoreError {
    StoreError::DamagedBlob { key: key.to_string(), reason: error.to_string() }
}

fn blob_error(key: &Digest, source: object_store::Error) -> StoreError {
    match source {
        // A bucket that is not there is told with the same status.
        object_store::Error::NotFound { source, .. } if !source.to_string().contains("<Code>NoSuchBucket</Code>") => {
            StoreError::NotFound { entity: "blob", name: key.to_string() }
        }
        source => StoreError::Blob { key: key.to_string(), source },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
