use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Enrichment, Exploited, Instant, Level, License, Qualifier, Rating,
    RatingValue, StatedFix, Statement, Verdict,
};
use killick_model::distribution::Distribution;
use killick_model::matching::{FixState, Match};
use killick_model::package::symbols::Symbols;
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageId, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use proptest::prelude::*;

use super::*;
use crate::index::format::{HEADER_BYTES, TRAILER_BYTES};
use crate::index::write::{Records, write_file};
use crate::index::{Coverage, Index, Segment};
use crate::matching::{MatchOptions, Subject, Suppressions, match_packages};

/// Choices that a number makes.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn below(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Provider, namespace, ecosystem, version order and level of the sources there may be.
const SOURCES: &[(&str, &str, &str, Scheme, Level)] = &[
    ("anchore", "debian:12", "debian:12", Scheme::Dpkg, Level::Any),
    ("debian", "debian:12", "debian:12", Scheme::Dpkg, Level::Source),
    ("debian", "debian:13", "debian:13", Scheme::Dpkg, Level::Source),
    ("epss", "epss", "", Scheme::Generic, Level::Any),
    ("ghsa", "PyPI", "PyPI", Scheme::Pep440, Level::Module),
    ("kev", "kev", "", Scheme::Generic, Level::Any),
    ("nvd", "cpe", "cpe", Scheme::Generic, Level::Cpe),
    ("osv", "Go", "Go", Scheme::Go, Level::Module),
    ("osv", "Hex", "Hex", Scheme::Hex, Level::Module),
    ("osv", "Maven", "Maven", Scheme::Maven, Level::Module),
    ("osv", "PyPI", "PyPI", Scheme::Pep440, Level::Module),
    ("osv", "debian:12", "debian:12", Scheme::Dpkg, Level::Source),
    ("osv", "npm", "npm", Scheme::Semver, Level::Module),
    ("rhel", "rhel:9", "rhel:9", Scheme::Rpm, Level::Binary),
    ("rhel", "rhel:9.4", "rhel:9.4", Scheme::Rpm, Level::Binary),
];

const NAMES: &[&str] = &["alpha", "beta", "gamma", "delta"];
const VERSIONS: &[&str] = &["1.0", "1.1", "1.2", "2.0"];

/// What one source says: by key, in its tables.
#[derive(Clone, Default)]
struct Said {
    statements: BTreeMap<(String, String), Statement>,
    advisories: BTreeMap<String, Advisory>,
    enrichment: BTreeMap<String, Enrichment>,
    fixed_only: bool,
}

/// What all sources say, by their position.
type World = BTreeMap<usize, Said>;

fn vulnerability(dice: &mut Dice) -> String {
    let prefix = dice.pick(&["CVE-2024-", "GHSA-", "X-"]);
    format!("{prefix}{}", dice.below(7))
}

fn rating(dice: &mut Dice) -> Rating {
    let word = [Severity::Low, Severity::Medium, Severity::High][dice.below(3)];
    Rating { source: dice.pick(&["nvd", "ghsa", "x"]).to_owned(), value: RatingValue::Word(word) }
}

/// One thing that is said, said otherwise, or said no more.
fn edit(dice: &mut Dice, world: &mut World) {
    let at = dice.below(SOURCES.len());
    let (_, _, ecosystem, scheme, level) = SOURCES[at];
    if dice.one_in(40) && world.remove(&at).is_some() {
        return;
    }
    let said = world.entry(at).or_default();
    if dice.one_in(40) {
        said.fixed_only ^= true;
    }
    let id = vulnerability(dice);
    if ecosystem.is_empty() || (ecosystem == "cpe" && dice.one_in(3)) {
        let removed = dice.one_in(3) && said.enrichment.remove(&id).is_some();
        if !removed {
            said.enrichment.insert(id, enrichment(dice));
        }
        return;
    }
    match dice.below(4) {
        0 => {
            said.advisories.insert(id.clone(), advisory(dice, id));
        }
        1 => {
            said.advisories.remove(&id);
        }
        2 if dice.one_in(2) => {
            let key = said.statements.keys().nth(dice.below(said.statements.len().max(1))).cloned();
            key.and_then(|key| said.statements.remove(&key));
        }
        _ => {
            let name = match ecosystem {
                "Go" => dice.pick(&["example.com/alpha", "example.com/beta", "stdlib"]).to_owned(),
                "Maven" => format!("{}:{}", dice.pick(&["org.a", "org.b"]), dice.pick(NAMES)),
                _ => dice.pick(NAMES).to_owned(),
            };
            said.statements.insert((name.clone(), id.clone()), statement(dice, id, name, scheme, level));
        }
    }
}

