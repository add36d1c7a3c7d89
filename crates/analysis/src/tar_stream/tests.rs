//! Archives as engines read them.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut stream = TarStream::new(bytes.as_slice());
        while let Ok(Some(_)) = stream.next_entry(100) {}
    }
}

/// One header with a right checksum.
fn header(flag: u8, size: u64, edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path("name").unwrap();
    header.set_size(size);
    header.set_entry_type(tar::EntryType::new(flag));
    edit(&mut header);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    content.resize(content.len().next_multiple_of(BLOCK), 0);
    content
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    extended(b'x', records)
}

fn extended(flag: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (1..5).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length);
        text += &format!("{} {key}={value}\n", length.unwrap());
    }
    [header(flag, text.len() as u64, |_| ()), padded(text.as_bytes())].concat()
}

/// Path, size, holes and content of the only entry.
fn read(archive: &[Vec<u8>]) -> Result<(String, u64, u64, Vec<u8>), ReadError> {
    let archive = archive.concat();
    let mut stream = TarStream::new(archive.as_slice());
    let entry = stream.next_entry(10)?.expect("there is an entry");
    let mut content = Vec::new();
    loop {
        let chunk = stream.chunk()?;
        let count = chunk.len();
        if count == 0 {
            break;
        }
        content.extend_from_slice(chunk);
        stream.consume(count);
        assert!(content.len() < 1 << 20, "the content has an end");
    }
    assert!(stream.next_entry(10)?.is_none());
    Ok((String::from_utf8(entry.path).unwrap(), entry.size, entry.holes, content))
}

fn number_field(field: &mut [u8; 12], number: u64) {
    field.copy_from_slice(format!("{number:011o}\0").as_bytes());
}

fn gnu(size: u64, regions: &[(u64, u64)], content: &[u8]) -> Vec<Vec<u8>> {
    let (first, rest) = regions.split_at(regions.len().min(4));
    let mut archive = vec![header(b'S', content.len() as u64, |header| {
        let gnu = header.as_gnu_mut().unwrap();
        number_field(&mut gnu.realsize, size);
        gnu.isextended[0] = u8::from(!rest.is_empty());
        for (entry, (offset, length)) in gnu.sparse.iter_mut().zip(first) {
            number_field(&mut entry.offset, *offset);
            number_field(&mut entry.numbytes, *length);
        }
    })];
    let blocks = rest.chunks(21);
    for (number, regions) in (1..).zip(blocks.clone()) {
        let mut block = GnuExtSparseHeader::new();
        block.isextended[0] = u8::from(number < blocks.len());
        for (entry, (offset, length)) in block.sparse.iter_mut().zip(regions) {
            number_field(&mut entry.offset, *offset);
            number_field(&mut entry.numbytes, *length);
        }
        archive.push(block.as_bytes().to_vec());
    }
    archive.push(padded(content));
    archive
}

#[test]
fn files_with_holes_are_given_whole() {
    let want = ("s".to_owned(), 10, 6, b"\0\0ab\0\0\0c\0d".to_vec());
    for archive in [
        vec![
            pax(&[
                ("GNU.sparse.size", "10"),
                ("GNU.sparse.numblocks", "3"),
                ("GNU.sparse.offset", "2"),
                ("GNU.sparse.numbytes", "2"),
                ("GNU.sparse.offset", "7"),
                ("GNU.sparse.numbytes", "1"),
                ("GNU.sparse.offset", "9"),
                ("GNU.sparse.numbytes", "1"),
                ("path", "s"),
            ]),
            header(b'0', 4, |_| ()),
            padded(b"abcd"),
        ],
        vec![
            pax(&[("GNU.sparse.name", "s"), ("GNU.sparse.size", "10"), ("GNU.sparse.map", "2,2,7,1,9,1")]),
            header(b'0', 4, |_| ()),
            padded(b"abcd"),
        ],
        vec![
            pax(&[
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", "s"),
                ("path", "GNUSparseFile.0/s"),
                ("GNU.sparse.realsize", "10"),
            ]),
            header(b'0', 516, |_| ()),
            padded(b"3\n2\n2\n7\n1\n9\n1\n"),
            padded(b"abcd"),
        ],
    ] {
        assert_eq!(read(&archive).unwrap(), want);
    }
    let regions: Vec<(u64, u64)> = (0..60).map(|at| (at * 1000, 1)).collect();
    let (_, size, holes, content) = read(&gnu(60_000, &regions, &[b'x'; 60])).unwrap();
    assert_eq!((size, holes), (60_000, 59_940));
    assert!(content.iter().enumerate().all(|(at, byte)| *byte == if at % 1000 == 0 { b'x' } else { 0 }));
}

