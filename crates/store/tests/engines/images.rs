//! Images and their analysis.

use std::collections::BTreeMap;

use killick_model::digest::Digest;
use killick_store::StoreError;
use killick_store::images::{AnalysisStatus, Deletion, ImageFilter, ImageStatus, NewImage};
use killick_store::tasks::{NewTask, TaskState};

use super::{Opened, analysis, analyzed, image, tag, task};

pub(crate) async fn adding_again_changes_nothing(Opened { store, .. }: &Opened) {
    let (first, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    assert!(id.is_some());
    assert_eq!(store.add_image(&image("a", "one"), 2).await.unwrap(), (first, None));
    let digest = Digest::of(b"one").to_string();
    let (_, lease) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    store.start_analysis(&lease, "a", &digest, 3).await.unwrap();
    assert_eq!(store.add_image(&image("a", "one"), 4).await.unwrap().1, None);
    store.finish_analysis(&lease, "a", &digest, &analysis("x", 1), 5).await.unwrap();
    let (again, id) = store.add_image(&image("a", "one"), 6).await.unwrap();
    assert_eq!((again.analysis_status, id), (AnalysisStatus::Analyzed, None));
    assert_eq!(store.tags("a").await.unwrap().len(), 1);
}

pub(crate) async fn annotations_are_merged(Opened { store, .. }: &Opened) {
    let with = |pairs: &[(&str, Option<&str>)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
        NewImage { annotations: pairs.collect::<BTreeMap<_, _>>(), ..image("a", "one") }
    };
    store.add_image(&with(&[("x", Some("1")), ("y", Some("2"))]), 1).await.unwrap();
    let (merged, _) = store.add_image(&with(&[("x", None), ("z", Some("3"))]), 2).await.unwrap();
    assert_eq!(merged.annotations, r#"{"y":"2","z":"3"}"#);
}

pub(crate) async fn a_failed_image_is_tried_again(Opened { store, .. }: &Opened) {
    let digest = Digest::of(b"one").to_string();
    let new = NewImage { task: NewTask { max_attempts: 1, ..task("a", None) }, ..image("a", "one") };
    store.add_image(&new, 1).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    store.fail_analysis(&lease, "a", &digest, "no such host", Some(5), 3).await.unwrap();
    let failed = store.image("a", &digest).await.unwrap();
    assert_eq!(
        (failed.analysis_status, failed.failure.as_deref()),
        (AnalysisStatus::AnalysisFailed, Some("no such host"))
    );
    let (again, id) = store.add_image(&new, 4).await.unwrap();
    assert_eq!((again.analysis_status, again.failure), (AnalysisStatus::NotAnalyzed, None));
    assert_eq!(store.claim(&[], 10, 5).await.unwrap().unwrap().0.id, id.unwrap());
}

pub(crate) async fn analysis_is_atomic(Opened { store, .. }: &Opened) {
    let (added, _) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let digest = added.digest.to_string();
    let (_, lost) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    assert!(store.start_analysis(&lost, "a", &digest, 3).await.unwrap());
    let (_, lease) = store.claim(&[], 10, 20).await.unwrap().unwrap();
    assert_eq!(store.image("a", &digest).await.unwrap().analysis_status, AnalysisStatus::NotAnalyzed);
    assert!(!store.start_analysis(&lost, "a", &digest, 20).await.unwrap());
    assert!(store.start_analysis(&lease, "a", &digest, 20).await.unwrap());
    let refused = store.finish_analysis(&lost, "a", &digest, &analysis("late", 2), 21).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })));
    let refused = store.fail_analysis(&lost, "a", &digest, "late", Some(5), 21).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })));
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap(), []);
    store.finish_analysis(&lease, "a", &digest, &analysis("x", 1), 22).await.unwrap();
    let packages = store.packages_of_image("a", &digest).await.unwrap();
    assert_eq!(packages.len(), 1);
    assert_eq!(store.carriers("a", &[packages[0].id], 9, 0).await.unwrap().total, 1);
    assert_eq!(store.packages_named("package-000000").await.unwrap(), packages);
    let image = store.image("a", &digest).await.unwrap();
    assert_eq!((image.analysis_status, image.analyzed_at), (AnalysisStatus::Analyzed, Some(22)));
    assert_eq!((image.distro.as_str(), image.layer_count, image.size_bytes), ("debian", 3, 9));
}

