//! Manifests and indexes of both families, told apart by media type and shape.

use killick_model::digest::Digest;
use killick_model::image::StagedLayer;
use serde::Deserialize;
use serde_json::json;

use super::descriptor::{Entry, Layer, RawDescriptor};
use super::error::DocumentError;
use crate::limits::Limits;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1";

/// Places of one foreign layer that are tried.
const URLS: usize = 10;

/// A manifest or an index.
#[derive(Debug)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Vec<Entry>),
}

/// What a manifest promises.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) config: Layer,
    pub(crate) layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
struct RawDocument {
    #[serde(default, rename = "schemaVersion")]
    schema_version: Option<u64>,
    #[serde(default, rename = "mediaType")]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
}

enum Kind {
    Manifest,
    Index,
}

/// Reads the manifest or index `bytes` of `subject`.
///
/// `declared` is the media type that came along (HTTP header, descriptor). Registries get it wrong often enough
/// that one which is no manifest type at all counts as none if the document itself says what it is.
pub(crate) fn read_document(
    subject: &str,
    bytes: &[u8],
    declared: Option<&str>,
    limits: &Limits,
) -> Result<Document, DocumentError> {
    super::check_size("manifest", subject, bytes.len() as u64, limits)?;
    let declared = declared.map(|text| text.split(';').next().unwrap_or(text).trim()).filter(|text| !text.is_empty());
    if declared.is_some_and(|text| text.starts_with(SCHEMA_1)) {
        return Err(DocumentError::Schema1 { subject: subject.to_owned() });
    }
    let unsupported = |media_type: &str| DocumentError::Unsupported {
        what: "manifest",
        subject: subject.to_owned(),
        media_type: media_type.chars().take(200).collect(),
    };
    let raw: RawDocument = serde_json::from_slice(bytes).map_err(|source| match declared {
        Some(text) if kind(text).is_none() && !is_vague(text) => unsupported(text),
        _ => DocumentError::Malformed { what: "manifest", subject: subject.to_owned(), source },
    })?;
    if raw.schema_version == Some(1) {
        return Err(DocumentError::Schema1 { subject: subject.to_owned() });
    }
    if raw.manifests.is_some() && (raw.layers.is_some() || raw.config.is_some()) {
        return Err(DocumentError::Ambiguous { subject: subject.to_owned() });
    }
    let said = raw.media_type.as_deref().filter(|text| !text.is_empty());
    let named = said.or(declared.filter(|text| !is_vague(text)));
    match (named.map(|text| (text, kind(text))), raw.manifests) {
        (Some((_, Some(Kind::Index))) | None, Some(entries)) => {
            entries.into_iter().map(|entry| entry.into_entry(subject)).collect::<Result<_, _>>().map(Document::Index)
        }
        (Some((_, Some(Kind::Manifest))) | None, None) => {
            manifest(subject, raw.config, raw.layers, limits).map(Document::Manifest)
        }
        (Some((text, _)), _) => Err(unsupported(text)),
    }
}

fn manifest(
    subject: &str,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    limits: &Limits,
) -> Result<Manifest, DocumentError> {
    let missing = |field| DocumentError::Malformed {
        what: "manifest",
        subject: subject.to_owned(),
        source: serde::de::Error::missing_field(field),
    };
    let config = config.ok_or_else(|| missing("config"))?;
    let raw_layers = layers.ok_or_else(|| missing("layers"))?;
    if raw_layers.len() > limits.layers {
        return Err(DocumentError::TooManyLayers {
            subject: subject.to_owned(),
            count: raw_layers.len(),
            limit: limits.layers,
        });
    }
    let config_type = config.media_type.clone().unwrap_or_default();
    if !matches!(config_type.as_str(), DOCKER_CONFIG | OCI_CONFIG | "application/octet-stream" | "") {
        return Err(DocumentError::Unsupported {
            what: "configuration",
            subject: subject.to_owned(),
            media_type: config_type,
        });
    }
    let digest = config.digest("manifest", subject)?;
    let config = Layer { digest, media_type: config_type, size: config.size, foreign: None, table: None };
    super::check_size("configuration", subject, config.size, limits)?;
    let layers = raw_layers.into_iter().map(|layer| self::layer(subject, &layer)).collect::<Result<_, _>>()?;
    Ok(Manifest { config, layers })
}

