//! What is said of one package, as a word for machines and as a sentence for people.

use std::collections::BTreeMap;

use killick_model::advisory::{Qualifier, Statement};
use killick_model::matching::{FixState, Linkage, Match, Suppressed, SuppressionReason};
use killick_model::package::Package;
use serde::Serialize;

use super::StatementExplanation;
use crate::matching::Subject;
use crate::matching::outcome::{Outcome, unmet};

/// Why a vulnerability does, or does not, apply to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It applies.
    Applies,
    /// It applies, and the vendor will not fix it.
    WontFix,
    /// It applies because a trusted document says so.
    AppliesByVex,
    /// A trusted document says that it does not, or that it is fixed.
    Vex,
    /// The installed version has the fix.
    Fixed,
    /// No affected range contains the version.
    OutsideRange,
    /// The vendor says that the package is not affected.
    VendorNotAffected,
    /// The vendor has not decided.
    UnderInvestigation,
    /// The distribution package that it belongs to is judged by the distribution.
    OwnedByDistribution,
    /// Headers, documentation or symbols only.
    NoAffectedCode,
    /// The program links none of the flawed functions.
    NotLinked,
    /// The statement is about another architecture.
    OtherArchitecture,
    /// The statement is about another module stream.
    OtherModule,
    /// The statement is about other builds, slots or platforms.
    OtherBuild,
    /// The advisory was withdrawn, or its id rejected.
    Withdrawn,
    /// The advisory is about something else than a vulnerability.
    NotAVulnerability,
    /// The versions cannot be compared.
    IncomparableVersion,
}

impl Why {
    pub(super) fn of(outcome: Outcome, matched: Option<&Match>, suppressed: Option<&Suppressed>) -> Self {
        if let Some(found) = matched {
            return match () {
                () if found.evidence.first().is_some_and(|evidence| evidence.provider == "vex") => Self::AppliesByVex,
                () if found.fix.state == FixState::WontFix => Self::WontFix,
                () => Self::Applies,
            };
        }
        if let Some(suppressed) = suppressed {
            return match suppressed.reason {
                SuppressionReason::Fixed => Self::Fixed,
                SuppressionReason::NotAffected => Self::VendorNotAffected,
                SuppressionReason::OutsideRange => Self::OutsideRange,
                SuppressionReason::Withdrawn => Self::Withdrawn,
                SuppressionReason::OwnedByDistribution => Self::OwnedByDistribution,
                SuppressionReason::NoAffectedCode => Self::NoAffectedCode,
                SuppressionReason::NotLinked => Self::NotLinked,
                SuppressionReason::Vex => Self::Vex,
            };
        }
        match outcome {
            // It would be a match, were its id not rejected.
            Outcome::Affected | Outcome::Withdrawn => Self::Withdrawn,
            Outcome::Fixed => Self::Fixed,
            Outcome::NotAffected => Self::VendorNotAffected,
            Outcome::OutsideRange => Self::OutsideRange,
            Outcome::OtherArchitecture => Self::OtherArchitecture,
            Outcome::OtherModule => Self::OtherModule,
            Outcome::OtherBuild => Self::OtherBuild,
            Outcome::UnderInvestigation => Self::UnderInvestigation,
            Outcome::NoAffectedCode => Self::NoAffectedCode,
            Outcome::NotLinked => Self::NotLinked,
            Outcome::NotAVulnerability => Self::NotAVulnerability,
            Outcome::Unjudged => Self::IncomparableVersion,
        }
    }

    /// Whether nothing is settled by it.
    pub const fn leaves_open(self) -> bool {
        matches!(self, Self::IncomparableVersion | Self::UnderInvestigation)
    }
}

