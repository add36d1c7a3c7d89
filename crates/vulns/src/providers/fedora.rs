//! Fedora and EPEL: `updateinfo.xml` of their repositories, or else the updates of Bodhi.
//!
//! <https://dl.fedoraproject.org/pub/>: `fedora/linux/updates/<release>/Everything/<architecture>/repodata/`, `epel/…`, and
//! <https://bodhi.fedoraproject.org/updates/?status=stable&type=security>: pages of updates, or single ones. Bodhi names
//! source packages. CVEs are named in the titles of bugs, and where those do not tell, in the text.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, License};
use killick_model::feed::{Each, Form, Upstream};
use serde::Deserialize;
use serde_json::Value;

use super::json::{members, or_default};
use super::said::{self, nevr};
use super::updateinfo::{self, Build, Update, Vendor, cves};
use super::{Input, Provider, ReadError, Sink, files_in, has_extension};

pub(super) const PROVIDER: Provider =
    Provider { name: "fedora", title: "Fedora and EPEL updates", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[
    Upstream {
        name: "updates",
        base: "https://dl.fedoraproject.org/pub/fedora/linux/updates/",
        folder: "fedora/updates",
        is_default: true,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Repositories {
            each: Each::Number { first: 42, known: 44 },
            paths: &["{}/Everything/x86_64"],
            mirrors: None,
        },
    },
    Upstream {
        name: "epel",
        base: "https://dl.fedoraproject.org/pub/epel/",
        folder: "fedora/epel",
        is_default: true,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Repositories {
            each: Each::Number { first: 8, known: 10 },
            paths: &["{}/Everything/x86_64"],
            mirrors: None,
        },
    },
];

const BODHI: &str = "fedora/bodhi";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    let found = updateinfo::find(root, "fedora");
    if !found.is_empty() {
        return found.into_iter().map(|path| vec![path]).collect();
    }
    let pages = files_in(root, BODHI, |name| has_extension(name, "json"));
    if pages.is_empty() { Vec::new() } else { vec![pages] }
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    if !input.path.starts_with(BODHI) {
        return updateinfo::updates(input, sink, |update, sink| match namespace(&update.release) {
            Some(namespace) => updateinfo::file(update, &vendor(namespace), sink),
            None => sink.skip(&update.id, format!("`{}` is no release", update.release)),
        });
    }
    // A page of updates, or one update.
    let mut single = serde_json::Map::new();
    members(input.reader()?, |key, value| match value {
        Value::Array(updates) if key == "updates" => {
            for update in updates {
                file(update, input, sink);
            }
        }
        value => {
            single.insert(key, value);
        }
    })
    .map_err(|error| input.malformed(error))?;
    if single.contains_key("alias") {
        file(Value::Object(single), input, sink);
    }
    Ok(())
}

fn vendor(namespace: String) -> Vendor {
    Vendor { namespace, license: License::Unknown, attribution: "Fedora updates, facts" }
}

/// `fedora:43` of `Fedora 43` and `Fedora 38 Modular`, `epel:9` of `Fedora EPEL 9` and `EPEL 9.2`.
fn namespace(release: &str) -> Option<String> {
    let (id, number) = match release.split_once("EPEL") {
        Some((_, rest)) => ("epel", rest.trim_start_matches(['-', ' '])),
        None => ("fedora", release.strip_prefix("Fedora ")?),
    };
    let number = number.split(|letter: char| !letter.is_ascii_digit()).next().filter(|number| !number.is_empty())?;
    Some(format!("{id}:{number}"))
}

#[derive(Deserialize)]
struct Record {
    alias: String,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: String,
    #[serde(default, deserialize_with = "or_default")]
    display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    notes: String,
    date_stable: Option<String>,
    date_modified: Option<String>,
    release: Release,
    #[serde(default, deserialize_with = "or_default")]
    bugs: Vec<Bug>,
    #[serde(default, deserialize_with = "or_default")]
    builds: Vec<Nvr>,
}

#[derive(Deserialize)]
struct Release {
    version: String,
    #[serde(default, deserialize_with = "or_default")]
    id_prefix: String,
}

#[derive(Deserialize)]
struct Bug {
    #[serde(default, deserialize_with = "or_default")]
    title: String,
}

#[derive(Deserialize)]
struct Nvr {
    #[serde(rename = "nvr")]
    text: String,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    epoch: Option<u32>,
}

fn file(update: Value, input: &Input<'_>, sink: &mut Sink) {
    let record = match serde_json::from_value::<Record>(update) {
        Ok(record) => record,
        Err(error) => return sink.skip(&input.label(), error),
    };
    // What is still tested, and images and modules built from packages that have updates of their own.
    if record.status != "stable" {
        return sink.leave_out();
    }
    let id = if record.release.id_prefix.contains("EPEL") { "EPEL" } else { "Fedora" };
    let Some(namespace) = namespace(&format!("{id} {}", record.release.version)) else {
        return sink.skip(&record.alias, format!("`{}` is no release", record.release.version));
    };
    let mut builds = Vec::new();
    for build in record.builds.iter().filter(|build| matches!(build.kind.as_str(), "rpm" | "")) {
        let Some((name, version)) = nevr(&build.text) else {
            sink.skip(&record.alias, format!("`{}` is no build", build.text));
            continue;
        };
        let epoch = build.epoch.filter(|epoch| *epoch > 0);
        builds.push(Build {
            name: name.to_owned(),
            version: epoch.map_or(version.clone(), |epoch| format!("{epoch}:{version}")),
            architecture: "src".to_owned(),
            ..Build::default()
        });
    }
    let mut update = Update {
        id: record.alias,
        is_security: record.kind == "security",
        severity: said::severity(&record.severity),
        cves: record.bugs.iter().flat_map(|bug| cves(&bug.title)).collect(),
        published: record.date_stable.as_deref().and_then(Instant::parse),
        modified: record.date_modified.as_deref().and_then(Instant::parse),
        release: String::new(),
        builds,
    };
    if update.cves.is_empty() {
        update.cves.extend(cves(&record.display_name).chain(cves(&record.notes)));
    }
    updateinfo::file(update, &vendor(namespace), sink);
}

#[cfg(test)]
mod tests {
    use super::namespace;

    #[test]
    fn releases_are_namespaces() {
        for (release, expected) in [
            ("Fedora 43", Some("fedora:43")),
            ("Fedora 38 Modular", Some("fedora:38")),
            ("Fedora EPEL 9", Some("epel:9")),
            ("Fedora EPEL Next 9", None),
            ("EPEL 10.1", Some("epel:10")),
            ("Fedora", None),
            ("", None),
        ] {
            assert_eq!(namespace(release).as_deref(), expected, "{release}");
        }
    }
}
