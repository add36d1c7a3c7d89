//! Language packages that came with a distribution package: the distribution answers for them.

use killick_model::matching::SuppressionReason;

use super::class::{self, Class};
use super::outcome::Outcome;
use super::vendor::Vendor;

/// What the distribution's word about the owner means for a finding in what it owns: a reason to drop it, with
/// the class that says so where there is one, or `None` to keep it.
///
/// A distribution that has judged the vulnerability has judged it for all files of the package. Where it says
/// nothing, that means "not affected" only of a distribution that lists open issues as well.
pub(crate) fn verdict<'a>(
    vendor: &Vendor,
    owner: &'a [Class],
    found: &Class,
) -> Option<(SuppressionReason, Option<&'a Class>)> {
    if vendor.segments.is_empty() {
        return None;
    }
    match owner.iter().find(|class| class.shares_name_with(found) && class::is_definite(class)) {
        Some(said) => {
            let reason = match said.outcome {
                Outcome::Affected => SuppressionReason::OwnedByDistribution,
                other => other.suppression().unwrap_or(SuppressionReason::OwnedByDistribution),
            };
            Some((reason, Some(said)))
        }
        None => vendor.is_complete.then_some((SuppressionReason::OwnedByDistribution, None)),
    }
}
