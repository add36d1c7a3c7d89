mod trust;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use killick_model::digest::Digest;

use super::{Assembly, Blob, Contents, Depot, Publication, PublicationError, assemble};
use crate::index::{Index, Manifest};
use crate::{BuildOptions, build};

/// Feeds of a day: a tracker of many packages, of which those in `changed` were fixed since, and scores.
fn feeds(root: &Path, packages: u32, changed: &[u32], day: &str) {
    let mut tracker = serde_json::Map::new();
    for package in 0..packages {
        let mut issues = serde_json::Map::new();
        for issue in 0..3 {
            let number = package * 3 + issue;
            // Numbers that a compressor cannot guess.
            let noise = Digest::of(&number.to_be_bytes()).hex();
            let is_fixed = number % 2 == 0 || changed.contains(&package);
            let release = if is_fixed {
                serde_json::json!({"status": "resolved", "fixed_version": format!("{}.{}-1", number % 7, &noise[..12])})
            } else {
                serde_json::json!({"status": "open", "urgency": "low"})
            };
            issues.insert(format!("CVE-2024-{number:05}"), serde_json::json!({"releases": {"bookworm": release}}));
        }
        tracker.insert(format!("package-{package:05}"), issues.into());
    }
    fs_err::create_dir_all(root.join("debian")).unwrap();
    fs_err::create_dir_all(root.join("epss")).unwrap();
    fs_err::write(root.join("debian/tracker.json"), serde_json::to_vec(&tracker).unwrap()).unwrap();
    let mut scores = format!("#model_version:v1,score_date:{day}T00:00:00Z\ncve,epss,percentile\n");
    for number in 0..500 {
        writeln!(scores, "CVE-2024-{number:05},0.{number:04},0.5").unwrap();
    }
    fs_err::write(root.join("epss/epss_scores-2024-06-01.csv"), scores).unwrap();
}

/// An index, and what a depot of it holds.
struct Published {
    path: PathBuf,
    index: Index,
    bytes: Vec<u8>,
    publication: Publication,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

fn publish(path: PathBuf) -> Published {
    let index = Index::open(&path).unwrap();
    let bytes = fs_err::read(&path).unwrap();
    let contents = Contents::of(&index).unwrap();
    let part =
        |range: Range<u64>| bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec();
    let blobs = contents.blobs().map(|(blob, range)| (blob.digest.clone(), part(range))).collect();
    let publication = contents.publish("test", None, at(1000), Some(at(2000)));
    Published { path, index, bytes, publication, blobs }
}

fn built(folder: &Path, name: &str, changed: &[u32], previous: Option<&Published>) -> Published {
    built_of(1000, folder, name, changed, previous)
}

fn built_of(packages: u32, folder: &Path, name: &str, changed: &[u32], previous: Option<&Published>) -> Published {
    let root = folder.join(format!("feeds-{name}"));
    feeds(&root, packages, changed, "2024-06-01");
    let out = folder.join(name);
    let options = BuildOptions { previous: previous.map(|old| &old.index), ..BuildOptions::default() };
    build(&[root], &out, &options).unwrap();
    publish(out)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

impl Depot for Published {
    fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.blobs.get(&blob.digest).ok_or_else(|| io::Error::other("not here"))?;
        let part = part.unwrap_or(0..blob.bytes);
        let part = usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap();
        Ok(Box::new(Cursor::new(bytes[part].to_vec())))
    }
}

/// Does something to what a depot gives: the blob, whether it is a part, its bytes.
struct Meddling<'a>(&'a Published, Meddle);

type Meddle = fn(&Published, &Blob, bool, Vec<u8>) -> io::Result<Vec<u8>>;

impl Depot for Meddling<'_> {
    fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
        let is_part = part.is_some();
        let mut bytes = Vec::new();
        self.0.open(blob, part)?.read_to_end(&mut bytes)?;
        Ok(Box::new(Cursor::new((self.1)(self.0, blob, is_part, bytes)?)))
    }
}

fn assembled(
    publication: &Publication,
    out: &Path,
    old: Option<&Index>,
    depot: &dyn Depot,
) -> Result<Assembly, PublicationError> {
    assemble(publication, out, old, depot, &|_, _| {})
}

