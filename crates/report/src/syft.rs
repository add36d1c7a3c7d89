//! Syft's JSON (<https://github.com/anchore/syft/tree/main/schema/json>), schema 16: what clients of the v1 API download
//! as the native SBOM of an image, and what `analysis::imported` reads.
//!
//! What Syft has no member for is left out; entries are written as they are made.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::purl::purl;
use killick_model::sbom::{IMAGE_FACTS, ImageFacts, PACKAGE_FACTS, PackageFacts};
use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Value, json};

/// The schema that is written.
const SCHEMA: &str = "16.0.18";

/// An image to write.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// What it consists of.
    pub analysis: &'a Analysis,
    /// Its tags, in full.
    pub tags: &'a [String],
    /// The exact bytes of its manifest; empty where unknown.
    pub manifest: &'a [u8],
    /// Whether to write what Syft has no members for as annotations, and packages that are not installed.
    pub is_whole: bool,
}

/// Writes the document.
pub fn write(image: &Image<'_>, tool_version: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::new(out);
    let mut document = serializer.serialize_map(None)?;
    document.serialize_entry("artifacts", &Artifacts(image))?;
    document.serialize_entry("artifactRelationships", &Relationships(image))?;
    document.serialize_entry("source", &source(image))?;
    document.serialize_entry("distro", &distro(image.analysis.distribution.as_ref()))?;
    document.serialize_entry("descriptor", &json!({"name": "killick", "version": tool_version}))?;
    let url = format!("https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-{SCHEMA}.json");
    document.serialize_entry("schema", &json!({"version": SCHEMA, "url": url}))?;
    serde::ser::SerializeMap::end(document)?;
    Ok(())
}

/// Packages that are there. What documents inside the image claim is not part of what clients of the v1 API know.
fn listed<'a>(image: &Image<'a>) -> impl Iterator<Item = (usize, &'a Package)> {
    let is_whole = image.is_whole;
    let packages = image.analysis.packages.iter().enumerate();
    packages.filter(move |(_, package)| is_whole || package.evidence.is_installed())
}

struct Artifacts<'a>(&'a Image<'a>);

impl Serialize for Artifacts<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut list = out.serialize_seq(None)?;
        for (at, package) in listed(self.0) {
            let mut artifact = artifact(self.0.analysis, at, package);
            if let (true, Some(annotations)) = (self.0.is_whole, artifact.pointer_mut("/locations/0/annotations")) {
                let facts = PackageFacts::of(u32::try_from(at).unwrap_or(u32::MAX), package);
                annotations[PACKAGE_FACTS] = json!(facts.text());
            }
            list.serialize_element(&artifact)?;
        }
        list.end()
    }
}

struct Relationships<'a>(&'a Image<'a>);

impl Serialize for Relationships<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut list = out.serialize_seq(None)?;
        for (at, package) in listed(self.0) {
            let Some(owner) = package.owner.and_then(|owner| usize::try_from(owner.0).ok()) else { continue };
            let Some(parent) = self.0.analysis.packages.get(owner) else { continue };
            let relation =
                json!({"parent": id(owner, parent), "child": id(at, package), "type": "ownership-by-file-overlap"});
            list.serialize_element(&relation)?;
        }
        list.end()
    }
}

/// 16 hexadecimal digits, the same for the same package at the same place.
fn id(at: usize, package: &Package) -> String {
    let text = format!("{at} {} {} {} {}", package.kind.name(), package.name, package.version, package.virtual_path());
    Digest::of(text.as_bytes()).hex().chars().take(16).collect()
}

pub(crate) fn artifact(analysis: &Analysis, at: usize, package: &Package) -> Value {
    let layer = usize::try_from(package.layer).ok().and_then(|layer| analysis.layers.get(layer));
    let path = package.location.to_string();
    let mut location = json!({"path": path, "accessPath": path, "annotations": {"evidence": "primary"}});
    if let (Some(layer), Some(location)) = (layer, location.as_object_mut()) {
        location.insert("layerID".to_owned(), json!(layer.diff_id));
    }
    let license =
        |text: &String| json!({"value": text, "spdxExpression": "", "type": "declared", "urls": [], "locations": []});
    let cpe =
        |name: &String| json!({"cpe": name, "source": if package.cpes.is_empty() { "generated" } else { "declared" }});
    let mut artifact = json!({
        "id": id(at, package),
        "name": package.name,
        "version": package.version,
        "type": word(package),
        "foundBy": package.cataloger,
        "locations": [location],
        "licenses": package.licenses.iter().map(license).collect::<Vec<_>>(),
        "language": language(package.kind),
        "cpes": package.cpe_names().iter().map(cpe).collect::<Vec<_>>(),
        "purl": purl(package, analysis.distribution.as_ref()),
    });
    if let (Some((kind, metadata)), Some(artifact)) = (metadata(package), artifact.as_object_mut()) {
        artifact.insert("metadataType".to_owned(), json!(kind));
        artifact.insert("metadata".to_owned(), Value::Object(metadata));
    }
    artifact
}

