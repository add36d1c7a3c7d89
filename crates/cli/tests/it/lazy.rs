//! Layers read by their tables of contents: what comes of it is what comes of reading them whole.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod registry;
mod tars;
mod writers;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use killick_analysis::analyze::{Options, analyze};
use killick_analysis::cache::{LayerCache, LayerKey};
use killick_analysis::facts::LayerFacts;
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{Pattern, RetrieveFiles, Settings};
use killick_analysis::limits::Limits;
use killick_fetch::{Source, StageOptions, stage};
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use serde_json::Value;

use self::registry::Registry;
use self::tars::{NOISE, STATUS, Tar, noise, package_json, program};
use self::writers::{Cut, Layer, estargz, unpacked, without_holes, zstd_chunked};
use super::command::run;

/// The kind of problem that tells how a layer was read: the only difference there may be.
const MARK: &str = "read-by-table-of-contents";

const USUAL: Cut = Cut { chunk: 4 << 20, together: 0, keep_end: false };

/// Remembers what is put, under the whole key.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, LayerFacts>>);

impl LayerCache for Kept {
    fn get(&self, key: LayerKey<'_>) -> Option<LayerFacts> {
        self.0.lock().unwrap().get(&format!("{} {}", key.layer(), key.revision)).cloned()
    }

    fn put(&self, key: LayerKey<'_>, facts: &LayerFacts) {
        self.0.lock().unwrap().insert(format!("{} {}", key.layer(), key.revision), facts.clone());
    }
}

/// What was read, with the facts of its layers by the digest of the layer.
struct Outcome {
    analysis: Analysis,
    facts: BTreeMap<String, LayerFacts>,
    /// Layers that were read by their tables.
    listed: usize,
}

/// A registry, and a runtime for it.
struct Bench {
    runtime: tokio::runtime::Runtime,
    registry: Registry,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let registry = runtime.block_on(Registry::start());
        Self { runtime, registry }
    }

    fn read(&self, reference: &str, lazy: bool, options: &Options, kept: &Kept) -> Result<Outcome, String> {
        let source = Source::parse(&format!("registry:{reference}")).unwrap();
        let mut how = StageOptions { lazy, ..StageOptions::default() };
        how.registry.plain_http = true;
        let staged = self.runtime.block_on(stage(&source, &how)).map_err(|error| chain(&error))?;
        let mut analysis = analyze(&staged, Some(kept), options).map_err(|error| chain(&error))?;
        let listed = analysis.problems.iter().filter(|problem| problem.kind == MARK).count();
        analysis.problems.retain(|problem| problem.kind != MARK);
        let facts = kept.0.lock().unwrap().iter().map(|(key, facts)| (key[..71].to_owned(), facts.clone())).collect();
        Ok(Outcome { analysis, facts, listed })
    }

    /// Reads an image both ways, and gives what came of it by its table and how much was sent.
    fn compare(&self, name: &str, layers: Vec<Layer>) -> (Outcome, (usize, usize)) {
        self.compare_with(name, layers, &Options::default())
    }

    fn compare_with(&self, name: &str, layers: Vec<Layer>, options: &Options) -> (Outcome, (usize, usize)) {
        let size: usize = layers.iter().map(|layer| layer.blob.len()).sum();
        let count = layers.len();
        let reference = self.registry.push(layers);
        let whole = self.read(&reference, false, options, &Kept::default()).unwrap();
        self.registry.sent();
        let listed = self.read(&reference, true, options, &Kept::default()).unwrap();
        let sent = self.registry.sent();
        assert_eq!(whole.listed, 0, "{name}");
        println!(
            "{name}: {} of {count} layers by table, {} of {size} bytes ({} %), {} requests",
            listed.listed,
            sent.1,
            sent.1 * 100 / size.max(1),
            sent.0
        );
        for (layer, facts) in &whole.facts {
            if listed.facts.get(layer) != Some(facts) {
                let [whole, listed] = [Some(facts), listed.facts.get(layer)].map(|facts| format!("{facts:#?}"));
                let first = whole.lines().zip(listed.lines()).position(|(a, b)| a != b).unwrap_or_default();
                let near =
                    |text: &str| text.lines().skip(first.saturating_sub(12)).take(20).collect::<Vec<_>>().join("\n");
                panic!("{name}: the facts of {layer} differ:\n{}\n--- by table:\n{}", near(&whole), near(&listed));
            }
        }
        assert_eq!(whole.facts.len(), listed.facts.len(), "{name}");
        assert!(whole.analysis == listed.analysis, "{name}: the analyses differ");
        (listed, sent)
    }
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// Both formats in all ways of cutting.
fn all_forms(tar: &[u8]) -> Vec<(String, Layer)> {
    let mut forms = Vec::new();
    for (chunk, together, keep_end) in
        [(4 << 20, 0, false), (5000, 0, true), (5000, 3000, false), (4 << 20, 100_000, true)]
    {
        let cut = Cut { chunk, together, keep_end };
        forms.push((format!("estargz {cut:?}"), estargz(tar, cut, |_| {}).unwrap()));
    }
    for chunk in [4 << 20, 5000] {
        let cut = Cut { chunk, ..USUAL };
        forms.push((format!("zstd:chunked {chunk}"), zstd_chunked(tar, cut, |_| {}).unwrap()));
    }
    forms
}

