//! A service of several processes that are killed at random, while images are added, tags move, advisories change and
//! webhooks fail: nothing is lost, nothing is stuck, and everything is told once.
//!
//! "Once" is what a receiver sees that knows notifications by `webhook-id`, as `docs/server.md` asks of it: a process that
//! is killed between the answer of a webhook and the removal of the notification sends it again, under the same
//! identity. So the same identity may come twice, with the same content; the same thing under two identities, or never,
//! is a failure.
//!
//! `KILLICK_TEST_CHAOS_IMAGES=200` makes it larger, `KILLICK_TEST_CHAOS_SEED` repeats the decisions of another run (not their
//! timing, which is that of the machine).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dice;
mod fleet;
mod receiver;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use dice::Dice;
use fleet::Fleet;
use receiver::{Receiver, Told};
use upstream::Upstream;

use super::command::run;
use super::postgres_server;

/// Who adds images.
const ACCOUNTS: [&str; 2] = ["admin", "team"];

/// Indexes that replace each other, at most.
const INDEXES: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_chaos() {
    chaos(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_survives_chaos() {
    chaos(Some(postgres_server::Server::start())).await;
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var_os(variable).map_or(default, |text| text.to_str().unwrap().parse().unwrap())
}

/// One tag of an account, and the digests it has pointed to.
struct Tag {
    account: &'static str,
    /// `repository:tag`.
    name: String,
    digests: Vec<String>,
}

struct World {
    upstream: Upstream,
    receiver: Receiver,
    fleet: Fleet,
    calm: AtomicBool,
}

/// The engines take turns: processes that only start take the machine.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn chaos(database: Option<postgres_server::Server>) {
    let _turn = TURN.lock().await;
    let (images, seed) = (number("KILLICK_TEST_CHAOS_IMAGES", 24), number("KILLICK_TEST_CHAOS_SEED", 1));
    let (upstream, receiver) = (Upstream::start(seed).await, Receiver::start(seed).await);
    let folder = tempfile::tempdir().unwrap();
    install_index(folder.path(), 1);
    let url = database.as_ref().map(|database| database.address("postgres")).unwrap_or_default();
    let fleet = Fleet::start(folder, &settings(&receiver.url, &url));
    let world = Arc::new(World { upstream, receiver, fleet, calm: AtomicBool::new(false) });
    world.make_account().await;

    let killer = tokio::spawn(kill(Arc::clone(&world), Dice::new(seed, "kills")));
    let tags = (0..images).map(|number| world.add(number));
    let mut tags = stream::iter(tags).buffer_unordered(8);
    let mut known = Vec::new();
    while let Some(tag) = tags.next().await {
        known.push(tag);
        if known.len() as u64 == images / 2
            && let Some(database) = &database
        {
            database.crash_and_restart();
        }
    }
    drop(tags);
    // Every third tag moves twice, once what it points to was told.
    let (moving, staying): (Vec<_>, Vec<_>) = known.into_iter().enumerate().partition(|(number, _)| number % 3 == 0);
    let moved = moving.into_iter().map(|(_, tag)| world.move_twice(tag));
    let (moved, last) =
        tokio::join!(stream::iter(moved).buffer_unordered(32).collect::<Vec<_>>(), world.change_index(2));
    world.calm.store(true, Ordering::Relaxed);
    killer.await.unwrap();
    let tags: Vec<Tag> = staying.into_iter().map(|(_, tag)| tag).chain(moved).collect();
    let last = world.tell_all_of_advisories(&tags, last).await;
    world.check(&tags, last).await;
    println!("{:?} kills; notifications, deliveries, refusals: {:?}", world.fleet.kills(), world.receiver.counts());
}

fn settings(webhook: &str, database: &str) -> String {
    format!(
        "[knowledge]\nupdate = 'off'\nreload_seconds = 1\n[analysis]\nlease_seconds = 10\npoll_seconds = 1\n\
         [webhooks]\ngeneral = {{ url = '{webhook}' }}\n[storage]\ndatabase_url = '{database}'\n\
         [cycle_timers]\nimage_watcher = 1\nnotifications = 1\n"
    )
}

/// Puts an index in place in which the package has vulnerabilities 1 to `last`.
fn install_index(folder: &Path, last: usize) {
    let feeds = folder.join(format!("feeds-{last}"));
    fs_err::create_dir_all(feeds.join("alpine-secdb/v3.20")).unwrap();
    let ids: Vec<String> = (1..=last).map(cve).collect();
    let document = json!({"packages": [{"pkg": {"name": "chaos", "secfixes": {"9.9-r0": ids}}}]});
    fs_err::write(feeds.join("alpine-secdb/v3.20/main.json"), document.to_string()).unwrap();
    fs_err::create_dir_all(folder.join("data")).unwrap();
    let (feeds, out) = (feeds.to_str().unwrap(), folder.join("data/advisories.db"));
    let built = run(folder, &["db", "build", "--from", feeds, "--out", out.to_str().unwrap()]);
    assert_eq!(built.code, 0, "{}", built.stderr);
}

fn cve(number: usize) -> String {
    format!("CVE-2099-{number:04}")
}

/// Kills somebody every now and then, until it is calm.
async fn kill(world: Arc<World>, mut dice: Dice) {
    while !world.calm.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(500 + dice.below(2500))).await;
        world.fleet.revive();
        world.fleet.kill_one(&mut dice);
    }
}

