//! What the v1 API calls an image's content: its packages and files by type, and its documents.

use killick_model::analysis::Analysis;
use killick_model::package::{Package, PackageKind};
use serde_json::{Value, json};

mod binary;
mod docker_history;
mod dockerfile;
mod file_content_search;
mod files;
mod gem;
mod go;
mod java;
mod malware;
mod manifest;
mod npm;
pub(crate) mod os;
mod problems;
pub(crate) mod python;
mod retrieved_files;
mod secret_search;

/// What the records are made of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The image.
    pub analysis: &'a Analysis,
    /// The exact bytes of its manifest; empty where unknown.
    pub manifest: &'a [u8],
    /// The Dockerfile, where the user supplied one.
    pub dockerfile: Option<&'a str>,
}

/// One type of content.
#[derive(Debug)]
pub struct ContentType {
    /// Its name in the API and on the command line.
    pub name: &'static str,
    /// A list of records, or for documents base64 text; the empty list where there is nothing.
    pub render: fn(&Subject<'_>) -> Value,
}

/// Every type that is listed, in the order of the v1 API.
pub const CONTENT_TYPES: &[ContentType] = &[
    ContentType { name: "os", render: os::render },
    ContentType { name: "files", render: files::render },
    ContentType { name: "npm", render: npm::render },
    ContentType { name: "gem", render: gem::render },
    ContentType { name: "python", render: python::render },
    ContentType { name: "java", render: java::render },
    ContentType { name: "binary", render: binary::render },
    ContentType { name: "go", render: go::render },
    ContentType { name: "malware", render: malware::render },
];

/// Documents about the image, listed as its metadata and also served as content.
pub const METADATA_TYPES: &[ContentType] = &[
    ContentType { name: "manifest", render: manifest::render },
    ContentType { name: "docker_history", render: docker_history::render },
    ContentType { name: "dockerfile", render: dockerfile::render },
];

/// What inspectors saw, and what nobody could read, served as artifacts of the image.
pub const ARTIFACT_TYPES: &[ContentType] = &[
    ContentType { name: "retrieved_files", render: retrieved_files::render },
    ContentType { name: "file_content_search", render: file_content_search::render },
    ContentType { name: "secret_search", render: secret_search::render },
    ContentType { name: "problems", render: problems::render },
];

/// The content or metadata type of this name.
pub fn find(name: &str) -> Option<&'static ContentType> {
    CONTENT_TYPES.iter().chain(METADATA_TYPES).find(|content| content.name == name)
}

/// A line number as version 1 counts, from 0.
const fn wire_line(line: u64) -> u64 {
    line.saturating_sub(1)
}

/// What stands for a value that nobody knows.
const UNKNOWN: &str = "Unknown";

/// What stands for an unknown version, size or source package.
const NOT_AVAILABLE: &str = "N/A";

/// Version 1 knows what is installed, not what a lock file or a document inside the image asks for.
fn installed<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Package> {
    subject.analysis.packages.iter().filter(|package| package.evidence.is_installed())
}

fn packages<'a>(subject: &Subject<'a>, kind: PackageKind) -> impl Iterator<Item = &'a Package> {
    installed(subject).filter(move |package| package.kind == kind)
}

/// The record of a language package: what npm, gem, Python, Go and binary packages share.
fn language_record(package: &Package, kind: &str, location: &str) -> Value {
    let license = if package.licenses.is_empty() { UNKNOWN.to_owned() } else { package.licenses.join(" ") };
    let licenses: Vec<&str> =
        if package.licenses.is_empty() { vec![UNKNOWN] } else { package.licenses.iter().map(String::as_str).collect() };
    json!({
        "cpes": package.cpe_names(),
        "license": license,
        "licenses": licenses,
        "location": location,
        "origin": package.origin.as_deref().unwrap_or(UNKNOWN),
        "package": package.name,
        "type": kind,
        "version": or_not_available(&package.version),
    })
}

fn or_not_available(version: &str) -> &str {
    if version.is_empty() { NOT_AVAILABLE } else { version }
}
