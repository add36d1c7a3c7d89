//! Policy bundles.

use killick_model::digest::Digest;
use killick_store::StoreError;

use super::Opened;

pub(crate) async fn one_policy_is_active(Opened { store, .. }: &Opened) {
    assert_eq!(store.active_policy("a").await.unwrap(), None);
    let first = store.put_policy("a", "p", r#"{"id": "p"}"#, "local", 1).await.unwrap();
    assert_eq!((first.active, first.digest), (false, Digest::of(br#"{"id": "p"}"#)));
    store.put_policy("a", "q", "{}", "local", 2).await.unwrap();
    store.put_policy("b", "p", "{}", "local", 2).await.unwrap();
    store.activate_policy("b", "p", 2).await.unwrap();
    for id in ["p", "q", "q"] {
        store.activate_policy("a", id, 3).await.unwrap();
        assert_eq!(store.active_policy("a").await.unwrap().unwrap().id, id);
        assert_eq!(store.policies("a").await.unwrap().iter().filter(|policy| policy.active).count(), 1);
    }
    assert!(matches!(store.activate_policy("a", "none", 4).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.active_policy("a").await.unwrap().unwrap().id, "q");
    assert!(store.active_policy("b").await.unwrap().is_some());
    let replaced = store.put_policy("a", "q", "[]", "local", 5).await.unwrap();
    assert_eq!((replaced.active, replaced.document.as_str(), replaced.created_at), (true, "[]", 2));
    assert_eq!(store.policy("a", "q").await.unwrap(), replaced);
}

pub(crate) async fn the_active_policy_stays(Opened { store, .. }: &Opened) {
    for id in ["p", "q"] {
        store.put_policy("a", id, "{}", "local", 1).await.unwrap();
    }
    store.activate_policy("a", "p", 2).await.unwrap();
    assert!(matches!(store.delete_policy("a", "p").await, Err(StoreError::Refused { .. })));
    store.delete_policy("a", "q").await.unwrap();
    assert!(matches!(store.delete_policy("a", "q").await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.policies("a").await.unwrap().len(), 1);
}
