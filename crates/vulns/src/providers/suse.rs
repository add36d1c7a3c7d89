//! SUSE and openSUSE: CSAF VEX files, one per CVE, or else OVAL definitions per product, or else CSAF advisories.
//!
//! <https://ftp.suse.com/pub/projects/security/>: `csaf-vex.tar.bz2` and `csaf-vex/`, `oval/`, `csaf.tar.bz2` and
//! `csaf/`. Products are told by their names; the modules and extensions of a service pack belong to it, because their
//! packages are installed on it side by side. VEX and the `-affected` OVAL files list what is open, so their silence
//! counts. SUSE writes no epochs into CSAF.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use killick_model::advisory::{Level, License, Statement};
use killick_model::feed::{Archive, Form, Upstream};
use killick_model::severity::Severity;
use killick_model::version::Scheme;

use super::csaf::{Details, Document, Products, Vulnerability};
use super::oval::{Definition, Oval};
use super::said::{self, Said};
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, has_extension};
use crate::index::Coverage;

mod product;

pub(crate) use self::product::release;

pub(super) const PROVIDER: Provider =
    Provider { name: "suse", title: "SUSE and openSUSE security data", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "vex",
    base: "https://ftp.suse.com/pub/projects/security/",
    folder: "suse",
    is_default: true,
    max_bytes: 4 << 30,
    hours: 0,
    notes_date: false,
    form: Form::Changes { archive: Archive::Fixed("csaf-vex.tar.bz2"), documents: "csaf-vex/", has_deletions: false },
}];

const VEX: &str = "suse/csaf-vex";
const OVAL: &str = "suse/oval";
const ADVISORIES: &str = "suse/csaf";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    for unit in [csaf_files(root, VEX), oval_files(root), csaf_files(root, ADVISORIES)] {
        if !unit.is_empty() {
            return unit;
        }
    }
    Vec::new()
}

/// The archive, and the single files that replace members of it.
fn csaf_files(root: &Path, folder: &str) -> Vec<Vec<PathBuf>> {
    let archive = PathBuf::from(format!("{folder}.tar.bz2"));
    let mut files: Vec<PathBuf> = root.join(&archive).is_file().then_some(archive).into_iter().collect();
    files.extend(files_in(root, folder, |name| has_extension(name, "json")));
    if files.is_empty() { Vec::new() } else { vec![files] }
}

/// One file per product: the one that lists open issues too, where there is one. Those by patch repeat the others.
fn oval_files(root: &Path) -> Vec<Vec<PathBuf>> {
    let is_oval = |name: &str| {
        let name = name.trim_end_matches(".gz").trim_end_matches(".bz2");
        let is_suse = name.starts_with("suse.linux.") || name.starts_with("opensuse.");
        is_suse && has_extension(name, "xml") && !name.ends_with("-patch.xml")
    };
    let files = files_in(root, OVAL, is_oval);
    let product = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split(".xml").next().unwrap_or_default().to_owned()
    };
    let has = |wanted: &str| files.iter().any(|path| product(path) == wanted);
    files.iter().filter(|path| !has(&format!("{}-affected", product(path)))).map(|path| vec![path.clone()]).collect()
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    if input.path.starts_with(OVAL) {
        let oval = Oval::load(input, sink)?;
        let is_full = input.label().contains("-affected.xml");
        let coverage = if is_full { Coverage::Full } else { Coverage::FixedOnly };
        oval.definitions(input, sink, |definition, sink| file_definition(definition, coverage, sink))?;
        sink.seen(oval.timestamp);
        return Ok(());
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    if input.path.extension().is_some_and(|extension| extension == "bz2") {
        let folder = if input.label().starts_with(VEX) { VEX } else { ADVISORIES };
        let is_wanted = |path: &str| has_extension(path, "json") && !input.root.join(folder).join(name(path)).is_file();
        return input.tar_members(sink, is_wanted, |path, bytes, sink| file(&name(path), bytes, sink));
    }
    let bytes = input.record()?;
    file(&name(&input.label()), &bytes, sink);
    Ok(())
}

fn file(name: &str, bytes: &[u8], sink: &mut Sink) {
    match serde_json::from_slice::<Document>(bytes) {
        Ok(document) => file_document(&document, sink),
        Err(error) => sink.skip(name, error),
    }
}

fn namespace(name: &str, coverage: Coverage) -> Namespace {
    Namespace {
        name: name.to_owned(),
        ecosystem: name.to_owned(),
        coverage,
        license: License::Attribution,
        attribution: "SUSE security data, CC-BY-4.0".to_owned(),
    }
}

/// What a document says of a package in a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    namespace: String,
    name: String,
    said: Said,
}

