//! SPDX 3.0.1 as JSON-LD: <https://spdx.github.io/spdx-spec/v3.0.1/serializations/>.
//!
//! The elements are those of the older format, in the words of the newer: what they say of each other, and of licences,
//! are relationships; who supplied them is an agent. Profiles are core, software and simple licensing.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::document::{self, Each};
use super::{Contents, instant};
use crate::formats::pretty;

const CONTEXT: &str = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";

/// The one statement of who made the elements, and when.
const CREATION: &str = "_:creation";

/// What the older format says for nothing.
const NOTHING: &str = "NOASSERTION";

#[derive(Serialize)]
struct Graph<E: Serialize> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@graph")]
    elements: E,
}

pub(super) fn write(contents: &Contents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let namespace = format!("{}-3", contents.namespace()?);
    let named = Named::of(contents, &namespace);
    pretty(&Graph { context: CONTEXT, elements: Each(|| named.elements()) }, out)
}

/// The elements of a document by their names, which begin with its own.
struct Named<'a> {
    contents: &'a Contents<'a>,
    namespace: &'a str,
    /// Who supplied packages, each once: `Person: NAME (ADDRESS)`.
    suppliers: BTreeMap<String, usize>,
    /// Licences of packages, each once.
    expressions: BTreeMap<String, usize>,
}

impl<'a> Named<'a> {
    fn of(contents: &'a Contents<'a>, namespace: &'a str) -> Self {
        let (mut suppliers, mut expressions) = (BTreeMap::new(), BTreeMap::new());
        for package in contents.packages() {
            let next = suppliers.len();
            if let Some(supplier) = package.supplier {
                suppliers.entry(supplier).or_insert(next);
            }
            for text in [package.license_declared, package.license_concluded] {
                let next = expressions.len();
                if text != NOTHING {
                    expressions.entry(text).or_insert(next);
                }
            }
        }
        Self { contents, namespace, suppliers, expressions }
    }

    fn name(&self, id: &str) -> String {
        format!("{}#{}", self.namespace, id.strip_prefix("SPDXRef-").unwrap_or(id))
    }

