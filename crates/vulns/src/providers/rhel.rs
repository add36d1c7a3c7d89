//! Red Hat: CSAF VEX files, one per CVE, or else CSAF advisories, or else OVAL definitions.
//!
//! <https://security.access.redhat.com/data/csaf/v2/vex/> and `…/advisories/`: an archive of all files, named by
//! `archive_latest.txt`, newer single files, and `deletions.csv`. <https://security.access.redhat.com/data/oval/v2/>:
//! frozen, read only where there is nothing newer. Red Hat lists what is open and what never applied, so silence
//! counts.
//!
//! Only the distribution itself is filed, by the major release it is judged under; layered products and container
//! images are left out. A minor release that is maintained apart has fixes of its own, which say nothing about other
//! builds: they count for packages that carry the mark of such a build.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Archive, Form, Upstream};

use super::csaf::Document;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, folders_in, has_extension};
use crate::index::Coverage;

mod definitions;
mod product;
mod vex;

pub(crate) use self::product::{mark, release};

pub(super) const PROVIDER: Provider =
    Provider { name: "rhel", title: "Red Hat security data", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "vex",
    base: "https://security.access.redhat.com/data/csaf/v2/vex/",
    folder: "rhel/csaf/v2/vex",
    is_default: true,
    max_bytes: 2 << 30,
    hours: 0,
    notes_date: false,
    form: Form::Changes { archive: Archive::Latest("archive_latest.txt"), documents: "", has_deletions: true },
}];

const VEX: &str = "rhel/csaf/v2/vex";
const ADVISORIES: &str = "rhel/csaf/v2/advisories";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    for folder in [VEX, ADVISORIES] {
        let files = csaf_files(root, folder);
        if !files.is_empty() {
            return vec![files];
        }
    }
    let is_oval = |name: &str| name.ends_with(".oval.xml") || name.ends_with(".oval.xml.bz2");
    let folders = folders_in(root, definitions::FOLDER);
    folders
        .into_iter()
        .map(|release| files_in(root, &format!("{}/{release}", definitions::FOLDER), is_oval))
        .filter(|unit| !unit.is_empty())
        .collect()
}

/// The newest archive and the single files that replace members of it.
fn csaf_files(root: &Path, folder: &str) -> Vec<PathBuf> {
    let latest = fs_err::read_to_string(root.join(folder).join("archive_latest.txt")).unwrap_or_default();
    let latest = Path::new(folder).join(latest.trim());
    let archives = files_in(root, folder, |name| name.ends_with(".tar.zst"));
    let archive = if archives.contains(&latest) { Some(latest) } else { archives.last().cloned() };
    let mut files: Vec<PathBuf> = archive.into_iter().collect();
    for year in folders_in(root, folder) {
        files.extend(files_in(root, &format!("{folder}/{year}"), is_document));
    }
    files
}

fn is_document(name: &str) -> bool {
    has_extension(name, "json") || name.ends_with(".json.zst")
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    if input.path.starts_with(definitions::FOLDER) {
        return definitions::read(input, sink);
    }
    let folder = if input.path.starts_with(VEX) { VEX } else { ADVISORIES };
    let deleted = deletions(input, folder);
    if input.path.parent() == Some(Path::new(folder)) {
        let single = |name: &str| {
            let path = input.root.join(folder).join(name);
            path.is_file() || path.with_extension("json.zst").is_file()
        };
        let wanted = |name: &str| is_document(name) && !deleted.contains(name) && !single(name);
        input.tar_members(sink, wanted, file)?;
        if let Some(missing) = missing(input, folder, |name| deleted.contains(name) || single(name)) {
            sink.skip(&format!("{folder}/changes.csv"), missing);
        }
        return Ok(());
    }
    let name = input.path.strip_prefix(folder).unwrap_or(input.path).to_string_lossy();
    if deleted.contains(name.trim_end_matches(".zst")) {
        return Ok(());
    }
    let bytes = input.record()?;
    file(&name, &bytes, sink);
    Ok(())
}

/// Documents that were taken back. One that was written again since lies there as a single file of a later date.
fn deletions(input: &Input<'_>, folder: &str) -> HashSet<String> {
    listed(input, folder, "deletions.csv").map(|(name, _)| name).collect()
}

/// That documents changed after the archive was made, and their new forms were not fetched.
fn missing(input: &Input<'_>, folder: &str, is_here: impl Fn(&str) -> bool) -> Option<String> {
    // `csaf_vex_2024-08-04.tar.zst`
    let stem = input.path.file_name()?.to_str()?.split('.').next()?;
    let made = stem.rsplit('_').next().filter(|date| date.len() == "2024-08-04".len())?;
    let is_later = |date: &str| date.get(..made.len()).is_some_and(|day| day > made);
    let mut later: Vec<String> = listed(input, folder, "changes.csv")
        .filter(|(name, date)| is_later(date) && !is_here(name))
        .map(|(name, date)| format!("{name} of {date}"))
        .collect();
    later.sort();
    let first = later.first()?;
    Some(format!("{} documents changed after the archive was made and are not here, such as {first}", later.len()))
}

/// Names and dates, `"2021/cve-2021-47343.json","2024-07-29T18:39:58+00:00"` a line.
fn listed(input: &Input<'_>, folder: &str, list: &str) -> impl Iterator<Item = (String, String)> {
    let text = fs_err::read_to_string(input.root.join(folder).join(list)).unwrap_or_default();
    let plain = |field: &str| field.trim().trim_matches('"').to_owned();
    let lines: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.split_once(',').map(|(name, date)| (plain(name), plain(date))))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    lines.into_iter()
}

fn file(name: &str, bytes: &[u8], sink: &mut Sink) {
    match serde_json::from_slice::<Document>(bytes) {
        Ok(document) => vex::file(&document, sink),
        Err(error) => sink.skip(name, error),
    }
}

/// What the namespace of a major release is. OVAL and advisories list fixes; their silence means little.
fn namespace(name: &str, coverage: Coverage) -> Namespace {
    Namespace {
        name: name.to_owned(),
        ecosystem: name.to_owned(),
        coverage,
        license: License::Attribution,
        attribution: "Red Hat security data, CC-BY-4.0".to_owned(),
    }
}
