//! What people are told is written with the change it tells of.

use std::sync::Arc;

use killick_model::digest::Digest;
use killick_store::evaluations::{Follows, NewEvaluation};
use killick_store::events::EventFilter;
use killick_store::images::NewImage;
use killick_store::news::{Change, NewEvent, News, Reporter};
use killick_store::{Store, StoreError};

use super::{Opened, analysis, analyzed, image, news, tag};

/// Tells every change as one event whose document is what it says.
#[derive(Debug)]
struct Words;

impl Reporter for Words {
    fn report(&self, change: &Change<'_>, now: i64) -> News {
        let text = match change {
            Change::Analyzed { image, tags } => {
                format!("analyzed {} of {} tags", image.analysis_status.as_str(), tags.len())
            }
            Change::AnalysisFailed { tags, cause, .. } => format!("failed {cause} of {} tags", tags.len()),
            Change::TagAdded { tag, .. } => format!("added {}", tag.tag),
            Change::TagMoved { tag, before, .. } => format!("moved {} from {} others", tag.tag, before.len()),
            Change::PolicyActivated { before, now } => {
                format!("activated {} after {}", now.id, before.map_or("none", |before| &before.id))
            }
            Change::PolicyChanged { before, now } => format!("changed {} to {}", before.document, now.document),
        };
        let mut told = news("a", &format!("{now} {text}"), "r.io/x:1");
        told.events[0].document = text;
        told
    }
}

async fn told(store: &Store) -> Vec<String> {
    let mut rows = store.events("a", &EventFilter::default(), 99, 0).await.unwrap();
    rows.reverse();
    rows.into_iter().map(|row| row.document).collect()
}

pub(crate) async fn analyses_are_told(Opened { store, .. }: &Opened) {
    let store = &store.clone().told_by(Arc::new(Words));
    analyzed(store, &image("a", "one"), 1).await;
    assert_eq!(told(store).await, ["analyzed analyzed of 1 tags"]);
    // A first attempt that fails is not told, the last one is.
    store.add_image(&NewImage { tag: tag("2"), ..image("a", "two") }, 5).await.unwrap();
    let digest = Digest::of(b"two").to_string();
    for now in [6, 7] {
        let (_, lease) = store.claim(&[], 10, now).await.unwrap().unwrap();
        store.fail_analysis(&lease, "a", &digest, "why", Some(0), now).await.unwrap();
    }
    assert_eq!(told(store).await[1..], ["failed why of 1 tags"]);
    // So is one whose worker vanished for the last time.
    store.add_image(&NewImage { tag: tag("3"), ..image("a", "three") }, 8).await.unwrap();
    for now in [10, 30] {
        assert!(store.claim(&[], 10, now).await.unwrap().is_some());
    }
    assert_eq!(store.give_up_vanished(50).await.unwrap().len(), 1);
    assert_eq!(told(store).await[2..], ["failed the worker vanished; 2 of 2 attempts were made of 1 tags"]);
    // Without the lease nothing is written, and nothing told.
    store.add_image(&NewImage { tag: tag("4"), ..image("a", "four") }, 51).await.unwrap();
    let digest = Digest::of(b"four").to_string();
    let (_, lost) = store.claim(&[], 1, 52).await.unwrap().unwrap();
    assert!(store.claim(&[], 10, 60).await.unwrap().is_some());
    assert!(store.finish_analysis(&lost, "a", &digest, &analysis("analysis", 1), 61).await.is_err());
    assert_eq!(told(store).await.len(), 3);
}

pub(crate) async fn moves_of_tags_are_told(Opened { store, .. }: &Opened) {
    let store = &store.clone().told_by(Arc::new(Words));
    let first = image("a", "one");
    store.add_image(&first, 1).await.unwrap();
    store.add_image(&NewImage { detected_at: 6, ..first.clone() }, 2).await.unwrap();
    assert!(told(store).await.is_empty());
    store.add_image(&NewImage { detected_at: 7, ..image("a", "two") }, 3).await.unwrap();
    store.add_image(&NewImage { detected_at: 8, ..image("a", "three") }, 4).await.unwrap();
    // Learned late: it is not where the tag points.
    store.add_image(&NewImage { detected_at: 1, ..image("a", "four") }, 5).await.unwrap();
    assert_eq!(told(store).await, ["moved 1 from 1 others", "moved 1 from 2 others"]);
}

pub(crate) async fn policies_are_told(Opened { store, .. }: &Opened) {
    let store = &store.clone().told_by(Arc::new(Words));
    for (now, id) in [(1, "p"), (2, "q")] {
        store.put_policy("a", id, "{}", "local", now).await.unwrap();
        store.activate_policy("a", id, now).await.unwrap();
    }
    store.activate_policy("a", "q", 3).await.unwrap();
    for (now, id, document) in [(4, "p", "[]"), (5, "q", "{}"), (6, "q", "[1]")] {
        store.put_policy("a", id, document, "local", now).await.unwrap();
    }
    assert!(store.activate_policy("a", "none", 7).await.is_err());
    assert_eq!(told(store).await, ["activated p after none", "activated q after p", "changed {} to [1]"]);
}

pub(crate) async fn verdicts_are_told_once(Opened { store, .. }: &Opened) {
    store.add_image(&image("a", "one"), 1).await.unwrap();
    let verdict = |action: &str, before: Option<i64>, uuid: &str| NewEvaluation {
        account: "a".to_owned(),
        digest: Digest::of(b"one"),
        tag: "r.io/x:1".to_owned(),
        policy_id: "p".to_owned(),
        policy_digest: Digest::of(b"{}"),
        action: action.to_owned(),
        result: Digest::of(action.as_bytes()),
        findings: Digest::of(b"findings"),
        index_built_at: 0,
        follows: Some(Follows { before, news: news("a", uuid, "r.io/x:1") }),
    };
    let (first, _) = store.record_evaluation(&verdict("stop", None, "1"), 10).await.unwrap();
    let (same, _) = store.record_evaluation(&verdict("stop", Some(first.id), "2"), 11).await.unwrap();
    assert!(told(store).await.is_empty(), "the first, and one like it, are no news");
    let stale = store.record_evaluation(&verdict("go", None, "3"), 12).await;
    assert!(matches!(stale, Err(StoreError::Refused { .. })));
    let (second, _) = store.record_evaluation(&verdict("go", Some(same.id), "4"), 13).await.unwrap();
    assert_eq!(told(store).await, ["{\"n\":\"4\"}"]);
    let newest = store.newest_evaluation("a", &Digest::of(b"one").to_string(), "r.io/x:1").await.unwrap();
    assert_eq!(newest, Some(second));
}

#[test]
fn news_add_up() {
    let event = |uuid: &str| NewEvent { uuid: uuid.to_owned(), ..news("a", "x", "k").events.remove(0) };
    let one = News { events: vec![event("1")], notices: Vec::new() };
    let both = one.clone().and(News { events: vec![event("2")], ..news("a", "n", "k") });
    assert_eq!((both.events, both.notices.len()), (vec![event("1"), event("2")], 1));
    assert_eq!(one.clone().and(News::default()), one);
}