fn enrichment(dice: &mut Dice) -> Enrichment {
    Enrichment {
        ratings: (0..dice.below(2)).map(|_| rating(dice)).collect(),
        cwes: Vec::new(),
        exploited: dice.one_in(3).then_some(Exploited { added: None, due: None, ransomware: false }),
        epss_millionths: (!dice.one_in(3)).then(|| u32::try_from(dice.below(1_000_000)).unwrap()),
        status: if dice.one_in(6) { AdvisoryStatus::Rejected } else { AdvisoryStatus::Active },
        published: None,
        modified: None,
        known_since: Instant(i64::try_from(dice.below(3)).unwrap()),
    }
}

fn advisory(dice: &mut Dice, id: String) -> Advisory {
    let names = |dice: &mut Dice| (0..dice.below(3)).map(|_| vulnerability(dice)).collect::<Vec<_>>();
    let (aliases, upstream) = if dice.one_in(4) { (Vec::new(), names(dice)) } else { (names(dice), Vec::new()) };
    Advisory {
        id,
        aliases,
        upstream,
        kind: if dice.one_in(8) { AdvisoryKind::Notice } else { AdvisoryKind::Vulnerability },
        status: if dice.one_in(8) { AdvisoryStatus::Withdrawn } else { AdvisoryStatus::Active },
        published: None,
        modified: None,
        ratings: (0..dice.below(3)).map(|_| rating(dice)).collect(),
        cwes: Vec::new(),
        url: None,
        license: License::Public,
        known_since: Instant(i64::try_from(dice.below(3)).unwrap()),
    }
}

fn statement(dice: &mut Dice, id: String, name: String, scheme: Scheme, level: Level) -> Statement {
    let fixed = dice.pick(VERSIONS);
    let prefix = match (scheme, name.as_str()) {
        (Scheme::Go, "stdlib") => "go",
        (Scheme::Go, _) => "v",
        _ => "",
    };
    let fixed = format!("{prefix}{fixed}{}", if scheme == Scheme::Semver { ".0" } else { "" });
    let versions = match dice.below(3) {
        0 => Range::all(scheme),
        _ => Range::new(scheme, vec![Interval::before(fixed.as_str())], Vec::new()),
    };
    let mut qualifiers = Vec::new();
    if scheme == Scheme::Go && dice.one_in(2) {
        let symbols = if dice.one_in(2) { vec![dice.pick(&["F", "G"]).to_owned()] } else { Vec::new() };
        qualifiers.push(Qualifier::GoImport { path: name.clone(), symbols });
    }
    if scheme == Scheme::Rpm && dice.one_in(3) {
        qualifiers.push(Qualifier::Module("m:1".to_owned()));
    }
    let name = match level {
        Level::Cpe => format!("cpe:2.3:a:{name}:{name}:*:*:*:*:*:*:*:*"),
        _ => name,
    };
    Statement {
        advisory: id,
        name,
        level: if level == Level::Source && dice.one_in(3) { Level::Binary } else { level },
        versions,
        verdict: match dice.below(6) {
            0 => Verdict::NotAffected,
            1 => Verdict::UnderInvestigation,
            _ => Verdict::Affected,
        },
        fix: StatedFix {
            state: if dice.one_in(2) { FixState::Fixed } else { FixState::NotFixed },
            versions: if dice.one_in(2) { vec![fixed] } else { Vec::new() },
            advisories: Vec::new(),
        },
        qualifiers,
        severity: dice.one_in(3).then_some(Severity::Medium),
        known_since: Instant(i64::try_from(dice.below(3)).unwrap()),
    }
}

