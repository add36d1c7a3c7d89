//! What a folder gives back.

use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use super::*;
use crate::facts::{Entry, EntryKind, More};

fn facts(entries: u64) -> LayerFacts {
    let mut facts = LayerFacts::default();
    for size in 0..entries {
        let path = ImagePath::new(format!("d/{size}").as_bytes()).unwrap();
        let more = Some(Box::new(More { link: b"\xff".as_slice().into(), md5: Some([1; 16]), sha1: Some([2; 20]) }));
        facts.push(Entry { path, size, sha256: [2; 32], more, uid: 0, gid: 5, mode: 0o4755, kind: EntryKind::File });
    }
    facts.problems.push(Problem::new("k", "s", "m"));
    facts
}

#[test]
fn facts_come_back_and_damage_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FolderCache::new(folder.path().join("layers"));
    let (digest, diff_id) = (Digest::of(b"packed"), Digest::of(b"layer"));
    let key = LayerKey { digest: &digest, diff_id: &diff_id, revision: "r" };
    assert_eq!(cache.get(key), None);
    // More than one block of entries.
    let facts = facts(5000);
    cache.put(key, &facts);
    assert_eq!(cache.get(key), Some(facts));
    for other in [
        LayerKey { revision: "other", ..key },
        LayerKey { digest: &diff_id, ..key },
        LayerKey { diff_id: &digest, ..key },
        LayerKey { digest: &diff_id, diff_id: &digest, ..key },
    ] {
        assert_eq!(cache.get(other), None);
    }

    let path = cache.path(key);
    let good = fs::read(&path).unwrap();
    for at in [0, 10, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, &bad).unwrap();
        assert_eq!(cache.get(key), None, "byte {at} changed");
        fs::write(&path, &good[..at]).unwrap();
        assert_eq!(cache.get(key), None, "cut at {at}");
    }
}

#[test]
fn a_folder_stays_within_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = facts(100).to_bytes().unwrap().len() as u64;
    let cache = FolderCache::new(folder.path()).with_max_bytes(bytes * 4);
    for number in 0..20_u8 {
        let digest = Digest::of(&[number]);
        cache.put(LayerKey { digest: &digest, diff_id: &digest, revision: "r" }, &facts(100));
    }
    let total: u64 = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(total <= bytes * 4, "{total}");
    assert!(total >= bytes);
}
