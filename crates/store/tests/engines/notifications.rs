//! The outbox.

use killick_store::news::{NewNotice, News};

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
    store.put_off_notice(&first[1], "nobody answers", 40).await.unwrap();
    // The sender of the third vanished.
    let again = store.claim_notices(9, 60, 30).await.unwrap();
    assert_eq!(again.iter().map(|notice| (notice.uuid.as_str(), notice.attempts)).collect::<Vec<_>>(), [("3", 2)]);
    // It comes back, and is too late.
    store.finish_notice(&other[0]).await.unwrap();
    store.put_off_notice(&other[0], "late", 31).await.unwrap();
    assert_eq!(store.waiting_notices().await.unwrap(), 2);
    let again = store.claim_notices(9, 90, 60).await.unwrap();
    let again: Vec<_> = again.iter().map(|notice| (notice.uuid.as_str(), notice.attempts)).collect();
    assert_eq!(again, [("2", 2), ("3", 3)]);
}
