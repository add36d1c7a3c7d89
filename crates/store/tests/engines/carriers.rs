//! Which images carry which packages, over more images than a row has bits.

use killick_store::Store;
use killick_store::images::{ImageFilter, NewImage};

use super::{Opened, analysis, analyzed, image};

/// The numbers of the package that every image of a test has, and of the one that the larger ones have as well.
async fn packages(store: &Store, digest: &str) -> [i64; 2] {
    let found = store.packages_of_image("a", digest).await.unwrap();
    [found[0].id, found[1].id]
}

pub(crate) async fn who_carries_a_package_is_told(Opened { store, .. }: &Opened) {
    let mut all = Vec::new();
    let mut large = Vec::new();
    for number in 0..150 {
        let packages = if number % 3 == 0 { 2 } else { 1 };
        let digest = analyzed(store, &image("a", &format!("image {number}")), packages).await;
        analyzed(store, &image("b", &format!("image {number}")), 2).await;
        if packages == 2 {
            large.push(digest.clone());
        }
        all.push(digest);
    }
    let [common, other] = packages(store, &all[0]).await;
    all.sort();
    large.sort();
    let told = async |packages: &[i64], limit, offset| {
        let found = store.carriers("a", packages, limit, offset).await.unwrap();
        (found.images.iter().map(|image| image.digest.to_string()).collect::<Vec<_>>(), found.total)
    };
    assert_eq!(told(&[common], usize::MAX, 0).await, (all.clone(), 150), "by digest");
    assert_eq!(told(&[other], usize::MAX, 0).await, (large.clone(), 50));
    assert_eq!(told(&[common, other], usize::MAX, 0).await, (all.clone(), 150), "each once");
    assert_eq!(told(&[common], 40, 90).await, (all[90..130].to_vec(), 150));
    assert_eq!(told(&[common], 40, 130).await, (all[130..].to_vec(), 150));
    assert_eq!(told(&[common], 40, 1_000).await, (Vec::new(), 150));
    assert_eq!(told(&[other], 7, 20).await, (large[20..27].to_vec(), 50));
    assert_eq!(told(&[common], 0, 0).await, (Vec::new(), 150));
    assert_eq!(told(&[], 9, 0).await, (Vec::new(), 0));
    assert_eq!(told(&[-1], 9, 0).await, (Vec::new(), 0));
    let after = async |packages: &[i64], after: &str, limit| {
        let found = store.carriers_after("a", packages, after, limit).await.unwrap();
        found.iter().map(|image| image.digest.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(after(&[common], "", 40).await, all[..40], "by digest");
    assert_eq!(after(&[common], &all[39], 40).await, all[40..80]);
    assert_eq!(after(&[other], &large[48], 40).await, large[49..]);
    assert_eq!(after(&[common], &all[149], 40).await, Vec::<String>::new());
}

pub(crate) async fn as_they_come_and_go(Opened { store, .. }: &Opened) {
    let one = analyzed(store, &image("a", "one"), 2).await;
    let two = analyzed(store, &image("a", "two"), 2).await;
    let [common, other] = packages(store, &one).await;
    let told = async |package: i64| -> Vec<String> {
        let found = store.carriers("a", &[package], 9, 0).await.unwrap();
        assert_eq!(found.total, found.images.len());
        found.images.iter().map(|image| image.digest.to_string()).collect()
    };
    let mut both = [one.clone(), two.clone()];
    both.sort();
    // Asked for again, it is told by what was found last.
    let again = NewImage { force: true, ..image("a", "one") };
    store.add_image(&again, 20).await.unwrap();
    assert_eq!(told(other).await, both);
    let (task, lease) = store.claim(&[], 10, 21).await.unwrap().unwrap();
    assert_eq!(task.image.as_deref(), Some(one.as_str()));
    store.finish_analysis(&lease, "a", &one, &analysis("again", 1), 22).await.unwrap();
    assert_eq!(told(common).await, both);
    assert_eq!(told(other).await, std::slice::from_ref(&two), "what it lost is its package no more");

    // What is going away is not told, and comes back with its analysis.
    store.delete_image("a", &two, true, 30).await.unwrap();
    assert_eq!((told(common).await, told(other).await), (vec![one.clone()], Vec::new()));
    store.add_image(&image("a", "two"), 31).await.unwrap();
    assert_eq!(told(other).await, Vec::<String>::new());
    let (_, lease) = store.claim(&[], 10, 32).await.unwrap().unwrap();
    // It goes away while it is being analyzed.
    store.delete_image("a", &two, true, 33).await.unwrap();
    store.finish_analysis(&lease, "a", &two, &analysis("two", 2), 34).await.unwrap();
    assert_eq!(told(common).await, std::slice::from_ref(&one));
    store.purge_image("a", &two).await.unwrap();
    // A round ends with a call that finds none.
    let pruned = async || store.prune_packages(100).await.unwrap() + store.prune_packages(100).await.unwrap();
    assert_eq!(pruned().await, 1, "nobody carries the other package");

    // An account takes its images along.
    let theirs = analyzed(store, &image("b", "one"), 1).await;
    crate::remove(store, "b").await;
    assert_eq!(store.carriers("b", &[common], 9, 0).await.unwrap().total, 0);
    assert_eq!(told(common).await, std::slice::from_ref(&one));
    store.delete_image("a", &one, true, 40).await.unwrap();
    store.purge_image("a", &one).await.unwrap();
    assert_eq!(pruned().await, 1);
    assert!(store.image("b", &theirs).await.is_err());
}

/// All of them write the rows of the same packages: some that were there before, and some that nobody has yet. A third
/// of the images is analyzed again.
pub(crate) async fn writers_of_carriers_do_not_deadlock(Opened { store, .. }: &Opened) {
    for number in 0..20 {
        analyzed(store, &image("a", &format!("image {number}")), 30).await;
    }
    for number in 0..60 {
        let new = NewImage { force: true, ..image("a", &format!("image {number}")) };
        store.add_image(&new, 1).await.unwrap();
    }
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            while let Some((task, lease)) = store.claim(&[], 1_000, 2).await.unwrap() {
                let digest = task.image.unwrap();
                store.finish_analysis(&lease, "a", &digest, &analysis("analysis", 60), 3).await.unwrap();
                if writer == 3 {
                    store.delete_image("a", &digest, true, 4).await.unwrap();
                    store.purge_image("a", &digest).await.unwrap();
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let left = store.images("a", ImageFilter::default()).await.unwrap();
    let packages = store.packages_of_image("a", &left[0].digest.to_string()).await.unwrap();
    assert_eq!(packages.len(), 60);
    for package in packages {
        assert_eq!(store.carriers("a", &[package.id], 0, 0).await.unwrap().total, left.len());
    }
}

/// Numbers are what rows are by: an image that is there takes no further one.
pub(crate) async fn adding_again_takes_no_number(Opened { store, .. }: &Opened) {
    let number = async |name: &str| store.add_image(&image("a", name), 1).await.unwrap().0.id;
    let first = number("one").await;
    for _ in 0..9 {
        assert_eq!(number("one").await, first);
    }
    assert_eq!(number("two").await, first + 1);
}
