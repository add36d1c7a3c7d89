//! Archives, layouts and directories: what is read, and what is refused.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::made_images::{
    TestImage, append, config_of, drain, gzip, index_of, layer_error, link, manifest_of, noise, tar_of, zstd,
};
use killick_fetch::{Source, StageError, StageOptions, stage};
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

fn run(source: &str, options: &StageOptions) -> Result<StagedImage, StageError> {
    let source = Source::parse(source).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(stage(&source, options))
}

fn staged(source: &str) -> Result<StagedImage, String> {
    run(source, &StageOptions::default()).map_err(|error| error.to_string())
}

fn scrub(result: Result<StagedImage, String>, folder: &Path) -> String {
    let error = result.map(|image| image.name).expect_err("it is refused");
    error.replace(folder.to_str().unwrap(), "TMP")
}

/// A layout of blobs with an index.
pub(crate) fn layout(folder: &Path, index: &[u8], blobs: &[&[u8]]) {
    fs_err::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs_err::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs_err::write(folder.join("index.json"), index).unwrap();
    for blob in blobs {
        fs_err::write(folder.join("blobs/sha256").join(Digest::of(blob).hex()), blob).unwrap();
    }
}

fn layout_of(image: &TestImage) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let index = index_of(&[(&image.manifest, "", Some("v1"))]);
    layout(folder.path(), &index, &[&image.manifest, &image.config, &image.blob]);
    folder
}

/// `docker save` in its old form.
fn docker_archive(images: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut manifest = Vec::new();
    for (tag, tars) in images {
        let config = config_of(tars, "amd64");
        let config_name = format!("{}.json", Digest::of(&config).hex());
        append(&mut builder, &config_name, &config);
        let mut layers = Vec::new();
        for tar in *tars {
            let name = format!("{}/layer.tar", Digest::of(tar).hex());
            append(&mut builder, &name, tar);
            layers.push(name);
        }
        manifest.push(json!({"Config": config_name, "RepoTags": [tag], "Layers": layers}));
    }
    append(&mut builder, "manifest.json", json!(manifest).to_string().as_bytes());
    builder.into_inner().unwrap()
}

pub(crate) fn file(name: &str, bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs_err::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn every_compression_is_recognised_by_content() {
    let tar = tar_of("a", &noise(300_000));
    let (front, back) = tar.split_at(1000);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b's', b'k', b'i', b'p'];
    for (name, blob) in [
        ("plain", tar.clone()),
        ("gzip", gzip(&tar)),
        ("gzip of several members", [gzip(front), gzip(b""), gzip(back)].concat()),
        ("gzip with padding", [gzip(&tar), vec![0; 999]].concat()),
        ("gzip with rubbish behind", [gzip(&tar), noise(999)].concat()),
        ("zstd", zstd(&tar)),
        ("zstd of several frames", [zstd(front), skippable.to_vec(), zstd(back)].concat()),
        ("zstd that begins with a skippable frame", [skippable.to_vec(), zstd(&tar)].concat()),
    ] {
        let folder = layout_of(&TestImage::new(tar.clone(), blob));
        let image = staged(folder.path().to_str().unwrap()).unwrap();
        assert!(drain(&image.layers[0]).unwrap() == tar, "{name}");
        assert!(drain(&image.layers[0]).unwrap() == tar, "{name}, opened again");
    }
}

