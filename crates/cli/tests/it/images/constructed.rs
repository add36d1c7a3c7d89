//! Hostile and unusual images, made here and now.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use killick_model::digest::Digest;
use serde_json::{Value, json};

use super::read;

/// One member of a layer: `path=content`, `path>target` for a symbolic link, `path/` for a directory.
fn tar(members: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut header = tar::Header::new_gnu();
        let (path, content) = match (member.split_once('='), member.split_once('>')) {
            (Some(file), _) => file,
            (None, Some((path, target))) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name(target).unwrap();
                (path, "")
            }
            (None, None) => {
                header.set_entry_type(tar::EntryType::Directory);
                (*member, "")
            }
        };
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // As it is: the library would refuse some of these names.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An OCI layout of these layers; `change` may lie in the configuration, `damage` to a stored layer.
fn layout(folder: &Path, layers: &[Vec<u8>], change: impl FnOnce(&mut Value), damage: impl Fn(Vec<u8>) -> Vec<u8>) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |media_type: &str, bytes: &[u8], stored: Vec<u8>| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), stored).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let mut config = json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|tar| Digest::of(tar)).collect::<Vec<_>>() },
    });
    change(&mut config);
    let config = config.to_string().into_bytes();
    let config = put("application/vnd.oci.image.config.v1+json", &config, config.clone());
    let layers = layers.iter().map(|tar| {
        let bytes = gzip(tar);
        put("application/vnd.oci.image.layer.v1.tar+gzip", &bytes, damage(bytes.clone()))
    });
    let layers: Vec<Value> = layers.collect();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
    let manifest = manifest.to_string().into_bytes();
    let manifest = put(media_type, &manifest, manifest.clone());
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string()).unwrap();
}

fn outcome(
    layers: &[Vec<u8>],
    change: impl FnOnce(&mut Value),
    damage: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Result<killick_model::analysis::Analysis, String> {
    let folder = tempfile::tempdir().unwrap();
    layout(folder.path(), layers, change, damage);
    read(&format!("oci:{}", folder.path().display()), None)
}

const STATUS: &str = "var/lib/dpkg/status=Package: good\nStatus: install ok installed\nVersion: 1\n\n";

#[test]
fn lies_and_damage_are_refused_by_name() {
    let whole = tar(&[STATUS, "etc/motd=hello"]);
    let same = |stored: Vec<u8>| stored;
    let cut = whole[..700].to_vec();
    let bomb = {
        let mut bomb = tar(&["zeros="]);
        let mut header = tar::Header::new_gnu();
        header.set_path("more").unwrap();
        header.set_size(80 << 20);
        header.set_cksum();
        bomb.truncate(512);
        bomb.extend_from_slice(header.as_bytes());
        bomb.resize(bomb.len() + (80 << 20), 0);
        bomb
    };
    for (outcome, words) in [
        (outcome(&[cut], |_| (), same), "the archive ends inside an entry"),
        (outcome(&[b"not a tar".repeat(100)], |_| (), same), "a header has a wrong checksum"),
        (outcome(&[bomb], |_| (), same), "limit-compression-ratio"),
        (
            outcome(
                std::slice::from_ref(&whole),
                |config| config["rootfs"]["diff_ids"] = json!([Digest::of(b"")]),
                same,
            ),
            "diffID",
        ),
        (outcome(std::slice::from_ref(&whole), |config| config["rootfs"]["diff_ids"] = json!([]), same), "layers"),
        (outcome(std::slice::from_ref(&whole), |_| (), |stored| stored[..stored.len() / 2].to_vec()), "bytes"),
        (
            outcome(
                std::slice::from_ref(&whole),
                |_| (),
                |mut stored| {
                    let middle = stored.len() / 2;
                    stored[middle] ^= 1;
                    stored
                },
            ),
            "have the digest",
        ),
    ] {
        let error = outcome.map(|analysis| analysis.files.len()).expect_err(words);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn names_stay_inside_the_image() {
    let layer = tar(&[
        "../../escape-1=x",
        "a/../../escape-2=x",
        "/absolute=x",
        "out>/",
        "out/etc/escape-3=x",
        "etc/os-release>/../../../../etc/os-release",
        "var/lib/dpkg/status>/etc/passwd",
    ]);
    let analysis = outcome(&[layer], |_| (), |stored| stored).unwrap();
    let paths: Vec<_> = analysis.files.iter().map(|file| file.path.to_string()).collect();
    assert!(paths.iter().all(|path| !path.contains("..")), "{paths:?}");
    assert!(paths.contains(&"/absolute".to_owned()));
    assert!(paths.contains(&"/etc/escape-3".to_owned()), "{paths:?}");
    assert!(analysis.packages.is_empty());
    assert_eq!(analysis.distribution, None);
    assert!(analysis.problems.iter().any(|problem| problem.kind == "path-escape"));
}

#[test]
fn layers_are_merged_and_what_is_broken_is_told() {
    let below = tar(&[STATUS, "etc/", "etc/gone=x", "etc/kept=x", "opaque/old=x", "file=x"]);
    let above = tar(&["etc/.wh.gone=", "opaque/.wh..wh..opq=", "opaque/new=x", "file/", "file/in=x"]);
    let broken = tar(&["srv/node_modules/x/package.json={broken", "srv/y.jar=not a zip"]);
    let analysis = outcome(&[below, above, broken], |_| (), |stored| stored).unwrap();
    let there = |path: &str| analysis.file(path.as_bytes()).is_some();
    for path in ["etc/kept", "opaque/new", "file/in"] {
        assert!(there(path), "{path}");
    }
    for path in ["etc/gone", "opaque/old", "etc/.wh.gone", "opaque/.wh..wh..opq"] {
        assert!(!there(path), "{path}");
    }
    let packages: Vec<_> = analysis.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(packages, ["good"]);
    assert!(analysis.problems.iter().any(|problem| problem.subject == "/srv/node_modules/x/package.json"));
}
