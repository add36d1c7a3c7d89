//! `.nuspec`: the manifest of a package in a folder of packages.
//!
//! Format: `NuGet` documentation, ".nuspec reference"; "Managing the global packages folder" for where it lies.

use killick_model::package::PackageKind;

use crate::catalogers::{Found, WantedFile, package, xml};

/// Reads a manifest; whether the file lies in the folder of its package. In the sources of a package there is one too,
/// which says nothing about what is installed.
pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) -> bool {
    let folder = file.path.parent().unwrap_or_default();
    let folder = String::from_utf8_lossy(folder.rsplit(|&byte| byte == b'/').next().unwrap_or_default()).into_owned();
    // Sources are recognised by their place, so that a template with gaps is not taken for a broken manifest.
    if !folder.contains(|letter: char| letter.is_ascii_digit()) {
        return false;
    }
    let Some(root) = xml::read(file, found) else { return false };
    let Some(metadata) = root.child("metadata") else { return false };
    let (Some(id), Some(version)) = (metadata.text_of("id"), metadata.text_of("version")) else { return false };
    let of_version = [version.to_owned(), format!("{id}.{version}")];
    // Folders have the version without what stands after `+`.
    let is_folder = of_version.iter().any(|name| {
        let name = name.split('+').next().unwrap_or(name);
        name.eq_ignore_ascii_case(&folder)
    });
    if !is_folder {
        return false;
    }
    let mut package = package(PackageKind::Dotnet, id, version, file.path);
    package.origin = metadata.text_of("authors").map(str::to_owned);
    let license = metadata.child("license").filter(|license| license.attribute("type") == Some("expression"));
    let address = || metadata.text_of("licenseUrl").filter(|address| !address.contains("aka.ms/deprecateLicenseUrl"));
    package.licenses =
        license.and_then(|license| license.text()).or_else(address).map(str::to_owned).into_iter().collect();
    found.packages.push(package);
    true
}
