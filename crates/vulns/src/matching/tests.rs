mod quality;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use killick_model::advisory::Instant;
use killick_model::distribution::Distribution;
use killick_model::matching::{Evidence, Match, Suppressed};
use killick_model::package::symbols::Symbols;
use killick_model::package::{Package, PackageDetails, PackageId, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::vex::VexClaim;

use super::{CpeUse, MatchOptions, Subject, Suppressions, match_packages};
use crate::index::Index;
use crate::{BuildOptions, Explanation, Question, build, explain};

/// Reads `packages.txt`: a line a package.
pub(crate) fn packages(text: &str) -> (Option<Distribution>, Vec<Package>) {
    let mut distribution = None;
    let mut packages = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "distribution" {
            distribution = Some(Distribution {
                id: words[1].to_owned(),
                version: words.get(2).filter(|version| **version != "-").map(|version| (*version).to_owned()),
                codename: words.get(3).filter(|word| !word.contains('=')).map(|codename| (*codename).to_owned()),
                content_sets: words.iter().filter_map(|word| Some(word.strip_prefix("set=")?.to_owned())).collect(),
                ..Distribution::default()
            });
        } else {
            packages.push(package(&words));
        }
    }
    (distribution, packages)
}

fn package(words: &[&str]) -> Package {
    let kind = PackageKind::all().find(|kind| kind.name() == words[0]).unwrap();
    let values = |key: &str| -> Vec<String> {
        let values = words[3..].iter().filter_map(|word| word.split_once('=').filter(|(name, _)| *name == key));
        values.map(|(_, value)| value.to_owned()).collect()
    };
    let value = |key: &str| values(key).into_iter().next();
    let details = match kind {
        PackageKind::Java => PackageDetails::Java {
            group: value("group"),
            specification_version: None,
            implementation_version: None,
            maven_version: None,
            pom_properties: value("group"),
            extension: "jar".to_owned(),
        },
        PackageKind::Go => PackageDetails::Go {
            main: words.contains(&"main"),
            toolchain: value("toolchain"),
            checksum: None,
            version_from: value("version-from"),
            symbols: value("symbols").map(|list| linked(&list)),
        },
        PackageKind::Portage => {
            PackageDetails::Portage { slot: value("slot"), repository: None, use_flags: Vec::new() }
        }
        PackageKind::Npm => PackageDetails::Npm { homepage: None, is_private: words.contains(&"private") },
        PackageKind::Rpm => PackageDetails::Rpm {
            epoch: None,
            source_rpm: None,
            module: value("module"),
            vendor: None,
            signatures: Vec::new(),
        },
        _ if value("namespace").is_some() => PackageDetails::Published {
            namespace: value("namespace"),
            subpath: None,
            qualifiers: BTreeMap::new(),
            checksum: None,
        },
        _ => PackageDetails::None,
    };
    Package {
        source: value("source").map(|name| SourcePackage {
            name,
            version: value("source-version").unwrap_or_else(|| words[2].to_owned()),
        }),
        distribution: value("of").map(|of| {
            let (id, version) = of.split_once(':').unwrap();
            Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() }
        }),
        architecture: value("arch"),
        cpes: values("cpe"),
        owner: value("owner").map(|owner| PackageId(owner.parse().unwrap())),
        details,
        ..Package::new(
            kind,
            words[1],
            words[2],
            ImagePath::new(value("at").as_deref().unwrap_or("somewhere").as_bytes()).unwrap(),
        )
    }
}

/// Functions, `path:Function` or `path:Type.Method`, with their packages, between commas; `-` for none.
fn linked(list: &str) -> Symbols {
    let functions = || list.split(',').filter_map(|function| function.split_once(':'));
    let packages = functions().map(|(path, _)| (path, None));
    Symbols::new(packages.chain(functions().map(|(path, name)| (path, Some(name)))))
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/matching");
    let mut found: Vec<PathBuf> = fs_err::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() > 8, "cases are missing");
    found
}