#[test]
fn every_kind_of_entry_is_read_alike() {
    use tar::EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    let long = format!("opt/{}/name", "d".repeat(120));
    let mut holes = vec![0; 70_000];
    holes[3000..3005].copy_from_slice(b"bytes");
    holes.extend(noise(9000, 3));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", tar::Builder::new(Vec::new()).into_inner().unwrap()),
        ("only an empty file", Tar(tar::Builder::new(Vec::new())).file("a", 0o600, b"").0.get_ref().clone()),
        (
            "files wanted and not",
            Tar::new()
                .special(Directory, "var/", 0o755)
                .file("var/lib/dpkg/status", 0o644, STATUS)
                .file("etc/os-release", 0o644, b"ID=debian\nVERSION_ID=\"12\"\n")
                .file("etc/empty", 0o4755, b"")
                .file("srv/unwanted", 0o644, &noise(90_000, 4))
                .file("app/node_modules/a/package.json", 0o644, &package_json(20_000))
                .file("bin/busybox", 0o4755, &program(30_000))
                .file("srv/busybox", 0o644, &program(300))
                .file("srv/other", 0o644, &program(400))
                .file("usr/lib/libx.so.1", 0o644, &program(6_000))
                .file("usr/bin/script", 0o755, b"#!/bin/sh\n")
                .finish(),
        ),
        (
            "links",
            Tar::new()
                .file("store/1", 0o644, &package_json(100))
                .file("store/2", 0o644, b"")
                .file("store/3", 0o644, b"not json")
                .link(Link, "app/node_modules/a/package.json", "store/1")
                .link(Link, "app/node_modules/b/package.json", "store/2")
                .link(Link, "app/node_modules/c/package.json", "/store/3")
                .link(Link, "app/node_modules/d/package.json", "app/node_modules/a/package.json")
                .link(Link, "app/node_modules/e/package.json", "store/absent")
                .link(Link, "early/package.json", "late")
                .file("late", 0o644, &package_json(50))
                .link(Symlink, "lib", "usr/lib")
                .link(Symlink, "odd", "../../x")
                .finish(),
        ),
        (
            "special files and whiteouts",
            Tar::new()
                .special(Char, "dev/null", 0o666)
                .special(Block, "dev/sda", 0o660)
                .special(Fifo, "run/pipe", 0o600)
                .file("etc/.wh.passwd", 0o644, b"")
                .file("opt/.wh..wh..opq", 0o644, b"")
                .file("opt/.wh..wh.plnk", 0o644, b"x")
                .file(".wh.", 0o644, b"x")
                .finish(),
        ),
        (
            "names and numbers beyond the header",
            Tar::new()
                .file(&long, 0o644, b"long")
                .link(Symlink, "symlink", &long)
                .pax(&[("path", "opt/ünïcode/\u{1f600}".as_bytes()), ("uid", b"3000000"), ("gid", b"4000000")])
                .file("short", 0o644, b"pax")
                .pax(&[("SCHILY.xattr.user.a", b"\xff\0b"), ("mtime", b"1700000000.5")])
                .file("usr/bin/xattr", 0o755, b"#!/bin/sh\n")
                .file("with space & <html> \"quote\" \\ back", 0o644, b"x")
                .finish(),
        ),
        (
            "one name several times",
            Tar::new()
                .file("a/package.json", 0o644, &package_json(10))
                .file("a/package.json", 0o644, &package_json(20))
                .special(Directory, "a/package.json", 0o755)
                .pax(&[("path", b"./a/package.json")])
                .file("a", 0o644, &package_json(30))
                .pax(&[("path", b"/a//package.json")])
                .file("a", 0o644, b"{}")
                .file("b", 0o644, b"")
                .file("b", 0o644, b"x")
                .finish(),
        ),
        (
            "large files and zeros",
            Tar::new()
                .file("bin/busybox", 0o755, &program(150_000))
                .file("bin/holes", 0o755, &holes)
                .file("bin/zeros", 0o755, &vec![0; 40_000])
                .file("lib/y.so", 0o644, &program(4096 - 50))
                .finish(),
        ),
        (
            "names that engines refuse",
            Tar::new()
                .pax(&[("path", b"../escape")])
                .file("x", 0o755, b"x")
                .pax(&[("path", b"a/../../escape")])
                .file("y", 0o644, b"yy")
                .pax(&[("path", format!("{}x", "d/".repeat(300)).as_bytes())])
                .file("z", 0o755, b"zzz")
                .pax(&[("path", "n".repeat(5000).as_bytes())])
                .file("w", 0o755, b"wwww")
                .finish(),
        ),
    ];
    let bench = Bench::new();
    for (name, tar) in cases {
        for (form, layer) in all_forms(&tar) {
            let size = layer.blob.len();
            let (outcome, (_, sent)) = bench.compare(&format!("{name}, {form}"), vec![layer]);
            if size > NOISE {
                assert_eq!(outcome.listed, 1, "{name}, {form}");
                assert!(sent < size, "{name}, {form}");
            }
        }
    }
}