fn layer(subject: &str, raw: &RawDescriptor) -> Result<Layer, DocumentError> {
    let media_type = raw.media_type.clone().unwrap_or_default();
    let is_foreign = media_type.contains(".foreign.") || media_type.contains(".nondistributable.");
    let urls: Vec<String> = raw.urls.iter().flatten().take(URLS).cloned().collect();
    if !is_layer_type(&media_type) {
        return Err(DocumentError::Unsupported { what: "layer", subject: subject.to_owned(), media_type });
    }
    let foreign = (is_foreign || !urls.is_empty()).then_some(urls);
    let table = raw.table();
    Ok(Layer { digest: raw.digest("manifest", subject)?, media_type, size: raw.size, foreign, table })
}

impl Manifest {
    /// Fails if a layer would have to be fetched from where the manifest says, and that is not wanted.
    pub(crate) fn check_foreign(&self, subject: &str, is_wanted: bool) -> Result<(), DocumentError> {
        match self.layers.iter().find(|layer| layer.foreign.is_some() && !is_wanted) {
            Some(layer) => {
                Err(DocumentError::ForeignLayer { subject: subject.to_owned(), digest: layer.digest.to_string() })
            }
            None => Ok(()),
        }
    }
}

/// Types that say "a tar, perhaps compressed". How it is compressed is recognised by content.
fn is_layer_type(media_type: &str) -> bool {
    let tail = media_type.rsplit(['.', '/']).next().unwrap_or(media_type);
    matches!(media_type, "" | "application/octet-stream" | "application/x-tar" | "application/gzip")
        || matches!(tail, "tar" | "tar+gzip" | "tar+zstd")
        || media_type.ends_with(".tar.gzip")
        || media_type.ends_with(".tar.zstd")
}

fn kind(media_type: &str) -> Option<Kind> {
    match media_type {
        DOCKER_MANIFEST | OCI_MANIFEST => Some(Kind::Manifest),
        DOCKER_LIST | OCI_INDEX => Some(Kind::Index),
        _ => None,
    }
}

/// Whether a descriptor says that it is of an index.
pub(crate) fn is_index(media_type: &str) -> bool {
    matches!(kind(media_type), Some(Kind::Index))
}

/// A type that servers give to anything.
fn is_vague(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/plain" | "application/octet-stream" | "binary/octet-stream")
}

