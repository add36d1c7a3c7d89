//! An analysis against lists made by native tools: dpkg, apk, rpm, pip, npm, gem, `go version -m`, `unzip`, `find`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use fs_err as fs;
use killick_model::analysis::Analysis;
use killick_model::package::{Package, PackageDetails, PackageKind};
use serde_json::Value;

use super::word;

/// Name, version, and where the list tells, the place.
type Row = (String, String, String);

/// Lists of one kind of package: what they are called, the packages they list, how ours are to be named to be compared.
struct List {
    files: &'static [&'static str],
    kind: PackageKind,
    rows: fn(&str) -> Vec<Row>,
    place: fn(&Package) -> String,
    /// Whether the tool cannot know a package that we find; anything else that it does not list is an error.
    is_beyond: fn(&Row, &BTreeSet<Row>) -> bool,
}

const LISTS: &[List] = &[
    List { files: &["deb.tsv"], kind: PackageKind::Deb, rows: deb, place: nowhere, is_beyond: nothing },
    List { files: &["apk.tsv"], kind: PackageKind::Apk, rows: apk, place: nowhere, is_beyond: nothing },
    List { files: &["rpm.tsv"], kind: PackageKind::Rpm, rows: rpm, place: nowhere, is_beyond: nothing },
    List { files: &["node.json"], kind: PackageKind::Npm, rows: node, place: location, is_beyond: nothing },
    List { files: &["gem.csv"], kind: PackageKind::Gem, rows: gem, place: location, is_beyond: other_interpreters },
    List { files: &["go-version-m.txt"], kind: PackageKind::Go, rows: go, place: file_name, is_beyond: nothing },
    List { files: &["rust-audit-info.json"], kind: PackageKind::Rust, rows: rust, place: nowhere, is_beyond: nothing },
    List { files: &["jars.json"], kind: PackageKind::Java, rows: jars, place: nested, is_beyond: archive_itself },
    List {
        files: &["python.json", "python-opt-py.json", "python-opt-venv.json"],
        kind: PackageKind::Python,
        rows: python,
        place: python_place,
        is_beyond: off_the_path,
    },
];

fn nothing(_: &Row, _: &BTreeSet<Row>) -> bool {
    false
}

/// `gem` lists the folders of its own interpreter; those for all of them are beside.
fn other_interpreters((_, _, place): &Row, _: &BTreeSet<Row>) -> bool {
    place.starts_with("/usr/share/rubygems-integration/all/")
}

/// An unpacked egg that no `.pth` file names, so that no interpreter looks there.
fn off_the_path((_, _, place): &Row, _: &BTreeSet<Row>) -> bool {
    place.starts_with("/opt/eggdir/")
}

/// The list has archives, and what `pom.properties` in them say. An archive is a package of its own where none of these
/// is it; then the list has a row for the archive alone.
fn archive_itself((name, _, place): &Row, want: &BTreeSet<Row>) -> bool {
    let archive = place.rsplit(['/', ':']).next().unwrap_or_default();
    want.contains(&(String::new(), String::new(), place.clone())) && archive.starts_with(name.as_str())
}

fn nowhere(_: &Package) -> String {
    String::new()
}

fn location(package: &Package) -> String {
    package.location.to_string()
}

fn file_name(package: &Package) -> String {
    String::from_utf8_lossy(package.location.file_name()).into_owned()
}

/// The archive, by way of those around it; where in it a package is declared, the list does not say.
fn nested(package: &Package) -> String {
    let archives = package.nested.iter().filter(|name| !name.ends_with("pom.properties"));
    let way: Vec<String> = [package.location.to_string()].into_iter().chain(archives.cloned()).collect();
    way.join(":")
}

/// The folder of the metadata, the flat file, or the egg.
fn python_place(package: &Package) -> String {
    let place = package.location.to_string();
    place.trim_end_matches("/METADATA").trim_end_matches("/PKG-INFO").trim_end_matches("/EGG-INFO").to_owned()
}

fn columns(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split('\t').collect())
}

fn row(name: &str, version: &str) -> Row {
    (name.to_owned(), version.to_owned(), String::new())
}

fn deb(text: &str) -> Vec<Row> {
    let is_installed = |row: &Vec<&str>| row.get(5).is_none_or(|state| state.starts_with("ii"));
    columns(text).filter(is_installed).map(|cells| row(cells[0], cells[1])).collect()
}

fn apk(text: &str) -> Vec<Row> {
    columns(text).map(|cells| row(cells[0], cells[1])).collect()
}

fn rpm(text: &str) -> Vec<Row> {
    let version = |cells: &[&str]| match cells[1] {
        "(none)" => format!("{}-{}", cells[2], cells[3]),
        epoch => format!("{epoch}:{}-{}", cells[2], cells[3]),
    };
    columns(text).map(|cells| row(cells[0], &version(&cells))).collect()
}

fn objects(text: &str, place: &str) -> Vec<Row> {
    let list: Vec<Value> = serde_json::from_str(text).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|object| (word(&object["name"]), word(&object["version"]), word(&object[place]))).collect()
}

fn node(text: &str) -> Vec<Row> {
    objects(text, "path")
}

