use std::path::Path;

use killick_model::digest::Digest;
use killick_model::vex::VexOrigin;

use super::*;
use crate::BuildOptions;
use crate::matching::tests::{index, packages};
use crate::vex::VexSettings;

/// Where the feeds are.
#[derive(Clone, Copy)]
enum Feeds {
    /// A case of the matching's test data.
    Case(&'static str),
    /// Folders of the providers' test data.
    Of(&'static [&'static str]),
}

fn index_of(feeds: Feeds) -> Index {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    match feeds {
        Feeds::Case("vex") => index(&testdata.join("vex")),
        Feeds::Case(case) => index(&testdata.join("matching").join(case)),
        Feeds::Of(folders) => {
            let work = tempfile::tempdir().unwrap();
            for folder in folders {
                crate::providers::tests::pack(&testdata.join(folder).join("feeds"), work.path());
            }
            let out = work.path().join("index");
            crate::build(&[work.path().to_owned()], &out, &BuildOptions::default()).unwrap();
            Index::open(&out).unwrap()
        }
    }
}

/// One question and the answer: the packages of the image, the vulnerability, the verdict, the reason of the first
/// package, the remarks, and words of the sentences.
struct Case {
    feeds: Feeds,
    image: &'static str,
    asked: &'static str,
    verdict: Verdict,
    why: Option<Why>,
    remarks: &'static [RemarkKind],
    words: &'static str,
}

fn told(case: &Case, document: Option<(&str, VexOrigin)>, problems: &[Problem]) -> Explanation {
    let index = index_of(case.feeds);
    let (distribution, packages) = packages(case.image);
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    let now: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let mut vex = Vex::new(VexSettings::at(now));
    if let Some((text, origin)) = document {
        vex.add("vex.json", text.as_bytes(), origin);
    }
    let image = Image::of_packages(subject, vec![Digest::of(b"manifest")], None);
    let question = Question {
        subject,
        vulnerability: case.asked,
        options: &MatchOptions::default(),
        vex: Some((&vex, &image)),
        problems,
        now: now.into(),
    };
    explain(&index, &question).unwrap()
}

fn check(case: &Case, explanation: &Explanation) {
    let kinds: Vec<RemarkKind> = explanation.remarks.iter().map(|remark| remark.kind).collect();
    let why = explanation.packages.first().map(|package| package.why);
    assert_eq!((explanation.verdict, why), (case.verdict, case.why), "{} {explanation:#?}", case.asked);
    assert_eq!(kinds, case.remarks, "{} {explanation:#?}", case.asked);
    let mut text: Vec<&str> = explanation.remarks.iter().map(|remark| remark.text.as_str()).collect();
    text.extend(explanation.packages.iter().map(|package| package.text.as_str()));
    text.extend(explanation.packages.iter().filter_map(|package| package.sources.as_deref()));
    let text = text.join("\n");
    assert!(text.contains(case.words), "{}: `{}` is not in\n{text}", case.asked, case.words);
}

fn answers(case: &Case) {
    check(case, &told(case, None, &[]));
}

#[test]
fn it_applies() {
    answers(&Case {
        feeds: Feeds::Case("heartbleed"),
        image: "distribution debian 7 wheezy\ndeb libssl1.0.0 1.0.1e-2+deb7u4 source=openssl",
        asked: "CVE-2014-0160",
        verdict: Verdict::Applies,
        why: Some(Why::Applies),
        remarks: &[],
        words: "applies, severity High by debian: fixed in 1.0.1e-2+deb7u5",
    });
}

#[test]
fn it_applies_and_will_not_be_fixed() {
    answers(&Case {
        feeds: Feeds::Case("debian"),
        image: "distribution debian 12 bookworm\ndeb bsdutils 1:2.38.1-5 source=util-linux source-version=2.38.1-5",
        asked: "CVE-2099-0033",
        verdict: Verdict::Applies,
        why: Some(Why::WontFix),
        remarks: &[],
        words: "applies, severity Low by debian: the vendor will not fix it",
    });
}

