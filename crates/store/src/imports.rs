//! Imports: what was uploaded of an image, until an analysis was made of it.
//!
//! The documents are blobs, so one that was uploaded twice is there once. An operation ends in the transaction that ends
//! the task of its image.

use killick_model::digest::Digest;

use crate::error::{During as _, StoreError, found};
use crate::statements as sql;
use crate::{Result, Store};

words! {
    /// Where an import stands.
    pub enum ImportStatus {
        /// Documents are uploaded.
        Pending = "pending",
        /// The image waits for its analysis, or has it.
        Processing = "processing",
        /// The image is analyzed.
        Complete = "complete",
        /// The analysis was given up.
        Failed = "failed",
        /// Nobody finished it in time.
        Expired = "expired",
        /// Somebody called it off.
        Invalidated = "invalidated",
    }
}

row! {
    /// An import.
    pub struct ImportOperation {
        /// What it is known by.
        pub id: String,
        /// Whose.
        pub account: String,
        /// Where it stands.
        pub status: ImportStatus,
        /// Until when it can be finished.
        pub expires_at: i64,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
        /// The user who began it, if that is known.
        pub created_by: Option<String>,
    }
}

row! {
    /// An uploaded document.
    pub struct ImportContent {
        /// What it is.
        pub r#type: String,
        /// The blob, and the digest of what was sent.
        pub digest: Digest,
        /// Bytes that were sent.
        pub size_bytes: i64,
        /// Since when.
        pub created_at: i64,
    }
}

/// A document to keep.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// What it is.
    pub kind: &'static str,
    /// The blob.
    pub digest: Digest,
    /// Bytes that were sent.
    pub size_bytes: i64,
    /// Documents an operation may have.
    pub max_contents: i64,
}

impl Store {
    /// Begins an import, unless the account has so many that are not ended.
    pub async fn create_import(
        &self,
        account: &str,
        id: &str,
        created_by: &str,
        expires_at: i64,
        max_open: i64,
        now: i64,
    ) -> Result<ImportOperation> {
        const DOING: &str = "beginning an import";
        Ok(transaction!(self.pool, tx => {
            let open: i64 = sqlx::query_scalar(sql::OPEN_IMPORTS).bind(account).fetch_one(&mut *tx).await.during(DOING)?;
            if open >= max_open {
                let reason = "the account has too many unfinished imports: finish or delete some";
                return Err(StoreError::Refused { entity: "import", name: id.to_owned(), reason });
            }
            sqlx::query_as(sql::CREATE_IMPORT).bind(id).bind(account).bind(expires_at).bind(now).bind(created_by)
                .fetch_one(&mut *tx).await.creating("import", id)?
        }))
    }

    /// One import.
    pub async fn import(&self, account: &str, id: &str) -> Result<ImportOperation> {
        let row = read!(self.pool, db => sqlx::query_as(sql::IMPORT).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading an import")?, "import", id)
    }

    /// The account's imports, oldest first.
    pub async fn imports(&self, account: &str) -> Result<Vec<ImportOperation>> {
        read!(self.pool, db => sqlx::query_as(sql::IMPORTS).bind(account).fetch_all(db).await).during("listing imports")
    }

    /// Calls an import off; one that is being processed or has ended stays as it is.
    pub async fn invalidate_import(&self, account: &str, id: &str, now: i64) -> Result<ImportOperation> {
        const DOING: &str = "calling an import off";
        Ok(transaction!(self.pool, tx => {
            sqlx::query(sql::INVALIDATE_IMPORT).bind(account).bind(id).bind(now).execute(&mut *tx).await.during(DOING)?;
            let row = sqlx::query_as(sql::IMPORT).bind(account).bind(id).fetch_optional(&mut *tx).await.during(DOING)?;
            found(row, "import", id)?
        }))
    }

    /// Keeps a document of an import that is not ended. The same once more is answered as it was.
    pub async fn add_import_content(
        &self,
        account: &str,
        id: &str,
        new: &NewContent,
        now: i64,
    ) -> Result<ImportContent> {
        const DOING: &str = "keeping a document of an import";
        let digest = new.digest.to_string();
        Ok(transaction!(self.pool, tx => {
            // Written to, so that nothing ends it meanwhile.
            let row: Option<ImportOperation> = sqlx::query_as(sql::TOUCH_IMPORT).bind(account).bind(id).bind(now)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            let operation = found(row, "import", id)?;
            if !matches!(operation.status, ImportStatus::Pending | ImportStatus::Processing) || operation.expires_at <= now {
                let reason = "it has ended: begin another";
                return Err(StoreError::Refused { entity: "import", name: id.to_owned(), reason });
            }
            let known: Option<ImportContent> = sqlx::query_as(sql::IMPORT_CONTENT).bind(id).bind(new.kind).bind(&digest)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            if let Some(known) = known {
                return Ok(known);
            }
            let count: i64 = sqlx::query_scalar(sql::COUNT_IMPORT_CONTENTS).bind(id).fetch_one(&mut *tx).await.during(DOING)?;
            if count >= new.max_contents {
                let reason = "too many documents were uploaded: begin another";
                return Err(StoreError::Refused { entity: "import", name: id.to_owned(), reason });
            }
            sqlx::query_as(sql::ADD_IMPORT_CONTENT).bind(id).bind(new.kind).bind(&digest).bind(new.size_bytes).bind(now)
                .fetch_one(&mut *tx).await.creating("document", &digest)?
        }))
    }

    /// The documents of an import, of one kind or of all, oldest first.
    pub async fn import_contents(&self, account: &str, id: &str, kind: Option<&str>) -> Result<Vec<ImportContent>> {
        self.import(account, id).await?;
        read!(self.pool, db => sqlx::query_as(sql::IMPORT_CONTENTS).bind(account).bind(id).bind(kind).fetch_all(db).await)
            .during("listing documents of an import")
    }

    /// Ends imports that nobody finished in time, and forgets the documents of those that have ended; answers how many
    /// ended. Those that are processed end with their task.
    pub async fn expire_imports(&self, now: i64) -> Result<u64> {
        const DOING: &str = "ending imports";
        Ok(transaction!(self.pool, tx => {
            let ended = sqlx::query(sql::EXPIRE_IMPORTS).bind(now).execute(&mut *tx).await.during(DOING)?.rows_affected();
            sqlx::query(sql::FORGET_IMPORT_CONTENTS).execute(&mut *tx).await.during(DOING)?;
            ended
        }))
    }

    /// Removes imports that ended before an instant; answers how many.
    pub async fn delete_old_imports(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_IMPORTS, before, "removing old imports").await
    }
}
