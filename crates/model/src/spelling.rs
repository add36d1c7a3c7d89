//! Typing errors: what somebody meant who wrote something else.

/// Letters of a word that are looked at.
const LETTERS: usize = 64;

/// The name most like the one given, if one is near: at most two letters changed, swapped, added or left out, and not
/// most of it. Capitals do not count.
pub fn nearest<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower: String = given.to_lowercase().chars().take(LETTERS).collect();
    let letters = lower.chars().count();
    let most = (letters / 3).clamp(1, 2);
    // Names of quite another length are not looked at: somebody may send long ones.
    let is_as_long = |name: &&str| name.chars().take(letters + most + 1).count().abs_diff(letters) <= most;
    let names = names.into_iter().filter(is_as_long);
    names
        .map(|name| (strsim::osa_distance(&lower, name), name))
        .filter(|(distance, name)| *distance <= most && *name != given)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised() {
        let names = ["vulnerabilities", "files", "packages", "always", "npms", "severity"];
        for (given, want) in [
            ("vulnerabilties", Some("vulnerabilities")),
            ("vulnerability", None),
            ("packages", None),
            ("Packages", Some("packages")),
            ("pakcages", Some("packages")),
            ("file", Some("files")),
            ("severty", Some("severity")),
            ("npm", Some("npms")),
            ("x", None),
            ("", None),
            ("secrets", None),
        ] {
            assert_eq!(nearest(given, names), want, "{given}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), names), None);
    }
}
