//! Conan packages, of C and C++: `conan.lock`, `conanfile.txt`, and the `conaninfo.txt` of packages in a cache.
//!
//! Formats: Conan documentation, "conan.lock" of 1.x (a graph of nodes, versions 0.1 to 0.4) and of 2.x (lists of
//! references, version 0.5), "conanfile.txt", and "Custom package ID modes" for `conaninfo.txt`. In a cache of 1.x the
//! folders tell the reference: `data/NAME/VERSION/USER/CHANNEL/package/ID/`; a user `_` is none. A cache of 2.x has a
//! database, `p/cache.sqlite3`, whose table `packages` has a row for each binary.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use serde::Deserialize;

use super::published::Published;
use super::{Cataloger, Found, WantedFile, Wants, declared, document, package, sqlite};

/// Finds Conan packages.
pub(super) struct Conan;

/// Packages of one cache.
const PACKAGES: usize = 100_000;

#[derive(Deserialize)]
struct Lock {
    #[serde(rename = "graph_lock")]
    graph: Option<Graph>,
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default)]
    build_requires: Vec<String>,
    #[serde(default)]
    python_requires: Vec<String>,
}

#[derive(Deserialize)]
struct Graph {
    #[serde(default)]
    nodes: BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(rename = "ref", alias = "pref")]
    reference: Option<String>,
    /// The recipe that was locked, of the project itself.
    path: Option<String>,
    context: Option<String>,
}

impl Cataloger for Conan {
    fn name(&self) -> &'static str {
        "conan"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Conan]
    }

    fn wants(&self) -> Wants {
        let globs = &["**/conan.lock", "**/conanfile.txt", "**/conaninfo.txt", "**/p/cache.sqlite3"];
        Wants { globs, executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        match file.path.file_name() {
            b"conan.lock" => lock(file, found),
            b"conanfile.txt" => manifest(file, found),
            b"cache.sqlite3" => cache(file, found),
            _ => information(file, found),
        }
    }
}

fn lock(file: &WantedFile<'_>, found: &mut Found) {
    let Some(lock) = document::json::<Lock>(file, found) else { return };
    let nodes = lock.graph.iter().flat_map(|graph| graph.nodes.values());
    let nodes = nodes.filter(|node| node.path.is_none()).filter_map(|node| {
        let is_tool = node.context.as_deref() == Some("build");
        Some((node.reference.as_ref()?, is_tool))
    });
    let tools = lock.build_requires.iter().chain(&lock.python_requires);
    let listed = lock.requires.iter().map(|reference| (reference, false)).chain(tools.map(|tool| (tool, true)));
    for (reference, is_development) in nodes.chain(listed) {
        let Some(reference) = Reference::parse(reference) else { continue };
        found.packages.push(Package { is_development, ..reference.package(declared, file.path) });
    }
}

/// The cache of Conan 2: one reference may have been built several times, with other settings.
fn cache(file: &WantedFile<'_>, found: &mut Found) {
    // Other programs have files of this name as well.
    if !sqlite::is_sqlite(file.bytes) {
        return;
    }
    let mut packages: BTreeSet<(String, String)> = BTreeSet::new();
    let mut broken = 0_u64;
    let outcome = sqlite::rows(file.bytes, "packages", &mut |row| match row {
        Ok(row) if packages.len() < PACKAGES => {
            let text = |column| row.text(column).map(|text| String::from_utf8_lossy(text).into_owned());
            packages.extend(text(0).map(|reference| (reference, text(1).unwrap_or_default())));
        }
        Ok(_) | Err(_) => broken += 1,
    });
    for (reference, revision) in &packages {
        let Some(mut reference) = Reference::parse(reference) else { continue };
        reference.revision = Some(revision.as_str());
        found.packages.push(reference.package(package, file.path));
    }
    match outcome {
        Ok(()) if broken == 0 => {}
        Ok(()) => document::malformed(file, format!("{broken} rows of the cache of Conan are not read"), found),
        // Nor need theirs have this table.
        Err(_) if memchr::memmem::find(file.path.as_bytes(), b".conan2/").is_none() => {}
        Err(reason) => document::malformed(file, reason, found),
    }
}

