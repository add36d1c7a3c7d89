//! The notation in XML, whose elements have an order.

use std::io::{self, Write};

use super::Contents;
use super::document::{
    Affects, Analysis, Component, Dependency, Evidence, LicenseChoice, Metadata, Property, Rating, Reference, Source,
    Tool, Tools, Vulnerability,
};
use crate::xml::Xml;

pub(super) fn write(contents: &Contents<'_>, serial_number: Option<String>, out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Xml::new(out)?;
    let namespace = format!("http://cyclonedx.org/schema/bom/{}", contents.version.name());
    let serial_number = serial_number.unwrap_or_default();
    let attributes = [("xmlns", namespace.as_str()), ("serialNumber", serial_number.as_str()), ("version", "1")];
    xml.element("bom", &attributes, |xml| {
        metadata(xml, &contents.metadata())?;
        xml.element("components", &[], |xml| {
            contents.components().try_for_each(|found| component(xml, "component", &found))
        })?;
        xml.element("dependencies", &[], |xml| contents.dependencies().try_for_each(|found| dependency(xml, &found)))?;
        let Some(mut vulnerabilities) = contents.vulnerabilities() else { return Ok(()) };
        xml.element("vulnerabilities", &[], |xml| vulnerabilities.try_for_each(|found| vulnerability(xml, &found)))
    })?;
    xml.finish()
}

fn metadata(xml: &mut Xml<'_>, metadata: &Metadata) -> io::Result<()> {
    xml.element("metadata", &[], |xml| {
        xml.text("timestamp", &[], &metadata.timestamp)?;
        xml.element("tools", &[], |xml| match &metadata.tools {
            Tools::List(tools) => tools.iter().try_for_each(|found| tool(xml, found)),
            Tools::Components { components } => xml.element("components", &[], |xml| {
                components.iter().try_for_each(|found| component(xml, "component", found))
            }),
        })?;
        metadata.component.iter().try_for_each(|found| component(xml, "component", found))?;
        properties(xml, &metadata.properties)
    })
}

fn tool(xml: &mut Xml<'_>, tool: &Tool) -> io::Result<()> {
    xml.element("tool", &[], |xml| {
        xml.text("name", &[], tool.name)?;
        xml.text("version", &[], &tool.version)?;
        references(xml, &tool.external_references)
    })
}

fn component(xml: &mut Xml<'_>, name: &str, component: &Component) -> io::Result<()> {
    let mut attributes = vec![("type", component.kind)];
    attributes.extend(component.bom_ref.as_deref().map(|reference| ("bom-ref", reference)));
    xml.element(name, &attributes, |xml| {
        if let Some(supplier) = &component.supplier {
            xml.element("supplier", &[], |xml| xml.text("name", &[], &supplier.name))?;
        }
        xml.some("publisher", component.publisher.as_deref())?;
        xml.some("group", component.group.as_deref())?;
        xml.text("name", &[], &component.name)?;
        xml.some("version", component.version.as_deref())?;
        xml.some("description", component.description.as_deref())?;
        xml.some("scope", component.scope)?;
        xml.list("hashes", &component.hashes, |xml, hash| xml.text("hash", &[("alg", hash.alg)], &hash.content))?;
        xml.list("licenses", &component.licenses, |xml, choice| match choice {
            LicenseChoice::Expression { expression } => xml.text("expression", &[], expression),
            LicenseChoice::License { license } => xml.element("license", &[], |xml| {
                xml.some("id", license.id.as_deref())?;
                xml.some("name", license.name.as_deref())
            }),
        })?;
        xml.some("cpe", component.cpe.as_deref())?;
        xml.some("purl", component.purl.as_deref())?;
        references(xml, &component.external_references)?;
        properties(xml, &component.properties)?;
        component.evidence.iter().try_for_each(|found| evidence(xml, found))
    })
}

