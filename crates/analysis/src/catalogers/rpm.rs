//! RPM databases in their three forms: Berkeley DB hash, ndb and SQLite.
//!
//! Each form is only a container of header blobs; what a blob says is in `header`. The form is recognised by its
//! first bytes, not by the file's name.

use std::collections::BTreeSet;

use killick_model::package::PackageKind;
use killick_model::problem::Problem;

use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, introduced};

mod bdb;
mod bytes;
mod header;
mod ndb;
mod sqlite;

/// Finds RPM packages.
pub(super) struct Rpm;

/// Headers of one database; a full desktop has some five thousand.
const HEADERS: usize = 200_000;

/// Takes one header blob; `false` when no more are wanted.
type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

impl Cataloger for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Rpm]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "{var/lib/rpm,usr/lib/sysimage/rpm,usr/share/rpm}/Packages",
                "{var/lib/rpm,usr/lib/sysimage/rpm,usr/share/rpm}/Packages.db",
                "{var/lib/rpm,usr/lib/sysimage/rpm,usr/share/rpm}/rpmdb.sqlite",
                "{var/lib/rpm,usr/lib/sysimage/rpm,usr/share/rpm}/rpmdb.sqlite-wal",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.bytes.is_empty() {
            return;
        }
        let subject = file.path.to_string();
        if file.path.file_name().ends_with(b"-wal") {
            let message = "changes that SQLite had not merged into the database are not read";
            found.problems.push(Problem::new("unmerged-database", subject, message));
            return;
        }
        let Found { packages, problems, .. } = found;
        // As many bytes of headers as the file has: pages that claim each other's overflow cannot multiply it.
        let (mut bytes, mut headers, mut broken) = (0_usize, 0_usize, 0_usize);
        let mut sink = |blob: &[u8]| {
            bytes = bytes.saturating_add(blob.len());
            headers += 1;
            if bytes > file.bytes.len() || headers > HEADERS {
                return false;
            }
            match header::package_of(blob, file.path) {
                Some(package) => packages.push(package),
                None => broken += 1,
            }
            true
        };
        let outcome = match file.bytes {
            data if sqlite::is(data) => sqlite::read(data, &mut sink),
            data if ndb::is(data) => ndb::read(data, &mut sink),
            data if bdb::is(data) => bdb::read(data, &mut sink),
            _ => Err("none of the known forms"),
        };
        let mut problem = |message: String| problems.push(Problem::new("malformed-database", subject.clone(), message));
        if let Err(error) = outcome {
            problem(format!("rpm database: {error}"));
        }
        if broken > 0 {
            problem(format!("{broken} headers of the rpm database are malformed"));
        }
        if bytes > file.bytes.len() || headers > HEADERS {
            problem("rpm database: more headers than the file can hold".to_owned());
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut seen = BTreeSet::new();
        for (path, layer, found) in image.found {
            let from = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            for mut package in joined.packages.split_off(from) {
                // After a change of form or folder the old database may still lie there and says the same.
                let key = (package.name.clone(), package.version.clone(), package.architecture.clone());
                if seen.insert(key) {
                    package.layer = introduced(image, path, *layer, &package);
                    joined.packages.push(package);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
