//! Portage: the package database of Gentoo and its relatives (Package Manager Specification, "VDB"; portage source,
//! `dbapi/vartree.py`).
//!
//! `var/db/pkg/CATEGORY/NAME-VERSION/` has one file for each fact. The folder says which package it is; `CONTENTS` says
//! what it owns. What was being merged when the image was made stands in folders that begin with `-MERGING-`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use regex::Regex;

use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants, package};

/// Bytes of a fact, which is a line; and of a line of `CONTENTS`.
const LINE_BYTES: usize = 16 << 10;

const MAX_FLAGS: usize = 1000;

/// Finds the packages of Portage.
pub(crate) struct Portage;

impl Cataloger for Portage {
    fn name(&self) -> &'static str {
        "portage"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Portage]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "var/db/pkg/*/*/CHOST",
                "var/db/pkg/*/*/CONTENTS",
                "var/db/pkg/*/*/LICENSE",
                "var/db/pkg/*/*/PF",
                "var/db/pkg/*/*/SIZE",
                "var/db/pkg/*/*/SLOT",
                "var/db/pkg/*/*/USE",
                "var/db/pkg/*/*/repository",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let is_list = file.path.file_name() == b"CONTENTS";
        // An empty list is one as well: of a package without files.
        found
            .pieces
            .push(if is_list { file.bytes } else { file.bytes.get(..LINE_BYTES).unwrap_or(file.bytes) }.to_vec());
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut folders: BTreeMap<&[u8], BTreeMap<&[u8], Fact<'_>>> = BTreeMap::new();
        for (path, layer, found) in image.found {
            let bytes = found.pieces.first().map(Vec::as_slice).unwrap_or_default();
            let facts = folders.entry(path.parent().unwrap_or_default()).or_default();
            facts.insert(path.file_name(), Fact { path, layer: *layer, bytes });
        }
        // A package that is built anew in the same version has its files replaced, but was there before.
        let mut before: BTreeMap<&[u8], u32> = BTreeMap::new();
        for (path, layer, _) in image.hidden {
            let lowest = before.entry(path.parent().unwrap_or_default()).or_insert(*layer);
            *lowest = (*lowest).min(*layer);
        }
        for (folder, facts) in &folders {
            let mut segments = folder.rsplit(|&byte| byte == b'/').map(String::from_utf8_lossy);
            let (full, category) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
            if full.starts_with('-') {
                continue;
            }
            let Some(first) = facts.get(b"CONTENTS".as_slice()).or_else(|| facts.values().next()) else { continue };
            let Some((name, version)) = split(&full) else {
                let message = "the folder is not named after a package and its version, skipped";
                joined.problems.push(Problem::new("malformed-database", first.path.to_string(), message));
                continue;
            };
            let mut package = package(PackageKind::Portage, &format!("{category}/{name}"), version, first.path);
            let lowest = facts.values().map(|fact| fact.layer).min().unwrap_or(first.layer);
            package.layer = before.get(folder).copied().unwrap_or(lowest).min(lowest);
            self.name().clone_into(&mut package.cataloger);
            complete(&mut package, facts);
            joined.packages.push(package);
        }
    }
}

/// One file of a package's folder.
struct Fact<'a> {
    path: &'a ImagePath,
    layer: u32,
    bytes: &'a [u8],
}

