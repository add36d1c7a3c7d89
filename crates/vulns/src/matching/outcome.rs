//! What a statement means for a version.

use std::collections::HashMap;

use killick_model::advisory::{Advisory, AdvisoryKind, Level, Qualifier, Statement, Verdict};
use killick_model::matching::{FixState, SuppressionReason};
use killick_model::package::{Package, PackageDetails};
use killick_model::problem::Problem;
use killick_model::version::Scheme;
use killick_model::version::range::Epoch;
use serde::Serialize;

use super::codeless;
use super::identity::Identity;
use super::opinion::Opinion;
use crate::names;

/// What a statement means for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is affected.
    Affected,
    /// It contains the fix.
    Fixed,
    /// The vendor says the package is not affected.
    NotAffected,
    /// No affected range contains it.
    OutsideRange,
    /// It is about builds for another architecture.
    OtherArchitecture,
    /// It is about another stream of a module.
    OtherModule,
    /// It is about other builds, slots or platforms, or its fix is of a line of versions that this one is not of.
    OtherBuild,
    /// It would be affected, but the advisory was taken back.
    Withdrawn,
    /// Nobody has decided yet.
    UnderInvestigation,
    /// It is affected by name, but holds none of the affected code.
    NoAffectedCode,
    /// A program links none of what is flawed in a module.
    NotLinked,
    /// The advisory is about something other than a vulnerability.
    NotAVulnerability,
    /// The version cannot be compared.
    Unjudged,
}

impl Outcome {
    /// Why it does not count, where that is worth keeping.
    pub(crate) const fn suppression(self) -> Option<SuppressionReason> {
        match self {
            Self::Fixed => Some(SuppressionReason::Fixed),
            Self::NotAffected => Some(SuppressionReason::NotAffected),
            Self::Withdrawn => Some(SuppressionReason::Withdrawn),
            Self::NoAffectedCode => Some(SuppressionReason::NoAffectedCode),
            Self::NotLinked => Some(SuppressionReason::NotLinked),
            Self::Affected
            | Self::OutsideRange
            | Self::OtherArchitecture
            | Self::OtherModule
            | Self::OtherBuild
            | Self::UnderInvestigation
            | Self::NotAVulnerability
            | Self::Unjudged => None,
        }
    }
}

pub(crate) fn outcome(
    statement: &Statement,
    advisory: Option<&Advisory>,
    version: &str,
    epoch: Epoch,
    package: &Package,
) -> Outcome {
    if let Some(qualifier) = unmet(statement, package) {
        return match qualifier {
            Qualifier::Architectures(_) => Outcome::OtherArchitecture,
            Qualifier::Module(_) => Outcome::OtherModule,
            _ => Outcome::OtherBuild,
        };
    }
    let has_lines = matches!(statement.versions.scheme, Scheme::Rpm | Scheme::Dpkg);
    if has_lines && other_build(statement, version) {
        return Outcome::OtherBuild;
    }
    match (statement.versions.contains_with(version, epoch), statement.verdict) {
        (None, _) => Outcome::Unjudged,
        _ if is_of_unknown_base(package) => Outcome::Unjudged,
        (Some(false), Verdict::Affected) if statement.fix.state == FixState::Fixed => {
            if is_after_a_fix(statement, version, epoch) { Outcome::Fixed } else { Outcome::OutsideRange }
        }
        (Some(false), _) => Outcome::OutsideRange,
        (Some(true), Verdict::NotAffected) => Outcome::NotAffected,
        (Some(true), Verdict::UnderInvestigation) => Outcome::UnderInvestigation,
        (Some(true), Verdict::Affected) => match advisory {
            Some(advisory) if advisory.status.is_void() => Outcome::Withdrawn,
            Some(advisory) if matches!(advisory.kind, AdvisoryKind::Unmaintained | AdvisoryKind::Notice) => {
                Outcome::NotAVulnerability
            }
            _ if codeless::is_codeless(statement, package) => Outcome::NoAffectedCode,
            _ => Outcome::Affected,
        },
    }
}

/// Whether the version of a main module of Go is a revision that comes after nobody knows which version: it would be
/// before every fix. The toolchain writes so too, where it sees no tags.
pub(super) fn is_of_unknown_base(package: &Package) -> bool {
    let PackageDetails::Go { main: true, version_from, .. } = &package.details else { return false };
    version_from.as_deref() == Some("vcs.revision") || package.version.starts_with("v0.0.0-")
}

/// The first condition of a statement that a package does not fulfil.
pub(crate) fn unmet<'a>(statement: &'a Statement, package: &Package) -> Option<&'a Qualifier> {
    statement.qualifiers.iter().find(|qualifier| !is_met(qualifier, package))
}

fn is_met(qualifier: &Qualifier, package: &Package) -> bool {
    match qualifier {
        Qualifier::Architectures(wanted) => {
            package.architecture.as_ref().is_none_or(|architecture| wanted.contains(architecture))
        }
        Qualifier::Module(wanted) => is_of_module(package, wanted),
        Qualifier::RunningOn(cpes) => cpes.iter().any(|cpe| may_be_in_an_image(cpe)),
        Qualifier::Slots { among, names } => is_in_slot(package, *among, names),
        Qualifier::Build(mark) => has_mark(&package.version, mark),
        // Which repository a package is from is not known. What a program links is asked last.
        Qualifier::Repository(_) | Qualifier::GoImport { .. } => true,
    }
}

