//! The document of an archived analysis: a tar with `archive_manifest` as in Anchore Engine 1.1.0, which says what the
//! other members are.
//!
//! Ours are `killick/image` (the image as it was remembered), `killick/analysis`, `image_manifest` and one
//! `policy_evaluation-N` for each verdict. Documents that come from elsewhere are gzipped, or not; everything in them is
//! bounded.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use killick_model::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Bytes of all members of a document from elsewhere.
const MAX_BYTES: u64 = 512 << 20;

/// Members of a document.
const MAX_MEMBERS: usize = 100_000;

const MANIFEST: &str = "archive_manifest";
const IMAGE: &str = "killick/image";
const ANALYSIS: &str = "killick/analysis";
const IMAGE_MANIFEST: &str = "image_manifest";

/// The members of a document by name.
pub(crate) type Members = BTreeMap<String, Vec<u8>>;

/// Everything that is needed to restore an image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contents {
    /// The image.
    pub(crate) record: Record,
    /// The exact bytes of its manifest; empty where they were not kept.
    pub(crate) manifest: Vec<u8>,
    /// Its analysis as JSON.
    pub(crate) analysis: Vec<u8>,
    /// Verdicts on it, in the order of [`Record::evaluations`].
    pub(crate) verdicts: Vec<Vec<u8>>,
}

/// An image, as it was remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) index_digest: Option<Digest>,
    pub(crate) config_digest: Digest,
    /// The id that somebody gave it, if it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given_id: Option<String>,
    #[serde(default)]
    pub(crate) annotations: Map<String, Value>,
    /// As the user gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dockerfile: Option<String>,
    /// Made from the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guessed_dockerfile: Option<String>,
    pub(crate) size_bytes: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) analyzed_at: Timestamp,
    #[serde(default)]
    pub(crate) tags: Vec<TagRecord>,
    /// Its places in indexes; earlier releases did not keep them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) places: Vec<PlaceRecord>,
    #[serde(default)]
    pub(crate) evaluations: Vec<EvaluationRecord>,
    /// When which vulnerability was first seen in which package.
    #[serde(default)]
    pub(crate) first_detected: Vec<(String, String, Timestamp)>,
}

/// A tag of it, as often as it began to point there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) detected_at: Timestamp,
    /// Whether it means another image of the same index.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) child: bool,
    /// The index that it names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) index_digest: Option<Digest>,
}

/// What it is in an index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlaceRecord {
    pub(crate) index_digest: Digest,
    /// Where it stands among those that were taken; the one that tags of the index mean is 0.
    pub(crate) position: i64,
    /// What the index says that it is for, or empty.
    pub(crate) platform: String,
}