#[test]
fn the_version_has_the_fix() {
    answers(&Case {
        feeds: Feeds::Case("heartbleed"),
        image: "distribution debian 7 wheezy\ndeb openssl 1.0.1e-2+deb7u5",
        asked: "CVE-2014-0160",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::Fixed),
        remarks: &[],
        words: "the installed version has the fix, which came with 1.0.1e-2+deb7u5",
    });
}

#[test]
fn the_version_is_outside_the_range() {
    answers(&Case {
        feeds: Feeds::Case("languages"),
        image: "npm last 1.2.4",
        asked: "GHSA-last-last-last",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::OutsideRange),
        remarks: &[],
        words: "outside the affected range (version 1.2.4 by semver order against",
    });
}

#[test]
fn no_package_that_the_advisories_name_is_installed() {
    let case = Case {
        feeds: Feeds::Case("vex"),
        image: "distribution debian 12 bookworm\ndeb libopenssl-tools 1 source=openssl-tools\ndeb curl 1",
        asked: "CVE-2099-0002",
        verdict: Verdict::DoesNotApply,
        why: None,
        remarks: &[RemarkKind::NotInstalled],
        words: "not installed: the advisories name openssl; the nearest names in the image are libopenssl-tools",
    };
    answers(&case);
    answers(&Case {
        image: "npm other 1.0.0",
        asked: "GHSA-left-left-left",
        words: "not installed: the advisories name left, and no package of the image has a name like it",
        ..case
    });
    // The vendor of this image says nothing of it; that of another does.
    answers(&Case {
        image: "distribution debian 11 bullseye\ndeb openssl 1",
        asked: "CVE-2099-0002",
        verdict: Verdict::NotKnown,
        remarks: &[RemarkKind::NotInstalled, RemarkKind::NoData],
        words: "other distributions name openssl; no source that speaks of this image's packages does",
        ..case
    });
}

#[test]
fn the_vulnerability_is_not_known() {
    answers(&Case {
        feeds: Feeds::Case("vex"),
        image: "npm left 1.0.0",
        asked: "CVE-1999-0001",
        verdict: Verdict::NotKnown,
        why: None,
        remarks: &[RemarkKind::UnknownVulnerability],
        words: "no proof that the image is safe",
    });
    // It is known to be exploited, but nobody says of which package it is.
    answers(&Case {
        feeds: Feeds::Case("vex"),
        image: "npm left 1.0.0",
        asked: "CVE-2099-0099",
        verdict: Verdict::DoesNotApply,
        why: None,
        remarks: &[RemarkKind::NotInstalled],
        words: "no advisory names a package",
    });
}

#[test]
fn the_vendor_says_that_it_is_not_affected() {
    answers(&Case {
        feeds: Feeds::Case("vex"),
        image: "distribution debian 12 bookworm\ndeb libssl3 3.0.11-1~deb12u2 source=openssl",
        asked: "CVE-2099-0002",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::VendorNotAffected),
        remarks: &[],
        words: "debian says that the package is not affected",
    });
}

#[test]
fn it_belongs_to_a_package_of_the_distribution() {
    answers(&Case {
        feeds: Feeds::Case("vex"),
        image: "distribution debian 12 bookworm\ndeb python3-some-lib 1.0-1\npython some-lib 1.0 owner=0",
        asked: "CVE-2099-0013",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::OwnedByDistribution),
        remarks: &[],
        words: "the file belongs to python3-some-lib, for which the distribution answers",
    });
}

#[test]
fn the_package_has_no_code() {
    answers(&Case {
        feeds: Feeds::Case("debian"),
        image: "distribution debian 12 bookworm\ndeb linux-libc-dev 6.1.90-1 source=linux",
        asked: "CVE-2099-0040",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::NoAffectedCode),
        remarks: &[],
        words: "headers, documentation or symbols, none of the code of linux",
    });
}

