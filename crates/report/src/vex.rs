//! What a report says as VEX: each match and each suppression as a statement.
//!
//! A statement says no more than is known:
//!
//! - A match is *affected*, with what to do about it; under investigation where it rests on a guess: a CPE, a name alone,
//!   functions of which nobody knows whether they are linked.
//! - That the version has the fix is *fixed*. That the vendor says so, or that the advisory was withdrawn, is *not
//!   affected* with these words and without one of the five justifications, because nobody gave one.
//! - Packages without code, and programs that do not link what is flawed, are *not affected*: `vulnerable_code_not_present`.
//! - What belongs to a distribution package is under investigation: the distribution answers for its owner, not for it.
//! - What somebody's document says is said again as it was.

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::matching::{Confidence, Fix, FixState, Linkage, Match, Suppressed, SuppressionReason};
use killick_model::package::PackageId;
use killick_model::vex::{Justification, VexClaim, VexStatus};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::formats::Report;

/// What is said of one package and one vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) package: PackageId,
    pub(crate) vulnerability: &'a str,
    pub(crate) aliases: &'a [String],
    pub(crate) status: VexStatus,
    pub(crate) justification: Option<Justification>,
    /// Why, or what to do.
    pub(crate) words: String,
    /// When it was said, where somebody else said it.
    pub(crate) said_at: Option<Timestamp>,
}

/// All statements of a report, those about matches first.
pub(crate) fn statements<'a>(report: &Report<'a>) -> impl Iterator<Item = Statement<'a>> {
    let analysis = report.analysis;
    let of_matches = report.matches.into_iter().flat_map(|matches| &matches.matches);
    let of_suppressed = report.matches.into_iter().flat_map(|matches| &matches.suppressed);
    of_matches.map(move |found| matched(analysis, found)).chain(of_suppressed.map(suppressed))
}

/// What is said of a match.
pub(crate) fn matched<'a>(analysis: &Analysis, found: &'a Match) -> Statement<'a> {
    let claim = found.claims.first().filter(|claim| claim.trusted && claim.status == VexStatus::Affected);
    let is_guess = found.evidence.first().is_some_and(|evidence| {
        matches!(evidence.confidence, Confidence::Cpe | Confidence::Name) || evidence.linkage == Some(Linkage::Unknown)
    });
    let (status, words) = match claim {
        Some(claim) => (VexStatus::Affected, words(claim)),
        None if is_guess => (VexStatus::UnderInvestigation, "whether it applies was only guessed".to_owned()),
        None => (VexStatus::Affected, action(&analysis.package(found.package).name, &found.fix)),
    };
    Statement {
        package: found.package,
        vulnerability: &found.vulnerability,
        aliases: &found.aliases,
        status,
        justification: None,
        words,
        said_at: claim.and_then(|claim| claim.said_at),
    }
}

/// What is said of something that does not apply.
pub(crate) fn suppressed(found: &Suppressed) -> Statement<'_> {
    let evidence = &found.evidence;
    let not_present = (VexStatus::NotAffected, Some(Justification::VulnerableCodeNotPresent));
    let ((status, justification), words) = match (found.reason, &found.claim) {
        (SuppressionReason::Vex, Some(claim)) => ((claim.status, claim.justification), words(claim)),
        (SuppressionReason::Vex, None) => ((VexStatus::NotAffected, None), "somebody says so".to_owned()),
        (SuppressionReason::Fixed, _) => {
            ((VexStatus::Fixed, None), format!("{} has the fix ({})", evidence.compared_version, evidence.advisory))
        }
        (SuppressionReason::NotAffected, _) => (
            (VexStatus::NotAffected, None),
            format!("the data of {} say so ({})", evidence.namespace, evidence.advisory),
        ),
        (SuppressionReason::OutsideRange, _) => (
            (VexStatus::NotAffected, None),
            format!("{} is not within {} ({})", evidence.compared_version, evidence.affected, evidence.advisory),
        ),
        (SuppressionReason::Withdrawn, _) => {
            ((VexStatus::NotAffected, None), format!("the advisory {} was withdrawn", evidence.advisory))
        }
        (SuppressionReason::OwnedByDistribution, _) => (
            (VexStatus::UnderInvestigation, None),
            "it belongs to a package of the distribution, which answers for that package".to_owned(),
        ),
        (SuppressionReason::NoAffectedCode, _) => {
            (not_present, "the package holds headers, documentation or symbols only".to_owned())
        }
        (SuppressionReason::NotLinked, _) => (not_present, "the program links none of the flawed functions".to_owned()),
    };
    let said_at = found.claim.as_ref().and_then(|claim| claim.said_at);
    Statement {
        package: found.package,
        vulnerability: &found.vulnerability,
        aliases: &[],
        status,
        justification,
        words,
        said_at,
    }
}

fn words(claim: &VexClaim) -> String {
    let own = claim.impact.clone().or_else(|| claim.action.clone());
    own.unwrap_or_else(|| format!("`{}` says so in {}", claim.issuer, claim.document))
}

fn action(package: &str, fix: &Fix) -> String {
    match fix.state {
        FixState::Fixed => format!("upgrade {package} to {}", fix.versions.join(" or ")),
        FixState::WontFix => "the vendor will not fix it".to_owned(),
        FixState::Deferred => "the vendor has put off the fix".to_owned(),
        FixState::NotFixed | FixState::Unknown => "no fix is known".to_owned(),
    }
}

/// The package URL of the image: by its digest, under the last part of its name.
pub(crate) fn image_purl(source: &str, digest: &Digest) -> String {
    let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = name.split(['@', ':']).next().unwrap_or_default();
    let name = if name.is_empty() { "image" } else { name }.to_lowercase();
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    // What need not be escaped is left readable.
    let name = escaped(&name).replace("%2D", "-").replace("%2E", ".").replace("%5F", "_");
    format!("pkg:oci/{name}@{}", escaped(&digest.to_string()))
}

/// Who issues what is written: a name, and in angle brackets an address that is theirs.
pub(crate) struct Author<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: Option<&'a str>,
}

impl<'a> Author<'a> {
    pub(crate) fn of(report: Option<&Report<'a>>) -> Self {
        let text = report.and_then(|report| report.author).map(str::trim).filter(|text| !text.is_empty());
        let Some(text) = text else { return Self { name: "unnamed user of Killick", address: None } };
        match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
            Some((name, address)) if !name.trim().is_empty() && !address.trim().is_empty() => {
                Self { name: name.trim(), address: Some(address.trim()) }
            }
            _ => Self { name: text, address: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_by_digest() {
        let digest = Digest::of(b"");
        for (source, name) in [
            ("docker.io/library/app:1.0", "app"),
            ("localhost:5000/team/My-App@sha256:00", "my-app"),
            ("oci-archive:/tmp/some image.tar", "some%20image.tar"),
            ("dir:", "dir"),
            ("/", "image"),
        ] {
            let want = format!("pkg:oci/{name}@sha256%3A{}", digest.hex());
            assert_eq!(image_purl(source, &digest), want, "{source}");
        }
    }
}
