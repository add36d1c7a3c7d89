//! Imports: what is uploaded, and how they end.

use killick_model::digest::Digest;
use killick_store::StoreError;
use killick_store::images::NewImage;
use killick_store::imports::{ImportStatus, NewContent};

use super::{Opened, analysis, image, tag};

pub(crate) fn content(text: &str) -> NewContent {
    let size_bytes = i64::try_from(text.len()).unwrap();
    NewContent { kind: "packages", digest: Digest::of(text.as_bytes()), size_bytes, max_contents: 3 }
}

fn imported(account: &str, name: &str, import: &str) -> NewImage {
    NewImage { import: Some(import.to_owned()), given_id: Some("given".to_owned()), ..image(account, name) }
}

pub(crate) async fn imports_take_documents(Opened { store, .. }: &Opened) {
    let begun = store.create_import("a", "i", "u", 100, 2, 1).await.unwrap();
    assert_eq!((begun.status, begun.expires_at, begun.created_at), (ImportStatus::Pending, 100, 1));
    assert_eq!(begun.created_by.as_deref(), Some("u"));
    store.create_import("a", "j", "u", 100, 2, 2).await.unwrap();
    assert!(matches!(store.create_import("a", "k", "u", 100, 2, 3).await, Err(StoreError::Refused { .. })), "too many");
    assert!(store.create_import("b", "k", "u", 100, 2, 3).await.is_ok(), "of another account");

    let first = store.add_import_content("a", "i", &content("one"), 4).await.unwrap();
    assert_eq!(store.add_import_content("a", "i", &content("one"), 5).await.unwrap(), first, "the same once more");
    let manifest = NewContent { kind: "manifest", ..content("one") };
    store.add_import_content("a", "i", &manifest, 6).await.unwrap();
    store.add_import_content("a", "i", &content("two"), 7).await.unwrap();
    let refused = store.add_import_content("a", "i", &content("three"), 8).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "too many");
    let kinds = async |kind: Option<&str>| {
        let all = store.import_contents("a", "i", kind).await.unwrap();
        all.into_iter().map(|one| (one.r#type, one.size_bytes, one.created_at)).collect::<Vec<_>>()
    };
    let packages = |at: i64| ("packages".to_owned(), 3, at);
    assert_eq!(kinds(Some("packages")).await, [packages(4), packages(7)]);
    assert_eq!(kinds(None).await, [packages(4), ("manifest".to_owned(), 3, 6), packages(7)]);

    let called_off = store.invalidate_import("a", "i", 9).await.unwrap();
    assert_eq!((called_off.status, called_off.updated_at), (ImportStatus::Invalidated, 9));
    assert!(store.add_import_content("a", "i", &content("one"), 10).await.is_err(), "it has ended");
    let statuses: Vec<_> = store.imports("a").await.unwrap().into_iter().map(|one| (one.id, one.status)).collect();
    assert_eq!(statuses, [("i".to_owned(), ImportStatus::Invalidated), ("j".to_owned(), ImportStatus::Pending)]);
}

pub(crate) async fn an_import_is_used_once(Opened { store, .. }: &Opened) {
    store.create_import("a", "i", "u", 100, 9, 1).await.unwrap();
    let (row, queued) = store.add_image(&imported("a", "one", "i"), 2).await.unwrap();
    assert!(queued.is_some());
    assert_eq!(row.given_id.as_deref(), Some("given"));
    assert_eq!(store.image_by_given_id("a", "given").await.unwrap().digest, row.digest);
    assert_eq!(store.import("a", "i").await.unwrap().status, ImportStatus::Processing);
    let again = store.add_image(&imported("a", "two", "i"), 3).await;
    assert!(matches!(again, Err(StoreError::Refused { .. })), "{again:?}");
    assert!(store.image("a", &Digest::of(b"two").to_string()).await.is_err(), "nothing of it is kept");
    assert_eq!(store.invalidate_import("a", "i", 4).await.unwrap().status, ImportStatus::Processing);

    // An image that is there already has no task: the import is over.
    store.create_import("a", "j", "u", 100, 9, 5).await.unwrap();
    let (_, queued) = store.add_image(&imported("a", "one", "j"), 6).await.unwrap();
    assert_eq!((queued, store.import("a", "j").await.unwrap().status), (None, ImportStatus::Complete));

    store.create_import("a", "late", "u", 7, 9, 5).await.unwrap();
    assert!(store.add_image(&imported("a", "three", "late"), 7).await.is_err(), "it has expired");
}

pub(crate) async fn an_import_brings_all_its_tags(Opened { store, .. }: &Opened) {
    store.create_import("a", "i", "u", 100, 9, 1).await.unwrap();
    let new = NewImage { other_tags: vec![tag("2"), tag("3")], ..imported("a", "one", "i") };
    let (row, _) = store.add_image(&new, 2).await.unwrap();
    let mut tags: Vec<_> =
        store.tags_of_image("a", &row.digest.to_string()).await.unwrap().into_iter().map(|tag| tag.tag).collect();
    tags.sort();
    assert_eq!(tags, ["1", "2", "3"]);
    assert_eq!(store.subscriptions("a", None, Some("analysis_update")).await.unwrap().len(), 3);
}

pub(crate) async fn imports_end_with_their_task(Opened { store, .. }: &Opened) {
    let status = async |id: &str| store.import("a", id).await.unwrap().status;
    for (id, name) in [("good", "one"), ("bad", "two"), ("gone", "three"), ("vanished", "four")] {
        store.create_import("a", id, "u", 100, 9, 1).await.unwrap();
        store.add_import_content("a", id, &content("x"), 1).await.unwrap();
        store.add_image(&imported("a", name, id), 2).await.unwrap();
        let digest = Digest::of(name.as_bytes()).to_string();
        let (_, lease) = store.claim(&[], 10, 3).await.unwrap().unwrap();
        match id {
            "good" => {
                assert!(store.start_analysis(&lease, "a", &digest, 3).await.unwrap());
                store.finish_analysis(&lease, "a", &digest, &analysis("found", 1), 4).await.unwrap();
            }
            "bad" => {
                store.fail_analysis(&lease, "a", &digest, "why", Some(0), 4).await.unwrap();
                assert_eq!(status(id).await, ImportStatus::Processing, "it is tried again");
                let (_, lease) = store.claim(&[], 10, 5).await.unwrap().unwrap();
                store.fail_analysis(&lease, "a", &digest, "why", None, 6).await.unwrap();
            }
            "gone" => {
                store.delete_image("a", &digest, true, 9).await.unwrap();
                store.purge_image("a", &digest).await.unwrap();
                assert!(!store.start_analysis(&lease, "a", &digest, 3).await.unwrap());
                store.complete(&lease, 4).await.unwrap();
            }
            _ => {
                store.claim(&[], 10, 50).await.unwrap().unwrap();
                assert_eq!(store.give_up_vanished(90).await.unwrap().len(), 1);
            }
        }
    }
    assert_eq!(status("good").await, ImportStatus::Complete);
    for id in ["bad", "gone", "vanished"] {
        assert_eq!(status(id).await, ImportStatus::Failed, "{id}");
    }
    // What was uploaded is not kept longer.
    assert_eq!(store.import_contents("a", "good", None).await.unwrap().len(), 1);
    assert_eq!(store.expire_imports(91).await.unwrap(), 0);
    assert_eq!(store.import_contents("a", "good", None).await.unwrap(), []);
}

pub(crate) async fn imports_expire(Opened { store, .. }: &Opened) {
    for (id, until) in [("i", 10), ("j", 20), ("k", 10)] {
        store.create_import("a", id, "u", until, 9, 1).await.unwrap();
    }
    let blob = store.blobs().put(b"a document".to_vec()).await.unwrap();
    store.add_import_content("a", "i", &content("a document"), 2).await.unwrap();
    store.add_image(&imported("a", "one", "k"), 3).await.unwrap();
    assert_eq!(store.delete_orphan_blobs(i64::MAX).await.unwrap(), 0, "it is named");
    assert!(store.add_import_content("a", "i", &content("x"), 10).await.is_err(), "too late");
    assert_eq!(store.expire_imports(10).await.unwrap(), 1);
    let statuses: Vec<_> = store.imports("a").await.unwrap().into_iter().map(|one| one.status).collect();
    assert_eq!(statuses, [ImportStatus::Expired, ImportStatus::Pending, ImportStatus::Processing]);
    assert_eq!(store.delete_orphan_blobs(i64::MAX).await.unwrap(), 1);
    assert!(!store.blobs().exists(&blob).await.unwrap());
    assert_eq!(store.delete_old_imports(10).await.unwrap(), 0);
    assert_eq!(store.delete_old_imports(11).await.unwrap(), 1);
    assert_eq!(store.imports("a").await.unwrap().len(), 2);
}
