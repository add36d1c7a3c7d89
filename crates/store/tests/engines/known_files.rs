//! Which packages contain which files.

use killick_store::StoreError;
use killick_store::known_files::NewKnownPackage;

use super::Opened;

const DAY: i64 = 86_400_000_000;

fn package(name: &str, files: std::ops::Range<usize>) -> NewKnownPackage {
    NewKnownPackage { document: name.to_owned(), files: files.map(|number| format!("{number:064}")).collect() }
}

/// What the account knows of so many contents: each package with the number of its files.
async fn known(opened: &Opened, account: &str) -> Vec<(String, usize)> {
    let contents: Vec<String> = (0..200).map(|number| format!("{number:064}")).collect();
    let mut found = std::collections::BTreeMap::new();
    for file in opened.store.known_files(account, &contents).await.unwrap() {
        *found.entry(file.document).or_insert(0) += 1;
    }
    found.into_iter().collect()
}

fn of(names: &[(&str, usize)]) -> Vec<(String, usize)> {
    names.iter().map(|(name, files)| ((*name).to_owned(), *files)).collect()
}

pub(crate) async fn what_an_account_learns_is_its_own(opened: &Opened) {
    let store = &opened.store;
    store.learn_files("a", &[package("x", 0..70), package("y", 60..61)], 1000, 1).await.unwrap();
    store.learn_files("a", &[package("x", 0..70)], 1000, 2).await.unwrap();
    assert_eq!(known(opened, "a").await, of(&[("x", 70), ("y", 1)]));
    // The same package, installed in other parts.
    store.learn_files("a", &[package("x", 69..72)], 1000, 3).await.unwrap();
    assert_eq!(known(opened, "a").await, of(&[("x", 72), ("y", 1)]));
    assert_eq!(known(opened, "b").await, []);
    store.learn_files("b", &[package("z", 0..1)], 1000, 4).await.unwrap();
    assert_eq!(known(opened, "b").await, of(&[("z", 1)]));
    crate::remove(store, "a").await;
    assert_eq!((known(opened, "a").await, known(opened, "b").await), (of(&[]), of(&[("z", 1)])));
    let nobody = store.learn_files("a", &[package("x", 0..1)], 1000, 5).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
}

pub(crate) async fn what_was_not_seen_for_longest_is_forgotten(opened: &Opened) {
    let store = &opened.store;
    for (now, name) in [(1, "old"), (2, "middle"), (3, "new")] {
        let first = usize::try_from(now).unwrap() * 10;
        store.learn_files("a", &[package(name, first..first + 4)], 10, now).await.unwrap();
    }
    store.learn_files("b", &[package("other", 0..9)], 10, 4).await.unwrap();
    assert_eq!(known(opened, "a").await, of(&[("middle", 4), ("new", 4)]));
    // Seen again a day later, it is the newest.
    store.learn_files("a", &[package("middle", 20..24)], 10, 2 * DAY).await.unwrap();
    store.learn_files("a", &[package("newest", 40..44)], 10, 2 * DAY + 1).await.unwrap();
    assert_eq!(known(opened, "a").await, of(&[("middle", 4), ("newest", 4)]));
    assert_eq!(store.delete_old_known_packages(2 * DAY).await.unwrap(), 1);
    assert_eq!(store.delete_old_known_packages(2 * DAY + 1).await.unwrap(), 1);
    assert_eq!((known(opened, "a").await, known(opened, "b").await), (of(&[("newest", 4)]), of(&[])));
}

pub(crate) async fn two_who_learn_the_same_do_not_meet(opened: &Opened) {
    let packages: Vec<_> = (0..40).map(|number| package(&format!("p{number}"), number..number + 3)).collect();
    let learning: Vec<_> = (0..6)
        .map(|turn| {
            let (store, mut packages) = (opened.store.clone(), packages.clone());
            packages.rotate_left(turn * 5);
            tokio::spawn(async move { store.learn_files("a", &packages, 1000, 1).await })
        })
        .collect();
    for learnt in learning {
        learnt.await.unwrap().unwrap();
    }
    assert_eq!(known(opened, "a").await.len(), 40);
}
