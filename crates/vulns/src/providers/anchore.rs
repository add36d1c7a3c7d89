//! Records of the legacy feed service of Anchore Engine: the groups of its feeds `vulnerabilities`, `github` and
//! `nvdv2`, one JSON document each.
//!
//! They keep an installation that moves over on the knowledge it had. Namespaces are the groups' names.

use std::path::PathBuf;

use killick_model::advisory::License;
use serde_json::Value;

use super::json::elements;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, has_extension};
use crate::index::Coverage;

mod distributions;
mod github;
mod nvdv2;

pub(super) const PROVIDER: Provider = Provider {
    name: "anchore",
    title: "Legacy Anchore feed service",
    upstreams: &[],
    find: |root| -> Vec<Vec<PathBuf>> {
        let folders = ["", "anchore/", "feed-data/"];
        let feeds = ["vulnerabilities", "github", "nvdv2"];
        folders
            .iter()
            .flat_map(|folder| feeds.map(|feed| format!("{folder}{feed}")))
            .flat_map(|folder| files_in(root, &folder, |name| has_extension(name, "json")))
            .map(|path| vec![path])
            .collect()
    },
    read,
};

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let feed = input.path.parent().and_then(|folder| folder.file_name()).and_then(|name| name.to_str());
    let file = match feed {
        Some("vulnerabilities") => distributions::file,
        Some("github") => github::file,
        _ => nvdv2::file,
    };
    elements(input.reader()?, "data", |element| {
        let subject = subject(&element);
        if let Err(detail) = file(element, sink) {
            sink.skip(&subject, detail);
        }
    })
    .map_err(|error| input.malformed(error))
}

/// What to call a record that may be broken.
fn subject(element: &Value) -> String {
    ["/Vulnerability/Name", "/Advisory/ghsaId", "/cve/CVE_data_meta/ID"]
        .into_iter()
        .find_map(|path| element.pointer(path)?.as_str())
        .unwrap_or("record without a name")
        .to_owned()
}

fn namespace(name: &str, ecosystem: &str, coverage: Coverage) -> Namespace {
    Namespace {
        name: name.to_owned(),
        ecosystem: ecosystem.to_owned(),
        coverage,
        license: License::Unknown,
        attribution: "Anchore feed service".to_owned(),
    }
}

/// Version texts that mean "there is none".
fn stated(version: Option<&str>) -> Option<&str> {
    version.map(str::trim).filter(|version| !matches!(*version, "" | "None" | "none"))
}

/// Ids in a list of strings or of objects with a `Name`.
fn ids(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array);
    let id = |entry: &Value| Some(entry.as_str().or_else(|| entry.get("Name")?.as_str())?.to_owned());
    list.into_iter().flatten().filter_map(id).collect()
}