#[test]
fn impossible_maps_are_refused() {
    let map = |map: &str, size: &str| {
        let records = pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)]);
        vec![records, header(b'0', 1, |_| ()), padded(b"a")]
    };
    let leading = |text: &[u8]| {
        let records = pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")]);
        vec![records, header(b'0', 513, |_| ()), padded(text), padded(b"a")]
    };
    for archive in [
        gnu(3, &[(2, 2)], b"ab"),
        gnu(9, &[(4, 1), (2, 1)], b"ab"),
        gnu(9, &[(4, 1)], b"ab"),
        map("2,1,3", "9"),
        map("10,1", "9"),
        map("0,1", "9223372036854775808"),
        leading(b"99999999\n"),
        leading(b"1\n0\nx\n"),
        leading(b"1\n"),
        leading(b"\n"),
    ] {
        assert!(matches!(read(&archive), Err(ReadError::Tar(_))), "{:?}", String::from_utf8_lossy(&archive.concat()));
    }
    // A claim costs nothing until it is read.
    let archive = map("0,1", "9223372036854775807").concat();
    let mut stream = TarStream::new(archive.as_slice());
    assert_eq!(stream.next_entry(10).unwrap().unwrap().holes, i64::MAX as u64 - 1);
    assert!(stream.next_entry(10).unwrap().is_none());
}

/// A header of GNU's own for a long name.
fn long(flag: u8, name: &str) -> Vec<u8> {
    [header(flag, name.len() as u64 + 1, |_| ()), padded(format!("{name}\0").as_bytes())].concat()
}

#[test]
fn headers_before_headers_count_as_in_go() {
    let file = || header(b'0', 0, |_| ());
    for (about, archive, want) in [
        (
            "a later header replaces an earlier one",
            vec![pax(&[("path", "a")]), pax(&[("comment", "c")]), file()],
            "name",
        ),
        ("a long name precedes a later record", vec![long(b'L', "a"), pax(&[("path", "b")]), file()], "a"),
        ("a long name precedes an earlier record", vec![pax(&[("path", "b")]), long(b'L', "a"), file()], "a"),
        (
            "a long name outlives headers",
            vec![long(b'L', "a"), pax(&[("path", "b")]), pax(&[("uid", "1")]), file()],
            "a",
        ),
        ("an empty long name is none", vec![long(b'L', "a"), long(b'L', ""), pax(&[("path", "b")]), file()], "b"),
        ("an empty record takes back", vec![pax(&[("path", "b"), ("path", "")]), file()], "name"),
        ("a global header names nothing", vec![extended(b'g', &[("path", "a")]), file()], "name"),
        (
            "a global header ends what was pending",
            vec![pax(&[("path", "a")]), long(b'L', "b"), extended(b'g', &[("comment", "c")]), file()],
            "name",
        ),
        (
            "a record for holes precedes a long name",
            vec![long(b'L', "a"), pax(&[("GNU.sparse.name", "s"), ("GNU.sparse.map", "0,0")]), file()],
            "s",
        ),
        (
            "empty records for holes are none",
            vec![pax(&[("GNU.sparse.major", ""), ("GNU.sparse.name", "s"), ("GNU.sparse.map", "0,0")]), file()],
            "s",
        ),
        ("no map, no holes", vec![pax(&[("GNU.sparse.name", "s"), ("GNU.sparse.map", "")]), file()], "name"),
    ] {
        let (path, ..) = read(&archive).unwrap();
        assert_eq!(path, want, "{about}");
    }
    let archive = [long(b'K', "a"), pax(&[("linkpath", "b")]), header(b'2', 0, |_| ())].concat();
    assert_eq!(TarStream::new(archive.as_slice()).next_entry(10).unwrap().unwrap().link, b"a");
    // What is malformed is so wherever it stands.
    assert!(matches!(read(&[extended(b'g', &[("", "")]), file()]), Err(ReadError::Tar(_))));
}

#[test]
fn the_name_of_a_file_with_holes_makes_no_directory() {
    let archive = [pax(&[("GNU.sparse.name", "s/"), ("GNU.sparse.map", "0,0")]), header(0, 0, |_| ())].concat();
    assert_eq!(TarStream::new(archive.as_slice()).next_entry(10).unwrap().unwrap().entry_type, EntryType::File);
}

#[test]
fn extended_headers_have_as_many_bytes_as_engines_read() {
    let long = |flag: u8, size: u64| [header(flag, size, |_| ()), padded(&vec![b'a'; usize::try_from(size).unwrap()])];
    for flag in *b"xgLK" {
        let outcome = read(&[long(flag, HEADER_BYTES + 1).concat(), header(b'0', 0, |_| ())]);
        let Err(ReadError::Tar(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.to_string(), "an extended header has more than 1048576 bytes, at byte 0");
    }
    let (path, ..) = read(&[long(b'L', HEADER_BYTES).concat(), header(b'0', 0, |_| ())]).unwrap();
    assert_eq!(path.len() as u64, HEADER_BYTES);
}
