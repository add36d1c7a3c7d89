//! A webhook that is often out of order. It knows by `webhook-id` what it has already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::dice::Dice;

/// One thing that is told: the type, the account, the tag, and what of it.
pub(super) type Told = (String, String, String, String);

#[derive(Debug)]
struct Desk {
    dice: Dice,
    /// What was taken, by its identity, with how often it came.
    taken: BTreeMap<String, (Value, u32)>,
    /// How often each was refused.
    refused: BTreeMap<String, u32>,
}

/// A running receiver.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    desk: Arc<Mutex<Desk>>,
}

impl Receiver {
    pub(super) async fn start(seed: u64) -> Self {
        let desk = Desk { dice: Dice::new(seed, "receiver"), taken: BTreeMap::new(), refused: BTreeMap::new() };
        let desk = Arc::new(Mutex::new(desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/<notification_type>", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, desk }
    }

    /// What was told, each with how many identities it was told under.
    pub(super) fn told(&self) -> BTreeMap<Told, u32> {
        let mut told = BTreeMap::new();
        for (body, _) in self.desk.lock().unwrap().taken.values() {
            for one in things(body) {
                *told.entry(one).or_default() += 1;
            }
        }
        told
    }

    /// The changes of verdicts that were told of each tag, in any order: the action before, and the one after.
    pub(super) fn verdicts(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut verdicts: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (body, _) in self.desk.lock().unwrap().taken.values() {
            let data = &body["data"]["notification_payload"];
            if data["subscription_type"] == "policy_eval" {
                let action = |name: &str| text(&data[name]["final_action"]);
                let of_tag = verdicts.entry(text(&data["subscription_key"])).or_default();
                of_tag.push((action("last_eval"), action("curr_eval")));
            }
        }
        for changes in verdicts.values_mut() {
            changes.sort();
        }
        verdicts
    }

    /// Identities that were taken, deliveries in all, and refusals.
    pub(super) fn counts(&self) -> (usize, u32, u32) {
        let desk = self.desk.lock().unwrap();
        let deliveries = desk.taken.values().map(|(_, times)| times).sum();
        (desk.taken.len(), deliveries, desk.refused.values().sum())
    }
}

/// A text, or none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a notification tells: a set of vulnerabilities is as many things.
fn things(body: &Value) -> Vec<Told> {
    let data = &body["data"]["notification_payload"];
    let kind = text(&data["subscription_type"]);
    let whats: Vec<String> = match kind.as_str() {
        "analysis_update" => vec![text(&data["curr_eval"]["imageDigest"])],
        "tag_update" => vec![text(&data["curr_eval"][0])],
        "vuln_update" => {
            let changes = &data["diff_vulnerability_result"];
            let ids = |name: &str| changes[name].as_array().cloned().unwrap_or_default();
            assert!(ids("removed").is_empty() && ids("updated").is_empty(), "advisories are only added: {body}");
            ids("added").iter().map(|row| text(&row["CVE_ID"])).collect()
        }
        "alerts" => vec![format!("{} {}", data["alert"]["id"], text(&data["alert"]["state"]))],
        // The same change may happen again.
        "policy_eval" => vec![],
        other => panic!("nobody subscribed to `{other}`: {body}"),
    };
    let about = (kind, text(&data["userId"]), text(&data["subscription_key"]));
    whats.into_iter().map(|what| (about.0.clone(), about.1.clone(), about.2.clone(), what)).collect()
}

/// Of five, one is refused, and one is taken without its sender learning of it: only once each, so that the test ends.
async fn receive(State(desk): State<Arc<Mutex<Desk>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["dataId"], id.as_str());
    let mut desk = desk.lock().unwrap();
    let chance = desk.dice.below(5);
    let first = !desk.refused.contains_key(&id);
    let fails = first && chance < 2;
    if fails {
        *desk.refused.entry(id.clone()).or_default() += 1;
    }
    if !fails || chance == 1 {
        let (known, times) = desk.taken.entry(id).or_insert_with(|| (body.clone(), 0));
        assert_eq!(known["data"], body["data"], "the same identity says the same");
        *times += 1;
    }
    if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}
