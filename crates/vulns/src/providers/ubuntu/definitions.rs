//! OVAL definitions per CVE, `com.ubuntu.jammy.cve.oval.xml.bz2`, where there are no OSV records. They name binary packages.

use killick_model::advisory::{Level, License, Qualifier, Rating, RatingValue};
use killick_model::matching::FixState;
use killick_model::version::Scheme;

use super::super::oval::{Definition, Oval};
use super::super::said;
use super::super::{Input, ReadError, Sink};
use super::pocket::{self, Pocket};

/// Namespace and pocket of a file: `com.ubuntu.jammy.cve.oval.xml.bz2`, `com.ubuntu.fips-updates_jammy.cve.oval.xml.bz2`.
/// Files of images (`oci.`) and files by notice or package say the same again.
pub(super) fn release(name: &str) -> Option<(String, Pocket)> {
    let name = name.strip_suffix(".bz2").unwrap_or(name).strip_prefix("com.ubuntu.")?;
    let place = name.strip_suffix(".cve.oval.xml")?;
    let (pocket, codename) = place.rsplit_once('_').unwrap_or(("", place));
    pocket::of_codename(codename, pocket)
}

pub(super) fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let place = input.path.file_name().and_then(|name| name.to_str()).and_then(release);
    let Some((namespace, pocket)) = place else { return Err(input.malformed("its name tells no release")) };
    let oval = Oval::load(input, sink)?;
    oval.definitions(input, sink, |definition, sink| file(&namespace, pocket, definition, sink))?;
    sink.seen(oval.timestamp);
    Ok(())
}

fn file(namespace: &str, pocket: Pocket, definition: &Definition, sink: &mut Sink) {
    let Some(cve) = definition.cves().into_iter().next() else {
        return sink.skip(&definition.id, "it names no CVE");
    };
    let filing = sink.file(namespace, || super::namespace(namespace));
    let mut advisory = said::advisory(&cve, License::ShareAlike);
    advisory.published = definition.published();
    let details = definition.metadata.at(&["advisory", "cve"]);
    let vector = details.and_then(|details| details.attribute("cvss_vector"));
    advisory.ratings = vector
        .map(|vector| Rating { source: "ubuntu".to_owned(), value: RatingValue::Vector(vector.to_owned()) })
        .into_iter()
        .collect();
    filing.advisory(&advisory);
    for row in &definition.rows {
        let mut statement = row.statement(&cve, Level::Binary, Scheme::Dpkg);
        statement.severity = definition.severity();
        if statement.fix.state != FixState::Fixed {
            statement.fix.state = fix_state(&row.comment);
        }
        let fixed = statement.fix.versions.first().cloned();
        let marks = if pocket == Pocket::Base { Pocket::Esm.marks() } else { pocket.marks() };
        let mark = marks.iter().find(|mark| fixed.as_ref().is_some_and(|version| version.contains(**mark)));
        statement.qualifiers.extend(mark.map(|mark| Qualifier::Build((*mark).to_owned())));
        filing.statement(&statement);
        if mark.is_some() && pocket == Pocket::Base {
            // What subscribers get is affected for everybody else.
            let base = said::Said::Unfixed(FixState::WontFix);
            let mut base = base.statement(&cve, &row.name, Level::Binary, Scheme::Dpkg);
            base.severity = statement.severity;
            filing.statement(&base);
        }
    }
}

/// The sentences of Ubuntu's criteria.
fn fix_state(comment: &str) -> FixState {
    if comment.contains("defer") {
        FixState::Deferred
    } else if comment.contains("ignored") || comment.contains("not be fixed") || comment.contains("will not") {
        FixState::WontFix
    } else {
        FixState::NotFixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_releases() {
        for (name, expected) in [
            ("com.ubuntu.jammy.cve.oval.xml.bz2", Some(("ubuntu:22.04", Pocket::Base))),
            ("com.ubuntu.fips-updates_jammy.cve.oval.xml", Some(("ubuntu:22.04", Pocket::Fips))),
            ("com.ubuntu.esm-infra_xenial.cve.oval.xml", Some(("ubuntu:16.04", Pocket::Esm))),
            ("com.ubuntu.jammy.usn.oval.xml.bz2", None),
            ("oci.com.ubuntu.jammy.cve.oval.xml.bz2", None),
            ("com.ubuntu.unknown.cve.oval.xml", None),
        ] {
            let found = release(name);
            assert_eq!(found.as_ref().map(|(namespace, pocket)| (namespace.as_str(), *pocket)), expected, "{name}");
        }
    }
}