pub(crate) async fn finishing_twice_is_once(Opened { store, .. }: &Opened) {
    let (added, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let digest = added.digest.to_string();
    let (_, lease) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("x", 3), 4).await.unwrap();
    let before = store.image("a", &digest).await.unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("other", 1), 5).await.unwrap();
    assert_eq!(store.image("a", &digest).await.unwrap(), before);
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap().len(), 3);
    assert_eq!(store.task("a", id.unwrap()).await.unwrap().state, TaskState::Done);
}

pub(crate) async fn many_packages_are_written(Opened { store, .. }: &Opened) {
    for (name, count) in [("none", 0), ("one", 1), ("fifty", 50), ("more", 51), ("many", 523)] {
        let digest = analyzed(store, &image("a", name), count).await;
        let rows = store.packages_of_image("a", &digest).await.unwrap();
        let want: Vec<_> = analysis("", count).packages.into_iter().map(|package| package.0[1].clone()).collect();
        assert_eq!(rows.into_iter().map(|row| row.name).collect::<Vec<_>>(), want, "{name}");
    }
    let shared = store.packages_named("package-000000").await.unwrap();
    assert_eq!(shared.len(), 1);
    assert_eq!(store.carriers("a", &[shared[0].id], 9, 0).await.unwrap().total, 4);
}

pub(crate) async fn filters_choose(Opened { store, .. }: &Opened) {
    analyzed(store, &image("a", "analyzed"), 0).await;
    store.add_image(&NewImage { tag: tag("2"), ..image("a", "waiting") }, 7).await.unwrap();
    let gone = store.add_image(&NewImage { tag: tag("3"), ..image("a", "gone") }, 8).await.unwrap().0;
    store.delete_image("a", &gone.digest.to_string(), true, 9).await.unwrap();
    let cases = [
        (None, None, vec!["gone", "waiting", "analyzed"]),
        (Some(ImageStatus::Active), None, vec!["waiting", "analyzed"]),
        (Some(ImageStatus::Deleting), None, vec!["gone"]),
        (None, Some(AnalysisStatus::Analyzed), vec!["analyzed"]),
        (Some(ImageStatus::Active), Some(AnalysisStatus::NotAnalyzed), vec!["waiting"]),
        (None, Some(AnalysisStatus::AnalysisFailed), vec![]),
    ];
    for (image_status, analysis_status, want) in cases {
        let filter = ImageFilter { image_status, analysis_status };
        let found: Vec<_> = store.images("a", filter).await.unwrap().into_iter().map(|image| image.digest).collect();
        let want: Vec<_> = want.iter().map(|name| Digest::of(name.as_bytes())).collect();
        assert_eq!(found, want, "{filter:?}");
        let of_tag = store.images_by_tag("a", &tag("3"), filter, 9).await.unwrap();
        assert_eq!(of_tag.len(), usize::from(want.contains(&gone.digest)), "{filter:?}");
    }
}

pub(crate) async fn analyzed_images_page_by_digest(Opened { store, .. }: &Opened) {
    let mut want = Vec::new();
    for (name, number) in [("one", "1"), ("two", "2"), ("three", "3")] {
        analyzed(store, &NewImage { tag: tag(number), ..image("a", name) }, 0).await;
        want.push(Digest::of(name.as_bytes()));
    }
    analyzed(store, &image("b", "other"), 0).await;
    store.add_image(&NewImage { tag: tag("4"), ..image("a", "waiting") }, 7).await.unwrap();
    want.sort_by_key(ToString::to_string);
    let page = async |after: String, limit| -> Vec<Digest> {
        store.analyzed_images("a", &after, limit).await.unwrap().into_iter().map(|image| image.digest).collect()
    };
    assert_eq!(page(String::new(), 2).await, want[..2]);
    assert_eq!(page(want[1].to_string(), 2).await, want[2..]);
    assert_eq!(page(want[2].to_string(), 2).await, []);
}

