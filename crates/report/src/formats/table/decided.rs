//! What VEX documents changed, and what those that are not trusted would change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use killick_model::matching::{Matches, SuppressionReason};
use killick_model::vex::VexOrigin;

use super::layout::plain;
use super::{counted, counted_as};

/// Issuers that are named.
const NAMED: usize = 5;

pub(super) fn write(text: &mut String, matches: &Matches) {
    let by_vex = matches.suppressed.iter().filter(|found| found.reason == SuppressionReason::Vex);
    let mut issuers: BTreeMap<&str, usize> = BTreeMap::new();
    for claim in by_vex.filter_map(|found| found.claim.as_ref()) {
        *issuers.entry(&claim.issuer).or_default() += 1;
    }
    if !issuers.is_empty() {
        let all: usize = issuers.values().sum();
        let does = if all == 1 { "does" } else { "do" };
        let _ = writeln!(text, "{} {does} not apply by VEX documents of {}", counted(all, "finding"), names(&issuers));
    }
    let mut untrusted: BTreeMap<&str, usize> = BTreeMap::new();
    for found in &matches.matches {
        for claim in found.claims.iter().filter(|claim| !claim.trusted && claim.status.clears()) {
            *untrusted.entry(&claim.issuer).or_default() += 1;
        }
    }
    if !untrusted.is_empty() {
        let of = counted(untrusted.values().sum(), "finding");
        let verb = if untrusted.len() == 1 { "says" } else { "say" };
        let _ = writeln!(
            text,
            "{} {verb} of {of} that it does not apply, in VEX documents that are not trusted (`--vex-issuer`, `--vex-key`)",
            names(&untrusted)
        );
    }
    let user = matches.vex.iter().filter(|document| document.origin == VexOrigin::User);
    let idle = user.filter(|document| document.applied == 0).count();
    if idle > 0 {
        let _ = writeln!(text, "{} changed nothing", counted_as(idle, "VEX document", "VEX documents"));
    }
}

fn names(issuers: &BTreeMap<&str, usize>) -> String {
    let named = |issuer: &&str| {
        if issuer.is_empty() { "nobody who is named".to_owned() } else { format!("`{}`", plain(issuer)) }
    };
    let mut names: Vec<String> = issuers.keys().take(NAMED).map(named).collect();
    if issuers.len() > NAMED {
        names.push(format!("{} more", issuers.len() - NAMED));
    }
    names.join(", ")
}