pub(crate) fn index(case: &Path) -> Index {
    let work = tempfile::tempdir().unwrap();
    let feeds = work.path().join("feeds");
    fs_err::create_dir(&feeds).unwrap();
    crate::providers::tests::pack(&case.join("feeds"), &feeds);
    let out = work.path().join("index");
    build(&[feeds], &out, &BuildOptions::default()).unwrap();
    Index::open(&out).unwrap()
}

pub(crate) fn shown(package: &Package) -> String {
    let of = package.distribution.as_ref().map(|distribution| format!(" of {}", distribution.label()));
    format!("{} {} {}{}", package.kind, package.name, package.version, of.unwrap_or_default())
}

pub(crate) fn line(found: &Match) -> String {
    let mut line = format!(
        "  {} {:?} {}({}) {:?} {:?}",
        found.vulnerability,
        found.aliases,
        found.severity,
        found.severity_source.as_deref().unwrap_or("nobody"),
        found.fix.state,
        found.fix.versions,
    );
    for cvss in &found.cvss {
        write!(line, " cvss{}={:.1}", cvss.version, cvss.base).unwrap();
    }
    if found.known_exploited {
        line.push_str(" exploited");
    }
    if let Some(epss) = found.epss {
        write!(line, " epss={epss}").unwrap();
    }
    write!(line, " risk={:.1}", found.risk).unwrap();
    if found.malicious {
        line.push_str(" malicious");
    }
    for claim in &found.claims {
        write!(line, "\n    {}", said(claim)).unwrap();
    }
    for evidence in &found.evidence {
        write!(line, "\n    {}", reason(evidence)).unwrap();
    }
    line
}

fn reason(evidence: &Evidence) -> String {
    let linkage = evidence.linkage.map(|linkage| format!(", {linkage:?}")).unwrap_or_default();
    format!(
        "{}/{} {}: {} {} {} in {} ({:?}{}{linkage})",
        evidence.provider,
        evidence.namespace,
        evidence.advisory,
        evidence.matched_name,
        evidence.scheme,
        evidence.compared_version,
        evidence.affected,
        evidence.confidence,
        if evidence.via_source { " via source" } else { "" },
    )
}

pub(crate) fn suppressed(found: &Suppressed) -> String {
    let claim = found.claim.as_ref().map(|claim| format!("\n    {}", said(claim))).unwrap_or_default();
    format!("  not {}: {:?}{claim}\n    {}", found.vulnerability, found.reason, reason(&found.evidence))
}

fn said(claim: &VexClaim) -> String {
    format!(
        "{} `{}` ({:?}) of {} in {}: {}",
        if claim.trusted { "trusted" } else { "untrusted" },
        claim.issuer,
        claim.origin,
        claim.product,
        claim.document,
        claim.describe(),
    )
}

#[test]
fn testdata() {
    for case in cases() {
        let index = index(&case);
        let text = fs_err::read_to_string(case.join("packages.txt")).unwrap();
        let (distribution, packages) = packages(&text);
        let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
        let found = match_packages(&index, subject, &MatchOptions::default()).unwrap();
        let mut text = String::new();
        for (at, package) in packages.iter().enumerate() {
            writeln!(text, "{}", shown(package)).unwrap();
            let of = |id: PackageId| id.0 as usize == at;
            for found in found.matches.iter().filter(|found| of(found.package)) {
                writeln!(text, "{}", line(found)).unwrap();
            }
            for found in found.suppressed.iter().filter(|found| of(found.package)) {
                writeln!(text, "{}", suppressed(found)).unwrap();
            }
        }
        for problem in &found.problems {
            writeln!(text, "{} {}: {}", problem.kind, problem.subject, problem.message).unwrap();
        }
        insta::with_settings!({
            snapshot_path => &case, prepend_module_to_snapshot => false, omit_expression => true
        }, { insta::assert_snapshot!("expected", text) });

        let again = match_packages(
            &index,
            subject,
            &MatchOptions { suppressed: Suppressions::Drop, ..MatchOptions::default() },
        )
        .unwrap();
        assert_eq!(again.matches, found.matches, "what is dropped changes no match");
    }
}

