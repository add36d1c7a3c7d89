//! CSAF 2.0 documents: which product is in which state of which vulnerability.
//!
//! OASIS "Common Security Advisory Framework Version 2.0", profiles 4 (security advisory) and 5 (VEX). Ids of
//! products are opaque: what they mean is told by the product tree, whose branches name products and components,
//! and whose relationships place components on platforms. Ids are read only where the tree lacks them.

use std::collections::HashMap;

use killick_model::advisory::{Instant, Rating, RatingValue};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::json::or_default;
use super::said::{self, nevr};

#[cfg(test)]
mod tests;

/// Relationships that are followed from a component to its platform: a module is a component itself.
const MAX_STEPS: usize = 4;

/// A document.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(rename = "document")]
    pub(super) meta: Meta,
    #[serde(default, deserialize_with = "or_default")]
    product_tree: Tree,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) vulnerabilities: Vec<Vulnerability>,
}

/// What the document says of itself.
#[derive(Deserialize)]
pub(super) struct Meta {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) category: String,
    pub(super) tracking: Tracking,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) aggregate_severity: Text,
}

#[derive(Deserialize)]
pub(super) struct Tracking {
    pub(super) id: String,
    current_release_date: Option<String>,
    initial_release_date: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Text {
    #[serde(default)]
    pub(super) text: String,
}

#[derive(Deserialize, Default)]
struct Tree {
    #[serde(default, deserialize_with = "or_default")]
    branches: Vec<Branch>,
    #[serde(default, deserialize_with = "or_default")]
    full_product_names: Vec<Product>,
    #[serde(default, deserialize_with = "or_default")]
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Branch {
    product: Option<Product>,
    #[serde(default, deserialize_with = "or_default")]
    branches: Vec<Branch>,
}

#[derive(Deserialize)]
struct Product {
    #[serde(rename = "product_id")]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "product_identification_helper", default, deserialize_with = "or_default")]
    identification: Identification,
}

#[derive(Deserialize, Default)]
struct Identification {
    cpe: Option<String>,
    purl: Option<String>,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: Product,
    product_reference: String,
    relates_to_product_reference: String,
}

/// A vulnerability with the state of products.
#[derive(Deserialize)]
pub(super) struct Vulnerability {
    pub(super) cve: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    cwe: Cwe,
    release_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) product_status: Status,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) remediations: Vec<Remediation>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) threats: Vec<Threat>,
    #[serde(default, deserialize_with = "or_default")]
    scores: Vec<Score>,
}

#[derive(Deserialize, Default)]
struct Cwe {
    #[serde(default)]
    id: String,
}

/// Ids of products by state.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Status {
    #[serde(deserialize_with = "or_default")]
    pub(super) fixed: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) first_fixed: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) recommended: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) known_affected: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) known_not_affected: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) under_investigation: Vec<String>,
}

/// What can be done.
#[derive(Deserialize)]
pub(super) struct Remediation {
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) details: String,
    pub(super) url: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) product_ids: Vec<String>,
}

/// How bad it is, among others.
#[derive(Deserialize)]
pub(super) struct Threat {
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) details: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Score {
    #[serde(rename = "cvss_v2")]
    v2: Option<Vector>,
    #[serde(rename = "cvss_v3")]
    v3: Option<Vector>,
    #[serde(rename = "cvss_v4")]
    v4: Option<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    vector_string: String,
}

/// A component, as its package URL or else its name tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Component {
    pub(super) name: String,
    /// With the epoch, where it is not 0.
    pub(super) version: Option<String>,
    pub(super) architecture: Option<String>,
    /// `name:stream`.
    pub(super) module: Option<String>,
}

/// A component on a platform.
#[derive(Debug, Clone)]
pub(super) struct Placed<'a> {
    /// The platform's name.
    pub(super) platform_name: &'a str,
    /// The platform's CPE.
    pub(super) cpe: Option<&'a str>,
    pub(super) component: Component,
}

/// What product ids mean.
pub(super) struct Products<'a> {
    products: HashMap<&'a str, &'a Product>,
    relationships: HashMap<&'a str, (&'a str, &'a str)>,
}

impl Document {
    /// When it was last changed.
    pub(super) fn modified(&self) -> Option<Instant> {
        self.meta.tracking.current_release_date.as_deref().and_then(Instant::parse)
    }

    /// When it was published.
    pub(super) fn published(&self) -> Option<Instant> {
        self.meta.tracking.initial_release_date.as_deref().and_then(Instant::parse)
    }

