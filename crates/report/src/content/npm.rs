//! Node packages.

use killick_model::package::PackageKind;
use serde_json::Value;

use super::{Subject, language_record, packages};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    packages(subject, PackageKind::Npm)
        .map(|package| language_record(package, "NPM", &package.virtual_path()))
        .collect()
}
