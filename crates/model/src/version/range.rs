//! Sets of versions, as advisories state them.
//!
//! A range is a union of intervals and single versions of one [`Scheme`]. Reading the many notations of feeds is
//! the providers' work; here they have become bounds.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Scheme, compare, pep440, rpm};

/// A set of versions of one scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// The order of its bounds.
    pub scheme: Scheme,
    /// Disjoint and ascending, where all bounds can be compared.
    pub intervals: Vec<Interval>,
    /// Versions listed one by one.
    pub versions: Vec<String>,
}

/// All versions between two bounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Where it begins; `None` for the first version there ever was.
    pub lower: Option<Bound>,
    /// Where it ends; `None` for no end.
    pub upper: Option<Bound>,
}

/// One end of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bound {
    /// The version, as published.
    pub version: String,
    /// Whether the version itself belongs to the interval.
    pub inclusive: bool,
}

/// Which epoch a version has that states none. Only RPM distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epoch {
    /// 0, by rpm's rule: for the version of an installed package.
    #[default]
    Zero,
    /// That of the bound it is compared with: for a version out of `SOURCERPM`, which never states one.
    OfBound,
}

impl Bound {
    /// A bound that belongs to its interval.
    pub fn inclusive(version: impl Into<String>) -> Self {
        Self { version: version.into(), inclusive: true }
    }

    /// A bound that does not belong to its interval.
    pub fn exclusive(version: impl Into<String>) -> Self {
        Self { version: version.into(), inclusive: false }
    }
}

impl Interval {
    /// Everything before `fixed`.
    pub fn before(fixed: impl Into<String>) -> Self {
        Self { lower: None, upper: Some(Bound::exclusive(fixed)) }
    }

    /// `introduced` and everything up to but without `fixed`.
    pub fn between(introduced: impl Into<String>, fixed: impl Into<String>) -> Self {
        Self { lower: Some(Bound::inclusive(introduced)), upper: Some(Bound::exclusive(fixed)) }
    }
}

impl Range {
    /// The union of `intervals` and `versions`, with intervals sorted, joined where they meet, and dropped where
    /// they are empty. Intervals whose bounds cannot be compared stay as they are.
    pub fn new(scheme: Scheme, intervals: Vec<Interval>, versions: Vec<String>) -> Self {
        Self { scheme, intervals: normalise(scheme, intervals), versions }
    }

    /// The range that this text was written out of by [`Display`](fmt::Display); `None` of every version, of another text, and
    /// where a list of versions was cut that are not within intervals.
    pub fn written(scheme: Scheme, text: &str) -> Option<Self> {
        let (text, is_cut) = text.split_once(" and ").map_or((text, false), |(text, _)| (text, true));
        let (mut intervals, mut versions) = (Vec::new(), Vec::new());
        for part in text.split(" || ") {
            if let Some(version) = part.strip_prefix("= ") {
                versions.push(version.to_owned());
                continue;
            }
            let mut interval = Interval::default();
            for bound in part.split(", ") {
                match bound.split_once(' ')? {
                    (">=", version) => interval.lower = Some(Bound::inclusive(version)),
                    (">", version) => interval.lower = Some(Bound::exclusive(version)),
                    ("<=", version) => interval.upper = Some(Bound::inclusive(version)),
                    ("<", version) => interval.upper = Some(Bound::exclusive(version)),
                    _ => return None,
                }
            }
            intervals.push(interval);
        }
        // Where there are intervals, a list is of versions within them.
        (!is_cut || !intervals.is_empty()).then(|| Self::new(scheme, intervals, versions))
    }

    /// Every version.
    pub fn all(scheme: Scheme) -> Self {
        Self { scheme, intervals: vec![Interval::default()], versions: Vec::new() }
    }

    /// Whether it is every version.
    pub fn is_all(&self) -> bool {
        self.intervals.iter().any(|interval| interval.lower.is_none() && interval.upper.is_none())
    }

    /// Whether `version` belongs to the range; `None` where that cannot be told.
    ///
    /// By the plain order of the scheme: a pre-release inside an interval belongs to it, whatever the range
    /// notation of the ecosystem would say when choosing what to install. A Python local part (`+cu118`) counts
    /// only against a bound that has one.
    pub fn contains(&self, version: &str) -> Option<bool> {
        self.contains_with(version, Epoch::Zero)
    }

    /// [`Self::contains`] for a version that may lack the epoch its bounds have.
    pub fn contains_with(&self, version: &str, epoch: Epoch) -> Option<bool> {
        if self.is_all() {
            return Some(true);
        }
        let order = |bound: &str| compare_to_bound(self.scheme, version, bound, epoch);
        let listed = |listed: &String| listed == version || order(listed) == Some(Ordering::Equal);
        if self.versions.iter().any(listed) {
            return Some(true);
        }
        let mut known = self.scheme.accepts(version) || (self.versions.is_empty() && self.intervals.is_empty());
        for interval in &self.intervals {
            match interval.contains(order) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = false,
            }
        }
        known.then_some(false)
    }
}

