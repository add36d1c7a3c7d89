//! Bottlerocket: `updateinfo.xml.gz` of its advisories.
//!
//! <https://advisories.bottlerocket.aws/updateinfo.xml.gz>. Ids are those of GitHub's advisories of its repository. Versions
//! are those of the packages the system is built from.

use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Each, File, Form, Upstream};

use super::updateinfo::{self, Vendor};
use super::{Input, Provider, ReadError, Sink};

pub(super) const PROVIDER: Provider = Provider {
    name: "bottlerocket",
    title: "Bottlerocket security advisories",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        updateinfo::find(root, "bottlerocket").into_iter().map(|path| vec![path]).collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "updateinfo",
    base: "https://advisories.bottlerocket.aws/",
    folder: "bottlerocket",
    is_default: true,
    max_bytes: 32 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files { each: Each::Once, files: &[File::new("updateinfo.xml.gz", "updateinfo.xml.gz")] },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    updateinfo::updates(input, sink, |update, sink| {
        let vendor = Vendor {
            namespace: "bottlerocket".to_owned(),
            license: License::Public,
            attribution: "Bottlerocket security advisories, facts",
        };
        updateinfo::file(update, &vendor, sink);
    })
}
