//! Rules by which images go to the archive and out of it: which images they choose, and doing what they say.
//!
//! An image is chosen if each of its tags is chosen by some rule, and a tag if all conditions of one rule hold for it. Images
//! of one index are one version of a tag, as old as the youngest of them; the others go with the one that the tag means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use killick_store::StoreError;
use killick_store::archives::{ArchiveRule, ArchiveStatus, ArchivedTag, Transition};

use crate::app::App;
use crate::events::{ARCHIVED_DELETE_FAILED, ARCHIVED_DELETED};
use crate::herald::Service;
use crate::records::{AccountState, now};
use crate::wildcard::fits;
use crate::{cpu, jobs};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// An image that is to go, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its digest.
    pub(crate) digest: String,
    /// The rule.
    pub(crate) rule: String,
    /// When it was analyzed, as it was chosen.
    pub(crate) analyzed_at: i64,
    /// The images with which it goes.
    pub(crate) leaders: Vec<String>,
}

/// A tag of an image, however often it began to point there.
struct Tag<'a> {
    name: [&'a str; 3],
    detected_at: i64,
    /// Whether it means another image of the same index.
    child: bool,
}

impl<'a> Tag<'a> {
    /// What images of one index have in common: they were seen at one instant.
    fn version(&self) -> Version<'a> {
        (self.name, self.detected_at)
    }
}

type Version<'a> = ([&'a str; 3], i64);

/// Of the images of one version.
#[derive(Default)]
struct Group<'a> {
    /// Those that the tag means.
    meant: BTreeSet<&'a str>,
    /// How many there are.
    images: usize,
    /// When the last of them was analyzed.
    analyzed_at: i64,
    /// What their age counts from.
    since: i64,
}

struct Subject<'a> {
    digest: String,
    tags: Vec<Tag<'a>>,
    analyzed_at: i64,
    /// What its age counts from.
    since: i64,
}

impl Subject<'_> {
    fn chosen_by(&self, rule: &str, leaders: Vec<String>) -> Chosen {
        Chosen { digest: self.digest.clone(), rule: rule.to_owned(), analyzed_at: self.analyzed_at, leaders }
    }
}

/// The images that rules with this transition choose among those with these tags: analyzed ones in use for archiving,
/// archived ones for deleting. Those that go with others come after them.
pub(crate) fn choose(rules: &[ArchiveRule], transition: Transition, rows: &[ArchivedTag], now: i64) -> Vec<Chosen> {
    let subjects = subjects(rows, transition);
    let groups = groups(&subjects);
    let mut versions: BTreeMap<[&str; 3], Vec<i64>> = BTreeMap::new();
    // What nothing is left of but others of its index is no version that comes after one.
    for (name, detected_at) in groups.iter().filter(|(_, group)| !group.meant.is_empty()).map(|(version, _)| version) {
        versions.entry(*name).or_default().push(*detected_at);
    }
    let newer = |tag: &Tag<'_>| {
        let all = versions.get(&tag.name).map(Vec::as_slice).unwrap_or_default();
        let seen_by_then = all.partition_point(|at| *at <= tag.detected_at);
        i64::try_from(all.len().saturating_sub(seen_by_then)).unwrap_or(i64::MAX)
    };
    let rules: Vec<&ArchiveRule> = rules.iter().filter(|rule| rule.transition == transition).collect();
    let (leading, following): (Vec<&Subject<'_>>, Vec<&Subject<'_>>) =
        subjects.iter().partition(|subject| leaders(subject, &groups).is_empty());
    let surplus = surplus(&rules, &leading, &groups, subjects.len());
    let counts = |rule: &ArchiveRule, subject: &Subject<'_>| {
        rule.max_images_per_account.is_none() || surplus.contains(&(rule.id.as_str(), subject.digest.as_str()))
    };
    let mut chosen: BTreeMap<&str, Chosen> = BTreeMap::new();
    for subject in leading {
        let mut of_tags = Vec::new();
        for tag in &subject.tags {
            let Some(group) = groups.get(&tag.version()) else { continue };
            let chooses = |rule: &&&ArchiveRule| counts(rule, subject) && chooses(rule, group, tag, newer(tag), now);
            of_tags.push(rules.iter().find(chooses));
        }
        if let Some(Some(rule)) = of_tags.first().filter(|_| of_tags.iter().all(Option::is_some)) {
            chosen.insert(&subject.digest, subject.chosen_by(&rule.id, Vec::new()));
        }
    }
    for subject in following {
        let leaders = leaders(subject, &groups);
        let rules: Option<Vec<String>> =
            leaders.iter().map(|leader| chosen.get(leader).map(|leader| leader.rule.clone())).collect();
        if let Some(rule) = rules.and_then(|rules| rules.into_iter().next()) {
            let leaders = leaders.into_iter().map(str::to_owned).collect();
            chosen.insert(&subject.digest, subject.chosen_by(&rule, leaders));
        }
    }
    let mut chosen: Vec<Chosen> = chosen.into_values().collect();
    chosen.sort_by_key(|chosen| !chosen.leaders.is_empty());
    chosen
}

