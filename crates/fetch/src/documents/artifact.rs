//! Manifests of artifacts that are no images: what others attached to an image.
//!
//! OCI image specification, manifest.md, "Guidelines for Artifact Usage"; the artifact manifest that a release candidate
//! of version 1.1 had, and that some tools wrote, has `blobs` where an image manifest has `layers`.

use std::collections::BTreeMap;

use killick_model::attachment::Document;
use killick_model::digest::Digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::descriptor::{RawDescriptor, annotations, bounded};
use super::error::DocumentError;
use crate::limits::Limits;

/// What an artifact's manifest says.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) media_type: String,
    /// What it says it is (`artifactType`), or else what its configuration is.
    pub(crate) kind: Option<String>,
    /// What it is attached to, if it says so.
    pub(crate) subject: Option<Digest>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) documents: Vec<Document>,
}

#[derive(Deserialize)]
struct RawArtifact {
    #[serde(default, rename = "mediaType")]
    media_type: Option<String>,
    #[serde(default, rename = "artifactType")]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<RawConfig>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    blobs: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    subject: Option<RawDescriptor>,
    #[serde(default)]
    annotations: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default, rename = "mediaType")]
    media_type: Option<String>,
}

/// Configurations that say nothing of what the artifact is.
const EMPTY: [&str; 2] = ["application/vnd.oci.empty.v1+json", ""];

/// Reads the manifest `bytes` of an artifact. An index, which may be attached as well, has no documents of its own.
pub(crate) fn read_artifact(subject: &str, bytes: &[u8], limits: &Limits) -> Result<Artifact, DocumentError> {
    super::check_size("manifest", subject, bytes.len() as u64, limits)?;
    let raw: RawArtifact = serde_json::from_slice(bytes).map_err(|source| DocumentError::Malformed {
        what: "manifest",
        subject: subject.to_owned(),
        source,
    })?;
    let parts = raw.layers.or(raw.blobs).unwrap_or_default();
    if parts.len() > limits.layers {
        return Err(DocumentError::TooManyLayers {
            subject: subject.to_owned(),
            count: parts.len(),
            limit: limits.layers,
        });
    }
    let config = raw.config.and_then(|config| config.media_type);
    let kind = raw.artifact_type.filter(|kind| !kind.is_empty());
    Ok(Artifact {
        media_type: bounded(raw.media_type.unwrap_or_default()),
        kind: kind.or(config.filter(|kind| !EMPTY.contains(&kind.as_str()))).map(bounded),
        subject: raw.subject.map(|descriptor| descriptor.digest("manifest", subject)).transpose()?,
        annotations: annotations(raw.annotations),
        documents: parts.into_iter().map(|part| part.into_document(subject)).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Result<Artifact, String> {
        let text = text.replace("DIGEST", DIGEST);
        read_artifact("x", text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_artifact_is() {
        for (text, want) in [
            (r#"{"artifactType":"a/b","config":{"mediaType":"application/vnd.oci.empty.v1+json"}}"#, Some("a/b")),
            (
                r#"{"config":{"mediaType":"application/vnd.cncf.notary.signature"}}"#,
                Some("application/vnd.cncf.notary.signature"),
            ),
            (r#"{"config":{"mediaType":"application/vnd.oci.empty.v1+json"},"layers":[]}"#, None),
            ("{}", None),
        ] {
            assert_eq!(read(text).unwrap().kind.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn documents_are_layers_or_blobs_and_annotations_are_bounded() {
        for key in ["layers", "blobs"] {
            let text = format!(
                r#"{{"{key}":[{{"mediaType":"a/b","digest":"DIGEST","size":3,"annotations":{{"k":"v","n":1}}}}],
                    "subject":{{"digest":"DIGEST","size":1}},"annotations":{{"long":"{}","short":"s"}}}}"#,
                "x".repeat(20_000)
            );
            let artifact = read(&text).unwrap();
            let [document] = artifact.documents.as_slice() else { panic!("{key}: {artifact:?}") };
            assert_eq!((document.media_type.as_str(), document.size), ("a/b", 3));
            assert_eq!(document.annotations.iter().collect::<Vec<_>>(), [(&"k".to_owned(), &"v".to_owned())]);
            assert_eq!(artifact.annotations.keys().collect::<Vec<_>>(), ["short"]);
            assert_eq!(artifact.subject.unwrap().to_string(), DIGEST);
        }
        let many = format!(r#"{{"layers":[{}]}}"#, vec![r#"{"digest":"DIGEST","size":1}"#; 501].join(","));
        assert_eq!(read(&many).unwrap_err(), "`x` has 501 layers, more than 500");
        assert_eq!(
            read(r#"{"layers":[{"digest":"../etc","size":1}]}"#).unwrap_err(),
            "the manifest of `x` names the unusable digest `../etc`"
        );
    }

    proptest! {
        #[test]
        fn no_json_panics(text in r#"\{("(layers|blobs|config|subject|annotations|artifactType)":(1|null|\[\]|\{\}|"x"),?){0,4}\}"#) {
            let _ = read_artifact("x", text.as_bytes(), &Limits::default());
        }
    }
}
