//! `OpenVEX` documents: statements about products, in order of time.
//!
//! <https://github.com/openvex/spec>, version 0.2.0. A vulnerability and a product are objects, or, in documents of
//! before 0.2.0, plain ids.

use killick_model::advisory::Instant;
use serde::Deserialize;

use super::json::or_default;
use crate::purl::Purl;

/// A document.
#[derive(Deserialize)]
pub(super) struct Document {
    timestamp: Option<String>,
    last_updated: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) statements: Vec<Statement>,
}

/// What is said of some products.
#[derive(Deserialize)]
pub(super) struct Statement {
    vulnerability: Named,
    #[serde(default, deserialize_with = "or_default")]
    products: Vec<Named>,
    pub(super) status: Status,
    #[serde(rename = "action_statement", default, deserialize_with = "or_default")]
    pub(super) action: String,
    timestamp: Option<String>,
}

/// The four things that can be said.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    NotAffected,
    Affected,
    Fixed,
    UnderInvestigation,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Object {
        #[serde(rename = "@id")]
        id: Option<String>,
        name: Option<String>,
    },
}

impl Named {
    fn name(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object { id, name } => name.as_ref().or(id.as_ref()).map_or("", String::as_str),
        }
    }
}

impl Document {
    /// When it was last changed.
    pub(super) fn modified(&self) -> Option<Instant> {
        self.last_updated.as_deref().or(self.timestamp.as_deref()).and_then(Instant::parse)
    }
}

impl Statement {
    /// The vulnerability's name.
    pub(super) fn vulnerability(&self) -> &str {
        self.vulnerability.name()
    }

    /// When it was said.
    pub(super) fn said(&self) -> Option<Instant> {
        self.timestamp.as_deref().and_then(Instant::parse)
    }

    /// Its products, as far as they are package URLs.
    pub(super) fn purls(&self) -> impl Iterator<Item = Purl> {
        self.products.iter().filter_map(|product| Purl::parse(product.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text = r#"{"timestamp": "2026-05-20T14:49:37.715155Z", "statements": [
            {"vulnerability": "CVE-2024-1", "products": ["pkg:deb/ubuntu/curl@7.81.0%2B1?arch=source&distro=esm-infra%2Fxenial"], "status": "fixed"},
            {"vulnerability": {"@id": "https://x/CVE-2024-2", "name": "CVE-2024-2"}, "products": [{"@id": "pkg:npm/%40a/b@1"}, {"@id": "no purl"}], "status": "under_investigation"}
        ]}"#;
        let document: Document = serde_json::from_str(text).unwrap();
        assert_eq!(document.modified(), Instant::parse("2026-05-20T14:49:37Z"));
        let [first, second] = document.statements.as_slice() else { panic!("two statements") };
        assert_eq!((first.vulnerability(), first.status), ("CVE-2024-1", Status::Fixed));
        let purl = first.purls().next().unwrap();
        assert_eq!((purl.kind.as_str(), purl.namespace.as_str(), purl.name.as_str()), ("deb", "ubuntu", "curl"));
        assert_eq!(purl.qualifier("distro"), Some("esm-infra/xenial"));
        assert_eq!((second.vulnerability(), second.status), ("CVE-2024-2", Status::UnderInvestigation));
        let purls: Vec<Purl> = second.purls().collect();
        assert_eq!(purls.len(), 1);
        assert_eq!(purls[0].namespace, "@a");
        assert!(
            serde_json::from_str::<Document>(r#"{"statements": [{"vulnerability": "x", "status": "odd"}]}"#).is_err()
        );
    }
}