pub(crate) fn explained(index: &Index, subject: Subject<'_>, vulnerability: &str) -> Explanation {
    let options = MatchOptions::default();
    let question =
        Question { subject, vulnerability, options: &options, vex: None, problems: &[], now: Instant(1_700_000_000) };
    explain(index, &question).unwrap()
}

#[test]
fn explain_tells_why_and_why_not() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/matching/heartbleed");
    let index = index(&case);
    let (distribution, packages) = packages(&fs_err::read_to_string(case.join("packages.txt")).unwrap());
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    let told = explained(&index, subject, "CVE-2014-0160");
    insta::assert_json_snapshot!("explain_heartbleed", told);
    let told = explained(&index, subject, "CVE-1999-0001");
    assert!(told.advisories.is_empty() && told.packages.is_empty(), "{told:?}");
}

#[test]
fn explain_follows_aliases() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/matching/languages");
    let index = index(&case);
    let (distribution, packages) = packages(&fs_err::read_to_string(case.join("packages.txt")).unwrap());
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    for name in ["CVE-2099-1005", "GO-2099-0001", "GHSA-gogo-gogo-gogo"] {
        let told = explained(&index, subject, name);
        assert_eq!(told.vulnerability, "CVE-2099-1005", "{name}");
        assert_eq!(told.aliases, ["GHSA-gogo-gogo-gogo", "GO-2099-0001"], "{name}");
        assert_eq!(told.packages.len(), 2, "{name}");
        assert_eq!(told.advisories.len(), 2, "{name}");
    }
}

#[test]
fn only_what_an_advisory_asks_about_is_told_apart_by_what_it_links() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/matching/go-symbols");
    let index = index(&case);
    for (lines, expected) in [
        ("go example.org/lib v1.1.0 symbols=a:B\ngo example.org/lib v1.1.0 symbols=a:C\ngo example.org/lib v1.1.0", 3),
        ("go example.org/lib v1.1.0 symbols=a:B\ngo example.org/lib v1.1.0 symbols=a:B", 1),
        ("go example.org/quiet v1.1.0 symbols=a:B\ngo example.org/quiet v1.1.0 symbols=a:C", 1),
    ] {
        let (_, packages) = packages(lines);
        let judged =
            super::judge(&index, Subject { distribution: None, packages: &packages }, CpeUse::default()).unwrap();
        assert_eq!(judged.identities.len(), expected, "{lines}");
        let members: usize = judged.identities.iter().map(|(_, members)| members.len()).sum();
        assert_eq!(members, packages.len(), "{lines}");
    }
}

#[test]
fn every_package_is_looked_up_by_cpe_if_that_is_asked_for() {
    let index = index(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/matching/cpe"));
    let (distribution, packages) = packages(
        "distribution frobnix 1\npython frob 1.2\nnpm @other/frob 2.2\ndeb libfrob1 1:1.2-3 source=frob\ndeb frob 1.3-1\npython unheard 1.2",
    );
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    let found = |cpe| {
        let matches =
            match_packages(&index, subject, &MatchOptions { cpe, ..MatchOptions::default() }).unwrap().matches;
        let told = matches
            .iter()
            .filter(|found| found.vulnerability == "CVE-2099-0001")
            .map(|found| format!("{} {:?}", packages[found.package.0 as usize].name, found.evidence[0].confidence));
        told.collect::<Vec<_>>()
    };
    assert!(found(CpeUse::Binaries).is_empty());
    // By vendor and version: 1.3 has the fix, and every version of the other vendor's product is affected.
    assert_eq!(found(CpeUse::All), ["frob Cpe", "@other/frob Cpe", "libfrob1 Cpe"]);
}
