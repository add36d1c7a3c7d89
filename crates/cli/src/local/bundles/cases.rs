//! `killick policy test`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use killick_model::printable::printable;
use killick_policy::cases::{Case, CaseError, expectation};
use killick_policy::{Bundle, Compatibility, Options};
use serde_json::{Value, json};

use super::document::{Kind, read_bundle};
use super::junit;
use crate::exit::Exit;
use crate::local::documents::{self, Language};
use crate::local::output::{TextOrJson, print};

/// Most cases of one run.
const MAX_CASES: usize = 10_000;
/// Folders within folders.
const MAX_DEPTH: usize = 16;

/// Arguments of `policy test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Cases (`.yaml`, `.yml`, `.json`), or folders of them
    #[arg(value_name = "CASES", required = true)]
    cases: Vec<PathBuf>,
    /// Write what the bundle gives into the cases that do not expect it
    #[arg(long)]
    update: bool,
    /// Write the results as `JUnit` XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Where Anchore Engine 1.1 has a defect that changes a verdict: `repaired` or `engine-1.1`
    #[arg(long, value_name = "PROFILE", default_value_t)]
    compatibility: Compatibility,
    /// Form of the results
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: TextOrJson,
}

/// How one case ended.
pub(super) struct Ran {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

/// What became of a case.
pub(super) enum Outcome {
    Passed,
    Updated,
    Failed(Vec<String>),
    /// It could not be run: why, and what to do.
    Broken(Vec<String>),
}

pub(super) fn run(args: &Test) -> anyhow::Result<Exit> {
    let bundle = read_bundle(&args.bundle)?;
    let mut files = Vec::new();
    for path in &args.cases {
        collect(path, &["json", "yaml", "yml"], 0, &mut files)?;
    }
    files.sort();
    files.dedup();
    files.retain(|file| args.cases.contains(file) || may_be_case(file));
    anyhow::ensure!(
        !files.is_empty(),
        "there are no cases: no `.yaml`, `.yml` or `.json` files with `facts` or a `report`"
    );
    let options = Options { compatibility: args.compatibility };
    let ran: Vec<Ran> = files.iter().map(|file| one(file, &bundle, options, args.update)).collect();
    if let Some(path) = &args.junit {
        fs_err::write(path, junit::document(&bundle.id, &ran))?;
    }
    let count = |is_it: fn(&Outcome) -> bool| ran.iter().filter(|ran| is_it(&ran.outcome)).count();
    let passed = count(|outcome| matches!(outcome, Outcome::Passed));
    let updated = count(|outcome| matches!(outcome, Outcome::Updated));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let broken = count(|outcome| matches!(outcome, Outcome::Broken(_)));
    let text = match args.output {
        TextOrJson::Json => {
            let cases: Vec<Value> = ran.iter().map(record).collect();
            let counts = json!({"passed": passed, "updated": updated, "failed": failed, "broken": broken});
            serde_json::to_string_pretty(&json!({"bundle": bundle.id, "counts": counts, "cases": cases}))? + "\n"
        }
        TextOrJson::Text => {
            let mut text = ran.iter().map(told).collect::<String>();
            let _ = write!(text, "\ncases: {}; passed: {passed}; failed: {failed}", ran.len());
            for (count, word) in [(updated, "updated"), (broken, "broken")] {
                if count > 0 {
                    let _ = write!(text, "; {word}: {count}");
                }
            }
            text.push('\n');
            printable(&text).into_owned()
        }
    };
    print(&text)?;
    Ok(match (broken, failed) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Refused,
        _ => Exit::Failure,
    })
}

/// Files with one of the extensions, in folders and theirs.
pub(super) fn collect(path: &Path, extensions: &[&str], depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !fs_err::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    anyhow::ensure!(depth < MAX_DEPTH, "`{}` is nested too deeply", path.display());
    for entry in fs_err::read_dir(path)? {
        let path = entry?.path();
        let is_wanted = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.contains(&extension.to_ascii_lowercase().as_str()));
        // A link to a folder may lead in a circle.
        let is_folder = fs_err::symlink_metadata(&path)?.is_dir();
        if is_folder || (is_wanted && path.is_file()) {
            collect(&path, extensions, depth + 1, files)?;
        }
        anyhow::ensure!(files.len() <= MAX_CASES, "there are more than {MAX_CASES} files");
    }
    Ok(())
}

/// Whether a file of a folder is to be run: bundles, exceptions and reports may lie beside the cases. What cannot be told
/// is run, and fails.
fn may_be_case(file: &Path) -> bool {
    let known = documents::read(file).map(|document| Kind::of(&document));
    !matches!(known, Ok(Kind::Bundle | Kind::Exceptions | Kind::Report))
}

fn one(file: &Path, bundle: &Bundle, options: Options, update: bool) -> Ran {
    let shown = file.display().to_string();
    let mut ran = Ran { name: shown.clone(), file: shown, outcome: Outcome::Passed };
    match attempt(file, bundle, options, update, &mut ran.name) {
        Ok(outcome) => ran.outcome = outcome,
        Err(error) => {
            let remedy = error.downcast_ref::<CaseError>().map(|error| format!("  remedy: {}", error.remedy));
            ran.outcome = Outcome::Broken(std::iter::once(format!("{error:#}")).chain(remedy).collect());
        }
    }
    ran
}

