//! The archive: analyses without their images, and rules.

use killick_model::digest::Digest;
use killick_store::StoreError;
use killick_store::archives::{ArchiveStatus, NewArchived, NewRule, Transition};
use killick_store::evaluations::NewEvaluation;
use killick_store::images::{FinishedAnalysis, KeptPlace, NewImage, RestoredImage, RestoredTag};

use super::{Opened, analysis, analyzed, image, tag};

pub(crate) fn archived(account: &str, name: &str) -> NewArchived {
    NewArchived {
        account: account.to_owned(),
        digest: Digest::of(name.as_bytes()),
        index_digest: None,
        annotations: "{}".to_owned(),
        document: Digest::of(b"a document"),
        size_bytes: 10,
        analyzed_at: 4,
        tags: vec![(tag("1"), 5, false)],
    }
}

pub(crate) fn rule(account: &str, id: &str) -> NewRule {
    NewRule {
        id: id.to_owned(),
        account: account.to_owned(),
        system_global: false,
        transition: Transition::Archive,
        selector: ["*", "x", "*"].map(str::to_owned),
        analysis_age_days: 7,
        tag_versions_newer: -1,
        max_images_per_account: None,
        exclude: ["", "", "keep"].map(str::to_owned),
        exclude_expiration_days: 30,
    }
}

pub(crate) async fn what_is_archived_is_kept(Opened { store, .. }: &Opened) {
    let nothing = store.archive_summary(Some("a")).await.unwrap();
    assert_eq!((nothing.images, nothing.tags, nothing.size_bytes, nothing.updated_at), (0, 0, 0, None));
    let blob = store.blobs().put(b"a document".to_vec()).await.unwrap();
    assert!(store.blobs().stored_bytes(&blob).await.unwrap() > 0);
    store.archive_image(&archived("a", "one"), 6).await.unwrap();
    let two =
        NewArchived { tags: vec![(tag("1"), 7, false), (tag("2"), 8, false)], size_bytes: 5, ..archived("a", "two") };
    store.archive_image(&two, 7).await.unwrap();
    store.archive_image(&archived("b", "one"), 8).await.unwrap();
    let digests: Vec<_> = store.archived_images("a").await.unwrap().into_iter().map(|one| one.digest).collect();
    assert_eq!(digests, [Digest::of(b"two"), Digest::of(b"one")]);
    let summary = store.archive_summary(Some("a")).await.unwrap();
    assert_eq!((summary.images, summary.tags, summary.size_bytes, summary.updated_at), (2, 3, 15, Some(7)));
    assert_eq!(store.archive_summary(None).await.unwrap().images, 3);

    // Again, after another analysis.
    let digest = Digest::of(b"two").to_string();
    let other = NewArchived { analyzed_at: 9, tags: vec![(tag("3"), 9, true)], ..archived("a", "two") };
    store.archive_image(&other, 9).await.unwrap();
    let tags = store.archived_tags("a", Some(&digest)).await.unwrap();
    assert_eq!(
        tags.iter().map(|tag| (tag.tag.as_str(), tag.analyzed_at, tag.child)).collect::<Vec<_>>(),
        [("3", 9, true)]
    );

    assert_eq!(store.delete_orphan_blobs(i64::MAX).await.unwrap(), 0, "it is named");
    for account in ["a", "b"] {
        for archived in store.archived_images(account).await.unwrap() {
            let digest = archived.digest.to_string();
            assert!(store.delete_archived(account, &digest, None, 10).await.unwrap());
            assert_eq!(store.archived_image(account, &digest).await.unwrap().status, ArchiveStatus::Deleting);
        }
    }
    assert_eq!(store.archive_summary(None).await.unwrap().images, 0);
    assert_eq!(store.purge_archived().await.unwrap(), 3);
    assert!(store.archived_image("a", &digest).await.is_err());
    assert_eq!(store.delete_orphan_blobs(i64::MAX).await.unwrap(), 1);
}

/// One that names an index means another image of it.
fn restored_tag(name: &str, detected_at: i64, index: Option<&[u8]>) -> RestoredTag {
    RestoredTag { name: tag(name), detected_at, child: index.is_some(), index_digest: index.map(Digest::of) }
}

