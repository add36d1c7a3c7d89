//! Extended long-term support of Debian by Freexian, for releases Debian no longer supports.
//!
//! <https://www.freexian.com/lts/extended/>: a tracker of the same form as Debian's (`debian-elts/tracker.json`), and
//! its advisories (`ELA-…`) as OSV records (`debian/elts-osv.zip`). Their packages are for customers, and where
//! somebody has them Debian's own lists have nothing to say any more: so these data are used where the operator
//! brings them, and are never passed on.

use std::path::{Path, PathBuf};

use killick_model::advisory::License;
use killick_model::feed::{Each, File, Form, Upstream};

use super::debian::{self, Terms};
use super::osv::{self, Publisher};
use super::{Input, Provider, ReadError, Sink, existing, has_extension};

const TERMS: Terms = Terms { license: License::Unknown, attribution: "Freexian ELTS, terms not stated" };

pub(super) const PROVIDER: Provider = Provider {
    name: "elts",
    title: "Debian extended long-term support",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let tracker = existing(
            root,
            &["debian-elts/tracker.json", "debian-elts/tracker.json.zst", "extended-lts/tracker/data/json"],
        );
        // The tracker says what the advisories say, and what is open.
        if !tracker.is_empty() {
            return tracker;
        }
        existing(root, &["debian-elts/osv.zip", "debian/elts-osv.zip"])
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "tracker",
    base: "https://deb.freexian.com/extended-lts/tracker/data/",
    folder: "debian-elts",
    is_default: false,
    max_bytes: 512 << 20,
    hours: 0,
    notes_date: true,
    form: Form::Files { each: Each::Once, files: &[File::new("json", "tracker.json")] },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    if input.path.to_str().is_some_and(|path| has_extension(path, "zip")) {
        let publisher = Publisher { family: Some("Debian"), terms: Some((TERMS.license, TERMS.attribution)) };
        return osv::records(input, &publisher, |_| true, sink);
    }
    debian::tracker(input, &TERMS, sink)
}
