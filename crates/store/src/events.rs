//! What happened, for people to read. Events are written by [`crate::news`].

use crate::error::{During as _, found};
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// An event.
    pub struct EventRow {
        /// Its number: later ones have higher ones.
        pub id: i64,
        /// What it is known by.
        pub uuid: String,
        /// Whose.
        pub account: String,
        /// Which of the known types.
        pub r#type: String,
        /// `info` or `error`.
        pub level: String,
        /// The event as JSON.
        pub document: String,
        /// When.
        pub created_at: i64,
        /// When somebody said that they have seen it.
        pub acknowledged_at: Option<i64>,
        /// Who did.
        pub acknowledged_by: Option<String>,
    }
}

/// Which events; without anything, all of them.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this type; `*` stands for any characters.
    pub kind: Option<String>,
    /// Of this level.
    pub level: Option<String>,
    /// From this service.
    pub service: Option<String>,
    /// From this process.
    pub host: Option<String>,
    /// About this kind of thing.
    pub resource_type: Option<String>,
    /// About this thing.
    pub resource: Option<String>,
    /// After this instant.
    pub since: Option<i64>,
    /// Before this instant.
    pub before: Option<i64>,
}

/// Binds a filter to the parameters after the account.
macro_rules! filtered {
    ($query:expr, $account:expr, $filter:expr) => {{
        let filter: &EventFilter = $filter;
        $query
            .bind($account)
            .bind(filter.kind.as_deref().map(pattern))
            .bind(filter.level.as_deref())
            .bind(filter.service.as_deref())
            .bind(filter.host.as_deref())
            .bind(filter.resource_type.as_deref())
            .bind(filter.resource.as_deref())
            .bind(filter.since)
            .bind(filter.before)
    }};
}

impl Store {
    /// Events of the account, newest first, without the first so many.
    pub async fn events(&self, account: &str, filter: &EventFilter, limit: i64, offset: i64) -> Result<Vec<EventRow>> {
        read!(self.pool, db => filtered!(sqlx::query_as(sql::EVENTS), account, filter).bind(limit).bind(offset)
            .fetch_all(db).await)
        .during("listing events")
    }

    /// Events of the account, newest first, that come after one that was at this instant and has this number; those that
    /// somebody has seen, those that nobody has, or both.
    pub async fn events_below(
        &self,
        account: &str,
        filter: &EventFilter,
        acknowledged: Option<bool>,
        below: (i64, i64),
        limit: i64,
    ) -> Result<Vec<EventRow>> {
        read!(self.pool, db => filtered!(sqlx::query_as(sql::EVENTS_BELOW), account, filter).bind(acknowledged).bind(below.0)
            .bind(below.1).bind(limit).fetch_all(db).await)
        .during("listing events")
    }

    /// Notes who has seen an event, or that nobody has; nothing if that is so already, or there is no such event.
    pub async fn acknowledge_event(
        &self,
        account: &str,
        uuid: &str,
        by: Option<&str>,
        now: i64,
    ) -> Result<Option<EventRow>> {
        let at = by.map(|_| now);
        Ok(transaction!(self.pool, tx => {
            let row: Option<EventRow> = sqlx::query_as(sql::ACKNOWLEDGE_EVENT).bind(account).bind(uuid).bind(at).bind(by)
                .fetch_optional(&mut *tx).await.during("acknowledging an event")?;
            // Nothing is changed, and nothing noted in the audit log.
            if row.is_none() {
                return Ok(None);
            }
            row
        }))
    }

    /// One event.
    pub async fn event(&self, account: &str, uuid: &str) -> Result<EventRow> {
        let row = read!(self.pool, db => sqlx::query_as(sql::EVENT).bind(account).bind(uuid).fetch_optional(db).await);
        found(row.during("reading an event")?, "event", uuid)
    }

    /// Removes events of the account; answers which.
    pub async fn delete_events(&self, account: &str, filter: &EventFilter) -> Result<Vec<String>> {
        Ok(
            change!(self.pool, db => filtered!(sqlx::query_scalar(sql::DELETE_SOME_EVENTS), account, filter).fetch_all(db).await
            .during("removing events")),
        )
    }

    /// Removes one event.
    pub async fn delete_event(&self, account: &str, uuid: &str) -> Result<()> {
        change!(self.pool, db => {
            let done = sqlx::query(sql::DELETE_EVENT).bind(account).bind(uuid).execute(db).await;
            let gone = done.during("removing an event")?.rows_affected();
            found((gone > 0).then_some(()), "event", uuid)
        });
        Ok(())
    }

    /// Removes events from before an instant; answers how many.
    pub async fn delete_old_events(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_EVENTS, before, "removing old events").await
    }
}

/// The `like` pattern of a type with `*`.
fn pattern(kind: &str) -> String {
    let mut pattern = String::with_capacity(kind.len() + 8);
    for letter in kind.chars() {
        match letter {
            '*' => pattern.push('%'),
            '%' | '_' | '\\' => pattern.extend(['\\', letter]),
            other => pattern.push(other),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn only_stars_are_wild() {
        for (kind, want) in [("user.*", "user.%"), ("a_b", "a\\_b"), ("*.50%", "%.50\\%"), ("a\\", "a\\\\")] {
            assert_eq!(pattern(kind), want);
        }
    }
}
