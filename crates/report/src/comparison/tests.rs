use serde_json::{Value, json};

use super::*;

/// An image of these packages, files, vulnerabilities (position of the package, name, severity) and configuration.
struct Image {
    analysis: Analysis,
    matches: Matches,
}

fn image(packages: &Value, files: &Value, found: &[(u32, &str, &str)], config: &Value) -> Image {
    let digest = format!("sha256:{}", "a".repeat(64));
    let layer = json!({"diff_id": digest, "digest": digest, "media_type": "", "size": 1});
    let analysis = json!({
        "manifest_digest": digest, "config_digest": digest, "config": config, "layers": [layer], "packages": packages,
        "files": files,
    });
    Image { analysis: serde_json::from_value(analysis).unwrap(), matches: matches(found) }
}

/// Matches of these vulnerabilities: position of the package, name, severity.
pub(crate) fn matches(found: &[(u32, &str, &str)]) -> Matches {
    let matches: Vec<Value> = found
        .iter()
        .map(|(package, vulnerability, severity)| {
            json!({
                "package": package, "vulnerability": vulnerability, "severity": severity, "fix": {"state": "unknown"},
                "evidence": [],
            })
        })
        .collect();
    serde_json::from_value(json!({"matches": matches})).unwrap()
}

fn package(kind: &str, name: &str, version: &str, location: &str) -> Value {
    json!({"kind": kind, "name": name, "version": version, "location": location, "layer": 0, "cataloger": "x"})
}

fn compared(before: &Image, after: &Image) -> Comparison {
    let side = |source, image: &Image| -> (String, Analysis, Matches) {
        (String::from(source), image.analysis.clone(), image.matches.clone())
    };
    let (one, other) = (side("app:1", before), side("app:2", after));
    compare(
        &Side { source: &one.0, analysis: &one.1, matches: &one.2 },
        &Side { source: &other.0, analysis: &other.1, matches: &other.2 },
    )
}

/// `+ name version`, `- name version`, `^ name before after`, and so on.
fn packages_of(before: &[Value], after: &[Value]) -> Vec<String> {
    let of = |packages: &[Value]| image(&json!(packages), &json!([]), &[], &json!({}));
    let changes = compared(&of(before), &of(after)).packages;
    changes
        .iter()
        .map(|one| {
            let versions: Vec<&str> = [&one.before, &one.after].into_iter().flatten().map(String::as_str).collect();
            format!("{:?} {} {}", one.change, one.name, versions.join(" "))
        })
        .collect()
}

#[test]
fn packages_are_the_same_but_for_their_version() {
    let deb = |name, version| package("deb", name, version, "/var/lib/dpkg/status");
    let npm = |version, location| package("npm", "ms", version, location);
    for (what, before, after, want) in [
        ("the same", vec![deb("a", "1")], vec![deb("a", "1")], vec![]),
        ("by the order of its scheme", vec![deb("a", "1.9")], vec![deb("a", "1.10")], vec!["Upgraded a 1.9 1.10"]),
        ("to an older one", vec![deb("a", "1.0")], vec![deb("a", "1.0~rc1")], vec!["Downgraded a 1.0 1.0~rc1"]),
        ("one comes, one goes", vec![deb("a", "1")], vec![deb("b", "1")], vec!["Removed a 1", "Added b 1"]),
        ("another kind", vec![deb("ms", "1")], vec![npm("1", "/a")], vec!["Removed ms 1", "Added ms 1"]),
        ("at another place", vec![npm("2.0.0", "/a")], vec![npm("2.0.0", "/b")], vec![]),
        (
            "several versions side by side, each at its place",
            vec![npm("1.0.0", "/a"), npm("2.0.0", "/b")],
            vec![npm("3.0.0", "/a"), npm("2.1.0", "/b")],
            vec!["Upgraded ms 1.0.0 3.0.0", "Upgraded ms 2.0.0 2.1.0"],
        ),
        (
            "of several versions one goes",
            vec![npm("1.0.0", "/a"), npm("2.0.0", "/b")],
            vec![npm("2.0.0", "/a")],
            vec!["Removed ms 1.0.0"],
        ),
        (
            "copies are counted",
            vec![npm("1.0.0", "/a")],
            vec![npm("1.0.0", "/a"), npm("1.0.0", "/b")],
            vec!["Added ms 1.0.0"],
        ),
        ("versions that cannot be compared", vec![npm("x", "/a")], vec![npm("y", "/a")], vec!["Changed ms x y"]),
    ] {
        assert_eq!(packages_of(&before, &after), want, "{what}");
    }
}