fn groups<'a>(subjects: &'a [Subject<'a>]) -> BTreeMap<Version<'a>, Group<'a>> {
    let mut groups: BTreeMap<Version<'_>, Group<'_>> = BTreeMap::new();
    for subject in subjects {
        for tag in &subject.tags {
            let group = groups.entry(tag.version()).or_default();
            if !tag.child {
                group.meant.insert(&subject.digest);
            }
            group.images += 1;
            group.analyzed_at = group.analyzed_at.max(subject.analyzed_at);
            group.since = group.since.max(subject.since);
        }
    }
    groups
}

/// The images with which an image goes: those that all of its tags mean. One that some tag means, or that is the only one that
/// is left of a version, goes by itself.
fn leaders<'a>(subject: &Subject<'_>, groups: &BTreeMap<Version<'_>, Group<'a>>) -> BTreeSet<&'a str> {
    let mut leaders = BTreeSet::new();
    for tag in &subject.tags {
        match groups.get(&tag.version()) {
            Some(group) if tag.child && !group.meant.is_empty() => leaders.extend(&group.meant),
            _ => return BTreeSet::new(),
        }
    }
    leaders
}

/// Of each rule with a number of images: those beyond it, the oldest first, with as many as go with them.
fn surplus<'a>(
    rules: &[&'a ArchiveRule],
    leading: &[&'a Subject<'_>],
    groups: &BTreeMap<Version<'_>, Group<'_>>,
    images: usize,
) -> BTreeSet<(&'a str, &'a str)> {
    // Of the largest version that it is of: an image that is of several is counted once.
    let images_of = |subject: &Subject<'_>| {
        subject.tags.iter().filter_map(|tag| Some(groups.get(&tag.version())?.images)).max().unwrap_or(1)
    };
    let age = |subject: &Subject<'_>| {
        subject.tags.iter().filter_map(|tag| Some(groups.get(&tag.version())?.analyzed_at)).max()
    };
    let mut oldest = leading.to_vec();
    oldest.sort_by_key(|subject| (age(subject), &subject.digest));
    let mut surplus = BTreeSet::new();
    for rule in rules {
        let Some(most) = rule.max_images_per_account.and_then(|most| usize::try_from(most).ok()) else { continue };
        let mut left = images;
        for subject in &oldest {
            if left <= most {
                break;
            }
            left = left.saturating_sub(images_of(subject));
            surplus.insert((rule.id.as_str(), subject.digest.as_str()));
        }
    }
    surplus
}

