//! Declared licences as SPDX expressions (SPDX specification, annex "SPDX license expressions").

use killick_model::package::PackageKind;
use spdx::{Expression, ParseMode};

/// Longest text that is taken for an expression.
const MAX_BYTES: usize = 1000;

/// Debian's short names that are not SPDX's (Debian, "Machine-readable debian/copyright file", 1.0, and what its packages
/// use besides), and names that others write.
const NAMES: &[(&str, &str)] = &[
    ("apache 2", "Apache-2.0"),
    ("apache license", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache software license", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("cc0", "CC0-1.0"),
    ("eclipse public license v1.0", "EPL-1.0"),
    ("eclipse public license v2.0", "EPL-2.0"),
    ("expat", "MIT"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("isc license", "ISC"),
    ("mit license", "MIT"),
    ("the mit license", "MIT"),
    ("mit/x11", "MIT"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2", "MPL-2.0"),
    ("new bsd license", "BSD-3-Clause"),
    ("psf", "PSF-2.0"),
    ("python software foundation license", "PSF-2.0"),
    ("ruby", "Ruby"),
    ("zlib/libpng", "Zlib"),
    ("zpl-2.1", "ZPL-2.1"),
];

/// The declared licences of a package, all of which apply, as one expression, and what of them is no expression.
pub(super) fn of_package(kind: PackageKind, declared: &[String]) -> (Option<String>, Vec<String>) {
    let (mut known, mut unknown): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for text in declared {
        match normal(kind, text) {
            Some(expression) if !known.contains(&expression) => known.push(expression),
            None if !unknown.contains(text) => unknown.push(text.clone()),
            Some(_) | None => {}
        }
    }
    let several = known.len() > 1;
    let parts =
        known.iter().map(|part| if several && part.contains(" OR ") { format!("({part})") } else { part.clone() });
    let expression = parts.collect::<Vec<_>>().join(" AND ");
    ((!expression.is_empty()).then_some(expression), unknown)
}

/// One declared licence as an expression in SPDX's own spelling.
pub(super) fn normal(kind: PackageKind, text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_BYTES {
        return None;
    }
    if let Some(name) = name(text) {
        return Some(name);
    }
    if let Some(expression) = canonical(text) {
        return Some(expression);
    }
    // RPM's old short form and Debian's lists: `GPLv2+ and MIT`, `GPL-2+ or Artistic`, each word by itself.
    let is_list = matches!(kind, PackageKind::Rpm | PackageKind::Deb | PackageKind::Apk);
    if !is_list {
        return None;
    }
    let words =
        text.replace(" and ", " AND ").replace(" or ", " OR ").replace(',', " ").replace('(', "( ").replace(')', " )");
    let words = words.split_whitespace().map(|word| match word {
        "AND" | "OR" | "WITH" | "(" | ")" => Some(word.to_owned()),
        word => name(word).or_else(|| canonical(word)),
    });
    canonical(&words.collect::<Option<Vec<_>>>()?.join(" "))
}

/// A single licence by its name.
fn name(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, id)) = NAMES.iter().find(|(name, _)| *name == lower) {
        return Some((*id).to_owned());
    }
    gnu(&lower).or_else(|| {
        let id = spdx::license_id(text).filter(|id| !id.is_deprecated())?;
        Some(id.name.to_owned())
    })
}

/// GNU licences in the spellings of Debian (`gpl-2+`) and RPM (`gplv2+`).
fn gnu(lower: &str) -> Option<String> {
    let (name, rest) =
        ["agpl", "lgpl", "gpl", "gfdl"].iter().find_map(|name| Some((*name, lower.strip_prefix(name)?)))?;
    let rest = rest.trim_start_matches(['-', ' ']).trim_start_matches('v');
    let (version, suffix) = match (rest.strip_suffix('+'), rest.strip_suffix("-or-later")) {
        (Some(version), _) | (_, Some(version)) => (version, "or-later"),
        _ => (rest.strip_suffix("-only").unwrap_or(rest), "only"),
    };
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let version = if version.contains('.') { version.to_owned() } else { format!("{version}.0") };
    let id = format!("{}-{version}-{suffix}", name.to_ascii_uppercase());
    spdx::license_id(&id).filter(|_| is_version).map(|id| id.name.to_owned())
}

/// An expression as SPDX spells it, if it is one.
fn canonical(text: &str) -> Option<String> {
    let spelt = Expression::canonicalize(text).ok()?;
    let spelt = spelt.as_deref().unwrap_or(text);
    let mode = ParseMode { allow_deprecated: false, ..ParseMode::STRICT };
    Expression::parse_mode(spelt, mode).is_ok().then(|| spelt.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (kind, text, want) in [
            (PackageKind::Npm, "MIT", Some("MIT")),
            (PackageKind::Npm, "(MIT OR Apache-2.0)", Some("(MIT OR Apache-2.0)")),
            (PackageKind::Npm, "MIT or GPL-2.0+", Some("MIT OR GPL-2.0-or-later")),
            (PackageKind::Npm, "SEE LICENSE IN LICENSE.md", None),
            (PackageKind::Python, "Apache Software License", Some("Apache-2.0")),
            (PackageKind::Python, "apache2", Some("Apache-2.0")),
            (PackageKind::Python, "Some words of a vendor's own", None),
            (PackageKind::Deb, "GPL-2+", Some("GPL-2.0-or-later")),
            (PackageKind::Deb, "LGPL-2.1", Some("LGPL-2.1-only")),
            (PackageKind::Deb, "Expat", Some("MIT")),
            (PackageKind::Deb, "BSD-3-clause", Some("BSD-3-Clause")),
            (PackageKind::Deb, "GPL-2+ or Artistic", Some("GPL-2.0-or-later OR Artistic-1.0-Perl")),
            (PackageKind::Deb, "public-domain", None),
            (PackageKind::Rpm, "GPLv3+", Some("GPL-3.0-or-later")),
            (PackageKind::Rpm, "LGPLv2+ and MIT", Some("LGPL-2.0-or-later AND MIT")),
            (
                PackageKind::Rpm,
                "(GPLv2+ or LGPLv3+) and BSD-3-Clause",
                Some("(GPL-2.0-or-later OR LGPL-3.0-or-later) AND BSD-3-Clause"),
            ),
            (PackageKind::Rpm, "Public Domain", None),
            (PackageKind::Apk, "GPL-2.0-only", Some("GPL-2.0-only")),
            (PackageKind::Apk, "BSD-2-Clause AND MIT", Some("BSD-2-Clause AND MIT")),
            (PackageKind::Apk, "", None),
            (PackageKind::Apk, "MIT AND", None),
            (PackageKind::Apk, "((((", None),
        ] {
            assert_eq!(normal(kind, text).as_deref(), want, "{kind} {text:?}");
        }
        assert_eq!(normal(PackageKind::Npm, &"(".repeat(2000)), None);
    }

    #[test]
    fn all_declared_licences_apply() {
        let declared = ["MIT OR Apache-2.0", "Zlib", "whatever", "Zlib"].map(str::to_owned);
        let (expression, unknown) = of_package(PackageKind::Rust, &declared);
        assert_eq!(expression.as_deref(), Some("(MIT OR Apache-2.0) AND Zlib"));
        assert_eq!(unknown, ["whatever"]);
        assert_eq!(of_package(PackageKind::Rust, &["x y".to_owned()]).0, None);
    }
}
