//! Rules with a hostile value for every parameter of every trigger, CEL expressions among them: checked and evaluated.
//!
//! The first byte chooses the trigger, the second the parameter; the rest is its value. All other parameters have the
//! example of the specification.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::matching::Matches;
use killick_policy::{Bundle, Evidence, Options, evaluate, spec};
use serde_json::{Value, json};

/// A small image, made by `killick_fuzz` from a few files.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| {
    let status = b"Package: openssl\nStatus: install ok installed\nVersion: 1.1.1-1\nArchitecture: amd64\n";
    let files = [
        ("etc/os-release", b"ID=debian\nVERSION_ID=12\n".as_slice()),
        ("var/lib/dpkg/status", status),
        ("app/node_modules/yarn/package.json", br#"{"name": "yarn", "version": "1.22.10", "license": "MIT"}"#),
    ];
    killick_fuzz::analysis(killick_fuzz::tar(&files)).expect("a good image")
});

/// A vulnerability of its first package.
static MATCHES: LazyLock<Matches> = LazyLock::new(|| {
    let statement = json!({
        "provider": "debian", "namespace": "debian:12", "advisory": "x", "matched_name": "x", "compared_version": "1",
        "scheme": "dpkg", "affected": "*", "confidence": "exact", "severity": "high",
    });
    let found = json!({
        "package": 0, "vulnerability": "CVE-1", "severity": "high", "fix": {"state": "fixed", "versions": ["2"]}, "epss": 0.5,
        "evidence": [statement],
    });
    serde_json::from_value(json!({"matches": [found]})).expect("matches")
});

/// Gate, trigger and parameters of every trigger that may be used.
static TRIGGERS: LazyLock<Vec<(Value, Value, Vec<Value>)>> = LazyLock::new(|| {
    let gates = spec();
    let active = gates.as_array().into_iter().flatten().filter(|gate| gate["state"] == "active");
    let triggers = active.flat_map(|gate| gate["triggers"].as_array().into_iter().flatten().map(move |trigger| (gate, trigger)));
    triggers
        .map(|(gate, trigger)| {
            let parameters = trigger["parameters"].as_array().cloned().unwrap_or_default();
            (gate["name"].clone(), trigger["name"].clone(), parameters)
        })
        .collect()
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [trigger, parameter, value @ ..] = data else { return };
    let Ok(value) = std::str::from_utf8(value) else { return };
    let Some((gate, trigger, parameters)) = TRIGGERS.get(usize::from(*trigger) % TRIGGERS.len().max(1)) else { return };
    let chosen = usize::from(*parameter) % parameters.len().max(1);
    let params: Vec<Value> = parameters
        .iter()
        .enumerate()
        .map(|(at, known)| {
            let value = if at == chosen { json!(value) } else { known["example"].clone() };
            json!({"name": known["name"], "value": value})
        })
        .filter(|param| !param["value"].is_null())
        .collect();
    let rule = json!({"id": "r", "gate": gate, "trigger": trigger, "action": "STOP", "params": params});
    let bundle = json!({
        "id": "b", "version": "1_0", "policies": [{"id": "p", "version": "1_0", "rules": [rule]}], "whitelists": [],
        "mappings": [{
            "name": "all", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"],
            "whitelist_ids": [],
        }],
    });
    let bundle = Bundle::parse(&bundle).expect("it is an object");
    bundle.validate();
    let evidence = Evidence::new(&ANALYSIS, &MATCHES, Timestamp::UNIX_EPOCH);
    let first = evaluate(&bundle, &evidence, "docker.io/library/debian:12", &Options::default());
    let again = evaluate(&bundle, &evidence, "docker.io/library/debian:12", &Options::default());
    assert_eq!(first, again);
});