pub(crate) async fn images_are_found(Opened { store, .. }: &Opened) {
    let index = Digest::of(b"index");
    let new = NewImage { index_digest: Some(index.clone()), ..image("a", "one") };
    let (added, _) = store.add_image(&new, 1).await.unwrap();
    assert_eq!(store.image("a", &added.digest.to_string()).await.unwrap(), added);
    assert_eq!(store.image("a", &index.to_string()).await.unwrap(), added);
    assert_eq!(store.image_by_config("a", &added.config_digest.to_string()).await.unwrap(), added);
    assert!(matches!(store.image("a", "sha256:none").await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn force_during_analysis_analyzes_again(Opened { store, .. }: &Opened) {
    let (added, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let digest = added.digest.to_string();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    store.start_analysis(&lease, "a", &digest, 2).await.unwrap();
    let task = NewTask { payload: "again".to_owned(), ..task("a", None) };
    let forced = NewImage { force: true, task, ..image("a", "one") };
    assert_eq!(store.add_image(&forced, 3).await.unwrap().1, id);
    assert_eq!(store.claim(&[], 10, 4).await.unwrap(), None);
    assert!(store.renew(&lease, 10, 4).await.unwrap());
    store.finish_analysis(&lease, "a", &digest, &analysis("first", 1), 5).await.unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("first", 1), 5).await.unwrap();
    let between = store.image("a", &digest).await.unwrap();
    assert_eq!((between.analysis_status, between.analysis), (AnalysisStatus::NotAnalyzed, Some(Digest::of(b"first"))));
    let (task, lease) = store.claim(&[], 10, 6).await.unwrap().unwrap();
    assert_eq!((Some(task.id), task.attempts, task.payload.as_str()), (id, 1, "again"));
    store.start_analysis(&lease, "a", &digest, 6).await.unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("second", 2), 7).await.unwrap();
    let end = store.image("a", &digest).await.unwrap();
    assert_eq!((end.analysis_status, end.analysis), (AnalysisStatus::Analyzed, Some(Digest::of(b"second"))));
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap().len(), 2);
    assert_eq!(store.claim(&[], 10, 99).await.unwrap(), None);
    // The first attempt may also fail, or vanish: it is followed just so.
    for vanish in [false, true] {
        store.add_image(&forced, 100).await.unwrap();
        let (_, lease) = store.claim(&[], 10, 100).await.unwrap().unwrap();
        store.fail(&lease, "once", Some(0), 101).await.unwrap();
        let (_, lease) = store.claim(&[], 10, 102).await.unwrap().unwrap();
        store.add_image(&forced, 103).await.unwrap();
        if vanish {
            assert_eq!(store.give_up_vanished(112).await.unwrap(), []);
        } else {
            store.fail_analysis(&lease, "a", &digest, "twice", Some(1000), 104).await.unwrap();
        }
        let (task, lease) = store.claim(&[], 10, 113).await.unwrap().unwrap();
        assert_eq!((task.attempts, task.again), (1, false));
        store.finish_analysis(&lease, "a", &digest, &analysis("third", 2), 114).await.unwrap();
        assert_eq!(store.claim(&[], 10, 999).await.unwrap(), None);
    }
}

pub(crate) async fn force_while_queued_is_one_task(Opened { store, .. }: &Opened) {
    let (_, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let forced = NewImage { force: true, dockerfile: Some("FROM x".to_owned()), ..image("a", "one") };
    let (image, again) = store.add_image(&forced, 2).await.unwrap();
    assert_eq!(again, id);
    assert_eq!((image.dockerfile.as_deref(), image.dockerfile_mode.as_str()), (Some("FROM x"), "Actual"));
    let (_, lease) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    store.finish_analysis(&lease, "a", &image.digest.to_string(), &analysis("x", 0), 4).await.unwrap();
    assert_eq!(store.claim(&[], 10, 99).await.unwrap(), None);
    // One that waits for its back-off goes at once.
    store.add_image(&forced, 100).await.unwrap();
    let (_, lease) = store.claim(&[], 10, 101).await.unwrap().unwrap();
    store.fail(&lease, "why", Some(1000), 102).await.unwrap();
    assert_eq!(store.claim(&[], 10, 103).await.unwrap(), None);
    store.add_image(&forced, 104).await.unwrap();
    assert_eq!(store.claim(&[], 10, 105).await.unwrap().unwrap().0.attempts, 1);
}

pub(crate) async fn deletion_follows_the_rules(Opened { store, .. }: &Opened) {
    let old = store.add_image(&image("a", "one"), 1).await.unwrap().0.digest;
    let new = store.add_image(&NewImage { detected_at: 6, ..image("a", "two") }, 2).await.unwrap().0.digest;
    let refused = store.delete_image("a", &new.to_string(), false, 3).await.unwrap();
    assert!(matches!(refused, Deletion::Refused(_)));
    assert_eq!(store.image("a", &new.to_string()).await.unwrap().image_status, ImageStatus::Active);
    let (task, lease) = store.claim(&[], 10, 3).await.unwrap().unwrap();
    assert_eq!(task.image, Some(old.to_string()));
    store.start_analysis(&lease, "a", &old.to_string(), 3).await.unwrap();
    let refused = store.delete_image("a", &old.to_string(), false, 3).await.unwrap();
    assert_eq!(refused, Deletion::Refused("the image is being analyzed"));
    store.fail_analysis(&lease, "a", &old.to_string(), "why", Some(0), 3).await.unwrap();
    assert_eq!(store.delete_image("a", &old.to_string(), false, 4).await.unwrap(), Deletion::Deleting(old.clone()));
    assert_eq!(store.delete_image("a", &old.to_string(), false, 5).await.unwrap(), Deletion::Deleting(old.clone()));
    assert_eq!(store.delete_image("a", &new.to_string(), true, 5).await.unwrap(), Deletion::Deleting(new));
    let active = store.subscriptions("a", None, None).await.unwrap().into_iter().filter(|row| row.active).count();
    assert_eq!(active, 0);
    store.purge_image("a", &old.to_string()).await.unwrap();
    assert_eq!(store.images("a", ImageFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.delete_image("a", &old.to_string(), true, 6).await.unwrap(), Deletion::NotFound);
}

pub(crate) async fn a_deleted_image_comes_back(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 1).await;
    store.delete_image("a", &digest, true, 5).await.unwrap();
    let (back, id) = store.add_image(&image("a", "one"), 6).await.unwrap();
    assert_eq!((back.image_status, back.analysis_status), (ImageStatus::Active, AnalysisStatus::NotAnalyzed));
    // Who saw that it was going away comes too late to remove it.
    store.purge_image("a", &digest).await.unwrap();
    assert_eq!(store.image("a", &digest).await.unwrap().image_status, ImageStatus::Active);
    assert_eq!(store.claim(&[], 10, 7).await.unwrap().unwrap().0.id, id.unwrap());
}

pub(crate) async fn an_image_gone_ends_its_task(Opened { store, .. }: &Opened) {
    let (added, id) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let digest = added.digest.to_string();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    assert!(store.start_analysis(&lease, "a", &digest, 2).await.unwrap());
    store.delete_image("a", &digest, true, 3).await.unwrap();
    assert!(!store.start_analysis(&lease, "a", &digest, 3).await.unwrap());
    store.purge_image("a", &digest).await.unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("x", 1), 4).await.unwrap();
    assert_eq!(store.task("a", id.unwrap()).await.unwrap().state, TaskState::Done);
    assert!(store.image("a", &digest).await.is_err());
}

pub(crate) async fn attempts_end_in_failure(Opened { store, .. }: &Opened) {
    let (added, _) = store.add_image(&image("a", "one"), 1).await.unwrap();
    let digest = added.digest.to_string();
    let mut seen = Vec::new();
    for now in [10, 20] {
        let (_, lease) = store.claim(&[], 5, now).await.unwrap().unwrap();
        store.start_analysis(&lease, "a", &digest, now).await.unwrap();
        let task = store.fail_analysis(&lease, "a", &digest, "timeout", Some(5), now + 1).await.unwrap();
        let image = store.image("a", &digest).await.unwrap();
        assert_eq!(image.failure.as_deref(), Some("timeout"));
        seen.push((task.state, image.analysis_status));
        assert_eq!(store.claim(&[], 5, now + 2).await.unwrap(), None);
    }
    let want = [(TaskState::Queued, AnalysisStatus::NotAnalyzed), (TaskState::Failed, AnalysisStatus::AnalysisFailed)];
    assert_eq!(seen, want);
}

/// Adding by force, finishing, sweeping and deleting lock their rows in one order.
pub(crate) async fn writers_do_not_deadlock(Opened { store, .. }: &Opened) {
    let forced = NewImage { force: true, ..image("a", "one") };
    let digest = forced.digest.to_string();
    store.add_image(&forced, 1).await.unwrap();
    let adding = async {
        for now in 0..20 {
            store.add_image(&forced, now).await.unwrap();
        }
    };
    let working = async {
        for now in 0..20 {
            if let Some((_, lease)) = store.claim(&[], 1000, now).await.unwrap() {
                store.start_analysis(&lease, "a", &digest, now).await.unwrap();
                store.finish_analysis(&lease, "a", &digest, &analysis("x", 60), now).await.unwrap();
            }
        }
    };
    let sweeping = async {
        for now in 0..20 {
            store.give_up_vanished(now).await.unwrap();
            store.delete_image("a", &digest, true, now).await.unwrap();
        }
    };
    tokio::join!(adding, working, sweeping);
}