fn file_document(document: &Document, sink: &mut Sink) {
    let products = document.products();
    let is_vex = document.meta.category == "csaf_vex";
    let coverage = if is_vex { Coverage::Full } else { Coverage::FixedOnly };
    let id = document.meta.tracking.id.as_str();
    for vulnerability in &document.vulnerabilities {
        let Some(cve) = vulnerability.cve.as_deref().filter(|cve| said::is_cve(cve)) else {
            sink.skip(id, "a vulnerability without a CVE");
            continue;
        };
        let mut advisory = said::advisory(cve, License::Attribution);
        advisory.published = vulnerability.published().or_else(|| document.published());
        advisory.modified = document.modified();
        advisory.ratings = vulnerability.ratings("suse");
        advisory.cwes = vulnerability.cwes();
        let details = vulnerability.details(document);
        let mut last = None;
        for (row, (severity, architectures)) in rows(vulnerability, &details, &products, sink) {
            let filing = sink.file(&row.namespace, || namespace(&row.namespace, coverage));
            if last.as_ref() != Some(&row.namespace) {
                filing.advisory(&advisory);
                last = Some(row.namespace.clone());
            }
            let level = if matches!(row.said, Said::FixedIn(_)) { Level::Binary } else { Level::Any };
            let mut statement = row.said.statement(cve, &row.name, level, Scheme::Rpm);
            statement.severity = severity;
            statement.qualifiers.extend(said::architectures(architectures.iter().map(String::as_str)));
            if !is_vex && level == Level::Binary {
                statement.fix.advisories.push(id.to_owned());
            }
            filing.statement(&statement);
        }
    }
}

/// Rows with severity and architectures, ordered.
fn rows(
    vulnerability: &Vulnerability,
    details: &Details<'_>,
    products: &Products<'_>,
    sink: &mut Sink,
) -> BTreeMap<Row, (Option<Severity>, Vec<String>)> {
    let status = &vulnerability.product_status;
    let states = [
        (&status.recommended, None),
        (&status.first_fixed, None),
        (&status.fixed, None),
        (&status.known_affected, None),
        (&status.known_not_affected, Some(Said::NotAffected)),
        (&status.under_investigation, Some(Said::UnderInvestigation)),
    ];
    let mut found: BTreeMap<Row, (Option<Severity>, Vec<String>)> = BTreeMap::new();
    for (at, (ids, said)) in states.into_iter().enumerate() {
        for id in ids {
            let placed = products.place(id);
            let Some((placed, namespace)) =
                placed.and_then(|placed| Some((placed.clone(), release(placed.platform_name)?)))
            else {
                sink.leave_out();
                continue;
            };
            let component = placed.component;
            let said = match (&said, component.version) {
                (Some(said), _) => said.clone(),
                (None, Some(version)) if at < 3 => Said::FixedIn(version),
                (None, None) if at < 3 => {
                    sink.skip(id, "fixed, but in no version");
                    continue;
                }
                (None, _) => Said::Unfixed(details.fix_state(id)),
            };
            let row = Row { namespace, name: component.name, said };
            let (severity, architectures) = found.entry(row).or_default();
            *severity = details.severity(id);
            architectures.extend(component.architecture);
        }
    }
    found
}

fn file_definition(definition: &Definition, coverage: Coverage, sink: &mut Sink) {
    let cves = definition.cves();
    if cves.is_empty() {
        return sink.skip(&definition.id, "it names no CVE");
    }
    if let Some(reason) = definition.is_too_large(cves.len()) {
        return sink.skip(&definition.id, reason);
    }
    let updates: Vec<String> = definition
        .metadata
        .all("reference")
        .filter(|reference| reference.attribute("source") == Some("SUSE-SU"))
        .filter_map(|reference| Some(reference.attribute("ref_id")?.to_owned()))
        .collect();
    let mut found: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    for row in &definition.rows {
        let mut releases: Vec<String> = row
            .platforms
            .iter()
            .filter_map(|comment| release(comment.strip_suffix(" is installed").unwrap_or(comment)))
            .collect();
        if releases.is_empty() {
            sink.leave_out();
            continue;
        }
        releases.sort();
        releases.dedup();
        for release in releases {
            for cve in &cves {
                let mut statement = row.statement(cve, Level::Binary, Scheme::Rpm);
                statement.severity = definition.severity();
                found.entry(release.clone()).or_default().push(statement);
            }
        }
    }
    for (release, statements) in found {
        let filing = sink.file(&release, || namespace(&release, coverage));
        for cve in &cves {
            let mut advisory = said::advisory(cve, License::Attribution);
            advisory.published = definition.published();
            advisory.modified = definition.modified();
            filing.advisory(&advisory);
        }
        for mut statement in statements {
            if !statement.fix.versions.is_empty() {
                statement.fix.advisories.clone_from(&updates);
            }
            filing.statement(&statement);
        }
    }
}
