//! Images of test cases: a few facts as JSON, completed to the documents the evaluator takes.

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::inspection::RetrievedFile;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_policy::{Dockerfile, DockerfileMode, Evidence, FeedGroup, JudgingSource, PackageFeed, PublishedPackage};
use serde_json::{Map, Value, json};

/// The evidence of one case, owned.
pub(crate) struct Facts {
    analysis: Analysis,
    matches: Matches,
    first_seen: Vec<Option<Timestamp>>,
    dockerfile: Option<(String, DockerfileMode)>,
    size: Option<u64>,
    feeds: Vec<FeedGroup>,
    sources: Vec<JudgingSource>,
    unsupported: Vec<Unsupported>,
    npm_feed: Option<PackageFeed>,
    gem_feed: Option<PackageFeed>,
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
        let layer = json!({"diff_id": DIGEST, "digest": DIGEST, "media_type": "tar", "size": 1});
        let layers = match &facts["layers"] {
            Value::Array(_) => each(&facts["layers"], &layer),
            number => vec![layer; usize::try_from(number.as_u64().unwrap_or(1)).expect("a few layers")],
        };
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
        let mut inspection = with(&facts["inspection"], &json!({}));
        if let Some(found) = facts.get("secrets") {
            inspection["secrets"] = secrets(found);
        }
        if let Some(searched) = facts.get("searched") {
            let files = searched.as_object().into_iter().flatten().map(|(path, patterns)| {
                let patterns = patterns.as_array().into_iter().flatten();
                let found = patterns.map(|pattern| json!({"name": pattern[0], "regex": pattern[1], "lines": [1]}));
                json!({"path": path, "layer": 0, "matches": found.collect::<Vec<_>>()})
            });
            inspection["content_search"] = files.collect();
        }
        if let Some(scans) = facts.get("malware") {
            let scans = each(scans, &json!({"is_complete": true, "findings": []})).into_iter().map(|mut scan| {
                scan["findings"] = each(&scan["findings"], &json!({"layer": 0})).into();
                scan
            });
            inspection["malware"] = scans.collect();
        }
        let analysis = json!({
            "inspection": inspection,
            "manifest_digest": facts.get("manifest_digest").cloned().unwrap_or_else(|| DIGEST.into()),
            "config_digest": facts.get("config_digest").cloned().unwrap_or_else(|| format!("sha256:{ID}").into()),
            "config": with(&facts["config"], &json!({"architecture": "amd64", "os": "linux"})),
            "layers": layers,
            "distribution": if facts["distribution"] == json!(false) { Value::Null } else { distribution },
            "packages": packages,
            "files": files,
            "attachments": each(&facts["attachments"], &attachment())
                .into_iter()
                .map(|mut attachment| {
                    attachment["documents"] = each(&attachment["documents"], &document()).into();
                    attachment
                })
                .collect::<Vec<_>>(),
            "problems": facts.get("problems").cloned().unwrap_or_else(|| json!([])),
            "sbom": facts.get("sbom"),
        });
        let listed: Vec<Value> = facts["matches"].as_array().cloned().unwrap_or_default();
        let matches: Vec<Value> = listed.iter().map(one_match).collect();
        let mut analysis: Analysis = serde_json::from_value(analysis).expect("facts of an image");
        if let Some(kept) = facts["retrieved"].as_object() {
            let file = |(path, content): (&String, &Value)| RetrievedFile {
                path: path.as_str().into(),
                layer: 0,
                content: content.as_str().map_or_else(
                    || serde_json::from_value(content.clone()).expect("a text or a list of bytes"),
                    |text| text.as_bytes().to_vec(),
                ),
            };
            analysis.inspection.retrieved_files = Some(kept.iter().map(file).collect());
        }
        let instant = |value: &Value| value.as_str().map(|text| text.parse().expect("an instant"));
        Self {
            analysis,
            matches: serde_json::from_value(
                json!({"matches": matches, "suppressed": suppressed(&facts["suppressed"]), "problems": facts.get("match_problems").unwrap_or(&json!([]))}),
            )
            .expect("facts of matches"),
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
            sources: facts["sources"].as_object().map(sources).unwrap_or_default(),
            unsupported: each(&facts["unsupported"], &json!({"support": "ended"}))
                .into_iter()
                .map(|found| serde_json::from_value(found).expect("what is not supported"))
                .collect(),
            npm_feed: facts["npm_feed"].as_object().map(package_feed),
            gem_feed: facts["gem_feed"].as_object().map(package_feed),
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
            sources: &self.sources,
            unsupported: &self.unsupported,
            npm_feed: self.npm_feed.as_ref(),
            gem_feed: self.gem_feed.as_ref(),
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

/// Newest date by `PROVIDER/NAMESPACE`.
fn sources(sources: &Map<String, Value>) -> Vec<JudgingSource> {
    let source = |(name, newest): (&String, &Value)| {
        let (provider, namespace) = name.split_once('/').expect("provider and namespace");
        JudgingSource {
            provider: provider.to_owned(),
            namespace: namespace.to_owned(),
            newest_data: newest.as_str().map(|text| text.parse().expect("an instant")),
        }
    };
    sources.iter().map(source).collect()
}

fn attachment() -> Value {
    json!({"origin": "referrers", "about": DIGEST, "digest": DIGEST, "media_type": "m", "size": 1})
}

fn document() -> Value {
    json!({"kind": "other", "subject": "image", "media_type": "m", "digest": DIGEST, "size": 1})
}

fn claim(given: &Value) -> Value {
    with(
        given,
        &json!({
            "product": "p", "issuer": "Example Inc", "document": "d", "digest": DIGEST, "origin": "user", "trusted": true
        }),
    )
}

fn suppressed(given: &Value) -> Value {
    let one = |mut found: Value| {
        found["claim"] = claim(&found["claim"]);
        found
    };
    each(given, &json!({"package": 0, "reason": "vex", "evidence": statement(&json!({}))}))
        .into_iter()
        .map(one)
        .collect()
}

/// Latest version and all versions, by name.
fn package_feed(packages: &Map<String, Value>) -> PackageFeed {
    let published = |package: &Value| PublishedPackage {
        latest: package["latest"].as_str().expect("a version").to_owned(),
        versions: serde_json::from_value(package["versions"].clone()).expect("versions"),
    };
    PackageFeed { packages: packages.iter().map(|(name, package)| (name.clone(), published(package))).collect() }
}

/// Rule and path of each finding, with `about` for a rule that came with the search and `hidden` for what upper layers
/// deleted; and the patterns.
fn secrets(found: &Value) -> Value {
    let findings = found["findings"].as_array().into_iter().flatten().enumerate().map(|(line, found)| {
        json!({
            "rule": found[0], "path": found[1], "layer": 0, "line": line + 1, "preview": "…", "fingerprint": "0",
            "about": if found[2] == "about" { "a token" } else { "" }, "is_hidden": found[2] == "hidden",
        })
    });
    json!({"findings": findings.collect::<Vec<_>>(), "patterns": with(&found["patterns"], &json!({}))})
}

fn statement(given: &Value) -> Value {
    json!({
        "provider": "test", "namespace": given["namespace"].as_str().unwrap_or("debian:10"), "advisory": "x",
        "matched_name": "x", "compared_version": "1", "scheme": "dpkg", "affected": "*", "confidence": "exact",
        "severity": "unknown", "published": given["published"],
    })
}

fn one_match(given: &Value) -> Value {
    let evidence = statement(given);
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
    found["claims"] = given["claims"].as_array().into_iter().flatten().map(claim).collect();
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
