//! The task queue: rows claimed under a lease; at least once, fair between accounts, visible failures.
//!
//! Rows are locked in one order everywhere: task, image, then what belongs to the image.

mod claim;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::error::{During as _, StoreError, found};
use crate::imports::ImportStatus;
use crate::statements as sql;
use crate::{Result, Store};

words! {
    /// Where a task stands.
    pub enum TaskState {
        /// Waits for a worker or its time.
        Queued = "queued",
        /// A worker has it, or had it until the lease ran out.
        Running = "running",
        /// Finished.
        Done = "done",
        /// Given up.
        Failed = "failed",
    }
}

row! {
    /// A task.
    pub struct Task {
        /// Its number.
        pub id: i64,
        /// Which job does it.
        pub kind: String,
        /// For whom.
        pub account: String,
        /// The manifest digest of the account's image it is about, which changes state with it.
        pub image: Option<String>,
        /// The job's own text.
        pub payload: String,
        /// Higher goes first, whosever it is.
        pub priority: i64,
        /// Where it stands.
        pub state: TaskState,
        /// Whether it was asked for again while running, so that it is done again.
        pub again: bool,
        /// How often it was begun.
        pub attempts: i64,
        /// How often it may be begun.
        pub max_attempts: i64,
        /// Not before.
        pub run_after: i64,
        /// The claim: the present one, or the one that completed it.
        pub lease: Option<String>,
        /// Until when the claim holds.
        pub lease_until: Option<i64>,
        /// Why the last attempt failed.
        pub last_error: Option<String>,
        /// How far the present attempt is, in the job's own words.
        pub progress: Option<String>,
        /// When it was last begun; 0 before the first time.
        pub started_at: i64,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

/// A task to enqueue.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Which job does it: letters and `_`.
    pub kind: &'static str,
    /// For whom.
    pub account: String,
    /// The job's own text.
    pub payload: String,
    /// Higher goes first, whosever it is; among equals, accounts take turns.
    pub priority: i64,
    /// Not before.
    pub run_after: i64,
    /// At most one queued or running task of the account has this key.
    pub dedupe: Option<String>,
    /// How often it may be begun; at least once.
    pub max_attempts: i64,
}

/// A claimed task; the right to finish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub task: i64,
    /// The claim.
    pub token: String,
}

/// Microseconds to wait after so many attempts: doubling from 5 seconds to an hour.
pub fn back_off(attempts: i64) -> i64 {
    const SECOND: i64 = 1_000_000;
    let doublings = attempts.clamp(1, 11) - 1;
    ((5 * SECOND) << doublings).min(3600 * SECOND)
}

impl Store {
    /// Adds a task, or answers the live one of the account with the same key.
    pub async fn enqueue(&self, task: &NewTask, now: i64) -> Result<i64> {
        let id = transaction!(self.pool, tx => enqueue_in!(tx, sql::ENQUEUE, task, None, now));
        self.nudge.notify_one();
        Ok(id)
    }

    /// Finishes a task; saying so twice is fine. One that was asked for again is queued again.
    pub async fn complete(&self, lease: &Lease, now: i64) -> Result<()> {
        let state = transaction!(self.pool, tx => {
            let state = complete_in!(tx, lease, now);
            if state == TaskState::Done.as_str() {
                // Completed without an analysis: the image has gone.
                sqlx::query(sql::END_IMPORTS).bind(lease.task).bind(ImportStatus::Failed.as_str()).bind(now)
                    .execute(&mut *tx).await.during("completing a task")?;
            }
            state
        });
        self.nudge_if_queued(&state);
        Ok(())
    }

    /// Records a failure: queued again after a pause, or failed for good after the last attempt or without a pause.
    pub async fn fail(&self, lease: &Lease, error: &str, retry_after_micros: Option<i64>, now: i64) -> Result<Task> {
        let row = write!(self.pool, db => sqlx::query_as(sql::FAIL).bind(lease.task).bind(&lease.token).bind(error)
            .bind(retry_after_micros.map(|pause| now.saturating_add(pause))).bind(now).fetch_optional(db).await);
        row.during("failing a task")?.ok_or(StoreError::LeaseLost { task: lease.task })
    }

    /// One task of the account.
    pub async fn task(&self, account: &str, id: i64) -> Result<Task> {
        let row = read!(self.pool, db => sqlx::query_as(sql::TASK).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading a task")?, "task", &id.to_string())
    }

    /// The newest task about an image of the account.
    pub async fn task_of_image(&self, account: &str, digest: &str) -> Result<Option<Task>> {
        read!(self.pool, db => sqlx::query_as(sql::TASK_OF_IMAGE).bind(account).bind(digest).fetch_optional(db).await)
            .during("reading the task of an image")
    }

    /// Notes how far the holder of a lease is; nothing where the lease is lost.
    pub async fn note_progress(&self, lease: &Lease, progress: &str) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::NOTE_PROGRESS).bind(lease.task).bind(&lease.token).bind(progress)
            .execute(db).await.map(drop))
        .during("noting progress")
    }

    pub(crate) fn nudge_if_queued(&self, state: &str) {
        if state == TaskState::Queued.as_str() {
            self.nudge.notify_one();
        }
    }

    /// Told once for each task added by this process; tasks of others are found by polling.
    pub fn task_nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.nudge)
    }

    /// Removes tasks that ended before an instant; answers how many.
    pub async fn delete_old_tasks(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_TASKS, before, "removing old tasks").await
    }
}
