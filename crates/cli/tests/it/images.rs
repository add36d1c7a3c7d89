//! Whole images through staging and analysis: constructed hostile ones always, and where `KILLICK_TEST_IMAGES` names
//! a folder with `images.json`, real ones against what native tools say of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod constructed;
mod truth;

use std::error::Error;
use std::path::{Path, PathBuf};

use fs_err as fs;
use killick_analysis::analyze::{Options, analyze};
use killick_fetch::{Source, StageOptions, stage};
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::file::FileKind;
use killick_model::image::Platform;
use killick_model::package::PackageKind;
use serde_json::Value;

/// Stages and analyses what a user would type.
fn read(source: &str, platform: Option<Platform>) -> Result<Analysis, String> {
    fn chain(error: &dyn Error) -> String {
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let source = Source::parse(source).map_err(|error| chain(&error))?;
    let options = StageOptions { platform, ..StageOptions::default() };
    let staged = runtime.block_on(stage(&source, &options)).map_err(|error| chain(&error))?;
    analyze(&staged, None, &Options::default()).map_err(|error| chain(&error))
}

pub(crate) fn folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tells where the images of this machine are")]
    std::env::var("KILLICK_TEST_IMAGES").ok().map(PathBuf::from)
}

/// Images of a kind, with their names and sources.
pub(crate) fn images(folder: &Path, kind: &str) -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_slice(&fs::read(folder.join("images.json")).unwrap()).unwrap();
    let images = document["images"].as_array().unwrap().iter().filter(|image| image["kind"] == kind);
    let source = |image: &Value| {
        let file = |key: &str| image[key].as_str().map(|path| folder.join(path).display().to_string());
        let tag = image["ref"].as_str().unwrap_or("latest");
        let archive = || file("docker_archive").map(|path| format!("docker-archive:{path}"));
        file("oci").map(|path| format!("oci:{path}:{tag}")).or_else(archive).unwrap()
    };
    images.map(|image| (image["name"].as_str().unwrap().to_owned(), source(image), image.clone())).collect()
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

#[test]
fn benign_images_equal_the_truth() {
    let Some(folder) = folder() else { return };
    let mut all = Vec::new();
    for (name, source, image) in images(&folder, "benign") {
        let analysis = read(&source, None).unwrap();
        let truth = folder.join("truth").join(image["variant_of"].as_str().unwrap_or(&name));
        let differences = truth::differences(&analysis, &truth);
        let (packages, files) = (analysis.packages.len(), analysis.files.len());
        println!("{name}: {packages} packages, {files} files, {} differences", differences.len());
        for problem in analysis.problems.iter().take(5) {
            println!("    {} {} {}", problem.kind, problem.subject, problem.message);
        }
        all.extend(differences.into_iter().take(10).map(|difference| format!("{name}: {difference}")));
        let archives = ["docker_archive", "docker_archive_legacy", "docker_archive_modern"];
        for path in archives.into_iter().filter_map(|key| image[key].as_str()) {
            if image["uncompressed_bytes"].as_u64().is_some_and(|bytes| bytes > 200_000_000) {
                continue;
            }
            let other = read(&format!("docker-archive:{}", folder.join(path).display()), None).unwrap();
            if other.packages != analysis.packages || other.files != analysis.files {
                all.push(format!("{name}: `{path}` holds another image"));
            }
        }
    }
    assert!(all.is_empty(), "{all:#?}");
}

/// What `expect` of an image says that is not so.
fn broken_expectations(analysis: &Analysis, expect: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let at = |path: &str| analysis.file(path.trim_start_matches('/').as_bytes());
    for (name, kind) in expect["tree"].as_object().into_iter().flatten() {
        if at(name).map(|file| word(file.kind)) != kind.as_str() {
            broken.push(format!("{name} is not a {kind}: {:?}", at(name)));
        }
    }
    for name in expect["absent"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if at(name).is_some() {
            broken.push(format!("{name} is there"));
        }
    }
    for (name, content) in expect["content"].as_object().into_iter().flatten() {
        let want = *Digest::of(content.as_str().unwrap().as_bytes()).as_bytes();
        if at(name).and_then(|file| file.sha256) != Some(want) {
            broken.push(format!("{name} has another content"));
        }
    }
    for (name, uid) in expect["uid"].as_object().into_iter().flatten() {
        if at(name).map(|file| u64::from(file.uid)) != uid.as_u64() {
            broken.push(format!("{name} has another owner"));
        }
    }
    let mut count = |what: &str, found: usize, want: &Value| {
        if want.as_u64().is_some_and(|want| want != found as u64) {
            broken.push(format!("{found} {what} instead of {want}"));
        }
    };
    count("files", analysis.files.iter().filter(|file| file.kind == FileKind::File).count(), &expect["files"]);
    count("layers", analysis.layers.len(), &expect["layers"]);
    for (word, kind) in [("deb", PackageKind::Deb), ("apk", PackageKind::Apk), ("rpm", PackageKind::Rpm)] {
        let packages = analysis.packages.iter().filter(|package| package.kind == kind).count();
        count(word, packages, &expect["packages"][word]);
    }
    for name in expect["packages_at_least"].as_array().into_iter().flatten() {
        if !analysis.packages.iter().any(|package| name == package.name.as_str()) {
            broken.push(format!("package {name} is not found"));
        }
    }
    broken
}

fn check(kind: &str) {
    let Some(folder) = folder() else { return };
    let mut all = Vec::new();
    for (name, source, image) in images(&folder, kind) {
        // Two images in one archive: the user must say which.
        if image["expect"]["images"].is_number() {
            assert!(read(&source, None).is_err(), "{name}");
            continue;
        }
        let expect = &image["expect"];
        let outcome = read(&source, None);
        let text = match &outcome {
            Ok(analysis) => serde_json::to_string(analysis).unwrap(),
            Err(error) => error.clone(),
        };
        let forbidden = expect["forbidden"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for words in forbidden.filter(|words| text.contains(*words)) {
            all.push(format!("{name}: `{words}` came from the host"));
        }
        if expect["canary"].as_str().is_some_and(|path| Path::new(path).symlink_metadata().is_ok()) {
            all.push(format!("{name}: something was written to the host"));
        }
        match (&outcome, expect["outcome"].as_str().unwrap_or("ok")) {
            (Err(error), "ok") => all.push(format!("{name}: {error}")),
            (Err(error), outcome) => println!("{name} ({outcome}): {error}"),
            (Ok(_), "reject") => all.push(format!("{name}: accepted")),
            (Ok(analysis), outcome) => {
                println!("{name} ({outcome}): {} files, {} problems", analysis.files.len(), analysis.problems.len());
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
    check("semantics");
}

#[test]
fn hostile_images_are_contained() {
    check("hostile");
}

#[test]
fn every_platform_can_be_chosen() {
    let Some(folder) = folder() else { return };
    for (name, source, image) in images(&folder, "multi") {
        for platform in image["expect"]["platforms"].as_array().unwrap() {
            let platform: Platform = platform.as_str().unwrap().parse().unwrap();
            let analysis = read(&source, Some(platform.clone())).unwrap();
            assert_eq!(analysis.config.architecture, platform.architecture, "{name}");
        }
    }
}
