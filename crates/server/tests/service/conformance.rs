//! Every operation of the API, called well and badly: `conformance/<resource>.txt` says what is asked, the snapshot beside
//! it what is answered, the same on both databases. Each answer is one that the OpenAPI document describes.
//!
//! A line is a call: `[who[@account]] METHOD path [(media type)] [body]`. Nobody named is the administrator; `nobody`
//! has no login, `stranger` a wrong one; `@account` is sent as `x-anchore-account`. `> name /pointer` below a call keeps
//! a value of its answer, that later calls write as `$name`. `work` lets the queue run empty; `look` has watchers look. Other lines are comments.

mod anchore_cli;
mod call;
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use killick_model::digest::Digest;
use killick_server::Config;
use serde_json::{Value, json};

use self::call::{Call, Line};
use self::document::{Answer, Document};
use crate::caller::{ADMIN, Service, basic};
use crate::database::Postgres;
use crate::receiver::Receiver;
use crate::registry;
use crate::told::{masked, named};

/// Members that are other each time, beyond those of every snapshot.
const VOLATILE: &[&str] = &[
    "access_token",
    "acknowledged_at",
    "built_at",
    "closed_at",
    "cursor",
    "dataId",
    "evaluated_at",
    "gives_up_at",
    "key",
    "last_evaluation",
    "last_full_sync",
    "last_modified",
    "last_sync",
    "next_attempt_at",
    "next_cursor",
    "notificationId",
    "opened_at",
    "reached_at",
    "subscription_id",
    "total_time_seconds",
    "updated_at",
];

/// Members that hold a bundle, which is long and told by other tests.
const BUNDLES: &[&str] = &["bundle", "policy", "policybundle"];

/// Items of a list that are shown, and letters of a text.
const SHOWN_ITEMS: usize = 1;
const SHOWN_LETTERS: usize = 300;

/// Lines of an answer that are shown where answers are told briefly.
const SHOWN_LINES: usize = 40;

/// Operations that nobody can call well, or badly, and why.
const ONE_SIDED: &[(&str, &str)] = &[
    ("GET /", "open and without parameters"),
    ("GET /health", "open and without parameters"),
    ("GET /version", "open and without parameters"),
    ("GET /v2/login", "open and without parameters"),
    ("DELETE /system/services/{servicename}/{hostid}", "who answers is active"),
    ("PUT /system/feeds/{feed}/{group}", "groups are one index"),
    ("DELETE /system/feeds/{feed}/{group}", "groups are one index"),
    ("POST /import/images", "its archive is no text: `archives` sends one"),
    ("POST /v2/archive/images/{image_digest}/restore", "the image has to be gone: `v2_resources` restores one"),
    ("GET /v2/knowledge/blobs/sha256/{digest}", "the index is other each time: `knowledge` reads one"),
];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/conformance")
}

