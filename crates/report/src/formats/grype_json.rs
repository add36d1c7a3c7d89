//! Grype's JSON (<https://github.com/anchore/grype/tree/main/grype/presenter/models>, as of 0.121), for pipelines that read
//! it. It has no schema.
//!
//! Vulnerabilities go by the names that Grype gives them, and the others are related ones; what a trusted VEX document
//! hides is an ignored match. Grype has no document of several images: there is one on each line.

use std::io::{self, Write};

use killick_model::analysis::Analysis;
use killick_model::matching::{Confidence, Evidence, FixState, Match, Suppressed, SuppressionReason};
use killick_model::package::Package;
use killick_model::severity::Cvss;
use killick_model::vex::Justification;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Each, IndexReport, Report, Style};
use crate::syft;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<M: Serialize, I: Serialize> {
    matches: M,
    ignored_matches: I,
    source: Value,
    distro: Value,
    descriptor: Value,
}

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (matches, suppressed) =
        report.matches.map(|found| (found.matches.as_slice(), found.suppressed.as_slice())).unwrap_or_default();
    let hidden = || suppressed.iter().filter(|found| found.reason == SuppressionReason::Vex);
    let analysis = report.analysis;
    let newest = report.knowledge.and_then(|knowledge| knowledge.newest_data);
    let document = Document {
        matches: Each(|| matches.iter().map(|found| matched(analysis, found))),
        ignored_matches: Each(|| hidden().map(|found| ignored(analysis, found))),
        source: source(report),
        distro: distro(analysis),
        descriptor: json!({
            "name": "killick", "version": report.tool_version, "timestamp": report.now, "db": {"built": newest},
        }),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

pub(super) fn render_index(index: &IndexReport<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    index
        .images
        .iter()
        .filter_map(|image| image.outcome.as_ref().ok())
        .try_for_each(|report| render(report, style, out))
}

fn matched(analysis: &Analysis, found: &Match) -> Value {
    let package = analysis.package(found.package);
    let id = found.anchore_id(package);
    let deciding = found.evidence.first();
    let mut vulnerability = json!({
        "id": id,
        "dataSource": found.url.as_deref().unwrap_or_default(),
        "namespace": deciding.map(|evidence| namespace(evidence, package)).unwrap_or_default(),
        "severity": found.severity.title(),
        "urls": found.url.as_slice(),
        "cvss": found.cvss.iter().map(cvss).collect::<Vec<_>>(),
        "fix": {"versions": found.fix.versions, "state": fix_state(found.fix.state)},
        "advisories": [],
        "risk": found.risk,
    });
    if let Some(vulnerability) = vulnerability.as_object_mut() {
        if found.known_exploited {
            vulnerability.insert("knownExploited".to_owned(), json!([{"cve": found.vulnerability}]));
        }
        if let Some(epss) = found.epss {
            vulnerability.insert("epss".to_owned(), json!([{"cve": found.vulnerability, "epss": epss}]));
        }
    }
    let related = std::iter::once(&found.vulnerability).chain(&found.aliases).filter(|name| *name != id);
    let related = related.map(|name| {
        let (namespace, address) = if name.starts_with("CVE-") {
            ("nvd:cpe", format!("https://nvd.nist.gov/vuln/detail/{name}"))
        } else {
            ("", String::new())
        };
        json!({
            "id": name, "dataSource": address, "namespace": namespace, "severity": found.severity.title(), "urls": [],
            "cvss": [],
        })
    });
    let suggested = found.fix.versions.first();
    json!({
        "vulnerability": vulnerability,
        "relatedVulnerabilities": related.collect::<Vec<_>>(),
        "matchDetails": found.evidence.iter().map(|evidence| detail(analysis, package, evidence, suggested)).collect::<Vec<_>>(),
        "artifact": artifact(analysis, found.package.0 as usize, package),
    })
}

/// What a VEX document hides.
fn ignored(analysis: &Analysis, found: &Suppressed) -> Value {
    let package = analysis.package(found.package);
    let evidence = &found.evidence;
    let claim = found.claim.as_ref();
    json!({
        "vulnerability": {
            "id": found.vulnerability, "dataSource": "", "namespace": namespace(evidence, package),
            "severity": evidence.severity.title(), "urls": [], "cvss": [], "fix": {"versions": [], "state": "unknown"},
            "advisories": [], "risk": 0.0,
        },
        "relatedVulnerabilities": [],
        "matchDetails": [detail(analysis, package, evidence, None)],
        "artifact": artifact(analysis, found.package.0 as usize, package),
        "appliedIgnoreRules": [{
            "vulnerability": found.vulnerability,
            "namespace": "vex",
            "fix-state": "",
            "vex-status": claim.map_or("", |claim| claim.status.name()),
            "vex-justification": claim.and_then(|claim| claim.justification).map_or("", Justification::name),
        }],
    })
}

fn detail(analysis: &Analysis, package: &Package, evidence: &Evidence, suggested: Option<&String>) -> Value {
    let kind = match evidence.confidence {
        Confidence::Cpe => "cpe-match",
        Confidence::Source => "exact-indirect-match",
        Confidence::Exact | Confidence::Name => "exact-direct-match",
    };
    let matcher = match package.kind.name() {
        "deb" => "dpkg-matcher",
        "rpm" => "rpm-matcher",
        "apk" => "apk-matcher",
        "java" => "java-matcher",
        "python" => "python-matcher",
        "npm" => "javascript-matcher",
        "gem" => "ruby-gem-matcher",
        "go" => "go-module-matcher",
        "rust" => "rust-matcher",
        "dotnet" => "dotnet-matcher",
        _ => "stock-matcher",
    };
    let mut searched = json!({
        "namespace": namespace(evidence, package),
        "package": {"name": evidence.matched_name, "version": evidence.compared_version},
    });
    let distribution = package.distribution.as_ref().or(analysis.distribution.as_ref());
    if let (true, Some(distribution), Some(searched)) = (package.kind.is_os(), distribution, searched.as_object_mut()) {
        let version = distribution.version.as_deref().unwrap_or_default();
        searched.insert("distro".to_owned(), json!({"type": distribution.id, "version": version}));
    }
    let mut detail = json!({
        "type": kind,
        "matcher": matcher,
        "searchedBy": searched,
        "found": {
            "versionConstraint": format!("{} ({})", evidence.affected, evidence.scheme),
            "vulnerabilityID": evidence.advisory,
        },
    });
    if let (Some(version), Some(detail)) = (suggested, detail.as_object_mut()) {
        detail.insert("fix".to_owned(), json!({"suggestedVersion": version}));
    }
    detail
}

/// The namespace in Grype's words: `debian:distro:debian:12`, `github:language:python`, `nvd:cpe`.
fn namespace(evidence: &Evidence, package: &Package) -> String {
    if evidence.confidence == Confidence::Cpe {
        return "nvd:cpe".to_owned();
    }
    if package.kind.is_os() {
        let (id, version) = evidence.namespace.split_once(':').unwrap_or((&evidence.namespace, "rolling"));
        return format!("{id}:distro:{id}:{version}");
    }
    let language = syft::language(package.kind);
    let language = if language.is_empty() { package.kind.name() } else { language };
    format!("github:language:{language}")
}

const fn fix_state(state: FixState) -> &'static str {
    match state {
        FixState::Fixed => "fixed",
        FixState::NotFixed | FixState::Deferred => "not-fixed",
        FixState::WontFix => "wont-fix",
        FixState::Unknown => "unknown",
    }
}

