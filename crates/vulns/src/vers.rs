//! Version range specifiers, `vers:npm/>=1.0.0|<1.4.2`: "VERS" of package-url (ECMA-427, and
//! <https://github.com/package-url/vers-spec>), and the form without a scheme that CSAF 2.0 allows beside it (section
//! 3.1.2.3.2, "vls").
//!
//! The scheme tells whose order counts. Where it is `generic`, or there is none, that is the order of the package the
//! range is held against. A range of another order than the package's means nothing to it.

use killick_model::version::range::{Bound, Interval, Range};
use killick_model::version::{Scheme, compare};
use percent_encoding::percent_decode_str;

/// Constraints of one specifier.
const MAX_CONSTRAINTS: usize = 1_000;

/// Bytes of one specifier.
const MAX_BYTES: usize = 64 << 10;

/// Schemes and the orders they stand for.
const SCHEMES: &[(&str, Scheme)] = &[
    ("alpine", Scheme::Apk),
    ("alpm", Scheme::Pacman),
    ("apk", Scheme::Apk),
    ("arch", Scheme::Pacman),
    ("archlinux", Scheme::Pacman),
    ("bitnami", Scheme::Semver),
    ("cargo", Scheme::Semver),
    ("composer", Scheme::Composer),
    ("cran", Scheme::Cran),
    ("deb", Scheme::Dpkg),
    ("debian", Scheme::Dpkg),
    ("ebuild", Scheme::Portage),
    ("gem", Scheme::RubyGems),
    ("gentoo", Scheme::Portage),
    ("githubactions", Scheme::Semver),
    ("go", Scheme::Go),
    ("golang", Scheme::Go),
    ("hackage", Scheme::Pvp),
    ("hex", Scheme::Hex),
    ("julia", Scheme::Pub),
    ("maven", Scheme::Maven),
    ("npm", Scheme::Semver),
    ("nuget", Scheme::Nuget),
    ("pub", Scheme::Pub),
    ("pypi", Scheme::Pep440),
    ("rpm", Scheme::Rpm),
    ("semver", Scheme::Semver),
    ("swift", Scheme::Semver),
    ("ubuntu", Scheme::Dpkg),
];

/// Schemes that leave the order to the package.
const OPEN: &[&str] = &["generic", "all", "none"];

/// Why a text is no specifier that can be compared with anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VersError {
    /// It does not have the form.
    #[error("not a version range specifier")]
    Malformed,
    /// Nobody here knows the order.
    #[error("of the version scheme `{0}`, which has no known order")]
    Scheme(String),
    /// Its versions are none of its scheme.
    #[error("with versions that its scheme cannot compare")]
    Version,
}

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vers {
    /// The order; `None` where the package's counts.
    scheme: Option<Scheme>,
    set: Set,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    All,
    None,
    Constraints(Vec<(Comparator, String)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Vers {
    /// Reads `vers:SCHEME/CONSTRAINTS`.
    pub(crate) fn parse(text: &str) -> Result<Self, VersError> {
        let (scheme, constraints) =
            text.trim().strip_prefix("vers:").and_then(|rest| rest.split_once('/')).ok_or(VersError::Malformed)?;
        let scheme = scheme.trim().to_ascii_lowercase();
        let known = SCHEMES.iter().find(|(name, _)| *name == scheme).map(|(_, known)| *known);
        if known.is_none() && !OPEN.contains(&scheme.as_str()) {
            return Err(VersError::Scheme(scheme.chars().take(80).collect()));
        }
        let found = Self { scheme: known, set: set(constraints, Implied::Equal)? };
        match (scheme.as_str(), &found.set) {
            ("all", Set::All) => Ok(found),
            ("none", Set::All) => Ok(Self { set: Set::None, ..found }),
            ("all" | "none", _) => Err(VersError::Malformed),
            _ => found.checked(),
        }
    }

    /// Reads constraints without a scheme, `>=1.0|<1.4`, each with its comparator: of what has none, nobody can tell
    /// words from versions.
    pub(crate) fn parse_bare(text: &str) -> Result<Self, VersError> {
        Self { scheme: None, set: set(text, Implied::Nothing)? }.checked()
    }

    /// That its versions can be compared, where its order is known.
    fn checked(self) -> Result<Self, VersError> {
        match self.scheme {
            Some(scheme) if self.range(scheme).is_none() => Err(VersError::Version),
            _ => Ok(self),
        }
    }

    /// The versions it means of a package with versions of the scheme `own`; `None` where it has none to say about those.
    pub(crate) fn range(&self, own: Scheme) -> Option<Range> {
        let scheme = match self.scheme {
            None => own,
            Some(scheme) if scheme == own => own,
            // The package does not know its order, the document does.
            Some(scheme) if own == Scheme::Generic => scheme,
            Some(Scheme::Semver) if matches!(own, Scheme::Go | Scheme::Hex | Scheme::Pub) => own,
            Some(_) => return None,
        };
        match &self.set {
            Set::All => Some(Range::all(scheme)),
            Set::None => Some(Range::new(scheme, Vec::new(), Vec::new())),
            Set::Constraints(constraints) => range(scheme, constraints),
        }
    }

    /// Whether it means this version of a package with versions of the scheme `own`; `None` where that cannot be told.
    pub(crate) fn contains(&self, own: Scheme, version: &str) -> Option<bool> {
        let range = self.range(own)?;
        range.contains(&range.scheme.marked(version))
    }

    /// Whether it leaves out any version.
    pub(crate) fn is_limited(&self) -> bool {
        self.set != Set::All
    }
}

/// What a constraint without a comparator means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Implied {
    Equal,
    Nothing,
}

fn set(text: &str, implied: Implied) -> Result<Set, VersError> {
    if text.len() > MAX_BYTES {
        return Err(VersError::Malformed);
    }
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    if parts == ["*"] {
        return Ok(Set::All);
    }
    let mut constraints: Vec<(Comparator, String)> = Vec::new();
    for part in parts {
        // An end without anything behind it is tolerated, as the specification asks of readers.
        if part.is_empty() {
            continue;
        }
        if constraints.len() >= MAX_CONSTRAINTS {
            return Err(VersError::Malformed);
        }
        constraints.push(constraint(part, implied).ok_or(VersError::Malformed)?);
    }
    if constraints.is_empty() { Err(VersError::Malformed) } else { Ok(Set::Constraints(constraints)) }
}

fn constraint(text: &str, implied: Implied) -> Option<(Comparator, String)> {
    // An address may have them escaped.
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let signs: &[(&str, Comparator)] = &[
        (">=", Comparator::GreaterOrEqual),
        ("<=", Comparator::LessOrEqual),
        ("!=", Comparator::NotEqual),
        (">", Comparator::Greater),
        ("<", Comparator::Less),
        ("=", Comparator::Equal),
    ];
    let found = signs.iter().find_map(|(sign, comparator)| Some((*comparator, text.strip_prefix(sign)?.trim())));
    let (comparator, version) = match found {
        Some(found) => found,
        None if implied == Implied::Equal => (Comparator::Equal, text.trim()),
        None => return None,
    };
    let is_version = !version.is_empty()
        && version != "*"
        && !version.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '=' | '|' | ','));
    is_version.then(|| (comparator, version.to_owned()))
}

