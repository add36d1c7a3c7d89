//! The task queue.

use std::collections::{BTreeSet, VecDeque};

use killick_store::accounts::AccountType;
use killick_store::images::NewImage;
use killick_store::tasks::{NewTask, TaskState, back_off};
use killick_store::{Store, StoreError};

use super::{Opened, image, task};

pub(crate) async fn tasks_are_leased(Opened { store, .. }: &Opened) {
    let id = store.enqueue(&task("a", Some("k")), 1).await.unwrap();
    let (_, first) = store.claim(&["analyze"], 10, 2).await.unwrap().unwrap();
    assert_eq!(store.claim(&[], 10, 3).await.unwrap(), None);
    assert!(store.renew(&first, 10, 5).await.unwrap());
    assert_eq!(store.claim(&[], 10, 14).await.unwrap(), None);
    let (again, second) = store.claim(&[], 10, 15).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (id, 2));
    assert!(!store.renew(&first, 10, 16).await.unwrap());
    assert!(matches!(store.complete(&first, 16).await, Err(StoreError::LeaseLost { .. })));
    assert!(matches!(store.fail(&first, "late", Some(5), 16).await, Err(StoreError::LeaseLost { .. })));
    let failed = store.fail(&second, "why", Some(5), 17).await.unwrap();
    assert_eq!((failed.state, failed.last_error.as_deref()), (TaskState::Failed, Some("why")));
    assert_eq!(store.claim(&[], 10, 99).await.unwrap(), None);
}

pub(crate) async fn keys_belong_to_an_account(Opened { store, .. }: &Opened) {
    let id = store.enqueue(&task("a", Some("k")), 1).await.unwrap();
    assert_eq!(store.enqueue(&task("a", Some("k")), 1).await.unwrap(), id);
    assert_ne!(store.enqueue(&task("b", Some("k")), 1).await.unwrap(), id);
    assert_ne!(store.enqueue(&task("a", Some("l")), 1).await.unwrap(), id);
    let without = store.enqueue(&task("a", None), 1).await.unwrap();
    assert_ne!(store.enqueue(&task("a", None), 1).await.unwrap(), without);
}

pub(crate) async fn a_key_is_free_again(Opened { store, .. }: &Opened) {
    let id = store.enqueue(&task("a", Some("k")), 1).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    assert_eq!(store.enqueue(&task("a", Some("k")), 3).await.unwrap(), id);
    store.complete(&lease, 4).await.unwrap();
    assert_ne!(store.enqueue(&task("a", Some("k")), 5).await.unwrap(), id);
}

pub(crate) async fn completing_twice_is_once(Opened { store, .. }: &Opened) {
    let id = store.enqueue(&task("a", None), 1).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    store.complete(&lease, 3).await.unwrap();
    store.complete(&lease, 4).await.unwrap();
    let done = store.task("a", id).await.unwrap();
    assert_eq!((done.state, done.updated_at, done.lease_until), (TaskState::Done, 3, None));
}

/// The order in which tasks are begun: those that were queued before, and then, after so many, the others.
async fn served(
    store: &Store,
    queued: &[(&str, i64, &str)],
    after: usize,
    then: &[(&str, i64, &str)],
    workers: usize,
) -> String {
    let enqueue = async |tasks: &[(&str, i64, &str)]| {
        for (account, priority, payload) in tasks {
            let new = NewTask { payload: (*payload).to_owned(), priority: *priority, ..task(account, None) };
            store.enqueue(&new, 1).await.unwrap();
        }
    };
    enqueue(queued).await;
    let (mut order, mut running, mut now) = (Vec::new(), VecDeque::new(), 10);
    loop {
        if order.len() == after {
            enqueue(then).await;
        }
        if running.len() == workers {
            store.complete(&running.pop_front().unwrap(), now).await.unwrap();
        }
        now += 1;
        let Some((task, lease)) = store.claim(&[], 1000, now).await.unwrap() else { break };
        order.push(task.payload);
        running.push_back(lease);
    }
    for lease in running {
        store.complete(&lease, now).await.unwrap();
    }
    order.join(" ")
}

pub(crate) async fn accounts_take_turns(Opened { store, .. }: &Opened) {
    store.create_account("c", AccountType::User, None, 1).await.unwrap();
    let (a, b, c) = ("a", "b", "c");
    let many = [(a, 5, "a1"), (a, 5, "a2"), (a, 5, "a3"), (a, 5, "a4"), (a, 5, "a5")];
    let late = [(b, 5, "b1"), (b, 5, "b2"), (c, 5, "c1")];
    // One worker: what others ask for while it does the second of five goes next, by turns.
    assert_eq!(served(store, &many, 2, &late, 1).await, "a1 a2 b1 c1 a3 b2 a4 a5");
    // With two workers, no account has both while another waits. `c` was served longest ago.
    assert_eq!(served(store, &many, 2, &late, 2).await, "a1 a2 c1 b1 a3 b2 a4 a5");
}

pub(crate) async fn what_is_urgent_goes_first(Opened { store, .. }: &Opened) {
    let (a, b) = ("a", "b");
    let scan = [(a, 0, "a1"), (a, 0, "a2"), (b, 0, "b1"), (b, 0, "b2"), (a, 0, "a3")];
    let asked = [(a, 20, "a-add"), (b, 10, "b-found"), (b, 20, "b-add"), (a, 20, "a-add2")];
    assert_eq!(served(store, &scan, 1, &asked, 1).await, "a1 b-add a-add a-add2 b-found a2 b1 a3 b2");
}

