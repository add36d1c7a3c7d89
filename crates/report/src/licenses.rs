//! Declared licences as SPDX writes them: <https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>.
//!
//! What is no licence of SPDX's list is a `LicenseRef-…`, whose text is what was declared. Nothing is guessed here:
//! what a declaration means is the business of the analysis.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::package::{Package, PackageId};
use spdx::{Expression, LicenseItem, ParseMode};

/// Expressions that are longer are texts.
const MAX_EXPRESSION: usize = 4096;

/// Deprecated names are in the list too, and `GPL-2.0+` is a frequent one.
const MODE: ParseMode = ParseMode { allow_deprecated: true, allow_postfix_plus_on_gpl: true, ..ParseMode::STRICT };

/// The licences of a document that SPDX does not list, by what was declared.
#[derive(Debug, Default)]
pub(crate) struct Licenses {
    references: BTreeMap<String, String>,
}

impl Licenses {
    /// All that packages of the images declare.
    pub(crate) fn of<'a>(analyses: impl IntoIterator<Item = &'a Analysis>) -> Self {
        let mut texts = BTreeSet::new();
        for analysis in analyses {
            for text in analysis.packages.iter().flat_map(declared) {
                match canonical(text) {
                    Some(expression) => texts.extend(named_references(&expression)),
                    None => drop(texts.insert(text.to_owned())),
                }
            }
            let found = analysis.inspection.licenses.iter().flat_map(|scan| &scan.packages);
            let found = found.filter_map(|license| canonical(license.expression.as_deref()?));
            texts.extend(found.flat_map(|expression| named_references(&expression)));
        }
        // What expressions refer to keeps its name; others get out of its way. Names are told apart without regard to case.
        let (named, texts): (Vec<String>, Vec<String>) =
            texts.into_iter().partition(|text| reference_name(text) == *text);
        let mut taken: BTreeSet<String> = named.iter().map(|name| name.to_lowercase()).collect();
        let name = |text: String| {
            let mut name = reference_name(&text);
            if !taken.insert(name.to_lowercase()) {
                name = format!("{name}-{}", &Digest::of(text.as_bytes()).hex()[..8]);
            }
            (text, name)
        };
        let references = texts.into_iter().map(name);
        let references: BTreeMap<String, String> = references.collect();
        Self { references: named.into_iter().map(|name| (name.clone(), name)).chain(references).collect() }
    }

    /// Every `LicenseRef-…` and its text.
    pub(crate) fn references(&self) -> impl Iterator<Item = (&str, &str)> {
        self.references.iter().map(|(text, name)| (name.as_str(), text.as_str()))
    }

    /// What a package declares, as one expression.
    pub(crate) fn declared(&self, package: &Package) -> Option<String> {
        let mut terms: Vec<String> = Vec::new();
        for text in declared(package) {
            let term = match canonical(text) {
                Some(expression) => expression,
                None => self.references.get(text).cloned().unwrap_or_else(|| reference_name(text)),
            };
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        joined(&terms)
    }

    /// What the files of packages say, if inspectors looked at them.
    pub(crate) fn concluded(analysis: &Analysis) -> BTreeMap<PackageId, &str> {
        let found = analysis.inspection.licenses.iter().flat_map(|scan| &scan.packages);
        found.filter_map(|license| Some((license.package, license.expression.as_deref()?))).collect()
    }
}

/// All of them hold.
pub(crate) fn joined(terms: &[String]) -> Option<String> {
    match terms {
        [] => None,
        [one] => Some(one.clone()),
        several => {
            let grouped = |term: &String| if term.contains(" OR ") { format!("({term})") } else { term.clone() };
            Some(several.iter().map(grouped).collect::<Vec<_>>().join(" AND "))
        }
    }
}

/// What is declared, without words for nothing.
fn declared(package: &Package) -> impl Iterator<Item = &str> {
    let is_some = |text: &&str| !["", "none", "noassertion", "unknown"].contains(&text.to_ascii_lowercase().as_str());
    package.licenses.iter().map(|text| text.trim()).filter(is_some)
}

