//! Many notifications as one: what changed, in how many images, and which they are first.
//!
//! One advisory may be in ten thousand images. Whoever wants one message for that sets `group_seconds` of the webhook;
//! without it, there is one for each image, as the original has it.

use std::collections::{BTreeMap, HashMap};

use killick_store::StoreError;
use killick_store::news::NewNotice;
use killick_store::notifications::{Group, Member};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::announcement::{action, query, text};
use crate::app::App;

/// Notifications in one message: others wait for the next.
const MOST: u64 = 20_000;

/// Read at once.
const PAGE: i64 = 200;

/// Changes that are told, the worst and widest first, images that are named of each, and tags of each image.
const CHANGES: usize = 50;
const NAMED: usize = 20;
const TAGS: usize = 5;

/// Changes that are told apart; more than anybody reads.
const DISTINCT: usize = 20_000;

/// A set of small numbers.
#[derive(Debug, Default)]
struct Numbers {
    words: Vec<u64>,
    count: u64,
}

impl Numbers {
    fn add(&mut self, number: usize) {
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(bits) = self.words.get_mut(word)
            && *bits & bit == 0
        {
            *bits |= bit;
            self.count += 1;
        }
    }
}

/// One change, over all images.
#[derive(Debug, Default)]
struct Change {
    vulnerability: Option<String>,
    severity: Option<String>,
    /// Of which images, or what else such notifications are about.
    subjects: Numbers,
    /// Under which tags.
    tags: Numbers,
    /// The first images, by number, each with its first tags.
    first: Vec<(usize, Value, Vec<String>)>,
}

/// Texts, each with a number.
#[derive(Debug, Default)]
struct Names(HashMap<String, usize>);

impl Names {
    fn number(&mut self, name: String) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }
}

/// What many notifications say together.
#[derive(Debug, Default)]
struct Fold {
    count: u64,
    since: i64,
    until: i64,
    subjects: Names,
    tags: Names,
    changes: BTreeMap<String, Change>,
    /// Notifications with changes beyond [`DISTINCT`].
    beyond: u64,
}

/// Folds the groups that have waited long enough.
pub(crate) async fn fold_due(app: &App, now: i64) -> Result<(), StoreError> {
    for group in app.records().store().due_groups(now).await? {
        fold(app, &group, now).await?;
    }
    Ok(())
}

