//! Every registered document of every input, against snapshots beside the input's name and the official schemas.

mod demands;
mod schemas;

use std::path::{Path, PathBuf};

use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_report::content::{ARTIFACT_TYPES, CONTENT_TYPES, METADATA_TYPES, Subject};
use killick_report::formats::{FORMATS, Format, IndexReport, IndexedReport, Knowledge, Needs, Report, Style};
use killick_report::vulnerabilities::{Kind, WontFix, records};
use killick_report::{content, evaluation, formats};
use serde::Deserialize;
use serde_json::{Value, json};

/// One file of `testdata/inputs`.
#[derive(Deserialize)]
struct Input {
    #[serde(skip)]
    name: String,
    analysis: Analysis,
    matches: Option<Matches>,
    evaluation: Option<Evaluation>,
    #[serde(default)]
    unsupported: Vec<Unsupported>,
    knowledge: Option<Knowledge>,
}

impl Input {
    /// Formats that need more are refused by the commands.
    fn told(&self) -> Needs {
        match (&self.matches, &self.evaluation) {
            (Some(_), _) => Needs::Vulnerabilities,
            (None, Some(_)) => Needs::Findings,
            (None, None) => Needs::Nothing,
        }
    }

    /// The report as those of two images of an index, and one that could not be read.
    fn index_report<'a>(&'a self, digest: &'a Digest) -> IndexReport<'a> {
        let image = |platform: &str, outcome| IndexedReport { platform: platform.to_owned(), digest, outcome };
        IndexReport {
            source: self.report().source,
            digest: Some(digest),
            images: vec![
                image("linux/amd64", Ok(self.report())),
                image("linux/arm64/v8", Ok(self.report())),
                image("windows/amd64", Err("the layer is foreign".to_owned())),
            ],
            tool_version: "0.0.0",
            now: self.report().now,
        }
    }

    fn report(&self) -> Report<'_> {
        Report {
            source: "docker.io/library/app:1.0",
            analysis: &self.analysis,
            matches: self.matches.as_ref(),
            evaluation: self.evaluation.as_ref(),
            unsupported: &self.unsupported,
            knowledge: self.knowledge.as_ref(),
            author: Some("Example Team <https://team.example>"),
            tool_version: "0.0.0",
            now: "2024-05-06T07:08:09Z".parse().expect("an instant"),
        }
    }
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

fn load(path: &Path) -> Value {
    let file = std::fs::OpenOptions::new().read(true).open(path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_reader(std::io::BufReader::new(file)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn inputs() -> Vec<Input> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(testdata("inputs"))
        .expect("testdata/inputs")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let mut input: Input = serde_json::from_value(load(path)).expect("an input");
        input.name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        input
    };
    paths.iter().map(read).collect()
}

/// Compares `text` with the snapshot `folder/name`; the folder must exist.
fn check(folder: &str, name: &str, text: &str) {
    let folder = testdata(folder);
    assert!(folder.is_dir(), "{} is missing", folder.display());
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    };
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), text));
}

