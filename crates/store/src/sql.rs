//! The two engines, and the macros that run one body on either.

mod reach;
#[macro_use]
mod rows;

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _, PgPool, SqlitePool};

use crate::error::{During as _, StoreError};
use crate::statements::NO_JIT_POSTGRES;
use crate::{Settings, private};

pub(crate) use rows::Column;

/// How long a statement waits for a connection to PostgreSQL: who asks is better told soon that there is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configured engine.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    /// One file. It has one writer, so that writers queue here and not in the file's lock.
    Sqlite { read: SqlitePool, write: SqlitePool },
    /// A server.
    Postgres(PgPool),
}

impl Pool {
    pub(crate) async fn open(settings: &Settings) -> Result<Self, StoreError> {
        const DOING: &str = "being opened";
        let max_connections = settings.max_connections;
        if let Some(url) = &settings.database_url {
            let url = url.expose_secret();
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return Err(StoreError::Address);
            }
            let options = PgConnectOptions::from_str(url).during(DOING)?;
            reach::wait(&options, settings.patience).await?;
            // Compiling a claim takes a hundred times as long as running it.
            let pool = PgPoolOptions::new()
                .max_connections(max_connections.max(2))
                .acquire_timeout(PATIENCE)
                .after_connect(|connection, _| Box::pin(async { connection.execute(NO_JIT_POSTGRES).await.map(drop) }))
                .connect_with(options)
                .await
                .during(DOING)?;
            return Ok(Self::Postgres(pool));
        }
        let file = settings.data_dir.join("killick.db");
        private::files(&file)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30))
            .foreign_keys(true);
        // When the disk is full, SQLite ends a transaction by itself, of which sqlx does not know: the connection would be
        // in one for ever.
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await
            .during(DOING)?;
        let read = SqlitePoolOptions::new()
            .max_connections(max_connections.max(1))
            .connect_with(options)
            .await
            .during(DOING)?;
        Ok(Self::Sqlite { read, write })
    }

    /// That of two statements which is for this engine: for what the two write differently.
    pub(crate) fn either(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Runs one reading body against whichever engine is configured.
macro_rules! read {
    ($pool:expr, $db:ident => $body:expr) => {
        match &$pool {
            $crate::sql::Pool::Sqlite { read: $db, .. } => $body,
            $crate::sql::Pool::Postgres($db) => $body,
        }
    };
}

/// Runs one writing statement against whichever engine is configured.
macro_rules! write {
    ($pool:expr, $db:ident => $body:expr) => {
        match &$pool {
            $crate::sql::Pool::Sqlite { write: $db, .. } => $body,
            $crate::sql::Pool::Postgres($db) => $body,
        }
    };
}

/// Runs one body in a writing transaction, with the note of the request that it is for; leaving it by `?` or `return`
/// rolls back.
macro_rules! transaction {
    ($pool:expr, $tx:ident => $body:expr) => {
        match &$pool {
            $crate::sql::Pool::Sqlite { write, .. } => {
                let mut $tx = write.begin_with("begin immediate").await.during("beginning a transaction")?;
                let out = $body;
                let noted = $crate::audit::Note::note(&mut *$tx).await?;
                $tx.commit().await.during("committing a transaction")?;
                $crate::audit::committed(noted);
                out
            }
            $crate::sql::Pool::Postgres(pool) => {
                let mut $tx = pool.begin().await.during("beginning a transaction")?;
                let out = $body;
                let noted = $crate::audit::Note::note(&mut *$tx).await?;
                $tx.commit().await.during("committing a transaction")?;
                $crate::audit::committed(noted);
                out
            }
        }
    };
}

/// Runs one statement by which people change something, with the note of it; what it yields must be there.
macro_rules! change {
    ($pool:expr, $db:ident => $body:expr) => {
        transaction!($pool, tx => {
            let $db = &mut *tx;
            $body?
        })
    };
}

/// Adds a task inside a transaction, about an image if it is, and yields its number, or that of the live one with
/// the same key. The statement says what becomes of that one.
macro_rules! enqueue_in {
    ($tx:ident, $statement:expr, $task:expr, $image:expr, $now:expr) => {{
        let task: &$crate::tasks::NewTask = $task;
        let image: Option<&str> = $image;
        let id: i64 = sqlx::query_scalar($statement)
            .bind(task.kind)
            .bind(&task.account)
            .bind(&task.payload)
            .bind(task.priority)
            .bind(task.dedupe.as_deref())
            .bind(task.max_attempts.max(1))
            .bind(task.run_after)
            .bind($now)
            .bind(image)
            .fetch_one(&mut *$tx)
            .await
            .during("enqueueing a task")?;
        id
    }};
}

/// Completes a task inside a transaction and yields its new state. Leaves the function and rolls back without the
/// lease, or, with `Ok`, when this lease has completed it before: the answer to that may have been lost.
macro_rules! complete_in {
    ($tx:ident, $lease:expr, $now:expr) => {{
        const DOING: &str = "completing a task";
        let lease: &$crate::tasks::Lease = $lease;
        let state: Option<String> = sqlx::query_scalar($crate::statements::COMPLETE)
            .bind(lease.task)
            .bind(&lease.token)
            .bind($now)
            .fetch_optional(&mut *$tx)
            .await
            .during(DOING)?;
        let Some(state) = state else {
            let before: i64 = sqlx::query_scalar($crate::statements::COMPLETED)
                .bind(lease.task)
                .bind(&lease.token)
                .fetch_one(&mut *$tx)
                .await
                .during(DOING)?;
            return if before > 0 { Ok(()) } else { Err(StoreError::LeaseLost { task: lease.task }) };
        };
        state
    }};
}

#[cfg(test)]
mod tests {
    use sqlx::raw_sql;

    use super::*;
    use crate::Store;
    use crate::accounts::AccountType;
    use crate::blobs::BlobsAt;

    /// As SQLite does when the disk is full: no database but a full one does that when asked.
    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_is_got_over() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: dir.path().to_owned(),
            database_url: None,
            secret: None,
            blobs: BlobsAt::Folder,
            max_connections: 2,
            patience: Duration::ZERO,
        };
        let store = Store::open(&settings).await.unwrap();
        let Pool::Sqlite { write, .. } = &store.pool else { panic!("it is SQLite") };
        let mut transaction = write.begin_with("begin immediate").await.unwrap();
        raw_sql("rollback").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap_err();
        store.create_account("a", AccountType::User, None, 1).await.unwrap();
    }
}
