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
    include_str!("../migrations/0006_imports_and_archive.sql"),
    include_str!("../migrations/0007_accounts.sql"),
    include_str!("../migrations/0008_fair_shares.sql"),
    include_str!("../migrations/0009_progress.sql"),
    include_str!("../migrations/0010_grouped_notifications.sql"),
    include_str!("../migrations/0011_blobs.sql"),
    include_str!("../migrations/0012_package_documents.sql"),
    include_str!("../migrations/0013_alerts_deletions_processes.sql"),
    include_str!("../migrations/0014_package_carriers.sql"),
    include_str!("../migrations/0015_subscription_key.sql"),
    include_str!("../migrations/0016_no_package_source.sql"),
    include_str!("../migrations/0017_index_of_verdicts.sql"),
    include_str!("../migrations/0018_events_seen.sql"),
    include_str!("../migrations/0019_images_of_an_index.sql"),
    include_str!("../migrations/0020_due_watches.sql"),
    include_str!("../migrations/0021_watched_children.sql"),
    include_str!("../migrations/0022_owners_of_imports.sql"),
];

pub(crate) async fn run(pool: &Pool) -> Result<(), StoreError> {
    through(pool, MIGRATIONS).await
}

/// Runs those of the migrations that have not run.
async fn through(pool: &Pool, migrations: &[&str]) -> Result<(), StoreError> {
    const DOING: &str = "migrating the schema";
    // Lines that begin with the last one are for PostgreSQL alone.
    let (identity, blob, clustered, postgres) = match pool {
        Pool::Sqlite { .. } => ("integer primary key autoincrement", "blob", "without rowid", "-- "),
        Pool::Postgres(_) => ("bigint generated always as identity primary key", "bytea", "", ""),
    };
    transaction!(*pool, tx => {
        if let Pool::Postgres(_) = pool {
            // Two processes may start at once.
            sqlx::query(LOCK_MIGRATIONS_POSTGRES).execute(&mut *tx).await.during(DOING)?;
        }
        sqlx::query(CREATE_SCHEMA_VERSION).execute(&mut *tx).await.during(DOING)?;
        let found: i64 = sqlx::query_scalar(SCHEMA_VERSION).fetch_one(&mut *tx).await.during(DOING)?;
        let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        for (version, migration) in (1_i64..).zip(migrations) {
            if version > found {
                let text = migration.replace("{identity}", identity).replace("{blob}", blob);
                let text = text.replace("{clustered}", clustered).replace("{postgres}", postgres);
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *tx).await.during(DOING)?;
                sqlx::query(SET_SCHEMA_VERSION).bind(version).execute(&mut *tx).await.during(DOING)?;
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_file_is_at_its_place() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), MIGRATIONS.len());
        for (version, (file, migration)) in (1_usize..).zip(files.iter().zip(MIGRATIONS)) {
            let name = file.file_name().unwrap().to_string_lossy();
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
            assert_eq!(&fs_err::read_to_string(file).unwrap(), migration, "{name}");
        }
    }

    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use sqlx::query_scalar;

    use super::*;
    use crate::Settings;
    use crate::blobs::BlobsAt;

    const SQLITE: &str =
        "select type || ' ' || name || ' ' || sql from sqlite_master where name not like 'sqlite_%' order by 1";
    const POSTGRES: &str = "select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' \
        || coalesce(column_default, '') from information_schema.columns where table_schema = 'public' \
        union all select indexdef from pg_indexes where schemaname = 'public' order by 1";

    async fn pool(dir: &Path, database_url: Option<String>) -> Pool {
        let settings = Settings {
            data_dir: dir.to_owned(),
            database_url: database_url.map(Into::into),
            secret: None,
            blobs: BlobsAt::Folder,
            max_connections: 2,
            patience: Duration::ZERO,
        };
        Pool::open(&settings).await.unwrap()
    }

    async fn schema(pool: &Pool) -> Vec<String> {
        let query = if let Pool::Sqlite { .. } = pool { SQLITE } else { POSTGRES };
        read!(pool, db => query_scalar(query).fetch_all(db).await).unwrap()
    }

    /// How many rows each table of the first version has.
    async fn rows(pool: &Pool) -> Vec<(&'static str, i64)> {
        let tables = MIGRATIONS[0].split("create table ").skip(1).filter_map(|rest| rest.split(' ').next());
        let mut counted = Vec::new();
        for table in tables {
            let query = AssertSqlSafe(format!("select count(*) from {table}"));
            counted.push((table, read!(pool, db => query_scalar(query).fetch_one(db).await).unwrap()));
        }
        counted
    }

    /// A database of the first version with rows, brought to the present one with a stop at each version on the way, as
    /// whoever leaves out no release, and some, does.
    async fn stops_at_every_version(engine: &str, folder: &Path, urls: Vec<Option<String>>) {
        let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/previous/0001.{engine}.sql"));
        let dump = fs_err::read_to_string(dump).unwrap();
        let dir = |number: usize| -> PathBuf {
            let dir = folder.join(number.to_string());
            fs_err::create_dir_all(&dir).unwrap();
            dir
        };
        let new = pool(&dir(0), urls[0].clone()).await;
        run(&new).await.unwrap();
        let want = schema(&new).await;
        new.close().await;
        assert!(want.len() > 30, "{want:?}");
        for stop in 1..=MIGRATIONS.len() {
            let old = pool(&dir(stop), urls[stop].clone()).await;
            write!(old, db => sqlx::raw_sql(AssertSqlSafe(dump.clone())).execute(db).await.map(drop)).unwrap();
            let before = rows(&old).await;
            assert!(before.iter().all(|(_, rows)| *rows > 0), "{before:?}");
            through(&old, &MIGRATIONS[..stop]).await.unwrap();
            let version: i64 = read!(old, db => query_scalar(SCHEMA_VERSION).fetch_one(db).await).unwrap();
            assert_eq!(version, i64::try_from(stop).unwrap());
            run(&old).await.unwrap();
            run(&old).await.unwrap();
            assert_eq!(schema(&old).await, want, "by way of version {stop}");
            assert_eq!(rows(&old).await, before, "by way of version {stop}");
            // Who goes back is told, and changes nothing.
            if stop < MIGRATIONS.len() {
                let refused = through(&old, &MIGRATIONS[..stop]).await.unwrap_err();
                assert!(matches!(refused, StoreError::TooNew { .. }), "{refused}");
            }
            old.close().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite_stops_at_every_version() {
        let folder = tempfile::tempdir().unwrap();
        stops_at_every_version("sqlite", folder.path(), vec![None; MIGRATIONS.len() + 1]).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgresql_stops_at_every_version() {
        let folder = tempfile::tempdir().unwrap();
        let mut urls = Vec::new();
        for _ in 0..=MIGRATIONS.len() {
            urls.push(Some(crate::postgres::database().await));
        }
        stops_at_every_version("postgresql", folder.path(), urls).await;
    }

    /// Images of two accounts that share blocks of numbers, of which one is full and one image is going away.
    async fn who_carries_what_is_kept(pool: &Pool) {
        const FILL: &str = "
            insert into account (name, type, state, created_at, updated_at)
                values ('a', 'user', 'enabled', 1, 1), ('b', 'user', 'enabled', 1, 1);
            insert into package (kind, name, version, architecture, source_name, source_version, release, origin)
                values ('deb', 'zlib', '1', '', 'zlib', '1', 'debian:12', '');
            with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
            insert into image (account, digest, config_digest, analysis_status, image_status, annotations, size_bytes,
                    architecture, distro, distro_version, layer_count, dockerfile_mode, created_at, updated_at)
                select case when i <= 128 then 'a' else 'b' end, cast(i as text), '', 'analyzed',
                    case when i = 130 then 'deleting' else 'active' end, '{}', 1, '', '', '', 1, '', i, i from n order by n.i;
            insert into image_package (image_id, package_id) select i.id, p.id from image i, package p;";
        through(pool, &MIGRATIONS[..13]).await.unwrap();
        write!(*pool, db => sqlx::raw_sql(FILL).execute(db).await.map(drop)).unwrap();
        run(pool).await.unwrap();
        let query = "select account, block, images from package_carriers order by account, block";
        let found: Vec<(String, i64, i64)> = read!(*pool, db => sqlx::query_as(query).fetch_all(db).await).unwrap();
        let bits = |images: std::ops::Range<i64>| images.fold(0_i64, |bits, image| bits | 1 << (image % 64));
        let want = [
            ("a", 0, bits(1..64)),
            ("a", 1, -1),
            ("a", 2, bits(128..129)),
            ("b", 2, bits(129..130) | bits(131..192)),
            ("b", 3, bits(192..201)),
        ];
        assert_eq!(found, want.map(|(account, block, images)| (account.to_owned(), block, images)));
        let links: i64 =
            read!(*pool, db => query_scalar("select count(*) from image_package").fetch_one(db).await).unwrap();
        assert_eq!(links, 200);
    }

    #[tokio::test]
    async fn sqlite_keeps_who_carries_what() {
        let folder = tempfile::tempdir().unwrap();
        who_carries_what_is_kept(&pool(folder.path(), None).await).await;
    }

    #[tokio::test]
    async fn postgresql_keeps_who_carries_what() {
        let folder = tempfile::tempdir().unwrap();
        who_carries_what_is_kept(&pool(folder.path(), Some(crate::postgres::database().await)).await).await;
    }
}
