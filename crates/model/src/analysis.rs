//! What analysis knows about one image.

use serde::{Deserialize, Serialize};

use crate::attachment::Attachment;
use crate::digest::Digest;
use crate::distribution::Distribution;
use crate::file::FileEntry;
use crate::image::ImageConfig;
use crate::inspection::Inspection;
use crate::package::{Package, PackageId};
use crate::problem::Problem;
use crate::sbom::SbomOrigin;

/// Everything one image consists of. A pure function of the image's bytes and the analysers' revisions; what packages
/// files were [copied](crate::package::PackageEvidence::Copied) from follows also from what was known of packages then, and
/// stays as it was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Digest of the platform manifest.
    pub manifest_digest: Digest,
    /// Digest of the index it was chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_digest: Option<Digest>,
    /// Digest of the configuration; its hexadecimal digits are the image id.
    pub config_digest: Digest,
    /// The configuration.
    pub config: ImageConfig,
    /// Layers, lowest first.
    pub layers: Vec<LayerSummary>,
    /// The distribution, or `None` where no file tells (`scratch` images).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Packages, ordered by (kind, name, version, architecture, location, nested).
    pub packages: Vec<Package>,
    /// Files of the merged image, ordered by path.
    pub files: Vec<FileEntry>,
    /// What inspectors saw in the contents of files.
    #[serde(default, skip_serializing_if = "Inspection::is_none")]
    pub inspection: Inspection,
    /// What others attached to the image where it was read from, and that is told as found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The document that told all this, where nobody looked at the image itself: then files, what is in them, settings
    /// and build steps are not empty but unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<SbomOrigin>,
    /// What could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// One layer of an analysed image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSummary {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Digest of the blob.
    pub digest: Digest,
    /// Declared media type of the blob.
    pub media_type: String,
    /// Size of the blob in bytes.
    pub size: u64,
    /// The build step that made it, where the history lines up with the layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

impl Analysis {
    /// The package with this id.
    ///
    /// # Panics
    /// If the id is of another analysis: ids are only made by the analysis they index.
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.0 as usize]
    }

    /// Where a package is, down to the member of an archive, if anybody tells: an SBOM need not.
    pub fn place_of(&self, package: &Package) -> Option<String> {
        (self.sbom.is_none() || has_place(package)).then(|| package.virtual_path())
    }

    /// The number of the layer that brought a package, if anybody tells: an SBOM need not.
    pub fn layer_of(&self, package: &Package) -> Option<u32> {
        let is_listed = || usize::try_from(package.layer).is_ok_and(|at| at < self.layers.len());
        (self.sbom.is_none() || has_place(package) && is_listed()).then_some(package.layer)
    }

    /// Whether every package that is spoken of is there, and files are in their order. An analysis that comes from
    /// elsewhere may say anything.
    pub fn is_consistent(&self) -> bool {
        let is_there = |id: PackageId| usize::try_from(id.0).is_ok_and(|at| at < self.packages.len());
        let changed = self.inspection.package_files.iter().flatten().map(|changed| changed.package);
        let licenses = self.inspection.licenses.iter();
        let licensed = licenses.clone().flat_map(|scan| &scan.packages).map(|license| license.package);
        let licensing = licenses.flat_map(|scan| &scan.files).filter_map(|file| file.package);
        let owners = self.packages.iter().filter_map(|package| package.owner);
        owners.chain(changed).chain(licensed).chain(licensing).all(is_there)
            && self.files.is_sorted_by(|one, other| one.path < other.path)
    }

    /// Size of the image: bytes of a tar of its merged files, in records of 10 KiB, each entry with an extended header
    /// for its time stamp. The sum of its layers would count what upper layers replace or delete.
    pub fn size_bytes(&self) -> u64 {
        const BLOCK: u64 = 512;
        const RECORD: u64 = 20 * BLOCK;
        /// `30 mtime=1700000000.1234567` and its line break.
        const TIME: u64 = 30;
        /// What the plain header has room for.
        const PLAIN: usize = 100;
        let blocks = |bytes: u64| bytes.div_ceil(BLOCK).saturating_mul(BLOCK);
        // A name that the plain header cannot hold goes to the extended one, with its length and its keyword.
        let extended = |name: &[u8]| if name.len() > PLAIN || !name.is_ascii() { name.len() as u64 + 10 } else { 0 };
        let bytes = self.files.iter().fold(2 * BLOCK, |sum: u64, file| {
            let link = file.link_target.as_deref().unwrap_or_default();
            let header = TIME.saturating_add(extended(file.path.as_bytes())).saturating_add(extended(link));
            sum.saturating_add(2 * BLOCK).saturating_add(blocks(header)).saturating_add(blocks(file.size))
        });
        bytes.div_ceil(RECORD).saturating_mul(RECORD)
    }

    /// The file at `path`, which has no leading `/`.
    pub fn file(&self, path: &[u8]) -> Option<&FileEntry> {
        let at = self.files.binary_search_by(|file| file.path.as_bytes().cmp(path)).ok()?;
        Some(&self.files[at])
    }
}

/// The root is no place of a package: it stands for none.
fn has_place(package: &Package) -> bool {
    !package.location.as_bytes().is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_speaks_of_packages_that_are_not_there_is_told() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let package = |owner: Option<u32>| json!({"kind": "npm", "name": "a", "version": "1", "location": "/a", "layer": 0, "cataloger": "x", "owner": owner});
        let file = |path: &str| json!({"path": path, "kind": "directory", "mode": 493, "uid": 0, "gid": 0, "size": 0, "layer": 0});
        let changed = |package: u32| json!({"package_files": [{"package": package, "path": "/a", "differences": []}]});
        for (packages, files, inspection, want) in [
            (vec![], vec![], json!({}), true),
            (vec![package(Some(1)), package(None)], vec![file("a"), file("b")], changed(1), true),
            (vec![package(Some(2)), package(None)], vec![], json!({}), false),
            (vec![package(None)], vec![], changed(1), false),
            (vec![], vec![file("b"), file("a")], json!({}), false),
        ] {
            let analysis: Analysis = serde_json::from_value(json!({
                "manifest_digest": digest, "config_digest": digest, "config": {}, "layers": [], "packages": packages,
                "files": files, "inspection": inspection,
            }))
            .unwrap();
            assert_eq!(analysis.is_consistent(), want, "{analysis:?}");
        }
    }

    /// Sizes that Python's `tarfile` gives archives of the same entries.
    #[test]
    fn the_size_is_that_of_a_tar() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let file = |path: &str, size: u64| {
            let sha256 = "b".repeat(64);
            json!({"path": path, "kind": "file", "mode": 420, "uid": 0, "gid": 0, "size": size, "sha256": sha256, "layer": 0})
        };
        let long = "d/".repeat(300);
        for (files, want) in [
            (vec![], 10_240),
            (vec![file("a", 6)], 10_240),
            // 1,024 bytes of end, 1,536 of headers: what is left of a record, and one byte more.
            (vec![file("a", 7_680)], 10_240),
            (vec![file("a", 7_681)], 20_480),
            (vec![file("é", 7_680)], 10_240),
            // A name of 601 bytes takes a block more.
            (vec![file(&format!("{long}a"), 7_680)], 20_480),
            (vec![file(&format!("{long}a"), 7_168)], 10_240),
        ] {
            let analysis: Analysis = serde_json::from_value(json!({
                "manifest_digest": digest, "config_digest": digest, "config": {}, "layers": [], "packages": [],
                "files": files,
            }))
            .unwrap();
            assert_eq!(analysis.size_bytes(), want, "{files:?}");
        }
    }
}
