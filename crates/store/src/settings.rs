//! Small named values, and the removal of blobs that nothing names.

use std::collections::HashSet;

use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

impl Store {
    /// A named value.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        read!(self.pool, db => sqlx::query_scalar(sql::SETTING).bind(key).fetch_optional(db).await)
            .during("reading a setting")
    }

    /// Keeps a named value.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::SET_SETTING).bind(key).bind(value).execute(db).await.map(drop))
            .during("writing a setting")
    }

    /// Removes blobs that no row names and that were written before an instant; answers how many.
    ///
    /// The instant must lie further back than the longest time between writing a blob and its row.
    pub async fn delete_orphan_blobs(&self, before: i64) -> Result<u64> {
        let candidates = self.blobs().list().await?;
        let named: Vec<String> =
            read!(self.pool, db => sqlx::query_scalar(sql::BLOB_KEYS).fetch_all(db).await).during("listing blobs")?;
        let named: HashSet<_> = named.into_iter().collect();
        let mut removed = 0;
        for (key, written_at) in candidates {
            if written_at < before && !named.contains(&key.to_string()) {
                self.blobs().delete(&key).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}
