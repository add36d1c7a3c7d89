//! The annotation that all lists of the tracker use: `[codename] - source version|<tag> (remarks)`.

use killick_model::advisory::{Level, StatedFix, Statement, Verdict};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};

use super::super::sink::UNDATED;
use super::tracker;

/// One annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note<'a> {
    /// The release it is about; `None` for unstable.
    pub(super) codename: Option<&'a str>,
    /// The source package.
    pub(super) source: &'a str,
    /// What is said of it.
    pub(super) state: State<'a>,
    /// The rating among the remarks.
    pub(super) severity: Option<Severity>,
}

/// What an annotation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State<'a> {
    /// Fixed in this version.
    Fixed(&'a str),
    /// Never affected.
    NotAffected,
    /// Affected, with what will be done about it.
    Open(FixState),
    /// Nobody has looked yet.
    Undetermined,
    /// The package left the release.
    Removed,
    /// Not packaged yet.
    Intended,
}

impl<'a> Note<'a> {
    /// Reads a line; `None` where it is something else, an error where it is an annotation that makes no sense.
    pub(super) fn parse(line: &'a str) -> Option<Result<Self, String>> {
        let line = line.trim();
        let (codename, rest) = match line.strip_prefix('[') {
            Some(rest) => {
                let (codename, rest) = rest.split_once(']')?;
                (Some(codename.trim()), rest.trim_start())
            }
            None => (None, line),
        };
        let rest = rest.strip_prefix("- ")?.trim_start();
        let (rest, remarks) = match rest.split_once('(') {
            Some((rest, remarks)) => (rest, remarks.trim_end().trim_end_matches(')')),
            None => (rest, ""),
        };
        let mut words = rest.split_whitespace();
        let source = words.next()?;
        let Some(state) = words.next() else { return Some(Err(format!("`{source}` has neither version nor tag"))) };
        let state = match State::parse(state) {
            None => return Some(Err(format!("unknown tag `{state}` of `{source}`"))),
            Some(State::Fixed(version)) if !Scheme::Dpkg.accepts(version) => {
                return Some(Err(format!("`{version}` of `{source}` is no version")));
            }
            Some(state) => state,
        };
        // Remarks of releases are sentences; only those of unstable are words between semicolons.
        let severity =
            codename.is_none().then(|| remarks.split([';', ',']).find_map(|word| tracker::severity(word.trim())));
        Some(Ok(Self { codename, source, state, severity: severity.flatten() }))
    }
}

impl<'a> State<'a> {
    fn parse(word: &'a str) -> Option<Self> {
        Some(match word {
            "<not-affected>" => Self::NotAffected,
            "<unfixed>" => Self::Open(FixState::NotFixed),
            "<no-dsa>" | "<postponed>" => Self::Open(FixState::Deferred),
            "<ignored>" | "<end-of-life>" => Self::Open(FixState::WontFix),
            "<undetermined>" => Self::Undetermined,
            "<removed>" => Self::Removed,
            "<itp>" => Self::Intended,
            tag if tag.starts_with('<') => return None,
            "0" => Self::NotAffected,
            version => Self::Fixed(version),
        })
    }

    /// The statement this is in a release; `None` where it says nothing about packages that are installed.
    ///
    /// `ends` is the version from which unstable is fixed: no release is affected from there on.
    pub(super) fn statement(
        self,
        id: &str,
        source: &str,
        severity: Option<Severity>,
        ends: Option<&str>,
    ) -> Option<Statement> {
        let before = |version: &str| Range::new(Scheme::Dpkg, vec![Interval::before(version)], Vec::new());
        let open = ends.map_or_else(|| Range::all(Scheme::Dpkg), before);
        let fix = |state| StatedFix { state, ..StatedFix::default() };
        let (verdict, versions, fix) = match self {
            Self::Fixed(version) => (
                Verdict::Affected,
                before(version),
                StatedFix { state: FixState::Fixed, versions: vec![version.to_owned()], advisories: Vec::new() },
            ),
            Self::NotAffected => (Verdict::NotAffected, Range::all(Scheme::Dpkg), StatedFix::default()),
            Self::Open(state) => (Verdict::Affected, open, fix(state)),
            Self::Undetermined => (Verdict::UnderInvestigation, open, StatedFix::default()),
            Self::Removed | Self::Intended => return None,
        };
        Some(Statement {
            advisory: id.to_owned(),
            name: source.to_owned(),
            level: Level::Source,
            versions,
            verdict,
            fix,
            qualifiers: Vec::new(),
            severity,
            known_since: UNDATED,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_read() {
        let note = |codename, source, state, severity| Some(Ok(Note { codename, source, state, severity }));
        let open = State::Open;
        for (line, expected) in [
            ("\t- foot 1.15.3-2 (bug #1053115)", note(None, "foot", State::Fixed("1.15.3-2"), None)),
            (
                "\t- ant <unfixed> (unimportant)",
                note(None, "ant", open(FixState::NotFixed), Some(Severity::Negligible)),
            ),
            ("- putty 0.75-3 (low; bug #990901)", note(None, "putty", State::Fixed("0.75-3"), Some(Severity::Low))),
            (
                "- diffutils <unfixed> (bug #1; unimportant)",
                note(None, "diffutils", open(FixState::NotFixed), Some(Severity::Negligible)),
            ),
            (
                "[bullseye] - putty <no-dsa> (Minor issue; low)",
                note(Some("bullseye"), "putty", open(FixState::Deferred), None),
            ),
            ("[buster] - putty <postponed> (later)", note(Some("buster"), "putty", open(FixState::Deferred), None)),
            ("[buster] - putty <ignored>", note(Some("buster"), "putty", open(FixState::WontFix), None)),
            (
                "[wheezy] - chromium-browser <end-of-life>",
                note(Some("wheezy"), "chromium-browser", open(FixState::WontFix), None),
            ),
            ("[lenny] - vlc <not-affected> (no code)", note(Some("lenny"), "vlc", State::NotAffected, None)),
            ("- gone <removed>", note(None, "gone", State::Removed, None)),
            ("- later <itp> (bug #1)", note(None, "later", State::Intended, None)),
            ("- unclear <undetermined>", note(None, "unclear", State::Undetermined, None)),
            ("[sid] - x 0", note(Some("sid"), "x", State::NotAffected, None)),
            ("\tNOTE: - x 1.0", None),
            ("\t{DSA-1-1}", None),
            ("\tNOT-FOR-US: x", None),
            ("[broken - x 1.0", None),
            ("", None),
            ("- ", None),
            ("- x", Some(Err("`x` has neither version nor tag".to_owned()))),
            ("- x b:\u{fffd}", Some(Err("`b:\u{fffd}` of `x` is no version".to_owned()))),
            ("- x <new-tag>", Some(Err("unknown tag `<new-tag>` of `x`".to_owned()))),
        ] {
            assert_eq!(Note::parse(line), expected, "{line}");
        }
    }
}
