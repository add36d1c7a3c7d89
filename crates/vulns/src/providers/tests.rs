use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use killick_model::advisory::{Advisory, Enrichment, Instant, Statement};
use killick_model::lifecycle::Lifecycle;
use proptest::strategy::Strategy as _;
use serde_json::{Value, json};

use super::{Input, PROVIDERS, Sink};
use crate::index::{Index, Table};
use crate::{BuildOptions, BuildReport, build};

mod upstreams;

/// Copies a feeds folder, packing every folder of records that upstreams publish as an archive.
pub(crate) fn pack(from: &Path, to: &Path) {
    for entry in fs_err::read_dir(from).unwrap() {
        let (path, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name())
        };
        if path.is_dir() && path.extension().is_some_and(|extension| extension == "zip") {
            let mut archive = zip::ZipWriter::new(fs_err::File::create(to.join(&name)).unwrap());
            for record in super::tree(&path).unwrap() {
                let options = zip::write::SimpleFileOptions::DEFAULT;
                archive.start_file(record.strip_prefix(&path).unwrap().to_str().unwrap(), options).unwrap();
                archive.write_all(&fs_err::read(&record).unwrap()).unwrap();
            }
            archive.finish().unwrap();
        } else if path.is_dir() && path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some()) {
            pack_tar(&path, &to.join(&name));
        } else if path.is_dir() {
            fs_err::create_dir_all(to.join(&name)).unwrap();
            pack(&path, &to.join(&name));
        } else {
            fs_err::copy(&path, to.join(&name)).unwrap();
        }
    }
}

/// Packs a folder named `….tar.zst`, `.gz`, `.xz` or `.bz2`, members in name order.
fn pack_tar(from: &Path, to: &Path) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut open = vec![from.to_owned()];
    let mut members = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { members.push(path) }
        }
    }
    members.sort();
    for member in members {
        let bytes = fs_err::read(&member).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, member.strip_prefix(from).unwrap(), bytes.as_slice()).unwrap();
    }
    let bytes = archive.into_inner().unwrap();
    let packed = match to.extension().and_then(|extension| extension.to_str()).unwrap() {
        "zst" => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
        "gz" => {
            let mut packed = Vec::new();
            flate2::read::GzEncoder::new(bytes.as_slice(), flate2::Compression::fast())
                .read_to_end(&mut packed)
                .unwrap();
            packed
        }
        "xz" => {
            let mut packed = Vec::new();
            liblzma::read::XzEncoder::new(bytes.as_slice(), 1).read_to_end(&mut packed).unwrap();
            packed
        }
        "bz2" => {
            let mut packed = Vec::new();
            let level = bzip2::Compression::fast();
            bzip2::read::BzEncoder::new(bytes.as_slice(), level).read_to_end(&mut packed).unwrap();
            packed
        }
        other => panic!("no packer for `{other}`"),
    };
    fs_err::write(to, packed).unwrap();
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(path).unwrap_or_else(|error| panic!("every provider has testdata: {error}"));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    assert!(!found.is_empty(), "{} has no case", path.display());
    found
}

/// Everything an index holds, segment by segment.
fn content(index: &Index) -> Value {
    let mut segments = Vec::new();
    for (at, segment) in index.manifest().segments.iter().enumerate() {
        let mut tables = serde_json::Map::new();
        // The names follow from the statements.
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Names) {
            let mut entries = serde_json::Map::new();
            index
                .visit_keys(at, table, &mut |key| {
                    let records = match table {
                        Table::Packages => {
                            json!(index.statements(at, key).unwrap().iter().map(short).collect::<Vec<_>>())
                        }
                        Table::Cpes => json!(index.cpes(at, key).unwrap().iter().map(short).collect::<Vec<_>>()),
                        Table::Advisories => {
                            json!(index.advisories(at, key).unwrap().iter().map(notes).collect::<Vec<_>>())
                        }
                        Table::Aliases => json!(index.aliases(at, key).unwrap()),
                        Table::Names => json!(index.names(at, key).unwrap()),
                        Table::Enrichment => {
                            json!(index.enrichment(at, key).unwrap().iter().map(facts).collect::<Vec<_>>())
                        }
                        Table::Lifecycles => {
                            json!(index.lifecycles(at, key).unwrap().iter().map(support).collect::<Vec<_>>())
                        }
                    };
                    entries.insert(key.to_owned(), records);
                })
                .unwrap();
            if !entries.is_empty() {
                tables.insert(table.name().to_owned(), Value::Object(entries));
            }
        }
        segments.push(json!({
            "segment": segment.label(),
            "coverage": segment.coverage,
            "license": segment.license,
            "newest": segment.data_instant.and_then(Instant::timestamp),
            "tables": tables,
        }));
    }
    json!(segments)
}

fn short(statement: &Statement) -> Value {
    let severity = statement.severity.map(|severity| format!(" {severity}")).unwrap_or_default();
    json!(format!(
        "{} {:?} `{}` {:?} {} {} -> {:?} {:?}{severity} {:?}",
        statement.advisory,
        statement.level,
        statement.name,
        statement.verdict,
        statement.versions.scheme,
        statement.versions,
        statement.fix.state,
        statement.fix.versions,
        statement.qualifiers,
    ))
}

fn notes(advisory: &Advisory) -> Value {
    json!(format!(
        "{:?} {:?} {:?} upstream {:?} {:?} cwe {:?} {}",
        advisory.kind,
        advisory.status,
        advisory.license,
        advisory.upstream,
        advisory.ratings,
        advisory.cwes,
        advisory.modified.and_then(Instant::timestamp).map(|stamp| stamp.to_string()).unwrap_or_default(),
    ))
}

