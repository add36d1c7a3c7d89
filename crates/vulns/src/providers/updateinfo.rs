//! Updates: which builds of which packages an advisory brought, as repositories of rpm packages list them.
//!
//! `updateinfo.xml` beside `repomd.xml`, the format of `createrepo_c` and dnf, and the same in the JSON of the services that
//! write it. Fixes only, so silence means nothing. Names are those of binary packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, Level, License, Qualifier};
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};

use super::said::{self, Said, evr};
use super::xml::{Element, records};
use super::{Input, Namespace, ReadError, Sink};
use crate::index::Coverage;

/// Folders in folders that are searched for repositories.
const DEPTH: usize = 14;

/// Folders that are searched.
const MAX_FOLDERS: usize = 100_000;

/// An update.
#[derive(Debug, Clone, Default)]
pub(super) struct Update {
    pub(super) id: String,
    /// It fixes vulnerabilities, rather than other bugs.
    pub(super) is_security: bool,
    pub(super) severity: Option<Severity>,
    pub(super) cves: BTreeSet<String>,
    pub(super) published: Option<Instant>,
    pub(super) modified: Option<Instant>,
    /// `Rocky Linux 9`, as written.
    pub(super) release: String,
    pub(super) builds: Vec<Build>,
}

/// A package it brought.
#[derive(Debug, Clone, Default)]
pub(super) struct Build {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// `name:stream`.
    pub(super) module: Option<String>,
    /// The line of versions it belongs to, where several are maintained beside each other.
    pub(super) from: Option<String>,
}

/// Whose updates they are.
pub(super) struct Vendor {
    /// The namespace.
    pub(super) namespace: String,
    pub(super) license: License,
    pub(super) attribution: &'static str,
}

/// The `updateinfo.xml` of every repository below `folder`: where there are several, the one `repomd.xml` names.
pub(super) fn find(root: &Path, folder: &str) -> Vec<PathBuf> {
    let mut open = vec![(PathBuf::from(folder), 0)];
    let (mut found, mut folders) = (Vec::new(), 0);
    while let Some((folder, depth)) = open.pop() {
        folders += 1;
        if folders > MAX_FOLDERS {
            break;
        }
        let mut here = Vec::new();
        for entry in fs_err::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEPTH => open.push((path, depth + 1)),
                Ok(kind) if kind.is_file() && entry.file_name().to_str().is_some_and(is_updateinfo) => here.push(path),
                _ => {}
            }
        }
        here.sort();
        let index = fs_err::read_to_string(root.join(&folder).join("repomd.xml")).unwrap_or_default();
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned).unwrap_or_default();
        let named = here.iter().position(|path| index.contains(&name(path)));
        found.extend(named.map(|at| here.swap_remove(at)).or_else(|| here.pop()));
    }
    found.sort();
    found
}

