//! Packages of the distribution.

use killick_model::package::{Package, PackageDetails, PackageKind};
use serde_json::{Value, json};

use super::{NOT_AVAILABLE, Subject, installed, or_not_available};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    installed(subject).filter(|package| package.kind.is_os()).map(record).collect()
}

fn record(package: &Package) -> Value {
    let licenses = package.license_words();
    let license = if licenses.is_empty() { UNKNOWN_LICENSE.to_owned() } else { licenses.join(" ") };
    json!({
        "cpes": package.cpe_names(),
        "license": license,
        "licenses": license.split_whitespace().collect::<Vec<_>>(),
        "origin": origin(package),
        "package": package.name,
        "size": size(package).map_or_else(|| NOT_AVAILABLE.to_owned(), |size| size.to_string()),
        "sourcepkg": source(package),
        "type": type_name(package.kind),
        "version": or_not_available(without_epoch(package)),
    })
}

const UNKNOWN_LICENSE: &str = super::UNKNOWN;

/// The type words of v1, of which one is in capitals.
pub(crate) const fn type_name(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Apk => "APKG",
        PackageKind::Deb => "dpkg",
        kind => kind.name(),
    }
}

/// The epoch of an RPM is not shown; that of a Debian package is part of its version.
fn without_epoch(package: &Package) -> &str {
    match (package.kind, package.version.split_once(':')) {
        (PackageKind::Rpm, Some((_, version))) => version,
        _ => &package.version,
    }
}

/// dpkg counts in KiB, of which v1 makes a thousand bytes each.
fn size(package: &Package) -> Option<u64> {
    let bytes = package.size_bytes?;
    Some(if package.kind == PackageKind::Deb { (bytes / 1024).saturating_mul(1000) } else { bytes })
}

fn origin(package: &Package) -> String {
    match (&package.origin, package.kind) {
        (Some(origin), PackageKind::Deb) => format!("{origin} (maintainer)"),
        (Some(origin), _) => origin.clone(),
        (None, _) => NOT_AVAILABLE.to_owned(),
    }
}

/// Alpine names the source of every package, Debian only where it has another name, RPM by its file.
fn source(package: &Package) -> &str {
    match (package.kind, &package.details) {
        (PackageKind::Rpm, PackageDetails::Rpm { source_rpm, .. }) => source_rpm.as_deref().unwrap_or(NOT_AVAILABLE),
        (PackageKind::Apk, _) => package.source_name(),
        _ => package.source.as_ref().map_or(NOT_AVAILABLE, |source| source.name.as_str()),
    }
}
