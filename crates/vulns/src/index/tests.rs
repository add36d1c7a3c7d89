use std::path::Path;

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Instant, Level, License, StatedFix, Statement, Verdict,
};
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use proptest::prelude::*;

use super::records::Records;
use super::write::write_file;
use super::{Coverage, Index, IndexError, Segment, Table};

fn segment(namespace: &str) -> Segment {
    Segment {
        provider: "test".to_owned(),
        namespace: namespace.to_owned(),
        ecosystem: namespace.to_owned(),
        coverage: Coverage::Full,
        license: License::Public,
        attribution: "nobody".to_owned(),
        data_instant: Some(Instant(1_700_000_000)),
        advisories: 0,
        statements: 0,
        skipped: 0,
        inputs: vec![("a.json".to_owned(), [7; 32])],
        digest: [0; 32],
        offset: 0,
        blocks_bytes: 0,
        directory_bytes: 0,
    }
}

fn statement(id: &str, name: &str, fixed: &str) -> Statement {
    Statement {
        advisory: id.to_owned(),
        name: name.to_owned(),
        level: Level::Source,
        versions: Range::new(Scheme::Dpkg, vec![Interval::before(fixed)], Vec::new()),
        verdict: Verdict::Affected,
        fix: StatedFix::default(),
        qualifiers: Vec::new(),
        severity: None,
        known_since: Instant(0),
    }
}

fn advisory(id: &str, alias: &str) -> Advisory {
    Advisory {
        id: id.to_owned(),
        aliases: vec![alias.to_owned()],
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: AdvisoryStatus::Active,
        published: None,
        modified: Some(Instant(5)),
        ratings: Vec::new(),
        cwes: vec![79],
        url: None,
        license: License::Public,
        known_since: Instant(0),
    }
}

/// Enough records for several blocks.
fn records(count: u32, order: impl Fn(u32) -> u32, fixed: &str) -> Records {
    let mut records = Records::default();
    for at in 0..count {
        let at = order(at);
        records.statement(&format!("package-{}", at / 2), &statement(&format!("CVE-2024-{at}"), "p", fixed));
        records.advisory(&advisory(&format!("CVE-2024-{at}"), &format!("GHSA-{at}")));
    }
    records
}

fn write(out: &Path, built: i64, records: Records, previous: Option<&Index>) -> Vec<u8> {
    let mut info = segment("debian:12");
    let bytes = records.finish(&mut info, Instant(built), previous).unwrap();
    write_file(out, Instant(built), vec![(info, bytes)]).unwrap();
    fs_err::read(out).unwrap()
}

#[test]
fn what_is_written_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("index");
    let bytes = write(&out, 9, records(3_000, |at| at, "1.0"), None);
    for index in [Index::open(&out).unwrap(), Index::from_static(bytes.leak()).unwrap()] {
        let found = index.statements(0, "package-700").unwrap();
        let ids: Vec<&str> = found.iter().map(|statement| statement.advisory.as_str()).collect();
        assert_eq!(ids, ["CVE-2024-1400", "CVE-2024-1401"]);
        assert_eq!(found[0].known_since, Instant(9), "dated by the build");
        assert_eq!(index.aliases(0, "GHSA-1401").unwrap(), ["CVE-2024-1401"]);
        assert_eq!(index.names(0, "CVE-2024-1401").unwrap(), ["package-700"]);
        assert_eq!(index.advisories(0, "CVE-2024-2").unwrap()[0].cwes, [79]);
        for missing in ["", "package", "package-7000", "zzz"] {
            assert!(index.statements(0, missing).unwrap().is_empty(), "{missing}");
        }
        assert!(index.statements(1, "package-1").unwrap().is_empty(), "no such segment");
        assert!(index.cpes(0, "p").unwrap().is_empty(), "no such table");
        let info = &index.manifest().segments[0];
        assert_eq!((info.statements, info.advisories), (3_000, 3_000));
        let mut keys = Vec::new();
        index.visit_keys(0, Table::Packages, &mut |key| keys.push(key.to_owned())).unwrap();
        assert!(keys.len() == 1_500 && keys.is_sorted());
        index.verify().unwrap();
    }
}

#[test]
fn the_same_records_give_the_same_bytes_and_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("index");
    let forward = write(&out, 9, records(2_000, |at| at, "1.0"), None);
    let backward = write(&out, 9, records(2_000, |at| 1_999 - at, "1.0"), None);
    assert!(forward == backward);
}

#[test]
fn a_rebuild_remembers_since_when_a_record_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    write(&old, 100, records(10, |at| at, "1.0"), None);
    let old = Index::open(&old).unwrap();
    let mut changed = records(10, |at| at, "1.0");
    changed.statement("package-0", &statement("CVE-2025-1", "p", "2.0"));
    write(&new, 200, changed, Some(&old));
    let new = Index::open(&new).unwrap();
    let since: Vec<(String, i64)> = new
        .statements(0, "package-0")
        .unwrap()
        .into_iter()
        .map(|statement| (statement.advisory, statement.known_since.0))
        .collect();
    let expected = [("CVE-2024-0", 100), ("CVE-2024-1", 100), ("CVE-2025-1", 200)];
    assert_eq!(since, expected.map(|(id, instant)| (id.to_owned(), instant)));
    assert_eq!(new.advisories(0, "CVE-2024-3").unwrap()[0].known_since, Instant(100));
}