/// The kinds in Syft's words; what it does not know goes by its own name.
fn word(package: &Package) -> &'static str {
    match package.kind {
        PackageKind::Pacman => "alpm",
        PackageKind::Java => match &package.details {
            PackageDetails::Java { extension, .. } if matches!(extension.as_str(), "jpi" | "hpi") => "jenkins-plugin",
            _ => "java-archive",
        },
        PackageKind::Go => "go-module",
        PackageKind::Rust => "rust-crate",
        PackageKind::Composer => "php-composer",
        PackageKind::Pecl => "php-pecl",
        PackageKind::Pear => "php-pear",
        PackageKind::Otp => "erlang-otp",
        PackageKind::Pub => "dart-pub",
        PackageKind::Cocoapods => "pod",
        PackageKind::Cran => "R-package",
        PackageKind::Luarocks => "lua-rocks",
        PackageKind::Wordpress => "wordpress-plugin",
        kind => kind.name(),
    }
}

pub(crate) const fn language(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Python | PackageKind::Conda => "python",
        PackageKind::Npm => "javascript",
        PackageKind::Gem | PackageKind::Cocoapods => "ruby",
        PackageKind::Java => "java",
        PackageKind::Go => "go",
        PackageKind::Rust => "rust",
        PackageKind::Dotnet => "dotnet",
        PackageKind::Composer | PackageKind::Pecl | PackageKind::Pear => "php",
        PackageKind::Hex | PackageKind::Otp => "erlang",
        PackageKind::Pub => "dart",
        PackageKind::Swift => "swift",
        PackageKind::Hackage => "haskell",
        PackageKind::Cran => "R",
        PackageKind::Luarocks => "lua",
        _ => "",
    }
}

/// What only one kind of package has, and its name in the schema.
fn metadata(package: &Package) -> Option<(&'static str, Map<String, Value>)> {
    let origin = package.origin.as_deref().unwrap_or_default();
    let (name, value) = match (package.kind, &package.details) {
        (PackageKind::Deb, _) => {
            let source = package.source.as_ref();
            (
                "dpkg-db-entry",
                json!({
                    "package": package.name, "source": source.map(|source| &source.name).map_or("", String::as_str),
                    "version": package.version,
                    "sourceVersion": source.map(|source| &source.version).filter(|version| **version != package.version)
                        .map_or("", String::as_str),
                    "architecture": package.architecture, "maintainer": origin,
                    "installedSize": package.size_bytes.unwrap_or(0) / 1024, "files": [],
                }),
            )
        }
        (PackageKind::Apk, _) => (
            "apk-db-entry",
            json!({
                "package": package.name, "originPackage": package.source_name(), "maintainer": origin, "version": package.version,
                "architecture": package.architecture, "url": "", "description": "", "size": 0,
                "installedSize": package.size_bytes.unwrap_or(0), "pullDependencies": [], "provides": [], "pullChecksum": "",
                "gitCommitOfApkPort": "", "files": [],
            }),
        ),
        (PackageKind::Rpm, PackageDetails::Rpm { epoch, source_rpm, module, vendor, .. }) => {
            let (version, release) = package.version_and_release();
            (
                "rpm-db-entry",
                json!({
                    "name": package.name, "version": version, "epoch": epoch, "architecture": package.architecture,
                    "release": release.unwrap_or_default(), "sourceRpm": source_rpm.as_deref().unwrap_or_default(),
                    "size": package.size_bytes.unwrap_or(0), "vendor": vendor.as_deref().unwrap_or_default(),
                    "modularityLabel": module.as_deref().unwrap_or_default(), "files": [],
                }),
            )
        }
        (PackageKind::Python, PackageDetails::Python { site_packages, top_level, .. }) => (
            "python-package",
            json!({
                "name": package.name, "version": package.version, "author": origin, "authorEmail": "", "platform": "",
                "sitePackagesRootPath": site_packages.to_string(), "topLevelPackages": top_level,
            }),
        ),
        (PackageKind::Npm, PackageDetails::Npm { homepage, is_private }) => (
            "javascript-npm-package",
            json!({
                "name": package.name, "version": package.version, "author": origin,
                "homepage": homepage.as_deref().unwrap_or_default(), "description": "", "url": "", "private": is_private,
            }),
        ),
        (PackageKind::Gem, _) => {
            let authors: Vec<&str> = origin.split(',').filter(|author| !author.is_empty()).collect();
            ("ruby-gemspec", json!({"name": package.name, "version": package.version, "authors": authors}))
        }
        (PackageKind::Java, PackageDetails::Java { .. }) => ("java-archive", java(package)),
        (PackageKind::Go, PackageDetails::Go { main, toolchain, checksum, .. }) => (
            "go-module-buildinfo-entry",
            json!({
                "goCompiledVersion": toolchain.as_deref().unwrap_or_default(), "architecture": "",
                "h1Digest": checksum.as_deref().unwrap_or_default(),
                "mainModule": if *main { package.name.as_str() } else { "" },
            }),
        ),
        _ => return None,
    };
    match value {
        Value::Object(map) => Some((name, map)),
        _ => None,
    }
}

