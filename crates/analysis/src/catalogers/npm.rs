//! Node packages: every `package.json` that has a name and a version.
//!
//! Format: npm documentation, "package.json". The historic shapes of licence and author still lie in registries and
//! are read too.

use killick_model::package::{PackageDetails, PackageKind};
use serde_json::Value;

use super::{Cataloger, Found, WantedFile, Wants, document, package};

/// Finds node packages.
pub(super) struct Npm;

impl Cataloger for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/package.json"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(document) = document::json_tree(file, found) else { return };
        // Without both it marks a folder (`"type": "module"`) or a private application, and is no package.
        let (Some(name), Some(version)) = (text(&document["name"]), text(&document["version"])) else { return };
        let mut package = package(PackageKind::Npm, name, version, file.path);
        package.licenses = licenses(&document);
        package.origin = person(&document["author"]);
        package.details = PackageDetails::Npm {
            homepage: text(&document["homepage"]).or(repository(&document)).map(str::to_owned),
            is_private: document["private"] == Value::Bool(true),
        };
        found.packages.push(package);
    }
}

/// A string with something in it.
fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn licenses(document: &Value) -> Vec<String> {
    let declared = all_licenses(&document["license"]);
    if declared.is_empty() { all_licenses(&document["licenses"]) } else { declared }
}

/// `"MIT"`, `{"type": "MIT"}`, or a list of either.
pub(super) fn all_licenses(value: &Value) -> Vec<String> {
    let one = |value: &Value| {
        text(value).or_else(|| text(&value["type"])).or_else(|| text(&value["name"])).map(str::to_owned)
    };
    match value {
        Value::Array(values) => values.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// `"Name <mail> (url)"`, or an object of the three.
fn person(value: &Value) -> Option<String> {
    if let Some(text) = text(value) {
        return Some(text.to_owned());
    }
    let mut person = text(&value["name"])?.to_owned();
    if let Some(mail) = text(&value["email"]) {
        person.push_str(&format!(" <{mail}>"));
    }
    if let Some(url) = text(&value["url"]) {
        person.push_str(&format!(" ({url})"));
    }
    Some(person)
}

fn repository(document: &Value) -> Option<&str> {
    text(&document["repository"]).or_else(|| text(&document["repository"]["url"]))
}