impl World {
    async fn make_account(&self) {
        let body = json!({"name": "team", "email": "team@example.com"});
        assert_eq!(self.fleet.call("admin", "POST", "/v1/accounts", body).await.0, 200);
        let body = json!({"username": "team", "password": super::service::PASSWORD});
        assert_eq!(self.fleet.call("admin", "POST", "/v1/accounts/team/users", body).await.0, 200);
    }

    /// The full name of a tag.
    fn full(&self, tag: &Tag) -> String {
        format!("{}/{}", self.upstream.address, tag.name)
    }

    /// Publishes an image and adds it; whoever adds it wants to know of new vulnerabilities and of moves.
    async fn add(&self, number: u64) -> Tag {
        let account = if number.is_multiple_of(4) { ACCOUNTS[1] } else { ACCOUNTS[0] };
        let name = format!("chaos/app{number}:latest");
        let digests = vec![self.upstream.publish(&name, &format!("{number}-0"))];
        let tag = Tag { account, name, digests };
        let key = self.full(&tag);
        for kind in ["vuln_update", "tag_update"] {
            let body = json!({"subscription_key": key, "subscription_type": kind, "active": true});
            let (status, answer) = self.fleet.call(account, "POST", "/v1/subscriptions", body).await;
            // Whose answer was lost had added it.
            assert!(status == 200 || status == 409, "{answer}");
        }
        let (status, answer) = self.fleet.call(account, "POST", "/v1/images", json!({"tag": key})).await;
        assert_eq!(status, 200, "{answer}");
        tag
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
    /// one. The last one.
    async fn tell_all_of_advisories(&self, tags: &[Tag], mut last: usize) -> usize {
        loop {
            let id = cve(last);
            let silent = |told: &BTreeMap<Told, u32>| {
                tags.iter().filter(|tag| !told.contains_key(&self.told_as("vuln_update", tag, &id))).count()
            };
            for _ in 0..200 {
                if silent(&self.receiver.told()) == 0 {
                    return last;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let left = silent(&self.receiver.told());
            assert!(last < INDEXES, "{left} tags say nothing of {id}: {}", self.fleet.log());
            last += 1;
            install_index(self.fleet.folder.path(), last);
        }
    }

    fn told_as(&self, kind: &str, tag: &Tag, what: &str) -> Told {
        (kind.to_owned(), tag.account.to_owned(), self.full(tag), what.to_owned())
    }

    async fn wait_told(&self, one: &Told) {
        for _ in 0..1200 {
            if self.receiver.told().contains_key(one) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody tells {one:?}: {}", self.fleet.log());
    }

    async fn check(&self, tags: &[Tag], last: usize) {
        let mut expected = BTreeSet::new();
        for tag in tags {
            expected.extend(tag.digests.iter().map(|digest| self.told_as("analysis_update", tag, digest)));
            expected.extend(tag.digests.iter().skip(1).map(|digest| self.told_as("tag_update", tag, digest)));
        }
        for one in &expected {
            self.wait_told(one).await;
        }
        let told = self.receiver.told();
        // Told of from the first change after the first look on, without a gap.
        for tag in tags {
            let first = (1..=last).find(|number| told.contains_key(&self.told_as("vuln_update", tag, &cve(*number))));
            let told_of = first.unwrap_or_else(|| panic!("{} never told of advisories", tag.name))..=last;
            expected.extend(told_of.map(|number| self.told_as("vuln_update", tag, &cve(number))));
        }
        let twice: Vec<_> = told.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "told under two identities: {twice:?}");
        let told: BTreeSet<Told> = told.into_keys().collect();
        let (lost, made_up) = (expected.difference(&told), told.difference(&expected));
        assert_eq!((lost.collect::<Vec<_>>(), made_up.collect::<Vec<_>>()), (vec![], vec![]));
        for account in ACCOUNTS {
            self.check_account(account, tags.iter().filter(|tag| tag.account == account)).await;
        }
        assert!(!self.fleet.panicked(), "somebody panicked");
        self.fleet.kills();
    }

    /// Every image is there once, analysed, with its packages; and its analysis is one event.
    async fn check_account(&self, account: &str, tags: impl Iterator<Item = &Tag>) {
        let digests: BTreeSet<&String> = tags.flat_map(|tag| &tag.digests).collect();
        let (_, images) = self.fleet.call(account, "GET", "/v1/images?history=true", Value::Null).await;
        let mut listed: Vec<(String, Value)> = Vec::new();
        for image in images.as_array().unwrap() {
            listed.push((image["imageDigest"].as_str().unwrap().to_owned(), image["analysis_status"].clone()));
        }
        listed.sort_by_key(|(digest, _)| digest.clone());
        let want: Vec<(String, Value)> = digests.iter().map(|digest| ((*digest).clone(), json!("analyzed"))).collect();
        assert_eq!(listed, want);
        for digest in digests {
            let (status, content) =
                self.fleet.call(account, "GET", &format!("/v1/images/{digest}/content/os"), Value::Null).await;
            assert_eq!((status, content["content"].as_array().map(Vec::len)), (200, Some(2)), "{content}");
        }
        let mut events = 0;
        for page in 1.. {
            let path = format!("/v1/events?event_type=user.image.analysis.completed&limit=1000&page={page}");
            let (_, answer) = self.fleet.call(account, "GET", &path, Value::Null).await;
            events += answer["item_count"].as_u64().unwrap();
            if answer["next_page"] == false {
                break;
            }
        }
        assert_eq!(events, want.len() as u64, "each analysis is one event");
    }
}
