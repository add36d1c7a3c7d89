//! The behaviour of the store, on both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/bucket.rs"]
mod bucket;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/s3_server.rs"]
mod s3_server;

mod accounts;
mod alerts;
mod apart;
mod archives;
mod audit;
mod blobs;
mod carriers;
mod children;
mod evaluations;
mod exceptions;
mod images;
mod imports;
mod killed;
mod knowledge;
mod known_files;
mod news;
mod notifications;
mod packages;
mod places;
mod policies;
mod previous;
mod processes;
mod registries;
mod small;
mod tags;
mod tasks;
mod watches;

use std::collections::BTreeMap;

use killick_model::digest::Digest;
use killick_store::accounts::{AccountState, AccountType};
use killick_store::images::{FinishedAnalysis, Naming, NewImage, TagName};
use killick_store::news::{NewEvent, NewNotice, News};
use killick_store::packages::{PackageDocument, PackageIdentity, PackageName};
use killick_store::tasks::NewTask;
use killick_store::{Settings, Store};
use places::fake_bucket;

/// A new store with the accounts `a` and `b`.
struct Opened {
    store: Store,
    settings: Settings,
    _dir: tempfile::TempDir,
}

async fn open(url: Option<String>) -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: dir.path().to_owned(),
        database_url: url.map(Into::into),
        secret: None,
        blobs: killick_store::blobs::BlobsAt::Folder,
        max_connections: 4,
        patience: std::time::Duration::ZERO,
    };
    let store = Store::open(&settings).await.unwrap();
    for account in ["a", "b"] {
        store.create_account(account, AccountType::User, None, 1).await.unwrap();
    }
    Opened { store, settings, _dir: dir }
}

/// Makes a test on each engine of each function.
macro_rules! on_both_engines {
    ($($module:ident: $($name:ident),+;)+) => {
        mod sqlite {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(&crate::open(None).await).await;
                }
            )+ })+
        }
        mod postgresql {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(&crate::open(Some(crate::postgres::database().await)).await).await;
                }
            )+ })+
        }
    };
}

on_both_engines! {
    accounts: accounts_change_state, an_account_begins_with_its_policy, a_removed_account_leaves_nothing, users_come_and_go, an_account_drains_little_by_little, draining_and_following_do_not_deadlock, roles_go_with_their_user, keys_hold_for_their_time;
    alerts: a_tag_has_one_open_alert, each_image_of_an_index_has_its_own, alerts_end_with_their_subscription;
    apart: accounts_are_apart;
    archives: analyses_are_archived_and_restored, what_is_archived_is_kept, rules_come_and_go, rules_do_things_once;
    audit: it_is_written_with_the_change, every_change_by_people_writes_it, what_is_refused_is_not_written, it_is_read_newest_first;
    blobs: blobs_round_trip, orphans_are_removed, removal_and_writing_do_not_meet;
    children: a_tag_means_one_of_its_index, others_that_other_tags_brought_stay, others_of_an_index_are_nobodys_latest, indexes_at_once_are_one,
        a_tag_has_the_others_of_its_index, who_watches_a_tag_watches_its_index, others_go_with_the_one_that_brought_them;
    evaluations: an_unchanged_verdict_moves_its_row, a_changed_verdict_follows_the_previous, equal_verdicts_at_once_are_one,
        an_older_index_takes_nothing_back, old_verdicts_go;
    exceptions: exceptions_come_and_go, exceptions_page_by_id, exceptions_are_apart;
    images: adding_again_changes_nothing, annotations_are_merged, a_failed_image_is_tried_again, analysis_is_atomic,
        finishing_twice_is_once, many_packages_are_written, filters_choose, images_are_found, analyzed_images_page_by_digest,
        force_during_analysis_analyzes_again, force_while_queued_is_one_task, deletion_follows_the_rules,
        a_deleted_image_comes_back, an_image_gone_ends_its_task, attempts_end_in_failure, writers_do_not_deadlock;
    imports: imports_take_documents, imports_end_with_their_task, imports_expire, an_import_is_used_once,
        an_import_brings_all_its_tags;
    killed: after_the_claim, during_the_blob, after_the_blob, inside_the_transaction, after_the_commit,
        a_task_that_kills_its_workers_is_given_up, who_takes_workers_along_is_given_up_before_who_fails;
    knowledge: the_newest_index_is_in_use, feed_groups_are_replaced, layer_facts_are_kept_by_revision,
        layer_facts_that_nobody_uses_go,
        matches_belong_to_an_index, first_detection_stays, a_new_analysis_forgets_matches;
    known_files: what_an_account_learns_is_its_own, what_was_not_seen_for_longest_is_forgotten,
        two_who_learn_the_same_do_not_meet;
    carriers: who_carries_a_package_is_told, as_they_come_and_go, writers_of_carriers_do_not_deadlock,
        adding_again_takes_no_number;
    packages: packages_of_no_image_go, pruning_goes_round_in_steps,
        packages_are_looked_up_by_name_and_carried_by_images;
    places: blobs_round_trip_in_the_database, orphans_go_from_the_database;
    fake_bucket: blobs_round_trip, orphans_go_in_two_steps, blobs_move_between_places;
    processes: processes_come_and_go, silence_is_told_once;
    policies: one_policy_is_active, the_active_policy_stays;
    registries: passwords_are_sealed, another_secret_does_not_open, longest_registry_first;
    news: analyses_are_told, moves_of_tags_are_told, policies_are_told, verdicts_are_told_once;
    notifications: only_who_subscribed_is_told, what_was_not_received_comes_again, what_is_given_up_is_told, who_waits_is_listed, groups_are_folded;
    small: settings_are_kept, events_are_filtered, events_are_acknowledged, much_that_is_old_goes, subscriptions_switch, opening_again_finds_everything;
    tags: a_tag_moves_there_and_back, a_tag_learned_late_keeps_order, who_saw_a_tag_first_may_write_it_last, tags_at_once_are_one;
    tasks: tasks_are_leased, keys_belong_to_an_account, a_key_is_free_again, completing_twice_is_once, accounts_take_turns,
        what_is_urgent_goes_first, who_waits_already_is_hastened, progress_is_that_of_the_attempt, kinds_are_chosen, priority_and_time_count, workers_never_share, ended_tasks_go, what_cannot_be_mended_fails_at_once;
    watches: watches_are_claimed, what_carries_a_package_is_hastened, what_is_decided_or_found_is_hastened_with_it,
        what_was_seen_is_told_once, what_is_off_is_never_due;
}

