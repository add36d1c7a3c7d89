//! The history of tags.

use killick_store::Store;
use killick_store::images::{ImageFilter, NewImage};

use super::{Opened, image, tag};

async fn seen(store: &Store, name: &str, detected_at: i64) {
    store.add_image(&NewImage { detected_at, ..image("a", name) }, detected_at).await.unwrap();
}

/// The images of the tag, the present one first; and its whole history, newest first.
async fn history(store: &Store, names: &[&str]) -> (Vec<String>, Vec<(String, i64)>) {
    let name_of = |digest: &killick_model::digest::Digest| {
        let name = names.iter().find(|name| image("a", name).digest == *digest);
        (*name.unwrap()).to_owned()
    };
    let images = store.images_by_tag("a", &tag("1"), ImageFilter::default(), 9).await.unwrap();
    let tags = store.tags("a").await.unwrap();
    (
        images.iter().map(|image| name_of(&image.digest)).collect(),
        tags.iter().map(|tag| (name_of(&tag.digest), tag.detected_at)).collect(),
    )
}

fn rows(rows: &[(&str, i64)]) -> Vec<(String, i64)> {
    rows.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect()
}

pub(crate) async fn a_tag_moves_there_and_back(Opened { store, .. }: &Opened) {
    let names = ["A", "B"];
    seen(store, "A", 10).await;
    seen(store, "A", 11).await;
    assert_eq!(history(store, &names).await, (vec!["A".to_owned()], rows(&[("A", 10)])));
    seen(store, "B", 20).await;
    assert_eq!(history(store, &names).await.0, ["B", "A"]);
    seen(store, "A", 30).await;
    seen(store, "A", 40).await;
    let want = rows(&[("A", 30), ("B", 20), ("A", 10)]);
    assert_eq!(history(store, &names).await, (vec!["A".to_owned(), "B".to_owned()], want));
    let of_image = store.tags_of_image("a", &image("a", "A").digest.to_string()).await.unwrap();
    assert_eq!(of_image.iter().map(|tag| tag.detected_at).collect::<Vec<_>>(), [30, 10]);
    let digests = ["A", "B", "nobody's"].map(|name| image("a", name).digest.to_string());
    let of_images = store.tags_of_images("a", &digests).await.unwrap();
    assert_eq!(of_images.iter().map(|tag| tag.detected_at).collect::<Vec<_>>(), [30, 20, 10]);
    assert_eq!(store.tags_of_images("a", &digests[1..]).await.unwrap().len(), 1);
    assert_eq!(store.tags_of_images("a", &[]).await.unwrap(), []);
}

pub(crate) async fn a_tag_learned_late_keeps_order(Opened { store, .. }: &Opened) {
    let names = ["A", "B"];
    seen(store, "A", 10).await;
    seen(store, "B", 5).await;
    seen(store, "B", 5).await;
    seen(store, "B", 7).await;
    let want = rows(&[("A", 10), ("B", 5)]);
    assert_eq!(history(store, &names).await, (vec!["A".to_owned(), "B".to_owned()], want));
}

/// Two see a tag one after the other, and write it the other way round: what the second one wrote is known.
pub(crate) async fn who_saw_a_tag_first_may_write_it_last(Opened { store, .. }: &Opened) {
    let names = ["A", "B"];
    seen(store, "A", 10).await;
    seen(store, "A", 9).await;
    seen(store, "B", 20).await;
    seen(store, "B", 19).await;
    let want = rows(&[("B", 20), ("A", 10)]);
    assert_eq!(history(store, &names).await, (vec!["B".to_owned(), "A".to_owned()], want));
    // It pointed there once more.
    seen(store, "B", 5).await;
    seen(store, "B", 4).await;
    assert_eq!(history(store, &names).await.1, rows(&[("B", 20), ("A", 10), ("B", 5)]));
}

pub(crate) async fn tags_at_once_are_one(Opened { store, .. }: &Opened) {
    let adding: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.add_image(&image("a", "A"), 5).await.unwrap().1 })
        })
        .collect();
    let mut tasks = Vec::new();
    for added in adding {
        tasks.extend(added.await.unwrap());
    }
    tasks.dedup();
    assert_eq!(tasks.len(), 1);
    assert_eq!(store.tags("a").await.unwrap().len(), 1);
    assert_eq!(store.subscriptions("a", None, None).await.unwrap().len(), 4);
    assert!(store.claim(&[], 100, 6).await.unwrap().is_some());
    assert_eq!(store.claim(&[], 100, 6).await.unwrap(), None);
}
