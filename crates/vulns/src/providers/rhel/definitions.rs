//! OVAL v2, `RHEL9/rhel-9-including-unpatched.oval.xml.bz2`: advisories, and per CVE what is open or not affected.

use killick_model::advisory::{Instant, Level, License, Qualifier, Rating, RatingValue, Statement, Verdict};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
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
    let errata = definition.reference("RHSA").or_else(|| definition.reference("RHBA"));
    let errata = errata.or_else(|| definition.reference("RHEA"));
    let filing = sink.file(&first.namespace, || super::namespace(&first.namespace, Coverage::Full));
    let mut left_out = 0;
    for cve in &cves {
        let mut advisory = said::advisory(cve, License::Attribution);
        advisory.published = published(definition, cve).or_else(|| definition.published());
        advisory.modified = definition.modified();
        advisory.ratings = ratings(definition, cve);
        filing.advisory(&advisory);
        for row in &definition.rows {
            let mut statement = row.statement(cve, Level::Binary, Scheme::Rpm);
            statement.severity = impact(definition, cve).or_else(|| definition.severity());
            if statement.verdict == Verdict::Affected && statement.fix.state != FixState::Fixed {
                match resolution(definition, &statement) {
                    Some((verdict, state)) => {
                        statement.verdict = verdict;
                        statement.fix.state = state;
                    }
                    None => statement.fix.state = FixState::NotFixed,
                }
            }
            statement
                .fix
                .advisories
                .extend(errata.filter(|_| statement.fix.state == FixState::Fixed).map(str::to_owned));
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
    (0..left_out).for_each(|_| sink.leave_out());
}

fn details<'a>(definition: &'a Definition, cve: &str) -> Option<&'a Element> {
    let mut listed = definition.metadata.child("advisory")?.children.iter().filter(|child| child.name == "cve");
    listed.find(|found| found.text() == cve)
}

fn impact(definition: &Definition, cve: &str) -> Option<Severity> {
    said::severity(details(definition, cve)?.attribute("impact")?)
}

/// `public="20050804"`.
fn published(definition: &Definition, cve: &str) -> Option<Instant> {
    let date = details(definition, cve)?.attribute("public")?;
    let date = date.get(..8)?;
    Instant::parse(&format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..)?))
}

/// `cvss3="7.0/CVSS:3.1/AV:L/…"`, `cvss2="7.8/AV:N/…"`.
fn ratings(definition: &Definition, cve: &str) -> Vec<Rating> {
    let Some(details) = details(definition, cve) else { return Vec::new() };
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
