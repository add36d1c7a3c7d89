//! How much of a hostile image is read before it is refused. Every limit has its own named error.

use serde::{Deserialize, Serialize};

/// Limits of one staging. The defaults admit every image that engines can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a manifest, an index, a configuration or a token answer, each.
    pub document_bytes: u64,
    /// Layers of one image. Docker stops at 127.
    pub layers: usize,
    /// Indexes that may lie between a reference and its manifest.
    pub index_depth: usize,
    /// Images of an index, when all of them are wanted, with the indexes within.
    pub images: usize,
    /// Manifests attached to one image that are read.
    pub attachments: usize,
    /// Members of an image archive.
    pub archive_members: usize,
    /// Bytes an image archive may unpack to; bounds the time spent on a compressed one.
    pub archive_bytes: u64,
    /// Files and directories below a `dir:` source.
    pub directory_entries: u64,
    /// Bytes of the tar that is made of a `dir:` source.
    pub directory_bytes: u64,
    /// Directories inside each other below a `dir:` source.
    pub directory_depth: usize,
    /// Base-two logarithm of the largest zstd window: the memory one open zstd layer may take. Encoders go beyond
    /// 8 MiB only when asked for "ultra" levels.
    pub zstd_window_log: u32,
    /// Bytes of a layer's table of contents, packed or unpacked. A layer with a larger one is read whole.
    pub table_bytes: u64,
    /// Entries and chunks of one.
    pub table_entries: usize,
    /// Bytes of an SBOM that is read in place of an image.
    pub sbom_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 4 << 20,
            layers: 500,
            index_depth: 4,
            images: 100,
            attachments: 64,
            archive_members: 100_000,
            archive_bytes: 256 << 30,
            directory_entries: 20_000_000,
            directory_bytes: 256 << 30,
            directory_depth: 1000,
            zstd_window_log: 25,
            table_bytes: 64 << 20,
            table_entries: 300_000,
            sbom_bytes: 256 << 20,
        }
    }
}
