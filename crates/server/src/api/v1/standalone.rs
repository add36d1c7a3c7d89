//! What is known of a vulnerability, whatever images there are.

use killick_model::matching::FixState;
use killick_model::severity::{Cvss, Severity};
use killick_model::version::Scheme;
use killick_report::vulnerabilities::feed_group;
use killick_vulns::{Affected, Told};
use serde_json::{Map, Value, json};

/// Everything, in a range.
const ALL_VERSIONS: &str = "*";

/// Whether a source names the package, at this version text or at every version if one is given.
pub(super) fn names_package(told: &Told, package: &str, wanted: Option<&str>) -> bool {
    let mut affected = told.affected.iter().filter(|affected| affected.name == package);
    affected.any(|affected| {
        let told = version(affected);
        wanted.is_none_or(|wanted| told == ALL_VERSIONS || told == wanted)
    })
}

/// The record. Texts and references are not kept, so there are none.
pub(super) fn record(told: &Told) -> Value {
    let nvd: Vec<Value> = told.nvd.iter().map(|(cve, scores)| entry(cve, scores)).collect();
    let vendor: Vec<Value> =
        told.cvss.iter().map(|cvss| entry(&told.id, std::slice::from_ref(cvss))).filter(has_scores).collect();
    json!({
        "affected_packages": told.affected.iter().map(package).collect::<Vec<_>>(),
        "description": null,
        "id": told.id,
        "link": told.url,
        "namespace": feed_group(&told.namespace),
        "nvd_data": nvd,
        "references": null,
        "severity": told.severity.title(),
        "vendor_data": vendor,
    })
}

fn package(affected: &Affected) -> Value {
    json!({
        "name": affected.name,
        "type": affected.scheme.map_or(ALL_VERSIONS, version_format),
        "version": version(affected),
        "will_not_fix": affected.fix == FixState::WontFix,
    })
}

/// Distributions tell the version with the fix, others the range without it.
fn version(affected: &Affected) -> &str {
    let fixed = affected.fixed.first().filter(|fixed| affected.versions == format!("< {fixed}"));
    match affected.scheme {
        Some(Scheme::Dpkg | Scheme::Rpm | Scheme::Apk | Scheme::Pacman | Scheme::Portage) => {
            fixed.unwrap_or(&affected.versions)
        }
        // A CPE names one version.
        None => affected.versions.strip_prefix("= ").unwrap_or(&affected.versions),
        Some(_) => &affected.versions,
    }
}

/// The version orders of the original; others under our names.
const fn version_format(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Pep440 => "python",
        Scheme::RubyGems => "semver",
        scheme => scheme.name(),
    }
}

fn entry(id: &str, scores: &[Cvss]) -> Value {
    let of = |major: char| scores.iter().find(|cvss| cvss.version.starts_with(major)).map(score);
    json!({"cvss_v2": of('2'), "cvss_v3": of('3'), "id": id})
}

fn has_scores(entry: &Value) -> bool {
    !entry["cvss_v2"].is_null() || !entry["cvss_v3"].is_null()
}

/// An unknown score is -1.
fn score(cvss: &Cvss) -> Value {
    let mut metrics = metrics(cvss);
    metrics.insert("base_score".to_owned(), cvss.base.into());
    metrics.insert("exploitability_score".to_owned(), cvss.exploitability.unwrap_or(-1.0).into());
    metrics.insert("impact_score".to_owned(), cvss.impact.unwrap_or(-1.0).into());
    json!({
        "base_metrics": metrics,
        "severity": severity(cvss).title(),
        "vector_string": cvss.vector,
        "version": cvss.version,
    })
}

/// Metrics of a vector, their names, and the words for their values (CVSS 2.0, section 2.1; 3.1, section 2).
type Words = &'static [(&'static str, &'static str, &'static [(&'static str, &'static str)])];