/// The manifest of an image whose source has none: always the same bytes for the same configuration and layers.
pub(crate) fn synthesise(config: &[u8], layers: &[StagedLayer]) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| json!({"mediaType": layer.media_type, "size": layer.size, "digest": layer.digest}))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG, "size": config.len(), "digest": Digest::of(config)},
        "layers": layers,
    });
    manifest.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str, declared: Option<&str>) -> Result<Document, String> {
        let text = text.replace("DIGEST", DIGEST);
        read_document("img", text.as_bytes(), declared, &Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn kinds_are_told_apart() {
        let manifest = r#"{"schemaVersion":2,"config":{"digest":"DIGEST","size":0},"layers":[]}"#;
        let index = r#"{"schemaVersion":2,"manifests":[{"digest":"DIGEST","size":1,"platform":{"os":"linux"}}]}"#;
        for declared in [None, Some("application/json"), Some("text/plain; charset=utf-8"), Some(OCI_MANIFEST)] {
            assert!(matches!(read(manifest, declared), Ok(Document::Manifest(_))), "{declared:?}");
        }
        for declared in [None, Some(DOCKER_LIST), Some(OCI_INDEX)] {
            assert!(matches!(read(index, declared), Ok(Document::Index(_))), "{declared:?}");
        }
    }

    #[test]
    fn faults_are_named() {
        let layer = |text: &str| {
            format!(r#"{{"config":{{"digest":"DIGEST","size":0}},"layers":[{{"digest":"DIGEST","size":1,{text}}}]}}"#)
        };
        for (text, declared, want) in [
            ("<html>", Some("text/html"), "the manifest of `img` has the unsupported media type `text/html`"),
            ("{", None, "the manifest of `img` is malformed"),
            (
                r#"{"schemaVersion":1}"#,
                None,
                "`img` is only available as a Docker manifest of schema 1, which cannot be verified",
            ),
            (
                "{}",
                Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
                "`img` is only available as a Docker manifest of schema 1, which cannot be verified",
            ),
            (
                r#"{"manifests":[],"layers":[]}"#,
                None,
                "the manifest of `img` has both layers and manifests, so two readers could see two images",
            ),
            (
                r#"{"mediaType":"application/vnd.x+json"}"#,
                None,
                "the manifest of `img` has the unsupported media type `application/vnd.x+json`",
            ),
            (
                r#"{"config":{"digest":"DIGEST","size":1,"mediaType":"application/vnd.cncf.helm.config.v1+json"},"layers":[]}"#,
                None,
                "the configuration of `img` has the unsupported media type `application/vnd.cncf.helm.config.v1+json`",
            ),
            (
                r#"{"config":{"digest":"sha256:../../etc/passwd","size":1},"layers":[]}"#,
                None,
                "the manifest of `img` names the unusable digest `sha256:../../etc/passwd`",
            ),
            (
                r#"{"config":{"digest":"DIGEST","size":99999999},"layers":[]}"#,
                None,
                "the configuration of `img` is larger than 4194304 bytes",
            ),
            (
                &layer(r#""mediaType":"application/vnd.oci.image.layer.v1.tar+gzip+encrypted""#),
                None,
                "the layer of `img` has the unsupported media type \
                 `application/vnd.oci.image.layer.v1.tar+gzip+encrypted`",
            ),
        ] {
            assert_eq!(read(text, declared).map(|_| ()), Err(want.to_owned()), "{text}");
        }
        let many = format!(
            r#"{{"config":{{"digest":"DIGEST","size":0}},"layers":[{}]}}"#,
            vec![r#"{"digest":"DIGEST","size":1}"#; 501].join(",")
        );
        assert_eq!(read(&many, None).map(|_| ()), Err("`img` has 501 layers, more than 500".to_owned()));
        let deep = format!(r#"{{"layers":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep, None).map(|_| ()), Err("the manifest of `img` is malformed".to_owned()));
    }

    #[test]
    fn foreign_layers_are_only_taken_if_wanted() {
        for (layer, is_foreign) in [
            (r#""urls":["http://169.254.169.254/"]"#, true),
            (r#""mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip""#, true),
            (r#""mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip","urls":[]"#, true),
            (r#""mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","urls":[]"#, false),
        ] {
            let text = format!(
                r#"{{"config":{{"digest":"DIGEST","size":0}},"layers":[{{"digest":"DIGEST","size":1,{layer}}}]}}"#
            );
            let Ok(Document::Manifest(manifest)) = read(&text, None) else { panic!("{layer} is a layer") };
            let refused = manifest.check_foreign("img", false).map_err(|error| error.to_string());
            let want =
                format!("the layer `{DIGEST}` of `img` is foreign: it would be fetched from a URL in the manifest");
            assert_eq!(refused, if is_foreign { Err(want) } else { Ok(()) }, "{layer}");
            assert!(manifest.check_foreign("img", true).is_ok());
        }
    }

    #[test]
    fn layer_types() {
        for (text, want) in [
            ("", true),
            ("application/octet-stream", true),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", true),
            ("application/vnd.docker.image.rootfs.diff.tar", true),
            ("application/vnd.docker.image.rootfs.diff.tar.zstd", true),
            ("application/vnd.oci.image.layer.v1.tar+zstd", true),
            ("application/vnd.example.unknown.v9", false),
            ("application/vnd.in-toto+json", false),
        ] {
            assert_eq!(is_layer_type(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), declared in "\\PC{0,30}") {
            let _ = read_document("x", &bytes, Some(&declared), &Limits::default());
        }

        #[test]
        fn no_json_panics(text in r#"\{("(layers|config|manifests|mediaType|size)":(1|null|\[\]|\{\}|"x"),?){0,4}\}"#) {
            let _ = read_document("x", text.as_bytes(), None, &Limits::default());
        }
    }
}
