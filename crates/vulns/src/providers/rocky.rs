//! Rocky Linux: `updateinfo.xml.gz` of its repositories, or else the pages of Apollo.
//!
//! <https://dl.rockylinux.org/pub/rocky/>, and <https://apollo.build.resf.org/api/v3/advisories/>: pages of advisories.
//! Apollo's records in OSV's form are read by the provider of OSV.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, License};
use killick_model::feed::{Each, Form, Upstream};
use serde::Deserialize;
use serde_json::Value;

use super::json::{elements, or_default};
use super::said::{self, nevr};
use super::updateinfo::{self, Build, Update, Vendor};
use super::{Input, Provider, ReadError, Sink, files_in, has_extension};

pub(super) const PROVIDER: Provider =
    Provider { name: "rocky", title: "Rocky Linux errata", upstreams: UPSTREAMS, find, read };

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "updateinfo",
    base: "https://dl.rockylinux.org/pub/rocky/",
    folder: "rocky",
    is_default: true,
    max_bytes: 256 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Repositories {
        each: Each::Number { first: 8, known: 10 },
        paths: &["{}/BaseOS/x86_64/os", "{}/AppStream/x86_64/os", "{}/extras/x86_64/os"],
        mirrors: None,
    },
}];

const PAGES: &str = "rocky/api/v3/advisories";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    let found = updateinfo::find(root, "rocky");
    if !found.is_empty() {
        return found.into_iter().map(|path| vec![path]).collect();
    }
    let pages = files_in(root, PAGES, |name| has_extension(name, "json"));
    if pages.is_empty() { Vec::new() } else { vec![pages] }
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    if !input.path.starts_with(PAGES) {
        return updateinfo::updates(input, sink, |update, sink| match major(&update.release) {
            Some(major) => updateinfo::file(update, &vendor(&major), sink),
            None => sink.skip(&update.id, format!("`{}` is no release", update.release)),
        });
    }
    elements(input.reader()?, "advisories", |element| file(element, input, sink))
        .map_err(|error| input.malformed(error))
}

fn vendor(major: &str) -> Vendor {
    Vendor {
        namespace: format!("rocky:{major}"),
        license: License::Attribution,
        attribution: "Rocky Linux errata, BSD-3-Clause",
    }
}

/// `9` of `Rocky Linux 9`, and of `Rocky Linux 9.2 x86_64 (Legacy)`: old minor releases have the same builds.
fn major(product: &str) -> Option<String> {
    let word = product.strip_prefix("Rocky Linux ")?.split([' ', '.']).next()?;
    (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.to_owned())
}

#[derive(Deserialize)]
struct Advisory {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: String,
    published_at: Option<String>,
    updated_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    cves: Vec<Cve>,
    #[serde(default, deserialize_with = "or_default")]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Cve {
    cve: String,
}

#[derive(Deserialize)]
struct Package {
    nevra: String,
    product_name: String,
    module_name: Option<String>,
    module_stream: Option<String>,
}

fn file(element: Value, input: &Input<'_>, sink: &mut Sink) {
    let advisory = match serde_json::from_value::<Advisory>(element) {
        Ok(advisory) => advisory,
        Err(error) => return sink.skip(&input.label(), error),
    };
    let mut releases: Vec<(String, Vec<Build>)> = Vec::new();
    for package in &advisory.packages {
        let Some((release, build)) = major(&package.product_name).zip(build(package)) else {
            sink.skip(&advisory.name, format!("`{}` is no package of a release", package.nevra));
            continue;
        };
        match releases.iter_mut().find(|(known, _)| *known == release) {
            Some((_, builds)) => builds.push(build),
            None => releases.push((release, vec![build])),
        }
    }
    for (release, builds) in releases {
        let update = Update {
            id: advisory.name.clone(),
            is_security: advisory.kind == "Security",
            severity: said::severity(&advisory.severity),
            cves: advisory.cves.iter().map(|cve| cve.cve.clone()).filter(|cve| said::is_cve(cve)).collect(),
            published: advisory.published_at.as_deref().and_then(Instant::parse),
            modified: advisory.updated_at.as_deref().and_then(Instant::parse),
            release: String::new(),
            builds,
        };
        updateinfo::file(update, &vendor(&release), sink);
    }
}

/// `oci-systemd-hook-1:0.1.15-2.el8.aarch64.rpm`.
fn build(package: &Package) -> Option<Build> {
    let (bare, architecture) = package.nevra.strip_suffix(".rpm").unwrap_or(&package.nevra).rsplit_once('.')?;
    let (name, version) = nevr(bare)?;
    let module = package.module_name.as_deref().zip(package.module_stream.as_deref());
    let module = module.filter(|(name, stream)| !name.is_empty() && !stream.is_empty());
    Some(Build {
        name: name.to_owned(),
        version,
        architecture: architecture.to_owned(),
        module: module.map(|(name, stream)| format!("{name}:{stream}")),
        from: None,
    })
}
