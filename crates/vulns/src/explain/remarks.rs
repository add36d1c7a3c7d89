//! What is said of the image as a whole: why no package has to do with the vulnerability, and why that may be wrong.

use std::collections::BTreeSet;

use killick_model::lifecycle::Support;
use killick_model::package::PackageId;
use serde::Serialize;

use super::asked::Asked;
use super::{AdvisorySummary, PackageExplanation, Question};
use crate::index::{Coverage, Index, IndexError};
use crate::matching::Judged;
use crate::{lifecycle, namespaces};

/// Names that advisories give, and packages that are like them, at most.
const MAX_SHOWN: usize = 10;

/// Packages of the index that are compared with those of the image.
const MAX_NAMES: usize = 500;

/// Something to be said of the image as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What it is.
    pub kind: RemarkKind,
    /// The same as a sentence.
    pub text: String,
    /// Names that the advisories give the package.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Packages of the image with names like these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<PackageId>,
    /// Vulnerabilities and advisories with names like the one that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub similar: Vec<String>,
}

/// Kinds of remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// The index does not know the vulnerability.
    UnknownVulnerability,
    /// It is an advisory of another distribution, or for another release.
    OtherDistribution,
    /// No package that the advisories name is in the image.
    NotInstalled,
    /// The index has no data for the distribution, or for a kind of packages.
    NoData,
    /// The distribution's data tell of fixes only: what they do not tell may be there.
    FixesOnly,
    /// The distribution is past the end of its support.
    EndOfLife,
    /// Something of the image could not be read or judged.
    Incomplete,
}

impl RemarkKind {
    /// Whether the vulnerability may apply although nothing was found.
    pub const fn leaves_open(self) -> bool {
        !matches!(self, Self::NotInstalled | Self::OtherDistribution)
    }
}

impl Remark {
    fn new(kind: RemarkKind, text: String) -> Self {
        Self { kind, text, names: Vec::new(), nearest: Vec::new(), similar: Vec::new() }
    }
}

pub(super) fn remarks(
    index: &Index,
    question: &Question<'_>,
    judged: &Judged<'_>,
    asked: &Asked,
    wanted: &BTreeSet<String>,
    advisories: &[AdvisorySummary],
    packages: &[PackageExplanation],
) -> Result<Vec<Remark>, IndexError> {
    let mut found = Vec::new();
    let own = question.subject.distribution.map(namespaces::of_distribution).unwrap_or_default();
    let is_of_release = |namespace: &&String| namespace.contains(':');
    if let Some(other) = asked.namespaces.iter().find(is_of_release)
        && !asked.namespaces.iter().any(|namespace| own.contains(namespace))
    {
        let text = format!(
            "it is an advisory for {other}, not for this image: what follows is about the vulnerabilities it fixes"
        );
        found.push(Remark::new(RemarkKind::OtherDistribution, text));
    }
    let is_known = !advisories.is_empty() || !asked.vulnerabilities.is_empty() || !packages.is_empty();
    if !is_known && !is_enriched(index, wanted)? {
        let mut text =
            "the advisory index does not know it: that is no proof that the image is safe from it".to_owned();
        if !asked.similar.is_empty() {
            let names: Vec<String> = asked.similar.iter().map(|name| format!("`{name}`")).collect();
            text = format!("{text}; names like it that it knows: {}", names.join(", "));
        }
        let similar = asked.similar.clone();
        found.push(Remark { similar, ..Remark::new(RemarkKind::UnknownVulnerability, text) });
    } else if packages.is_empty() {
        found.push(not_installed(index, question, wanted)?);
    }
    let no_data = judged.problems.iter().filter(|problem| problem.kind == "no-data");
    found.extend(no_data.map(|problem| Remark::new(RemarkKind::NoData, problem.message.clone())));
    let has_os = question.subject.packages.iter().any(|package| package.kind.is_os());
    if let Some(distribution) = question.subject.distribution.filter(|_| has_os) {
        let mut segments = index.manifest().segments.iter();
        let names = namespaces::of_distribution(distribution);
        let is_known = segments.clone().any(|segment| names.contains(&segment.namespace));
        let is_complete = segments.any(|s| names.contains(&s.namespace) && s.coverage == Coverage::Full);
        // Where the distribution has judged a package of its own, its silence is not the question.
        let is_judged = packages.iter().any(|explained| {
            let package = question.subject.packages.get(explained.package.0 as usize);
            package.is_some_and(|package| package.kind.is_os())
        });
        if is_known && !is_complete && !is_judged {
            let label = distribution.label();
            let text = format!("the data for {label} tell of fixes only: that they do not name it says nothing");
            found.push(Remark::new(RemarkKind::FixesOnly, text));
        }
    }
    let ended = lifecycle::unsupported(index, question.subject, question.now)?;
    if let Some(ended) = ended.iter().find(|ended| ended.packages.is_empty() && ended.support == Support::Ended) {
        let text = format!(
            "{} {} is past the end of its support: vulnerabilities found since may be missing from its data",
            ended.product, ended.cycle
        );
        found.push(Remark::new(RemarkKind::EndOfLife, text));
    }
    if let [first, rest @ ..] = question.problems {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        let text = format!(
            "the analysis of the image is incomplete ({}: {}{more}): what was not read is not judged",
            first.subject, first.message
        );
        found.push(Remark::new(RemarkKind::Incomplete, text));
    }
    Ok(found)
}

