//! Accounts and users.

use jiff::Timestamp;
use killick_store::accounts::{self as stored, FirstPolicy};
use killick_store::{Result, StoreError};
use serde_json::Value;

use super::{Records, instant, now, optional};

pub(crate) use killick_store::accounts::{AccountState, AccountType as AccountKind};

/// Where the bundle of a new account comes from, as clients see it.
const DEFAULT_SOURCE: &str = "true";

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) kind: AccountKind,
    pub(crate) state: AccountState,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Account {
    /// Whether its users may do everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.kind == AccountKind::Admin
    }

    /// Whether it is internal.
    pub(crate) fn is_service(&self) -> bool {
        self.kind == AccountKind::Service
    }
}

impl From<stored::Account> for Account {
    fn from(row: stored::Account) -> Self {
        Self {
            name: row.name,
            email: row.email,
            kind: row.r#type,
            state: row.state,
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }
}

/// A user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) kind: stored::UserType,
    pub(crate) source: Option<String>,
    pub(crate) password_hash: Option<String>,
    pub(crate) password_set_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl User {
    /// Whether somebody else vouches for them.
    pub(crate) fn is_external(&self) -> bool {
        self.kind == stored::UserType::External
    }
}

impl From<stored::User> for User {
    fn from(row: stored::User) -> Self {
        Self {
            name: row.username,
            account: row.account,
            kind: row.r#type,
            source: row.source,
            password_hash: row.password_hash,
            password_set_at: row.password_set_at.map(instant),
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }
}

impl Records {
    pub(crate) async fn accounts(&self) -> Result<Vec<Account>> {
        Ok(self.store.accounts().await?.into_iter().map(Account::from).collect())
    }

    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>> {
        Ok(optional(self.store.account(name).await)?.map(Account::from))
    }

    /// Makes an account with the default policy.
    pub(crate) async fn create_account(&self, name: &str, kind: AccountKind, email: Option<&str>) -> Result<Account> {
        let bundle = killick_policy::default_bundle();
        let id = bundle.get("id").and_then(Value::as_str).unwrap_or_default();
        let document = bundle.to_string();
        let policy = FirstPolicy { id, document: &document, source: DEFAULT_SOURCE };
        Ok(self.store.create_account_with(name, kind, email, Some(policy), now()).await?.into())
    }

    pub(crate) async fn set_account_enabled(&self, name: &str, enabled: bool) -> Result<()> {
        let state = if enabled { AccountState::Enabled } else { AccountState::Disabled };
        self.store.set_account_state(name, state, now()).await.map(drop)
    }

    /// Marks the account; a job removes what it owns.
    pub(crate) async fn delete_account(&self, name: &str) -> Result<()> {
        self.store.set_account_state(name, AccountState::Deleting, now()).await.map(drop)
    }

    /// Makes account and user `admin` with the default policy, unless another process did. Whether this one did.
    pub(crate) async fn make_first_account(&self, email: &str, password_hash: &str) -> Result<bool> {
        match self.create_account("admin", AccountKind::Admin, Some(email)).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        // The user comes last: its absence means that an earlier start was cut short, and this one goes on.
        match self.create_user("admin", "admin", password_hash).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn users(&self, account: &str) -> Result<Vec<User>> {
        Ok(self.store.users(account).await?.into_iter().map(User::from).collect())
    }

    /// The user of this name, of whatever account.
    pub(crate) async fn user(&self, name: &str) -> Result<Option<User>> {
        Ok(self.store.user_by_name(name).await?.map(User::from))
    }

    pub(crate) async fn create_user(&self, account: &str, name: &str, password_hash: &str) -> Result<User> {
        let kind = stored::UserType::Native;
        Ok(self.store.create_user(account, name, kind, None, Some(password_hash), now()).await?.into())
    }

    /// Adds a user for whom somebody else vouches; two at once make one.
    pub(crate) async fn create_external_user(&self, account: &str, name: &str, source: &str) -> Result<User> {
        let kind = stored::UserType::External;
        match self.store.create_user(account, name, kind, Some(source), None, now()).await {
            Err(error @ StoreError::AlreadyExists { .. }) => self.user(name).await?.ok_or(error),
            made => Ok(made?.into()),
        }
    }

    pub(crate) async fn delete_user(&self, account: &str, name: &str) -> Result<()> {
        self.store.delete_user(account, name).await
    }

    pub(crate) async fn set_password(&self, account: &str, name: &str, password_hash: Option<&str>) -> Result<()> {
        self.store.set_password(account, name, password_hash, now()).await.map(drop)
    }
}
