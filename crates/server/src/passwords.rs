//! Passwords that are set on the machine itself, where nobody can log in any more.

use std::path::PathBuf;

use killick_store::{Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::{PasswordError, hash, is_password, random};
use crate::config::Config;
use crate::records::{Records, optional};
use crate::storage::{self, StorageSettingError};

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// It is not known where the data is.
    #[error(transparent)]
    Setting(#[from] StorageSettingError),
    /// Nothing was ever stored there.
    #[error("there is no database in `{path}`: name the data folder of the service, or its settings")]
    NoDatabase {
        /// The data folder.
        path: PathBuf,
    },
    /// The data cannot be opened or written.
    #[error("the password cannot be stored")]
    Store(#[from] StoreError),
    /// There is no such user.
    #[error("there is no user `{name}`")]
    NoUser {
        /// The name.
        name: String,
    },
    /// Somebody else vouches for the user, who has no password here.
    #[error("`{name}` logs in with an identity provider, and has no password here")]
    External {
        /// The name.
        name: String,
    },
    /// What was given is none.
    #[error("a password has 6 to 128 letters and no line breaks")]
    NoPassword,
    /// It cannot be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Gives a user of whatever account this password, or one that is made up, and answers it. It holds for a service that runs
/// from its next request on.
pub async fn reset(config: &Config, name: &str, password: Option<SecretString>) -> Result<SecretString, ResetError> {
    if password.as_ref().is_some_and(|password| !is_password(password.expose_secret())) {
        return Err(ResetError::NoPassword);
    }
    let data = &config.storage.data_dir;
    if config.storage.database_url.get().is_none() && !data.join("killick.db").is_file() {
        return Err(ResetError::NoDatabase { path: data.clone() });
    }
    let store = Store::open(&storage::settings(&config.storage)?).await?;
    let done = set(&Records::new(store.clone()), name, password).await;
    store.close().await;
    done
}

async fn set(records: &Records, name: &str, password: Option<SecretString>) -> Result<SecretString, ResetError> {
    let missing = || ResetError::NoUser { name: name.to_owned() };
    let user = records.user(name).await?.ok_or_else(missing)?;
    if user.is_external() {
        return Err(ResetError::External { name: user.name });
    }
    let password = password.unwrap_or_else(random);
    let hashed = hash(&password)?;
    optional(records.set_password(&user.account, &user.name, Some(&hashed)).await)?.ok_or_else(missing)?;
    Ok(password)
}
