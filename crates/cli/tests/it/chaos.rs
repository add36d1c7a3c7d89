//! A service of several processes that are killed at random, while images are added, tags move, repositories grow,
//! advisories and policies change, images go to the archive and come back, accounts are removed, and webhooks fail:
//! nothing is lost, nothing is stuck, nothing is left behind, and everything is told once.
//!
//! "Once" is what a receiver sees that knows notifications by `webhook-id`, as `docs/server.md` asks of it: a process that
//! is killed between the answer of a webhook and the removal of the notification sends it again, under the same
//! identity. So the same identity may come twice, with the same content; the same thing under two identities, or never,
//! is a failure.
//!
//! Each part has accounts of its own, and says in the end what has to be there: they disturb each other only by what
//! they share, which is everything below.
//!
//! `KILLICK_TEST_CHAOS_IMAGES=200` makes it larger, `KILLICK_TEST_CHAOS_SEED` repeats the decisions of another run (not their
//! timing, which is that of the machine).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod archive;
mod blobs;
mod dice;
mod fleet;
mod receiver;
mod repository;
mod tags;
mod upstream;
mod verdicts;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use dice::Dice;
use fleet::Fleet;
use receiver::{Receiver, Told};
use upstream::Upstream;

use super::command::run;
use super::{postgres_server, service};

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
#[derive(Debug)]
struct Tag {
    account: &'static str,
    /// `repository:tag`.
    name: String,
    digests: Vec<String>,
}

struct World {
    seed: u64,
    /// Images of the part that moves tags; the others have a share of it.
    images: u64,
    database: Option<postgres_server::Server>,
    upstream: Upstream,
    receiver: Receiver,
    fleet: Fleet,
    calm: AtomicBool,
}

/// The engines take turns: processes that only start take the machine.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn chaos(database: Option<postgres_server::Server>) {
    let _turn = TURN.lock().await;
    let (images, seed) = (number("KILLICK_TEST_CHAOS_IMAGES", 16), number("KILLICK_TEST_CHAOS_SEED", 1));
    println!("KILLICK_TEST_CHAOS_SEED={seed} KILLICK_TEST_CHAOS_IMAGES={images}");
    let (upstream, receiver) = (Upstream::start(seed).await, Receiver::start(seed).await);
    let folder = tempfile::tempdir().unwrap();
    install_index(folder.path(), 1);
    let url = database.as_ref().map(|database| database.address("postgres")).unwrap_or_default();
    let fleet = Fleet::start(folder, &settings(&receiver.url, &url), &mut Dice::new(seed, "starts")).await;
    let world = Arc::new(World { seed, images, database, upstream, receiver, fleet, calm: AtomicBool::new(false) });
    world.check_first_start().await;

    let killer = tokio::spawn(kill(Arc::clone(&world), Dice::new(seed, "kills")));
    let (moved, judged, grown, archive, left) = tokio::join!(
        world.move_tags(),
        world.change_decisions(),
        world.grow_repository(),
        world.fill_archive(),
        world.remove_accounts()
    );
    world.calm.store(true, Ordering::Relaxed);
    killer.await.unwrap();
    let moved = world.tell_all_of_advisories(moved).await;
    let there = moved.tags.iter().chain(&judged).chain(&grown).chain(archive.there());
    world.collect_blobs(&there.collect::<Vec<_>>(), &archive.not_there().chain(&left).collect::<Vec<_>>()).await;
    world.check_moved(&moved).await;
    world.check_decisions(&judged).await;
    world.check_repository(&grown).await;
    world.check_archive(&archive).await;
    world.check_left(&left).await;
    assert!(!world.fleet.panicked(), "somebody panicked");
    println!("{:?} kills; notifications, deliveries, refusals: {:?}", world.fleet.kills(), world.receiver.counts());
}

