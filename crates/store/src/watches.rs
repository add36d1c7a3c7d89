//! What watchers of active subscriptions do next, and what they saw last.
//!
//! A watch is due at an instant. Whoever does it moves that instant forward first, so that nobody else does it
//! meanwhile, and that it is done again if its watcher vanishes.

use killick_model::digest::Digest;

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

/// Has an active subscription watched from now on, inside the transaction that adds it or switches it on: for the first
/// time, at once.
macro_rules! watch_in {
    ($tx:ident, $account:expr, $id:expr, $doing:expr) => {
        sqlx::query($crate::statements::WATCH).bind($account).bind($id).execute(&mut *$tx).await.during($doing)?
    };
}

/// Has what is off of a key watched no longer, inside the transaction that switches it off.
macro_rules! unwatch_in {
    ($tx:ident, $account:expr, $key:expr, $doing:expr) => {
        sqlx::query($crate::statements::UNWATCH).bind($account).bind($key).execute(&mut *$tx).await.during($doing)?
    };
}

/// Lets nobody else make several watches due, or remove them, until the transaction ends: two that do would wait for each
/// other. SQLite has one writer anyway. It comes last, before what is told.
macro_rules! lock_watches_in {
    ($pool:expr, $tx:ident, $doing:expr) => {
        if let $crate::sql::Pool::Postgres(_) = &$pool {
            sqlx::query($crate::statements::LOCK_WATCHES_POSTGRES).execute(&mut *$tx).await.during($doing)?;
        }
    };
}

/// Makes the watches of an account due, inside the transaction that decides otherwise, that judge by its policies and
/// exceptions.
macro_rules! hasten_decided_in {
    ($pool:expr, $tx:ident, $account:expr, $now:expr) => {{
        const HASTENING: &str = "hastening watches";
        let (account, now): (&str, i64) = ($account, $now);
        lock_watches_in!($pool, $tx, HASTENING);
        for kind in $crate::subscriptions::DECIDED {
            sqlx::query($crate::statements::HASTEN_WATCHES)
                .bind(*kind)
                .bind(account)
                .bind(now)
                .execute(&mut *$tx)
                .await
                .during(HASTENING)?;
        }
    }};
}

/// Makes the watches of an image's tags due, inside the transaction that brings its analysis.
macro_rules! hasten_image_in {
    ($pool:expr, $tx:ident, $account:expr, $digest:expr, $now:expr) => {{
        const HASTENING: &str = "hastening watches";
        let (account, digest, now): (&str, &str, i64) = ($account, $digest, $now);
        lock_watches_in!($pool, $tx, HASTENING);
        sqlx::query($crate::statements::HASTEN_IMAGE)
            .bind(account)
            .bind(digest)
            .bind(now)
            .execute(&mut *$tx)
            .await
            .during(HASTENING)?;
    }};
}

impl Store {
    /// Up to so many watches of a type that are due, those that wait longest first. Accounts that are not enabled wait.
    pub async fn due_watches(&self, kind: &str, limit: i64, now: i64) -> Result<Vec<Watch>> {
        read!(self.pool, db => sqlx::query_as(sql::DUE_WATCHES).bind(kind).bind(now).bind(limit).fetch_all(db).await)
            .during("looking for watches")
    }

    /// Claims a watch until an instant: one that is due, or for longer. `false` means that another watcher has it, that it
    /// was hastened, or that nobody watches it any more.
    pub async fn claim_watch(&self, watch: &Watch, until: i64) -> Result<bool> {
        let rows = write!(self.pool, db => sqlx::query(sql::CLAIM_WATCH).bind(&watch.account).bind(&watch.id).bind(until)
            .bind(watch.due_at).execute(db).await.map(|done| done.rows_affected()));
        Ok(rows.during("claiming a watch")? > 0)
    }

    /// Notes the end of a watch, and when it is due again, unless it was hastened meanwhile.
    pub async fn finish_watch(&self, watch: &Watch, state: &str, failures: i64, due_at: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::FINISH_WATCH).bind(&watch.account).bind(&watch.id).bind(watch.due_at).bind(due_at)
            .bind(state).bind(failures).execute(db).await.map(drop))
        .during("noting the end of a watch")
    }

    /// Makes the watches of a type due at once; of one account or of all.
    pub async fn hasten_watches(&self, kind: &str, of: Option<&str>, now: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::HASTEN_WATCHES).bind(kind).bind(of).bind(now).execute(db).await.map(drop))
            .during("hastening watches")
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