#[test]
fn an_empty_layer_is_a_layer() {
    let folder = layout_of(&TestImage::new(Vec::new(), Vec::new()));
    let image = staged(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(drain(&image.layers[0]).unwrap(), b"");
}

#[test]
fn bad_layers_are_found_out_while_reading() {
    let tar = tar_of("a", &noise(300_000));
    let good = gzip(&tar);
    let mut wrong_checksum = good.clone();
    let at = wrong_checksum.len() - 6;
    wrong_checksum[at] ^= 1;
    let mut huge_window = zstd(&tar);
    // A window of 2^41 bytes, and no content size that would make it smaller.
    huge_window.splice(4..6, [0, 0xf8]);
    for (name, blob, want) in [
        ("another content", gzip(&tar_of("a", b"evil")), "WrongDiffId"),
        ("another content, not compressed", tar_of("a", b"evil"), "WrongDiffId"),
        ("another content, zstd", zstd(&tar_of("a", b"evil")), "WrongDiffId"),
        ("a gzip stream that ends early", good[..good.len() / 2].to_vec(), "Decompress"),
        ("a gzip checksum that is wrong", wrong_checksum, "Decompress"),
        ("a zstd window that is too large", huge_window, "Decompress"),
        ("xz", [b"\xfd7zXZ\0".as_slice(), &noise(100)].concat(), "Unsupported"),
        ("bzip2", [b"BZh9".as_slice(), &noise(100)].concat(), "Unsupported"),
    ] {
        let folder = layout_of(&TestImage::new(tar.clone(), blob));
        let image = staged(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(layer_error(drain(&image.layers[0])), want, "{name}");
    }
}

#[test]
fn stored_bytes_must_be_the_promised_ones() {
    let image = TestImage::usual();
    let folder = layout_of(&image);
    let staged = staged(folder.path().to_str().unwrap()).unwrap();
    let path = folder.path().join("blobs/sha256").join(Digest::of(&image.blob).hex());
    let mut flipped = image.blob.clone();
    flipped[500] ^= 1;
    let cut = &image.blob[..image.blob.len() / 2];
    for (name, bytes, want) in [
        ("flipped", flipped.as_slice(), "WrongDigest"),
        ("cut", cut, "Truncated"),
        ("longer", &[&image.blob[..], b"x"].concat(), "TooLong"),
    ] {
        fs_err::write(&path, bytes).unwrap();
        assert_eq!(layer_error(drain(&staged.layers[0])), want, "{name}");
    }
}

#[test]
fn a_reader_that_failed_stays_failed() {
    let tar = tar_of("a", b"good");
    let folder = layout_of(&TestImage::new(tar, gzip(&tar_of("a", b"evil"))));
    let image = staged(folder.path().to_str().unwrap()).unwrap();
    let mut reader = image.layers[0].source.open().unwrap();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
}

#[test]
fn a_layout_is_the_same_image_in_every_form() {
    let image = TestImage::usual();
    let folder = layout_of(&image);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", folder.path()).unwrap();
    let archive = builder.into_inner().unwrap();
    let (_plain, plain) = file("a.tar", &archive);
    let (_gzip, gzip) = file("a.tar.gz", &gzip(&archive));
    let (_zstd, zstd) = file("a.tar.zst", &zstd(&archive));
    let folder = folder.path().to_str().unwrap();
    for source in [
        folder.to_owned(),
        format!("oci:{folder}"),
        format!("oci:{folder}:v1"),
        plain.clone(),
        format!("oci-archive:{plain}"),
        format!("oci-archive:{gzip}:v1"),
        zstd,
    ] {
        let found = staged(&source).unwrap();
        assert_eq!(found.manifest_digest, Digest::of(&image.manifest), "{source}");
        assert_eq!(found.config_digest, Digest::of(&image.config), "{source}");
        assert_eq!((found.tags.join(" ").as_str(), found.config.os.as_str()), ("v1", "linux"), "{source}");
        assert!(drain(&found.layers[0]).unwrap() == image.tar, "{source}");
    }
}

#[test]
fn a_layout_has_the_name_that_is_more_than_a_tag() {
    const TAG: &str = "org.opencontainers.image.ref.name";
    const NAME: &str = "io.containerd.image.name";
    let image = TestImage::usual();
    let named = |annotations: &[serde_json::Value], wanted: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut index: serde_json::Value = serde_json::from_slice(&index_of(&[(&image.manifest, "", None)])).unwrap();
        let entry = index["manifests"][0].clone();
        let entries = annotations.iter().map(|annotations| {
            let mut entry = entry.clone();
            entry["annotations"] = annotations.clone();
            entry
        });
        index["manifests"] = entries.collect();
        layout(folder.path(), index.to_string().as_bytes(), &[&image.manifest, &image.config, &image.blob]);
        let found = staged(&format!("oci:{}{wanted}", folder.path().display())).unwrap();
        found.reference().map(|name| name.to_string())
    };
    let (one, two) = ("r.example/app:1", "r.example/app:2");
    for (annotations, wanted, want) in [
        (vec![json!({TAG: "1"})], "", None),
        (vec![json!({TAG: "1", NAME: one})], "", Some(one)),
        (vec![json!({TAG: one})], "", Some(one)),
        (vec![json!({TAG: one}), json!({TAG: two})], "", None),
        (vec![json!({TAG: one}), json!({TAG: two})], ":2", Some(two)),
    ] {
        assert_eq!(named(&annotations, wanted).as_deref(), want, "{annotations:?}{wanted}");
    }
}

#[test]
fn what_is_no_file_is_no_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let want = "`TMP/socket` is no file, and an archive is read in places";
    assert_eq!(scrub(staged(&format!("docker-archive:{}", path.display())), folder.path()), want);
}

