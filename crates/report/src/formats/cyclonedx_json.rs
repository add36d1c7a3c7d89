//! CycloneDX 1.6 as JSON: <https://cyclonedx.org/docs/1.6/json/>.
//!
//! The types are our own subset, because the maintained crate (`cyclonedx-bom` 0.8) ends at version 1.5. What the
//! format has no place for (layer, cataloger, fix state, exploitation) stands in properties named `killick:…`.

use std::io::{self, Write};

use jiff::Timestamp;
use killick_model::digest::Digester;
use killick_model::lifecycle::{Support, Unsupported};
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageId};
use killick_model::purl::purl;
use serde::Serialize;

use super::{HOME, IndexReport, Report, Style, content_uuid, pretty};
use document::{
    Bom, Component, Dependency, Each, Evidence, Hash, License, LicenseChoice, Metadata, Occurrence, Property,
    Reference, Tools,
};

mod document;
mod vulnerabilities;

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let all = Scoped { report, scope: String::new() };
    write(
        Bom {
            format: "CycloneDX",
            spec_version: "1.6",
            serial_number: String::new(),
            version: 1,
            metadata: Metadata {
                timestamp: report.now.to_string(),
                tools: tools(report.tool_version),
                component: image(report, "image", report.source),
                properties: data(report).chain(problems(report)).collect(),
            },
            components: Each(|| components(&all)),
            dependencies: None::<[Dependency; 0]>,
            vulnerabilities: report.matches.map(|matches| Each(|| vulnerabilities::all(&all, matches))),
        },
        out,
    )
}

/// One document of the index, whose images are components with their packages as dependencies.
pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let reports = index.images.iter().enumerate().filter_map(|(at, child)| Some((at, child.outcome.as_ref().ok()?)));
    let images: Vec<Scoped<'_>> =
        reports.map(|(at, report)| Scoped { report, scope: format!("image:{at}/") }).collect();
    let unread = index.images.iter().filter_map(|child| {
        let error = child.outcome.as_ref().err()?;
        Some(property("killick:problem:unread-image", format!("{} {}: {error}", child.platform, child.digest)))
    });
    let knowledge = images.first().map(|image| image.report);
    let vulnerabilities = Each(|| {
        let matches = images.iter().filter_map(|image| Some((image, image.report.matches?)));
        matches.flat_map(|(image, matches)| vulnerabilities::all(image, matches))
    });
    let dependencies = || {
        let images_of_index = images.iter().map(Scoped::own_ref).collect();
        let packages = images.iter().map(|image| Dependency {
            from: image.own_ref(),
            on: (0..image.report.analysis.packages.len()).map(|at| image.package_ref(package_id(at))).collect(),
        });
        std::iter::once(Dependency { from: "index".to_owned(), on: images_of_index }).chain(packages)
    };
    write(
        Bom {
            format: "CycloneDX",
            spec_version: "1.6",
            serial_number: String::new(),
            version: 1,
            metadata: Metadata {
                timestamp: index.now.to_string(),
                tools: tools(index.tool_version),
                component: Component {
                    bom_ref: Some("index".to_owned()),
                    version: Some(index.digest.to_string()),
                    hashes: vec![Hash { alg: "SHA-256", content: index.digest.hex() }],
                    ..Component::new("container", index.source)
                },
                properties: knowledge.into_iter().flat_map(data).chain(unread).collect(),
            },
            components: Each(|| {
                images.iter().flat_map(|scoped| {
                    let mut own = image(scoped.report, &scoped.own_ref(), index.source);
                    own.properties.extend(problems(scoped.report));
                    std::iter::once(own).chain(components(scoped))
                })
            }),
            dependencies: Some(Each(dependencies)),
            vulnerabilities: Some(vulnerabilities)
                .filter(|_| images.iter().any(|image| image.report.matches.is_some())),
        },
        out,
    )
}

/// A report whose components are named apart from those of others.
struct Scoped<'a> {
    report: &'a Report<'a>,
    /// In front of each name.
    scope: String,
}

impl Scoped<'_> {
    /// The name of the image itself.
    fn own_ref(&self) -> String {
        self.scope.trim_end_matches('/').to_owned()
    }

    /// The name by which the document refers to a package.
    fn package_ref(&self, id: PackageId) -> String {
        format!("{}package:{}", self.scope, id.0)
    }
}

fn package_id(at: usize) -> PackageId {
    PackageId(u32::try_from(at).unwrap_or(u32::MAX))
}