/// A layer with a wanted file and more that nobody wants.
fn plain() -> Vec<u8> {
    Tar::new().file("var/lib/dpkg/status", 0o644, STATUS).file("etc/issue", 0o644, b"x").finish()
}

/// Both formats of the plain layer, with a list that was changed.
fn changed(change: impl Fn(&mut Value)) -> [Layer; 2] {
    [estargz(&plain(), USUAL, &change).unwrap(), zstd_chunked(&plain(), USUAL, &change).unwrap()]
}

/// The entry of a file in a list.
fn entry<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    list["entries"].as_array_mut().unwrap().iter_mut().find(|entry| entry["name"] == name).unwrap()
}

#[test]
fn what_has_another_digest_is_refused() {
    let bench = Bench::new();
    let refusal = |layer: Layer| {
        let reference = bench.registry.push(vec![layer]);
        bench.read(&reference, true, &Options::default(), &Kept::default()).map(|_| ()).unwrap_err()
    };
    let other = Digest::of(b"another").to_string();
    for mut layer in changed(|_| {}) {
        for (key, value) in layer.annotations.as_object_mut().unwrap() {
            if !key.ends_with("position") {
                *value = other.clone().into();
            }
        }
        let error = refusal(layer);
        assert!(error.contains("the table of contents of layer"), "{error}");
        assert!(error.contains(&format!("instead of `{other}`")), "{error}");
    }
    let wrong = |list: &mut Value| {
        let entry = entry(list, "var/lib/dpkg/status");
        entry["digest"] = other.clone().into();
        if entry["chunkDigest"].is_string() {
            entry["chunkDigest"] = other.clone().into();
        }
    };
    for layer in changed(wrong) {
        let error = refusal(layer);
        assert!(error.contains("the content of `var/lib/dpkg/status`"), "{error}");
    }
}

type Change<'a> = &'a dyn Fn(&mut Value);

