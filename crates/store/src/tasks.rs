//! The task queue: rows claimed under a lease; at least once, fair between accounts, visible failures.

use std::sync::Arc;

use tokio::sync::Notify;
use uuid::Uuid;

use crate::error::{During as _, StoreError, found};
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
        /// The job's own text.
        pub payload: String,
        /// Higher goes first within an account.
        pub priority: i64,
        /// Where it stands.
        pub state: TaskState,
        /// How often it was begun.
        pub attempts: i64,
        /// How often it may be begun.
        pub max_attempts: i64,
        /// Not before.
        pub run_after: i64,
        /// The claim, while running.
        pub lease: Option<String>,
        /// Until when the claim holds.
        pub lease_until: Option<i64>,
        /// Why the last attempt failed.
        pub last_error: Option<String>,
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
    /// Higher goes first within an account.
    pub priority: i64,
    /// Not before.
    pub run_after: i64,
    /// At most one queued or running task has this key.
    pub dedupe: Option<String>,
    /// How often it may be begun.
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
    /// Adds a task, or answers the live one with the same key.
    pub async fn enqueue(&self, task: &NewTask, now: i64) -> Result<i64> {
        let id = transaction!(self.pool, tx => enqueue_in!(tx, task, now));
        self.nudge.notify_one();
        Ok(id)
    }

    /// Claims the most deserving task of these kinds (all, when empty): of the account with the fewest
    /// running, then by priority, then by age.
    pub async fn claim(&self, kinds: &[&str], lease_micros: i64, now: i64) -> Result<Option<(Task, Lease)>> {
        const DOING: &str = "claiming a task";
        let kinds = if kinds.is_empty() { String::new() } else { format!(",{},", kinds.join(",")) };
        let token = Uuid::new_v4().to_string();
        let until = now.saturating_add(lease_micros);
        let task: Option<Task> = match &self.pool {
            crate::sql::Pool::Sqlite { write, .. } => sqlx::query_as(sql::CLAIM_SQLITE)
                .bind(now)
                .bind(&token)
                .bind(until)
                .bind(kinds)
                .fetch_optional(write)
                .await
                .during(DOING)?,
            crate::sql::Pool::Postgres(db) => sqlx::query_as(sql::CLAIM_POSTGRES)
                .bind(now)
                .bind(&token)
                .bind(until)
                .bind(kinds)
                .fetch_optional(db)
                .await
                .during(DOING)?,
        };
        Ok(task.map(|task| {
            let lease = Lease { task: task.id, token };
            (task, lease)
        }))
    }

    /// Keeps a lease alive; `false` means it is lost and the work must stop.
    pub async fn renew(&self, lease: &Lease, lease_micros: i64, now: i64) -> Result<bool> {
        let rows = write!(self.pool, db => sqlx::query(sql::RENEW).bind(lease.task).bind(&lease.token)
            .bind(now.saturating_add(lease_micros)).bind(now).execute(db).await.map(|done| done.rows_affected()));
        Ok(rows.during("renewing a lease")? > 0)
    }

    /// Finishes a task.
    pub async fn complete(&self, lease: &Lease, now: i64) -> Result<()> {
        transaction!(self.pool, tx => complete_in!(tx, lease, now));
        Ok(())
    }

    /// Records a failure: queued again after a back-off, or failed for good after the last attempt.
    pub async fn fail(&self, lease: &Lease, error: &str, retry_after_micros: i64, now: i64) -> Result<Task> {
        let row = write!(self.pool, db => sqlx::query_as(sql::FAIL).bind(lease.task).bind(&lease.token).bind(error)
            .bind(now.saturating_add(retry_after_micros)).bind(now).fetch_optional(db).await);
        row.during("failing a task")?.ok_or(StoreError::LeaseLost { task: lease.task })
    }

    /// Fails the tasks whose last worker vanished, and answers them; run it on a timer.
    pub async fn give_up_vanished(&self, now: i64) -> Result<Vec<Task>> {
        write!(self.pool, db => sqlx::query_as(sql::GIVE_UP).bind(now).fetch_all(db).await).during("giving up tasks")
    }

    /// One task of the account.
    pub async fn task(&self, account: &str, id: i64) -> Result<Task> {
        let row = read!(self.pool, db => sqlx::query_as(sql::TASK).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading a task")?, "task", &id.to_string())
    }

    /// Told once for each task added by this process; tasks of others are found by polling.
    pub fn task_nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.nudge)
    }

    /// Removes tasks that ended before an instant; answers how many.
    pub async fn delete_old_tasks(&self, before: i64) -> Result<u64> {
        write!(self.pool, db => sqlx::query(sql::DELETE_OLD_TASKS).bind(before).execute(db).await.map(|done| done.rows_affected()))
            .during("removing old tasks")
    }
}