#[test]
fn files_are_compared_by_what_they_are() {
    let file = |path: &str, content: char, mode: u32| json!({"path": path, "kind": "file", "mode": mode, "uid": 0, "gid": 0, "size": 3, "sha256": content.to_string().repeat(64), "layer": 0});
    let link = |path: &str, target: &str| json!({"path": path, "kind": "symlink", "mode": 511, "uid": 0, "gid": 0, "size": 0, "link_target": target, "layer": 0});
    let before = image(
        &json!([]),
        &json!([file("a", 'a', 420), file("b", 'b', 420), file("c", 'c', 420), link("l", "a"), file("z", 'd', 420)]),
        &[],
        &json!({}),
    );
    let after = image(
        &json!([]),
        &json!([file("b", 'e', 2541), file("c", 'c', 420), file("d", 'd', 420), link("l", "b"), link("z", "c")]),
        &[],
        &json!({}),
    );
    let changes: Vec<String> = compare(
        &Side { source: "1", analysis: &before.analysis, matches: &before.matches },
        &Side { source: "2", analysis: &after.analysis, matches: &after.matches },
    )
    .files
    .iter()
    .map(|one| format!("{:?} {} {}", one.change, one.path, one.what.join(",")))
    .collect();
    assert_eq!(
        changes,
        [
            "Removed /a ",
            "Changed /b content,mode",
            "Added /d ",
            "Changed /l target",
            "Changed /z kind,content,mode,target"
        ]
    );
}

#[test]
fn an_upgrade_that_fixes_nothing_leaves_the_vulnerability() {
    let packages = |openssl: &str, curl: &str| {
        json!([package("deb", "openssl", openssl, "/s"), package("deb", "curl", curl, "/s")])
    };
    let before = image(
        &packages("1", "1"),
        &json!([]),
        &[(0, "CVE-2024-1", "high"), (0, "CVE-2024-2", "low"), (1, "CVE-2024-3", "medium")],
        &json!({}),
    );
    let after = image(
        &packages("2", "1"),
        &json!([]),
        &[(0, "CVE-2024-1", "high"), (0, "CVE-2024-4", "low"), (0, "CVE-2024-5", "critical"), (1, "CVE-2024-6", "low")],
        &json!({}),
    );
    let VulnerabilityChanges { appeared, gone, shared } = compared(&before, &after).vulnerabilities;
    let named = |list: &[VulnerabilityChange]| -> Vec<String> {
        let line = |one: &VulnerabilityChange| {
            let other = one.other_version.as_deref().unwrap_or("-");
            format!("{} {} {} {other}", one.vulnerability, one.package, one.version)
        };
        list.iter().map(line).collect()
    };
    assert_eq!(named(&appeared), ["CVE-2024-5 openssl 2 1", "CVE-2024-4 openssl 2 1", "CVE-2024-6 curl 1 1"]);
    assert_eq!(named(&gone), ["CVE-2024-3 curl 1 1", "CVE-2024-2 openssl 1 2"]);
    assert_eq!(shared, 1);
}

#[test]
fn settings_are_told_by_name() {
    let with = |config: Value| {
        image(&json!([]), &json!([]), &[], &json!({"os": "linux", "architecture": "amd64", "config": config}))
    };
    let before = with(json!({"User": "app", "Env": ["PATH=/bin", "A=1"], "ExposedPorts": {"80/tcp": {}}, "Cmd": null}));
    let after =
        with(json!({"User": "", "Env": ["PATH=/bin", "A=2", "B"], "ExposedPorts": {"443/tcp": {}}, "Cmd": ["sh"]}));
    let changes: Vec<String> = compared(&before, &after)
        .settings
        .iter()
        .map(|one| format!("{}: {:?} {:?}", one.name, one.before.as_deref(), one.after.as_deref()))
        .collect();
    assert_eq!(
        changes,
        [
            r#"Cmd: None Some("[\"sh\"]")"#,
            r#"Env A: Some("1") Some("2")"#,
            r#"Env B: None Some("")"#,
            r#"ExposedPorts 443/tcp: None Some("set")"#,
            r#"ExposedPorts 80/tcp: Some("set") None"#,
            r#"User: Some("app") None"#,
        ]
    );
}