#[test]
fn an_old_index_and_a_days_change_are_the_new_index() {
    let folder = tempfile::tempdir().unwrap();
    let old = built_of(4000, folder.path(), "old", &[], None);
    let new = built_of(4000, folder.path(), "new", &[77, 1234, 3999], Some(&old));
    let again = built_of(4000, folder.path(), "again", &[77, 1234, 3999], Some(&old));
    assert!(new.bytes == again.bytes, "the same inputs give the same bytes");
    assert_ne!(old.bytes, new.bytes);

    let out = folder.path().join("out");
    let fresh = assembled(&new.publication, &out, None, &new).unwrap();
    assert!(fs_err::read(&out).unwrap() == new.bytes);
    assert_eq!((fresh.kept_segments, fresh.patched_segments, fresh.fetched_segments), (0, 0, 2));
    assert_eq!(fresh.bytes, new.bytes.len() as u64);

    let delta = assembled(&new.publication, &out, Some(&old.index), &new).unwrap();
    assert!(fs_err::read(&out).unwrap() == new.bytes, "byte for byte");
    assert_eq!((delta.kept_segments, delta.patched_segments, delta.fetched_segments), (1, 1, 0));
    // Three packages in blocks of tens of kilobytes, and as many advisories; the directory and the manifest.
    assert!(delta.fetched_bytes * 4 < fresh.fetched_bytes, "{delta:?} {fresh:?}");
    let same = assembled(&new.publication, &out, Some(&new.index), &new).unwrap();
    assert_eq!((same.kept_segments, same.requests, same.fetched_bytes), (2, 1, new.publication.manifest.bytes));
}

#[test]
fn an_index_replaces_the_one_it_is_made_of_under_its_readers() {
    let folder = tempfile::tempdir().unwrap();
    let old = built(folder.path(), "old", &[], None);
    let new = built(folder.path(), "new", &[5], Some(&old));
    let segment = old.index.manifest().segments.iter().position(|segment| segment.provider == "debian").unwrap();
    let before = old.index.statements(segment, "package-00005").unwrap();
    assembled(&new.publication, &old.path, Some(&old.index), &new).unwrap();
    assert_eq!(old.index.statements(segment, "package-00005").unwrap(), before, "who has it open keeps it");
    let replaced = Index::open(&old.path).unwrap();
    assert_ne!(replaced.statements(segment, "package-00005").unwrap(), before);
    replaced.verify().unwrap();
    let left = fs_err::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".index-"));
    assert_eq!(left.count(), 0, "nothing is left behind");
}

#[test]
fn damage_of_the_old_index_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let old = built(folder.path(), "old", &[], None);
    let new = built(folder.path(), "new", &[5], Some(&old));
    let out = folder.path().join("out");
    for (share, kept, patched) in [(50, 1, 1), (99, 0, 2)] {
        // In a block of the tracker, which comes first; in the scores.
        let mut damaged = old.bytes.clone();
        let segment = &old.index.manifest().segments[usize::from(share == 99)];
        let place = segment.offset + segment.blocks_bytes * share / 100;
        damaged[usize::try_from(place).unwrap()] ^= 1;
        let path = folder.path().join("damaged");
        fs_err::write(&path, damaged).unwrap();
        let assembly = assembled(&new.publication, &out, Some(&Index::open(&path).unwrap()), &new).unwrap();
        assert!(fs_err::read(&out).unwrap() == new.bytes);
        assert_eq!((assembly.kept_segments, assembly.patched_segments), (kept, patched), "{share}");
    }
}

/// Gives so many bytes in all, and then breaks off, also in the middle of a blob.
struct Breaking<'a> {
    depot: &'a Published,
    left: Mutex<usize>,
}

impl Depot for Breaking<'_> {
    fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
        let mut bytes = Vec::new();
        self.depot.open(blob, part)?.read_to_end(&mut bytes)?;
        let mut left = self.left.lock().unwrap();
        if bytes.len() <= *left {
            *left -= bytes.len();
            return Ok(Box::new(Cursor::new(bytes)));
        }
        bytes.truncate(std::mem::take(&mut *left));
        Ok(Box::new(Cursor::new(bytes).chain(BrokenOff)))
    }
}

struct BrokenOff;

