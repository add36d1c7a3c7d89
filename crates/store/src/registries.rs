//! Registry credentials; the password is encrypted and opened only on request.

use secrecy::SecretString;

use crate::error::{During as _, found};
use crate::seal::Sealed;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A registry record; the password stays sealed.
    pub struct Registry {
        /// Whose.
        pub account: String,
        /// Host, with a repository and a trailing `*` if wanted.
        pub registry: String,
        /// What people call it.
        pub name: String,
        /// `docker_v2` or `awsecr`.
        pub r#type: String,
        /// The user.
        pub username: String,
        /// The sealed password.
        pub(crate) secret: Sealed,
        /// Whether TLS is verified.
        pub verify: bool,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

/// A registry record to store.
#[derive(Debug, Clone)]
pub struct NewRegistry {
    /// Host, with a repository and a trailing `*` if wanted.
    pub registry: String,
    /// What people call it.
    pub name: String,
    /// `docker_v2` or `awsecr`.
    pub kind: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// Whether TLS is verified.
    pub verify: bool,
}

impl Store {
    /// Adds a registry.
    pub async fn add_registry(&self, account: &str, new: &NewRegistry, now: i64) -> Result<Registry> {
        let secret = self.seal.seal(account, &new.registry, &new.password)?;
        Ok(change!(self.pool, db => sqlx::query_as(sql::ADD_REGISTRY).bind(account).bind(&new.registry).bind(&new.name)
            .bind(&new.kind).bind(&new.username).bind(secret.bytes()).bind(new.verify).bind(now)
            .fetch_one(db).await.creating("registry", &new.registry)))
    }

    /// Replaces a registry.
    pub async fn update_registry(&self, account: &str, new: &NewRegistry, now: i64) -> Result<Registry> {
        let secret = self.seal.seal(account, &new.registry, &new.password)?;
        Ok(change!(self.pool, db => {
            let row = sqlx::query_as(sql::UPDATE_REGISTRY).bind(account).bind(&new.registry).bind(&new.name).bind(&new.kind)
                .bind(&new.username).bind(secret.bytes()).bind(new.verify).bind(now).fetch_optional(db).await;
            found(row.during("changing a registry")?, "registry", &new.registry)
        }))
    }

    /// One registry.
    pub async fn registry(&self, account: &str, registry: &str) -> Result<Registry> {
        let row =
            read!(self.pool, db => sqlx::query_as(sql::REGISTRY).bind(account).bind(registry).fetch_optional(db).await);
        found(row.during("reading a registry")?, "registry", registry)
    }

    /// The account's registries, longest name first: the order in which they are tried.
    pub async fn registries(&self, account: &str) -> Result<Vec<Registry>> {
        read!(self.pool, db => sqlx::query_as(sql::REGISTRIES).bind(account).fetch_all(db).await)
            .during("listing registries")
    }

    /// Removes a registry.
    pub async fn delete_registry(&self, account: &str, registry: &str) -> Result<()> {
        change!(self.pool, db => {
            let done = sqlx::query(sql::DELETE_REGISTRY).bind(account).bind(registry).execute(db).await;
            let gone = done.during("removing a registry")?.rows_affected();
            found((gone > 0).then_some(()), "registry", registry)
        });
        Ok(())
    }

    /// Opens the password of a record.
    pub fn registry_password(&self, registry: &Registry) -> Result<SecretString> {
        self.seal.open_sealed(&registry.account, &registry.registry, &registry.secret)
    }
}
