//! Documents in a folder, in the database and in a bucket, and on their way between them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::TryStreamExt as _;
use killick_model::digest::Digest;
use killick_store::blobs::{BlobsAt, Bucket};
use killick_store::{Settings, Store, StoreError};
use object_store::ObjectStore as _;
use object_store::aws::AmazonS3Builder;
use secrecy::ExposeSecret as _;

use super::s3_server::{self, S3Server};
use super::{Opened, bucket, image, open};

const ALWAYS: i64 = i64::MAX;

/// Microseconds.
const DAY: i64 = 86_400_000_000;

/// A bucket, and when what is written there is written, to within a day.
struct Place {
    bucket: Bucket,
    now: i64,
}

impl Place {
    /// One that answers as we think S3 does.
    async fn fake() -> Self {
        Self { bucket: bucket::start().await, now: bucket::WRITTEN_AT }
    }

    /// An empty one of Swift.
    fn swift() -> Self {
        static SERVER: LazyLock<S3Server> = LazyLock::new(S3Server::start);
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < s3_server::BUCKETS, "the tests need more buckets");
        let bucket = Bucket {
            name: format!("scans-{number}"),
            prefix: "of/killick".to_owned(),
            endpoint: SERVER.endpoint.clone(),
            region: s3_server::REGION.to_owned(),
            access_key_id: s3_server::ACCESS_KEY.to_owned(),
            secret_access_key: Some(s3_server::SECRET.into()),
        };
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
        Self { bucket, now: i64::try_from(now).unwrap() }
    }

    /// The settings of a store that keeps its documents there.
    fn settings(&self) -> BlobsAt {
        BlobsAt::Bucket(self.bucket.clone())
    }

    /// The names of all objects in it.
    async fn keys(&self) -> Vec<String> {
        let client = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket.name)
            .with_endpoint(&self.bucket.endpoint)
            .with_allow_http(true)
            .with_region(&self.bucket.region)
            .with_access_key_id(&self.bucket.access_key_id)
            .with_secret_access_key(self.bucket.secret_access_key.as_ref().unwrap().expose_secret());
        let all: Vec<_> = client.build().unwrap().list(None).try_collect().await.unwrap();
        all.into_iter().map(|meta| meta.location.to_string()).collect()
    }
}

/// Functions for either bucket: for tests on both engines with a fake one, and tests on SQLite with one of Swift, which is
/// slow and does not know of engines.
macro_rules! in_either_bucket {
    ($($name:ident),+) => {
        pub(crate) mod fake_bucket {
            $(pub(crate) async fn $name(opened: &crate::Opened) { super::$name(opened, &super::Place::fake().await).await; })+
        }
        mod swift {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&crate::open(None).await, &super::Place::swift()).await;
                }
            )+
        }
    };
}

in_either_bucket!(blobs_round_trip, orphans_go_in_two_steps, blobs_move_between_places);

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

pub(crate) async fn blobs_round_trip_in_the_database(opened: &Opened) {
    round_trip(&reopened(opened, BlobsAt::Database).await).await;
}

async fn blobs_round_trip(opened: &Opened, place: &Place) {
    round_trip(&reopened(opened, place.settings()).await).await;
    assert_eq!(place.keys().await, [""; 0]);
}

