//! The form of Alpine's secdb, in which the distributions that build with apk publish what they fixed: Wolfi,
//! Chainguard, `MinimOS` and `SecureOS`, each in one file, because they have no releases.
//!
//! Which version of an origin package fixed which vulnerabilities. Fixes only, so silence means nothing; version `0`
//! says "never affected". An id may be several words: a CVE and names other people gave it.
//!
//! The terms of these advisories do not let them be passed on: they are fetched by whoever uses them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use killick_model::advisory::{Advisory, Level, License, Qualifier, StatedFix, Statement, Verdict};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::matching::FixState;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use serde::Deserialize;
use serde_json::Value;

use super::json::{elements, or_default};
use super::sink::UNDATED;
use super::{Filing, Input, Namespace, Provider, ReadError, Sink, said};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "secdb",
    title: "Wolfi, Chainguard, MinimOS and SecureOS security databases",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let files = |distribution: &str| {
            let paths = ["security.json", "os/security.json", "secdb.json", "secdb.json.gz"];
            paths.map(|path| Path::new(distribution).join(path)).into_iter().find(|path| root.join(path).is_file())
        };
        DISTRIBUTIONS.iter().filter_map(|publisher| files(publisher.namespace)).map(|path| vec![path]).collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[
    Upstream {
        name: "wolfi",
        base: "https://packages.wolfi.dev/os/",
        folder: "wolfi/os",
        is_default: false,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files { each: Each::Once, files: &[File::new("security.json", "security.json")] },
    },
    Upstream {
        name: "chainguard",
        base: "https://packages.cgr.dev/chainguard/",
        folder: "chainguard",
        is_default: false,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files { each: Each::Once, files: &[File::new("security.json", "security.json")] },
    },
    Upstream {
        name: "minimos",
        base: "https://packages.mini.dev/advisories/secdb/",
        folder: "minimos",
        is_default: false,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files { each: Each::Once, files: &[File::new("security.json", "security.json")] },
    },
    Upstream {
        name: "secureos",
        base: "https://security.secureos.io/v1/",
        folder: "secureos",
        is_default: false,
        max_bytes: 256 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files { each: Each::Once, files: &[File::new("secdb.json.gz", "secdb.json.gz")] },
    },
];

/// Who publishes in this form, and on which terms.
pub(super) struct Publisher<'a> {
    pub(super) namespace: &'a str,
    pub(super) license: License,
    pub(super) attribution: &'a str,
}

/// Distributions without releases, by the folder their file lies in.
const DISTRIBUTIONS: &[Publisher<'static>] = &[
    Publisher {
        namespace: "chainguard",
        license: License::NotRedistributable,
        attribution: "Chainguard advisories, CC-BY-NC-ND with a scanner licence",
    },
    Publisher {
        namespace: "minimos",
        license: License::NotRedistributable,
        attribution: "MinimOS advisories, terms not stated",
    },
    Publisher {
        namespace: "secureos",
        license: License::NotRedistributable,
        attribution: "SecureOS advisories, terms not stated",
    },
    Publisher {
        namespace: "wolfi",
        license: License::NotRedistributable,
        attribution: "Wolfi advisories, CC-BY-NC-ND with a scanner licence",
    },
];

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
    let folder = input.path.components().next().and_then(|folder| folder.as_os_str().to_str());
    let publisher = DISTRIBUTIONS.iter().find(|publisher| Some(publisher.namespace) == folder);
    let Some(publisher) = publisher else { return Err(input.malformed("it lies in no distribution's folder")) };
    read_file(input, publisher, None, sink)
}

/// Reads a file of this form; `repository` is the one its packages are from, where a distribution has several.
pub(super) fn read_file(
    input: &Input<'_>,
    publisher: &Publisher<'_>,
    repository: Option<&str>,
    sink: &mut Sink,
) -> Result<(), ReadError> {
    elements(input.reader()?, "packages", |element| match serde_json::from_value::<Entry>(element) {
        Ok(entry) => file(publisher, repository, &entry.pkg, sink),
        Err(error) => sink.skip(&input.label(), error),
    })
    .map_err(|error| input.malformed(error))?;
    if let Some(instant) = input.noted_instant() {
        sink.date(instant);
    }
    Ok(())
}