fn subjects(rows: &[ArchivedTag], transition: Transition) -> Vec<Subject<'_>> {
    // When each tag was last seen, and whether it meant another image then.
    type Seen<'a> = BTreeMap<[&'a str; 3], (i64, bool)>;
    let mut subjects: BTreeMap<String, (Seen<'_>, &ArchivedTag)> = BTreeMap::new();
    for row in rows {
        let (tags, _) = subjects.entry(row.digest.to_string()).or_insert_with(|| (BTreeMap::new(), row));
        let seen = (row.detected_at, row.child);
        let last = tags.entry([&row.registry, &row.repository, &row.tag]).or_insert(seen);
        *last = seen.max(*last);
    }
    let subject = |(digest, (tags, row)): (String, (BTreeMap<_, _>, &ArchivedTag))| Subject {
        digest,
        tags: tags.into_iter().map(|(name, (detected_at, child))| Tag { name, detected_at, child }).collect(),
        analyzed_at: row.analyzed_at,
        since: if transition == Transition::Archive { row.analyzed_at } else { row.created_at },
    };
    subjects.into_iter().map(subject).collect()
}

fn chooses(rule: &ArchiveRule, group: &Group<'_>, tag: &Tag<'_>, newer: i64, now: i64) -> bool {
    let older_than = |since: i64, days: i64| now.saturating_sub(since) > days.saturating_mul(DAY);
    let is_old = rule.analysis_age_days < 0 || older_than(group.since, rule.analysis_age_days);
    let is_behind = rule.tag_versions_newer < 0 || newer >= rule.tag_versions_newer;
    let selector = [&rule.registry, &rule.repository, &rule.tag];
    let is_selected = selector.iter().zip(tag.name).all(|(pattern, text)| fits(pattern, text));
    is_old && is_behind && is_selected && !is_excluded(rule, group, tag, &older_than)
}

/// An exclusion of which a part is not given holds for any: leaving out too much can be mended.
fn is_excluded(rule: &ArchiveRule, group: &Group<'_>, tag: &Tag<'_>, older_than: &dyn Fn(i64, i64) -> bool) -> bool {
    let exclude = [&rule.exclude_registry, &rule.exclude_repository, &rule.exclude_tag];
    let days = rule.exclude_expiration_days;
    exclude.iter().any(|pattern| !pattern.is_empty())
        && exclude.iter().zip(tag.name).all(|(pattern, text)| pattern.is_empty() || fits(pattern, text))
        && (days < 0 || !older_than(group.analyzed_at, days))
}

/// Does what the rules of all accounts say, once. What cannot be done to one account or image keeps no other waiting, and is
/// tried again with the next run; only without the database the run ends.
pub(crate) async fn apply(app: &App) -> Result<(), StoreError> {
    for account in app.records().store().accounts().await? {
        if account.state != AccountState::Deleting {
            let done = apply_to(app, &account.name).await;
            jobs::endured(done, || format!("rules of the archive in the account `{}`", account.name))?;
        }
    }
    Ok(())
}

/// Does what the rules say to one account's images: first those of all accounts, then its own; first archiving.
async fn apply_to(app: &App, account: &str) -> Result<(), StoreError> {
    let store = app.records().store();
    let mut rules = store.archive_rules(account, true).await?;
    if rules.is_empty() {
        return Ok(());
    }
    rules.sort_by_key(|rule| !rule.system_global);
    let rules = Arc::new(rules);
    let rows = store.archivable_tags(account).await?;
    let mut gone = BTreeSet::new();
    for chosen in chosen(&rules, Transition::Archive, rows).await {
        if !chosen.leaders.iter().all(|leader| gone.contains(leader)) {
            continue;
        }
        let done = archive(app, account, &chosen).await;
        if jobs::endured(done, || format!("archiving the image `{}` of the account `{account}`", chosen.digest))? {
            gone.insert(chosen.digest);
        }
    }
    let going = store.archived_images(account).await?;
    let going: BTreeSet<String> = going
        .iter()
        .filter(|image| image.status == ArchiveStatus::Deleting)
        .map(|image| image.digest.to_string())
        .collect();
    let mut rows = store.archived_tags(account, None).await?;
    rows.retain(|row| !going.contains(&row.digest.to_string()));
    for chosen in chosen(&rules, Transition::Delete, rows).await {
        let done = delete(app, account, &chosen.digest, Some(&chosen.rule)).await;
        jobs::endured(done, || format!("removing `{}` of the account `{account}` from the archive", chosen.digest))?;
    }
    Ok(())
}

