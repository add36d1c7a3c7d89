//! Package identities, and the end of those that nobody carries.

use killick_store::Store;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{Opened, analyzed, image};

/// Names of all identities.
async fn named(store: &Store, numbers: std::ops::Range<usize>) -> usize {
    let mut count = 0;
    for number in numbers {
        count += store.packages_named(&format!("package-{number:06}")).await.unwrap().len();
    }
    count
}

pub(crate) async fn packages_of_no_image_go(Opened { store, .. }: &Opened) {
    let large = analyzed(store, &image("a", "large"), 5).await;
    let small = analyzed(store, &image("b", "small"), 3).await;
    assert_eq!(store.prune_packages(100).await.unwrap(), 0);
    store.delete_image("a", &large, true, 9).await.unwrap();
    store.purge_image("a", &large).await.unwrap();
    store.prune_packages(100).await.unwrap();
    assert_eq!(store.prune_packages(100).await.unwrap(), 2);
    assert_eq!(named(store, 0..5).await, 3);
    assert_eq!(store.packages_of_image("b", &small).await.unwrap().len(), 3);
    // Found again, they are there again.
    let large = analyzed(store, &image("a", "large"), 5).await;
    assert_eq!(store.packages_of_image("a", &large).await.unwrap().len(), 5);
}

pub(crate) async fn pruning_goes_round_in_steps(Opened { store, .. }: &Opened) {
    let digest = analyzed(store, &image("a", "one"), 10).await;
    store.delete_image("a", &digest, true, 9).await.unwrap();
    store.purge_image("a", &digest).await.unwrap();
    let mut steps = Vec::new();
    for _ in 0..4 {
        steps.push(store.prune_packages(4).await.unwrap());
    }
    assert_eq!(steps, [4, 4, 2, 0]);
    let digest = analyzed(store, &image("a", "two"), 6).await;
    store.delete_image("a", &digest, true, 9).await.unwrap();
    store.purge_image("a", &digest).await.unwrap();
    assert_eq!(store.prune_packages(4).await.unwrap(), 4, "from the first again");
    assert_eq!(store.prune_packages(4).await.unwrap(), 2);
}

pub(crate) async fn packages_are_looked_up_by_name_and_carried_by_images(Opened { store, .. }: &Opened) {
    let names = |names: &[&str]| -> Vec<(String, String)> {
        names.iter().map(|name| ("debian:12".to_owned(), (*name).to_owned())).collect()
    };
    let one = analyzed(store, &image("a", "one"), 60).await;
    let two = analyzed(store, &image("a", "two"), 2).await;
    analyzed(store, &image("b", "other"), 2).await;
    let found = async |wanted: &[&str]| store.packages_looked_up(&names(wanted)).await.unwrap();
    assert!(found(&[]).await.is_empty());
    assert_eq!(found(&["package-000059", "no-such"]).await.len(), 1);
    assert_eq!(found(&["package-000001", "source", "source"]).await.len(), 60, "each once");
    let documents = store.package_documents(&found(&["source"]).await).await.unwrap();
    assert_eq!((documents.len(), documents[59].document.as_str()), (60, "{package-000059}"));
    assert_eq!(store.package_documents(&[-1]).await.unwrap(), []);
    let elsewhere = [("debian:13".to_owned(), "source".to_owned())];
    assert!(store.packages_looked_up(&elsewhere).await.unwrap().is_empty());

    let carriers = async |wanted: &[&str]| {
        let packages = found(wanted).await;
        let all = store.carriers("a", &packages, 9, 0).await.unwrap();
        assert_eq!(all.total, all.images.len());
        // Page by page they are the same.
        for (at, carrier) in all.images.iter().enumerate() {
            let page = store.carriers("a", &packages, 1, at).await.unwrap();
            assert_eq!((page.images.as_slice(), page.total), (std::slice::from_ref(carrier), all.total));
        }
        all.images.into_iter().map(|carrier| carrier.digest.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(carriers(&["package-000059"]).await, std::slice::from_ref(&one));
    let mut both = [one.clone(), two.clone()];
    both.sort();
    assert_eq!(carriers(&["package-000001"]).await, both);
    assert_eq!(carriers(&["source"]).await, both);
    assert!(carriers(&[]).await.is_empty());
    let source = found(&["source"]).await;
    let numbers =
        store.carriers("a", &source, 9, 0).await.unwrap().images.iter().map(|found| found.id).collect::<Vec<_>>();
    let carried = store.carried(&numbers, &source).await.unwrap();
    assert_eq!(carried.len(), 62);
    assert!(carried.is_sorted_by_key(|carried| (carried.image_id, carried.package_id)));
    assert_eq!(store.carried(&numbers, &source[..1]).await.unwrap().len(), 2);

    // What is going away is not told, and what nobody carries is forgotten with its names.
    store.delete_image("a", &one, true, 9).await.unwrap();
    assert_eq!(carriers(&["package-000001"]).await, [two]);
    store.purge_image("a", &one).await.unwrap();
    assert_eq!(store.prune_packages(100).await.unwrap(), 58);
    assert_eq!(found(&["source"]).await.len(), 2);
}

/// What is being written must not be pruned between its insertion and its being carried. SQLite has one writer; in PostgreSQL a
/// trigger holds the writer there until the pruner waits for it, or is through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_does_not_prune_what_is_being_written() {
    const HOLD: &str = "
        create function hold() returns trigger language plpgsql as $$
            begin perform pg_advisory_xact_lock(1); return null; end
        $$;
        create trigger hold before insert on image_package for each statement execute function hold()";
    const WAITING: &str = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
        and database = (select oid from pg_database where datname = current_database())";
    let address = crate::postgres::database().await;
    let opened = crate::open(Some(address.clone())).await;
    let store = &opened.store;
    let old = analyzed(store, &image("a", "old"), 5).await;
    store.delete_image("a", &old, true, 9).await.unwrap();
    store.purge_image("a", &old).await.unwrap();
    let mut keeper = PgConnection::connect(&address).await.unwrap();
    keeper.execute(HOLD).await.unwrap();
    keeper.execute("select pg_advisory_lock(1)").await.unwrap();
    let waiting =
        async |keeper: &mut PgConnection| -> i64 { sqlx::query_scalar(WAITING).fetch_one(keeper).await.unwrap() };

    let writer = tokio::spawn({
        let store = store.clone();
        async move { analyzed(&store, &image("a", "new"), 5).await }
    });
    while waiting(&mut keeper).await < 1 {
        tokio::task::yield_now().await;
    }
    let pruner = tokio::spawn({
        let store = store.clone();
        async move { store.prune_packages(100).await.unwrap() }
    });
    while waiting(&mut keeper).await < 2 && !pruner.is_finished() {
        tokio::task::yield_now().await;
    }
    keeper.execute("select pg_advisory_unlock(1)").await.unwrap();
    let digest = writer.await.unwrap();
    assert_eq!(pruner.await.unwrap(), 0);
    assert_eq!(store.packages_of_image("a", &digest).await.unwrap().len(), 5);
}
