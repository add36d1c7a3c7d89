//! Several images of one index.

use killick_model::digest::Digest;
use killick_store::Store;
use killick_store::images::{Deletion, ImageFilter, IndexPlace, NewImage};

use super::{Opened, image, tag};

/// An image of an index whose tags mean `main`.
fn placed(name: &str, index: &str, main: &str, position: i64, detected_at: i64) -> NewImage {
    let index = Digest::of(index.as_bytes());
    let place = IndexPlace {
        index: index.clone(),
        main: Digest::of(main.as_bytes()),
        position,
        platform: format!("linux/{position}"),
    };
    NewImage { index_digest: Some(index), place: Some(place), detected_at, ..image("a", name) }
}

/// The others first, as they are added.
async fn added(store: &Store, index: &str, names: &[&str], at: i64) {
    for (position, name) in names.iter().enumerate().rev() {
        let position = i64::try_from(position).unwrap();
        store.add_image(&placed(name, index, names[0], position, at), at).await.unwrap();
    }
}

fn digests(names: &[&str]) -> Vec<Digest> {
    names.iter().map(|name| Digest::of(name.as_bytes())).collect()
}

async fn history(store: &Store) -> Vec<Digest> {
    let images = store.images_by_tag("a", &tag("1"), ImageFilter::default(), 9).await.unwrap();
    images.into_iter().map(|image| image.digest).collect()
}

async fn images_of(store: &Store, index: &str) -> (Vec<Digest>, Vec<String>) {
    let index = Digest::of(index.as_bytes()).to_string();
    let images = store.images_of_index("a", &index, 9).await.unwrap();
    // That of its tags is found by it.
    let first = images.first().map(|(image, _)| image.clone());
    assert_eq!(store.image("a", &index).await.ok(), first);
    images.into_iter().map(|(image, platform)| (image.digest, platform.unwrap_or_default())).unzip()
}

async fn tags_of(store: &Store, name: &str) -> Vec<(i64, bool)> {
    let tags = store.tags_of_image("a", &Digest::of(name.as_bytes()).to_string()).await.unwrap();
    tags.into_iter().map(|tag| (tag.detected_at, tag.child)).collect()
}

pub(crate) async fn a_tag_means_one_of_its_index(Opened { store, .. }: &Opened) {
    let platforms = ["linux/0", "linux/1"].map(str::to_owned);
    for at in [10, 11] {
        added(store, "one", &["A", "B"], at).await;
        assert_eq!(history(store).await, digests(&["A"]));
        assert_eq!(images_of(store, "one").await, (digests(&["A", "B"]), platforms.to_vec()));
        assert_eq!((tags_of(store, "A").await, tags_of(store, "B").await), (vec![(10, false)], vec![(10, true)]));
        assert_eq!(store.subscriptions("a", None, None).await.unwrap().len(), 4);
    }
    // One stays, and one that is taken later is of the same version.
    added(store, "two", &["C", "B"], 20).await;
    added(store, "two", &["C", "B", "D"], 30).await;
    assert_eq!(history(store).await, digests(&["C", "A"]));
    assert_eq!(images_of(store, "two").await.0, digests(&["C", "B", "D"]));
    assert_eq!(images_of(store, "one").await, (digests(&["A", "B"]), platforms.to_vec()));
    assert_eq!(tags_of(store, "B").await, [(20, true), (10, true)]);
    assert_eq!(tags_of(store, "D").await, [(20, true)]);
    let kept = store.image("a", &Digest::of(b"B").to_string()).await.unwrap();
    assert_eq!(kept.index_digest, Some(Digest::of(b"two")));
    // Whoever is interrupted has not moved the tag.
    store.add_image(&placed("E", "three", "F", 1, 40), 40).await.unwrap();
    assert_eq!(history(store).await, digests(&["C", "A"]));
    added(store, "three", &["F", "E"], 41).await;
    assert_eq!(history(store).await, digests(&["F", "C", "A"]));
    // Another of the same may be meant.
    added(store, "three", &["E", "F"], 50).await;
    assert_eq!(history(store).await, digests(&["E", "F", "C", "A"]));
    assert_eq!(images_of(store, "three").await.0, digests(&["E", "F"]));
}

pub(crate) async fn others_of_an_index_are_nobodys_latest(Opened { store, .. }: &Opened) {
    added(store, "one", &["A", "B"], 10).await;
    let [main, other] = ["A", "B"].map(|name| Digest::of(name.as_bytes()));
    let refused = store.delete_image("a", &main.to_string(), false, 11).await.unwrap();
    assert!(matches!(refused, Deletion::Refused(_)));
    assert_eq!(
        store.delete_image("a", &other.to_string(), false, 11).await.unwrap(),
        Deletion::Deleting(other.clone())
    );
    assert_eq!(images_of(store, "one").await.0, digests(&["A"]));
    store.purge_image("a", &other.to_string()).await.unwrap();
    added(store, "one", &["A", "B"], 12).await;
    assert_eq!(images_of(store, "one").await.0, digests(&["A", "B"]));
    assert_eq!(tags_of(store, "B").await, [(10, true)]);
}

pub(crate) async fn indexes_at_once_are_one(Opened { store, .. }: &Opened) {
    let adding: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { added(&store, "one", &["A", "B", "C"], 10).await })
        })
        .collect();
    for done in adding {
        done.await.unwrap();
    }
    assert_eq!(history(store).await, digests(&["A"]));
    assert_eq!(images_of(store, "one").await.0, digests(&["A", "B", "C"]));
    assert_eq!(store.tags("a").await.unwrap().len(), 3);
}
