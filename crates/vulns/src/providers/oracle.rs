//! Oracle Linux: OVAL definitions, one per ELSA.
//!
//! <https://linux.oracle.com/security/oval/>: `com.oracle.elsa-all.xml.bz2`, or `com.oracle.elsa-ol8.xml.bz2` and so on
//! per release. Fixes only, so silence means nothing. Names are those of binary packages; what is fixed for one
//! architecture in one build may be fixed for another one in a later build. Kernels and libraries that are patched while
//! they run, and validated builds of libraries, have lines of versions of their own, told by `ksplice` and `fips` in them:
//! the matcher never compares across. Several lines of Oracle's own kernel are maintained on one release, so what fixes one
//! says nothing about another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use killick_model::advisory::{Level, License, Rating, RatingValue, Statement};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};

use super::oval::{Definition, Oval};
use super::xml::Element;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, has_extension, said};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider =
    Provider { name: "oracle", title: "Oracle Linux errata", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "oval",
    base: "https://linux.oracle.com/security/oval/",
    folder: "oracle/oval",
    is_default: true,
    max_bytes: 512 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Once,
        files: &[File::new("com.oracle.elsa-all.xml.bz2", "com.oracle.elsa-all.xml.bz2")],
    },
}];

const FOLDER: &str = "oracle/oval";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    let files = files_in(root, FOLDER, |name| {
        name.starts_with("com.oracle.elsa-") && has_extension(name.trim_end_matches(".bz2"), "xml")
    });
    let all: Vec<PathBuf> = files.iter().filter(|path| path.to_string_lossy().contains("elsa-all.")).cloned().collect();
    let files = if all.is_empty() { files } else { all };
    files.into_iter().map(|path| vec![path]).collect()
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let oval = Oval::load(input, sink)?;
    oval.definitions(input, sink, file)?;
    sink.seen(oval.timestamp);
    Ok(())
}

fn file(definition: &Definition, sink: &mut Sink) {
    let Some(id) = definition.reference("elsa").map(str::to_owned).filter(|id| id.starts_with("ELSA-")) else {
        // Bug fixes and enhancements are numbered ELBA and ELEA.
        return sink.skip(&definition.id, "it names no ELSA");
    };
    let mut found: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    for row in &definition.rows {
        let release = row.platforms.first().and_then(|comment| {
            let release = comment.strip_prefix("Oracle Linux ")?.strip_suffix(" is installed")?;
            release.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("ol:{release}"))
        });
        let Some(release) = release else {
            sink.skip(&id, format!("`{}` is on no release", row.name));
            continue;
        };
        let mut statement = row.statement(&id, Level::Binary, Scheme::Rpm);
        statement.severity = definition.severity();
        let fixed = statement.fix.versions.first().filter(|_| has_lines(&row.name)).cloned();
        if let Some((line, fixed)) = fixed.and_then(|fixed| Some((line(&fixed)?, fixed))) {
            let interval = Interval { lower: Some(Bound::inclusive(line)), upper: Some(Bound::exclusive(fixed)) };
            statement.versions = Range::new(Scheme::Rpm, vec![interval], Vec::new());
        }
        found.entry(release).or_default().push(statement);
    }
    let mut advisory = said::advisory(&id, License::Unknown);
    advisory.upstream = definition.cves();
    advisory.published = definition.published();
    advisory.ratings = ratings(definition);
    for (release, statements) in found {
        let filing = sink.file(&release, || Namespace {
            name: release.clone(),
            ecosystem: release.clone(),
            coverage: Coverage::FixedOnly,
            license: License::Unknown,
            attribution: "Oracle Linux errata, facts".to_owned(),
        });
        filing.advisory(&advisory);
        for statement in &statements {
            filing.statement(statement);
        }
    }
}

/// Whether several lines of this package are maintained beside each other on one release: Oracle's own kernels.
fn has_lines(name: &str) -> bool {
    name == "kernel-uek" || name.starts_with("kernel-uek-")
}

/// `5.15` of `5.15.0-3.60.5.1.el8uek`.
fn line(version: &str) -> Option<String> {
    let mut parts = version.splitn(3, '.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(minor)).then(|| format!("{major}.{minor}"))
}

/// `cvss3="7.0/CVSS:3.1/AV:L/…"`, of the only CVE: of several it is not told which one a rating would be about.
fn ratings(definition: &Definition) -> Vec<Rating> {
    let advisory = definition.metadata.child("advisory");
    let cves: Vec<&Element> = advisory.into_iter().flat_map(|advisory| advisory.all("cve")).collect();
    let [cve] = cves.as_slice() else { return Vec::new() };
    let vectors = ["cvss3", "cvss2"].iter().filter_map(|key| cve.attribute(key)?.split_once('/'));
    vectors
        .map(|(_, vector)| Rating { source: "ol".to_owned(), value: RatingValue::Vector(vector.to_owned()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_kept_to_their_line() {
        for (name, expected) in
            [("kernel-uek", true), ("kernel-uek-doc", true), ("kernel", false), ("kernel-uekx", false)]
        {
            assert_eq!(has_lines(name), expected, "{name}");
        }
        for (version, expected) in [
            ("5.15.0-3.60.5.1.el8uek", Some("5.15")),
            ("2.6.39-400.302.2.el6uek", Some("2.6")),
            ("5", None),
            ("x.y.z", None),
        ] {
            assert_eq!(line(version).as_deref(), expected, "{version}");
        }
    }
}