fn facts(enrichment: &Enrichment) -> Value {
    json!(format!(
        "{:?} {:?} cwe {:?} exploited {:?} epss {:?}",
        enrichment.status, enrichment.ratings, enrichment.cwes, enrichment.exploited, enrichment.epss_millionths,
    ))
}

fn support(lifecycle: &Lifecycle) -> Value {
    let day = |instant: Option<Instant>| {
        instant.and_then(Instant::timestamp).map_or("-".to_owned(), |stamp| stamp.to_string()[..10].to_owned())
    };
    json!(format!(
        "{} {:?} released {} ends {} extended {} {:?} {:?}",
        lifecycle.cycle,
        lifecycle.codename,
        day(lifecycle.released),
        day(lifecycle.ends),
        day(lifecycle.extended_ends),
        lifecycle.support,
        lifecycle.last_version,
    ))
}

fn problems(report: &BuildReport) -> Value {
    let shown = |input: &crate::InputReport| {
        let problems: Vec<String> =
            input.problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)).collect();
        json!({ "input": input.path, "skipped": input.skipped, "left out": input.left_out, "problems": problems })
    };
    json!(report.inputs.iter().map(shown).collect::<Vec<_>>())
}

#[test]
fn testdata() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/providers");
    for provider in PROVIDERS {
        for case in folders(&root.join(provider.name)) {
            let work = tempfile::tempdir().unwrap();
            let feeds = work.path().join("feeds");
            fs_err::create_dir(&feeds).unwrap();
            pack(&case.join("feeds"), &feeds);
            let out = work.path().join("index");
            let found = match build(&[feeds], &out, &BuildOptions::default()) {
                Ok(report) => json!({ "inputs": problems(&report), "segments": content(&Index::open(&out).unwrap()) }),
                Err(error) => {
                    let folder = work.path().display().to_string();
                    json!({ "error": error.to_string().replace(&folder, "") })
                }
            };
            insta::with_settings!({
                snapshot_path => &case, prepend_module_to_snapshot => false, omit_expression => true
            }, { insta::assert_json_snapshot!("expected", found) });
        }
    }
}

/// A copy of a feeds folder in which every file is damaged at the same place: bytes in between replaced, or the rest cut.
fn damage(from: &Path, to: &Path, at: f64, bytes: &[u8], is_cut: bool) {
    for file in super::tree(from).unwrap() {
        let mut content = fs_err::read(&file).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a small file")]
        #[expect(clippy::cast_precision_loss, reason = "a place in a small file")]
        let at = (content.len() as f64 * at) as usize;
        let end = if is_cut { content.len() } else { content.len().min(at + bytes.len()) };
        content.splice(at..end, bytes.iter().copied());
        let out = to.join(file.strip_prefix(from).unwrap());
        fs_err::create_dir_all(out.parent().unwrap()).unwrap();
        fs_err::write(out, content).unwrap();
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 384, failure_persistence: None, ..Default::default() })]

    /// Whatever a feed has become on its way, a build tells of it and goes on.
    #[test]
    fn no_damage_makes_it_panic(
        case in proptest::sample::select(all_cases()),
        at in 0.0..1.0_f64,
        bytes in proptest::prop_oneof![
            proptest::collection::vec(proptest::prelude::any::<u8>(), 0..8),
            "[0-9<>{}\\[\\]\",:/ -]{0,12}".prop_map(String::into_bytes),
        ],
        is_cut in proptest::prelude::any::<bool>(),
        is_archive_whole in proptest::prelude::any::<bool>(),
    ) {
        let work = tempfile::tempdir().unwrap();
        let (between, damaged) = (work.path().join("between"), work.path().join("damaged"));
        // Damaged archives are seldom opened: what is in them must be damaged as well.
        if is_archive_whole {
            damage(&case.join("feeds"), &between, at, &bytes, is_cut);
            fs_err::create_dir(&damaged).unwrap();
            pack(&between, &damaged);
        } else {
            fs_err::create_dir(&between).unwrap();
            pack(&case.join("feeds"), &between);
            damage(&between, &damaged, at, &bytes, is_cut);
        }
        let out = work.path().join("index");
        if build(&[damaged], &out, &BuildOptions::default()).is_ok() {
            Index::open(&out).unwrap().verify().unwrap();
        }
    }
}

fn all_cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/providers");
    PROVIDERS.iter().flat_map(|provider| folders(&root.join(provider.name))).collect()
}

#[test]
fn names_are_unique_and_ordered() {
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn every_file_is_registered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers");
    let machinery = ["csaf", "input", "json", "openvex", "oval", "said", "sink", "tests", "updateinfo", "xml"];
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(path.is_dir() || machinery.contains(&name.as_str()) || super::provider(&name).is_some(), "{name}");
    }
}

#[test]
fn archives_in_archives_are_read() {
    let work = tempfile::tempdir().unwrap();
    let archive = |name: &str, bytes: &[u8]| {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive.start_file(name, zip::write::SimpleFileOptions::DEFAULT).unwrap();
        archive.write_all(bytes).unwrap();
        archive.finish().unwrap().into_inner()
    };
    let twice = archive("cves.zip", &archive("cves/CVE-2099-0001.json", b"[1]"));
    fs_err::write(work.path().join("twice.zip"), &twice).unwrap();
    fs_err::write(work.path().join("thrice.zip"), archive("outer.zip", &twice)).unwrap();
    let found = |name: &str| {
        let input = Input { root: work.path(), path: Path::new(name) };
        let mut found: Vec<Vec<u8>> = Vec::new();
        input.zip_records(&mut Sink::new(), |record, _| found.push(record)).map(|()| found)
    };
    assert_eq!(found("twice.zip").unwrap(), [[1]]);
    assert!(found("thrice.zip").unwrap().is_empty(), "nobody packs three times but an attacker");
}
