//! What v1 has no type for: programs recognised by their bytes, and packages of the systems that came after it.

use killick_model::package::PackageKind;
use serde_json::Value;

use super::{Subject, installed, language_record};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    // Programs first, as in the original; the sort keeps the order of packages otherwise.
    let mut packages: Vec<_> = installed(subject).filter(|package| is_without_type(package.kind)).collect();
    packages.sort_by_key(|package| package.kind != PackageKind::Binary);
    let record = |package| language_record(package, &word(package.kind), &package.virtual_path());
    packages.into_iter().map(record).collect()
}

/// Whether no other type of content shows packages of this kind.
fn is_without_type(kind: PackageKind) -> bool {
    let has_type =
        matches!(kind, PackageKind::Python | PackageKind::Npm | PackageKind::Gem | PackageKind::Java | PackageKind::Go);
    !kind.is_os() && !has_type
}

fn word(kind: PackageKind) -> String {
    kind.name().to_uppercase()
}
