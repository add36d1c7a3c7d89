//! What can go wrong, by the thing it concerns.

use std::io;
use std::path::PathBuf;

use killick_model::hint::Hint;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The thing does not exist in this account.
    #[error("{entity} `{name}` does not exist")]
    NotFound {
        /// What kind of thing.
        entity: &'static str,
        /// Its name.
        name: String,
    },
    /// A thing of that name exists.
    #[error("{entity} `{name}` exists already")]
    AlreadyExists {
        /// What kind of thing.
        entity: &'static str,
        /// Its name.
        name: String,
    },
    /// Another worker has the task, or it is over; what was to be written was not.
    #[error("the lease of task `{task}` is lost")]
    LeaseLost {
        /// The task.
        task: i64,
    },
    /// The change is not allowed in the present state.
    #[error("{entity} `{name}` cannot change: {reason}")]
    Refused {
        /// What kind of thing.
        entity: &'static str,
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The database failed.
    #[error("the database failed while {doing}")]
    Database {
        /// What it was doing.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// No connection to the database could be made.
    #[error("cannot connect to the database `{database}` on `{host}`")]
    Unreachable {
        /// Host and port, or the folder of the socket.
        host: String,
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database was written by a newer release.
    #[error("the database has schema version {found}, newer than {known}")]
    TooNew {
        /// Its version.
        found: i64,
        /// The newest this release knows.
        known: i64,
    },
    /// The database address is not one.
    #[error("the database address is neither empty nor `postgres://…`")]
    Address,
    /// A folder or file of the data folder failed.
    #[error("cannot use `{path}`", path = path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The object storage failed.
    #[error("the object storage failed on blob `{key}`")]
    Blob {
        /// Which.
        key: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// A document could not be written for the object storage.
    #[error("a document cannot be written down")]
    Document {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A stored blob is damaged.
    #[error("blob `{key}` is damaged: {reason}")]
    DamagedBlob {
        /// Which.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A blob is larger than the reader allows.
    #[error("blob `{key}` is larger than {limit_bytes} bytes")]
    BlobTooLarge {
        /// Which.
        key: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// The key file or secret is unusable.
    #[error("the encryption key is unusable: {reason}")]
    Key {
        /// Why.
        reason: &'static str,
    },
    /// A stored password does not open with this key.
    #[error("the password of registry `{registry}` does not open with the configured key")]
    Unsealable {
        /// Which.
        registry: String,
    },
}

impl StoreError {
    /// Whether the database cannot be reached at present, so that the same may work later.
    pub fn is_unavailable(&self) -> bool {
        let (Self::Database { source, .. } | Self::Unreachable { source, .. }) = self else { return false };
        match source {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
            // Connections that are refused or broken off, a server that starts or stops, and one that has no more connections:
            // appendix A of PostgreSQL's manual. Codes of SQLite are other ones.
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                code.starts_with("57P") || code.starts_with("08") || code == "53300"
            }
            _ => false,
        }
    }

    /// Whether there is no room for what is to be written.
    pub fn is_full(&self) -> bool {
        match self {
            // `SQLITE_FULL`; `disk_full` of PostgreSQL.
            Self::Database { source: sqlx::Error::Database(error), .. } => {
                error.code().is_some_and(|code| code == "13" || code == "53100")
            }
            Self::Folder { source, .. } | Self::Document { source } => is_storage_full(source),
            Self::Blob { source, .. } => is_storage_full(source),
            _ => false,
        }
    }
}

/// Whether that is a cause of it.
fn is_storage_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let full = |error: &&(dyn std::error::Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    };
    std::iter::successors(Some(error), |error| error.source()).any(|error| full(&error))
}

impl Hint for StoreError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsealable { registry } => {
                Some(format!("configure the former secret, or store the credentials of `{registry}` again"))
            }
            Self::TooNew { .. } => Some("run the release that wrote it, or a newer one".to_owned()),
            Self::Address => Some("give `postgres://user:password@host/database`".to_owned()),
            _ => None,
        }
    }
}

/// Says what the database was doing when it failed.
pub(crate) trait During<T> {
    /// Names the work.
    fn during(self, doing: &'static str) -> Result<T, StoreError>;
    /// Names the thing, when a unique constraint says that it exists.
    fn creating(self, entity: &'static str, name: &str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { doing, source })
    }

    fn creating(self, entity: &'static str, name: &str) -> Result<T, StoreError> {
        self.map_err(|source| match source.as_database_error() {
            Some(error) if error.is_unique_violation() => StoreError::AlreadyExists { entity, name: name.to_owned() },
            Some(error) if error.is_foreign_key_violation() => {
                StoreError::NotFound { entity: "what it belongs to, for", name: format!("{entity} {name}") }
            }
            _ => StoreError::Database { doing: "creating a row", source },
        })
    }
}

/// Turns "no row" into a named error.
pub(crate) fn found<T>(row: Option<T>, entity: &'static str, name: &str) -> Result<T, StoreError> {
    row.ok_or_else(|| StoreError::NotFound { entity, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_reached_is_told_from_who_refuses() {
        let is = |source| StoreError::Database { doing: "reading", source }.is_unavailable();
        assert!(is(io::Error::from(io::ErrorKind::ConnectionRefused).into()));
        assert!(is(sqlx::Error::PoolTimedOut) && is(sqlx::Error::PoolClosed));
        assert!(!is(sqlx::Error::RowNotFound) && !is(sqlx::Error::Protocol("no PostgreSQL".to_owned())));
        assert!(!StoreError::Address.is_unavailable());
        let full = StoreError::Document { source: io::Error::from(io::ErrorKind::StorageFull) };
        assert!(!full.is_unavailable(), "that is this machine's own");
        assert!(full.is_full() && !StoreError::Address.is_full());
        let source = io::Error::from(io::ErrorKind::StorageFull).into();
        let blob =
            StoreError::Blob { key: "k".to_owned(), source: object_store::Error::Generic { store: "s", source } };
        assert!(blob.is_full());
    }
}
