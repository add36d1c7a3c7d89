//! Blobs on their way from one place to another.
//!
//! A blob never changes, so copying is safe while others read and write, and whatever was copied need not be copied again:
//! a migration that is killed goes on where it was. Nothing is removed from where it was.

use killick_model::digest::Digest;

use super::{Blobs, BlobsAt, unpack};
use crate::error::{During as _, StoreError};
use crate::statements as sql;
use crate::{Result, Settings, Store};

/// Names that are looked at at once.
const PAGE: usize = 1000;

/// Bytes of one blob, at most: nothing that is written here is larger.
const BLOB_BYTES: u64 = 4 << 30;

/// What a migration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Blobs that were copied.
    pub copied: u64,
    /// Their bytes, as they are stored.
    pub copied_bytes: u64,
    /// Blobs that were there already.
    pub there: u64,
    /// Damaged blobs, which were not copied.
    pub damaged: Vec<Digest>,
    /// Blobs that something names and that are not in the new place.
    pub missing: Vec<Digest>,
}

impl Store {
    /// Copies the blobs of this store to another place, each verified, and looks whether everything that is named is there
    /// then. `told` hears of every blob that was copied.
    pub async fn migrate_blobs(
        &self,
        settings: &Settings,
        to: &BlobsAt,
        mut told: impl FnMut(&Migrated),
    ) -> Result<Migrated> {
        let to = Blobs::open(to, &settings.data_dir, &self.pool)?;
        let (from, mut done) = (self.blobs(), Migrated::default());
        for first in 0..=u8::MAX {
            for (key, _) in from.place.shard(first).await? {
                copy(from, &to, key, &mut done).await?;
                told(&done);
            }
        }
        self.look_for_named(&to, &mut done).await?;
        Ok(done)
    }

    async fn look_for_named(&self, to: &Blobs, done: &mut Migrated) -> Result<()> {
        let mut last = String::new();
        loop {
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let named: Vec<String> =
                read!(self.pool, db => sqlx::query_scalar(sql::NAMED_BLOBS).bind(&last).bind(limit).fetch_all(db).await)
                    .during("listing the names of blobs")?;
            let Some(end) = named.last() else { return Ok(()) };
            last.clone_from(end);
            for key in named.iter().filter_map(|digest| digest.parse::<Digest>().ok()) {
                if !to.exists(&key).await? {
                    done.missing.push(key);
                }
            }
        }
    }
}

async fn copy(from: &Blobs, to: &Blobs, key: Digest, done: &mut Migrated) -> Result<()> {
    let Some(size) = from.place.size(&key).await? else { return Ok(()) };
    // Half of one would have another size; of the same size, it was verified when it was copied.
    if to.place.size(&key).await? == Some(size) {
        done.there += 1;
        return Ok(());
    }
    let packed = match from.place.read(&key, u64::MAX).await {
        // It was removed meanwhile.
        Err(StoreError::NotFound { .. }) => return Ok(()),
        packed => packed?,
    };
    let (name, bytes) = (key.clone(), packed.clone());
    match super::blocking(move || unpack(&name, &bytes, BLOB_BYTES)).await {
        Err(StoreError::DamagedBlob { .. }) => done.damaged.push(key),
        plain => {
            drop(plain?);
            done.copied += 1;
            done.copied_bytes += packed.len() as u64;
            to.place.write(&key, packed.to_vec()).await?;
        }
    }
    Ok(())
}