async fn fold(app: &App, group: &Group, now: i64) -> Result<(), StoreError> {
    let store = app.records().store();
    let (mut fold, mut last) = (Fold::default(), 0);
    while fold.count < MOST {
        let members = store.group_members(group, last, PAGE).await?;
        let Some(end) = members.last() else { break };
        last = end.id;
        for member in &members {
            fold.add(&group.r#type, member);
        }
    }
    if fold.count <= 1 {
        return store.ungroup(group, last, now).await;
    }
    let uuid = Uuid::new_v4().to_string();
    let document = fold.document(group, &uuid, &app.config().server.base_url());
    let folded = NewNotice {
        uuid,
        account: group.account.clone(),
        kind: group.r#type.clone(),
        key: None,
        payload: document.to_string(),
        folds_at: None,
    };
    if !store.fold(group, last, fold.count, &folded, now).await? {
        tracing::debug!("a group of `{}` has changed meanwhile, it is folded the next time", group.r#type);
    }
    Ok(())
}

impl Fold {
    fn add(&mut self, kind: &str, member: &Member) {
        let payload: Value = serde_json::from_str(&member.payload).unwrap_or_default();
        self.since = if self.count == 0 { member.created_at } else { self.since.min(member.created_at) };
        self.until = self.until.max(member.created_at);
        self.count += 1;
        let (key, image) = (text(&payload["subscription_key"]), digest(&payload));
        let subject = self.subjects.number(subject(kind, &payload, member));
        let tag = self.tags.number(key.clone());
        for (what, vulnerability, severity) in said(kind, &payload) {
            if self.changes.len() >= DISTINCT && !self.changes.contains_key(&what) {
                self.beyond += 1;
                continue;
            }
            let change = self.changes.entry(what).or_default();
            change.subjects.add(subject);
            change.tags.add(tag);
            change.vulnerability = change.vulnerability.take().or(vulnerability);
            change.severity = change.severity.take().or(severity);
            if let Some((_, _, tags)) = change.first.iter_mut().find(|(number, ..)| *number == subject) {
                if tags.len() < TAGS && !tags.contains(&key) {
                    tags.push(key.clone());
                }
            } else if change.first.len() < NAMED {
                change.first.push((subject, image.clone(), vec![key.clone()]));
            }
        }
    }

    fn document(&self, group: &Group, uuid: &str, base: &str) -> Value {
        let mut changes: Vec<(&String, &Change)> = self.changes.iter().collect();
        // What is in most images, and of that the worst.
        changes.sort_by_key(|(what, change)| (std::cmp::Reverse(change.subjects.count), rank(change), (*what).clone()));
        let more = changes.len().saturating_sub(CHANGES) as u64 + self.beyond;
        let told: Vec<Value> = changes.iter().take(CHANGES).map(|(what, change)| change.document(what, base)).collect();
        json!({
            "grouped": true,
            "notificationId": uuid,
            "userId": group.account,
            "subscription_type": group.r#type,
            "subscription_key": Value::Null,
            "count": self.count,
            "since": self.since / 1_000_000,
            "until": self.until / 1_000_000,
            "changes": told,
            "more_changes": more,
        })
    }
}

impl Change {
    fn document(&self, what: &str, base: &str) -> Value {
        let mut members = Map::new();
        members.insert("what".to_owned(), what.into());
        members.insert("count".to_owned(), self.subjects.count.into());
        members.insert("tags".to_owned(), self.tags.count.into());
        let first =
            self.first.iter().map(|(_, image, tags)| json!({"key": tags.first(), "image_digest": image, "tags": tags}));
        members.insert("first".to_owned(), first.collect());
        if let Some(id) = &self.vulnerability {
            members.insert("vulnerability".to_owned(), id.as_str().into());
            members.insert("severity".to_owned(), self.severity.as_deref().into());
            members.insert("query".to_owned(), query(base, id).into());
        }
        Value::Object(members)
    }
}

fn rank(change: &Change) -> usize {
    super::announcement::rank(change.severity.as_deref().unwrap_or_default())
}

/// What a notification is about, so that it is counted once: its image; or the tag, where that is what changed, or the
/// image is not known; or what an event is about.
fn subject(kind: &str, payload: &Value, member: &Member) -> String {
    let key = || text(&payload["subscription_key"]);
    match kind {
        "tag_update" => key(),
        "event_log" => payload["event"]["resource"]["id"].as_str().map_or_else(|| member.uuid.clone(), str::to_owned),
        _ => digest(payload).as_str().map_or_else(key, str::to_owned),
    }
}

fn digest(payload: &Value) -> Value {
    let places = [
        &payload["imageDigest"],
        &payload["curr_eval"]["imageDigest"],
        &payload["curr_eval"][0],
        &payload["curr_eval"]["image_digest"],
        &payload["alert"]["digest"],
    ];
    places.into_iter().find(|place| place.is_string()).cloned().unwrap_or_default()
}

/// What a notification says, in words that are the same for all images: with the vulnerability and its severity, if it is
/// about one.
fn said(kind: &str, payload: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let plain = |what: String| vec![(what, None, None)];
    match kind {
        "vuln_update" => {
            let mut said = Vec::new();
            for (name, word) in [("added", "new"), ("updated", "changed"), ("removed", "gone")] {
                let rows = payload["diff_vulnerability_result"][name].as_array().into_iter().flatten();
                // An image may have it in several packages.
                let mut ids = BTreeMap::new();
                for row in rows {
                    ids.entry(text(&row["CVE_ID"])).or_insert_with(|| text(&row["Severity"]));
                }
                said.extend(
                    ids.into_iter()
                        .map(|(id, severity)| (format!("{word}: {id} ({severity})"), Some(id), Some(severity))),
                );
            }
            said
        }
        "policy_eval" => {
            let (before, now) = (action(&payload["last_eval"]), action(&payload["curr_eval"]));
            plain(format!("policy says {now} after {before}"))
        }
        "alerts" if payload["alert"]["state"] == "open" => plain("policy stops the image".to_owned()),
        "alerts" => plain("alert is closed".to_owned()),
        "tag_update" => plain("tag points to another image".to_owned()),
        "analysis_update" => plain(format!("image is {}", text(&payload["curr_eval"]["analysis_status"]))),
        _ => plain(text(&payload["event"]["message"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u32, payload: &Value) -> Member {
        let id = i64::from(number);
        Member { id, uuid: format!("u{number}"), payload: payload.to_string(), created_at: id * 1_000_000 }
    }

    fn group(kind: &str) -> Group {
        Group { account: "admin".to_owned(), r#type: kind.to_owned(), last: 9, size: 9 }
    }

    fn row(id: &str, severity: &str, package: &str) -> Value {
        json!({"CVE_ID": id, "Severity": severity, "Vulnerable_Package": package})
    }

    #[test]
    fn one_advisory_in_many_images_is_one_change() {
        let mut fold = Fold::default();
        for number in 1..=10_000 {
            let mut added = vec![row("CVE-2099-0001", "Critical", "a-1"), row("CVE-2099-0001", "Critical", "b-1")];
            if number <= 2 {
                added.push(row("CVE-2099-0002", "Low", "c-1"));
            }
            let payload = json!({
                "subscription_key": format!("r.io/app{number}:1"), "imageDigest": format!("sha256:{number}"),
                "diff_vulnerability_result": {"added": added, "updated": [], "removed": []},
            });
            fold.add("vuln_update", &member(number, &payload));
        }
        let mut document = fold.document(&group("vuln_update"), "id", "http://k.example");
        let first = document["changes"][0]["first"].take();
        assert_eq!(first.as_array().map(Vec::len), Some(NAMED));
        assert_eq!(first[0], json!({"key": "r.io/app1:1", "image_digest": "sha256:1", "tags": ["r.io/app1:1"]}));
        let query = |id: &str| format!("http://k.example/v1/query/images/by_vulnerability?vulnerability_id={id}");
        let wanted = json!({
            "grouped": true,
            "notificationId": "id",
            "userId": "admin",
            "subscription_type": "vuln_update",
            "subscription_key": null,
            "count": 10_000,
            "since": 1,
            "until": 10_000,
            "changes": [
                {
                    "what": "new: CVE-2099-0001 (Critical)", "count": 10_000, "tags": 10_000, "first": null,
                    "vulnerability": "CVE-2099-0001", "severity": "Critical", "query": query("CVE-2099-0001"),
                },
                {
                    "what": "new: CVE-2099-0002 (Low)", "count": 2, "tags": 2,
                    "first": [
                        {"key": "r.io/app1:1", "image_digest": "sha256:1", "tags": ["r.io/app1:1"]},
                        {"key": "r.io/app2:1", "image_digest": "sha256:2", "tags": ["r.io/app2:1"]},
                    ],
                    "vulnerability": "CVE-2099-0002", "severity": "Low", "query": query("CVE-2099-0002"),
                },
            ],
            "more_changes": 0,
        });
        assert_eq!(document, wanted);
    }

    #[test]
    fn an_image_counts_once_whatever_it_is_called() {
        let mut fold = Fold::default();
        for number in 0..200 {
            let payload = json!({
                "subscription_key": format!("r.io/app{}:{}", number % 100, number / 100),
                "imageDigest": format!("sha256:{}", number % 100),
                "diff_vulnerability_result": {"added": [row("CVE-2099-0001", "High", "a-1")]},
            });
            fold.add("vuln_update", &member(number, &payload));
        }
        let document = fold.document(&group("vuln_update"), "id", "http://k.example");
        let change = &document["changes"][0];
        assert_eq!((&document["count"], &change["count"], &change["tags"]), (&json!(200), &json!(100), &json!(200)));
        let first = change["first"].as_array().unwrap();
        let digests: Vec<_> = first.iter().map(|one| one["image_digest"].as_str().unwrap()).collect();
        assert_eq!(digests, (0..NAMED).map(|number| format!("sha256:{number}")).collect::<Vec<_>>());
        assert_eq!(first[3]["tags"], json!(["r.io/app3:0", "r.io/app3:1"]));
        assert_eq!(first[3]["key"], "r.io/app3:0");
    }

    #[test]
    fn tags_that_move_are_counted_and_not_where_they_move_to() {
        let mut fold = Fold::default();
        for number in 0..3 {
            let payload = json!({"subscription_key": format!("r.io/app:{number}"), "curr_eval": ["sha256:1"]});
            fold.add("tag_update", &member(number, &payload));
        }
        let document = fold.document(&group("tag_update"), "id", "http://k.example");
        assert_eq!(document["changes"][0]["count"], 3);
    }

    #[test]
    fn other_types_are_folded_by_what_they_say() {
        let mut fold = Fold::default();
        for (number, (before, now)) in [("go", "stop"), ("go", "stop"), ("stop", "go")].into_iter().enumerate() {
            let payload = json!({
                "subscription_key": format!("r.io/app{number}:1"),
                "last_eval": {"final_action": before}, "curr_eval": {"final_action": now},
            });
            fold.add("policy_eval", &member(u32::try_from(number).unwrap(), &payload));
        }
        let document = fold.document(&group("policy_eval"), "id", "http://k.example");
        let told: Vec<_> =
            document["changes"].as_array().unwrap().iter().map(|change| (&change["what"], &change["count"])).collect();
        assert_eq!(
            told,
            [(&json!("policy says stop after go"), &json!(2)), (&json!("policy says go after stop"), &json!(1))]
        );
    }

    #[test]
    fn nothing_grows_for_ever() {
        let mut fold = Fold::default();
        for number in 0..3 {
            let added: Vec<Value> = (0..10_000).map(|id| row(&format!("CVE-{number}-{id}"), "Low", "p")).collect();
            fold.add("vuln_update", &member(number, &json!({"diff_vulnerability_result": {"added": added}})));
        }
        let document = fold.document(&group("vuln_update"), "id", "http://k.example");
        assert_eq!(document["changes"].as_array().map(Vec::len), Some(CHANGES));
        assert_eq!(document["more_changes"], 30_000 - CHANGES);
    }
}
