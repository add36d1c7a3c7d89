//! Every registered document of every input, against snapshots beside the input's name and the official schemas.

use std::path::{Path, PathBuf};

use jsonschema::Registry;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_report::content::{ARTIFACT_TYPES, CONTENT_TYPES, METADATA_TYPES, Subject};
use killick_report::formats::{FORMATS, Format, IndexReport, IndexedReport, Knowledge, Report, Style};
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
        for format in FORMATS {
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
        for format in FORMATS {
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

/// The official schema of each format that has one we may keep.
const SCHEMAS: &[(&str, &str)] = &[
    ("cyclonedx-json", "bom-1.6.schema.json"),
    ("cyclonedx-json@1.5", "bom-1.5.schema.json"),
    ("cyclonedx-json@1.4", "bom-1.4.schema.json"),
    ("cyclonedx-xml", "bom-1.6.xsd"),
    ("cyclonedx-xml@1.5", "bom-1.5.xsd"),
    ("cyclonedx-xml@1.4", "bom-1.4.xsd"),
    ("spdx-json", "spdx-2.3.schema.json"),
    ("spdx-json@3.0", "spdx-3.0.1.schema.json"),
    ("sarif", "sarif-2.1.0.schema.json"),
];

#[test]
fn json_documents_obey_their_schemas() {
    let registry = Registry::new()
        .add("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", load(&testdata("schemas/spdx.schema.json")))
        .and_then(|registry| {
            registry.add(
                "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json",
                load(&testdata("schemas/jsf-0.82.schema.json")),
            )
        })
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("the schemas that CycloneDX refers to");
    for (name, schema) in SCHEMAS.iter().filter(|(_, schema)| is_a(schema, "json")) {
        // The official pattern for languages has a bracket too many, which not every reader of patterns accepts.
        let text = load(&testdata("schemas").join(schema)).to_string().replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
        let schema_document = serde_json::from_str(&text).expect("JSON");
        let validator = jsonschema::options()
            .with_registry(&registry)
            .build(&schema_document)
            .unwrap_or_else(|error| panic!("{schema}: {error}"));
        for input in inputs() {
            let format = formats::find(name).expect("registered");
            let alone = written(format, &input.report(), Style::default());
            for text in [alone, written_index(format, &input), written_side_by_side(format, &input)] {
                let document: Value = serde_json::from_str(&text).expect("JSON");
                let errors = validator.iter_errors(&document);
                let errors: Vec<String> = errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
                assert!(errors.is_empty(), "{name} of {}: {errors:#?}", input.name);
            }
        }
    }
}

/// `xmllint` (Debian package `libxml2-utils`) reads schemas of XML as nothing in Rust does.
fn is_a(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

#[test]
fn xml_documents_obey_their_schemas() {
    let work = tempfile::tempdir().expect("a folder");
    for (name, schema) in SCHEMAS.iter().filter(|(_, schema)| is_a(schema, "xsd")) {
        let format = formats::find(name).expect("registered");
        let mut files = Vec::new();
        for input in inputs() {
            for (kind, text) in [
                ("image", written(format, &input.report(), Style::default())),
                ("index", written_index(format, &input)),
            ] {
                let file = work.path().join(format!("{name}-{}-{kind}.xml", input.name));
                fs_err::write(&file, text).expect("a file");
                files.push(file);
            }
        }
        let checked = std::process::Command::new("xmllint")
            .args(["--nonet", "--noout", "--schema"])
            .arg(testdata("schemas").join(schema))
            .args(&files)
            .output()
            .expect("xmllint, of the Debian package libxml2-utils");
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// What GitLab's schema 15 demands; it is in no place from which we could keep it.
#[test]
fn gitlab_reports_are_sound() {
    let is_instant = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.len() == 19
            && text.chars().enumerate().all(|(at, letter)| letter.is_ascii_digit() || "-T:".contains(letter) && at > 3)
    };
    let is_text = |value: &Value, longest: usize| {
        value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= longest)
    };
    let is_address =
        |value: &Value| value.as_str().is_some_and(|text| text.starts_with("https://") || text.starts_with("http://"));
    for input in inputs() {
        let format = formats::find("gitlab").expect("registered");
        for text in [written(format, &input.report(), Style::default()), written_index(format, &input)] {
            let report: Value = serde_json::from_str(&text).expect("JSON");
            let scan = &report["scan"];
            assert!(report["version"].as_str().is_some_and(|version| version.starts_with("15.")));
            assert!(is_address(&report["schema"]) && scan["type"] == "container_scanning");
            assert!(is_instant(&scan["start_time"]) && is_instant(&scan["end_time"]), "{scan}");
            assert!(["success", "failure"].contains(&scan["status"].as_str().expect("a status")));
            for tool in [&scan["analyzer"], &scan["scanner"]] {
                assert!(["id", "name", "version"].iter().all(|key| is_text(&tool[key], 255)), "{tool}");
                assert!(is_text(&tool["vendor"]["name"], 255) && is_address(&tool["url"]), "{tool}");
            }
            for message in scan["messages"].as_array().expect("messages") {
                assert!(["info", "warn", "fatal"].contains(&message["level"].as_str().expect("a level")));
                assert!(is_text(&message["value"], usize::MAX), "{message}");
            }
            let mut ids = Vec::new();
            for found in report["vulnerabilities"].as_array().expect("vulnerabilities") {
                ids.push(found["id"].to_string());
                assert!(is_text(&found["id"], 36) && is_text(&found["name"], 255), "{found}");
                assert!(is_text(&found["description"], 1_048_576), "{found}");
                assert!(found["solution"].is_null() || is_text(&found["solution"], 7_000), "{found}");
                let severities = ["Info", "Unknown", "Low", "Medium", "High", "Critical"];
                assert!(severities.contains(&found["severity"].as_str().expect("a severity")));
                let identifiers = found["identifiers"].as_array().expect("identifiers");
                assert!(!identifiers.is_empty());
                for identifier in identifiers {
                    assert!(["type", "name", "value"].iter().all(|key| is_text(&identifier[key], 255)), "{identifier}");
                    assert!(identifier["url"].is_null() || is_address(&identifier["url"]), "{identifier}");
                }
                assert!(found["links"].as_array().expect("links").iter().all(|link| is_address(&link["url"])));
                let location = &found["location"];
                assert!(is_text(&location["operating_system"], 255) && is_text(&location["image"], 255), "{location}");
                let dependency = &location["dependency"];
                assert!(is_text(&dependency["package"]["name"], 255) && dependency["version"].is_string());
            }
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "ids are unique");
        }
    }
}

/// The official schemas of `OpenVEX` and CSAF are not under terms that let us keep them here: what they demand of what we
/// write is checked by hand.
#[test]
fn vex_documents_are_sound() {
    let keys = |value: &Value, required: &[&str], allowed: &[&str]| {
        let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
        assert!(required.iter().all(|key| object.contains_key(*key)), "{required:?} of {value}");
        assert!(
            object.keys().all(|key| required.contains(&key.as_str()) || allowed.contains(&key.as_str())),
            "{value}"
        );
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for input in inputs() {
        let format = |name: &str| formats::find(name).expect("registered");
        let read = |text: String| -> Value { serde_json::from_str(&text).expect("JSON") };
        let report = input.report();
        for document in [
            read(written(format("openvex-json"), &report, Style::default())),
            read(written_index(format("openvex-json"), &input)),
        ] {
            let all = ["@context", "@id", "author", "timestamp", "version", "tooling", "statements"];
            keys(&document, &all, &[]);
            for said in list(&document["statements"]) {
                let reasons = ["justification", "impact_statement", "action_statement", "status_notes", "timestamp"];
                keys(&said, &["vulnerability", "products", "status"], &reasons);
                keys(&said["vulnerability"], &["name"], &["aliases"]);
                let given = |key: &str| !said[key].is_null();
                match said["status"].as_str() {
                    Some("not_affected") => assert!(given("justification") != given("impact_statement"), "{said}"),
                    Some("affected") => assert!(given("action_statement"), "{said}"),
                    Some("fixed" | "under_investigation") => assert!(!given("justification"), "{said}"),
                    other => panic!("{other:?} is no status"),
                }
                for product in list(&said["products"]) {
                    keys(&product, &["@id", "subcomponents"], &[]);
                    let mut parts: Vec<String> = list(&product["subcomponents"]).iter().map(Value::to_string).collect();
                    let count = parts.len();
                    parts.sort();
                    parts.dedup();
                    assert!(count == parts.len() && count > 0, "{product}");
                }
            }
        }
        for document in [
            read(written(format("csaf-vex-json"), &report, Style::default())),
            read(written_index(format("csaf-vex-json"), &input)),
        ] {
            keys(&document, &["document", "product_tree"], &["vulnerabilities"]);
            let mut ids: Vec<String> = list(&document["product_tree"]["full_product_names"])
                .iter()
                .chain(&list(&document["product_tree"]["relationships"]))
                .map(|item| item.get("full_product_name").unwrap_or(item)["product_id"].to_string())
                .collect();
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "product ids are unique");
            for said in list(&document["vulnerabilities"]) {
                let known = ["cve", "ids", "flags", "remediations", "threats"];
                keys(&said, &["notes", "product_status"], &known);
                assert!(!said["cve"].is_null() || !list(&said["ids"]).is_empty(), "{said}");
                let of = |key: &str| -> Vec<String> {
                    list(&said[key])
                        .iter()
                        .flat_map(|remark| list(&remark["product_ids"]))
                        .map(|id| id.to_string())
                        .collect()
                };
                let status = said["product_status"].as_object().expect("an object");
                let (mut seen, explained, actions) =
                    (Vec::new(), [of("flags"), of("threats")].concat(), of("remediations"));
                for (status, products) in status {
                    for id in list(products).iter().map(Value::to_string) {
                        assert!(ids.contains(&id) && !seen.contains(&id), "{id} of {said}");
                        match status.as_str() {
                            "known_not_affected" => assert!(explained.contains(&id), "{id} of {said}"),
                            "known_affected" => assert!(actions.contains(&id), "{id} of {said}"),
                            "fixed" | "under_investigation" => {}
                            other => panic!("{other} is no status"),
                        }
                        seen.push(id);
                    }
                }
            }
        }
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
