//! No account sees or changes what is another's.

use std::collections::BTreeSet;
use std::path::Path;

use killick_model::digest::Digest;
use killick_store::Store;
use killick_store::accounts::UserType;
use killick_store::alerts::{Alarm, Alert, AlertFilter, ClosedFor, Closing};
use killick_store::api_keys::NewApiKey;
use killick_store::archives::Transition;
use killick_store::carriers::Carriers;
use killick_store::evaluations::NewEvaluation;
use killick_store::events::EventFilter;
use killick_store::images::{Deletion, ImageFilter};
use killick_store::knowledge::NewMatches;
use killick_store::known_files::NewKnownPackage;
use killick_store::news::News;
use killick_store::registries::NewRegistry;
use killick_store::subscriptions::subscription_id;
use killick_store::tasks::NewTask;
use killick_store::watches::NewWatchResult;

use super::archives::{archived, rule};
use super::imports::content;
use super::watches::claimed;
use super::{Opened, analysis, analyzed, image, news, tag, task};

const TAG: &str = "r.io/x:1";

fn registry() -> NewRegistry {
    NewRegistry {
        registry: "r.io".to_owned(),
        name: "r".to_owned(),
        kind: "docker_v2".to_owned(),
        username: "u".to_owned(),
        password: "secret".into(),
        verify: true,
    }
}

fn seen_now(account: &str, subscription: &str) -> NewWatchResult {
    NewWatchResult {
        account: account.to_owned(),
        subscription: subscription.to_owned(),
        subject: String::new(),
        before: None,
        basis: "index".to_owned(),
        result: None,
    }
}

/// Everything there is in account `a`.
async fn all(store: &Store, digest: &str, task: i64) -> String {
    let package = &store.packages_of_image("a", digest).await.unwrap()[0];
    format!(
        "{:#?}",
        (
            (store.users("a").await, store.policies("a").await, store.active_policy("a").await),
            (
                store.images("a", ImageFilter::default()).await,
                store.images_after("a", "", 9).await,
                store.tags("a").await
            ),
            (store.packages_of_image("a", digest).await, store.carriers("a", &[package.id], 9, 0).await),
            (store.matches("a", digest, &Digest::of(b"index")).await, store.first_detected("a", digest).await),
            (store.evaluations("a", digest, TAG, None).await, store.registries("a").await),
            (store.subscriptions("a", None, None).await, store.events("a", &EventFilter::default(), 99, 0).await),
            (
                store.task("a", task).await,
                store.waiting_tasks("analyze_image").await,
                store.task_of_image("a", digest).await,
                store.known_files("a", &["00".to_owned()]).await
            ),
            (
                store.event("a", "e").await,
                store.newest_evaluation("a", digest, TAG).await,
                store.watch_result("a", &subscription_id("a", TAG, "alerts"), "").await,
            ),
            (
                (store.imports("a").await, store.import_contents("a", "i", None).await),
                (
                    store.archived_images("a").await,
                    store.archived_tags("a", None).await,
                    store.archive_summary(Some("a")).await
                ),
                (store.archive_rules("a", false).await, store.archive_history("a", "rule", 9).await),
                (store.evaluations_of_image("a", digest).await, store.archivable_tags("a").await),
            ),
            (store.alerts("a", &AlertFilter::default(), 9).await, store.last_alert("a", TAG, "").await),
            (store.analyzed_images("a", "", 9).await, store.exceptions("a", "", 9).await),
            (store.api_keys("a", "u").await, store.roles_of("u").await),
        )
    )
}

