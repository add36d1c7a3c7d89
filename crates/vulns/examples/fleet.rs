//! Judges a synthetic fleet again after a change of real feeds:
//! `cargo run --release -p killick-vulns --example fleet -- FEEDS [IMAGES [DAYS]]`.
//!
//! `FEEDS` lies like the upstreams. The old index lacks those of the records of OSV and the NVD that were changed on the
//! last DAYS (30: a snapshot that is rebuilt from pieces has few of one day). The
//! IMAGES (1,000,000) are on 2,000 base images of ten distributions, hold one of 50,000 sets of dependencies, and
//! twelve packages of their own; all of it Zipf-distributed over the names of the index, in versions around those its
//! statements name. In the same run, what the same costs without following the change, and with a list of all
//! advisories that is gone through for each package, on samples.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "chances and seconds need not be exact"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use killick_model::advisory::Statement;
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_vulns::fleet::{ChangeKind, ChangeOptions, Changes, Fleet, Inventory as _, PackageIdentity, rejudge};
use killick_vulns::{BuildOptions, Index, MatchOptions, Subject, Suppressions, build, match_packages};
use serde_json::Value;

const BASES: usize = 2_000;
const DEPENDENCIES: usize = 50_000;
/// Images that are judged one by one, to know what all of them would take.
const SAMPLE: usize = 300;
/// Packages that are held against all advisories.
const SCANNED: usize = 2_000;

const RELEASES: [(&str, &str, PackageKind); 10] = [
    ("debian", "12", PackageKind::Deb),
    ("debian", "13", PackageKind::Deb),
    ("debian", "11", PackageKind::Deb),
    ("debian", "10", PackageKind::Deb),
    ("almalinux", "9", PackageKind::Rpm),
    ("almalinux", "8", PackageKind::Rpm),
    ("alpine", "3.20", PackageKind::Apk),
    ("alpine", "3.18", PackageKind::Apk),
    ("debian", "sid", PackageKind::Deb),
    ("wolfi", "20230201", PackageKind::Apk),
];

const ECOSYSTEMS: [(&str, PackageKind); 6] = [
    ("npm", PackageKind::Npm),
    ("PyPI", PackageKind::Python),
    ("Maven", PackageKind::Java),
    ("Go", PackageKind::Go),
    ("RubyGems", PackageKind::Gem),
    ("Packagist", PackageKind::Composer),
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let feeds = PathBuf::from(arguments.next().context("usage: fleet FEEDS [IMAGES [DAYS]]")?);
    let images: u32 = arguments.next().map_or(Ok(1_000_000), |number| number.parse())?;
    let days: i64 = arguments.next().map_or(Ok(30), |number| number.parse())?;
    let work = tempfile::tempdir()?;

    let (old_path, new_path) = (work.path().join("old"), work.path().join("new"));
    let before = work.path().join("feeds");
    let left_out = without_last_days(&feeds, &before, days)?;
    build(&[before], &old_path, &BuildOptions::default())?;
    let previous = Index::open(&old_path)?;
    let options = BuildOptions { previous: Some(&previous), ..BuildOptions::default() };
    build(&[feeds], &new_path, &options)?;
    drop(previous);
    let open = |path: &Path| Index::open(path);
    let (old, new) = (open(&old_path)?, open(&new_path)?);
    let statements: u64 = new.manifest().segments.iter().map(|segment| segment.statements).sum();
    say(&format!(
        "index: {} segments, {statements} statements; {left_out} records of the last {days} days",
        new.manifest().segments.len()
    ))?;

    let begun = Instant::now();
    let fleet = Synthetic::new(&new, images)?;
    say(&format!(
        "fleet: {images} images, {} packages each on average, {} distinct identities in {} sets; made in {:.1} s",
        fleet.instances / u64::from(images.max(1)),
        fleet.fleet.identities(),
        fleet.fleet.sets(),
        begun.elapsed().as_secs_f64()
    ))?;
    let resident = memory("VmRSS")?;
    // What judging took before must not help.
    drop((old, new));
    let (old, new) = (open(&old_path)?, open(&new_path)?);
    let followed = follow(&fleet.fleet, &old, &new)?;
    say(&format!("memory: fleet and indexes {resident} MiB, at most {} MiB", memory("VmHWM")?))?;
    compare(&fleet, &new, images, followed)
}

