//! Archives that Anchore Engine made. Its members are `image_manifest`, `image_content` (packages and files by type),
//! `analysis`, `vulnerabilities`, verdicts, and from 1.0 on `syft_sbom`; of these the list of packages and the manifest
//! are taken over, everything else is found anew. Documents may stand in an object `{"document": ...}`.

use jiff::Timestamp;
use killick_analysis::imported::{Documents, read as read_packages};
use killick_fetch::Limits;
use killick_fetch::documents::describe;
use killick_model::digest::Digest;
use killick_model::problem::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::{Contents, DocumentError, Members, Record, TagRecord};

const MANIFEST: &str = "archive_manifest";
const SBOM: &str = "syft_sbom";

#[derive(Deserialize)]
struct Head {
    image_digest: Digest,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    image_id: Option<String>,
    /// The catalog's record, a JSON text.
    #[serde(default)]
    image_record: Option<String>,
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    dest: Destination,
}

#[derive(Deserialize)]
struct Destination {
    tarfile_path: String,
}

/// What is taken over of the catalog's record.
#[derive(Default, Deserialize)]
struct CatalogRecord {
    #[serde(default, rename = "parentDigest")]
    parent_digest: Option<String>,
    #[serde(default)]
    annotations: Option<Value>,
    #[serde(default)]
    created_at: Option<i64>,
    #[serde(default)]
    analyzed_at: Option<i64>,
    #[serde(default)]
    image_size: Option<i64>,
    #[serde(default)]
    arch: Option<String>,
    #[serde(default)]
    image_detail: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    registry: String,
    #[serde(default)]
    repo: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    tag_detected_at: Option<i64>,
    #[serde(default)]
    created_at: Option<i64>,
}

/// Reads the members of an archive, with so many packages at most.
pub(super) fn read(members: &Members, limits: &Limits, max_packages: usize) -> Result<Contents, DocumentError> {
    let wrong = |error| DocumentError::Member(MANIFEST, error);
    let head = members.get(MANIFEST).ok_or(DocumentError::Missing(MANIFEST))?;
    let head: Head = serde_json::from_slice(head).map_err(wrong)?;
    let member = |name: &str| {
        let path = head.artifacts.iter().find(|artifact| artifact.name == name);
        let path = path.map_or(name, |artifact| artifact.dest.tarfile_path.trim_start_matches("./"));
        members.get(path).map(Vec::as_slice)
    };
    let record = head.metadata.image_record.as_deref().unwrap_or("{}");
    let record: CatalogRecord = serde_json::from_str(record).map_err(wrong)?;
    let packages = bare(member(SBOM).ok_or(DocumentError::Missing(SBOM))?);
    let manifest = member("image_manifest").map(bare).unwrap_or_default();
    // There is no configuration in it; its digest is the image's id.
    let config_digest = head.metadata.image_id.as_deref().and_then(digest_of);
    let config_digest = config_digest.unwrap_or_else(|| head.image_digest.clone());
    let mut described = describe(&manifest, b"{\"rootfs\":{}}", limits);
    // Without a configuration no layer is known by its content, which is nothing to tell of each such archive.
    described.problems.clear();
    described.problems.push(Problem::new(
        "archive-of-another-engine",
        head.image_digest.to_string(),
        "only the packages are known of this image: its archive was made by another engine",
    ));
    described.config.architecture = record.arch.clone().unwrap_or_default();
    let index_digest = record.parent_digest.as_deref().and_then(|text| text.parse().ok());
    let documents = Documents {
        manifest_digest: head.image_digest.clone(),
        index_digest,
        config_digest,
        config: described.config,
        layers: described.layers,
        problems: described.problems,
    };
    let imported = read_packages(&packages, documents, max_packages).map_err(DocumentError::Packages)?;
    let analysis = imported.analysis;
    let created_at = instant(record.created_at);
    let tags = record.image_detail.into_iter().filter(|detail| !detail.repo.is_empty() && !detail.tag.is_empty());
    let tag = |detail: Detail| TagRecord {
        registry: detail.registry,
        repository: detail.repo,
        tag: detail.tag,
        detected_at: instant(detail.tag_detected_at.or(detail.created_at)),
        child: false,
        index_digest: None,
    };
    Ok(Contents {
        record: Record {
            digest: analysis.manifest_digest.clone(),
            index_digest: analysis.index_digest.clone().filter(|digest| *digest != analysis.manifest_digest),
            config_digest: analysis.config_digest.clone(),
            given_id: None,
            annotations: annotations(record.annotations),
            dockerfile: None,
            guessed_dockerfile: None,
            size_bytes: record.image_size.unwrap_or_else(|| i64::try_from(imported.size_bytes).unwrap_or(i64::MAX)),
            created_at,
            analyzed_at: record.analyzed_at.map_or(created_at, |at| instant(Some(at))),
            tags: tags.map(tag).collect(),
            places: Vec::new(),
            evaluations: Vec::new(),
            first_detected: Vec::new(),
        },
        manifest,
        analysis: serde_json::to_vec(&analysis).map_err(DocumentError::Analysis)?,
        verdicts: Vec::new(),
    })
}

