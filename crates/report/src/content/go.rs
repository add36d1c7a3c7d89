//! Go modules built into binaries.

use killick_model::package::PackageKind;
use serde_json::Value;

use super::{Subject, language_record, packages};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    packages(subject, PackageKind::Go).map(|package| language_record(package, "GO", &package.virtual_path())).collect()
}
