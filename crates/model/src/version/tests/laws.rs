//! The laws of an order on generated versions, and that no text makes a comparison panic.

use proptest::prelude::*;

use super::*;

/// Texts of the scheme's own shape.
///
/// Two schemes are not orders on everything they accept, and neither are their reference implementations: pacman
/// on versions of which only some have a release, and Maven where qualifiers meet zeros or each other without a
/// dot between numbers.
fn shape(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Dpkg => "([0-2]:)?[0-9a-zA-B~+.]{1,6}(-[0-9a-b~+.]{1,4})?",
        Scheme::Rpm => "([0-2]:)?[0-9a-b~^._]{1,6}(-[0-9a-b~^._]{1,4})?",
        Scheme::Apk => "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}[a-b]?(_(alpha|rc|p|git)[0-2]?){0,2}(~[0a]{1,2})?(-r[0-2])?",
        Scheme::Pacman => "([0-2]:)?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(rc|b)?-[0-9]",
        Scheme::Portage => "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}[a-b]?(_(alpha|beta|pre|rc|p)[0-2]?){0,2}(-r[0-2])?",
        Scheme::Semver | Scheme::Hex => "[0-2]\\.[0-2]\\.[0-2](-[0-2a-b]{1,2}(\\.[0-2a-b]{1,2}){0,2})?(\\+[a-b])?",
        Scheme::Pvp => "[0-2]{1,2}(\\.[0-2]{1,2}){0,3}",
        Scheme::Cran => "[0-2]{1,2}([.-][0-2]{1,2}){0,3}",
        Scheme::Pub => "[0-2]\\.[0-2]\\.[0-2](-[0-2a-b]{1,2}(\\.[0-2a-b]{1,2})?)?(\\+[0-2a-b]{1,2}(\\.[0-2])?)?",
        Scheme::Go => {
            "v[0-2]\\.[0-2]\\.[0-2](-(0\\.2024010[1-2]|[a-b]{1,2}(\\.[0-2])?))?|go1\\.[0-2](rc[0-2]{1,2}|\\.[0-2])?"
        }
        Scheme::Pep440 => {
            "([0-1]!)?[0-2](\\.[0-2]){0,2}((a|b|rc)[0-2])?(\\.post[0-2])?(\\.dev[0-2])?(\\+[0-2a-b](\\.[0-2a-b])?)?"
        }
        Scheme::Maven => "[1-9](\\.[1-9]){0,2}(-(alpha|beta|rc|sp|final|jre|snapshot))?(-[1-9])?",
        Scheme::RubyGems => "[0-2](\\.[0-2a-b]{1,2}){0,3}(-[0-2])?",
        Scheme::Nuget => "[0-2](\\.[0-2]){0,3}(-[0-2a-bA-B]{1,2}(\\.[0-2a-b]){0,2})?",
        Scheme::Composer => "v?[0-2](\\.[0-2]){0,3}(-(dev|alpha|beta|RC|p)[0-2]?)?|[0-2]\\.[0-2]\\.x-dev",
        Scheme::Generic => "v?[0-2a-b._-]{0,3}[0-2]([._-]?([0-2]|rc|b|beta|u|0)){0,3}",
    }
}

fn versions(scheme: Scheme) -> BoxedStrategy<(Scheme, [String; 3])> {
    let one = || proptest::string::string_regex(shape(scheme)).expect("the shapes are valid patterns");
    [one(), one(), one()].prop_map(move |texts| (scheme, texts)).boxed()
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    proptest::sample::select(&Scheme::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn orders_are_total((scheme, [a, b, c]) in any_scheme().prop_flat_map(versions)) {
        let accepted = [&a, &b, &c].into_iter().all(|text| scheme.accepts(text));
        prop_assume!(accepted);
        let order = |a: &str, b: &str| compare(scheme, a, b).expect("accepted versions can be compared");
        prop_assert_eq!(order(&a, &a), Ordering::Equal);
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        let mut sorted = [&a, &b, &c];
        sorted.sort_by(|a, b| order(a, b));
        prop_assert!(order(sorted[0], sorted[1]).is_le(), "{:?}", sorted);
        prop_assert!(order(sorted[1], sorted[2]).is_le(), "{:?}", sorted);
        prop_assert!(order(sorted[0], sorted[2]).is_le(), "{:?}", sorted);
        if order(&a, &b).is_eq() {
            prop_assert_eq!(order(&a, &c), order(&b, &c));
        }
    }

    /// Sorting may panic where an order is none.
    #[test]
    fn every_text_has_a_place(scheme in any_scheme(), texts in proptest::collection::vec("[0-9a-z.:~^+v-]{0,5}", 3)) {
        let place = |a: usize, b: usize| order(scheme, &texts[a], &texts[b]);
        for (a, b, c) in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)] {
            prop_assert_eq!(place(a, b), place(b, a).reverse());
            prop_assert!(!(place(a, b).is_le() && place(b, c).is_le()) || place(a, c).is_le(), "{:?} {:?}", scheme, texts);
        }
    }

    #[test]
    fn no_text_panics(scheme in any_scheme(), a in "\\PC{0,12}", b in "[0-9a-cé~^:!._+x-]{0,12}") {
        for (a, b) in [(&a, &b), (&b, &a), (&b, &b)] {
            prop_assert_eq!(compare(scheme, a, b), compare(scheme, b, a).map(Ordering::reverse));
        }
    }

    #[test]
    fn long_numbers_compare_by_value(scheme in any_scheme(), digits in "[1-9][0-9]{20,40}") {
        let (one, more) = (format!("1.{digits}.1"), format!("1.{digits}0.1"));
        let prefix = if scheme == Scheme::Go { "v" } else { "" };
        prop_assert_eq!(compare(scheme, &format!("{prefix}{one}"), &format!("{prefix}{more}")), Some(Ordering::Less));
    }
}