async fn round_trip(store: &Store) {
    let blobs = store.blobs();
    // Nothing, what compresses, and what does not.
    let dense: Vec<u8> = (0..300_000_u32).flat_map(|number| *Digest::of(&number.to_le_bytes()).as_bytes()).collect();
    for plain in [Vec::new(), "the same words again and again ".repeat(1000).into_bytes(), dense] {
        let key = blobs.put(plain.clone()).await.unwrap();
        assert_eq!(blobs.put(plain.clone()).await.unwrap(), key);
        let size = plain.len() as u64;
        let stored = blobs.stored_bytes(&key).await.unwrap();
        assert!(blobs.exists(&key).await.unwrap() && stored < size + 1024, "{size} became {stored}");
        assert_eq!(blobs.get(&key, size).await.unwrap(), plain);
        if let Some(less) = size.checked_sub(1) {
            let small = blobs.get(&key, less).await;
            assert!(
                matches!(small, Err(StoreError::BlobTooLarge { limit_bytes, .. }) if limit_bytes == less),
                "{small:?}"
            );
        }
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

async fn orphans_go_in_two_steps(opened: &Opened, place: &Place) {
    let store = reopened(opened, place.settings()).await;
    let blobs = store.blobs();
    // As of yesterday everything is new, as of tomorrow everything is old.
    let (yesterday, tomorrow) = (place.now - DAY, place.now + DAY);
    let aside = async || place.keys().await.iter().filter(|key| key.starts_with("of/killick/aside/")).count();
    let (kept, orphan) = (put(&store, "named").await, put(&store, "orphan").await);
    let (late, read) = (put(&store, "named late").await, put(&store, "read").await);
    name(&store, &kept).await;
    assert_eq!(store.delete_orphan_blobs(yesterday).await.unwrap(), 0, "they are too new");
    assert_eq!(aside().await, 0);
    assert_eq!(store.delete_orphan_blobs(tomorrow).await.unwrap(), 0, "first they are set aside");
    assert_eq!(aside().await, 3);
    assert!(blobs.exists(&kept).await.unwrap() && !blobs.exists(&late).await.unwrap());
    // Somebody wrote it just before it was set aside, and commits the row only now; somebody else reads one.
    store.put_layer_fact(&Digest::of(b"layer"), "1", &late, 3).await.unwrap();
    assert_eq!(blobs.get(&read, 100).await.unwrap(), b"read");
    assert_eq!(store.delete_orphan_blobs(yesterday).await.unwrap(), 0, "they have not been aside for long");
    assert_eq!(aside().await, 2, "what has a name came back");
    assert_eq!(store.delete_orphan_blobs(tomorrow).await.unwrap(), 2, "the orphan, and the copy of what was read");
    assert!(!blobs.exists(&orphan).await.unwrap());
    assert!(matches!(blobs.get(&orphan, 100).await, Err(StoreError::NotFound { .. })));
    for (key, text) in [(&kept, "named"), (&late, "named late")] {
        assert_eq!(blobs.get(key, 100).await.unwrap(), text.as_bytes());
    }
}

async fn blobs_move_between_places(opened: &Opened, place: &Place) {
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
    let done = store.migrate_blobs(settings, &place.settings(), |_| {}).await.unwrap();
    assert_eq!((done.copied, done.missing), (21, vec![damaged]));
    let names = place.keys().await;
    assert!(names.len() == 21 && names.iter().all(|key| key.starts_with("of/killick/")), "{names:?}");

    // And back again.
    let store = reopened(opened, place.settings()).await;
    store.blobs().get(&keys[0], 100).await.unwrap();
    for key in &keys {
        opened.store.blobs().delete(key).await.unwrap();
    }
    let done = store.migrate_blobs(settings, &BlobsAt::Folder, |_| {}).await.unwrap();
    assert_eq!((done.copied, done.there), (21, 0));
    for key in &keys {
        opened.store.blobs().get(key, 100).await.unwrap();
    }
}

/// The keys of so many blobs whose names begin alike, which are listed together.
async fn put_alike(store: &Store, count: usize) -> Vec<Digest> {
    let mut keys = Vec::new();
    for text in (0_u32..).map(|number| format!("document {number}")) {
        if Digest::of(text.as_bytes()).hex().starts_with("00") {
            keys.push(put(store, &text).await);
        }
        if keys.len() == count {
            break;
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_read_page_by_page() {
    let opened = open(None).await;
    let place = Place::swift();
    let store = reopened(&opened, place.settings()).await;
    // Swift lists 20 at a time here.
    let keys = put_alike(&store, 45).await;
    let done = store.migrate_blobs(&opened.settings, &BlobsAt::Folder, |_| {}).await.unwrap();
    assert_eq!((done.copied, done.there), (45, 0));
    assert_eq!(store.delete_orphan_blobs(ALWAYS).await.unwrap(), 0);
    assert_eq!(place.keys().await.iter().filter(|key| key.starts_with("of/killick/aside/")).count(), 45);
    assert_eq!(store.delete_orphan_blobs(ALWAYS).await.unwrap(), 45);
    assert_eq!(place.keys().await, [""; 0]);
    assert!(opened.store.blobs().exists(&keys[44]).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_may_be_anything() {
    let opened = open(None).await;
    for prefix in ["", "/with a space//+plus=100%/ünï/~code/"] {
        let mut place = Place::swift();
        prefix.clone_into(&mut place.bucket.prefix);
        let store = reopened(&opened, place.settings()).await;
        let key = put(&store, "document").await;
        assert_eq!(store.blobs().get(&key, 100).await.unwrap(), b"document", "{prefix}");
        // It is set aside by copying, which names the object in a header, and comes back when it is read.
        assert_eq!(store.delete_orphan_blobs(ALWAYS).await.unwrap(), 0, "{prefix}");
        assert!(!store.blobs().exists(&key).await.unwrap(), "{prefix}");
        assert_eq!(store.blobs().get(&key, 100).await.unwrap(), b"document", "{prefix}");
    }
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_refuses_is_told_from_a_blob_that_is_not_there() {
    let opened = open(None).await;
    let right = Place::swift().bucket;
    let wrong = [
        (Bucket { secret_access_key: Some("hunter3".into()), ..right.clone() }, "SignatureDoesNotMatch"),
        (Bucket { access_key_id: "killick:nobody".to_owned(), ..right.clone() }, "SignatureDoesNotMatch"),
        (Bucket { region: "eu-other-1".to_owned(), ..right.clone() }, "AuthorizationHeaderMalformed"),
        (Bucket { name: "nowhere".to_owned(), ..right.clone() }, "NoSuchBucket"),
    ];
    for (bucket, why) in wrong {
        let store = reopened(&opened, BlobsAt::Bucket(bucket.clone())).await;
        let refused = store.blobs().put(b"document".to_vec()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Blob { .. }) && whole(&refused).contains(why), "{}", whole(&refused));
        let refused = store.blobs().get(&Digest::of(b"document"), 100).await.unwrap_err();
        assert!(matches!(refused, StoreError::Blob { .. }) && whole(&refused).contains(why), "{}", whole(&refused));
        let refused = store.delete_orphan_blobs(ALWAYS).await.unwrap_err();
        assert!(whole(&refused).contains(why), "{}", whole(&refused));
        put(&opened.store, "document").await;
        let refused = opened.store.migrate_blobs(&opened.settings, &BlobsAt::Bucket(bucket), |_| {}).await.unwrap_err();
        assert!(matches!(refused, StoreError::Blob { .. }), "{}", whole(&refused));
    }
}
