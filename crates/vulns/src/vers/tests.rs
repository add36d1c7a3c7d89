use proptest::prelude::*;

use super::*;

fn shown(text: &str, own: Scheme) -> String {
    match Vers::parse(text) {
        Ok(vers) => vers.range(own).map_or("other order".to_owned(), |range| range.to_string()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn constraints_are_ranges() {
    for (text, own, want) in [
        ("vers:npm/1.2.3", Scheme::Semver, "= 1.2.3"),
        ("vers:npm/=1.2.3", Scheme::Semver, "= 1.2.3"),
        ("vers:npm/>=1.0.0|<1.4.2", Scheme::Semver, ">= 1.0.0, < 1.4.2"),
        // In whatever order.
        ("vers:npm/<1.4.2|>=1.0.0", Scheme::Semver, ">= 1.0.0, < 1.4.2"),
        ("vers:npm/1.2.3|>=2.0.0|<5.0.0", Scheme::Semver, ">= 2.0.0, < 5.0.0 || = 1.2.3"),
        ("vers:npm/<1.0.0|>=2.0.0|<=2.3.0|>3.0.0", Scheme::Semver, "< 1.0.0 || >= 2.0.0, <= 2.3.0 || > 3.0.0"),
        (
            "vers:pypi/0.0.0|0.0.1|>=0.0.2|!=0.0.5|<0.0.9",
            Scheme::Pep440,
            ">= 0.0.2, < 0.0.5 || > 0.0.5, < 0.0.9 || = 0.0.0 || = 0.0.1",
        ),
        ("vers:pypi/!=1.0", Scheme::Pep440, "< 1.0 || > 1.0"),
        ("vers:pypi/!=1.0|1.0", Scheme::Pep440, "none"),
        ("vers:pypi/>=1.0|!=1.0", Scheme::Pep440, "> 1.0"),
        ("vers:pypi/<=1.0|!=1.0.0", Scheme::Pep440, "< 1.0.0"),
        // Bounds that say the same twice.
        ("vers:npm/>1.0.0|>2.0.0|<3.0.0|<4.0.0", Scheme::Semver, "> 1.0.0, < 4.0.0"),
        ("vers:npm/<1.0.0|<2.0.0", Scheme::Semver, "< 2.0.0"),
        ("vers:npm/<2.0.0|>=2.0.0", Scheme::Semver, "*"),
        ("vers:deb/>=1:1.0%7Erc1|<1:1.0-2", Scheme::Dpkg, ">= 1:1.0~rc1, < 1:1.0-2"),
        ("vers:maven/ >= 1.0 | < 2.0-beta ", Scheme::Maven, ">= 1.0, < 2.0-beta"),
        ("vers:golang/<1.21.3", Scheme::Go, "< v1.21.3"),
        ("vers:golang/%3Cv1.21.3", Scheme::Go, "< v1.21.3"),
        ("vers:semver/<1.21.3", Scheme::Go, "< v1.21.3"),
        ("vers:generic/<1.10", Scheme::RubyGems, "< 1.10"),
        ("vers:rpm/<2.0", Scheme::Generic, "< 2.0"),
        ("vers:all/*", Scheme::Rpm, "*"),
        ("vers:NPM/*", Scheme::Semver, "*"),
        ("vers:none/*", Scheme::Rpm, "none"),
        ("vers:deb/<2.0", Scheme::Rpm, "other order"),
        ("vers:npm/<2.0.0", Scheme::Pep440, "other order"),
        ("vers:npm/<1.0.0|", Scheme::Semver, "< 1.0.0"),
        ("vers:npm/", Scheme::Semver, "not a version range specifier"),
        ("vers:npm", Scheme::Semver, "not a version range specifier"),
        ("npm/<1.0.0", Scheme::Semver, "not a version range specifier"),
        ("vers:npm/*|1.0.0", Scheme::Semver, "not a version range specifier"),
        ("vers:npm/<", Scheme::Semver, "not a version range specifier"),
        ("vers:npm/>=1.0.0,<2.0.0", Scheme::Semver, "not a version range specifier"),
        ("vers:none/1.0", Scheme::Semver, "not a version range specifier"),
        ("vers:npm/<latest", Scheme::Semver, "with versions that its scheme cannot compare"),
        ("vers:openssl/<1.0.2k", Scheme::Generic, "of the version scheme `openssl`, which has no known order"),
    ] {
        assert_eq!(shown(text, own), want, "{text} of {own}");
    }
}

#[test]
fn without_a_scheme_every_constraint_has_its_comparator() {
    for (text, want) in [
        ("<=2.0.0", Some("<= 2.0.0")),
        (">= 1.0|<1.4", Some(">= 1.0, < 1.4")),
        ("*", Some("*")),
        ("1.0", None),
        ("<2.0 or so", None),
        ("before 2.0", None),
        ("< 4.2 build 17", None),
        (">=1.0,<2.0", None),
        ("", None),
    ] {
        let found = Vers::parse_bare(text).ok().and_then(|vers| vers.range(Scheme::Rpm));
        assert_eq!(found.map(|range| range.to_string()).as_deref(), want, "{text}");
    }
}

#[test]
fn versions_are_in_or_out_or_nobody_knows() {
    let vers = Vers::parse("vers:golang/>=1.20.0|!=1.20.5|<1.21.3").expect("a range");
    for (version, want) in [
        ("v1.20.0", Some(true)),
        ("1.20.4", Some(true)),
        ("v1.20.5", Some(false)),
        ("v1.21.3", Some(false)),
        ("(devel)", None),
    ] {
        assert_eq!(vers.contains(Scheme::Go, version), want, "{version}");
    }
    assert_eq!(vers.contains(Scheme::Rpm, "1.20.4"), None);
    let many = vec!["<1.0"; MAX_CONSTRAINTS + 1].join("|");
    assert_eq!(Vers::parse(&format!("vers:npm/{many}")), Err(VersError::Malformed));
}

proptest! {
    /// By the definition: what is excluded is out, then what is listed is in, then the bounds decide.
    #[test]
    fn a_range_means_what_its_constraints_say(
        lower in 0_u8..20, width in 1_u8..20, hole in 0_u8..40, single in 0_u8..40, version in 0_u8..40
    ) {
        let upper = lower + width;
        let vers = Vers::parse(&format!("vers:deb/<{upper}|{single}|>={lower}|!={hole}")).expect("a range");
        let want = version != hole && (version == single || (lower..upper).contains(&version));
        prop_assert_eq!(vers.contains(Scheme::Dpkg, &version.to_string()), Some(want));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(vers:(npm|deb|pypi|golang|generic)/)?[<>=!|*%0-9a-f. ~:-]{0,60}") {
        for vers in [Vers::parse(&text), Vers::parse_bare(&text)].into_iter().flatten() {
            let _ = (vers.range(Scheme::Generic), vers.contains(Scheme::Dpkg, "1.0"), vers.is_limited());
        }
    }
}
