//! The outbox.

use killick_store::events::EventFilter;
use killick_store::news::{NewNotice, News};
use killick_store::notifications::Waiting;

use super::{Opened, news};

pub(crate) async fn only_who_subscribed_is_told(Opened { store, .. }: &Opened) {
    let told = news("a", "1", "r.io/x:1");
    store.tell(&told, 1).await.unwrap();
    let subscription = store.add_subscription("a", "r.io/x:1", "policy_eval", None, false, 2).await.unwrap();
    store.tell(&news("a", "2", "r.io/x:1"), 3).await.unwrap();
    assert_eq!(store.waiting_notices().await.unwrap(), 0, "nobody subscribed, or it is off");
    store.change_subscription("a", &subscription.id, Some(true), None, 4).await.unwrap();
    for (account, uuid, key) in [("b", "3", "r.io/x:1"), ("a", "4", "r.io/x:2"), ("a", "5", "r.io/x:1")] {
        store.tell(&news(account, uuid, key), 5).await.unwrap();
    }
    let notice = NewNotice { uuid: "6".to_owned(), kind: "event_log".to_owned(), key: None, ..told.notices[0].clone() };
    store.tell(&News { events: Vec::new(), notices: vec![notice] }, 6).await.unwrap();
    let claimed = store.claim_notices(9, 20, 7).await.unwrap();
    let claimed: Vec<_> = claimed.iter().map(|notice| (notice.uuid.as_str(), notice.r#type.as_str())).collect();
    assert_eq!(claimed, [("5", "policy_eval"), ("6", "event_log")]);
}

pub(crate) async fn what_was_not_received_comes_again(Opened { store, .. }: &Opened) {
    let notice = |uuid: &str| NewNotice { uuid: uuid.to_owned(), key: None, ..news("a", "x", "k").notices.remove(0) };
    store.tell(&News { events: Vec::new(), notices: vec![notice("1"), notice("2"), notice("3")] }, 1).await.unwrap();
    let first = store.claim_notices(2, 20, 10).await.unwrap();
    assert_eq!(
        first.iter().map(|notice| (notice.uuid.as_str(), notice.attempts)).collect::<Vec<_>>(),
        [("1", 1), ("2", 1)]
    );
    let other = store.claim_notices(9, 20, 10).await.unwrap();
    assert_eq!(other.iter().map(|notice| notice.uuid.as_str()).collect::<Vec<_>>(), ["3"], "claimed ones are not due");
    store.finish_notice(&first[0]).await.unwrap();
    store.put_off_notice(&first[1], Some("nobody answers"), 40).await.unwrap();
    // The sender of the third vanished.
    let again = store.claim_notices(9, 60, 30).await.unwrap();
    assert_eq!(again.iter().map(|notice| (notice.uuid.as_str(), notice.attempts)).collect::<Vec<_>>(), [("3", 2)]);
    // It comes back, and is too late.
    store.finish_notice(&other[0]).await.unwrap();
    store.put_off_notice(&other[0], Some("late"), 31).await.unwrap();
    assert_eq!(store.waiting_notices().await.unwrap(), 2);
    let again = store.claim_notices(9, 90, 60).await.unwrap();
    let again: Vec<_> = again.iter().map(|notice| (notice.uuid.as_str(), notice.attempts)).collect();
    assert_eq!(again, [("2", 2), ("3", 3)]);
}

pub(crate) async fn what_is_given_up_is_told(Opened { store, .. }: &Opened) {
    let notice = NewNotice { key: None, ..news("a", "1", "k").notices.remove(0) };
    store.tell(&News { events: Vec::new(), notices: vec![notice] }, 1).await.unwrap();
    let first = store.claim_notices(9, 20, 10).await.unwrap().remove(0);
    assert_eq!(first.last_error, None);
    store.put_off_notice(&first, Some("nobody answers"), 30).await.unwrap();
    let second = store.claim_notices(9, 40, 30).await.unwrap().remove(0);
    store.put_off_notice(&second, None, 50).await.unwrap();
    let third = store.claim_notices(9, 60, 50).await.unwrap().remove(0);
    assert_eq!(third.last_error.as_deref(), Some("nobody answers"), "who was not tried has no other reason");
    let told = |uuid: &str| News { notices: Vec::new(), ..news("a", uuid, "k") };
    assert!(!store.give_up_notice(&second, &told("late"), 55).await.unwrap(), "another has claimed it");
    assert!(store.give_up_notice(&third, &told("given up"), 56).await.unwrap());
    assert!(!store.give_up_notice(&third, &told("again"), 57).await.unwrap());
    assert_eq!(store.waiting_notices().await.unwrap(), 0);
    let events = store.events("a", &EventFilter::default(), 9, 0).await.unwrap();
    assert_eq!(events.iter().map(|event| event.uuid.as_str()).collect::<Vec<_>>(), ["given up"]);
}

pub(crate) async fn who_waits_is_listed(Opened { store, .. }: &Opened) {
    store.add_subscription("a", "r.io/x:1", "policy_eval", None, true, 1).await.unwrap();
    let mut notices: Vec<NewNotice> = ["1", "2", "3"].map(|uuid| news("a", uuid, "r.io/x:1").notices.remove(0)).into();
    notices[1].key = None;
    notices[2].folds_at = Some(70);
    notices.push(NewNotice { key: None, ..news("b", "4", "k").notices.remove(0) });
    store.tell(&News { events: Vec::new(), notices }, 5).await.unwrap();
    let claimed = store.claim_notices(1, 20, 10).await.unwrap().remove(0);
    store.put_off_notice(&claimed, Some("nobody answers"), 40).await.unwrap();
    let waiting = store.notices("a", None, 9).await.unwrap();
    let told = |one: &Waiting| (one.uuid.clone(), one.key.clone(), one.attempts, one.due_at, one.folds_at);
    let some = |text: &str| Some(text.to_owned());
    let want = [
        ("3".to_owned(), some("r.io/x:1"), 0, 5, Some(70)),
        ("2".to_owned(), None, 0, 5, None),
        ("1".to_owned(), some("r.io/x:1"), 1, 40, None),
    ];
    assert_eq!(waiting.iter().map(told).collect::<Vec<_>>(), want);
    assert_eq!((waiting[2].last_error.as_deref(), waiting[2].r#type.as_str()), (Some("nobody answers"), "policy_eval"));
    let page = store.notices("a", Some(waiting[0].id), 1).await.unwrap();
    assert_eq!(page, [waiting[1].clone()]);
}

pub(crate) async fn groups_are_folded(Opened { store, .. }: &Opened) {
    let notice = |account: &str, uuid: &str, folds_at| NewNotice {
        uuid: uuid.to_owned(),
        account: account.to_owned(),
        key: None,
        payload: format!("about {uuid}"),
        folds_at,
        ..news("a", "x", "k").notices.remove(0)
    };
    let tell = async |notices: Vec<NewNotice>, now| {
        store.tell(&News { events: Vec::new(), notices }, now).await.unwrap();
    };
    tell(vec![notice("a", "1", Some(60)), notice("b", "2", Some(70)), notice("a", "alone", None)], 10).await;
    tell(vec![notice("a", "3", Some(90))], 40).await;
    let sent = async |now| {
        let claimed = store.claim_notices(9, now + 1000, now).await.unwrap();
        for notice in &claimed {
            store.finish_notice(notice).await.unwrap();
        }
        claimed.into_iter().map(|notice| (notice.uuid, notice.payload)).collect::<Vec<_>>()
    };
    let said = |uuid: &str, payload: &str| (uuid.to_owned(), payload.to_owned());
    assert_eq!(sent(50).await, [said("alone", "about alone")], "who waits for others is not sent");
    assert_eq!(store.due_groups(59).await.unwrap(), []);
    let groups = store.due_groups(60).await.unwrap();
    assert_eq!(groups.iter().map(|group| (group.account.as_str(), group.size)).collect::<Vec<_>>(), [("a", 2)]);
    let group = &groups[0];
    let first = store.group_members(group, 0, 1).await.unwrap();
    assert_eq!((first[0].uuid.as_str(), first[0].payload.as_str(), first[0].created_at), ("1", "about 1", 10));
    // Another one comes while the first two are read.
    tell(vec![notice("a", "4", Some(99))], 60).await;
    let rest = store.group_members(group, first[0].id, 9).await.unwrap();
    assert_eq!(rest.iter().map(|member| member.uuid.as_str()).collect::<Vec<_>>(), ["3"]);
    assert!(!store.fold(group, rest[0].id, 1, &notice("a", "wrong", None), 61).await.unwrap());
    assert!(store.fold(group, rest[0].id, 2, &notice("a", "both", None), 61).await.unwrap());
    assert!(!store.fold(group, rest[0].id, 2, &notice("a", "again", None), 61).await.unwrap(), "another was faster");
    assert_eq!(sent(62).await, [said("both", "about both")]);
    let groups = store.due_groups(99).await.unwrap();
    assert_eq!(
        groups.iter().map(|group| (group.account.as_str(), group.size)).collect::<Vec<_>>(),
        [("a", 1), ("b", 1)]
    );
    store.ungroup(&groups[0], groups[0].last, 99).await.unwrap();
    assert_eq!(sent(100).await, [said("4", "about 4")]);
    assert_eq!(store.waiting_notices().await.unwrap(), 1);
}
