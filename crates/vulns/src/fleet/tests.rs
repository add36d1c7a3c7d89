mod world;

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

use self::world::*;
use super::*;
use crate::index::format::{HEADER_BYTES, TRAILER_BYTES};
use crate::index::records::Records;
use crate::index::write::write_file;
use crate::index::{Coverage, Index, Segment};
use crate::matching::{MatchOptions, Subject, Suppressions, match_packages};

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
    let changes = Changes::between(old, new, options).unwrap();
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

/// Whichever of the two names the database of the ecosystem files it under.
#[test]
fn a_score_reaches_who_is_named_by_an_ecosystem() {
    for (id, alias) in [("GHSA-1", "CVE-2024-1"), ("CVE-2024-1", "GHSA-1")] {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new();
        debian(&mut world, "alpha", "GHSA-1", "2.0");
        let of_ecosystem = Advisory {
            aliases: vec![alias.to_owned()],
            upstream: Vec::new(),
            status: AdvisoryStatus::Active,
            ..advisory(&mut Dice(1), id.to_owned())
        };
        world.entry(4).or_default().advisories.insert(id.to_owned(), of_ecosystem);
        let mut written = [1, 2].into_iter().map(|score| {
            let scored = Enrichment { epss_millionths: Some(score), ..enrichment(&mut Dice(1)) };
            world.entry(3).or_default().enrichment.insert("CVE-2024-1".to_owned(), scored);
            write(&folder.path().join(score.to_string()), &world)
        });
        let (old, new) = (written.next().unwrap(), written.next().unwrap());
        let changes = Changes::between(&old, &new, ChangeOptions { epss: true }).unwrap();
        assert_eq!(changes.names["debian:12"].iter().collect::<Vec<_>>(), ["alpha"], "{id}");
    }
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
        // Names of packages are read of the newer one only.
        let outcomes = [(&old, &new), (&new, &old)]
            .map(|(old, new)| Changes::between(old, new, ChangeOptions::default()).is_err());
        assert!(outcomes.contains(&true), "byte {at}");
    }
}
