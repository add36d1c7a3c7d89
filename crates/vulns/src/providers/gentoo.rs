//! Gentoo's security advisories, one XML file each, `glsa-202305-28.xml`, as their repository has them, checked out or
//! packed.
//!
//! <https://gitweb.gentoo.org/data/glsa.git>, `glsa.dtd`: of each package the vulnerable and the unaffected versions. A
//! version is vulnerable if it is among the former and not among the latter. Ranges that begin with `r` compare the
//! revision within one version, and a range may be about one slot. Advisories appear when most is fixed, so silence
//! means nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use killick_model::advisory::{Instant, Level, License, Qualifier, StatedFix, Verdict};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};

use super::said::{self, Said};
use super::updateinfo::cves;
use super::xml::{Element, records_of};
use super::{Input, Namespace, Provider, ReadError, Sink, has_extension};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "gentoo",
    title: "Gentoo Linux security advisories",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let folder = ["gentoo/glsa", "glsa"].map(PathBuf::from).into_iter().find(|path| root.join(path).is_dir());
        // The repository as one archive, as its server packs it.
        let archive = || Some(PathBuf::from("gentoo/glsa.tar.gz")).filter(|path| root.join(path).is_file());
        folder.or_else(archive).map(|path| vec![path]).into_iter().collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "glsa",
    base: "https://gitweb.gentoo.org/data/glsa.git/snapshot/",
    folder: "gentoo",
    is_default: true,
    max_bytes: 256 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files { each: Each::Once, files: &[File::new("glsa-master.tar.gz", "glsa.tar.gz")] },
}];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let is_advisory = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or_default();
        name.starts_with("glsa-") && has_extension(name, "xml")
    };
    // One advisory a file: what is wrong with one says nothing about the others.
    let each = |name: &str, bytes: &[u8], sink: &mut Sink| {
        let mut found = Vec::new();
        if let Err(error) = records_of(bytes, |name| name == "glsa", |record| found.push(record)) {
            sink.skip(name, error);
            return;
        }
        for record in found {
            if let Err(detail) = record.and_then(|element| file(&element, sink)) {
                sink.skip(name, detail);
            }
        }
    };
    if input.root.join(input.path).is_dir() {
        return input.tree_files(sink, is_advisory, each);
    }
    input.tar_members(sink, is_advisory, each)
}

fn file(glsa: &Element, sink: &mut Sink) -> Result<(), String> {
    let id = format!("GLSA-{}", glsa.attribute("id").ok_or("an advisory without an id")?);
    // Advisories about Gentoo's own servers.
    if glsa.child("product").and_then(|product| product.attribute("type")).is_some_and(|kind| kind != "ebuild") {
        sink.leave_out();
        return Ok(());
    }
    let mut rows = Vec::new();
    for package in glsa.child("affected").into_iter().flat_map(|affected| affected.all("package")) {
        rows.push(Row::read(package)?);
    }
    if rows.is_empty() {
        return Err(format!("{id} names no package"));
    }
    let day = |name: &str| Instant::parse(glsa.text_of(name)?);
    let mut advisory = said::advisory(&id, License::ShareAlike);
    let uris = glsa.child("references").into_iter().flat_map(|references| references.all("uri"));
    let named: BTreeSet<String> =
        uris.flat_map(|uri| cves(uri.text()).chain(cves(uri.attribute("link").unwrap_or_default()))).collect();
    advisory.upstream = named.into_iter().collect();
    advisory.published = day("announced");
    advisory.modified = day("revised").or(advisory.published);
    let severity = glsa.child("impact").and_then(|impact| impact.attribute("type")).and_then(severity);
    let filing = sink.file("gentoo", || Namespace {
        name: "gentoo".to_owned(),
        ecosystem: "gentoo".to_owned(),
        coverage: Coverage::FixedOnly,
        license: License::ShareAlike,
        attribution: "Gentoo Linux security advisories, CC-BY-SA-4.0".to_owned(),
    });
    filing.advisory(&advisory);
    for row in rows {
        for (versions, fixes, slots) in row.parts() {
            let mut statement =
                Said::Unfixed(FixState::NotFixed).statement(&id, &row.name, Level::Any, Scheme::Portage);
            statement.verdict = Verdict::Affected;
            statement.versions = versions;
            if !fixes.is_empty() {
                statement.fix = StatedFix { state: FixState::Fixed, versions: fixes, advisories: Vec::new() };
            }
            statement.severity = severity;
            statement.qualifiers.extend(slots);
            statement.qualifiers.extend(row.architectures.clone());
            filing.statement(&statement);
        }
    }
    Ok(())
}

fn severity(word: &str) -> Option<Severity> {
    match word {
        "high" => Some(Severity::High),
        "normal" => Some(Severity::Medium),
        "low" | "minimal" => Some(Severity::Low),
        _ => None,
    }
}

/// One package of an advisory.
struct Row {
    name: String,
    architectures: Option<Qualifier>,
    vulnerable: Vec<Atom>,
    unaffected: Vec<Atom>,
}

/// A range, and the slot it is about; `None` for all.
struct Atom {
    slot: Option<String>,
    interval: Interval,
}

impl Row {
    fn read(package: &Element) -> Result<Self, String> {
        let name = package.attribute("name").ok_or("a package without a name")?.to_owned();
        let words = package.attribute("arch").unwrap_or("*").split_whitespace();
        let architectures = said::architectures(words.map(|word| if word == "*" { "all" } else { word }));
        let atoms = |kind: &str| -> Result<Vec<Atom>, String> { package.all(kind).map(Atom::read).collect() };
        Ok(Self { vulnerable: atoms("vulnerable")?, unaffected: atoms("unaffected")?, name, architectures })
    }

