//! One package of Syft's JSON, in the form in which this project's catalogers know it.

use std::collections::HashMap;

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageKind, SourcePackage, cpe};
use killick_model::path::ImagePath;
use killick_model::purl::parse;
use killick_model::sbom::{PACKAGE_FACTS, PackageFacts};
use serde::Deserialize;

use super::claimed::said_of;
use super::fidelity::Told;
use crate::catalogers::sbom::lenient::{List, Maybe, Number, Pairs, Text, Words};

/// Name of what found the packages.
pub(super) const CATALOGER: &str = "import";

/// Licences and CPE names kept of one package.
const MAX_NAMES: usize = 100;

/// Archives within each other.
pub(super) const MAX_NESTED: usize = 20;

#[derive(Deserialize)]
pub(super) struct Artifact {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    locations: List<Location>,
    #[serde(default)]
    licenses: Words,
    #[serde(default)]
    cpes: Words,
    #[serde(default)]
    purl: Text,
    #[serde(default)]
    metadata: Maybe<Box<Metadata>>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(default)]
    path: Text,
    #[serde(default, rename = "layerID")]
    layer: Text,
    #[serde(default)]
    annotations: Pairs,
}

/// Of all kinds; each has some of it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    architecture: Text,
    #[serde(default)]
    source: Text,
    #[serde(default)]
    source_version: Text,
    #[serde(default)]
    origin_package: Text,
    #[serde(default)]
    maintainer: Text,
    #[serde(default)]
    installed_size: Number,
    #[serde(default)]
    size: Number,
    #[serde(default)]
    provides: Words,
    #[serde(default)]
    epoch: Number,
    #[serde(default)]
    source_rpm: Text,
    #[serde(default)]
    vendor: Text,
    #[serde(default)]
    modularity_label: Text,
    #[serde(default)]
    author: Text,
    #[serde(default)]
    author_email: Text,
    #[serde(default)]
    authors: Words,
    #[serde(default)]
    site_packages_root_path: Text,
    #[serde(default)]
    top_level_packages: Words,
    #[serde(default)]
    homepage: Text,
    #[serde(default)]
    virtual_path: Text,
    #[serde(default)]
    manifest: Maybe<Manifest>,
    #[serde(default)]
    pom_properties: Maybe<Pom>,
    #[serde(default)]
    go_compiled_version: Text,
    #[serde(default)]
    main_module: Text,
    #[serde(default)]
    h1_digest: Text,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    main: Pairs,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pom {
    #[serde(default)]
    group_id: Text,
    #[serde(default)]
    artifact_id: Text,
    #[serde(default)]
    version: Text,
}