/// What [`choose`] chooses now. An account may have a million tags.
async fn chosen(rules: &Arc<Vec<ArchiveRule>>, transition: Transition, rows: Vec<ArchivedTag>) -> Vec<Chosen> {
    let rules = Arc::clone(rules);
    cpu::run(move || choose(&rules, transition, &rows, now())).await
}

/// Archives an image and deletes it; whether it went. One that cannot be archived stays, and the next run tries again; what was
/// analyzed again meanwhile is another matter.
async fn archive(app: &App, account: &str, chosen: &Chosen) -> Result<bool, StoreError> {
    match super::archive(app, account, &chosen.digest).await {
        Ok(_) => {}
        // It is gone, or on its way: somebody else did it.
        Err(error) if !error.status().is_server_error() => return Ok(true),
        Err(error) => {
            let (digest, why) = (&chosen.digest, error.message());
            tracing::warn!("the image `{digest}` of the account `{account}` stays: it cannot be archived: {why}");
            return app.records().store().ping().await.map(|()| false);
        }
    }
    let (digest, rule, analyzed_at) = (&chosen.digest, &chosen.rule, chosen.analyzed_at);
    let has_gone = app.records().store().delete_image_by_rule(account, digest, rule, analyzed_at, now()).await?;
    if has_gone {
        app.nudges().deletions.notify_one();
    }
    Ok(has_gone)
}

