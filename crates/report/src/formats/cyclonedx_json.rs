//! CycloneDX 1.6 as JSON: <https://cyclonedx.org/docs/1.6/json/>.
//!
//! The types are our own subset, because the maintained crate (`cyclonedx-bom` 0.8) ends at version 1.5. What the
//! format has no place for (layer, cataloger, fix state, exploitation) stands in properties named `killick:…`.

use std::io::{self, Write};

use killick_model::digest::{Digest, Digester};
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageId};
use killick_model::purl::purl;

use super::{HOME, Report, Style, pretty};
use document::{
    Bom, Component, Each, Evidence, Hash, License, LicenseChoice, Metadata, Occurrence, Property, Reference, Tools,
};

mod document;
mod vulnerabilities;

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut bom = Bom {
        format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: metadata(report),
        components: Each(|| components(report)),
        vulnerabilities: report.matches.map(|matches| Each(move || vulnerabilities::all(report, matches))),
    };
    // The serial number follows from the content, so that the same input has the same one.
    let mut digester = Digester::default();
    pretty(&bom, &mut digester)?;
    bom.serial_number = serial_number(&digester.digest());
    pretty(&bom, out)
}

/// A UUID of version 8 (RFC 9562, section 5.8) out of a digest.
fn serial_number(digest: &Digest) -> String {
    let mut raw = [0; 16];
    raw.copy_from_slice(&digest.as_bytes()[..16]);
    raw[6] = (raw[6] & 0x0f) | 0x80;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let hex = Digest::from_sha256(std::array::from_fn(|at| raw.get(at).copied().unwrap_or(0))).hex();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

fn metadata(report: &Report<'_>) -> Metadata {
    let analysis = report.analysis;
    let mut properties = vec![
        property("killick:image:id", analysis.config_digest.hex()),
        property("killick:image:platform", format!("{}/{}", analysis.config.os, analysis.config.architecture)),
    ];
    properties.extend(
        analysis
            .layers
            .iter()
            .enumerate()
            .map(|(at, layer)| property(&format!("killick:image:layer:{at}"), &layer.diff_id)),
    );
    let mut about = Vec::new();
    about.extend(report.knowledge.map(|knowledge| property("killick:data:built-at", knowledge.built_at)));
    about.extend(report.problems().map(|problem| {
        property(&format!("killick:problem:{}", problem.kind), format!("{}: {}", problem.subject, problem.message))
    }));
    Metadata {
        timestamp: report.now.to_string(),
        tools: Tools {
            components: vec![Component {
                version: Some(report.tool_version.to_owned()),
                external_references: vec![Reference { kind: "website", url: HOME }],
                ..Component::new("application", "killick")
            }],
        },
        component: Component {
            bom_ref: Some("image".to_owned()),
            version: Some(analysis.manifest_digest.to_string()),
            hashes: vec![Hash { alg: "SHA-256", content: analysis.manifest_digest.hex() }],
            properties,
            ..Component::new("container", report.source)
        },
        properties: about,
    }
}

fn components(report: &Report<'_>) -> impl Iterator<Item = Component> {
    let analysis = report.analysis;
    let packages = analysis.packages.iter().enumerate().map(|(at, package)| component(report, at, package));
    packages.chain(analysis.distribution.as_ref().map(|distribution| Component {
        bom_ref: Some("distribution".to_owned()),
        version: distribution.version.clone(),
        description: distribution.pretty_name.clone(),
        ..Component::new("operating-system", &distribution.id)
    }))
}

/// The name by which the document refers to a package.
fn bom_ref(id: PackageId) -> String {
    format!("package:{}", id.0)
}

fn component(report: &Report<'_>, at: usize, package: &Package) -> Component {
    let layer = report.analysis.layers.get(package.layer as usize);
    let mut properties = vec![
        property("killick:package:kind", package.kind),
        property("killick:package:cataloger", &package.cataloger),
        property("killick:package:evidence", package.evidence.name()),
        property("killick:package:layer", package.layer),
    ];
    properties.extend(layer.map(|layer| property("killick:package:layer:diff-id", &layer.diff_id)));
    properties.extend(package.architecture.iter().map(|text| property("killick:package:architecture", text)));
    properties.extend(
        package
            .source
            .iter()
            .map(|source| property("killick:package:source", format!("{} {}", source.name, source.version))),
    );
    properties.extend(package.distribution.iter().map(|found| property("killick:package:distribution", found.label())));
    properties.extend(package.fetched_from.iter().map(|address| property("killick:package:fetched-from", address)));
    if package.is_development {
        properties.push(property("killick:package:development", true));
    }
    properties.extend(package.owner.map(|owner| property("killick:package:owner", bom_ref(owner))));
    properties.extend(package.cpes.iter().skip(1).map(|cpe| property("killick:package:cpe", cpe)));
    let group = match &package.details {
        PackageDetails::Java { group, .. } => group.clone(),
        _ => None,
    };
    Component {
        bom_ref: Some(bom_ref(PackageId(u32::try_from(at).unwrap_or(u32::MAX)))),
        group,
        version: Some(package.version.clone()).filter(|version| !version.is_empty()),
        publisher: package.origin.clone(),
        licenses: licenses(&package.licenses),
        cpe: package.cpes.first().cloned(),
        purl: Some(purl(package, report.analysis.distribution.as_ref())),
        evidence: Some(Evidence { occurrences: occurrences(package) }),
        properties,
        ..Component::new("library", &package.name)
    }
}

/// Where the package is: of one that files were copied from, each of them.
fn occurrences(package: &Package) -> Vec<Occurrence> {
    if package.evidence == PackageEvidence::Copied && !package.files.is_empty() {
        return package.files.iter().map(|file| Occurrence { location: file.path.to_string() }).collect();
    }
    vec![Occurrence { location: package.virtual_path() }]
}

/// Declared licences: SPDX ids where they are some, a single SPDX expression as such, any other text as a name.
fn licenses(declared: &[String]) -> Vec<LicenseChoice> {
    if let [text] = declared
        && text.contains(' ')
        && spdx::Expression::parse(text).is_ok()
    {
        return vec![LicenseChoice { expression: Some(text.clone()), license: None }];
    }
    let choice = |text: &String| {
        let id = spdx::license_id(text).filter(|id| id.name == text).map(|id| id.name.to_owned());
        let name = if id.is_none() { Some(text.clone()) } else { None };
        LicenseChoice { expression: None, license: Some(License { id, name }) }
    };
    declared.iter().filter(|text| !text.is_empty()).map(choice).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over numbers, texts and digests alike")]
fn property(name: &str, value: impl ToString) -> Property {
    Property { name: name.to_owned(), value: value.to_string() }
}