    /// What its product ids mean.
    pub(super) fn products(&self) -> Products<'_> {
        let tree = &self.product_tree;
        let mut products: HashMap<&str, &Product> =
            tree.full_product_names.iter().map(|product| (product.id.as_str(), product)).collect();
        let mut open: Vec<&Branch> = tree.branches.iter().collect();
        while let Some(branch) = open.pop() {
            open.extend(&branch.branches);
            products.extend(branch.product.iter().map(|product| (product.id.as_str(), product)));
        }
        let relationships = tree.relationships.iter().map(|relationship| {
            let Relationship { full_product_name, product_reference, relates_to_product_reference } = relationship;
            (full_product_name.id.as_str(), (product_reference.as_str(), relates_to_product_reference.as_str()))
        });
        Products { products, relationships: relationships.collect() }
    }
}

impl<'a> Products<'a> {
    /// The component and the platform an id stands for; `None` for a product that is no component.
    pub(super) fn place(&self, id: &'a str) -> Option<Placed<'a>> {
        let Some(&(reference, mut platform)) = self.relationships.get(id) else { return self.place_by_id(id) };
        let mut module = None;
        for _ in 0..MAX_STEPS {
            let Some(&(inner, outer)) = self.relationships.get(platform) else { break };
            module = module.or_else(|| self.module(inner));
            platform = outer;
        }
        let mut component = match self.products.get(reference) {
            Some(product) => product.component(),
            None => Component::from_name(reference),
        };
        component.module = component.module.or(module);
        Some(self.on(platform, component))
    }

    /// `platform:component` of a tree without relationships.
    fn place_by_id(&self, id: &'a str) -> Option<Placed<'a>> {
        let mut from = 0;
        loop {
            let colon = from + id.get(from..)?.find(':')?;
            let (platform, rest) = (id.get(..colon)?, id.get(colon + 1..)?);
            if self.products.contains_key(platform) && !rest.is_empty() {
                return Some(self.on(platform, Component::from_name(rest)));
            }
            from = colon + 1;
        }
    }

    fn on(&self, platform: &'a str, component: Component) -> Placed<'a> {
        let product = self.products.get(platform);
        Placed {
            platform_name: product.map_or(platform, |product| product.name.as_str()),
            cpe: product.and_then(|product| product.identification.cpe.as_deref()),
            component,
        }
    }

    /// `name:stream` of a component that is a module.
    fn module(&self, id: &str) -> Option<String> {
        let purl = self.products.get(id).and_then(|product| product.identification.purl.as_deref());
        match purl.and_then(|purl| purl.strip_prefix("pkg:rpmmod/")) {
            Some(path) => {
                let path = path.split('?').next()?;
                let (name, version) = path.rsplit('/').next()?.split_once('@')?;
                let version = percent_decode_str(version).decode_utf8().ok()?;
                Some(format!("{name}:{}", version.split(':').next()?))
            }
            None => stream(id),
        }
    }
}

impl Product {
    fn component(&self) -> Component {
        let purl = self.identification.purl.as_deref();
        let mut component = purl.and_then(Component::from_purl).unwrap_or_else(|| Component::from_name(&self.name));
        // `nodejs:16/npm`: a component of a module, whose name is all that tells.
        if let Some((module, name)) = self.id.split_once('/')
            && component.version.is_none()
            && let Some(module) = stream(module)
        {
            component.module = Some(module);
            name.clone_into(&mut component.name);
        }
        component
    }
}

impl Component {
    /// Reads `pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=x86_64&epoch=1&rpmmod=name:stream:version:context`.
    fn from_purl(purl: &str) -> Option<Self> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        let (path, qualifiers) = purl.strip_prefix("pkg:rpm/")?.split_once('?').unwrap_or((purl.get(8..)?, ""));
        let (path, version) = path.split_once('@').map_or((path, None), |(path, version)| (path, Some(version)));
        let mut component = Self {
            name: decoded(path.rsplit('/').next()?).filter(|name| !name.is_empty())?,
            version: version.and_then(decoded).filter(|version| !version.is_empty()),
            ..Self::default()
        };
        for (key, value) in qualifiers.split('&').filter_map(|qualifier| qualifier.split_once('=')) {
            match key {
                "arch" => component.architecture = decoded(value),
                "rpmmod" => component.module = decoded(value).and_then(|module| stream(&module)),
                "epoch" if value != "0" => {
                    component.version = component.version.map(|version| format!("{value}:{version}"));
                }
                _ => {}
            }
        }
        Some(component)
    }

    /// Reads `name-[epoch:]version-release[.arch]`, or takes the whole as the name.
    fn from_name(name: &str) -> Self {
        const ARCHITECTURES: &[&str] = &[
            "aarch64",
            "aarch64_ilp32",
            "i386",
            "i486",
            "i586",
            "i686",
            "ia64",
            "noarch",
            "ppc",
            "ppc64",
            "ppc64le",
            "s390",
            "s390x",
            "src",
            "x86_64",
        ];
        if let Some((module, inner)) = name.split_once('/')
            && let Some(module) = stream(module)
        {
            return Self { name: inner.to_owned(), module: Some(module), ..Self::default() };
        }
        let (bare, architecture) = match name.rsplit_once('.') {
            Some((bare, last)) if ARCHITECTURES.contains(&last) => (bare, Some(last.to_owned())),
            _ => (name, None),
        };
        match nevr(bare) {
            // `python-2-docs` and `libstdc++6-devel-gcc7` have no version: a release begins with a digit.
            Some((bare, version)) if version.bytes().any(|byte| byte.is_ascii_digit()) && is_released(&version) => {
                Self { name: bare.to_owned(), version: Some(version), architecture, module: None }
            }
            _ => Self { name: bare.to_owned(), architecture, ..Self::default() },
        }
    }
}

/// Whether version and release of `version-release` both begin with a digit.
fn is_released(version: &str) -> bool {
    let (version, release) = version.rsplit_once('-').unwrap_or((version, ""));
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    [version, release].iter().all(|part| part.starts_with(|first: char| first.is_ascii_digit()))
}

/// `name:stream` of `name:stream[:version:context:…]`.
fn stream(module: &str) -> Option<String> {
    let mut parts = module.split(':');
    let (name, stream) = (parts.next()?, parts.next()?);
    let is_version = |text: &str| !text.is_empty() && !text.contains(['/', ' ']);
    (is_version(name) && is_version(stream)).then(|| format!("{name}:{stream}"))
}

/// What is said of single products, by id.
pub(super) struct Details<'a> {
    fix_state: HashMap<&'a str, FixState>,
    advisory: HashMap<&'a str, &'a str>,
    severity: HashMap<&'a str, Severity>,
    overall: Option<Severity>,
}

impl Details<'_> {
    /// What will become of a product that is affected.
    pub(super) fn fix_state(&self, id: &str) -> FixState {
        self.fix_state.get(id).copied().unwrap_or(FixState::NotFixed)
    }

