//! The history of verdicts.

use killick_model::digest::Digest;
use killick_store::StoreError;
use killick_store::evaluations::NewEvaluation;

use super::{Opened, image};

fn verdict(policy: &str, document: &str, action: &str) -> NewEvaluation {
    NewEvaluation {
        account: "a".to_owned(),
        digest: Digest::of(b"one"),
        tag: "r.io/x:1".to_owned(),
        policy_id: policy.to_owned(),
        policy_digest: Digest::of(document.as_bytes()),
        action: action.to_owned(),
        result: Digest::of(format!("{policy} {document} {action}").as_bytes()),
        findings: Digest::of(action.as_bytes()),
        index_built_at: 0,
        follows: None,
    }
}

pub(crate) async fn an_unchanged_verdict_moves_its_row(Opened { store, .. }: &Opened) {
    let digest = store.add_image(&image("a", "one"), 1).await.unwrap().0.digest.to_string();
    let (first, before) = store.record_evaluation(&verdict("p", "1", "stop"), 10).await.unwrap();
    assert_eq!(before, None);
    let (again, before) = store.record_evaluation(&verdict("p", "1", "stop"), 20).await.unwrap();
    assert_eq!((again.id, again.created_at, again.updated_at, before), (first.id, 10, 20, None));
    // The same in other words is the same.
    let reworded = NewEvaluation { result: Digest::of(b"reworded"), ..verdict("p", "1", "stop") };
    let (again, before) = store.record_evaluation(&reworded, 25).await.unwrap();
    assert_eq!((again.id, again.updated_at, again.result.clone(), before), (first.id, 25, reworded.result, None));
    // Other findings are another verdict, though nobody is told.
    let (result, findings) = (Digest::of(b"newer"), Digest::of(b"other findings"));
    let other = NewEvaluation { result, findings, ..verdict("p", "1", "stop") };
    let (newer, before) = store.record_evaluation(&other, 30).await.unwrap();
    assert_eq!((newer.created_at, newer.updated_at, before), (30, 30, None));
    assert_eq!(newer.result, Digest::of(b"newer"));
    assert_eq!(store.evaluations("a", &digest, "r.io/x:1", None).await.unwrap(), [newer, again]);
    assert_eq!(store.delete_old_evaluations(26).await.unwrap(), 1, "the first was superseded");
    let missing = NewEvaluation { digest: Digest::of(b"none"), ..verdict("p", "1", "stop") };
    assert!(matches!(store.record_evaluation(&missing, 1).await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn a_changed_verdict_follows_the_previous(Opened { store, .. }: &Opened) {
    let digest = store.add_image(&image("a", "one"), 1).await.unwrap().0.digest.to_string();
    let mut previous = Vec::new();
    let steps = [("p", "1", "stop"), ("p", "2", "stop"), ("p", "2", "go"), ("q", "1", "stop"), ("p", "2", "go")];
    for (now, (policy, document, action)) in (10..).zip(steps) {
        let (_, before) = store.record_evaluation(&verdict(policy, document, action), now).await.unwrap();
        previous.push(before.map(|row| (row.policy_id, row.action)));
    }
    let said = |policy: &str, action: &str| Some((policy.to_owned(), action.to_owned()));
    assert_eq!(previous, [None, said("p", "stop"), said("p", "stop"), said("p", "go"), said("q", "stop")]);
    let all = store.evaluations("a", &digest, "r.io/x:1", None).await.unwrap();
    let all: Vec<_> = all.iter().map(|row| (row.policy_id.as_str(), row.action.as_str(), row.updated_at)).collect();
    assert_eq!(all, [("p", "go", 14), ("q", "stop", 13), ("p", "stop", 11), ("p", "stop", 10)]);
    assert_eq!(store.evaluations("a", &digest, "r.io/x:1", Some("q")).await.unwrap().len(), 1);
    assert_eq!(store.evaluations("a", &digest, "r.io/x:2", None).await.unwrap(), []);
}

pub(crate) async fn an_older_index_takes_nothing_back(Opened { store, .. }: &Opened) {
    const DAY: i64 = 24 * 3600 * 1_000_000;
    let digest = store.add_image(&image("a", "one"), 1).await.unwrap().0.digest.to_string();
    let by = |index_built_at: i64, document: &str, action: &str| NewEvaluation {
        index_built_at,
        ..verdict("p", document, action)
    };
    let record = async |new: &NewEvaluation, now: i64| store.record_evaluation(new, now).await.unwrap().0;
    record(&by(5, "1", "go"), 10).await;
    // The newer one says the same, and so counts.
    let newer = record(&by(7, "1", "go"), 11).await;
    assert_eq!(newer.index_built_at, 7);
    assert_eq!(record(&by(6, "1", "stop"), 12).await, newer);
    assert_eq!(record(&by(6, "1", "go"), 13).await.index_built_at, 7, "what says the same may");
    // What was decided otherwise is judged by whoever comes first.
    let decided = record(&by(6, "2", "stop"), 14).await;
    assert_eq!((decided.action.as_str(), decided.index_built_at), ("stop", 6));
    assert_eq!(record(&by(7, "2", "go"), 15).await.action, "go");
    assert_eq!(record(&by(6, "2", "stop"), 14 + DAY).await.action, "go");
    // Whoever still judges by it after a day went back to it.
    assert_eq!(record(&by(6, "2", "stop"), 15 + DAY).await.action, "stop");
    let all = store.evaluations("a", &digest, "r.io/x:1", None).await.unwrap();
    let all: Vec<_> = all.iter().map(|row| (row.action.as_str(), row.created_at)).collect();
    assert_eq!(all, [("stop", 15 + DAY), ("go", 15), ("stop", 14), ("go", 10)]);
}

pub(crate) async fn equal_verdicts_at_once_are_one(Opened { store, .. }: &Opened) {
    let digest = store.add_image(&image("a", "one"), 1).await.unwrap().0.digest.to_string();
    let writing: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.record_evaluation(&verdict("p", "1", "stop"), 10).await.unwrap() })
        })
        .collect();
    for written in writing {
        written.await.unwrap();
    }
    assert_eq!(store.evaluations("a", &digest, "r.io/x:1", None).await.unwrap().len(), 1);
}

pub(crate) async fn old_verdicts_go(Opened { store, .. }: &Opened) {
    let digest = store.add_image(&image("a", "one"), 1).await.unwrap().0.digest.to_string();
    store.record_evaluation(&verdict("p", "1", "stop"), 10).await.unwrap();
    store.record_evaluation(&verdict("q", "1", "stop"), 11).await.unwrap();
    store.record_evaluation(&verdict("p", "1", "go"), 20).await.unwrap();
    assert_eq!(store.delete_old_evaluations(10).await.unwrap(), 0);
    assert_eq!(store.delete_old_evaluations(11).await.unwrap(), 1);
    // The newest of an image, tag and bundle stays, however old.
    assert_eq!(store.delete_old_evaluations(i64::MAX).await.unwrap(), 0);
    let left = store.evaluations("a", &digest, "r.io/x:1", None).await.unwrap();
    let left: Vec<_> = left.iter().map(|row| (row.policy_id.as_str(), row.action.as_str())).collect();
    assert_eq!(left, [("p", "go"), ("q", "stop")]);
}