pub(crate) async fn analyses_are_archived_and_restored(Opened { store, .. }: &Opened) {
    let new = NewImage { given_id: Some("given".to_owned()), ..image("a", "one") };
    let digest = analyzed(store, &new, 60).await;
    let verdict = NewEvaluation {
        account: "a".to_owned(),
        digest: Digest::of(b"one"),
        tag: "r.io/x:1".to_owned(),
        policy_id: "p".to_owned(),
        policy_digest: Digest::of(b"{}"),
        action: "stop".to_owned(),
        result: Digest::of(b"verdict"),
        findings: Digest::of(b"findings"),
        index_built_at: 0,
        follows: None,
    };
    store.record_evaluation(&verdict, 5).await.unwrap();
    store.record_evaluation(&NewEvaluation { action: "go".to_owned(), ..verdict }, 6).await.unwrap();
    let rows = store.archivable_tags("a").await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.tag.as_str(), row.analyzed_at, row.child)).collect::<Vec<_>>(),
        [("1", 4, false)]
    );
    let before = store.image("a", &digest).await.unwrap();
    let evaluations = store.evaluations_of_image("a", &digest).await.unwrap();
    let packages = store.packages_of_image("a", &digest).await.unwrap();
    let superseded: Vec<bool> = evaluations.iter().map(|kept| kept.superseded).collect();
    assert_eq!(superseded, [true, false]);
    let restored = RestoredImage {
        account: "a".to_owned(),
        digest: before.digest.clone(),
        index_digest: None,
        config_digest: before.config_digest.clone(),
        given_id: before.given_id.clone(),
        annotations: "{\"k\":\"v\"}".to_owned(),
        dockerfile: None,
        manifest: None,
        created_at: before.created_at,
        analyzed_at: before.analyzed_at.unwrap(),
        tags: vec![restored_tag("1", 5, None), restored_tag("new", 6, Some(b"index"))],
        places: vec![KeptPlace { index_digest: Digest::of(b"index"), position: 3, platform: "linux/arm64".to_owned() }],
        evaluations: evaluations.clone(),
        first_detected: vec![("CVE-1".to_owned(), "p".to_owned(), 3), ("CVE-2".to_owned(), "p".to_owned(), 4)],
        done: FinishedAnalysis { size_bytes: 77, ..analysis("analysis", 60) },
    };
    let there = store.restore_image(&restored, 8).await;
    assert!(matches!(there, Err(StoreError::AlreadyExists { .. })), "{there:?}");
    store.delete_image("a", &digest, true, 9).await.unwrap();
    assert_eq!(store.archivable_tags("a").await.unwrap(), []);
    store.purge_image("a", &digest).await.unwrap();
    assert_eq!(store.evaluations_of_image("a", &digest).await.unwrap(), []);

    let back = store.restore_image(&restored, 10).await.unwrap();
    let kept = |image: &killick_store::images::Image| {
        (image.analysis.clone(), image.given_id.clone(), image.created_at, image.analyzed_at, image.analysis_status)
    };
    assert_eq!(kept(&back), kept(&before));
    assert_eq!((back.annotations.as_str(), back.size_bytes), ("{\"k\":\"v\"}", 77));
    assert_eq!(store.evaluations_of_image("a", &digest).await.unwrap(), evaluations);
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap(), packages);
    let seen = store.first_detected("a", &digest).await.unwrap();
    assert_eq!(seen.iter().map(|row| row.detected_at).collect::<Vec<_>>(), [3, 4]);
    let tags = store.tags_of_image("a", &digest).await.unwrap();
    let tags: Vec<_> = tags.into_iter().map(|tag| (tag.tag, tag.child, tag.index_digest)).collect();
    assert_eq!(tags, [("new".to_owned(), true, Some(Digest::of(b"index"))), ("1".to_owned(), false, None)]);
    assert_eq!(store.places_of_image("a", &digest).await.unwrap(), restored.places);
    // Those of the old tag went off with the image; those of the new one never were on.
    let subscriptions = store.subscriptions("a", None, None).await.unwrap();
    assert_eq!((subscriptions.len(), subscriptions.iter().filter(|one| one.active).count()), (8, 0));
}

