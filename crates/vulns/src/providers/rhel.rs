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

use super::csaf::Document;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, folders_in, has_extension};
use crate::index::Coverage;

mod definitions;
mod product;
mod vex;

pub(crate) use self::product::release;

pub(super) const PROVIDER: Provider = Provider { name: "rhel", title: "Red Hat security data", find, read };

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
        return input.tar_members(sink, wanted, file);
    }
    let name = input.path.strip_prefix(folder).unwrap_or(input.path).to_string_lossy();
    if deleted.contains(name.trim_end_matches(".zst")) {
        return Ok(());
    }
    let bytes = input.record()?;
    file(&name, &bytes, sink);
    Ok(())
}

/// Documents that were taken back: `"2021/cve-2021-47343.json","2024-07-29T18:39:58+00:00"` a line. One that was
/// written again since lies there as a single file of a later date.
fn deletions(input: &Input<'_>, folder: &str) -> HashSet<String> {
    let text = fs_err::read_to_string(input.root.join(folder).join("deletions.csv")).unwrap_or_default();
    text.lines().filter_map(|line| Some(line.split(',').next()?.trim().trim_matches('"').to_owned())).collect()
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
