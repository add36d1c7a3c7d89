//! Packages of Erlang and Elixir: `rebar.lock`, `mix.lock`, and the `hex_metadata.config` of packages that were
//! fetched.
//!
//! Formats: rebar3 documentation, "Dependencies", section "Lock Files" and its `rebar_config.erl` (a bare list at
//! first, then `{Version, Locks}` with checksums in a second term); Mix documentation, `mix deps`, and Hex's
//! `Hex.Utils.lock/1` (later elements of a tuple came one by one); Hex specifications, "Package metadata".

use std::collections::HashMap;

use killick_model::package::PackageKind;

use self::term::Term;
use super::published::{Published, repository};
use super::{Cataloger, Found, WantedFile, Wants, declared, document, package};

pub(super) mod term;

/// Finds Hex packages.
pub(super) struct Hex;

impl Cataloger for Hex {
    fn name(&self) -> &'static str {
        "hex"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Hex]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/rebar.lock", "**/mix.lock", "**/hex_metadata.config"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(text) = document::short_text(file, found) else { return };
        let is_mix = file.path.file_name() == b"mix.lock";
        let terms = if is_mix { term::elixir(&text) } else { term::erlang(&text) };
        let terms = match terms {
            Ok(terms) => terms,
            Err(error) => {
                let language = if is_mix { "Elixir" } else { "Erlang" };
                return document::malformed(file, format!("not the {language} terms it should be: {error}"), found);
            }
        };
        match file.path.file_name() {
            b"mix.lock" => mix(&terms, file, found),
            b"rebar.lock" => rebar(&terms, file, found),
            _ => fetched(terms, file, found),
        }
    }
}

/// One map of name to `{:hex, package, version, checksum, managers, dependencies, repository, outer checksum}` or to
/// `{:git, url, revision, options}`.
fn mix(terms: &[Term], file: &WantedFile<'_>, found: &mut Found) {
    for entry in terms.iter().flat_map(Term::list) {
        let [name, lock] = entry.tuple() else { continue };
        let lock = lock.tuple();
        let text = |at: usize| lock.get(at).and_then(Term::text);
        match (text(0), name.text(), text(1), text(2)) {
            (Some("hex"), _, Some(name), Some(version)) => {
                let repository = lock.get(6).and_then(Term::string);
                // `hexpm:acme` is an organisation of the public registry; anything else another registry.
                let organisation = repository.and_then(|name| name.strip_prefix("hexpm:"));
                let other = repository.filter(|name| *name != "hexpm" && organisation.is_none());
                let published = Published::default()
                    .namespace(organisation)
                    .qualifier("repository", other)
                    .checksum("sha256", lock.get(7).and_then(Term::string));
                found.packages.push(published.of(declared(PackageKind::Hex, name, version, file.path)));
            }
            (Some(system @ ("git" | "hg")), Some(name), Some(url), Some(revision)) => {
                let mut package = declared(PackageKind::Hex, name, revision, file.path);
                package.fetched_from = repository(system, url, Some(revision));
                found.packages.push(package);
            }
            _ => {}
        }
    }
}

/// A list of `{Name, Source, Level}`, alone or in a tuple with the format's version.
fn rebar(terms: &[Term], file: &WantedFile<'_>, found: &mut Found) {
    let locks = match terms.first() {
        Some(Term::Tuple(versioned)) => versioned.get(1).map_or(&[][..], Term::list),
        Some(bare) => bare.list(),
        None => &[],
    };
    // Of the fetched archive; `pkg_hash` is of what is inside it.
    let checksums = terms.get(1).and_then(|section| section.value("pkg_hash_ext")).map_or(&[][..], Term::list);
    let checksums: HashMap<&str, &str> = checksums
        .iter()
        .filter_map(|pair| match pair.tuple() {
            [name, checksum] => Some((name.text()?, checksum.text()?)),
            _ => None,
        })
        .collect();
    for lock in locks {
        let [name, source, ..] = lock.tuple() else { continue };
        let (Some(name), [system, source @ ..]) = (name.text(), source.tuple()) else { continue };
        match (system.text(), source) {
            // The name a package is published under need not be that of its application.
            (Some("pkg"), [published_name, version, ..]) => {
                let (Some(published_name), Some(version)) = (published_name.text(), version.text()) else { continue };
                let published = Published::default().checksum("sha256", checksums.get(name).copied());
                found.packages.push(published.of(declared(PackageKind::Hex, published_name, version, file.path)));
            }
            (Some(system @ ("git" | "git_subdir" | "hg")), [url, reference, ..]) => {
                let (Some(url), [_, revision]) = (url.text(), reference.tuple()) else { continue };
                let Some(revision) = revision.text() else { continue };
                let mut package = declared(PackageKind::Hex, name, revision, file.path);
                package.fetched_from = repository(system.trim_end_matches("_subdir"), url, Some(revision));
                found.packages.push(package);
            }
            _ => {}
        }
    }
}

/// The metadata that Hex leaves in the folder of a package it fetched: one pair after the other.
fn fetched(terms: Vec<Term>, file: &WantedFile<'_>, found: &mut Found) {
    let metadata = Term::List(terms);
    let text = |key: &str| metadata.value(key).and_then(Term::text);
    let (Some(name), Some(version)) = (text("name"), text("version")) else {
        return document::malformed(file, "Hex metadata without name or version", found);
    };
    let mut package = package(PackageKind::Hex, name, version, file.path);
    let licenses = metadata.value("licenses").map_or(&[][..], Term::list);
    package.licenses = licenses.iter().filter_map(Term::text).map(str::to_owned).collect();
    found.packages.push(package);
}
