//! A typical image, and a bundle of thirty rules, most of which look at everything.

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::matching::Matches;
use killick_policy::{Bundle, Evidence};
use serde_json::{Value, json};

/// An image with its vulnerabilities.
pub(crate) struct Image {
    analysis: Analysis,
    matches: Matches,
}

impl Image {
    /// Image number `seed`: 400 packages, 10,000 files, 200 vulnerabilities.
    pub(crate) fn new(seed: usize) -> Self {
        let digest = |number: usize| format!("sha256:{number:064x}");
        let package = |at: usize| {
            let (kind, location) = match at % 4 {
                0 => ("npm", format!("/app/node_modules/p{at}/package.json")),
                1 => ("python", format!("/usr/lib/python3/dist-packages/p{at}-1.dist-info/METADATA")),
                _ => ("deb", "/var/lib/dpkg/status".to_owned()),
            };
            json!({
                "kind": kind, "name": format!("p{at}"), "version": format!("1.{}.{}", seed % 10, at % 7), "location": location,
                "layer": at % 5, "cataloger": "bench", "licenses": [(["MIT", "GPL-2.0", "Apache-2.0"][at % 3])],
            })
        };
        let file = |at: usize| {
            json!({
                "path": format!("usr/share/d{:02}/e{:02}/f{at:05}", at % 50, at % 97), "kind": "file",
                "mode": if at.is_multiple_of(2000) { 0o4755 } else { 0o644 }, "uid": 0, "gid": 0, "size": at, "layer": at % 5,
            })
        };
        let mut files: Vec<Value> = (0..10_000).map(file).collect();
        files.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let found = |at: usize| {
            json!({
                "package": at * 2 % 400, "vulnerability": format!("CVE-2025-{:05}", at * 31 + seed),
                "severity": (["low", "medium", "high", "critical"][at % 4]), "risk": at % 100, "epss": at as f64 / 2000.0,
                "fix": {"state": "fixed", "versions": ["9.9.9"], "observed_at": "2026-01-10T00:00:00Z"},
                "cvss": [{"source": "nvd", "version": "3.1", "vector": "", "base": at % 10}],
                "evidence": [{
                    "provider": "debian", "namespace": "debian:12", "advisory": "x", "matched_name": "x", "compared_version": "1",
                    "scheme": "dpkg", "affected": "< 9.9.9", "confidence": "exact", "severity": "high",
                }],
            })
        };
        let history = [
            json!({"created": "2025-12-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:1 in /"}),
            json!({"created": "2025-12-01T00:00:00Z", "created_by": "/bin/sh -c #(nop)  CMD [\"bash\"]", "empty_layer": true}),
        ];
        let steps = (0..4)
            .map(|at| json!({"created": "2026-01-20T00:00:00Z", "created_by": format!("RUN step {at} # buildkit")}));
        let layer = |at| json!({"diff_id": digest(at), "digest": digest(at), "media_type": "tar", "size": 1000});
        let analysis = json!({
            "manifest_digest": digest(seed), "config_digest": digest(seed + 1),
            "config": {
                "architecture": "amd64", "os": "linux", "history": history.into_iter().chain(steps).collect::<Vec<_>>(),
                "config": {"User": "app", "Env": ["PATH=/usr/bin"], "ExposedPorts": {"8080/tcp": {}}, "Labels": {"team": "a"}},
            },
            "layers": (0..5).map(layer).collect::<Vec<_>>(),
            "distribution": {"id": "debian", "version": "12", "like": []},
            "packages": (0..400).map(package).collect::<Vec<_>>(),
            "files": files,
        });
        let matches = json!({"matches": (0..200).map(found).collect::<Vec<_>>()});
        Self {
            analysis: serde_json::from_value(analysis).expect("an analysis"),
            matches: serde_json::from_value(matches).expect("matches"),
        }
    }

    /// What there is to judge.
    pub(crate) fn evidence(&self) -> Evidence<'_> {
        let now = Timestamp::from_second(1_769_860_800).expect("an instant of 2026");
        let mut evidence = Evidence::new(&self.analysis, &self.matches, now);
        evidence.image_size_bytes = Some(100_000_000);
        evidence
    }
}