pub(crate) async fn accounts_are_apart(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    let digest = digest.as_str();
    let config = Digest::of(b"config").to_string();
    let index = Digest::of(b"index");
    let matches = |account: &str, blob: &str| NewMatches {
        account: account.to_owned(),
        digest: digest.to_owned(),
        analysis: Digest::of(b"analysis"),
        index: Digest::of(b"index"),
        blob: Digest::of(blob.as_bytes()),
    };
    let seen = [("CVE-2024-1".to_owned(), "deb curl".to_owned())];
    let waiting = store.enqueue(&NewTask { run_after: 99, ..task("a", None) }, 5).await.unwrap();
    store.create_user("a", "u", UserType::Native, None, Some("hash"), 5).await.unwrap();
    for policy in ["p", "q"] {
        store.put_policy("a", policy, "{}", "local", 5).await.unwrap();
    }
    store.activate_policy("a", "p", 5).await.unwrap();
    store.put_matches(&matches("a", "matches"), &seen, 5).await.unwrap();
    store.add_registry("a", &registry(), 5).await.unwrap();
    store.tell(&news("a", "e", TAG), 5).await.unwrap();
    let verdict = NewEvaluation {
        account: "a".to_owned(),
        digest: Digest::of(b"one"),
        tag: TAG.to_owned(),
        policy_id: "p".to_owned(),
        policy_digest: Digest::of(b"{}"),
        action: "stop".to_owned(),
        result: Digest::of(b"verdict"),
        findings: Digest::of(b"findings"),
        index_built_at: 0,
        follows: None,
    };
    store.record_evaluation(&verdict, 5).await.unwrap();
    let alarm = Alarm {
        subject: String::new(),
        digest: Digest::of(b"one"),
        policy_id: "p".to_owned(),
        policy_digest: Digest::of(b"{}"),
    };
    let no_news = |_: &Alert| News::default();
    let alerts = store.add_subscription("a", TAG, "alerts", None, true, 5).await.unwrap();
    let alert = store.open_alert("a", TAG, &alarm, no_news, 5).await.unwrap().expect("there is none");
    let known = NewKnownPackage { document: "curl".to_owned(), files: vec!["00".to_owned()] };
    store.learn_files("a", &[known], 99, 5).await.unwrap();
    store.create_import("a", "i", "u", 99, 9, 5).await.unwrap();
    store.add_import_content("a", "i", &content("a document"), 5).await.unwrap();
    store.archive_image(&archived("a", "one"), 5).await.unwrap();
    store.add_archive_rule(&rule("a", "rule"), 5).await.unwrap();
    store.add_archive_history("a", "rule", digest, Transition::Archive, 5).await.unwrap();
    let package = store.packages_of_image("a", digest).await.unwrap()[0].id;
    let subscription = subscription_id("a", TAG, "alerts");
    assert!(store.put_watch_result(&seen_now("a", &subscription), &News::default(), 5).await.unwrap());
    assert_eq!(claimed(store, "alerts", 99, 5).await.len(), 1);
    store.create_exception("a", "x", "{}", "u", 5).await.unwrap();
    store.set_roles("a", "u", &["reader"], "admin", 5).await.unwrap();
    let key = NewApiKey {
        id: "k".to_owned(),
        account: "a".to_owned(),
        username: "u".to_owned(),
        name: "n".to_owned(),
        role: None,
        hash: "hash of a key".to_owned(),
        expires_at: None,
    };
    store.create_api_key(&key, 5).await.unwrap();
    let before = all(store, digest, waiting).await;

    // `b` reads.
    assert!(store.user("b", "u").await.is_err());
    assert_eq!(store.users("b").await.unwrap(), []);
    assert!(store.policy("b", "p").await.is_err());
    assert_eq!(store.policies("b").await.unwrap(), []);
    assert_eq!(store.active_policy("b").await.unwrap(), None);
    assert!(store.image("b", digest).await.is_err());
    assert!(store.image_by_config("b", &config).await.is_err());
    assert_eq!(store.images("b", ImageFilter::default()).await.unwrap(), []);
    assert_eq!(store.images_after("b", "", 9).await.unwrap(), []);
    assert_eq!(store.images_by_tag("b", &tag("1"), ImageFilter::default(), 9).await.unwrap(), []);
    assert_eq!(store.tags("b").await.unwrap(), []);
    assert_eq!(store.tags_of_image("b", digest).await.unwrap(), []);
    assert_eq!(store.tags_of_images("b", &[digest.to_owned()]).await.unwrap(), []);
    assert_eq!(store.packages_of_image("b", digest).await.unwrap(), []);
    assert_eq!(store.carriers("b", &[package], 9, 0).await.unwrap(), Carriers { images: Vec::new(), total: 0 });
    assert_eq!(store.matches("b", digest, &index).await.unwrap(), None);
    assert_eq!(store.first_detected("b", digest).await.unwrap(), []);
    assert_eq!(store.evaluations("b", digest, TAG, None).await.unwrap(), []);
    assert!(store.registry("b", "r.io").await.is_err());
    assert_eq!(store.registries("b").await.unwrap(), []);
    assert!(store.subscription("b", &subscription).await.is_err());
    assert_eq!(store.subscriptions("b", None, None).await.unwrap(), []);
    assert_eq!(store.events("b", &EventFilter::default(), 99, 0).await.unwrap(), []);
    assert!(store.event("b", "e").await.is_err());
    assert_eq!(store.newest_evaluation("b", digest, TAG).await.unwrap(), None);
    assert_eq!(store.watch_result("b", &subscription, "").await.unwrap(), None);
    assert!(store.task("b", waiting).await.is_err());
    assert_eq!(store.known_files("b", &["00".to_owned()]).await.unwrap(), []);

    assert!(store.image_with_tags("b", digest).await.is_err());
    assert_eq!(store.images_of_index("b", &Digest::of(b"index of one").to_string(), 9).await.unwrap(), []);
    assert_eq!(store.children_of_tag("b", &tag("1"), 9).await.unwrap(), []);
    assert_eq!(store.places_of_image("b", digest).await.unwrap(), []);
    assert_eq!(store.carriers_after("b", &[package], "", 9).await.unwrap(), []);
    assert_eq!(store.policies_after("b", "", 9).await.unwrap(), []);
    assert_eq!(store.policy_and_exceptions("b", None).await.unwrap(), None);
    assert_eq!(store.policy_and_exceptions("b", Some("p")).await.unwrap(), None);
    assert_eq!(store.subscriptions_after("b", None, None, "", 9).await.unwrap(), []);
    assert_eq!(store.events_below("b", &EventFilter::default(), None, (i64::MAX, 0), 99).await.unwrap(), []);
    assert_eq!(store.acknowledge_event("b", "e", Some("u"), 9).await.unwrap(), None);
    assert_eq!(store.notices("b", None, 99).await.unwrap(), []);
    assert_eq!(store.archived_after("b", "", 9).await.unwrap(), []);
    assert!(!store.delete_image_by_rule("b", digest, "rule", 4, 9).await.unwrap_or(false));
    assert!(store.image_by_given_id("b", "given").await.is_err());
    assert!(store.import("b", "i").await.is_err());
    assert_eq!(store.imports("b").await.unwrap(), []);
    assert!(store.import_contents("b", "i", None).await.is_err());
    assert_eq!(store.evaluations_of_image("b", digest).await.unwrap(), []);
    assert!(store.archived_image("b", digest).await.is_err());
    assert_eq!(store.archived_images("b").await.unwrap(), []);
    assert_eq!(store.archived_tags("b", None).await.unwrap(), []);
    assert_eq!(store.archivable_tags("b").await.unwrap(), []);
    assert!(store.archive_rule("b", "rule").await.is_err());
    assert_eq!(store.archive_rules("b", true).await.unwrap(), []);
    assert_eq!(store.archive_history("b", "rule", 9).await.unwrap(), []);
    assert_eq!(store.analyzed_images("b", "", 9).await.unwrap(), []);
    assert!(store.exception("b", "x").await.is_err());
    assert_eq!(store.exceptions("b", "", 9).await.unwrap(), []);
    assert_eq!(store.exceptions_state("b").await.unwrap().number, 0);
    assert!(store.api_key("b", "k").await.is_err());
    assert_eq!(store.api_keys("b", "u").await.unwrap(), []);

    // `b` writes about what is `a`'s.
    assert!(store.create_user("b", "u", UserType::Native, None, None, 6).await.is_err());
    assert!(store.delete_user("b", "u").await.is_err());
    assert!(store.set_password("b", "u", Some("other"), 6).await.is_err());
    assert!(store.activate_policy("b", "q", 6).await.is_err());
    assert!(store.delete_policy("b", "q").await.is_err());
    assert_eq!(store.delete_image("b", digest, true, 6).await.unwrap(), Deletion::NotFound);
    store.purge_image("b", digest).await.unwrap();
    store.put_matches(&matches("b", "other"), &seen, 6).await.unwrap();
    store.forget_matches("b", digest).await.unwrap();
    let verdict = NewEvaluation { account: "b".to_owned(), ..verdict };
    assert!(store.record_evaluation(&verdict, 6).await.is_err());
    assert!(store.update_registry("b", &registry(), 6).await.is_err());
    assert!(store.delete_registry("b", "r.io").await.is_err());
    assert!(store.change_subscription("b", &subscription, Some(false), None, 6).await.is_err());
    assert!(!store.replace_subscription_value("b", &subscription, None, "v", 6).await.unwrap());
    assert!(!store.put_watch_result(&seen_now("b", &subscription), &News::default(), 6).await.unwrap());
    store.hasten_watches("alerts", Some("b"), 6).await.unwrap();
    assert!(store.alert("b", alert.id).await.is_err());
    assert!(!store.move_alert("b", TAG, &Alarm { policy_id: "q".to_owned(), ..alarm.clone() }, 6).await.unwrap());
    let passed = Closing { id: alert.id, closed_for: ClosedFor::Passed, closed_by: None };
    assert_eq!(store.close_alert("b", passed, no_news, 6).await.unwrap(), None);
    assert!(store.change_subscription("b", &alerts.id, Some(false), None, 6).await.is_err());
    assert!(store.delete_event("b", "e").await.is_err());
    assert_eq!(store.delete_events("b", &EventFilter::default()).await.unwrap(), Vec::<String>::new());
    assert!(store.delete_subscription("b", &subscription, 9).await.is_err());
    assert!(store.invalidate_import("b", "i", 6).await.is_err());
    assert!(store.add_import_content("b", "i", &content("another"), 6).await.is_err());
    assert!(store.create_import("b", "i", "u", 99, 9, 6).await.is_err());
    assert!(!store.delete_archived("b", digest, None, 6).await.unwrap());
    assert!(store.delete_archive_rule("b", "rule").await.is_err());
    store.archive_image(&archived("b", "one"), 6).await.unwrap();
    assert!(store.update_exception("b", "x", "[]", 6).await.is_err());
    assert!(store.delete_exception("b", "x", 6).await.is_err());
    assert!(store.set_roles("b", "u", &[], "u", 6).await.is_err());
    assert!(store.delete_api_key("b", "k").await.is_err());
    for end in ["finish", "fail"] {
        store.enqueue(&task("b", None), 6).await.unwrap();
        let (mine, lease) = store.claim(&[], 10, 7).await.unwrap().unwrap();
        assert_eq!(mine.account, "b", "the task of `a` is not due");
        assert!(!store.start_analysis(&lease, "b", digest, 7).await.unwrap());
        if end == "finish" {
            store.finish_analysis(&lease, "b", digest, &analysis("other", 9), 8).await.unwrap();
        } else {
            store.fail_analysis(&lease, "b", digest, "why", Some(0), 8).await.unwrap();
        }
    }

    // `b` makes its own of the same name.
    store.add_image(&image("b", "one"), 9).await.unwrap();
    store.put_policy("b", "p", "[]", "local", 9).await.unwrap();
    store.add_registry("b", &registry(), 9).await.unwrap();
    store.add_subscription("b", TAG, "repo_update", None, true, 9).await.unwrap();
    store.tell(&news("b", "f", TAG), 9).await.unwrap();
    store.add_subscription("b", TAG, "alerts", None, true, 9).await.unwrap();
    store.open_alert("b", TAG, &alarm, no_news, 9).await.unwrap().expect("there is none");
    store.create_exception("b", "x", "[]", "v", 9).await.unwrap();
    let known = NewKnownPackage { document: "wget".to_owned(), files: vec!["00".to_owned()] };
    store.learn_files("b", &[known], 0, 9).await.unwrap();
    crate::remove(store, "b").await;

    assert_eq!(all(store, digest, waiting).await, before);
}

/// The test above calls every function that takes an account.
#[test]
fn every_function_is_called() {
    let mut functions = BTreeSet::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut functions);
    assert!(functions.len() > 40, "{functions:?}");
    let missing: Vec<_> =
        functions.iter().filter(|name| !include_str!("apart.rs").contains(&format!(".{name}("))).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

fn sources(dir: &Path, functions: &mut BTreeSet<String>) {
    for path in fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, functions);
            continue;
        }
        let text = fs_err::read_to_string(&path).unwrap();
        for part in text.split("pub async fn ").skip(1) {
            let (name, rest) = part.split_once('(').unwrap();
            if rest.split_once(')').unwrap().0.contains("account: &str") {
                functions.insert(name.to_owned());
            }
        }
    }
}