const DOCUMENT: &str = r#"{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "doc", "author": "Team A",
    "timestamp": "2024-05-01T00:00:00Z", "version": 1, "statements": [{"vulnerability": {"name": "CVE-2099-0010"},
    "products": [{"@id": "pkg:npm/left"}], "status": "not_affected", "justification": "vulnerable_code_not_present"}]}"#;

#[test]
fn a_trusted_document_says_that_it_does_not_apply() {
    let case = Case {
        feeds: Feeds::Case("vex"),
        image: "npm left 1.0.0",
        asked: "GHSA-left-left-left",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::Vex),
        remarks: &[],
        words: "`Team A` says in doc of pkg:npm/left: not affected: vulnerable_code_not_present",
    };
    check(&case, &told(&case, Some((DOCUMENT, VexOrigin::User)), &[]));
}

#[test]
fn a_document_that_is_not_trusted_changes_nothing() {
    let case = Case {
        feeds: Feeds::Case("vex"),
        image: "npm left 1.0.0",
        asked: "CVE-2099-0010",
        verdict: Verdict::Applies,
        why: Some(Why::Applies),
        remarks: &[],
        words: "applies, severity High by ghsa",
    };
    let explanation = told(&case, Some((DOCUMENT, VexOrigin::Attached)), &[]);
    check(&case, &explanation);
    let claims = explanation.packages.first().and_then(|package| package.matched.as_ref()).map(|found| &found.claims);
    assert!(claims.is_some_and(|claims| claims.len() == 1 && !claims[0].trusted), "{explanation:#?}");
}

#[test]
fn a_trusted_document_says_that_it_applies() {
    let text = DOCUMENT.replace("CVE-2099-0010", "CVE-2099-0099").replace("\"not_affected\"", "\"affected\"");
    let case = Case {
        feeds: Feeds::Case("vex"),
        image: "npm left 1.0.0",
        asked: "CVE-2099-0099",
        verdict: Verdict::Applies,
        why: Some(Why::AppliesByVex),
        remarks: &[],
        words: "`Team A` says in doc: affected",
    };
    check(&case, &told(&case, Some((&text, VexOrigin::User)), &[]));
}

#[test]
fn there_are_no_data_for_the_distribution() {
    answers(&Case {
        feeds: Feeds::Case("vex"),
        image: "distribution frobnix 1\ndeb curl 1",
        asked: "CVE-2099-0001",
        verdict: Verdict::NotKnown,
        why: None,
        remarks: &[RemarkKind::NotInstalled, RemarkKind::NoData],
        words: "no vulnerability data for distribution `frobnix:1`",
    });
}

#[test]
fn silence_of_a_source_that_knows_fixes_only_means_nothing() {
    answers(&Case {
        feeds: Feeds::Case("alpine"),
        image: "distribution alpine 3.18.4\napk frobnicate 1.0-r0",
        asked: "CVE-2023-5363",
        verdict: Verdict::NotKnown,
        why: None,
        remarks: &[RemarkKind::NotInstalled, RemarkKind::FixesOnly],
        words: "the data for alpine:3.18.4 tell of fixes only: that they do not name it says nothing",
    });
}

#[test]
fn the_advisory_is_about_another_architecture() {
    answers(&Case {
        feeds: Feeds::Case("amazon"),
        image: "distribution amzn 2\nrpm kernel 5.15.28-19.119.amzn2 arch=riscv64 source=kernel",
        asked: "CVE-2022-0500",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::OtherArchitecture),
        remarks: &[],
        words: "statement is about builds for",
    });
}

#[test]
fn the_advisory_is_about_another_stream_of_the_module() {
    answers(&Case {
        feeds: Feeds::Case("rhel-modules"),
        image: "distribution centos 8\nrpm ruby 3.1.2-141.module+el8.7.0+1 arch=x86_64 source=ruby module=ruby:3.1:1:a",
        asked: "CVE-2022-28739",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::OtherModule),
        remarks: &[],
        words: "statement is about the module stream ruby:2.5",
    });
}

