//! CycloneDX 1.4 to 1.6 as JSON and XML: <https://cyclonedx.org/docs/1.6/json/>, <https://cyclonedx.org/docs/1.6/xml/>.
//!
//! One model, written in two notations; what a version does not know is left out of it. The types are our own subset,
//! because the maintained crate (`cyclonedx-bom` 0.8) ends at version 1.5. What the format has no place for (layer,
//! cataloger, fix state, exploitation) stands in properties named `killick:…`.

use std::io::{self, Write};

use killick_model::digest::Digester;
use killick_model::package::PackageId;

use super::{HOME, IndexReport, Report, Style, content_uuid};
use document::{Component, Dependency, Hash, Metadata, Property, Reference, Tool, Tools, Vulnerability};

mod components;
mod document;
mod json;
mod vulnerabilities;
mod xml;

/// A version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V1_4,
    V1_5,
    V1_6,
}

impl Version {
    const fn name(self) -> &'static str {
        match self {
            Self::V1_4 => "1.4",
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
        }
    }
}

pub(super) fn json<const VERSION: u8>(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(&Contents::of_image(report, version(VERSION)), json::write, out)
}

pub(super) fn json_index<const VERSION: u8>(
    index: &IndexReport<'_>,
    _style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    write(&Contents::of_index(index, version(VERSION)), json::write, out)
}

pub(super) fn xml<const VERSION: u8>(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(&Contents::of_image(report, version(VERSION)), xml::write, out)
}

pub(super) fn xml_index<const VERSION: u8>(
    index: &IndexReport<'_>,
    _style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    write(&Contents::of_index(index, version(VERSION)), xml::write, out)
}

/// The version whose second number this is.
const fn version(minor: u8) -> Version {
    match minor {
        4 => Version::V1_4,
        5 => Version::V1_5,
        _ => Version::V1_6,
    }
}

type Notation = fn(&Contents<'_>, Option<String>, &mut dyn Write) -> io::Result<()>;

fn write(contents: &Contents<'_>, notation: Notation, out: &mut dyn Write) -> io::Result<()> {
    // The serial number follows from the content, so that the same input has the same one, in either notation.
    let mut digester = Digester::default();
    json::write(contents, None, &mut digester)?;
    notation(contents, Some(content_uuid(&digester.digest())), out)
}

/// What a document tells.
struct Contents<'a> {
    version: Version,
    timestamp: String,
    tool_version: &'a str,
    /// The index, if the images are of one.
    index: Option<&'a IndexReport<'a>>,
    images: Vec<Scoped<'a>>,
}

/// A report whose components are named apart from those of others.
struct Scoped<'a> {
    report: &'a Report<'a>,
    version: Version,
    /// In front of each name.
    scope: String,
}

impl Scoped<'_> {
    /// The name of the image itself.
    fn own_ref(&self) -> String {
        if self.scope.is_empty() { "image".to_owned() } else { self.scope.trim_end_matches('/').to_owned() }
    }

    /// The name by which the document refers to a package.
    fn package_ref(&self, id: PackageId) -> String {
        format!("{}package:{}", self.scope, id.0)
    }
}

impl<'a> Contents<'a> {
    fn of_image(report: &'a Report<'a>, version: Version) -> Self {
        Self {
            version,
            timestamp: report.now.to_string(),
            tool_version: report.tool_version,
            index: None,
            images: vec![Scoped { report, version, scope: String::new() }],
        }
    }

    /// One document of the index, whose images are components with their packages as dependencies.
    fn of_index(index: &'a IndexReport<'a>, version: Version) -> Self {
        let reports =
            index.images.iter().enumerate().filter_map(|(at, child)| Some((at, child.outcome.as_ref().ok()?)));
        let images = reports.map(|(at, report)| Scoped { report, version, scope: format!("image:{at}/") });
        Self {
            version,
            timestamp: index.now.to_string(),
            tool_version: index.tool_version,
            index: Some(index),
            images: images.collect(),
        }
    }

    fn metadata(&self) -> Metadata {
        let knowledge = self.images.first().map(|image| image.report);
        let data = knowledge.into_iter().flat_map(components::data);
        let (component, properties) = match self.index {
            None => {
                let image = self.images.first();
                let component = image.map(|image| components::image(image, image.report.source));
                let problems = image.into_iter().flat_map(|image| components::problems(image.report));
                (component, data.chain(problems).collect())
            }
            Some(index) => {
                let unread = index.images.iter().filter_map(|child| {
                    let error = child.outcome.as_ref().err()?;
                    let text = format!("{} {}: {error}", child.platform, child.digest);
                    Some(property("killick:problem:unread-image", text))
                });
                let component = Component {
                    bom_ref: Some("index".to_owned()),
                    version: index.digest.map(ToString::to_string),
                    hashes: index.digest.iter().map(|digest| Hash { alg: "SHA-256", content: digest.hex() }).collect(),
                    ..Component::new("container", index.source)
                };
                (Some(component), data.chain(unread).collect())
            }
        };
        Metadata { timestamp: self.timestamp.clone(), tools: self.tools(), component, properties }
    }

    fn tools(&self) -> Tools {
        let (version, home) = (self.tool_version.to_owned(), Reference { kind: "website", url: HOME });
        if self.version == Version::V1_4 {
            return Tools::List([Tool { name: "killick", version, external_references: [home] }]);
        }
        let component = Component {
            version: Some(version),
            external_references: vec![home],
            ..Component::new("application", "killick")
        };
        Tools::Components { components: [Box::new(component)] }
    }

    fn components(&self) -> impl Iterator<Item = Component> {
        self.images.iter().flat_map(|scoped| {
            let own = self.index.map(|_| {
                let mut own = components::image(scoped, scoped.report.source);
                own.properties.extend(components::problems(scoped.report));
                own
            });
            own.into_iter().chain(components::all(scoped))
        })
    }

    fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        let images = self
            .index
            .map(|_| Dependency { from: "index".to_owned(), on: self.images.iter().map(Scoped::own_ref).collect() });
        images.into_iter().chain(self.images.iter().flat_map(components::dependencies))
    }

    /// Those of all images, if anything was asked about them.
    fn vulnerabilities(&self) -> Option<impl Iterator<Item = Vulnerability>> {
        let asked = self.images.iter().any(|image| image.report.matches.is_some());
        asked.then(|| {
            let matches = self.images.iter().filter_map(|image| Some((image, image.report.matches?)));
            matches.flat_map(|(image, matches)| vulnerabilities::all(image, matches))
        })
    }
}

fn package_id(at: usize) -> PackageId {
    PackageId(u32::try_from(at).unwrap_or(u32::MAX))
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over numbers, texts and digests alike")]
fn property(name: &str, value: impl ToString) -> Property {
    Property { name: name.to_owned(), value: value.to_string() }
}
