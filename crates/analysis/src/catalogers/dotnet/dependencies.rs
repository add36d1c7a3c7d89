//! `*.deps.json`: the libraries of an application or framework and the files each brought.
//!
//! Format: .NET SDK, "Runtime Configuration Files" (`documentation/specs/runtime-configuration-file.md`).

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use crate::catalogers::{Found, WantedFile, document, package};

/// Prefix of the frameworks that a self-contained application brings along.
const RUNTIME_PACK: &str = "runtimepack.";

/// A library that is, or was made into, a package.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Library {
    pub(super) name: String,
    pub(super) version: String,
    /// Where its files are put, relative to the folder of the document.
    pub(super) files: Vec<String>,
    /// The document inside the file, if it is that of a single-file application.
    pub(super) nested: Option<String>,
    /// Some of its files are inside too.
    pub(super) is_bundled: bool,
}

impl Library {
    pub(super) fn package(&self, location: &ImagePath) -> Package {
        let package = package(PackageKind::Dotnet, &self.name, &self.version, location);
        Package { nested: self.nested.iter().cloned().collect(), ..package }
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "runtimeTarget")]
    runtime_target: Option<RuntimeTarget>,
    #[serde(default)]
    targets: BTreeMap<String, BTreeMap<String, Assets>>,
    #[serde(default)]
    libraries: BTreeMap<String, Entry>,
}

/// Before .NET Core 1.0 it was the name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum RuntimeTarget {
    Name(String),
    Object { name: String },
}

/// The files of one library.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assets {
    runtime: Option<Files>,
    native: Option<Files>,
    resources: Option<Files>,
    runtime_targets: Option<Files>,
}

/// What is said of files, by where they are in the package.
type Files = BTreeMap<String, Asset>;

#[derive(Deserialize)]
struct Asset {
    /// The language of a satellite.
    locale: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The libraries of a document.
pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) -> Option<Vec<Library>> {
    let document: Document = document::json(file, found)?;
    let target_name = document.runtime_target.as_ref().map(|target| match target {
        RuntimeTarget::Name(name) | RuntimeTarget::Object { name } => name.as_str(),
    });
    let target = target_name.and_then(|name| document.targets.get_key_value(name));
    // The runtime takes the one it is told; where that is not there, any may be meant.
    let targets: Vec<_> = target.map_or_else(|| document.targets.values().collect(), |(_, target)| vec![target]);
    let libraries = document.libraries.iter().filter_map(|(id, entry)| {
        let (name, version) = id.rsplit_once('/').filter(|(name, version)| !name.is_empty() && !version.is_empty())?;
        let name = match entry.kind.as_deref().unwrap_or("package") {
            "package" | "project" | "msbuildproject" => name,
            "runtimepack" => name.strip_prefix(RUNTIME_PACK).unwrap_or(name),
            // Reference assemblies, assemblies that belong to no package, the platform.
            _ => return None,
        };
        let files = targets.iter().filter_map(|target| target.get(id)).flat_map(files).collect();
        Some(Library { name: name.to_owned(), version: version.to_owned(), files, nested: None, is_bundled: false })
    });
    let libraries = libraries.collect();
    Some(match framework(file.path, target_name) {
        Some(framework) => of_framework(framework, libraries),
        None => libraries,
    })
}

/// The shared framework that a document describes, `shared/NAME/VERSION/NAME.deps.json`, without its files. It has the
/// name that advisories use: since .NET Core 3 that of the package for one platform.
fn framework(path: &ImagePath, target: Option<&str>) -> Option<Library> {
    let path = std::str::from_utf8(path.as_bytes()).ok()?;
    let mut parts = path.rsplit('/');
    let (file, version, name, shared) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if shared != "shared" || file.strip_suffix(".deps.json") != Some(name) {
        return None;
    }
    let major: u32 = version.split('.').next()?.parse().ok()?;
    let platform = target.and_then(|target| target.split_once('/')).map(|(_, platform)| platform);
    let name = match platform.filter(|_| major >= 3) {
        Some(platform) => format!("{name}.Runtime.{platform}"),
        None => name.to_owned(),
    };
    Some(Library { name, version: version.to_owned(), files: Vec::new(), nested: None, is_bundled: false })
}

/// The framework in place of the packages it was built from. Those of ASP.NET Core were published each by itself
/// before version 3, so they stay.
fn of_framework(mut framework: Library, mut libraries: Vec<Library>) -> Vec<Library> {
    framework.files = libraries.iter().flat_map(|library| library.files.iter().cloned()).collect();
    if framework.name.contains(".Runtime.") {
        libraries.clear();
    }
    libraries.retain(|library| library.name != framework.name);
    libraries.push(framework);
    libraries
}

/// Where the files of a library are put: beside the document, satellites in a folder of their language, and what is
/// for some platforms where it was in the package.
fn files(assets: &Assets) -> Vec<String> {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let beside =
        [&assets.runtime, &assets.native].into_iter().flatten().flat_map(BTreeMap::keys).map(|path| base(path));
    let satellites = assets.resources.iter().flatten().map(|(path, asset)| match &asset.locale {
        Some(locale) => format!("{locale}/{}", base(path)),
        None => base(path),
    });
    let platforms = assets.runtime_targets.iter().flat_map(BTreeMap::keys).cloned();
    // `_._` is an empty file: there is nothing for this framework.
    beside.chain(satellites).chain(platforms).filter(|path| !path.ends_with("_._")).collect()
}
