//! The large comparison tables of others, where `KILLICK_TEST_FEEDS` says they are.

use std::io::Read as _;

use super::*;

/// Files of `vectors/third-party.tar.zst`, the scheme each is about, and how many lines disagree for a known reason:
/// Maven of before 3.8 read a qualifier behind a dot differently, the Composer lists were made without normalising
/// versions first, and `1-` has an empty release to some and none to us.
const FILES: [(&str, Scheme, usize); 20] = [
    ("apk-tools/version.data", Scheme::Apk, 0),
    ("semantic/alpine-versions-generated.txt", Scheme::Apk, 0),
    ("semantic/alpine-versions.txt", Scheme::Apk, 0),
    ("semantic/cran-versions-generated.txt", Scheme::Cran, 0),
    ("semantic/cran-versions.txt", Scheme::Cran, 0),
    ("semantic/debian-versions-generated.txt", Scheme::Dpkg, 0),
    ("semantic/debian-versions.txt", Scheme::Dpkg, 0),
    ("semantic/hackage-versions.txt", Scheme::Pvp, 0),
    ("semantic/maven-versions-generated.txt", Scheme::Maven, 21),
    ("semantic/maven-versions.txt", Scheme::Maven, 0),
    ("semantic/nuget-versions.txt", Scheme::Nuget, 0),
    ("semantic/packagist-versions-generated.txt", Scheme::Composer, 10),
    ("semantic/packagist-versions.txt", Scheme::Composer, 1),
    ("semantic/pub-versions.txt", Scheme::Pub, 0),
    ("semantic/pypi-versions-generated.txt", Scheme::Pep440, 0),
    ("semantic/pypi-versions.txt", Scheme::Pep440, 0),
    ("semantic/redhat-versions.txt", Scheme::Rpm, 2),
    ("semantic/rubygems-versions-generated.txt", Scheme::RubyGems, 0),
    ("semantic/rubygems-versions.txt", Scheme::RubyGems, 0),
    ("semantic/semver-versions.txt", Scheme::Semver, 0),
];

#[test]
fn third_party_tables() {
    let Some(folder) = std::env::var_os("KILLICK_TEST_FEEDS") else { return };
    let path = std::path::Path::new(&folder).join("vectors/third-party.tar.zst");
    let file = std::fs::OpenOptions::new()
        .read(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("a zstd stream"));
    let mut failures = Vec::new();
    for entry in archive.entries().expect("a tar archive") {
        let mut entry = entry.expect("a tar entry");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        let Some((_, scheme, known)) = FILES.iter().find(|(file, ..)| name.ends_with(file)) else { continue };
        let mut table = String::new();
        entry.read_to_string(&mut table).expect("text");
        let mut wrong = Vec::new();
        for line in table.lines().filter(|line| !line.trim_start().starts_with(['/', '#'])) {
            let Some((a, Some(want), b)) = parse_line(line) else { continue };
            // A refusal is no wrong answer: the lists hold texts that are no versions.
            if compare(*scheme, a, b).is_some_and(|order| order != want) {
                wrong.push(line);
            }
        }
        if wrong.len() > *known {
            failures.push(format!("{name}: {wrong:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
