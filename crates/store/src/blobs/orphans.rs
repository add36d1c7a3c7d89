//! Removal of blobs that nothing names, while others write.
//!
//! A writer first writes the blob and then the row that names it. So a blob is set aside before its row is looked for
//! a last time, and comes back when there is one, or when it was written again just before.

use futures_util::TryStreamExt as _;
use killick_model::digest::Digest;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};

use super::{Blobs, blob_error, key, path};
use crate::error::{During as _, StoreError};
use crate::statements as sql;
use crate::{Result, Store};

/// The folder of the blobs that are being removed.
const ASIDE: &str = "aside";

impl Store {
    /// Removes blobs that no row names and that were written before an instant; answers how many.
    ///
    /// The instant must lie further back than the longest time between writing a blob and its row.
    pub async fn delete_orphan_blobs(&self, before: i64) -> Result<u64> {
        let blobs = self.blobs();
        blobs.take_back().await?;
        blobs.remove_unfinished(before)?;
        let mut removed = 0;
        let mut all = blobs.store.list(None);
        let error = |source| StoreError::Blob { key: "*".to_owned(), source };
        while let Some(meta) = all.try_next().await.map_err(error)? {
            let Some(key) = key(&meta.location).filter(|key| path(key) == meta.location) else { continue };
            if meta.last_modified.timestamp_micros() >= before || self.is_named(&key).await? {
                continue;
            }
            let Some(written_at) = blobs.set_aside(&key).await? else { continue };
            if written_at >= before || self.is_named(&key).await? {
                blobs.restore(&key).await?;
            } else {
                blobs.store.delete(&aside(&key)).await.map_err(|source| blob_error(&key, source))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn is_named(&self, key: &Digest) -> Result<bool> {
        let rows: i64 =
            read!(self.pool, db => sqlx::query_scalar(sql::BLOB_NAMED).bind(key.to_string()).fetch_one(db).await)
                .during("looking for a blob's name")?;
        Ok(rows > 0)
    }
}

impl Blobs {
    /// Moves a blob out of the way; answers when it was written, or nothing if another was faster.
    async fn set_aside(&self, key: &Digest) -> Result<Option<i64>> {
        match self.store.rename(&path(key), &aside(key)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            done => done.map_err(|source| blob_error(key, source))?,
        }
        match self.store.head(&aside(key)).await {
            Err(Error::NotFound { .. }) => Ok(None),
            meta => Ok(Some(meta.map_err(|source| blob_error(key, source))?.last_modified.timestamp_micros())),
        }
    }

    /// Moves a blob back; one written again meanwhile is the same.
    async fn restore(&self, key: &Digest) -> Result<()> {
        match self.store.rename(&aside(key), &path(key)).await {
            Err(Error::NotFound { .. }) => Ok(()),
            done => done.map_err(|source| blob_error(key, source)),
        }
    }

    /// Moves back what a killed removal left aside; it is judged anew.
    async fn take_back(&self) -> Result<()> {
        let error = |source| StoreError::Blob { key: ASIDE.to_owned(), source };
        let left: Vec<_> = self.store.list(Some(&Path::from(ASIDE))).try_collect().await.map_err(error)?;
        for key in left.iter().filter_map(|meta| key(&meta.location)) {
            self.restore(&key).await?;
        }
        Ok(())
    }

    /// Removes the files of writers that were killed in the middle, which the object storage does not list.
    fn remove_unfinished(&self, before: i64) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let error = |source| StoreError::Folder { path: folder.clone(), source };
        for shard in fs_err::read_dir(folder).map_err(error)? {
            let shard = shard.map_err(error)?.path();
            if !shard.is_dir() {
                continue;
            }
            for file in fs_err::read_dir(shard).map_err(error)? {
                let file = file.map_err(error)?;
                let unfinished = file.file_name().to_string_lossy().contains('#');
                let written_at = file.metadata().and_then(|meta| meta.modified()).map(micros);
                // Others may finish or remove theirs at any time.
                if unfinished && written_at.is_ok_and(|written_at| written_at < before) {
                    let _ = fs_err::remove_file(file.path());
                }
            }
        }
        Ok(())
    }
}

fn micros(at: std::time::SystemTime) -> i64 {
    let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn aside(key: &Digest) -> Path {
    Path::from(format!("{ASIDE}/{}", key.hex()))
}
