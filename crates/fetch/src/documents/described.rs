//! What a manifest and a configuration say of an image that is not here: nothing is verified, and what cannot be read
//! is a problem.

use killick_model::analysis::LayerSummary;
use killick_model::digest::Digest;
use killick_model::image::ImageConfig;
use killick_model::problem::Problem;

use super::{Document, Layer, read_config, read_document};
use crate::limits::Limits;

/// The kind of the problems.
const KIND: &str = "malformed-document";

/// What the documents of an image say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Described {
    /// The configuration; the empty one if it cannot be read.
    pub config: ImageConfig,
    /// The layers, lowest first, as far as both documents know them.
    pub layers: Vec<LayerSummary>,
    /// What cannot be read, or does not fit together.
    pub problems: Vec<Problem>,
}

/// Reads a manifest and the configuration that goes with it.
pub fn describe(manifest: &[u8], config: &[u8], limits: &Limits) -> Described {
    let mut described = Described::default();
    let mut problem = |subject: &str, message: String| described.problems.push(Problem::new(KIND, subject, message));
    let mut diff_ids = Vec::new();
    match read_config("import", config, limits) {
        Ok(read) => {
            diff_ids = read.diff_ids;
            described.config = read.config;
        }
        Err(error) => problem("configuration", told(&error)),
    }
    let layers = match read_document("import", manifest, None, limits) {
        Ok(Document::Manifest(manifest)) => manifest.layers,
        Ok(Document::Index(_)) => {
            problem("manifest", "it is an index, not the manifest of an image".to_owned());
            Vec::new()
        }
        Err(error) => {
            problem("manifest", told(&error));
            Vec::new()
        }
    };
    if layers.len() != diff_ids.len() {
        problem("manifest", format!("it has {} layers, the configuration {}", layers.len(), diff_ids.len()));
    }
    let steps: Vec<_> = described.config.history.iter().filter(|step| !step.empty_layer).collect();
    let lines_up = steps.len() == layers.len();
    let summary = |(index, (layer, diff_id)): (usize, (Layer, Digest))| LayerSummary {
        diff_id,
        digest: layer.digest,
        media_type: layer.media_type,
        size: layer.size,
        created_by: steps.get(index).filter(|_| lines_up).and_then(|step| step.created_by.clone()),
    };
    described.layers = layers.into_iter().zip(diff_ids).enumerate().map(summary).collect();
    described
}

fn told(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn documents(layers: usize, diff_ids: usize) -> (Vec<u8>, Vec<u8>) {
        let digest = |number: usize| Digest::of(&[u8::try_from(number).unwrap()]).to_string();
        let layer = |number| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(number), "size": number});
        let manifest = json!({"schemaVersion": 2, "config": {"digest": digest(9), "size": 2},
            "layers": (0..layers).map(layer).collect::<Vec<_>>()});
        let config = json!({"architecture": "amd64", "history": [{"created_by": "one"}, {"created_by": "none", "empty_layer": true},
            {"created_by": "two"}], "rootfs": {"diff_ids": (0..diff_ids).map(digest).collect::<Vec<_>>()}});
        (manifest.to_string().into_bytes(), config.to_string().into_bytes())
    }

    #[test]
    fn layers_are_told_with_their_steps() {
        let (manifest, config) = documents(2, 2);
        let described = describe(&manifest, &config, &Limits::default());
        assert_eq!(described.problems, []);
        let told: Vec<_> = described.layers.iter().map(|layer| (layer.size, layer.created_by.as_deref())).collect();
        assert_eq!(told, [(0, Some("one")), (1, Some("two"))]);
        assert_eq!(described.config.architecture, "amd64");
    }

    #[test]
    fn what_does_not_fit_is_a_problem() {
        let (manifest, config) = documents(3, 1);
        let described = describe(&manifest, &config, &Limits::default());
        assert_eq!((described.layers.len(), described.problems.len()), (1, 1));
        assert_eq!(described.problems[0].message, "it has 3 layers, the configuration 1");
        let described = describe(b"{}", b"[]", &Limits::default());
        assert_eq!((described.layers.len(), described.problems.len()), (0, 2), "{:?}", described.problems);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(one in proptest::collection::vec(any::<u8>(), 0..100), other in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = describe(&one, &other, &Limits::default());
        }
    }
}
