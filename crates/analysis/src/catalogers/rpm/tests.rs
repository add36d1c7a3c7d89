//! Databases damaged at random: whatever the bytes, reading ends and does not panic.

use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

macro_rules! testdata {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/catalogers/rpm/", $name))
    };
}
const DATABASES: &[(&str, &[u8])] = &[
    ("var/lib/rpm/rpmdb.sqlite", testdata!("sqlite/image/var/lib/rpm/rpmdb.sqlite")),
    ("usr/lib/sysimage/rpm/Packages.db", testdata!("ndb/image/usr/lib/sysimage/rpm/Packages.db")),
    ("var/lib/rpm/Packages", testdata!("bdb/image/var/lib/rpm/Packages")),
    ("var/lib/rpm/Packages", testdata!("bdb-big-endian/image/var/lib/rpm/Packages")),
];

fn read(path: &str, bytes: &[u8]) -> Found {
    let path = ImagePath::new(path.as_bytes()).unwrap();
    let mut found = Found::default();
    Rpm.read(&mut WantedFile::whole(&path, bytes, &Limits::default()), &mut found);
    found
}

#[test]
fn every_format_says_the_same() {
    let names = |found: &Found| {
        let mut names: Vec<_> =
            found.packages.iter().map(|package| (package.name.clone(), package.files.len())).collect();
        names.sort();
        names
    };
    let wanted = names(&read(DATABASES[0].0, DATABASES[0].1));
    assert_eq!(wanted.len(), 4);
    for (path, bytes) in DATABASES {
        let found = read(path, bytes);
        assert_eq!(names(&found), wanted);
        assert_eq!(found.problems, []);
    }
}

#[test]
fn a_folder_repeated_for_every_name_stays_within_the_path_limit() {
    // One folder of 4000 bytes and many short names would be thousandfold in memory.
    let folder = [vec![b'd'; 5000], vec![0]].concat();
    let names = b"a\0".repeat(50_000);
    let indexes = vec![0_u8; 4 * 50_000];
    let mut store = b"n\0v\0r\0\0\0".to_vec();
    let mut index = Vec::new();
    let number = |value: usize| u32::try_from(value).unwrap();
    let mut entry = |tag: u32, kind: u32, offset: usize, count: usize| {
        for number in [tag, kind, number(offset), number(count)] {
            index.extend_from_slice(&number.to_be_bytes());
        }
    };
    entry(1000, 6, 0, 1);
    entry(1001, 6, 2, 1);
    entry(1002, 6, 4, 1);
    for (tag, kind, count, values) in [(1116, 4, 50_000, &indexes), (1117, 8, 50_000, &names), (1118, 8, 1, &folder)] {
        entry(tag, kind, store.len(), count);
        store.extend_from_slice(values);
    }
    let lengths = [number(index.len() / 16), number(store.len())].map(u32::to_be_bytes).concat();
    let bytes = [lengths, index, store].concat();
    let mut budget = header::FileBudget { files: MAX_FILES, bytes: MAX_FILE_BYTES, dropped: 0 };
    let package = header::read(&bytes, &ImagePath::default(), &Limits::default(), &mut budget).unwrap();
    assert!(package.files.is_empty());
    assert_eq!(budget.dropped, 50_000);
}

proptest! {
    #[test]
    fn damaged_databases_end(
        which in 0..DATABASES.len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..40),
        early in any::<bool>(),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let (path, bytes) = DATABASES[which];
        let mut bytes = bytes.to_vec();
        for (at, value) in changes {
            // The beginnings of pages are where the structure is.
            let at = at.index(bytes.len());
            let at = if early { at - at % 512 + at % 40 } else { at };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read(path, &bytes);
    }

    #[test]
    fn any_bytes_after_the_magic_end(which in 0..DATABASES.len(), rest in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let (path, bytes) = DATABASES[which];
        let mut bytes = bytes[..40].to_vec();
        bytes.extend(rest);
        read(path, &bytes);
    }

    #[test]
    fn any_header_ends(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut budget = header::FileBudget { files: MAX_FILES, bytes: MAX_FILE_BYTES, dropped: 0 };
        let _ = header::read(&bytes, &ImagePath::default(), &Limits::default(), &mut budget);
    }
}
