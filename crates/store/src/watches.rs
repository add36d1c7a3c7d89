//! What watchers of active subscriptions do next, and what they saw last.
//!
//! A watch is due at an instant. Whoever does it moves that instant forward first, so that nobody else does it
//! meanwhile, and that it is done again if its watcher vanishes.

use killick_model::digest::Digest;

use crate::batch::batches;
use crate::error::During as _;
use crate::news::News;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// An active subscription whose turn it is.
    pub struct Watch {
        /// Whose.
        pub account: String,
        /// The subscription.
        pub id: String,
        /// The full tag, or the repository.
        pub key: String,
        /// The text of the subscription.
        pub value: Option<String>,
        /// What the watcher noted last; empty at first.
        pub state: String,
        /// How often in a row it failed.
        pub failures: i64,
        /// Until when it is claimed.
        pub due_at: i64,
    }
}

row! {
    /// What a watcher saw last of one image.
    pub struct WatchResult {
        /// What it was made of: nothing new is to be seen as long as that is the same.
        pub basis: String,
        /// The blob of what was seen.
        pub result: Option<Digest>,
    }
}

/// What a watcher saw now.
#[derive(Debug, Clone)]
pub struct NewWatchResult {
    /// Whose.
    pub account: String,
    /// The subscription.
    pub subscription: String,
    /// The image, by its digest, or the tag itself: empty.
    pub subject: String,
    /// What it was made of before; `None` if nothing was seen before.
    pub before: Option<String>,
    /// What it was made of.
    pub basis: String,
    /// The blob of what was seen.
    pub result: Option<Digest>,
}

impl Store {
    /// Claims up to so many watches of a type that are due, those that wait longest first, until an instant. Accounts
    /// that are not enabled wait.
    pub async fn claim_watches(&self, kind: &str, limit: i64, until: i64, now: i64) -> Result<Vec<Watch>> {
        const DOING: &str = "claiming watches";
        let due: Vec<Watch> =
            read!(self.pool, db => sqlx::query_as(sql::DUE_WATCHES).bind(kind).bind(now).bind(limit).fetch_all(db).await)
                .during(DOING)?;
        let mut claimed = Vec::with_capacity(due.len());
        for watch in due {
            let rows = write!(self.pool, db => sqlx::query(sql::CLAIM_WATCH).bind(&watch.account).bind(&watch.id).bind(until)
                .bind(watch.due_at).execute(db).await.map(|done| done.rows_affected()));
            match rows {
                // Another watcher was faster.
                Ok(0) => {}
                Ok(_) => claimed.push(Watch { due_at: until, ..watch }),
                // The subscription has gone meanwhile.
                Err(error)
                    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) => {}
                Err(source) => return Err(source).during(DOING),
            }
        }
        Ok(claimed)
    }

    /// Claims a watch for longer; `false` means that it was hastened, or that somebody else has it.
    pub async fn renew_watch(&self, watch: &Watch, until: i64) -> Result<bool> {
        let rows = write!(self.pool, db => sqlx::query(sql::RENEW_WATCH).bind(&watch.account).bind(&watch.id).bind(until)
            .bind(watch.due_at).execute(db).await.map(|done| done.rows_affected()));
        Ok(rows.during("renewing a claim")? > 0)
    }

    /// Notes the end of a watch, and when it is due again, unless it was hastened meanwhile.
    pub async fn finish_watch(&self, watch: &Watch, state: &str, failures: i64, due_at: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::FINISH_WATCH).bind(&watch.account).bind(&watch.id).bind(watch.due_at).bind(due_at)
            .bind(state).bind(failures).execute(db).await.map(drop))
        .during("noting the end of a watch")
    }

    /// Makes the watches of a type due at once; of one account or of all, of one key or of all.
    pub async fn hasten_watches(&self, kind: &str, of: Option<&str>, key: Option<&str>, now: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::HASTEN_WATCHES).bind(kind).bind(of).bind(now).bind(key).execute(db).await
            .map(drop))
        .during("hastening watches")
    }

    /// Makes the watches of a type due at once whose tag points, or pointed, to an image that carries any of these
    /// packages. How many became due.
    pub async fn hasten_carriers(&self, kind: &str, packages: &[i64], now: i64) -> Result<u64> {
        let mut hastened = 0;
        for batch in batches(packages) {
            let wanted: Vec<String> = batch.map(i64::to_string).collect();
            let rows = write!(self.pool, db => {
                let mut query = sqlx::query(sql::HASTEN_CARRIERS);
                for package in &wanted {
                    query = query.bind(package);
                }
                query.bind(kind).bind(now).execute(db).await.map(|done| done.rows_affected())
            });
            hastened += rows.during("hastening watches")?;
        }
        Ok(hastened)
    }

    /// What was seen last of a subject of a subscription.
    pub async fn watch_result(&self, account: &str, subscription: &str, subject: &str) -> Result<Option<WatchResult>> {
        read!(self.pool, db => sqlx::query_as(sql::WATCH_RESULT).bind(account).bind(subscription).bind(subject)
            .fetch_optional(db).await)
        .during("reading what a watcher saw")
    }

    /// Keeps what is seen now and what is told of it; nothing, when somebody else saw it first or the subscription
    /// has gone. Whether it was kept.
    pub async fn put_watch_result(&self, new: &NewWatchResult, news: &News, now: i64) -> Result<bool> {
        const DOING: &str = "keeping what a watcher saw";
        let sends = transaction!(self.pool, tx => {
            let kept = sqlx::query(sql::PUT_WATCH_RESULT).bind(&new.account).bind(&new.subscription).bind(&new.subject)
                .bind(&new.basis).bind(new.result.as_ref().map(Digest::to_string)).bind(now).bind(new.before.as_deref())
                .execute(&mut *tx).await.during(DOING)?.rows_affected();
            if kept == 0 {
                return Ok(false);
            }
            tell_in!(tx, news, now)
        });
        self.nudge_notices(sends);
        Ok(true)
    }
}
