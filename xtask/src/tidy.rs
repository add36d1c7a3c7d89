//! Crate arrows point down, files stay readable, and links of pages lead somewhere.

use std::path::{Path, PathBuf};

use crate::links;

/// Which siblings each crate may use (`ARCHITECTURE.md`, "Code map").
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("fetch", &["model"]),
    ("analysis", &["model"]),
    ("vulns", &["model"]),
    ("policy", &["model"]),
    ("report", &["model"]),
    ("store", &["model"]),
    ("server", &["model", "fetch", "analysis", "vulns", "policy", "report", "store"]),
    ("cli", &["model", "fetch", "analysis", "vulns", "policy", "report", "server"]),
];

/// Crates that may wait: everything else is synchronous.
const ASYNC: &[&str] = &["fetch", "store", "server", "cli"];

/// Lines of one source file at which it must be split.
const LINES: usize = 600;

pub(crate) fn run() -> Result<(), String> {
    let mut faults = Vec::new();
    for (name, below) in ARROWS {
        let manifest = format!("crates/{name}/Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|error| format!("cannot read `{manifest}`: {error}"))?;
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        for line in dependencies.lines() {
            let word = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if word.strip_prefix("killick-").is_some_and(|sibling| !below.contains(&sibling)) {
                faults.push(format!("{manifest}: `{name}` may not use `{word}`"));
            }
            let in_dependencies = dependencies.split("[dev-dependencies]").next().unwrap_or_default();
            if word == "tokio" && !ASYNC.contains(name) && in_dependencies.contains(line) {
                faults.push(format!("{manifest}: `{name}` is synchronous and may not use `tokio`"));
            }
        }
    }
    let mut files = Vec::new();
    sources(Path::new("crates"), &mut files)?;
    sources(Path::new("xtask"), &mut files)?;
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))?;
        let lines = text.lines().count();
        if lines > LINES {
            faults.push(format!("{}: {lines} lines; split it below {LINES}", file.display()));
        }
        // A module that several integration tests, or benches, share can only be a `mod.rs`.
        let shares = ["tests", "benches"];
        let may_be = file.components().any(|part| shares.iter().any(|name| part.as_os_str() == *name));
        let is_forbidden = file.ends_with("mod.rs") && !may_be;
        if is_forbidden || ["utils.rs", "helpers.rs", "common.rs", "misc.rs"].iter().any(|name| file.ends_with(name)) {
            faults.push(format!("{}: name it for what it holds", file.display()));
        }
    }
    links::check(Path::new("."), &mut faults)?;
    if faults.is_empty() { Ok(()) } else { Err(format!("the tree is not tidy:\n  {}", faults.join("\n  "))) }
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot list `{}`: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            if !path.ends_with("testdata") && !path.ends_with("target") {
                sources(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
