//! Image configurations (OCI config.md), read so that an odd field loses itself and nothing else.

use killick_model::digest::Digest;
use killick_model::image::{History, ImageConfig, Platform};
use serde::Deserialize;
use serde_json::Value;

use super::error::DocumentError;
use crate::limits::Limits;

/// A configuration with the layers it promises.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) config: ImageConfig,
    pub(crate) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    architecture: Value,
    #[serde(default)]
    os: Value,
    #[serde(default)]
    variant: Value,
    #[serde(default)]
    created: Value,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    history: Value,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

/// Reads the configuration `bytes` of `subject`. Only `rootfs.diff_ids` must be right: without it nothing can be
/// verified.
pub(crate) fn read_config(subject: &str, bytes: &[u8], limits: &Limits) -> Result<Config, DocumentError> {
    super::check_size("configuration", subject, bytes.len() as u64, limits)?;
    let raw: RawConfig = serde_json::from_slice(bytes).map_err(|source| DocumentError::Malformed {
        what: "configuration",
        subject: subject.to_owned(),
        source,
    })?;
    let texts = raw.rootfs.diff_ids.unwrap_or_default();
    if texts.len() > limits.layers {
        return Err(DocumentError::TooManyLayers {
            subject: subject.to_owned(),
            count: texts.len(),
            limit: limits.layers,
        });
    }
    let diff_ids = texts.into_iter().map(|text| diff_id(subject, &text)).collect::<Result<_, _>>()?;
    let history = match raw.history {
        Value::Array(steps) => steps.into_iter().map(history).collect(),
        _ => Vec::new(),
    };
    let config = ImageConfig {
        architecture: text(raw.architecture).unwrap_or_default(),
        os: text(raw.os).unwrap_or_default(),
        variant: text(raw.variant),
        created: text(raw.created),
        config: raw.config,
        history,
    };
    Ok(Config { config, diff_ids })
}

impl Config {
    /// Fails if the image is for another platform than the one asked for.
    pub(crate) fn check_platform(&self, subject: &str, wanted: Option<&Platform>) -> Result<(), DocumentError> {
        let ImageConfig { os, architecture, variant, .. } = &self.config;
        let Some(wanted) = wanted.filter(|_| !os.is_empty() && !architecture.is_empty()) else {
            return Ok(());
        };
        let found = Platform { os: os.clone(), architecture: architecture.clone(), variant: variant.clone() };
        if crate::platform::fits(&found, wanted) {
            return Ok(());
        }
        Err(DocumentError::OtherPlatform {
            subject: subject.to_owned(),
            found: Box::new(found),
            wanted: Box::new(wanted.clone()),
        })
    }

    /// Fails unless there is one diffID for each layer.
    pub(crate) fn check_layers(&self, subject: &str, layers: usize) -> Result<(), DocumentError> {
        if self.diff_ids.len() == layers {
            return Ok(());
        }
        Err(DocumentError::LayerCount { subject: subject.to_owned(), layers, diff_ids: self.diff_ids.len() })
    }
}

fn diff_id(subject: &str, text: &str) -> Result<Digest, DocumentError> {
    text.parse().map_err(|_| DocumentError::BadDigest {
        what: "configuration",
        subject: subject.to_owned(),
        text: text.chars().take(80).collect(),
    })
}

fn history(step: Value) -> History {
    let Value::Object(mut step) = step else { return History::default() };
    let mut take = |key: &str| step.remove(key).and_then(text);
    let (created, created_by, author, comment) = (take("created"), take("created_by"), take("author"), take("comment"));
    let empty_layer = step.get("empty_layer").and_then(Value::as_bool).unwrap_or_default();
    History { created, created_by, author, comment, empty_layer }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_fields_are_left_out() {
        let text = r#"{"architecture":null,"os":"linux","created":5,"history":"none","config":{"Healthcheck":{"Test":["NONE"]}},
            "rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"x":[1]}"#;
        let read = read_config("x", text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((read.config.architecture.as_str(), read.config.os.as_str()), ("", "linux"));
        assert_eq!(read.config.config["Healthcheck"]["Test"][0], "NONE");
        assert_eq!((read.config.history.len(), read.diff_ids.len()), (0, 1));
        assert!(read.check_layers("x", 2).is_err());
    }

    #[test]
    fn a_configuration_without_layers_to_verify_is_refused() {
        for text in ["", "{}", "[]", r#"{"rootfs":{"diff_ids":["md5:1"]}}"#, r#"{"rootfs":5}"#] {
            assert!(read_config("x", text.as_bytes(), &Limits::default()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_config("x", &bytes, &Limits::default());
        }
    }
}