#[test]
fn an_unchanged_segment_keeps_its_name_across_builds() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    write(&old, 100, records(10, |at| at, "1.0"), None);
    let old = Index::open(&old).unwrap();
    write(&new, 200, records(10, |at| at, "1.0"), Some(&old));
    let new = Index::open(&new).unwrap();
    assert_eq!(old.manifest().segments[0].digest, new.manifest().segments[0].digest);
    assert_ne!(old.manifest().built, new.manifest().built);
}

/// So that little need be fetched for a little change.
#[test]
fn a_new_entry_leaves_other_blocks_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    write(&old, 100, records(20_000, |at| at, "1.0"), None);
    let old = Index::open(&old).unwrap();
    for name in ["a-first-package", "package-5000x", "zz-last-package"] {
        let mut changed = records(20_000, |at| at, "1.0");
        changed.statement(name, &statement("CVE-2025-1", "p", "2.0"));
        write(&new, 100, changed, None);
        let new = Index::open(&new).unwrap();
        let (before, after) = (old.blocks(0).unwrap(), new.blocks(0).unwrap());
        let lacking = after.keys().filter(|digest| !before.contains_key(*digest)).count();
        assert!(after.len() > 20 && (1..=2).contains(&lacking), "{name}: {lacking} of {}", after.len());
    }
}

#[test]
fn segments_are_left_out_without_being_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("index");
    let parts = ["debian:11", "debian:12", "debian:13"].map(|name| {
        let mut info = segment(name);
        let bytes = records(300, |at| at, name).finish(&mut info, Instant(9), None).unwrap();
        (info, bytes)
    });
    write_file(&out, Instant(9), parts.to_vec()).unwrap();
    let all = Index::open(&out).unwrap();
    let some = all.extract(|segment| segment.namespace != "debian:12").unwrap();
    some.verify().unwrap();
    let names: Vec<&str> = some.manifest().segments.iter().map(|segment| segment.namespace.as_str()).collect();
    assert_eq!(names, ["debian:11", "debian:13"]);
    assert_eq!(some.manifest().built, Instant(9));
    assert_eq!(some.statements(1, "package-7").unwrap(), all.statements(2, "package-7").unwrap());
    // It is what would have been built of these alone.
    let [first, _, last] = parts;
    write_file(&out, Instant(9), vec![first, last]).unwrap();
    let built = fs_err::read(&out).unwrap();
    assert!(some.bytes(0..built.len() as u64).unwrap() == built);
    assert!(all.extract(|_| false).unwrap().manifest().segments.is_empty());
}

#[test]
fn every_flipped_byte_is_found_on_first_touch() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("index");
    let good = write(&out, 9, records(300, |at| at, "1.0"), None);
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs_err::write(&out, &bad).unwrap();
        let outcome = Index::open(&out).and_then(|index| index.verify());
        // The version in the trailer is there for people; the one in the header counts.
        let ignored = (good.len() - 12..good.len() - 8).contains(&at);
        assert!(outcome.is_err() || ignored, "byte {at} of {}", good.len());
    }
}

#[test]
fn corruption_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("index");
    let mut bytes = write(&out, 9, records(300, |at| at, "1.0"), None);
    bytes[40] ^= 1;
    fs_err::write(&out, &bytes).unwrap();
    let index = Index::open(&out).unwrap();
    let error = index.statements(0, "package-1").unwrap_err().to_string();
    assert!(error.contains("corrupt index") && error.contains("block 0: wrong checksum"), "{error}");
    assert!(error.contains("test/debian:12"), "{error}");

    fs_err::write(&out, b"PK\x03\x04").unwrap();
    assert!(matches!(Index::open(&out), Err(IndexError::NotAnIndex { .. })));
    bytes[8] = 99;
    fs_err::write(&out, &bytes).unwrap();
    assert!(matches!(Index::open(&out), Err(IndexError::Format { found: 99, .. })));
    bytes.truncate(bytes.len() - 1);
    bytes[8] = u8::try_from(super::FORMAT).unwrap();
    fs_err::write(&out, &bytes).unwrap();
    assert!(matches!(Index::open(&out), Err(IndexError::Corrupt { .. })), "cut off");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the bytes of a block are, reading its entries ends.
    #[test]
    fn entries_of_any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(super::Entries::new(&bytes).count() <= bytes.len());
    }

    /// Whatever the bytes are, decoding them as records gives an error or records, within reason.
    #[test]
    fn records_of_any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = super::decode::<Statement>(&bytes);
        let _ = super::decode::<Advisory>(&bytes);
        let _ = postcard::from_bytes::<super::Manifest>(&bytes);
        let _ = postcard::from_bytes::<super::Directory>(&bytes);
    }

    /// A manifest with true checksums and hostile numbers is refused or answers, but never panics.
    #[test]
    fn hostile_numbers_are_refused(offset in any::<u64>(), blocks in any::<u64>(), directory in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("index");
        let mut info = segment("debian:12");
        let bytes = records(4, |at| at, "1.0").finish(&mut info, Instant(1), None).unwrap();
        let manifest = super::Manifest { built: Instant(1), segments: vec![Segment {
            offset, blocks_bytes: blocks, directory_bytes: directory, ..info
        }] };
        super::write::write_raw(&out, &bytes, &manifest);
        prop_assert!(Index::open(&out).unwrap().statements(0, "package-1").is_err());
    }
}
