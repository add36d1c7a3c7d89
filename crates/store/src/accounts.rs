//! Accounts and their users; a user's password is kept as the hash the caller made.

use killick_model::digest::Digest;

use crate::error::{During as _, StoreError, found};
use crate::sql::Pool;
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

/// What an account may have much of, beside images.
const DRAINED: &[&str] = &[
    sql::DRAIN_KNOWN_PACKAGES,
    sql::DRAIN_EVENTS,
    sql::DRAIN_NOTICES,
    sql::DRAIN_ALERTS,
    sql::DRAIN_SUBSCRIPTIONS,
    sql::DRAIN_ARCHIVED,
];

/// The policy that an account begins with, as the active one.
#[derive(Debug, Clone, Copy)]
pub struct FirstPolicy<'a> {
    /// The bundle's own id.
    pub id: &'a str,
    /// The document.
    pub document: &'a str,
    /// Where it comes from.
    pub source: &'a str,
}

impl Store {
    /// Makes an account without a policy. What an earlier one of that name left behind is not its own.
    pub async fn create_account(
        &self,
        name: &str,
        kind: AccountType,
        email: Option<&str>,
        now: i64,
    ) -> Result<Account> {
        self.create_account_with(name, kind, email, None, now).await
    }

    /// The same with a policy: neither is there without the other.
    pub async fn create_account_with(
        &self,
        name: &str,
        kind: AccountType,
        email: Option<&str>,
        policy: Option<FirstPolicy<'_>>,
        now: i64,
    ) -> Result<Account> {
        const DOING: &str = "making an account";
        Ok(transaction!(self.pool, tx => {
            let account = sqlx::query_as(sql::CREATE_ACCOUNT).bind(name).bind(kind.as_str()).bind(email).bind(now)
                .fetch_one(&mut *tx).await.creating("account", name)?;
            for statement in [sql::DELETE_TASKS, sql::DELETE_EVENTS] {
                sqlx::query(statement).bind(name).execute(&mut *tx).await.during(DOING)?;
            }
            if let Some(FirstPolicy { id, document, source }) = policy {
                let digest = Digest::of(document.as_bytes()).to_string();
                sqlx::query(sql::PUT_POLICY).bind(name).bind(id).bind(document).bind(digest).bind(source).bind(now)
                    .execute(&mut *tx).await.creating("policy", id)?;
                sqlx::query(sql::ACTIVATE_POLICY).bind(name).bind(id).bind(now).execute(&mut *tx).await.during(DOING)?;
            }
            account
        }))
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

    /// Removes a little of an account that is going away, and in the end the account; answers whether it is gone.
    ///
    /// Tasks go first, so that nothing new is begun; then images, and when there are none at most so many of each other
    /// kind of which there may be many. The few that are left go with the account.
    pub async fn drain_account(&self, name: &str, most: i64) -> Result<bool> {
        const DOING: &str = "draining an account";
        Ok(transaction!(self.pool, tx => {
            let row = sqlx::query_as(sql::ACCOUNT).bind(name).fetch_optional(&mut *tx).await.during(DOING)?;
            let Some(account): Option<Account> = row else { return Ok(true) };
            if account.state != AccountState::Deleting {
                let reason = "it is not going away";
                return Err(StoreError::Refused { entity: "account", name: name.to_owned(), reason });
            }
            sqlx::query(sql::DELETE_TASKS).bind(name).execute(&mut *tx).await.during(DOING)?;
            let mut images: Vec<i64> =
                sqlx::query_scalar(sql::DRAIN_IMAGES).bind(name).bind(most).fetch_all(&mut *tx).await.during(DOING)?;
            images.sort_unstable();
            for image in &images {
                remove_image_in!(self.pool, tx, name, *image);
            }
            let mut removed = images.len() as u64;
            if images.is_empty() {
                let watched: i64 = sqlx::query_scalar(sql::SOME_SUBSCRIPTION).bind(name).fetch_one(&mut *tx).await.during(DOING)?;
                if watched > 0 {
                    // Watches go with them. Whoever holds this does not wait for the account: it is for another time.
                    lock_watches_in!(self.pool, tx, DOING);
                    removed += 1;
                }
                for statement in DRAINED {
                    removed += sqlx::query(*statement).bind(name).bind(most).execute(&mut *tx).await.during(DOING)?.rows_affected();
                }
            }
            if removed == 0 && let Pool::Postgres(_) = &self.pool {
                // Somebody may be adding an image or a subscription, or draining it as well: none goes with the account.
                sqlx::query(sql::LOCK_ACCOUNT_POSTGRES).bind(name).execute(&mut *tx).await.during(DOING)?;
                for statement in [sql::SOME_IMAGE, sql::SOME_SUBSCRIPTION] {
                    let left: i64 = sqlx::query_scalar(statement).bind(name).fetch_one(&mut *tx).await.during(DOING)?;
                    removed += u64::try_from(left).unwrap_or(0);
                }
            }
            if removed == 0 {
                sqlx::query(sql::DELETE_ACCOUNT).bind(name).execute(&mut *tx).await.during(DOING)?;
            }
            removed == 0
        }))
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
        Ok(change!(self.pool, db => sqlx::query_as(sql::CREATE_USER).bind(username).bind(account).bind(kind.as_str())
            .bind(source).bind(password_hash).bind(password_hash.map(|_| now)).bind(now)
            .fetch_one(db).await.creating("user", username)))
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
        change!(self.pool, db => {
            let done = sqlx::query(sql::DELETE_USER).bind(account).bind(username).execute(db).await.during("removing a user")?;
            found((done.rows_affected() > 0).then_some(()), "user", username)
        });
        Ok(())
    }

    /// Sets the hash of the password, or removes it.
    pub async fn set_password(
        &self,
        account: &str,
        username: &str,
        password_hash: Option<&str>,
        now: i64,
    ) -> Result<User> {
        Ok(change!(self.pool, db => {
            let row = sqlx::query_as(sql::SET_PASSWORD).bind(account).bind(username).bind(password_hash)
                .bind(password_hash.map(|_| now)).bind(now).fetch_optional(db).await;
            found(row.during("setting a password")?, "user", username)
        }))
    }
}