fn write(out: &Path, world: &World) -> Index {
    let segments = world
        .iter()
        .filter(|(_, said)| !said.statements.is_empty() || !said.advisories.is_empty() || !said.enrichment.is_empty());
    let segments = segments.map(|(at, said)| {
        let (provider, namespace, ecosystem, ..) = SOURCES[*at];
        let mut segment = Segment {
            provider: provider.to_owned(),
            namespace: namespace.to_owned(),
            ecosystem: ecosystem.to_owned(),
            coverage: if said.fixed_only { Coverage::FixedOnly } else { Coverage::Full },
            license: License::Public,
            attribution: String::new(),
            data_instant: None,
            advisories: 0,
            statements: 0,
            skipped: 0,
            inputs: Vec::new(),
            digest: [0; 32],
            offset: 0,
            blocks_bytes: 0,
            directory_bytes: 0,
        };
        let mut records = Records::default();
        for ((name, _), statement) in &said.statements {
            if statement.level == Level::Cpe {
                records.cpe(name, statement);
            } else {
                for key in crate::names::keys(ecosystem, name) {
                    records.statement(&key, statement);
                }
            }
        }
        said.advisories.values().for_each(|advisory| records.advisory(advisory));
        said.enrichment.iter().for_each(|(id, enrichment)| records.enrichment(id, enrichment));
        let bytes = records.finish(&mut segment, Instant(7), None).unwrap();
        (segment, bytes)
    });
    write_file(out, Instant(7), segments.collect()).unwrap();
    Index::open(out).unwrap()
}

/// An image of some packages, installed and owned in all ways that matching tells apart.
fn image(dice: &mut Dice) -> (Option<Distribution>, Vec<Package>) {
    let distributions = [("debian", "12"), ("debian", "13"), ("rhel", "9.4"), ("centos", "9"), ("void", "1")];
    let distribution = |dice: &mut Dice| {
        let (id, version) = distributions[dice.below(distributions.len())];
        Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() }
    };
    let own = (!dice.one_in(6)).then(|| distribution(dice));
    let count = dice.below(9);
    let mut packages: Vec<Package> = Vec::new();
    for _ in 0..count {
        let mut package = package(dice);
        if dice.one_in(2) && !packages.is_empty() {
            package.owner = Some(PackageId(u32::try_from(dice.below(packages.len())).unwrap()));
        }
        if package.kind.is_os() && dice.one_in(5) {
            package.distribution = Some(distribution(dice));
        }
        package.layer = u32::try_from(dice.below(3)).unwrap();
        packages.push(package);
    }
    (own, packages)
}

fn package(dice: &mut Dice) -> Package {
    let kinds = [
        PackageKind::Deb,
        PackageKind::Deb,
        PackageKind::Rpm,
        PackageKind::Python,
        PackageKind::Npm,
        PackageKind::Java,
        PackageKind::Go,
        PackageKind::Go,
        PackageKind::Hex,
        PackageKind::Binary,
    ];
    let kind = kinds[dice.below(kinds.len())];
    let (mut name, mut version) = (dice.pick(NAMES).to_owned(), dice.pick(VERSIONS).to_owned());
    let mut source = None;
    let mut details = PackageDetails::None;
    match kind {
        PackageKind::Deb => {
            source =
                dice.one_in(2).then(|| SourcePackage { name: dice.pick(NAMES).to_owned(), version: version.clone() });
        }
        PackageKind::Rpm => {
            details = PackageDetails::Rpm {
                epoch: None,
                source_rpm: Some(dice.pick(NAMES).to_owned()),
                module: dice.one_in(2).then(|| "m:1:2".to_owned()),
                vendor: None,
                signatures: Vec::new(),
            };
        }
        PackageKind::Npm => {
            details = PackageDetails::Npm { homepage: Some(version.clone()), is_private: dice.one_in(4) };
            version.push_str(".0");
        }
        PackageKind::Java => {
            details = PackageDetails::Java {
                group: dice.one_in(2).then(|| dice.pick(&["org.a", "org.b"]).to_owned()),
                specification_version: None,
                implementation_version: None,
                maven_version: None,
                pom_properties: dice.one_in(2).then(|| "version=1".to_owned()),
                extension: "jar".to_owned(),
            };
        }
        PackageKind::Go => {
            name = dice.pick(&["example.com/alpha", "example.com/beta", "stdlib"]).to_owned();
            version = format!("{}{version}.0", if name == "stdlib" { "go" } else { "v" });
            let symbols = [(name.as_str(), None), (name.as_str(), Some(dice.pick(&["F", "G"])))];
            details = PackageDetails::Go {
                main: dice.one_in(2),
                toolchain: dice.one_in(2).then(|| format!("go{}", dice.pick(VERSIONS))),
                checksum: Some(version.clone()),
                version_from: dice.one_in(4).then(|| "vcs.revision".to_owned()),
                symbols: dice.one_in(2).then(|| Symbols::new(symbols.into_iter())),
            };
        }
        PackageKind::Hex => {
            details = PackageDetails::Published {
                namespace: dice.one_in(2).then(|| "acme".to_owned()),
                subpath: None,
                qualifiers: BTreeMap::new(),
                checksum: None,
            };
        }
        _ => {}
    }
    let evidence = if dice.one_in(4) { PackageEvidence::Claimed } else { PackageEvidence::Installed };
    let location = ImagePath::from(dice.pick(&["/a", "/b"]));
    Package { source, details, evidence, ..Package::new(kind, &name, &version, location) }
}

