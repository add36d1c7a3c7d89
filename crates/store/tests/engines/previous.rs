//! Databases of earlier schema versions (`testdata/previous/`), opened by the code of today.

use std::path::{Path, PathBuf};
use std::time::Duration;

use killick_model::digest::Digest;
use killick_store::audit::AuditFilter;
use killick_store::events::EventFilter;
use killick_store::images::{AnalysisStatus, ImageFilter};
use killick_store::{Settings, Store};
use secrecy::ExposeSecret as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

/// What `examples/fill.rs` sealed the registry's password with.
const SECRET: &str = "the secret of stores that are only there to be read by tests";

/// Every object of the schema, without what a server adds.
const SQLITE_SCHEMA: &str =
    "select type || ' ' || name || ' ' || sql from sqlite_master where name not like 'sqlite_%' order by 1";

const POSTGRES_SCHEMA: &str = "\
    select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || is_identity || ' ' \
        || coalesce(column_default, '') from information_schema.columns where table_schema = 'public' \
    union all select indexdef from pg_indexes where schemaname = 'public' \
    union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint \
        where connamespace = 'public'::regnamespace \
    order by 1";

/// The dumps for an engine, oldest first.
fn dumps(engine: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/previous");
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut dumps: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().ends_with(&format!(".{engine}.sql"))).collect();
    dumps.sort();
    assert!(!dumps.is_empty(), "no dumps for {engine}");
    dumps
}

fn settings(data_dir: &Path, database_url: Option<String>) -> Settings {
    Settings {
        data_dir: data_dir.to_owned(),
        database_url: database_url.map(Into::into),
        secret: Some(SECRET.into()),
        blobs: killick_store::blobs::BlobsAt::Folder,
        max_connections: 2,
        patience: Duration::ZERO,
    }
}

async fn sqlite(dir: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(dir.join("killick.db")).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_files_are_migrated() {
    let new = tempfile::tempdir().unwrap();
    Store::open(&settings(new.path(), None)).await.unwrap().close().await;
    let schema = async |dir: &Path| -> Vec<String> {
        sqlx::query_scalar(SQLITE_SCHEMA).fetch_all(&mut sqlite(dir).await).await.unwrap()
    };
    let want = schema(new.path()).await;
    assert!(!want.is_empty());
    for dump in dumps("sqlite") {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = sqlite(dir.path()).await;
        let text = fs_err::read_to_string(&dump).unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let store = Store::open(&settings(dir.path(), None)).await.unwrap();
        everything_is_there(&store).await;
        what_came_later_is_there(&store, version(&dump)).await;
        work_goes_on(&store).await;
        store.close().await;
        assert_eq!(schema(dir.path()).await, want, "{}", dump.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_databases_are_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let new = crate::postgres::database().await;
    Store::open(&settings(dir.path(), Some(new.clone()))).await.unwrap().close().await;
    let schema = async |url: &str| -> Vec<String> {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(POSTGRES_SCHEMA).fetch_all(&mut connection).await.unwrap()
    };
    let want = schema(&new).await;
    assert!(!want.is_empty());
    for dump in dumps("postgresql") {
        let url = crate::postgres::database().await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let text = fs_err::read_to_string(&dump).unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let store = Store::open(&settings(dir.path(), Some(url.clone()))).await.unwrap();
        everything_is_there(&store).await;
        what_came_later_is_there(&store, version(&dump)).await;
        work_goes_on(&store).await;
        store.close().await;
        assert_eq!(schema(&url).await, want, "{}", dump.display());
    }
}

/// What `examples/fill.rs` put there.
async fn everything_is_there(store: &Store) {
    let accounts = store.accounts().await.unwrap();
    let accounts: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), account.state.as_str())).collect();
    assert_eq!(accounts, [("admin", "enabled"), ("gone", "disabled"), ("team", "enabled")]);
    let admin = store.user_by_name("admin").await.unwrap().unwrap();
    assert_eq!(admin.password_hash.as_deref(), Some("$argon2id$not-a-hash"));
    assert_eq!(store.users("team").await.unwrap()[0].username, "alice");

    assert_eq!(store.active_policy("team").await.unwrap().unwrap().document, "{\"id\":\"shop\"}");
    assert_eq!(store.policies("team").await.unwrap().len(), 2);
    let registry = store.registry("team", "registry.example.com").await.unwrap();
    assert_eq!(store.registry_password(&registry).unwrap().expose_secret(), "pull-secret");

    let images = store.images("team", ImageFilter::default()).await.unwrap();
    let states: Vec<_> = images.iter().rev().map(|image| (image.digest.clone(), image.analysis_status)).collect();
    let digest = |name: &str| Digest::of(name.as_bytes());
    let want = [
        (digest("analyzed"), AnalysisStatus::Analyzed),
        (digest("failed"), AnalysisStatus::AnalysisFailed),
        (digest("waiting"), AnalysisStatus::NotAnalyzed),
    ];
    assert_eq!(states, want);
    let analyzed = digest("analyzed").to_string();
    let image = store.image("team", &analyzed).await.unwrap();
    assert_eq!((image.distro.as_str(), image.dockerfile.as_deref()), ("debian", Some("FROM debian:12\n")));
    let packages = store.packages_of_image("team", &analyzed).await.unwrap();
    assert_eq!(packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["openssl", "zlib"]);
    for package in &packages {
        let carriers = store.carriers("team", &[package.id], 9, 0).await.unwrap();
        assert_eq!(
            carriers.images.iter().map(|image| image.digest.to_string()).collect::<Vec<_>>(),
            [analyzed.as_str()]
        );
    }
    assert_eq!(store.tags_of_image("team", &analyzed).await.unwrap()[0].repository, "shop/web");
    assert_eq!(store.subscriptions("team", Some("registry.example.com/shop/web:1"), None).await.unwrap().len(), 4);

    assert_eq!(store.knowledge().await.unwrap().unwrap().digest, Digest::of(b"an index"));
    assert_eq!(store.feed_groups().await.unwrap()[0].record_count, 7);
    let facts = store.layer_fact(&Digest::of(b"a layer"), "revision", 0).await.unwrap();
    assert_eq!(facts, Some(Digest::of(b"facts")));
    let matches = store.matches("team", &analyzed, &Digest::of(b"an index")).await.unwrap();
    assert_eq!(matches, Some(Digest::of(b"matches")));
    assert_eq!(store.first_detected("team", &analyzed).await.unwrap()[0].vulnerability, "CVE-2024-0001");
    let verdicts = store.evaluations("team", &analyzed, "registry.example.com/shop/web:1", None).await.unwrap();
    assert_eq!(verdicts.iter().map(|verdict| verdict.action.as_str()).collect::<Vec<_>>(), ["stop"]);
    let event = store.events("team", &EventFilter::default(), 9, 0).await.unwrap().remove(0);
    assert_eq!((event.level.as_str(), event.uuid.is_empty()), ("info", false));
    assert_eq!(store.setting("a.setting").await.unwrap().as_deref(), Some("its value"));
}

