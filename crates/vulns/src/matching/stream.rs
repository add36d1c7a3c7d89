//! Streams of Red Hat's minor releases: which one an image is built of, as the repositories of its packages tell.
//!
//! Advisories list a fix for the main stream, and others for minor releases that are maintained apart (extended updates
//! and the like). Builds of those carry a mark in their version, but packages that were not built anew since the minor release
//! have none. Where all repositories of the distribution itself are of one such stream, its fixes are those of every
//! package, and those of the main stream are about other packages.
//!
//! The stream is in the name of a repository: `rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2`, as
//! `repository-to-cpe.json` of Red Hat's security data has it for `cpe:/o:redhat:rhel_eus:9.2::baseos`.

use std::collections::BTreeSet;
use std::sync::Arc;

use killick_model::advisory::{Qualifier, Statement};
use killick_model::distribution::Distribution;
use killick_model::package::Package;

use super::opinion::Opinion;
use super::outcome::{self, Outcome};
use super::query::Query;

/// Words in names of repositories that are maintained apart: extended, advanced and telecommunications updates, updates for
/// SAP solutions, extended life.
const APART: &[&str] = &["eus", "aus", "tus", "e4s", "els"];

/// A minor release that is maintained apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    major: String,
    minor: String,
}

impl Stream {
    /// The stream that all packages of a distribution are of; `None` where they are of the main stream, of several, or
    /// nobody tells.
    pub(crate) fn of(distribution: &Distribution) -> Option<Self> {
        if distribution.id != "rhel" {
            return None;
        }
        let own = distribution.content_sets.iter().filter(|name| is_of_distribution(name));
        let mut streams = own.map(|name| parse(name));
        let first = streams.next()??;
        streams.all(|stream| stream.as_ref() == Some(&first)).then_some(first)
    }

    /// As few content sets as tell the same: what matching looks at.
    pub(crate) fn deciding(distribution: &Distribution) -> Vec<String> {
        let first = || distribution.content_sets.iter().find(|name| is_of_distribution(name)).cloned();
        Self::of(distribution).and_then(|_| first()).into_iter().collect()
    }

    /// Whether builds of this stream carry this mark: `.el9_2`, or `+el9.2.0` of modules.
    fn has_mark(&self, mark: &str) -> bool {
        let Self { major, minor } = self;
        mark == format!(".el{major}_{minor}")
            || mark
                .strip_prefix(&format!("+el{major}.{minor}"))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Whether a repository is of the distribution itself, with packages in it: layered products have names of their own.
fn is_of_distribution(name: &str) -> bool {
    let is_major =
        |rest: &str| rest.split('-').next().is_some_and(|major| major.bytes().all(|byte| byte.is_ascii_digit()));
    name.strip_prefix("rhel-").is_some_and(is_major)
        && ["-baseos-", "-appstream-", "-server-"].iter().any(|part| name.contains(part))
        && !name.contains("-source-")
        && !name.contains("-debug-")
}

/// The stream of a repository; `None` for the main stream.
fn parse(name: &str) -> Option<Stream> {
    let (repository, release) = name.split_once("__")?;
    repository.split('-').find(|word| APART.contains(word))?;
    // On some, the architecture follows.
    let release = release.split("__").next()?;
    let (major, minor) = release.split_once("_DOT_")?;
    let is_number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(minor)).then(|| Stream { major: major.to_owned(), minor: minor.to_owned() })
}

/// Judges a package of `stream` by the builds of its stream, where an advisory has one, instead of those of the main stream.
pub(super) fn settle(stream: &Stream, package: &Package, query: &Query<'_>, opinions: &mut [Opinion]) {
    let mark = |statement: &Statement| {
        statement.qualifiers.iter().find_map(|qualifier| match qualifier {
            Qualifier::Build(mark) => Some(mark.clone()),
            _ => None,
        })
    };
    let mut answered: BTreeSet<(Arc<str>, String)> = BTreeSet::new();
    let key = |opinion: &Opinion| (Arc::clone(&opinion.namespace), opinion.statement.advisory.clone());
    for opinion in opinions.iter_mut() {
        if !mark(&opinion.statement).is_some_and(|mark| stream.has_mark(&mark)) {
            continue;
        }
        let mut statement = Statement::clone(&opinion.statement);
        statement.qualifiers.retain(|qualifier| !matches!(qualifier, Qualifier::Build(_)));
        let advisory = opinion.advisory.as_deref();
        opinion.outcome = outcome::outcome(&statement, advisory, &opinion.compared_version, query.epoch, package);
        opinion.statement = Arc::new(statement);
        if !matches!(opinion.outcome, Outcome::OtherArchitecture | Outcome::OtherModule | Outcome::OtherBuild) {
            answered.insert(key(opinion));
        }
    }
    let is_of_others =
        |opinion: &Opinion| mark(&opinion.statement).is_none() && !opinion.statement.fix.versions.is_empty();
    let of_stream = |opinion: &Opinion| {
        opinion
            .statement
            .fix
            .versions
            .iter()
            .all(|fixed| crate::providers::rhel::mark(fixed).is_some_and(|mark| stream.has_mark(mark)))
    };
    for opinion in opinions.iter_mut().filter(|opinion| opinion.outcome == Outcome::Affected) {
        if is_of_others(opinion) && answered.contains(&key(opinion)) && !of_stream(opinion) {
            opinion.outcome = Outcome::OtherBuild;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(sets: &[&str]) -> Option<String> {
        let content_sets = sets.iter().map(|set| (*set).to_owned()).collect();
        let distribution = Distribution { id: "rhel".to_owned(), content_sets, ..Distribution::default() };
        Stream::of(&distribution).map(|stream| format!("{}.{}", stream.major, stream.minor))
    }

    #[test]
    fn repositories_tell_the_stream() {
        const BASE: &str = "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2";
        const APP: &str = "rhel-9-for-x86_64-appstream-eus-rpms__9_DOT_2";
        for (sets, want) in [
            (&[BASE, APP][..], Some("9.2")),
            (&[BASE, "rhocp-4.16-for-rhel-9-x86_64-rpms"], Some("9.2")),
            (&["rhel-7-server-eus-rpms__7_DOT_6__x86_64"], Some("7.6")),
            (&["rhel-8-for-x86_64-baseos-e4s-rpms__8_DOT_6"], Some("8.6")),
            // The main stream, and what is of both.
            (&["rhel-9-for-x86_64-baseos-rpms", "rhel-9-for-x86_64-appstream-rpms"], None),
            (&[BASE, "rhel-9-for-x86_64-appstream-rpms"], None),
            (&[BASE, "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_4"], None),
            (&["rhel-9-for-x86_64-baseos-rpms__9_DOT_2"], None),
            (&["rhocp-4.16-for-rhel-9-x86_64-rpms"], None),
            (&["rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_"], None),
            (&["rhel-é"], None),
            (&[], None),
        ] {
            assert_eq!(stream(sets).as_deref(), want, "{sets:?}");
        }
        let nine = Stream { major: "9".to_owned(), minor: "2".to_owned() };
        for (mark, want) in [(".el9_2", true), (".el9_20", false), ("+el9.2.0", true), ("+el9.20.0", false)] {
            assert_eq!(nine.has_mark(mark), want, "{mark}");
        }
    }
}
