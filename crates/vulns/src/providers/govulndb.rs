//! Go's vulnerability database, as its own site publishes it: `vulndb.zip`, with the records under `ID/`.
//!
//! <https://go.dev/security/vuln/database>. Records are OSV, and name the packages and symbols that hold the flaw. The
//! lists under `index/` repeat what the records say.

use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Each, File, Form, Upstream};

use super::osv::{self, Publisher};
use super::{Input, Provider, ReadError, Sink};

pub(super) const PROVIDER: Provider = Provider {
    name: "govulndb",
    title: "Go vulnerability database",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let folder = PathBuf::from("govulndb");
        // Single records are newer than the archive.
        let (records, archive) = (folder.join("ID"), folder.join("vulndb.zip"));
        let mut unit = Vec::new();
        unit.extend(Some(records).filter(|path| root.join(path).is_dir()));
        unit.extend(Some(archive).filter(|path| root.join(path).is_file()));
        if unit.is_empty() { Vec::new() } else { vec![unit] }
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "archive",
    base: "https://vuln.go.dev/",
    folder: "govulndb",
    is_default: false,
    max_bytes: 256 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files { each: Each::Once, files: &[File::new("vulndb.zip", "vulndb.zip")] },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let terms = (License::Attribution, "Go vulnerability database, CC-BY-4.0");
    let publisher = Publisher { family: Some("Go"), terms: Some(terms) };
    osv::records(input, &publisher, |name| !name.starts_with("index/"), sink)
}
