//! Alpine's secdb, `v3.20/main.json`: which version of an origin package fixed which vulnerabilities.
//!
//! <https://secdb.alpinelinux.org/>. Fixes only, so silence means nothing; version `0` says "never affected".
//! An id may be several words: a CVE and names other people gave it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Level, License, Qualifier, StatedFix, Statement, Verdict,
};
use killick_model::matching::FixState;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use serde::Deserialize;
use serde_json::Value;

use super::json::{elements, or_default};
use super::sink::UNDATED;
use super::{Filing, Input, Namespace, Provider, ReadError, Sink, files_in, folders_in, has_extension};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "alpine",
    title: "Alpine secdb",
    find: |root| -> Vec<Vec<PathBuf>> {
        folders_in(root, "alpine-secdb")
            .into_iter()
            .filter(|branch| branch.starts_with('v') || branch == "edge")
            .map(|branch| files_in(root, &format!("alpine-secdb/{branch}"), |name| has_extension(name, "json")))
            .filter(|unit| !unit.is_empty())
            .collect()
    },
    read,
};

#[derive(Deserialize)]
struct Entry {
    pkg: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    secfixes: BTreeMap<String, Value>,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let branch = input.path.parent().and_then(|folder| folder.file_name()).and_then(|name| name.to_str());
    let Some(branch) = branch else { return Err(input.malformed("it lies in no branch folder")) };
    let repository = input.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let namespace = format!("alpine:{}", branch.trim_start_matches('v'));
    let instant = input.noted_instant();
    elements(input.reader()?, "packages", |element| match serde_json::from_value::<Entry>(element) {
        Ok(entry) => file(&namespace, repository, &entry.pkg, sink),
        Err(error) => sink.skip(&input.label(), error),
    })
    .map_err(|error| input.malformed(error))?;
    if let Some(instant) = instant {
        sink.date(instant);
    }
    Ok(())
}

fn file(namespace: &str, repository: &str, package: &Package, sink: &mut Sink) {
    for (fixed, ids) in &package.secfixes {
        let ids: Option<Vec<String>> = match ids {
            Value::Null => Some(Vec::new()),
            ids => Vec::deserialize(ids).ok(),
        };
        let Some(ids) = ids else {
            sink.skip(&format!("{namespace}/{}/{fixed}", package.name), "expected a list of ids");
            continue;
        };
        let filing = sink.file(namespace, || Namespace {
            name: namespace.to_owned(),
            ecosystem: namespace.to_owned(),
            coverage: Coverage::FixedOnly,
            license: License::Public,
            attribution: "Alpine Linux security database, facts".to_owned(),
        });
        for id in &ids {
            file_fix(filing, repository, &package.name, fixed, id);
        }
    }
}

fn file_fix(filing: &mut Filing, repository: &str, name: &str, fixed: &str, id: &str) {
    let mut words = id.split_whitespace();
    let Some(id) = words.next() else { return };
    let never = fixed == "0";
    let versions = if never {
        Range::all(Scheme::Apk)
    } else {
        Range::new(Scheme::Apk, vec![Interval::before(fixed)], Vec::new())
    };
    filing.statement(&Statement {
        advisory: id.to_owned(),
        name: name.to_owned(),
        level: Level::Source,
        versions,
        verdict: if never { Verdict::NotAffected } else { Verdict::Affected },
        fix: if never {
            StatedFix::default()
        } else {
            StatedFix { state: FixState::Fixed, versions: vec![fixed.to_owned()], advisories: Vec::new() }
        },
        qualifiers: vec![Qualifier::Repository(repository.to_owned())],
        severity: None,
        known_since: UNDATED,
    });
    filing.advisory(&Advisory {
        id: id.to_owned(),
        aliases: words.map(str::to_owned).collect(),
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: AdvisoryStatus::Active,
        published: None,
        modified: None,
        ratings: Vec::new(),
        cwes: Vec::new(),
        url: None,
        license: License::Public,
        known_since: UNDATED,
    });
}
