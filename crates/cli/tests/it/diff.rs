//! `killick diff`: an image, the same with newer packages, and a stored report of it.

use std::path::Path;

use serde_json::Value;

use crate::command::{Run, run};
use crate::image::Image;

const OS_RELEASE: &[u8] = b"ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n";

/// A layout of an image with these Debian packages and this version of the npm package `lodash`.
fn layout(home: &Path, name: &str, packages: &[(&str, &str)], lodash: &str) -> String {
    let status: String = packages
        .iter()
        .map(|(name, version)| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
        })
        .collect();
    let lodash = format!(r#"{{"name": "lodash", "version": "{lodash}"}}"#);
    let image = Image::of_files(&[
        ("etc/os-release", OS_RELEASE),
        ("var/lib/dpkg/status", status.as_bytes()),
        ("app/node_modules/lodash/package.json", lodash.as_bytes()),
    ]);
    let folder = home.join(name);
    image.write_layout(&folder);
    format!("oci:{}", folder.display())
}

struct Pair {
    home: tempfile::TempDir,
    before: String,
    after: String,
}

impl Pair {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let before =
            layout(home.path(), "before", &[("zlib1g", "1:1.2.13.dfsg-1"), ("curl", "7.88.1-10+deb12u1")], "4.17.15");
        let after = layout(home.path(), "after", &[("zlib1g", "1:1.2.13.dfsg-1"), ("jq", "1.6-2.1")], "4.17.21");
        Self { home, before, after }
    }

    fn diff(&self, more: &[&str]) -> Run {
        self.between(&self.before, &self.after, more)
    }

    fn between(&self, before: &str, after: &str, more: &[&str]) -> Run {
        let mut arguments = vec!["diff", before, after];
        arguments.extend(more);
        run(self.home.path(), &arguments)
    }
}

#[test]
fn what_changed_is_told() {
    let pair = Pair::new();
    let told = pair.diff(&["--files"]);
    assert_eq!(told.code, 0, "{}", told.transcript());
    for line in [
        "  - curl 7.88.1-10+deb12u1 (deb)",
        "  + jq 1.6-2.1 (deb)",
        "  ^ lodash 4.17.15 -> 4.17.21 (npm)",
        "  ~ /var/lib/dpkg/status (content)",
    ] {
        assert!(told.stdout.lines().any(|told| told == line), "{line}\n{}", told.stdout);
    }
    let gone = told.stdout.lines().find(|line| line.contains("GHSA-35jh-r3h4-6jhm"));
    assert!(gone.is_some_and(|line| line.ends_with("in lodash 4.17.15, now 4.17.21")), "{}", told.stdout);

    let document: Value = serde_json::from_str(&pair.diff(&["-o", "json"]).stdout).expect("JSON");
    assert_eq!(document["layers"]["shared"], 0);
    assert_eq!(document["packages"].as_array().expect("packages").len(), 3);
    let markdown = pair.diff(&["-o", "markdown"]);
    assert!(markdown.stdout.contains("| `upgraded` | `lodash (npm)` | `4.17.15` | `4.17.21` |"), "{}", markdown.stdout);
}

#[test]
fn what_is_new_can_be_refused() {
    let pair = Pair::new();
    for (before, after, severity, want) in [
        (&pair.before, &pair.after, "critical", 0),
        (&pair.after, &pair.before, "high", 1),
        (&pair.before, &pair.before, "negligible", 0),
    ] {
        let told = pair.between(before, after, &["--fail-on-new", severity]);
        assert_eq!(told.code, want, "{before} {after} {severity}\n{}", told.transcript());
    }
}

#[test]
fn a_policy_judges_both() {
    let pair = Pair::new();
    let bundle = "examples/bundles/production.json";
    let told = pair.between(&pair.after, &pair.before, &["--policy", bundle]);
    assert_eq!(told.code, 1, "{}", told.transcript());
    let verdict = told.stdout.lines().skip_while(|line| !line.starts_with("verdict: ")).collect::<Vec<_>>().join("\n");
    assert!(verdict.contains("lodash"), "{}", told.stdout);
    let document: Value =
        serde_json::from_str(&pair.between(&pair.before, &pair.before, &["--policy", bundle, "-o", "json"]).stdout)
            .expect("JSON");
    assert_eq!(document["verdict"]["change"], Value::Null);
}

#[test]
fn a_stored_report_is_as_good_as_its_image() {
    let pair = Pair::new();
    let report = pair.home.path().join("before.json").display().to_string();
    let scanned = run(pair.home.path(), &["scan", &pair.before, "-o", &format!("json={report}")]);
    assert_eq!(scanned.code, 0, "{}", scanned.transcript());
    let (stored, image) = (pair.between(&report, &pair.after, &[]), pair.diff(&[]));
    assert_eq!(stored.stdout, image.stdout);
}