/// The text as an expression of SPDX 2.3, if it is one.
pub(crate) fn canonical(text: &str) -> Option<String> {
    if text.len() > MAX_EXPRESSION || text.contains("DocumentRef-") || text.contains("AdditionRef-") {
        return None;
    }
    Expression::parse_mode(text, MODE).ok()?;
    let canonical = Expression::canonicalize(text).ok()?.unwrap_or_else(|| text.to_owned());
    // Names of exceptions that were licences of their own do not survive it.
    let is_sound = Expression::parse_mode(&canonical, MODE).is_ok();
    Some(if is_sound { canonical } else { text.to_owned() })
}

/// The licences that an expression refers to by name only.
fn named_references(expression: &str) -> Vec<String> {
    let Ok(expression) = Expression::parse_mode(expression, MODE) else { return Vec::new() };
    let name = |required: &spdx::expression::ExpressionReq| match &required.req.license {
        LicenseItem::Other(reference) => Some(reference.to_string()),
        LicenseItem::Spdx { .. } => None,
    };
    expression.requirements().filter_map(name).collect()
}

/// A name of what letters SPDX allows.
fn reference_name(text: &str) -> String {
    const LONGEST: usize = 64;
    if let Some(name) = text.strip_prefix("LicenseRef-")
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter))
    {
        return text.to_owned();
    }
    let mut name = "LicenseRef-".to_owned();
    for letter in text.chars().take(LONGEST) {
        match letter {
            letter if letter.is_ascii_alphanumeric() || letter == '.' => name.push(letter),
            // `+` is the only other letter that tells licences apart.
            '+' => name.push_str("-or-later"),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_end_matches('-');
    if name == "LicenseRef" { "LicenseRef-unnamed".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use killick_model::package::PackageKind;
    use killick_model::path::ImagePath;
    use serde_json::json;

    use super::*;

    #[test]
    fn declarations_become_expressions() {
        for (declared, want) in [
            (&["MIT"][..], Some("MIT")),
            (&["(MIT OR Apache-2.0)"], Some("(MIT OR Apache-2.0)")),
            (&["MIT or Apache-2.0", "ISC"], Some("(MIT OR Apache-2.0) AND ISC")),
            (&["GPL-2.0+", "GPL-2.0", "GPL-2.0-or-later"], Some("GPL-2.0-or-later AND GPL-2.0-only")),
            (&["GPL-2.0-with-GCC-exception"], Some("GPL-2.0-with-GCC-exception")),
            (&["GPL-2.0-only WITH Classpath-exception-2.0"], Some("GPL-2.0-only WITH Classpath-exception-2.0")),
            (&["none", "", "NOASSERTION"], None),
            (
                &["ASL 2.0", "asl 2.0", "ASL-2.0"],
                Some("LicenseRef-ASL-2.0 AND LicenseRef-asl-2.0-73902e6d AND LicenseRef-ASL-2.0-fe9d4d4e"),
            ),
            (&["GPL-2+", "??"], Some("LicenseRef-GPL-2-or-later AND LicenseRef-unnamed")),
            (&["LicenseRef-Ours AND MIT"], Some("LicenseRef-Ours AND MIT")),
            (&["DocumentRef-a:LicenseRef-b"], Some("LicenseRef-DocumentRef-a-LicenseRef-b")),
        ] {
            let mut package = Package::new(PackageKind::Npm, "a", "1", ImagePath::default());
            package.licenses = declared.iter().map(|text| (*text).to_owned()).collect();
            let digest = format!("sha256:{}", "a".repeat(64));
            let analysis: Analysis = serde_json::from_value(json!({
                "manifest_digest": digest, "config_digest": digest, "config": {}, "layers": [], "packages": [package],
                "files": [],
            }))
            .unwrap();
            let licenses = Licenses::of([&analysis]);
            let found = licenses.declared(&analysis.packages[0]);
            assert_eq!(found.as_deref(), want, "{declared:?}");
            // Whatever it refers to is defined.
            let named = found.iter().flat_map(|expression| named_references(expression));
            for name in named {
                assert!(licenses.references().any(|(known, _)| known == name), "{name} of {licenses:?}");
            }
        }
    }
}