pub(crate) async fn who_waits_already_is_hastened(Opened { store, .. }: &Opened) {
    let new =
        |name: &str, priority: i64| NewImage { task: NewTask { priority, ..task("a", None) }, ..image("a", name) };
    for name in ["one", "two"] {
        store.add_image(&new(name, 0), 1).await.unwrap();
    }
    store.add_image(&new("two", 20), 2).await.unwrap();
    let (first, _) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    assert_eq!((first.image, first.priority), (Some(image("a", "two").digest.to_string()), 20));
    // Whoever asks for less does not put it back.
    store.add_image(&new("one", 10), 4).await.unwrap();
    store.add_image(&new("one", 5), 5).await.unwrap();
    assert_eq!(store.claim(&[], 10, 6).await.unwrap().unwrap().0.priority, 10);
}

pub(crate) async fn kinds_are_chosen(Opened { store, .. }: &Opened) {
    for kind in ["analyze_image", "analyzexImage", "sync", "ANALYZE_IMAGE"] {
        store.enqueue(&NewTask { kind, ..task("a", None) }, 1).await.unwrap();
    }
    assert_eq!(store.claim(&["other"], 10, 2).await.unwrap(), None);
    let (task, _) = store.claim(&["analyze_image", "nothing"], 10, 2).await.unwrap().unwrap();
    assert_eq!(task.kind, "analyze_image");
    assert_eq!(store.claim(&["analyze_image"], 10, 2).await.unwrap(), None);
    let mut rest = BTreeSet::new();
    while let Some((task, _)) = store.claim(&[], 10, 2).await.unwrap() {
        rest.insert(task.kind);
    }
    assert_eq!(rest, BTreeSet::from(["ANALYZE_IMAGE", "analyzexImage", "sync"].map(str::to_owned)));
}

pub(crate) async fn priority_and_time_count(Opened { store, .. }: &Opened) {
    for (payload, priority, run_after) in [("low", 0, 0), ("later", 9, 50), ("high", 5, 0), ("high too", 5, 0)] {
        let new = NewTask { payload: payload.to_owned(), priority, run_after, ..task("a", None) };
        store.enqueue(&new, 1).await.unwrap();
    }
    let mut order = Vec::new();
    for now in [2, 2, 2, 2, 49, 50] {
        if let Some((task, _)) = store.claim(&[], 1000, now).await.unwrap() {
            order.push((now, task.payload));
        }
    }
    let want = [(2, "high"), (2, "high too"), (2, "low"), (50, "later")].map(|(now, text)| (now, text.to_owned()));
    assert_eq!(order, want);
}

pub(crate) async fn workers_never_share(Opened { store, .. }: &Opened) {
    for number in 0..40 {
        store.enqueue(&task(["a", "b"][number % 2], None), 1).await.unwrap();
    }
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                while let Some((task, lease)) = store.claim(&[], 1000, 2).await.unwrap() {
                    claimed.push(task.id);
                    store.complete(&lease, 3).await.unwrap();
                }
                claimed
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

pub(crate) async fn ended_tasks_go(Opened { store, .. }: &Opened) {
    let id = store.enqueue(&task("a", None), 1).await.unwrap();
    let waiting = store.enqueue(&task("a", None), 1).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    store.complete(&lease, 3).await.unwrap();
    assert_eq!(store.delete_old_tasks(3).await.unwrap(), 0);
    assert_eq!(store.delete_old_tasks(4).await.unwrap(), 1);
    assert!(store.task("a", id).await.is_err());
    assert_eq!(store.task("a", waiting).await.unwrap().state, TaskState::Queued);
}

#[test]
fn waits_double() {
    let second = 1_000_000;
    let waits = [(0, 5), (1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (i64::MAX, 3600)];
    for (attempts, seconds) in waits {
        assert_eq!(back_off(attempts), seconds * second, "{attempts}");
    }
}

pub(crate) async fn what_cannot_be_mended_fails_at_once(Opened { store, .. }: &Opened) {
    store.enqueue(&task("a", Some("k")), 1).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    let failed = store.fail(&lease, "why", None, 3).await.unwrap();
    assert_eq!((failed.state, failed.attempts, failed.run_after), (TaskState::Failed, 1, 0));
    store.add_image(&image("a", "one"), 1).await.unwrap();
    let (task, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    let digest = image("a", "one").digest.to_string();
    let failed = store.fail_analysis(&lease, "a", &digest, "why", None, 5).await.unwrap();
    assert_eq!((failed.id, failed.state), (task.id, TaskState::Failed));
    let image = store.image("a", &digest).await.unwrap();
    assert_eq!(image.analysis_status.as_str(), "analysis_failed");
}

pub(crate) async fn progress_is_that_of_the_attempt(Opened { store, .. }: &Opened) {
    store.add_image(&image("a", "one"), 1).await.unwrap();
    let digest = image("a", "one").digest.to_string();
    let progress = async || store.task_of_image("a", &digest).await.unwrap().unwrap().progress;
    assert_eq!(progress().await, None);
    let (_, lost) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    store.note_progress(&lost, "half").await.unwrap();
    assert_eq!(progress().await.as_deref(), Some("half"));
    let (_, lease) = store.claim(&[], 10, 20).await.unwrap().unwrap();
    assert_eq!(progress().await, None, "another attempt begins anew");
    store.note_progress(&lost, "all").await.unwrap();
    assert_eq!(progress().await, None, "whoever lost the lease says nothing any more");
    store.note_progress(&lease, "a quarter").await.unwrap();
    assert_eq!(progress().await.as_deref(), Some("a quarter"));
    assert_eq!(store.task_of_image("b", &digest).await.unwrap(), None);
}
