//! What VEX documents say of the vulnerabilities of an image. Not in the original.

use killick_model::matching::SuppressionReason;
use killick_model::package::Package;
use killick_model::vex::VexClaim;

use super::vulnerabilities::{package_part, trigger_ids};
use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::order;
use crate::params::{Parameter, Validator};
use crate::pattern::wildcard;
use crate::plan::Upgrade;

/// The word for a vulnerability of which no document speaks.
const NONE: &str = "none";

pub(super) const GATE: Gate = Gate {
    name: "vex",
    description: "What VEX documents say of vulnerabilities, and who says it. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[Trigger {
        name: "status",
        description: "Fires for each vulnerability whose status by VEX documents is, or is not, on the list. Those that a \
                      trusted document cleared count too.",
        params: &[
            Parameter::required(
                "statuses",
                Validator::SomeOf(&["affected", "fixed", "not_affected", "under_investigation", NONE]),
                Some("under_investigation,none"),
                "Statuses; `none` where no document speaks of it.",
            ),
            Parameter::optional(
                "check",
                Validator::OneOf(&["in", "not_in"]),
                Some("in"),
                "Whether it fires for those on the list or all others. Default: in.",
            ),
            Parameter::optional(
                "trust",
                Validator::OneOf(&["trusted", "untrusted", "any"]),
                Some("trusted"),
                "Whose word is heard: of issuers that count, of all others, or of any. Default: trusted.",
            ),
            Parameter::optional(
                "issuers",
                Validator::Wildcards,
                Some("Example Inc*"),
                "Hear only issuers whose name matches one of these, in which `*` stands for anything.",
            ),
        ],
        check: status,
    }],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn status(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let (shared, evidence, params) = (check.shared, check.evidence, check.params);
    let is_heard = |claim: &&VexClaim| {
        let trust = match params.text("trust").unwrap_or("trusted") {
            "trusted" => claim.trusted,
            "untrusted" => !claim.trusted,
            _ => true,
        };
        let issuers = params.list("issuers");
        trust && (issuers.is_empty() || issuers.iter().any(|issuer| wildcard(issuer, &claim.issuer)))
    };
    let wanted = params.list("statuses");
    let is_in = params.text("check") != Some("not_in");
    let fires = |claim: Option<&VexClaim>| {
        let status = claim.map_or(NONE, |claim| claim.status.name());
        wanted.iter().any(|word| word == status) == is_in
    };
    for &at in shared.matches() {
        let Some(found) = evidence.matches.matches.get(at) else { continue };
        let Some(package) = evidence.analysis.packages.get(found.package.0 as usize) else { continue };
        let claim = found.claims.iter().find(is_heard);
        if fires(claim) {
            let (id, aliases) = trigger_ids(found, package, package.kind.is_os());
            report(check, id, aliases, found.anchore_id(package), package, claim);
            check.upgrades(Upgrade::of(found, package), package);
            check.about_match(found, package);
        }
    }
    let mut cleared: Vec<_> = evidence
        .matches
        .suppressed
        .iter()
        .filter(|suppressed| suppressed.reason == SuppressionReason::Vex)
        .filter_map(|suppressed| {
            let package = evidence.analysis.packages.get(suppressed.package.0 as usize)?;
            evidence.counts(package).then_some((suppressed, package))
        })
        .collect();
    cleared.sort_by(|(one, one_package), (other, other_package)| {
        one.vulnerability.cmp(&other.vulnerability).then_with(|| order::compare_by_name(one_package, other_package))
    });
    for (suppressed, package) in cleared {
        let claim = suppressed.claim.as_ref().filter(is_heard);
        if fires(claim) {
            let id = format!("{}+{}", suppressed.vulnerability, package_part(package, package.kind.is_os()));
            report(check, id, Vec::new(), &suppressed.vulnerability, package, claim);
            check.about_package(package);
        }
    }
    Ok(())
}

fn report(
    check: &mut Check<'_, '_>,
    id: String,
    aliases: Vec<String>,
    vulnerability: &str,
    package: &Package,
    claim: Option<&VexClaim>,
) {
    let (name, version) = (&package.name, &package.version);
    let (message, remedy) = match claim {
        Some(claim) => (
            format!("{vulnerability} of {name} {version} is {} by {}", claim.describe(), claim.issuer),
            claim.action.as_ref().map_or_else(
                || format!("ask {} for another statement than that of `{}`", claim.issuer, claim.document),
                |action| format!("do what {} asks for: {action}", claim.issuer),
            ),
        ),
        None => (
            format!("no VEX document that is heard speaks of {vulnerability} of {name} {version}"),
            format!("assess {vulnerability} and hand the VEX document over with `--vex`"),
        ),
    };
    check.fire_as(id, aliases, message, Some(remedy));
}
