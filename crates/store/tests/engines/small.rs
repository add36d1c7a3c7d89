//! Settings, events, subscriptions, and opening a store again.

use killick_store::events::EventFilter;
use killick_store::news::News;
use killick_store::subscriptions::subscription_id;
use killick_store::{Store, StoreError};

use super::{Opened, analyzed, image, news};

pub(crate) async fn settings_are_kept(Opened { store, .. }: &Opened) {
    assert_eq!(store.setting("k").await.unwrap(), None);
    for value in ["x", "y"] {
        store.set_setting("k", value).await.unwrap();
        assert_eq!(store.setting("k").await.unwrap().as_deref(), Some(value));
    }
    store.ping().await.unwrap();
}

pub(crate) async fn events_are_filtered(Opened { store, .. }: &Opened) {
    for number in 0..6 {
        let mut news = news(if number == 2 { "b" } else { "a" }, &number.to_string(), "r.io/x:1");
        let event = &mut news.events[0];
        if number > 3 {
            "system.feeds.sync.feed_failed".clone_into(&mut event.kind);
            (event.level, event.resource) = ("error".to_owned(), None);
            (event.service, event.host) = ("policy_engine".to_owned(), "there".to_owned());
        }
        store.tell(&news, number).await.unwrap();
    }
    let told = async |filter: EventFilter| {
        let rows = store.events("a", &filter, 9, 0).await.unwrap();
        rows.iter().map(|row| row.uuid.clone()).collect::<Vec<_>>().join(" ")
    };
    let some = |text: &str| Some(text.to_owned());
    let all = EventFilter::default;
    assert_eq!(told(all()).await, "5 4 3 1 0");
    for (filter, want) in [
        (EventFilter { kind: some("user.image.analysis.completed"), ..all() }, "3 1 0"),
        (EventFilter { kind: some("system.*"), ..all() }, "5 4"),
        (EventFilter { kind: some("system.feeds.sync.feed*failed"), ..all() }, "5 4"),
        (EventFilter { kind: some("system_feeds*"), ..all() }, ""),
        (EventFilter { kind: some("system"), ..all() }, ""),
        (EventFilter { level: some("info"), ..all() }, "3 1 0"),
        (EventFilter { service: some("policy_engine"), ..all() }, "5 4"),
        (EventFilter { host: some("here"), ..all() }, "3 1 0"),
        (EventFilter { resource_type: some("image_tag"), ..all() }, "5 4 3 1 0"),
        (EventFilter { resource: some("r.io/x:1"), ..all() }, "3 1 0"),
        (EventFilter { since: Some(1), before: Some(5), ..all() }, "4 3"),
    ] {
        assert_eq!(told(filter.clone()).await, want, "{filter:?}");
    }
    let page = store.events("a", &all(), 2, 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.uuid.as_str()).collect::<Vec<_>>(), ["3", "1"]);

    assert_eq!(store.event("a", "3").await.unwrap().document, "{\"n\":\"3\"}");
    store.delete_event("a", "3").await.unwrap();
    assert!(store.event("a", "3").await.is_err() && store.delete_event("a", "3").await.is_err());
    let errors = EventFilter { level: some("error"), before: Some(5), ..all() };
    assert_eq!(store.delete_events("a", &errors).await.unwrap(), ["4"]);
    assert_eq!(store.delete_old_events(1).await.unwrap(), 1);
    assert_eq!(told(all()).await, "5 1");
}

/// More than one statement removes.
pub(crate) async fn much_that_is_old_goes(Opened { store, .. }: &Opened) {
    let many = (0..1203).flat_map(|number| news("a", &format!("old {number}"), "k").events).collect();
    store.tell(&News { events: many, notices: Vec::new() }, 5).await.unwrap();
    store.tell(&News { notices: Vec::new(), ..news("a", "new", "k") }, 6).await.unwrap();
    assert_eq!(store.delete_old_events(6).await.unwrap(), 1203);
    let left = store.events("a", &EventFilter::default(), 9, 0).await.unwrap();
    assert_eq!(left.iter().map(|event| event.uuid.as_str()).collect::<Vec<_>>(), ["new"]);
    assert_eq!(store.delete_old_events(6).await.unwrap(), 0);
}

