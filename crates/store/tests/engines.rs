//! The behaviour of the store, on both engines.

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;

use killick_model::digest::Digest;
use killick_store::accounts::{AccountState, AccountType, UserType};
use killick_store::images::{AnalysisStatus, Deletion, FinishedAnalysis, ImageFilter, NewImage, TagName};
use killick_store::packages::PackageIdentity;
use killick_store::registries::NewRegistry;
use killick_store::tasks::{NewTask, TaskState};
use killick_store::{Settings, Store, StoreError};
use secrecy::ExposeSecret as _;

struct Opened {
    store: Store,
    dir: tempfile::TempDir,
}

async fn open(url: Option<String>) -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: dir.path().to_owned(),
        database_url: url.map(Into::into),
        secret: None,
        max_connections: 3,
    };
    let store = Store::open(&settings).await.unwrap();
    for account in ["a", "b"] {
        store.create_account(account, AccountType::User, None, 1).await.unwrap();
    }
    Opened { store, dir }
}

macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite { $(#[tokio::test] async fn $name() { super::$name(&super::open(None).await.store).await; })* }
        mod postgresql { $(#[tokio::test] async fn $name() {
            super::$name(&super::open(Some(super::postgres::database())).await.store).await;
        })* }
    };
}
on_both_engines!(
    accounts_change_state,
    tasks_are_leased,
    claims_are_fair,
    analysis_is_atomic,
    accounts_are_apart,
    passwords_are_sealed,
    deletion_follows_the_rules
);

fn task(account: &str, dedupe: Option<&str>) -> NewTask {
    NewTask {
        kind: "analyze",
        account: account.to_owned(),
        payload: "{}".to_owned(),
        priority: 0,
        run_after: 0,
        dedupe: dedupe.map(ToOwned::to_owned),
        max_attempts: 2,
    }
}

fn image(account: &str, name: &str) -> NewImage {
    NewImage {
        account: account.to_owned(),
        digest: Digest::of(name.as_bytes()),
        index_digest: None,
        config_digest: Digest::of(b"config"),
        tag: TagName { registry: "r.io".to_owned(), repository: "x".to_owned(), tag: "1".to_owned() },
        detected_at: 5,
        size_bytes: 1,
        architecture: "amd64".to_owned(),
        layer_count: 1,
        dockerfile: None,
        manifest: None,
        annotations: BTreeMap::new(),
        force: false,
        autosubscribe: false,
        task: task(account, None),
    }
}

async fn accounts_change_state(store: &Store) {
    let again = store.create_account("a", AccountType::User, None, 2).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    let user = store.create_user("a", "u", UserType::Native, None, Some("hash"), 3).await.unwrap();
    assert_eq!(user.password_hash.as_deref(), Some("hash"));
    assert!(store.set_account_state("a", AccountState::Deleting, 4).await.is_err());
    store.set_account_state("a", AccountState::Disabled, 5).await.unwrap();
    store.set_account_state("a", AccountState::Deleting, 6).await.unwrap();
    assert_eq!(store.user_by_name("u").await.unwrap(), None);
    assert!(store.set_account_state("a", AccountState::Enabled, 7).await.is_err());
}

async fn tasks_are_leased(store: &Store) {
    let id = store.enqueue(&task("a", Some("k")), 1).await.unwrap();
    assert_eq!(store.enqueue(&task("b", Some("k")), 1).await.unwrap(), id);
    let (_, first) = store.claim(&["analyze"], 10, 2).await.unwrap().unwrap();
    assert_eq!(store.claim(&[], 10, 3).await.unwrap(), None);
    assert!(store.renew(&first, 10, 5).await.unwrap());
    let (again, second) = store.claim(&[], 10, 20).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (id, 2));
    assert!(!store.renew(&first, 10, 21).await.unwrap());
    assert!(matches!(store.complete(&first, 21).await, Err(StoreError::LeaseLost { .. })));
    let failed = store.fail(&second, "why", 5, 22).await.unwrap();
    assert_eq!((failed.state, failed.last_error.as_deref()), (TaskState::Failed, Some("why")));
}

async fn claims_are_fair(store: &Store) {
    for account in ["a", "a", "a", "b"] {
        store.enqueue(&task(account, None), 1).await.unwrap();
    }
    let mut order = Vec::new();
    while let Some((task, _)) = store.claim(&[], 100, 2).await.unwrap() {
        order.push(task.account);
    }
    assert_eq!(order, ["a", "b", "a", "a"]);
}

