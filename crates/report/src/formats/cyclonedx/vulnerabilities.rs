//! The vulnerabilities of a CycloneDX document: one entry for each match, so that each keeps its own fix, and one for
//! what does not apply, with the analysis that says why. Of packages whose version has the fix nothing is said: every
//! other vulnerability there ever was is fixed in them too.

use killick_model::matching::{Evidence, FixState, Match, Matches, Suppressed, SuppressionReason};
use killick_model::package::{Package, PackageId};
use killick_model::severity::{Cvss, Severity};
use killick_model::vex::{Justification, VexStatus};

use super::document::{Advisory, AffectedVersion, Affects, Alias, Analysis, Property, Rating, Source, Vulnerability};
use super::{Scoped, Version, property};
use crate::vex;

pub(super) fn all<'a>(scoped: &'a Scoped<'_>, matches: &'a Matches) -> impl Iterator<Item = Vulnerability> + use<'a> {
    let suppressed = matches.suppressed.iter().filter(|found| found.reason != SuppressionReason::Fixed).enumerate();
    let matches = matches.matches.iter().enumerate();
    let analysis = scoped.report.analysis;
    let matches = matches.map(|(at, found)| vulnerability(scoped, at, found, analysis.package(found.package)));
    matches.chain(suppressed.map(|(at, found)| not_applying(scoped, at, found, analysis.package(found.package))))
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
    let response = match found.fix.state {
        FixState::Fixed => vec!["update"],
        FixState::WontFix => vec!["will_not_fix"],
        _ => Vec::new(),
    };
    Vulnerability {
        bom_ref: format!("{}match:{at}", scoped.scope),
        id: found.vulnerability.clone(),
        source: provider.map(|name| Source { name, url: found.url.clone() }),
        references,
        ratings: std::iter::once(overall).chain(found.cvss.iter().map(|cvss| rating(scoped.version, cvss))).collect(),
        recommendation,
        advisories: found.url.iter().map(|url| Advisory { url: url.clone() }).collect(),
        analysis: analysis(&vex::matched(scoped.report.analysis, found), response),
        affects: affects(scoped, found.package, package, "affected"),
        properties: properties(found),
    }
}

/// Something that does not apply, and why.
fn not_applying(scoped: &Scoped<'_>, at: usize, found: &Suppressed, package: &Package) -> Vulnerability {
    let evidence = &found.evidence;
    let said = vex::suppressed(found);
    let status = if said.status == VexStatus::UnderInvestigation { "unknown" } else { "unaffected" };
    let mut properties = vec![property("killick:suppressed", reason_word(found.reason)), evidence_property(evidence)];
    properties.extend(found.claim.iter().map(|claim| property("killick:vex:issuer", &claim.issuer)));
    properties.extend(found.claim.iter().map(|claim| property("killick:vex:document", &claim.document)));
    Vulnerability {
        bom_ref: format!("{}suppressed:{at}", scoped.scope),
        id: found.vulnerability.clone(),
        source: Some(Source { name: evidence.provider.clone(), url: None }),
        references: Vec::new(),
        ratings: Vec::new(),
        recommendation: None,
        advisories: Vec::new(),
        analysis: analysis(&said, Vec::new()),
        affects: affects(scoped, found.package, package, status),
        properties,
    }
}

fn analysis(said: &vex::Statement<'_>, response: Vec<&'static str>) -> Analysis {
    let state = match said.status {
        VexStatus::NotAffected => "not_affected",
        VexStatus::Affected => "exploitable",
        VexStatus::Fixed => "resolved",
        VexStatus::UnderInvestigation => "in_triage",
    };
    let justification = said.justification.filter(|_| said.status == VexStatus::NotAffected);
    let justification = justification.and_then(Justification::cyclonedx);
    // What to do is a recommendation; the words of a match say nothing else.
    let detail = if said.status == VexStatus::Affected { String::new() } else { said.words.clone() };
    Analysis { state, justification, response, detail }
}

fn affects(scoped: &Scoped<'_>, id: PackageId, package: &Package, status: &'static str) -> Vec<Affects> {
    let version = AffectedVersion { version: package.version.clone(), status };
    let versions = if package.version.is_empty() { Vec::new() } else { vec![version] };
    vec![Affects { target: scoped.package_ref(id), versions }]
}

const fn reason_word(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Fixed => "fixed",
        SuppressionReason::NotAffected => "not-affected",
        SuppressionReason::OutsideRange => "outside-range",
        SuppressionReason::Withdrawn => "withdrawn",
        SuppressionReason::OwnedByDistribution => "owned-by-distribution",
        SuppressionReason::NoAffectedCode => "no-affected-code",
        SuppressionReason::NotLinked => "not-linked",
        SuppressionReason::Vex => "vex",
    }
}

fn properties(found: &Match) -> Vec<Property> {
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
    properties.push(property("killick:risk", format!("{:.1}", found.risk)));
    properties.extend(found.evidence.iter().map(evidence_property));
    properties.extend(found.claims.iter().map(|claim| {
        let trust = if claim.trusted { "trusted" } else { "not trusted" };
        property("killick:vex:claim", format!("{} ({trust}): {}", claim.issuer, claim.describe()))
    }));
    properties
}

fn evidence_property(evidence: &Evidence) -> Property {
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
}

fn rating(version: Version, cvss: &Cvss) -> Rating {
    let method = match cvss.version.as_str() {
        "2.0" => "CVSSv2",
        "3.0" => "CVSSv3",
        "3.1" => "CVSSv31",
        "4.0" if version >= Version::V1_5 => "CVSSv4",
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
