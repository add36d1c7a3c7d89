//! Registries and their credentials.

use jiff::Timestamp;
use killick_store::registries as stored;
use killick_store::{Result, StoreError};
use secrecy::SecretString;

use super::{Records, instant, now, optional};

/// A registry of an account.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) kind: Option<String>,
    pub(crate) user: String,
    pub(crate) verify_tls: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A registry to store.
#[derive(Debug, Clone)]
pub(crate) struct NewRegistry {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) kind: Option<String>,
    pub(crate) user: String,
    pub(crate) password: SecretString,
    pub(crate) verify_tls: bool,
}

/// What is needed to speak to a registry.
#[derive(Debug, Clone)]
pub(crate) struct RegistryLogin {
    /// `docker_v2` or `awsecr`; empty for the first.
    pub(crate) kind: String,
    pub(crate) user: String,
    pub(crate) password: SecretString,
    pub(crate) verify_tls: bool,
}

impl From<stored::Registry> for Registry {
    fn from(row: stored::Registry) -> Self {
        Self {
            account: row.account,
            name: row.registry,
            title: row.name,
            kind: Some(row.r#type).filter(|kind| !kind.is_empty()),
            user: row.username,
            verify_tls: row.verify,
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }
}

impl Records {
    pub(crate) async fn registries(&self, account: &str) -> Result<Vec<Registry>> {
        let mut rows = self.store.registries(account).await?;
        rows.sort_by_key(|row| row.created_at);
        Ok(rows.into_iter().map(Registry::from).collect())
    }

    pub(crate) async fn registry(&self, account: &str, name: &str) -> Result<Option<Registry>> {
        Ok(optional(self.store.registry(account, name).await)?.map(Registry::from))
    }

    /// Adds a registry, or replaces the one of the same name.
    pub(crate) async fn save_registry(&self, new: &NewRegistry) -> Result<Registry> {
        let row = stored::NewRegistry {
            registry: new.name.clone(),
            name: new.title.clone(),
            kind: new.kind.clone().unwrap_or_default(),
            username: new.user.clone(),
            password: new.password.clone(),
            verify: new.verify_tls,
        };
        let saved = match self.store.update_registry(&new.account, &row, now()).await {
            Err(StoreError::NotFound { .. }) => self.store.add_registry(&new.account, &row, now()).await,
            saved => saved,
        };
        saved.map(Registry::from)
    }

    /// Removes a registry; one that is not there is removed already.
    pub(crate) async fn delete_registry(&self, account: &str, name: &str) -> Result<()> {
        optional(self.store.delete_registry(account, name).await).map(drop)
    }

    /// What was stored for `registry/repository`: the longest name that covers it counts.
    pub(crate) async fn login(&self, account: &str, repository: &str) -> Result<Option<RegistryLogin>> {
        let rows = self.store.registries(account).await?;
        let Some(row) = rows.iter().find(|row| covers(&row.registry, repository)) else { return Ok(None) };
        Ok(Some(RegistryLogin {
            kind: row.r#type.clone(),
            user: row.username.clone(),
            password: self.store.registry_password(row)?,
            verify_tls: row.verify,
        }))
    }
}

/// Whether a stored name (`host`, `host/path`, `host/path*`) is about a repository. The host is always meant exactly:
/// a login must not reach another one whose name merely begins the same.
fn covers(stored: &str, repository: &str) -> bool {
    match stored.strip_suffix('*') {
        Some(start) => start.contains('/') && repository.starts_with(start),
        None => repository.strip_prefix(stored).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn names_cover_what_is_below_them() {
        for (stored, repository, want) in [
            ("quay.io", "quay.io/a/b", true),
            ("quay.io/a", "quay.io/a/b", true),
            ("quay.io/a", "quay.io/ab", false),
            ("quay.io/a/*", "quay.io/a/b", true),
            ("quay.io/a*", "quay.io/ab", true),
            ("quay.io", "quay.io.evil/a", false),
            ("quay.io*", "quay.io.evil/a", false),
            ("quay.io*", "quay.io/a", false),
            ("*", "quay.io/a", false),
            ("quay.io/*", "quay.io/a", true),
            ("quay.io/*", "quay.io.evil/a", false),
        ] {
            assert_eq!(covers(stored, repository), want, "{stored} {repository}");
        }
    }
}
