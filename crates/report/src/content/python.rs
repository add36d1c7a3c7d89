//! Python distributions.

use killick_model::package::{Package, PackageDetails, PackageKind};
use serde_json::{Value, json};

use super::{Subject, language_record, packages};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    packages(subject, PackageKind::Python)
        .map(|package| {
            let mut record = language_record(package, "PYTHON", &location(package));
            // Unlike other types, licences are split at blanks.
            let license = package.licenses.join(" ");
            if !license.is_empty() {
                record["licenses"] = json!(license.split_whitespace().collect::<Vec<_>>());
            }
            record
        })
        .collect()
}

/// Where the code is, rather than its metadata: the module named like the distribution, else its first module.
pub(crate) fn location(package: &Package) -> String {
    let PackageDetails::Python { site_packages, top_level, .. } = &package.details else {
        return package.virtual_path();
    };
    let module = match top_level.first() {
        Some(first) if !top_level.contains(&package.name) => first,
        _ => &package.name,
    };
    site_packages.join(module.as_bytes()).map_or_else(|| site_packages.to_string(), |path| path.to_string())
}