const IMPACT_2: &[(&str, &str)] = &[("N", "NONE"), ("P", "PARTIAL"), ("C", "COMPLETE")];
const VERSION_2: Words = &[
    ("AV", "access_vector", &[("N", "NETWORK"), ("A", "ADJACENT_NETWORK"), ("L", "LOCAL")]),
    ("AC", "access_complexity", &[("L", "LOW"), ("M", "MEDIUM"), ("H", "HIGH")]),
    ("Au", "authentication", &[("N", "NONE"), ("S", "SINGLE"), ("M", "MULTIPLE")]),
    ("C", "confidentiality_impact", IMPACT_2),
    ("I", "integrity_impact", IMPACT_2),
    ("A", "availability_impact", IMPACT_2),
];

const LEVEL_3: &[(&str, &str)] = &[("N", "NONE"), ("L", "LOW"), ("H", "HIGH")];
const VERSION_3: Words = &[
    ("AV", "attack_vector", &[("N", "NETWORK"), ("A", "ADJACENT_NETWORK"), ("L", "LOCAL"), ("P", "PHYSICAL")]),
    ("AC", "attack_complexity", LEVEL_3),
    ("PR", "privileges_required", LEVEL_3),
    ("UI", "user_interaction", &[("N", "NONE"), ("R", "REQUIRED")]),
    ("S", "scope", &[("U", "UNCHANGED"), ("C", "CHANGED")]),
    ("C", "confidentiality_impact", LEVEL_3),
    ("I", "integrity_impact", LEVEL_3),
    ("A", "availability_impact", LEVEL_3),
];

/// What the vector says, in words.
fn metrics(cvss: &Cvss) -> Map<String, Value> {
    let mut told = Map::new();
    let is_2 = cvss.version.starts_with('2');
    for (metric, value) in cvss.vector.split('/').filter_map(|part| part.split_once(':')) {
        let words = if is_2 { VERSION_2 } else { VERSION_3 };
        let known = words.iter().find(|(short, ..)| *short == metric);
        let word =
            known.and_then(|(_, name, values)| Some((name, values.iter().find(|(short, _)| *short == value)?.1)));
        if let Some((name, word)) = word {
            told.insert((*name).to_owned(), word.into());
        }
    }
    if !is_2 {
        told.insert("base_severity".to_owned(), severity(cvss).title().into());
    }
    told
}

/// Version 2 knows no critical.
fn severity(cvss: &Cvss) -> Severity {
    let severity = Severity::from_cvss3(cvss.base);
    if cvss.version.starts_with('2') {
        severity.clamp(Severity::Low, Severity::High)
    } else {
        severity.max(Severity::Low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_affects_every_version_affects_the_one_that_is_asked_for() {
        let told = |versions: &str| {
            let affected = Affected {
                name: "tar".to_owned(),
                scheme: Some(Scheme::Dpkg),
                versions: versions.to_owned(),
                fixed: Vec::new(),
                fix: FixState::NotFixed,
            };
            Told {
                id: "CVE-2005-2541".to_owned(),
                provider: "debian".to_owned(),
                namespace: "debian:12".to_owned(),
                aliases: Vec::new(),
                severity: Severity::Negligible,
                url: None,
                affected: vec![affected],
                nvd: Vec::new(),
                cvss: Vec::new(),
            }
        };
        assert!(names_package(&told("*"), "tar", Some("1.34")));
        assert!(names_package(&told("*"), "tar", None));
        assert!(!names_package(&told("*"), "cpio", Some("1.34")));
        assert!(!names_package(&told("= 1.30"), "tar", Some("1.34")));
    }

    #[test]
    fn versions_are_told_as_the_original_did() {
        for (scheme, versions, fixed, want) in [
            (Some(Scheme::Dpkg), "< 5.2.15-3", Some("5.2.15-3"), "5.2.15-3"),
            (Some(Scheme::Dpkg), "*", None, "*"),
            (Some(Scheme::Rpm), ">= 1, < 2", Some("2"), ">= 1, < 2"),
            (Some(Scheme::Semver), "< 4.17.5", Some("4.17.5"), "< 4.17.5"),
            (None, "= 2.36", None, "2.36"),
        ] {
            let affected = Affected {
                name: "a".to_owned(),
                scheme,
                versions: versions.to_owned(),
                fixed: fixed.map(str::to_owned).into_iter().collect(),
                fix: FixState::Unknown,
            };
            assert_eq!(version(&affected), want, "{versions}");
        }
    }
}
