//! Updates of the advisories on request, from upstreams that may be out of order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use killick_server::{Keeping, PublicationKey};
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};

const TRACKER: &str = "/security-tracker.debian.org/tracker/data/json";
const SECDB: &str = "/secdb.alpinelinux.org/v3.20/main.json";

/// What a mirror has, what is wrong with it, and what it sent.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<&'static str, String>,
    /// Beginnings of paths that are answered with 500.
    broken: Vec<&'static str>,
    sent: Vec<String>,
}

/// A mirror of Debian's tracker and Alpine's secdb.
struct Mirror {
    url: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl Mirror {
    async fn start() -> Self {
        let tracker =
            json!({"curl": {"CVE-2099-1": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}}}});
        let secdb = json!({"packages": [{"pkg": {"name": "curl", "secfixes": {"9.9-r0": ["CVE-2099-1"]}}}]});
        let files = [(TRACKER, tracker.to_string()), (SECDB, secdb.to_string())].into();
        let shelf = Arc::new(Mutex::new(Shelf { files, ..Shelf::default() }));
        let service = {
            let shelf = Arc::clone(&shelf);
            move |request: Request<Body>| std::future::ready(shelf.lock().unwrap().answer(&request))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(service)).await });
        Self { url, shelf }
    }

    /// Makes what begins so sick, and everything else well.
    fn break_down(&self, broken: &[&'static str]) {
        self.shelf.lock().unwrap().broken = broken.to_vec();
    }

    fn content(&self, path: &str) -> String {
        self.shelf.lock().unwrap().files[path].clone()
    }

    /// Paths that were sent since the last look.
    fn sent(&self) -> Vec<String> {
        let mut sent = std::mem::take(&mut self.shelf.lock().unwrap().sent);
        sent.sort();
        sent
    }
}

impl Shelf {
    fn answer(&mut self, request: &Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        // Whoever is to come back so late does not wait for it.
        let answer = if self.broken.iter().any(|broken| path.starts_with(broken)) {
            Response::builder().status(500).header("retry-after", "86400").body(Body::empty())
        } else if let Some(content) = self.files.get(path.as_str()) {
            if request.headers().contains_key("if-none-match") {
                Response::builder().status(304).body(Body::empty())
            } else {
                self.sent.push(path);
                Response::builder().header("etag", "\"always\"").body(Body::from(content.clone()))
            }
        } else {
            Response::builder().status(404).body(Body::empty())
        };
        answer.unwrap()
    }
}

/// A service that fetches from the mirror when it is asked to.
async fn service(mirror: &Mirror) -> Service {
    Service::start(|config| {
        config.knowledge.update = Keeping::Auto;
        config.knowledge.providers = vec!["debian/tracker".to_owned(), "alpine/secdb".to_owned()];
        config.knowledge.mirror.clone_from(&mirror.url);
    })
    .await
}

/// Where it keeps what it fetched.
fn folder(service: &Service) -> PathBuf {
    service.app().config().storage.data_dir.join("feeds")
}

/// The one result of an update that must be answered.
async fn sync(service: &Service, query: &str) -> Value {
    let (status, synced) = service.call(ADMIN, "POST", &format!("/system/feeds{query}"), Value::Null).await;
    assert_eq!((status, synced.as_array().map(Vec::len)), (200, Some(1)), "{synced}");
    synced[0].clone()
}

/// Groups with this status.
fn groups<'v>(synced: &'v Value, status: &str) -> Vec<&'v str> {
    let groups = synced["groups"].as_array().unwrap().iter();
    groups.filter(|group| group["status"] == status).map(|group| group["group"].as_str().unwrap()).collect()
}