#[test]
fn a_layout_of_several_images_asks_which() {
    let (one, two) = (TestImage::usual(), TestImage::new(tar_of("b", b""), tar_of("b", b"")));
    let folder = tempfile::tempdir().unwrap();
    let index = index_of(&[(&one.manifest, "", Some("one")), (&two.manifest, "", Some("r.io/two:2"))]);
    let blobs = [&one.manifest[..], &one.config, &one.blob, &two.manifest, &two.config, &two.blob];
    layout(folder.path(), &index, &blobs);
    let path = folder.path().to_str().unwrap();
    assert_eq!(scrub(staged(path), folder.path()), "`oci:TMP` has several images: `one`, `r.io/two:2`");
    assert_eq!(
        scrub(staged(&format!("{path}:three")), folder.path()),
        "`oci:TMP:three` has no image `three`: it has `one`, `r.io/two:2`"
    );
    assert_eq!(staged(&format!("{path}:2")).unwrap().manifest_digest, Digest::of(&two.manifest));
}

#[test]
fn a_platform_is_chosen_through_nested_indexes() {
    let amd = TestImage::usual();
    let arm_config = config_of(&[&amd.tar], "arm64");
    let arm = manifest_of(&arm_config, &[&amd.blob]);
    let inner =
        index_of(&[(&amd.manifest, "linux/amd64", None), (&arm, "linux/arm64", None), (b"x", "unknown/unknown", None)]);
    let outer = index_of(&[(&inner, "", Some("v1"))]);
    let outer = String::from_utf8(outer).unwrap().replacen("image.manifest", "image.index", 1).into_bytes();
    let folder = tempfile::tempdir().unwrap();
    layout(folder.path(), &outer, &[&inner, &amd.manifest, &arm, &amd.config, &arm_config, &amd.blob]);
    let choose = |platform: &str| {
        let options = StageOptions { platform: Some(platform.parse().unwrap()), ..StageOptions::default() };
        run(folder.path().to_str().unwrap(), &options).map_err(|error| error.to_string())
    };
    let found = choose("linux/arm64").unwrap();
    assert_eq!(found.manifest_digest, Digest::of(&arm));
    assert_eq!(found.index.unwrap().0, Digest::of(&inner));
    assert_eq!(
        scrub(choose("linux/s390x"), folder.path()),
        "`oci:TMP` has no image for `linux/s390x`: it has `linux/amd64`, `linux/arm64`"
    );
}

#[test]
fn links_do_not_lead_out_of_a_layout() {
    let image = TestImage::usual();
    let folder = layout_of(&image);
    let outside = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs/sha256").join(Digest::of(&image.config).hex());
    let secret = outside.path().join("secret");
    fs_err::write(&secret, &image.config).unwrap();
    fs_err::remove_file(&path).unwrap();
    symlink(&secret, &path).unwrap();
    assert!(scrub(staged(folder.path().to_str().unwrap()), folder.path()).ends_with("lies outside the OCI layout"));
}

