//! Actions that GitHub workflows use, and those that a runner keeps.
//!
//! Formats: GitHub documentation, "Workflow syntax for GitHub Actions" (`uses` of steps and of jobs) and "Metadata
//! syntax for GitHub Actions" (`runs` of `action.yml`). An action pinned by commit has its version in a comment, by the
//! custom of the tools that update it. A runner unpacks actions to `_work/_actions/OWNER/REPOSITORY/REF/`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use regex::Regex;
use serde::Deserialize;

use super::published::{Published, repository};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds actions of workflows.
pub(super) struct GithubActions;

/// Folders with the sources of others, whose workflows nobody runs here.
const FOREIGN: [&[u8]; 4] = [b"node_modules/", b"pkg/mod/", b"registry/src/", b"site-packages/"];

#[derive(Deserialize)]
struct Workflow {
    #[serde(default)]
    jobs: Option<BTreeMap<String, Option<Job>>>,
}

#[derive(Deserialize)]
struct Job {
    /// A workflow of another repository.
    uses: Option<String>,
    steps: Option<Vec<Option<Step>>>,
}

#[derive(Deserialize)]
struct Step {
    uses: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    runs: Option<Runs>,
}

#[derive(Deserialize)]
struct Runs {
    steps: Option<Vec<Option<Step>>>,
    /// `docker://IMAGE`, or the `Dockerfile` beside it.
    image: Option<String>,
}

impl Cataloger for GithubActions {
    fn name(&self) -> &'static str {
        "github-actions"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::GithubAction]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["**/.github/workflows/*.yml", "**/.github/workflows/*.yaml", "**/action.yml", "**/action.yaml"],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let path = file.path.as_bytes();
        if FOREIGN.iter().any(|folder| memchr::memmem::find(path, folder).is_some()) {
            return;
        }
        let is_action = file.path.file_name().starts_with(b"action.");
        let uses = if is_action {
            found.packages.extend(unpacked(file.path).map(|(_, package)| package));
            // Other programs have files of this name, in forms of their own.
            let Some(action) = document::yaml::<Action>(file, &mut Found::default()) else { return };
            let Some(runs) = action.runs else { return };
            steps(runs.steps).chain(runs.image.filter(|image| image.starts_with("docker://"))).collect::<BTreeSet<_>>()
        } else {
            let Some(workflow) = document::yaml::<Workflow>(file, found) else { return };
            let jobs = workflow.jobs.unwrap_or_default().into_values().flatten();
            jobs.flat_map(|job| steps(job.steps).chain(job.uses)).collect()
        };
        let comments = comments(&String::from_utf8_lossy(file.bytes));
        let mut packages: Vec<Package> = Vec::new();
        for reference in &uses {
            let comment = comments.get(reference.as_str()).map(String::as_str);
            let package = if reference.starts_with("docker://") {
                image(reference, file.path)
            } else {
                action(reference, comment, file.path)
            };
            // One commit with and without its comment is one action.
            packages.extend(package.filter(|package| !packages.contains(package)));
        }
        found.packages.extend(packages);
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (path, layer, found) in image.found {
            // A repository may have several actions.
            let is_again = unpacked(path).is_some_and(|(folder, _)| !seen.insert(folder));
            let mut found = (*found).clone();
            found.packages.retain(|package| !is_again || !package.evidence.is_installed());
            joined.take(self.name(), path, *layer, &found);
        }
    }
}

fn steps(steps: Option<Vec<Option<Step>>>) -> impl Iterator<Item = String> {
    steps.into_iter().flatten().flatten().filter_map(|step| step.uses)
}

/// `owner/repository[/path]@ref`; what begins with a dot is of the same repository.
fn action(reference: &str, comment: Option<&str>, path: &ImagePath) -> Option<Package> {
    let (address, reference) = reference.trim().split_once('@')?;
    let mut parts = address.splitn(3, '/');
    let (owner, repository_name) = (parts.next()?, parts.next()?);
    if owner.is_empty() || owner.starts_with('.') || repository_name.is_empty() || reference.is_empty() {
        return None;
    }
    let name = format!("{owner}/{repository_name}");
    let is_commit = reference.len() >= 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    let version = comment.filter(|_| is_commit);
    let mut package = declared(PackageKind::GithubAction, &name, version.unwrap_or(reference), path);
    if version.is_some() {
        package.fetched_from = repository("git", &format!("https://github.com/{name}"), Some(reference));
    }
    Some(Published::default().subpath(parts.next().map(|path| path.trim_matches('/'))).of(package))
}

/// `docker://[host/]name[:tag][@digest]`.
fn image(reference: &str, path: &ImagePath) -> Option<Package> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let start = name.rfind('/')? + 1;
    let (name, tag) = match name.get(start..)?.find(':') {
        Some(colon) => (&name[..start + colon], &name[start + colon + 1..]),
        None => (name, "latest"),
    };
    let is_named = name.len() > "docker://".len();
    is_named.then(|| declared(PackageKind::GithubAction, name, digest.unwrap_or(tag), path))
}

/// The folder and the action of `_actions/OWNER/REPOSITORY/REF/…/action.yml`.
fn unpacked(path: &ImagePath) -> Option<(Vec<u8>, Package)> {
    let text = path.to_string();
    let (before, rest) = text.split_once("/_actions/")?;
    let parts: Vec<&str> = rest.splitn(4, '/').collect();
    let [owner, repository, reference, _] = parts.as_slice() else { return None };
    let folder = format!("{before}/{owner}/{repository}/{reference}").into_bytes();
    Some((folder, package(PackageKind::GithubAction, &format!("{owner}/{repository}"), reference, path)))
}

/// Versions in comments behind what lines use: `uses: a/b@COMMIT # v1.2.3`, `# tag=v1.2.3`, `# ratchet:a/b@v1`.
fn comments(text: &str) -> HashMap<String, String> {
    static USE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?m)^[ \t-]*uses:[ \t]+["']?([^\s"'#]+)["']?[ \t]+#(.*)$"#).expect("the pattern is right")
    });
    static VERSION: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[\s=@])(v?\d+(?:\.\d+){0,3}(?:-[0-9A-Za-z.-]+)?)(?:$|[\s),;])").expect("the pattern is right")
    });
    let version = |comment: &str| Some(VERSION.captures(comment)?.get(1)?.as_str().to_owned());
    let of_line = |line: regex::Captures<'_>| Some((line.get(1)?.as_str().to_owned(), version(line.get(2)?.as_str())?));
    USE.captures_iter(text).filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_tell_versions_in_many_ways() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (comment, version) in [
            ("# v4.1.1", Some("v4.1.1")),
            ("#v4", Some("v4")),
            ("# tag=v2.3.4-rc.1", Some("v2.3.4-rc.1")),
            ("# pin@v3", Some("v3")),
            ("# ratchet:actions/checkout@v4", Some("v4")),
            ("# 1.2.3 (July)", Some("1.2.3")),
            ("# master", None),
            ("# since 2023-01-01T00:00", None),
            ("", None),
        ] {
            let line = format!("jobs:\n    - uses: a/b@{commit} {comment}\n");
            let found = comments(&line);
            assert_eq!(found.get(&format!("a/b@{commit}")).map(String::as_str), version, "{comment}");
        }
    }
}
