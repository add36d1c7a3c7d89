//! `killick db update`, and the service that does the same by itself, against a server with the files of four providers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::{Value, json};

use super::command::{Run, killick, run};
use super::registry::wait_until;
use super::service::Service;

const IMAGE: &str = "examples/shop.tar";

const TRACKER: &str = "/security-tracker.debian.org/tracker/data/json";

const PROVIDERS: &str = "debian/tracker,kev,alpine/secdb,epss";

/// A mirror of what providers publish, by host and path, that remembers what it sent.
struct Mirror {
    url: String,
    files: Arc<Mutex<BTreeMap<String, String>>>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    async fn start() -> Self {
        let files = Arc::new(Mutex::new(BTreeMap::<String, String>::new()));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let service = {
            let (files, sent) = (Arc::clone(&files), Arc::clone(&sent));
            move |request: Request<Body>| {
                let path = request.uri().path().to_owned();
                let known = request.headers().get("if-none-match").and_then(|value| value.to_str().ok());
                let answer = match files.lock().unwrap().get(&path) {
                    None => Response::builder().status(404).body(Body::empty()),
                    Some(content) => {
                        // What is changed here changes its length.
                        let etag = format!("\"{}\"", content.len());
                        if known == Some(etag.as_str()) {
                            Response::builder().status(304).body(Body::empty())
                        } else {
                            sent.lock().unwrap().push(path);
                            Response::builder().header("etag", etag).body(Body::from(content.clone()))
                        }
                    }
                };
                std::future::ready(answer.unwrap())
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(service)).await });
        let mirror = Self { url, files, sent };
        mirror.put(TRACKER, &tracker(&json!({"status": "open", "urgency": "high"})));
        mirror.put(
            "/www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
            &json!({"dateReleased": "2026-09-01", "vulnerabilities": [{"cveID": "CVE-2099-0001"}]}).to_string(),
        );
        let secdb = json!({"packages": [{"pkg": {"name": "curl", "secfixes": {"9.9-r0": ["CVE-2099-0001"]}}}]});
        // A release that nobody knew of when this program was made.
        for release in ["v3.20", "v3.24", "v3.25"] {
            mirror.put(&format!("/secdb.alpinelinux.org/{release}/main.json"), &secdb.to_string());
        }
        mirror
    }

    fn put(&self, path: &str, content: &str) {
        self.files.lock().unwrap().insert(path.to_owned(), content.to_owned());
    }

    /// Paths that were sent since the last look.
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

fn tracker(state: &Value) -> String {
    json!({"curl": {"CVE-2099-0001": {"releases": {"bookworm": state}}}}).to_string()
}

