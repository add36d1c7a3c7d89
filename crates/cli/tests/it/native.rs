//! Package lists against those of the native tools, on what any machine has that runs these tests: its own dpkg
//! database, the Python environment that the original client is installed in, npm's own folder, packages built here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use fs_err as fs;
use serde_json::Value;

use super::command::{repository, run};
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

/// Name and version of each package of npm's tree, wherever it is in it.
fn npm_rows(node: &Value, rows: &mut BTreeSet<String>) {
    for (name, package) in node["dependencies"].as_object().into_iter().flatten() {
        if let Some(version) = package["version"].as_str() {
            rows.insert(format!("{name} {version}"));
        }
        npm_rows(package, rows);
    }
}

#[test]
fn npm_lists_the_same() {
    let npm = repository().join("target/test-tools/node/bin/npm");
    assert!(npm.exists(), "`{}` is missing: `cargo xtask setup` installs what tests need", npm.display());
    let listed = tool(&npm, &["ls", "--global", "--all", "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let mut theirs = BTreeSet::new();
    npm_rows(&listed, &mut theirs);
    let root = tool(&npm, &["root", "--global"]);
    let ours = ours(Path::new(root.trim()), "npm", |package| {
        format!("{} {}", text(&package["name"]), text(&package["version"]))
    });
    assert!(theirs.len() > 100, "{listed}");
    assert_eq!(ours, theirs);
}

/// Two packages, one in another's source, with an epoch and a version that sorts oddly.
const SPEC: &str = "\
Name: killick-one
Epoch: 2
Version: 1.0~rc1
Release: 3
Summary: One
License: MIT
BuildArch: noarch
%description
One.
%install
mkdir -p %{buildroot}/usr/share/killick
echo one > %{buildroot}/usr/share/killick/one.txt
ln -s one.txt %{buildroot}/usr/share/killick/link
%files
/usr/share/killick
%package -n two
Epoch: 0
Summary: Two
%description -n two
Two.
%files -n two
";

#[test]
fn rpm_lists_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (spec, built) = (folder.path().join("one.spec"), folder.path().join("built"));
    let database = folder.path().join("root/var/lib/rpm");
    fs::create_dir_all(&database).expect("the folder is writable");
    fs::write(&spec, SPEC).expect("the folder is writable");
    let shown = |path: &Path| path.display().to_string();
    let top = format!("_topdir {}", shown(&built));
    tool(Path::new("rpmbuild"), &["-bb", "--quiet", "--define", &top, &shown(&spec)]);
    let rpm = |arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["--dbpath", database.to_str().expect("UTF-8")].iter().chain(arguments).copied().collect();
        tool(Path::new("rpm"), &arguments)
    };
    rpm(&["--initdb"]);
    let of_two =
        ["killick-one", "two"].map(|name| shown(&built.join(format!("RPMS/noarch/{name}-1.0~rc1-3.noarch.rpm"))));
    rpm(&["-i", "--justdb", "--nodeps", &of_two[0], &of_two[1]]);
    let format = "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM} \
                  [%{FILENAMES} %{FILEDIGESTS} ]\\n";
    let theirs: BTreeSet<String> = rpm(&["-qa", "--qf", format]).lines().map(|line| line.trim().to_owned()).collect();
    let ours = ours(&folder.path().join("root"), "rpm", |package| {
        let [name, version, architecture] = ["name", "version", "architecture"].map(|field| text(&package[field]));
        let mut row = format!("{name} {version} {architecture} {} ", text(&package["details"]["source_rpm"]));
        for file in package["files"].as_array().into_iter().flatten() {
            row.push_str(&format!("{} {} ", text(&file["path"]), text(&file["digest"][1])));
        }
        row.trim().to_owned()
    });
    assert_eq!(theirs.len(), 2);
    assert_eq!(ours, theirs);
}