fn python(text: &str) -> Vec<Row> {
    let mut rows = objects(text, "location");
    for (_, _, place) in &mut rows {
        place.truncate(place.trim_end_matches('/').trim_end_matches("/EGG-INFO").len());
    }
    rows
}

fn gem(text: &str) -> Vec<Row> {
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    text.lines().map(cells).map(|cells| (cells[0].clone(), cells[1].clone(), cells[2].clone())).collect()
}

/// The standard library, the main module, dependencies; a replacement stands for what it replaces.
fn go(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut program = String::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        match cells.as_slice() {
            [title] => {
                let (name, toolchain) = title.split_once(": ").unwrap();
                name.clone_into(&mut program);
                rows.push(("stdlib".to_owned(), toolchain.to_owned(), program.clone()));
            }
            ["", "dep" | "mod", name, version, ..] => {
                rows.push(((*name).to_owned(), (*version).to_owned(), program.clone()));
            }
            ["", "=>", name, version, ..] => {
                rows.pop();
                rows.push(((*name).to_owned(), (*version).to_owned(), program.clone()));
            }
            _ => {}
        }
    }
    rows
}

/// What went into the program, without what only built it.
fn rust(text: &str) -> Vec<Row> {
    let document: Value = serde_json::from_str(text).unwrap();
    let packages = document["packages"].as_array().unwrap().iter();
    let runtime = packages.filter(|package| package["kind"] != "build");
    runtime.map(|package| row(package["name"].as_str().unwrap(), package["version"].as_str().unwrap())).collect()
}

fn jars(text: &str) -> Vec<Row> {
    let list: Vec<Value> = serde_json::from_str(text).unwrap();
    let mut rows = Vec::new();
    for jar in &list {
        let path = jar["path"].as_str().unwrap();
        rows.push((String::new(), String::new(), path.to_owned()));
        for pom in jar["pom"].as_array().unwrap() {
            let word = |at: usize| pom[at].as_str().unwrap().to_owned();
            rows.push((word(1), word(2), path.to_owned()));
        }
    }
    rows
}

/// The version as native tools have it: `go version -m` says `(devel)` where the linker was told the version.
fn listed_version(package: &Package) -> String {
    match &package.details {
        PackageDetails::Go { version_from: Some(_), .. } => "(devel)".to_owned(),
        _ => package.version.clone(),
    }
}

/// Differences of one image from its truth.
pub(super) fn differences(analysis: &Analysis, truth: &Path) -> Vec<String> {
    let mut differences = Vec::new();
    for list in LISTS {
        let texts: Vec<String> =
            list.files.iter().filter_map(|file| fs::read_to_string(truth.join(file)).ok()).collect();
        if texts.is_empty() {
            continue;
        }
        let want: BTreeSet<Row> = texts.iter().flat_map(|text| (list.rows)(text)).collect();
        let of_kind = analysis.packages.iter().filter(|package| package.kind == list.kind);
        let installed = of_kind.filter(|package| package.evidence.is_installed());
        let found: BTreeSet<Row> =
            installed.map(|package| (package.name.clone(), listed_version(package), (list.place)(package))).collect();
        // A row without a name is a place only.
        let missing: Vec<_> = want.difference(&found).filter(|(name, ..)| !name.is_empty()).collect();
        let unexpected: Vec<_> = found.difference(&want).filter(|row| !(list.is_beyond)(row, &want)).collect();
        let name = list.files[0];
        println!("    {name}: {} wanted, {} found, {} missing", want.len(), found.len(), missing.len());
        differences.extend(missing.into_iter().map(|row| format!("{name}: missing {row:?}")));
        differences.extend(unexpected.into_iter().map(|row| format!("{name}: unexpected {row:?}")));
    }
    differences.extend(files(analysis, &truth.join("files.jsonl.gz")));
    differences
}

fn files(analysis: &Analysis, truth: &Path) -> Vec<String> {
    let mut differences = Vec::new();
    let Ok(file) = fs::File::open(truth) else { return differences };
    let mut found: BTreeMap<&[u8], _> = analysis.files.iter().map(|file| (file.path.as_bytes(), file)).collect();
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let want: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let path = match want["path_hex"].as_str() {
            Some(digits) => bytes_of(digits),
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
        let sha256 = file.sha256.map(|sum| killick_model::digest::Digest::from_sha256(sum).hex());
        let link = file.link_target.as_ref().map(|link| String::from_utf8_lossy(link).into_owned());
        let link_key = ["link", "target", "linkdest", "link_target"].into_iter().find(|key| want[key].is_string());
        let equal = want["type"] == word(file.kind)
            && mode.is_none_or(|mode| mode == file.mode || word(file.kind) == "symlink")
            && want["uid"] == file.uid
            && want["gid"] == file.gid
            && (want["size"].is_null() || word(file.kind) != "file" || want["size"] == file.size)
            && (want["sha256"].is_null() || want["sha256"].as_str() == sha256.as_deref())
            && link_key.is_none_or(|key| want[key].as_str() == link.as_deref());
        if !equal {
            differences.push(format!("other: {want} is {file:?}"));
        }
    }
    differences.extend(found.values().map(|file| format!("unexpected: {file:?}")));
    differences
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
