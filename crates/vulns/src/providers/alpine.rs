//! Alpine's secdb (`v3.20/main.json`), and what Alpine says beside it: which reports of others are wrong, and what is
//! open.
//!
//! <https://secdb.alpinelinux.org/> lists fixes of a release, see [`secdb`]. The repository `security-rejections`
//! (`main.yaml`, package to CVEs) holds what never applied to Alpine's packages, whatever the NVD says of the product;
//! `vuln/*.json` of <https://security.alpinelinux.org>, here as a folder, is what its tracker makes of the NVD, with the
//! state of each package in each release. The latter are guesses by product: only what is still open and published is
//! read, and a fix in secdb or a rejection goes before it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use killick_model::advisory::{Level, License, Qualifier, StatedFix, Statement, Verdict};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::matching::FixState;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};
use serde::Deserialize;

use super::json::or_default;
use super::secdb::{self, Publisher};
use super::sink::UNDATED;
use super::{Input, Provider, ReadError, Sink, files_in, folders_in, has_extension};

pub(super) const PROVIDER: Provider = Provider {
    name: "alpine",
    title: "Alpine secdb",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> {
        let of_branch =
            |branch: String| files_in(root, &format!("{FOLDER}/{branch}"), |name| has_extension(name, "json"));
        let mut units: Vec<Vec<PathBuf>> = branches(root).into_iter().map(of_branch).collect();
        let mut beside: Vec<PathBuf> = Vec::new();
        for folder in ["security-rejections", "alpine-secdb/security-rejections"] {
            beside.extend(files_in(root, folder, |name| has_extension(name, "yaml")));
        }
        let tracker = ["alpine-tracker/vuln", "alpine-tracker/all.tar.gz"].map(PathBuf::from);
        beside.extend(tracker.into_iter().filter(|path| root.join(path).exists()).take(1));
        units.push(beside);
        units.into_iter().filter(|unit| !unit.is_empty()).collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[
    Upstream {
        name: "secdb",
        base: "https://secdb.alpinelinux.org/",
        folder: "alpine-secdb",
        is_default: true,
        max_bytes: 32 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files {
            each: Each::Number { first: 3, known: 24 },
            files: &[
                File::new("v3.{}/main.json", "v3.{}/main.json"),
                File::new("v3.{}/community.json", "v3.{}/community.json").optional(),
            ],
        },
    },
    Upstream {
        name: "edge",
        base: "https://secdb.alpinelinux.org/edge/",
        folder: "alpine-secdb/edge",
        is_default: true,
        max_bytes: 32 << 20,
        hours: 0,
        notes_date: true,
        form: Form::Files {
            each: Each::Once,
            files: &[File::new("main.json", "main.json"), File::new("community.json", "community.json").optional()],
        },
    },
    Upstream {
        name: "rejections",
        base: "https://gitlab.alpinelinux.org/alpine/security/security-rejections/-/raw/master/",
        folder: "security-rejections",
        is_default: true,
        max_bytes: 8 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Files {
            each: Each::Once,
            files: &[
                File::new("main.yaml", "main.yaml").optional(),
                File::new("community.yaml", "community.yaml").optional(),
            ],
        },
    },
];

const FOLDER: &str = "alpine-secdb";

/// Nodes of a list of rejections.
const YAML_NODES: usize = 1_000_000;

const LICENSE: License = License::Public;

/// The branches there are files of.
fn branches(root: &Path) -> Vec<String> {
    folders_in(root, FOLDER).into_iter().filter(|name| name.starts_with('v') || name == "edge").collect()
}

fn namespace(branch: &str) -> String {
    format!("alpine:{}", branch.trim_start_matches('v'))
}

fn publisher(namespace: &str) -> Publisher<'_> {
    Publisher { namespace, license: LICENSE, attribution: "Alpine Linux security database, facts" }
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let stem = input.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let has = |extension| input.path.to_str().is_some_and(|path| has_extension(path, extension));
    if has("yaml") {
        note_fixes(input, sink);
        return rejections(input, stem, sink);
    }
    if has("gz") {
        note_fixes(input, sink);
        let is_issue = |name: &str| has_extension(name, "json");
        return input.tar_members(sink, is_issue, |name, bytes, sink| match serde_json::from_slice(bytes) {
            Ok(issue) => open(&issue, sink),
            Err(error) => sink.skip(name, error),
        });
    }
    if input.root.join(input.path).is_dir() {
        note_fixes(input, sink);
        return input.tree_records(sink, |_| true, |issue: Issue, sink| open(&issue, sink));
    }
    let branch = input.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let Some(branch) = branch else { return Err(input.malformed("it lies in no branch folder")) };
    secdb::read_file(input, &publisher(&namespace(branch)), Some(stem), sink)
}

/// Notes what the branches fixed. A file that cannot be read is told of where it is filed.
fn note_fixes(input: &Input<'_>, sink: &mut Sink) {
    for branch in branches(input.root) {
        for path in files_in(input.root, &format!("{FOLDER}/{branch}"), |name| has_extension(name, "json")) {
            let mut fixes = Sink::new();
            let file = Input { root: input.root, path: &path };
            if secdb::read_file(&file, &publisher(&namespace(&branch)), None, &mut fixes).is_ok() {
                sink.take_notes(fixes);
            }
        }
    }
}

/// Files what never applied, in every branch there is: the list knows no branches.
fn rejections(input: &Input<'_>, repository: &str, sink: &mut Sink) -> Result<(), ReadError> {
    let text = String::from_utf8(input.record()?).map_err(|error| input.malformed(error))?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: YAML_NODES * 3, max_nodes: YAML_NODES },
    };
    let packages: BTreeMap<String, Option<Vec<String>>> = serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| input.malformed(error.without_snippet()))?;
    let branches = branches(input.root);
    for (package, ids) in packages {
        for id in ids.unwrap_or_default() {
            let names = secdb::names(&id);
            let Some(id) = names.first() else {
                sink.skip(&package, format!("`{id}` is no id"));
                continue;
            };
            for branch in &branches {
                let namespace = namespace(branch);
                // What a branch fixed was not rejected there.
                if sink.has_noted((namespace.as_str(), &package, id)) {
                    continue;
                }
                sink.note((namespace.as_str(), &package, id));
                let filing = secdb::filing(&publisher(&namespace), sink);
                secdb::file_fix(filing, LICENSE, Some(repository), (&package, None), &names);
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Issue {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    state: Vec<State>,
    #[serde(rename = "cpeMatch", default, deserialize_with = "or_default")]
    matches: Vec<CpeMatch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    #[serde(default)]
    fixed: bool,
    #[serde(default)]
    published: bool,
    repo: String,
    package_name: String,
    package_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CpeMatch {
    package: Option<String>,
    maximum_version: Option<String>,
    maximum_version_op: Option<String>,
}

/// Files what is open. Versions after the one the tracker has seen are not judged by it.
fn open(issue: &Issue, sink: &mut Sink) {
    for state in issue.state.iter().filter(|state| !state.fixed && state.published) {
        let Some((branch, repository)) = state.repo.split_once('-') else {
            sink.skip(&issue.id, format!("`{}` is no repository of a branch", state.repo));
            continue;
        };
        let namespace = format!("alpine:{branch}");
        if sink.has_noted((namespace.as_str(), &state.package_name, &issue.id)) {
            continue;
        }
        // Up to the version that was found to be open; where none is told, up to the end that the CPE names.
        let bound = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let of_package = |row: &&CpeMatch| row.package.as_ref().is_none_or(|package| *package == state.package_name);
        let mut ends = issue.matches.iter().filter(of_package).filter_map(|row| {
            let version = bound(&row.maximum_version)?;
            Some(match row.maximum_version_op.as_deref() {
                Some("<") => Bound::exclusive(version),
                _ => Bound::inclusive(version),
            })
        });
        let seen = bound(&state.package_version).map(Bound::inclusive);
        let upper = seen.or_else(|| ends.next_back());
        let interval = Interval { lower: None, upper };
        let filing = secdb::filing(&publisher(&namespace), sink);
        filing.statement(&Statement {
            advisory: issue.id.clone(),
            name: state.package_name.clone(),
            level: Level::Source,
            versions: Range::new(Scheme::Apk, vec![interval], Vec::new()),
            verdict: Verdict::Affected,
            fix: StatedFix { state: FixState::NotFixed, ..StatedFix::default() },
            qualifiers: vec![Qualifier::Repository(repository.to_owned())],
            severity: None,
            known_since: UNDATED,
        });
        filing.advisory(&secdb::advisory(&issue.id, &[], LICENSE));
    }
}
