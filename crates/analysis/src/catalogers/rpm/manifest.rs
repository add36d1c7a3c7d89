//! `var/lib/rpmmanifest/container-manifest-2` of Azure Linux (and CBL-Mariner) images without rpm: what `rpm -qa` told of
//! the installation they were made from.
//!
//! Columns between tabs (Azure Linux toolkit, `distroless` image definitions): name, version and release, times of
//! installation and build, vendor, epoch, size, architecture, epoch as a number, source package.

use killick_model::package::{PackageDetails, PackageKind, SourcePackage};
use killick_model::problem::Problem;

use super::MAX_PACKAGES;
use crate::catalogers::{Found, WantedFile, package};

/// Bytes of one line that are looked at.
const LINE_BYTES: usize = 16 << 10;

pub(super) fn is_manifest(path: &[u8]) -> bool {
    path.ends_with(b"/container-manifest-2")
}

pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) {
    let (mut broken, mut left_out) = (0_usize, 0_usize);
    for line in file.bytes.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line.get(..LINE_BYTES).unwrap_or(line));
        if line.trim().is_empty() {
            continue;
        }
        let columns: Vec<&str> = line.trim_end_matches('\r').split('\t').map(str::trim).collect();
        let column = |at: usize| columns.get(at).copied().filter(|text| !matches!(*text, "" | "(none)"));
        let (Some(name), Some(version)) = (column(0), column(1).filter(|version| version.contains('-'))) else {
            broken += 1;
            continue;
        };
        if found.packages.len() >= MAX_PACKAGES {
            left_out += 1;
            continue;
        }
        // The number is 0 also where there is none; the other column may say that there is none where there is.
        let epoch = column(8).or(column(5)).and_then(|epoch| epoch.parse().ok()).filter(|&epoch: &u32| epoch != 0);
        let full = epoch.map_or_else(|| version.to_owned(), |epoch| format!("{epoch}:{version}"));
        let mut package = package(PackageKind::Rpm, name, &full, file.path);
        let (vendor, source_rpm) = (column(4).map(str::to_owned), column(9).map(str::to_owned));
        package.architecture = column(7).map(str::to_owned);
        package.source = source_rpm.as_deref().and_then(SourcePackage::of_rpm);
        package.origin.clone_from(&vendor);
        package.size_bytes = column(6).and_then(|size| size.parse().ok());
        package.details = PackageDetails::Rpm { epoch, source_rpm, module: None, vendor, signatures: Vec::new() };
        found.packages.push(package);
    }
    let mut problem = |kind, message| found.problems.push(Problem::new(kind, file.path.to_string(), message));
    if broken > 0 {
        problem("malformed-database", format!("{broken} lines have no package name or no version, skipped"));
    }
    if left_out > 0 {
        problem("limit-packages", format!("{left_out} packages are left out"));
    }
}