    /// An element of this type and name.
    fn element(&self, kind: &str, id: &str) -> Map<String, Value> {
        let name = self.name(id);
        let members = [("type", json!(kind)), ("spdxId", json!(name)), ("creationInfo", json!(CREATION))];
        members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn elements(&self) -> impl Iterator<Item = Value> {
        let packages = self.contents.packages().map(|package| self.package(&package));
        let files = self.contents.files().map(|file| self.file(&file));
        let relationships = self.stated().chain(self.licensed()).enumerate();
        let relationships = relationships.map(|(at, stated)| self.relationship(at, &stated));
        self.head().into_iter().chain(packages).chain(files).chain(self.words()).chain(relationships)
    }

    /// Who tells, and what the document is.
    fn head(&self) -> Vec<Value> {
        let info = self.contents.creation_info(instant(self.contents.now));
        let mut creation = json!({
            "type": "CreationInfo", "@id": CREATION, "specVersion": "3.0.1", "created": info.created,
            "createdBy": [self.name("Killick")],
        });
        if let Some(comment) = info.comment {
            creation["comment"] = json!(comment);
        }
        let mut tool = self.element("SoftwareAgent", "Killick");
        tool.insert("name".to_owned(), json!(format!("killick-{}", self.contents.tool_version)));
        let mut document = self.element("SpdxDocument", "DOCUMENT");
        document.insert("name".to_owned(), json!(self.contents.document_name()));
        document.insert("dataLicense".to_owned(), json!("https://spdx.org/licenses/CC0-1.0"));
        document.insert("profileConformance".to_owned(), json!(["core", "software", "simpleLicensing"]));
        document.insert("rootElement".to_owned(), json!([self.name("Sbom")]));
        let described = self.contents.relationships().filter(|stated| stated.kind == "DESCRIBES");
        let described: Vec<String> = described.map(|stated| self.name(&stated.to)).collect();
        let mut sbom = self.element("software_Sbom", "Sbom");
        sbom.insert("rootElement".to_owned(), json!(described));
        sbom.insert("software_sbomType".to_owned(), json!(["analyzed"]));
        vec![creation, Value::Object(tool), Value::Object(document), Value::Object(sbom)]
    }

    fn package(&self, package: &document::Package) -> Value {
        let mut element = self.element("software_Package", &package.id);
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                element.insert(key.to_owned(), value);
            }
        };
        let locators =
            |kind: &'static str| package.external_refs.iter().filter(move |reference| reference.kind == kind);
        set("name", Some(json!(package.name)));
        set("software_packageVersion", package.version_info.as_ref().map(|text| json!(text)));
        set("software_packageUrl", locators("purl").next().map(|reference| json!(reference.locator)));
        set("software_primaryPurpose", package.primary_package_purpose.map(|purpose| json!(camel(purpose))));
        let location = Some(&package.download_location).filter(|location| *location != NOTHING);
        set("software_downloadLocation", location.map(|location| json!(location)));
        set("software_homePage", package.homepage.as_ref().map(|address| json!(address)));
        set("software_sourceInfo", package.source_info.as_ref().map(|text| json!(text)));
        set("comment", package.comment.as_ref().map(|text| json!(text)));
        let supplier = package.supplier.as_ref().and_then(|supplier| self.suppliers.get(supplier));
        set("suppliedBy", supplier.map(|at| json!(self.name(&format!("Supplier-{at}")))));
        set("verifiedUsing", hashes(&package.checksums));
        let cpes = locators("cpe23Type").map(|reference| {
            json!({"type": "ExternalIdentifier", "externalIdentifierType": "cpe23", "identifier": reference.locator})
        });
        set("externalIdentifier", list(cpes));
        let advisories = locators("advisory").map(|reference| {
            json!({
                "type": "ExternalRef", "externalRefType": "securityAdvisory", "locator": [reference.locator],
                "comment": reference.comment.as_deref().unwrap_or_default(),
            })
        });
        set("externalRef", list(advisories));
        Value::Object(element)
    }

    fn file(&self, file: &document::File) -> Value {
        let mut element = self.element("software_File", &file.id);
        element.insert("name".to_owned(), json!(file.name));
        element.extend(hashes(&file.checksums).map(|hashes| ("verifiedUsing".to_owned(), hashes)));
        Value::Object(element)
    }

    /// Suppliers, licences, and texts of licences that no list has.
    fn words(&self) -> impl Iterator<Item = Value> {
        let suppliers = self.suppliers.iter().map(|(text, at)| self.supplier(text, *at));
        let expressions = self.expressions.iter().map(|(text, at)| self.expression(text, *at));
        let texts = self.contents.extracted_licenses().map(|license| {
            let mut element = self.element("simplelicensing_SimpleLicensingText", &license.license_id);
            element.insert("name".to_owned(), json!(license.name));
            element.insert("simplelicensing_licenseText".to_owned(), json!(license.extracted_text));
            Value::Object(element)
        });
        suppliers.chain(expressions).chain(texts)
    }

    fn supplier(&self, text: &str, at: usize) -> Value {
        let (kind, name) = text.split_once(": ").unwrap_or(("Organization", text));
        let (name, address) = match name.split_once(" (") {
            Some((name, address)) => (name, address.strip_suffix(')')),
            None => (name, None),
        };
        let mut element = self.element(kind, &format!("Supplier-{at}"));
        element.insert("name".to_owned(), json!(name));
        if let Some(address) = address {
            let email = json!({"type": "ExternalIdentifier", "externalIdentifierType": "email", "identifier": address});
            element.insert("externalIdentifier".to_owned(), json!([email]));
        }
        Value::Object(element)
    }

    fn expression(&self, text: &str, at: usize) -> Value {
        let mut element = self.element("simplelicensing_LicenseExpression", &format!("License-{at}"));
        element.insert("simplelicensing_licenseExpression".to_owned(), json!(text));
        let own = text.split([' ', '(', ')']).filter(|word| word.starts_with("LicenseRef-"));
        let own: BTreeMap<&str, Value> =
            own.map(|word| (word, json!({"type": "DictionaryEntry", "key": word, "value": self.name(word)}))).collect();
        let own = list(own.into_values());
        element.extend(own.map(|own| ("simplelicensing_customIdToUri".to_owned(), own)));
        Value::Object(element)
    }

    /// What the older format says of elements.
    fn stated(&self) -> impl Iterator<Item = Stated> {
        let all = self.contents.relationships().filter(|stated| stated.kind != "DESCRIBES");
        all.map(move |stated| {
            let (from, to) = (self.name(&stated.from), self.name(&stated.to));
            let new = |from, kind, to| Stated { from, kind, to, comment: stated.comment, is_development: false };
            match stated.kind {
                "CONTAINS" => new(from, "contains", to),
                "GENERATED_FROM" => new(to, "generates", from),
                "DEV_DEPENDENCY_OF" => Stated { is_development: true, ..new(to, "dependsOn", from) },
                _ => new(from, "other", to),
            }
        })
    }

    /// What packages declare of licences, and what is concluded.
    fn licensed(&self) -> impl Iterator<Item = Stated> {
        self.contents.packages().flat_map(move |package| {
            let from = self.name(&package.id);
            let licenses =
                [("hasDeclaredLicense", package.license_declared), ("hasConcludedLicense", package.license_concluded)];
            licenses.into_iter().filter_map(move |(kind, text)| {
                let to = self.name(&format!("License-{}", self.expressions.get(&text)?));
                Some(Stated { from: from.clone(), kind, to, comment: None, is_development: false })
            })
        })
    }

    fn relationship(&self, at: usize, stated: &Stated) -> Value {
        let kind = if stated.is_development { "LifecycleScopedRelationship" } else { "Relationship" };
        let mut element = self.element(kind, &format!("Relationship-{at}"));
        element.insert("from".to_owned(), json!(stated.from));
        element.insert("relationshipType".to_owned(), json!(stated.kind));
        element.insert("to".to_owned(), json!([stated.to]));
        if stated.is_development {
            element.insert("scope".to_owned(), json!("development"));
        }
        element.extend(stated.comment.map(|comment| ("comment".to_owned(), json!(comment))));
        Value::Object(element)
    }
}

/// What is said of two elements.
struct Stated {
    from: String,
    kind: &'static str,
    to: String,
    comment: Option<&'static str>,
    /// Whether it holds while developing only.
    is_development: bool,
}

fn hashes(checksums: &[document::Checksum]) -> Option<Value> {
    list(checksums.iter().map(|checksum| {
        let algorithm = checksum.algorithm.to_ascii_lowercase();
        json!({"type": "Hash", "algorithm": algorithm, "hashValue": checksum.value})
    }))
}

/// A list, if there is anything in it.
fn list(members: impl Iterator<Item = Value>) -> Option<Value> {
    let members: Vec<Value> = members.collect();
    (!members.is_empty()).then_some(Value::Array(members))
}

/// `OPERATING_SYSTEM` as `operatingSystem`.
fn camel(word: &str) -> String {
    let mut words = word.split('_').map(str::to_ascii_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |text, word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        text + &capital.into_iter().chain(letters).collect::<String>()
    })
}
