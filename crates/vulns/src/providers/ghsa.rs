//! GitHub's advisory database, as its repository has it: `advisories/github-reviewed/2023/10/GHSA-…/GHSA-….json`.
//!
//! <https://github.com/github/advisory-database>, OSV records, one per advisory, about packages of many ecosystems.
//! Only what GitHub reviewed is read: the rest are copies of the NVD that name no package.

use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Each, File, Form, Upstream};

use super::osv::{self, Publisher};
use super::{Input, Provider, ReadError, Sink};

pub(super) const PROVIDER: Provider = Provider {
    name: "ghsa",
    title: "GitHub Advisory Database",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let folders = ["advisory-database", "advisory-database-main"];
        let mut candidates = folders.map(|folder| PathBuf::from(folder).join("advisories/github-reviewed")).to_vec();
        // The repository as one archive, as GitHub packs it.
        candidates.extend(["advisory-database.tar.gz", "ghsa/main.tar.gz"].map(PathBuf::from));
        candidates.into_iter().filter(|path| root.join(path).exists()).take(1).map(|path| vec![path]).collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "repository",
    base: "https://codeload.github.com/github/advisory-database/tar.gz/refs/heads/",
    folder: "",
    is_default: false,
    max_bytes: 2 << 30,
    hours: 0,
    notes_date: false,
    form: Form::Files { each: Each::Once, files: &[File::new("main", "advisory-database.tar.gz")] },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let terms = (License::Attribution, "GitHub Advisory Database, CC-BY-4.0");
    let is_archive = !input.root.join(input.path).is_dir();
    let is_reviewed = |name: &str| !is_archive || name.contains("/advisories/github-reviewed/");
    osv::records(input, &Publisher { family: None, terms: Some(terms) }, is_reviewed, sink)
}
