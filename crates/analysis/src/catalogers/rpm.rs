//! rpm: the package database of Red Hat, SUSE and their relatives, in its three formats.
//!
//! `Packages` ([`bdb`]), `Packages.db` ([`ndb`]) and, since rpm 4.16, `rpmdb.sqlite` all hold the same headers
//! ([`header`]). The format is told by the bytes. No signature or checksum is verified. Images without rpm may have a
//! list of what was installed into them instead ([`manifest`]).

mod bdb;
mod header;
mod manifest;
mod ndb;
mod signature;

use std::collections::{BTreeMap, HashSet};

use killick_model::package::PackageKind;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, sqlite};

/// Packages of a database; a whole distribution has some ten thousands.
const MAX_PACKAGES: usize = 100_000;

/// Files of all packages of a database, and bytes of their paths; far above what an installation has.
const MAX_FILES: usize = 1_000_000;
const MAX_FILE_BYTES: usize = 128 << 20;

/// A write-ahead log no longer than its header has nothing in it.
const LOG_HEADER: usize = 32;

/// Takes every header of a database, or the reason why one cannot be read.
type Each<'a> = &'a mut dyn FnMut(Result<&[u8], String>);

/// Finds the packages of rpm.
pub(crate) struct Rpm;

impl Cataloger for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Rpm]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "var/lib/rpm/Packages",
                "var/lib/rpm/Packages.db",
                "var/lib/rpm/rpmdb.sqlite",
                "var/lib/rpm/rpmdb.sqlite-wal",
                "usr/lib/sysimage/rpm/Packages",
                "usr/lib/sysimage/rpm/Packages.db",
                "usr/lib/sysimage/rpm/rpmdb.sqlite",
                "usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
                "usr/share/rpm/Packages",
                "usr/share/rpm/Packages.db",
                "usr/share/rpm/rpmdb.sqlite",
                "usr/share/rpm/rpmdb.sqlite-wal",
                "var/lib/rpmmanifest/container-manifest-2",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.as_bytes().ends_with(b"-wal") {
            if file.bytes.len() > LOG_HEADER {
                let message = "changes that were not yet written to the database beside it are not read";
                found.problems.push(Problem::new("unread-log", file.path.to_string(), message));
            }
        } else if manifest::is_manifest(file.path.as_bytes()) {
            manifest::read(file, found);
        } else if !file.bytes.is_empty() {
            database(file, found);
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let introduced = Introduced::new(image);
        let mut by_folder: BTreeMap<&[u8], Vec<&(&ImagePath, u32, &Found)>> = BTreeMap::new();
        for one in image.found {
            joined.problems.extend(one.2.problems.iter().cloned());
            if !one.2.packages.is_empty() {
                by_folder.entry(one.0.parent().unwrap_or_default()).or_default().push(one);
            }
        }
        // Folders may be copies of each other, as when the database was moved and both places are kept.
        let mut seen = HashSet::new();
        for mut databases in by_folder.into_values() {
            databases.sort_by_key(|(path, _, _)| age(path));
            let Some((&(path, layer, found), older)) = databases.split_first() else { continue };
            for (other, _, _) in older {
                let message = format!("ignored, because {path} is there too and of a newer format");
                joined.problems.push(Problem::new("ambiguous-database", other.to_string(), message));
            }
            let of_other_folders = seen.clone();
            for package in &found.packages {
                let key = (&package.name, &package.version, &package.architecture);
                if of_other_folders.contains(&key) {
                    continue;
                }
                seen.insert(key);
                let mut package = package.clone();
                package.layer = introduced.layer(*layer, &package);
                self.name().clone_into(&mut package.cataloger);
                joined.packages.push(package);
            }
        }
    }
}

/// Formats, newest first: an older one beside it was left behind by a conversion.
fn age(path: &ImagePath) -> u8 {
    match path.file_name() {
        b"rpmdb.sqlite" => 0,
        b"Packages.db" => 1,
        _ => 2,
    }
}

/// Headers are the second column of the table `Packages (hnum, blob)`.
fn sqlite_headers(bytes: &[u8], each: Each<'_>) -> Result<(), String> {
    sqlite::rows(bytes, "Packages", &mut |row| match row.map(|row| row.blob(1)) {
        Ok(Some(header)) => each(Ok(header)),
        Ok(None) => each(Err("a row of `Packages` has no header".to_owned())),
        Err(reason) => each(Err(reason)),
    })
}

fn database(file: &WantedFile<'_>, found: &mut Found) {
    let headers = if sqlite::is_sqlite(file.bytes) {
        sqlite_headers
    } else if ndb::is_ndb(file.bytes) {
        ndb::headers
    } else if bdb::is_bdb(file.bytes) {
        bdb::headers
    } else {
        let message = "neither Berkeley DB, ndb nor SQLite";
        found.problems.push(Problem::new("malformed-database", file.path.to_string(), message));
        return;
    };
    let mut budget = header::FileBudget { files: MAX_FILES, bytes: MAX_FILE_BYTES, dropped: 0 };
    // Headers do not overlap in a sound database: so all together are no longer than the file.
    let mut unread = file.bytes.len();
    let mut broken: Option<(usize, String)> = None;
    let mut left_out = 0_usize;
    let outcome = headers(file.bytes, &mut |header| {
        let package = header.and_then(|header| {
            unread = unread.checked_sub(header.len()).ok_or("headers overlap")?;
            header::read(header, file.path, file.limits, &mut budget)
        });
        match package {
            Ok(package) if found.packages.len() < MAX_PACKAGES => found.packages.push(package),
            Ok(_) => left_out += 1,
            Err(reason) => broken.get_or_insert((0, reason)).0 += 1,
        }
    });
    let mut problem = |kind, message| found.problems.push(Problem::new(kind, file.path.to_string(), message));
    if let Err(reason) = outcome {
        problem("malformed-database", reason);
    }
    if let Some((count, first)) = broken {
        problem("malformed-database", format!("{count} packages cannot be read, the first because {first}"));
    }
    if left_out > 0 {
        problem("limit-packages", format!("{left_out} packages are left out"));
    }
    if budget.dropped > 0 {
        problem("limit-package-files", format!("{} files of packages are left out", budget.dropped));
    }
}

#[cfg(test)]
mod tests;