/// Thirty rules of all kinds of gates.
pub(crate) fn bundle() -> Bundle {
    let rules = [
        ("always", "always", json!({})),
        ("dockerfile", "effective_user", json!({"users": "root", "type": "blacklist"})),
        ("dockerfile", "exposed_ports", json!({"ports": "22", "type": "blacklist"})),
        ("dockerfile", "instruction", json!({"instruction": "HEALTHCHECK", "check": "not_exists"})),
        ("dockerfile", "instruction", json!({"instruction": "RUN", "check": "like", "value": ".*(sudo|ssh).*"})),
        ("files", "name_match", json!({"regex": ".*\\.(pem|key|p12)"})),
        ("files", "name_match", json!({"regex": "/root/\\..*"})),
        ("files", "suid_or_guid_set", json!({})),
        ("files", "attribute_match", json!({"filename": "/etc/passwd", "mode": "0644"})),
        ("licenses", "blacklist_exact_match", json!({"licenses": "AGPL-3.0,SSPL-1.0"})),
        ("licenses", "blacklist_partial_match", json!({"licenses": "AGPL,SSPL"})),
        ("metadata", "attribute", json!({"attribute": "size", "check": ">", "value": "1073741824"})),
        ("metadata", "attribute", json!({"attribute": "distro", "check": "not_in", "value": "debian,alpine"})),
        ("packages", "blacklist", json!({"name": "netcat"})),
        ("packages", "required_package", json!({"name": "p2"})),
        (
            "vulnerabilities",
            "package",
            json!({"package_type": "all", "severity_comparison": ">=", "severity": "critical", "fix_available": "true"}),
        ),
        ("vulnerabilities", "package", json!({"package_type": "os", "severity_comparison": ">=", "severity": "high"})),
        (
            "vulnerabilities",
            "package",
            json!({"package_type": "non-os", "cvss_v3_base_score_comparison": ">=", "cvss_v3_base_score": "9.0"}),
        ),
        ("vulnerabilities", "blacklist", json!({"vulnerability_ids": "CVE-2021-44228"})),
        ("vulnerabilities", "vulnerability_data_unavailable", json!({})),
        ("threats", "known_exploited", json!({})),
        ("threats", "likely_exploited", json!({"probability": "0.05"})),
        ("threats", "fix_overdue", json!({"days": "14", "severity": "high"})),
        ("base_image", "age", json!({"max_days": "90"})),
        ("layers", "package", json!({"not_in_base": "true", "kinds": "deb", "name": "(gcc|make).*"})),
        ("layers", "file", json!({"path": "/usr/local/bin/.*", "not_in_base": "true"})),
        ("sbom", "quality", json!({"field": "license", "minimum": "90"})),
        ("cel", "image", json!({"expression": "image.user == '' || image.packages.exists(p, p.name == 'telnet')"})),
        (
            "cel",
            "package",
            json!({"expression": "pkg.kind == 'npm' && pkg.olderThan('1.0.0') && !('MIT' in pkg.licenses)"}),
        ),
        (
            "cel",
            "file",
            json!({"expression": "file.is_setuid && file.layer > 0 && !file.path.startsWith('/usr/bin/')"}),
        ),
    ];
    assert_eq!(rules.len(), 30);
    let rules: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(at, (gate, trigger, params))| {
            let params =
                params.as_object().into_iter().flatten().map(|(name, value)| json!({"name": name, "value": value}));
            json!({
                "id": at.to_string(), "gate": gate, "trigger": trigger, "action": (["STOP", "WARN"][at % 2]),
                "params": params.collect::<Vec<_>>(),
            })
        })
        .collect();
    let bundle = Bundle::parse(&json!({
        "id": "b", "version": "1_0", "policies": [{"id": "p", "version": "1_0", "rules": rules}], "whitelists": [],
        "mappings": [{
            "name": "all", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"],
            "whitelist_ids": [],
        }],
    }))
    .expect("a bundle");
    assert_eq!(bundle.validate(), []);
    bundle
}
