//! Rust crates of executables built with cargo-auditable: the `.dep-v0` section.
//!
//! Format: cargo-auditable, "PARSING.md": zlib-compressed JSON. Only what runs is in the executable, so crates that
//! were needed for building alone are left out.

use auditable_info::{Error, audit_info_from_slice};
use auditable_serde::DependencyKind;
use killick_model::package::PackageKind;
use killick_model::problem::Problem;
use memchr::memmem;

use super::{Cataloger, Found, WantedFile, Wants, package};

/// Finds the crates of auditable executables.
pub(super) struct Rust;

/// Bytes of the unpacked list; the largest real ones have some hundred kilobytes.
const LIST_BYTES: usize = 8 << 20;

/// Name of the section, as it stands in the file's table of names.
const SECTION: &[u8] = b".dep-v0";

impl Cataloger for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Rust]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &[], executables: super::go::EXECUTABLES }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        // Most executables have no such section: its name is nowhere in them.
        if memmem::find(file.bytes, SECTION).is_none() {
            return;
        }
        let list = match audit_info_from_slice(file.bytes, LIST_BYTES) {
            Ok(list) => list,
            // The name is there for another reason, such as a program that reads these lists.
            Err(Error::NoAuditData) => return,
            Err(error) => {
                let message = format!("the list of crates is {}", fault(&error));
                found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
                return;
            }
        };
        for entry in list.packages.iter().filter(|entry| entry.kind == DependencyKind::Runtime) {
            let mut package = package(PackageKind::Rust, &entry.name, &entry.version.to_string(), file.path);
            package.origin = Some(entry.source.clone().into());
            found.packages.push(package);
        }
    }
}

fn fault(error: &Error) -> String {
    match error {
        Error::Decompression(error) => format!("damaged: {error}"),
        Error::OutputLimitExceeded => format!("larger than {LIST_BYTES} bytes"),
        Error::BinaryParsing(error) => format!("out of reach: {error}"),
        Error::Json(error) => format!("malformed: {error}"),
        Error::Utf8(error) => format!("not text: {error}"),
        error => format!("not readable: {error}"),
    }
}