#[test]
fn the_program_does_not_link_what_is_flawed() {
    answers(&Case {
        feeds: Feeds::Case("go-symbols"),
        image: "go example.org/lib v1.1.0 symbols=example.org/lib:New",
        asked: "GO-2099-1001",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::NotLinked),
        remarks: &[],
        words: "the program has none of the flawed functions",
    });
}

#[test]
fn the_version_cannot_be_compared() {
    answers(&Case {
        feeds: Feeds::Case("languages"),
        image: "npm two one.two",
        asked: "GHSA-twor-twor-twor",
        verdict: Verdict::NotKnown,
        why: Some(Why::IncomparableVersion),
        remarks: &[],
        words: "the version cannot be compared as a semver version",
    });
}

#[test]
fn the_advisory_was_withdrawn() {
    answers(&Case {
        feeds: Feeds::Case("languages"),
        image: "npm withdrawn 1.0.0",
        asked: "GHSA-with-draw-nnnn",
        verdict: Verdict::DoesNotApply,
        why: Some(Why::Withdrawn),
        remarks: &[],
        words: "the advisory was withdrawn",
    });
}

#[test]
fn the_analysis_is_incomplete() {
    let case = Case {
        feeds: Feeds::Case("vex"),
        image: "npm other 1.0.0",
        asked: "CVE-2099-0010",
        verdict: Verdict::NotKnown,
        why: None,
        remarks: &[RemarkKind::NotInstalled, RemarkKind::Incomplete],
        words: "is incomplete (/var/lib/rpm/Packages: the database ends within page 3)",
    };
    let problem = Problem::new("malformed-database", "/var/lib/rpm/Packages", "the database ends within page 3");
    check(&case, &told(&case, None, &[problem]));
}

#[test]
fn the_distribution_is_past_its_end() {
    answers(&Case {
        feeds: Feeds::Of(&["vex", "providers/eol/api"]),
        image: "distribution ubuntu 18.04\nnpm other 1.0.0",
        asked: "CVE-2099-0010",
        verdict: Verdict::NotKnown,
        why: None,
        remarks: &[RemarkKind::NotInstalled, RemarkKind::EndOfLife],
        words: "ubuntu 18.04 is past the end of its support",
    });
}

#[test]
fn it_is_told_whether_the_sources_agree() {
    let case = Case {
        feeds: Feeds::Case("languages"),
        image: "python ruamel_yaml 0.15.1",
        asked: "PYSEC-2099-1",
        verdict: Verdict::Applies,
        why: Some(Why::Applies),
        remarks: &[],
        words: "applies",
    };
    answers(&case);
    let statement = |provider: &str, outcome| StatementExplanation {
        outcome,
        fix: FixState::Unknown,
        fixed_versions: Vec::new(),
        condition: None,
        evidence: Evidence {
            provider: provider.to_owned(),
            namespace: String::new(),
            advisory: String::new(),
            matched_name: String::new(),
            via_source: false,
            compared_version: String::new(),
            scheme: String::new(),
            affected: String::new(),
            confidence: killick_model::matching::Confidence::Exact,
            linkage: None,
            severity: killick_model::severity::Severity::Unknown,
            published: None,
            known_since: None,
        },
    };
    for (says, want) in [
        (&[("a", Outcome::Affected)][..], None),
        (&[("a", Outcome::Affected), ("a", Outcome::Fixed)], None),
        (&[("a", Outcome::Affected), ("b", Outcome::Affected)], Some("a and b agree that it is affected")),
        (&[("a", Outcome::Fixed), ("b", Outcome::OutsideRange)], Some("a and b agree that it is not affected")),
        (
            &[("a", Outcome::Affected), ("b", Outcome::NotAffected), ("c", Outcome::Affected)],
            Some("the sources disagree: a and c say affected, b says not"),
        ),
    ] {
        let statements: Vec<_> = says.iter().map(|(provider, outcome)| statement(provider, *outcome)).collect();
        assert_eq!(sentence::sources(&statements).as_deref(), want);
    }
}