fn settings(webhook: &str, database: &str) -> String {
    format!(
        "[knowledge]\nupdate = 'off'\nreload_seconds = 1\n[analysis]\nlease_seconds = 10\npoll_seconds = 1\n\
         [webhooks]\ngeneral = {{ url = '{webhook}' }}\n[storage]\ndatabase_url = '{database}'\n\
         [cycle_timers]\nimage_watcher = 1\nrepo_watcher = 1\npolicy_eval = 1\nnotifications = 1\n\
         [archive]\nrules_every_seconds = 1\n[retention]\nevery_seconds = 1\n"
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

/// What the parts have in common.
impl World {
    /// A first start that was killed again and again has left no account or policy by halves.
    async fn check_first_start(&self) {
        let accounts = self.get("admin", "/v1/accounts").await;
        let names: Vec<&Value> = accounts.as_array().unwrap().iter().map(|account| &account["name"]).collect();
        assert_eq!(names, ["admin"]);
        let policies = self.get("admin", "/v1/policies").await;
        let (active, names): (Vec<_>, Vec<_>) =
            policies.as_array().unwrap().iter().map(|policy| (&policy["active"], &policy["name"])).unzip();
        assert_eq!((active, names), (vec![&json!(true)], vec![&json!("Default bundle")]));
    }

    /// A share of the images, of which there are twelve.
    fn share(&self) -> u64 {
        self.images.div_ceil(12)
    }

    /// Makes an account with a user of its name. Whose answer was lost had made them.
    async fn make_account(&self, name: &str) {
        self.fleet.call("admin", "POST", "/v1/accounts", json!({"name": name, "email": "a@example.com"})).await;
        let user = json!({"username": name, "password": service::PASSWORD});
        self.fleet.call("admin", "POST", &format!("/v1/accounts/{name}/users"), user).await;
        assert_eq!(self.get(name, "/v1/account").await["state"], "enabled");
    }

    /// What is there.
    async fn get(&self, user: &str, path: &str) -> Value {
        let (status, answer) = self.fleet.call(user, "GET", path, Value::Null).await;
        assert_eq!(status, 200, "{user} {path}: {answer}");
        answer
    }

    /// The full name of a tag.
    fn full(&self, tag: &Tag) -> String {
        format!("{}/{}", self.upstream.address, tag.name)
    }

    /// Publishes an image and adds it; whoever adds it wants to know of these things.
    async fn add(&self, account: &'static str, name: String, kinds: &[&str]) -> Tag {
        let digests = vec![self.upstream.publish(&name, &format!("{}-0", name.replace(['/', ':'], "-")))];
        let tag = Tag { account, name, digests };
        let key = self.full(&tag);
        for kind in kinds {
            let body = json!({"subscription_key": key, "subscription_type": kind, "active": true});
            let (status, answer) = self.fleet.call(account, "POST", "/v1/subscriptions", body).await;
            // Whose answer was lost had added it.
            assert!(status == 200 || status == 409, "{answer}");
        }
        let (status, answer) = self.fleet.call(account, "POST", "/v1/images", json!({"tag": key})).await;
        assert_eq!(status, 200, "{answer}");
        tag
    }

    fn told_as(&self, kind: &str, tag: &Tag, what: &str) -> Told {
        (kind.to_owned(), tag.account.to_owned(), self.full(tag), what.to_owned())
    }

    /// What is told of images that a tag points to one after the other.
    fn told_of_images(&self, tag: &Tag) -> BTreeSet<Told> {
        let analysed = tag.digests.iter().map(|digest| self.told_as("analysis_update", tag, digest));
        let moved = tag.digests.iter().skip(1).map(|digest| self.told_as("tag_update", tag, digest));
        analysed.chain(moved).collect()
    }

    async fn wait_told(&self, one: &Told) {
        self.wait_until(&format!("somebody tells {one:?}"), async || self.receiver.told().contains_key(one)).await;
    }

    async fn wait_until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..1200 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it is never so that {what}: {}", self.fleet.log());
    }

    /// Exactly this is told to an account, each thing under one identity.
    async fn check_told(&self, account: &str, expected: &BTreeSet<Told>) {
        for one in expected {
            self.wait_told(one).await;
        }
        let mut told = self.receiver.told();
        told.retain(|(_, whom, ..), _| whom == account);
        let twice: Vec<_> = told.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "told under two identities: {twice:?}");
        let told: BTreeSet<Told> = told.into_keys().collect();
        let (lost, made_up) = (expected.difference(&told), told.difference(expected));
        assert_eq!((lost.collect::<Vec<_>>(), made_up.collect::<Vec<_>>()), (vec![], vec![]));
    }

    /// Every one of these images is there once, analysed, with its packages, and no other is.
    async fn check_images(&self, account: &str, tags: impl Iterator<Item = &Tag>) {
        let want: BTreeSet<String> = tags.flat_map(|tag| tag.digests.clone()).collect();
        let images = self.get(account, "/v1/images?history=true").await;
        let mut listed: Vec<(&str, &Value)> = Vec::new();
        for image in images.as_array().unwrap() {
            listed.push((image["imageDigest"].as_str().unwrap(), &image["analysis_status"]));
        }
        listed.sort_by_key(|(digest, _)| *digest);
        let analysed = json!("analyzed");
        assert_eq!(listed, want.iter().map(|digest| (digest.as_str(), &analysed)).collect::<Vec<_>>());
        for digest in &want {
            let content = self.get(account, &format!("/v1/images/{digest}/content/os")).await;
            assert_eq!(content["content"].as_array().map(Vec::len), Some(2), "{content}");
        }
    }

    /// The events of a type, the newest first.
    async fn events(&self, account: &str, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        for page in 1.. {
            let answer = self.get(account, &format!("/v1/events?event_type={kind}&limit=1000&page={page}")).await;
            events.extend(answer["results"].as_array().unwrap().iter().map(|row| row["event"].clone()));
            if answer["next_page"] == false {
                break;
            }
        }
        events
    }

    /// Each of so many analyses is one event.
    async fn check_analyses(&self, account: &str, number: usize) {
        assert_eq!(self.events(account, "user.image.analysis.completed").await.len(), number, "analyses of {account}");
    }
}
