//! Accounts and users.

use killick_store::StoreError;
use killick_store::accounts::{AccountState, AccountType, UserType};
use killick_store::events::EventFilter;
use killick_store::news::{NewNotice, News};

use super::{Opened, analyzed, image, news, task};

pub(crate) async fn accounts_change_state(Opened { store, .. }: &Opened) {
    let again = store.create_account("a", AccountType::User, None, 2).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    store.create_user("a", "u", UserType::Native, None, Some("hash"), 3).await.unwrap();
    assert!(matches!(store.set_account_state("a", AccountState::Deleting, 4).await, Err(StoreError::Refused { .. })));
    store.set_account_state("a", AccountState::Disabled, 5).await.unwrap();
    store.set_account_state("a", AccountState::Deleting, 6).await.unwrap();
    assert_eq!(store.user_by_name("u").await.unwrap(), None);
    assert!(store.set_account_state("a", AccountState::Enabled, 7).await.is_err());
    assert_eq!(store.account("a").await.unwrap().updated_at, 6);
    assert!(matches!(store.account("none").await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn a_removed_account_leaves_nothing(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    let id = store.enqueue(&task("a", None), 5).await.unwrap();
    store
        .tell(
            &News {
                notices: vec![NewNotice { key: None, ..news("a", "e", "k").notices.remove(0) }],
                ..news("a", "e", "k")
            },
            5,
        )
        .await
        .unwrap();
    store.put_policy("a", "p", "{}", "local", 5).await.unwrap();
    store.purge_account("a").await.unwrap();
    store.create_account("a", AccountType::Admin, Some("mail@example.org"), 6).await.unwrap();
    assert!(store.image("a", &digest).await.is_err());
    assert!(store.task("a", id).await.is_err());
    assert_eq!(store.events("a", &EventFilter::default(), 9, 0).await.unwrap(), []);
    assert_eq!(store.waiting_notices().await.unwrap(), 0);
    assert_eq!(store.policies("a").await.unwrap(), []);
    assert_eq!(store.subscriptions("a", None, None).await.unwrap(), []);
    assert_eq!(store.claim(&[], 10, 7).await.unwrap(), None);
}

pub(crate) async fn users_come_and_go(Opened { store, .. }: &Opened) {
    let made = store.create_user("a", "u", UserType::Native, None, Some("hash"), 3).await.unwrap();
    assert_eq!((made.password_hash.as_deref(), made.password_set_at), (Some("hash"), Some(3)));
    let taken = store.create_user("b", "u", UserType::Native, None, None, 4).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })));
    assert!(store.create_user("none", "v", UserType::Native, None, None, 4).await.is_err());
    let changed = store.set_password("a", "u", Some("other"), 5).await.unwrap();
    assert_eq!((changed.password_hash.as_deref(), changed.password_set_at), (Some("other"), Some(5)));
    assert_eq!(store.user_by_name("u").await.unwrap(), Some(changed));
    store.create_user("a", "t", UserType::External, Some("ldap"), None, 6).await.unwrap();
    let names: Vec<_> = store.users("a").await.unwrap().into_iter().map(|user| user.username).collect();
    assert_eq!(names, ["t", "u"]);
    store.delete_user("a", "u").await.unwrap();
    assert!(matches!(store.delete_user("a", "u").await, Err(StoreError::NotFound { .. })));
}