/// The schema version that a dump was made with.
fn version(dump: &Path) -> u32 {
    dump.file_name().unwrap().to_string_lossy()[..4].parse().unwrap()
}

/// What `examples/fill.rs` put into tables that the first version had not; nothing, if it was of that version.
async fn what_came_later_is_there(store: &Store, version: u32) {
    let count = usize::from(version > 1);
    let library = Digest::of(b"a library").hex();
    assert_eq!(store.known_files("team", &[library]).await.unwrap().len(), count);
    assert_eq!(store.exceptions("team", "", 9).await.unwrap().len(), count);
    assert_eq!(store.waiting_notices().await.unwrap(), i64::from(version > 1));
    assert_eq!(store.imports("team").await.unwrap().len(), count);
    assert_eq!(store.archived_images("team").await.unwrap().len(), count);
    assert_eq!(store.archived_tags("team", None).await.unwrap().len(), count);
    assert_eq!(store.archive_rules("team", false).await.unwrap().len(), count);
    assert_eq!(store.archive_history("team", "a-rule", 9).await.unwrap().len(), count);
    assert_eq!(store.roles_of("alice").await.unwrap().len(), count);
    assert_eq!(store.api_keys("team", "alice").await.unwrap().len(), count);
    assert_eq!(store.audit(&AuditFilter::default(), 9).await.unwrap().len(), count);
    if version > 1 {
        assert_eq!(store.import_contents("team", "an-import", None).await.unwrap()[0].size_bytes, 8);
        let mut seen = Vec::new();
        for subscription in store.subscriptions("team", None, Some("tag_update")).await.unwrap() {
            seen.extend(store.watch_result("team", &subscription.id, "").await.unwrap());
        }
        assert_eq!(seen.iter().map(|seen| seen.basis.as_str()).collect::<Vec<_>>(), ["a digest"]);
    }
}

/// The image that waited is analysed, numbers go on, and the analysed one goes.
async fn work_goes_on(store: &Store) {
    let waiting = Digest::of(b"waiting").to_string();
    let now = 1_800_000_000_000_000;
    let (task, lease) = store.claim(&["analyze_image"], 10, now).await.unwrap().unwrap();
    assert_eq!(task.image.as_deref(), Some(waiting.as_str()));
    assert!(store.start_analysis(&lease, "team", &waiting, now).await.unwrap());
    store.finish_analysis(&lease, "team", &waiting, &crate::analysis("another", 3), now).await.unwrap();
    assert_eq!(store.packages_of_image("team", &waiting).await.unwrap().len(), 3);
    store.add_image(&crate::image("team", "new"), now).await.unwrap();
    store.delete_image("team", &Digest::of(b"analyzed").to_string(), true, 9).await.unwrap();
    store.purge_image("team", &Digest::of(b"analyzed").to_string()).await.unwrap();
    assert_eq!(store.prune_packages(1000).await.unwrap(), 2);
    assert_eq!(store.delete_old_layer_facts(now).await.unwrap(), 1);
    crate::remove(store, "team").await;
}
