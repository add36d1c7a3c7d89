//! File names of archives, `ARTIFACT-VERSION.jar`.

/// Artifact and version: the version begins at the first `-` before a digit.
pub(super) fn split(stem: &str) -> (&str, Option<&str>) {
    for (dash, _) in stem.match_indices('-') {
        let Some(version) = stem.get(dash + 1..) else { continue };
        if dash > 0 && version.starts_with(|first: char| first.is_ascii_digit()) {
            // `spring-3.x`: any version of a line.
            let is_line = version.split('.').any(|part| part.eq_ignore_ascii_case("x"));
            return (stem.get(..dash).unwrap_or(stem), (!is_line).then_some(version));
        }
    }
    (stem, None)
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
            ("json4s-ast_2.12-3.7.0-M11", ("json4s-ast_2.12", Some("3.7.0-M11"))),
            ("guice", ("guice", None)),
            ("spring3-aop-3.x", ("spring3-aop", None)),
            ("-1", ("-1", None)),
            ("ä-1", ("ä", Some("1"))),
        ] {
            assert_eq!(split(stem), want);
        }
    }
}
