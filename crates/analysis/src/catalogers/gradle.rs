//! Artifacts that the lock files of other build tools for Java ask for: Gradle, its plugin of Netflix, sbt.
//!
//! Formats: Gradle User Manual, "Locking Versions" (one file for each project since Gradle 7, one for each configuration
//! before) and "Version Catalogs"; nebula-plugins/gradle-dependency-lock-plugin, "Lock File Format"; sbt-dependency-lock,
//! "File Formats". What is only for tests is left out.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use serde::Deserialize;

use super::{Cataloger, Found, WantedFile, Wants, declared, document};

/// Finds the artifacts of lock files.
pub(super) struct Gradle;

/// Lines of one file that are read; the longest real ones have some thousand.
const LINES: usize = 100_000;

/// Group, artifact, version.
type Wanted = BTreeSet<(String, String, String)>;

/// `build.sbt.lock`.
#[derive(Deserialize)]
struct Sbt {
    #[serde(default)]
    dependencies: Vec<SbtDependency>,
}

#[derive(Deserialize)]
struct SbtDependency {
    org: String,
    name: String,
    version: String,
    #[serde(default)]
    configurations: Vec<String>,
}

/// `dependencies.lock`: by configuration, then by `GROUP:ARTIFACT`; before, by the latter alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Nebula {
    Locked { locked: String },
    Configuration(BTreeMap<String, NebulaEntry>),
}

#[derive(Deserialize)]
struct NebulaEntry {
    /// Projects of the same build have none.
    locked: Option<String>,
}

/// `libs.versions.toml`.
#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    versions: BTreeMap<String, Version>,
    #[serde(default)]
    libraries: BTreeMap<String, CatalogLibrary>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Exact(String),
    Reference {
        #[serde(rename = "ref")]
        name: String,
    },
    Rich {
        strictly: Option<String>,
        require: Option<String>,
        prefer: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CatalogLibrary {
    /// `GROUP:ARTIFACT:VERSION`.
    Short(String),
    Long {
        module: Option<String>,
        group: Option<String>,
        name: Option<String>,
        version: Option<Version>,
    },
}

impl Cataloger for Gradle {
    fn name(&self) -> &'static str {
        "gradle"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Java]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/gradle.lockfile",
                "**/*-gradle.lockfile",
                "**/gradle/dependency-locks/*.lockfile",
                "**/dependencies.lock",
                "**/*.versions.toml",
                "**/build.sbt.lock",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        let wanted = if name.ends_with(b".sbt.lock") {
            sbt(file, found)
        } else if name.ends_with(b".toml") {
            catalog(file, found)
        } else if name.ends_with(b".lock") {
            nebula(file, found)
        } else {
            lines(file, found)
        };
        found
            .packages
            .extend(wanted.into_iter().map(|(group, artifact, version)| package(group, &artifact, version, file.path)));
    }
}

fn package(group: String, artifact: &str, version: String, path: &ImagePath) -> Package {
    let mut package = declared(PackageKind::Java, artifact, &version, path);
    package.details = PackageDetails::Java {
        group: Some(group),
        specification_version: None,
        implementation_version: None,
        maven_version: Some(version),
        pom_properties: None,
        extension: "jar".to_owned(),
    };
    package
}

/// `GROUP:ARTIFACT:VERSION=CONFIGURATION,CONFIGURATION`; in old files without configurations, of which the file's name
/// is one.
fn lines(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(text) = document::text(file, found) else { return Wanted::new() };
    let name = String::from_utf8_lossy(file.path.file_name()).into_owned();
    let of_file = name.strip_suffix(".lockfile").unwrap_or_default();
    let artifacts = text.lines().take(LINES).filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (artifact, configurations) = line.split_once('=').unwrap_or((line, of_file));
        let mut parts = artifact.trim().split(':').map(str::to_owned);
        let artifact = (parts.next()?, parts.next()?, parts.next()?);
        let is_whole = parts.next().is_none() && !artifact.2.is_empty() && !artifact.1.is_empty();
        (is_whole && !configurations.split(',').all(is_for_tests)).then_some(artifact)
    });
    artifacts.collect()
}

/// `testRuntimeClasspath`, `integrationTestCompileClasspath`, `test`.
fn is_for_tests(configuration: &str) -> bool {
    let configuration = configuration.trim();
    configuration.starts_with("test") || configuration.contains("Test")
}

fn nebula(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let mut wanted = Wanted::new();
    // Tools of other languages have a file of this name as well.
    if !file.bytes.trim_ascii_start().starts_with(b"{") {
        return wanted;
    }
    let mut add = |id: &str, version: String| {
        if let Some((group, artifact)) = id.split_once(':').filter(|(_, artifact)| !artifact.contains(':')) {
            wanted.insert((group.to_owned(), artifact.to_owned(), version));
        }
    };
    for (name, entry) in document::json::<BTreeMap<String, Nebula>>(file, found).unwrap_or_default() {
        match entry {
            Nebula::Locked { locked } => add(&name, locked),
            Nebula::Configuration(_) if is_for_tests(&name) => {}
            Nebula::Configuration(entries) => {
                for (id, entry) in entries {
                    entry.locked.into_iter().for_each(|version| add(&id, version));
                }
            }
        }
    }
    wanted
}

fn sbt(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(lock) = document::json::<Sbt>(file, found) else { return Wanted::new() };
    let needed = lock.dependencies.into_iter().filter(|dependency| {
        dependency.configurations.is_empty() || !dependency.configurations.iter().all(|name| is_for_tests(name))
    });
    needed.map(|dependency| (dependency.org, dependency.name, dependency.version)).collect()
}

fn catalog(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(catalog) = document::toml::<Catalog>(file, found) else { return Wanted::new() };
    let libraries = catalog.libraries.values().filter_map(|library| {
        let (module, version) = match library {
            CatalogLibrary::Short(text) => {
                text.rsplit_once(':').map(|(module, version)| (module.to_owned(), version))?
            }
            CatalogLibrary::Long { module, group, name, version } => {
                let module = match (module, group, name) {
                    (Some(module), _, _) => module.clone(),
                    (None, Some(group), Some(name)) => format!("{group}:{name}"),
                    _ => return None,
                };
                (module, catalog.version(version.as_ref()?)?)
            }
        };
        let (group, artifact) = module.split_once(':')?;
        let is_exact = !version.contains(['[', ']', '(', ')', ',', '+', '$']) && !version.is_empty();
        is_exact.then(|| (group.to_owned(), artifact.to_owned(), version.to_owned()))
    });
    libraries.collect()
}

impl Catalog {
    fn version<'a>(&'a self, version: &'a Version) -> Option<&'a str> {
        match version {
            Version::Exact(version) => Some(version),
            Version::Rich { strictly, require, prefer } => {
                strictly.as_ref().or(require.as_ref()).or(prefer.as_ref()).map(String::as_str)
            }
            // What is referred to refers to nothing.
            Version::Reference { name } => match self.versions.get(name)? {
                Version::Reference { .. } => None,
                version => self.version(version),
            },
        }
    }
}