fn attempt(file: &Path, bundle: &Bundle, options: Options, update: bool, name: &mut String) -> anyhow::Result<Outcome> {
    let document = documents::read(file)?;
    let report = match document.get("report").and_then(Value::as_str) {
        Some(report) => Some(documents::read(&file.parent().unwrap_or(Path::new(".")).join(report))?),
        None => None,
    };
    let case = Case::parse(&document, report.as_ref())?;
    if let Some(given) = &case.name {
        name.clone_from(given);
    }
    let evaluation = case.evaluate(bundle, &options, crate::clock::now());
    let failures = case.failures(&evaluation);
    if failures.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Outcome::Passed);
    }
    if update {
        rewrite(file, &document, &expectation(&evaluation))?;
        return Ok(Outcome::Updated);
    }
    Ok(match failures {
        Some(failures) => Outcome::Failed(failures),
        None => Outcome::Broken(vec![
            "it expects nothing, so that it cannot fail".to_owned(),
            "  remedy: say what in `expect`, or run with `--update`".to_owned(),
        ]),
    })
}

/// Puts `expect` into the file. Of YAML only the lines of that member change, so that comments stay.
fn rewrite(file: &Path, document: &Value, expected: &Value) -> anyhow::Result<()> {
    let mut wanted = document.clone();
    let members = wanted.as_object_mut().context("the case is no object")?;
    members.insert("expect".to_owned(), expected.clone());
    let text = match Language::of(file).unwrap_or(Language::Json) {
        Language::Json => serde_json::to_string_pretty(&wanted)? + "\n",
        Language::Yaml => {
            let text = with_expectation(&documents::text(file)?, expected);
            let written = documents::parse(&text, Language::Yaml).ok();
            anyhow::ensure!(written.as_ref() == Some(&wanted), "`expect` cannot be replaced: write it by hand");
            text
        }
    };
    Ok(fs_err::write(file, text)?)
}

fn with_expectation(text: &str, expected: &Value) -> String {
    let mut block = String::from("expect:\n");
    for (name, value) in expected.as_object().into_iter().flatten() {
        match value.as_array().filter(|list| !list.is_empty()) {
            None => {
                let _ = writeln!(block, "  {name}: {value}");
            }
            Some(list) => {
                let _ = writeln!(block, "  {name}:");
                for entry in list {
                    // JSON is YAML.
                    let _ = writeln!(block, "    - {entry}");
                }
            }
        }
    }
    let mut out = String::new();
    let (mut is_inside, mut is_written) = (false, false);
    for line in text.split_inclusive('\n') {
        let is_member = line.starts_with(|first: char| !first.is_whitespace() && !matches!(first, '#' | '-'));
        if is_member {
            is_inside = line.strip_prefix("expect").is_some_and(|rest| rest.trim_start().starts_with(':'));
            if is_inside {
                out.push_str(&block);
                is_written = true;
            }
        }
        if !is_inside {
            out.push_str(line);
        }
    }
    if !is_written {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&block);
    }
    out
}

fn told(ran: &Ran) -> String {
    let title = if ran.name == ran.file { ran.name.clone() } else { format!("{} ({})", ran.name, ran.file) };
    let lines = |word: &str, lines: &[String]| {
        let mut text = format!("{word} {title}\n");
        for line in lines {
            let _ = writeln!(text, "       {line}");
        }
        text
    };
    match &ran.outcome {
        Outcome::Passed => lines("ok    ", &[]),
        Outcome::Updated => lines("update", &[]),
        Outcome::Failed(failures) => lines("FAIL  ", failures),
        Outcome::Broken(why) => lines("BROKEN", why),
    }
}

fn record(ran: &Ran) -> Value {
    let (outcome, failures) = match &ran.outcome {
        Outcome::Passed => ("passed", Vec::new()),
        Outcome::Updated => ("updated", Vec::new()),
        Outcome::Failed(failures) => ("failed", failures.clone()),
        Outcome::Broken(why) => ("broken", why.clone()),
    };
    json!({"file": ran.file, "name": ran.name, "outcome": outcome, "failures": failures})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expectation_of_yaml_is_replaced() {
        let expected = json!({"action": "stop", "findings": [{"gate": "always", "id": "a: #b"}]});
        let before = "# a case\nname: x\nexpect:\n  action: go # old\n# about it\n- odd\nfacts:\n  size: 1\n";
        let after = with_expectation(before, &expected);
        insta::assert_snapshot!(after, @r#"
        # a case
        name: x
        expect:
          action: "stop"
          findings:
            - {"gate":"always","id":"a: #b"}
        facts:
          size: 1
        "#);
        let read = documents::parse(&after, Language::Yaml).unwrap();
        assert_eq!(read["expect"], expected);
        let added = with_expectation("name: x", &json!({"action": "go", "findings": []}));
        assert_eq!(added, "name: x\nexpect:\n  action: \"go\"\n  findings: []\n");
    }
}
