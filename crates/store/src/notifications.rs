//! The outbox: what is to be sent, until it was received. Written by [`crate::news`].
//!
//! Whoever sends one claims it for a while first; one whose sender vanished is due again. So it is sent at least once,
//! always with the same identity.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::error::During as _;
use crate::news::{NewNotice, News};
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A notification to send.
    pub struct Notice {
        /// Its number.
        pub id: i64,
        /// Unique; the receiver tells by it that it has it already.
        pub uuid: String,
        /// Whose.
        pub account: String,
        /// The e-mail address of the account.
        pub email: Option<String>,
        /// That of a subscription, or `event_log`.
        pub r#type: String,
        /// What is said, as JSON.
        pub payload: String,
        /// How often it was begun to be sent, this time included.
        pub attempts: i64,
        /// Until when it is claimed.
        pub due_at: i64,
        /// Why it was not received the last time that it was really tried.
        pub last_error: Option<String>,
        /// Since when.
        pub created_at: i64,
    }
}

row! {
    /// A notification that waits, without what it says.
    pub struct Waiting {
        /// Its number: later ones have higher ones.
        pub id: i64,
        /// Unique; the receiver tells by it that it has it already.
        pub uuid: String,
        /// That of a subscription, or `event_log`.
        pub r#type: String,
        /// The key of its subscription, if it is of one.
        pub key: Option<String>,
        /// How often it was begun to be sent.
        pub attempts: i64,
        /// When it is due, or until when it is claimed.
        pub due_at: i64,
        /// Until when it waits for others, to be folded into one with them.
        pub folds_at: Option<i64>,
        /// Why it was not received.
        pub last_error: Option<String>,
        /// Since when.
        pub created_at: i64,
    }
}

row! {
    /// Notifications of one account and type that are to become one.
    pub struct Group {
        /// Whose.
        pub account: String,
        /// That of a subscription, or `event_log`.
        pub r#type: String,
        /// The last of them now.
        pub last: i64,
        /// How many there are now.
        pub size: i64,
    }
}

row! {
    /// One of a group.
    pub struct Member {
        /// Its number; the group is in this order.
        pub id: i64,
        /// What it would be sent under alone.
        pub uuid: String,
        /// What it says, as JSON.
        pub payload: String,
        /// Since when.
        pub created_at: i64,
    }
}

impl Store {
    /// The groups of which one has waited long enough.
    pub async fn due_groups(&self, now: i64) -> Result<Vec<Group>> {
        read!(self.pool, db => sqlx::query_as(sql::DUE_GROUPS).bind(now).fetch_all(db).await)
            .during("looking for groups")
    }

    /// Up to so many members of a group, after one of them.
    pub async fn group_members(&self, group: &Group, after: i64, limit: i64) -> Result<Vec<Member>> {
        read!(self.pool, db => sqlx::query_as(sql::GROUP_MEMBERS).bind(&group.account).bind(&group.r#type).bind(after)
            .bind(group.last).bind(limit).fetch_all(db).await)
        .during("reading a group")
    }

    /// Puts one notification in place of the members up to this one, of which there are so many; in the same transaction,
    /// so that none is lost and none is told twice. `false`, and nothing, if there are others by now.
    pub async fn fold(&self, group: &Group, last: i64, size: u64, folded: &NewNotice, now: i64) -> Result<bool> {
        const DOING: &str = "folding notifications";
        transaction!(self.pool, tx => {
            let gone = sqlx::query(sql::DELETE_GROUP).bind(&group.account).bind(&group.r#type).bind(last)
                .execute(&mut *tx).await.during(DOING)?.rows_affected();
            if gone != size {
                return Ok(false);
            }
            let news = News { events: Vec::new(), notices: vec![folded.clone()] };
            tell_in!(tx, &news, now)
        });
        self.nudge_notices(true);
        Ok(true)
    }

    /// Lets the members up to this one be sent as they are.
    pub async fn ungroup(&self, group: &Group, last: i64, now: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::UNGROUP).bind(&group.account).bind(&group.r#type).bind(last).bind(now)
            .execute(db).await.map(drop))
        .during("dissolving a group")?;
        self.nudge_notices(true);
        Ok(())
    }

    /// Claims up to so many notifications that are due, those that wait longest first, until an instant.
    pub async fn claim_notices(&self, limit: i64, until: i64, now: i64) -> Result<Vec<Notice>> {
        const DOING: &str = "claiming notifications";
        let due: Vec<Notice> =
            read!(self.pool, db => sqlx::query_as(sql::DUE_NOTICES).bind(now).bind(limit).fetch_all(db).await)
                .during(DOING)?;
        let mut claimed = Vec::with_capacity(due.len());
        for notice in due {
            let rows = write!(self.pool, db => sqlx::query(sql::CLAIM_NOTICE).bind(notice.id).bind(notice.due_at).bind(until)
                .execute(db).await.map(|done| done.rows_affected()));
            // Another sender may have been faster.
            if rows.during(DOING)? > 0 {
                claimed.push(Notice { attempts: notice.attempts.saturating_add(1), due_at: until, ..notice });
            }
        }
        Ok(claimed)
    }

    /// Removes a notification that was received. Whoever claimed it since keeps it.
    pub async fn finish_notice(&self, notice: &Notice) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::DELETE_NOTICE).bind(notice.id).bind(notice.due_at).execute(db).await.map(drop))
            .during("removing a notification")
    }

    /// Removes a notification that is given up, and writes what is told of that in the same transaction. `false`, and
    /// nothing, if somebody claimed it since.
    pub async fn give_up_notice(&self, notice: &Notice, told: &News, now: i64) -> Result<bool> {
        let sends = transaction!(self.pool, tx => {
            let gone = sqlx::query(sql::DELETE_NOTICE).bind(notice.id).bind(notice.due_at).execute(&mut *tx).await
                .during("giving up a notification")?.rows_affected();
            if gone == 0 {
                return Ok(false);
            }
            tell_in!(tx, told, now)
        });
        self.nudge_notices(sends);
        Ok(true)
    }

    /// Leaves a notification until an instant, with why it was not received, if it was tried. Whoever claimed it since
    /// keeps it.
    pub async fn put_off_notice(&self, notice: &Notice, error: Option<&str>, until: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::PUT_OFF_NOTICE).bind(notice.id).bind(notice.due_at).bind(until).bind(error)
            .execute(db).await.map(drop))
        .during("putting a notification off")
    }

    /// Notifications of the account that wait, the newest first, older than the one of a number.
    pub async fn notices(&self, account: &str, below: Option<i64>, limit: i64) -> Result<Vec<Waiting>> {
        let below = below.unwrap_or(i64::MAX);
        read!(self.pool, db => sqlx::query_as(sql::NOTICES).bind(account).bind(below).bind(limit).fetch_all(db).await)
            .during("listing notifications")
    }

    /// How many notifications wait to be sent.
    pub async fn waiting_notices(&self) -> Result<i64> {
        read!(self.pool, db => sqlx::query_scalar(sql::WAITING_NOTICES).fetch_one(db).await)
            .during("counting notifications")
    }

    /// Told when this process has written something to send; what others write is found by polling.
    pub fn notice_nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.notices)
    }
}
