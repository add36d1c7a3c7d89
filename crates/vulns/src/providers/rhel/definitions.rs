//! OVAL v2, `RHEL9/rhel-9-including-unpatched.oval.xml.bz2`: advisories, and per CVE what is open or not affected.

use std::collections::HashMap;

use killick_model::advisory::{Instant, Level, License, Qualifier, Rating, RatingValue, Statement, Verdict};
use killick_model::matching::FixState;
use killick_model::version::Scheme;

use super::super::oval::{Definition, Oval};
use super::super::said;
use super::super::xml::Element;
use super::super::{Input, ReadError, Sink};
use super::product::{mark, release};
use crate::index::Coverage;

pub(super) const FOLDER: &str = "rhel/oval/v2";

pub(super) fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let oval = Oval::load(input, sink)?;
    oval.definitions(input, sink, file)?;
    sink.seen(oval.timestamp);
    Ok(())
}

fn file(definition: &Definition, sink: &mut Sink) {
    let Some(list) = definition.metadata.at(&["advisory", "affected_cpe_list"]) else {
        // Definitions of products that are no distribution list none at times.
        return sink.leave_out();
    };
    let releases: Vec<_> = list.all("cpe").filter_map(|cpe| release(cpe.text())).collect();
    let Some(first) = releases.first() else { return sink.leave_out() };
    let is_apart = releases.iter().all(|release| release.is_apart);
    let cves = definition.cves();
    if cves.is_empty() {
        // Bug fixes and enhancements.
        return sink.leave_out();
    }
    if let Some(reason) = definition.is_too_large(cves.len()) {
        return sink.skip(&definition.id, reason);
    }
    let errata = definition.reference("RHSA").or_else(|| definition.reference("RHBA"));
    let errata = errata.or_else(|| definition.reference("RHEA"));
    let filing = sink.file(&first.namespace, || super::namespace(&first.namespace, Coverage::Full));
    let details: HashMap<&str, &Element> = definition
        .metadata
        .child("advisory")
        .into_iter()
        .flat_map(|advisory| advisory.all("cve"))
        .map(|cve| (cve.text(), cve))
        .collect();
    let mut left_out = 0;
    for cve in &cves {
        let details = details.get(cve.as_str()).copied();
        let mut advisory = said::advisory(cve, License::Attribution);
        advisory.published = details.and_then(published).or_else(|| definition.published());
        advisory.modified = definition.modified();
        advisory.ratings = details.map(ratings).unwrap_or_default();
        filing.advisory(&advisory);
        let impact = details.and_then(|details| said::severity(details.attribute("impact")?));
        let severity = impact.or_else(|| definition.severity());
        for row in &definition.rows {
            let mut statement = row.statement(cve, Level::Binary, Scheme::Rpm);
            statement.severity = severity;
            if statement.verdict == Verdict::Affected && statement.fix.state != FixState::Fixed {
                match resolution(definition, &statement) {
                    Some((verdict, state)) => {
                        statement.verdict = verdict;
                        statement.fix.state = state;
                    }
                    None => statement.fix.state = FixState::NotFixed,
                }
            }
            let is_fixed = statement.fix.state == FixState::Fixed;
            statement.fix.advisories.extend(errata.filter(|_| is_fixed).map(str::to_owned));
            if is_apart {
                let Some(mark) = statement.fix.versions.first().and_then(|version| mark(version)) else {
                    left_out += 1;
                    continue;
                };
                statement.qualifiers.push(Qualifier::Build(mark.to_owned()));
            }
            filing.statement(&statement);
        }
    }
    for _ in 0..left_out {
        sink.leave_out();
    }
}

/// `public="20050804"`.
fn published(details: &Element) -> Option<Instant> {
    let date = details.attribute("public")?.get(..8)?;
    Instant::parse(&format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..)?))
}

/// `cvss3="7.0/CVSS:3.1/AV:L/…"`, `cvss2="7.8/AV:N/…"`.
fn ratings(details: &Element) -> Vec<Rating> {
    let vectors = ["cvss3", "cvss2"].iter().filter_map(|key| details.attribute(key)?.split_once('/'));
    vectors
        .map(|(_, vector)| Rating { source: "rhel".to_owned(), value: RatingValue::Vector(vector.to_owned()) })
        .collect()
}

/// `<resolution state="Will not fix"><component>tar</component>`: what will become of an open issue. A component is a
/// source package or one of a module, `nodejs:16/npm`; with a single resolution it is that of all packages.
fn resolution(definition: &Definition, statement: &Statement) -> Option<(Verdict, FixState)> {
    let affected = definition.metadata.at(&["advisory", "affected"])?;
    let resolutions: Vec<&Element> = affected.all("resolution").collect();
    let names = |component: &Element| component.text().rsplit('/').next() == Some(statement.name.as_str());
    let own = resolutions.iter().find(|resolution| resolution.all("component").any(names));
    let found = match (own, resolutions.as_slice()) {
        (Some(own), _) => own,
        (None, [single]) => single,
        (None, _) => return None,
    };
    Some(match found.attribute("state")? {
        "Will not fix" | "Out of support scope" => (Verdict::Affected, FixState::WontFix),
        "Fix deferred" => (Verdict::Affected, FixState::Deferred),
        "Not affected" => (Verdict::NotAffected, FixState::Unknown),
        "Under investigation" => (Verdict::UnderInvestigation, FixState::Unknown),
        _ => (Verdict::Affected, FixState::NotFixed),
    })
}
