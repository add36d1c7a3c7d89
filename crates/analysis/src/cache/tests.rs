//! What a folder gives back.

use killick_model::image::StagedImage;
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

/// An image of layers with these contents.
fn image(layers: &[&str]) -> StagedImage {
    struct Nothing;
    impl killick_model::image::LayerSource for Nothing {
        fn open(&self) -> io::Result<Box<dyn io::BufRead + Send>> {
            Ok(Box::new(io::empty()))
        }
    }
    let digest = |text: &str| Digest::of(text.as_bytes());
    let layer = |name: &&str| StagedLayer {
        diff_id: digest(name),
        digest: digest(name),
        media_type: String::new(),
        size: 0,
        source: std::sync::Arc::new(Nothing),
    };
    StagedImage {
        name: String::new(),
        manifest_digest: digest(""),
        manifest: Vec::new(),
        index: None,
        config_digest: digest(""),
        config_bytes: Vec::new(),
        config: killick_model::image::ImageConfig::default(),
        layers: layers.iter().map(layer).collect(),
        tags: Vec::new(),
        surroundings: killick_model::image::Surroundings::default(),
    }
}

#[test]
fn shared_layers_are_kept_until_they_were_needed_last() {
    let images = [image(&["base", "a"]), image(&["base", "b"]), image(&["base", "c"])];
    let shared = SharedLayers::new(&images, None);
    let mut read = Vec::new();
    for image in &images {
        for layer in &image.layers {
            let key = LayerKey::new(layer, "r");
            if let Some(found) = shared.get(key) {
                assert_eq!(found, facts(3));
            } else {
                read.push(layer.diff_id.clone());
                shared.put(key, &facts(3));
            }
        }
    }
    assert_eq!(read, ["base", "a", "b", "c"].map(|name| Digest::of(name.as_bytes())));
    assert_eq!(shared.held_layers(), 0, "nobody will ask again");
}

#[test]
fn shared_layers_are_known_by_the_cache_behind_and_by_revision() {
    let folder = tempfile::tempdir().unwrap();
    let behind = FolderCache::new(folder.path());
    let images = [image(&["base"]), image(&["base"])];
    let shared = SharedLayers::new(&images, Some(&behind));
    let key = LayerKey::new(&images[0].layers[0], "r");
    shared.put(key, &facts(1));
    assert_eq!(behind.get(key), Some(facts(1)));
    assert_eq!(shared.get(key), Some(facts(1)));
    let alone = SharedLayers::new(&images, None);
    assert_eq!(alone.get(key), None);
    alone.put(key, &facts(1));
    assert_eq!(alone.get(LayerKey { revision: "other", ..key }), None);
}
