//! Layer facts, the index in use, feed groups, matches.

use killick_model::digest::Digest;
use killick_store::knowledge::{FeedGroup, Knowledge, NewMatches};

use super::{Opened, analysis, analyzed, image};

pub(crate) async fn the_newest_index_is_in_use(Opened { store, .. }: &Opened) {
    assert_eq!(store.knowledge().await.unwrap(), None);
    let index = |name: &str, installed_at| Knowledge {
        digest: Digest::of(name.as_bytes()),
        path: name.to_owned(),
        data_at: 1,
        installed_at,
    };
    for knowledge in [index("x", 10), index("y", 20), index("x", 30)] {
        store.set_knowledge(&knowledge).await.unwrap();
        assert_eq!(store.knowledge().await.unwrap(), Some(knowledge));
    }
}

pub(crate) async fn feed_groups_are_replaced(Opened { store, .. }: &Opened) {
    let group = |feed: &str, name: &str, record_count, synced_at| FeedGroup {
        feed: feed.to_owned(),
        name: name.to_owned(),
        enabled: record_count > 0,
        record_count,
        synced_at,
    };
    for row in [group("vulnerabilities", "debian:12", 0, None), group("nvdv2", "cves", 7, Some(5))] {
        store.set_feed_group(&row).await.unwrap();
    }
    store.set_feed_group(&group("vulnerabilities", "debian:12", 9, Some(6))).await.unwrap();
    let want = [group("nvdv2", "cves", 7, Some(5)), group("vulnerabilities", "debian:12", 9, Some(6))];
    assert_eq!(store.feed_groups().await.unwrap(), want);
}

pub(crate) async fn layer_facts_are_kept_by_revision(Opened { store, .. }: &Opened) {
    let (layer, blob, newer) = (Digest::of(b"layer"), Digest::of(b"facts"), Digest::of(b"newer"));
    assert_eq!(store.layer_fact(&layer, "1", 9).await.unwrap(), None);
    store.put_layer_fact(&layer, "1", &blob, 1).await.unwrap();
    assert_eq!(store.layer_fact(&layer, "1", 9).await.unwrap(), Some(blob.clone()));
    assert_eq!(store.layer_fact(&layer, "2", 9).await.unwrap(), None);
    store.put_layer_fact(&layer, "1", &newer, 2).await.unwrap();
    assert_eq!(store.layer_fact(&layer, "1", 9).await.unwrap(), Some(newer));
}

pub(crate) async fn layer_facts_that_nobody_uses_go(Opened { store, .. }: &Opened) {
    const DAY: i64 = 86_400_000_000;
    let blob = Digest::of(b"facts");
    let layer = |name: &str| Digest::of(name.as_bytes());
    for name in ["used", "unused", "config"] {
        store.put_layer_fact(&layer(name), "1", &blob, 1).await.unwrap();
    }
    // Under the digest of a configuration, as long as an image of it is there.
    let digest = analyzed(store, &image("a", "one"), 1).await;
    store.layer_fact(&layer("used"), "1", 10 * DAY).await.unwrap();
    // Noted once a day.
    store.layer_fact(&layer("used"), "1", 10 * DAY + 5).await.unwrap();
    assert_eq!(store.delete_old_layer_facts(1).await.unwrap(), 0);
    assert_eq!(store.delete_old_layer_facts(10 * DAY).await.unwrap(), 1);
    let kept = async |name: &str| store.layer_fact(&layer(name), "1", 0).await.unwrap().is_some();
    assert_eq!((kept("used").await, kept("unused").await, kept("config").await), (true, false, true));
    store.delete_image("a", &digest, true, 5).await.unwrap();
    store.purge_image("a", &digest).await.unwrap();
    assert_eq!(store.delete_old_layer_facts(10 * DAY + 1).await.unwrap(), 2);
}

/// Matches of the image `one`, analyzed by [`analyzed`].
fn matches(digest: &str, index: &Digest) -> NewMatches {
    NewMatches {
        account: "a".to_owned(),
        digest: digest.to_owned(),
        analysis: Digest::of(b"analysis"),
        index: index.clone(),
        blob: Digest::of(b"matches"),
    }
}

fn seen(count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("CVE-2024-{number:04}"), "deb curl".to_owned())).collect()
}

pub(crate) async fn matches_belong_to_an_index(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    let (old, new, blob) = (Digest::of(b"old"), Digest::of(b"new"), Digest::of(b"matches"));
    store.put_matches(&matches(&digest, &old), &[], 5).await.unwrap();
    assert_eq!(store.matches("a", &digest, &old).await.unwrap(), Some(blob.clone()));
    assert_eq!(store.matches("a", &digest, &new).await.unwrap(), None);
    store.put_matches(&matches(&digest, &new), &[], 6).await.unwrap();
    assert_eq!(store.matches("a", &digest, &old).await.unwrap(), None);
    assert_eq!(store.matches("a", &digest, &new).await.unwrap(), Some(blob));
    store.forget_matches("a", &digest).await.unwrap();
    assert_eq!(store.matches("a", &digest, &new).await.unwrap(), None);
    store.put_matches(&matches(&digest, &new), &[], 7).await.unwrap();
    store.forget_all_matches(i64::MAX).await.unwrap();
    assert_eq!(store.matches("a", &digest, &new).await.unwrap(), None);
}

pub(crate) async fn first_detection_stays(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    let index = Digest::of(b"index");
    store.put_matches(&matches(&digest, &index), &seen(70), 5).await.unwrap();
    store.put_matches(&matches(&digest, &index), &seen(120), 6).await.unwrap();
    store.forget_matches("a", &digest).await.unwrap();
    let rows = store.first_detected("a", &digest).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.vulnerability.clone(), row.package.clone())).collect();
    assert_eq!(found, seen(120));
    assert!(rows.iter().enumerate().all(|(number, row)| row.detected_at == if number < 70 { 5 } else { 6 }));
}

pub(crate) async fn a_new_analysis_forgets_matches(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    let index = Digest::of(b"index");
    store.put_matches(&matches(&digest, &index), &seen(1), 5).await.unwrap();
    let mut again = image("a", "one");
    again.force = true;
    store.add_image(&again, 6).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 7).await.unwrap().unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("other", 2), 8).await.unwrap();
    assert_eq!(store.matches("a", &digest, &index).await.unwrap(), None);
    // Whoever matched the analysis from before comes too late.
    store.put_matches(&matches(&digest, &index), &seen(2), 9).await.unwrap();
    assert_eq!(store.matches("a", &digest, &index).await.unwrap(), None);
    assert_eq!(store.first_detected("a", &digest).await.unwrap().len(), 1);
}
