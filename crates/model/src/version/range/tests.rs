use proptest::prelude::*;

use super::*;

fn range(scheme: Scheme, intervals: &[(&str, &str)]) -> Range {
    // `[1` includes its bound and `(1` does not; nothing means no bound.
    let bound = |text: &str| {
        let version = text.get(1..)?.to_owned();
        Some(Bound { version, inclusive: text.starts_with('[') })
    };
    let intervals = intervals.iter().map(|(lower, upper)| Interval { lower: bound(lower), upper: bound(upper) });
    Range::new(scheme, intervals.collect(), Vec::new())
}

#[test]
fn bounds_decide() {
    type Case<'a> = (Scheme, &'a [(&'a str, &'a str)], &'a str, Option<bool>);
    let table: [Case<'_>; 24] = [
        (Scheme::Dpkg, &[("", "(1.0-1")], "1.0-1", Some(false)),
        (Scheme::Dpkg, &[("", "(1.0-1")], "1.0-1~deb12u1", Some(true)),
        (Scheme::Dpkg, &[("", "[1.0-1")], "1.0-1", Some(true)),
        (Scheme::Semver, &[("[1.0.0", "(1.2.0"), ("[2.0.0", "")], "1.1.0", Some(true)),
        (Scheme::Semver, &[("[1.0.0", "(1.2.0"), ("[2.0.0", "")], "1.5.0", Some(false)),
        (Scheme::Semver, &[("[1.0.0", "(1.2.0"), ("[2.0.0", "")], "9.0.0", Some(true)),
        // A pre-release inside the range is affected, though npm would not install it for that range.
        (Scheme::Semver, &[("", "(2.0.1")], "2.0.0-rc.1", Some(true)),
        (Scheme::Semver, &[("[2.0.0", "(2.0.1")], "2.0.0-rc.1", Some(false)),
        // A local part counts only against a bound that has one.
        (Scheme::Pep440, &[("", "[1.0")], "1.0+cu118", Some(true)),
        (Scheme::Pep440, &[("(1.0", "")], "1.0+cu118", Some(false)),
        (Scheme::Pep440, &[("", "(1.0+cu200")], "1.0+cu118", Some(true)),
        (Scheme::Pep440, &[("", "(1.0")], "1.0rc1", Some(true)),
        (Scheme::Pep440, &[("(1.0", "")], "1.0.post1", Some(true)),
        (Scheme::Pep440, &[("", "(3.0")], "2011k", None),
        (Scheme::Go, &[("", "(v1.2.4")], "v1.2.4-0.20210101000000-abcdefabcdef", Some(true)),
        (Scheme::Go, &[("", "(v1.2.4")], "(devel)", None),
        (Scheme::Go, &[("[v1.21.0", "(v1.21.5")], "go1.21.3", Some(true)),
        (Scheme::Rpm, &[("", "(4:5.26.3-420.el8")], "5.26.3-419.el8", Some(true)),
        (Scheme::Rpm, &[("", "(4:5.26.3-419.el8")], "5.26.3-419.el8", Some(true)),
        (Scheme::Apk, &[("", "(1.2.3-r1")], "1.2.3-r0", Some(true)),
        (Scheme::Apk, &[("", "(1.2.3-r1")], "5.7.1p1-r0", None),
        (Scheme::RubyGems, &[("", "(1.13.10")], "1.13.10-x86_64-linux", Some(false)),
        // Everything is everything, also what cannot be compared.
        (Scheme::Semver, &[("", "")], "nonsense", Some(true)),
        (Scheme::Semver, &[], "1.0.0", Some(false)),
    ];
    for (scheme, intervals, version, want) in table {
        let range = range(scheme, intervals);
        assert_eq!(range.contains(version), want, "{version} in {range}");
    }
}

#[test]
fn a_source_rpm_takes_the_epoch_of_the_bound() {
    let fixed = range(Scheme::Rpm, &[("", "(4:5.26.3-419.el8")]);
    assert_eq!(fixed.contains_with("5.26.3-419.el8", Epoch::OfBound), Some(false));
    assert_eq!(fixed.contains_with("5.26.3-418.el8", Epoch::OfBound), Some(true));
    assert_eq!(fixed.contains_with("3:9.0-1", Epoch::OfBound), Some(true));
}

