//! Security advisories of Debian and of its long-term support team, `DSA/list` and `DLA/list`.
//!
//! ```text
//! [21 Aug 2026] DSA-6456-1 spip - security update
//!         {CVE-2026-77806}
//!         [trixie] - spip 4.4.21+dfsg-0+deb13u1
//! ```
//!
//! A later revision (`-2`) without a list of its own repairs the packages of the first one: it is named with the fix,
//! and the version that fixed the vulnerability stays the first one.

use std::collections::{HashMap, HashSet};

use killick_model::advisory::{Advisory, AdvisoryKind, Instant};

use super::super::{Input, ReadError, Sink};
use super::note::{Note, State};
use crate::namespaces;

/// Annotations and vulnerabilities of one advisory that are read.
const MAX_ENTRIES: usize = 20_000;

/// One advisory.
#[derive(Debug, Default)]
struct Bulletin {
    id: String,
    day: Option<Instant>,
    is_security: bool,
    vulnerabilities: Vec<String>,
    /// Release, source package, and the line that says what of them.
    notes: Vec<(String, String, String)>,
}

/// What the advisories of both lists fixed.
#[derive(Debug, Default)]
pub(super) struct Bulletins {
    fixes: HashMap<(String, String), HashMap<String, Fix>>,
    /// Advisories, without revision, that list vulnerabilities.
    listed: HashSet<String>,
    /// Day of the newest advisory.
    pub(super) newest: Option<Instant>,
}

/// How advisories fixed one vulnerability of a source package in a release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fix {
    /// The advisories, first one first.
    pub(super) advisories: Vec<String>,
}

impl Bulletins {
    /// Reads both lists, wherever the root folder has them.
    pub(super) fn load(input: &Input<'_>) -> Result<Self, ReadError> {
        let mut all = Self::default();
        let Some(folder) = super::lists(input.root) else { return Ok(all) };
        for kind in ["DSA", "DLA"] {
            let path = folder.join(kind).join("list");
            if !input.root.join(&path).is_file() {
                continue;
            }
            let bulletins = parse(&Input { root: input.root, path: &path }, &mut Sink::new())?;
            let of_first = |bulletin: &Bulletin| (base(&bulletin.id).to_owned(), bulletin.vulnerabilities.clone());
            let named: HashMap<String, Vec<String>> =
                bulletins.iter().filter(|bulletin| !bulletin.vulnerabilities.is_empty()).map(of_first).collect();
            // The list has the newest one first.
            for bulletin in bulletins.iter().rev() {
                all.newest = all.newest.max(bulletin.day);
                let ids = match &bulletin.vulnerabilities[..] {
                    [] => named.get(base(&bulletin.id)).map_or(std::slice::from_ref(&bulletin.id), Vec::as_slice),
                    ids => ids,
                };
                all.add(bulletin, ids);
            }
            all.listed.extend(named.into_keys());
        }
        Ok(all)
    }

    fn add(&mut self, bulletin: &Bulletin, ids: &[String]) {
        for (codename, source, line) in &bulletin.notes {
            if !matches!(Note::parse(line), Some(Ok(Note { state: State::Fixed(_), .. }))) {
                continue;
            }
            let fixes = self.fixes.entry((namespaces::debian(codename), source.clone())).or_default();
            for id in ids {
                fixes.entry(id.clone()).or_default().advisories.push(bulletin.id.clone());
            }
        }
    }

    /// Whether this advisory, which lists nothing, repairs an earlier one that does.
    fn is_revision(&self, id: &str) -> bool {
        self.listed.contains(base(id))
    }

    /// What fixed a vulnerability of a source package in a release.
    pub(super) fn fix(&self, codename: &str, source: &str, id: &str) -> Option<&Fix> {
        self.fixes.get(&(namespaces::debian(codename), source.to_owned()))?.get(id)
    }
}

