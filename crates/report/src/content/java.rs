//! Java archives.

use killick_model::package::{Package, PackageDetails, PackageKind};
use serde_json::{Value, json};

use super::{NOT_AVAILABLE, Subject, packages};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    packages(subject, PackageKind::Java).map(record).collect()
}

fn record(package: &Package) -> Value {
    let PackageDetails::Java {
        group,
        specification_version,
        implementation_version,
        maven_version,
        pom_properties,
        extension,
    } = &package.details
    else {
        return json!({
            "cpes": package.cpe_names(),
            "implementation-version": NOT_AVAILABLE,
            "location": package.virtual_path(),
            "maven-version": NOT_AVAILABLE,
            "metadata": {},
            "origin": NOT_AVAILABLE,
            "package": package.name,
            "specification-version": NOT_AVAILABLE,
            "type": "JAVA-JAR",
            "version": super::or_not_available(&package.version),
        });
    };
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| NOT_AVAILABLE.to_owned());
    let pom = pom_properties.as_deref().unwrap_or_default();
    json!({
        "cpes": package.cpe_names(),
        "implementation-version": known(implementation_version),
        "location": package.virtual_path(),
        "maven-version": known(maven_version),
        "metadata": {"pom.properties": coordinates(pom)},
        "origin": group.as_deref().or(package.origin.as_deref()).unwrap_or(NOT_AVAILABLE),
        "package": package.name,
        "specification-version": known(specification_version),
        "type": format!("JAVA-{}", if extension.is_empty() { "JAR".to_owned() } else { extension.to_uppercase() }),
        "version": super::or_not_available(maven_version.as_deref().unwrap_or(&package.version)),
    })
}

/// The three coordinates of a `pom.properties`, which is all of it that v1 keeps; `None` stands for each absent one.
fn coordinates(pom: &str) -> String {
    let value = |key: &str| {
        let line = pom.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='));
        line.map_or("None", str::trim)
    };
    format!("\ngroupId={}\nartifactId={}\nversion={}\n", value("groupId"), value("artifactId"), value("version"))
}
