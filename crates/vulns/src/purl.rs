//! Package URLs of foreign documents, taken apart: <https://github.com/package-url/purl-spec>.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// A package URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Purl {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) qualifiers: BTreeMap<String, String>,
}

/// Qualifiers that are kept.
const MAX_QUALIFIERS: usize = 32;

impl Purl {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        let text = text.trim().strip_prefix("pkg:")?.trim_start_matches('/').split('#').next()?;
        let (path, qualifiers) = text.split_once('?').unwrap_or((text, ""));
        // An image's digest has a colon, which not everybody escapes, and a scope an `@`, in which a name may begin.
        let version = path.rfind('@').filter(|at| !path.get(at + 1..).unwrap_or_default().contains('/'));
        let (path, version) = match version.and_then(|at| path.split_at_checked(at)) {
            Some((path, version)) => (path, version.strip_prefix('@').and_then(decoded)),
            None => (path, None),
        };
        let (kind, path) = path.split_once('/')?;
        let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
        let pairs = qualifiers.split('&').filter_map(|pair| pair.split_once('=')).take(MAX_QUALIFIERS);
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            namespace: decoded(namespace)?,
            name: decoded(name).filter(|name| !name.is_empty())?,
            version: version.filter(|version| !version.is_empty()),
            qualifiers: pairs.filter_map(|(key, value)| Some((key.to_ascii_lowercase(), decoded(value)?))).collect(),
        })
    }

    /// The value of a qualifier.
    pub(crate) fn qualifier(&self, key: &str) -> Option<&str> {
        self.qualifiers.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts() {
        for (text, want) in [
            ("pkg:npm/%40scope/name@1.0.0", "npm @scope name 1.0.0"),
            ("pkg:npm/@scope/name", "npm @scope name -"),
            ("pkg:deb/debian/libss2@1:1.47.0-2%2Bb2?arch=amd64", "deb debian libss2 1:1.47.0-2+b2"),
            ("pkg:oci/app@sha256:0a?repository_url=r.io/app", "oci  app sha256:0a"),
            ("pkg:golang/github.com/A/b/v2@v2.1.0#sub", "golang github.com/A/b v2 v2.1.0"),
            ("PKG:npm/a", ""),
            ("pkg:npm", ""),
            ("pkg:npm/", ""),
            ("pkg:npm/a@", "npm  a -"),
        ] {
            let found = Purl::parse(text).map_or(String::new(), |purl| {
                format!("{} {} {} {}", purl.kind, purl.namespace, purl.name, purl.version.as_deref().unwrap_or("-"))
            });
            assert_eq!(found, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = Purl::parse(&format!("pkg:{text}"));
        }
    }
}
