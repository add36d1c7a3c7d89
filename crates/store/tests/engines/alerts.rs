//! Alerts: at most one of a tag is open, and what is told of it comes with it.

use killick_model::digest::Digest;
use killick_store::Store;
use killick_store::alerts::{Alarm, Alert, AlertFilter, ClosedFor, Closing};
use killick_store::news::News;

use super::{Opened, news};

const TAG: &str = "r.io/x:1";

fn alarm(image: &str) -> Alarm {
    Alarm {
        subject: String::new(),
        digest: Digest::of(image.as_bytes()),
        policy_id: "p".to_owned(),
        policy_digest: Digest::of(b"policy"),
    }
}

fn passed(id: i64) -> Closing<'static> {
    Closing { id, closed_for: ClosedFor::Passed, closed_by: None }
}

async fn subscribe(store: &Store, account: &str, tag: &str) -> String {
    store.add_subscription(account, tag, "alerts", None, true, 1).await.unwrap().id
}

fn quietly(_: &Alert) -> News {
    News::default()
}

pub(crate) async fn a_tag_has_one_open_alert(Opened { store, .. }: &Opened) {
    let told = |alert: &Alert| news("a", &format!("{} {:?}", alert.id, alert.closed_for), TAG);
    assert_eq!(store.open_alert("a", TAG, &alarm("1"), told, 9).await.unwrap(), None, "nobody subscribes to it");
    for (account, tag) in [("a", TAG), ("a", "r.io/x:2"), ("b", TAG)] {
        subscribe(store, account, tag).await;
    }
    let first = store.open_alert("a", TAG, &alarm("1"), told, 10).await.unwrap().expect("it is the first");
    assert_eq!((first.opened_at, first.closed_at, first.digest.clone()), (10, None, Digest::of(b"1")));
    assert_eq!(store.open_alert("a", TAG, &alarm("2"), told, 11).await.unwrap(), None, "one is open");
    let other = store.open_alert("a", "r.io/x:2", &alarm("1"), quietly, 12).await.unwrap().expect("another tag");
    assert!(store.open_alert("b", TAG, &alarm("1"), quietly, 13).await.unwrap().is_some(), "another account");

    assert!(store.move_alert("a", TAG, &alarm("2"), 14).await.unwrap());
    let moved = store.alert("a", first.id).await.unwrap();
    assert_eq!((moved.digest, moved.opened_at, moved.updated_at), (Digest::of(b"2"), 10, 14));
    assert!(store.alert("b", first.id).await.is_err(), "it is of another account");

    assert_eq!(store.close_alert("b", passed(first.id), told, 15).await.unwrap(), None, "it is of another account");
    let by_eva = Closing { id: first.id, closed_for: ClosedFor::User, closed_by: Some("eva") };
    let closed = store.close_alert("a", by_eva, told, 16).await.unwrap().expect("it was open");
    assert_eq!((closed.closed_at, closed.closed_for), (Some(16), Some(ClosedFor::User)));
    assert_eq!(closed.closed_by.as_deref(), Some("eva"));
    assert_eq!(store.close_alert("a", passed(first.id), told, 17).await.unwrap(), None, "it is over");
    assert!(!store.move_alert("a", TAG, &alarm("3"), 17).await.unwrap());
    let again = store.open_alert("a", TAG, &alarm("2"), quietly, 18).await.unwrap().expect("none was open");

    let seen = async |filter: AlertFilter, limit| {
        let alerts = store.alerts("a", &filter, limit).await.unwrap();
        alerts.iter().map(|alert| alert.id).collect::<Vec<_>>()
    };
    let all = AlertFilter::default;
    assert_eq!(seen(all(), 9).await, [again.id, other.id, first.id]);
    assert_eq!(seen(all(), 1).await, [again.id]);
    assert_eq!(seen(AlertFilter { open: Some(true), ..all() }, 9).await, [again.id, other.id]);
    assert_eq!(seen(AlertFilter { open: Some(false), ..all() }, 9).await, [first.id]);
    assert_eq!(seen(AlertFilter { tag: Some(TAG.to_owned()), open: Some(true), ..all() }, 9).await, [again.id]);
    assert_eq!(store.last_alert("a", TAG, "").await.unwrap(), Some(again.clone()));
    assert_eq!(store.last_alert("a", "r.io/x:3", "").await.unwrap(), None);
    assert_eq!(seen(AlertFilter { tag: Some(TAG.to_owned()), ..all() }, 9).await, [again.id, first.id]);
    assert_eq!(seen(AlertFilter { below: Some(again.id), ..all() }, 9).await, [other.id, first.id]);

    let events = store.events("a", &killick_store::events::EventFilter::default(), 9, 0).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.uuid.clone()).collect();
    assert_eq!(told, [format!("{} Some(User)", first.id), format!("{} None", first.id)]);

    // The last of a tag decides about the next.
    store.close_alert("a", passed(other.id), quietly, 19).await.unwrap().expect("it was open");
    assert_eq!(store.delete_old_alerts(16).await.unwrap(), 0);
    assert_eq!(store.delete_old_alerts(99).await.unwrap(), 1);
    assert_eq!(seen(all(), 9).await, [again.id, other.id]);
}

