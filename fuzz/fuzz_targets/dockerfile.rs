//! Dockerfiles, as every trigger of the gate sees them.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::matching::Matches;
use killick_policy::{Bundle, Dockerfile, DockerfileMode, Evidence, Options, evaluate};
use serde_json::json;

static ANALYSIS: LazyLock<Analysis> =
    LazyLock::new(|| killick_fuzz::analysis(killick_fuzz::tar(&[])).expect("an empty image"));

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let rule = |trigger: &str, params: &[(&str, &str)]| {
        let params: Vec<_> = params.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        json!({ "id": trigger, "gate": "dockerfile", "trigger": trigger, "action": "warn", "params": params })
    };
    let rules = [
        rule("instruction", &[("instruction", "RUN"), ("check", "like"), ("value", ".*sudo.*")]),
        rule("effective_user", &[("users", "root"), ("type", "blacklist")]),
        rule("exposed_ports", &[("ports", "22,80"), ("type", "whitelist")]),
        rule("no_dockerfile_provided", &[]),
    ];
    let bundle = json!({
        "id": "b", "version": "1_0", "whitelists": [],
        "policies": [{ "id": "p", "version": "1_0", "rules": rules }],
        "mappings": [{
            "id": "m", "registry": "*", "repository": "*", "image": { "type": "tag", "value": "*" },
            "policy_ids": ["p"], "whitelist_ids": [],
        }],
    });
    Bundle::parse(&bundle).expect("a good bundle")
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let matches = Matches::default();
    let mut evidence = Evidence::new(&ANALYSIS, &matches, Timestamp::UNIX_EPOCH);
    evidence.dockerfile = Some(Dockerfile { text, mode: DockerfileMode::Actual });
    evaluate(&BUNDLE, &evidence, "docker.io/library/debian:12", &Options::default());
});
