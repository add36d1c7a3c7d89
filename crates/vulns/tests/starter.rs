//! The index that ships with the program.

use std::path::{Path, PathBuf};

use killick_vulns::{Audience, BuildOptions, Index, Table, build, status};

static STARTER: &[u8] = include_bytes!("../../../data/starter.kidx");

#[test]
fn the_starter_index_is_whole_and_small() {
    let index = Index::from_static(STARTER).unwrap();
    index.verify().unwrap();
    assert!(STARTER.len() < 6 << 20, "{} bytes", STARTER.len());
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    let status = status(&index, now);
    assert!(status.statements > 100_000, "{} statements", status.statements);
    assert!(status.newest_data.is_some() && status.age_seconds.is_some());
}

#[test]
fn all_of_it_may_be_passed_on_and_is_attributed() {
    let index = Index::from_static(STARTER).unwrap();
    let notice = include_str!("../../../NOTICE");
    for (at, segment) in index.manifest().segments.iter().enumerate() {
        assert!(segment.license.may_ship(), "{}", segment.label());
        for source in segment.attribution.split("; ") {
            // The first words name the source; the licence follows after a comma.
            let words: Vec<&str> = source.split([' ', ',']).take(2).collect();
            assert!(notice.contains(&words.join(" ")), "{}: `{}` is not in NOTICE", segment.label(), words.join(" "));
        }
        let mut advisories = Vec::new();
        index.visit_keys(at, Table::Advisories, &mut |id| advisories.push(id.to_owned())).unwrap();
        for id in advisories.iter().step_by(97) {
            for advisory in index.advisories(at, id).unwrap() {
                assert!(advisory.license.may_ship(), "{id}");
            }
        }
    }
}

/// With the feeds at hand (`KILLICK_TEST_FEEDS`), a rebuild gives the same bytes.
#[test]
fn a_rebuild_gives_the_same_bytes() {
    let Some(feeds) = std::env::var_os("KILLICK_TEST_FEEDS") else { return };
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/starter.exclude");
    let exclude: Vec<String> = fs_err::read_to_string(list)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("starter");
    let options = BuildOptions { audience: Audience::Public, exclude: &exclude, ..BuildOptions::default() };
    build(&[PathBuf::from(feeds)], &out, &options).unwrap();
    assert!(fs_err::read(&out).unwrap() == STARTER);
}
