//! Real images against what native tools say of them. Runs where `KILLICK_TEST_IMAGES` names a folder with
//! `images.json`, `oci/`, `semantics/`, `hostile/` and `truth/`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fs_err as fs;
use killick_analysis::analyze::{Options, analyze};
use killick_model::analysis::Analysis;
use killick_model::file::{FileEntry, FileKind};
use killick_model::package::PackageKind;
use serde_json::Value;

use crate::staging;

fn folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tells where the images of this machine are")]
    std::env::var("KILLICK_TEST_IMAGES").ok().map(PathBuf::from)
}

fn images(folder: &Path, kind: &str) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&fs::read(folder.join("images.json")).unwrap()).unwrap();
    let images = document["images"].as_array().unwrap().iter();
    images.filter(|image| image["kind"] == kind && image["oci"].is_string()).cloned().collect()
}

fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "dir",
        FileKind::Symlink => "symlink",
        FileKind::CharacterDevice => "char",
        FileKind::BlockDevice => "block",
        FileKind::Fifo => "fifo",
    }
}

/// Differences of one image from its truth.
fn differences(analysis: &Analysis, truth: &Path) -> Vec<String> {
    let mut differences = Vec::new();
    for (file, kind) in [("deb.tsv", PackageKind::Deb), ("apk.tsv", PackageKind::Apk)] {
        let Ok(text) = fs::read_to_string(truth.join(file)) else { continue };
        let want: BTreeSet<(String, String)> = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>())
            .filter(|row| kind != PackageKind::Deb || row.get(5).is_none_or(|state| state.starts_with("ii")))
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
        let packages = analysis.packages.iter().filter(|package| package.kind == kind);
        let found = packages.map(|package| (package.name.clone(), package.version.clone())).collect();
        differences.extend(want.symmetric_difference(&found).map(|package| format!("{kind}: {package:?}")));
    }
    let Ok(file) = fs::File::open(truth.join("files.jsonl.gz")) else { return differences };
    let mut found: BTreeMap<&[u8], _> = analysis.files.iter().map(|file| (file.path.as_bytes(), file)).collect();
    let is_sparse = |file: &FileEntry| {
        let path = String::from_utf8_lossy(file.path.as_bytes());
        analysis.problems.iter().any(|problem| problem.kind == "sparse-file" && problem.subject == path)
    };
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let want: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let path = match want["path_hex"].as_str() {
            Some(digits) => hex::decode(digits).unwrap(),
            None => want["path"].as_str().unwrap().as_bytes().to_vec(),
        };
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        if path.is_empty() {
            continue;
        }
        let Some(file) = found.remove(path) else {
            differences.push(format!("missing: {want}"));
            continue;
        };
        let mode = want["mode"].as_str().map(|mode| u32::from_str_radix(mode, 8).unwrap());
        let sha256 = file.sha256.map(hex::encode);
        let link = file.link_target.as_ref().map(|link| String::from_utf8_lossy(link).into_owned());
        let link_key = ["link", "target", "linkdest", "link_target"].into_iter().find(|key| want[key].is_string());
        let equal = want["type"] == word(file.kind)
            && mode.is_none_or(|mode| mode == file.mode || file.kind == FileKind::Symlink)
            && want["uid"] == file.uid
            && want["gid"] == file.gid
            && (want["size"].is_null() || file.kind != FileKind::File || want["size"] == file.size)
            // The content of sparse members is not read, and a problem says so.
            && (want["sha256"].is_null() || is_sparse(file) || want["sha256"].as_str() == sha256.as_deref())
            && link_key.is_none_or(|key| want[key].as_str() == link.as_deref());
        if !equal {
            differences.push(format!("other: {want} is {file:?}"));
        }
    }
    differences.extend(found.values().map(|file| format!("unexpected: {file:?}")));
    differences
}

