//! Settings, events, subscriptions, and opening a store again.

use killick_store::Store;
use killick_store::subscriptions::subscription_id;

use super::{Opened, analyzed, image};

pub(crate) async fn settings_are_kept(Opened { store, .. }: &Opened) {
    assert_eq!(store.setting("k").await.unwrap(), None);
    for value in ["x", "y"] {
        store.set_setting("k", value).await.unwrap();
        assert_eq!(store.setting("k").await.unwrap().as_deref(), Some(value));
    }
    store.ping().await.unwrap();
}

pub(crate) async fn events_page_backwards(Opened { store, .. }: &Opened) {
    for number in 0..5 {
        let account = if number == 2 { "b" } else { "a" };
        store.add_event(account, "user.image.analysis.completed", "info", &number.to_string(), number).await.unwrap();
    }
    let documents = |rows: &[killick_store::events::EventRow]| {
        rows.iter().map(|row| row.document.clone()).collect::<Vec<_>>().join(" ")
    };
    let page = store.events("a", i64::MAX, 2).await.unwrap();
    assert_eq!(documents(&page), "4 3");
    let page = store.events("a", page[1].id, 9).await.unwrap();
    assert_eq!(documents(&page), "1 0");
    assert_eq!(store.delete_old_events(3).await.unwrap(), 3);
    assert_eq!(documents(&store.events("a", i64::MAX, 9).await.unwrap()), "4 3");
}

pub(crate) async fn subscriptions_switch(Opened { store, .. }: &Opened) {
    let id = subscription_id("a", "r.io/x:1", "policy_eval");
    let row = store.add_subscription("a", "r.io/x:1", "policy_eval", None, false, 1).await.unwrap();
    assert_eq!((row.id.as_str(), row.active), (id.as_str(), false));
    assert!(store.set_subscription("a", &id, true, 2).await.unwrap().active);
    let again = store.add_subscription("a", "r.io/x:1", "policy_eval", Some("v"), false, 3).await.unwrap();
    assert_eq!((again.active, again.value), (true, None));
    store.add_subscription("a", "r.io/x", "repo_update", Some("{}"), true, 4).await.unwrap();
    assert_eq!(store.subscriptions("a", None, None).await.unwrap().len(), 2);
    assert_eq!(store.subscriptions("a", Some("r.io/x"), None).await.unwrap().len(), 1);
    assert_eq!(store.subscriptions("a", None, Some("policy_eval")).await.unwrap().len(), 1);
    assert_eq!(store.subscriptions("a", Some("r.io/x"), Some("policy_eval")).await.unwrap(), []);
    store.delete_subscription("a", &id).await.unwrap();
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