#[test]
fn broken_layouts_are_named() {
    let image = TestImage::usual();
    let name = |bytes: &[u8]| Digest::of(bytes).to_string();
    for (break_it, want) in [
        (
            &(|folder: &Path| fs_err::remove_file(folder.join("index.json")).unwrap()) as &dyn Fn(&Path),
            "`oci:TMP` is no OCI layout: it has no `index.json`".to_owned(),
        ),
        (
            &|folder: &Path| fs_err::write(folder.join("index.json"), "[[").unwrap(),
            "the manifest of `oci:TMP` is malformed".to_owned(),
        ),
        (
            &|folder: &Path| {
                fs_err::remove_file(folder.join("blobs/sha256").join(Digest::of(&image.blob).hex())).unwrap();
            },
            format!("the blob `{}` is missing from `oci:TMP`", name(&image.blob)),
        ),
        (
            &|folder: &Path| {
                let path = folder.join("blobs/sha256").join(Digest::of(&image.config).hex());
                fs_err::write(path, vec![b' '; image.config.len()]).unwrap();
            },
            format!(
                "the configuration has the digest `{}` instead of `{}`",
                name(&vec![b' '; image.config.len()]),
                name(&image.config)
            ),
        ),
        (
            &|folder: &Path| {
                fs_err::write(folder.join("blobs/sha256").join(Digest::of(&image.blob).hex()), "x").unwrap();
            },
            format!("the layer `{}` has 1 bytes instead of {}", name(&image.blob), image.blob.len()),
        ),
    ] {
        let folder = layout_of(&image);
        break_it(folder.path());
        let source = format!("oci:{}", folder.path().display());
        assert_eq!(scrub(staged(&source), folder.path()), want);
    }
}

#[test]
fn a_docker_archive_is_the_same_image_in_every_form() {
    let (base, top) = (tar_of("base", &noise(2_000_000)), tar_of("top", b"t"));
    let archive = docker_archive(&[("me/app:1", &[&base, &top])]);
    let (_plain, plain) = file("a.tar", &archive);
    let (_gzip, gzip) = file("a.tar.gz", &gzip(&archive));
    let (_zstd, zstd) = file("a.tar.zst", &zstd(&archive));
    let first = staged(&plain).unwrap();
    assert_eq!(first.manifest_digest, Digest::of(&first.manifest));
    for source in [format!("docker-archive:{plain}:me/app:1"), format!("docker-archive:{gzip}"), zstd] {
        let found = staged(&source).unwrap();
        assert_eq!(found.manifest, first.manifest, "{source}");
        assert_eq!(found.tags, ["me/app:1"], "{source}");
        assert_eq!(found.reference().unwrap().to_string(), "docker.io/me/app:1", "{source}");
        for (layer, want) in found.layers.iter().zip([&base, &top]) {
            assert!(drain(layer).unwrap() == *want, "{source}");
            assert_eq!((&layer.diff_id, &layer.digest), (&Digest::of(want), &Digest::of(want)));
        }
    }
}

#[test]
fn a_docker_archive_of_several_images_asks_which() {
    let (one, two) = (tar_of("one", b""), tar_of("two", b""));
    let (folder, path) = file("a.tar", &docker_archive(&[("me/app:1", &[&one]), ("me/app:2", &[&one, &two])]));
    assert_eq!(scrub(staged(&path), folder.path()), "`TMP/a.tar` has several images: `me/app:1`, `me/app:2`");
    assert_eq!(staged(&format!("{path}:docker.io/me/app:2")).unwrap().layers.len(), 2);
    assert_eq!(
        scrub(staged(&format!("{path}:x")), folder.path()),
        "`TMP/a.tar:x` has no image `x`: it has `me/app:1`, `me/app:2`"
    );
}

#[test]
fn links_within_a_docker_archive_are_followed_and_no_others() {
    let tar = tar_of("one", b"");
    let config = config_of(&[&tar], "amd64");
    for (target, is_good) in
        [("../real/layer.tar", true), ("/etc/passwd", false), ("../../../etc/passwd", false), ("layer.tar", false)]
    {
        let mut builder = tar::Builder::new(Vec::new());
        append(&mut builder, "real/layer.tar", &tar);
        link(&mut builder, tar::EntryType::Symlink, "id/layer.tar", target);
        append(&mut builder, "c", b"last one wins");
        append(&mut builder, "c", &config);
        let manifest = json!([{"Config": "c", "RepoTags": null, "Layers": ["id/layer.tar"]}]);
        append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
        let (_folder, path) = file("a.tar", &builder.into_inner().unwrap());
        match staged(&path) {
            Ok(image) => assert!(is_good && drain(&image.layers[0]).unwrap() == tar, "{target}"),
            Err(error) => assert!(!is_good && error.contains("leads to no member"), "{target}: {error}"),
        }
    }
}

