//! Whose turn it is to be watched.

use killick_model::digest::Digest;
use killick_store::accounts::AccountState;
use killick_store::carriers::Noted;
use killick_store::events::EventFilter;
use killick_store::images::NewImage;
use killick_store::news::News;
use killick_store::watches::{NewWatchResult, Watch};
use killick_store::{Store, StoreError};

use super::{Opened, analysis, analyzed, image, news, tag};

/// The watches that are due, claimed until an instant.
pub(crate) async fn claimed(store: &Store, kind: &str, until: i64, now: i64) -> Vec<Watch> {
    let mut claimed = Vec::new();
    for due in store.due_watches(kind, 9, now).await.unwrap() {
        assert!(store.claim_watch(&due, until).await.unwrap());
        assert!(!store.claim_watch(&due, until + 1).await.unwrap(), "it is claimed once");
        claimed.push(Watch { due_at: until, ..due });
    }
    claimed
}

pub(crate) async fn watches_are_claimed(Opened { store, .. }: &Opened) {
    let mut ids = Vec::new();
    for (account, key, kind, active) in [
        ("a", "1", "tag_update", true),
        ("a", "2", "tag_update", false),
        ("b", "3", "tag_update", true),
        ("a", "4", "vuln_update", true),
    ] {
        ids.push(store.add_subscription(account, key, kind, None, active, 1).await.unwrap().id);
    }
    let claim = async |until: i64, now: i64| {
        let watches = claimed(store, "tag_update", until, now).await;
        watches.into_iter().map(|watch| watch.key).collect::<Vec<_>>()
    };
    let all = claimed(store, "tag_update", 20, 10).await;
    assert_eq!(all.iter().map(|watch| watch.key.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(claim(20, 11).await, Vec::<String>::new());
    store.finish_watch(&all[0], "seen", 0, 100).await.unwrap();
    // The watcher of the other one vanished.
    assert_eq!(claim(30, 20).await, ["3"]);
    store.finish_watch(&all[1], "late", 0, 500).await.unwrap();
    store.set_account_state("b", AccountState::Disabled, 21).await.unwrap();
    let again = claimed(store, "tag_update", 120, 100).await;
    assert_eq!(
        again.iter().map(|watch| (watch.key.as_str(), watch.state.as_str())).collect::<Vec<_>>(),
        [("1", "seen")]
    );
    // Who looks for long keeps the claim.
    assert!(store.claim_watch(&again[0], 140).await.unwrap());
    assert!(!store.claim_watch(&again[0], 150).await.unwrap(), "it is claimed until another instant");
    let again = [Watch { due_at: 140, ..again[0].clone() }];
    assert_eq!(claim(200, 130).await, Vec::<String>::new());
    // Hastened while it is watched: it is due again at once.
    store.hasten_watches("tag_update", Some("a"), 101).await.unwrap();
    store.finish_watch(&again[0], "seen", 3, 900).await.unwrap();
    let hastened = claimed(store, "tag_update", 130, 101).await;
    assert_eq!(hastened.iter().map(|watch| watch.failures).collect::<Vec<_>>(), [3]);
    store.change_subscription("a", &ids[0], Some(false), None, 102).await.unwrap();
    assert_eq!(claim(2000, 1000).await, Vec::<String>::new());
    // Switched on again it is looked at at once, though its turn is later.
    store.finish_watch(&hastened[0], "seen", 0, 9_000).await.unwrap();
    store.change_subscription("a", &ids[0], Some(true), None, 1001).await.unwrap();
    let restarted = claimed(store, "tag_update", 2_000, 1_002).await;
    assert_eq!(
        restarted.iter().map(|watch| (watch.key.as_str(), watch.state.as_str())).collect::<Vec<_>>(),
        [("1", "seen")]
    );
    store.hasten_watches("tag_update", Some("a"), 1_003).await.unwrap();
    assert_eq!(claim(2_001, 1_003).await, ["1"]);
    store.delete_subscription("a", &ids[0], 9).await.unwrap();
    store.finish_watch(&hastened[0], "gone", 0, 900).await.unwrap();
}

pub(crate) async fn what_is_off_is_never_due(Opened { store, .. }: &Opened) {
    let new = NewImage { autosubscribe: true, ..image("a", "x") };
    let digest = analyzed(store, &new, 3).await;
    // The other types of a new tag are off.
    for (kind, due) in [("tag_update", 1), ("policy_eval", 0), ("vuln_update", 0), ("analysis_update", 0)] {
        store.hasten_watches(kind, None, 10).await.unwrap();
        assert_eq!(store.due_watches(kind, 9, i64::MAX - 1).await.unwrap().len(), due, "{kind}");
    }
    let claimed = claimed(store, "tag_update", 100, 10).await;
    store.delete_image("a", &digest, true, 11).await.unwrap();
    store.finish_watch(&claimed[0], "seen", 0, 12).await.unwrap();
    store.hasten_watches("tag_update", None, 13).await.unwrap();
    assert_eq!(store.due_watches("tag_update", 9, i64::MAX - 1).await.unwrap(), []);
    store.add_image(&new, 14).await.unwrap();
    let due = store.due_watches("tag_update", 9, 14).await.unwrap();
    let known: Vec<_> = due.iter().map(|watch| watch.state.as_str()).collect();
    assert_eq!(known, [""], "what was seen by a claim that does not hold any more is not known");
}

pub(crate) async fn what_carries_a_package_is_hastened(Opened { store, .. }: &Opened) {
    // Two images under tags of their own, and a tag that moved from the larger to the smaller.
    let new = |name: &str, text: &str| NewImage { tag: tag(text), ..image("a", name) };
    analyzed(store, &new("large", "1"), 60).await;
    analyzed(store, &new("small", "2"), 3).await;
    store.add_image(&new("large", "moved"), 8).await.unwrap();
    store.add_image(&new("small", "moved"), 9).await.unwrap();
    for (account, key, kind) in [
        ("a", "r.io/x:1", "vuln_update"),
        ("a", "r.io/x:2", "vuln_update"),
        ("a", "r.io/x:moved", "vuln_update"),
        ("a", "r.io/x:1", "policy_eval"),
        ("b", "r.io/x:1", "vuln_update"),
    ] {
        // Those of added images are there, and not active.
        match store.add_subscription(account, key, kind, None, true, 1).await {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { name, .. }) => {
                store.change_subscription(account, &name, Some(true), None, 2).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    for kind in ["vuln_update", "policy_eval"] {
        for watch in claimed(store, kind, 20, 10).await {
            store.finish_watch(&watch, "", 0, 1_000).await.unwrap();
        }
    }
    let numbers = async |name: &str| {
        let wanted = [("debian:12".to_owned(), name.to_owned())];
        store.packages_looked_up(&wanted).await.unwrap()
    };
    let due = async |kind: &str, now: i64| {
        let watches = claimed(store, kind, now + 1_000, now).await;
        for watch in &watches {
            store.finish_watch(watch, "", 0, now + 1_000).await.unwrap();
        }
        let mut keys: Vec<_> = watches.into_iter().map(|watch| format!("{} {}", watch.account, watch.key)).collect();
        keys.sort();
        keys
    };
    let follow = async |before: &str, value: &str, packages: Option<&[i64]>, now: i64| {
        store.follow_index("vuln_update", packages, Noted { key: "k", before, value }, now).await.unwrap()
    };
    assert_eq!(follow("", "1", Some(&[]), 30).await, Some(0));
    let one = numbers("package-000059").await;
    // Who knows of another index than the one that is noted hastens nothing.
    assert_eq!(follow("", "2", Some(&one), 30).await, None);
    assert_eq!(due("vuln_update", 30).await, Vec::<String>::new());
    assert_eq!(store.setting("k").await.unwrap().as_deref(), Some("1"));
    assert_eq!(follow("1", "2", Some(&one), 30).await, Some(2));
    assert_eq!(store.setting("k").await.unwrap().as_deref(), Some("2"));
    assert_eq!(due("vuln_update", 30).await, ["a r.io/x:1", "a r.io/x:moved"]);
    assert_eq!(due("policy_eval", 30).await, Vec::<String>::new());
    // Each watch counts once.
    let all = store.packages_of_ecosystem("debian:12").await.unwrap();
    assert_eq!(all.len(), 60);
    assert_eq!(store.packages_of_ecosystem("debian:13").await.unwrap(), Vec::<i64>::new());
    assert_eq!(follow("2", "3", Some(&all), 40).await, Some(3));
    assert_eq!(due("vuln_update", 40).await, ["a r.io/x:1", "a r.io/x:2", "a r.io/x:moved"]);
    assert_eq!(follow("3", "4", None, 50).await, Some(4));
    assert_eq!(due("vuln_update", 50).await, ["a r.io/x:1", "a r.io/x:2", "a r.io/x:moved", "b r.io/x:1"]);
}

pub(crate) async fn what_is_decided_or_found_is_hastened_with_it(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    let kinds = ["alerts", "policy_eval", "vuln_update", "tag_update"];
    for (account, key) in [("a", "r.io/x:1"), ("a", "r.io/x:2"), ("b", "r.io/x:1")] {
        for kind in kinds {
            match store.add_subscription(account, key, kind, None, true, 1).await {
                Ok(_) => {}
                Err(StoreError::AlreadyExists { name, .. }) => {
                    store.change_subscription(account, &name, Some(true), None, 2).await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    // Those that are due, which then are not for long.
    let due = async |now: i64| {
        let mut found = Vec::new();
        for kind in kinds {
            for watch in claimed(store, kind, now + 1_000, now).await {
                store.finish_watch(&watch, "", 0, now + 1_000).await.unwrap();
                found.push(format!("{kind} {} {}", watch.account, watch.key));
            }
        }
        found.sort();
        found
    };
    assert_eq!(due(10).await.len(), 12);
    let decided = ["alerts a r.io/x:1", "alerts a r.io/x:2", "policy_eval a r.io/x:1", "policy_eval a r.io/x:2"];
    store.put_policy("a", "p", "{}", "local", 20).await.unwrap();
    assert_eq!(due(20).await, Vec::<String>::new(), "nothing is judged by it yet");
    store.activate_policy("a", "p", 21).await.unwrap();
    assert_eq!(due(21).await, decided);
    store.activate_policy("a", "p", 22).await.unwrap();
    store.put_policy("a", "p", "{}", "local", 22).await.unwrap();
    assert_eq!(due(22).await, Vec::<String>::new(), "it is as it was");
    store.put_policy("a", "p", "[]", "local", 23).await.unwrap();
    assert_eq!(due(23).await, decided);
    store.create_exception("a", "x", "{}", "alice", 24).await.unwrap();
    assert_eq!(due(24).await, decided);
    store.update_exception("a", "x", "[]", 25).await.unwrap();
    assert_eq!(due(25).await, decided);
    store.delete_exception("a", "x", 26).await.unwrap();
    assert_eq!(due(26).await, decided);
    assert!(store.delete_exception("a", "x", 27).await.is_err());
    assert_eq!(due(27).await, Vec::<String>::new());
    // Another analysis concerns the tags of the image alone.
    store.add_image(&NewImage { force: true, ..image("a", "one") }, 28).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 28).await.unwrap().unwrap();
    assert!(store.start_analysis(&lease, "a", &digest, 28).await.unwrap());
    assert_eq!(due(28).await, Vec::<String>::new());
    store.finish_analysis(&lease, "a", &digest, &analysis("again", 1), 29).await.unwrap();
    assert_eq!(due(29).await, ["alerts a r.io/x:1", "policy_eval a r.io/x:1", "vuln_update a r.io/x:1"]);
}

pub(crate) async fn what_was_seen_is_told_once(Opened { store, .. }: &Opened) {
    let id = store.add_subscription("a", "r.io/x:1", "policy_eval", None, true, 1).await.unwrap().id;
    let seen = |before: Option<&str>, basis: &str| NewWatchResult {
        account: "a".to_owned(),
        subscription: id.clone(),
        subject: "sha256:1".to_owned(),
        before: before.map(str::to_owned),
        basis: basis.to_owned(),
        result: Some(Digest::of(basis.as_bytes())),
    };
    let none = News::default();
    assert!(store.put_watch_result(&seen(None, "1"), &none, 2).await.unwrap());
    // Two saw the next at the same time: the second finds that it was told.
    let next = seen(Some("1"), "2");
    assert!(store.put_watch_result(&next, &news("a", "one", "r.io/x:1"), 3).await.unwrap());
    assert!(!store.put_watch_result(&next, &news("a", "two", "r.io/x:1"), 3).await.unwrap());
    assert!(!store.put_watch_result(&seen(None, "3"), &news("a", "three", "r.io/x:1"), 3).await.unwrap());
    assert_eq!(store.events("a", &EventFilter::default(), 9, 0).await.unwrap().len(), 1);
    assert_eq!(store.waiting_notices().await.unwrap(), 1);
    let result = store.watch_result("a", &id, "sha256:1").await.unwrap().unwrap();
    assert_eq!((result.basis.as_str(), result.result), ("2", Some(Digest::of(b"2"))));
    store.delete_subscription("a", &id, 9).await.unwrap();
    assert_eq!(store.watch_result("a", &id, "sha256:1").await.unwrap(), None);
    assert!(!store.put_watch_result(&seen(None, "4"), &none, 4).await.unwrap());
}