/// Follows the change to all images and says what it took.
fn follow(fleet: &Fleet, old: &Index, new: &Index) -> anyhow::Result<Duration> {
    let options = ChangeOptions::default();
    let begun = Instant::now();
    let changes = Changes::between(old, new, options)?;
    let compared = begun.elapsed();
    let mut kinds: BTreeMap<ChangeKind, u64> = BTreeMap::new();
    let mut told = 0_u64;
    let mut images: Vec<bool> = Vec::new();
    let totals = rejudge(old, new, &changes, options, fleet, &mut |rejudged| {
        for change in &rejudged.changes {
            *kinds.entry(change.kind()).or_default() += 1;
        }
        let count = rejudged.changes.len() as u64;
        fleet.images(rejudged.number, &mut |image| {
            let at = image as usize;
            if at >= images.len() {
                images.resize(at + 1, false);
            }
            images[at] = true;
            told += count;
        });
        Ok(())
    })?;
    let all = begun.elapsed();
    let names: usize = changes.names.values().map(BTreeSet::len).sum();
    let effort = changes.effort;
    say(&format!(
        "change: {} vulnerabilities, {names} names of the fleet; {} of {} segments and {} of {} blocks in them compared",
        changes.vulnerabilities.len(),
        effort.segments_compared,
        effort.segments,
        effort.blocks_read,
        effort.blocks
    ))?;
    say(&format!(
        "re-judged: {} identities judged twice, {} changed ({kinds:?}), {told} changes in {} images",
        totals.judged,
        totals.changed,
        images.iter().filter(|is_there| **is_there).count()
    ))?;
    say(&format!("time: {:.2} s to compare, {:.2} s in all", compared.as_secs_f64(), all.as_secs_f64()))?;
    Ok(all)
}

