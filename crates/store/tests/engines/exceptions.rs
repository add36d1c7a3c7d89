//! Exceptions.

use killick_store::StoreError;

use super::Opened;

pub(crate) async fn exceptions_come_and_go(Opened { store, .. }: &Opened) {
    let state = async || {
        let state = store.exceptions_state("a").await.unwrap();
        (state.number, state.changed_at)
    };
    assert_eq!(state().await, (0, 0));
    let first = store.create_exception("a", "x", "{}", "alice", 1).await.unwrap();
    assert_eq!((first.created_by.as_str(), first.created_at, first.updated_at), ("alice", 1, 1));
    let again = store.create_exception("a", "x", "{}", "bob", 2).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    let changed = store.update_exception("a", "x", "[]", 3).await.unwrap();
    assert_eq!((changed.document.as_str(), changed.created_by.as_str(), changed.created_at), ("[]", "alice", 1));
    assert_eq!(store.exception("a", "x").await.unwrap(), changed);
    assert_eq!(state().await, (1, 3));
    assert!(matches!(store.update_exception("a", "y", "[]", 3).await, Err(StoreError::NotFound { .. })));
    store.delete_exception("a", "x", 4).await.unwrap();
    assert!(matches!(store.delete_exception("a", "x", 4).await, Err(StoreError::NotFound { .. })));
    assert_eq!(state().await, (0, 0));
}

pub(crate) async fn exceptions_page_by_id(Opened { store, .. }: &Opened) {
    for (at, id) in ["c", "a", "e", "b", "d"].into_iter().enumerate() {
        store.create_exception("a", id, "{}", "alice", i64::try_from(at).unwrap()).await.unwrap();
    }
    store.create_exception("b", "bb", "{}", "bob", 9).await.unwrap();
    let page = async |after: &str, limit| -> Vec<String> {
        store.exceptions("a", after, limit).await.unwrap().into_iter().map(|row| row.id).collect()
    };
    assert_eq!(page("", 2).await, ["a", "b"]);
    assert_eq!(page("b", 2).await, ["c", "d"]);
    assert_eq!(page("d", 2).await, ["e"]);
    assert_eq!(page("e", 2).await, Vec::<String>::new());
}

pub(crate) async fn exceptions_are_apart(Opened { store, .. }: &Opened) {
    store.create_exception("a", "x", "{}", "alice", 1).await.unwrap();
    assert!(store.exception("b", "x").await.is_err());
    assert!(store.update_exception("b", "x", "[]", 2).await.is_err());
    assert!(store.delete_exception("b", "x", 4).await.is_err());
    assert_eq!(store.exceptions_state("b").await.unwrap().number, 0);
    assert_eq!(store.exception("a", "x").await.unwrap().document, "{}");
}
