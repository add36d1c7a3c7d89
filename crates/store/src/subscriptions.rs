//! What an account wants to be told about.

use md5::{Digest as _, Md5};

use crate::error::{During as _, StoreError, found};
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A subscription.
    pub struct Subscription {
        /// Whose.
        pub account: String,
        /// See [`subscription_id`].
        pub id: String,
        /// The full tag, or the repository.
        pub key: String,
        /// `tag_update`, `policy_eval`, `vuln_update`, `analysis_update`, `alerts` or `repo_update`.
        pub r#type: String,
        /// The type's own text.
        pub value: Option<String>,
        /// Whether it is on.
        pub active: bool,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

/// The type of subscription of alerts.
pub const ALERTS: &str = "alerts";
/// The type of subscription of verdicts.
pub const POLICY_EVAL: &str = "policy_eval";
/// The types of subscription that judge by policies and exceptions.
pub(crate) const DECIDED: &[&str] = &[POLICY_EVAL, ALERTS];

/// MD5 of account, key and type; clients treat it as opaque.
pub fn subscription_id(account: &str, key: &str, kind: &str) -> String {
    hex::encode(Md5::digest(format!("{account}+{key}+{kind}")))
}

impl Store {
    /// Adds a subscription.
    pub async fn add_subscription(
        &self,
        account: &str,
        key: &str,
        kind: &str,
        value: Option<&str>,
        active: bool,
        now: i64,
    ) -> Result<Subscription> {
        let id = subscription_id(account, key, kind);
        transaction!(self.pool, tx => {
            let done = sqlx::query(sql::ADD_SUBSCRIPTION).bind(account).bind(&id).bind(key).bind(kind).bind(value)
                .bind(active).bind(now).execute(&mut *tx).await.creating("subscription", key)?;
            if done.rows_affected() == 0 {
                return Err(StoreError::AlreadyExists { entity: "subscription", name: id });
            }
            watch_in!(tx, account, &id, "watching a subscription");
        });
        self.subscription(account, &id).await
    }

    /// One subscription.
    pub async fn subscription(&self, account: &str, id: &str) -> Result<Subscription> {
        let row =
            read!(self.pool, db => sqlx::query_as(sql::SUBSCRIPTION).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading a subscription")?, "subscription", id)
    }

    /// The account's subscriptions, of a key or type when given.
    pub async fn subscriptions(
        &self,
        account: &str,
        key: Option<&str>,
        kind: Option<&str>,
    ) -> Result<Vec<Subscription>> {
        read!(self.pool, db => sqlx::query_as(sql::SUBSCRIPTIONS).bind(account).bind(key).bind(kind).fetch_all(db).await)
            .during("listing subscriptions")
    }

    /// The account's subscriptions by id, of a key or type when given: those after `after`, at most so many.
    pub async fn subscriptions_after(
        &self,
        account: &str,
        key: Option<&str>,
        kind: Option<&str>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Subscription>> {
        read!(self.pool, db => sqlx::query_as(sql::SUBSCRIPTIONS_AFTER).bind(account).bind(key).bind(kind).bind(after)
            .bind(limit).fetch_all(db).await)
        .during("listing subscriptions")
    }

    /// Changes a subscription: switches it, or gives it another text, or none. One that is switched on is looked at at
    /// once; one that is off has no alert that is open.
    pub async fn change_subscription(
        &self,
        account: &str,
        id: &str,
        active: Option<bool>,
        value: Option<Option<&str>>,
        now: i64,
    ) -> Result<Subscription> {
        const DOING: &str = "changing a subscription";
        Ok(transaction!(self.pool, tx => {
            let row: Option<Subscription> = sqlx::query_as(sql::CHANGE_SUBSCRIPTION).bind(account).bind(id).bind(active)
                .bind(value.is_some()).bind(value.flatten()).bind(now).fetch_optional(&mut *tx).await.during(DOING)?;
            let row = found(row, "subscription", id)?;
            let has_alerts = row.r#type == ALERTS;
            if row.active {
                watch_in!(tx, account, id, DOING);
            } else {
                unwatch_in!(tx, account, &row.key, DOING);
            }
            if active == Some(true) {
                sqlx::query(sql::RESTART_WATCH).bind(account).bind(id).bind(now).bind(has_alerts).execute(&mut *tx).await
                    .during(DOING)?;
            }
            if has_alerts {
                sqlx::query(sql::CLOSE_UNSUBSCRIBED_ALERT).bind(account).bind(&row.key).bind(now).execute(&mut *tx).await
                    .during(DOING)?;
            }
            row
        }))
    }

    /// Gives a subscription another text, if it still has the one of before; whether it did.
    pub async fn replace_subscription_value(
        &self,
        account: &str,
        id: &str,
        before: Option<&str>,
        value: &str,
        now: i64,
    ) -> Result<bool> {
        transaction!(self.pool, tx => {
            let done = sqlx::query(sql::SET_SUBSCRIPTION_VALUE).bind(account).bind(id).bind(value).bind(now)
                .bind(before.unwrap_or_default()).execute(&mut *tx).await.during("changing a subscription")?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
        });
        Ok(true)
    }

    /// Removes a subscription, and closes what it was told of.
    pub async fn delete_subscription(&self, account: &str, id: &str, now: i64) -> Result<()> {
        const DOING: &str = "removing a subscription";
        transaction!(self.pool, tx => {
            let key: Option<String> =
                sqlx::query_scalar(sql::DELETE_SUBSCRIPTION).bind(account).bind(id).fetch_optional(&mut *tx).await.during(DOING)?;
            let key = found(key, "subscription", id)?;
            sqlx::query(sql::CLOSE_UNSUBSCRIBED_ALERT).bind(account).bind(&key).bind(now).execute(&mut *tx).await.during(DOING)?;
        });
        Ok(())
    }
}
