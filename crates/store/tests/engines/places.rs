//! Documents in a folder, in the database and in a bucket, and on their way between them.

use killick_model::digest::Digest;
use killick_store::blobs::BlobsAt;
use killick_store::{Settings, Store, StoreError};

use super::bucket::FakeBucket;
use super::{Opened, image};

const ALWAYS: i64 = i64::MAX;

/// Before what is old, and after what is new.
const SOMEWHEN: i64 = 1_500_000_000_000_000;

async fn reopened(opened: &Opened, blobs: BlobsAt) -> Store {
    Store::open(&Settings { blobs, ..opened.settings.clone() }).await.unwrap()
}

async fn put(store: &Store, text: &str) -> Digest {
    store.blobs().put(text.as_bytes().to_vec()).await.unwrap()
}

/// Adds an image whose manifest is this blob.
async fn name(store: &Store, manifest: &Digest) {
    let mut new = image("a", "one");
    new.manifest = Some(manifest.clone());
    store.add_image(&new, 1).await.unwrap();
}

pub(crate) async fn blobs_round_trip_anywhere(opened: &Opened) {
    let bucket = FakeBucket::start().await;
    for at in [BlobsAt::Database, BlobsAt::Bucket(bucket.settings.clone())] {
        let store = reopened(opened, at).await;
        let plain = "the same words again and again ".repeat(1000).into_bytes();
        let blobs = store.blobs();
        let key = blobs.put(plain.clone()).await.unwrap();
        assert_eq!(blobs.put(plain.clone()).await.unwrap(), key);
        assert!(blobs.exists(&key).await.unwrap() && blobs.stored_bytes(&key).await.unwrap() < 1000);
        let size = plain.len() as u64;
        assert_eq!(blobs.get(&key, size).await.unwrap(), plain);
        let small = blobs.get(&key, 10).await;
        assert!(matches!(small, Err(StoreError::BlobTooLarge { limit_bytes: 10, .. })), "{small:?}");
        blobs.delete(&key).await.unwrap();
        blobs.delete(&key).await.unwrap();
        assert!(!blobs.exists(&key).await.unwrap());
        assert!(matches!(blobs.get(&key, size).await, Err(StoreError::NotFound { .. })));
    }
}

pub(crate) async fn orphans_go_from_the_database(opened: &Opened) {
    let store = reopened(opened, BlobsAt::Database).await;
    let (named, orphan) = (put(&store, "named").await, put(&store, "orphan").await);
    name(&store, &named).await;
    assert_eq!(store.delete_orphan_blobs(1).await.unwrap(), 0, "they are too new");
    assert_eq!(store.delete_orphan_blobs(ALWAYS).await.unwrap(), 1);
    assert!(store.blobs().exists(&named).await.unwrap() && !store.blobs().exists(&orphan).await.unwrap());
}

pub(crate) async fn orphans_go_from_a_bucket_in_two_steps(opened: &Opened) {
    let bucket = FakeBucket::start().await;
    let store = reopened(opened, BlobsAt::Bucket(bucket.settings.clone())).await;
    let blobs = store.blobs();
    let (kept, orphan) = (put(&store, "named").await, put(&store, "orphan").await);
    let (late, read) = (put(&store, "named late").await, put(&store, "read").await);
    name(&store, &kept).await;
    assert_eq!(store.delete_orphan_blobs(SOMEWHEN).await.unwrap(), 0, "they are too new");
    assert_eq!(bucket.keys().iter().filter(|key| key.contains("aside")).count(), 0);
    bucket.grow_old();
    assert_eq!(store.delete_orphan_blobs(SOMEWHEN).await.unwrap(), 0, "first they are set aside");
    assert_eq!(bucket.keys().iter().filter(|key| key.starts_with("of/killick/aside/")).count(), 3);
    assert!(blobs.exists(&kept).await.unwrap() && !blobs.exists(&late).await.unwrap());
    // Somebody wrote it just before it was set aside, and commits the row only now; somebody else reads one.
    store.put_layer_fact(&Digest::of(b"layer"), "1", &late, 3).await.unwrap();
    assert_eq!(blobs.get(&read, 100).await.unwrap(), b"read");
    assert_eq!(store.delete_orphan_blobs(SOMEWHEN).await.unwrap(), 0, "they have not been aside for long");
    bucket.grow_old();
    assert_eq!(store.delete_orphan_blobs(SOMEWHEN).await.unwrap(), 2, "the orphan, and the copy of what was read");
    assert!(!blobs.exists(&orphan).await.unwrap());
    assert!(matches!(blobs.get(&orphan, 100).await, Err(StoreError::NotFound { .. })));
    for (key, text) in [(&kept, "named"), (&late, "named late")] {
        assert_eq!(blobs.get(key, 100).await.unwrap(), text.as_bytes());
    }
}

pub(crate) async fn blobs_move_between_places(opened: &Opened) {
    let bucket = FakeBucket::start().await;
    let in_bucket = BlobsAt::Bucket(bucket.settings.clone());
    let (store, settings) = (&opened.store, &opened.settings);
    let mut keys = Vec::new();
    for number in 0..20 {
        keys.push(put(store, &format!("document {number}")).await);
    }
    name(store, &keys[0]).await;
    let damaged = put(store, "damaged").await;
    let hex = damaged.hex();
    fs_err::write(settings.data_dir.join("blobs").join(&hex[..2]).join(&hex), "no zstd").unwrap();
    store.put_layer_fact(&Digest::of(b"layer"), "1", &damaged, 3).await.unwrap();

    let mut steps = 0;
    let done = store.migrate_blobs(settings, &BlobsAt::Database, |_| steps += 1).await.unwrap();
    assert_eq!((done.copied, done.there, steps), (20, 0, 21));
    assert_eq!((&done.damaged, &done.missing), (&vec![damaged.clone()], &vec![damaged.clone()]));
    // What is written meanwhile comes with the next run, which copies nothing else.
    keys.push(put(store, "written meanwhile").await);
    store.blobs().delete(&damaged).await.unwrap();
    let done = store.migrate_blobs(settings, &BlobsAt::Database, |_| {}).await.unwrap();
    assert_eq!((done.copied, done.there, done.damaged), (1, 20, vec![]));

    let store = reopened(opened, BlobsAt::Database).await;
    let done = store.migrate_blobs(settings, &in_bucket, |_| {}).await.unwrap();
    assert_eq!((done.copied, done.missing), (21, vec![damaged]));
    assert!(bucket.keys().iter().all(|key| key.starts_with("of/killick/")), "{:?}", bucket.keys());
    let store = reopened(opened, in_bucket).await;
    for key in &keys {
        store.blobs().get(key, 100).await.unwrap();
    }
}
