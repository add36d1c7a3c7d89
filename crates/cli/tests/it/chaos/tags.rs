//! Images are added, their tags move, advisories change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use super::receiver::Told;
use super::{Tag, World, cve, install_index};

/// Who adds images.
const ACCOUNTS: [&str; 2] = ["admin", "team"];

/// Indexes that replace each other, at most.
const INDEXES: usize = 24;

/// What has to be told of.
pub(super) struct Moved {
    pub(super) tags: Vec<Tag>,
    /// The last of the advisories.
    last: usize,
}

impl World {
    /// Adds all images, in whose midst the database is restarted; then every third tag moves twice, once what it points
    /// to was told, while others install indexes.
    pub(super) async fn move_tags(&self) -> Moved {
        self.make_account(ACCOUNTS[1]).await;
        let mut tags = stream::iter((0..self.images).map(|number| self.add_one(number))).buffer_unordered(8);
        let mut known = Vec::new();
        while let Some(tag) = tags.next().await {
            known.push(tag);
            if known.len() as u64 == self.images / 2
                && let Some(database) = &self.database
            {
                database.crash_and_restart();
            }
        }
        drop(tags);
        let (moving, staying): (Vec<_>, Vec<_>) =
            known.into_iter().enumerate().partition(|(number, _)| number % 3 == 0);
        let moved = moving.into_iter().map(|(_, tag)| self.move_twice(tag));
        let (moved, last) =
            tokio::join!(stream::iter(moved).buffer_unordered(32).collect::<Vec<_>>(), self.change_index(2));
        Moved { tags: staying.into_iter().map(|(_, tag)| tag).chain(moved).collect(), last }
    }

    /// Whoever adds it wants to know of new vulnerabilities and of moves.
    async fn add_one(&self, number: u64) -> Tag {
        let account = if number.is_multiple_of(4) { ACCOUNTS[1] } else { ACCOUNTS[0] };
        self.add(account, format!("chaos/app{number}:latest"), &["vuln_update", "tag_update"]).await
    }

    /// Moves a tag when its image was told, and again when the move was.
    async fn move_twice(&self, mut tag: Tag) -> Tag {
        for turn in 1..=2 {
            let last = tag.digests.last().unwrap().clone();
            self.wait_told(&self.told_as("analysis_update", &tag, &last)).await;
            let content = format!("{}-{turn}", tag.name.replace(['/', ':'], "-"));
            let digest = self.upstream.publish(&tag.name, &content);
            self.wait_told(&self.told_as("tag_update", &tag, &digest)).await;
            tag.digests.push(digest);
        }
        tag
    }

    /// Installs the next indexes while others work; the last one.
    async fn change_index(&self, more: usize) -> usize {
        for last in 2..2 + more {
            let folder = self.fleet.folder.path().to_owned();
            tokio::task::spawn_blocking(move || install_index(&folder, last)).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        1 + more
    }

    /// A tag tells of a change only if it was looked at before; so advisories go on changing until each tag has told of
    /// one, and then of the last.
    pub(super) async fn tell_all_of_advisories(&self, mut moved: Moved) -> Moved {
        loop {
            let silent = |told: &BTreeMap<Told, u32>| {
                let tells = |tag: &Tag, id| told.contains_key(&self.told_as("vuln_update", tag, &cve(id)));
                moved.tags.iter().filter(|tag| !(1..=moved.last).any(|id| tells(tag, id))).count()
            };
            for _ in 0..50 {
                if silent(&self.receiver.told()) == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let left = silent(&self.receiver.told());
            if left == 0 {
                break;
            }
            assert!(moved.last < INDEXES, "{left} tags say nothing of advisories: {}", self.fleet.log());
            moved.last += 1;
            install_index(self.fleet.folder.path(), moved.last);
        }
        for tag in &moved.tags {
            self.wait_told(&self.told_as("vuln_update", tag, &cve(moved.last))).await;
        }
        moved
    }

    /// Every image and every move is told, and every advisory from the first after the first look on, without a gap.
    pub(super) async fn check_moved(&self, Moved { tags, last }: &Moved) {
        for account in ACCOUNTS {
            let tags = || tags.iter().filter(|tag| tag.account == account);
            let mut expected: BTreeSet<Told> = tags().flat_map(|tag| self.told_of_images(tag)).collect();
            for one in &expected {
                self.wait_told(one).await;
            }
            let told = self.receiver.told();
            for tag in tags() {
                let as_told = |number: usize| self.told_as("vuln_update", tag, &cve(number));
                let first = (1..=*last).find(|number| told.contains_key(&as_told(*number)));
                let first = first.unwrap_or_else(|| panic!("{} never told of advisories", tag.name));
                expected.extend((first..=*last).map(as_told));
            }
            self.check_told(account, &expected).await;
            self.check_images(account, tags()).await;
            self.check_analyses(account, tags().map(|tag| tag.digests.len()).sum()).await;
        }
    }
}
