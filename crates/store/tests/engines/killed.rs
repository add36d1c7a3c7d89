//! Workers that are killed: the task is tried again, and nothing is there twice.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use killick_model::digest::Digest;
use killick_store::images::{AnalysisStatus, FinishedAnalysis};
use killick_store::tasks::TaskState;
use killick_store::{Settings, Store};
use secrecy::ExposeSecret as _;
use sqlx::postgres::PgPool;

use super::{Opened, analysis, image, task};

/// Where the worker stops to be killed.
const STAGE: &str = "KILLICK_TEST_WORKER_STAGE";
const DIR: &str = "KILLICK_TEST_WORKER_DIR";
const DATABASE: &str = "KILLICK_TEST_WORKER_DATABASE";

/// What the image holds in the end.
const PACKAGES: usize = 2_000;

fn document(stage: &str) -> Vec<u8> {
    // Does not compress, so that writing it takes a while.
    let size = if stage == "during blob" { 2_000_000_u64 } else { 10 };
    (0..size).flat_map(|number| *Digest::of(&number.to_le_bytes()).as_bytes()).collect()
}

fn found(document: &Digest, packages: usize) -> FinishedAnalysis {
    FinishedAnalysis { analysis: document.clone(), ..analysis("", packages) }
}

/// Not a test by itself: the worker that the tests here start and kill.
#[tokio::test]
async fn worker() {
    let Some(stage) = std::env::var_os(STAGE) else { return };
    let stage = stage.to_str().unwrap();
    let reached = async |name: &str| {
        println!("\nreached {name}");
        if name == stage {
            std::future::pending::<()>().await;
        }
    };
    let settings = Settings {
        data_dir: std::env::var_os(DIR).unwrap().into(),
        database_url: std::env::var_os(DATABASE).map(|url| url.into_string().unwrap().into()),
        secret: None,
        blobs: killick_store::blobs::BlobsAt::Folder,
        max_connections: 1,
        patience: std::time::Duration::ZERO,
    };
    let store = Store::open(&settings).await.unwrap();
    let (task, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    let digest = task.image.unwrap();
    assert!(store.start_analysis(&lease, "a", &digest, 2).await.unwrap());
    reached("claim").await;
    let document = store.blobs().put(document(stage)).await.unwrap();
    reached("blob").await;
    // Who is to be killed before it commits shall be far from it.
    let packages = if stage == "commit" { PACKAGES } else { 20 * PACKAGES };
    store.finish_analysis(&lease, "a", &digest, &found(&document, packages), 3).await.unwrap();
    reached("commit").await;
}

fn start(opened: &Opened, stage: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::worker", "--nocapture"]);
    command.env(STAGE, stage).env(DIR, &opened.settings.data_dir);
    if let Some(url) = &opened.settings.database_url {
        command.env(DATABASE, url.expose_secret());
    }
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Waits until the worker says that it got there.
fn wait_for(child: &mut Child, stage: &str) {
    let line = format!("reached {stage}");
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|said| said.contains(&line)), "the worker ended before `{stage}`");
}

/// A worker that ended by itself would be waited for in vain.
fn still_works(child: &mut Child) {
    assert_eq!(child.try_wait().unwrap(), None, "the worker ended");
    std::thread::yield_now();
}

/// `SIGKILL`.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Lets another worker come when the lease is over, and looks at what there is in the end.
async fn recover(Opened { store, settings, .. }: &Opened, task: i64, written: bool) {
    let digest = Digest::of(b"one").to_string();
    let between = store.image("a", &digest).await.unwrap();
    let state = store.task("a", task).await.unwrap().state;
    assert_eq!(store.claim(&[], 10, 5).await.unwrap(), None, "the lease holds");
    if written {
        assert_eq!((between.analysis_status, state), (AnalysisStatus::Analyzed, TaskState::Done));
    } else {
        assert_eq!((between.analysis_status, state), (AnalysisStatus::Analyzing, TaskState::Running));
        assert_eq!(between.analysis, None);
        assert_eq!(store.packages_of_image("a", &digest).await.unwrap(), []);
        assert_eq!(store.packages_named("package-000000").await.unwrap(), []);
        let (again, lease) = store.claim(&[], 10, 20).await.unwrap().unwrap();
        assert_eq!((again.id, again.attempts), (task, 2));
        assert!(store.start_analysis(&lease, "a", &digest, 20).await.unwrap());
        let document = store.blobs().put(document("")).await.unwrap();
        store.finish_analysis(&lease, "a", &digest, &found(&document, PACKAGES), 21).await.unwrap();
    }
    assert_eq!(store.claim(&[], 10, 99).await.unwrap(), None);
    assert_eq!(store.give_up_vanished(99).await.unwrap(), []);
    let done = store.task("a", task).await.unwrap();
    assert_eq!((done.state, done.attempts), (TaskState::Done, if written { 1 } else { 2 }));
    let image = store.image("a", &digest).await.unwrap();
    assert_eq!((image.analysis_status, image.failure), (AnalysisStatus::Analyzed, None));
    store.blobs().get(&image.analysis.unwrap(), 1000).await.unwrap();
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap().len(), PACKAGES);
    assert_eq!(store.packages_named("package-000000").await.unwrap().len(), 1);
    assert_eq!(store.images("a", killick_store::images::ImageFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.tags("a").await.unwrap().len(), 1);
    store.delete_orphan_blobs(i64::MAX).await.unwrap();
    assert_eq!(files(&settings.data_dir.join("blobs")).len(), 1, "what the killed worker left is removed");
}