/// What the same takes otherwise.
fn compare(fleet: &Synthetic, new: &Index, images: u32, followed: Duration) -> anyhow::Result<()> {
    let ratio = |seconds: f64| seconds / followed.as_secs_f64();
    let drop = MatchOptions { suppressed: Suppressions::Drop, ..MatchOptions::default() };
    let begun = Instant::now();
    for sample in 0..SAMPLE {
        let packages = fleet.packages(sample * images as usize / SAMPLE);
        black_box(match_packages(new, Subject { distribution: None, packages: &packages }, &drop)?);
    }
    let seconds = begun.elapsed().as_secs_f64() * f64::from(images) / SAMPLE as f64;
    say(&format!("every image again: {seconds:.0} s by {SAMPLE} of them, {:.0}x", ratio(seconds)))?;

    let begun = Instant::now();
    let count = fleet.fleet.identities() as u64;
    let numbers: Vec<u64> = (0..count).collect();
    for batch in numbers.chunks(4_096) {
        let packages: Vec<Package> = batch.iter().filter_map(|number| fleet.package(*number)).collect();
        black_box(match_packages(new, Subject { distribution: None, packages: &packages }, &drop)?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("every distinct package again, once: {seconds:.1} s, {:.1}x", ratio(seconds)))?;

    let mut all: BTreeMap<&str, Vec<(String, Statement)>> = BTreeMap::new();
    for (at, segment) in new.manifest().segments.iter().enumerate() {
        let mut names = Vec::new();
        new.visit_keys(at, killick_vulns::Table::Packages, &mut |name| names.push(name.to_owned()))?;
        let list = all.entry(&segment.ecosystem).or_default();
        for name in names {
            list.extend(new.statements(at, &name)?.into_iter().map(|statement| (name.clone(), statement)));
        }
    }
    let begun = Instant::now();
    let step = (fleet.fleet.identities() / SCANNED).max(1);
    let mut scanned = 0_usize;
    for number in numbers.iter().step_by(step) {
        let Some(identity) = fleet.fleet.identity(*number)? else { continue };
        let package = identity.package();
        scanned += 1;
        for name in identity.lookup_names() {
            for (key, statement) in all.get(name.ecosystem.as_str()).into_iter().flatten() {
                if *key == name.name {
                    black_box(statement.versions.contains(&package.version));
                }
            }
        }
    }
    let of_each = begun.elapsed().as_secs_f64() / scanned.max(1) as f64;
    let distinct = of_each * fleet.fleet.identities() as f64;
    let every = of_each * fleet.instances as f64;
    say(&format!(
        "linear scan of all advisories: {distinct:.0} s for every distinct package once, {:.0}x; {every:.0} s for those of \
         every image, {:.0}x",
        ratio(distinct),
        ratio(every)
    ))
}

/// A fleet, and how its images are made up.
struct Synthetic {
    fleet: Fleet,
    /// Of each set its identities.
    sets: Vec<Vec<u32>>,
    /// Of each image its sets.
    images: Vec<[u32; 3]>,
    /// Packages of all images, each as often as it is there.
    instances: u64,
}

impl Synthetic {
    fn new(index: &Index, images: u32) -> anyhow::Result<Self> {
        let mut dice = Dice(1);
        let mut made = Self { fleet: Fleet::default(), sets: Vec::new(), images: Vec::new(), instances: 0 };
        let mut pools = Vec::new();
        for (id, version, kind) in RELEASES {
            let distribution =
                Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() };
            let namespace = if id == "wolfi" { id.to_owned() } else { format!("{id}:{version}") };
            pools.push(made.pool(index, &namespace, kind, Some(&distribution))?);
        }
        pools.retain(|pool: &Vec<Vec<u32>>| pool.len() > 50);
        let mut languages = Vec::new();
        for (ecosystem, kind) in ECOSYSTEMS {
            languages.push(made.pool(index, ecosystem, kind, None)?);
        }
        languages.retain(|pool| !pool.is_empty());
        anyhow::ensure!(!pools.is_empty() && !languages.is_empty(), "the feeds know too few packages");
        let mut bases = Vec::with_capacity(BASES);
        for _ in 0..BASES {
            let pool = &pools[dice.zipf(pools.len())];
            let (count, age) = (80 + dice.below(150), dice.below(8));
            bases.push(made.set(pick(&mut dice, pool, count, Some(age))));
        }
        let mut dependencies = Vec::with_capacity(DEPENDENCIES);
        for _ in 0..DEPENDENCIES {
            let pool = &languages[dice.zipf(languages.len())];
            let count = 20 + dice.below(200);
            dependencies.push(made.set(pick(&mut dice, pool, count, None)));
        }
        for image in 0..images {
            let language = dice.zipf(languages.len());
            let own = made.set(pick(&mut dice, &languages[language], 12, None));
            let sets = [bases[dice.zipf(bases.len())], dependencies[dice.zipf(dependencies.len())], own];
            for set in sets {
                made.fleet.add_set(image, set);
                made.instances += made.sets[set as usize].len() as u64;
            }
            made.images.push(sets);
        }
        Ok(made)
    }

    /// The packages of an ecosystem: of each name its versions, oldest first as far as that matters.
    fn pool(
        &mut self,
        index: &Index,
        namespace: &str,
        kind: PackageKind,
        distribution: Option<&Distribution>,
    ) -> anyhow::Result<Vec<Vec<u32>>> {
        let mut pool = Vec::new();
        for (at, _) in index.segments_of(namespace) {
            let mut names = Vec::new();
            index.visit_keys(at, killick_vulns::Table::Packages, &mut |name| names.push(name.to_owned()))?;
            for name in names.into_iter().filter(|name| !name.starts_with(':')) {
                let mut versions: BTreeSet<String> = BTreeSet::new();
                for statement in index.statements(at, &name)? {
                    versions.extend(statement.fix.versions);
                }
                versions.insert(if kind == PackageKind::Go { "v1.0.0".to_owned() } else { "1.0.0".to_owned() });
                // Some never had a flaw.
                versions.insert(if kind == PackageKind::Go { "v99.0.0".to_owned() } else { "99.0.0".to_owned() });
                let versions = versions.iter().take(12).map(|version| {
                    let package = package(kind, &name, version);
                    let subject = Subject { distribution, packages: std::slice::from_ref(&package) };
                    PackageIdentity::all(subject).first().map(|identity| self.fleet.intern(identity))
                });
                pool.push(versions.flatten().collect());
            }
        }
        // Whatever the alphabet says, any name may be the most frequent one.
        pool.sort_by_key(|versions: &Vec<u32>| {
            versions.first().map(|first| u64::from(*first).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        });
        Ok(pool)
    }

    fn set(&mut self, identities: Vec<u32>) -> u32 {
        let set = self.fleet.set(identities.clone());
        if set as usize == self.sets.len() {
            self.sets.push(identities);
        }
        set
    }

    fn packages(&self, image: usize) -> Vec<Package> {
        let sets = self.images.get(image).into_iter().flatten();
        let numbers = sets.filter_map(|set| self.sets.get(*set as usize)).flatten();
        numbers.filter_map(|number| self.package(u64::from(*number))).collect()
    }

    fn package(&self, number: u64) -> Option<Package> {
        Some(self.fleet.identity(number).ok()??.package().clone())
    }
}

/// Distinct names by their frequency, each in one version: a recent one, or that of an age.
fn pick(dice: &mut Dice, pool: &[Vec<u32>], count: usize, age: Option<usize>) -> Vec<u32> {
    let mut chosen = BTreeSet::new();
    for _ in 0..count * 3 {
        if chosen.len() < count {
            chosen.insert(dice.zipf(pool.len()));
        }
    }
    let version = |dice: &mut Dice, versions: &[u32]| {
        let back = age.unwrap_or_else(|| dice.zipf(versions.len()));
        versions[versions.len().saturating_sub(1 + back.min(versions.len() - 1))]
    };
    chosen.into_iter().map(|name| version(dice, &pool[name])).collect()
}

fn package(kind: PackageKind, name: &str, version: &str) -> Package {
    let mut package = Package::new(kind, name, version, ImagePath::default());
    if kind == PackageKind::Java
        && let Some((group, artifact)) = name.split_once(':')
    {
        artifact.clone_into(&mut package.name);
        package.details = PackageDetails::Java {
            group: Some(group.to_owned()),
            specification_version: None,
            implementation_version: None,
            maven_version: None,
            pom_properties: Some(String::new()),
            extension: "jar".to_owned(),
        };
    }
    package
}

/// Choices that a number makes, by `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    /// A number below `count`, about as often as the inverse of its rank says.
    fn zipf(&mut self, count: usize) -> usize {
        let part = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = ((count as f64 + 1.0).ln() * part).exp() as usize;
        rank.saturating_sub(1).min(count.saturating_sub(1))
    }
}

