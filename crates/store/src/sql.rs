//! The two engines, and the macros that run one body on either.

use std::path::Path;
use std::time::Duration;

use killick_model::digest::Digest;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

use crate::error::{During as _, StoreError};

/// The configured engine.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    /// One file. It has one writer, so that writers queue here and not in the file's lock.
    Sqlite { read: SqlitePool, write: SqlitePool },
    /// A server.
    Postgres(PgPool),
}

impl Pool {
    pub(crate) async fn open(dir: &Path, url: Option<&SecretString>, max_connections: u32) -> Result<Self, StoreError> {
        const DOING: &str = "being opened";
        if let Some(url) = url {
            let url = url.expose_secret();
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return Err(StoreError::Address);
            }
            let pool = PgPoolOptions::new().max_connections(max_connections.max(2)).connect(url).await.during(DOING)?;
            return Ok(Self::Postgres(pool));
        }
        let options = SqliteConnectOptions::new()
            .filename(dir.join("killick.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30))
            .foreign_keys(true);
        let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.during(DOING)?;
        let read = SqlitePoolOptions::new()
            .max_connections(max_connections.max(1))
            .connect_with(options)
            .await
            .during(DOING)?;
        Ok(Self::Sqlite { read, write })
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

/// Runs one body in a writing transaction; leaving it by `?` or `return` rolls back.
macro_rules! transaction {
    ($pool:expr, $tx:ident => $body:expr) => {
        match &$pool {
            $crate::sql::Pool::Sqlite { write, .. } => {
                let mut $tx = write.begin_with("begin immediate").await.during("beginning a transaction")?;
                let out = $body;
                $tx.commit().await.during("committing a transaction")?;
                out
            }
            $crate::sql::Pool::Postgres(pool) => {
                let mut $tx = pool.begin().await.during("beginning a transaction")?;
                let out = $body;
                $tx.commit().await.during("committing a transaction")?;
                out
            }
        }
    };
}

/// How a field is kept in a column.
pub(crate) trait Column: Sized {
    /// The type the driver decodes.
    type Stored;
    /// Reads the field, or says why the column is wrong.
    fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::error::BoxDynError>;
}

macro_rules! plain_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            type Stored = Self;
            fn from_stored(stored: Self) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(stored)
            }
        }
    )*};
}
plain_columns!(String, i64, bool, Vec<u8>);

impl Column for Digest {
    type Stored = String;
    fn from_stored(stored: String) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(stored.parse::<Self>()?)
    }
}

impl<T: Column> Column for Option<T> {
    type Stored = Option<T::Stored>;
    fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::error::BoxDynError> {
        stored.map(T::from_stored).transpose()
    }
}

/// Declares a row type and reads it, by column name, from either engine.
macro_rules! row {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        row!(@engine sqlx::sqlite::SqliteRow, $name, $($field: $type),*);
        row!(@engine sqlx::postgres::PgRow, $name, $($field: $type),*);
    };
    (@engine $row:ty, $name:ident, $($field:ident: $type:ty),*) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                $(
                    let stored: <$type as $crate::sql::Column>::Stored =
                        sqlx::Row::try_get(row, stringify!($field).trim_start_matches("r#"))?;
                    let $field = <$type as $crate::sql::Column>::from_stored(stored).map_err(|source| {
                        sqlx::Error::ColumnDecode { index: stringify!($field).to_owned(), source }
                    })?;
                )*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Declares an enum kept as text.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// The stored word, which is also the one of the v1 API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of a word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::sql::Column for $name {
            type Stored = String;
            fn from_stored(stored: String) -> std::result::Result<Self, sqlx::error::BoxDynError> {
                Self::parse(&stored).ok_or_else(|| format!("unknown word `{stored}`").into())
            }
        }
    };
}

/// Adds a task inside a transaction and yields its number, or that of the live one with the same key.
macro_rules! enqueue_in {
    ($tx:ident, $task:expr, $now:expr) => {{
        let task: &$crate::tasks::NewTask = $task;
        let id: Option<i64> = sqlx::query_scalar($crate::statements::ENQUEUE)
            .bind(task.kind)
            .bind(&task.account)
            .bind(&task.payload)
            .bind(task.priority)
            .bind(task.dedupe.as_deref())
            .bind(task.max_attempts)
            .bind(task.run_after)
            .bind($now)
            .fetch_optional(&mut *$tx)
            .await
            .during("enqueueing a task")?;
        match id {
            Some(id) => id,
            None => sqlx::query_scalar($crate::statements::TASK_BY_DEDUPE)
                .bind(task.dedupe.as_deref())
                .fetch_one(&mut *$tx)
                .await
                .during("finding a task")?,
        }
    }};
}

/// Completes a task inside a transaction; without the lease, leaves the function and rolls back.
macro_rules! complete_in {
    ($tx:ident, $lease:expr, $now:expr) => {{
        let done = sqlx::query($crate::statements::COMPLETE)
            .bind($lease.task)
            .bind(&$lease.token)
            .bind($now)
            .execute(&mut *$tx)
            .await
            .during("completing a task")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::LeaseLost { task: $lease.task });
        }
    }};
}