fn written(format: &Format, report: &Report<'_>, style: Style) -> String {
    let mut bytes = Vec::new();
    (format.render)(report, style, &mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("documents are UTF-8")
}

fn written_index(format: &Format, input: &Input) -> String {
    let digest = Digest::of(b"index");
    let mut bytes = Vec::new();
    (format.render_index)(&input.index_report(&digest), Style::default(), &mut bytes)
        .expect("a vector takes everything");
    String::from_utf8(bytes).expect("documents are UTF-8")
}

/// The same images, of no index.
fn written_side_by_side(format: &Format, input: &Input) -> String {
    let digest = Digest::of(b"index");
    let report = IndexReport { digest: None, ..input.index_report(&digest) };
    let mut bytes = Vec::new();
    (format.render_index)(&report, Style::default(), &mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("documents are UTF-8")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value")
}

#[test]
fn content_types() {
    let manifest = br#"{"schemaVersion":2,"layers":[]}"#;
    for input in inputs() {
        for kind in CONTENT_TYPES.iter().chain(METADATA_TYPES).chain(ARTIFACT_TYPES) {
            let subject = Subject { analysis: &input.analysis, manifest, dockerfile: Some("FROM scratch\n") };
            let records = (kind.render)(&subject);
            check(&format!("content/{}", kind.name), &input.name, &pretty(&records));
            assert_eq!((kind.render)(&subject), records, "{} is deterministic", kind.name);
        }
    }
}

#[test]
fn documents_without_text_are_empty_lists() {
    for input in inputs() {
        let subject = Subject { analysis: &input.analysis, manifest: b"", dockerfile: None };
        for name in ["manifest", "dockerfile"] {
            assert_eq!((content::find(name).expect("registered").render)(&subject), json!([]));
        }
    }
}

#[test]
fn output_formats() {
    for input in inputs() {
        for format in FORMATS.iter().filter(|format| format.needs <= input.told()) {
            let text = written(format, &input.report(), Style::default());
            // Other versions differ from the newest in little.
            if !format.name.contains('@') || input.name == "every-kind" {
                check(&format!("formats/{}", format.name), &input.name, &text);
            }
            assert_eq!(written(format, &input.report(), Style::default()), text, "{} is deterministic", format.name);
            assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{}", format.name);
        }
    }
}

#[test]
fn several_images_are_one_document() {
    for input in inputs() {
        for format in FORMATS.iter().filter(|format| format.needs <= input.told()) {
            let text = written_index(format, &input);
            assert_eq!(written_index(format, &input), text, "{} is deterministic", format.name);
            // What is said of one image is said of it among others; the large inputs would say it twice more.
            let is_told = ["packages-only", "scratch"].contains(&input.name.as_str()) || format.name == "table";
            if is_told && !format.name.contains('@') {
                check(&format!("formats/{}", format.name), &format!("{}-index", input.name), &text);
            }
        }
        let json = written_index(formats::find("json").expect("registered"), &input);
        let alone = written(formats::find("json").expect("registered"), &input.report(), Style::default());
        let (json, alone): (Value, Value) =
            (serde_json::from_str(&json).expect("JSON"), serde_json::from_str(&alone).expect("JSON"));
        assert_eq!(json["images"][0]["report"], alone);
        assert_eq!(json["images"][2]["error"], "the layer is foreign");
    }
}

#[test]
fn tables_fit_the_terminal_and_take_colour() {
    let format = formats::find("table").expect("registered");
    for input in inputs() {
        let text = written(format, &input.report(), Style { width: Some(80), colour: true });
        check("formats/table", &format!("{}-narrow-colour", input.name), &text.replace('\u{1b}', "<ESC>"));
    }
}

#[test]
fn our_json_reads_back() {
    for input in inputs() {
        let text = written(formats::find("json").expect("registered"), &input.report(), Style::default());
        let mut document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(serde_json::from_value::<Analysis>(document["analysis"].take()).ok(), Some(input.analysis));
        assert_eq!(serde_json::from_value::<Option<Matches>>(document["matches"].take()).ok(), Some(input.matches));
        let evaluation = document["evaluation"].take();
        assert_eq!(serde_json::from_value::<Option<Evaluation>>(evaluation).ok(), Some(input.evaluation));
    }
}

#[test]
fn vulnerability_records() {
    for input in inputs() {
        let Some(matches) = &input.matches else { continue };
        let mut all = serde_json::Map::new();
        for kind in Kind::ALL {
            for (wont_fix, word) in [(WontFix::LeftOut, "vendor-only"), (WontFix::Included, "included")] {
                let records = records(&input.analysis, matches, kind, wont_fix);
                let shown: Vec<Value> = match (kind, wont_fix) {
                    (Kind::All, WontFix::Included) => records,
                    // The records are the same; which ones is what differs.
                    _ => records.into_iter().map(|mut record| record["vuln"].take()).collect(),
                };
                all.insert(format!("{} {word}", kind.name()), shown.into());
            }
        }
        check("vulnerabilities", &input.name, &pretty(&Value::Object(all)));
    }
}

#[test]
fn evaluation_records() {
    for input in inputs() {
        let Some(evaluation) = &input.evaluation else { continue };
        let result = evaluation::result(evaluation, "admin", &json!({"id": "example"}));
        check("evaluations", &input.name, &pretty(&result));
    }
}

#[test]
fn registries_are_sound() {
    let contents: Vec<&str> =
        CONTENT_TYPES.iter().chain(METADATA_TYPES).chain(ARTIFACT_TYPES).map(|kind| kind.name).collect();
    let formats: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    for (folder, names) in [("content", contents), ("formats", formats)] {
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "names are unique");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        let files: Vec<String> = std::fs::read_dir(source)
            .expect("the folder of the registry")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter_map(|name| name.strip_suffix(".rs").map(|stem| stem.replace('_', "-")))
            .collect();
        // A file has what it is called, or all notations and versions of it: `spdx` has `spdx-json`.
        let is_of = |name: &str, file: &str| {
            let name = name.replace('_', "-");
            name.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        for file in &files {
            assert!(names.iter().any(|name| is_of(name, file)), "the file `{file}` of {folder} is registered");
        }
        for name in &names {
            assert!(files.iter().any(|file| is_of(name, file)), "`{name}` of {folder} has a file");
        }
    }
}