/// Every file below a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

async fn add(Opened { store, .. }: &Opened) -> i64 {
    store.add_image(&image("a", "one"), 1).await.unwrap().1.unwrap()
}

pub(crate) async fn after_the_claim(opened: &Opened) {
    let task = add(opened).await;
    let mut child = start(opened, "claim");
    wait_for(&mut child, "claim");
    kill(child);
    recover(opened, task, false).await;
}

pub(crate) async fn during_the_blob(opened: &Opened) {
    let task = add(opened).await;
    let mut child = start(opened, "during blob");
    // Its file appears before it is whole.
    while files(&opened.settings.data_dir.join("blobs")).is_empty() {
        still_works(&mut child);
    }
    kill(child);
    recover(opened, task, false).await;
}

pub(crate) async fn after_the_blob(opened: &Opened) {
    let task = add(opened).await;
    let mut child = start(opened, "blob");
    wait_for(&mut child, "blob");
    kill(child);
    recover(opened, task, false).await;
}

pub(crate) async fn after_the_commit(opened: &Opened) {
    let task = add(opened).await;
    let mut child = start(opened, "commit");
    wait_for(&mut child, "commit");
    kill(child);
    recover(opened, task, true).await;
}

/// Kills the worker when part of its transaction is on the disk, because it is more than SQLite keeps in memory, or
/// while it waits in it for a table that this test has locked (PostgreSQL).
pub(crate) async fn inside_the_transaction(opened: &Opened) {
    let task = add(opened).await;
    if let Some(url) = &opened.settings.database_url {
        let pool = PgPool::connect(url.expose_secret()).await.unwrap();
        let mut lock = pool.begin().await.unwrap();
        sqlx::query("lock table package in exclusive mode").execute(&mut *lock).await.unwrap();
        let mut child = start(opened, "");
        wait_for(&mut child, "blob");
        let waiting =
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap() == 0 {
            still_works(&mut child);
        }
        kill(child);
        lock.rollback().await.unwrap();
        pool.close().await;
        // The server notices that the worker is gone, and rolls back.
    } else {
        let log = opened.settings.data_dir.join("killick.db-wal");
        let size = || fs_err::metadata(&log).unwrap().len();
        let before = size();
        let mut child = start(opened, "");
        wait_for(&mut child, "blob");
        while size() < before + 1_000_000 {
            still_works(&mut child);
        }
        kill(child);
    }
    recover(opened, task, false).await;
}

pub(crate) async fn a_task_that_kills_its_workers_is_given_up(opened: &Opened) {
    let Opened { store, .. } = opened;
    let (added, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let other = store.enqueue(&task("a", None), 1).await.unwrap();
    let (digest, id) = (added.digest.to_string(), id.unwrap());
    for now in [10, 20] {
        for _ in 0..2 {
            let (task, lease) = store.claim(&[], 5, now).await.unwrap().unwrap();
            if task.id == id {
                assert!(store.start_analysis(&lease, "a", &digest, now).await.unwrap());
            }
        }
        assert_eq!(store.give_up_vanished(now + 4).await.unwrap(), []);
        let given_up = store.give_up_vanished(now + 5).await.unwrap();
        let image = store.image("a", &digest).await.unwrap();
        let cause = image.failure.unwrap();
        if now == 10 {
            assert_eq!(given_up, []);
            assert_eq!(image.analysis_status, AnalysisStatus::NotAnalyzed);
            assert_eq!(cause, "the worker vanished; 1 of 2 attempts were made");
        } else {
            let mut ids: Vec<_> = given_up.iter().map(|task| task.id).collect();
            ids.sort_unstable();
            assert_eq!(ids, [id, other]);
            assert_eq!(image.analysis_status, AnalysisStatus::AnalysisFailed);
            assert_eq!(cause, "the worker vanished; 2 of 2 attempts were made");
        }
    }
    let task = store.task("a", id).await.unwrap();
    assert_eq!((task.state, task.last_error.as_deref()), (TaskState::Failed, Some("the worker vanished")));
    assert_eq!(store.claim(&[], 5, 99).await.unwrap(), None);
}

pub(crate) async fn who_takes_workers_along_is_given_up_before_who_fails(opened: &Opened) {
    let Opened { store, .. } = opened;
    let patient = || killick_store::tasks::NewTask { max_attempts: 12, ..task("a", None) };
    let (deadly, failing) = (store.enqueue(&patient(), 1).await.unwrap(), store.enqueue(&patient(), 1).await.unwrap());
    for now in [10, 20, 30, 40, 50] {
        for _ in 0..2 {
            let (task, lease) = store.claim(&[], 5, now).await.unwrap().unwrap();
            if task.id == failing {
                store.fail(&lease, "the registry does not answer", Some(1), now).await.unwrap();
            }
        }
        let given_up: Vec<_> = store.give_up_vanished(now + 5).await.unwrap().iter().map(|task| task.id).collect();
        assert_eq!(given_up, if now == 50 { vec![deadly] } else { vec![] });
    }
    let states = [store.task("a", deadly).await.unwrap(), store.task("a", failing).await.unwrap()];
    assert_eq!(states.map(|task| (task.state, task.attempts)), [(TaskState::Failed, 5), (TaskState::Queued, 5)]);
}
