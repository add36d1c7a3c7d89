//! Documents against the schemas in `testdata/schemas`.

use std::path::Path;

use jsonschema::Registry;
use killick_report::formats;
use killick_report::formats::Style;
use serde_json::{Value, json};

use super::{inputs, load, testdata, written, written_index, written_side_by_side};

/// The official schema of each format that has one we may keep, and ours of the one that has none at all.
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
    ("junit", "junit.xsd"),
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

fn is_a(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

/// `xmllint` (Debian package `libxml2-utils`) reads schemas of XML as nothing in Rust does.
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

/// Syft's schema leaves the details of packages open, and every object to further members: here details have to be those
/// of the kind that they name, and members to be known.
#[test]
fn syft_documents_obey_their_schema() {
    let mut schema = load(&testdata("schemas/syft-16.0.18.schema.json"));
    for definition in schema["$defs"].as_object_mut().expect("definitions").values_mut() {
        if definition["properties"].is_object() {
            definition["additionalProperties"] = json!(false);
        }
    }
    let definitions = schema["$defs"].clone();
    let validator = |schema: &Value| jsonschema::validator_for(schema).expect("a schema");
    let whole = validator(&schema);
    let complaints = |validator: &jsonschema::Validator, value: &Value| -> Vec<String> {
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    let mut kinds = Vec::new();
    for input in inputs() {
        let format = formats::find("syft-json").expect("registered");
        for text in [written(format, &input.report(), Style::default()), written_index(format, &input)] {
            for line in text.lines() {
                let document: Value = serde_json::from_str(line).expect("JSON");
                let schema = &document["schema"];
                assert_eq!(schema["version"], "16.0.18");
                assert!(schema["url"].as_str().is_some_and(|url| url.ends_with("/schema-16.0.18.json")), "{schema}");
                let errors = complaints(&whole, &document);
                assert!(errors.is_empty(), "{}: {errors:#?}", input.name);
                for artifact in document["artifacts"].as_array().expect("artifacts") {
                    let Some(kind) = artifact["metadataType"].as_str() else { continue };
                    // `dpkg-db-entry` is `DpkgDbEntry`.
                    let name: String = kind.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
                    let details = json!({"$ref": format!("#/$defs/{name}"), "$defs": definitions});
                    let errors = complaints(&validator(&details), &artifact["metadata"]);
                    assert!(errors.is_empty(), "{kind} of {}: {errors:#?}", input.name);
                    kinds.push(kind.to_owned());
                }
            }
        }
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, SYFT_DETAILS, "the inputs have a package of each kind");
}

/// Each kind of details that is written.
const SYFT_DETAILS: &[&str] = &[
    "apk-db-entry",
    "dpkg-db-entry",
    "go-module-buildinfo-entry",
    "java-archive",
    "javascript-npm-package",
    "python-package",
    "rpm-db-entry",
    "ruby-gemspec",
];

fn show(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\u{1b}', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(show),
        Value::Object(members) => members.values_mut().for_each(show),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The SPDX project's own reader takes both forms of SPDX 2.3, finds nothing wrong with them, and reads the same from them.
#[test]
fn spdx_documents_are_valid_and_say_the_same_in_both_forms() {
    let work = tempfile::tempdir().expect("a folder");
    let format = |name: &str| formats::find(name).expect("registered");
    let mut files = Vec::new();
    for input in inputs() {
        let image = |name: &str| written(format(name), &input.report(), Style::default());
        let index = |name: &str| written_index(format(name), &input);
        for (kind, text) in [("image", &image as &dyn Fn(&str) -> String), ("index", &index)] {
            let file = work.path().join(format!("{}-{kind}.spdx", input.name));
            fs_err::write(&file, text("spdx")).expect("a file");
            // In the form for people there is nothing that steers terminals.
            let mut json = serde_json::from_str(&text("spdx-json")).expect("JSON");
            show(&mut json);
            fs_err::write(file.with_extension("spdx.json"), json.to_string()).expect("a file");
            files.push(file);
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked = std::process::Command::new(root.join("../../target/test-tools/spdx-tools/bin/python"))
        .arg(root.join("tests/documents/spdx.py"))
        .args(&files)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .expect("spdx-tools is installed: `cargo xtask setup` installs what tests need");
    let is_well = checked.status.success() && checked.stdout.is_empty();
    assert!(is_well, "{}", String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()));
}