fn java(package: &Package) -> Value {
    let PackageDetails::Java {
        group,
        specification_version,
        implementation_version,
        maven_version,
        pom_properties,
        ..
    } = &package.details
    else {
        return json!({});
    };
    let entries = [
        ("Specification-Version", specification_version),
        ("Implementation-Version", implementation_version),
        ("Implementation-Vendor", &package.origin),
    ];
    let main: Vec<Value> =
        entries.into_iter().filter_map(|(key, value)| Some(json!({"key": key, "value": value.as_ref()?}))).collect();
    let mut metadata = json!({"virtualPath": package.virtual_path(), "manifest": {"main": main}});
    if let (true, Some(metadata)) = (pom_properties.is_some() || group.is_some(), metadata.as_object_mut()) {
        let version = maven_version.as_deref().unwrap_or(&package.version);
        let pom = json!({"path": "", "name": "", "groupId": group.as_deref().unwrap_or_default(), "artifactId": package.name,
            "version": version});
        metadata.insert("pomProperties".to_owned(), pom);
    }
    metadata
}

fn source(image: &Image<'_>) -> Value {
    let analysis = image.analysis;
    let layer = |layer: &killick_model::analysis::LayerSummary| json!({"mediaType": layer.media_type, "digest": layer.diff_id, "size": layer.size});
    let config = &analysis.config;
    let mut source = json!({
        "id": analysis.manifest_digest.hex(),
        "name": image.tags.first().map_or("", String::as_str),
        "version": analysis.manifest_digest,
        "type": "image",
        "metadata": {
            "userInput": image.tags.first().map_or("", String::as_str),
            "imageID": analysis.config_digest,
            "manifestDigest": analysis.manifest_digest,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "tags": image.tags,
            "imageSize": analysis.size_bytes(),
            "layers": analysis.layers.iter().map(layer).collect::<Vec<_>>(),
            "manifest": STANDARD.encode(image.manifest),
            "config": "",
            "repoDigests": [],
            "architecture": config.architecture,
            "os": config.os,
        },
    });
    if let (true, Some(metadata)) = (image.is_whole, source.pointer_mut("/metadata")) {
        metadata["annotations"] = json!({IMAGE_FACTS: ImageFacts::of(analysis).text()});
    }
    source
}

fn distro(distribution: Option<&Distribution>) -> Value {
    let Some(distribution) = distribution else { return json!({}) };
    let mut distro = Map::new();
    let mut set = |key: &str, value: Option<&String>| {
        if let Some(value) = value {
            distro.insert(key.to_owned(), json!(value));
        }
    };
    set("prettyName", distribution.pretty_name.as_ref());
    set("name", distribution.pretty_name.as_ref().or(Some(&distribution.id)));
    set("id", Some(&distribution.id));
    set("version", distribution.version.as_ref());
    set("versionID", distribution.version.as_ref());
    set("versionCodename", distribution.codename.as_ref());
    if !distribution.like.is_empty() {
        distro.insert("idLike".to_owned(), json!(distribution.like));
    }
    Value::Object(distro)
}