/// Removes an account and everything in it.
async fn remove(store: &Store, account: &str) {
    for state in [AccountState::Disabled, AccountState::Deleting] {
        store.set_account_state(account, state, 9).await.unwrap();
    }
    while !store.drain_account(account, 2).await.unwrap() {}
}

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
        naming: Naming::Image,
        config_digest: Digest::of(b"config"),
        given_id: None,
        import: None,
        tag: tag("1"),
        other_tags: Vec::new(),
        detected_at: 5,
        size_bytes: 1,
        architecture: "amd64".to_owned(),
        layer_count: 1,
        dockerfile: None,
        manifest: None,
        annotations: BTreeMap::new(),
        force: false,
        autosubscribe: false,
        resubscribe: true,
        task: task(account, None),
    }
}

/// An event of that identity, and a notification for who subscribed to `policy_eval` of a key.
fn news(account: &str, uuid: &str, key: &str) -> News {
    let event = NewEvent {
        uuid: uuid.to_owned(),
        account: account.to_owned(),
        kind: "user.image.analysis.completed".to_owned(),
        level: "info".to_owned(),
        service: "catalog".to_owned(),
        host: "here".to_owned(),
        resource_type: Some("image_tag".to_owned()),
        resource: Some(key.to_owned()),
        document: format!("{{\"n\":\"{uuid}\"}}"),
    };
    let notice = NewNotice {
        uuid: uuid.to_owned(),
        account: account.to_owned(),
        kind: "policy_eval".to_owned(),
        key: Some(key.to_owned()),
        payload: "{}".to_owned(),
        folds_at: None,
    };
    News { events: vec![event], notices: vec![notice] }
}

fn tag(tag: &str) -> TagName {
    TagName { registry: "r.io".to_owned(), repository: "x".to_owned(), tag: tag.to_owned() }
}

/// So many packages, found in the blob of that text.
fn analysis(blob: &str, packages: usize) -> FinishedAnalysis {
    let identity = |number: usize| {
        let name = format!("package-{number:06}");
        PackageIdentity(["deb", &name, "1.0-1", "amd64", "source", "1.0-1", "debian:12", ""].map(str::to_owned))
    };
    let packages: Vec<PackageIdentity> = (0..packages).map(identity).collect();
    let name = |package: &PackageIdentity, name: &str| PackageName {
        package: package.clone(),
        ecosystem: "debian:12".to_owned(),
        name: name.to_owned(),
    };
    let document = |package: &PackageIdentity| PackageDocument {
        package: package.clone(),
        digest: Digest::of(package.0[1].as_bytes()).hex(),
        document: format!("{{{}}}", package.0[1]),
    };
    FinishedAnalysis {
        analysis: Digest::of(blob.as_bytes()),
        size_bytes: 9,
        architecture: "arm64".to_owned(),
        distro: "debian".to_owned(),
        distro_version: "12".to_owned(),
        layer_count: 3,
        names: packages.iter().flat_map(|package| [name(package, &package.0[1]), name(package, "source")]).collect(),
        documents: packages.iter().map(document).collect(),
        packages,
    }
}

/// Adds an image and analyzes it.
async fn analyzed(store: &Store, new: &NewImage, packages: usize) -> String {
    let (image, _) = store.add_image(new, 1).await.unwrap();
    let digest = image.digest.to_string();
    let (task, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    assert_eq!(task.image.as_deref(), Some(digest.as_str()));
    assert!(store.start_analysis(&lease, &new.account, &digest, 3).await.unwrap());
    store.finish_analysis(&lease, &new.account, &digest, &analysis("analysis", packages), 4).await.unwrap();
    digest
}
