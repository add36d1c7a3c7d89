//! Small images made in memory, as a registry or an archive would hold them.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use killick_model::digest::Digest;
use serde_json::{Value, json};

/// An image: a manifest, its config, its layers.
pub(crate) struct Image {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

pub(crate) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

impl Image {
    /// The image of the repository's example archive.
    pub(crate) fn example() -> Self {
        let path = super::command::repository().join("examples/shop.tar");
        let mut archive = tar::Archive::new(fs_err::File::open(path).expect("the example is there"));
        let members: std::collections::BTreeMap<String, Vec<u8>> = archive
            .entries()
            .expect("the example is a tar")
            .map(|entry| {
                let mut entry = entry.expect("the example is whole");
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).expect("the example is whole");
                (entry.path().expect("paths are UTF-8").to_string_lossy().into_owned(), bytes)
            })
            .collect();
        let index: Value = serde_json::from_slice(&members["manifest.json"]).expect("manifest.json is JSON");
        let name = |value: &Value| value.as_str().expect("a name").to_owned();
        let layers = index[0]["Layers"].as_array().expect("layers").iter().map(|layer| members[&name(layer)].clone());
        Self::assemble(members[&name(&index[0]["Config"])].clone(), layers.collect())
    }

    /// One layer holding `files`, on top of nothing.
    pub(crate) fn of_files(files: &[(&str, &[u8])]) -> Self {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *bytes).expect("a tar in memory");
        }
        let tar = builder.into_inner().expect("a tar in memory");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).expect("a gzip in memory");
        Self::of_layer(&Digest::of(&tar), gzip.finish().expect("a gzip in memory"))
    }

    /// One layer, compressed, whose tar has the digest `diff_id`.
    pub(crate) fn of_layer(diff_id: &Digest, gzip: Vec<u8>) -> Self {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/bin:/bin"]},
            "history": [{"created_by": "COPY . /"}],
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        Self::assemble(config.to_string().into_bytes(), vec![gzip])
    }

    /// The same image for another processor.
    pub(crate) fn on(self, architecture: &str) -> Self {
        let mut config: Value = serde_json::from_slice(&self.config).expect("the configuration is JSON");
        config["architecture"] = json!(architecture);
        Self::assemble(config.to_string().into_bytes(), self.layers)
    }

    /// Writes the image as an OCI layout into `folder`.
    pub(crate) fn write_layout(&self, folder: &Path) {
        let blobs = folder.join("blobs/sha256");
        fs_err::create_dir_all(&blobs).expect("a folder for the blobs");
        for blob in [&self.manifest, &self.config].into_iter().chain(&self.layers) {
            fs_err::write(blobs.join(Digest::of(blob).hex()), blob).expect("a blob");
        }
        let manifest =
            json!({"mediaType": MANIFEST, "size": self.manifest.len(), "digest": Digest::of(&self.manifest)});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs_err::write(folder.join("index.json"), index.to_string()).expect("an index");
        fs_err::write(folder.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).expect("a version");
    }

    pub(crate) fn assemble(config: Vec<u8>, layers: Vec<Vec<u8>>) -> Self {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": Digest::of(&config),
            },
            "layers": layers.iter().map(|layer| json!({
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(),
                "digest": Digest::of(layer),
            })).collect::<Vec<_>>(),
        });
        Self { manifest: manifest.to_string().into_bytes(), config, layers }
    }
}
