//! What happened, for people to read.

use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// An event.
    pub struct EventRow {
        /// Its number.
        pub id: i64,
        /// Whose.
        pub account: String,
        /// Which of the known types.
        pub r#type: String,
        /// `info` or `error`.
        pub level: String,
        /// The event as JSON.
        pub document: String,
        /// When.
        pub created_at: i64,
    }
}

impl Store {
    /// Records an event.
    pub async fn add_event(&self, account: &str, kind: &str, level: &str, document: &str, now: i64) -> Result<i64> {
        write!(self.pool, db => sqlx::query_scalar(sql::ADD_EVENT).bind(account).bind(kind).bind(level).bind(document)
            .bind(now).fetch_one(db).await)
        .during("recording an event")
    }

    /// Events numbered below a bound (`i64::MAX` for the newest), newest first.
    pub async fn events(&self, account: &str, below: i64, limit: i64) -> Result<Vec<EventRow>> {
        read!(self.pool, db => sqlx::query_as(sql::EVENTS).bind(account).bind(below).bind(limit).fetch_all(db).await)
            .during("listing events")
    }

    /// Removes events from before an instant; answers how many.
    pub async fn delete_old_events(&self, before: i64) -> Result<u64> {
        write!(self.pool, db => sqlx::query(sql::DELETE_OLD_EVENTS).bind(before).execute(db).await.map(|done| done.rows_affected()))
            .during("removing old events")
    }
}
