//! The vulnerabilities of a CycloneDX document: one entry for each match, so that each keeps its own fix.

use killick_model::matching::{FixState, Match, Matches};
use killick_model::package::Package;
use killick_model::severity::{Cvss, Severity};

use super::document::{Advisory, AffectedVersion, Affects, Alias, Rating, Source, Vulnerability};
use super::{Scoped, property};

pub(super) fn all<'a>(scoped: &'a Scoped<'_>, matches: &'a Matches) -> impl Iterator<Item = Vulnerability> + use<'a> {
    let matches = matches.matches.iter().enumerate();
    let analysis = scoped.report.analysis;
    matches.map(|(at, found)| vulnerability(scoped, at, found, analysis.package(found.package)))
}

fn vulnerability(scoped: &Scoped<'_>, at: usize, found: &Match, package: &Package) -> Vulnerability {
    let provider = found.evidence.first().map(|evidence| evidence.provider.clone());
    // The format wants a source with each name: the word before the first `-` names the naming authority.
    let authority = |id: &str| id.split('-').next().unwrap_or(id).to_owned();
    let references = found
        .aliases
        .iter()
        .map(|alias| Alias { id: alias.clone(), source: Source { name: authority(alias), url: None } })
        .collect();
    let overall = Rating {
        source: found.severity_source.clone().map(|name| Source { name, url: None }),
        score: None,
        severity: severity_word(found.severity),
        method: None,
        vector: None,
    };
    let recommendation = (found.fix.state == FixState::Fixed && !found.fix.versions.is_empty())
        .then(|| format!("upgrade {} to {}", package.name, found.fix.versions.join(" or ")));
    let version = AffectedVersion { version: package.version.clone(), status: "affected" };
    Vulnerability {
        bom_ref: format!("{}match:{at}", scoped.scope),
        id: found.vulnerability.clone(),
        source: provider.map(|name| Source { name, url: found.url.clone() }),
        references,
        ratings: std::iter::once(overall).chain(found.cvss.iter().map(rating)).collect(),
        recommendation,
        advisories: found.url.iter().map(|url| Advisory { url: url.clone() }).collect(),
        affects: vec![Affects {
            target: scoped.package_ref(found.package),
            versions: if package.version.is_empty() { Vec::new() } else { vec![version] },
        }],
        properties: properties(found),
    }
}

fn properties(found: &Match) -> Vec<super::Property> {
    let state = match found.fix.state {
        FixState::Unknown => "unknown",
        FixState::Fixed => "fixed",
        FixState::NotFixed => "not-fixed",
        FixState::Deferred => "deferred",
        FixState::WontFix => "wont-fix",
    };
    let mut properties = vec![property("killick:fix:state", state)];
    properties.extend(found.fix.versions.iter().map(|version| property("killick:fix:version", version)));
    if found.known_exploited {
        properties.push(property("killick:known-exploited", true));
    }
    properties.extend(found.epss.map(|epss| property("killick:epss", epss)));
    properties.extend(found.evidence.iter().map(|evidence| {
        let text = format!(
            "{} {}: {} {} in {} by {}",
            evidence.namespace,
            evidence.advisory,
            evidence.matched_name,
            evidence.compared_version,
            evidence.affected,
            evidence.scheme
        );
        property("killick:evidence", text)
    }));
    properties
}

fn rating(cvss: &Cvss) -> Rating {
    let method = match cvss.version.as_str() {
        "2.0" => "CVSSv2",
        "3.0" => "CVSSv3",
        "3.1" => "CVSSv31",
        "4.0" => "CVSSv4",
        _ => "other",
    };
    Rating {
        source: Some(Source { name: cvss.source.clone(), url: None }),
        score: Some(cvss.base),
        severity: severity_word(Severity::from_cvss3(cvss.base)),
        method: Some(method),
        vector: Some(cvss.vector.clone()),
    }
}

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "unknown",
        Severity::Negligible => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
