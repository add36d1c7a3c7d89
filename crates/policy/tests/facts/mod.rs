//! Images of test cases: a few facts as JSON, completed to the documents the evaluator takes.

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::matching::Matches;
use killick_policy::{Dockerfile, DockerfileMode, Evidence, FeedGroup};
use serde_json::{Map, Value, json};

/// The evidence of one case, owned.
pub(crate) struct Facts {
    analysis: Analysis,
    matches: Matches,
    first_seen: Vec<Option<Timestamp>>,
    dockerfile: Option<(String, DockerfileMode)>,
    size: Option<u64>,
    feeds: Vec<FeedGroup>,
    now: Timestamp,
}

/// The digest of every case's image, and its id.
pub(crate) const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
pub(crate) const ID: &str = "2222222222222222222222222222222222222222222222222222222222222222";
const NOW: &str = "2026-01-31T12:00:00Z";

impl Facts {
    /// Completes the facts of a case.
    pub(crate) fn new(facts: &Value) -> Self {
        let distribution = with(
            &facts["distribution"],
            &json!({"id": "debian", "version": "10", "codename": null, "like": [], "pretty_name": null}),
        );
        let layers: Vec<_> = (0..facts["layers"].as_u64().unwrap_or(1))
            .map(|_| json!({"diff_id": DIGEST, "digest": DIGEST, "media_type": "tar", "size": 1}))
            .collect();
        let packages = each(
            &facts["packages"],
            &json!({
                "kind": "deb", "version": "1", "location": "/var/lib/dpkg/status", "layer": 0, "cataloger": "test"
            }),
        );
        let files = each(
            &facts["files"],
            &json!({
                "kind": "file", "mode": 0o644, "uid": 0, "gid": 0, "size": 1, "layer": 0
            }),
        );
        let analysis = json!({
            "manifest_digest": facts.get("manifest_digest").cloned().unwrap_or_else(|| DIGEST.into()),
            "config_digest": facts.get("config_digest").cloned().unwrap_or_else(|| format!("sha256:{ID}").into()),
            "config": with(&facts["config"], &json!({"architecture": "amd64", "os": "linux"})),
            "layers": layers,
            "distribution": if facts["distribution"] == json!(false) { Value::Null } else { distribution },
            "packages": packages,
            "files": files,
            "problems": facts.get("problems").cloned().unwrap_or_else(|| json!([])),
        });
        let listed: Vec<Value> = facts["matches"].as_array().cloned().unwrap_or_default();
        let matches: Vec<Value> = listed.iter().map(one_match).collect();
        let instant = |value: &Value| value.as_str().map(|text| text.parse().expect("an instant"));
        Self {
            analysis: serde_json::from_value(analysis).expect("facts of an image"),
            matches: serde_json::from_value(json!({"matches": matches})).expect("facts of matches"),
            first_seen: listed.iter().map(|found| instant(&found["first_seen"])).collect(),
            dockerfile: facts["dockerfile"].as_str().map(|text| {
                let mode = match facts["mode"].as_str() {
                    Some("Guessed") => DockerfileMode::Guessed,
                    Some("Unknown") => DockerfileMode::Unknown,
                    _ => DockerfileMode::Actual,
                };
                (text.to_owned(), mode)
            }),
            size: facts["size"].as_u64(),
            feeds: facts["feeds"].as_object().map(feeds).unwrap_or_default(),
            now: facts["now"].as_str().unwrap_or(NOW).parse().expect("an instant"),
        }
    }

    /// The evidence.
    pub(crate) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            first_seen: &self.first_seen,
            dockerfile: self.dockerfile.as_ref().map(|(text, mode)| Dockerfile { text, mode: *mode }),
            image_size_bytes: self.size,
            feeds: &self.feeds,
            ..Evidence::new(&self.analysis, &self.matches, self.now)
        }
    }
}

fn feeds(feeds: &Map<String, Value>) -> Vec<FeedGroup> {
    feeds
        .iter()
        .map(|(name, synced)| FeedGroup {
            namespace: name.clone(),
            records: 1,
            last_sync: synced.as_str().map(|text| text.parse().expect("an instant")),
        })
        .collect()
}

fn one_match(given: &Value) -> Value {
    let namespace = given["namespace"].as_str().unwrap_or("debian:10");
    let evidence = json!({
        "provider": "test", "namespace": namespace, "advisory": "x", "matched_name": "x", "compared_version": "1",
        "scheme": "dpkg", "affected": "*", "confidence": "exact", "severity": "unknown"
    });
    let mut found = with(
        given,
        &json!({
            "package": 0, "severity": "high", "fix": {"state": "unknown"}, "evidence": [evidence]
        }),
    );
    if let Some(versions) = given.get("fixed") {
        found["fix"] = json!({"state": "fixed", "versions": versions, "observed_at": given["fix_seen"]});
    }
    if given["wont_fix"] == json!(true) {
        found["fix"]["state"] = json!("wont-fix");
    }
    if found.get("url").is_none() {
        found["url"] = format!("https://x/{}", given["vulnerability"].as_str().unwrap_or_default()).into();
    }
    let ratings = given["cvss"].as_array().cloned().unwrap_or_default();
    found["cvss"] = ratings
        .iter()
        .map(|rating| {
            with(
                rating,
                &json!({"source": "nvd", "version": "3.1", "vector": "", "exploitability": null, "impact": null}),
            )
        })
        .collect();
    found
}

fn each(values: &Value, defaults: &Value) -> Vec<Value> {
    values.as_array().into_iter().flatten().map(|value| with(value, defaults)).collect()
}

/// `value` with the missing fields filled in.
fn with(value: &Value, defaults: &Value) -> Value {
    let mut out = defaults.clone();
    if let (Some(out), Some(given)) = (out.as_object_mut(), value.as_object()) {
        out.extend(given.clone());
    }
    out
}
