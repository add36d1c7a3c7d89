//! Debian's security tracker: its JSON, and the lists that JSON is made of.
//!
//! <https://security-tracker.debian.org/tracker/data/json> lists source package, CVE, release and state, of the
//! releases that are supported today. The lists of the tracker's repository (`data/CVE/list`, `data/DSA/list`,
//! `data/DLA/list`) go back to 2002 and know what the JSON leaves out: advisories, their days, and releases that are
//! no longer supported. Where the JSON speaks of a package, a vulnerability and a release, the lists add the ids of
//! advisories and nothing else, so that no file contradicts another one.
//!
//! The tracker lists what is open and what never applied as well, so its silence counts.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Advisory, License, Statement};
use killick_model::feed::{Each, File, Form, Upstream};

use self::bulletins::Bulletins;
use super::sink::Filing;
use super::{Input, Namespace, Provider, ReadError, Sink, existing, said};
use crate::index::Coverage;
use crate::namespaces;

mod bulletins;
mod issues;
mod note;
mod tracker;

pub(super) const PROVIDER: Provider = Provider {
    name: "debian",
    title: "Debian security tracker",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> {
        // In this order: what comes first is not contradicted by what comes later.
        let tracker = existing(root, &["debian/tracker.json", "debian/tracker.json.zst", "tracker/data/json"]);
        let folder = lists(root);
        let lists =
            folder.into_iter().flat_map(|folder| ["CVE", "DSA", "DLA"].map(|kind| folder.join(kind).join("list")));
        let unit: Vec<PathBuf> =
            tracker.into_iter().flatten().chain(lists.filter(|path| root.join(path).is_file())).collect();
        if unit.is_empty() { Vec::new() } else { vec![unit] }
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[
    Upstream {
        name: "tracker",
        base: "https://security-tracker.debian.org/tracker/data/",
        folder: "debian",
        is_default: true,
        max_bytes: 512 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files { each: Each::Once, files: &[File::new("json", "tracker.json")] },
    },
    Upstream {
        name: "lists",
        base: "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/",
        folder: "debian",
        is_default: true,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Files {
            each: Each::Once,
            files: &[
                File::new("CVE/list", "CVE/list"),
                File::new("DSA/list", "DSA/list"),
                File::new("DLA/list", "DLA/list"),
            ],
        },
    },
];

/// The folder of the lists: `data` of the tracker's repository, wherever it was checked out.
fn lists(root: &Path) -> Option<PathBuf> {
    let has_list =
        |folder: &PathBuf| ["CVE", "DSA", "DLA"].iter().any(|kind| root.join(folder).join(kind).join("list").is_file());
    ["debian", "security-tracker/data", "data"].into_iter().map(PathBuf::from).find(has_list)
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let kind = input.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let is_list = input.path.file_name().is_some_and(|name| name == "list");
    match kind {
        Some("CVE") if is_list => issues::read(input, &Bulletins::load(input)?, sink),
        Some("DSA" | "DLA") if is_list => bulletins::read(input, sink),
        _ => {
            let bulletins = Bulletins::load(input)?;
            tracker::read(input, &bulletins, &TERMS, sink)?;
            if let Some(instant) = bulletins.newest {
                sink.date(instant);
            }
            Ok(())
        }
    }
}

/// Reads a JSON document of the tracker's form that somebody else publishes.
pub(super) fn tracker(input: &Input<'_>, terms: &Terms, sink: &mut Sink) -> Result<(), ReadError> {
    tracker::read(input, &Bulletins::default(), terms, sink)
}

/// Terms of the data and whom to thank.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) license: License,
    pub(super) attribution: &'static str,
}

const TERMS: Terms = Terms { license: License::Public, attribution: "Debian security tracker, facts" };

/// The filing of a release's namespace.
fn filing<'a>(namespace: &str, terms: &Terms, sink: &'a mut Sink) -> &'a mut Filing {
    // Advisories alone list what was fixed.
    let coverage = if sink.has_noted(complete(namespace)) { Coverage::Full } else { Coverage::FixedOnly };
    sink.file(namespace, || Namespace {
        name: namespace.to_owned(),
        ecosystem: namespace.to_owned(),
        coverage,
        license: terms.license,
        attribution: terms.attribution.to_owned(),
    })
}

/// What is noted of a release of which some file lists everything that is open.
fn complete(namespace: &str) -> (&'static str, String) {
    ("complete", namespace.to_owned())
}

/// Files what was said of a package and a vulnerability in a release, and notes that it was.
fn file(codename: &str, statement: &Statement, terms: &Terms, sink: &mut Sink) {
    let namespace = namespaces::debian(codename);
    sink.note((&namespace, &statement.name, &statement.advisory));
    let filing = filing(&namespace, terms, sink);
    filing.statement(statement);
    // Advisories that name no vulnerability are filed with their days.
    if !statement.advisory.starts_with('D') {
        filing.advisory(&vulnerability(&statement.advisory, terms));
    }
}

/// Whether something was said of a package and a vulnerability in a release.
fn is_told(codename: &str, source: &str, id: &str, sink: &Sink) -> bool {
    sink.has_noted((&namespaces::debian(codename), source, id))
}

fn vulnerability(id: &str, terms: &Terms) -> Advisory {
    said::advisory(id, terms.license)
}
