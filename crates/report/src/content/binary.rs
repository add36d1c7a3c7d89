//! Programs recognised by their bytes, and the crates Rust programs are built from, for which v1 has no type.

use killick_model::package::PackageKind;
use serde_json::Value;

use super::{Subject, language_record, packages};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    let binaries = packages(subject, PackageKind::Binary).map(|package| (package, "BINARY"));
    let crates = packages(subject, PackageKind::Rust).map(|package| (package, "RUST"));
    binaries.chain(crates).map(|(package, kind)| language_record(package, kind, &package.virtual_path())).collect()
}
