//! What the gates of npm packages and of gems share: packages of the image against what their registry publishes.

use std::collections::BTreeMap;

use killick_model::package::PackageKind;

use crate::check::{Check, TriggerError};
use crate::evidence::PackageFeed;
use crate::python;

/// The words of one gate.
struct Words {
    gate: &'static str,
    kind: PackageKind,
    /// Before messages about a version that is not the latest.
    not_latest: &'static str,
    /// In capitals: `NPM`.
    capitals: &'static str,
    /// At the beginning of a sentence.
    title: &'static str,
    /// In the name of the feed.
    feed: &'static str,
}

const NPM: Words = Words {
    gate: "npms",
    kind: PackageKind::Npm,
    not_latest: "NPMNOTLATEST ",
    capitals: "NPM",
    title: "NPM",
    feed: "npm",
};
const GEM: Words =
    Words { gate: "ruby_gems", kind: PackageKind::Gem, not_latest: "", capitals: "GEM", title: "Gem", feed: "gem" };

/// Those of the gate that is asked.
fn words(check: &Check<'_, '_>) -> &'static Words {
    if check.gate == GEM.gate { &GEM } else { &NPM }
}

fn feed<'e>(check: &Check<'_, 'e>, words: &Words) -> Option<&'e PackageFeed> {
    if words.kind == PackageKind::Npm { check.evidence.npm_feed } else { check.evidence.gem_feed }
}

/// Versions of the image's packages by name, each as often as it is there.
fn installed<'e>(check: &Check<'_, 'e>, words: &Words) -> BTreeMap<&'e str, Vec<&'e str>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in check.shared.packages().iter().filter(|package| package.kind == words.kind) {
        names.entry(&package.name).or_default().push(&package.version);
    }
    names
}

/// The feed and what is installed, if the feed knows any of it: otherwise the original asks nothing.
fn compared<'e>(
    check: &mut Check<'_, 'e>,
    words: &Words,
) -> Option<(&'e PackageFeed, BTreeMap<&'e str, Vec<&'e str>>)> {
    let Some(feed) = feed(check, words) else {
        check.warn_unseen(&format!("there is no {} feed to compare with", words.feed));
        return None;
    };
    let installed = installed(check, words);
    let is_known = installed.keys().any(|&name| feed.packages.contains_key(name));
    is_known.then_some((feed, installed))
}

/// For each installed version that is not the latest.
#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
pub(super) fn newer(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let words = words(check);
    let Some((feed, installed)) = compared(check, words) else { return Ok(()) };
    for (name, versions) in installed {
        let Some(published) = feed.packages.get(name) else { continue };
        let latest = &published.latest;
        for version in versions.into_iter().filter(|version| !version.is_empty() && version != latest) {
            check.fire(
                format!(
                    "{}Package ({name}) version ({version}) installed but is not the latest version ({latest})",
                    words.not_latest
                ),
                format!("upgrade `{name}` to `{latest}`"),
            );
        }
    }
    Ok(())
}

/// For each name that the feed does not know.
#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
pub(super) fn unknown(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let words = words(check);
    let Some((feed, installed)) = compared(check, words) else { return Ok(()) };
    let capitals = words.capitals;
    for name in installed.into_keys().filter(|&name| !feed.packages.contains_key(name)) {
        check.fire(
            format!("{capitals}NOTOFFICIAL Package ({name}) in container but not in official {capitals} feed."),
            format!("remove `{name}`, or publish it"),
        );
    }
    Ok(())
}

/// For each installed version that the feed does not list.
#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
pub(super) fn version_unknown(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let words = words(check);
    let Some((feed, installed)) = compared(check, words) else { return Ok(()) };
    for (name, mut versions) in installed {
        let Some(published) = feed.packages.get(name) else { continue };
        versions.sort_unstable();
        versions.dedup();
        let is_listed = |version: &str| published.versions.iter().any(|listed| listed == version);
        for version in versions.into_iter().filter(|version| !version.is_empty() && !is_listed(version)) {
            check.fire(
                format!(
                    "{}BADVERSION Package ({name}) version ({version}) installed but version is not in the official \
                     feed for this package ({})",
                    words.capitals,
                    python::list(published.versions.iter().map(String::as_str))
                ),
                format!("install a published version of `{name}`, such as `{}`", published.latest),
            );
        }
    }
    Ok(())
}

/// Once if the package, or the version of it, is installed.
#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
pub(super) fn listed(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let words = words(check);
    let params = check.params;
    let name = params.text("name").unwrap_or_default();
    let version = params.text("version");
    let installed = installed(check, words);
    let Some(versions) = installed.get(name) else { return Ok(()) };
    let title = words.title;
    match version {
        None => check.fire(
            format!("{title} Package is blacklisted: {name}"),
            format!("remove `{name}` {} from the image", versions.join(", ")),
        ),
        Some(version) if versions.contains(&version) => check.fire(
            format!("{title} Package is blacklisted: {name}-{version}"),
            format!("remove `{name}` {version} from the image, or install another version"),
        ),
        Some(_) => {}
    }
    Ok(())
}

/// Once if there is no feed, whether or not the image has such packages.
#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
pub(super) fn unavailable(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let words = words(check);
    if feed(check, words).is_none() {
        check.fire(
            format!(
                "{} packages are present but the anchore {} feed is not available - will be unable to perform checks \
                 that require feed data",
                words.title, words.feed
            ),
            format!("remove the rules of this gate that need the {} feed, or provide one", words.feed),
        );
    }
    Ok(())
}
