//! Removal of blobs that nothing names, while others write.
//!
//! A writer first writes the blob and then the row that names it. In a folder a blob is set aside before its row is looked
//! for a last time, and comes back when there is one, or when it was written again just before. In the database that is one
//! statement. In a bucket, where nothing is one step, it stays aside until a later run: by then every row that is to name
//! it is written, and whoever reads it meanwhile brings it back.

use std::path::Path as FilePath;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use killick_model::digest::Digest;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};

use super::place::Place;
use super::{ASIDE, aside, blob_error, key, micros, path};
use crate::error::{During as _, StoreError};
use crate::statements as sql;
use crate::{Result, Store};

type Objects = Arc<dyn ObjectStore>;

impl Store {
    /// Removes blobs that no row names and that were written before an instant; answers how many.
    ///
    /// The instant must lie further back than the longest time between writing a blob and its row.
    pub async fn delete_orphan_blobs(&self, before: i64) -> Result<u64> {
        let mut removed = match &self.blobs().place {
            Place::Folder(files, folder) => {
                self.take_back(files, None).await?;
                remove_unfinished(folder, before)?;
                0
            }
            Place::Objects(objects) => self.take_back(objects, Some(before)).await?,
            Place::Rows(_) => 0,
        };
        for first in 0..=u8::MAX {
            for (key, written_at) in self.blobs().place.shard(first).await? {
                if written_at < before && !self.is_named(&key).await? {
                    removed += u64::from(self.remove_old(&key, before).await?);
                }
            }
        }
        Ok(removed)
    }

    /// Removes a blob that is old and has no name, or begins to; whether it is gone.
    async fn remove_old(&self, key: &Digest, before: i64) -> Result<bool> {
        match &self.blobs().place {
            Place::Folder(files, _) => self.remove_file(files, key, before).await,
            Place::Objects(objects) => set_aside(objects, key).await.map(|_| false),
            Place::Rows(pool) => {
                let gone = write!(*pool, db => sqlx::query(sql::DELETE_BLOB).bind(key.to_string()).bind(before)
                    .execute(db).await.map(|done| done.rows_affected()));
                Ok(gone.during("removing a blob")? > 0)
            }
        }
    }

    async fn is_named(&self, key: &Digest) -> Result<bool> {
        let rows: i64 =
            read!(self.pool, db => sqlx::query_scalar(sql::BLOB_NAMED).bind(key.to_string()).fetch_one(db).await)
                .during("looking for a blob's name")?;
        Ok(rows > 0)
    }

    async fn remove_file(&self, files: &Objects, key: &Digest, before: i64) -> Result<bool> {
        let Some(written_at) = set_aside(files, key).await? else { return Ok(false) };
        if written_at >= before || self.is_named(key).await? {
            restore(files, key).await?;
            return Ok(false);
        }
        files.delete(&aside(key)).await.map_err(|source| blob_error(key, source))?;
        Ok(true)
    }

    /// Moves back what was left aside: all of it, to be judged anew, or else what somebody names by now; then what has been
    /// aside since before an instant is removed. Answers how many were.
    async fn take_back(&self, objects: &Objects, before: Option<i64>) -> Result<u64> {
        let error = |source| StoreError::Blob { key: ASIDE.to_owned(), source };
        let left: Vec<_> = objects.list(Some(&Path::from(ASIDE))).try_collect().await.map_err(error)?;
        let mut removed = 0;
        for meta in left {
            let Some(key) = key(&meta.location) else { continue };
            match before {
                Some(before) if !self.is_named(&key).await? => {
                    if meta.last_modified.timestamp_micros() < before {
                        objects.delete(&aside(&key)).await.map_err(|source| blob_error(&key, source))?;
                        removed += 1;
                    }
                }
                _ => restore(objects, &key).await?,
            }
        }
        Ok(removed)
    }
}

/// Moves a blob out of the way; answers when it was written, or nothing if another was faster.
async fn set_aside(objects: &Objects, key: &Digest) -> Result<Option<i64>> {
    match objects.rename(&path(key), &aside(key)).await {
        Err(Error::NotFound { .. }) => return Ok(None),
        done => done.map_err(|source| blob_error(key, source))?,
    }
    match objects.head(&aside(key)).await {
        Err(Error::NotFound { .. }) => Ok(None),
        meta => Ok(Some(meta.map_err(|source| blob_error(key, source))?.last_modified.timestamp_micros())),
    }
}

/// Moves a blob back; one written again meanwhile is the same.
async fn restore(objects: &Objects, key: &Digest) -> Result<()> {
    match objects.rename(&aside(key), &path(key)).await {
        Err(Error::NotFound { .. }) => Ok(()),
        done => done.map_err(|source| blob_error(key, source)),
    }
}

/// Removes the files of writers that were killed in the middle, which the object storage does not list.
fn remove_unfinished(folder: &FilePath, before: i64) -> Result<()> {
    let error = |source| StoreError::Folder { path: folder.to_owned(), source };
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
