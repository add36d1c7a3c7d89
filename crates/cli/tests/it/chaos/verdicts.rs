//! Policies are replaced and activated, an exception is granted and taken back: verdicts on watched tags change, and
//! alerts are opened and closed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::dice::Dice;
use super::receiver::{Told, text};
use super::{Tag, World};

const ACCOUNT: &str = "judged";

/// What is judged otherwise than the others.
const FIRST: &str = "judged/app0";

/// The verdict on the first tag, and on the others.
type Actions = [&'static str; 2];

/// A change of what is decided; each changes the verdict on every tag.
#[derive(Debug, Clone, Copy)]
enum Decision {
    /// A policy is stored that says so, and made the active one.
    Activate(&'static str, Actions),
    /// The active policy says otherwise.
    Replace(&'static str, Actions),
    /// An exception for all.
    Grant,
    /// It is taken back: then the policy says this again.
    Revoke(Actions),
}

use Decision::{Activate, Grant, Replace, Revoke};

const BEFORE: Decision = Activate("mild", ["go", "go"]);
const DECISIONS: [Decision; 5] = [
    Activate("hard", ["stop", "warn"]),
    Grant,
    Revoke(["stop", "warn"]),
    Replace("hard", ["warn", "stop"]),
    Activate("mild", ["go", "go"]),
];

impl Decision {
    fn actions(self) -> Actions {
        match self {
            Activate(_, actions) | Replace(_, actions) | Revoke(actions) => actions,
            Grant => ["go", "go"],
        }
    }
}

impl World {
    /// Decides everything one after the other, each when all is told of the one before; and then some of it again, without
    /// waiting for anybody.
    pub(super) async fn change_decisions(&self) -> Vec<Tag> {
        self.make_account(ACCOUNT).await;
        self.decide(BEFORE).await;
        let names = (0..=self.share()).map(|number| format!("judged/app{number}:latest"));
        let tags = join_all(names.map(|name| self.add(ACCOUNT, name, &["policy_eval", "alerts"]))).await;
        for tag in &tags {
            self.wait_told(&self.told_as("analysis_update", tag, &tag.digests[0])).await;
            // The first verdict is no news: whoever asks has it stored.
            self.get(ACCOUNT, &self.check_of(tag)).await;
        }
        for (told, decision) in (1..).zip(DECISIONS) {
            self.decide(decision).await;
            let is_told = async || {
                let verdicts = self.receiver.verdicts();
                tags.iter().all(|tag| verdicts.get(&self.full(tag)).is_some_and(|all| all.len() >= told))
                    && self.stopped_by_alerts().await == self.stopped_by(&tags, decision)
            };
            self.wait_until(&format!("{decision:?} is told"), is_told).await;
        }
        let mut dice = Dice::new(self.seed, "decisions");
        for decision in DECISIONS.into_iter().take(1 + usize::try_from(dice.below(5)).unwrap()) {
            self.decide(decision).await;
        }
        tags
    }

    async fn decide(&self, decision: Decision) {
        const EXCEPTION: &str = "/v2/exceptions/all";
        let call = async |method, path: &str, body| {
            let (status, answer) = self.fleet.call(ACCOUNT, method, path, body).await;
            (status, format!("{decision:?}: {status} {answer}"))
        };
        // Whose answer was lost had done it.
        match decision {
            Activate(id, actions) => {
                let (status, said) = call("PUT", &format!("/v2/policies/{id}"), policy(actions)).await;
                assert!(matches!(status, 200 | 201), "{said}");
                let (status, said) = call("POST", &format!("/v2/policies/{id}/activate"), Value::Null).await;
                assert_eq!(status, 200, "{said}");
            }
            Replace(id, actions) => {
                let (status, said) = call("PUT", &format!("/v2/policies/{id}"), policy(actions)).await;
                assert_eq!(status, 200, "{said}");
            }
            Grant => {
                let exception = json!({"id": "all", "select": {"finding": {"gate": "always"}}, "reason": "chaos", "owner": "chaos"});
                let (status, said) = call("POST", "/v2/exceptions", exception).await;
                assert!(matches!(status, 201 | 409), "{said}");
            }
            Revoke(_) => {
                let (status, said) = call("DELETE", EXCEPTION, Value::Null).await;
                assert!(matches!(status, 204 | 404), "{said}");
            }
        }
    }

    fn check_of(&self, tag: &Tag) -> String {
        format!("/v1/images/{}/check?tag={}&detail=true", tag.digests[0], self.full(tag))
    }

    /// The tags that a decision stops.
    fn stopped_by(&self, tags: &[Tag], decision: Decision) -> BTreeSet<String> {
        let [first, other] = decision.actions();
        let action = |tag: &Tag| if tag.name.starts_with(&format!("{FIRST}:")) { first } else { other };
        tags.iter().filter(|tag| action(tag) == "stop").map(|tag| self.full(tag)).collect()
    }

    /// The tags with an open alert.
    async fn stopped_by_alerts(&self) -> BTreeSet<String> {
        let alerts = self.get(ACCOUNT, "/v2/alerts?state=open&limit=1000").await;
        alerts["items"].as_array().unwrap().iter().map(|alert| text(&alert["tag"])).collect()
    }

    /// The changes of the verdict on each tag, one after the other, by the log of events.
    async fn changes(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut changes: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for event in self.events(ACCOUNT, "user.checks.tag.policy_evaluation.update").await.iter().rev() {
            let action = |name: &str| text(&event["details"][name]["final_action"]);
            let tag = text(&event["resource"]["id"]);
            changes.entry(tag).or_default().push((action("last_eval"), action("curr_eval")));
        }
        changes
    }

    /// The changes of each tag lead without a gap from the first verdict to the one of the API in the end, and each of
    /// them was told once.
    pub(super) async fn check_decisions(&self, tags: &[Tag]) {
        let mut actions = BTreeMap::new();
        for tag in tags {
            // Asked so, nothing is stored, and so nothing told that watchers did not see.
            let path = format!("/v2/images/{}/verdict?tag={}", tag.digests[0], self.full(tag));
            actions.insert(self.full(tag), text(&self.get(ACCOUNT, &path).await["action"]));
        }
        let last = async || {
            let changes = self.changes().await;
            changes
                .into_iter()
                .filter_map(|(tag, changes)| Some((tag, changes.last()?.1.clone())))
                .collect::<BTreeMap<_, _>>()
        };
        self.wait_until(&format!("the last changes lead to {actions:?}"), async || last().await == actions).await;
        let mut changes = self.changes().await;
        for (tag, changes) in &changes {
            let mut action = "go";
            for (before, after) in changes {
                assert_eq!(before, action, "one is missing, or is there twice: {tag} {changes:?}");
                action = after;
            }
            assert!(changes.len() >= DECISIONS.len(), "{tag} {changes:?}");
        }
        for changes in changes.values_mut() {
            changes.sort();
        }
        self.wait_until(&format!("this is told: {changes:?}"), async || self.receiver.verdicts() == changes).await;
        self.check_alerts(tags, &actions).await;
        self.check_images(ACCOUNT, tags.iter()).await;
        self.check_analyses(ACCOUNT, tags.len()).await;
    }

    /// An alert is open of every tag that is stopped, and of no other; each was told when it was opened, and when it was
    /// closed.
    async fn check_alerts(&self, tags: &[Tag], actions: &BTreeMap<String, String>) {
        let stopped = actions.iter().filter(|(_, action)| *action == "stop").map(|(tag, _)| tag.clone());
        let stopped: BTreeSet<String> = stopped.collect();
        self.wait_until(&format!("alerts are open of {stopped:?}"), async || self.stopped_by_alerts().await == stopped)
            .await;
        let mut expected: BTreeSet<Told> = tags.iter().flat_map(|tag| self.told_of_images(tag)).collect();
        for alert in self.get(ACCOUNT, "/v2/alerts?limit=1000").await["items"].as_array().unwrap() {
            let told = |state: &str| {
                ("alerts".to_owned(), ACCOUNT.to_owned(), text(&alert["tag"]), format!("{} {state}", alert["id"]))
            };
            expected.insert(told("open"));
            expected.extend((alert["state"] == "closed").then(|| told("closed")));
        }
        self.check_told(ACCOUNT, &expected).await;
    }
}

/// A policy that says this of the first tag, and that of the others.
fn policy([first, other]: Actions) -> Value {
    let says = |id: &str, action: &str| {
        let rule =
            json!({"id": id, "gate": "always", "trigger": "always", "action": action.to_uppercase(), "params": []});
        json!({"id": id, "version": "1_0", "name": id, "rules": [rule]})
    };
    let of = |policy: &str, repository: &str| {
        json!({"id": policy, "name": policy, "registry": "*", "repository": repository,
            "image": {"type": "tag", "value": "*"}, "policy_ids": [policy], "whitelist_ids": []})
    };
    json!({
        "version": "1_0", "name": "chaos", "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
        "policies": [says("first", first), says("other", other)],
        "mappings": [of("first", FIRST), of("other", "*")],
    })
}