fn write<C, D, V>(mut bom: Bom<C, D, V>, out: &mut dyn Write) -> io::Result<()>
where
    C: Serialize,
    D: Serialize,
    V: Serialize,
{
    // The serial number follows from the content, so that the same input has the same one.
    let mut digester = Digester::default();
    pretty(&bom, &mut digester)?;
    bom.serial_number = content_uuid(&digester.digest());
    pretty(&bom, out)
}

fn tools(version: &str) -> Tools {
    Tools {
        components: vec![Component {
            version: Some(version.to_owned()),
            external_references: vec![Reference { kind: "website", url: HOME }],
            ..Component::new("application", "killick")
        }],
    }
}

/// The image of a report.
fn image(report: &Report<'_>, name: &str, source: &str) -> Component {
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
    Component {
        bom_ref: Some(name.to_owned()),
        version: Some(analysis.manifest_digest.to_string()),
        hashes: vec![Hash { alg: "SHA-256", content: analysis.manifest_digest.hex() }],
        properties,
        ..Component::new("container", source)
    }
}

/// How old the data is.
fn data(report: &Report<'_>) -> impl Iterator<Item = Property> {
    let newest = report.knowledge.and_then(|knowledge| knowledge.newest_data);
    newest.into_iter().map(|newest| property("killick:data:newest", newest))
}

fn problems(report: &Report<'_>) -> impl Iterator<Item = Property> {
    report.problems().map(|problem| {
        property(&format!("killick:problem:{}", problem.kind), format!("{}: {}", problem.subject, problem.message))
    })
}

fn components<'a>(scoped: &'a Scoped<'_>) -> impl Iterator<Item = Component> + use<'a> {
    let analysis = scoped.report.analysis;
    let packages = analysis.packages.iter().enumerate().map(|(at, package)| component(scoped, at, package));
    packages.chain(analysis.distribution.as_ref().map(|distribution| Component {
        bom_ref: Some(format!("{}distribution", scoped.scope)),
        version: distribution.version.clone(),
        description: distribution.pretty_name.clone(),
        properties: support(scoped.report, None),
        ..Component::new("operating-system", &distribution.id)
    }))
}

/// What is said of the support of a package, or of the distribution, that is past its end.
fn support(report: &Report<'_>, of: Option<PackageId>) -> Vec<Property> {
    // Their packages are in ascending order.
    let is_it = |ended: &&Unsupported| match of {
        Some(id) => ended.packages.binary_search(&id).is_ok(),
        None => ended.packages.is_empty(),
    };
    let told = |ended: &Unsupported| {
        let state = if ended.support == Support::Ended { "ended" } else { "extended" };
        let dated = |name: &str, day: Option<Timestamp>| day.map(|day| property(name, day.strftime("%F")));
        [
            Some(property("killick:support", state)),
            Some(property("killick:support:cycle", format!("{} {}", ended.product, ended.cycle))),
            dated("killick:support:ended", ended.ended),
            dated("killick:support:extended-until", ended.extended_until),
        ]
    };
    report.unsupported.iter().filter(is_it).flat_map(told).flatten().collect()
}

fn component(scoped: &Scoped<'_>, at: usize, package: &Package) -> Component {
    let report = scoped.report;
    let layer = report.analysis.layers.get(package.layer as usize);
    let mut properties = vec![
        property("killick:package:kind", package.kind),
        property("killick:package:cataloger", &package.cataloger),
        property("killick:package:evidence", package.evidence.name()),
        property("killick:package:layer", package.layer),
    ];
    properties.extend(layer.map(|layer| property("killick:package:layer:diff-id", &layer.diff_id)));
    properties.extend(support(report, Some(package_id(at))));
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
    properties.extend(package.owner.map(|owner| property("killick:package:owner", scoped.package_ref(owner))));
    let cpes = package.cpe_names();
    properties.extend(cpes.iter().skip(1).map(|cpe| property("killick:package:cpe", cpe)));
    let group = match &package.details {
        PackageDetails::Java { group, .. } => group.clone(),
        _ => None,
    };
    Component {
        bom_ref: Some(scoped.package_ref(package_id(at))),
        group,
        version: Some(package.version.clone()).filter(|version| !version.is_empty()),
        publisher: package.origin.clone(),
        licenses: licenses(&package.licenses),
        cpe: cpes.first().cloned(),
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