pub(crate) async fn each_image_of_an_index_has_its_own(Opened { store, .. }: &Opened) {
    subscribe(store, "a", TAG).await;
    let child = |image: &str| Alarm { subject: Digest::of(image.as_bytes()).to_string(), ..alarm(image) };
    let main = store.open_alert("a", TAG, &alarm("1"), quietly, 10).await.unwrap().expect("none is open");
    let arm64 =
        store.open_alert("a", TAG, &child("arm64"), quietly, 11).await.unwrap().expect("it is of another image");
    assert_eq!(store.open_alert("a", TAG, &child("arm64"), quietly, 12).await.unwrap(), None, "one is open");
    assert_eq!((arm64.subject.clone(), arm64.digest.clone()), (Digest::of(b"arm64").to_string(), Digest::of(b"arm64")));

    assert!(store.move_alert("a", TAG, &alarm("2"), 13).await.unwrap());
    let digest = async |id| store.alert("a", id).await.unwrap().digest;
    assert_eq!((digest(main.id).await, digest(arm64.id).await), (Digest::of(b"2"), Digest::of(b"arm64")));
    store.close_alert("a", passed(arm64.id), quietly, 14).await.unwrap().expect("it was open");
    let last = async |subject: &str| store.last_alert("a", TAG, subject).await.unwrap().map(|alert| alert.closed_at);
    assert_eq!((last("").await, last(&arm64.subject).await), (Some(None), Some(Some(14))));
    // Each is the last of its own.
    assert_eq!(store.delete_old_alerts(99).await.unwrap(), 0);
}

pub(crate) async fn alerts_end_with_their_subscription(Opened { store, .. }: &Opened) {
    let mut open = Vec::new();
    for (number, tag) in ["r.io/x:1", "r.io/x:2", "r.io/x:3"].into_iter().enumerate() {
        let now = i64::try_from(number).unwrap();
        let subscription = subscribe(store, "a", tag).await;
        let alert = store.open_alert("a", tag, &alarm("1"), quietly, now).await.unwrap().expect("none is open");
        open.push((subscription, alert.id));
    }
    let why = async |alert: i64| store.alert("a", alert).await.unwrap().closed_for;
    store.change_subscription("a", &open[0].0, None, Some(Some("x")), 10).await.unwrap();
    assert_eq!(why(open[0].1).await, None, "it is still active");
    store.change_subscription("a", &open[0].0, Some(false), None, 11).await.unwrap();
    assert_eq!(why(open[0].1).await, Some(ClosedFor::Unsubscribed));
    assert_eq!(why(open[1].1).await, None, "another tag");
    store.delete_subscription("a", &open[1].0, 12).await.unwrap();
    assert_eq!(why(open[1].1).await, Some(ClosedFor::Unsubscribed));
    assert_eq!(why(open[2].1).await, None);
}
