//! `AlmaLinux`: its errata as JSON, or else `updateinfo.xml.gz` of its repositories.
//!
//! <https://errata.almalinux.org/9/errata.full.json>, the older `errata.json` beside it, and
//! <https://repo.almalinux.org/almalinux/>. `ALSA` are security advisories; `ALBA` and `ALEA` fix bugs and add features.
//! The same advisories in OSV's form are read by the provider of OSV.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, License};
use killick_model::feed::{Each, File, Form, Upstream};
use serde::Deserialize;
use serde_json::Value;

use super::json::or_default;
use super::said::{self, evr};
use super::updateinfo::{self, Build, Update, Vendor};
use super::{Input, Provider, ReadError, Sink, folders_in};

pub(super) const PROVIDER: Provider =
    Provider { name: "almalinux", title: "AlmaLinux errata", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "errata",
    base: "https://errata.almalinux.org/",
    folder: "almalinux/errata",
    is_default: true,
    max_bytes: 256 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Number { first: 8, known: 10 },
        files: &[File::new("{}/errata.full.json", "{}/errata.full.json")],
    },
}];

const ERRATA: &str = "almalinux/errata";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    let mut found = Vec::new();
    for release in folders_in(root, ERRATA).into_iter().filter(|release| is_number(release)) {
        let paths = ["errata.full.json", "errata.json"].map(|name| PathBuf::from(format!("{ERRATA}/{release}/{name}")));
        found.extend(paths.into_iter().find(|path| root.join(path).is_file()).map(|path| vec![path]));
    }
    if found.is_empty() {
        found.extend(updateinfo::find(root, "almalinux").into_iter().map(|path| vec![path]));
    }
    found
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let folders = input.path.iter().filter_map(|part| part.to_str());
    let release = folders.map(|part| part.split('.').next().unwrap_or_default()).find(|part| is_number(part));
    let Some(release) = release else { return Err(input.malformed("it lies in no release's folder")) };
    let vendor = Vendor {
        namespace: format!("almalinux:{release}"),
        license: License::Attribution,
        attribution: "AlmaLinux errata, MIT",
    };
    if !input.path.starts_with(ERRATA) {
        return updateinfo::updates(input, sink, |update, sink| updateinfo::file(update, &vendor, sink));
    }
    let errata: Errata = input.json()?;
    let (Errata::Full { data: records } | Errata::List(records)) = errata;
    for record in records {
        match serde_json::from_value::<Record>(record) {
            Ok(record) => updateinfo::file(record.into(), &vendor, sink),
            Err(error) => sink.skip(&input.label(), error),
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Errata {
    Full { data: Vec<Value> },
    List(Vec<Value>),
}

/// An advisory in either form.
#[derive(Deserialize)]
struct Record {
    #[serde(alias = "updateinfo_id")]
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: String,
    #[serde(default, deserialize_with = "or_default")]
    title: String,
    #[serde(default)]
    issued_date: Value,
    #[serde(default)]
    updated_date: Value,
    #[serde(default, deserialize_with = "or_default")]
    references: Vec<Reference>,
    #[serde(default, deserialize_with = "or_default")]
    packages: Vec<Package>,
    #[serde(default, deserialize_with = "or_default")]
    modules: Vec<Module>,
    #[serde(default, deserialize_with = "or_default")]
    pkglist: List,
}

#[derive(Deserialize, Default)]
struct List {
    #[serde(default, deserialize_with = "or_default")]
    packages: Vec<Package>,
    module: Option<Module>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    release: String,
    epoch: Option<String>,
    #[serde(default)]
    arch: String,
}

#[derive(Deserialize)]
struct Module {
    name: String,
    stream: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    id: String,
}

impl From<Record> for Update {
    fn from(record: Record) -> Self {
        let module = module(&record);
        let severity = said::severity(&record.severity);
        Self {
            is_security: record.kind == "security",
            severity: severity.or_else(|| said::severity(record.title.split_once(':')?.0)),
            cves: record.references.into_iter().map(|found| found.id).filter(|id| said::is_cve(id)).collect(),
            published: instant(&record.issued_date),
            modified: instant(&record.updated_date),
            release: String::new(),
            builds: record
                .packages
                .into_iter()
                .chain(record.pkglist.packages)
                .map(|package| Build {
                    version: evr(package.epoch.as_deref(), &package.version, &package.release),
                    name: package.name,
                    architecture: package.arch,
                    // A plain package beside those of a module has no mark of one.
                    module: module.clone().filter(|_| package.release.contains(".module")),
                    from: None,
                })
                .collect(),
            id: record.id,
        }
    }
}

/// The module all packages are of; `None` where several are listed, because it is not told which is whose.
fn module(record: &Record) -> Option<String> {
    let mut names: Vec<String> = record
        .modules
        .iter()
        .chain(&record.pkglist.module)
        .filter(|module| !module.name.ends_with("-devel"))
        .map(|module| format!("{}:{}", module.name, module.stream))
        .collect();
    names.sort();
    names.dedup();
    if names.len() == 1 { names.pop() } else { None }
}

/// Seconds, or milliseconds in the forms of `MongoDB`.
fn instant(value: &Value) -> Option<Instant> {
    if let Some(seconds) = value.as_i64() {
        return Some(Instant(seconds));
    }
    let value = value.get("$date")?;
    let wrapped = value.get("$numberLong").and_then(|number| number.as_str()?.parse().ok());
    match value.as_i64().or(wrapped) {
        Some(milliseconds) => Some(Instant(milliseconds / 1000)),
        None => Instant::parse(value.as_str()?),
    }
}
