//! What people are told of a change: events to read, notifications to send. Both are written in the transaction that
//! makes the change, so that neither can be without the other.

use std::fmt::Debug;

use crate::error::During as _;
use crate::images::{Image, ImageTag, TagName};
use crate::policies::PolicyRow;
use crate::{Result, Store};

/// A change that people may want to know of, as it is about to be committed.
#[derive(Debug)]
pub enum Change<'a> {
    /// An image was analyzed.
    Analyzed {
        /// The image.
        image: &'a Image,
        /// Every tag seen on it, newest first; one that came back is there twice.
        tags: &'a [ImageTag],
    },
    /// The analysis of an image was given up.
    AnalysisFailed {
        /// The image.
        image: &'a Image,
        /// Every tag seen on it, newest first; one that came back is there twice.
        tags: &'a [ImageTag],
        /// Why.
        cause: &'a str,
    },
    /// An image that is analyzed was found under a tag.
    TagAdded {
        /// The image.
        image: &'a Image,
        /// The tag.
        tag: &'a TagName,
    },
    /// A tag points to another image than before.
    TagMoved {
        /// The image.
        image: &'a Image,
        /// The tag.
        tag: &'a TagName,
        /// The digests it has pointed to before, the last first.
        before: &'a [String],
    },
    /// Another policy is the active one.
    PolicyActivated {
        /// The one before, if there was one.
        before: Option<&'a PolicyRow>,
        /// The active one.
        now: &'a PolicyRow,
    },
    /// The active policy has another text.
    PolicyChanged {
        /// As it was.
        before: &'a PolicyRow,
        /// As it is.
        now: &'a PolicyRow,
    },
}

/// Puts changes into words. Called inside transactions: it must neither wait nor fail.
pub trait Reporter: Debug + Send + Sync {
    /// What is told of a change that is made at this instant.
    fn report(&self, change: &Change<'_>, now: i64) -> News;
}

/// What is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Kept, for people to read.
    pub events: Vec<NewEvent>,
    /// Sent to whoever wants to be told.
    pub notices: Vec<NewNotice>,
}

impl News {
    /// Both.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.events.extend(more.events);
        self.notices.extend(more.notices);
        self
    }
}

/// An event to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique, and not to be guessed.
    pub uuid: String,
    /// Whose.
    pub account: String,
    /// Which of the known types.
    pub kind: String,
    /// `info` or `error`.
    pub level: String,
    /// The service it is from.
    pub service: String,
    /// The process it is from.
    pub host: String,
    /// What kind of thing it is about.
    pub resource_type: Option<String>,
    /// Which of them.
    pub resource: Option<String>,
    /// All of it, as JSON.
    pub document: String,
}

/// A notification to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Unique; the receiver tells by it that it has it already.
    pub uuid: String,
    /// Whose.
    pub account: String,
    /// Its type, which decides where it goes: that of a subscription, or `event_log`.
    pub kind: String,
    /// The key of the subscription that must be active; without one it is sent in any case.
    pub key: Option<String>,
    /// What is said, as JSON.
    pub payload: String,
    /// Until when it may wait for others of its account and type, to be folded into one with them.
    pub folds_at: Option<i64>,
}

/// Writes what is told, inside a transaction; whether there is something to send.
macro_rules! tell_in {
    ($tx:ident, $news:expr, $now:expr) => {{
        const TELLING: &str = "writing what is told";
        let news: &$crate::news::News = $news;
        for event in &news.events {
            sqlx::query($crate::statements::ADD_EVENT)
                .bind(&event.account)
                .bind(&event.kind)
                .bind(&event.level)
                .bind(&event.document)
                .bind($now)
                .bind(&event.uuid)
                .bind(&event.service)
                .bind(&event.host)
                .bind(event.resource_type.as_deref())
                .bind(event.resource.as_deref())
                .execute(&mut *$tx)
                .await
                .during(TELLING)?;
        }
        let mut added = 0;
        for notice in &news.notices {
            added += sqlx::query($crate::statements::ADD_NOTICE)
                .bind(&notice.uuid)
                .bind(&notice.account)
                .bind(&notice.kind)
                .bind(&notice.payload)
                .bind(notice.key.as_deref())
                .bind($now)
                .bind(notice.folds_at)
                .execute(&mut *$tx)
                .await
                .during(TELLING)?
                .rows_affected();
        }
        added > 0
    }};
}

/// What is told, inside a transaction, of an image with its tags; nothing of one that is going away.
macro_rules! news_of_image {
    ($store:expr, $tx:ident, $account:expr, $digest:expr, $now:expr, |$image:ident, $tags:ident| $change:expr) => {{
        const READING: &str = "reading what is told";
        let image: Option<$crate::images::Image> = sqlx::query_as($crate::statements::IMAGE)
            .bind($account)
            .bind($digest)
            .fetch_optional(&mut *$tx)
            .await
            .during(READING)?;
        match &image {
            Some($image) if $image.image_status == $crate::images::ImageStatus::Active => {
                let tags: Vec<$crate::images::ImageTag> = sqlx::query_as($crate::statements::TAGS_OF_IMAGE)
                    .bind($account)
                    .bind($digest)
                    .fetch_all(&mut *$tx)
                    .await
                    .during(READING)?;
                let $tags = tags.as_slice();
                $store.news(&$change, $now)
            }
            _ => $crate::news::News::default(),
        }
    }};
}

impl Store {
    /// Writes what is told of something that this store does not hold itself.
    pub async fn tell(&self, news: &News, now: i64) -> Result<()> {
        let sends = transaction!(self.pool, tx => tell_in!(tx, news, now));
        self.nudge_notices(sends);
        Ok(())
    }

    /// What the reporter says of a change.
    pub(crate) fn news(&self, change: &Change<'_>, now: i64) -> News {
        self.reporter.as_ref().map(|reporter| reporter.report(change, now)).unwrap_or_default()
    }

    pub(crate) fn nudge_notices(&self, sends: bool) {
        if sends {
            self.notices.notify_one();
        }
    }
}
