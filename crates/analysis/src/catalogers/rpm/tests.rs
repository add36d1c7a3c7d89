use proptest::prelude::*;

use super::*;

/// A header of `tags`: number, type, count, data.
fn header(tags: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, bytes) in tags {
        for number in [*tag, *kind, u32::try_from(data.len()).unwrap(), *count] {
            index.extend(number.to_be_bytes());
        }
        data.extend_from_slice(bytes);
    }
    let lengths = [u32::try_from(tags.len()).unwrap(), u32::try_from(data.len()).unwrap()];
    [lengths.map(u32::to_be_bytes).concat(), index, data].concat()
}

fn bash() -> Vec<u8> {
    header(&[
        (1000, 6, 1, b"bash\0"),
        (1001, 6, 1, b"5.1.8\0"),
        (1002, 6, 1, b"6.el9\0"),
        (1003, 4, 1, &[0, 0, 0, 1]),
        (1044, 6, 1, b"bash-5.1.8-6.el9.src.rpm\0"),
        (1116, 4, 1, &[0, 0, 0, 0]),
        (1117, 8, 1, b"bash\0"),
        (1118, 8, 1, b"/usr/bin/\0"),
    ])
}

#[test]
fn a_header_is_read() {
    let package = header::package_of(&bash(), &killick_model::path::ImagePath::default()).unwrap();
    assert_eq!((package.name.as_str(), package.version.as_str()), ("bash", "1:5.1.8-6.el9"));
    assert_eq!((package.source_name(), package.source_version()), ("bash", "5.1.8-6.el9"));
    assert_eq!(package.files[0].path.as_bytes(), b"usr/bin/bash");
}

/// An ndb database of one header.
fn database() -> Vec<u8> {
    let blob = bash();
    let mut data = vec![0; 4096];
    data[..4].copy_from_slice(b"RpmP");
    data[12] = 1;
    data[32..36].copy_from_slice(b"Slot");
    data[36] = 1;
    data[40..44].copy_from_slice(&256_u32.to_le_bytes());
    data.extend(b"BlbS\x01\0\0\0\0\0\0\0");
    data.extend(u32::try_from(blob.len()).unwrap().to_le_bytes());
    data.extend(blob);
    data
}

fn read(bytes: &[u8]) -> Found {
    let (path, limits) = (killick_model::path::ImagePath::default(), crate::limits::Limits::default());
    let mut found = Found::default();
    Rpm.read(&mut WantedFile { path: &path, bytes, limits: &limits }, &mut found);
    found
}

#[test]
fn a_database_is_read_and_a_cut_one_is_a_problem() {
    let found = read(&database());
    assert_eq!((found.packages.len(), found.problems.len()), (1, 0));
    let cut = database();
    let found = read(&cut[..cut.len() - 1]);
    assert_eq!((found.packages.len(), found.problems.len()), (0, 1));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        form in 0..4_usize,
        mut bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
    ) {
        match form {
            0 => bytes.splice(..0, *b"SQLite format 3\0\x02\0\x01\x01\x00").for_each(drop),
            1 => bytes.splice(..0, *b"\0\0\0\0\0\0\0\0\0\0\0\0\x61\x15\x06\0\0\0\0\0\0\x02\0\0").for_each(drop),
            2 => bytes = database(),
            _ => {}
        }
        for (index, value) in changes {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
        }
        let _ = read(&bytes);
        let _ = header::package_of(&bytes, &killick_model::path::ImagePath::default());
    }
}