#[test]
fn benign_images_equal_the_truth() {
    let Some(folder) = folder() else { return };
    let mut all = Vec::new();
    for image in images(&folder, "benign") {
        let name = image["name"].as_str().unwrap();
        let Some(staged) = staging::layout(&folder.join(image["oci"].as_str().unwrap())) else {
            println!("{name}: no layout");
            continue;
        };
        let analysis = analyze(&staged, None, &Options::default()).unwrap();
        let differences = differences(&analysis, &folder.join("truth").join(name));
        println!(
            "{name}: {} packages, {} files, {} problems, {} differences",
            analysis.packages.len(),
            analysis.files.len(),
            analysis.problems.len(),
            differences.len()
        );
        for problem in analysis.problems.iter().take(5) {
            println!("    {problem:?}");
        }
        all.extend(differences.into_iter().take(10).map(|difference| format!("{name}: {difference}")));
    }
    assert!(all.is_empty(), "{all:#?}");
}

/// What `expect` of an image says of its tree that is not so.
fn broken_expectations(analysis: &Analysis, expect: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let path = |path: &str| path.trim_start_matches('/').as_bytes().to_vec();
    for (name, kind) in expect["tree"].as_object().into_iter().flatten() {
        if analysis.file(&path(name)).map(|file| word(file.kind)) != kind.as_str() {
            broken.push(format!("{name} is not a {kind}: {:?}", analysis.file(&path(name))));
        }
    }
    for name in expect["absent"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if analysis.file(&path(name)).is_some() {
            broken.push(format!("{name} is there"));
        }
    }
    for (name, content) in expect["content"].as_object().into_iter().flatten() {
        let want = *killick_model::digest::Digest::of(content.as_str().unwrap().as_bytes()).as_bytes();
        if analysis.file(&path(name)).and_then(|file| file.sha256) != Some(want) {
            broken.push(format!("{name} has another content"));
        }
    }
    for (name, uid) in expect["uid"].as_object().into_iter().flatten() {
        if analysis.file(&path(name)).map(|file| u64::from(file.uid)) != uid.as_u64() {
            broken.push(format!("{name} has another owner"));
        }
    }
    if let Some(count) = expect["files"].as_u64() {
        let files = analysis.files.iter().filter(|file| file.kind == FileKind::File).count() as u64;
        if files != count {
            broken.push(format!("{files} files instead of {count}"));
        }
    }
    if let Some(count) = expect["packages"]["deb"].as_u64() {
        let packages = analysis.packages.iter().filter(|package| package.kind == PackageKind::Deb).count() as u64;
        if packages != count {
            broken.push(format!("{packages} deb packages instead of {count}"));
        }
    }
    for name in expect["packages_at_least"].as_array().into_iter().flatten() {
        if !analysis.packages.iter().any(|package| name == package.name.as_str()) {
            broken.push(format!("package {name} is not found"));
        }
    }
    broken
}

fn check_expectations(kind: &str) {
    let Some(folder) = folder() else { return };
    let mut all = Vec::new();
    for image in images(&folder, kind) {
        let name = image["name"].as_str().unwrap();
        let Some(staged) = staging::layout(&folder.join(image["oci"].as_str().unwrap())) else {
            println!("{name}: no layout");
            continue;
        };
        let expect = &image["expect"];
        let outcome = analyze(&staged, None, &Options::default());
        match (&outcome, expect["outcome"].as_str().unwrap_or("ok")) {
            (Err(error), "ok") => all.push(format!("{name}: {error}: {:?}", std::error::Error::source(error))),
            (Err(error), _) => println!("{name}: {error}: {:?}", std::error::Error::source(error)),
            // Most of what must be refused is for the stager to find.
            (Ok(analysis), wanted) => {
                println!("{name} ({wanted}): {} files, {} problems", analysis.files.len(), analysis.problems.len());
                for problem in analysis.problems.iter().take(4) {
                    println!("    {} {} {}", problem.kind, problem.subject, problem.message);
                }
                let broken = broken_expectations(analysis, expect);
                all.extend(broken.into_iter().map(|broken| format!("{name}: {broken}")));
            }
        }
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn unusual_images_are_merged_as_runtimes_do() {
    check_expectations("semantics");
}

#[test]
fn hostile_images_are_contained() {
    check_expectations("hostile");
}
