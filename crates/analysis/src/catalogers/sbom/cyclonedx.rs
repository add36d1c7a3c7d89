//! CycloneDX, in JSON here, in XML in `xml`, all versions: the components, those in components, and what the document is about.

pub(super) mod xml;

use serde::Deserialize;

use killick_model::distribution::Distribution;
use killick_model::sbom::IMAGE_FACTS;

use super::claim::{Claim, Hints};
use super::lenient::{List, Long, Maybe, OneOrList, Text, Words};
use super::properties;
use super::told::{About, Told};

/// The parts of a document that are read.
pub(super) struct Bom {
    pub(super) version: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) components: List<Component>,
    pub(super) dependencies: List<Dependency>,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    timestamp: Text,
    #[serde(default)]
    tools: OneOrList<Tool>,
    #[serde(default)]
    component: Maybe<Component>,
}

/// A tool, or since version 1.5 the components and services that are tools.
#[derive(Debug, Default, Clone, Deserialize)]
struct Tool {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default)]
    components: List<Tool>,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Dependency {
    #[serde(default, rename = "ref")]
    from: Text,
    #[serde(default, rename = "dependsOn")]
    on: Words,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Property {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    value: Long,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Hash {
    #[serde(default)]
    alg: Text,
    #[serde(default)]
    content: Text,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Evidence {
    #[serde(default)]
    occurrences: List<Occurrence>,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Occurrence {
    #[serde(default)]
    location: Text,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Component {
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default, rename = "bom-ref")]
    id: Text,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    hashes: List<Hash>,
    #[serde(default)]
    evidence: Maybe<Evidence>,
    #[serde(default)]
    properties: List<Property>,
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default)]
    purl: Text,
    #[serde(default)]
    cpe: Text,
    #[serde(default)]
    scope: Text,
    #[serde(default)]
    publisher: Text,
    #[serde(default)]
    author: Text,
    #[serde(default)]
    supplier: Maybe<Supplier>,
    #[serde(default)]
    licenses: List<LicenseChoice>,
    #[serde(default)]
    components: List<Component>,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Supplier {
    #[serde(default)]
    name: Text,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct LicenseChoice {
    #[serde(default)]
    expression: Text,
    #[serde(default)]
    license: Maybe<License>,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct License {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    name: Text,
}

/// What a document tells. The parser bounds how deep components lie in components.
pub(super) fn told(bom: Bom) -> Told {
    let Metadata { timestamp, tools, component } = bom.metadata;
    let edges = bom.dependencies.0.into_iter().filter_map(|Dependency { from, on }| Some((from.0?, on.0)));
    let held = edges.flat_map(|(from, on)| on.into_iter().map(move |on| (from.clone(), on)));
    let mut told = Told {
        claims: Vec::new(),
        about: About {
            version: bom.version,
            tool: tools.0.into_iter().find_map(Tool::text),
            created: timestamp.0,
            held: held.collect(),
            ..About::default()
        },
    };
    for component in component.0.into_iter().chain(bom.components.0) {
        add(component, &mut told);
    }
    told
}

impl Tool {
    fn text(self) -> Option<String> {
        let text = self.name.0.map(|name| match self.version.0 {
            Some(version) => format!("{name} {version}"),
            None => name,
        });
        text.or_else(|| self.components.0.into_iter().find_map(Self::text))
    }
}

fn add(component: Component, told: &mut Told) {
    let Component {
        kind,
        id,
        description,
        hashes,
        evidence,
        properties,
        name,
        version,
        purl,
        cpe,
        scope,
        publisher,
        author,
        supplier,
        licenses,
        components,
    } = component;
    let properties: Vec<(String, String)> =
        properties.0.into_iter().filter_map(|property| Some((property.name.0?, property.value.0?))).collect();
    // Not software of its own: the image, its distribution, single files, data.
    let is_package = matches!(
        kind.0.as_deref(),
        None | Some("application" | "framework" | "library" | "firmware" | "platform" | "device-driver")
    );
    let mut claim = Claim {
        name: name.0,
        version: version.0,
        purl: purl.0,
        cpes: cpe.0.into_iter().collect(),
        licenses: licenses.0.into_iter().filter_map(LicenseChoice::text).collect(),
        origin: supplier.0.and_then(|supplier| supplier.name.0).or(publisher.0).or(author.0),
        id: id.0,
        hints: Hints { is_group: kind.is("application"), ..Hints::default() },
    };
    match kind.0.as_deref() {
        Some("container") => image(&mut told.about, &claim, &hashes.0, properties),
        Some("operating-system") => {
            let pretty = description.0;
            told.about.distribution =
                told.about.distribution.take().or_else(|| distribution(claim, pretty, &properties));
        }
        _ if is_package => {
            let place = evidence.0.and_then(|evidence| evidence.occurrences.0.into_iter().find_map(|at| at.location.0));
            properties::apply(&mut claim, &properties);
            claim.hints.location = claim.hints.location.take().or(place);
            // What is only asked for; but of documents of ours the facts tell what it is.
            if !scope.is("excluded") || claim.hints.facts.is_some() {
                told.claims.push(claim);
            }
        }
        _ => {}
    }
    for inner in components.0 {
        add(inner, told);
    }
}

/// What is said of an image. Of several the first counts.
fn image(about: &mut About, claim: &Claim, hashes: &[Hash], properties: Vec<(String, String)>) {
    about.images += 1;
    if about.images > 1 {
        return;
    }
    let hash = hashes.iter().find(|hash| hash.alg.is("SHA-256")).and_then(|hash| hash.content.0.as_ref());
    let digest_of = |text: &str| text.split_once("sha256:").map(|(_, hex)| format!("sha256:{hex}"));
    let purl = claim.purl.as_deref().map(|purl| purl.replace("%3A", ":"));
    let in_purl = purl.as_deref().and_then(|purl| digest_of(purl.split('?').next()?));
    about.digest =
        hash.map(|hex| format!("sha256:{hex}")).or_else(|| claim.version.as_deref().and_then(digest_of)).or(in_purl);
    for (name, value) in properties {
        match name.as_str() {
            IMAGE_FACTS => about.facts = Some(value),
            "killick:image:platform" => about.platform = Some(value),
            "aquasecurity:trivy:ImageID" => about.config_digest = Some(value),
            "aquasecurity:trivy:DiffID" => about.layers.push(value),
            "aquasecurity:trivy:RepoDigest" => {
                about.digest = about.digest.take().or_else(|| digest_of(&value));
            }
            _ => {}
        }
    }
}

/// A distribution, as `os-release` names it where Syft tells that, else by the name of the component.
fn distribution(claim: Claim, pretty: Option<String>, properties: &[(String, String)]) -> Option<Distribution> {
    let said = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let like = properties.iter().filter(|(name, _)| name.starts_with("syft:distro:idLike:"));
    Some(Distribution {
        id: said("syft:distro:id").or(claim.name)?,
        version: said("syft:distro:versionID").or(claim.version),
        codename: said("syft:distro:versionCodename"),
        like: like.map(|(_, value)| value.clone()).collect(),
        pretty_name: said("syft:distro:prettyName").or(pretty),
        ..Distribution::default()
    })
}

impl LicenseChoice {
    fn text(self) -> Option<String> {
        let license = self.license.0.unwrap_or_default();
        self.expression.0.or(license.id.0).or(license.name.0)
    }
}