/// What constraints mean, in whatever order they stand; `None` where their versions cannot be compared.
fn range(scheme: Scheme, constraints: &[(Comparator, String)]) -> Option<Range> {
    let marked = |version: &String| scheme.marked(version).into_owned();
    let with = |wanted: Comparator| constraints.iter().filter(move |(comparator, _)| *comparator == wanted);
    let single: Vec<String> = with(Comparator::Equal).map(|(_, version)| marked(version)).collect();
    let excluded: Vec<String> = with(Comparator::NotEqual).map(|(_, version)| marked(version)).collect();
    let bounds = constraints.iter().filter(|(at, _)| !matches!(at, Comparator::Equal | Comparator::NotEqual));
    let mut bounds: Vec<(Comparator, String)> = bounds.map(|(at, version)| (*at, marked(version))).collect();
    if !single.iter().chain(&excluded).chain(bounds.iter().map(|(_, version)| version)).all(|v| scheme.accepts(v)) {
        return None;
    }
    let order = |a: &str, b: &str| compare(scheme, a, b).unwrap_or(std::cmp::Ordering::Equal);
    // At one version an end comes before a beginning: `<2|>=2` is everything, `>=2|<2` nothing that anybody would write.
    let is_lower = |at: Comparator| matches!(at, Comparator::Greater | Comparator::GreaterOrEqual);
    bounds.sort_by(|(a, left), (b, right)| order(left, right).then(is_lower(*a).cmp(&is_lower(*b))));
    let mut intervals: Vec<Interval> = Vec::new();
    let mut lower: Option<Bound> = None;
    for (at, version) in bounds {
        let bound = Bound { version, inclusive: matches!(at, Comparator::LessOrEqual | Comparator::GreaterOrEqual) };
        if is_lower(at) {
            // Of two beginnings in a row the first one has everything of the second one.
            lower.get_or_insert(bound);
        } else if lower.is_some() || intervals.is_empty() {
            intervals.push(Interval { lower: lower.take(), upper: Some(bound) });
        } else if let Some(last) = intervals.last_mut() {
            last.upper = Some(bound);
        }
    }
    if lower.is_some() {
        intervals.push(Interval { lower, upper: None });
    }
    // Exceptions alone are exceptions from everything.
    if intervals.is_empty() && single.is_empty() {
        intervals.push(Interval::default());
    }
    let single = single.into_iter().filter(|version| !excluded.iter().any(|other| order(version, other).is_eq()));
    let single = single.collect();
    for version in &excluded {
        intervals = intervals.into_iter().flat_map(|interval| without(scheme, interval, version)).collect();
    }
    Some(Range::new(scheme, intervals, single))
}

/// An interval without one version of it.
fn without(scheme: Scheme, interval: Interval, version: &str) -> Vec<Interval> {
    let range = Range { scheme, intervals: vec![interval.clone()], versions: Vec::new() };
    if range.contains(version) != Some(true) {
        return vec![interval];
    }
    let bound = || Some(Bound::exclusive(version));
    // One that the version bounds is empty on that side, and dropped where all are put together.
    vec![Interval { lower: interval.lower, upper: bound() }, Interval { lower: bound(), upper: interval.upper }]
}

#[cfg(test)]
mod tests;