/// Marks an archived analysis as going away, by a rule if there is one; it may be going already.
pub(crate) async fn delete(app: &App, account: &str, digest: &str, rule: Option<&str>) -> Result<(), StoreError> {
    match app.records().store().delete_archived(account, digest, rule, now()).await {
        Ok(true) => super::tell(app, account, &ARCHIVED_DELETED, digest, None).await,
        Ok(false) => {}
        Err(error @ StoreError::NotFound { .. }) => return Err(error),
        Err(error) => {
            let details = error.to_string().into();
            app.tell(&ARCHIVED_DELETE_FAILED, Service::Catalog, account, Some(digest), details).await;
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use killick_model::digest::Digest;

    use super::*;

    const NOW: i64 = 100 * DAY;

    fn rule(change: impl FnOnce(&mut ArchiveRule)) -> ArchiveRule {
        let mut rule = ArchiveRule {
            id: "r".to_owned(),
            account: "a".to_owned(),
            system_global: false,
            transition: Transition::Archive,
            registry: "*".to_owned(),
            repository: "*".to_owned(),
            tag: "*".to_owned(),
            analysis_age_days: -1,
            tag_versions_newer: -1,
            max_images_per_account: None,
            exclude_registry: String::new(),
            exclude_repository: String::new(),
            exclude_tag: String::new(),
            exclude_expiration_days: -1,
            created_at: 0,
            updated_at: 0,
        };
        change(&mut rule);
        rule
    }

    /// Image, tag, day it was seen and analyzed; as archived since ten days later.
    fn rows(of: &[(&str, &str, i64)]) -> Vec<ArchivedTag> {
        let row = |(image, tag, day): &(&str, &str, i64)| ArchivedTag {
            digest: Digest::of(image.as_bytes()),
            registry: "r.io".to_owned(),
            repository: "shop/web".to_owned(),
            tag: (*tag).to_owned(),
            detected_at: day * DAY,
            child: image.contains("arm64"),
            analyzed_at: day * DAY,
            created_at: (day + 10) * DAY,
        };
        of.iter().map(row).collect()
    }

    fn names(rules: &[ArchiveRule], transition: Transition, of: &[(&str, &str, i64)]) -> Vec<String> {
        let chosen = choose(rules, transition, &rows(of), NOW);
        let mut names: Vec<String> = of
            .iter()
            .filter(|(image, ..)| chosen.iter().any(|one| one.digest == Digest::of(image.as_bytes()).to_string()))
            .map(|(image, ..)| (*image).to_owned())
            .collect();
        names.dedup();
        names
    }

    #[test]
    fn conditions_hold_together() {
        let of = [("old", "1", 10), ("newer", "1", 50), ("newest", "1", 95), ("other", "2", 10)];
        for (rule, want) in [
            (rule(|_| {}), &["old", "newer", "newest", "other"][..]),
            (rule(|rule| rule.analysis_age_days = 60), &["old", "other"]),
            (rule(|rule| rule.analysis_age_days = 90), &[]),
            (rule(|rule| rule.analysis_age_days = 0), &["old", "newer", "newest", "other"]),
            (rule(|rule| rule.tag_versions_newer = 1), &["old", "newer"]),
            (rule(|rule| rule.tag_versions_newer = 2), &["old"]),
            (rule(|rule| (rule.tag_versions_newer, rule.analysis_age_days) = (1, 60)), &["old"]),
            (rule(|rule| rule.tag = "2".to_owned()), &["other"]),
            (rule(|rule| rule.repository = "shop/*".to_owned()), &["old", "newer", "newest", "other"]),
            (rule(|rule| rule.registry = "r".to_owned()), &[]),
            (rule(|rule| rule.transition = Transition::Delete), &[]),
        ] {
            assert_eq!(names(std::slice::from_ref(&rule), Transition::Archive, &of), want, "{rule:?}");
        }
    }

    #[test]
    fn what_is_archived_ages_from_then_on() {
        let delete = rule(|rule| (rule.transition, rule.analysis_age_days) = (Transition::Delete, 85));
        // Archived on days 14 and 16.
        assert_eq!(names(&[delete], Transition::Delete, &[("a", "1", 4), ("b", "2", 6)]), ["a"]);
    }

    #[test]
    fn every_tag_must_be_chosen_by_some_rule() {
        let of = [("a", "1", 10), ("a", "keep", 10), ("b", "1", 20)];
        let one = rule(|rule| rule.tag = "1".to_owned());
        assert_eq!(names(std::slice::from_ref(&one), Transition::Archive, &of), ["b"]);
        let keep = rule(|rule| rule.tag = "ke*".to_owned());
        assert_eq!(names(&[one, keep], Transition::Archive, &of), ["a", "b"]);
    }

    #[test]
    fn exclusions_go_first_until_they_expire() {
        let of = [("a", "1", 10), ("b", "2", 90)];
        let excluding = |tag: &str, days: i64| {
            rule(|rule| (rule.exclude_tag, rule.exclude_expiration_days) = (tag.to_owned(), days))
        };
        for (rule, want) in [
            (excluding("", -1), &["a", "b"][..]),
            (excluding("1", -1), &["b"]),
            (excluding("*", -1), &[]),
            (excluding("*", 50), &["a"]),
            (excluding("2", 5), &["a", "b"]),
        ] {
            assert_eq!(names(std::slice::from_ref(&rule), Transition::Archive, &of), want, "{rule:?}");
        }
    }

    #[test]
    fn images_beyond_a_number_go_and_not_their_tags() {
        let of = [("a", "1", 10), ("a", "2", 10), ("a", "3", 10), ("b", "1", 20), ("c", "1", 30)];
        let most = |most| rule(|rule| (rule.system_global, rule.max_images_per_account) = (true, Some(most)));
        assert_eq!(names(&[most(2)], Transition::Archive, &of), ["a"]);
        assert_eq!(names(&[most(1)], Transition::Archive, &of), ["a", "b"]);
        assert_eq!(names(&[most(3)], Transition::Archive, &of), Vec::<String>::new());
        // Its other conditions hold as well.
        let old = ArchiveRule { analysis_age_days: 85, ..most(1) };
        assert_eq!(names(&[old], Transition::Archive, &of), ["a"]);
    }

    /// As many as a busy tag gets in years, and as many rules: what each costs must not grow with the number of the others.
    #[test]
    fn newer_versions_are_counted_of_many() {
        let of: Vec<(String, &str, i64)> = (0..20_000).map(|day| (day.to_string(), "1", day)).collect();
        let of: Vec<(&str, &str, i64)> = of.iter().map(|(image, tag, day)| (image.as_str(), *tag, *day)).collect();
        let rules: Vec<ArchiveRule> =
            (0..20).map(|more| rule(|rule| rule.tag_versions_newer = 19_999 - more)).collect();
        let chosen = choose(&rules, Transition::Archive, &rows(&of), NOW);
        let oldest: BTreeSet<String> =
            (0..20).map(|day: i64| Digest::of(day.to_string().as_bytes()).to_string()).collect();
        assert_eq!(chosen.into_iter().map(|one| one.digest).collect::<BTreeSet<_>>(), oldest);
    }

    #[test]
    fn a_tag_that_came_back_counts_when_it_was_last_seen() {
        let of = [("a", "1", 10), ("b", "1", 20), ("a", "1", 30)];
        assert_eq!(names(&[rule(|rule| rule.tag_versions_newer = 1)], Transition::Archive, &of), ["b"]);
    }

    #[test]
    fn images_of_one_index_are_one_version() {
        let of = [("old", "1", 10), ("old-arm64", "1", 10), ("new", "1", 20), ("new-arm64", "1", 20)];
        let behind = |by| rule(|rule| rule.tag_versions_newer = by);
        assert_eq!(names(&[behind(1)], Transition::Archive, &of), ["old", "old-arm64"]);
        assert_eq!(names(&[behind(2)], Transition::Archive, &of), Vec::<String>::new());
    }

    #[test]
    fn others_of_an_index_go_with_the_one_that_the_tag_means() {
        let old = rule(|rule| rule.analysis_age_days = 60);
        let gone = |rules: &[ArchiveRule], of: &[(&str, &str, i64, i64)]| {
            let mut rows = rows(&of.iter().map(|(image, tag, seen, _)| (*image, *tag, *seen)).collect::<Vec<_>>());
            for (row, (.., analyzed)) in rows.iter_mut().zip(of) {
                row.analyzed_at = analyzed * DAY;
            }
            let chosen = choose(rules, Transition::Archive, &rows, NOW);
            let is_chosen =
                |image: &str| chosen.iter().any(|one| one.digest == Digest::of(image.as_bytes()).to_string());
            let mut names: Vec<&str> = of.iter().map(|(image, ..)| *image).filter(|image| is_chosen(image)).collect();
            names.dedup();
            names.join(" ")
        };
        // Image, tag, day it was seen, day it was analyzed.
        let of = |of: &[(&str, &str, i64, i64)], want: &str| {
            assert_eq!(gone(std::slice::from_ref(&old), of), want, "{of:?}");
        };
        of(&[("a", "1", 10, 10), ("a-arm64", "1", 10, 10)], "a a-arm64");
        // They are as old as the youngest.
        of(&[("a", "1", 10, 10), ("a-arm64", "1", 10, 90)], "");
        of(&[("a", "1", 10, 90), ("a-arm64", "1", 10, 10)], "");
        // It is of the version that stays, too.
        of(&[("a", "1", 10, 10), ("arm64", "1", 10, 10), ("arm64", "1", 90, 10), ("b", "1", 90, 90)], "a");
        // Nothing is left of the version but this.
        of(&[("arm64", "1", 10, 10)], "arm64");
        // One that stays under another tag keeps the others.
        let one = rule(|rule| rule.tag = "1".to_owned());
        let of = [("a", "1", 10, 10), ("a", "keep", 10, 10), ("a-arm64", "1", 10, 10)];
        assert_eq!(gone(std::slice::from_ref(&one), &of), "");
        // Beyond a number of images whole versions go.
        let of = [("a", "1", 10, 10), ("a-arm64", "1", 10, 30), ("b", "2", 20, 20), ("c", "3", 40, 40)];
        for (most, want) in [(4, ""), (3, "b"), (2, "a a-arm64 b"), (1, "a a-arm64 b"), (0, "a a-arm64 b c")] {
            let most = rule(|rule| (rule.system_global, rule.max_images_per_account) = (true, Some(most)));
            assert_eq!(gone(&[most], &of), want);
        }
    }
}