impl Read for BrokenOff {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn what_came_before_a_transfer_broke_off_stays() {
    let folder = tempfile::tempdir().unwrap();
    // The larger one is fetched in runs of blocks, the smaller one at once.
    let new = built_of(4_000, folder.path(), "new", &[], None);
    let all = usize::try_from(new.publication.blobs().iter().map(|blob| blob.bytes).sum::<u64>()).unwrap();
    assert!(new.publication.segments[0].blob.bytes > 100 << 10, "{}", new.publication.segments[0].blob.bytes);
    let out = folder.path().join("out");
    let (mut attempts, mut fetched) = (0, 0);
    let assembly = loop {
        attempts += 1;
        let depot = Breaking { depot: &new, left: Mutex::new(all * 6 / 10) };
        match assembled(&new.publication, &out, None, &depot) {
            Ok(assembly) => break assembly,
            Err(error) => {
                assert!(matches!(error, PublicationError::Fetch { .. }), "{error}");
                assert!(!out.exists() && folder.path().join("out.part").exists());
                fetched += all * 6 / 10;
            }
        }
        assert!(attempts < 5, "it comes to an end");
    };
    assert!(fs_err::read(&out).unwrap() == new.bytes, "byte for byte");
    assert!(!folder.path().join("out.part").exists());
    assert!(assembly.resumed_bytes > 0 && assembly.fetched_bytes < all as u64, "{assembly:?}");
    assert_eq!(fetched, all * 6 / 10, "the second attempt had enough with what was left");
}

#[test]
fn what_broke_off_helps_the_next_publication_and_lies_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let old = built_of(4_000, folder.path(), "old", &[], None);
    let new = built_of(4_000, folder.path(), "new", &[5], Some(&old));
    let (out, part) = (folder.path().join("out"), folder.path().join("out.part"));
    let all = old.bytes.len();
    assembled(&old.publication, &out, None, &Breaking { depot: &old, left: Mutex::new(all * 8 / 10) }).unwrap_err();
    let left = fs_err::read(&part).unwrap();
    let assembly = assembled(&new.publication, &out, None, &new).unwrap();
    assert!(fs_err::read(&out).unwrap() == new.bytes);
    assert!(assembly.fetched_bytes < (all * 6 / 10) as u64, "{assembly:?}");
    // Whatever lies in the way, and whatever was changed in it.
    let mut damaged = left.clone();
    damaged.iter_mut().step_by(5000).for_each(|byte| *byte ^= 1);
    let mut cut = left.clone();
    cut.truncate(all / 2);
    for found in [damaged, cut, left, b"rubbish".to_vec(), Vec::new(), new.bytes.clone()] {
        fs_err::remove_file(&out).unwrap();
        fs_err::write(&part, found).unwrap();
        assembled(&new.publication, &out, None, &new).unwrap();
        assert!(fs_err::read(&out).unwrap() == new.bytes);
        assert!(!part.exists());
    }
}

#[test]
fn two_at_a_time_do_not_write_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let new = built(folder.path(), "new", &[], None);
    let (out, part) = (folder.path().join("out"), folder.path().join("out.part"));
    let other = fs_err::File::create(&part).unwrap();
    other.file().lock().unwrap();
    assembled(&new.publication, &out, None, &new).unwrap();
    assert!(fs_err::read(&out).unwrap() == new.bytes);
    assert_eq!(fs_err::read(&part).unwrap(), b"", "it is left to whom it belongs");
}

/// As many at a time as there may be, and no more.
#[test]
fn segments_are_fetched_side_by_side() {
    struct Counting<'a>(&'a Published, Mutex<(usize, usize)>, std::sync::Condvar);
    impl Depot for Counting<'_> {
        fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
            if *blob == self.0.publication.manifest {
                return self.0.open(blob, part);
            }
            let mut open = self.1.lock().unwrap();
            open.0 += 1;
            open.1 = open.1.max(open.0);
            self.2.notify_all();
            // Nobody goes on before the second one came.
            let mut open = self.2.wait_while(open, |open| open.1 < 2).unwrap();
            open.0 -= 1;
            drop(open);
            self.0.open(blob, part)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    // So small that nobody asks for a directory first, which is one request alone.
    let new = built_of(500, folder.path(), "new", &[], None);
    let depot = Counting(&new, Mutex::default(), std::sync::Condvar::new());
    let heard = Mutex::new(Vec::new());
    let out = folder.path().join("out");
    let progress = |done, all| heard.lock().unwrap().push((done, all));
    assemble(&new.publication, &out, None, &depot, &progress).unwrap();
    assert!(fs_err::read(&out).unwrap() == new.bytes);
    let heard = heard.into_inner().unwrap();
    let all = heard.last().unwrap().1;
    assert!(heard.len() > 2 && heard.iter().all(|(done, of)| *done <= all && *of == all));
    assert_eq!(heard.last(), Some(&(all, all)));
}

#[test]
fn a_depot_without_parts_is_asked_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let old = built(folder.path(), "old", &[], None);
    let new = built(folder.path(), "new", &[5], Some(&old));
    let out = folder.path().join("out");
    let no_parts = |_: &Published, _: &Blob, is_part: bool, bytes| {
        if is_part { Err(io::Error::other("no parts")) } else { Ok(bytes) }
    };
    let rotten_parts = |_: &Published, _: &Blob, is_part: bool, mut bytes: Vec<u8>| {
        bytes[0] ^= u8::from(is_part);
        Ok(bytes)
    };
    for meddle in [no_parts, rotten_parts] {
        let assembly = assembled(&new.publication, &out, Some(&old.index), &Meddling(&new, meddle)).unwrap();
        assert!(fs_err::read(&out).unwrap() == new.bytes);
        assert_eq!((assembly.kept_segments, assembly.fetched_segments), (1, 1));
    }
}

