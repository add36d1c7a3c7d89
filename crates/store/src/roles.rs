//! Roles of users; a user without any is not narrowed by them.

use sqlx::FromRow as _;

use crate::accounts::{AccountState, AccountType, User};
use crate::error::{During as _, found};
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A role that a user has.
    pub struct UserRole {
        /// The user.
        pub username: String,
        /// The role, and a resource if it is on that alone, as the service writes them.
        pub role: String,
        /// Who gave it.
        pub granted_by: String,
        /// Since when.
        pub created_at: i64,
    }
}

row! {
    /// What decides what a user may do: the account, with one of the roles.
    pub struct Standing {
        /// What the account may do.
        pub account_type: AccountType,
        /// The state of the account.
        pub account_state: AccountState,
        /// The role, as with [`UserRole`].
        pub role: Option<String>,
    }
}

impl Store {
    /// The user who logs in under that name, of whatever account, and what decides what they may do: a row for each
    /// role, one row where there is none. Every call of the service asks this.
    pub async fn user_and_standing(&self, username: &str) -> Result<Option<(User, Vec<Standing>)>> {
        let rows: sqlx::Result<Vec<(User, Standing)>> = read!(self.pool, db =>
            sqlx::query(sql::USER_AND_STANDING).bind(username).fetch_all(db).await.and_then(|rows| {
                rows.iter().map(|row| Ok((User::from_row(row)?, Standing::from_row(row)?))).collect()
            })
        );
        let (mut users, standing): (Vec<_>, Vec<_>) =
            rows.during("reading a user and what they may do")?.into_iter().unzip();
        Ok(users.pop().map(|user| (user, standing)))
    }

    /// The roles of a user, by name.
    pub async fn roles_of(&self, username: &str) -> Result<Vec<UserRole>> {
        read!(self.pool, db => sqlx::query_as(sql::ROLES_OF_USER).bind(username).fetch_all(db).await)
            .during("reading roles")
    }

    /// Gives a user of the account these roles instead of those they had.
    pub async fn set_roles(
        &self,
        account: &str,
        username: &str,
        roles: &[&str],
        granted_by: &str,
        now: i64,
    ) -> Result<Vec<UserRole>> {
        const DOING: &str = "giving roles";
        Ok(transaction!(self.pool, tx => {
            let user = sqlx::query(sql::USER).bind(account).bind(username).fetch_optional(&mut *tx).await.during(DOING)?;
            found(user, "user", username)?;
            sqlx::query(sql::CLEAR_ROLES).bind(username).execute(&mut *tx).await.during(DOING)?;
            for role in roles {
                sqlx::query(sql::ADD_ROLE).bind(username).bind(*role).bind(granted_by).bind(now)
                    .execute(&mut *tx).await.creating("role", role)?;
            }
            sqlx::query_as(sql::ROLES_OF_USER).bind(username).fetch_all(&mut *tx).await.during(DOING)?
        }))
    }
}
