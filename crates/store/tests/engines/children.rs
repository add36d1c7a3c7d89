//! Several images of one index.

use killick_model::digest::Digest;
use killick_store::Store;
use killick_store::carriers::Noted;
use killick_store::images::{Deletion, ImageFilter, IndexPlace, Naming, NewImage};
use killick_store::tasks::Lease;
use killick_store::watches::Watch;

use super::{Opened, analysis, image, tag};

/// An image of an index whose tags mean `main`.
fn placed(name: &str, index: &str, main: &str, position: i64, detected_at: i64) -> NewImage {
    let index = Digest::of(index.as_bytes());
    let place = IndexPlace {
        index: index.clone(),
        main: Digest::of(main.as_bytes()),
        position,
        platform: format!("linux/{position}"),
    };
    NewImage { index_digest: Some(index), naming: Naming::Index(place), detected_at, ..image("a", name) }
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

/// Begins the analysis of an image, and of those that were added before it.
async fn begin(store: &Store, name: &str) -> Lease {
    let digest = Digest::of(name.as_bytes()).to_string();
    loop {
        let (task, lease) = store.claim(&[], 100, 15).await.unwrap().expect("it waits");
        if task.image.as_deref() == Some(digest.as_str()) {
            assert!(store.start_analysis(&lease, "a", &digest, 15).await.unwrap());
            return lease;
        }
    }
}

/// The others of the index that the tag names now.
async fn children(store: &Store, name: &str) -> Vec<Digest> {
    let images = store.children_of_tag("a", &tag(name), 9).await.unwrap();
    images.into_iter().map(|image| image.digest).collect()
}

pub(crate) async fn a_tag_has_the_others_of_its_index(Opened { store, .. }: &Opened) {
    store.add_image(&image("a", "alone"), 5).await.unwrap();
    assert_eq!(children(store, "1").await, []);
    added(store, "one", &["A", "B", "C"], 10).await;
    assert_eq!(children(store, "1").await, digests(&["B", "C"]));
    // The image that it means stays, and one other.
    added(store, "two", &["A", "B", "D"], 20).await;
    assert_eq!(children(store, "1").await, digests(&["B", "D"]));
    // Another tag names another index with that image.
    for (position, name) in [(1, "E"), (0, "A")] {
        let new = placed(name, "three", "A", position, 25);
        store.add_image(&NewImage { tag: tag("2"), ..new }, 25).await.unwrap();
    }
    assert_eq!((children(store, "1").await, children(store, "2").await), (digests(&["B", "D"]), digests(&["E"])));
    // By its digest an image does not say what the tag names.
    let again = NewImage { naming: Naming::Unknown, force: true, detected_at: 26, ..image("a", "A") };
    store.add_image(&again, 26).await.unwrap();
    assert_eq!(children(store, "1").await, digests(&["B", "D"]));
    added(store, "four", &["F", "B"], 30).await;
    assert_eq!(children(store, "1").await, digests(&["B"]));
    // Another of the same may be meant.
    added(store, "four", &["B", "F"], 40).await;
    assert_eq!(children(store, "1").await, digests(&["F"]));
    // The tag names the image and no index any more.
    store.add_image(&NewImage { detected_at: 50, ..image("a", "B") }, 50).await.unwrap();
    assert_eq!((children(store, "1").await, history(store).await[0].clone()), (vec![], Digest::of(b"B")));
}

pub(crate) async fn who_watches_a_tag_watches_its_index(Opened { store, .. }: &Opened) {
    const KIND: &str = "vuln_update";
    added(store, "one", &["A", "B"], 10).await;
    let subscription = store.subscriptions("a", None, Some(KIND)).await.unwrap().remove(0);
    store.change_subscription("a", &subscription.id, Some(true), None, 10).await.unwrap();
    // Nothing is to do for a long time.
    let rest = async || {
        for due in store.due_watches(KIND, 9, i64::MAX).await.unwrap() {
            assert!(store.claim_watch(&due, 900).await.unwrap(), "nobody else does");
            store.finish_watch(&Watch { due_at: 900, ..due }, "", 0, 1000).await.unwrap();
        }
    };
    let is_due = async |now| !store.due_watches(KIND, 9, now).await.unwrap().is_empty();
    for (name, packages) in [("B", 2), ("A", 1)] {
        rest().await;
        let lease = begin(store, name).await;
        assert!(!is_due(20).await);
        let digest = Digest::of(name.as_bytes()).to_string();
        store.finish_analysis(&lease, "a", &digest, &analysis(name, packages), 20).await.unwrap();
        assert!(is_due(20).await, "{name} is analyzed");
    }
    // What only the other carries.
    rest().await;
    let wanted = [("debian:12".to_owned(), "package-000001".to_owned())];
    let packages = store.packages_looked_up(&wanted).await.unwrap();
    assert_eq!(packages.len(), 1);
    let noted = Noted { key: "k", before: "", value: "v" };
    assert_eq!(store.follow_index(KIND, Some(&packages), noted, 30).await.unwrap(), Some(1));
    assert!(is_due(30).await);
    // No analysis comes of an image that is known.
    rest().await;
    added(store, "two", &["A"], 40).await;
    assert!(is_due(40).await, "B is of it no more");
    rest().await;
    added(store, "two", &["A", "B"], 50).await;
    assert!(is_due(50).await, "B is of it again");
    rest().await;
    added(store, "two", &["A", "B"], 60).await;
    assert!(!is_due(60).await, "nothing is otherwise");
}

pub(crate) async fn others_that_other_tags_brought_stay(Opened { store, .. }: &Opened) {
    let delete =
        async |name: &str| store.delete_image("a", &Digest::of(name.as_bytes()).to_string(), true, 90).await.unwrap();
    let going = async || {
        let going = store.deleting_images().await.unwrap();
        let mut going: Vec<Digest> = going.into_iter().map(|image| image.digest.to_string().parse().unwrap()).collect();
        going.sort();
        going
    };
    let sorted = |names: &[&str]| {
        let mut digests = digests(names);
        digests.sort();
        digests
    };
    // B is of an index that the tag named before: nothing else has it.
    added(store, "one", &["A", "B"], 10).await;
    added(store, "two", &["A", "C"], 20).await;
    assert_eq!(delete("A").await, Deletion::Deleting(Digest::of(b"A")));
    assert_eq!(going().await, sorted(&["A", "B", "C"]));
    // F came by another tag, too, whose image is still on its way.
    added(store, "three", &["E", "F"], 30).await;
    store.add_image(&NewImage { tag: tag("2"), ..placed("F", "four", "G", 1, 40) }, 40).await.unwrap();
    assert_eq!(delete("E").await, Deletion::Deleting(Digest::of(b"E")));
    assert_eq!(going().await, sorted(&["A", "B", "C", "E"]));
    // Who only says that it came through an index does not take its digest.
    added(store, "five", &["H", "I"], 50).await;
    let index = Some(Digest::of(b"five"));
    store
        .add_image(&NewImage { index_digest: index, tag: tag("3"), detected_at: 60, ..image("a", "J") }, 60)
        .await
        .unwrap();
    assert_eq!(images_of(store, "five").await.0, digests(&["H", "I", "J"]));
}

pub(crate) async fn others_go_with_the_one_that_brought_them(Opened { store, .. }: &Opened) {
    let delete = async |name: &str, force| {
        store.delete_image("a", &Digest::of(name.as_bytes()).to_string(), force, 90).await.unwrap()
    };
    let purge = async || {
        for going in store.deleting_images().await.unwrap() {
            store.purge_image("a", &going.digest.to_string()).await.unwrap();
        }
    };
    let there = async || {
        let images = store.images("a", ImageFilter::default()).await.unwrap();
        let mut names: Vec<&str> = Vec::new();
        for name in ["A", "B", "C", "D", "E", "F"] {
            if images.iter().any(|image| image.digest == Digest::of(name.as_bytes())) {
                names.push(name);
            }
        }
        names.join(" ")
    };
    added(store, "one", &["A", "B", "C"], 10).await;
    // B is of the next version too, and D has a tag of its own.
    added(store, "two", &["E", "B", "D", "F"], 20).await;
    store.add_image(&NewImage { tag: tag("2"), ..image("a", "D") }, 21).await.unwrap();
    assert_eq!(delete("A", false).await, Deletion::Deleting(Digest::of(b"A")));
    purge().await;
    assert_eq!(there().await, "B D E F");
    // As with the image itself: not while one is being analyzed, unless by force.
    let lease = begin(store, "F").await;
    assert!(matches!(delete("E", false).await, Deletion::Refused(_)));
    assert_eq!(there().await, "B D E F");
    assert_eq!(delete("E", true).await, Deletion::Deleting(Digest::of(b"E")));
    purge().await;
    assert_eq!(there().await, "D");
    drop(lease);
    added(store, "two", &["E", "B", "D", "F"], 40).await;
    assert_eq!((there().await.as_str(), children(store, "1").await), ("B D E F", digests(&["B", "D", "F"])));
    // One of the others goes alone.
    assert_eq!(delete("B", false).await, Deletion::Deleting(Digest::of(b"B")));
    purge().await;
    assert_eq!(there().await, "D E F");
}
