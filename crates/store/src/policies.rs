//! Policy bundles: documents kept as given, at most one active in an account.

use killick_model::digest::Digest;
use sqlx::FromRow as _;

use crate::error::{During as _, StoreError, found};
use crate::exceptions::ExceptionsState;
use crate::news::{Change, News};
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A policy bundle.
    pub struct PolicyRow {
        /// Whose.
        pub account: String,
        /// The bundle's own id.
        pub id: String,
        /// Whether it judges by default.
        pub active: bool,
        /// The document, as given.
        pub document: String,
        /// The digest of the document.
        pub digest: Digest,
        /// Where it came from: `local`, ….
        pub source: String,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

impl Store {
    /// Adds or replaces a bundle; whether it is active does not change. What is judged by it becomes due.
    pub async fn put_policy(
        &self,
        account: &str,
        id: &str,
        document: &str,
        source: &str,
        now: i64,
    ) -> Result<PolicyRow> {
        const DOING: &str = "storing a policy";
        let digest = Digest::of(document.as_bytes()).to_string();
        let (row, sends) = transaction!(self.pool, tx => {
            let before: Option<PolicyRow> =
                sqlx::query_as(sql::POLICY).bind(account).bind(id).fetch_optional(&mut *tx).await.during(DOING)?;
            let row: PolicyRow = sqlx::query_as(sql::PUT_POLICY).bind(account).bind(id).bind(document).bind(&digest)
                .bind(source).bind(now).fetch_one(&mut *tx).await.creating("policy", id)?;
            let news = match &before {
                Some(before) if row.active && before.digest != row.digest => {
                    hasten_decided_in!(self.pool, tx, account, now);
                    self.news(&Change::PolicyChanged { before, now: &row }, now)
                }
                _ => News::default(),
            };
            let sends = tell_in!(tx, &news, now);
            (row, sends)
        });
        self.nudge_notices(sends);
        Ok(row)
    }

    /// One bundle.
    pub async fn policy(&self, account: &str, id: &str) -> Result<PolicyRow> {
        let row = read!(self.pool, db => sqlx::query_as(sql::POLICY).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading a policy")?, "policy", id)
    }

    /// The bundle of this id, or the one that judges by default, and what tells the account's exceptions from others. Every
    /// check of an image asks this.
    pub async fn policy_and_exceptions(
        &self,
        account: &str,
        id: Option<&str>,
    ) -> Result<Option<(PolicyRow, ExceptionsState)>> {
        let row: sqlx::Result<Option<_>> = read!(self.pool, db =>
            sqlx::query(sql::POLICY_AND_EXCEPTIONS).bind(account).bind(id).fetch_optional(db).await.and_then(|row| {
                row.map(|row| Ok((PolicyRow::from_row(&row)?, ExceptionsState::from_row(&row)?))).transpose()
            })
        );
        row.during("reading a policy")
    }

    /// Every bundle of the account, oldest first.
    pub async fn policies(&self, account: &str) -> Result<Vec<PolicyRow>> {
        read!(self.pool, db => sqlx::query_as(sql::POLICIES).bind(account).fetch_all(db).await)
            .during("listing policies")
    }

    /// The bundles of the account by id: those after `after`, at most so many.
    pub async fn policies_after(&self, account: &str, after: &str, limit: i64) -> Result<Vec<PolicyRow>> {
        read!(self.pool, db => sqlx::query_as(sql::POLICIES_AFTER).bind(account).bind(after).bind(limit).fetch_all(db).await)
            .during("listing policies")
    }

    /// The bundle that judges by default.
    pub async fn active_policy(&self, account: &str) -> Result<Option<PolicyRow>> {
        read!(self.pool, db => sqlx::query_as(sql::ACTIVE_POLICY).bind(account).fetch_optional(db).await)
            .during("reading the active policy")
    }

    /// Makes one bundle the active one. What is judged by it becomes due.
    pub async fn activate_policy(&self, account: &str, id: &str, now: i64) -> Result<PolicyRow> {
        const DOING: &str = "activating a policy";
        let (row, sends) = transaction!(self.pool, tx => {
            let before: Option<PolicyRow> =
                sqlx::query_as(sql::ACTIVE_POLICY).bind(account).fetch_optional(&mut *tx).await.during(DOING)?;
            sqlx::query(sql::DEACTIVATE_POLICIES).bind(account).bind(id).execute(&mut *tx).await.during(DOING)?;
            let row: Option<PolicyRow> = sqlx::query_as(sql::ACTIVATE_POLICY).bind(account).bind(id).bind(now)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            let row = found(row, "policy", id)?;
            let news = match &before {
                Some(before) if before.id == row.id => News::default(),
                before => {
                    hasten_decided_in!(self.pool, tx, account, now);
                    self.news(&Change::PolicyActivated { before: before.as_ref(), now: &row }, now)
                }
            };
            let sends = tell_in!(tx, &news, now);
            (row, sends)
        });
        self.nudge_notices(sends);
        Ok(row)
    }

    /// Removes a bundle, unless it is the active one.
    pub async fn delete_policy(&self, account: &str, id: &str) -> Result<()> {
        transaction!(self.pool, tx => {
            let done = sqlx::query(sql::DELETE_POLICY).bind(account).bind(id).execute(&mut *tx).await;
            if done.during("removing a policy")?.rows_affected() == 0 {
                drop(tx);
                self.policy(account, id).await?;
                return Err(StoreError::Refused { entity: "policy", name: id.to_owned(), reason: "it is the active one" });
            }
        });
        Ok(())
    }
}