fn evidence(xml: &mut Xml<'_>, evidence: &Evidence) -> io::Result<()> {
    xml.element("evidence", &[], |xml| {
        let identity = evidence.identity.first();
        xml.element("identity", &[], |xml| {
            xml.text("field", &[], identity.field)?;
            xml.text("confidence", &[], &identity.confidence.to_string())?;
            xml.some("concludedValue", identity.concluded_value.as_deref())?;
            xml.list("methods", &identity.methods, |xml, method| {
                xml.element("method", &[], |xml| {
                    xml.text("technique", &[], method.technique)?;
                    xml.text("confidence", &[], &method.confidence.to_string())?;
                    xml.text("value", &[], &method.value)
                })
            })
        })?;
        xml.list("occurrences", &evidence.occurrences, |xml, occurrence| {
            xml.element("occurrence", &[], |xml| {
                xml.text("location", &[], &occurrence.location)?;
                xml.some("additionalContext", occurrence.additional_context.as_deref())
            })
        })
    })
}

fn references(xml: &mut Xml<'_>, references: &[Reference]) -> io::Result<()> {
    xml.list("externalReferences", references, |xml, reference| {
        xml.element("reference", &[("type", reference.kind)], |xml| xml.text("url", &[], reference.url))
    })
}

fn properties(xml: &mut Xml<'_>, properties: &[Property]) -> io::Result<()> {
    xml.list("properties", properties, |xml, property| {
        xml.text("property", &[("name", property.name.as_str())], &property.value)
    })
}

fn dependency(xml: &mut Xml<'_>, dependency: &Dependency) -> io::Result<()> {
    xml.element("dependency", &[("ref", dependency.from.as_str())], |xml| {
        dependency.on.iter().try_for_each(|on| xml.empty("dependency", &[("ref", on.as_str())]))
    })
}

fn vulnerability(xml: &mut Xml<'_>, vulnerability: &Vulnerability) -> io::Result<()> {
    xml.element("vulnerability", &[("bom-ref", vulnerability.bom_ref.as_str())], |xml| {
        xml.text("id", &[], &vulnerability.id)?;
        vulnerability.source.iter().try_for_each(|found| source(xml, found))?;
        xml.list("references", &vulnerability.references, |xml, alias| {
            xml.element("reference", &[], |xml| {
                xml.text("id", &[], &alias.id)?;
                source(xml, &alias.source)
            })
        })?;
        xml.list("ratings", &vulnerability.ratings, rating)?;
        xml.some("recommendation", vulnerability.recommendation.as_deref())?;
        xml.list("advisories", &vulnerability.advisories, |xml, advisory| {
            xml.element("advisory", &[], |xml| xml.text("url", &[], &advisory.url))
        })?;
        analysis(xml, &vulnerability.analysis)?;
        xml.list("affects", &vulnerability.affects, affects)?;
        properties(xml, &vulnerability.properties)
    })
}

fn source(xml: &mut Xml<'_>, source: &Source) -> io::Result<()> {
    xml.element("source", &[], |xml| {
        xml.text("name", &[], &source.name)?;
        xml.some("url", source.url.as_deref())
    })
}

fn rating(xml: &mut Xml<'_>, rating: &Rating) -> io::Result<()> {
    xml.element("rating", &[], |xml| {
        rating.source.iter().try_for_each(|found| source(xml, found))?;
        xml.some("score", rating.score.map(|score| score.to_string()).as_deref())?;
        xml.text("severity", &[], rating.severity)?;
        xml.some("method", rating.method)?;
        xml.some("vector", rating.vector.as_deref())
    })
}

fn analysis(xml: &mut Xml<'_>, analysis: &Analysis) -> io::Result<()> {
    xml.element("analysis", &[], |xml| {
        xml.text("state", &[], analysis.state)?;
        xml.some("justification", analysis.justification)?;
        xml.list("responses", &analysis.response, |xml, response| xml.text("response", &[], response))?;
        xml.some("detail", Some(analysis.detail.as_str()).filter(|detail| !detail.is_empty()))
    })
}

fn affects(xml: &mut Xml<'_>, affects: &Affects) -> io::Result<()> {
    xml.element("target", &[], |xml| {
        xml.text("ref", &[], &affects.target)?;
        xml.list("versions", &affects.versions, |xml, version| {
            xml.element("version", &[], |xml| {
                xml.text("version", &[], &version.version)?;
                xml.text("status", &[], version.status)
            })
        })
    })
}
