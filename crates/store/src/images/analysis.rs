//! The analysis of an image: its start, and its end together with that of its task.

use killick_model::digest::Digest;

use super::AnalysisStatus;
use crate::error::{During as _, StoreError};
use crate::imports::ImportStatus;
use crate::news::{Change, News};
use crate::packages::{PackageDocument, PackageIdentity, PackageName};
use crate::statements as sql;
use crate::tasks::{Lease, Task, TaskState};
use crate::{Result, Store};

/// What an analysis found, for the rows.
#[derive(Debug, Clone)]
pub struct FinishedAnalysis {
    /// The blob of the analysis.
    pub analysis: Digest,
    /// Sum of its layers.
    pub size_bytes: i64,
    /// As the config says.
    pub architecture: String,
    /// The distribution's id, or empty.
    pub distro: String,
    /// The distribution's version, or empty.
    pub distro_version: String,
    /// How many layers.
    pub layer_count: i64,
    /// See [`PackageIdentity::all`].
    pub packages: Vec<PackageIdentity>,
    /// Under which names the packages are looked up.
    pub names: Vec<PackageName>,
    /// What matching looks at of the packages.
    pub documents: Vec<PackageDocument>,
}

impl Store {
    /// Marks an image as being analyzed; `false` when it is going away or the lease is lost.
    pub async fn start_analysis(&self, lease: &Lease, account: &str, digest: &str, now: i64) -> Result<bool> {
        let rows = write!(self.pool, db => sqlx::query(sql::START_ANALYSIS).bind(account).bind(digest).bind(now).bind(lease.task)
            .bind(&lease.token).execute(db).await.map(|done| done.rows_affected()));
        Ok(rows.during("starting an analysis")? > 0)
    }

    /// Writes image, packages and the end of the task in one transaction; nothing, when the lease is lost. The watches of
    /// its tags become due: it may be the image they point to now.
    ///
    /// The same lease may say so twice. An image that has gone meanwhile only ends its task; one that was asked for
    /// again keeps what was found and waits.
    pub async fn finish_analysis(
        &self,
        lease: &Lease,
        account: &str,
        digest: &str,
        done: &FinishedAnalysis,
        now: i64,
    ) -> Result<()> {
        const DOING: &str = "finishing an analysis";
        let state = transaction!(self.pool, tx => {
            let state = complete_in!(tx, lease, now);
            let again = state == TaskState::Queued.as_str();
            let status = if again { AnalysisStatus::NotAnalyzed } else { AnalysisStatus::Analyzed };
            let id: Option<i64> = sqlx::query_scalar(sql::FINISH_IMAGE).bind(account).bind(digest).bind(done.analysis.to_string())
                .bind(done.size_bytes).bind(&done.architecture).bind(&done.distro).bind(&done.distro_version).bind(done.layer_count)
                .bind(now).bind(status.as_str()).fetch_optional(&mut *tx).await.during(DOING)?;
            if let Some(id) = id {
                link_packages_in!(self, tx, account, id, done);
                sqlx::query(sql::FORGET_MATCHES).bind(account).bind(digest).execute(&mut *tx).await.during(DOING)?;
            }
            if !again {
                let ended = if id.is_some() { ImportStatus::Complete } else { ImportStatus::Failed };
                sqlx::query(sql::END_IMPORTS).bind(lease.task).bind(ended.as_str()).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            if id.is_some() {
                hasten_image_in!(self.pool, tx, account, digest, now);
            }
            let news = if id.is_some() && !again {
                news_of_image!(self, tx, account, digest, now, |image, tags| Change::Analyzed { image, tags })
            } else {
                News::default()
            };
            let sends = tell_in!(tx, &news, now);
            (state, sends)
        });
        let (state, sends) = state;
        self.nudge_if_queued(&state);
        self.nudge_notices(sends);
        Ok(())
    }

    /// Records a failed attempt at task and image: the image waits again, or has failed with its task, which it has
    /// without a pause.
    pub async fn fail_analysis(
        &self,
        lease: &Lease,
        account: &str,
        digest: &str,
        cause: &str,
        retry_after_micros: Option<i64>,
        now: i64,
    ) -> Result<Task> {
        const DOING: &str = "failing an analysis";
        let (task, sends) = transaction!(self.pool, tx => {
            let task: Option<Task> = sqlx::query_as(sql::FAIL).bind(lease.task).bind(&lease.token).bind(cause)
                .bind(retry_after_micros.map(|pause| now.saturating_add(pause))).bind(now).fetch_optional(&mut *tx).await.during(DOING)?;
            let task = task.ok_or(StoreError::LeaseLost { task: lease.task })?;
            let status = if task.state == TaskState::Failed { AnalysisStatus::AnalysisFailed } else { AnalysisStatus::NotAnalyzed };
            sqlx::query(sql::FAIL_IMAGE).bind(account).bind(digest).bind(status.as_str()).bind(cause).bind(now)
                .execute(&mut *tx).await.during(DOING)?;
            if task.state == TaskState::Failed {
                sqlx::query(sql::END_IMPORTS).bind(lease.task).bind(ImportStatus::Failed.as_str()).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            let news = if task.state == TaskState::Failed {
                news_of_image!(self, tx, account, digest, now, |image, tags| Change::AnalysisFailed { image, tags, cause })
            } else {
                News::default()
            };
            let sends = tell_in!(tx, &news, now);
            (task, sends)
        });
        self.nudge_notices(sends);
        Ok(task)
    }
}