#[test]
fn what_cannot_be_used_is_read_whole() {
    let bench = Bench::new();
    let read_whole = |what: &str, layer: Layer| {
        let (outcome, _) = bench.compare(what, vec![layer]);
        assert_eq!(outcome.listed, 0, "{what}");
        assert_eq!(outcome.analysis.packages.len(), 1, "{what}");
    };
    let swap = |list: &mut Value| list["entries"].as_array_mut().unwrap().swap(0, 1);
    let past_the_end = |list: &mut Value| entry(list, "var/lib/dpkg/status")["offset"] = (1_u64 << 40).into();
    let elsewhere = |list: &mut Value| {
        let entry = entry(list, "var/lib/dpkg/status");
        entry["offset"] = (entry["offset"].as_u64().unwrap() + 1).into();
    };
    let too_large = |list: &mut Value| {
        let entry = entry(list, "var/lib/dpkg/status");
        entry["size"] = 100_000.into();
    };
    let no_digest = |list: &mut Value| drop(entry(list, "etc/issue").as_object_mut().unwrap().remove("digest"));
    let lossy = |list: &mut Value| entry(list, "etc/issue")["name"] = "etc/\u{fffd}".into();
    let version = |list: &mut Value| list["version"] = 2.into();
    let changes: [(&str, Change<'_>); 7] = [
        ("files in another order", &swap),
        ("a file outside of the layer", &past_the_end),
        ("a file that is not where it says", &elsewhere),
        ("a file that is shorter than it says", &too_large),
        ("a file without digest", &no_digest),
        ("a name that JSON cannot have", &lossy),
        ("another version", &version),
    ];
    for (what, change) in changes {
        for layer in changed(change) {
            read_whole(what, layer);
        }
    }
    for mut layer in changed(|_| {}) {
        layer.annotations = serde_json::json!({});
        read_whole("no promise", layer);
    }
    let [mut footless, mut misplaced] = changed(|_| {});
    let last = footless.blob.len() - 20;
    footless.blob[last] = b'x';
    // The footer is no part of the archive.
    read_whole("no footer", footless);
    misplaced.annotations["io.github.containers.zstd-chunked.manifest-position"] = "9999999:10:10:1".into();
    read_whole("a list outside of the layer", misplaced);
    bench.registry.ignores_ranges.store(true, Ordering::Relaxed);
    for layer in changed(|_| {}) {
        read_whole("a registry that only sends whole layers", layer);
    }
}

#[test]
fn what_a_table_says_is_kept_apart() {
    let bench = Bench::new();
    let options = Options::default();
    // The list says nothing of a file that the archive has: to be seen only by reading it.
    let hide = |list: &mut Value| {
        list["entries"].as_array_mut().unwrap().retain(|entry| entry["name"] != "var/lib/dpkg/status");
    };
    for layer in changed(hide) {
        let size = layer.blob.len();
        let reference = bench.registry.push(vec![layer]);
        let kept = Kept::default();
        let read = |lazy| {
            let outcome = bench.read(&reference, lazy, &options, &kept).unwrap();
            // Without the configuration, which is always asked for.
            let (requests, bytes) = bench.registry.sent();
            (outcome.analysis.file(b"var/lib/dpkg/status").is_some(), outcome.listed, requests - 1, bytes > size)
        };
        let (has_file, listed, _, all_came) = read(true);
        assert_eq!((has_file, listed, all_came), (false, 1, false));
        assert_eq!(read(true), (false, 1, 0, false), "known by its table");
        assert_eq!(read(false), (true, 0, 1, true), "not known by its bytes");
        assert_eq!(read(true), (true, 0, 0, false), "what the bytes say is better");
    }
}

#[test]
fn whoever_looks_at_every_content_reads_whole() {
    let bench = Bench::new();
    let with = |settings| Options { inspections: Arc::new(Inspections::new(settings).unwrap()), ..Options::default() };
    let pattern = Pattern { name: "x".to_owned(), regex: ".*password".to_owned() };
    let searched = with(Settings { content_search: vec![pattern], ..Settings::default() });
    let verified = with(Settings { package_files: true, ..Settings::default() });
    let retrieved = RetrieveFiles { paths: vec!["/etc/issue".to_owned()], ..RetrieveFiles::default() };
    let retrieved = with(Settings { retrieve_files: retrieved, ..Settings::default() });
    for (options, listed) in [(searched, 0), (verified, 1), (retrieved, 1)] {
        for layer in changed(|_| {}) {
            let (outcome, _) = bench.compare_with("inspected", vec![layer], &options);
            assert_eq!(outcome.listed, listed);
        }
    }
}

#[test]
fn limits_hold_alike() {
    let bench = Bench::new();
    let tar = Tar::new()
        .file("var/lib/dpkg/status", 0o644, STATUS)
        .file("bin/busybox", 0o755, &program(3000))
        .file("app/node_modules/a/package.json", 0o644, &package_json(300))
        .link(tar::EntryType::Link, "app/node_modules/b/package.json", "bin/busybox")
        .finish();
    let layers = || [estargz(&tar, USUAL, |_| {}).unwrap(), zstd_chunked(&tar, USUAL, |_| {}).unwrap()];
    let usual = Limits::default();
    for (limits, outcome) in [
        (Limits { layer_bytes: 100_000, ..usual.clone() }, Err("limit-layer-bytes")),
        (Limits { layer_entries: 2, ..usual.clone() }, Err("limit-layer-entries")),
        (Limits { tree_bytes: 200, ..usual.clone() }, Err("limit-tree-bytes")),
        // Parts of files that are too large to be held are read on passes over the whole layer.
        (Limits { file_bytes: 400, ..usual.clone() }, Ok(("limit-file-bytes", 0))),
        (Limits { path_bytes: 12, ..usual.clone() }, Ok(("limit-path-bytes", 1))),
        (Limits { path_depth: 2, ..usual.clone() }, Ok(("limit-path-depth", 1))),
    ] {
        let options = Options::limited(limits);
        for layer in layers() {
            match outcome {
                Ok((problem, listed)) => {
                    let (outcome, _) = bench.compare_with(problem, vec![layer], &options);
                    assert_eq!(outcome.listed, listed, "{problem}");
                    assert!(outcome.analysis.problems.iter().any(|found| found.kind == problem), "{problem}");
                }
                Err(limit) => {
                    let reference = bench.registry.push(vec![layer]);
                    let [whole, listed] = [false, true]
                        .map(|lazy| bench.read(&reference, lazy, &options, &Kept::default()).map(|_| ()).unwrap_err());
                    assert!(whole.contains(limit), "{whole}");
                    assert_eq!(whole, listed);
                }
            }
        }
    }
    // A hole of a terabyte costs nobody anything before it is refused.
    let huge = |list: &mut Value| {
        let entry = entry(list, "var/lib/dpkg/status");
        entry["size"] = (1_u64 << 40).into();
        entry["chunkSize"] = (1_u64 << 40).into();
        entry["chunkType"] = "zeros".into();
    };
    let reference = bench.registry.push(vec![zstd_chunked(&plain(), USUAL, huge).unwrap()]);
    let error = bench.read(&reference, true, &Options::default(), &Kept::default()).map(|_| ()).unwrap_err();
    assert!(error.contains("limit-layer-bytes"), "{error}");
}

#[test]
fn the_output_tells_how_a_layer_was_read() {
    let bench = Bench::new();
    let home = tempfile::tempdir().unwrap();
    let [layer, _] = changed(|_| {});
    let reference = format!("registry:{}", bench.registry.push(vec![layer]));
    let run = |more: &[&str]| {
        let run = run(home.path(), &[&["sbom", "--plain-http", "-o", "json"], more, &[reference.as_str()]].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout
    };
    assert!(run(&["--lazy"]).contains(MARK));
    assert!(!run(&[]).contains(MARK));
}

/// Every test image, in both formats: as writers of eStargz and of zstd:chunked would have stored its layers.
#[test]
fn every_test_image_is_read_alike() {
    let Some(folder) = super::images::folder() else { return };
    let bench = Bench::new();
    // A file that is a hole, written whole, takes next to nothing when compressed.
    let options = Options::limited(Limits { compression_ratio: 1_000_000, ..Limits::default() });
    for kind in ["benign", "semantics"] {
        for (name, source, _) in super::images::images(&folder, kind) {
            let source = Source::parse(&source).unwrap();
            // Two images in one archive, or a layer that nobody can read.
            let Ok(staged) = bench.runtime.block_on(stage(&source, &StageOptions::default())) else { continue };
            let convert = |estargz_too: bool| -> Result<Vec<Layer>, String> {
                let layers = staged.layers.iter().map(|layer| {
                    let tar = unpacked(layer).and_then(|tar| without_holes(&tar)).map_err(|error| error.to_string())?;
                    if estargz_too {
                        estargz(&tar, USUAL, |_| {})
                    } else {
                        zstd_chunked(&tar, Cut { chunk: 64 << 10, ..USUAL }, |_| {})
                    }
                });
                layers.collect()
            };
            for (form, is_estargz) in [("eStargz", true), ("zstd:chunked", false)] {
                match convert(is_estargz) {
                    Ok(layers) => drop(bench.compare_with(&format!("{name}, {form}"), layers, &options)),
                    Err(reason) => println!("{name}, {form}: not made, because it has {reason}"),
                }
            }
        }
    }
}
