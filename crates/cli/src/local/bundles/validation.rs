//! `killick policy validate`: one command for a folder of bundles in continuous integration.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use killick_model::printable::printable;
use killick_policy::{Bundle, Exceptions, ProblemSeverity};
use serde_json::{Value, json};

use super::cases::collect;
use crate::exit::Exit;
use crate::local::documents;
use crate::local::output::{TextOrJson, print};

/// Arguments of `policy validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Bundles (JSON) and exceptions (JSON or YAML, with a member `exceptions`), or folders of them; of a folder, test
    /// cases and other YAML files are left out
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
    for file in files {
        if let Some(complaints) = check(&file, args.paths.contains(&file), &mut ids) {
            results.push((file.display().to_string(), complaints));
        }
    }
    anyhow::ensure!(!results.is_empty(), "there are no bundles: no `.json` files");
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
            serde_json::to_string_pretty(&json!({"files": files}))? + "\n"
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
            let _ = writeln!(text, "files: {}; refused: {refused}", results.len());
            printable(&text).into_owned()
        }
    })?;
    Ok(if refused > 0 { Exit::Refused } else { Exit::Success })
}

/// What is wrong with a file; `None` of one that is neither and was not named.
fn check(file: &Path, is_named: bool, ids: &mut BTreeMap<String, PathBuf>) -> Option<Vec<Complaint>> {
    let whole = |reason: String, remedy: &str| {
        vec![Complaint { is_error: true, path: String::new(), reason, remedy: remedy.to_owned() }]
    };
    let is_yaml = documents::Language::of(file) == Some(documents::Language::Yaml);
    let document = match documents::read(file) {
        Ok(document) => document,
        Err(_) if is_yaml && !is_named => return None,
        Err(error) => return Some(whole(format!("{error:#}"), "correct its syntax")),
    };
    if document.get("exceptions").is_some() {
        let problems = Exceptions::parse(&document).err().unwrap_or_default();
        let told = |problem: killick_policy::ExceptionProblem| Complaint {
            is_error: true,
            path: problem.path,
            reason: problem.reason,
            remedy: problem.remedy,
        };
        return Some(problems.into_iter().map(told).collect());
    }
    let is_case = document.get("expect").is_some() && document.get("policies").is_none();
    if is_case && !is_named {
        return None;
    }
    if is_yaml {
        let remedy = "write bundles as JSON, as servers take them";
        return is_named.then(|| whole("it has no `exceptions`, and bundles are JSON".to_owned(), remedy));
    }
    let bundle = match Bundle::parse(&document) {
        Ok(bundle) => bundle,
        Err(error) => return Some(whole(error.to_string(), "write an object")),
    };
    let mut problems = Bundle::check_schema(&document);
    if problems.is_empty() {
        problems = bundle.validate();
    }
    let told = |problem: killick_policy::BundleProblem| Complaint {
        is_error: problem.severity == ProblemSeverity::Error,
        path: problem.path,
        reason: problem.reason,
        remedy: problem.remedy.unwrap_or_default(),
    };
    let mut complaints: Vec<Complaint> = problems.into_iter().map(told).collect();
    if let Some(other) = ids.get(&bundle.id) {
        complaints.push(Complaint {
            is_error: true,
            path: "id".to_owned(),
            reason: format!("`{}` has the id `{}` too: on a server one replaces the other", other.display(), bundle.id),
            remedy: "give each bundle an id of its own".to_owned(),
        });
    } else if !bundle.id.is_empty() {
        ids.insert(bundle.id, file.to_owned());
    }
    Some(complaints)
}