/// Whether some source rates the vulnerability, though none tells of packages.
fn is_enriched(index: &Index, wanted: &BTreeSet<String>) -> Result<bool, IndexError> {
    for segment in 0..index.manifest().segments.len() {
        for name in wanted {
            if !index.enrichment(segment, name)?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn not_installed(index: &Index, question: &Question<'_>, wanted: &BTreeSet<String>) -> Result<Remark, IndexError> {
    let own = question.subject.distribution.map(namespaces::of_distribution).unwrap_or_default();
    let mut by_distribution = BTreeSet::new();
    let mut by_ecosystem = BTreeSet::new();
    let mut elsewhere = BTreeSet::new();
    for (at, segment) in index.manifest().segments.iter().enumerate() {
        let names = match () {
            () if own.contains(&segment.namespace) => &mut by_distribution,
            // Ecosystems are named by OSV: they have no release.
            () if !segment.namespace.contains(':') || segment.ecosystem == namespaces::CPE => &mut by_ecosystem,
            () => &mut elsewhere,
        };
        if names.len() < MAX_NAMES {
            names.extend(named(index, at, wanted)?);
        }
    }
    let is_of_others = by_distribution.is_empty() && by_ecosystem.is_empty();
    let names: BTreeSet<String> =
        if is_of_others { elsewhere } else { by_distribution.into_iter().chain(by_ecosystem).collect() };
    let nearest = nearest(question, &names);
    let shown = |names: Vec<&str>| names.into_iter().take(MAX_SHOWN).collect::<Vec<_>>().join(", ");
    let mut text = match () {
        () if names.is_empty() => "no advisory names a package: it is known by its ratings only".to_owned(),
        () if is_of_others => format!(
            "other distributions name {}; no source that speaks of this image's packages does",
            shown(names.iter().map(String::as_str).collect())
        ),
        () => format!("not installed: the advisories name {}", shown(names.iter().map(String::as_str).collect())),
    };
    let like: Vec<&str> = nearest
        .iter()
        .filter_map(|id| question.subject.packages.get(id.0 as usize))
        .map(|package| package.name.as_str())
        .collect();
    if !names.is_empty() {
        text.push_str(&if like.is_empty() {
            ", and no package of the image has a name like it".to_owned()
        } else {
            format!("; the nearest names in the image are {}", shown(like))
        });
    }
    let names = names.into_iter().take(MAX_NAMES).collect();
    Ok(Remark { names, nearest, ..Remark::new(RemarkKind::NotInstalled, text) })
}

/// Names of packages that statements of a segment connect with the vulnerability.
fn named(index: &Index, segment: usize, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>, IndexError> {
    let mut ids = BTreeSet::new();
    for name in wanted {
        if !index.advisories(segment, name)?.is_empty() {
            ids.insert(name.clone());
        }
        ids.extend(index.aliases(segment, name)?);
    }
    let mut found = BTreeSet::new();
    for id in ids {
        found.extend(index.names(segment, &id)?.into_iter().filter(|name| !name.starts_with(':')));
    }
    Ok(found.into_iter().take(MAX_NAMES).collect())
}

/// Packages of the image whose names are like one of these, the most alike first.
fn nearest(question: &Question<'_>, names: &BTreeSet<String>) -> Vec<PackageId> {
    let mut found: Vec<(usize, &str, PackageId)> = Vec::new();
    for (at, package) in question.subject.packages.iter().enumerate() {
        let own = [package.name.as_str(), package.source_name()];
        let distance = names.iter().flat_map(|name| own.iter().filter_map(|own| likeness(name, own))).min();
        if let (Some(distance), Ok(at)) = (distance, u32::try_from(at)) {
            found.push((distance, &package.name, PackageId(at)));
        }
    }
    found.sort_unstable();
    found.dedup_by(|a, b| a.1 == b.1);
    found.into_iter().take(MAX_SHOWN / 2).map(|(.., id)| id).collect()
}

/// How far two names are from each other; `None` where they have nothing in common.
fn likeness(a: &str, b: &str) -> Option<usize> {
    /// Shorter names are like anything.
    const LETTERS: usize = 3;
    /// Longer ones are no names.
    const MOST: usize = 100;
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    if a.len().min(b.len()) < LETTERS || a.len().max(b.len()) > MOST {
        return None;
    }
    if a.contains(&b) || b.contains(&a) {
        return Some(a.len().abs_diff(b.len()));
    }
    let distance = edits(&a, &b);
    (distance <= 2 && a.len().min(b.len()) > LETTERS).then_some(distance)
}

/// Letters to insert, delete or exchange to make one of the other (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.iter().skip(1)) {
            let exchange = diagonal + usize::from(letter != *other);
            left = exchange.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_like_each_other() {
        for (a, b, want) in [
            ("openssl", "openssl", Some(0)),
            ("openssl", "libopenssl", Some(3)),
            ("openssl", "opensl", Some(1)),
            ("kitten", "sitten", Some(1)),
            ("openssl", "gnutls", None),
            ("go", "golang", None),
            ("curl", "cURL", Some(0)),
            ("abc", "abd", None),
        ] {
            assert_eq!(likeness(a, b), want, "{a} {b}");
        }
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }
}
