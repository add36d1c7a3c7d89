//! `killick policy validate`: one command for a folder of bundles in continuous integration.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use killick_model::printable::printable;
use killick_policy::{Bundle, Exceptions, ProblemSeverity};
use serde_json::{Value, json};

use super::cases::collect;
use super::document::{Kind, problems};
use crate::exit::Exit;
use crate::local::documents;
use crate::local::output::{TextOrJson, print};

/// Arguments of `policy validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Bundles (JSON) and exceptions (JSON or YAML), or folders of them; files of a folder that are something else, such as
    /// test cases, are named and left out
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Form of the results
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: TextOrJson,
}

/// One thing wrong, or odd.
struct Complaint {
    is_error: bool,
    path: String,
    reason: String,
    remedy: String,
}

pub(super) fn run(args: &Validate) -> anyhow::Result<Exit> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &["json", "yaml", "yml"], 0, &mut files)?;
    }
    files.sort();
    files.dedup();
    let mut ids: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut results: Vec<(String, Vec<Complaint>)> = Vec::new();
    let mut left_out: Vec<(String, Kind)> = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match check(&file, args.paths.contains(&file), &mut ids) {
            Checked::Complaints(complaints) => results.push((name, complaints)),
            Checked::LeftOut(kind) => left_out.push((name, kind)),
        }
    }
    anyhow::ensure!(!results.is_empty(), "there are no bundles and no exceptions among {} files", left_out.len());
    let is_refused = |complaints: &[Complaint]| complaints.iter().any(|complaint| complaint.is_error);
    let refused = results.iter().filter(|(_, complaints)| is_refused(complaints)).count();
    print(&match args.output {
        TextOrJson::Json => {
            let record = |(file, complaints): &(String, Vec<Complaint>)| {
                let told = |complaint: &Complaint| {
                    json!({
                        "severity": if complaint.is_error { "error" } else { "warn" },
                        "path": complaint.path, "reason": complaint.reason, "remedy": complaint.remedy,
                    })
                };
                let problems: Vec<Value> = complaints.iter().map(told).collect();
                json!({"file": file, "valid": !is_refused(complaints), "problems": problems})
            };
            let files: Vec<Value> = results.iter().map(record).collect();
            let left_out = left_out.iter().map(|(file, kind)| json!({"file": file, "is": kind.name()}));
            let left_out: Vec<Value> = left_out.collect();
            serde_json::to_string_pretty(&json!({"files": files, "left_out": left_out}))? + "\n"
        }
        TextOrJson::Text => {
            let mut text = String::new();
            for (file, complaints) in &results {
                let _ = writeln!(text, "{} {file}", if is_refused(complaints) { "REFUSED" } else { "ok     " });
                for complaint in complaints {
                    let word = if complaint.is_error { "error" } else { "warning" };
                    let place = if complaint.path.is_empty() { String::new() } else { format!("{}: ", complaint.path) };
                    let _ = writeln!(text, "        {word}: {place}{}", complaint.reason);
                    if !complaint.remedy.is_empty() {
                        let _ = writeln!(text, "          remedy: {}", complaint.remedy);
                    }
                }
            }
            for (file, kind) in &left_out {
                let _ = writeln!(text, "left out {file}: {}", kind.name());
            }
            let _ = writeln!(text, "files: {}; refused: {refused}; left out: {}", results.len(), left_out.len());
            printable(&text).into_owned()
        }
    })?;
    Ok(if refused > 0 { Exit::Refused } else { Exit::Success })
}

/// What became of a file.
enum Checked {
    /// What is wrong with it.
    Complaints(Vec<Complaint>),
    /// It is no bundle and no exceptions, and nobody said that it is.
    LeftOut(Kind),
}

fn check(file: &Path, is_named: bool, ids: &mut BTreeMap<String, PathBuf>) -> Checked {
    let whole = |reason: String, remedy: &str| {
        Checked::Complaints(vec![Complaint { is_error: true, path: String::new(), reason, remedy: remedy.to_owned() }])
    };
    let language = documents::Language::of(file).unwrap_or(documents::Language::Json);
    let document = match documents::text(file).and_then(|text| documents::parse(&text, language)) {
        Ok(document) => document,
        Err(error) => return whole(format!("{error:#}"), "correct its syntax"),
    };
    let kind = Kind::of(&document);
    match kind {
        Kind::Exceptions => Checked::Complaints(of_exceptions(&document)),
        Kind::Bundle if language == documents::Language::Yaml => {
            whole("it is a bundle in YAML".to_owned(), "write bundles as JSON, as servers take them")
        }
        Kind::Bundle => Checked::Complaints(of_bundle(file, &document, ids)),
        _ if !is_named => Checked::LeftOut(kind),
        Kind::Case => whole("it is a test case".to_owned(), "run it with `killick policy test BUNDLE CASE`"),
        Kind::Report => whole("it is a report of an image".to_owned(), "name a bundle or exceptions"),
        Kind::Other if document.is_array() => Checked::Complaints(of_exceptions(&document)),
        Kind::Other if document.is_object() => whole(
            "it has neither `policies` and `mappings`, as bundles have, nor `exceptions`".to_owned(),
            "`killick policy schema` prints what bundles are made of",
        ),
        Kind::Other => whole("it is neither an object nor a list".to_owned(), "name a bundle or exceptions"),
    }
}

fn of_exceptions(document: &Value) -> Vec<Complaint> {
    let told = |problem: killick_policy::ExceptionProblem| Complaint {
        is_error: true,
        path: problem.path,
        reason: problem.reason,
        remedy: problem.remedy,
    };
    Exceptions::parse(document).err().into_iter().flatten().map(told).collect()
}

fn of_bundle(file: &Path, document: &Value, ids: &mut BTreeMap<String, PathBuf>) -> Vec<Complaint> {
    let error = |path: &str, reason: String, remedy: &str| Complaint {
        is_error: true,
        path: path.to_owned(),
        reason,
        remedy: remedy.to_owned(),
    };
    let bundle = match Bundle::parse(document) {
        Ok(bundle) => bundle,
        Err(problem) => return vec![error("", problem.to_string(), "write an object")],
    };
    let told = |problem: killick_policy::BundleProblem| Complaint {
        is_error: problem.severity == ProblemSeverity::Error,
        path: problem.path,
        reason: problem.reason,
        remedy: problem.remedy.unwrap_or_default(),
    };
    let mut complaints: Vec<Complaint> = problems(document, &bundle).into_iter().map(told).collect();
    if let Some(other) = ids.get(&bundle.id) {
        let reason =
            format!("`{}` has the id `{}` too: on a server one replaces the other", other.display(), bundle.id);
        complaints.push(error("id", reason, "give each bundle an id of its own"));
    } else if !bundle.id.is_empty() {
        ids.insert(bundle.id, file.to_owned());
    }
    complaints
}
