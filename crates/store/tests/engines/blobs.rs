//! Documents in object storage.

use std::io;
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;
use killick_store::StoreError;

use super::{Opened, analysis, image};

const NEVER: i64 = 0;
const ALWAYS: i64 = i64::MAX;

fn file(data_dir: &Path, key: &Digest) -> PathBuf {
    let hex = key.hex();
    data_dir.join("blobs").join(&hex[..2]).join(&hex)
}

pub(crate) async fn blobs_round_trip(Opened { store, settings, .. }: &Opened) {
    let blobs = store.blobs();
    let plain = "the same words again and again ".repeat(1000).into_bytes();
    let key = blobs.put(plain.clone()).await.unwrap();
    assert_eq!(key, Digest::of(&plain));
    assert_eq!(blobs.put(plain.clone()).await.unwrap(), key);
    let pieces = plain.clone();
    let write = move |out: &mut dyn io::Write| pieces.chunks(7).try_for_each(|piece| out.write_all(piece));
    assert_eq!(blobs.put_written(write).await.unwrap(), key, "pieces have the key of the whole");
    let failed = blobs.put_written(|_| Err(io::ErrorKind::InvalidData.into())).await;
    assert!(matches!(failed, Err(StoreError::Document { .. })), "{failed:?}");
    assert!(blobs.exists(&key).await.unwrap());
    let size = plain.len() as u64;
    assert_eq!(blobs.get(&key, size).await.unwrap(), plain);
    let small = blobs.get(&key, size - 1).await;
    assert!(matches!(small, Err(StoreError::BlobTooLarge { limit_bytes, .. }) if limit_bytes == size - 1));
    let path = file(&settings.data_dir, &key);
    let packed = fs_err::read(&path).unwrap();
    assert!(packed.len() * 10 < plain.len());
    let mut flipped = packed.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let other = fs_err::read(file(&settings.data_dir, &blobs.put(b"other".to_vec()).await.unwrap())).unwrap();
    for damaged in [flipped.as_slice(), &packed[..packed.len() / 2], &[], b"text", &other] {
        fs_err::write(&path, damaged).unwrap();
        let answer = blobs.get(&key, size).await;
        assert!(matches!(answer, Err(StoreError::DamagedBlob { .. })), "{answer:?}");
    }
    blobs.put(plain.clone()).await.unwrap();
    assert_eq!(blobs.get(&key, size).await.unwrap(), plain, "writing again repairs");
    blobs.delete(&key).await.unwrap();
    blobs.delete(&key).await.unwrap();
    assert!(!blobs.exists(&key).await.unwrap());
    assert!(matches!(blobs.get(&key, size).await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn orphans_are_removed(Opened { store, settings, .. }: &Opened) {
    let blobs = store.blobs();
    let put = async |text: &str| blobs.put(text.as_bytes().to_vec()).await.unwrap();
    let (manifest, facts, orphan) = (put("manifest").await, put("facts").await, put("orphan").await);
    let found = put("analysis").await;
    let mut new = image("a", "one");
    new.manifest = Some(manifest.clone());
    let digest = store.add_image(&new, 1).await.unwrap().0.digest.to_string();
    let (_, lease) = store.claim(&[], 10, 2).await.unwrap().unwrap();
    store.finish_analysis(&lease, "a", &digest, &analysis("analysis", 0), 3).await.unwrap();
    store.put_layer_fact(&Digest::of(b"layer"), "1", &facts, 3).await.unwrap();
    // What a killed writer and a killed removal leave.
    let unfinished = file(&settings.data_dir, &orphan).with_file_name("half#1");
    fs_err::write(&unfinished, "half").unwrap();
    let aside = settings.data_dir.join("blobs/aside");
    fs_err::create_dir_all(&aside).unwrap();
    fs_err::rename(file(&settings.data_dir, &facts), aside.join(facts.hex())).unwrap();

    assert_eq!(store.delete_orphan_blobs(NEVER).await.unwrap(), 0);
    assert!(blobs.exists(&orphan).await.unwrap() && unfinished.exists());
    assert_eq!(store.delete_orphan_blobs(ALWAYS).await.unwrap(), 1);
    assert!(!blobs.exists(&orphan).await.unwrap() && !unfinished.exists());
    for kept in [&manifest, &facts, &found] {
        blobs.get(kept, 100).await.unwrap();
    }
    store.delete_image("a", &digest, true, 9).await.unwrap();
    store.purge_image("a", &digest).await.unwrap();
    assert_eq!(store.delete_orphan_blobs(ALWAYS).await.unwrap(), 2);
    blobs.get(&facts, 100).await.unwrap();
}

/// A blob that is wanted again while orphans are removed is there once its row is.
pub(crate) async fn removal_and_writing_do_not_meet(Opened { store, settings, .. }: &Opened) {
    let before = 1_000_000;
    for number in 0..30 {
        let text = format!("wanted again {number}").into_bytes();
        let blobs = store.blobs();
        let key = blobs.put(text.clone()).await.unwrap();
        let old = fs_err::OpenOptions::new().write(true).open(file(&settings.data_dir, &key)).unwrap();
        old.file().set_modified(std::time::UNIX_EPOCH).unwrap();
        let writing = async {
            assert_eq!(blobs.put(text.clone()).await.unwrap(), key);
            store.put_layer_fact(&key, "1", &key, 1).await.unwrap();
        };
        let (removed, ()) = tokio::join!(store.delete_orphan_blobs(before), writing);
        removed.unwrap();
        assert_eq!(blobs.get(&key, 100).await.unwrap(), text);
    }
}
