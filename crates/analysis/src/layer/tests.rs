//! One layer at a time, with a reader of the test's own.

use std::io::{self, BufRead, Cursor, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};

use killick_model::package::PackageKind;

use super::*;
use sha2::{Digest as _, Sha256};

use crate::catalogers::{CATALOGERS, Cataloger, Wants, package};
use crate::inspectors::rules::Rules;

/// A package for each `*.txt`, named by its content; `panic` panics.
struct Text;

impl Cataloger for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/*.txt"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        assert!(file.bytes != b"panic");
        let name = String::from_utf8_lossy(file.bytes);
        found.packages.push(package(PackageKind::Npm, name.trim_matches('\0'), "1", file.path));
    }
}

/// Wants what [`Text`] wants, and unpacks it to ten times its size.
struct Packed;

impl Cataloger for Packed {
    fn name(&self) -> &'static str {
        "packed"
    }

    fn unpacks(&self, size: u64, _limits: &Limits) -> u64 {
        10 * size
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[]
    }

    fn wants(&self) -> Wants {
        Text.wants()
    }

    fn read(&self, _file: &mut WantedFile<'_>, _found: &mut Found) {}
}

#[test]
fn what_a_reader_unpacks_is_held_with_the_file() {
    let matcher = Matcher::new(vec![Reader::Cataloger(&Text), Reader::Cataloger(&Packed)]).unwrap();
    let limits = Limits { held_bytes: 100, ..Limits::default() };
    for (readers, size, held) in [(&[0][..], 7, 7), (&[0, 1], 7, 77), (&[1], 20, 100), (&[1], 100, 100)] {
        assert_eq!(matcher.held_bytes(readers.iter().copied(), size, &limits), held);
    }
}

/// A layer in memory that counts how often it is opened.
struct Layer {
    tar: Vec<u8>,
    opened: AtomicU32,
}

impl LayerSource for Layer {
    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Cursor::new(self.tar.clone())))
    }
}

/// `f:path=content`, `h:path>target`, `s:path=size` for a file that is one hole.
fn layer(words: &str) -> Layer {
    let mut builder = tar::Builder::new(Vec::new());
    for word in words.split_whitespace() {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        match (&word[..1], word[2..].split_once(['=', '>']).unwrap()) {
            ("h", (path, target)) => {
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, path, target).unwrap();
            }
            ("s", (path, size)) => {
                header.set_entry_type(tar::EntryType::GNUSparse);
                let size: u64 = size.parse().unwrap();
                let gnu = header.as_gnu_mut().unwrap();
                gnu.realsize[..8].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0]);
                gnu.realsize[4..].copy_from_slice(&size.to_be_bytes());
                gnu.realsize[0] = 0x80;
                builder.append_data(&mut header, path, &b""[..]).unwrap();
            }
            (_, (path, content)) => {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
        }
    }
    Layer { tar: builder.into_inner().unwrap(), opened: AtomicU32::new(0) }
}

fn read(layer: &Layer, limits: &Limits) -> LayerFacts {
    read_with(layer, layer.tar.len() as u64, limits, limits.held_bytes).unwrap()
}

fn read_with(layer: &Layer, stored: u64, limits: &Limits, budget: u64) -> Result<LayerFacts, ReadError> {
    read_by(&Matcher::new(vec![Reader::Cataloger(&Text)]).unwrap(), layer, stored, limits, budget)
}

fn read_by(
    matcher: &Matcher,
    layer: &Layer,
    stored: u64,
    limits: &Limits,
    budget: u64,
) -> Result<LayerFacts, ReadError> {
    let (programs, memo, budget) = (Rules::new(Vec::new()).unwrap(), Memo::default(), Budget::new(budget));
    let reading = Reading {
        matcher,
        rules: None,
        programs: &programs,
        digesting: Digesting::Nowhere,
        clamd: None,
        memo: &memo,
        limits,
        budget: &budget,
        deadline: Deadline::new(None, 0),
    };
    read_layer(layer, stored, reading)
}

/// What was found, by the name it was found by.
fn found(facts: &LayerFacts) -> Vec<(String, String)> {
    let packages = facts.found.iter().flat_map(|found| &found.found.packages);
    packages.map(|package| (package.location.to_string(), package.name.clone())).collect()
}

#[test]
fn hard_links_that_are_wanted_are_read_though_their_target_is_not() {
    for (words, opened, want) in [
        ("f:store/a=left f:store/b=right h:x/1.txt>store/b h:x/2.txt>store/b", 2, &[("/x/1.txt", "right")][..]),
        ("f:store/a=left h:other>store/a h:x/1.txt>/other", 2, &[("/x/1.txt", "left")]),
        ("f:x/1.txt=left h:store/a>x/1.txt h:x/2.txt>x/1.txt", 1, &[("/x/1.txt", "left")]),
        ("f:store/a=left h:other>store/a", 1, &[]),
        ("h:x/1.txt>lower", 1, &[]),
        ("h:x/1.txt>x/2.txt h:x/2.txt>x/1.txt", 1, &[]),
        // A link leads to what its target was when it was made, or came to be at last.
        ("f:store/a=first f:store/a=second h:x/1.txt>store/a", 2, &[("/x/1.txt", "second")]),
        ("f:store/a=first h:x/1.txt>store/a f:store/a=second", 2, &[("/x/1.txt", "first")]),
        ("h:x/1.txt>store/a f:store/a=first f:store/a=second", 2, &[("/x/1.txt", "second")]),
        ("h:x/1.txt>other h:other>store/a f:store/a=left", 1, &[]),
        ("h:other>store/a h:x/1.txt>other f:store/a=left", 2, &[("/x/1.txt", "left")]),
        (
            "f:store/a=one h:x/1.txt>store/a f:store/a=two h:x/2.txt>store/a",
            2,
            &[("/x/1.txt", "one"), ("/x/2.txt", "two")],
        ),
    ] {
        let layer = layer(words);
        let facts = read(&layer, &Limits::default());
        let want: Vec<_> = want.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned())).collect();
        assert_eq!(found(&facts), want, "{words}");
        assert_eq!(layer.opened.into_inner(), opened, "{words}");
        assert_eq!(LayerFacts::from_bytes(&facts.to_bytes().unwrap()).unwrap(), facts);
    }
}

#[test]
fn a_reader_that_panics_loses_its_file_only() {
    let facts = read(&layer("f:1.txt=one f:2.txt=panic f:3.txt=three"), &Limits::default());
    assert_eq!(found(&facts).len(), 2);
    let problems: Vec<_> = facts.found.iter().flat_map(|found| &found.found.problems).collect();
    assert_eq!(
        (problems.len(), problems[0].kind.as_str(), problems[0].subject.as_str()),
        (1, "cataloger-panic", "/2.txt")
    );
}

#[test]
fn holes_are_zeros_up_to_a_bound() {
    let facts = read(&layer("s:small=100000 s:vast=9000000000000000000 s:more=100000"), &Limits::default());
    let kinds: Vec<_> = facts.entries().map(|(_, entry)| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::File, EntryKind::Unread, EntryKind::File]);
    assert_eq!(facts.entry(0).unwrap().sha256, <[u8; 32]>::from(Sha256::digest(vec![0; 100_000])));
    assert_eq!(facts.entry(1).unwrap().size, 9_000_000_000_000_000_000);
    assert_eq!((facts.problems.len(), facts.problems[0].kind.as_str()), (1, "limit-hole-bytes"));
    // The bound is on all holes of the layer together.
    let limits = Limits { layer_bytes: 150_000, ..Limits::default() };
    assert_eq!(read(&layer("s:a=100000 s:b=100000"), &limits).problems[0].subject, "/b");
}

#[test]
fn a_file_too_large_to_hold_is_hashed_and_told() {
    let limits = Limits { file_bytes: 3, ..Limits::default() };
    let facts = read(&layer("f:a.txt=four f:b.txt=ok f:store=four h:c.txt>store"), &limits);
    assert_eq!(found(&facts), [("/b.txt".to_owned(), "ok".to_owned())]);
    assert!(facts.problems.iter().all(|problem| problem.kind == "limit-file-bytes"));
    let subjects: Vec<_> = facts.problems.iter().map(|problem| problem.subject.as_str()).collect();
    assert_eq!(subjects, ["/a.txt", "/c.txt"]);
    assert_ne!(facts.entry(0).unwrap().sha256, [0; 32]);
}

/// An ELF file of three MiB with the list of cargo-auditable in its middle; the table of sections is at `table`.
fn auditable(table: usize) -> Vec<u8> {
    let json = br#"{"packages":[{"name":"a","version":"1.0.0","source":"local","root":true}]}"#;
    let mut list = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    list.write_all(json).unwrap();
    let list = list.finish().unwrap();
    let (middle, names) = (1_200_000, b"\0.dep-v0\0");
    let mut file = vec![0; 3 << 20];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[3, 0, 62, 0, 1]);
    put(40, &(table as u64).to_le_bytes());
    put(52, &[64, 0, 56, 0, 0, 0, 64, 0, 3, 0, 1, 0]);
    put(middle, &list);
    put(table - 100, names);
    for (number, (name, kind, at, size)) in (1..).zip([(0, 3, table - 100, names.len()), (1, 1, middle, list.len())]) {
        put(table + 64 * number, &[name, 0, 0, 0, kind]);
        put(table + 64 * number + 24, &(at as u64).to_le_bytes());
        put(table + 64 * number + 32, &(size as u64).to_le_bytes());
    }
    file
}

#[test]
fn executables_too_large_to_hold_are_read_in_parts() {
    let rust = CATALOGERS.iter().copied().find(|cataloger| cataloger.name() == "rust").unwrap();
    let matcher = Matcher::new(vec![Reader::Cataloger(rust)]).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    // The same name twice, and the same size: each is told apart by its content.
    let files = [("a", auditable((3 << 20) - 500)), ("b", auditable(1_500_000)), ("a", vec![0; 3 << 20])];
    for (name, content) in &files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let layer = Layer { tar: tar.into_inner().unwrap(), opened: AtomicU32::new(0) };
    let read_up_to = |packages: usize, held_bytes: u64| {
        let limits = Limits { file_bytes: 1 << 20, held_bytes, packages, ..Limits::default() };
        read_by(&matcher, &layer, layer.tar.len() as u64, &limits, held_bytes)
    };
    let read = |held_bytes| read_up_to(2, held_bytes).unwrap();
    let outcome = read_up_to(1, 8 << 20);
    assert!(matches!(outcome, Err(ReadError::Limit("limit-packages", 1))), "{outcome:?}");
    layer.opened.store(0, Ordering::Relaxed);
    let facts = read(8 << 20);
    assert_eq!(facts.problems, []);
    let found: Vec<_> = facts.found.iter().map(|found| (found.entry, found.found.packages[0].name.as_str())).collect();
    assert_eq!(found, [(0, "a"), (1, "a")]);
    assert_eq!(layer.opened.load(Ordering::Relaxed), 2);
    // What needs more than may be held is told.
    let facts = read(1_300_000);
    let told: Vec<_> = facts.problems.iter().map(|problem| (problem.kind.as_str(), problem.subject.as_str())).collect();
    assert_eq!(told, [("limit-file-bytes", "/b")]);
    assert_eq!(facts.found.len(), 1);
}

#[test]
fn limits_that_protect_the_process_end_the_layer() {
    let zeros = layer("s:x=1");
    for (limits, stored, name) in [
        (Limits { layer_bytes: 1000, ..Limits::default() }, 1_000_000, "limit-layer-bytes"),
        (Limits { tree_bytes: 64, ..Limits::default() }, 1_000_000, "limit-tree-bytes"),
        (Limits { layer_entries: 0, ..Limits::default() }, 1_000_000, "limit-layer-entries"),
    ] {
        let outcome = read_with(&zeros, stored, &limits, 1);
        assert!(matches!(outcome, Err(ReadError::Limit(hit, _)) if hit == name), "{outcome:?}");
    }
    let linked = "f:a.txt=x f:store/b=x h:b.txt>store/b h:c.txt>store/b f:store/d=x h:d.txt>store/d";
    for (words, found) in [("f:a.txt=x f:b.txt=x f:c.txt=x", 3), (linked, 3)] {
        for (packages, is_refused) in [(found - 1, true), (found, false)] {
            let limits = Limits { packages, ..Limits::default() };
            let outcome = read_with(&layer(words), 1_000_000, &limits, 1);
            assert_eq!(matches!(outcome, Err(ReadError::Limit("limit-packages", _))), is_refused, "{outcome:?}");
        }
    }
}

#[test]
fn many_links_to_many_files_of_one_name_are_read_once_each() {
    let words: Vec<_> = (0..300).map(|number| format!("f:store/a=x{number}")).collect();
    let links: Vec<_> = (0..300).map(|number| format!("h:x/{number}.txt>store/a")).collect();
    let facts = read(&layer(&format!("{} {}", words.join(" "), links.join(" "))), &Limits::default());
    assert_eq!(found(&facts), [("/x/0.txt".to_owned(), "x299".to_owned())]);
}

#[test]
fn names_too_deep_are_told() {
    let limits = Limits { path_depth: 3, ..Limits::default() };
    let facts = read(&layer("f:a/b/c=x f:a/b/c/d=x"), &limits);
    assert_eq!((facts.len(), facts.problems[0].kind.as_str()), (1, "limit-path-depth"));
}