pub(crate) async fn rules_come_and_go(Opened { store, .. }: &Opened) {
    let added = store.add_archive_rule(&rule("a", "own"), 1).await.unwrap();
    assert_eq!(
        (added.repository.as_str(), added.exclude_tag.as_str(), added.exclude_expiration_days),
        ("x", "keep", 30)
    );
    let global = NewRule { system_global: true, ..rule("b", "global") };
    store.add_archive_rule(&global, 2).await.unwrap();
    let most = |id: &str| NewRule { system_global: true, max_images_per_account: Some(3), ..rule("b", id) };
    store.add_archive_rule(&most("most"), 3).await.unwrap();
    assert!(matches!(store.add_archive_rule(&most("more"), 4).await, Err(StoreError::AlreadyExists { .. })));
    let ids = async |account: &str, with_global: bool| {
        let rules = store.archive_rules(account, with_global).await.unwrap();
        rules.into_iter().map(|rule| rule.id).collect::<Vec<_>>()
    };
    assert_eq!(ids("a", true).await, ["own", "global", "most"]);
    assert_eq!(ids("a", false).await, ["own"]);
    assert_eq!(ids("b", true).await, ["global", "most"]);
    assert_eq!(store.archive_rule("a", "global").await.unwrap().account, "b");
    assert!(store.archive_rule("b", "own").await.is_err());
    assert!(store.delete_archive_rule("a", "global").await.is_err(), "it is another's");

    for at in 5..8 {
        store.add_archive_history("a", "own", &at.to_string(), Transition::Archive, at).await.unwrap();
    }
    store.add_archive_history("a", "none", "x", Transition::Delete, 8).await.unwrap();
    let digests = async || {
        let rows = store.archive_history("a", "own", 2).await.unwrap();
        rows.into_iter().map(|row| row.digest).collect::<Vec<_>>()
    };
    assert_eq!(digests().await, ["7", "6"]);
    assert_eq!(store.delete_old_archive_history(7).await.unwrap(), 2);
    assert_eq!(digests().await, ["7"]);
    store.delete_archive_rule("a", "own").await.unwrap();
    assert_eq!(digests().await, Vec::<String>::new());
}

/// However many follow a rule at once, or again: what it did is done once, and remembered once.
pub(crate) async fn rules_do_things_once(Opened { store, .. }: &Opened) {
    store.add_archive_rule(&rule("a", "own"), 1).await.unwrap();
    let digest = analyzed(store, &image("a", "one"), 3).await;
    let history = async || {
        let rows = store.archive_history("a", "own", 9).await.unwrap();
        rows.into_iter().map(|row| (row.digest, row.transition)).collect::<Vec<_>>()
    };
    assert!(!store.delete_image_by_rule("a", &digest, "own", 3, 5).await.unwrap(), "it was analyzed again");
    assert!(!store.delete_image_by_rule("b", &digest, "own", 4, 5).await.unwrap(), "it is another's");
    assert_eq!(history().await, []);
    let (one, other) = tokio::join!(
        store.delete_image_by_rule("a", &digest, "own", 4, 5),
        store.delete_image_by_rule("a", &digest, "own", 4, 5)
    );
    assert_ne!(one.unwrap(), other.unwrap());
    assert_eq!(history().await, [(digest.clone(), Transition::Archive)]);
    store.purge_image("a", &digest).await.unwrap();
    assert!(!store.delete_image_by_rule("a", &digest, "own", 4, 5).await.unwrap(), "it is gone");

    store.archive_image(&archived("a", "one"), 6).await.unwrap();
    let (one, other) = tokio::join!(
        store.delete_archived("a", &digest, Some("own"), 7),
        store.delete_archived("a", &digest, Some("own"), 7)
    );
    assert_ne!(one.unwrap(), other.unwrap());
    assert_eq!(history().await, [(digest.clone(), Transition::Delete), (digest.clone(), Transition::Archive)]);
    assert_eq!(store.purge_archived().await.unwrap(), 1);
    assert!(!store.delete_archived("a", &digest, Some("own"), 8).await.unwrap(), "it is gone");
    assert_eq!(history().await.len(), 2);
}
