use std::io::{self, Read as _};

use killick_model::listing::ListedKind;
use proptest::prelude::*;

use super::*;

/// Reads a list of a layer whose files end at byte 100. `D` is a digest, `E` that of nothing.
fn list(format: Format, text: &str) -> Result<Table, String> {
    let text = text
        .replace("\"D\"", &format!("\"{}\"", Digest::of(b"x")))
        .replace("\"E\"", &format!("\"{}\"", Digest::of(b"")));
    read(text.as_bytes(), format, 100, &Limits::default()).map_err(|error| error.0)
}

/// The same of these entries.
fn entries(format: Format, text: &str) -> Result<Table, String> {
    list(format, &format!(r#"{{"version":1,"entries":[{text}]}}"#))
}

#[test]
fn entries_say_what_headers_would() {
    let text = r#"
        {"type":"dir","name":"a/","mode":16877,"uid":7,"gid":8,"modtime":"2024-01-02T03:04:05Z","NumLink":0},
        {"type":"reg","name":"a/\u00fc\u003cb\u003e","mode":33261,"size":3,"digest":"D","offset":10,"xattrs":{"a":"YQ=="}},
        {"type":"reg","name":"empty","mode":2541},
        {"type":"symlink","name":"s","linkName":"../t","mode":41471},
        {"type":"hardlink","name":"h","linkName":"a/b","size":9},
        {"type":"char","name":"c","devMajor":1,"devMinor":3},{"type":"block","name":"d"},{"type":"fifo","name":"e"}"#;
    let table = entries(Format::Estargz, text).unwrap();
    let shown: Vec<String> = table
        .entries()
        .iter()
        .map(|entry| {
            let (path, link) = (String::from_utf8_lossy(&entry.path), String::from_utf8_lossy(&entry.link));
            format!("{:?} {path} {link} {:o} {}:{} {}", entry.kind, entry.mode, entry.uid, entry.gid, entry.size)
        })
        .collect();
    let want = [
        "Directory a/  755 7:8 0",
        "File a/ü<b>  755 0:0 3",
        "File empty  4755 0:0 0",
        "Symlink s ../t 777 0:0 0",
        "HardLink h a/b 0 0:0 0",
        "CharacterDevice c  0 0:0 0",
        "BlockDevice d  0 0:0 0",
        "Fifo e  0 0:0 0",
    ];
    assert_eq!(shown, want);
    assert_eq!(table.entries()[2].sha256, *Digest::of(b"").as_bytes());
    // Eight headers and one block of content.
    assert_eq!(table.unpacked_bytes(), 9 * 512);
}

/// First, end, inner and size of the pieces of all entries.
fn pieces(table: &Table) -> Vec<(u64, u64, u64, u64)> {
    let numbers = 0..u32::try_from(table.entries().len()).unwrap();
    let all = numbers.flat_map(|number| table.pieces(number));
    all.map(|piece| (piece.first, piece.end, piece.inner, piece.size)).collect()
}

#[test]
fn pieces_lie_where_the_chunks_do() {
    let text = r#"
        {"type":"reg","name":"a","size":10,"digest":"D","offset":5,"chunkSize":4,"chunkDigest":"D"},
        {"type":"chunk","name":"a","offset":20,"chunkOffset":4,"chunkSize":4,"chunkDigest":"D"},
        {"type":"chunk","offset":30,"chunkOffset":8,"chunkDigest":"D"},
        {"type":"reg","name":"b","size":7,"digest":"D","offset":30,"innerOffset":600,"chunkDigest":"D"},
        {"type":"reg","name":"c","size":1,"digest":"D","offset":90}"#;
    let table = entries(Format::Estargz, text).unwrap();
    assert_eq!(pieces(&table), [(5, 20, 0, 4), (20, 30, 0, 4), (30, 90, 0, 2), (30, 90, 600, 7), (90, 100, 0, 1)]);
    assert_eq!(table.pieces(1).len(), 1);
    assert_eq!(table.pieces(3).len(), 0, "there is no such entry");
    let text = r#"
        {"type":"reg","name":"a","size":9,"digest":"D","offset":5,"endOffset":30,"chunkSize":4,"chunkDigest":"D"},
        {"type":"chunk","name":"a","offset":20,"chunkOffset":4,"chunkSize":5,"chunkDigest":"D","chunkType":"zeros"},
        {"type":"reg","name":"b","size":7,"digest":"D","offset":40,"endOffset":200}"#;
    let table = entries(Format::ZstdChunked, text).unwrap();
    assert_eq!(pieces(&table), [(5, 20, 0, 4), (20, 30, 0, 5), (40, 100, 0, 7)]);
    assert_eq!(parts::of(&table, &[0]), vec![5..20; 1], "zeros are not fetched");
    assert!(list(Format::Estargz, r#"{"version":1,"entries":null}"#).unwrap().entries().is_empty());
}

#[test]
fn what_could_be_read_in_two_ways_is_not_used() {
    let file = |rest: &str| format!(r#"{{"type":"reg","name":"a","size":4,"digest":"D",{rest}}}"#);
    let whole = |text: &str| file(&format!(r#""offset":10}},{text}"#)).replace("}}", "}");
    for (text, why) in [
        (r#"{"type":"reg","name":"a","Name":"b"}"#.to_owned(), "a key could be taken"),
        (r#"{"type":"reg","name":"a","ſize":1}"#.to_owned(), "a key could be taken"),
        (r#"{"type":"reg","name":"a","name":"b"}"#.to_owned(), "a key twice"),
        (r#"{"type":"reg","name":"a\ufffd"}"#.to_owned(), "not the one of the archive"),
        (r#"{"type":"symlink","name":"a","linkName":"\ufffd"}"#.to_owned(), "not the one of the archive"),
        (r#"{"type":"reg","name":"a\u0000"}"#.to_owned(), "not the one of the archive"),
        (r#"{"type":"reg","name":"\ud800"}"#.to_owned(), "malformed"),
        (r#"{"type":"reg"}"#.to_owned(), "not the one of the archive"),
        (r#"{"type":"reg","name":"a/"}"#.to_owned(), "name of a directory"),
        (r#"{"type":"xattr","name":"a"}"#.to_owned(), "unknown type"),
        (r#"{"type":"reg","name":"./stargz.index.json"}"#.to_owned(), "lists itself"),
        (r#"{"type":"reg","name":"a","uid":-1}"#.to_owned(), "malformed"),
        (r#"{"type":"reg","name":"a","uid":4294967296}"#.to_owned(), "malformed"),
        (r#"{"type":"reg","name":"a","size":-1}"#.to_owned(), "malformed"),
        (r#"{"type":"reg","name":"a","digest":"D"}"#.to_owned(), "empty file"),
        (r#"{"type":"reg","name":"a","size":4,"offset":10}"#.to_owned(), "no digest"),
        (r#"{"type":"reg","name":"a","size":4,"digest":"md5:00","offset":10}"#.to_owned(), "malformed"),
        (r#"{"type":"chunk","name":"a","offset":10,"chunkSize":4}"#.to_owned(), "of no file"),
        (file(r#""mode":1"#), "no offset"),
        (file(r#""offset":100"#), "outside"),
        (file(r#""offset":18446744073709551615"#), "outside"),
        (file(r#""offset":10,"innerOffset":18446744073709551615"#), "impossibly large"),
        (file(r#""offset":10,"chunkDigest":"E""#), "another digest"),
        (file(r#""offset":10,"chunkSize":5"#), "not all of it"),
        (file(r#""offset":10,"chunkSize":3"#), "not all of it"),
        (file(r#""offset":10,"chunkSize":18446744073709551615"#), "not all of it"),
        (file(r#""offset":10,"chunkOffset":1"#), "one behind the other"),
        (file(r#""offset":10,"chunkType":"odd""#), "unknown type"),
        (whole(r#"{"type":"chunk","name":"a","offset":20,"chunkOffset":4,"chunkSize":4}"#), "one behind the other"),
        (whole(r#"{"type":"chunk","name":"b","offset":20}"#), "of no file"),
        (whole(r#"{"type":"reg","name":"b","size":1,"digest":"D","offset":5}"#), "order"),
        (whole(r#"{"type":"reg","name":"b","size":1,"digest":"D","offset":10,"innerOffset":3}"#), "overlap"),
    ] {
        let outcome = entries(Format::Estargz, &text).map(|_| ()).unwrap_err();
        assert!(outcome.contains(why), "{text}: {outcome}");
    }
    let together = whole(r#"{"type":"reg","name":"b","size":1,"digest":"D","offset":10,"innerOffset":600}"#);
    assert!(entries(Format::Estargz, &together).is_ok());
    assert!(entries(Format::ZstdChunked, &together).unwrap_err().contains("overlap"));
    for text in [
        "",
        "[]",
        r#"{"version":1}"#,
        r#"{"entries":[]}"#,
        r#"{"version":2,"entries":[]}"#,
        r#"{"version":1,"entries":[],"entries":[]}"#,
        r#"{"version":1,"entries":[],"Entries":[]}"#,
        r#"{"version":1,"entries":[]} {}"#,
        r#"{"version":1,"entries":[]"#,
        r#"{"version":1,"entries":{}}"#,
    ] {
        assert!(list(Format::Estargz, text).is_err(), "{text}");
    }
    assert!(list(Format::Estargz, r#"{"version":1,"more":[{}],"entries":[]}"#).is_ok());
}

#[test]
fn lists_are_bounded() {
    let text = format!(r#"{{"version":1,"entries":[{}]}}"#, [r#"{"type":"dir","name":"d"}"#; 10].join(","));
    let bounded = |limits: &Limits| read(text.as_bytes(), Format::Estargz, 100, limits).map_err(|error| error.0);
    let usual = Limits::default();
    assert_eq!(bounded(&usual).unwrap().entries().len(), 10);
    assert!(bounded(&Limits { table_entries: 9, ..usual.clone() }).unwrap_err().contains("too many entries"));
    assert!(bounded(&Limits { table_bytes: 100, ..usual }).unwrap_err().contains("malformed"));
    let deep = format!(r#"{{"version":1,"x":{}"#, "[".repeat(100_000));
    assert!(list(Format::Estargz, &deep).is_err());
}

/// A stored layer in memory.
struct Memory(Vec<u8>);

impl Blob for Memory {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.0.clone())))
    }

    fn open_part(&self, part: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let (start, end) = (usize::try_from(part.start).unwrap(), usize::try_from(part.end).unwrap());
        Ok(Box::new(io::Cursor::new(self.0.get(start..end).unwrap_or_default().to_vec())))
    }
}

/// Two files of zstd:chunked, the first in two chunks and one of zeros; and what may be done to the list and the layer.
fn two_files(change: impl Fn(&str) -> String, damage: impl Fn(&mut Vec<u8>)) -> ListedLayer {
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let zeros = [0; 2000];
    let content = [b"first".as_slice(), &zeros, b"last"].concat();
    let mut blob = b"head".to_vec();
    let mut at = |bytes: &[u8]| {
        let offset = blob.len();
        blob.extend(frame(bytes));
        offset
    };
    let offsets = [at(b"first"), at(&zeros), at(b"last"), at(b"header"), at(b"other")];
    let text = format!(
        r#"{{"version":1,"entries":[
            {{"type":"reg","name":"a","size":2009,"digest":"{}","offset":{},"chunkSize":5,"chunkDigest":"{}"}},
            {{"type":"chunk","name":"a","offset":{},"chunkOffset":5,"chunkSize":2000,"chunkType":"zeros"}},
            {{"type":"chunk","name":"a","offset":{},"chunkOffset":2005,"chunkSize":4,"chunkDigest":"{}"}},
            {{"type":"reg","name":"b","size":5,"digest":"{}","offset":{}}}]}}"#,
        Digest::of(&content),
        offsets[0],
        Digest::of(b"first"),
        offsets[1],
        offsets[2],
        Digest::of(b"last"),
        Digest::of(b"other"),
        offsets[4],
    );
    let end = blob.len() as u64;
    let table = read(change(&text).as_bytes(), Format::ZstdChunked, end, &Limits::default()).unwrap();
    damage(&mut blob);
    let source = PartSource { blob: Arc::new(Memory(blob)), diff_id: Digest::of(b"layer"), progress: None };
    ListedLayer { source, table: Arc::new(table), own: None, window_log: 25 }
}

fn content_of(layer: &ListedLayer, files: &[u32]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    layer.open(files)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn contents_are_compared_with_their_digests() {
    let same = |text: &str| text.to_owned();
    let layer = two_files(same, |_| ());
    assert!(layer.entries().iter().all(|entry| entry.kind == ListedKind::File));
    let first = [b"first".as_slice(), &[0; 2000], b"last"].concat();
    assert!(content_of(&layer, &[0, 1]).unwrap() == [&first[..], b"other"].concat());
    assert!(content_of(&layer, &[0]).unwrap() == first);
    assert_eq!(content_of(&layer, &[1]).unwrap(), b"other");
    assert_eq!(content_of(&layer, &[]).unwrap(), b"");
    let wrong = |digest: &[u8]| {
        let (old, new) = (Digest::of(digest).to_string(), Digest::of(b"another").to_string());
        let layer = two_files(|text| text.replace(&old, &new), |_| ());
        let error = content_of(&layer, &[0, 1]).unwrap_err();
        error.get_ref().and_then(|inner| inner.downcast_ref::<LayerError>()).map(ToString::to_string)
    };
    for digest in [b"first".as_slice(), b"last", b"other", &first] {
        assert!(wrong(digest).unwrap().starts_with("the content of `"), "{digest:?}");
    }
    // Damage that the decompressor sees, and a layer that is shorter than it says: the list is not to blame, nor used.
    let damaged = two_files(same, |blob| blob[4] ^= 1);
    assert!(Unusable::is_in(&content_of(&damaged, &[0, 1]).unwrap_err()));
    assert_eq!(content_of(&damaged, &[1]).unwrap(), b"other", "nobody looked at the damage");
    let cut = two_files(same, |blob| blob.truncate(blob.len() - 3));
    assert!(content_of(&cut, &[0, 1]).is_err());
}

#[test]
fn a_reader_that_failed_stays_failed() {
    let (old, new) = (Digest::of(b"other").to_string(), Digest::of(b"another").to_string());
    let layer = two_files(|text| text.replace(&old, &new), |_| ());
    let parts = parts::Parts::new(layer.source.clone(), parts::of(&layer.table, &[1])).unwrap();
    let mut contents = Contents::new(parts, Arc::clone(&layer.table), vec![1], 25);
    let mut bytes = [0; 100];
    assert_eq!(contents.read(&mut bytes).unwrap(), 5, "bytes come before they are verified");
    assert!(contents.read(&mut bytes).is_err());
    assert!(contents.read(&mut bytes).unwrap_err().to_string().contains("already found to be damaged"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in any::<u64>()) {
        let _ = read(bytes.as_slice(), Format::Estargz, size, &Limits::default());
        let _ = footer(&bytes, size);
    }

    #[test]
    fn no_numbers_panic(numbers in proptest::collection::vec(prop_oneof![0..200_u64, any::<u64>()], 12)) {
        let text = |number: &[u64]| format!(
            r#""size":{},"offset":{},"chunkSize":{},"chunkOffset":{},"innerOffset":{},"endOffset":{},"digest":"D""#,
            number[0], number[1], number[2], number[3], number[4], number[5]
        );
        let entry = |kind: &str, number| format!(r#"{{"type":"{kind}","name":"a",{}}}"#, text(number));
        for format in [Format::Estargz, Format::ZstdChunked] {
            for kind in ["reg", "chunk"] {
                let all = format!("{},{}", entry("reg", &numbers[..6]), entry(kind, &numbers[6..]));
                if let Ok(table) = entries(format, &all) {
                    let sum: u64 = parts::of(&table, &[0, 1]).iter().map(|part| part.end - part.start).sum();
                    prop_assert!(sum <= 100, "no byte is fetched twice");
                }
            }
        }
    }
}