/// The resources, by name.
fn resources() -> Vec<(String, Vec<Line>)> {
    let mut resources = Vec::new();
    for entry in fs_err::read_dir(here()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            resources.push((name, call::lines(&fs_err::read_to_string(&path).unwrap())));
        }
    }
    resources.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(resources.len() > 10, "{} resources", resources.len());
    resources
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_as_described() {
    let document = Document::read();
    let mut answered: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    let mut undescribed = String::new();
    for (name, told) in all(|_, _| {}).await {
        for (call, answer) in &told.exchanges {
            match document.judge(call, answer) {
                Ok(Some(operation)) => {
                    answered.entry(operation).or_default().insert(answer.status);
                }
                Ok(None) => {}
                Err(why) => writeln!(undescribed, "{name}: {} {}: {why}", call.method, call.path).unwrap(),
            }
        }
        assert_is(&name, &told.text);
    }
    assert!(undescribed.is_empty(), "answers that the document does not describe:\n{undescribed}");
    let mut missing = Vec::new();
    for operation in document.operations() {
        let statuses = answered.remove(&operation).unwrap_or_default();
        let is_one_sided = ONE_SIDED.iter().any(|(known, _)| *known == operation);
        let good = statuses.iter().any(|status| *status < 400);
        let bad = statuses.iter().any(|status| *status >= 400);
        if (good && bad) == is_one_sided || statuses.is_empty() {
            missing.push(format!("{operation}: answered {statuses:?}"));
        }
    }
    assert!(missing.is_empty(), "operations without a good and a bad call:\n{}", missing.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_makes_no_difference() {
    let postgres = Postgres::start();
    let url = |name: &str, config: &mut Config| config.storage.database_url = postgres.database(name).as_str().into();
    for (name, told) in all(url).await {
        assert_is(&name, &told.text);
    }
}

/// What was told of every resource, some at a time.
async fn all(change: impl Fn(&str, &mut Config)) -> Vec<(String, Told)> {
    let run = |(name, lines): (String, Vec<Line>)| {
        let change = &change;
        async move {
            let resource = Resource::start(|config| change(&name, config)).await;
            let told = tokio::spawn(resource.tell(lines)).await.unwrap();
            (name, told)
        }
    };
    futures_util::stream::iter(resources()).map(run).buffered(4).collect().await
}

fn assert_is(name: &str, told: &str) {
    let here = here();
    insta::with_settings!({ snapshot_path => &here, prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, told);
    });
}

/// What came of the lines of a file.
#[derive(Default)]
struct Told {
    text: String,
    exchanges: Vec<(Call, Answer)>,
}

/// A service with an analysed image, an index of advisories, a registry, a webhook and two accounts with a user each.
struct Resource {
    service: Service,
    names: BTreeMap<String, String>,
    /// The answers so far, where what was told is not told again, and never at length.
    before: Option<BTreeMap<String, String>>,
    _upstream: registry::Upstream,
    _receiver: Option<Receiver>,
}

impl Resource {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let upstream = registry::serve(None).await;
        let receiver = Receiver::start().await;
        let webhook = receiver.url.clone();
        let service = Service::start(move |config| {
            config.webhooks.general.url = webhook.as_str().into();
            config.oauth.secret = "a secret of thirty-two bytes or more".into();
            "here".clone_into(&mut config.server.host_id);
            build_index(config);
            change(config);
        });
        let service = service.await;
        service.account_with_user("team1", "alice").await;
        service.account_with_user("team2", "bob").await;
        let mut names = BTreeMap::new();
        let mut name = |name: &str, value: String| names.insert(name.to_owned(), value);
        let tag = format!("{}/tiny/alpine:3.20", upstream.address);
        let digest = service.analyzed(ADMIN, &tag).await;
        let image = service.get(ADMIN, &format!("/images/{digest}")).await;
        name("id", image[0]["image_detail"][0]["imageId"].as_str().unwrap().to_owned());
        name("digest", digest);
        name("registry", upstream.address.to_string());
        name("missing", format!("sha256:{}", "0".repeat(64)));
        // What no database can make short.
        let long: String = (0..80_u8).map(|number| Digest::of(&[number]).hex()).collect();
        name("long", long);
        Self { service, names, before: None, _upstream: upstream, _receiver: Some(receiver) }
    }

    /// The calls with their answers.
    async fn tell(mut self, lines: Vec<Line>) -> Told {
        let mut told = Told::default();
        let mut last = Value::Null;
        for line in lines {
            match line {
                Line::Comment(comment) => writeln!(told.text, "{comment}").unwrap(),
                Line::Look => self.service.app().look_now().await.unwrap(),
                Line::Work => self.service.app().work_until_idle().await,
                Line::Keep(name, pointer) => {
                    let value = last.pointer(&pointer).unwrap_or_else(|| panic!("no {pointer} for {name} in {last}"));
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    self.names.insert(name, value);
                }
                Line::Call(call) => {
                    let answer = self.ask(&call.with(&self.names)).await;
                    let shown = self.shown(&answer);
                    writeln!(told.text, "{}\n{}\n", call.text, self.briefly(&call, shown)).unwrap();
                    last = serde_json::from_slice(&answer.body).unwrap_or_default();
                    told.exchanges.push((call, answer));
                }
            }
        }
        told
    }

    /// The same, unless it was shown before, and no more than its beginning, where answers are told so.
    fn briefly(&mut self, call: &Call, shown: String) -> String {
        let Some(before) = &mut self.before else { return shown };
        // Identifiers of events have no dashes, and no file of these gives them names.
        let parts: Vec<&str> =
            shown.split('"').map(|part| if is_made_up(part, 32) { "<uuid>" } else { part }).collect();
        let shown = parts.join("\"");
        if before.get(&call.text) == Some(&shown) {
            return "as before".to_owned();
        }
        let mut lines: Vec<&str> = shown.lines().collect();
        let more = lines.len().saturating_sub(SHOWN_LINES);
        lines.truncate(SHOWN_LINES);
        let brief = lines.join("\n") + &if more > 0 { "\n… more lines".to_owned() } else { String::new() };
        before.insert(call.text.clone(), shown);
        brief
    }

    async fn ask(&self, call: &Call) -> Answer {
        let authorization = match call.who.as_str() {
            "nobody" => None,
            "stranger" => Some(basic("admin:wrong")),
            "admin" => Some(basic(ADMIN)),
            user => Some(basic(&format!("{user}:password1"))),
        };
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(call.account.as_deref().map(|value| ("x-anchore-account", value)));
        headers.extend(call.content_type.as_deref().map(|value| ("content-type", value)));
        self.service.exchange(&headers, &call.method, &call.path, call.body.clone().into_bytes()).await.into()
    }

    /// Status, headers that matter, and the body without what is other each time.
    fn shown(&self, answer: &Answer) -> String {
        let mut text = format!("{} {}", answer.status, answer.kind());
        for name in [header::ALLOW, header::CONTENT_DISPOSITION, header::LOCATION, header::WWW_AUTHENTICATE] {
            if let Some(value) = answer.headers.get(&name) {
                write!(text, "\n{name}: {}", value.to_str().unwrap()).unwrap();
            }
        }
        match serde_json::from_slice::<Value>(&answer.body) {
            _ if answer.body.is_empty() => {}
            Ok(value) => {
                let known = masked(&value);
                // What is masked in the body may be in an address.
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let (Some(member), Some(mask)) =
                        (member.as_str(), known[name].as_str().filter(|mask| mask != member))
                    {
                        text = text.replace(&format!("/{member}"), &format!("/{mask}"));
                    }
                }
                let value = shortened(&known);
                let compact = value.to_string();
                let is_short = compact.len() <= 160;
                let body = if is_short { compact } else { serde_json::to_string_pretty(&value).unwrap() };
                write!(text, "\n{body}").unwrap();
            }
            Err(_) => match std::str::from_utf8(&answer.body) {
                Ok(body) => write!(text, "\n{body}").unwrap(),
                Err(_) => write!(text, "\n… bytes").unwrap(),
            },
        }
        let mut names: Vec<(&str, String)> =
            self.names.iter().map(|(name, value)| (value.as_str(), format!("${name}"))).collect();
        names.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let names: Vec<(&str, &str)> = names.iter().map(|(value, name)| (*value, name.as_str())).collect();
        named(text, &names)
    }
}

