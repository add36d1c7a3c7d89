//! API keys: what a program shows instead of its user's password. Only the hash of a key is kept.

use crate::error::{During as _, found};
use crate::statements as sql;
use crate::{Result, Store};

/// Microseconds between two notes of a key's use.
const USE_EVERY: i64 = 60_000_000;

row! {
    /// A key.
    pub struct ApiKey {
        /// Its id, which is no secret.
        pub id: String,
        /// The account of its user.
        pub account: String,
        /// Whose.
        pub username: String,
        /// What its user calls it.
        pub name: String,
        /// The role it is narrowed to.
        pub role: Option<String>,
        /// The hash of the key.
        pub hash: String,
        /// Since when.
        pub created_at: i64,
        /// Until when.
        pub expires_at: Option<i64>,
        /// When it was last used, to the minute.
        pub used_at: Option<i64>,
    }
}

/// A key to keep.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its id, which is no secret.
    pub id: String,
    /// The account of its user.
    pub account: String,
    /// Whose.
    pub username: String,
    /// What its user calls it.
    pub name: String,
    /// The role it is narrowed to.
    pub role: Option<String>,
    /// The hash of the key, never the key.
    pub hash: String,
    /// Until when.
    pub expires_at: Option<i64>,
}

impl Store {
    /// Keeps a key.
    pub async fn create_api_key(&self, new: &NewApiKey, now: i64) -> Result<ApiKey> {
        Ok(
            change!(self.pool, db => sqlx::query_as(sql::CREATE_API_KEY).bind(&new.id).bind(&new.account).bind(&new.username)
            .bind(&new.name).bind(new.role.as_deref()).bind(&new.hash).bind(now).bind(new.expires_at)
            .fetch_one(db).await.creating("API key", &new.id)),
        )
    }

    /// The keys of a user of the account, oldest first.
    pub async fn api_keys(&self, account: &str, username: &str) -> Result<Vec<ApiKey>> {
        read!(self.pool, db => sqlx::query_as(sql::API_KEYS).bind(account).bind(username).fetch_all(db).await)
            .during("listing API keys")
    }

    /// One key of the account.
    pub async fn api_key(&self, account: &str, id: &str) -> Result<ApiKey> {
        let row = read!(self.pool, db => sqlx::query_as(sql::API_KEY).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading an API key")?, "API key", id)
    }

    /// The key with this hash, of whatever account, if it holds at this instant.
    pub async fn api_key_by_hash(&self, hash: &str, now: i64) -> Result<Option<ApiKey>> {
        read!(self.pool, db => sqlx::query_as(sql::API_KEY_BY_HASH).bind(hash).bind(now).fetch_optional(db).await)
            .during("reading an API key")
    }

    /// Notes that a key is used, once a minute at most.
    pub async fn use_api_key(&self, key: &ApiKey, now: i64) -> Result<()> {
        let before = now.saturating_sub(USE_EVERY);
        if key.used_at.is_some_and(|used_at| used_at >= before) {
            return Ok(());
        }
        write!(self.pool, db => sqlx::query(sql::USE_API_KEY).bind(&key.id).bind(now).bind(before).execute(db).await.map(drop))
            .during("noting the use of an API key")
    }

    /// Removes a key of the account.
    pub async fn delete_api_key(&self, account: &str, id: &str) -> Result<()> {
        change!(self.pool, db => {
            let done = sqlx::query(sql::DELETE_API_KEY).bind(account).bind(id).execute(db).await;
            let gone = done.during("removing an API key")?.rows_affected();
            found((gone > 0).then_some(()), "API key", id)
        });
        Ok(())
    }

    /// Removes keys that expired before an instant; answers how many.
    pub async fn delete_old_api_keys(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_API_KEYS, before, "removing old API keys").await
    }
}