/// What a scan of the example image says of the fixes of a vulnerability.
fn found(home: &std::path::Path, cve: &str) -> Vec<Value> {
    let scan = run(home, &["scan", IMAGE, "-o", "json"]);
    assert_eq!(scan.code, 0, "{}", scan.stderr);
    let report: Value = serde_json::from_str(&scan.stdout).unwrap();
    let matches = report["matches"]["matches"].as_array().unwrap();
    matches.iter().filter(|found| found["vulnerability"] == cve).map(|found| found["fix"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_brings_what_is_new_and_keeps_what_is_not() {
    let mirror = Mirror::start().await;
    let home = tempfile::tempdir().unwrap();
    let update = |more: &[&str]| {
        let mut command = killick(home.path());
        command.args(["db", "update", "--provider", PROVIDERS, "--feed-mirror", &mirror.url]).args(more);
        Run::of(command.output().unwrap())
    };
    let first = update(&[]);
    assert_eq!(first.code, 2, "one of them failed\n{}", first.transcript());
    for line in ["debian       changed", "kev          changed", "alpine       changed", "epss         failed"] {
        assert!(first.stdout.contains(line), "`{line}` in\n{}", first.stdout);
    }
    assert!(first.stdout.contains("epss_scores-current.csv.gz` does not exist"), "{}", first.stdout);
    assert!(first.stdout.contains("was built anew"), "{}", first.stdout);
    assert!(mirror.sent().contains(&"/secdb.alpinelinux.org/v3.25/main.json".to_owned()));
    let open = found(home.path(), "CVE-2099-0001");
    assert!(!open.is_empty() && open.iter().all(|fix| fix["state"] == "not-fixed"), "{open:?}");
    let status = run(home.path(), &["db", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let sources: Vec<&str> =
        status["sources"].as_array().unwrap().iter().filter_map(|source| source["namespace"].as_str()).collect();
    assert!(sources.contains(&"alpine:3.25") && sources.contains(&"debian:12"), "{sources:?}");
    assert!(
        sources.contains(&"PyPI") && sources.contains(&"epss"),
        "what was not fetched is the starter's: {sources:?}"
    );
    let feed = |name: &str| status["feeds"].as_array().unwrap().iter().find(|feed| feed["provider"] == name).unwrap();
    assert_eq!(feed("kev")["last_error"], Value::Null);
    assert_eq!(feed("epss")["last_success"], Value::Null);
    assert!(feed("epss")["last_error"].as_str().unwrap().contains("does not exist"));

    let second = update(&[]);
    assert_eq!(mirror.sent(), [""; 0], "nothing is sent twice");
    assert!(second.stdout.contains("stays: nothing changed"), "{}", second.stdout);

    mirror.put(TRACKER, &tracker(&json!({"status": "resolved", "fixed_version": "99.0-1", "urgency": "high"})));
    let third = update(&["--exclude", "epss", "-o", "json"]);
    assert_eq!(third.code, 0, "{}", third.transcript());
    let report: Value = serde_json::from_str(&third.stdout).unwrap();
    assert!(report["build"]["size_bytes"].is_u64(), "{report}");
    assert_eq!(mirror.sent(), [TRACKER]);
    let fixed = found(home.path(), "CVE-2099-0001");
    assert!(!fixed.is_empty() && fixed.iter().all(|fix| fix["versions"] == json!(["99.0-1"])), "{fixed:?}");

    // The server is down: what was known stays known, and which of it is old is told.
    let down =
        run(home.path(), &["db", "update", "--provider", "kev", "--feed-url", "kev=http://127.0.0.1:9/", "--offline"]);
    assert_eq!(down.code, 0, "{}", down.transcript());
    assert!(down.stdout.contains("was built anew"), "{}", down.stdout);
    assert!(!found(home.path(), "CVE-2099-0001").is_empty());
}

#[test]
fn names_that_are_none_are_told() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, error) in [
        (["--provider", "debain"], "error: there is no feed `debain`"),
        (["--also", "anchore"], "error: `anchore` has no upstream: its files are brought by hand"),
        (["--exclude", "nvd/apis"], "error: there is no feed `nvd/apis`"),
        (["--feed-url", "kev"], "is not `NAME=URL`"),
    ] {
        let result = run(home.path(), &[&["db", "update"], &arguments[..]].concat());
        assert_eq!(result.code, 2, "{}", result.transcript());
        assert!(result.stderr.contains(error), "`{error}` in\n{}", result.stderr);
    }
}

#[test]
fn an_update_of_nothing_is_no_success() {
    let home = tempfile::tempdir().unwrap();
    let feeds = home.path().join("feeds").display().to_string();
    fs_err::create_dir_all(&feeds).unwrap();
    let index = home.path().join("new.index").display().to_string();
    let result = run(home.path(), &["db", "update", "--offline", "--feeds", &feeds, "--db", &index]);
    assert_eq!(result.code, 2, "{}", result.transcript());
    assert!(
        result.stderr.contains("error: there is nothing to build an index of: no feed is in `"),
        "{}",
        result.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_updates_itself() {
    let mirror = Mirror::start().await;
    let service = Service::start_with(&[
        ("KILLICK__KNOWLEDGE__UPDATE", "auto".to_owned()),
        ("KILLICK__KNOWLEDGE__PROVIDERS", r#"["debian/tracker", "kev", "alpine/secdb", "epss"]"#.to_owned()),
        ("KILLICK__KNOWLEDGE__MIRROR", mirror.url.clone()),
    ]);
    let feeds = || service.client(&["system", "feeds", "list"]).stdout;
    wait_until("the first update is done", || feeds().contains("alpine:3.25"));
    assert!(mirror.sent().iter().any(|path| path == TRACKER));
    mirror.put(
        "/secdb.alpinelinux.org/v3.26/main.json",
        r#"{"packages":[{"pkg":{"name":"curl","secfixes":{"0":["CVE-2099-1"]}}}]}"#,
    );
    // The first may be at its end still.
    wait_until("it is updated on request", || {
        let synced = service.client(&["system", "feeds", "sync", "--yes"]);
        synced.code == 0 && synced.stdout.contains("alpine:3.26")
    });
    assert!(feeds().contains("alpine:3.26"));
    assert_eq!(mirror.sent(), ["/secdb.alpinelinux.org/v3.26/main.json"]);
}