/// Whether it is a random UUID of so many letters: those of the default bundle are not.
fn is_made_up(text: &str, letters: usize) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|uuid| uuid.get_version_num() == 4 && text.len() == letters)
}

/// Advisories on a package of the distribution, and on one of another kind, of the images that the registry holds.
pub(crate) fn build_index(config: &Config) {
    let feeds = config.storage.data_dir.join("feeds");
    let musl = json!({"Vulnerability": {
        "Name": "CVE-2099-1", "NamespaceName": "alpine:3.20", "Severity": "High", "Link": "https://example.org/1",
        "Metadata": {}, "FixedIn": [{"Name": "musl", "Version": "1.2.5-r1", "VersionFormat": "apk",
        "NamespaceName": "alpine:3.20", "VendorAdvisory": {"NoAdvisory": false, "AdvisorySummary": []}}]}});
    let pad = json!({"Advisory": {
        "ghsaId": "GHSA-aaaa-bbbb-cccc", "namespace": "github:npm", "Severity": "Low", "url": "https://example.org/g",
        "CVE": ["CVE-2099-4"], "FixedIn": [{"name": "left-pad", "identifier": "1.3.1", "range": "< 1.3.1"}]}});
    for (path, records) in [("vulnerabilities/alpine.json", musl), ("github/npm.json", pad)] {
        let path = feeds.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, json!({"data": [records]}).to_string()).unwrap();
    }
    let index = config.storage.data_dir.join("advisories.db");
    killick_vulns::build(&[feeds], &index, &killick_vulns::BuildOptions::default()).unwrap();
}

/// A value of which lists and texts have only their beginning.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let one = |name: &String, value: &Value| match value {
                Value::Null => Value::Null,
                _ if VOLATILE.contains(&name.as_str()) => format!("<{name}>").into(),
                Value::Object(bundle) if BUNDLES.contains(&name.as_str()) && bundle.contains_key("mappings") => {
                    format!("<bundle {}>", bundle["id"].as_str().unwrap_or_default()).into()
                }
                value => shortened(value),
            };
            members.iter().map(|(name, value)| (name.clone(), one(name, value))).collect()
        }
        Value::Array(items) => {
            let mut shown: Vec<Value> = items.iter().take(SHOWN_ITEMS).map(shortened).collect();
            if let Some(more) = items.len().checked_sub(SHOWN_ITEMS).filter(|more| *more > 0) {
                shown.push(format!("… {more} more").into());
            }
            shown.into()
        }
        Value::String(text) if is_made_up(text, 36) => "<uuid>".into(),
        Value::String(text) if text.chars().count() > SHOWN_LETTERS => {
            let shown: String = text.chars().take(SHOWN_LETTERS).collect();
            format!("{shown}…").into()
        }
        other => other.clone(),
    }
}

impl From<(u16, HeaderMap, Vec<u8>)> for Answer {
    fn from((status, headers, body): (u16, HeaderMap, Vec<u8>)) -> Self {
        Self { status, headers, body }
    }
}