    /// The vulnerable versions and their fixes, of each slot that is spoken of and of all others.
    fn parts(&self) -> Vec<(Range, Vec<String>, Option<Qualifier>)> {
        let all = || self.vulnerable.iter().chain(&self.unaffected);
        let slots: BTreeSet<&String> = all().filter_map(|atom| atom.slot.as_ref()).collect();
        let names = || slots.iter().map(|slot| (*slot).clone()).collect();
        let others = (!slots.is_empty()).then(|| Qualifier::Slots { among: false, names: names() });
        let mut parts = vec![(self.of_slot(None), others)];
        parts.extend(slots.iter().map(|slot| {
            let qualifier = Qualifier::Slots { among: true, names: vec![(*slot).clone()] };
            (self.of_slot(Some(slot)), Some(qualifier))
        }));
        let says = parts.into_iter().filter(|((range, _), _)| !range.intervals.is_empty());
        says.map(|((range, fixes), qualifier)| (range, fixes, qualifier)).collect()
    }

    fn of_slot(&self, slot: Option<&String>) -> (Range, Vec<String>) {
        let is_about = |atom: &&Atom| atom.slot.is_none() || atom.slot.as_ref() == slot;
        let mut vulnerable: Vec<Interval> =
            self.vulnerable.iter().filter(is_about).map(|atom| atom.interval.clone()).collect();
        let mut fixes = Vec::new();
        for atom in self.unaffected.iter().filter(is_about) {
            let Interval { lower, upper } = &atom.interval;
            fixes.extend(lower.as_ref().filter(|bound| bound.inclusive).map(|bound| bound.version.clone()));
            let before = lower.as_ref().map(opposite);
            let after = upper.as_ref().map(opposite);
            let cut = |interval: &Interval| {
                let below = before.clone().map(|upper| Interval { lower: None, upper: Some(upper) });
                let above = after.clone().map(|lower| Interval { lower: Some(lower), upper: None });
                [below, above]
                    .into_iter()
                    .flatten()
                    .filter_map(|rest| intersection(interval, &rest))
                    .collect::<Vec<_>>()
            };
            vulnerable = vulnerable.iter().flat_map(cut).collect();
        }
        fixes.sort_by(|a, b| killick_model::version::order(Scheme::Portage, a, b));
        fixes.dedup();
        (Range::new(Scheme::Portage, vulnerable, Vec::new()), fixes)
    }
}

fn order(a: &str, b: &str) -> std::cmp::Ordering {
    killick_model::version::compare(Scheme::Portage, a, b).unwrap_or_else(|| a.cmp(b))
}

/// The same place, seen from the other side.
fn opposite(bound: &Bound) -> Bound {
    Bound { version: bound.version.clone(), inclusive: !bound.inclusive }
}

/// What is in both; empty ones are left to [`Range::new`].
fn intersection(a: &Interval, b: &Interval) -> Option<Interval> {
    let tighter = |a: &Option<Bound>, b: &Option<Bound>, wins: std::cmp::Ordering| match (a, b) {
        (Some(a), Some(b)) => {
            let order = order(&a.version, &b.version);
            // At one place the bound that leaves it out is the tighter one.
            let first = order == wins || (order.is_eq() && !a.inclusive);
            Some(if first { a.clone() } else { b.clone() })
        }
        (a, b) => a.clone().or_else(|| b.clone()),
    };
    let lower = tighter(&a.lower, &b.lower, std::cmp::Ordering::Greater);
    let upper = tighter(&a.upper, &b.upper, std::cmp::Ordering::Less);
    let is_empty = match (&lower, &upper) {
        (Some(lower), Some(upper)) => match order(&lower.version, &upper.version) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => !(lower.inclusive && upper.inclusive),
            std::cmp::Ordering::Less => false,
        },
        _ => false,
    };
    (!is_empty).then_some(Interval { lower, upper })
}

/// A revision above all that there are: the end of one version.
const LAST_REVISION: &str = "-r999999999";

impl Atom {
    fn read(element: &Element) -> Result<Self, String> {
        let version = element.text();
        if !Scheme::Portage.accepts(version) {
            return Err(format!("`{version}` is no version"));
        }
        let range = element.attribute("range").ok_or_else(|| format!("`{version}` has no range"))?;
        let base = version.rsplit_once("-r").map_or(version, |(base, _)| base);
        let (first, last) = (Bound::inclusive(base), Bound::inclusive(format!("{base}{LAST_REVISION}")));
        let (lower, upper) = match range {
            "lt" => (None, Some(Bound::exclusive(version))),
            "le" => (None, Some(Bound::inclusive(version))),
            "eq" => (Some(Bound::inclusive(version)), Some(Bound::inclusive(version))),
            "ge" => (Some(Bound::inclusive(version)), None),
            "gt" => (Some(Bound::exclusive(version)), None),
            "rlt" => (Some(first), Some(Bound::exclusive(version))),
            "rle" => (Some(first), Some(Bound::inclusive(version))),
            "rge" => (Some(Bound::inclusive(version)), Some(last)),
            "rgt" => (Some(Bound::exclusive(version)), Some(last)),
            range => return Err(format!("unknown range `{range}`")),
        };
        let slot = element.attribute("slot").filter(|slot| *slot != "*").map(str::to_owned);
        Ok(Self { slot, interval: Interval { lower, upper } })
    }
}