/// The sentence.
pub(super) fn text(
    why: Why,
    subject: Subject<'_>,
    package: &Package,
    statements: &[StatementExplanation],
    matched: Option<&Match>,
    suppressed: Option<&Suppressed>,
) -> String {
    let first = statements.first();
    let provider = first.map_or("the index", |statement| statement.evidence.provider.as_str());
    let compared = first.map_or_else(String::new, |statement| {
        let evidence = &statement.evidence;
        format!("version {} by {} order against {}", evidence.compared_version, evidence.scheme, evidence.affected)
    });
    let condition = first.and_then(|statement| statement.condition.as_deref()).unwrap_or("another build");
    let fixed = first.map(|statement| statement.fixed_versions.join(" or ")).filter(|versions| !versions.is_empty());
    match why {
        Why::Applies | Why::WontFix | Why::AppliesByVex => {
            matched.map_or_else(String::new, |found| applies(found, why))
        }
        Why::Vex => match suppressed.and_then(|suppressed| suppressed.claim.as_ref()) {
            Some(claim) => format!(
                "does not apply: `{}` says in {} of {}: {}",
                claim.issuer,
                claim.document,
                claim.product,
                claim.describe()
            ),
            None => "does not apply: a trusted document says so".to_owned(),
        },
        Why::Fixed => match fixed {
            Some(fixed) => format!("does not apply: the installed version has the fix, which came with {fixed}"),
            None => "does not apply: the installed version has the fix".to_owned(),
        },
        Why::OutsideRange => format!("does not apply: the version is outside the affected range ({compared})"),
        Why::VendorNotAffected => format!("does not apply: {provider} says that the package is not affected"),
        Why::UnderInvestigation => format!("is not decided: {provider} is still investigating"),
        Why::OwnedByDistribution => {
            let owner = package.owner.and_then(|owner| subject.packages.get(owner.0 as usize));
            let owner = owner.map_or("a package of the distribution", |owner| owner.name.as_str());
            format!("does not apply: the file belongs to {owner}, for which the distribution answers")
        }
        Why::NoAffectedCode => {
            let source = package.source_name();
            format!("does not apply: the package holds headers, documentation or symbols, none of the code of {source}")
        }
        Why::NotLinked => "does not apply: not linked: the program has none of the flawed functions".to_owned(),
        Why::OtherArchitecture | Why::OtherModule | Why::OtherBuild => {
            format!("does not apply: {provider}'s statement is about {condition}")
        }
        Why::Withdrawn => "does not apply: the advisory was withdrawn, or its id rejected".to_owned(),
        Why::NotAVulnerability => "does not apply: the advisory is about no vulnerability".to_owned(),
        Why::IncomparableVersion => {
            let scheme = first.map_or("", |statement| statement.evidence.scheme.as_str());
            format!("is not judged: the version cannot be compared as a {scheme} version")
        }
    }
}

fn applies(found: &Match, why: Why) -> String {
    let mut text = format!("applies, severity {}", found.severity);
    if let Some(source) = &found.severity_source {
        text.push_str(&format!(" by {source}"));
    }
    let fix = match found.fix.state {
        FixState::Fixed => format!("fixed in {}", found.fix.versions.join(" or ")),
        FixState::WontFix => "the vendor will not fix it".to_owned(),
        FixState::Deferred => "the vendor has put off the fix".to_owned(),
        FixState::NotFixed => "there is no fix for this release".to_owned(),
        FixState::Unknown => "nobody says whether there is a fix".to_owned(),
    };
    text = format!("{text}: {fix}");
    if why == Why::AppliesByVex
        && let Some(claim) = found.claims.first()
    {
        text = format!("{text}; `{}` says in {}: {}", claim.issuer, claim.document, claim.describe());
    }
    if found.evidence.first().is_some_and(|evidence| evidence.linkage == Some(Linkage::Unknown)) {
        text.push_str("; only some functions are flawed, and whether the program links them is not known");
    }
    text
}

/// The condition of a statement that a package does not fulfil, for people.
pub(super) fn condition(statement: &Statement, package: &Package) -> Option<String> {
    Some(match unmet(statement, package)? {
        Qualifier::Architectures(names) => format!("builds for {} alone", names.join(", ")),
        Qualifier::Module(stream) => format!("the module stream {stream}"),
        Qualifier::Build(mark) => format!("builds marked {mark}"),
        Qualifier::Slots { among: true, names } => format!("the slots {}", names.join(", ")),
        Qualifier::Slots { among: false, names } => format!("other slots than {}", names.join(", ")),
        Qualifier::RunningOn(systems) => format!("what runs on {}", systems.join(", ")),
        Qualifier::Repository(name) => format!("the repository {name}"),
        Qualifier::GoImport { path, .. } => format!("programs that import {path}"),
    })
}

/// Whether the sources agree, where there are several.
pub(super) fn sources(statements: &[StatementExplanation]) -> Option<String> {
    let mut says: BTreeMap<bool, Vec<&str>> = BTreeMap::new();
    for statement in statements {
        let providers = says.entry(statement.outcome == Outcome::Affected).or_default();
        let provider = statement.evidence.provider.as_str();
        if !providers.contains(&provider) {
            providers.push(provider);
        }
    }
    let of = |is_affected: bool| says.get(&is_affected).cloned().unwrap_or_default();
    let (affected, not) = (of(true), of(false));
    match (affected.as_slice(), not.as_slice()) {
        ([one], [other]) if one == other => None,
        ([], several @ [_, _, ..]) => Some(format!("{} agree that it is not affected", several.join(" and "))),
        (several @ [_, _, ..], []) => Some(format!("{} agree that it is affected", several.join(" and "))),
        ([_, ..], [_, ..]) => {
            let verb = |names: &[&str]| if names.len() == 1 { "says" } else { "say" };
            let both = (affected.join(" and "), not.join(" and "));
            Some(format!(
                "the sources disagree: {} {} affected, {} {} not",
                both.0,
                verb(&affected),
                both.1,
                verb(&not)
            ))
        }
        _ => None,
    }
}