#[test]
fn what_is_not_as_promised_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let new = built(folder.path(), "new", &[], None);
    let out = folder.path().join("out");
    fs_err::write(&out, "what was there").unwrap();
    let cases: [(Meddle, &str); 6] = [
        (|_, _, _, bytes| Ok(bytes[..bytes.len() - 1].to_vec()), "the index's manifest: it ends after"),
        (
            |published, blob, _, mut bytes| {
                let is_segment = *blob != published.publication.manifest;
                bytes.truncate(if is_segment { bytes.len() / 2 } else { bytes.len() });
                Ok(bytes)
            },
            "segment debian/debian:12: it ends after",
        ),
        (
            |published, blob, _, mut bytes| {
                bytes.extend((*blob != published.publication.manifest).then_some(0));
                Ok(bytes)
            },
            "segment debian/debian:12: it has more than",
        ),
        (
            |published, blob, _, mut bytes| {
                bytes[100] ^= u8::from(*blob == published.publication.segments[1].blob);
                Ok(bytes)
            },
            "segment epss/epss: wrong checksum",
        ),
        (
            |published, blob, _, mut bytes| {
                bytes[10] ^= u8::from(*blob == published.publication.manifest);
                Ok(bytes)
            },
            "the index's manifest: wrong checksum",
        ),
        (
            |published, blob, _, bytes| {
                let is_manifest = published.publication.manifest == *blob;
                if is_manifest { Ok(bytes) } else { Err(io::Error::other("gone")) }
            },
            "cannot fetch segment debian/debian:12",
        ),
    ];
    for (meddle, want) in cases {
        let error = assembled(&new.publication, &out, None, &Meddling(&new, meddle)).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        // What came of it would help the next one.
        let _ = fs_err::remove_file(folder.path().join("out.part"));
        assert_eq!(fs_err::read(&out).unwrap(), b"what was there", "{want}");
    }
    // Segments that are others, or in another order, than the index's own manifest says.
    let mut swapped = new.publication.clone();
    swapped.segments.swap(0, 1);
    let mut fewer = new.publication.clone();
    fewer.segments.pop();
    let mut longer = new.publication.clone();
    longer.segments[0].blob.bytes += 1;
    for publication in [swapped, fewer, longer] {
        let error = assembled(&publication, &out, None, &new).unwrap_err().to_string();
        assert!(error.contains("corrupt publication: the index's manifest"), "{error}");
    }
    assert_eq!(fs_err::read(&out).unwrap(), b"what was there");
}

#[test]
fn hostile_numbers_are_refused() {
    fn new_bytes(manifest: &Manifest) -> u64 {
        manifest.segments[1].offset - manifest.segments[0].offset
    }
    let folder = tempfile::tempdir().unwrap();
    let new = built(folder.path(), "new", &[], None);
    let out = folder.path().join("out");
    let changes: [fn(&mut Manifest); 4] = [
        |manifest| manifest.segments[0].blocks_bytes = u64::MAX,
        |manifest| manifest.segments[1].offset = u64::MAX,
        |manifest| manifest.segments[1].directory_bytes = u64::MAX - 5,
        |manifest| {
            manifest.segments[0].blocks_bytes = 0;
            manifest.segments[0].directory_bytes = new_bytes(manifest);
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut manifest = new.index.manifest().clone();
        change(&mut manifest);
        let encoded = crate::index::encode(&manifest);
        let blob = Blob { digest: Digest::of(&encoded), bytes: encoded.len() as u64 };
        let publication = Publication { manifest: blob.clone(), ..new.publication.clone() };
        let mut blobs = new.blobs.clone();
        blobs.insert(blob.digest, encoded);
        let depot = Published { blobs, ..publish(new.path.clone()) };
        // An old index that has other blocks, so that directories are read.
        let old = Index::open(&new.path).unwrap();
        let outcome = assembled(&publication, &out, Some(&old), &depot);
        let is_found = || Index::open(&out).unwrap().verify().is_err();
        assert!(outcome.is_err() || is_found(), "{number}: {outcome:?}");
    }
}

#[test]
fn versions_grow_even_if_the_clock_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let new = built(folder.path(), "new", &[], None);
    let contents = Contents::of(&new.index).unwrap();
    let first = contents.publish("test", None, at(5000), None);
    assert_eq!(first.version, 5000);
    assert_eq!(contents.publish("test", Some(&first), at(4000), None).version, 5001);
    assert_eq!(contents.publish("test", Some(&first), at(9000), None).version, 9000);
    assert!(contents.is_of(&first));
}