/// Files what one list says of releases and packages of which nothing was said yet.
pub(super) fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let known = Bulletins::load(input)?;
    let bulletins = parse(input, sink)?;
    // Of several advisories about one package the oldest fixed it.
    for bulletin in bulletins.iter().rev() {
        let ids = match &bulletin.vulnerabilities[..] {
            // Data of time zones and the like: nothing was vulnerable.
            [] if !bulletin.is_security || known.is_revision(&bulletin.id) => continue,
            [] => std::slice::from_ref(&bulletin.id),
            ids => ids,
        };
        for (codename, source, line) in &bulletin.notes {
            let Some(Ok(note)) = Note::parse(line) else { continue };
            for id in ids {
                if super::is_told(codename, source, id, sink) {
                    continue;
                }
                let Some(mut statement) = note.state.statement(id, source, None, None) else { continue };
                if !statement.fix.versions.is_empty() {
                    statement.fix.advisories =
                        known.fix(codename, source, id).map(|fix| fix.advisories.clone()).unwrap_or_default();
                }
                super::file(codename, &statement, &super::TERMS, sink);
            }
            let filing = super::filing(&namespaces::debian(codename), &super::TERMS, sink);
            filing.seen(bulletin.day);
            filing.advisory(&Advisory {
                upstream: bulletin.vulnerabilities.clone(),
                kind: if bulletin.is_security { AdvisoryKind::Vulnerability } else { AdvisoryKind::Notice },
                published: bulletin.day,
                ..super::vulnerability(&bulletin.id, &super::TERMS)
            });
        }
    }
    Ok(())
}

/// `DSA-6456` of `DSA-6456-2`.
fn base(id: &str) -> &str {
    match id.rsplit_once('-') {
        Some((base, _)) if base.contains('-') => base,
        _ => id,
    }
}

fn parse(input: &Input<'_>, sink: &mut Sink) -> Result<Vec<Bulletin>, ReadError> {
    let mut all: Vec<Bulletin> = Vec::new();
    let mut in_list = false;
    input.lines(|line| {
        if line.trim().is_empty() {
            return;
        }
        if line.starts_with('[') {
            in_list = false;
            all.push(heading(line).unwrap_or_else(|| {
                sink.skip(&input.label(), format!("malformed heading `{}`", short(line)));
                // What follows belongs to nobody.
                Bulletin::default()
            }));
            return;
        }
        let Some(bulletin) = all.last_mut().filter(|bulletin| !bulletin.id.is_empty()) else { return };
        let line = line.trim();
        if line.starts_with('{') || in_list {
            in_list = !line.contains('}');
            let ids = line.trim_matches(['{', '}']).split_whitespace();
            let room = MAX_ENTRIES.saturating_sub(bulletin.vulnerabilities.len());
            bulletin.vulnerabilities.extend(ids.take(room).map(|id| id.trim_matches(['{', '}']).to_owned()));
            return;
        }
        match Note::parse(line) {
            Some(Ok(note)) if bulletin.notes.len() < MAX_ENTRIES => {
                if let Some(codename) = note.codename {
                    bulletin.notes.push((codename.to_owned(), note.source.to_owned(), line.to_owned()));
                }
            }
            Some(Err(detail)) => sink.skip(&bulletin.id, detail),
            _ => {}
        }
    })?;
    all.retain(|bulletin| !bulletin.id.is_empty());
    Ok(all)
}

/// `[21 Aug 2026] DSA-6456-1 spip - security update`
fn heading(line: &str) -> Option<Bulletin> {
    let (day, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    let id = rest.split_whitespace().next().filter(|id| id.starts_with("DSA-") || id.starts_with("DLA-"))?;
    let day = jiff::civil::Date::strptime("%d %b %Y", day.trim()).ok();
    let says = |words: &[&str]| words.iter().any(|word| rest.contains(word));
    Some(Bulletin {
        id: id.to_owned(),
        day: day.and_then(|day| Instant::parse(&day.to_string())),
        // Old ones say `buffer overflow` and the like; repairs and data of time zones are updates without the word.
        is_security: says(&["security"]) || !says(&["update", "regression", "timezone", "database", "upstream"]),
        ..Bulletin::default()
    })
}

fn short(line: &str) -> String {
    line.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn revisions_are_named_with_the_fix() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/providers/debian/lists/feeds");
        let all = Bulletins::load(&Input { root: &root, path: Path::new("debian/CVE/list") }).unwrap();
        let advisories = |codename, source, id| all.fix(codename, source, id).map(|fix| fix.advisories.join(" "));
        for (codename, source, id, expected) in [
            ("bullseye", "frob", "CVE-2099-0003", Some("DSA-5000-1 DSA-5000-2")),
            ("bookworm", "frob", "CVE-2099-0003", Some("DSA-5000-1")),
            ("buster", "frob", "CVE-2099-0003", Some("DLA-9000-1")),
            ("wheezy", "openssl", "CVE-2014-0160", Some("DSA-2896-1")),
            ("woody", "gzip", "DSA-100-1", Some("DSA-100-1")),
            ("lenny", "gzip", "DSA-100-1", None),
            ("bookworm", "openssl", "CVE-2014-0160", None),
        ] {
            assert_eq!(advisories(codename, source, id).as_deref(), expected, "{codename} {source} {id}");
        }
        assert_eq!(all.newest, Instant::parse("2099-01-04"));
    }
}
