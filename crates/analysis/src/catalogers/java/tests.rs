//! Archives damaged at random, and archives made to be costly: reading ends, within its bounds.

use proptest::prelude::*;

use super::*;

const ARCHIVES: &[&[u8]] = &[
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/catalogers/java/nested/image/big.ear")),
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/catalogers/java/nested/image/run.jar")),
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/catalogers/java/shaded/image/hadoop-client-3.3.1.jar"
    )),
];

fn read(bytes: &[u8], limits: &Limits) -> Found {
    let path = ImagePath::new(b"opt/x-1.jar").unwrap();
    let mut found = Found::default();
    Java.read(&mut WantedFile::whole(&path, bytes, limits), &mut found);
    found
}

fn kinds(found: &Found) -> Vec<&str> {
    let mut kinds: Vec<_> = found.problems.iter().map(|problem| problem.kind.as_str()).collect();
    kinds.dedup();
    kinds
}

/// A central directory line and local header for a stored or deflated member.
fn line(name: &str, method: u16, stored: u32, at: u32) -> Vec<u8> {
    let mut line = b"PK\x01\x02\0\0\0\0\0\0".to_vec();
    line.extend(method.to_le_bytes());
    line.extend([0; 8]);
    line.extend(stored.to_le_bytes());
    line.extend(u32::MAX.to_le_bytes());
    line.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    line.extend([0; 12]);
    line.extend(at.to_le_bytes());
    line.extend(name.as_bytes());
    line
}

/// An archive whose `count` members all are the same bytes.
fn overlapping(count: usize, content: &[u8], method: u16) -> Vec<u8> {
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend([0; 26]);
    archive.extend(content);
    let start = archive.len();
    for index in 0..count {
        let stored = u32::try_from(content.len()).unwrap();
        archive.extend(line(&format!("{index}.jar"), method, stored, 0));
    }
    let size = archive.len() - start;
    archive.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0");
    for number in [size, start] {
        archive.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    archive.extend([0, 0]);
    archive
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn members_that_overlap_cost_what_they_unpack_to() {
    let archive = overlapping(2000, &deflated(&vec![0; 1 << 20]), 8);
    let found = read(&archive, &Limits::default());
    assert!(kinds(&found).contains(&"limit-archive-bytes"), "{:?}", kinds(&found));
    assert_eq!(found.packages.len(), 1);
}

#[test]
fn archives_that_fan_out_stop_at_the_members_allowed() {
    let mut archive = overlapping(0, b"", 0);
    for _ in 0..7 {
        archive = overlapping(30, &archive, 0);
    }
    let found = read(&archive, &Limits { archive_entries: 5000, ..Limits::default() });
    assert!(kinds(&found).contains(&"limit-archive-entries"));
    assert!(found.packages.len() <= 5001);
    assert!(found.problems.len() <= MAX_PROBLEMS + 1);
}

#[test]
fn depth_and_memory_are_bounded() {
    let found = read(ARCHIVES[0], &Limits { archive_depth: 1, ..Limits::default() });
    assert_eq!(kinds(&found), ["limit-archive-depth", "more-problems"]);
    let found = read(ARCHIVES[0], &Limits { held_bytes: 500, ..Limits::default() });
    assert_eq!(kinds(&found), ["limit-held-bytes"]);
}

#[test]
fn what_is_stored_takes_no_memory() {
    // Both hold an archive of two thirds of what may be held.
    let padding = vec![7; 1 << 20];
    let inner = overlapping(1, &padding, 0);
    let limits = Limits { held_bytes: 3 << 19, archive_depth: 1, ..Limits::default() };
    let stored = read(&overlapping(1, &inner, 0), &limits);
    assert_eq!(kinds(&stored), ["limit-archive-depth"]);
    let packed = read(&overlapping(1, &deflated(&inner), 8), &Limits { held_bytes: 1 << 20, ..limits });
    assert_eq!(kinds(&packed), ["limit-held-bytes"]);
}

#[test]
fn memory_for_a_member_follows_what_it_unpacks_to() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    for most in [0, 1, 40_000, 300_000, 300_001, 900_000] {
        let mut read = Vec::new();
        archive::read_at_most(&mut bytes.as_slice(), most, &mut read).unwrap();
        assert_eq!(read, bytes[..bytes.len().min(most)]);
        assert!(read.capacity() <= most, "{} for {most}", read.capacity());
    }
}

#[test]
fn one_member_is_read_by_name() {
    let limits = Limits::default();
    let war = archive::member(ARCHIVES[0], "web.war", &limits).unwrap().unwrap();
    assert!(war.starts_with(b"PK"));
    assert_eq!(archive::member(ARCHIVES[0], "other", &limits), Ok(None));
    assert!(archive::member(b"text", "other", &limits).is_err());
}

#[test]
fn wide_offsets_and_sizes_are_read() {
    let pom = b"groupId=g\nartifactId=x\nversion=1\n";
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend([0; 26]);
    archive.extend(pom);
    let start = archive.len();
    let mut central = line("META-INF/maven/g/x/pom.properties", 0, u32::MAX, u32::MAX);
    // Both sizes and the offset are in the extra field.
    central[30] = 28;
    central.extend([1, 0, 24, 0]);
    for value in [pom.len() as u64, pom.len() as u64, 0] {
        central.extend(value.to_le_bytes());
    }
    archive.extend(&central);
    let end = archive.len();
    archive.extend(b"PK\x06\x06");
    archive.extend([0; 36]);
    archive.extend((central.len() as u64).to_le_bytes());
    archive.extend((start as u64).to_le_bytes());
    archive.extend(b"PK\x06\x07\0\0\0\0");
    archive.extend((end as u64).to_le_bytes());
    archive.extend([1, 0, 0, 0]);
    archive.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff");
    archive.extend([0xff; 8]);
    archive.extend([0, 0]);
    let found = read(&archive, &Limits::default());
    assert_eq!(found.problems, []);
    assert_eq!((found.packages[0].name.as_str(), found.packages[0].version.as_str()), ("x", "1"));
}

proptest! {
    #[test]
    fn damaged_archives_end(
        which in 0..ARCHIVES.len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..30),
        late in any::<bool>(),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = ARCHIVES[which].to_vec();
        for (at, value) in changes {
            // The directory lies at the end.
            let at = if late { bytes.len() - 1 - at.index(bytes.len().min(300)) } else { at.index(bytes.len()) };
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.drain(..cut.index(bytes.len()));
        }
        read(&bytes, &Limits::default());
    }

    #[test]
    fn any_texts_end(manifest in proptest::collection::vec(any::<u8>(), 0..300), stem in ".{0,20}") {
        let manifest = Manifest::parse(&manifest);
        let _ = (manifest.version(), manifest.group(&stem), manifest.names(&stem), manifest.licenses());
        let pom = Pom::parse(stem.as_bytes());
        own(&stem, &manifest, &[(String::new(), pom)]);
    }
}