#[test]
fn listed_versions_count_by_order_and_by_text() {
    let range = Range::new(Scheme::Pep440, Vec::new(), vec!["1.0".to_owned(), "2011k".to_owned()]);
    assert_eq!(range.contains("1.0.0"), Some(true));
    assert_eq!(range.contains("2011k"), Some(true));
    assert_eq!(range.contains("1.1"), Some(false));
    assert_eq!(range.contains("2012k"), None);
}

#[test]
fn one_incomparable_bound_leaves_the_question_open() {
    let range = range(Scheme::Apk, &[("", "(5.7.1p1-r0"), ("[6.0", "(7.0")]);
    assert_eq!(range.contains("6.1"), Some(true));
    assert_eq!(range.contains("8.0"), None);
}

#[test]
fn intervals_are_sorted_and_joined_and_shown() {
    for (intervals, want) in [
        (&[("[2.0.0", ""), ("[1.0.0", "(1.2.0")][..], ">= 1.0.0, < 1.2.0 || >= 2.0.0"),
        (&[("[1.0.0", "(1.2.0"), ("[1.1.0", "[1.3.0")], ">= 1.0.0, <= 1.3.0"),
        (&[("[1.0.0", "(1.2.0"), ("[1.2.0", "(1.3.0")], ">= 1.0.0, < 1.3.0"),
        (&[("[1.0.0", "(1.2.0"), ("(1.2.0", "(1.3.0")], ">= 1.0.0, < 1.2.0 || > 1.2.0, < 1.3.0"),
        (&[("[2.0.0", "(1.0.0")], "none"),
        (&[("[1.0.0", "(1.0.0")], "none"),
        (&[("[1.0.0", "[1.0.0")], "= 1.0.0"),
        (&[("", "(1.0.0"), ("[0.5.0", "")], "*"),
        (&[("", "")], "*"),
    ] {
        let range = range(Scheme::Semver, intervals);
        assert_eq!(range.to_string(), want);
        let read = Range::written(Scheme::Semver, want).map(|range| range.to_string());
        assert_eq!(read.as_deref(), Some(want).filter(|want| !["*", "none"].contains(want)));
    }
    let many = Range::new(Scheme::Semver, Vec::new(), (0..7).map(|minor| format!("1.{minor}.0")).collect());
    assert_eq!(many.to_string(), "= 1.0.0 || = 1.1.0 || = 1.2.0 || = 1.3.0 || = 1.4.0 and 2 more versions");
    assert_eq!(Range::written(Scheme::Semver, &many.to_string()), None, "two are not told");
    for other in ["", "1.0.0", "~> 1.0", "< 1.0.0, 2.0.0"] {
        assert_eq!(Range::written(Scheme::Semver, other), None, "{other}");
    }
}

#[test]
fn a_range_survives_storage() {
    let range = range(Scheme::Semver, &[("[1.0.0", "(1.2.0"), ("[2.0.0", "")]);
    let text = serde_json::to_string(&range).expect("plain data");
    assert_eq!(serde_json::from_str::<Range>(&text).ok(), Some(range));
}

fn bound() -> impl Strategy<Value = Option<Bound>> {
    proptest::option::of((0..6_u8, any::<bool>()))
        .prop_map(|bound| bound.map(|(minor, inclusive)| Bound { version: format!("1.{minor}.0"), inclusive }))
}

proptest! {
    #[test]
    fn sorting_and_joining_keep_the_meaning(bounds in proptest::collection::vec((bound(), bound()), 0..5)) {
        let written: Vec<Interval> = bounds.into_iter().map(|(lower, upper)| Interval { lower, upper }).collect();
        let as_written = Range { scheme: Scheme::Semver, intervals: written.clone(), versions: Vec::new() };
        let range = Range::new(Scheme::Semver, written, Vec::new());
        for minor in 0..6 {
            // On the bounds and between them.
            for version in [format!("1.{minor}.0"), format!("1.{minor}.5")] {
                prop_assert_eq!(range.contains(&version), as_written.contains(&version), "{} in {}", version, range);
            }
        }
        prop_assert!(range.intervals.windows(2).all(|pair| !meets(Scheme::Semver, &pair[0], &pair[1])));
    }

    #[test]
    fn no_range_panics(scheme in proptest::sample::select(&Scheme::ALL[..]), a in "[0-9a-z.~:-]{0,6}", b in "\\PC{0,6}", version in "\\PC{0,8}") {
        let range = Range::new(scheme, vec![Interval::between(a.clone(), b.clone()), Interval::before(b)], vec![a]);
        let _ = (range.contains(&version), range.contains_with(&version, Epoch::OfBound), range.to_string());
    }
}