/// A verdict on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EvaluationRecord {
    pub(crate) tag: String,
    pub(crate) policy_id: String,
    pub(crate) policy_digest: Digest,
    pub(crate) action: String,
    pub(crate) superseded: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("the archive is no tar, gzipped or not")]
    Tar(#[source] io::Error),
    #[error("the archive has more than {MAX_BYTES} bytes or {MAX_MEMBERS} members")]
    TooLarge,
    #[error("the archive has no member `{0}`")]
    Missing(&'static str),
    #[error("the member `{0}` of the archive cannot be read")]
    Member(&'static str, #[source] serde_json::Error),
    #[error("the analysis in the archive cannot be read")]
    Analysis(#[source] serde_json::Error),
    #[error("the analysis in the archive speaks of packages that it does not have")]
    Inconsistent,
    #[error("the members of the archive are about different images")]
    OtherImage,
    #[error("the list of packages in the archive cannot be read")]
    Packages(#[source] killick_analysis::imported::ImportError),
}

/// The error with its cause.
pub(crate) fn told(error: &DocumentError) -> String {
    match (error, std::error::Error::source(error)) {
        // What was found in place of a tar may be anything.
        (DocumentError::Tar(_), _) | (_, None) => error.to_string(),
        (_, Some(cause)) => format!("{error}: {cause}"),
    }
}

#[derive(Deserialize)]
struct Head {
    // Whose it was; the image becomes the caller's.
    #[expect(dead_code, reason = "required by the contract")]
    account: String,
    image_digest: Digest,
}

/// Writes a document, without compressing it.
pub(crate) fn write(contents: &Contents, account: &str, at: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let record = serde_json::to_vec(&contents.record)?;
    let verdicts = (0..).zip(&contents.verdicts).map(|(number, bytes)| (verdict(number), bytes.as_slice()));
    let mut members: Vec<(String, &[u8])> = vec![
        (IMAGE.to_owned(), &record),
        (ANALYSIS.to_owned(), &contents.analysis),
        (IMAGE_MANIFEST.to_owned(), &contents.manifest),
    ];
    members.extend(verdicts);
    let artifact = |(name, _): &(String, &[u8])| json!({"name": name, "metadata": {}, "source": {"bucket": null, "key": null}, "dest": {"tarfile_path": name}});
    let image = &contents.record;
    let manifest = json!({
        "account": account,
        "image_digest": image.digest,
        "archived_at": at,
        "metadata": {
            "versions": {"killick": env!("CARGO_PKG_VERSION")},
            "image_id": image.given_id.clone().unwrap_or_else(|| image.config_digest.hex()),
            "image_record": String::from_utf8_lossy(&record),
        },
        "artifacts": members.iter().map(artifact).collect::<Vec<_>>(),
    });
    let manifest = serde_json::to_vec(&manifest)?;
    members.insert(0, (MANIFEST.to_owned(), &manifest));
    let mut tar = tar::Builder::new(out);
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(at.as_second()).unwrap_or(0));
        tar.append_data(&mut header, name, bytes)?;
    }
    tar.finish()
}

fn verdict(number: usize) -> String {
    format!("policy_evaluation-{number}")
}

/// Reads a document of ours, not compressed.
pub(crate) fn read(bytes: &[u8]) -> Result<Contents, DocumentError> {
    ours(members(bytes, u64::MAX)?)
}

/// Reads a document from elsewhere, gzipped or not. What is not ours is read by `foreign`.
pub(crate) fn read_packed(
    bytes: &[u8],
    foreign: &dyn Fn(&Members) -> Result<Contents, DocumentError>,
) -> Result<Contents, DocumentError> {
    let members = if bytes.starts_with(&[0x1f, 0x8b]) {
        members(MultiGzDecoder::new(bytes), MAX_BYTES)?
    } else {
        members(bytes, MAX_BYTES)?
    };
    let head = members.get(MANIFEST).ok_or(DocumentError::Missing(MANIFEST))?;
    let head: Head = serde_json::from_slice(head).map_err(|error| DocumentError::Member(MANIFEST, error))?;
    let contents = if members.contains_key(IMAGE) { ours(members)? } else { foreign(&members)? };
    if contents.record.digest != head.image_digest {
        return Err(DocumentError::OtherImage);
    }
    Ok(contents)
}

fn members(input: impl Read, limit: u64) -> Result<Members, DocumentError> {
    let mut archive = tar::Archive::new(input.take(limit));
    let (mut members, mut left) = (Members::new(), limit);
    for (number, entry) in archive.entries().map_err(DocumentError::Tar)?.enumerate() {
        if number >= MAX_MEMBERS {
            return Err(DocumentError::TooLarge);
        }
        let mut entry = entry.map_err(DocumentError::Tar)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut bytes = Vec::new();
        let read = (&mut entry).take(left.saturating_add(1)).read_to_end(&mut bytes).map_err(DocumentError::Tar)?;
        left = left.checked_sub(read as u64).ok_or(DocumentError::TooLarge)?;
        members.insert(name, bytes);
    }
    Ok(members)
}

fn ours(mut members: Members) -> Result<Contents, DocumentError> {
    let record = members.remove(IMAGE).ok_or(DocumentError::Missing(IMAGE))?;
    let mut record: Record = serde_json::from_slice(&record).map_err(|error| DocumentError::Member(IMAGE, error))?;
    let (mut kept, mut verdicts) = (Vec::new(), Vec::new());
    for (number, evaluation) in std::mem::take(&mut record.evaluations).into_iter().enumerate() {
        // One that is not there is forgotten: the next is made anew in any case.
        if let Some(bytes) = members.remove(&verdict(number)) {
            kept.push(evaluation);
            verdicts.push(bytes);
        }
    }
    record.evaluations = kept;
    Ok(Contents {
        record,
        manifest: members.remove(IMAGE_MANIFEST).unwrap_or_default(),
        analysis: members.remove(ANALYSIS).ok_or(DocumentError::Missing(ANALYSIS))?,
        verdicts,
    })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn contents() -> Contents {
        let at: Timestamp = "2024-01-02T03:04:05Z".parse().unwrap();
        let evaluation = |action: &str| EvaluationRecord {
            tag: "r.io/a:1".to_owned(),
            policy_id: "p".to_owned(),
            policy_digest: Digest::of(b"p"),
            action: action.to_owned(),
            superseded: false,
            created_at: at,
            updated_at: at,
        };
        let record = Record {
            digest: Digest::of(b"m"),
            index_digest: None,
            config_digest: Digest::of(b"c"),
            given_id: None,
            annotations: Map::new(),
            dockerfile: Some("FROM a\n".to_owned()),
            guessed_dockerfile: None,
            size_bytes: 7,
            created_at: at,
            analyzed_at: at,
            tags: vec![TagRecord {
                registry: "r.io".into(),
                repository: "a".into(),
                tag: "1".into(),
                detected_at: at,
                child: false,
                index_digest: None,
            }],
            places: Vec::new(),
            evaluations: vec![evaluation("stop"), evaluation("go")],
            first_detected: vec![("CVE-1".to_owned(), "a 1".to_owned(), at)],
        };
        let verdicts = vec![b"{\"a\":1}".to_vec(), b"{\"a\":2}".to_vec()];
        Contents { record, manifest: b"{}".to_vec(), analysis: b"null".to_vec(), verdicts }
    }

    fn written(contents: &Contents) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(contents, "team", contents.record.created_at, &mut bytes).unwrap();
        bytes
    }

    fn none(_: &Members) -> Result<Contents, DocumentError> {
        Err(DocumentError::Missing("foreign"))
    }

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let contents = contents();
        let bytes = written(&contents);
        assert_eq!(read(&bytes).unwrap(), contents);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&bytes).unwrap();
        assert_eq!(read_packed(&gzip.finish().unwrap(), &none).unwrap(), contents);
        assert_eq!(read_packed(&bytes, &none).unwrap(), contents);
    }

    #[test]
    fn the_manifest_says_what_is_there() {
        let members = members(written(&contents()).as_slice(), MAX_BYTES).unwrap();
        let manifest: Value = serde_json::from_slice(&members[MANIFEST]).unwrap();
        assert_eq!(
            (manifest["account"].as_str(), manifest["archived_at"].as_str()),
            (Some("team"), Some("2024-01-02T03:04:05Z"))
        );
        let paths: Vec<&str> = manifest["artifacts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["dest"]["tarfile_path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, [IMAGE, ANALYSIS, IMAGE_MANIFEST, "policy_evaluation-0", "policy_evaluation-1"]);
        assert!(paths.iter().all(|path| members.contains_key(*path)));
    }

    #[test]
    fn broken_documents_are_refused() {
        let head = json!({"account": "a", "image_digest": Digest::of(b"other")}).to_string();
        let record = serde_json::to_vec(&contents().record).unwrap();
        for (bytes, want) in [
            (b"nonsense".repeat(200), "no tar"),
            (vec![0x1f, 0x8b, 1, 2], "no tar"),
            (tar_of(&[]), "no member `archive_manifest`"),
            (tar_of(&[(MANIFEST, b"{}")]), "`archive_manifest` of the archive cannot be read"),
            (tar_of(&[(MANIFEST, head.as_bytes())]), "no member `foreign`"),
            (tar_of(&[(MANIFEST, head.as_bytes()), (IMAGE, b"[]")]), "`killick/image` of the archive cannot be read"),
            (tar_of(&[(MANIFEST, head.as_bytes()), (IMAGE, &record)]), "no member `killick/analysis`"),
            (tar_of(&[(MANIFEST, head.as_bytes()), (IMAGE, &record), (ANALYSIS, b"null")]), "different images"),
        ] {
            let error = told(&read_packed(&bytes, &none).unwrap_err());
            assert!(error.contains(want), "{error}: {want}");
        }
        let large = tar_of(&[("a", &[0; 600]), ("b", &[0; 600])]);
        assert!(members(large.as_slice(), 1000).is_err());
    }
}
