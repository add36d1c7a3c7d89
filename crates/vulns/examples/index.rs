//! Measures an index: how long it takes to build and how large it gets, what a newer one costs to fetch, and how fast it
//! opens and matches.
//!
//! ```text
//! cargo run --release -p killick-vulns --example index -- build FEEDS OUT [PREVIOUS]
//! cargo run --release -p killick-vulns --example index -- delta OLD NEW
//! cargo run --release -p killick-vulns --example index -- match INDEX
//! ```
//!
//! `match` takes names of the index, evenly, in several versions each, and holds the same packages against a list of all
//! statements of their ecosystem as well, as a scanner does that reads the archives of OSV.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Cursor, Read, Write as _};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use killick_model::advisory::Statement;
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use killick_vulns::publication::{Blob, Contents, Depot, assemble};
use killick_vulns::{BuildOptions, Index, MatchOptions, Subject, Table, build, match_packages};

const USAGE: &str = "usage: index build FEEDS OUT [PREVIOUS] | index delta OLD NEW | index match INDEX";

/// Ecosystems whose names are taken.
const ECOSYSTEMS: [(&str, PackageKind); 4] = [
    ("npm", PackageKind::Npm),
    ("PyPI", PackageKind::Python),
    ("RubyGems", PackageKind::Gem),
    ("debian:12", PackageKind::Deb),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["build", feeds, out] => built(feeds, out, None),
        ["build", feeds, out, previous] => built(feeds, out, Some(&Index::open(Path::new(previous))?)),
        ["delta", old, new] => delta(Path::new(old), Path::new(new)),
        ["match", index] => matched(Path::new(index)),
        _ => anyhow::bail!(USAGE),
    }
}

fn built(feeds: &str, out: &str, previous: Option<&Index>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let report = build(&[feeds.into()], Path::new(out), &BuildOptions { previous, ..BuildOptions::default() })?;
    let statements: u64 = report.segments.iter().map(|segment| segment.statements).sum();
    say(&format!(
        "{} bytes of {} sources, {statements} statements, in {:.1} s, at most {} MiB",
        report.size_bytes,
        report.segments.len(),
        begun.elapsed().as_secs_f64(),
        memory()?
    ))
}

/// The blobs of an index file.
struct OfFile<'a>(&'a Index, Contents);

impl Depot for OfFile<'_> {
    fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
        let place = self.1.range(&blob.digest).ok_or(io::ErrorKind::NotFound)?;
        let part = part.unwrap_or(0..blob.bytes);
        let range = place.start.saturating_add(part.start)..place.start.saturating_add(part.end);
        Ok(Box::new(Cursor::new(self.0.bytes(range).map_err(io::Error::other)?)))
    }
}

fn delta(old: &Path, new: &Path) -> anyhow::Result<()> {
    let (old, published) = (Index::open(old)?, Index::open(new)?);
    let depot = OfFile(&published, Contents::of(&published)?);
    let publication = depot.1.publish("bench", None, jiff::Timestamp::UNIX_EPOCH, None);
    let folder = tempfile::tempdir_in(new.parent().context("a file lies in a folder")?)?;
    let out = folder.path().join("index");
    for (what, old) in [("nothing", None), ("the old index", Some(&old))] {
        let begun = Instant::now();
        let assembly = assemble(&publication, &out, old, &depot, &|_, _| {})?;
        say(&format!("with {what} at hand, in {:.1} s: {assembly:?}", begun.elapsed().as_secs_f64()))?;
        anyhow::ensure!(Index::open(&out)?.digest()? == published.digest()?, "it is another index");
    }
    say(&format!("at most {} MiB", memory()?))
}

fn matched(path: &Path) -> anyhow::Result<()> {
    let index = Index::open(path)?;
    let mut names = Vec::new();
    let mut lists: BTreeMap<&str, Vec<(String, Statement)>> = BTreeMap::new();
    let begun = Instant::now();
    for (ecosystem, kind) in ECOSYSTEMS {
        for (at, _) in index.segments_of(ecosystem) {
            let mut keys = Vec::new();
            index.visit_keys(at, Table::Packages, &mut |key| keys.push(key.to_owned()))?;
            for key in &keys {
                let said = index.statements(at, key)?;
                lists.entry(ecosystem).or_default().extend(said.into_iter().map(|statement| (key.clone(), statement)));
            }
            names.extend(keys.into_iter().map(|key| (ecosystem, kind, key)));
        }
    }
    let read = begun.elapsed();
    let all: usize = lists.values().map(Vec::len).sum();
    say(&format!("{} names, {all} statements; reading all of them takes {:.2} s", names.len(), read.as_secs_f64()))?;
    let distribution =
        Distribution { id: "debian".to_owned(), version: Some("12".to_owned()), ..Distribution::default() };
    for count in [500, 100_000] {
        let packages: Vec<(&str, Package)> = made(&names, count).collect();
        let only: Vec<Package> = packages.iter().map(|(_, package)| package.clone()).collect();
        let subject = Subject { distribution: Some(&distribution), packages: &only };
        let mut best = [f64::MAX; 2];
        let mut found = 0;
        for _ in 0..5 {
            let begun = Instant::now();
            let index = Index::open(path)?;
            let opened = begun.elapsed().as_secs_f64();
            found = black_box(match_packages(&index, subject, &MatchOptions::default())?).matches.len();
            for (best, now) in best.iter_mut().zip([opened, begun.elapsed().as_secs_f64()]) {
                *best = best.min(now);
            }
        }
        let [opened, matched] = best.map(|seconds| seconds * 1000.0);
        say(&format!(
            "{count} packages: opened in {opened:.3} ms, opened and matched in {matched:.1} ms, {found} matches"
        ))?;
        // A few of them are enough to know what all take.
        let step = (count / 100).max(1);
        let begun = Instant::now();
        let sample = packages.iter().step_by(step);
        for (ecosystem, package) in sample.clone() {
            for (name, statement) in lists.get(ecosystem).into_iter().flatten() {
                if *name == package.name {
                    black_box(statement.versions.contains(&package.version));
                }
            }
        }
        let share = u32::try_from(count).unwrap_or(u32::MAX) / u32::try_from(sample.count()).unwrap_or(1).max(1);
        let linear = begun.elapsed().saturating_mul(share).as_secs_f64();
        say(&format!("{count} packages: {:.0} ms in a list that is read already", linear * 1000.0))?;
    }
    say(&format!("at most {} MiB", memory()?))
}

/// Distinct packages: names of the index, evenly, and as many versions of each as are needed.
fn made<'a>(
    names: &'a [(&'a str, PackageKind, String)],
    count: usize,
) -> impl Iterator<Item = (&'a str, Package)> + 'a {
    let step = (names.len() / count).max(1);
    let chosen = names.iter().step_by(step).take(count).count().max(1);
    (0..count).filter_map(move |at| {
        let (ecosystem, kind, name) = names.get(at % chosen * step)?;
        let version = format!("{}.{}.{}", at / chosen % 20, at % 7, at / chosen);
        Some((*ecosystem, Package::new(*kind, name, &version, ImagePath::from("/p"))))
    })
}

/// Most memory of this process so far, in MiB, as the kernel counts it.
fn memory() -> anyhow::Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).context("no such number")?.parse()?;
    Ok(kib / 1024)
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}