/// Identity, and what of its matches changed, as text.
type Change = (String, Option<String>, Option<String>);

/// What of a match counts, as text.
fn told(found: &Match, options: ChangeOptions) -> String {
    let mut found = Match { package: PackageId(0), ..found.clone() };
    found.fix.observed_at = None;
    found.epss = found.epss.filter(|_| options.epss);
    if !options.epss {
        found.risk = 0.0;
    }
    found.evidence.iter_mut().for_each(|evidence| evidence.known_since = None);
    serde_json::to_string(&found).unwrap()
}

/// What each image's packages' matches changed, by judging all images whole by both indexes.
fn all_over(
    old: &Index,
    new: &Index,
    images: &[(Option<Distribution>, Vec<Package>)],
    options: ChangeOptions,
) -> BTreeMap<u32, BTreeSet<Change>> {
    let mut found = BTreeMap::new();
    for (at, (distribution, packages)) in images.iter().enumerate() {
        let subject = Subject { distribution: distribution.as_ref(), packages };
        let drop = MatchOptions { suppressed: Suppressions::Drop, ..MatchOptions::default() };
        let by_package = |index: &Index| {
            let mut all: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
            for found in match_packages(index, subject, &drop).unwrap().matches {
                all.entry(found.package.0).or_default().insert(told(&found, options));
            }
            all
        };
        let (before, after) = (by_package(old), by_package(new));
        let none = BTreeSet::new();
        let mut changes = BTreeSet::new();
        for (at, identity) in (0..).zip(PackageIdentity::all(subject)) {
            let identity = String::from_utf8(identity.to_document()).unwrap();
            let (before, after) = (before.get(&at).unwrap_or(&none), after.get(&at).unwrap_or(&none));
            let only = |these: &BTreeSet<String>, others: &BTreeSet<String>| -> Vec<String> {
                these.difference(others).cloned().collect()
            };
            changes.extend(only(before, after).into_iter().map(|old| (identity.clone(), Some(old), None)));
            changes.extend(only(after, before).into_iter().map(|new| (identity.clone(), None, Some(new))));
        }
        if !changes.is_empty() {
            found.insert(u32::try_from(at).unwrap(), changes);
        }
    }
    found
}

/// The same by following the change.
fn by_change(
    old: &Index,
    new: &Index,
    images: &[(Option<Distribution>, Vec<Package>)],
    options: ChangeOptions,
) -> BTreeMap<u32, BTreeSet<Change>> {
    let mut fleet = Fleet::default();
    for (at, (distribution, packages)) in (0..).zip(images) {
        fleet.add(at, Subject { distribution: distribution.as_ref(), packages });
    }
    let wanted = |ecosystem: &str, name: &str| fleet.has_name(ecosystem, name);
    let changes = Changes::between_among(old, new, options, &wanted).unwrap();
    let mut found: BTreeMap<u32, BTreeSet<Change>> = BTreeMap::new();
    rejudge(old, new, &changes, options, &fleet, &mut |rejudged| {
        let identity = String::from_utf8(rejudged.identity.to_document()).unwrap();
        fleet.images(rejudged.number, &mut |image| {
            let into = found.entry(image).or_default();
            for change in &rejudged.changes {
                let side = |side: &Option<Match>| side.as_ref().map(|found| told(found, options));
                let (old, new) = (side(&change.old), side(&change.new));
                into.extend(old.map(|old| (identity.clone(), Some(old), None)));
                into.extend(new.map(|new| (identity.clone(), None, Some(new))));
            }
        });
        Ok(())
    })
    .unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn following_the_change_is_judging_all_twice(seed: u64, edits in 0_usize..12, epss: bool) {
        let mut dice = Dice(seed);
        let mut world = World::new();
        for _ in 0..200 {
            edit(&mut dice, &mut world);
        }
        let folder = tempfile::tempdir().unwrap();
        let old = write(&folder.path().join("old"), &world);
        for _ in 0..edits {
            edit(&mut dice, &mut world);
        }
        let new = write(&folder.path().join("new"), &world);
        let images: Vec<_> = (0..25).map(|_| image(&mut dice)).collect();
        let options = ChangeOptions { epss };
        prop_assert_eq!(by_change(&old, &new, &images, options), all_over(&old, &new, &images, options));
    }
}