fn complete(package: &mut Package, facts: &BTreeMap<&[u8], Fact<'_>>) {
    let text = |name: &str| {
        let fact = facts.get(name.as_bytes())?;
        let text = String::from_utf8_lossy(fact.bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    // `x86_64-pc-linux-gnu`.
    package.architecture = text("CHOST").and_then(|host| Some(host.split_once('-')?.0.to_owned()));
    package.size_bytes = text("SIZE").and_then(|size| size.parse().ok());
    package.licenses = text("LICENSE").map(|expression| licenses(&expression)).unwrap_or_default();
    package.details = PackageDetails::Portage {
        slot: text("SLOT"),
        repository: text("repository"),
        use_flags: text("USE")
            .into_iter()
            .flat_map(|flags| flags.split_whitespace().take(MAX_FLAGS).map(str::to_owned).collect::<Vec<_>>())
            .collect(),
    };
    let contents = facts.get(b"CONTENTS".as_slice()).map(|fact| fact.bytes).unwrap_or_default();
    package.files = contents.split(|&byte| byte == b'\n').filter_map(owned).collect();
}

/// Name and version of a folder. A name may have dashes and digits after them, but does not end like a version.
fn split(full: &str) -> Option<(&str, &str)> {
    static VERSION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("^[0-9]+(\\.[0-9]+)*[a-z]?(_(alpha|beta|pre|rc|p)[0-9]*)*(-r[0-9]+)?$").ok());
    let version = VERSION.as_ref()?;
    let candidates = full.match_indices('-').filter_map(|(at, _)| Some((full.get(..at)?, full.get(at + 1..)?)));
    candidates.into_iter().find(|(name, rest)| !name.is_empty() && version.is_match(rest))
}

/// The licences, one by one where all hold; a choice (`|| ( A B )`) is left as it is written.
fn licenses(expression: &str) -> Vec<String> {
    let words: Vec<&str> = expression.split_whitespace().collect();
    if words.contains(&"||") {
        return vec![words.join(" ")];
    }
    words.into_iter().filter(|word| !matches!(*word, "(" | ")")).map(str::to_owned).collect()
}

/// A line of `CONTENTS`: `obj PATH MD5 TIME`, `sym PATH -> TARGET TIME`, or `dir`, `fif`, `dev` and a path.
fn owned(line: &[u8]) -> Option<OwnedFile> {
    if line.len() > LINE_BYTES {
        return None;
    }
    let (kind, rest) = line.split_at_checked(4)?;
    let cut_word = |bytes: &'_ [u8]| -> Option<(usize, usize)> {
        let at = bytes.iter().rposition(|&byte| byte == b' ')?;
        Some((at, at + 1))
    };
    let (path, digest) = match kind {
        b"obj " => {
            let (rest, _time) = rest.split_at(cut_word(rest)?.0);
            let (end, start) = cut_word(rest)?;
            let sum = rest.get(start..)?;
            let is_md5 = sum.len() == 32 && sum.iter().all(u8::is_ascii_hexdigit);
            let digest = is_md5.then(|| ("md5".to_owned(), String::from_utf8_lossy(sum).to_ascii_lowercase()));
            (rest.get(..end)?, digest)
        }
        b"sym " => (rest.get(..memchr::memmem::find(rest, b" -> ")?)?, None),
        b"dir " | b"fif " | b"dev " => (rest, None),
        _ => return None,
    };
    let path = ImagePath::new(path).filter(|path| !path.as_bytes().is_empty())?;
    // `CONFIG_PROTECT` and `CONFIG_PROTECT_MASK` as every profile has them.
    let is_config =
        kind == b"obj " && path.as_bytes().starts_with(b"etc/") && !path.as_bytes().starts_with(b"etc/env.d/");
    Some(OwnedFile { path, digest, mode: None, size: None, is_config })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_versions() {
        for (full, want) in [
            ("openssl-3.0.9-r1", Some(("openssl", "3.0.9-r1"))),
            ("font-adobe-100dpi-1.0.3", Some(("font-adobe-100dpi", "1.0.3"))),
            ("gtk+-2.24.33-r3", Some(("gtk+", "2.24.33-r3"))),
            ("foo_bar-1.2b_rc1_p20230102", Some(("foo_bar", "1.2b_rc1_p20230102"))),
            ("gentoo-sources-6.6.13", Some(("gentoo-sources", "6.6.13"))),
            ("live-9999", Some(("live", "9999"))),
            ("noversion", None),
            ("-1.0", None),
            ("bad-1.0-rc1", None),
        ] {
            assert_eq!(split(full), want, "{full}");
        }
    }

    #[test]
    fn contents() {
        let line = |line: &str| owned(line.as_bytes()).map(|file| (file.path.to_string(), file.digest, file.is_config));
        let md5 = || Some(("md5".to_owned(), "d41d8cd98f00b204e9800998ecf8427e".to_owned()));
        assert_eq!(
            line("obj /usr/share/a b/c d D41D8CD98F00B204E9800998ECF8427E 1700000000"),
            Some(("/usr/share/a b/c d".to_owned(), md5(), false))
        );
        assert_eq!(line("obj /etc/x d41d8cd98f00b204e9800998ecf8427e 1"), Some(("/etc/x".to_owned(), md5(), true)));
        assert_eq!(line("sym /usr/lib/a.so -> a.so.1 1700000000"), Some(("/usr/lib/a.so".to_owned(), None, false)));
        assert_eq!(line("dir /etc/env.d"), Some(("/etc/env.d".to_owned(), None, false)));
        for nothing in ["", "obj", "obj /x", "obj /x y", "sym /a 1", "what /x", "dir ../../x", "dir /"] {
            assert_eq!(line(nothing).filter(|(path, ..)| path != "/"), None, "{nothing}");
        }
    }

    #[test]
    fn choices_of_licences_stay_whole() {
        assert_eq!(licenses("GPL-2+ LGPL-2.1"), ["GPL-2+", "LGPL-2.1"]);
        assert_eq!(licenses("|| ( MIT  BSD )"), ["|| ( MIT BSD )"]);
        assert_eq!(licenses("( Apache-2.0 )"), ["Apache-2.0"]);
    }

    proptest! {
        #[test]
        fn any_line_ends(line in proptest::collection::vec(any::<u8>(), 0..60), full in "[a-z0-9_.r-]{0,20}") {
            let _ = owned(&line);
            let _ = owned(&[b"obj ".as_slice(), &line].concat());
            let _ = split(&full);
        }
    }
}
