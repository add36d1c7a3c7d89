//! What users have: roles and API keys.

use jiff::Timestamp;
use killick_store::Result;
use killick_store::api_keys::{ApiKey, NewApiKey};
use secrecy::SecretString;

use super::{AccountKind, AccountState, Records, User, instant, now, optional};
use crate::auth::{GivenRole, Grants, keys};

/// A key, without what it opens with.
#[derive(Debug, Clone)]
pub(crate) struct StoredKey {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) username: String,
    pub(crate) name: String,
    /// As it is stored.
    pub(crate) role: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) used_at: Option<Timestamp>,
}

impl From<ApiKey> for StoredKey {
    fn from(row: ApiKey) -> Self {
        Self {
            id: row.id,
            account: row.account,
            username: row.username,
            name: row.name,
            role: row.role,
            created_at: instant(row.created_at),
            expires_at: row.expires_at.map(instant),
            used_at: row.used_at.map(instant),
        }
    }
}

/// What decides what a user may do.
pub(crate) struct Standing {
    /// Whether the account may do anything at present.
    pub(crate) enabled: bool,
    is_of_administrators: bool,
    roles: Vec<String>,
}

impl Standing {
    pub(crate) fn grants(&self) -> Grants {
        Grants::of_stored(&self.roles, self.is_of_administrators)
    }
}

impl Records {
    /// The user of this name, of whatever account, and what decides what they may do.
    pub(crate) async fn user_and_standing(&self, name: &str) -> Result<Option<(User, Standing)>> {
        let Some((user, rows)) = self.store.user_and_standing(name).await? else { return Ok(None) };
        let standing = Standing {
            enabled: rows.iter().all(|row| row.account_state == AccountState::Enabled),
            is_of_administrators: rows.iter().all(|row| row.account_type == AccountKind::Admin),
            roles: rows.into_iter().filter_map(|row| row.role).collect(),
        };
        Ok(Some((user.into(), standing)))
    }

    /// The roles of a user, as they are stored: a text for each resource that one is given on.
    pub(crate) async fn roles(&self, username: &str) -> Result<Vec<String>> {
        Ok(self.store.roles_of(username).await?.into_iter().map(|row| row.role).collect())
    }

    /// Gives a user these roles instead of those they had.
    pub(crate) async fn set_roles(&self, user: &User, roles: &[GivenRole], granted_by: &str) -> Result<Vec<String>> {
        let texts: Vec<String> = roles.iter().flat_map(GivenRole::single_texts).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = self.store.set_roles(&user.account, &user.name, &texts, granted_by, now()).await?;
        Ok(rows.into_iter().map(|row| row.role).collect())
    }

    pub(crate) async fn keys(&self, user: &User) -> Result<Vec<StoredKey>> {
        let rows = self.store.api_keys(&user.account, &user.name).await?;
        Ok(rows.into_iter().map(StoredKey::from).collect())
    }

    pub(crate) async fn key(&self, account: &str, id: &str) -> Result<Option<StoredKey>> {
        Ok(optional(self.store.api_key(account, id).await)?.map(StoredKey::from))
    }

    /// The key that opens with this text, if it holds; that it was used is noted.
    pub(crate) async fn key_of(&self, text: &SecretString) -> Result<Option<StoredKey>> {
        let Some(row) = self.store.api_key_by_hash(&keys::hash(text), now()).await? else { return Ok(None) };
        self.store.use_api_key(&row, now()).await?;
        Ok(Some(row.into()))
    }

    /// A new key, which nobody can read again.
    pub(crate) async fn make_key(
        &self,
        user: &User,
        name: &str,
        role: Option<&GivenRole>,
        expires_at: Option<Timestamp>,
    ) -> Result<(SecretString, StoredKey)> {
        let key = keys::make();
        let new = NewApiKey {
            id: uuid::Uuid::new_v4().to_string(),
            account: user.account.clone(),
            username: user.name.clone(),
            name: name.to_owned(),
            role: role.map(GivenRole::to_string),
            hash: keys::hash(&key),
            expires_at: expires_at.map(Timestamp::as_microsecond),
        };
        let stored = self.store.create_api_key(&new, now()).await?;
        Ok((key, stored.into()))
    }

    pub(crate) async fn delete_key(&self, key: &StoredKey) -> Result<()> {
        self.store.delete_api_key(&key.account, &key.id).await
    }
}
