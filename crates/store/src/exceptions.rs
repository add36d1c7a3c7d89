//! Exceptions: decisions about findings, kept as documents.

use crate::error::{During as _, found};
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// An exception.
    pub struct ExceptionRow {
        /// Whose.
        pub account: String,
        /// Its own id.
        pub id: String,
        /// The document.
        pub document: String,
        /// Who granted it.
        pub created_by: String,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

row! {
    /// What tells one set of exceptions from another.
    pub struct ExceptionsState {
        /// How many there are.
        pub number: i64,
        /// Last change of any of them; 0 where there are none.
        pub changed_at: i64,
    }
}

impl Store {
    /// Adds an exception; one of that id must not exist. What is judged by exceptions becomes due, as with every change.
    pub async fn create_exception(
        &self,
        account: &str,
        id: &str,
        document: &str,
        created_by: &str,
        now: i64,
    ) -> Result<ExceptionRow> {
        Ok(transaction!(self.pool, tx => {
            let row = sqlx::query_as(sql::CREATE_EXCEPTION).bind(account).bind(id).bind(document).bind(created_by).bind(now)
                .fetch_one(&mut *tx).await.creating("exception", id)?;
            hasten_decided_in!(self.pool, tx, account, now);
            row
        }))
    }

    /// Replaces the document of an exception.
    pub async fn update_exception(&self, account: &str, id: &str, document: &str, now: i64) -> Result<ExceptionRow> {
        Ok(transaction!(self.pool, tx => {
            let row = sqlx::query_as(sql::UPDATE_EXCEPTION).bind(account).bind(id).bind(document).bind(now)
                .fetch_optional(&mut *tx).await;
            let row = found(row.during("changing an exception")?, "exception", id)?;
            hasten_decided_in!(self.pool, tx, account, now);
            row
        }))
    }

    /// One exception.
    pub async fn exception(&self, account: &str, id: &str) -> Result<ExceptionRow> {
        let row =
            read!(self.pool, db => sqlx::query_as(sql::EXCEPTION).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading an exception")?, "exception", id)
    }

    /// The exceptions of the account by id: those after `after`, at most so many.
    pub async fn exceptions(&self, account: &str, after: &str, limit: i64) -> Result<Vec<ExceptionRow>> {
        read!(self.pool, db => sqlx::query_as(sql::EXCEPTIONS).bind(account).bind(after).bind(limit).fetch_all(db).await)
            .during("listing exceptions")
    }

    /// How many exceptions the account has, and when any of them changed last.
    pub async fn exceptions_state(&self, account: &str) -> Result<ExceptionsState> {
        read!(self.pool, db => sqlx::query_as(sql::EXCEPTIONS_STATE).bind(account).fetch_one(db).await)
            .during("counting exceptions")
    }

    /// Removes an exception.
    pub async fn delete_exception(&self, account: &str, id: &str, now: i64) -> Result<()> {
        transaction!(self.pool, tx => {
            let done = sqlx::query(sql::DELETE_EXCEPTION).bind(account).bind(id).execute(&mut *tx).await;
            let gone = done.during("removing an exception")?.rows_affected();
            found((gone > 0).then_some(()), "exception", id)?;
            hasten_decided_in!(self.pool, tx, account, now);
        });
        Ok(())
    }
}
