//! What a statement means for a version.

use killick_model::advisory::{Advisory, AdvisoryKind, Qualifier, Statement, Verdict};
use killick_model::matching::{FixState, SuppressionReason};
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::problem::Problem;
use killick_model::version::Scheme;
use killick_model::version::range::Epoch;
use serde::Serialize;

use super::identity::Identity;
use super::opinion::Opinion;

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
    /// It would be affected, but the advisory was taken back.
    Withdrawn,
    /// Nobody has decided yet.
    UnderInvestigation,
    /// It is affected by name, but holds none of the affected code.
    NoAffectedCode,
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
            Self::Affected
            | Self::OutsideRange
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
    if !qualifies(statement, package) || (statement.versions.scheme == Scheme::Rpm && other_build(statement, version)) {
        return Outcome::OutsideRange;
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
            _ if holds_no_code(package) => Outcome::NoAffectedCode,
            _ => Outcome::Affected,
        },
    }
}

/// Whether the version of a main module of Go is a revision that comes after nobody knows which version: it would be
/// before every fix. The toolchain writes so too, where it sees no tags.
fn is_of_unknown_base(package: &Package) -> bool {
    let PackageDetails::Go { main: true, version_from, .. } = &package.details else { return false };
    version_from.as_deref() == Some("vcs.revision") || package.version.starts_with("v0.0.0-")
}

fn qualifies(statement: &Statement, package: &Package) -> bool {
    statement.qualifiers.iter().all(|qualifier| match qualifier {
        Qualifier::Architectures(wanted) => {
            package.architecture.as_ref().is_none_or(|architecture| wanted.contains(architecture))
        }
        // Which symbols a binary links, which repository or module stream a package is from: not known yet.
        Qualifier::Module(_) | Qualifier::Repository(_) | Qualifier::GoImport { .. } => true,
    })
}

/// A build for a module stream and a plain build have versions that do not compare.
fn other_build(statement: &Statement, version: &str) -> bool {
    let modular = |version: &str| version.contains(".module");
    !statement.fix.versions.is_empty() && statement.fix.versions.iter().all(|fixed| modular(fixed) != modular(version))
}

fn is_after_a_fix(statement: &Statement, version: &str, epoch: Epoch) -> bool {
    use killick_model::version::range::{Interval, Range};
    statement.fix.versions.iter().any(|fixed| {
        let before = Range::new(statement.versions.scheme, vec![Interval::before(fixed.as_str())], Vec::new());
        before.contains_with(version, epoch) == Some(false)
    })
}

/// Kernel headers are not the kernel, and documentation and debugging symbols do not run.
fn holds_no_code(package: &Package) -> bool {
    if !package.kind.is_os() {
        return false;
    }
    let (name, source) = (package.name.as_str(), package.source_name());
    let kernel =
        source == "linux" || source.starts_with("linux-") || source == "kernel" || source.starts_with("kernel-");
    let headers = ["linux-libc-dev", "linux-headers", "linux-kbuild", "linux-compiler", "kernel-headers"];
    let suffixes: &[&str] = match package.kind {
        PackageKind::Rpm => &["-debuginfo", "-debugsource", "-doc"],
        _ => &["-dbg", "-dbgsym", "-doc", "-locale"],
    };
    (kernel && headers.iter().any(|prefix| name.starts_with(prefix)))
        || (source != name && suffixes.iter().any(|suffix| name.ends_with(suffix)))
}

/// One advisory may list several builds of one package, one per stream: any of them is the fix.
pub(crate) fn settle_builds(opinions: &mut [Opinion]) {
    let fixed: Vec<(String, String)> = opinions
        .iter()
        .filter(|opinion| opinion.outcome == Outcome::Fixed && opinion.statement.versions.scheme == Scheme::Rpm)
        .map(|opinion| (opinion.namespace.clone(), opinion.statement.advisory.clone()))
        .collect();
    for opinion in opinions.iter_mut().filter(|opinion| opinion.outcome == Outcome::Affected) {
        if fixed.iter().any(|(namespace, id)| *namespace == opinion.namespace && *id == opinion.statement.advisory) {
            opinion.outcome = Outcome::Fixed;
        }
    }
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
