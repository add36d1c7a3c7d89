//! How long something is supported: releases of distributions, lines of runtimes, packages within a release.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::advisory::Instant;
use crate::package::PackageId;

/// What one source says about the support of one release, line or package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// What it is part of: `debian`, `python`; for packages the release, `debian:12`.
    pub product: String,
    /// Which part: `12`, `3.11`; for packages the source package, `golang.*` for all whose names begin so.
    pub cycle: String,
    /// Name of the release, for people.
    pub codename: Option<String>,
    /// When it appeared.
    pub released: Option<Instant>,
    /// When support ends or ended.
    pub ends: Option<Instant>,
    /// When support for those who pay or ask for it ends or ended.
    pub extended_ends: Option<Instant>,
    /// What is said beside the days, or without any.
    pub support: Support,
    /// The last version that was supported, where that is known; later ones are not spoken of.
    pub last_version: Option<String>,
    /// When our index first knew it in this form.
    pub known_since: Instant,
}

/// State of support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// It is supported.
    Full,
    /// It is supported in part, or for some uses.
    Limited,
    /// It is supported for those who pay or ask for it.
    Extended,
    /// It is not supported any more.
    Ended,
    /// Nobody says.
    #[default]
    Unknown,
}

/// Something in an image that is past the end of its support: what is found in it from then on is told to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsupported {
    /// What it is part of, as the source calls it: `debian`, `python`.
    pub product: String,
    /// Which part: `9`, `2.7`.
    pub cycle: String,
    /// [`Support::Ended`], or [`Support::Extended`] where some go on for those who pay or ask for it.
    pub support: Support,
    /// When support ended, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Until when it is extended, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_until: Option<Timestamp>,
    /// The packages it is about; none where it is the distribution of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageId>,
}

impl Unsupported {
    /// What is past its end at `now`, packages apart; `None` while it is supported or nobody says.
    pub fn at(now: Instant, lifecycle: &Lifecycle) -> Option<Self> {
        let support = lifecycle.support_at(now);
        matches!(support, Support::Ended | Support::Extended).then(|| Self {
            product: lifecycle.product.clone(),
            cycle: lifecycle.cycle.clone(),
            support,
            ended: lifecycle.ends.and_then(Instant::timestamp),
            extended_until: lifecycle.extended_ends.and_then(Instant::timestamp),
            packages: Vec::new(),
        })
    }
}

impl Lifecycle {
    /// The state of support at `now`: the days decide where there are any.
    pub fn support_at(&self, now: Instant) -> Support {
        match (self.ends, self.extended_ends) {
            (Some(ends), _) if now < ends => match self.support {
                Support::Limited => Support::Limited,
                _ => Support::Full,
            },
            (_, Some(extended)) if now < extended && self.ends.is_some() => Support::Extended,
            (Some(_), _) => Support::Ended,
            (None, _) => self.support,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifecycle(ends: Option<i64>, extended: Option<i64>, support: Support) -> Lifecycle {
        Lifecycle {
            product: "debian".to_owned(),
            cycle: "12".to_owned(),
            codename: None,
            released: None,
            ends: ends.map(Instant),
            extended_ends: extended.map(Instant),
            support,
            last_version: None,
            known_since: Instant(0),
        }
    }

    #[test]
    fn days_decide() {
        for (ends, extended, stated, expected) in [
            (Some(10), None, Support::Unknown, Support::Full),
            (Some(4), None, Support::Full, Support::Ended),
            (Some(5), None, Support::Full, Support::Ended),
            (Some(4), Some(10), Support::Unknown, Support::Extended),
            (Some(4), Some(5), Support::Unknown, Support::Ended),
            (Some(10), None, Support::Limited, Support::Limited),
            (None, None, Support::Limited, Support::Limited),
            (None, None, Support::Ended, Support::Ended),
            (None, Some(10), Support::Unknown, Support::Unknown),
        ] {
            let found = lifecycle(ends, extended, stated).support_at(Instant(5));
            assert_eq!(found, expected, "{ends:?} {extended:?} {stated:?}");
        }
    }
}