/// The property would hold of worlds in which nothing ever changes.
#[test]
fn the_worlds_of_the_property_do_change() {
    let folder = tempfile::tempdir().unwrap();
    let (mut changed, mut kinds) = (0, BTreeMap::new());
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut world = World::new();
        (0..200).for_each(|_| edit(&mut dice, &mut world));
        let old = write(&folder.path().join("old"), &world);
        (0..6).for_each(|_| edit(&mut dice, &mut world));
        let new = write(&folder.path().join("new"), &world);
        let mut fleet = Fleet::default();
        for at in 0..25 {
            let (distribution, packages) = image(&mut dice);
            fleet.add(at, Subject { distribution: distribution.as_ref(), packages: &packages });
        }
        let options = ChangeOptions::default();
        let changes = Changes::between(&old, &new, options).unwrap();
        let totals = rejudge(&old, &new, &changes, options, &fleet, &mut |rejudged| {
            for change in &rejudged.changes {
                *kinds.entry(change.kind()).or_insert(0) += 1;
                let by_owner = rejudged.identity.owner().is_some();
                assert!(!by_owner || rejudged.identity.package().owner.is_none());
            }
            Ok(())
        });
        changed += totals.unwrap().changed;
    }
    assert!(changed > 100, "{changed}");
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

fn debian(world: &mut World, name: &str, id: &str, fixed: &str) {
    let said = world.entry(1).or_default();
    let mut said_of = statement(&mut Dice(1), id.to_owned(), name.to_owned(), Scheme::Dpkg, Level::Source);
    said_of.level = Level::Source;
    said_of.verdict = Verdict::Affected;
    said_of.versions = Range::new(Scheme::Dpkg, vec![Interval::before(fixed)], Vec::new());
    said_of.fix = StatedFix { state: FixState::Fixed, versions: vec![fixed.to_owned()], advisories: Vec::new() };
    said.statements.insert((name.to_owned(), id.to_owned()), said_of);
    let plain = Advisory {
        aliases: Vec::new(),
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: AdvisoryStatus::Active,
        ..advisory(&mut Dice(1), id.to_owned())
    };
    said.advisories.insert(id.to_owned(), plain);
}

/// Keys that differ, as `namespace/table/key`.
fn changed_keys(old: &Index, new: &Index, options: ChangeOptions) -> Vec<String> {
    let mut found = Vec::new();
    visit_changed_keys(old, new, options, &mut |changed| {
        found.push(format!("{}/{}/{}", changed.namespace, changed.table.name(), changed.key));
    })
    .unwrap();
    found
}

#[test]
fn what_is_known_for_longer_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    for number in 0..2_000 {
        debian(&mut world, &format!("package-{number}"), &format!("CVE-2024-{number}"), "1.0");
    }
    let old = write(&folder.path().join("old"), &world);
    for said in world.values_mut() {
        said.statements.values_mut().for_each(|statement| statement.known_since = Instant(99));
        said.advisories.values_mut().for_each(|advisory| advisory.known_since = Instant(99));
    }
    debian(&mut world, "package-1000", "CVE-2024-1000", "1.1");
    debian(&mut world, "package-new", "CVE-2024-9999", "1.1");
    let new = write(&folder.path().join("new"), &world);
    let keys = changed_keys(&old, &new, ChangeOptions::default());
    let expected = ["packages/package-1000", "packages/package-new", "advisories/CVE-2024-9999"];
    assert_eq!(keys, expected.map(|key| format!("debian:12/{key}")));
    assert!(changed_keys(&new, &new, ChangeOptions::default()).is_empty());
    let changes = Changes::between(&old, &new, ChangeOptions::default()).unwrap();
    assert_eq!(changes.names["debian:12"].iter().collect::<Vec<_>>(), ["package-1000", "package-new"]);
    assert!(changes.ecosystems.is_empty());
    assert!(Changes::between(&new, &new, ChangeOptions::default()).unwrap().is_empty());
}

