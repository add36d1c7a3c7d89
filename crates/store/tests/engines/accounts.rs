//! Accounts and users.

use killick_store::StoreError;
use killick_store::accounts::{AccountState, AccountType, FirstPolicy, UserType};
use killick_store::api_keys::NewApiKey;
use killick_store::carriers::Noted;
use killick_store::events::EventFilter;
use killick_store::images::ImageFilter;
use killick_store::news::{NewNotice, News};

use super::archives::archived;
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

pub(crate) async fn an_account_begins_with_its_policy(Opened { store, .. }: &Opened) {
    let policy = FirstPolicy { id: "p", document: r#"{"id": "p"}"#, source: "true" };
    store.create_account_with("c", AccountType::User, None, Some(policy), 2).await.unwrap();
    let active = store.active_policy("c").await.unwrap().unwrap();
    assert_eq!((active.id.as_str(), active.document.as_str(), active.source.as_str()), ("p", r#"{"id": "p"}"#, "true"));
    let again =
        store.create_account_with("c", AccountType::User, None, Some(FirstPolicy { id: "q", ..policy }), 3).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    assert_eq!(store.policies("c").await.unwrap(), [active]);
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
    crate::remove(store, "a").await;
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

/// Both write many watches, in orders of their own.
pub(crate) async fn draining_and_following_do_not_deadlock(Opened { store, .. }: &Opened) {
    const WATCHES: usize = 400;
    for number in 0..WATCHES {
        store.add_subscription("a", &format!("r.io/x:{number}"), "vuln_update", None, true, 1).await.unwrap();
    }
    for due in store.due_watches("vuln_update", 1_000, 2).await.unwrap() {
        assert!(store.claim_watch(&due, 1_000_000).await.unwrap());
    }
    store.set_account_state("a", AccountState::Disabled, 6).await.unwrap();
    store.set_account_state("a", AccountState::Deleting, 7).await.unwrap();
    let (mut is_gone, mut followed) = (false, String::new());
    let draining = tokio::spawn({
        let store = store.clone();
        async move { while !store.drain_account("a", 100).await.unwrap() {} }
    });
    // Each makes all of them due that are left: at an instant before the last one.
    while !is_gone {
        is_gone = draining.is_finished();
        let number = followed.parse().unwrap_or(0_i64) + 1;
        let value = number.to_string();
        let noted = Noted { key: "k", before: &followed, value: &value };
        assert!(store.follow_index("vuln_update", None, noted, 1_000_000 - number).await.unwrap().is_some());
        followed = value;
    }
    draining.await.unwrap();
}

pub(crate) async fn an_account_drains_little_by_little(Opened { store, .. }: &Opened) {
    for number in 0..5 {
        analyzed(store, &image("a", &format!("image {number}")), 1).await;
        let told = news("a", &format!("e{number}"), "k");
        let notices = told.notices.into_iter().map(|notice| NewNotice { key: None, ..notice }).collect();
        store.tell(&News { notices, ..news("a", &format!("e{number}"), "k") }, 5).await.unwrap();
        store.archive_image(&archived("a", &format!("image {number}")), 5).await.unwrap();
        store.add_subscription("a", &format!("r.io/y:{number}"), "tag_update", None, true, 5).await.unwrap();
    }
    let other = analyzed(store, &image("b", "image 0"), 1).await;
    store.enqueue(&task("a", None), 5).await.unwrap();
    let refused = store.drain_account("a", 2).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    store.set_account_state("a", AccountState::Disabled, 6).await.unwrap();
    store.set_account_state("a", AccountState::Deleting, 7).await.unwrap();
    let mut left = Vec::new();
    let others = async || {
        [
            store.events("a", &EventFilter::default(), 99, 0).await.unwrap().len(),
            store.archived_images("a").await.unwrap().len(),
            store.subscriptions("a", None, None).await.unwrap().len(),
            usize::try_from(store.waiting_notices().await.unwrap()).unwrap(),
        ]
    };
    let mut before = others().await;
    while !store.drain_account("a", 2).await.unwrap() {
        left.push(store.images("a", ImageFilter::default()).await.unwrap().len());
        let now = others().await;
        assert!(before.iter().zip(now).all(|(before, now)| before - now <= 2), "{before:?} {now:?}");
        before = now;
        assert_eq!(store.account("a").await.unwrap().state, AccountState::Deleting);
        assert_eq!(store.claim(&[], 10, 7).await.unwrap(), None, "tasks go first");
    }
    assert!(left.starts_with(&[3, 1, 0]), "{left:?}");
    assert_eq!(before, [0; 4], "nothing of which there may be much is left to the end");
    assert!(matches!(store.account("a").await, Err(StoreError::NotFound { .. })));
    assert!(store.drain_account("a", 2).await.unwrap(), "once more is fine");
    assert!(store.image("b", &other).await.is_ok());
    // What was told after the end is not of the next account of that name.
    store.tell(&News { notices: Vec::new(), ..news("a", "late", "k") }, 8).await.unwrap();
    store.create_account("a", AccountType::User, None, 9).await.unwrap();
    assert_eq!(store.events("a", &EventFilter::default(), 9, 0).await.unwrap(), []);
}

pub(crate) async fn roles_go_with_their_user(Opened { store, .. }: &Opened) {
    store.create_user("a", "u", UserType::Native, None, Some("hash"), 3).await.unwrap();
    assert_eq!(store.roles_of("u").await.unwrap(), []);
    let roles = async || -> Vec<Option<String>> {
        let (user, standing) = store.user_and_standing("u").await.unwrap().unwrap();
        assert_eq!(Some(user), store.user_by_name("u").await.unwrap());
        let account = (AccountType::User, AccountState::Enabled);
        assert!(standing.iter().all(|row| (row.account_type, row.account_state) == account));
        standing.into_iter().map(|row| row.role).collect()
    };
    assert_eq!(roles().await, [None]);
    assert_eq!(store.user_and_standing("nobody").await.unwrap(), None);
    store.set_roles("a", "u", &["reader", "developer"], "admin", 4).await.unwrap();
    assert_eq!(roles().await, [Some("developer".to_owned()), Some("reader".to_owned())]);
    let given = store.set_roles("a", "u", &["reader"], "admin", 5).await.unwrap();
    assert_eq!(store.roles_of("u").await.unwrap(), given);
    assert_eq!((given[0].role.as_str(), given[0].granted_by.as_str(), given[0].created_at), ("reader", "admin", 5));
    assert!(matches!(store.set_roles("b", "u", &[], "admin", 6).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.roles_of("u").await.unwrap().len(), 1);
    store.delete_user("a", "u").await.unwrap();
    assert_eq!(store.roles_of("u").await.unwrap(), []);
}

pub(crate) async fn keys_hold_for_their_time(Opened { store, .. }: &Opened) {
    store.create_user("a", "u", UserType::Native, None, Some("hash"), 3).await.unwrap();
    let new = NewApiKey {
        id: "k1".to_owned(),
        account: "a".to_owned(),
        username: "u".to_owned(),
        name: "pipeline".to_owned(),
        role: Some("reader".to_owned()),
        hash: "h1".to_owned(),
        expires_at: Some(100),
    };
    let key = store.create_api_key(&new, 10).await.unwrap();
    assert_eq!((key.created_at, key.used_at), (10, None));
    let again = store.create_api_key(&NewApiKey { id: "k2".to_owned(), ..new.clone() }, 10).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "two keys with one hash");
    assert_eq!(store.api_key_by_hash("h1", 99).await.unwrap(), Some(key.clone()));
    assert_eq!(store.api_key_by_hash("h1", 100).await.unwrap(), None, "it expired");
    assert_eq!(store.api_key_by_hash("h2", 99).await.unwrap(), None);
    assert_eq!(store.api_keys("b", "u").await.unwrap(), []);
    assert!(matches!(store.api_key("b", "k1").await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.delete_api_key("b", "k1").await, Err(StoreError::NotFound { .. })));

    store.use_api_key(&key, 20).await.unwrap();
    store.use_api_key(&key, 30).await.unwrap();
    assert_eq!(store.api_key("a", "k1").await.unwrap().used_at, Some(20), "once a minute is enough");
    store.use_api_key(&key, 60_000_021).await.unwrap();
    assert_eq!(store.api_key("a", "k1").await.unwrap().used_at, Some(60_000_021));

    assert_eq!(store.delete_old_api_keys(100).await.unwrap(), 0);
    assert_eq!(store.delete_old_api_keys(101).await.unwrap(), 1);
    store.create_api_key(&new, 10).await.unwrap();
    store.delete_user("a", "u").await.unwrap();
    assert_eq!(store.api_key_by_hash("h1", 20).await.unwrap(), None, "it went with its user");
}
