//! Debian packages that have no security support, or less than the release: `security-support-ended.deb12`,
//! `security-support-limited.deb12` of the package debian-security-support.
//!
//! <https://salsa.debian.org/debian/debian-security-support>. A list has a source package a line; the lists of what
//! ended also the last version that was supported and the day. These are no vulnerabilities: they tell why a package
//! has no more advisories. Names may be patterns: those that end in `.*` are kept, other ones are left out.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, License};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::lifecycle::{Lifecycle, Support};

use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "support",
    title: "Debian security support status",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let folder = |folder| files_in(root, folder, |name| name.starts_with(ENDED) || name.starts_with(LIMITED));
        let found = ["debian/support", "debian-security-support"].map(folder);
        found.into_iter().find(|files| !files.is_empty()).into_iter().flatten().map(|path| vec![path]).collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "lists",
    base: "https://salsa.debian.org/debian/debian-security-support/-/raw/master/",
    folder: "debian/support",
    is_default: true,
    max_bytes: 4 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Number { first: 8, known: 13 },
        files: &[
            File::new("security-support-ended.deb{}", "security-support-ended.deb{}"),
            File::new("security-support-limited.deb{}", "security-support-limited.deb{}").optional(),
        ],
    },
}];

const ENDED: &str = "security-support-ended";

const LIMITED: &str = "security-support-limited";

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let name = input.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let has_ended = name.starts_with(ENDED);
    let release = match name.rsplit_once(".deb") {
        Some((_, release)) => release.to_owned(),
        // The list of the release the package is of, once more.
        None if has_ended => return Ok(()),
        None => match of_package(input)? {
            Some(release) => release,
            None => return Err(input.malformed("no list of a release tells which release it is of")),
        },
    };
    let release = format!("debian:{release}");
    input.lines(|line| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        match entry(line, has_ended) {
            Ok(Some(entry)) => file(&release, &entry, sink),
            Ok(None) => sink.leave_out(),
            Err(detail) => sink.skip(&input.label(), detail),
        }
    })
}

/// The release whose list is the one without a release in its name.
fn of_package(input: &Input<'_>) -> Result<Option<String>, ReadError> {
    let content = |path: PathBuf| fs_err::read(path).map_err(|error| input.unreadable(error));
    let folder = input.root.join(input.path.parent().unwrap_or(Path::new("")));
    let Ok(own) = content(folder.join(ENDED)) else { return Ok(None) };
    let lists = files_in(&folder, "", |name| name.starts_with(&format!("{ENDED}.deb")));
    for list in lists {
        if content(folder.join(&list))? == own {
            return Ok(list.to_str().and_then(|name| name.rsplit_once(".deb")).map(|(_, release)| release.to_owned()));
        }
    }
    Ok(None)
}

struct Entry<'a> {
    source: &'a str,
    /// Last version with support, and when it ended.
    end: Option<(&'a str, Instant)>,
}

/// One line; `None` where it speaks of packages by a pattern that is more than a beginning.
fn entry(line: &str, has_ended: bool) -> Result<Option<Entry<'_>>, String> {
    let mut words = line.split_whitespace();
    let source = words.next().unwrap_or_default();
    let name = source.strip_suffix(".*").unwrap_or(source);
    if name.contains(['*', '[', '(', '|', '^', '$', '\\', '?']) {
        return Ok(None);
    }
    if !has_ended {
        return Ok(Some(Entry { source, end: None }));
    }
    let (version, day) = (words.next(), words.next());
    let day = day.and_then(Instant::parse);
    let end = version.zip(day).ok_or_else(|| format!("`{source}` has neither version nor day"))?;
    Ok(Some(Entry { source, end: Some(end) }))
}

fn file(release: &str, entry: &Entry<'_>, sink: &mut Sink) {
    let filing = sink.file("debian-support", || Namespace {
        name: "debian-support".to_owned(),
        ecosystem: String::new(),
        coverage: Coverage::FixedOnly,
        license: License::Unknown,
        attribution: "Debian debian-security-support, GPL-2.0".to_owned(),
    });
    let last = entry.end.map(|(version, _)| version).filter(|version| *version != "0");
    filing.lifecycle(&Lifecycle {
        product: release.to_owned(),
        cycle: entry.source.to_owned(),
        codename: None,
        released: None,
        ends: entry.end.map(|(_, day)| day),
        extended_ends: None,
        support: if entry.end.is_some() { Support::Ended } else { Support::Limited },
        last_version: last.map(str::to_owned),
        known_since: UNDATED,
    });
}