#[test]
fn blocks_that_both_have_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    for number in 0..5_000 {
        debian(&mut world, &format!("package-{number:05}"), &format!("CVE-2024-{number}"), "1.0");
    }
    let old = write(&folder.path().join("old"), &world);
    // The last of its table, and as long as before: no boundary of a block moves, however they are chosen.
    debian(&mut world, "package-04999", "CVE-2024-4999", "1.1");
    let new = write(&folder.path().join("new"), &world);
    let effort = Changes::between(&old, &new, ChangeOptions::default()).unwrap().effort;
    assert_eq!((effort.segments, effort.segments_compared), (1, 1));
    assert!(effort.blocks > 10, "{effort:?}");
    assert_eq!(effort.blocks_read, 2, "{effort:?}");
}

#[test]
fn another_score_is_a_change_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    debian(&mut world, "alpha", "CVE-2024-1", "2.0");
    let scored = |score| Enrichment {
        ratings: Vec::new(),
        exploited: None,
        epss_millionths: Some(score),
        status: AdvisoryStatus::Active,
        ..enrichment(&mut Dice(1))
    };
    world.entry(3).or_default().enrichment.insert("CVE-2024-1".to_owned(), scored(1));
    let old = write(&folder.path().join("old"), &world);
    world.entry(3).or_default().enrichment.insert("CVE-2024-1".to_owned(), scored(2));
    world.entry(3).or_default().enrichment.insert("CVE-2024-2".to_owned(), scored(2));
    let new = write(&folder.path().join("new"), &world);
    assert!(changed_keys(&old, &new, ChangeOptions { epss: false }).is_empty());
    assert_eq!(
        changed_keys(&old, &new, ChangeOptions { epss: true }),
        ["epss/enrichment/CVE-2024-1", "epss/enrichment/CVE-2024-2"]
    );
    let changes = Changes::between(&old, &new, ChangeOptions { epss: true }).unwrap();
    assert_eq!(changes.names["debian:12"].iter().collect::<Vec<_>>(), ["alpha"], "by whose statement it is named");
}

#[test]
fn a_new_name_of_a_vulnerability_is_one_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    debian(&mut world, "alpha", "DSA-1", "2.0");
    let old = write(&folder.path().join("old"), &world);
    world.get_mut(&1).unwrap().advisories.get_mut("DSA-1").unwrap().aliases = vec!["CVE-2024-1".to_owned()];
    let new = write(&folder.path().join("new"), &world);
    let debian = Distribution { id: "debian".to_owned(), version: Some("12".to_owned()), ..Distribution::default() };
    let packages = [Package::new(PackageKind::Deb, "alpha", "1.0", ImagePath::default())];
    let mut fleet = Fleet::default();
    for image in [3, 5] {
        fleet.add(image, Subject { distribution: Some(&debian), packages: &packages });
    }
    assert_eq!((fleet.identities(), fleet.sets()), (1, 1));
    let options = ChangeOptions::default();
    let changes = Changes::between(&old, &new, options).unwrap();
    let mut told = Vec::new();
    let totals = rejudge(&old, &new, &changes, options, &fleet, &mut |rejudged| {
        let mut images = Vec::new();
        fleet.images(rejudged.number, &mut |image| images.push(image));
        for change in rejudged.changes {
            let name = |side: &Option<Match>| side.as_ref().map(|found| found.vulnerability.clone());
            told.push((name(&change.old).unwrap(), name(&change.new).unwrap(), change.kind(), images.clone()));
        }
        Ok(())
    });
    assert_eq!(totals.unwrap(), Totals { judged: 1, changed: 1 });
    let (old, new) = ("DSA-1".to_owned(), "CVE-2024-1".to_owned());
    assert_eq!(told, [(old, new, ChangeKind::Decisive, vec![3, 5])]);
}

#[test]
fn a_damaged_index_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    debian(&mut world, "alpha", "CVE-2024-1", "2.0");
    let (old_path, new_path) = (folder.path().join("old"), folder.path().join("new"));
    write(&old_path, &world);
    debian(&mut world, "alpha", "CVE-2024-1", "2.1");
    world.get_mut(&1).unwrap().advisories.get_mut("CVE-2024-1").unwrap().url = Some("elsewhere".to_owned());
    let new = write(&new_path, &world);
    let whole = fs_err::read(&old_path).unwrap();
    // Of the trailer, opening an index reads all that counts.
    for at in HEADER_BYTES..whole.len() - TRAILER_BYTES {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs_err::write(&old_path, &bytes).unwrap();
        let Ok(old) = Index::open(&old_path) else { continue };
        assert!(Changes::between(&old, &new, ChangeOptions::default()).is_err(), "byte {at}");
    }
}
