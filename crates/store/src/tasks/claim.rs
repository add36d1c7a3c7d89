//! Claims: who works on what, for how long, and what becomes of it when the worker vanishes.

use uuid::Uuid;

use super::{Lease, Task, TaskState};
use crate::error::During as _;
use crate::images::AnalysisStatus;
use crate::imports::ImportStatus;
use crate::news::{Change, News};
use crate::sql::Pool;
use crate::statements as sql;
use crate::{Result, Store};

/// Workers that may vanish over one task before it is given up, less one: it may be what kills them.
const MAX_VANISHED: i64 = 4;

impl Store {
    /// Claims the most deserving task of these kinds (all, when empty): of the highest priority; among those of the account
    /// with the fewest running, and of these of the one that was served longest ago; there the oldest. So accounts take
    /// turns, however much each has queued. A task whose lease ran out is taken over.
    pub async fn claim(&self, kinds: &[&str], lease_micros: i64, now: i64) -> Result<Option<(Task, Lease)>> {
        const DOING: &str = "claiming a task";
        let vanished: i64 = read!(self.pool, db => sqlx::query_scalar(sql::VANISHED).bind(now).fetch_one(db).await)
            .during("looking for vanished workers")?;
        if vanished > 0 {
            self.requeue_vanished(now).await?;
        }
        let kinds = if kinds.is_empty() { String::new() } else { format!(",{},", kinds.join(",")) };
        let token = Uuid::new_v4().to_string();
        let until = now.saturating_add(lease_micros);
        let task: Option<Task> = loop {
            match &self.pool {
                Pool::Sqlite { write, .. } => {
                    break sqlx::query_as(sql::CLAIM_SQLITE)
                        .bind(now)
                        .bind(&kinds)
                        .bind(&token)
                        .bind(until)
                        .fetch_optional(write)
                        .await
                        .during(DOING)?;
                }
                Pool::Postgres(db) => {
                    let task = sqlx::query_as(sql::CLAIM_POSTGRES)
                        .bind(now)
                        .bind(&kinds)
                        .bind(&token)
                        .bind(until)
                        .fetch_optional(db)
                        .await
                        .during(DOING)?;
                    if task.is_some() {
                        break task;
                    }
                    // The last task of the chosen lane went to another worker; other lanes may hold more.
                    let more: i64 =
                        sqlx::query_scalar(sql::CLAIMABLE).bind(now).bind(&kinds).fetch_one(db).await.during(DOING)?;
                    if more == 0 {
                        break None;
                    }
                }
            }
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

    /// Queues again the tasks whose worker vanished, with their images, and fails those that had their last
    /// attempt; answers the failed ones. Run it on a timer.
    pub async fn give_up_vanished(&self, now: i64) -> Result<Vec<Task>> {
        const DOING: &str = "giving up tasks";
        self.requeue_vanished(now).await?;
        let (tasks, sends) = transaction!(self.pool, tx => {
            let tasks: Vec<Task> = sqlx::query_as(sql::GIVE_UP).bind(now).bind(MAX_VANISHED).fetch_all(&mut *tx).await.during(DOING)?;
            for (task, image) in about_images(&tasks) {
                sqlx::query(sql::FAIL_IMAGE).bind(&task.account).bind(image).bind(AnalysisStatus::AnalysisFailed.as_str())
                    .bind(vanished_cause(task)).bind(now).execute(&mut *tx).await.during(DOING)?;
            }
            for task in &tasks {
                sqlx::query(sql::END_IMPORTS).bind(task.id).bind(ImportStatus::Failed.as_str()).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            let mut news = News::default();
            for (task, digest) in about_images(&tasks) {
                let cause = &vanished_cause(task);
                let told = news_of_image!(self, tx, &task.account, digest, now, |image, tags| Change::AnalysisFailed { image, tags, cause });
                news = news.and(told);
            }
            let sends = tell_in!(tx, &news, now);
            (tasks, sends)
        });
        self.nudge_notices(sends);
        Ok(tasks)
    }

    async fn requeue_vanished(&self, now: i64) -> Result<()> {
        const DOING: &str = "queueing tasks again";
        let queued = transaction!(self.pool, tx => {
            let tasks: Vec<Task> = sqlx::query_as(sql::REQUEUE_VANISHED).bind(now).bind(MAX_VANISHED).fetch_all(&mut *tx).await.during(DOING)?;
            for (task, image) in about_images(&tasks) {
                sqlx::query(sql::FAIL_IMAGE).bind(&task.account).bind(image).bind(AnalysisStatus::NotAnalyzed.as_str())
                    .bind(vanished_cause(task)).bind(now).execute(&mut *tx).await.during(DOING)?;
            }
            tasks
        });
        if !queued.is_empty() {
            self.nudge_if_queued(TaskState::Queued.as_str());
        }
        Ok(())
    }
}

impl Store {
    /// How many tasks of a kind wait for a worker, of all accounts.
    pub async fn waiting_tasks(&self, kind: &str) -> Result<i64> {
        read!(self.pool, db => sqlx::query_scalar(sql::WAITING_TASKS).bind(kind).fetch_one(db).await)
            .during("counting tasks")
    }
}

fn about_images(tasks: &[Task]) -> impl Iterator<Item = (&Task, &str)> {
    tasks.iter().filter_map(|task| Some((task, task.image.as_deref()?)))
}

fn vanished_cause(task: &Task) -> String {
    format!("the worker vanished; {} of {} attempts were made", task.attempts, task.max_attempts)
}
