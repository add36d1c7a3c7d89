//! File names of archives: `ARTIFACT-VERSION.jar`, `ARTIFACT-VERSION-CLASSIFIER.jar`, `BUNDLE_VERSION.jar`.

/// Words between numbers that belong to the version: `1.0-beta-2`.
const QUALIFIERS: &[&str] = &[
    "alpha",
    "beta",
    "rc",
    "cr",
    "m",
    "milestone",
    "pre",
    "preview",
    "sp",
    "snapshot",
    "b",
    "build",
    "ea",
    "dev",
    "stable",
];

/// Words after the version that name a variant of the same artifact.
const CLASSIFIERS: &[&str] = &[
    "sources",
    "javadoc",
    "tests",
    "test",
    "shaded",
    "all",
    "uber",
    "fat",
    "standalone",
    "exec",
    "boot",
    "bin",
    "linux",
    "osx",
    "macos",
    "windows",
    "x86_64",
    "x86_32",
    "aarch_64",
    "aarch64",
    "ppcle_64",
    "s390_64",
];

/// What a build that packs everything together appends.
const PACKED: &str = "-jar-with-dependencies";

/// Artifact and version.
///
/// The version begins at the first `-` before a digit, unless a word that is no part of a version and another number
/// follow: `log4j-1.2-api-2.17.1` is version 2.17.1 of `log4j-1.2-api`.
pub(super) fn split(stem: &str) -> (&str, Option<&str>) {
    let stem = stem.strip_suffix(PACKED).unwrap_or(stem);
    let is_number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let mut start = None;
    let mut has_word = false;
    for (dash, _) in stem.match_indices('-').filter(|(dash, _)| *dash > 0) {
        let rest = stem.get(dash + 1..).unwrap_or_default();
        if is_number(rest) {
            if start.is_none() || has_word {
                start = Some(dash);
                has_word = false;
            }
        } else if start.is_some() {
            has_word |= !is_qualifier(rest.split('-').next().unwrap_or(rest));
        }
    }
    let Some(start) = start else { return bundle(stem) };
    let (name, version) = (stem.get(..start).unwrap_or(stem), stem.get(start + 1..).unwrap_or_default());
    let version = without_classifiers(version);
    // `spring-3.x`: any version of a line.
    let is_line = version.split('.').any(|part| part.eq_ignore_ascii_case("x"));
    (name, (!is_line).then_some(version))
}

/// `beta`, `M11`, `b42`.
fn is_qualifier(word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    QUALIFIERS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn without_classifiers(mut version: &str) -> &str {
    while let Some((before, _)) =
        version.rsplit_once('-').filter(|(_, word)| CLASSIFIERS.iter().any(|known| known.eq_ignore_ascii_case(word)))
    {
        version = before;
    }
    version
}

/// `org.eclipse.core.runtime_3.6.0.v20100505`. Two numbers alone may be those of a platform: `json4s-ast_2.12`.
fn bundle(stem: &str) -> (&str, Option<&str>) {
    let Some((name, version)) = stem.rsplit_once('_').filter(|(name, _)| !name.is_empty()) else { return (stem, None) };
    let numbers = version.split('.').take_while(|part| part.parse::<u32>().is_ok()).count();
    if numbers >= 3 { (name, Some(version)) } else { (stem, None) }
}

/// The name with all its separators alike, as bundles and packagers exchange them. Its length stays the same.
pub(super) fn dotted(name: &str) -> String {
    name.replace(['-', '_'], ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        for (stem, want) in [
            ("log4j-core-2.14.1", ("log4j-core", Some("2.14.1"))),
            ("log4j-1.2-api-2.17.1", ("log4j-1.2-api", Some("2.17.1"))),
            ("json4s-ast_2.12-3.7.0-M11", ("json4s-ast_2.12", Some("3.7.0-M11"))),
            ("json4s-ast_2.12", ("json4s-ast_2.12", None)),
            ("aopalliance-repackaged-2.5.0-b42", ("aopalliance-repackaged", Some("2.5.0-b42"))),
            ("plexus-container-1.0-alpha-9-stable-1", ("plexus-container", Some("1.0-alpha-9-stable-1"))),
            ("plexus-container-default-1.0-alpha-9", ("plexus-container-default", Some("1.0-alpha-9"))),
            ("guava-31.1-jre", ("guava", Some("31.1-jre"))),
            ("bcprov-jdk15on-1.68", ("bcprov-jdk15on", Some("1.68"))),
            ("app-1.0-20230101.120000-3", ("app", Some("1.0-20230101.120000-3"))),
            ("netty-2.0.54.Final-linux-x86_64", ("netty", Some("2.0.54.Final"))),
            ("hadoop-common-3.3.1-tests", ("hadoop-common", Some("3.3.1"))),
            ("tabula-1.0.5-jar-with-dependencies", ("tabula", Some("1.0.5"))),
            ("org.eclipse.core_3.6.0.v20100505", ("org.eclipse.core", Some("3.6.0.v20100505"))),
            ("guice", ("guice", None)),
            ("spring3-aop-3.x", ("spring3-aop", None)),
            ("-1", ("-1", None)),
            ("ä-1", ("ä", Some("1"))),
        ] {
            assert_eq!(split(stem), want);
        }
    }
}