/// Whether a package is of the module stream `name:stream`. Rebuilds of modules lose their label at times; that they
/// are of some module is seen in their version then.
fn is_of_module(package: &Package, wanted: &str) -> bool {
    let label = match &package.details {
        PackageDetails::Rpm { module, .. } => module.as_deref(),
        _ => None,
    };
    match label {
        Some(label) => label.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')),
        None => package.version.contains(".module"),
    }
}

/// Whether what this CPE names may be what an image runs on. Images are of Linux; which programs run beside each other,
/// and which one of them it takes, is not known.
fn may_be_in_an_image(cpe: &str) -> bool {
    let Some(attributes) = names::cpe_attributes(cpe) else { return true };
    let at = |at: usize| attributes.get(at).map_or("", String::as_str);
    match (at(0), at(1)) {
        ("h", _) | ("o", "apple") => false,
        ("o", "microsoft") => !at(2).starts_with("windows"),
        ("o", "google") => at(2) != "android",
        _ => true,
    }
}

/// Whether a package is in one of the slots, or in none of them. Packages that do not tell theirs may be in any.
fn is_in_slot(package: &Package, among: bool, names: &[String]) -> bool {
    let PackageDetails::Portage { slot: Some(slot), .. } = &package.details else { return true };
    let slot = slot.split('/').next().unwrap_or_default();
    names.iter().any(|name| name == slot) == among
}

/// Whether a version carries the mark of a build, `.el9_2` but not `.el9_20`.
fn has_mark(version: &str, mark: &str) -> bool {
    let is_number = |rest: &str| rest.starts_with(|next: char| next.is_ascii_digit());
    version.match_indices(mark).any(|(at, _)| {
        let rest = version.get(at + mark.len()..).unwrap_or_default();
        !mark.ends_with(|last: char| last.is_ascii_digit()) || !is_number(rest)
    })
}

/// Marks of builds whose versions do not compare with those of plain builds: module streams, kernels that are patched
/// while they run, validated cryptography.
const LINES: &[&str] = &[".module", ".ksplice", "fips", "Fips"];

/// Whether the fixed builds are all of another line than this version.
fn other_build(statement: &Statement, version: &str) -> bool {
    let differs = |line: &str| {
        let is_of_line = version.contains(line);
        statement.fix.versions.iter().all(|fixed| fixed.contains(line) != is_of_line)
    };
    !statement.fix.versions.is_empty() && LINES.iter().any(|line| differs(line))
}

fn is_after_a_fix(statement: &Statement, version: &str, epoch: Epoch) -> bool {
    use killick_model::version::range::{Interval, Range};
    statement.fix.versions.iter().any(|fixed| {
        let before = Range::new(statement.versions.scheme, vec![Interval::before(fixed.as_str())], Vec::new());
        before.contains_with(version, epoch) == Some(false)
    })
}

/// What one advisory says in several rows about one package.
///
/// It may list several builds, one per stream: any of them is the fix. And what it says of a package by name goes
/// before what it says of the source package with all its siblings.
pub(crate) fn settle_builds(opinions: &mut [Opinion]) {
    fn key(opinion: &Opinion) -> (&str, &str) {
        (&opinion.namespace, &opinion.statement.advisory)
    }
    // What an opinion settles: of everything the advisory says, or of what it says of the source package.
    let settles = |opinion: &Opinion| match opinion.outcome {
        Outcome::Fixed if opinion.statement.versions.scheme == Scheme::Rpm => Some(true),
        Outcome::Fixed | Outcome::NotAffected if is_of_build(&opinion.statement) => Some(true),
        Outcome::NotAffected if opinion.statement.level == Level::Binary => Some(false),
        _ => None,
    };
    // By namespace and advisory; updates of a kernel have thousands of rows.
    let mut settled: HashMap<(&str, &str), Vec<(Outcome, bool)>> = HashMap::new();
    for opinion in opinions.iter() {
        if let Some(of_all) = settles(opinion) {
            settled.entry(key(opinion)).or_default().push((opinion.outcome, of_all));
        }
    }
    if settled.is_empty() {
        return;
    }
    let outcome = |opinion: &Opinion| {
        let is_about_it = |(_, of_all): &&(Outcome, bool)| *of_all || opinion.statement.level == Level::Source;
        let found = settled.get(&key(opinion)).filter(|_| opinion.outcome == Outcome::Affected)?;
        found.iter().find(is_about_it).map(|(outcome, _)| *outcome)
    };
    let outcomes: Vec<Option<Outcome>> = opinions.iter().map(outcome).collect();
    for (opinion, outcome) in opinions.iter_mut().zip(outcomes) {
        opinion.outcome = outcome.unwrap_or(opinion.outcome);
    }
}

fn is_of_build(statement: &Statement) -> bool {
    statement.qualifiers.iter().any(|qualifier| matches!(qualifier, Qualifier::Build(_)))
}

/// That some opinions could not be held against the package's version.
pub(crate) fn problem(identity: &Identity<'_>, opinions: &[Opinion]) -> Option<Problem> {
    let mut unjudged = opinions.iter().filter(|opinion| opinion.outcome == Outcome::Unjudged);
    let first = unjudged.next()?;
    let package = identity.package;
    let message = format!(
        "version `{}` cannot be compared as a {} version: {} advisories are not judged, the first is {}",
        first.compared_version,
        first.statement.versions.scheme,
        unjudged.count() + 1,
        first.statement.advisory,
    );
    Some(Problem::new("incomparable-version", format!("{} {}", package.kind, package.name), message))
}
