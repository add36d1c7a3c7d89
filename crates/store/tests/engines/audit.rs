//! The audit log is written with the change, or not at all.

use std::future::Future;
use std::pin::Pin;

use killick_model::digest::Digest;
use killick_store::accounts::{AccountType, UserType};
use killick_store::audit::{self, AuditFilter, NewAudit, Slot};

use super::Opened;
use super::archives::{archived, rule};

fn entry(action: &str, now: i64) -> NewAudit {
    NewAudit {
        account: "a".to_owned(),
        username: "alice".to_owned(),
        user_account: "a".to_owned(),
        via: "password".to_owned(),
        action: action.to_owned(),
        method: "POST".to_owned(),
        path: "/accounts/a/users".to_owned(),
        request: "r".to_owned(),
        client: None,
        before: None,
        after: None,
        created_at: now,
    }
}

async fn actions(opened: &Opened, filter: &AuditFilter) -> Vec<String> {
    opened.store.audit(filter, 10).await.unwrap().into_iter().map(|entry| entry.action).collect()
}

pub(crate) async fn it_is_written_with_the_change(opened: &Opened) {
    let Opened { store, .. } = opened;
    let slot = Slot::default();
    audit::within(slot.clone(), async {
        // Nobody is known yet.
        store.create_account("c", AccountType::User, None, 2).await.unwrap();
        audit::arm(entry("createUser", 3));
        audit::before("{}".to_owned());
        store.create_user("a", "u", UserType::Native, None, Some("hash"), 3).await.unwrap();
        store.set_password("a", "u", Some("other"), 3).await.unwrap();
    })
    .await;
    let (_, written) = slot.take().unwrap();
    let entries = store.audit(&AuditFilter::default(), 10).await.unwrap();
    assert_eq!(entries.len(), 1, "one request, one entry: {entries:?}");
    assert_eq!(Some(entries[0].id), written);
    assert_eq!((entries[0].status, entries[0].before.as_deref()), (None, Some("{}")));
    store.finish_audit(entries[0].id, 200, Some("[]")).await.unwrap();
    let entries = store.audit(&AuditFilter::default(), 10).await.unwrap();
    assert_eq!((entries[0].status, entries[0].after.as_deref()), (Some(200), Some("[]")));
}

/// Something that somebody does, and whether it is done.
type Change<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

/// One entry of each, which only a transaction of the change can have written.
pub(crate) async fn every_change_by_people_writes_it(opened: &Opened) {
    let Opened { store, .. } = opened;
    store.add_archive_rule(&rule("a", "going"), 1).await.unwrap();
    store.archive_image(&archived("a", "one"), 1).await.unwrap();
    store.create_import("a", "i", "u", 99, 9, 1).await.unwrap();
    let subscription = store.add_subscription("a", "r.io/x", "repo_update", None, true, 1).await.unwrap().id;
    let digest = Digest::of(b"one").to_string();
    let written = async |change: Pin<Box<dyn Future<Output = bool> + '_>>| {
        let slot = Slot::default();
        let is_done = audit::within(slot.clone(), async {
            audit::arm(entry("change", 3));
            change.await
        })
        .await;
        (is_done, slot.take().unwrap().1.is_some())
    };
    let add = rule("a", "new");
    let changes: Vec<(&str, Change<'_>)> = vec![
        ("a new rule", Box::pin(async { store.add_archive_rule(&add, 3).await.is_ok() })),
        ("a rule", Box::pin(async { store.delete_archive_rule("a", "going").await.is_ok() })),
        ("an archived image", Box::pin(async { store.delete_archived("a", &digest, None, 3).await.unwrap() })),
        ("an import", Box::pin(async { store.invalidate_import("a", "i", 3).await.is_ok() })),
        (
            "a repository",
            Box::pin(async { store.replace_subscription_value("a", &subscription, None, "v", 3).await.unwrap() }),
        ),
    ];
    for (what, change) in changes {
        assert_eq!(written(change).await, (true, true), "{what}");
    }
    let refused: Vec<(&str, Change<'_>)> = vec![
        ("the same rule", Box::pin(async { store.add_archive_rule(&add, 3).await.is_ok() })),
        ("no rule", Box::pin(async { store.delete_archive_rule("a", "going").await.is_ok() })),
        ("no archived image", Box::pin(async { store.delete_archived("a", &digest, None, 3).await.unwrap() })),
        ("no import", Box::pin(async { store.invalidate_import("b", "i", 3).await.is_ok() })),
        (
            "another value",
            Box::pin(async { store.replace_subscription_value("a", &subscription, None, "w", 3).await.unwrap() }),
        ),
    ];
    for (what, change) in refused {
        assert_eq!(written(change).await, (false, false), "{what}");
    }
}

pub(crate) async fn what_is_refused_is_not_written(opened: &Opened) {
    let Opened { store, .. } = opened;
    store.create_user("a", "u", UserType::Native, None, None, 3).await.unwrap();
    let slot = Slot::default();
    audit::within(slot.clone(), async {
        audit::arm(entry("createUser", 3));
        assert!(store.create_user("a", "u", UserType::Native, None, None, 3).await.is_err());
        assert!(store.delete_user("a", "none").await.is_err());
        assert!(store.delete_policy("a", "none").await.is_err());
    })
    .await;
    let (refused, written) = slot.take().unwrap();
    assert_eq!(written, None);
    assert_eq!(actions(opened, &AuditFilter::default()).await, Vec::<String>::new());
    let id = store.write_audit(refused).await.unwrap().unwrap();
    assert_eq!(store.audit(&AuditFilter::default(), 10).await.unwrap()[0].id, id);
}

pub(crate) async fn it_is_read_newest_first(opened: &Opened) {
    let Opened { store, .. } = opened;
    for (action, now) in [("one", 10), ("two", 20), ("three", 30)] {
        store.write_audit(entry(action, now)).await.unwrap();
    }
    store.write_audit(NewAudit { account: "b".to_owned(), ..entry("other", 40) }).await.unwrap();
    let of_a = AuditFilter { account: Some("a".to_owned()), ..AuditFilter::default() };
    assert_eq!(actions(opened, &AuditFilter::default()).await, ["other", "three", "two", "one"]);
    assert_eq!(actions(opened, &of_a).await, ["three", "two", "one"]);
    let newest = store.audit(&of_a, 1).await.unwrap().remove(0);
    assert_eq!(actions(opened, &AuditFilter { below: Some(newest.id), ..of_a.clone() }).await, ["two", "one"]);
    assert_eq!(actions(opened, &AuditFilter { since: Some(20), before: Some(30), ..of_a.clone() }).await, ["two"]);
    assert_eq!(actions(opened, &AuditFilter { action: Some("one".to_owned()), ..of_a.clone() }).await, ["one"]);
    let by_bob = AuditFilter { username: Some("bob".to_owned()), ..of_a.clone() };
    assert_eq!(actions(opened, &by_bob).await, Vec::<String>::new());
    let elsewhere = AuditFilter { path: Some("/images".to_owned()), ..of_a.clone() };
    assert_eq!(actions(opened, &elsewhere).await, Vec::<String>::new());
    assert_eq!(store.delete_old_audit(30).await.unwrap(), 2);
    assert_eq!(actions(opened, &of_a).await, ["three"]);
}