fn cvss(cvss: &Cvss) -> Value {
    let mut metrics = Map::new();
    metrics.insert("baseScore".to_owned(), json!(cvss.base));
    metrics.extend(cvss.exploitability.map(|score| ("exploitabilityScore".to_owned(), json!(score))));
    metrics.extend(cvss.impact.map(|score| ("impactScore".to_owned(), json!(score))));
    json!({
        "source": cvss.source, "type": "Primary", "version": cvss.version, "vector": cvss.vector, "metrics": metrics,
        "vendorMetadata": {},
    })
}

/// The package as Syft has it, with lists of words where Grype has them.
fn artifact(analysis: &Analysis, at: usize, package: &Package) -> Value {
    let mut artifact = syft::artifact(analysis, at, package);
    let Some(members) = artifact.as_object_mut() else { return artifact };
    members.shift_remove("foundBy");
    members.insert("licenses".to_owned(), json!(package.licenses));
    members.insert("cpes".to_owned(), json!(package.cpe_names()));
    let source = package.source.as_ref();
    let upstream = source.map(|source| json!({"name": source.name, "version": source.version}));
    members.insert("upstreams".to_owned(), json!(upstream.as_slice()));
    artifact
}

fn source(report: &Report<'_>) -> Value {
    let analysis = report.analysis;
    let layers = analysis.layers.iter();
    let layers =
        layers.map(|layer| json!({"mediaType": layer.media_type, "digest": layer.diff_id, "size": layer.size}));
    json!({
        "type": "image",
        "target": {
            "userInput": report.source,
            "imageID": analysis.config_digest,
            "manifestDigest": analysis.manifest_digest,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "tags": [],
            "imageSize": analysis.size_bytes(),
            "layers": layers.collect::<Vec<_>>(),
            "manifest": "",
            "config": "",
            "repoDigests": [],
            "architecture": analysis.config.architecture,
            "os": analysis.config.os,
        },
    })
}

fn distro(analysis: &Analysis) -> Value {
    let Some(distribution) = &analysis.distribution else { return json!({"name": "", "version": "", "idLike": []}) };
    json!({
        "name": distribution.id,
        "version": distribution.version.as_deref().unwrap_or_default(),
        "idLike": distribution.like,
    })
}
