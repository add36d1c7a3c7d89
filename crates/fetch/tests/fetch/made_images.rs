//! What the tests of this crate make their images of.

use std::io::{self, Read as _, Write as _};

use killick_fetch::layer::LayerError;
use killick_model::digest::Digest;
use killick_model::image::{StagedImage, StagedLayer};
use serde_json::{Value, json};

/// The tar every test layer is made of: one file.
pub(crate) fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, name, content);
    builder.into_inner().unwrap()
}

/// Adds a file.
pub(crate) fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
}

/// Adds a link.
pub(crate) fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    builder.append_link(&mut header, name, target).unwrap();
}

/// Bytes that hardly compress, always the same.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut seed = 0_u64;
    while bytes.len() < count {
        bytes.extend_from_slice(Digest::of(&seed.to_be_bytes()).as_bytes());
        seed += 1;
    }
    bytes.truncate(count);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// An image of one layer and its documents.
pub(crate) struct TestImage {
    pub(crate) tar: Vec<u8>,
    pub(crate) blob: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

impl TestImage {
    /// A layer `tar`, stored as `blob`.
    pub(crate) fn new(tar: Vec<u8>, blob: Vec<u8>) -> Self {
        let config = config_of(&[&tar], "amd64");
        let manifest = manifest_of(&config, &[&blob]);
        Self { tar, blob, config, manifest }
    }

    /// The usual one.
    pub(crate) fn usual() -> Self {
        let tar = tar_of("etc/hello", &noise(100_000));
        let blob = gzip(&tar);
        Self::new(tar, blob)
    }

    pub(crate) fn blobs(&self) -> [&[u8]; 2] {
        [&self.config, &self.blob]
    }
}

pub(crate) fn config_of(tars: &[&[u8]], architecture: &str) -> Vec<u8> {
    let diff_ids: Vec<Digest> = tars.iter().map(|tar| Digest::of(tar)).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Env": ["A=b"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [{"created_by": "test"}],
    });
    config.to_string().into_bytes()
}

pub(crate) fn manifest_of(config: &[u8], blobs: &[&[u8]]) -> Vec<u8> {
    let layers: Vec<Value> =
        blobs.iter().map(|blob| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", blob)).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config), "layers": layers,
    });
    manifest.to_string().into_bytes()
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// An index of manifests, each with `os/architecture` and perhaps a name.
pub(crate) fn index_of(manifests: &[(&[u8], &str, Option<&str>)]) -> Vec<u8> {
    let entries: Vec<Value> = manifests
        .iter()
        .map(|(manifest, platform, name)| {
            let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
            if let Some((os, architecture)) = platform.split_once('/') {
                entry["platform"] = json!({"os": os, "architecture": architecture});
            }
            if let Some(name) = name {
                entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            }
            entry
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries})
        .to_string()
        .into_bytes()
}

/// Reads a layer to its end.
pub(crate) fn drain(layer: &StagedLayer) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    layer.source.open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads all layers of an image, away from the runtime.
pub(crate) async fn drain_all(image: StagedImage) -> io::Result<Vec<Vec<u8>>> {
    tokio::task::spawn_blocking(move || image.layers.iter().map(drain).collect()).await.unwrap()
}

/// What was wrong with a layer.
pub(crate) fn layer_error(result: io::Result<Vec<u8>>) -> String {
    let error = result.expect_err("the layer is bad");
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<LayerError>());
    format!("{:?}", cause.unwrap_or_else(|| panic!("{error:?} is no layer error")))
        .split([' ', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The manifest of an artifact with these documents, attached to `subject`.
pub(crate) fn artifact_of(kind: &str, documents: &[(&str, &[u8])], subject: Option<&[u8]>) -> Vec<u8> {
    let layers: Vec<Value> = documents.iter().map(|(media_type, bytes)| descriptor(media_type, bytes)).collect();
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": layers,
        "annotations": {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"},
    });
    if let Some(subject) = subject {
        manifest["subject"] = descriptor(MANIFEST, subject);
    }
    manifest.to_string().into_bytes()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An index of artifacts, as the referrers API answers.
pub(crate) fn referrers_of(artifacts: &[&[u8]]) -> Vec<u8> {
    let entries: Vec<Value> = artifacts.iter().map(|artifact| descriptor(MANIFEST, artifact)).collect();
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries})
        .to_string()
        .into_bytes()
}

/// An index with one image for each platform, and an attestation about each, as `BuildKit` writes it.
pub(crate) fn index_with_attestations(images: &[(&[u8], &str, &[u8])]) -> Vec<u8> {
    let mut entries = Vec::new();
    for (manifest, architecture, _) in images {
        let mut entry = descriptor(MANIFEST, manifest);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entries.push(entry);
    }
    for (manifest, _, attestation) in images {
        let mut entry = descriptor(MANIFEST, attestation);
        entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": Digest::of(manifest),
        });
        entries.push(entry);
    }
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries})
        .to_string()
        .into_bytes()
}
