//! Ruby gems.

use killick_model::package::PackageKind;
use serde_json::Value;

use super::{Subject, language_record, packages};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    packages(subject, PackageKind::Gem)
        .map(|package| language_record(package, "GEM", &package.virtual_path()))
        .collect()
}
