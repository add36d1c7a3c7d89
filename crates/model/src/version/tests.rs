//! The orders against the answers of the reference implementations, and the laws of an order.

use super::*;

/// The tables of `testdata/versions`, one per scheme.
const TABLES: [(Scheme, &str); 17] = [
    (Scheme::Dpkg, include_str!("../../testdata/versions/dpkg.txt")),
    (Scheme::Rpm, include_str!("../../testdata/versions/rpm.txt")),
    (Scheme::Apk, include_str!("../../testdata/versions/apk.txt")),
    (Scheme::Pacman, include_str!("../../testdata/versions/pacman.txt")),
    (Scheme::Portage, include_str!("../../testdata/versions/portage.txt")),
    (Scheme::Semver, include_str!("../../testdata/versions/semver.txt")),
    (Scheme::Go, include_str!("../../testdata/versions/go.txt")),
    (Scheme::Pep440, include_str!("../../testdata/versions/pep440.txt")),
    (Scheme::Maven, include_str!("../../testdata/versions/maven.txt")),
    (Scheme::RubyGems, include_str!("../../testdata/versions/rubygems.txt")),
    (Scheme::Nuget, include_str!("../../testdata/versions/nuget.txt")),
    (Scheme::Composer, include_str!("../../testdata/versions/composer.txt")),
    (Scheme::Hex, include_str!("../../testdata/versions/hex.txt")),
    (Scheme::Generic, include_str!("../../testdata/versions/generic.txt")),
    (Scheme::Pvp, include_str!("../../testdata/versions/pvp.txt")),
    (Scheme::Cran, include_str!("../../testdata/versions/cran.txt")),
    (Scheme::Pub, include_str!("../../testdata/versions/pub.txt")),
];

/// One line, `1.0~rc1 < 1.0`; `?` stands for "cannot be compared".
fn parse_line(line: &str) -> Option<(&str, Option<Ordering>, &str)> {
    let mut words = line.split(' ');
    let (a, relation, b) = (words.next()?, words.next()?, words.next()?);
    let order = match relation {
        "<" => Some(Ordering::Less),
        "=" => Some(Ordering::Equal),
        ">" => Some(Ordering::Greater),
        "?" => None,
        _ => return None,
    };
    Some((a, order, b))
}

#[test]
fn tables() {
    let mut wrong = Vec::new();
    for (scheme, table) in TABLES {
        for (number, line) in table.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let place = format!("testdata/versions/{scheme}.txt:{}", number + 1);
            let Some((a, want, b)) = parse_line(line) else { panic!("{place}: malformed line `{line}`") };
            let (got, back) = (compare(scheme, a, b), compare(scheme, b, a));
            if got != want || back != want.map(Ordering::reverse) {
                wrong.push(format!("{place}: `{line}`, but the order is {got:?} and backwards {back:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every pair and triple out of the versions of one table obeys the laws of an order.
#[test]
fn tables_are_ordered() {
    for (scheme, table) in TABLES {
        let mut versions: Vec<&str> =
            table.lines().filter_map(parse_line).flat_map(|(a, _, b)| [a, b]).filter(|v| scheme.accepts(v)).collect();
        // By pacman's own rule a version without release equals each of its releases, which no order can do.
        versions.retain(|version| scheme != Scheme::Pacman || !version.contains('-'));
        versions.retain(|version| scheme != Scheme::Composer || !version.starts_with("dev-"));
        // Maven itself says `1-0.alpha < 1 < 1-a < 1-0.alpha`: a list within a list beats every word.
        versions.retain(|version| scheme != Scheme::Maven || *version != "1-0.alpha");
        versions.sort_unstable();
        versions.dedup();
        for a in &versions {
            assert_eq!(compare(scheme, a, a), Some(Ordering::Equal), "{scheme}: {a}");
            for b in &versions {
                let order = compare(scheme, a, b);
                assert_eq!(order, compare(scheme, b, a).map(Ordering::reverse), "{scheme}: {a} {b}");
                for c in &versions {
                    if order.is_some_and(Ordering::is_le) && compare(scheme, b, c).is_some_and(Ordering::is_le) {
                        assert!(compare(scheme, a, c).is_some_and(Ordering::is_le), "{scheme}: {a} <= {b} <= {c}");
                    }
                }
            }
        }
    }
}

mod laws;
mod third_party;