impl Interval {
    fn contains(&self, order: impl Fn(&str) -> Option<Ordering>) -> Option<bool> {
        let above = self.lower.as_ref().map_or(Some(true), |bound| {
            order(&bound.version).map(|order| order.is_gt() || (bound.inclusive && order.is_eq()))
        });
        let below = self.upper.as_ref().map_or(Some(true), |bound| {
            order(&bound.version).map(|order| order.is_lt() || (bound.inclusive && order.is_eq()))
        });
        match (above, below) {
            // One bound that excludes the version is enough, whatever the other one means.
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

fn compare_to_bound(scheme: Scheme, version: &str, bound: &str, epoch: Epoch) -> Option<Ordering> {
    match scheme {
        Scheme::Rpm if epoch == Epoch::OfBound && rpm::split_epoch(version).0.is_none() => {
            compare(scheme, version, rpm::split_epoch(bound).1)
        }
        Scheme::Pep440 if !bound.contains('+') => compare(scheme, pep440::without_local(version), bound),
        _ => compare(scheme, version, bound),
    }
}

fn normalise(scheme: Scheme, mut intervals: Vec<Interval>) -> Vec<Interval> {
    let bounds = || intervals.iter().flat_map(|interval| interval.lower.iter().chain(&interval.upper));
    if !bounds().all(|bound| scheme.accepts(&bound.version)) {
        return intervals;
    }
    intervals.retain(|interval| !is_empty(scheme, interval));
    intervals.sort_by(|a, b| compare_lower(scheme, a.lower.as_ref(), b.lower.as_ref()));
    let mut joined: Vec<Interval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match joined.last_mut() {
            Some(last) if meets(scheme, last, &interval) => {
                if compare_upper(scheme, last.upper.as_ref(), interval.upper.as_ref()).is_lt() {
                    last.upper = interval.upper;
                }
            }
            _ => joined.push(interval),
        }
    }
    joined
}

fn is_empty(scheme: Scheme, interval: &Interval) -> bool {
    let (Some(lower), Some(upper)) = (&interval.lower, &interval.upper) else { return false };
    match compare(scheme, &lower.version, &upper.version) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => !(lower.inclusive && upper.inclusive),
        _ => false,
    }
}

/// Bounds are comparable here: [`normalise`] looked.
fn order_of(scheme: Scheme, a: &Bound, b: &Bound) -> Ordering {
    compare(scheme, &a.version, &b.version).unwrap_or(Ordering::Equal)
}

fn compare_lower(scheme: Scheme, a: Option<&Bound>, b: Option<&Bound>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order_of(scheme, a, b).then(b.inclusive.cmp(&a.inclusive)),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn compare_upper(scheme: Scheme, a: Option<&Bound>, b: Option<&Bound>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order_of(scheme, a, b).then(a.inclusive.cmp(&b.inclusive)),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Whether no version lies between the end of `first` and the beginning of `second`, which begins no earlier.
fn meets(scheme: Scheme, first: &Interval, second: &Interval) -> bool {
    match (&first.upper, &second.lower) {
        (Some(upper), Some(lower)) => match order_of(scheme, upper, lower) {
            Ordering::Greater => true,
            Ordering::Equal => upper.inclusive || lower.inclusive,
            Ordering::Less => false,
        },
        _ => true,
    }
}

/// Listed versions that are shown before the rest is only counted.
const SHOWN_VERSIONS: usize = 5;

/// `>= 1.0, < 2.0 || >= 3.0`, listed versions as `= 1.0`, and `*` for every version.
impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return out.write_str("*");
        }
        if self.intervals.is_empty() && self.versions.is_empty() {
            return out.write_str("none");
        }
        let mut separator = "";
        for interval in &self.intervals {
            write!(out, "{separator}{interval}")?;
            separator = " || ";
        }
        for version in self.versions.iter().take(SHOWN_VERSIONS) {
            write!(out, "{separator}= {version}")?;
            separator = " || ";
        }
        match self.versions.len().saturating_sub(SHOWN_VERSIONS) {
            0 => Ok(()),
            more => write!(out, " and {more} more versions"),
        }
    }
}

/// `>= 1.0, < 2.0`, or `*`.
impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.lower, &self.upper) {
            (None, None) => out.write_str("*"),
            (Some(lower), Some(upper)) if lower == upper && lower.inclusive => write!(out, "= {}", lower.version),
            (lower, upper) => {
                if let Some(lower) = lower {
                    write!(out, "{} {}", if lower.inclusive { ">=" } else { ">" }, lower.version)?;
                }
                if lower.is_some() && upper.is_some() {
                    out.write_str(", ")?;
                }
                match upper {
                    Some(upper) => write!(out, "{} {}", if upper.inclusive { "<=" } else { "<" }, upper.version),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
