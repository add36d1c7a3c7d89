//! Images made in memory.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use killick_model::digest::Digest;
use killick_model::image::{ImageConfig, LayerSource, StagedImage, StagedLayer, Surroundings};

struct Bytes(Arc<[u8]>);

impl LayerSource for Bytes {
    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(Box::new(io::Cursor::new(self.0.clone())))
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
        surroundings: Surroundings::default(),
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

/// The folders in a folder, by name.
pub(crate) fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

/// The image of a case: `image/` is its one layer, or `layers/0/`, `1/`, … are several.
pub(crate) fn case(case: &Path) -> StagedImage {
    let layers = case.join("layers");
    let layers = if layers.is_dir() { folders(&layers) } else { vec![case.join("image")] };
    image(layers.iter().map(|layer| tar_of(layer)).collect())
}
