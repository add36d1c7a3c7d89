//! Whole images of a few files.

use std::io::{self, BufRead};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use killick_analysis::analyze::{Options, Progress, Step, analyze};
use killick_analysis::cache::FolderCache;
use killick_analysis::error::AnalysisError;
use killick_analysis::limits::Limits;
use killick_model::digest::Digest;
use killick_model::image::LayerSource;
use killick_model::package::PackageKind;

use crate::staging;

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if let Some(target) = content.strip_prefix('>') {
            header.set_entry_type(tar::EntryType::Link);
            header.set_size(0);
            builder.append_link(&mut header, path, target).unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

const STATUS: &str = "Package: node-left-pad\nStatus: install ok installed\nVersion: 1.3.0-1\nArchitecture: all\n\n";
const MANIFEST: &str = r#"{"name": "left-pad", "version": "1.3.0"}"#;

/// A layer that must not be needed.
struct Closed;

impl LayerSource for Closed {
    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        Err(io::Error::other("opened"))
    }
}

#[derive(Default)]
struct Steps(Mutex<Vec<String>>);

impl Progress for Steps {
    fn step(&self, step: Step<'_>) {
        let word = match step {
            Step::LayerKnown(_) => "known",
            Step::LayerRead(_) => "read",
            Step::Joining => "joining",
        };
        self.0.lock().unwrap().push(word.to_owned());
    }
}

#[test]
fn a_known_layer_is_not_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FolderCache::new(folder.path());
    let mut image = staging::image(vec![tar(&[("var/lib/dpkg/status", STATUS), ("srv/x", "content")])]);
    let steps = Arc::new(Steps::default());
    let options = Options { progress: Some(steps.clone()), ..Options::default() };
    let first = analyze(&image, Some(&cache), &options).unwrap();
    assert_eq!(first.packages.len(), 1);
    image.layers[0].source = Arc::new(Closed);
    assert_eq!(analyze(&image, Some(&cache), &options).unwrap(), first);
    assert_eq!(*steps.0.lock().unwrap(), ["read", "joining", "known", "joining"]);
    assert!(analyze(&image, None, &options).is_err());
}

#[test]
fn another_blob_of_a_known_content_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FolderCache::new(folder.path());
    let mut image = staging::image(vec![tar(&[("var/lib/dpkg/status", STATUS)])]);
    analyze(&image, Some(&cache), &Options::default()).unwrap();
    // A configuration may claim any content for any blob.
    image.layers[0].digest = Digest::of(b"another blob");
    image.layers[0].source = Arc::new(Closed);
    assert!(analyze(&image, Some(&cache), &Options::default()).is_err());
    // And what was refused is not remembered.
    assert!(analyze(&image, Some(&cache), &Options::default()).is_err());
}

#[test]
fn language_packages_know_the_distribution_package_they_came_with() {
    let list = "/.\n/usr\n/usr/share/nodejs/left-pad/package.json\n";
    let image = staging::image(vec![tar(&[
        ("var/lib/dpkg/status", STATUS),
        ("var/lib/dpkg/info/node-left-pad.list", list),
        ("usr/share/nodejs/left-pad/package.json", MANIFEST),
        ("srv/node_modules/left-pad/package.json", MANIFEST),
    ])]);
    let analysis = analyze(&image, None, &Options::default()).unwrap();
    let owners: Vec<_> = analysis
        .packages
        .iter()
        .filter(|package| package.kind == PackageKind::Npm)
        .map(|package| {
            let owner = package.owner.map(|owner| analysis.packages[owner.0 as usize].name.clone());
            (package.location.to_string(), owner)
        })
        .collect();
    assert_eq!(
        owners,
        [
            ("/srv/node_modules/left-pad/package.json".to_owned(), None),
            ("/usr/share/nodejs/left-pad/package.json".to_owned(), Some("node-left-pad".to_owned())),
        ]
    );
}

#[test]
fn a_distribution_without_its_packages_is_told() {
    const DEBIAN: (&str, &str) = ("etc/os-release", "ID=debian\nVERSION_ID=12\n");
    let distroless = ("var/lib/dpkg/status.d/left-pad", STATUS);
    for (files, want) in [
        (&[DEBIAN][..], Some("debian:12")),
        (&[DEBIAN, ("srv/node_modules/left-pad/package.json", MANIFEST)], Some("debian:12")),
        (&[DEBIAN, ("var/lib/dpkg/status", STATUS)], None),
        (&[DEBIAN, distroless], None),
        (&[("etc/os-release", "ID=flatcar\nVERSION_ID=4000\n")], None),
        (&[("srv/node_modules/left-pad/package.json", MANIFEST)], None),
    ] {
        let analysis = analyze(&staging::image(vec![tar(files)]), None, &Options::default()).unwrap();
        let told = analysis.problems.iter().find(|problem| problem.kind == "no-package-database");
        assert_eq!(told.map(|problem| problem.subject.as_str()), want, "{files:?}");
    }
}