/// The document itself, out of the object in which the engine's store keeps it: as a value, or as a text.
fn bare(bytes: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Wrapped {
        document: Value,
    }
    match serde_json::from_slice::<Wrapped>(bytes) {
        Ok(Wrapped { document: Value::String(text) }) => text.into_bytes(),
        Ok(Wrapped { document }) => document.to_string().into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// An object, or a text that is one.
fn annotations(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
        _ => Map::new(),
    }
}

fn digest_of(text: &str) -> Option<Digest> {
    format!("sha256:{}", text.trim_start_matches("sha256:")).parse().ok()
}

fn instant(seconds: Option<i64>) -> Timestamp {
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use killick_model::analysis::Analysis;
    use serde_json::json;

    use super::*;

    fn members(record: &Value, sbom: &Value) -> Members {
        let digest = Digest::of(b"m");
        let manifest = json!({"account": "a", "image_digest": digest, "archived_at": "2021-01-01T00:00:00Z",
            "metadata": {"versions": {}, "image_id": "b".repeat(64), "image_record": record.to_string()},
            "artifacts": [{"name": "syft_sbom", "metadata": {}, "source": {"bucket": "syft_sbom", "key": "x"},
                "dest": {"tarfile_path": "syft_sbom/x"}}]});
        [
            ("archive_manifest", manifest.to_string()),
            ("syft_sbom/x", sbom.to_string()),
            ("image_manifest", "{}".to_owned()),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .collect()
    }

    #[test]
    fn packages_and_tags_are_taken_over() {
        let record = json!({"parentDigest": Digest::of(b"index"), "annotations": "{\"a\":\"b\"}", "created_at": 1_600_000_000,
            "analyzed_at": 1_600_000_100, "image_size": 77, "arch": "amd64",
            "image_detail": [{"registry": "r.io", "repo": "a", "tag": "1", "tag_detected_at": 1_600_000_050}, {"repo": ""}]});
        let sbom = json!({"document": {"artifacts": [{"name": "musl", "version": "1.2-r0", "type": "apk",
            "locations": [{"path": "/lib/apk/db/installed"}]}], "distro": {"name": "alpine", "version": "3.9.6"}}});
        let contents = read(&members(&record, &sbom), &Limits::default(), 9).unwrap();
        let analysis: Analysis = serde_json::from_slice(&contents.analysis).unwrap();
        assert_eq!(analysis.distribution.map(|found| found.label()).as_deref(), Some("alpine:3.9.6"));
        assert_eq!(analysis.packages[0].name, "musl");
        assert_eq!((analysis.problems.len(), analysis.config.architecture.as_str()), (1, "amd64"));
        let record = contents.record;
        assert_eq!((record.config_digest.hex(), record.size_bytes), ("b".repeat(64), 77));
        assert_eq!((record.tags.len(), record.tags[0].detected_at.as_second()), (1, 1_600_000_050));
        assert_eq!((record.analyzed_at.as_second(), &record.annotations["a"]), (1_600_000_100, &json!("b")));
    }

    #[test]
    fn what_has_no_list_of_packages_is_refused() {
        let mut members = members(&json!({}), &json!({}));
        assert!(read(&members, &Limits::default(), 9).is_ok());
        members.remove("syft_sbom/x");
        assert!(matches!(read(&members, &Limits::default(), 9), Err(DocumentError::Missing("syft_sbom"))));
    }
}