/// An advisory stands for what it fixes, whether the source has a record of it (Oracle, Debian's lists) or names it beside
/// its fixes (Red Hat).
#[test]
fn advisories_of_distributions() {
    const RHEL_9: &str = "distribution rhel 9.3\nrpm curl 7.76.1-26.el9 arch=x86_64 source=curl";
    for (feeds, image, asked, verdict, why, remarks, words, name, fixes) in [
        (
            Feeds::Case("rhel"),
            RHEL_9,
            "rhsa-2023:6745",
            Verdict::Applies,
            Some(Why::Applies),
            &[][..],
            "fixed in 7.76.1-26.el9_3.2",
            "RHSA-2023:6745",
            "CVE-2023-38545",
        ),
        (
            Feeds::Case("rhel"),
            "distribution rhel 9.3\nrpm curl 7.76.1-26.el9_3.2 arch=x86_64 source=curl",
            "RHSA-2023:6745",
            Verdict::DoesNotApply,
            Some(Why::Fixed),
            &[],
            "",
            "RHSA-2023:6745",
            "CVE-2023-38545",
        ),
        (
            Feeds::Case("rhel"),
            "distribution rhel 8.10\nrpm tar 2:1.30-9.el8 arch=x86_64 source=tar",
            "RHSA-2023:6745",
            Verdict::DoesNotApply,
            None,
            &[RemarkKind::OtherDistribution, RemarkKind::NotInstalled],
            "it is an advisory for rhel:9, not for this image",
            "RHSA-2023:6745",
            "CVE-2023-38545",
        ),
        (
            Feeds::Case("rhel"),
            RHEL_9,
            "RHSA-2023:6746",
            Verdict::NotKnown,
            None,
            &[RemarkKind::UnknownVulnerability],
            "names like it that it knows: `RHSA-2023:6745`",
            "RHSA-2023:6746",
            "",
        ),
        (
            Feeds::Case("debian-lists"),
            "distribution debian 7 wheezy\ndeb openssl 1.0.1e-2+deb7u4",
            "dsa-2896-1",
            Verdict::Applies,
            Some(Why::Applies),
            &[],
            "fixed in 1.0.1e-2+deb7u5",
            "DSA-2896-1",
            "CVE-2014-0160",
        ),
        (
            Feeds::Case("debian-lists"),
            "distribution debian 7 wheezy\ndeb openssl 1.0.1e-2+deb7u4",
            "DSA-2896",
            Verdict::NotKnown,
            None,
            &[RemarkKind::UnknownVulnerability, RemarkKind::FixesOnly],
            "names like it that it knows: `DSA-2896-1`",
            "DSA-2896",
            "",
        ),
        (
            Feeds::Case("oracle"),
            "distribution ol 7.9\nrpm rsyslog 8.24.0-57.el7 arch=x86_64 source=rsyslog",
            "ELSA-2022-4803",
            Verdict::Applies,
            Some(Why::Applies),
            &[],
            "",
            "ELSA-2022-4803",
            "CVE-2022-24903",
        ),
        (
            Feeds::Case("heartbleed"),
            "distribution debian 7 wheezy\ndeb libssl1.0.0 1.0.1e-2+deb7u4 source=openssl",
            " cve-2014-0160",
            Verdict::Applies,
            Some(Why::Applies),
            &[],
            "",
            "CVE-2014-0160",
            "",
        ),
        (
            Feeds::Case("vex"),
            "npm left 1.0.0",
            "ghsa-LEFT-left-left",
            Verdict::Applies,
            Some(Why::Applies),
            &[],
            "",
            "CVE-2099-0010",
            "",
        ),
    ] {
        let case = Case { feeds, image, asked, verdict, why, remarks, words };
        let explanation = told(&case, None, &[]);
        check(&case, &explanation);
        assert_eq!(
            (explanation.vulnerability.as_str(), explanation.fixes.join(" ").as_str()),
            (name, fixes),
            "{asked}"
        );
        for package in &explanation.packages {
            assert!(explanation.fixes.is_empty() || explanation.fixes.contains(&package.vulnerability), "{asked}");
        }
    }
}
