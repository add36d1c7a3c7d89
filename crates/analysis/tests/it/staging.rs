//! Images made in memory, and a small reader of OCI layouts for tests.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use killick_model::digest::Digest;
use killick_model::image::{ImageConfig, LayerSource, StagedImage, StagedLayer};
use serde_json::Value;

struct Bytes(Arc<[u8]>);

impl LayerSource for Bytes {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.0.clone())))
    }
}

struct Blob(PathBuf);

impl LayerSource for Blob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut start = [0; 4];
        let count = fs::File::open(&self.0)?.read(&mut start)?;
        let file = fs::File::open(&self.0)?;
        Ok(match &start[..count] {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(file)?),
            _ => Box::new(file),
        })
    }
}

/// An image of these tars, lowest first.
pub(crate) fn image(tars: Vec<Vec<u8>>) -> StagedImage {
    let layers = tars.into_iter().map(|tar| {
        let digest = Digest::of(&tar);
        StagedLayer {
            diff_id: digest.clone(),
            digest,
            media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
            size: tar.len() as u64,
            source: Arc::new(Bytes(tar.into())),
        }
    });
    staged(ImageConfig::default(), layers.collect())
}

fn staged(config: ImageConfig, layers: Vec<StagedLayer>) -> StagedImage {
    StagedImage {
        name: "test".to_owned(),
        manifest_digest: Digest::of(b"manifest"),
        manifest: Vec::new(),
        index: None,
        config_digest: Digest::of(b"config"),
        config_bytes: Vec::new(),
        config,
        layers,
        tags: Vec::new(),
    }
}

/// A tar of a folder as a build would copy it: everything owned by root, the executable bit kept.
pub(crate) fn tar_of(folder: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.mode(tar::HeaderMode::Deterministic);
    builder.follow_symlinks(false);
    builder.append_dir_all("", folder).unwrap();
    builder.into_inner().unwrap()
}

/// The first image of an OCI layout, not verified.
pub(crate) fn layout(folder: &Path) -> Option<StagedImage> {
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).ok();
    let blob = |digest: &str| folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let mut document = json(fs::read(folder.join("index.json")).ok()?)?;
    while let Some(first) = document["manifests"].get(0) {
        document = json(fs::read(blob(first["digest"].as_str()?)).ok()?)?;
    }
    let config_digest = document["config"]["digest"].as_str()?;
    let config = json(fs::read(blob(config_digest)).ok()?)?;
    let diff_ids = config["rootfs"]["diff_ids"].as_array()?.clone();
    let layers = document["layers"].as_array()?.iter().zip(&diff_ids).map(|(layer, diff_id)| {
        Some(StagedLayer {
            diff_id: diff_id.as_str()?.parse().ok()?,
            digest: layer["digest"].as_str()?.parse().ok()?,
            media_type: layer["mediaType"].as_str()?.to_owned(),
            size: layer["size"].as_u64()?,
            source: Arc::new(Blob(blob(layer["digest"].as_str()?))),
        })
    });
    let layers = layers.collect::<Option<Vec<_>>>()?;
    Some(staged(serde_json::from_value(config).ok()?, layers))
}