/// Copies feeds without what their OSV records and NVD's say they changed on the last days; tells how many that are.
fn without_last_days(from: &Path, to: &Path, days: i64) -> anyhow::Result<usize> {
    let mut files = Vec::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut newest: Option<jiff::civil::Date> = None;
    let mut read = Vec::new();
    for path in files {
        let relative = path.strip_prefix(from)?.to_owned();
        let records = records(&path, &relative)?;
        newest = newest.max(records.iter().flatten().filter_map(|(_, record)| changed(record)).max());
        read.push((path, relative, records));
    }
    let first = newest.context("no record says when it was changed")?.saturating_sub(jiff::Span::new().days(days - 1));
    let mut left_out = 0;
    for (path, relative, records) in read {
        let out = to.join(&relative);
        fs_err::create_dir_all(out.parent().unwrap_or(to))?;
        let Some(mut records) = records else {
            fs_err::copy(&path, &out)?;
            continue;
        };
        let before = records.len();
        records.retain(|(_, record)| changed(record).is_none_or(|date| date < first));
        left_out += before - records.len();
        fs_err::write(&out, if relative.starts_with("osv") { zipped(&records)? } else { nvd(records)? })?;
    }
    Ok(left_out)
}

/// The records of a file of OSV's or NVD's, with their names; `None` of any other.
fn records(path: &Path, relative: &Path) -> anyhow::Result<Option<Vec<(String, Value)>>> {
    let mut found = Vec::new();
    if relative.starts_with("osv") && relative.ends_with("all.zip") {
        let mut archive = zip::ZipArchive::new(Cursor::new(fs_err::read(path)?))?;
        for at in 0..archive.len() {
            let mut member = archive.by_index(at)?;
            let mut text = String::new();
            member.read_to_string(&mut text)?;
            found.push((member.name()?.into_owned(), serde_json::from_str(&text)?));
        }
    } else if relative.starts_with("nvd") && path.extension().is_some_and(|extension| extension == "zst") {
        let text = zstd::decode_all(fs_err::File::open(path)?)?;
        let mut document: Value = serde_json::from_slice(&text)?;
        let Some(Value::Array(all)) = document.get_mut("vulnerabilities").map(Value::take) else { return Ok(None) };
        found.extend(all.into_iter().map(|record| (String::new(), record)));
    } else {
        return Ok(None);
    }
    Ok(Some(found))
}

fn changed(record: &Value) -> Option<jiff::civil::Date> {
    let text = record.get("modified").or_else(|| record.pointer("/cve/lastModified"))?.as_str()?;
    text.get(..10)?.parse().ok()
}

fn zipped(records: &[(String, Value)]) -> anyhow::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, record) in records {
        archive.start_file(name, zip::write::SimpleFileOptions::default())?;
        archive.write_all(record.to_string().as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

fn nvd(records: Vec<(String, Value)>) -> anyhow::Result<Vec<u8>> {
    let all: Vec<Value> = records.into_iter().map(|(_, record)| record).collect();
    let document = serde_json::json!({"format": "NVD_CVE", "version": "2.0", "vulnerabilities": all});
    Ok(zstd::encode_all(document.to_string().as_bytes(), 3)?)
}

/// MiB of this process, as the kernel counts them.
fn memory(what: &str) -> anyhow::Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).context("no such number")?.parse()?;
    Ok(kib / 1024)
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
