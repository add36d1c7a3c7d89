//! Package lists against those of the native tools, on what any machine has that runs these tests: its own dpkg
//! database, and the Python environment that the original client is installed in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use fs_err as fs;
use serde_json::Value;

use super::command::run;
use super::service::anchore_cli_program;

/// What a native tool prints.
fn tool(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("`{}` does not start: {error}", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the list is UTF-8")
}

/// Packages of a kind that `killick sbom` finds in a folder.
fn ours(folder: &Path, kind: &str, row: fn(&Value) -> String) -> BTreeSet<String> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let run = run(home.path(), &["sbom", &format!("dir:{}", folder.display()), "-o", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let document: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let packages = document["analysis"]["packages"].as_array().expect("a list");
    packages.iter().filter(|package| package["kind"] == kind).map(row).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn dpkg_query_lists_the_same() {
    let root = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(root.path().join("var/lib/dpkg")).expect("the folder is writable");
    fs::copy("/var/lib/dpkg/status", root.path().join("var/lib/dpkg/status")).expect("this is a Debian or an Ubuntu");
    let format = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n";
    let listed = tool(Path::new("dpkg-query"), &["-W", "-f", format]);
    let theirs: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("installed\t"))
        .map(|line| line.replace('\t', " "))
        .collect();
    let ours = ours(root.path(), "deb", |package| {
        let source = |field: &str, own: &str| {
            package["source"][field].as_str().map_or_else(|| text(&package[own]).to_owned(), str::to_owned)
        };
        let [name, version, architecture] = ["name", "version", "architecture"].map(|field| text(&package[field]));
        format!("{name} {version} {architecture} {} {}", source("name", "name"), source("version", "version"))
    });
    assert!(theirs.len() > 50, "{listed}");
    assert_eq!(ours, theirs);
}

#[test]
fn pip_lists_the_same() {
    // ENVIRONMENT/bin/anchore-cli
    let program = anchore_cli_program();
    let environment = program.parent().and_then(Path::parent).expect("it is installed in an environment");
    let arguments = ["-m", "pip", "list", "--format", "json", "--disable-pip-version-check"];
    let listed = tool(&environment.join("bin/python"), &arguments);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let row = |package: &Value| format!("{} {}", text(&package["name"]).to_lowercase(), text(&package["version"]));
    let theirs: BTreeSet<String> = listed.as_array().expect("a list").iter().map(row).collect();
    // pip and setuptools bring copies of other distributions inside them, which pip does not list.
    let ours = ours(&environment.join("lib"), "python", |package| {
        let [name, version, place] = ["name", "version", "location"].map(|field| text(&package[field]));
        if place.contains("/_vendor/") { String::new() } else { format!("{} {version}", name.to_lowercase()) }
    });
    let ours: BTreeSet<String> = ours.into_iter().filter(|row| !row.is_empty()).collect();
    assert!(theirs.len() > 5, "{listed}");
    assert_eq!(ours, theirs);
}
