//! Ubuntu: OSV records per CVE with the triage of the `OpenVEX` documents, or else OVAL definitions.
//!
//! <https://security-metadata.canonical.com/>: `osv/osv-all.tar.xz`, `vex/vex-all.tar.xz`, and
//! `oval/com.ubuntu.jammy.cve.oval.xml.bz2`; the records also lie in <https://github.com/canonical/ubuntu-security-notices>
//! as `osv/cve/<year>/` and `vex/cve/<year>/`. OSV tells which version fixed what, but not what will become of an open
//! issue; VEX tells that, and what never was affected, but of fixes only that there is one. So OSV's open issues are
//! taken from VEX where there is one. Names are those of source packages.
//!
//! Fixes of Ubuntu Pro exist for subscribers only. Their builds carry a mark in their version, `esm` or `fips`; what is
//! said of them counts for packages with that mark, and for all others such a fix is none.

use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Each, File, Form, Upstream};

use super::{Input, Namespace, Provider, ReadError, Sink, files_in, folders_in, has_extension};
use crate::index::Coverage;

mod definitions;
mod pocket;
mod records;
mod vex;

pub(super) const PROVIDER: Provider =
    Provider { name: "ubuntu", title: "Ubuntu security data", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "records",
    base: "https://security-metadata.canonical.com/",
    folder: "ubuntu",
    is_default: true,
    max_bytes: 2 << 30,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Once,
        files: &[
            File::new("osv/osv-all.tar.xz", "osv/osv-all.tar.xz"),
            File::new("vex/vex-all.tar.xz", "vex/vex-all.tar.xz"),
        ],
    },
}];

const OSV: &str = "ubuntu/osv";
const VEX: &str = "ubuntu/vex";
const OVAL: &str = "ubuntu/oval";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    let records = files(root, OSV, "osv-all.tar.xz");
    if records.is_empty() {
        let definitions = files_in(root, OVAL, |name| definitions::release(name).is_some());
        return definitions.into_iter().map(|path| vec![path]).collect();
    }
    // One unit: without the triage, what is open would be missing.
    vec![records.into_iter().chain(files(root, VEX, "vex-all.tar.xz")).collect()]
}

/// The archive, or else single files.
fn files(root: &Path, folder: &str, archive: &str) -> Vec<PathBuf> {
    let archive = Path::new(folder).join(archive);
    if root.join(&archive).is_file() {
        return vec![archive];
    }
    let years = folders_in(root, &format!("{folder}/cve"));
    years.into_iter().flat_map(|year| files_in(root, &format!("{folder}/cve/{year}"), is_document)).collect()
}

fn is_document(name: &str) -> bool {
    has_extension(name, "json") || name.ends_with(".json.zst")
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    if input.path.starts_with(OVAL) {
        return definitions::read(input, sink);
    }
    let folder = input.root.join(VEX);
    let has_triage = folder.join("vex-all.tar.xz").is_file() || folder.join("cve").is_dir();
    let is_osv = input.path.starts_with(OSV);
    let file = |name: &str, bytes: &[u8], sink: &mut Sink| {
        let read = if is_osv { records::file(bytes, has_triage, sink) } else { vex::file(bytes, sink) };
        if let Err(error) = read {
            sink.skip(name, error);
        }
    };
    if has_extension(&input.label(), "xz") {
        // Notices repeat what the records of their CVEs say.
        let is_wanted = |name: &str| has_extension(name, "json") && name.split('/').any(|part| part == "cve");
        return input.tar_members(sink, is_wanted, file);
    }
    let bytes = input.record()?;
    file(&input.label(), &bytes, sink);
    Ok(())
}

fn namespace(name: &str) -> Namespace {
    Namespace {
        name: name.to_owned(),
        ecosystem: name.to_owned(),
        coverage: Coverage::Full,
        license: License::ShareAlike,
        attribution: "Ubuntu security data, CC-BY-SA-4.0".to_owned(),
    }
}
