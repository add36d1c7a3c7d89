//! The index as the service hands it to its command lines.

use std::path::Path;

use killick_model::digest::Digest;
use killick_server::{App, Config, KnowledgeError, OpenError};
use killick_vulns::publication::peek;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};

const MANIFEST: &str = "/v2/knowledge/manifest.json";

#[tokio::test]
async fn documents_and_blobs_are_read_whole_in_parts_and_only_if_new() {
    let service = Service::start(|_| {}).await;
    let (status, headers, document) = service.read(MANIFEST, &[]).await;
    let etag = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"));
    for (known, want) in [(etag.as_str(), 304), ("*", 304), (&format!("\"a\", W/{etag}"), 304), ("\"a\"", 200)] {
        assert_eq!(service.read(MANIFEST, &[("if-none-match", known)]).await.0, want, "{known}");
    }
    let publication = peek(&document).unwrap();
    for blob in publication.blobs() {
        let (status, _, bytes) = service.read(&format!("/v2/knowledge/{}", blob.path()), &[]).await;
        assert_eq!((status, bytes.len() as u64), (200, blob.bytes));
        assert_eq!(Digest::of(&bytes), blob.digest);
    }

    let blob = &publication.segments[0].blob;
    let path = format!("/v2/knowledge/{}", blob.path());
    let (_, headers, all) = service.read(&path, &[]).await;
    assert_eq!(headers["accept-ranges"], "bytes");
    let etag = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(service.read(&path, &[("if-none-match", &etag)]).await.0, 304);
    let (status, headers, part) = service.read(&path, &[("range", "bytes=5-9")]).await;
    assert_eq!((status, part.as_slice()), (206, &all[5..10]));
    assert_eq!(headers["content-range"].to_str().unwrap(), format!("bytes 5-9/{}", blob.bytes));
    assert_eq!(headers["content-length"], "5");
    let current = [("range", "bytes=5-9"), ("if-range", etag.as_str())];
    assert_eq!(service.read(&path, &current).await.0, 206);
    let other = [("range", "bytes=5-9"), ("if-range", "\"another\"")];
    assert_eq!(service.read(&path, &other).await.2, all, "of another state all is needed");
    let (status, headers, _) = service.read(&path, &[("range", &format!("bytes={}-", blob.bytes))]).await;
    assert_eq!((status, headers["content-range"].to_str().unwrap()), (416, format!("bytes */{}", blob.bytes).as_str()));
    for (name, want) in [(Digest::of(b"x").hex(), 404), ("x".repeat(64), 400), ("..%2F..%2Fetc".to_owned(), 400)] {
        assert_eq!(service.read(&format!("/v2/knowledge/blobs/sha256/{name}"), &[]).await.0, want, "{name}");
    }
}

#[tokio::test]
async fn that_there_is_nothing_to_build_of_is_told() {
    let feeds = tempfile::tempdir().unwrap();
    let folder = feeds.path().join("feeds");
    fs_err::create_dir_all(folder.join("debian")).unwrap();
    let given = folder.clone();
    let service = Service::start(|config| config.knowledge.feeds_dir = given).await;
    let sync = async || {
        let (status, told) = service.call(ADMIN, "POST", "/system/feeds", Value::Null).await;
        assert_eq!(status, 409, "{told}");
        told["message"].as_str().unwrap().replace(&folder.display().to_string(), "FEEDS")
    };
    let nothing = "the advisory index could not be built: no feeds under `FEEDS`; put files that lie like the upstreams into \
                   `knowledge.feeds_dir`, such as `osv/PyPI/all.zip` or `debian/tracker.json`";
    assert_eq!(sync().await, nothing);
    fs_err::write(folder.join("debian/tracker.json"), "no JSON").unwrap();
    let unread = sync().await;
    assert!(unread.contains("none of the feeds under `FEEDS` could be read: "), "{unread}");
    // It was there at the start.
    fs_err::remove_dir_all(&folder).unwrap();
    assert_eq!(sync().await, nothing);
}

#[tokio::test]
async fn where_the_index_came_from_is_told() {
    let service = Service::start(|_| {}).await;
    let (status, told) = service.call(ADMIN, "GET", "/v2/knowledge", Value::Null).await;
    assert_eq!((status, told["origin"]["kind"].as_str()), (200, Some("built-in")));
    assert!(told["index"].as_str().unwrap().starts_with("sha256:"), "no path of ours: {}", told["index"]);
    assert!(told["sources"].as_array().unwrap().len() > 20 && told["feeds"] == serde_json::json!([]));
    let (_, feeds) = service.call(ADMIN, "GET", "/v1/system/feeds", Value::Null).await;
    assert_eq!(feeds[0]["origin"], told["origin"]);
    assert_eq!(service.call("nobody:x", "GET", "/v2/knowledge", Value::Null).await.0, 401);
}

