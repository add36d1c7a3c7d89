//! Alerts: a watched tag with an image that the policy stops, from when that is seen until it is over.
//!
//! Of the image that a tag means, and of each other one of its index, at most one is open, and only while somebody
//! subscribes to them. What is told of an alert is written
//! in the transaction that opens or closes it.

use killick_model::digest::Digest;

use crate::error::{During as _, found};
use crate::news::News;
use crate::statements as sql;
use crate::{Result, Store};

words! {
    /// Why an alert is over.
    pub enum ClosedFor {
        /// The policy lets the image through.
        Passed = "passed",
        /// The tag points to no image any more.
        Gone = "gone",
        /// Nobody subscribes to alerts of the tag any more.
        Unsubscribed = "unsubscribed",
        /// A user has seen it.
        User = "user",
    }
}

row! {
    /// An alert.
    pub struct Alert {
        /// Its number: later ones have higher ones.
        pub id: i64,
        /// Whose.
        pub account: String,
        /// The full tag.
        pub tag: String,
        /// What of the tag: the image that it means (empty), or, by its digest, another of its index.
        pub subject: String,
        /// The image, as it was looked at last.
        pub digest: Digest,
        /// The policy that stops it.
        pub policy_id: String,
        /// That policy, as it was written.
        pub policy_digest: Digest,
        /// Since when.
        pub opened_at: i64,
        /// Last change.
        pub updated_at: i64,
        /// When it was over.
        pub closed_at: Option<i64>,
        /// Why it is over.
        pub closed_for: Option<ClosedFor>,
        /// Who closed it, if a user did.
        pub closed_by: Option<String>,
    }
}

/// What an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What of the tag: the image that it means (empty), or, by its digest, another of its index.
    pub subject: String,
    /// The image.
    pub digest: Digest,
    /// The policy that stops it.
    pub policy_id: String,
    /// That policy, as it is written.
    pub policy_digest: Digest,
}

/// Which alert is to be closed, and why.
#[derive(Debug, Clone, Copy)]
pub struct Closing<'c> {
    /// Its number.
    pub id: i64,
    /// Why.
    pub closed_for: ClosedFor,
    /// Who closes it, if a user does.
    pub closed_by: Option<&'c str>,
}

/// Which alerts are wanted.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Those that are open, or those that are not.
    pub open: Option<bool>,
    /// Of this full tag.
    pub tag: Option<String>,
    /// Earlier than the one of this number.
    pub below: Option<i64>,
}

impl Store {
    /// Opens an alert and answers it, unless there is one that is open of the same, or nobody subscribes to them.
    pub async fn open_alert(
        &self,
        account: &str,
        tag: &str,
        alarm: &Alarm,
        told: impl Fn(&Alert) -> News + Send + Sync,
        now: i64,
    ) -> Result<Option<Alert>> {
        let (alert, sends) = transaction!(self.pool, tx => {
            let alert: Option<Alert> = sqlx::query_as(sql::OPEN_ALERT).bind(account).bind(tag).bind(alarm.digest.to_string())
                .bind(&alarm.policy_id).bind(alarm.policy_digest.to_string()).bind(now).bind(&alarm.subject).fetch_optional(&mut *tx).await
                .creating("alert", tag)?;
            let Some(alert) = alert else { return Ok(None) };
            let news = told(&alert);
            let sends = tell_in!(tx, &news, now);
            (alert, sends)
        });
        self.nudge_notices(sends);
        Ok(Some(alert))
    }

    /// Has the open alert of a tag and subject speak of another image or policy; whether there is one.
    pub async fn move_alert(&self, account: &str, tag: &str, alarm: &Alarm, now: i64) -> Result<bool> {
        let rows = write!(self.pool, db => sqlx::query(sql::MOVE_ALERT).bind(account).bind(tag).bind(alarm.digest.to_string())
            .bind(&alarm.policy_id).bind(alarm.policy_digest.to_string()).bind(now).bind(&alarm.subject).execute(db).await
            .map(|done| done.rows_affected()));
        Ok(rows.during("changing an alert")? > 0)
    }

    /// Closes an alert, if it is open: then it answers it.
    pub async fn close_alert(
        &self,
        account: &str,
        closing: Closing<'_>,
        told: impl Fn(&Alert) -> News + Send + Sync,
        now: i64,
    ) -> Result<Option<Alert>> {
        let (alert, sends) = transaction!(self.pool, tx => {
            let alert: Option<Alert> = sqlx::query_as(sql::CLOSE_ALERT).bind(account).bind(closing.id)
                .bind(closing.closed_for.as_str()).bind(closing.closed_by).bind(now).fetch_optional(&mut *tx).await.during("closing an alert")?;
            let Some(alert) = alert else { return Ok(None) };
            let news = told(&alert);
            let sends = tell_in!(tx, &news, now);
            (alert, sends)
        });
        self.nudge_notices(sends);
        Ok(Some(alert))
    }

    /// One alert.
    pub async fn alert(&self, account: &str, id: i64) -> Result<Alert> {
        let row = read!(self.pool, db => sqlx::query_as(sql::ALERT).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading an alert")?, "alert", &id.to_string())
    }

    /// The last alert of a tag and subject, open or not.
    pub async fn last_alert(&self, account: &str, tag: &str, subject: &str) -> Result<Option<Alert>> {
        read!(self.pool, db => sqlx::query_as(sql::LAST_ALERT).bind(account).bind(tag).bind(subject).fetch_optional(db).await)
            .during("reading an alert")
    }

    /// Alerts of the account, the newest first.
    pub async fn alerts(&self, account: &str, filter: &AlertFilter, limit: i64) -> Result<Vec<Alert>> {
        let below = filter.below.unwrap_or(i64::MAX);
        let rows = match (&filter.tag, filter.open) {
            (Some(tag), open) => {
                read!(self.pool, db => sqlx::query_as(sql::ALERTS_OF_TAG).bind(account).bind(below).bind(open).bind(limit)
                    .bind(tag).fetch_all(db).await)
            }
            (None, Some(true)) => {
                read!(self.pool, db => sqlx::query_as(sql::OPEN_ALERTS).bind(account).bind(below).bind(limit).fetch_all(db).await)
            }
            (None, open) => {
                read!(self.pool, db => sqlx::query_as(sql::ALERTS).bind(account).bind(below).bind(open).bind(limit)
                    .fetch_all(db).await)
            }
        };
        rows.during("listing alerts")
    }

    /// Removes alerts that were over before an instant, but for the last of each tag and subject, by which the next one is opened or
    /// not; answers how many.
    pub async fn delete_old_alerts(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_ALERTS, before, "removing old alerts").await
    }
}