#[test]
fn broken_archives_are_named() {
    let tar = tar_of("one", &noise(3000));
    let good = docker_archive(&[("a:1", &[&tar])]);
    for (bytes, want) in [
        (b"".as_slice(), "`TMP/a.tar` is no tar archive"),
        (b"PK\x03\x04", "`TMP/a.tar` is no tar archive"),
        (&noise(5000), "`TMP/a.tar` is no tar archive"),
        (&tar, "`TMP/a.tar` is no OCI layout: it has no `index.json`"),
        (&good[..3000], "the archive `TMP/a.tar` ends in the middle of"),
        (&gzip(&good)[..700], "cannot read the archive `TMP/a.tar`"),
    ] {
        let (folder, path) = file("a.tar", bytes);
        let error = scrub(staged(&path), folder.path());
        assert!(error.starts_with(want), "{error}");
    }
}

#[test]
fn no_header_makes_us_hold_much() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    builder.append(&header, b"".as_slice()).unwrap();
    let (folder, path) = file("a.tar", &builder.into_inner().unwrap());
    assert_eq!(
        scrub(staged(&path), folder.path()),
        "the archive `TMP/a.tar` is damaged at byte 0: a name or pax header is too long"
    );
}

#[test]
fn a_directory_is_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    fs_err::create_dir_all(root.join("d".repeat(90))).unwrap();
    fs_err::write(root.join(&long), "long").unwrap();
    fs_err::write(root.join("b"), noise(70_000)).unwrap();
    fs_err::write(root.join("a"), "").unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    let source = format!("dir:{}", root.display());
    let image = staged(&source).unwrap();
    let tar = drain(&image.layers[0]).unwrap();
    assert_eq!(Digest::of(&tar), image.layers[0].diff_id);
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let target = entry.link_name().unwrap().map(|target| format!(" -> {}", target.display()));
            format!("{} {}{}", entry.path().unwrap().display(), entry.size(), target.unwrap_or_default())
        })
        .collect();
    let folder_name = "d".repeat(90);
    assert_eq!(
        entries,
        [
            "a 0".to_owned(),
            "b 70000".to_owned(),
            format!("{folder_name} 0"),
            format!("{long} 4"),
            "link 0 -> /etc/passwd".to_owned()
        ]
    );
    assert_eq!(staged(&source).unwrap().manifest_digest, image.manifest_digest);
    fs_err::write(root.join("a"), "changed").unwrap();
    assert_eq!(layer_error(drain(&image.layers[0])), "TooLong");
}

#[test]
fn a_directory_has_limits() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(folder.path().join("1/2/3")).unwrap();
    let source = format!("dir:{}", folder.path().display());
    let mut options = StageOptions::default();
    options.limits.directory_depth = 3;
    let error = run(&source, &options).map_err(|error| error.to_string());
    assert_eq!(scrub(error, folder.path()), "the directory `TMP` has more than 3 directories inside each other");
    options = StageOptions::default();
    options.limits.directory_entries = 2;
    let error = run(&source, &options).map_err(|error| error.to_string());
    assert_eq!(scrub(error, folder.path()), "the directory `TMP` has more than 2 entries");
    let sparse = tempfile::tempdir().unwrap();
    fs_err::File::create(sparse.path().join("huge")).unwrap().set_len(1 << 42).unwrap();
    let error = staged(&format!("dir:{}", sparse.path().display()));
    assert_eq!(scrub(error, sparse.path()), "the directory `TMP` has more than 274877906944 bytes");
    let (file_folder, path) = file("f", b"x");
    assert_eq!(scrub(staged(&format!("dir:{path}")), file_folder.path()), "`TMP/f` is no directory");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_damage_to_an_archive_panics(changes in proptest::collection::vec((0_usize..9000, any::<u8>()), 1..8), is_packed: bool) {
        let mut bytes = docker_archive(&[("a:1", &[&tar_of("one", &noise(3000))])]);
        for (at, value) in changes {
            let end = bytes.len() - 1;
            bytes[at.min(end)] = value;
        }
        let (_folder, path) = file("a.tar", &if is_packed { gzip(&bytes) } else { bytes });
        if let Ok(image) = staged(&path) {
            let _ = drain(&image.layers[0]);
        }
    }
}