/// Sections of references, one a line.
fn manifest(file: &WantedFile<'_>, found: &mut Found) {
    let Some(text) = document::short_text(file, found) else { return };
    for (section, line) in sections(&text) {
        let is_development = match section {
            "requires" => false,
            "build_requires" | "tool_requires" | "test_requires" => true,
            _ => continue,
        };
        // A range of versions asks for no version.
        let Some(reference) = Reference::parse(line).filter(|reference| !reference.version.contains('[')) else {
            continue;
        };
        found.packages.push(Package { is_development, ..reference.package(declared, file.path) });
    }
}

/// What the folders say of a package in a cache; elsewhere, the packages that a build used.
fn information(file: &WantedFile<'_>, found: &mut Found) {
    let path = file.path.to_string();
    let mut folders = path.rsplit('/').skip(2);
    if folders.next() == Some("package") {
        let (channel, user, version, name) = (folders.next(), folders.next(), folders.next(), folders.next());
        if let (Some(name), Some(version)) = (name, version) {
            let reference = Reference {
                name,
                version,
                user: user.filter(|user| *user != "_"),
                channel: channel.filter(|channel| *channel != "_"),
                revision: None,
            };
            found.packages.push(reference.package(package, file.path));
        }
        return;
    }
    let Some(text) = document::short_text(file, found) else { return };
    let used = sections(&text).filter(|(section, _)| *section == "full_requires");
    let used = used.filter_map(|(_, line)| Reference::parse(line));
    found.packages.extend(used.map(|reference| reference.package(declared, file.path)));
}

/// The lines of a file with their sections, without comments.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        // A revision begins with `#` as well, but not after a blank.
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            return None;
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((section, line))
    })
}

/// `name/version[@user/channel][#recipe revision][%time][:package id[#package revision]]`.
struct Reference<'a> {
    name: &'a str,
    version: &'a str,
    user: Option<&'a str>,
    channel: Option<&'a str>,
    revision: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('/')?;
        let (rest, revision) = match rest.split_once('#') {
            Some((rest, revision)) => (rest, revision.split([':', '%', '#']).next()),
            None => (rest.split_once('%').map_or(rest, |(rest, _)| rest), None),
        };
        let (version, by) = rest.split_once('@').unwrap_or((rest, ""));
        // Without a user the package id stands at once after the version.
        let (version, by) = (version.split(':').next()?, by.split(':').next()?);
        let (user, channel) = by.split_once('/').unwrap_or((by, ""));
        let present = |text: &'a str| Some(text).filter(|text| !text.is_empty() && *text != "_");
        // Revisions that are switched off are all 0.
        let revision = revision.filter(|revision| *revision != "0");
        let (name, version) = (name.trim(), version.trim());
        let is_reference = !name.is_empty() && !version.is_empty();
        is_reference.then_some(Self { name, version, user: present(user), channel: present(channel), revision })
    }

    fn package(&self, make: fn(PackageKind, &str, &str, &ImagePath) -> Package, path: &ImagePath) -> Package {
        Published::default()
            .qualifier("user", self.user)
            .qualifier("channel", self.channel)
            .qualifier("rrev", self.revision)
            .of(make(PackageKind::Conan, self.name, self.version, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_form_are_read() {
        for (text, expected) in [
            ("zlib/1.2.11", Some("zlib 1.2.11 - - -")),
            ("zlib/1.2.11@", Some("zlib 1.2.11 - - -")),
            ("zlib/1.2.11@_/_", Some("zlib 1.2.11 - - -")),
            ("zlib/1.2.11#0a%1650000000.5", Some("zlib 1.2.11 - - 0a")),
            ("zlib/1.2.11%1650000000.5", Some("zlib 1.2.11 - - -")),
            ("zlib/1.2.11:cb05", Some("zlib 1.2.11 - - -")),
            ("boost/1.80.0@acme/stable:c73a", Some("boost 1.80.0 acme stable -")),
            ("boost/1.80.0@acme/stable#0a:c73a#0b", Some("boost 1.80.0 acme stable 0a")),
            ("boost/1.80.0@acme/stable#0:c73a#0", Some("boost 1.80.0 acme stable -")),
            ("boost/1.80.0@acme", Some("boost 1.80.0 acme - -")),
            ("zlib", None),
            ("/1", None),
            ("zlib/", None),
            ("", None),
        ] {
            let read = Reference::parse(text).map(|reference| {
                let or = |part: Option<&str>| part.unwrap_or("-").to_owned();
                let Reference { name, version, user, channel, revision } = reference;
                format!("{name} {version} {} {} {}", or(user), or(channel), or(revision))
            });
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