fn is_updateinfo(name: &str) -> bool {
    let name = [".gz", ".xz", ".bz2", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    name.ends_with("updateinfo.xml")
}

/// Calls `each` with every update of the file.
pub(super) fn updates(
    input: &Input<'_>,
    sink: &mut Sink,
    mut each: impl FnMut(Update, &mut Sink),
) -> Result<(), ReadError> {
    records(
        input,
        |name| name == "update",
        |record| match record.and_then(|element| update(&element)) {
            Ok(update) => each(update, sink),
            Err(reason) => sink.skip(&input.label(), reason),
        },
    )
}

fn update(element: &Element) -> Result<Update, String> {
    let text = |name: &str| element.text_of(name).unwrap_or_default();
    let date = |name: &str| Instant::parse(&full_time(element.child(name)?.attribute("date")?));
    let id = element.text_of("id").ok_or("an update without an id")?.to_owned();
    let title = text("title");
    // Some write their rating as the first word of the title.
    let severity = said::severity(text("severity")).or_else(|| said::severity(title.split_once(':')?.0));
    let mut update = Update {
        is_security: element.attribute("type") == Some("security"),
        severity,
        published: date("issued"),
        modified: date("updated"),
        release: text("release").to_owned(),
        id,
        ..Update::default()
    };
    for reference in element.at(&["references"]).into_iter().flat_map(|references| references.all("reference")) {
        let words = [reference.attribute("id"), reference.attribute("title")].into_iter().flatten();
        update.cves.extend(words.flat_map(cves));
    }
    if update.cves.is_empty() {
        update.cves.extend(cves(text("title")).chain(cves(text("description"))));
    }
    for collection in element.at(&["pkglist"]).into_iter().flat_map(|list| list.all("collection")) {
        let module = collection
            .child("module")
            .and_then(|module| Some(format!("{}:{}", module.attribute("name")?, module.attribute("stream")?)));
        for package in collection.all("package") {
            let (Some(name), Some(version)) = (package.attribute("name"), package.attribute("version")) else {
                return Err(format!("{}: a package without name or version", update.id));
            };
            update.builds.push(Build {
                name: name.to_owned(),
                version: evr(package.attribute("epoch"), version, package.attribute("release").unwrap_or_default()),
                architecture: package.attribute("arch").unwrap_or_default().to_owned(),
                module: module.clone(),
                from: None,
            });
        }
    }
    Ok(update)
}

/// `2011-09-27 22:46` lacks seconds.
fn full_time(text: &str) -> String {
    if text.len() == "2011-09-27 22:46".len() { format!("{text}:00") } else { text.to_owned() }
}

/// The CVEs a text names.
pub(super) fn cves(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    words.filter(|word| said::is_cve(word)).map(str::to_owned)
}

/// Files an update: what it brought fixes everything before. Returns whether it says anything.
pub(super) fn file(update: Update, vendor: &Vendor, sink: &mut Sink) {
    // Bug fixes and enhancements.
    if !update.is_security {
        return;
    }
    if update.builds.is_empty() {
        return sink.skip(&update.id, "it lists no package");
    }
    let mut rows = BTreeMap::new();
    let has_binaries = update.builds.iter().any(|build| build.architecture != "src");
    for build in update.builds {
        let is_source = build.architecture == "src";
        if !(has_binaries && is_source) {
            let key = (build.name, build.module, build.version, build.from, is_source);
            rows.entry(key).or_insert_with(BTreeSet::new).insert(build.architecture);
        }
    }
    let filing = sink.file(&vendor.namespace, || Namespace {
        name: vendor.namespace.clone(),
        ecosystem: vendor.namespace.clone(),
        coverage: Coverage::FixedOnly,
        license: vendor.license,
        attribution: vendor.attribution.to_owned(),
    });
    let mut advisory = said::advisory(&update.id, vendor.license);
    advisory.upstream = update.cves.into_iter().collect();
    advisory.published = update.published;
    advisory.modified = update.modified;
    filing.advisory(&advisory);
    for ((name, module, version, from, is_source), architectures) in rows {
        let level = if is_source { Level::Source } else { Level::Binary };
        let mut statement = Said::FixedIn(version.clone()).statement(&update.id, &name, level, Scheme::Rpm);
        if let Some(from) = from {
            let interval = Interval { lower: Some(Bound::inclusive(from)), upper: Some(Bound::exclusive(version)) };
            statement.versions = Range::new(Scheme::Rpm, vec![interval], Vec::new());
        }
        statement.severity = update.severity;
        statement.qualifiers.extend(module.map(Qualifier::Module));
        if !is_source {
            statement.qualifiers.extend(said::architectures(architectures.iter().map(String::as_str)));
        }
        filing.statement(&statement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cves_are_found_in_texts() {
        let found: Vec<String> =
            cves("TRIAGE CVE-2024-24989 nginx (CVE-2024-24990), xCVE-2024-1111, CVE-2024-1").collect();
        assert_eq!(found, ["CVE-2024-24989", "CVE-2024-24990"]);
    }

    #[test]
    fn the_file_that_the_repository_names_counts() {
        let folder = tempfile::tempdir().unwrap();
        let repodata = folder.path().join("x/pub/rocky/9/os/repodata");
        fs_err::create_dir_all(&repodata).unwrap();
        for name in ["a-updateinfo.xml.gz", "b-updateinfo.xml.xz", "c-updateinfo.xml.gz", "primary.xml.gz"] {
            fs_err::write(repodata.join(name), "").unwrap();
        }
        assert_eq!(find(folder.path(), "x"), [Path::new("x/pub/rocky/9/os/repodata/c-updateinfo.xml.gz")]);
        fs_err::write(repodata.join("repomd.xml"), "<location href='repodata/b-updateinfo.xml.xz'/>").unwrap();
        assert_eq!(find(folder.path(), "x"), [Path::new("x/pub/rocky/9/os/repodata/b-updateinfo.xml.xz")]);
        assert!(find(folder.path(), "y").is_empty());
    }
}