    /// The advisory that fixed a product: the last part of its address.
    pub(super) fn advisory(&self, id: &str) -> Option<&str> {
        self.advisory.get(id).copied()
    }

    /// How bad it is for a product.
    pub(super) fn severity(&self, id: &str) -> Option<Severity> {
        self.severity.get(id).copied().or(self.overall)
    }
}

impl Vulnerability {
    /// What is said of single products.
    pub(super) fn details(&self, document: &Document) -> Details<'_> {
        let mut found = Details {
            fix_state: HashMap::new(),
            advisory: HashMap::new(),
            severity: HashMap::new(),
            overall: said::severity(&document.meta.aggregate_severity.text),
        };
        for remediation in &self.remediations {
            let ids = remediation.product_ids.iter().map(String::as_str);
            let state = match (remediation.category.as_str(), remediation.details.as_str()) {
                ("vendor_fix", _) => {
                    let advisory = remediation.url.as_deref().and_then(|url| url.rsplit('/').next());
                    if let Some(advisory) = advisory.filter(|advisory| advisory.starts_with("RH")) {
                        found.advisory.extend(ids.map(|id| (id, advisory)));
                    }
                    continue;
                }
                // Red Hat's `Will not fix` and `Out of support scope`.
                ("no_fix_planned", _) => FixState::WontFix,
                ("none_available", "Fix deferred") => FixState::Deferred,
                ("none_available", _) => FixState::NotFixed,
                _ => continue,
            };
            found.fix_state.extend(ids.map(|id| (id, state)));
        }
        for threat in self.threats.iter().filter(|threat| threat.category == "impact") {
            let Some(severity) = said::severity(&threat.details) else { continue };
            found.severity.extend(threat.product_ids.iter().map(|id| (id.as_str(), severity)));
            if threat.product_ids.is_empty() {
                found.overall = Some(severity);
            }
        }
        found
    }

    /// When it became public.
    pub(super) fn published(&self) -> Option<Instant> {
        self.release_date.as_deref().and_then(Instant::parse)
    }

    /// CVSS vectors, each once, as given by `source`.
    pub(super) fn ratings(&self, source: &str) -> Vec<Rating> {
        let vectors = self.scores.iter().flat_map(|score| [&score.v4, &score.v3, &score.v2]).flatten();
        let mut ratings: Vec<Rating> = vectors
            .filter(|vector| !vector.vector_string.is_empty())
            .map(|vector| Rating {
                source: source.to_owned(),
                value: RatingValue::Vector(vector.vector_string.clone()),
            })
            .collect();
        ratings.sort();
        ratings.dedup();
        ratings
    }

    /// Numbers of its weakness.
    pub(super) fn cwes(&self) -> Vec<u32> {
        super::json::cwe_numbers([self.cwe.id.as_str()])
    }
}
