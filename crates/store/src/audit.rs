//! The audit log: who changed what, written in the transaction of the change.
//!
//! A request runs [`within`] a [`Slot`]. Once it is known who makes it and what is wanted, the slot holds the entry, and
//! the first transaction of the request writes it: neither is there without the other. What it came to, and what
//! became of the thing, is added by [`Store::finish_audit`].

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::{PgConnection, SqliteConnection};

use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

tokio::task_local! {
    static SLOT: Slot;
}

/// Who changes what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// The account that is acted in.
    pub account: String,
    /// Who.
    pub username: String,
    /// Whose user that is.
    pub user_account: String,
    /// How they proved it: `password`, `token`, `key:` with its id, `oidc`.
    pub via: String,
    /// The permission it takes.
    pub action: String,
    /// The method of the request.
    pub method: String,
    /// The path of the request, which names the resource.
    pub path: String,
    /// Names the request.
    pub request: String,
    /// The address it came from.
    pub client: Option<String>,
    /// What was there before, as JSON.
    pub before: Option<String>,
    /// What is there now, as JSON.
    pub after: Option<String>,
    /// When.
    pub created_at: i64,
}

row! {
    /// An entry of the log.
    pub struct Audit {
        /// Its number: later ones have higher ones.
        pub id: i64,
        /// The account that was acted in.
        pub account: String,
        /// Who.
        pub username: String,
        /// Whose user that is.
        pub user_account: String,
        /// How they proved it.
        pub via: String,
        /// The permission it took.
        pub action: String,
        /// The method of the request.
        pub method: String,
        /// The path of the request.
        pub path: String,
        /// Names the request.
        pub request: String,
        /// The address it came from.
        pub client: Option<String>,
        /// What was there before, as JSON.
        pub before: Option<String>,
        /// What was there then, as JSON.
        pub after: Option<String>,
        /// The status it was answered with; none if nobody was there to take the answer.
        pub status: Option<i64>,
        /// When.
        pub created_at: i64,
    }
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this account; without, of all.
    pub account: Option<String>,
    /// By this user.
    pub username: Option<String>,
    /// With this permission.
    pub action: Option<String>,
    /// Of this path.
    pub path: Option<String>,
    /// At this instant or later.
    pub since: Option<i64>,
    /// Earlier than this instant.
    pub before: Option<i64>,
    /// Earlier than the entry of this number.
    pub below: Option<i64>,
}

/// Where the entry of one request is kept until it is written.
#[derive(Debug, Clone, Default)]
pub struct Slot(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entry: Option<NewAudit>,
    written: Option<i64>,
}

impl Slot {
    /// Has an entry written by the next transaction.
    pub fn arm(&self, entry: NewAudit) {
        self.state().entry = Some(entry);
    }

    /// The entry, and its number if it was written.
    pub fn take(&self) -> Option<(NewAudit, Option<i64>)> {
        let mut state = self.state();
        let written = state.written;
        state.entry.take().map(|entry| (entry, written))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a request with its slot.
pub async fn within<F: Future>(slot: Slot, request: F) -> F::Output {
    SLOT.scope(slot, request).await
}

/// Has an entry written by the next transaction of this request.
pub fn arm(entry: NewAudit) {
    let _ = SLOT.try_with(|slot| slot.arm(entry));
}

/// Adds what was there before to the entry of this request.
pub fn before(document: String) {
    change_entry(|entry| entry.before = Some(document));
}

/// Adds what is there now to the entry of this request.
pub fn after(document: String) {
    change_entry(|entry| entry.after = Some(document));
}

fn change_entry(change: impl FnOnce(&mut NewAudit)) {
    let _ = SLOT.try_with(|slot| slot.state().entry.as_mut().map(change));
}

/// The entry that waits to be written.
fn waiting() -> Option<NewAudit> {
    let waiting = SLOT.try_with(|slot| {
        let state = slot.state();
        if state.written.is_none() { state.entry.clone() } else { None }
    });
    waiting.ok().flatten()
}

/// Remembers that the entry was written.
pub(crate) fn committed(id: Option<i64>) {
    if let Some(id) = id {
        let _ = SLOT.try_with(|slot| slot.state().written = Some(id));
    }
}

/// A transaction that writes the entry of the request.
pub(crate) trait Note {
    /// Writes it, if it was not; its number.
    fn note(&mut self) -> impl Future<Output = Result<Option<i64>>> + Send;
}

macro_rules! notes {
    ($($connection:ty),*) => {$(
        impl Note for $connection {
            async fn note(&mut self) -> Result<Option<i64>> {
                let Some(entry) = waiting() else { return Ok(None) };
                let id = sqlx::query_scalar(sql::ADD_AUDIT)
                    .bind(entry.account)
                    .bind(entry.username)
                    .bind(entry.user_account)
                    .bind(entry.via)
                    .bind(entry.action)
                    .bind(entry.method)
                    .bind(entry.path)
                    .bind(entry.request)
                    .bind(entry.client)
                    .bind(entry.before)
                    .bind(entry.after)
                    .bind(entry.created_at)
                    .fetch_one(self)
                    .await
                    .during("writing the audit log")?;
                Ok(Some(id))
            }
        }
    )*};
}
notes!(SqliteConnection, PgConnection);

impl Store {
    /// Writes the entry of a request that no transaction wrote; its number.
    pub async fn write_audit(&self, entry: NewAudit) -> Result<Option<i64>> {
        let slot = Slot::default();
        slot.arm(entry);
        let kept = slot.clone();
        within(slot, self.only_note()).await?;
        Ok(kept.take().and_then(|(_, written)| written))
    }

    async fn only_note(&self) -> Result<()> {
        transaction!(self.pool, tx => ());
        Ok(())
    }

    /// Adds to an entry what the request was answered with, and what is there now.
    pub async fn finish_audit(&self, id: i64, status: i64, after: Option<&str>) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::FINISH_AUDIT).bind(id).bind(status).bind(after).execute(db).await.map(drop))
            .during("writing the audit log")
    }

    /// Entries of the log, the newest first.
    pub async fn audit(&self, filter: &AuditFilter, limit: i64) -> Result<Vec<Audit>> {
        let rows = match &filter.account {
            Some(account) => {
                read!(self.pool, db => sqlx::query_as(sql::AUDIT).bind(account).bind(filter.username.as_deref())
                    .bind(filter.action.as_deref()).bind(filter.path.as_deref()).bind(filter.since).bind(filter.before)
                    .bind(filter.below).bind(limit).fetch_all(db).await)
            }
            None => {
                read!(self.pool, db => sqlx::query_as(sql::AUDIT_OF_ALL).bind(filter.username.as_deref())
                    .bind(filter.action.as_deref()).bind(filter.path.as_deref()).bind(filter.since).bind(filter.before)
                    .bind(filter.below).bind(limit).fetch_all(db).await)
            }
        };
        rows.during("reading the audit log")
    }

    /// Removes entries from before an instant; answers how many.
    pub async fn delete_old_audit(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_AUDIT, before, "removing old entries of the audit log").await
    }
}
