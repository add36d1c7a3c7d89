//! Rules by which images go to the archive, and out of it.

use crate::error::{During as _, found};
use crate::statements as sql;
use crate::{Result, Store};

words! {
    /// What a rule does.
    pub enum Transition {
        /// An image is archived and goes.
        Archive = "archive",
        /// An archived analysis goes.
        Delete = "delete",
    }
}

row! {
    /// A rule.
    pub struct ArchiveRule {
        /// What it is known by.
        pub id: String,
        /// Whose.
        pub account: String,
        /// Whether it is for every account.
        pub system_global: bool,
        /// What it does.
        pub transition: Transition,
        /// Registries, with `*` for any characters.
        pub registry: String,
        /// Repositories.
        pub repository: String,
        /// Tags.
        pub tag: String,
        /// Older than so many days; below zero, any.
        pub analysis_age_days: i64,
        /// At least so many newer images of the tag; below zero, any.
        pub tag_versions_newer: i64,
        /// Those beyond so many of an account, the oldest first.
        pub max_images_per_account: Option<i64>,
        /// Registries that are left out.
        pub exclude_registry: String,
        /// Repositories that are left out.
        pub exclude_repository: String,
        /// Tags that are left out.
        pub exclude_tag: String,
        /// Left out for so many days; below zero, for ever.
        pub exclude_expiration_days: i64,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

/// A rule to add.
#[derive(Debug, Clone)]
pub struct NewRule {
    /// What it is known by.
    pub id: String,
    /// Whose.
    pub account: String,
    /// Whether it is for every account.
    pub system_global: bool,
    /// What it does.
    pub transition: Transition,
    /// Registry, repository, tag.
    pub selector: [String; 3],
    /// Older than so many days; below zero, any.
    pub analysis_age_days: i64,
    /// At least so many newer images of the tag; below zero, any.
    pub tag_versions_newer: i64,
    /// Those beyond so many of an account, the oldest first.
    pub max_images_per_account: Option<i64>,
    /// Registry, repository, tag of what is left out.
    pub exclude: [String; 3],
    /// Left out for so many days; below zero, for ever.
    pub exclude_expiration_days: i64,
}

row! {
    /// What a rule did.
    pub struct HistoryRow {
        /// The rule.
        pub rule: String,
        /// In which account.
        pub account: String,
        /// To the image of this digest.
        pub digest: String,
        /// What.
        pub transition: Transition,
        /// When.
        pub created_at: i64,
    }
}

impl Store {
    /// Adds a rule; there is one with a number of images at most.
    pub async fn add_archive_rule(&self, new: &NewRule, now: i64) -> Result<ArchiveRule> {
        let ([registry, repository, tag], [no_registry, no_repository, no_tag]) = (&new.selector, &new.exclude);
        Ok(
            change!(self.pool, db => sqlx::query_as(sql::ADD_ARCHIVE_RULE).bind(&new.id).bind(&new.account).bind(new.system_global)
            .bind(new.transition.as_str()).bind(registry).bind(repository).bind(tag).bind(new.analysis_age_days)
            .bind(new.tag_versions_newer).bind(new.max_images_per_account).bind(no_registry).bind(no_repository).bind(no_tag)
            .bind(new.exclude_expiration_days).bind(now).fetch_one(db).await.creating("archive rule", &new.id)),
        )
    }

    /// A rule of the account, or one for every account.
    pub async fn archive_rule(&self, account: &str, id: &str) -> Result<ArchiveRule> {
        let row =
            read!(self.pool, db => sqlx::query_as(sql::ARCHIVE_RULE).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading a rule of the archive")?, "archive rule", id)
    }

    /// The rules of the account, oldest first, with those for every account if wanted.
    pub async fn archive_rules(&self, account: &str, with_global: bool) -> Result<Vec<ArchiveRule>> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVE_RULES).bind(account).bind(with_global).fetch_all(db).await)
            .during("listing rules of the archive")
    }

    /// Removes a rule of the account.
    pub async fn delete_archive_rule(&self, account: &str, id: &str) -> Result<()> {
        change!(self.pool, db => {
            let done = sqlx::query(sql::DELETE_ARCHIVE_RULE).bind(account).bind(id).execute(db).await;
            let gone = done.during("removing a rule of the archive")?.rows_affected();
            found((gone > 0).then_some(()), "archive rule", id)
        });
        Ok(())
    }

    /// Remembers what a rule did to an image of the account. Of a rule that has gone meanwhile nothing is remembered.
    /// [`Store::delete_image_by_rule`] and [`Store::delete_archived`] remember what they do.
    pub async fn add_archive_history(
        &self,
        account: &str,
        rule: &str,
        digest: &str,
        transition: Transition,
        now: i64,
    ) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::ADD_ARCHIVE_HISTORY).bind(rule).bind(account).bind(digest)
            .bind(transition.as_str()).bind(now).execute(db).await.map(drop))
        .during("remembering what a rule did")
    }

    /// What a rule did to images of the account, the last first.
    pub async fn archive_history(&self, account: &str, rule: &str, limit: i64) -> Result<Vec<HistoryRow>> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVE_HISTORY).bind(account).bind(rule).bind(limit).fetch_all(db).await)
            .during("reading what a rule did")
    }

    /// Forgets what rules did before an instant; answers how much.
    pub async fn delete_old_archive_history(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_ARCHIVE_HISTORY, before, "forgetting what rules did").await
    }
}