pub(crate) async fn events_are_acknowledged(Opened { store, .. }: &Opened) {
    // Those of one instant are told apart by their number, and the third is older than it came.
    for (number, at) in [(0, 5), (1, 5), (2, 1), (3, 9)] {
        let mut told = news("a", &number.to_string(), "k");
        told.notices.clear();
        store.tell(&told, at).await.unwrap();
    }
    let all = EventFilter::default();
    let first = (i64::MAX, i64::MAX);
    let ids = async |acknowledged: Option<bool>, below: (i64, i64), limit: i64| {
        let rows = store.events_below("a", &all, acknowledged, below, limit).await.unwrap();
        let ids = rows.iter().map(|row| row.uuid.clone()).collect::<Vec<_>>().join(" ");
        (ids, rows.last().map_or(first, |row| (row.created_at, row.id)))
    };
    let (page, last) = ids(None, first, 2).await;
    assert_eq!(page, "3 1");
    let (page, last) = ids(None, last, 1).await;
    assert_eq!(page, "0");
    assert_eq!(ids(None, last, 9).await.0, "2");

    let seen = store.acknowledge_event("a", "1", Some("alice"), 20).await.unwrap().unwrap();
    assert_eq!((seen.acknowledged_at, seen.acknowledged_by.as_deref()), (Some(20), Some("alice")));
    assert_eq!(store.acknowledge_event("a", "1", Some("bob"), 21).await.unwrap(), None, "somebody has before");
    assert_eq!(store.event("a", "1").await.unwrap(), seen);
    assert_eq!(store.acknowledge_event("b", "1", None, 22).await.unwrap(), None, "it is another account's");
    assert_eq!(store.acknowledge_event("a", "nothing", Some("alice"), 22).await.unwrap(), None);
    assert_eq!(ids(Some(true), first, 9).await.0, "1");
    assert_eq!(ids(Some(false), first, 9).await.0, "3 0 2");
    let later = EventFilter { since: Some(5), ..EventFilter::default() };
    assert_eq!(store.events_below("a", &later, None, first, 9).await.unwrap().len(), 1);
    let taken_back = store.acknowledge_event("a", "1", None, 23).await.unwrap().unwrap();
    assert_eq!((taken_back.acknowledged_at, taken_back.acknowledged_by), (None, None));
    assert_eq!(store.acknowledge_event("a", "1", None, 24).await.unwrap(), None);
    assert_eq!(ids(Some(true), first, 9).await.0, "");
}

pub(crate) async fn subscriptions_switch(Opened { store, .. }: &Opened) {
    let id = subscription_id("a", "r.io/x:1", "policy_eval");
    let row = store.add_subscription("a", "r.io/x:1", "policy_eval", None, false, 1).await.unwrap();
    assert_eq!((row.id.as_str(), row.active), (id.as_str(), false));
    assert!(store.change_subscription("a", &id, Some(true), None, 2).await.unwrap().active);
    let again = store.add_subscription("a", "r.io/x:1", "policy_eval", Some("v"), false, 3).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    for (value, want) in [(Some(Some("v")), Some("v")), (None, Some("v")), (Some(None), None)] {
        let changed = store.change_subscription("a", &id, None, value, 3).await.unwrap();
        assert_eq!((changed.active, changed.value.as_deref()), (true, want));
    }
    for (before, kept) in [(Some("x"), false), (None, true), (None, false), (Some("w"), true)] {
        assert_eq!(store.replace_subscription_value("a", &id, before, "w", 3).await.unwrap(), kept, "{before:?}");
    }
    store.add_subscription("a", "r.io/x", "repo_update", Some("{}"), true, 4).await.unwrap();
    assert_eq!(store.subscriptions("a", None, None).await.unwrap().len(), 2);
    assert_eq!(store.subscriptions("a", Some("r.io/x"), None).await.unwrap().len(), 1);
    assert_eq!(store.subscriptions("a", None, Some("policy_eval")).await.unwrap().len(), 1);
    assert_eq!(store.subscriptions("a", Some("r.io/x"), Some("policy_eval")).await.unwrap(), []);
    store.delete_subscription("a", &id, 9).await.unwrap();
    assert!(store.subscription("a", &id).await.is_err());
}

pub(crate) async fn opening_again_finds_everything(Opened { store, settings, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 3).await;
    let blob = store.blobs().put(b"document".to_vec()).await.unwrap();
    store.close().await;
    let again = Store::open(settings).await.unwrap();
    assert_eq!(again.packages_of_image("a", &digest).await.unwrap().len(), 3);
    assert_eq!(again.blobs().get(&blob, 100).await.unwrap(), b"document");
}
