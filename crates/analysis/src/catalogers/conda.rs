//! Conda packages: the records in the `conda-meta` folder of an environment.
//!
//! Format: conda documentation, "Package metadata", and conda itself (`models/records.py`, `PrefixRecord`). Mamba and
//! pixi write the same.

use killick_model::package::{OwnedFile, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::Deserialize;

use super::{Cataloger, Found, WantedFile, Wants, document, package};

/// Finds installed conda packages.
pub(super) struct Conda;

#[derive(Deserialize)]
struct Record {
    name: Option<String>,
    version: Option<String>,
    #[serde(alias = "build_string")]
    build: Option<String>,
    channel: Option<String>,
    subdir: Option<String>,
    license: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    paths_data: Paths,
}

#[derive(Deserialize, Default)]
struct Paths {
    #[serde(default)]
    paths: Vec<PathRecord>,
}

#[derive(Deserialize)]
struct PathRecord {
    #[serde(rename = "_path")]
    path: String,
    sha256: Option<String>,
    /// Of the file as installed, where the prefix was written into it.
    sha256_in_prefix: Option<String>,
    size_in_bytes: Option<u64>,
}

impl Cataloger for Conda {
    fn name(&self) -> &'static str {
        "conda"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Conda]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/conda-meta/*.json"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(record) = document::json::<Record>(file, found) else { return };
        let (Some(name), Some(version)) = (&record.name, &record.version) else {
            let message = "a conda record without name or version";
            found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            return;
        };
        let mut package = package(PackageKind::Conda, name, version, file.path);
        package.licenses = record.license.iter().filter(|license| !license.is_empty()).cloned().collect();
        package.architecture.clone_from(&record.subdir);
        package.files = files(&record, file.path);
        package.size_bytes =
            record.paths_data.paths.iter().filter_map(|path| path.size_in_bytes).reduce(u64::saturating_add);
        package.details = PackageDetails::Conda {
            build: record.build,
            channel: record.channel.as_deref().map(channel),
            subdir: record.subdir,
        };
        found.packages.push(package);
    }
}

/// The files, relative to the environment, with digests where the record has them.
fn files(record: &Record, path: &ImagePath) -> Vec<OwnedFile> {
    let folder = path.parent().and_then(ImagePath::new).unwrap_or_default();
    let environment = folder.parent().and_then(ImagePath::new).unwrap_or_default();
    let owned = |path: &str, digest: Option<&String>, size| {
        // No package has files outside of its environment.
        let is_inside = !path.is_empty() && path.split('/').all(|part| part != "..");
        Some(OwnedFile {
            path: environment.join(path.as_bytes()).filter(|_| is_inside)?,
            digest: digest.map(|hex| ("sha256".to_owned(), hex.to_ascii_lowercase())),
            mode: None,
            size,
            is_config: false,
        })
    };
    if record.paths_data.paths.is_empty() {
        return record.files.iter().filter_map(|path| owned(path, None, None)).collect();
    }
    let described = record.paths_data.paths.iter().filter_map(|record| {
        // Written into: the size is that of the file before.
        let size = if record.sha256_in_prefix.is_some() { None } else { record.size_in_bytes };
        owned(&record.path, record.sha256_in_prefix.as_ref().or(record.sha256.as_ref()), size)
    });
    described.collect()
}

/// The name of a channel without the server, the token and the platform: `conda-forge`, `pkgs/main`.
pub(super) fn channel(address: &str) -> String {
    let Some((_, rest)) = address.split_once("://") else { return address.to_owned() };
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let path = path.strip_prefix("t/").and_then(|path| path.split_once('/')).map_or(path, |(_token, path)| path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_platform = |part: &str| {
        part == "noarch"
            || ["linux-", "osx-", "win-", "emscripten-", "freebsd-", "wasi-"]
                .iter()
                .any(|start| part.starts_with(start))
    };
    let end = parts.iter().position(|part| is_platform(part)).unwrap_or(parts.len());
    parts.get(..end).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels() {
        for (address, want) in [
            ("https://conda.anaconda.org/conda-forge/linux-64", "conda-forge"),
            ("https://repo.anaconda.com/pkgs/main/noarch", "pkgs/main"),
            ("https://conda.anaconda.org/t/secret/private", "private"),
            ("https://user:secret@host/a/b/osx-arm64/x-1-0.conda", "a/b"),
            ("conda-forge", "conda-forge"),
            ("https://host", ""),
        ] {
            assert_eq!(channel(address), want, "{address}");
        }
    }
}
