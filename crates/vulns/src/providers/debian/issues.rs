//! `CVE/list`: what the tracker's people noted of each vulnerability, by hand.
//!
//! ```text
//! CVE-2021-36367 (…)
//!         - putty 0.75-3 (low; bug #990901)
//!         [bullseye] - putty <no-dsa> (…)
//! ```
//!
//! A line without a release is about unstable, and holds for every release that has no line of its own: such a
//! release is affected as long as its version is lower.

use std::collections::BTreeMap;

use killick_model::matching::FixState;
use killick_model::severity::Severity;

use super::super::{Input, ReadError, Sink};
use super::bulletins::Bulletins;
use super::note::{Note, State};
use super::tracker::release;
use crate::namespaces;

/// Lines about one vulnerability that are read.
const MAX_LINES: usize = 20_000;

/// Releases for which the list is kept complete, so that a line about unstable holds for them too.
const FOLLOWING: &[&str] = &["bullseye", "bookworm", "trixie", "forky"];

pub(super) fn read(input: &Input<'_>, bulletins: &Bulletins, sink: &mut Sink) -> Result<(), ReadError> {
    for codename in FOLLOWING.iter().chain(&["sid"]) {
        sink.note(super::complete(&namespaces::debian(codename)));
    }
    let mut id = String::new();
    let mut lines: Vec<String> = Vec::new();
    input.lines(|line| {
        if line.starts_with(|first: char| first.is_whitespace() || first == '[') {
            if !id.is_empty() && lines.len() < MAX_LINES && !is_remark(line) {
                lines.push(line.to_owned());
            }
        } else if !line.is_empty() {
            issue(&id, &lines, bulletins, sink);
            line.split_whitespace().next().unwrap_or_default().clone_into(&mut id);
            lines.clear();
            if !is_id(&id) {
                // Numbers not given yet (`CVE-2023-XXXX`) stand for several vulnerabilities each.
                if id.starts_with("CVE-") {
                    sink.leave_out();
                } else {
                    sink.skip(
                        &input.label(),
                        format!("malformed heading `{}`", id.chars().take(80).collect::<String>()),
                    );
                }
                id.clear();
            }
        }
    })?;
    issue(&id, &lines, bulletins, sink);
    if let Some(instant) = bulletins.newest {
        sink.date(instant);
    }
    Ok(())
}

fn is_remark(line: &str) -> bool {
    let line = line.trim_start();
    ["NOTE:", "TODO:", "{", "RESERVED", "REJECTED", "NOT-FOR-US", "STOP"].iter().any(|word| line.starts_with(word))
}

fn is_id(id: &str) -> bool {
    id.starts_with("TEMP-")
        || id.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')).is_some_and(|(year, number)| {
            year.bytes().chain(number.bytes()).all(|byte| byte.is_ascii_digit()) && number.len() >= 4
        })
}

fn issue(id: &str, lines: &[String], bulletins: &Bulletins, sink: &mut Sink) {
    let mut sources: BTreeMap<&str, Vec<Note<'_>>> = BTreeMap::new();
    for line in lines {
        match Note::parse(line) {
            Some(Ok(note)) => sources.entry(note.source).or_default().push(note),
            Some(Err(detail)) => sink.skip(id, detail),
            None => {}
        }
    }
    for (source, notes) in sources {
        of_source(id, source, &notes, bulletins, sink);
    }
}

fn of_source(id: &str, source: &str, notes: &[Note<'_>], bulletins: &Bulletins, sink: &mut Sink) {
    let unstable = notes.iter().find(|note| matches!(note.codename, None | Some("sid")));
    let ends = unstable.and_then(|note| if let State::Fixed(version) = note.state { Some(version) } else { None });
    let package = Package { id, source, severity: unstable.and_then(|note| note.severity), bulletins };
    for note in notes {
        if let Some(codename) = note.codename.filter(|codename| !matches!(*codename, "experimental" | "sid")) {
            package.is(codename, note.state, ends, sink);
        }
    }
    let Some(unstable) = unstable else { return };
    package.is("sid", unstable.state, None, sink);
    let state = match unstable.state {
        // Fixed there is not fixed here, and gone from there is not gone from here.
        State::Fixed(_) | State::Removed => State::Open(FixState::NotFixed),
        state => state,
    };
    for codename in FOLLOWING {
        let is_named = notes.iter().any(|note| note.codename == Some(codename));
        if !is_named && !sink.has_noted(release(codename)) {
            package.is(codename, state, ends, sink);
        }
    }
}

/// A source package and the vulnerability that is spoken of.
struct Package<'a> {
    id: &'a str,
    source: &'a str,
    severity: Option<Severity>,
    bulletins: &'a Bulletins,
}

impl Package<'_> {
    /// Files that the package is in this state in a release, unless more is known.
    fn is(&self, codename: &str, state: State<'_>, ends: Option<&str>, sink: &mut Sink) {
        if super::is_told(codename, self.source, self.id, sink) {
            return;
        }
        let fix = self.bulletins.fix(codename, self.source, self.id);
        // An advisory came after the note: its list tells the version.
        if fix.is_some() && !matches!(state, State::Fixed(_) | State::NotAffected) {
            return;
        }
        if let Some(mut statement) = state.statement(self.id, self.source, self.severity, ends) {
            if let Some(fix) = fix.filter(|_| statement.fix.state == FixState::Fixed) {
                statement.fix.advisories.clone_from(&fix.advisories);
            }
            super::file(codename, &statement, &super::TERMS, sink);
        }
    }
}
