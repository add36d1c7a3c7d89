//! Accounts and their users; a user's password is kept as the hash the caller made.

use crate::error::{During as _, StoreError, found};
use crate::statements as sql;
use crate::{Result, Store};

words! {
    /// What an account may do.
    pub enum AccountType {
        /// Its own things.
        User = "user",
        /// Everything.
        Admin = "admin",
        /// Internal use.
        Service = "service",
    }
}

words! {
    /// The state of an account.
    pub enum AccountState {
        /// In use.
        Enabled = "enabled",
        /// Its users cannot work.
        Disabled = "disabled",
        /// Going away; nothing leaves this state.
        Deleting = "deleting",
    }
}

words! {
    /// Who vouches for a user.
    pub enum UserType {
        /// A password kept here.
        Native = "native",
        /// The service itself.
        Internal = "internal",
        /// Somebody else.
        External = "external",
    }
}

row! {
    /// An account.
    pub struct Account {
        /// Its name.
        pub name: String,
        /// What it may do.
        pub r#type: AccountType,
        /// Its state.
        pub state: AccountState,
        /// Whom to write to.
        pub email: Option<String>,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

row! {
    /// A user; the name is unique over all accounts.
    pub struct User {
        /// The name.
        pub username: String,
        /// Whose.
        pub account: String,
        /// Who vouches.
        pub r#type: UserType,
        /// Where from, when external.
        pub source: Option<String>,
        /// The hash of the password.
        pub password_hash: Option<String>,
        /// When it was set.
        pub password_set_at: Option<i64>,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

impl Store {
    /// Makes an account.
    pub async fn create_account(
        &self,
        name: &str,
        kind: AccountType,
        email: Option<&str>,
        now: i64,
    ) -> Result<Account> {
        write!(self.pool, db => sqlx::query_as(sql::CREATE_ACCOUNT).bind(name).bind(kind.as_str()).bind(email).bind(now)
            .fetch_one(db).await.creating("account", name))
    }

    /// One account.
    pub async fn account(&self, name: &str) -> Result<Account> {
        let row = read!(self.pool, db => sqlx::query_as(sql::ACCOUNT).bind(name).fetch_optional(db).await);
        found(row.during("reading an account")?, "account", name)
    }

    /// Every account, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        read!(self.pool, db => sqlx::query_as(sql::ACCOUNTS).fetch_all(db).await).during("listing accounts")
    }

    /// Changes the state: enabled and disabled alternate, only disabled becomes deleting, which removes the users.
    pub async fn set_account_state(&self, name: &str, state: AccountState, now: i64) -> Result<Account> {
        const DOING: &str = "changing an account";
        Ok(transaction!(self.pool, tx => {
            let row = sqlx::query_as(sql::ACCOUNT).bind(name).fetch_optional(&mut *tx).await.during(DOING)?;
            let account: Account = found(row, "account", name)?;
            let allowed = match state {
                AccountState::Deleting => account.state == AccountState::Disabled,
                AccountState::Enabled | AccountState::Disabled => account.state != AccountState::Deleting,
            };
            if !allowed {
                let reason = "only a disabled account can be deleted, and a deleted one stays so";
                return Err(StoreError::Refused { entity: "account", name: name.to_owned(), reason });
            }
            if state == AccountState::Deleting {
                sqlx::query(sql::DELETE_USERS).bind(name).execute(&mut *tx).await.during(DOING)?;
            }
            sqlx::query_as(sql::SET_ACCOUNT_STATE).bind(name).bind(state.as_str()).bind(now)
                .fetch_one(&mut *tx).await.during(DOING)?
        }))
    }

    /// Removes an account and everything in it.
    pub async fn purge_account(&self, name: &str) -> Result<()> {
        const DOING: &str = "removing an account";
        transaction!(self.pool, tx => {
            for statement in [sql::DELETE_TASKS, sql::DELETE_EVENTS, sql::DELETE_ACCOUNT] {
                sqlx::query(statement).bind(name).execute(&mut *tx).await.during(DOING)?;
            }
        });
        Ok(())
    }

    /// Makes a user; `password_hash` is the hash, never the password.
    pub async fn create_user(
        &self,
        account: &str,
        username: &str,
        kind: UserType,
        source: Option<&str>,
        password_hash: Option<&str>,
        now: i64,
    ) -> Result<User> {
        write!(self.pool, db => sqlx::query_as(sql::CREATE_USER).bind(username).bind(account).bind(kind.as_str())
            .bind(source).bind(password_hash).bind(password_hash.map(|_| now)).bind(now)
            .fetch_one(db).await.creating("user", username))
    }

    /// One user of the account.
    pub async fn user(&self, account: &str, username: &str) -> Result<User> {
        let row =
            read!(self.pool, db => sqlx::query_as(sql::USER).bind(account).bind(username).fetch_optional(db).await);
        found(row.during("reading a user")?, "user", username)
    }

    /// The user who logs in under that name, of whatever account.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<User>> {
        read!(self.pool, db => sqlx::query_as(sql::USER_BY_NAME).bind(username).fetch_optional(db).await)
            .during("reading a user")
    }

    /// The users of the account, by name.
    pub async fn users(&self, account: &str) -> Result<Vec<User>> {
        read!(self.pool, db => sqlx::query_as(sql::USERS).bind(account).fetch_all(db).await).during("listing users")
    }

    /// Removes a user.
    pub async fn delete_user(&self, account: &str, username: &str) -> Result<()> {
        let gone = write!(self.pool, db => sqlx::query(sql::DELETE_USER).bind(account).bind(username).execute(db).await.map(|done| done.rows_affected()));
        found((gone.during("removing a user")? > 0).then_some(()), "user", username)
    }

    /// Sets the hash of the password, or removes it.
    pub async fn set_password(
        &self,
        account: &str,
        username: &str,
        password_hash: Option<&str>,
        now: i64,
    ) -> Result<User> {
        let row = write!(self.pool, db => sqlx::query_as(sql::SET_PASSWORD).bind(account).bind(username)
            .bind(password_hash).bind(password_hash.map(|_| now)).bind(now).fetch_optional(db).await);
        found(row.during("setting a password")?, "user", username)
    }
}
