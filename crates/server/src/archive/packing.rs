//! The document of an image that was analysed elsewhere than on a server, which any server takes in.

use std::io;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::dockerfile;
use serde_json::{Map, Value};

use super::compressed;
use super::document::{self, Contents, Record, TagRecord};
use crate::api::v1::pull_string::PullString;

/// What an image is to be called, and what is said of it.
#[derive(Debug, Clone)]
pub struct ArchiveLabel<'a> {
    /// `[REGISTRY/]REPOSITORY[:TAG]`, read as version 1 of the API reads it.
    pub tag: &'a str,
    /// What it was built from, if somebody says.
    pub dockerfile: Option<String>,
    /// What is kept with it.
    pub annotations: Map<String, Value>,
    /// When it was analysed.
    pub at: Timestamp,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The name is none.
    #[error("`{0}` is no tag: expected REGISTRY/REPOSITORY:TAG")]
    Name(String),
    /// It cannot be written.
    #[error("the analysis cannot be written down")]
    Write(#[from] io::Error),
}

/// The document as a gzipped tar. The exact bytes of the image's manifest are not in it.
pub fn pack_archive(analysis: &Analysis, label: ArchiveLabel<'_>) -> Result<Vec<u8>, PackError> {
    let name = || PackError::Name(label.tag.chars().take(200).collect());
    let PullString::Reference(reference) = PullString::parse(label.tag).map_err(|_| name())? else {
        return Err(name());
    };
    let tag = reference.tag().filter(|tag| !tag.is_empty()).ok_or_else(name)?.to_owned();
    let guess = dockerfile::text(&analysis.config) + "\n";
    let record = Record {
        digest: analysis.manifest_digest.clone(),
        index_digest: analysis.index_digest.clone(),
        config_digest: analysis.config_digest.clone(),
        given_id: None,
        annotations: label.annotations,
        guessed_dockerfile: label.dockerfile.is_none().then_some(guess),
        dockerfile: label.dockerfile,
        size_bytes: i64::try_from(analysis.size_bytes()).unwrap_or(i64::MAX),
        created_at: label.at,
        analyzed_at: label.at,
        tags: vec![TagRecord {
            registry: reference.registry,
            repository: reference.repository,
            tag,
            detected_at: label.at,
            child: false,
            index_digest: None,
        }],
        places: Vec::new(),
        evaluations: Vec::new(),
        first_detected: Vec::new(),
    };
    let analysis = serde_json::to_vec(analysis).map_err(io::Error::from)?;
    let contents = Contents { record, manifest: Vec::new(), analysis, verdicts: Vec::new() };
    let mut bytes = Vec::new();
    document::write(&contents, "", label.at, &mut bytes)?;
    Ok(compressed(&bytes)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packed(tag: &str) -> Result<Vec<u8>, PackError> {
        let digest = format!("sha256:{}", "a".repeat(64));
        let analysis: Analysis = serde_json::from_value(json!({
            "manifest_digest": digest, "config_digest": digest, "config": {"history": [{"created_by": "CMD [\"sh\"]"}]},
            "layers": [], "packages": [], "files": [],
        }))
        .unwrap();
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        pack_archive(&analysis, ArchiveLabel { tag, dockerfile: None, annotations: Map::new(), at })
    }

    #[test]
    fn what_was_packed_can_be_taken_in() {
        super::super::check_archive(&packed("registry.example.com/app:1").unwrap()).unwrap();
        let bytes = packed("app").unwrap();
        let contents = document::read_packed(&bytes, &|_| panic!("it is ours")).unwrap();
        let tag = &contents.record.tags[0];
        assert_eq!((&*tag.registry, &*tag.repository, &*tag.tag), ("docker.io", "app", "latest"));
        assert_eq!(contents.record.guessed_dockerfile.as_deref(), Some("FROM scratch\nCMD [\"sh\"]\n"));
    }

    #[test]
    fn only_tags_are_names() {
        let digest = format!("sha256:{}", "b".repeat(64));
        for name in ["", "a b", &digest, &format!("app@{digest}"), &"c".repeat(64), &"d".repeat(600)] {
            let error = packed(name).unwrap_err().to_string();
            assert!(error.ends_with("is no tag: expected REGISTRY/REPOSITORY:TAG"), "{error}");
        }
    }
}