#[test]
fn nothing_out_of_an_image_is_markup_or_rewrites_the_terminal() {
    let hostile = "a`|<img src=x>\u{1b}[2J\n# b";
    let before = image(&json!([]), &json!([]), &[], &json!({}));
    let after = image(
        &json!([package("npm", hostile, "1", "/a")]),
        &json!([]),
        &[(0, "CVE-2024-1", "high")],
        &json!({"config": {"Labels": {hostile: hostile}}}),
    );
    let comparison = compared(&before, &after);
    insta::assert_snapshot!("hostile.md", markdown(&comparison));
    insta::assert_snapshot!("hostile.txt", text(&comparison, true));
}

#[test]
fn an_image_is_the_same_as_itself() {
    let one = image(&json!([package("deb", "a", "1", "/s")]), &json!([]), &[(0, "CVE-2024-1", "high")], &json!({}));
    let comparison = compared(&one, &one);
    assert!(comparison.is_same());
    assert!(text(&comparison, true).ends_with("\nnothing is different\n"));
    assert!(markdown(&comparison).ends_with("Nothing is different.\n"));
}

#[test]
fn packages_for_another_processor_are_the_same() {
    let debian = |name: &str, version: &str, architecture: &str| {
        let mut package = package("deb", name, version, "/var/lib/dpkg/status");
        package["architecture"] = json!(architecture);
        package
    };
    let of = |architecture: &str, variant: Option<&str>, packages: &[Value]| {
        let mut image = image(&json!(packages), &json!([]), &[], &json!({}));
        image.analysis.config.architecture = architecture.to_owned();
        image.analysis.config.variant = variant.map(str::to_owned);
        image
    };
    let changes = |before: &Image, after: &Image| {
        let changes = compared(before, after).packages;
        let told = |one: &PackageChange| format!("{:?} {} {:?} {:?}", one.change, one.name, one.before, one.after);
        changes.iter().map(told).collect::<Vec<_>>()
    };
    let amd64 = of(
        "amd64",
        None,
        &[
            debian("adduser", "3.1", "all"),
            debian("libc6", "2.36", "amd64"),
            debian("libc6", "2.36", "i386"),
            debian("libssl3", "3.0", "amd64"),
            debian("microcode", "1", "amd64"),
        ],
    );
    let arm64 = of(
        "arm64",
        Some("v8"),
        &[
            debian("adduser", "3.1", "all"),
            debian("libc6", "2.36", "arm64"),
            debian("libssl3", "3.1", "arm64"),
            debian("raspi", "1", "arm64"),
        ],
    );
    assert_eq!(
        changes(&amd64, &arm64),
        [
            // That of a second architecture.
            "Removed libc6 Some(\"2.36\") None",
            "Upgraded libssl3 Some(\"3.0\") Some(\"3.1\")",
            "Removed microcode Some(\"1\") None",
            "Added raspi None Some(\"1\")",
        ]
    );
    assert_eq!(changes(&arm64, &arm64), [] as [&str; 0]);
    // Images for one processor, and those that do not say for which, tell architectures apart.
    for architecture in ["amd64", ""] {
        let before = of(architecture, None, &[debian("libc6", "2.36", "amd64")]);
        let after = of("amd64", None, &[debian("libc6", "2.36", "i386")]);
        let both = ["Removed libc6 Some(\"2.36\") None", "Added libc6 None Some(\"2.36\")"];
        assert_eq!(
            changes(&before, &after).into_iter().collect::<BTreeSet<_>>(),
            both.map(str::to_owned).into(),
            "{architecture}"
        );
    }
}
