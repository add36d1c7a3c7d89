//! Rust crates of executables built with cargo-auditable: the `.dep-v0` section.
//!
//! Format: cargo-auditable, "PARSING.md": zlib-compressed JSON. Only what runs is in the executable, so crates that
//! were needed for building alone are left out.

use std::io::Read as _;

use auditable_serde::{DependencyKind, VersionInfo};
use flate2::read::ZlibDecoder;
use killick_model::package::PackageKind;
use killick_model::problem::Problem;

use super::{Cataloger, Found, WantedFile, Wants, executable, package};

/// Finds the crates of auditable executables.
pub(super) struct Rust;

/// Bytes of the list, packed and unpacked; the largest real ones have some hundred kilobytes.
const LIST_BYTES: u64 = 8 << 20;

const SECTION: &[u8] = b".dep-v0";

impl Cataloger for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Rust]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &[], executables: executable::BEGINNINGS }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        for executable in executable::executables(file.content) {
            let Some(section) = executable.section(&[SECTION]) else { continue };
            let Some(data) = executable.bytes_of(section, LIST_BYTES) else { continue };
            let list = match unpack(data) {
                Ok(list) => list,
                Err(fault) => {
                    let message = format!("the list of crates is {fault}");
                    found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
                    continue;
                }
            };
            for entry in list.packages.iter().filter(|entry| entry.kind == DependencyKind::Runtime) {
                let mut package = package(PackageKind::Rust, &entry.name, &entry.version.to_string(), file.path);
                package.origin = Some(entry.source.clone().into());
                // The programs of a universal file are one program for several processors.
                if !found.packages.contains(&package) {
                    found.packages.push(package);
                }
            }
        }
    }
}

fn unpack(data: &[u8]) -> Result<VersionInfo, String> {
    let mut list = Vec::new();
    let read = ZlibDecoder::new(data).take(LIST_BYTES + 1).read_to_end(&mut list);
    let read = read.map_err(|error| format!("damaged: {error}"))?;
    if read as u64 > LIST_BYTES {
        return Err(format!("larger than {LIST_BYTES} bytes"));
    }
    serde_json::from_slice(&list).map_err(|error| format!("malformed: {error}"))
}