/// The causes of all failed updates.
async fn causes(service: &Service) -> Vec<String> {
    let events = service.get(ADMIN, "/events?event_type=system.feeds.sync.failed").await;
    let events = events["results"].as_array().unwrap().iter();
    events.map(|event| event["event"]["details"]["cause"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_cannot_be_fetched_is_a_failure_of_its_groups() {
    let mirror = Mirror::start().await;
    let service = service(&mirror).await;
    let completed = async || {
        let events = service.get(ADMIN, "/events?event_type=system.feeds.sync.completed").await;
        events["results"].as_array().unwrap().len()
    };
    let is_of = |name: &'static str| move |group: &&str| group.starts_with(name);

    mirror.break_down(&["/"]);
    let nothing = sync(&service, "").await;
    assert_eq!(nothing["status"], "failure", "{nothing}");
    let failed = groups(&nothing, "failure");
    assert!(failed.iter().any(is_of("debian")) && failed.iter().any(is_of("alpine")), "{failed:?}");
    assert!(!failed.contains(&"PyPI") && groups(&nothing, "success").contains(&"PyPI"), "{nothing}");
    let told = causes(&service).await;
    assert_eq!((told.len(), completed().await), (1, 0));
    for part in ["`debian`", "`alpine`", "answers 500", TRACKER] {
        assert!(told[0].contains(part), "{part} in {told:?}");
    }

    mirror.break_down(&["/secdb.alpinelinux.org/"]);
    let partly = sync(&service, "").await;
    assert_eq!(partly["status"], "failure", "{partly}");
    let failed = groups(&partly, "failure");
    assert!(failed.iter().all(is_of("alpine")) && !failed.is_empty(), "{failed:?}");
    assert!(groups(&partly, "success").contains(&"debian:12"), "{partly}");
    let told = causes(&service).await;
    assert_eq!((told.len(), completed().await), (2, 0));
    assert!(told.iter().any(|cause| cause.contains("`alpine`") && !cause.contains("`debian`")), "{told:?}");

    mirror.break_down(&[]);
    let all = sync(&service, "").await;
    assert_eq!((&all["status"], groups(&all, "failure").len()), (&json!("success"), 0), "{all}");
    assert!(groups(&all, "success").contains(&"alpine:3.20"), "{all}");
    assert_eq!((causes(&service).await.len(), completed().await), (2, 1));
}

#[tokio::test]
async fn a_flush_begins_from_nothing() {
    let mirror = Mirror::start().await;
    let service = service(&mirror).await;
    assert_eq!(sync(&service, "").await["status"], "success");
    assert_eq!(mirror.sent(), [SECDB, TRACKER]);
    // As long as before, so that nobody notices.
    let fetched = folder(&service).join("debian/tracker.json");
    let other = mirror.content(TRACKER).replace("high", "last");
    fs_err::write(&fetched, &other).unwrap();

    assert_eq!(sync(&service, "?flush=false").await["status"], "success");
    assert_eq!(mirror.sent(), [""; 0]);
    assert_eq!(fs_err::read_to_string(&fetched).unwrap(), other);

    assert_eq!(sync(&service, "?flush=true").await["status"], "success");
    assert_eq!(mirror.sent(), [SECDB, TRACKER]);
    assert_eq!(fs_err::read_to_string(&fetched).unwrap(), mirror.content(TRACKER));

    // What cannot be fetched again is not forgotten.
    mirror.break_down(&["/security-tracker.debian.org/"]);
    let partly = sync(&service, "?flush=true").await;
    assert!(groups(&partly, "failure").contains(&"debian:12"), "{partly}");
    assert!(groups(&partly, "success").contains(&"alpine:3.20"), "{partly}");
    let known = service.get(ADMIN, "/query/vulnerabilities?id=CVE-2099-1&namespace=debian:12").await;
    assert_eq!(known["total_count"], 1, "{known}");
}

#[tokio::test]
async fn a_disabled_feed_is_not_updated_and_can_be_deleted() {
    let mirror = Mirror::start().await;
    let service = service(&mirror).await;
    let feed = "/system/feeds/vulnerabilities";
    let call = async |method: &str, path: &str| service.call(ADMIN, method, path, Value::Null).await;
    let first = sync(&service, "").await;
    assert!(groups(&first, "success").contains(&"debian:12"), "{first}");
    mirror.sent();
    let fetched = folder(&service).join("debian/tracker.json");
    assert_eq!(call("DELETE", feed).await.0, 409);
    assert!(fetched.exists());

    let (status, disabled) = call("PUT", &format!("{feed}?enabled=false")).await;
    assert_eq!((status, &disabled["enabled"], &disabled["name"]), (200, &json!(false), &json!("vulnerabilities")));
    assert_eq!(service.get(ADMIN, "/system/feeds").await[0], disabled);
    assert_eq!(call("POST", "/system/feeds?flush=true").await, (200, json!([])));
    assert_eq!(mirror.sent(), [""; 0]);
    assert!(fetched.exists());

    let (status, deleted) = call("DELETE", feed).await;
    let records = |feed: &Value| {
        let groups = feed["groups"].as_array().unwrap().iter();
        groups.map(|group| (group["name"].clone(), group["record_count"].clone())).collect::<Vec<_>>()
    };
    assert_eq!((status, &deleted["enabled"]), (200, &json!(false)));
    assert_eq!(records(&deleted), records(&disabled), "the index stays in use");
    assert!(!fetched.exists());

    let (status, enabled) = call("PUT", &format!("{feed}?enabled=true")).await;
    assert_eq!((status, &enabled["enabled"]), (200, &json!(true)));
    assert_eq!(sync(&service, "").await["status"], "success");
    assert_eq!(mirror.sent(), [SECDB, TRACKER], "all of it is fetched again");
}

#[tokio::test]
async fn one_updates_at_a_time() {
    let mirror = Mirror::start().await;
    let service = service(&mirror).await;
    // As another process does.
    let lock = killick_fetch::feeds::lock(&folder(&service)).unwrap();
    let refused = async |method: &str, path: &str| {
        let (status, told) = service.call(ADMIN, method, path, Value::Null).await;
        let code = &told["detail"]["error_codes"];
        assert_eq!((status, code), (409, &json!(["FEED_SYNC_ALREADY_IN_PROGRESS"])), "{told}");
    };
    refused("POST", "/system/feeds").await;
    refused("POST", "/system/feeds?flush=true").await;
    let feed = "/system/feeds/vulnerabilities";
    assert_eq!(service.call(ADMIN, "PUT", &format!("{feed}?enabled=false"), Value::Null).await.0, 200);
    refused("DELETE", feed).await;
    assert_eq!(service.call(ADMIN, "PUT", &format!("{feed}?enabled=true"), Value::Null).await.0, 200);
    assert!(causes(&service).await.is_empty());
    drop(lock);
    assert_eq!(sync(&service, "").await["status"], "success");
}

/// Administrators alone ask, and they can mend it.
#[tokio::test]
async fn why_nothing_could_be_updated_is_told() {
    let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let empty = tempfile::tempdir().unwrap();
    let place = empty.path().join("publications");
    fs_err::create_dir(&place).unwrap();
    let from = place.display().to_string();
    let taking = Service::start(|config| {
        config.knowledge.from = from.clone();
        config.knowledge.keys = vec![PublicationKey::try_from(key.to_owned()).unwrap()];
    })
    .await;
    let (status, told) = taking.call(ADMIN, "POST", "/system/feeds", Value::Null).await;
    let message = told["message"].as_str().unwrap();
    assert_eq!(status, 502, "{told}");
    assert!(message.starts_with("the published advisories are not taken: "), "{told}");
    assert!(message.contains(&from), "{told}");
    assert!(message.starts_with(&causes(&taking).await[0]), "{told}");

    let fetching = Service::start(|config| {
        config.knowledge.update = Keeping::Auto;
        config.knowledge.providers = vec!["debian/tracker".to_owned()];
        config.knowledge.urls = vec!["debian/nothing=http://127.0.0.1:9/".parse().unwrap()];
    })
    .await;
    let (status, told) = fetching.call(ADMIN, "POST", "/system/feeds", Value::Null).await;
    let want = "the advisories could not be updated: there is no feed `debian/nothing` (`killick db status` lists the providers)";
    assert_eq!((status, told["message"].as_str().unwrap()), (502, want));
}
