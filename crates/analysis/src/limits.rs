//! Bounds on what one image may make us do. Each has a name, which the error or problem carries.

use killick_model::digest::Digest;
use killick_model::links::Bounds;
use serde::{Deserialize, Serialize};

/// Bounds on reading one image. Every one is reached by some hostile image; none by a sane one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds that the analysis of one image may take, reading and waiting for its bytes included; 0 for any.
    pub analysis_seconds: u64,
    /// Uncompressed bytes of one layer.
    pub layer_bytes: u64,
    /// Entries of one layer.
    pub layer_entries: u64,
    /// Layers of one image.
    pub layers: usize,
    /// Uncompressed over compressed bytes of one layer, once past the first 64 MiB. Holes of
    /// files count by themselves: against this, or `hole_bytes` if that is more.
    pub compression_ratio: u64,
    /// Bytes of holes that are hashed in any layer. A file with larger ones is listed without a digest.
    pub hole_bytes: u64,
    /// Bytes of one path.
    pub path_bytes: usize,
    /// Directories above one name, itself counted.
    pub path_depth: usize,
    /// Bytes of all names and link targets of an image, over all layers, with what each entry takes besides: twice
    /// for names that no layer has as they are (implied directories, names moved by symbolic links).
    pub tree_bytes: u64,
    /// Bytes of one file a cataloger wants to hold. Of larger executables some hold parts; other files are hashed, and a
    /// problem says that they were not searched.
    pub file_bytes: u64,
    /// Bytes of all files held at once, over all layers: the greater part of what one analysis takes in memory.
    /// Catalogers see whole files, because an archive's directory and an executable's sections may be anywhere in
    /// them and nothing may be put on disk; the default admits all but the largest executables within 256 MiB in all.
    pub held_bytes: u64,
    /// Packages of one image. Four times as many are read over all layers, for what higher ones replace.
    pub packages: usize,
    /// How deep archives in archives are opened.
    pub archive_depth: u32,
    /// Bytes unpacked from archives within one file, all levels together.
    pub archive_bytes: u64,
    /// Members of one archive.
    pub archive_entries: u64,
    /// Bytes of one document attached to the image, a quarter of what is read of all of them.
    pub attachment_bytes: u64,
    /// Symbolic links followed to resolve one path.
    pub link_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            analysis_seconds: 15 * 60,
            layer_bytes: 64 << 30,
            layer_entries: 2_000_000,
            layers: 512,
            compression_ratio: 200,
            hole_bytes: 256 << 20,
            path_bytes: 4096,
            path_depth: 255,
            tree_bytes: 128 << 20,
            file_bytes: 160 << 20,
            held_bytes: 160 << 20,
            packages: 50_000,
            archive_depth: 8,
            archive_bytes: 2 << 30,
            archive_entries: 200_000,
            attachment_bytes: 32 << 20,
            link_depth: 40,
        }
    }
}

impl Limits {
    /// Those on paths and symbolic links.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { path_bytes: self.path_bytes, path_depth: self.path_depth, links: self.link_depth }
    }

    /// What sets facts read under these limits apart from those read under the usual ones; nothing if they are the
    /// same.
    pub(crate) fn key(&self) -> Option<String> {
        let usual = Self::default();
        // What ends an analysis as a whole, and what is attached to an image, is not in the facts of its layers.
        let Self { analysis_seconds, layers, attachment_bytes, .. } = usual;
        let own = Self { analysis_seconds, layers, attachment_bytes, ..self.clone() };
        (own != usual).then(|| Digest::of(format!("{own:?}").as_bytes()).hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_change_facts_have_a_key() {
        let usual = Limits::default();
        assert_eq!(usual.key(), None);
        assert_eq!(Limits { analysis_seconds: 1, layers: 1, attachment_bytes: 1, ..usual.clone() }.key(), None);
        let (more, less) = (Limits { file_bytes: 1 << 40, ..usual.clone() }, Limits { file_bytes: 1, ..usual });
        assert!(more.key().is_some() && more.key() != less.key());
    }
}