/// The filing of the publisher's namespace.
pub(super) fn filing<'a>(publisher: &Publisher<'_>, sink: &'a mut Sink) -> &'a mut Filing {
    sink.file(publisher.namespace, || Namespace {
        name: publisher.namespace.to_owned(),
        ecosystem: publisher.namespace.to_owned(),
        coverage: Coverage::FixedOnly,
        license: publisher.license,
        attribution: publisher.attribution.to_owned(),
    })
}

fn file(publisher: &Publisher<'_>, repository: Option<&str>, package: &Package, sink: &mut Sink) {
    for (fixed, ids) in &package.secfixes {
        let ids: Option<Vec<String>> = match ids {
            Value::Null => Some(Vec::new()),
            ids => Vec::deserialize(ids).ok(),
        };
        let Some(ids) = ids else {
            sink.skip(&format!("{}/{}/{fixed}", publisher.namespace, package.name), "expected a list of ids");
            continue;
        };
        for id in &ids {
            let names = names(id);
            let Some(id) = names.first() else { continue };
            sink.note((publisher.namespace, &package.name, id));
            let fixed = Some(fixed.as_str()).filter(|fixed| *fixed != "0");
            file_fix(filing(publisher, sink), publisher.license, repository, (&package.name, fixed), &names);
        }
    }
}

/// The names in an id; marks such as `(+)` and remarks in words are none, and case is a matter of the writer.
pub(super) fn names(id: &str) -> Vec<String> {
    let is_name = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_alphanumeric())
            && word.contains(|symbol: char| symbol == '-' || symbol.is_ascii_digit())
    };
    let words = id.split_whitespace().filter(is_name);
    words
        .map(|word| {
            let upper = word.to_ascii_uppercase();
            match upper.strip_prefix("GHSA-") {
                Some(rest) => format!("GHSA-{}", rest.to_ascii_lowercase()),
                None if upper.starts_with("CVE-") => upper,
                None => word.to_owned(),
            }
        })
        .collect()
}

/// Files that a package is fixed from a version on, or never was affected.
pub(super) fn file_fix(
    filing: &mut Filing,
    license: License,
    repository: Option<&str>,
    (name, fixed): (&str, Option<&str>),
    names: &[String],
) {
    let Some((id, aliases)) = names.split_first() else { return };
    let all = Range::all(Scheme::Apk);
    let (verdict, versions, fix) = match fixed {
        None => (Verdict::NotAffected, all, StatedFix::default()),
        Some(fixed) => (
            Verdict::Affected,
            Range::new(Scheme::Apk, vec![Interval::before(fixed)], Vec::new()),
            StatedFix { state: FixState::Fixed, versions: vec![fixed.to_owned()], advisories: Vec::new() },
        ),
    };
    filing.statement(&Statement {
        advisory: id.clone(),
        name: name.to_owned(),
        level: Level::Source,
        versions,
        verdict,
        fix,
        qualifiers: repository.map(|name| Qualifier::Repository(name.to_owned())).into_iter().collect(),
        severity: None,
        known_since: UNDATED,
    });
    filing.advisory(&advisory(id, aliases, license));
}

/// The advisory about a vulnerability, of which nothing but its names is known.
pub(super) fn advisory(id: &str, aliases: &[String], license: License) -> Advisory {
    Advisory { aliases: aliases.to_vec(), ..said::advisory(id, license) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_names() {
        for (id, expected) in [
            ("CVE-2019-1234 XSA-123", vec!["CVE-2019-1234", "XSA-123"]),
            ("CVE-2019-1234 (+)", vec!["CVE-2019-1234"]),
            ("cve-2019-1234", vec!["CVE-2019-1234"]),
            ("ghsa-88JX-383q-w4qc", vec!["GHSA-88jx-383q-w4qc"]),
            ("  ", vec![]),
            ("(+)", vec![]),
            ("ZBX-11023", vec!["ZBX-11023"]),
            ("CVE-2018-10103 (partially fixed, SMB printing too)", vec!["CVE-2018-10103"]),
        ] {
            assert_eq!(names(id), expected, "{id}");
        }
    }
}