/// An index in the format of an earlier version of the program neither keeps the service from starting nor stays.
#[tokio::test]
async fn an_index_of_an_earlier_version_is_replaced() {
    let mut index = fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/starter.kidx")).unwrap();
    index[8] -= 1;
    let feeds = tempfile::tempdir().unwrap();
    let alpine = feeds.path().join("vulnerabilities/alpine.json");
    fs_err::create_dir_all(alpine.parent().unwrap()).unwrap();
    let flaw = json!({"Vulnerability": {
        "Name": "CVE-2099-1", "NamespaceName": "alpine:3.20", "Severity": "High", "Link": "https://example.org/1",
        "Metadata": {}, "FixedIn": [{"Name": "musl", "Version": "9", "VersionFormat": "apk",
        "NamespaceName": "alpine:3.20", "VendorAdvisory": {"NoAdvisory": false, "AdvisorySummary": []}}]}});
    fs_err::write(alpine, json!({"data": [flaw]}).to_string()).unwrap();
    let service = Service::start(|config| {
        config.knowledge.feeds_dir = feeds.path().to_owned();
        fs_err::write(config.storage.data_dir.join("advisories.db"), index).unwrap();
    });
    let service = service.await;
    let sources = async || {
        let (status, told) = service.call(ADMIN, "GET", "/v2/knowledge", Value::Null).await;
        assert_eq!(status, 200, "{told}");
        told["sources"].as_array().unwrap().len()
    };
    assert!(sources().await > 20, "the built-in one");
    let (status, told) = service.call(ADMIN, "POST", "/system/feeds", Value::Null).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(sources().await, 1);
}

#[tokio::test]
async fn settings_that_take_an_index_over_are_checked_at_the_start() {
    let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    for (settings, want) in [
        ("from = 'https://example.org/a'", "`knowledge.from` needs `knowledge.keys`"),
        (&format!("from = 'ftp://example.org/a'\nkeys = ['{key}']"), "`knowledge.from` cannot be used"),
        (&format!("from = '/a'\nkeys = ['{key}']\nfeeds_dir = '/b'"), "are both set"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("killick.toml");
        fs_err::write(&file, format!("[knowledge]\n{settings}\n")).unwrap();
        let mut config = Config::load(Some(&file), Vec::new()).unwrap();
        config.storage.data_dir = data.path().join("data");
        let Err(OpenError::Knowledge(error)) = App::open(config).await else { panic!("{settings}") };
        assert!(!matches!(error, KnowledgeError::Index(_)) && error.to_string().contains(want), "{error}");
    }
    let variables = vec![("KILLICK__KNOWLEDGE__KEYS".to_owned(), "['rubbish']".to_owned())];
    let error = Config::load(None, variables).unwrap_err();
    assert!(format!("{error:?}").contains("not an Ed25519 public key"), "{error:?}");
}

/// What a damaged file said before is not forgotten, and that it is damaged is told.
#[tokio::test]
async fn a_feed_that_cannot_be_read_stays_as_it_was() {
    let feeds = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = feeds.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    let record = |name: &str| {
        json!({"Vulnerability": {
            "Name": name, "NamespaceName": "debian:12", "Severity": "High", "Link": "https://example.org/1",
            "Metadata": {}, "FixedIn": [{"Name": "curl", "Version": "9", "VersionFormat": "dpkg",
            "NamespaceName": "debian:12", "VendorAdvisory": {"NoAdvisory": false, "AdvisorySummary": []}}]}})
    };
    let secdb = |id: &str| json!({"packages": [{"pkg": {"name": "musl", "secfixes": {"9-r0": [id]}}}]}).to_string();
    write("vulnerabilities/debian.json", &json!({"data": [record("CVE-2099-1"), record("CVE-2099-2")]}).to_string());
    write("alpine-secdb/v3.20/main.json", &secdb("CVE-2099-3"));
    let folder = feeds.path().to_owned();
    let service = Service::start(move |config| {
        config.knowledge.update = killick_server::Keeping::Off;
        config.knowledge.feeds_dir = folder;
    })
    .await;
    let sync = async || service.call(ADMIN, "POST", "/system/feeds", Value::Null).await;
    let groups = async || {
        let feeds = service.get(ADMIN, "/system/feeds").await;
        let groups = feeds[0]["groups"].as_array().unwrap().iter();
        groups.map(|group| (group["name"].clone(), group["record_count"].clone())).collect::<Vec<_>>()
    };
    let events = async |kind: &str| service.get(ADMIN, &format!("/events?event_type={kind}")).await["results"].clone();
    let (status, synced) = sync().await;
    assert_eq!((status, &synced[0]["status"]), (200, &json!("success")));
    let before = groups().await;
    assert_eq!(before, [(json!("alpine:3.20"), json!(1)), (json!("debian:12"), json!(2))]);
    assert_eq!(events("system.feeds.sync.failed").await, json!([]));

    write("vulnerabilities/debian.json", "{\"data\": [{\"Vulnera");
    write("alpine-secdb/v3.20/main.json", &secdb("CVE-2099-4"));
    let (status, synced) = sync().await;
    assert_eq!((status, &synced[0]["status"]), (200, &json!("failure")));
    assert_eq!(groups().await, before);
    let known =
        async |id: &str| service.get(ADMIN, &format!("/query/vulnerabilities?id={id}")).await["total_count"].clone();
    assert_eq!(known("CVE-2099-1").await, 1, "the old stays");
    assert_eq!(known("CVE-2099-4").await, 1, "the other one is followed");
    let failed = events("system.feeds.sync.failed").await;
    let cause = failed[0]["event"]["details"]["cause"].as_str().unwrap();
    assert!(cause.contains("vulnerabilities/debian.json"), "{cause}");

    // A file that is gone is gone.
    fs_err::remove_file(feeds.path().join("vulnerabilities/debian.json")).unwrap();
    assert_eq!(sync().await.1[0]["status"], "success");
    assert_eq!(groups().await, [(json!("alpine:3.20"), json!(1))]);
}