async fn analysis_is_atomic(store: &Store) {
    let (added, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    assert!(id.is_some());
    assert_eq!(store.add_image(&image("a", "one"), 2).await.unwrap().1, None);
    let digest = added.digest.to_string();
    let (_, lost) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    assert!(store.start_analysis(&lost, "a", &digest, 3).await.unwrap());
    let (_, lease) = store.claim(&[], 10, 20).await.unwrap().unwrap();
    let identity = ["deb", "n", "1", "amd64", "s", "1", "debian:12", ""].map(str::to_owned);
    let done = FinishedAnalysis {
        analysis: Digest::of(b"analysis"),
        size_bytes: 9,
        architecture: "amd64".to_owned(),
        distro: "debian".to_owned(),
        distro_version: "12".to_owned(),
        layer_count: 1,
        packages: vec![PackageIdentity(identity)],
    };
    let refused = store.finish_analysis(&lost, "a", &digest, &done, 21).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })));
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap(), []);
    store.finish_analysis(&lease, "a", &digest, &done, 22).await.unwrap();
    let packages = store.packages_of_image("a", &digest).await.unwrap();
    assert_eq!(packages.len(), 1);
    assert_eq!(store.images_with_package("a", packages[0].id).await.unwrap().len(), 1);
    assert_eq!(store.image("a", &digest).await.unwrap().analysis_status, AnalysisStatus::Analyzed);
}

async fn accounts_are_apart(store: &Store) {
    let (added, _) = store.add_image(&image("a", "one"), 1).await.unwrap();
    store.put_policy("a", "p", "{}", "local", 1).await.unwrap();
    let digest = added.digest.to_string();
    assert!(store.image("b", &digest).await.is_err());
    assert_eq!(store.images("b", ImageFilter::default()).await.unwrap(), []);
    assert_eq!(store.tags("b").await.unwrap(), []);
    assert_eq!(store.subscriptions("b", None, None).await.unwrap(), []);
    assert!(store.policy("b", "p").await.is_err());
    assert_eq!(store.delete_image("b", &digest, true, 2).await.unwrap(), Deletion::NotFound);
}

async fn passwords_are_sealed(store: &Store) {
    let new = NewRegistry {
        registry: "r.io".to_owned(),
        name: "r".to_owned(),
        kind: "docker_v2".to_owned(),
        username: "u".to_owned(),
        password: "very secret".into(),
        verify: true,
    };
    let mut row = store.add_registry("a", &new, 1).await.unwrap();
    assert_eq!(store.registry_password(&row).unwrap().expose_secret(), "very secret");
    row.account = "b".to_owned();
    assert!(matches!(store.registry_password(&row), Err(StoreError::Unsealable { .. })));
}

async fn deletion_follows_the_rules(store: &Store) {
    let (old, _) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let (new, _) = store.add_image(&image("a", "two"), 2).await.unwrap();
    let (old, new) = (old.digest, new.digest);
    assert!(matches!(store.delete_image("a", &new.to_string(), false, 3).await.unwrap(), Deletion::Refused(_)));
    assert_eq!(store.delete_image("a", &old.to_string(), false, 3).await.unwrap(), Deletion::Deleting(old.clone()));
    assert_eq!(store.delete_image("a", &new.to_string(), true, 3).await.unwrap(), Deletion::Deleting(new));
    store.purge_image("a", &old.to_string()).await.unwrap();
    assert_eq!(store.images("a", ImageFilter::default()).await.unwrap().len(), 1);
}

const WORKER: &str = "KILLICK_TEST_WORKER";

/// Not a test by itself: the worker that [`a_killed_worker_loses_nothing`] starts and kills.
#[tokio::test]
async fn worker() {
    let Some(dir) = std::env::var_os(WORKER) else { return };
    let settings = Settings { data_dir: dir.into(), database_url: None, secret: None, max_connections: 1 };
    let store = Store::open(&settings).await.unwrap();
    store.claim(&[], 10, 2).await.unwrap().unwrap();
    println!("claimed");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_worker_loses_nothing() {
    let opened = open(None).await;
    let id = opened.store.enqueue(&task("a", None), 1).await.unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env(WORKER, opened.dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.map_while(Result::ok).any(|line| line.contains("claimed")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(opened.store.claim(&[], 10, 3).await.unwrap(), None);
    let (again, lease) = opened.store.claim(&[], 10, 20).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (id, 2));
    opened.store.complete(&lease, 21).await.unwrap();
    assert_eq!(opened.store.claim(&[], 10, 99).await.unwrap(), None);
}