#[test]
fn packages_linked_from_a_store_are_found_where_they_are_linked() {
    let below = tar(&[
        ("app/.pnpm-store/files/00/1b", MANIFEST),
        ("app/node_modules/a/package.json", ">app/.pnpm-store/files/00/1b"),
        ("app/node_modules/b/package.json", ">app/.pnpm-store/files/00/1b"),
    ]);
    let above = tar(&[("app/node_modules/.wh.a", "")]);
    for (layers, want) in [
        (vec![below.clone()], &["/app/node_modules/a/package.json", "/app/node_modules/b/package.json"][..]),
        (vec![below, above], &["/app/node_modules/b/package.json"]),
    ] {
        let analysis = analyze(&staging::image(layers), None, &Options::default()).unwrap();
        let found: Vec<_> = analysis.packages.iter().map(|package| package.location.to_string()).collect();
        assert_eq!(found, want);
        assert!(analysis.problems.is_empty());
    }
}

#[test]
fn names_that_engines_overwrite_hide_nothing() {
    let extended = |text: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(text.len() as u64);
        header.set_cksum();
        let mut bytes = [header.as_bytes(), text.as_bytes()].concat();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    };
    let layer = [
        extended("15 path=tmp/zz\n"),
        extended("13 comment=x\n"),
        tar(&[("app/node_modules/left-pad/package.json", MANIFEST)]),
    ];
    let analysis = analyze(&staging::image(vec![layer.concat()]), None, &Options::default()).unwrap();
    let found: Vec<_> = analysis.packages.iter().map(|package| package.location.to_string()).collect();
    assert_eq!(found, ["/app/node_modules/left-pad/package.json"]);
}

/// A clock on which time is up at the look of this number.
fn up_at(look: u32) -> Arc<dyn Fn() -> Duration + Send + Sync> {
    let looks = AtomicU32::new(0);
    Arc::new(move || Duration::from_secs(if looks.fetch_add(1, Ordering::Relaxed) >= look { 60 } else { 59 }))
}

#[test]
fn an_image_that_takes_too_long_is_given_up_wherever_it_is() {
    let image = staging::image(vec![tar(&[("var/lib/dpkg/status", STATUS)]), tar(&[("srv/x", "content")])]);
    let limits = Limits { analysis_seconds: 60, ..Limits::default() };
    let mut ends = Vec::new();
    for look in 0.. {
        let steps = Arc::new(Steps::default());
        let options =
            Options { elapsed: Some(up_at(look)), progress: Some(steps.clone()), ..Options::limited(limits.clone()) };
        match analyze(&image, None, &options) {
            Ok(analysis) => {
                assert_eq!(analysis.packages.len(), 1);
                break;
            }
            Err(error) => {
                assert!(matches!(error, AnalysisError::Time { limit: 60 }), "{error}");
                let want = "the image takes longer to analyse than the limit `limit-analysis-seconds` of 60";
                assert_eq!(error.to_string(), want);
                ends.push(steps.0.lock().unwrap().last().cloned().unwrap_or_default());
            }
        }
    }
    ends.dedup();
    assert_eq!(ends.first().map(String::as_str), Some(""), "before anything was read");
    assert_eq!(ends.last().map(String::as_str), Some("joining"), "while packages were put together");
}

#[test]
fn facts_read_under_other_limits_are_other_facts() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FolderCache::new(folder.path());
    let image = staging::image(vec![tar(&[("var/lib/dpkg/status", STATUS)])]);
    let small = Options::limited(Limits { file_bytes: 10, ..Limits::default() });
    let kinds = |analysis: &killick_model::analysis::Analysis| {
        let problems = analysis.problems.iter().map(|problem| problem.kind.clone());
        (analysis.packages.len(), problems.collect::<Vec<_>>())
    };
    let first = analyze(&image, Some(&cache), &small).unwrap();
    assert_eq!(kinds(&first), (0, vec!["limit-file-bytes".to_owned()]));
    let second = analyze(&image, Some(&cache), &Options::default()).unwrap();
    assert_eq!(kinds(&second), (1, Vec::new()));
}

#[test]
fn an_image_with_too_many_packages_is_refused() {
    let manifest = |name: &str| format!(r#"{{"name": "{name}", "version": "1.0.0"}}"#);
    let (one, two, three) = (manifest("one"), manifest("two"), manifest("three"));
    let lower = tar(&[("a/package.json", &one), ("b/package.json", &two)]);
    let upper = tar(&[("c/package.json", &three)]);
    for (packages, is_refused) in [(2, true), (3, false)] {
        let options = Options::limited(Limits { packages, ..Limits::default() });
        let outcome = analyze(&staging::image(vec![lower.clone(), upper.clone()]), None, &options);
        assert_eq!(matches!(outcome, Err(AnalysisError::Packages { .. })), is_refused, "{outcome:?}");
    }
}