/// A text that says something.
fn stated(text: Text) -> Option<String> {
    text.0.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Artifact {
    /// How much it tells of its package.
    pub(super) fn told(&self) -> Told {
        Told {
            is_own: self.facts().is_some(),
            has_purl: self.purl.0.as_deref().is_some_and(|purl| !purl.is_empty()),
            has_place: self.locations.0.iter().any(|location| location.path.0.is_some()),
        }
    }

    /// What a document of ours says.
    fn facts(&self) -> Option<PackageFacts> {
        let text = self.locations.0.first()?.annotations.get(PACKAGE_FACTS)?;
        said_of(serde_json::from_str(text).ok()?, self.name.0.as_deref(), self.version.0.as_deref())
    }

    /// The package, and the distribution that its address names; nothing for what has no name or is no package.
    pub(super) fn into_package(self, layers: &HashMap<String, u32>) -> Option<(Package, Option<Distribution>)> {
        if let Some(PackageFacts { package, .. }) = self.facts() {
            // The relations tell the owner.
            return Some((Package { owner: None, files: Vec::new(), ..package }, None));
        }
        let name = stated(self.name)?;
        let version = stated(self.version).filter(|version| version != "UNKNOWN").unwrap_or_default();
        let metadata = self.metadata.0.unwrap_or_default();
        let location = primary(&self.locations.0);
        let path = location.and_then(|location| location.path.0.as_deref()).unwrap_or_default();
        let path = ImagePath::new(path.as_bytes()).unwrap_or_default();
        let layer = location.and_then(|location| location.layer.0.as_deref()).and_then(|id| layers.get(id));
        let known = self.kind.0.as_deref().and_then(kind);
        let parsed = self.purl.0.as_deref().and_then(|purl| parse::package(purl, &path));
        let (mut package, distribution) = match (parsed, known) {
            (Some((package, distribution)), None) => (package, distribution),
            (Some((package, distribution)), Some(known)) if package.kind == known => (package, distribution),
            (_, Some(known)) => (Package::new(known, &name, &version, path), None),
            (None, None) => return None,
        };
        if has_plain_name(package.kind) {
            package.name = name;
        }
        if !version.is_empty() {
            package.version = version;
        }
        CATALOGER.clone_into(&mut package.cataloger);
        package.layer = layer.copied().unwrap_or(0);
        package.licenses = self.licenses.0.into_iter().filter(|license| !license.is_empty()).take(MAX_NAMES).collect();
        package.cpes = self.cpes.0.iter().take(MAX_NAMES).filter_map(|name| cpe::written(name)).collect();
        let purl = self.purl.0;
        describe(&mut package, *metadata, purl.as_deref());
        Some((package, distribution))
    }
}

/// The file that says the package is there. Documents tell it apart from what only supports that, where they are new.
fn primary(locations: &[Location]) -> Option<&Location> {
    let is_primary = |location: &&Location| location.annotations.get("evidence") == Some("primary");
    locations.iter().find(is_primary).or_else(|| {
        // Of Debian packages older documents have the database first, newer ones last.
        let is_database =
            |location: &&Location| location.path.0.as_deref().is_some_and(|path| path.ends_with("/dpkg/status"));
        locations.iter().find(is_database).or(locations.first())
    })
}

/// Whether the name is written as this project writes it. Of other kinds, the package URL tells.
fn has_plain_name(kind: PackageKind) -> bool {
    kind.is_os()
        || matches!(
            kind,
            PackageKind::Python
                | PackageKind::Npm
                | PackageKind::Gem
                | PackageKind::Java
                | PackageKind::Go
                | PackageKind::Rust
                | PackageKind::Dotnet
                | PackageKind::Composer
                | PackageKind::Binary
                | PackageKind::Nix
        )
}

/// The kinds, in Syft's words (`syft/pkg/type.go`).
pub(super) fn kind(word: &str) -> Option<PackageKind> {
    Some(match word {
        "deb" => PackageKind::Deb,
        "rpm" => PackageKind::Rpm,
        "apk" => PackageKind::Apk,
        "alpm" => PackageKind::Pacman,
        "portage" => PackageKind::Portage,
        "nix" => PackageKind::Nix,
        "bitnami" => PackageKind::Bitnami,
        "python" => PackageKind::Python,
        "conda" => PackageKind::Conda,
        "npm" => PackageKind::Npm,
        "gem" => PackageKind::Gem,
        "java-archive" | "jenkins-plugin" | "graalvm-native-image" => PackageKind::Java,
        "go-module" => PackageKind::Go,
        "rust-crate" => PackageKind::Rust,
        "dotnet" => PackageKind::Dotnet,
        "php-composer" => PackageKind::Composer,
        "php-pecl" => PackageKind::Pecl,
        "php-pear" => PackageKind::Pear,
        "hex" => PackageKind::Hex,
        "erlang-otp" => PackageKind::Otp,
        "dart-pub" => PackageKind::Pub,
        "swift" => PackageKind::Swift,
        "pod" => PackageKind::Cocoapods,
        "conan" => PackageKind::Conan,
        "hackage" => PackageKind::Hackage,
        "opam" => PackageKind::Opam,
        "R-package" => PackageKind::Cran,
        "lua-rocks" => PackageKind::Luarocks,
        "linux-kernel" => PackageKind::LinuxKernel,
        "linux-kernel-module" => PackageKind::LinuxKernelModule,
        "binary" => PackageKind::Binary,
        _ => return None,
    })
}

/// What only this kind of package has.
fn describe(package: &mut Package, metadata: Metadata, purl: Option<&str>) {
    match package.kind {
        PackageKind::Deb => {
            package.architecture = stated(metadata.architecture).or(package.architecture.take());
            package.origin = stated(metadata.maintainer);
            // dpkg counts in KiB.
            package.size_bytes = metadata.installed_size.0.map(|size| size.saturating_mul(1024));
            source(package, stated(metadata.source), stated(metadata.source_version));
        }
        PackageKind::Apk => {
            package.architecture = stated(metadata.architecture).or(package.architecture.take());
            package.origin = stated(metadata.maintainer);
            package.size_bytes = metadata.installed_size.0;
            source(package, stated(metadata.origin_package), None);
            let provides = metadata.provides.0.into_iter().take(MAX_NAMES).collect();
            package.details = PackageDetails::Apk { checksum: None, provides, repository_tag: None };
        }
        PackageKind::Rpm => {
            package.architecture = stated(metadata.architecture).or(package.architecture.take());
            package.size_bytes = metadata.size.0;
            let epoch = metadata.epoch.0.and_then(|epoch| u32::try_from(epoch).ok());
            if let Some(epoch) = epoch.filter(|_| !package.version.contains(':')) {
                package.version = format!("{epoch}:{}", package.version);
            }
            let source_rpm = stated(metadata.source_rpm);
            if let Some(source_rpm) = &source_rpm {
                package.source = SourcePackage::of_rpm(source_rpm);
            }
            let vendor = stated(metadata.vendor);
            package.origin.clone_from(&vendor);
            package.details = PackageDetails::Rpm {
                epoch,
                source_rpm,
                module: stated(metadata.modularity_label),
                vendor,
                signatures: Vec::new(),
            };
        }
        PackageKind::Python => {
            package.origin = match (stated(metadata.author), stated(metadata.author_email)) {
                (Some(author), Some(email)) => Some(format!("{author} <{email}>")),
                (author, email) => author.or(email),
            };
            let folder = stated(metadata.site_packages_root_path);
            if let Some(site_packages) = folder.and_then(|folder| ImagePath::new(folder.as_bytes())) {
                let top_level = metadata.top_level_packages.0.into_iter().take(MAX_NAMES).collect();
                package.details = PackageDetails::Python { site_packages, top_level, installer: None };
            }
        }
        PackageKind::Npm => {
            package.origin = stated(metadata.author);
            package.details = PackageDetails::Npm { homepage: stated(metadata.homepage), is_private: false };
        }
        PackageKind::Gem => {
            package.origin = (!metadata.authors.0.is_empty()).then(|| metadata.authors.0.join(","));
        }
        PackageKind::Java => java(package, metadata),
        PackageKind::Go => {
            package.details = PackageDetails::Go {
                main: metadata.main_module.is(&package.name),
                toolchain: stated(metadata.go_compiled_version),
                checksum: stated(metadata.h1_digest),
                version_from: None,
                symbols: None,
            };
        }
        PackageKind::Binary => {
            // Without its version, which is the package's.
            if let Some(purl) = purl.filter(|purl| purl.starts_with("pkg:")) {
                let end = purl.find(['@', '?', '#']).unwrap_or(purl.len());
                package.details = PackageDetails::Binary { purl: purl.get(..end).unwrap_or(purl).to_owned() };
            }
        }
        _ => package.origin = stated(metadata.author),
    }
}

/// The source package, where it is another than the package itself. Apk has one in any case.
fn source(package: &mut Package, name: Option<String>, version: Option<String>) {
    let Some(name) = name else { return };
    let version = version.unwrap_or_else(|| package.version.clone());
    package.source = Some(SourcePackage { name, version });
}

fn java(package: &mut Package, metadata: Metadata) {
    let pom = metadata.pom_properties.0;
    let text = pom.as_ref().map(|pom| {
        let line =
            |key: &str, value: &Text| value.0.as_deref().map(|value| format!("{key}={value}\n")).unwrap_or_default();
        line("groupId", &pom.group_id) + &line("artifactId", &pom.artifact_id) + &line("version", &pom.version)
    });
    let (group, version) = pom.map_or((None, None), |pom| (stated(pom.group_id), stated(pom.version)));
    let named = match &package.details {
        PackageDetails::Java { group, .. } => group.clone(),
        _ => None,
    };
    let main = metadata.manifest.0.map(|manifest| manifest.main).unwrap_or_default();
    let said = |key: &str| main.get(key).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    package.origin = said("Implementation-Vendor").or_else(|| said("Specification-Vendor"));
    // `/outer.jar:inner.jar`, and for what only a `pom.properties` tells `/outer.jar:group:artifact`.
    let path = stated(metadata.virtual_path).unwrap_or_default();
    if let Some((_, inner)) = path.split_once(':') {
        package.nested = inner.split(':').take(MAX_NESTED).map(str::to_owned).collect();
    }
    let last = path.rsplit([':', '/']).next().unwrap_or_default();
    let extension = last.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let extension = extension.filter(|extension| matches!(extension.as_str(), "jar" | "war" | "ear" | "jpi" | "hpi"));
    package.details = PackageDetails::Java {
        group: group.or(named),
        specification_version: said("Specification-Version"),
        implementation_version: said("Implementation-Version"),
        maven_version: version,
        pom_properties: text,
        extension: extension.unwrap_or_else(|| "jar".to_owned()),
    };
}
