//! Version order, one file per scheme.
//!
//! Versions are ordered by the rules of the ecosystem that wrote them, and never across ecosystems. A text that is
//! no version of its scheme has no order: [`compare`] says so instead of guessing, because a guess would silently
//! become "not vulnerable".
//!
//! The orders work on borrowed text and allocate nothing, and numbers may have any length (dates and build stamps
//! exceed 64 bits). The published crates for these schemes allocate per parse or refuse long numbers, so the orders
//! are our own; `testdata/versions` holds the answers of the reference implementations.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod apk;
mod composer;
mod dpkg;
mod generic;
mod go;
mod maven;
mod nuget;
mod numbers;
mod pacman;
mod pep440;
mod portage;
pub mod range;
mod rpm;
mod rubygems;
mod semver;

/// The rules by which versions of one ecosystem are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Debian and Ubuntu: `[epoch:]upstream[-revision]`.
    Dpkg,
    /// RPM: `[epoch:]version[-release]`.
    Rpm,
    /// Alpine and Wolfi.
    Apk,
    /// Arch Linux.
    Pacman,
    /// Gentoo.
    Portage,
    /// Semantic versioning 2.0: npm, Cargo, Swift, Pub, Kubernetes.
    Semver,
    /// Go modules and the Go toolchain.
    Go,
    /// Python.
    Pep440,
    /// Maven.
    Maven,
    /// Ruby gems.
    RubyGems,
    /// `NuGet`.
    Nuget,
    /// Composer.
    Composer,
    /// Hex: semantic versioning, strictly three parts.
    Hex,
    /// No known rules: what people usually mean.
    Generic,
    /// Haskell's package versioning policy: numbers between dots.
    Pvp,
    /// R: numbers between dots or dashes.
    Cran,
    /// Dart's Pub and Julia: semantic versioning, but builds of one version are ordered.
    Pub,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 17] = [
        Self::Dpkg,
        Self::Rpm,
        Self::Apk,
        Self::Pacman,
        Self::Portage,
        Self::Semver,
        Self::Go,
        Self::Pep440,
        Self::Maven,
        Self::RubyGems,
        Self::Nuget,
        Self::Composer,
        Self::Hex,
        Self::Generic,
        Self::Pvp,
        Self::Cran,
        Self::Pub,
    ];

    /// The stable name in reports and evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
            Self::Apk => "apk",
            Self::Pacman => "pacman",
            Self::Portage => "portage",
            Self::Semver => "semver",
            Self::Go => "go",
            Self::Pep440 => "pep440",
            Self::Maven => "maven",
            Self::RubyGems => "rubygems",
            Self::Nuget => "nuget",
            Self::Composer => "composer",
            Self::Hex => "hex",
            Self::Generic => "generic",
            Self::Pvp => "pvp",
            Self::Cran => "cran",
            Self::Pub => "pub",
        }
    }

    /// The version as it is ordered. Go's versions begin with `v`, which advisories and Go's own data leave out.
    pub fn marked(self, version: &str) -> Cow<'_, str> {
        let is_bare = self == Self::Go && version.starts_with(|first: char| first.is_ascii_digit());
        if is_bare { Cow::Owned(format!("v{version}")) } else { Cow::Borrowed(version) }
    }

    /// Whether `version` can be ordered at all.
    pub fn accepts(self, version: &str) -> bool {
        compare(self, version, version).is_some()
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// A word that is no scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version scheme")]
pub struct SchemeError(String);

impl FromStr for Scheme {
    type Err = SchemeError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == word).ok_or_else(|| SchemeError(word.to_owned()))
    }
}

/// Longest text that is taken for a version; longer ones cannot be compared.
pub const MAX_LENGTH: usize = 1024;

/// The order of two versions of one scheme, or `None` where one of them is no version of the scheme.
///
/// Blanks around a version do not count. Equal in order is not equal in text: `1.0` and `1.00` are the same
/// version to most schemes.
pub fn compare(scheme: Scheme, a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim(), b.trim());
    if a.is_empty() || b.is_empty() || a.len() > MAX_LENGTH || b.len() > MAX_LENGTH {
        return None;
    }
    let order = match scheme {
        Scheme::Dpkg => dpkg::compare,
        Scheme::Rpm => rpm::compare,
        Scheme::Apk => apk::compare,
        Scheme::Pacman => pacman::compare,
        Scheme::Portage => portage::compare,
        Scheme::Semver => semver::compare,
        Scheme::Go => go::compare,
        Scheme::Pep440 => pep440::compare,
        Scheme::Maven => maven::compare,
        Scheme::RubyGems => rubygems::compare,
        Scheme::Nuget => nuget::compare,
        Scheme::Composer => composer::compare,
        Scheme::Hex => semver::compare_strict,
        Scheme::Generic => generic::compare,
        Scheme::Pvp => numbers::compare_pvp,
        Scheme::Cran => numbers::compare_cran,
        Scheme::Pub => semver::compare_with_build,
    };
    order(a, b)
}

/// A place for every text, for sorting: versions in their order, and equal ones as they are written; then what is no version
/// of the scheme, as it is written. Sorting by [`compare`] alone has no result where some can be compared and others not.
pub fn order(scheme: Scheme, a: &str, b: &str) -> Ordering {
    // To pacman whatever stands between parts has a length and no value: where there is more than one sign between two, or
    // one at an end, there is no order.
    let is_plain = |text: &str| {
        scheme != Scheme::Pacman
            || text
                .split([':', '-', '.', '_', '+'])
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    let is_version = |text: &str| scheme.accepts(text) && is_plain(text);
    let by_version = match (is_version(a), is_version(b)) {
        (true, true) => compare(scheme, a, b).unwrap_or(Ordering::Equal),
        (one, other) => other.cmp(&one),
    };
    by_version.then_with(|| a.cmp(b))
}

/// Orders two runs of digits by value, whatever their length; an empty run is 0.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Orders the runs of digits or of letters that two texts begin with, and tells what follows each. A number is newer than
/// letters; where one meets the other, nothing is cut.
fn compare_runs<'a, 'b>(a: &'a str, b: &'b str) -> (Ordering, &'a str, &'b str) {
    let ((number_a, after_a), (number_b, after_b)) = (cut_digits(a), cut_digits(b));
    match (number_a.is_empty(), number_b.is_empty()) {
        (false, false) => (compare_numbers(number_a, number_b), after_a, after_b),
        (true, true) => {
            let ((letters_a, after_a), (letters_b, after_b)) = (cut_letters(a), cut_letters(b));
            (letters_a.cmp(letters_b), after_a, after_b)
        }
        (true, false) => (Ordering::Less, a, b),
        (false, true) => (Ordering::Greater, a, b),
    }
}

/// Cuts the longest prefix of ASCII characters for which `belongs` holds.
fn cut(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii() || !belongs(byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// Cuts the leading digits.
fn cut_digits(text: &str) -> (&str, &str) {
    cut(text, |byte| byte.is_ascii_digit())
}

/// Cuts the leading ASCII letters.
fn cut_letters(text: &str) -> (&str, &str) {
    cut(text, |byte| byte.is_ascii_alphabetic())
}

/// Whether `text` is one or more digits.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
