//! openEuler's security advisories as CVRF, one XML file each, `cvrf/2025/cvrf-openEuler-SA-2025-1379.xml`.
//!
//! <https://repo.openeuler.org/security/data/cvrf/>, Common Vulnerability Reporting Framework 1.1. The product tree lists
//! the file of every package that was built, with the release it is for; each vulnerability lists the releases it was
//! fixed in. Fixes only, so silence means nothing. File names tell no epoch: neither do the advisories in OSV.
//!
//! Patches for systems that run (`HotPatchSA`) are no packages of images and not read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, Level, License};
use killick_model::feed::{Form, Upstream};
use killick_model::severity::Severity;
use killick_model::version::Scheme;

use super::said::{self, Said, nevr};
use super::xml::{Element, records};
use super::{Input, Namespace, Provider, ReadError, Sink, has_extension, tree};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "openeuler",
    title: "openEuler security advisories",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let folder = PathBuf::from("openeuler/cvrf");
        if root.join(&folder).is_dir() { vec![vec![folder]] } else { Vec::new() }
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "cvrf",
    base: "https://repo.openeuler.org/security/data/cvrf/",
    folder: "openeuler/cvrf/cvrf",
    is_default: false,
    max_bytes: 16 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Listing { index: "index.txt", prefix: "cvrf-openEuler-SA-" },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let folder = input.root.join(input.path);
    for path in tree(&folder).map_err(|error| input.unreadable(error))? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !(name.starts_with("cvrf-openEuler-SA-") && has_extension(name, "xml")) {
            continue;
        }
        let path = path.strip_prefix(input.root).unwrap_or(&path);
        let mut found = Vec::new();
        let one = Input { root: input.root, path };
        // One advisory a file: what is wrong with one says nothing about the others.
        if let Err(error) = records(&one, |name| name == "cvrfdoc", |record| found.push(record)) {
            sink.skip(name, error);
            continue;
        }
        for record in found {
            if let Err(detail) = record.and_then(|document| file(&document, sink)) {
                sink.skip(name, detail);
            }
        }
    }
    Ok(())
}

/// A build of a package: name and version, and for which architectures.
type Builds = BTreeMap<(String, String), BTreeSet<String>>;

fn file(document: &Element, sink: &mut Sink) -> Result<(), String> {
    let text = |path: &[&str]| document.at(path).map(Element::text).filter(|text| !text.is_empty());
    let id = text(&["DocumentTracking", "Identification", "ID"]).ok_or("an advisory without an id")?;
    let mut releases: BTreeMap<String, Builds> = BTreeMap::new();
    for branch in document.child("ProductTree").into_iter().flat_map(|tree| tree.all("Branch")) {
        let architecture = branch.attribute("Name").unwrap_or_default();
        if branch.attribute("Type") != Some("Package Arch") || architecture == "src" {
            continue;
        }
        for product in branch.all("FullProductName") {
            let release = product.attribute("CPE").and_then(release);
            let build = product.text().strip_suffix(".rpm").and_then(|name| name.rsplit_once('.'));
            let build = build.and_then(|(name, _)| nevr(name));
            let Some((release, (name, version))) = release.zip(build) else {
                return Err(format!("{id}: `{}` is no build of a release", product.text()));
            };
            let builds = releases.entry(release).or_default();
            builds.entry((name.to_owned(), version)).or_default().insert(architecture.to_owned());
        }
    }
    let mut fixed: BTreeMap<String, Fixed> = BTreeMap::new();
    for vulnerability in document.all("Vulnerability") {
        let Some(cve) = vulnerability.text_of("CVE").filter(|cve| said::is_cve(cve)) else { continue };
        let severity = vulnerability.at(&["Threats", "Threat", "Description"]).map(Element::text);
        let severity = severity.and_then(said::severity);
        let statuses = vulnerability.child("ProductStatuses").into_iter().flat_map(|statuses| statuses.all("Status"));
        let products = statuses.filter(|status| status.attribute("Type") == Some("Fixed"));
        for product in products.flat_map(|status| status.all("ProductID")) {
            let release = product.text().strip_prefix("openEuler-").unwrap_or(product.text());
            let fixed = fixed.entry(release.to_owned()).or_default();
            fixed.cves.insert(cve.to_owned());
            fixed.severity = fixed.severity.max(severity);
        }
    }
    let day = |name: &str| Instant::parse(text(&["DocumentTracking", name])?);
    for (release, builds) in releases {
        let Some(fixed) = fixed.get(&release) else {
            sink.leave_out();
            continue;
        };
        let namespace = format!("openeuler:{release}");
        let filing = sink.file(&namespace, || Namespace {
            name: namespace.clone(),
            ecosystem: namespace.clone(),
            coverage: Coverage::FixedOnly,
            license: License::Unknown,
            attribution: "openEuler security advisories, terms not stated".to_owned(),
        });
        let mut advisory = said::advisory(id, License::Unknown);
        advisory.upstream = fixed.cves.iter().cloned().collect();
        advisory.published = day("InitialReleaseDate");
        advisory.modified = day("CurrentReleaseDate");
        filing.advisory(&advisory);
        for ((name, version), architectures) in builds {
            let mut statement = Said::FixedIn(version).statement(id, &name, Level::Binary, Scheme::Rpm);
            statement.severity = fixed.severity;
            statement.qualifiers.extend(said::architectures(architectures.iter().map(String::as_str)));
            filing.statement(&statement);
        }
    }
    Ok(())
}

/// What an advisory fixed in a release.
#[derive(Default)]
struct Fixed {
    cves: BTreeSet<String>,
    severity: Option<Severity>,
}

/// `22.03-LTS-SP3` of `cpe:/a:openEuler:openEuler:22.03-LTS-SP3`.
fn release(cpe: &str) -> Option<String> {
    let release = cpe.strip_prefix("cpe:/")?.splitn(4, ':').nth(3)?;
    (!release.is_empty()).then(|| release.to_owned())
}
