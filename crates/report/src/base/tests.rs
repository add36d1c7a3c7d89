use killick_model::matching::Matches;
use serde_json::{Value, json};

use super::*;
use crate::comparison::tests::matches;

struct Image {
    analysis: Analysis,
    matches: Matches,
}

impl Image {
    fn side<'a>(&'a self, source: &'a str) -> Side<'a> {
        Side { source, analysis: &self.analysis, matches: &self.matches }
    }
}

/// An image of these layers (a letter each), packages with their version, and vulnerabilities of the package at a
/// position.
fn image(layers: &str, packages: &[(&str, &str)], found: &[(u32, &str, &str)]) -> Image {
    let digest = |letter: char| format!("sha256:{}", letter.to_string().repeat(64));
    let layers: Vec<Value> = layers
        .chars()
        .map(|letter| json!({"diff_id": digest(letter), "digest": digest(letter), "media_type": "", "size": 1}))
        .collect();
    let packages: Vec<Value> = packages
        .iter()
        .map(|(name, version)| json!({"kind": "deb", "name": name, "version": version, "location": "/s", "layer": 0, "cataloger": "x"}))
        .collect();
    let analysis = json!({
        "manifest_digest": digest('f'), "config_digest": digest('f'), "config": {}, "layers": layers,
        "packages": packages, "files": [],
    });
    Image { analysis: serde_json::from_value(analysis).unwrap(), matches: matches(found) }
}

fn application() -> Image {
    // The application upgraded openssl and brought nginx.
    image(
        "abc",
        &[("libc6", "1"), ("openssl", "2"), ("nginx", "1")],
        &[(0, "CVE-1", "high"), (0, "CVE-2", "low"), (1, "CVE-3", "medium"), (2, "CVE-4", "critical")],
    )
}

fn base() -> Image {
    image("ab", &[("libc6", "1"), ("openssl", "1")], &[(0, "CVE-1", "high"), (0, "CVE-2", "low"), (1, "CVE-9", "high")])
}

#[test]
fn what_the_base_brought_is_told_apart() {
    let below = image("a", &[], &[]);
    let (image, own) = (application(), base());
    let report = report(&image.side("app"), &[below.side("empty"), own.side("base")]);
    assert_eq!(report.base.as_deref(), Some("base"), "the one with most layers");
    assert_eq!((report.packages_of_base, report.packages_of_application), (1, 2));
    assert_eq!(report.of_base.0, BTreeMap::from([(Severity::High, 1), (Severity::Low, 1)]));
    assert_eq!(report.of_application.0, BTreeMap::from([(Severity::Medium, 1), (Severity::Critical, 1)]));
}

#[test]
fn another_base_brings_its_own_and_keeps_the_application() {
    let (app, own) = (application(), base());
    // Its openssl would be replaced by the application's; its libc6 has one vulnerability less and one more.
    let newer = image(
        "d",
        &[("libc6", "2"), ("openssl", "3")],
        &[(0, "CVE-2", "low"), (0, "CVE-7", "low"), (1, "CVE-8", "critical")],
    );
    let worse = image("e", &[("libc6", "0")], &[(0, "CVE-1", "critical"), (0, "CVE-6", "critical")]);
    let report = report(&app.side("app"), &[worse.side("worse"), own.side("base"), newer.side("newer")]);
    let names: Vec<&str> = report.others.iter().map(|other| other.source.as_str()).collect();
    assert_eq!(names, ["newer", "worse"]);
    let newer = &report.others[0];
    assert_eq!(newer.then.0, BTreeMap::from([(Severity::Low, 2), (Severity::Medium, 1), (Severity::Critical, 1)]));
    assert_eq!(newer.removed.0, BTreeMap::from([(Severity::High, 1)]));
    assert_eq!(newer.added.0, BTreeMap::from([(Severity::Low, 1)]));
    assert_eq!(report.best().map(|best| best.source.as_str()), Some("newer"));
    insta::assert_snapshot!(text(&report, crate::formats::Style::default()), @r"
    app is based on base

    FROM         PACKAGES  VULNERABILITIES
    base         1         2 (1 High, 1 Low)
    application  2         2 (1 Critical, 1 Medium)
    both         3         4 (1 Critical, 1 High, 1 Medium, 1 Low)

    ON     VULNERABILITIES                  REMOVED     ADDED
    newer  4 (1 Critical, 1 Medium, 2 Low)  1 (1 High)  1 (1 Low)
    worse  4 (3 Critical, 1 Medium)         1 (1 Low)   1 (1 Critical)

    newer leaves the fewest of the worst
    ");
}

#[test]
fn nothing_is_better_than_what_is_as_good() {
    let (app, own) = (application(), base());
    let same = image("9", &[("libc6", "1")], &[(0, "CVE-1", "high"), (0, "CVE-2", "low")]);
    let report = report(&app.side("app"), &[own.side("base"), same.side("same")]);
    assert!(report.best().is_none());
    let without = super::report(&app.side("app"), &[]);
    assert_eq!((without.base, without.packages_of_application), (None, 3));
}
