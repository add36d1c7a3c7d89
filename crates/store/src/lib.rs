//! Remembers: accounts, images, analyses, policies, evaluations, tasks, blobs.
//!
//! One [`Store`] serves SQLite and PostgreSQL with the same statements; documents lie in content-addressed
//! [`blobs`]. Instants are microseconds since 1970 UTC and always passed in. Every function about an account's
//! things takes the account, so that no query can cross accounts by omission.

#[macro_use]
mod sql;
#[macro_use]
mod batch;
#[macro_use]
pub mod news;
#[macro_use]
pub mod watches;
#[macro_use]
pub mod carriers;
#[macro_use]
pub mod images;

pub mod accounts;
pub mod alerts;
pub mod api_keys;
pub mod archives;
pub mod audit;
pub mod blobs;
pub mod error;
pub mod evaluations;
pub mod events;
pub mod exceptions;
pub mod imports;
pub mod knowledge;
pub mod known_files;
mod migrate;
pub mod notifications;
pub mod packages;
pub mod policies;
#[cfg(test)]
#[path = "../tests/support/postgres.rs"]
mod postgres;
mod private;
pub mod processes;
pub mod registries;
pub mod roles;
mod seal;
pub mod settings;
mod statements;
pub mod subscriptions;
pub mod tasks;
pub mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Notify;

use crate::blobs::{Blobs, BlobsAt};
use crate::error::During as _;
use crate::news::Reporter;
use crate::seal::Seal;
use crate::sql::Pool;

pub use crate::error::StoreError;

/// The answer of every function here.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for the SQLite file, the blobs and the key file; made for its owner alone when missing.
    pub data_dir: PathBuf,
    /// `postgres://…`; without it, SQLite in the data folder.
    pub database_url: Option<SecretString>,
    /// The secret that encrypts registry passwords: long and random. Without it, a key file is made once.
    pub secret: Option<SecretString>,
    /// Where documents are kept.
    pub blobs: BlobsAt,
    /// The most connections to hold open for reading.
    pub max_connections: u32,
    /// How long to wait for a PostgreSQL that does not answer yet.
    pub patience: Duration,
}

/// Rows that one statement removes of what is old.
const AT_ONCE: i64 = 500;

/// The open store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    blobs: Blobs,
    seal: Seal,
    nudge: Arc<Notify>,
    notices: Arc<Notify>,
    reporter: Option<Arc<dyn Reporter>>,
}

impl Store {
    /// Opens the database and the blobs, making or migrating them as needed.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let dir = &settings.data_dir;
        private::folder(dir)?;
        let seal = Seal::open(dir, settings.secret.as_ref())?;
        let pool = Pool::open(settings).await?;
        migrate::run(&pool).await?;
        let blobs = Blobs::open(&settings.blobs, dir, &pool)?;
        let (nudge, notices) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        Ok(Self { pool, blobs, seal, nudge, notices, reporter: None })
    }

    /// Lets changes be told in the words of a reporter. Without one, nothing is told.
    #[must_use]
    pub fn told_by(self, reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter: Some(reporter), ..self }
    }

    /// The content-addressed documents.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        read!(self.pool, db => sqlx::query(statements::PING).execute(db).await.map(drop)).during("asking the database")
    }

    /// Removes what is from before an instant, a little at a time, so that others can write in between; answers how much.
    /// The statement takes the instant, and how many rows it may remove.
    async fn delete_old(&self, statement: &'static str, before: i64, doing: &'static str) -> Result<u64> {
        let mut removed = 0_u64;
        loop {
            let gone = write!(self.pool, db => sqlx::query(statement).bind(before).bind(AT_ONCE).execute(db).await
                .map(|done| done.rows_affected()))
            .during(doing)?;
            removed = removed.saturating_add(gone);
            if gone == 0 {
                return Ok(removed);
            }
        }
    }

    /// Waits for running statements and closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
