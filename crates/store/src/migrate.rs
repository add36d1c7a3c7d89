//! Brings the schema up to date: forward only, each step in one transaction.

use sqlx::AssertSqlSafe;

use crate::error::{During as _, StoreError};
use crate::sql::Pool;
use crate::statements::{CREATE_SCHEMA_VERSION, LOCK_MIGRATIONS_POSTGRES, SCHEMA_VERSION, SET_SCHEMA_VERSION};

/// Every migration, oldest first; its place is its version.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_retention_and_known_files.sql"),
    include_str!("../migrations/0003_package_names.sql"),
    include_str!("../migrations/0004_policy_exceptions.sql"),
    include_str!("../migrations/0005_events_watches_notifications.sql"),
    include_str!("../migrations/0007_imports_and_archive.sql"),
    include_str!("../migrations/0010_accounts.sql"),
    include_str!("../migrations/0011_fair_shares.sql"),
    include_str!("../migrations/0012_progress.sql"),
    include_str!("../migrations/0013_grouped_notifications.sql"),
    include_str!("../migrations/0014_blobs.sql"),
];

pub(crate) async fn run(pool: &Pool) -> Result<(), StoreError> {
    const DOING: &str = "migrating the schema";
    let (identity, blob) = match pool {
        Pool::Sqlite { .. } => ("integer primary key autoincrement", "blob"),
        Pool::Postgres(_) => ("bigint generated always as identity primary key", "bytea"),
    };
    transaction!(*pool, tx => {
        if let Pool::Postgres(_) = pool {
            // Two processes may start at once.
            sqlx::query(LOCK_MIGRATIONS_POSTGRES).execute(&mut *tx).await.during(DOING)?;
        }
        sqlx::query(CREATE_SCHEMA_VERSION).execute(&mut *tx).await.during(DOING)?;
        let found: i64 = sqlx::query_scalar(SCHEMA_VERSION).fetch_one(&mut *tx).await.during(DOING)?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        for (version, migration) in (1_i64..).zip(MIGRATIONS) {
            if version > found {
                let text = migration.replace("{identity}", identity).replace("{blob}", blob);
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *tx).await.during(DOING)?;
                sqlx::query(SET_SCHEMA_VERSION).bind(version).execute(&mut *tx).await.during(DOING)?;
            }
        }
    });
    Ok(())
}
