//! `killick migrate`: from a running service (our own plays the old one, it speaks the same API) and from a folder.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::command::Run;
use super::image::Image;
use super::registry::{self, Registry};
use super::service::{PASSWORD, Service};

/// What no command does: `method path` of a service, as the administrator or in an account.
fn ask(service: &Service, method: &str, path: &str, account: Option<&str>, body: &Value) -> Value {
    let answer = exchange(service, method, path, account, body);
    serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer)))
}

/// The same as bytes.
fn exchange(service: &Service, method: &str, path: &str, account: Option<&str>, body: &Value) -> Vec<u8> {
    let address = service.url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut stream = TcpStream::connect(address).expect("the server answers");
    let credentials = STANDARD.encode(format!("admin:{PASSWORD}"));
    let account = account.map(|name| format!("x-anchore-account: {name}\r\n")).unwrap_or_default();
    let body = body.to_string();
    let head = format!(
        "{method} /v1{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\n{account}\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream.write_all(body.as_bytes()).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers");
    assert!(answer.starts_with(b"HTTP/1.1 2"), "{method} {path}: {}", String::from_utf8_lossy(&answer));
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    answer.split_off(head + 4)
}

pub(crate) fn get(service: &Service, path: &str, account: Option<&str>) -> Value {
    ask(service, "GET", path, account, &Value::Null)
}

/// Result and kind and name of each item.
fn items(run: &Run) -> Vec<String> {
    let document: Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.transcript()));
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or("-").to_owned();
    let line = |item: &Value| ["result", "account", "kind", "name"].map(|name| text(item, name)).join(" ");
    document["items"].as_array().expect("a list").iter().map(line).collect()
}

fn results(run: &Run) -> std::collections::BTreeSet<String> {
    let document: Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.transcript()));
    let items = document["items"].as_array().expect("a list").iter();
    items.map(|item| item["result"].as_str().expect("a word").to_owned()).collect()
}

fn wait_for(service: &Service, reference: &str) {
    let run = service.client(&["image", "wait", reference, "--timeout", "60", "--interval", "0.2"]);
    assert_eq!(run.code, 0, "{}", run.transcript());
}

#[test]
fn from_a_running_service() {
    let registry = Registry::start();
    let (old, new) = (Service::start(), Service::start());
    for service in [&old, &new] {
        assert_eq!(service.client(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    }
    let address = registry.address.as_str();
    let digest = registry.push("shop/web", "1", &Image::example()).to_string();
    let reference = format!("{address}/shop/web:1");
    let repository = format!("{address}/shop/web");
    for arguments in [
        &["registry", "add", address, registry::USER, registry::PASSWORD, "--insecure"][..],
        &["image", "add", &reference, "--dockerfile", "examples/shop/Dockerfile", "--annotation", "team=shop"],
        &["policy", "add", "examples/bundles/production.json"],
        &["policy", "activate", "production"],
        &["repo", "add", &repository, "--noautosubscribe"],
        &["subscription", "activate", "vuln_update", &reference],
        &["analysis-archive", "rules", "add", "30", "2", "archive"],
    ] {
        let run = old.client(arguments);
        assert_eq!(run.code, 0, "{}", run.transcript());
    }
    wait_for(&old, &reference);
    ask(&old, "POST", "/accounts", None, &json!({"name": "team1", "email": "t1@example.com"}));
    ask(&old, "POST", "/accounts/team1/users", None, &json!({"username": "alice", "password": "alice-secret"}));
    ask(&old, "PUT", "/accounts/team1/state", None, &json!({"state": "disabled"}));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let passwords = folder.path().join("passwords.yaml");
    let text = format!("registries:\n  \"{address}\": {}\nusers:\n  team1/alice: new-secret\n", registry::PASSWORD);
    fs_err::write(&passwords, text).expect("the folder is writable");
    let passwords = passwords.display().to_string();
    let plain = ["--json", "migrate", "--from", &old.url, "--from-pass", PASSWORD];
    let migrate = |more: &[&str]| new.client(&[&plain[..], more].concat());

    // Nothing is done before it is told to.
    let dry = migrate(&[]);
    assert_eq!(dry.code, 0, "{}", dry.transcript());
    let told = items(&dry);
    for line in [
        format!("left to you - registry {address}"),
        "would add - policy production".to_owned(),
        "would add - active production".to_owned(),
        format!("would add - repository {repository}"),
        format!("would add - subscription vuln_update {reference}"),
        format!("would add - image {digest}"),
        "would add team1 account team1".to_owned(),
        "left to you team1 user alice".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told:#?}");
    }
    assert_eq!(get(&new, "/images", None), json!([]));
    assert_eq!(get(&new, "/registries", None), json!([]));
    assert_eq!(get(&new, "/accounts", None).as_array().map(Vec::len), Some(1));

    // Without the password of the registry its images cannot be had; the rest is brought.
    let partly = migrate(&["--apply"]);
    assert_eq!(partly.code, 1, "{}", partly.transcript());
    let told = items(&partly);
    assert!(told.contains(&format!("FAILED - image {digest}")), "{told:#?}");
    assert!(told.contains(&"added - policy production".to_owned()), "{told:#?}");

    let applied = migrate(&["--apply", "--passwords", &passwords]);
    assert_eq!(applied.code, 0, "{}", applied.transcript());
    wait_for(&new, &reference);
    let again = migrate(&["--apply", "--passwords", &passwords]);
    assert_eq!((again.code, results(&again)), (0, ["there".to_owned()].into()), "{}", again.transcript());

    let image = &get(&new, &format!("/images/{digest}"), None)[0];
    assert_eq!(image["annotations"], json!({"team": "shop"}));
    assert_eq!(image["image_content"]["metadata"]["dockerfile_mode"], "Actual");
    let former = &get(&old, &format!("/images/{digest}"), None)[0]["image_detail"][0];
    for member in ["dockerfile", "tag_detected_at", "fulltag"] {
        assert_eq!(image["image_detail"][0][member], former[member], "{member}");
    }
    let active = |service: &Service| {
        let policies = get(service, "/policies", None);
        let active = policies.as_array().expect("a list").iter().find(|policy| policy["active"] == true).cloned();
        active.expect("one is active")["policybundle"].clone()
    };
    assert_eq!(active(&new), active(&old));
    let subscriptions = |service: &Service| {
        let all = get(service, "/subscriptions", None);
        let line = |one: &Value| format!("{} {} {}", one["subscription_type"], one["subscription_key"], one["active"]);
        all.as_array().expect("a list").iter().map(line).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(subscriptions(&new), subscriptions(&old));
    assert_eq!(get(&new, "/archives/rules", None)[0]["analysis_age_days"], 30);
    assert_eq!(get(&new, "/accounts/team1", None)["state"], "disabled");
    assert_eq!(get(&new, "/accounts/team1/users", None)[0]["username"], "alice");

    // What is otherwise on the server stays, until it is said that it shall not.
    ask(
        &new,
        "PUT",
        &format!("/registries/{}?validate=false", address.replace(':', "%3A")),
        None,
        &json!({
            "registry": address, "registry_user": "somebody", "registry_pass": "x", "registry_verify": false,
            "registry_type": "docker_v2", "registry_name": address,
        }),
    );
    assert_eq!(new.client(&["policy", "add", "examples/bundles/critical-only.json"]).code, 0);
    assert_eq!(new.client(&["policy", "activate", "critical-only"]).code, 0);
    let kept = migrate(&["--apply", "--passwords", &passwords]);
    assert_eq!(kept.code, 0, "{}", kept.transcript());
    let told = items(&kept);
    assert!(told.contains(&format!("kept - registry {address}")), "{told:#?}");
    assert!(told.contains(&"kept - active production".to_owned()), "{told:#?}");
    assert_eq!(get(&new, "/registries", None)[0]["registry_user"], "somebody");
    let replaced = migrate(&["--apply", "--replace", "--passwords", &passwords]);
    assert_eq!(replaced.code, 0, "{}", replaced.transcript());
    assert_eq!(get(&new, "/registries", None)[0]["registry_user"], registry::USER);
    assert_eq!(active(&new), active(&old));
    for run in [&dry, &partly, &applied, &kept, &replaced] {
        for secret in [PASSWORD, registry::PASSWORD, "new-secret"] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{}", run.transcript());
        }
    }
}

#[test]
fn from_a_folder() {
    let new = Service::start();
    assert_eq!(new.client(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let passwords = folder.path().join("passwords.json");
    let text = json!({"registries": {"registry.example.com": "s3cret"}, "users": {"team1/alice": "alice-secret"}});
    fs_err::write(&passwords, text.to_string()).expect("the folder is writable");
    let passwords = passwords.display().to_string();
    let arguments = ["--json", "migrate", "crates/cli/testdata/migrate", "--skip-validate", "--passwords", &passwords];
    let told = |run: &Run, wanted: &[&str]| {
        let told = items(run);
        for line in wanted {
            assert!(told.iter().any(|told| told.starts_with(line)), "{line} in: {told:#?}");
        }
    };
    let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
    let (image, archived) = (digest("ab"), digest("cd"));
    let dry = new.client(&arguments);
    assert_eq!(dry.code, 1, "{}", dry.transcript());
    told(
        &dry,
        &[
            "WOULD FAIL - source crates/cli/testdata/migrate/notes.json",
            "WOULD FAIL - source crates/cli/testdata/migrate/truncated.json",
            "not brought - source crates/cli/testdata/migrate/events.json",
            "not brought - source crates/cli/testdata/migrate/verdicts.json",
            "not brought - source crates/cli/testdata/migrate/vulnerabilities.json",
            "would add - registry 123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "left to you - registry quay.example.com",
            "would add - registry registry.example.com",
            "WOULD FAIL - policy retired",
            "would add - policy shop",
            "would add - active shop",
            &format!("would add - image {image}"),
            &format!("left to you - archive {archived}"),
            "would add - subscription tag_update registry.example.com/shop/web:1",
            "would add - subscription vuln_update registry.example.com/shop/web:1",
            "would add - repository registry.example.com/shop/web",
            "would add - archive rule",
            "would add team1 account team1",
            "would add team1 user alice",
            "left to you team1 user bella",
            "would add team1 policy shop",
            "would add team1 active shop",
        ],
    );
    assert_eq!(get(&new, "/registries", None), json!([]));
    let applied = new.client(&[&arguments[..], &["--apply"]].concat());
    assert_eq!(applied.code, 1, "{}", applied.transcript());
    let kept = [
        // Unless its settings permit it, the server logs in as itself for nobody.
        "FAILED - registry 123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "FAILED - policy retired",
        "left to you - registry quay.example.com",
        "left to you team1 user bella",
    ];
    told(&applied, &kept);
    told(
        &applied,
        &[
            "added - registry registry.example.com",
            "added - policy shop",
            "added - active shop",
            &format!("FAILED - image {image}"),
            "added - repository registry.example.com/shop/web",
            "added team1 account team1",
            "added team1 user alice",
            "added team1 active shop",
        ],
    );
    let again = new.client(&[&arguments[..], &["--apply"]].concat());
    told(&again, &kept);
    told(
        &again,
        &[
            "there - registry registry.example.com",
            "there - policy shop",
            "there - active shop",
            "there - subscription vuln_update registry.example.com/shop/web:1",
            "there - archive rule",
            "there team1 account team1",
            "there team1 user alice",
            "there team1 active shop",
        ],
    );
    let registries = get(&new, "/registries", None);
    assert_eq!(registries.as_array().map(Vec::len), Some(1), "{registries}");
    assert_eq!(get(&new, "/accounts/team1", None)["state"], "disabled");
    let only = new.client(&["--json", "migrate", "crates/cli/testdata/migrate", "--only", "rule"]);
    assert!(items(&only).contains(&"there - archive rule 282102c1d2694579a3b6e7819c52c14c (archive)".to_owned()));
}

#[test]
fn archived_analyses_are_taken_in() {
    let registry = Registry::start();
    let (old, new) = (Service::start(), Service::start());
    for service in [&old, &new] {
        assert_eq!(service.client(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    }
    let digest = registry.push("shop/web", "1", &Image::example()).to_string();
    let reference = format!("{}/shop/web:1", registry.address);
    let address = registry.address.as_str();
    assert_eq!(old.client(&["registry", "add", address, registry::USER, registry::PASSWORD, "--insecure"]).code, 0);
    assert_eq!(old.client(&["image", "add", &reference]).code, 0);
    wait_for(&old, &reference);
    assert_eq!(old.client(&["analysis-archive", "images", "add", &digest]).code, 0);
    let live = ["--json", "migrate", "--from", &old.url, "--from-pass", PASSWORD, "--only", "archive"];
    assert_eq!(items(&new.client(&live)), [format!("would add - archive {digest}")]);
    assert_eq!(get(&new, "/images", None), json!([]));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let document = exchange(&old, "GET", &format!("/archives/images/{digest}/document"), None, &Value::Null);
    fs_err::write(folder.path().join("one.tar.gz"), document).expect("the folder is writable");
    fs_err::write(folder.path().join("two.tar.gz"), "no archive").expect("the folder is writable");
    let path = folder.path().display().to_string();
    for (more, words) in [(&[][..], "would add"), (&["--apply"][..], "added"), (&["--apply"][..], "added")] {
        let run = new.client(&[&["--json", "migrate", &path], more].concat());
        assert_eq!(run.code, 1, "{}", run.transcript());
        let told = items(&run);
        assert_eq!(told[0], format!("{words} - archive one.tar.gz"), "{told:?}");
        assert!(told[1].ends_with("FAIL - archive two.tar.gz") || told[1] == "FAILED - archive two.tar.gz", "{told:?}");
    }
    assert_eq!(get(&new, &format!("/images/{digest}"), None)[0]["analysis_status"], "analyzed");
    assert_eq!(items(&new.client(&live)), [format!("there - archive {digest}")]);

    // A Killick server hands its documents out.
    let other = Service::start();
    assert_eq!(other.client(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    for word in ["added", "there"] {
        let run = other.client(&[&live[..], &["--apply"]].concat());
        assert_eq!((run.code, items(&run)), (0, vec![format!("{word} - archive {digest}")]), "{}", run.transcript());
    }
    assert_eq!(get(&other, &format!("/images/{digest}"), None)[0]["analysis_status"], "analyzed");
}

/// An Anchore Engine with one archived image.
fn engine(digest: &str) -> (String, tokio::runtime::Runtime) {
    use axum::Json;
    use axum::http::StatusCode;
    use axum::routing::get;
    let archived = json!([{"imageDigest": digest, "archive_size_bytes": 10752, "status": "archived"}]);
    let none = || async { Json(json!([])) };
    let mut router = axum::Router::new()
        .route("/v1", get(|| async { Json("v1") }))
        .route("/v1/account", get(|| async { Json(json!({"name": "admin"})) }))
        .route("/v1/archives/images", get(|| async { Json(archived) }))
        .fallback(|| async {
            let detail = "The requested URL was not found on the server.";
            let problem = json!({"detail": detail, "status": 404, "title": "Not Found", "type": "about:blank"});
            (StatusCode::NOT_FOUND, Json(problem))
        });
    for path in ["/v1/registries", "/v1/policies", "/v1/subscriptions", "/v1/images", "/v1/archives/rules"] {
        router = router.route(path, get(none));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback is there");
    let url = format!("http://{}/v1", listener.local_addr().expect("a bound socket has an address"));
    runtime.spawn(async move { axum::serve(listener, router).await });
    (url, runtime)
}

#[test]
fn an_anchore_engine_does_not_hand_out_what_it_archived() {
    let new = Service::start();
    assert_eq!(new.client(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    let digest = format!("sha256:{}", "cd".repeat(32));
    let (url, _runtime) = engine(&digest);
    let run = new.client(&["--json", "migrate", "--from", &url, "--from-pass", PASSWORD]);
    assert_eq!((run.code, items(&run)), (0, vec![format!("left to you - archive {digest}")]), "{}", run.transcript());
    assert!(run.stdout.contains("does not hand out what it archived"), "{}", run.transcript());
}

/// What an old service tells of an image with a supplied Dockerfile.
fn image_record(digest: &str, tags: &[String], annotations: &Value) -> Value {
    let details: Vec<Value> = tags.iter().map(|tag| {
        let repository = tag.rsplit_once(':').expect("a tag").0;
        json!({
            "fulltag": tag, "fulldigest": format!("{repository}@{digest}"), "dockerfile": STANDARD.encode("FROM scratch\n"),
            "tag_detected_at": "2026-11-23T19:49:17Z",
        })
    }).collect();
    json!({
        "imageDigest": digest, "image_status": "active", "analysis_status": "analyzed", "annotations": annotations,
        "created_at": "2026-11-23T19:49:17Z", "image_content": {"metadata": {"dockerfile_mode": "Actual"}},
        "image_detail": details,
    })
}

#[test]
fn every_tag_that_can_be_brought_is() {
    let registry = Registry::start();
    let new = Service::start();
    assert_eq!(new.client(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    let address = registry.address.as_str();
    let digest = registry.push("shop/web", "1", &Image::example()).to_string();
    assert_eq!(new.client(&["registry", "add", address, registry::USER, registry::PASSWORD, "--insecure"]).code, 0);
    let lost = ["127.0.0.1:1/gone/web:1", "127.0.0.1:1/lost/web:1"].map(str::to_owned);
    let there = ["1", "latest"].map(|tag| format!("{address}/shop/web:{tag}"));
    let imported = format!("sha256:{}", "cd".repeat(32));
    let tags = [&lost[..1], &there, &lost[1..]].concat();
    let records = json!([
        image_record(&digest, &tags, &json!({"team": "shop"})),
        image_record(&imported, &lost[..1], &json!({"anchore.system/import_operation_id": "1f2e"})),
    ]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs_err::write(folder.path().join("images.json"), records.to_string()).expect("the folder is writable");
    let path = folder.path().display().to_string();

    // The records tell what was imported.
    let dry = new.client(&["--json", "migrate", &path]);
    assert_eq!(items(&dry), [format!("would add - image {digest}"), format!("would try - image {imported}")]);
    let reasons = |run: &Run| -> Vec<String> {
        let document: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let items = document["items"].as_array().expect("a list").iter();
        items.map(|item| item["reason"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert!(reasons(&dry)[1].starts_with("it was imported"), "{}", dry.transcript());

    // With the first tag that can be had comes the Dockerfile; again, what is there is left alone.
    for _ in 0..2 {
        let applied = new.client(&["--json", "migrate", &path, "--apply"]);
        assert_eq!(applied.code, 1, "{}", applied.transcript());
        assert_eq!(items(&applied), [format!("FAILED - image {digest}"), format!("FAILED - image {imported}")]);
        let reasons = reasons(&applied);
        for tag in &lost {
            assert!(reasons[0].contains(&format!("`{tag}`: ")), "{reasons:?}");
        }
        assert!(!reasons[0].contains(address), "{reasons:?}");
        assert!(reasons[1].contains("it was imported"), "{reasons:?}");
        let image = &get(&new, &format!("/images/{digest}"), None)[0];
        let details = image["image_detail"].as_array().expect("a list").iter();
        let mut brought: Vec<&str> = details.map(|detail| detail["fulltag"].as_str().expect("a tag")).collect();
        brought.sort_unstable();
        assert_eq!(brought, there);
        assert_eq!(image["image_detail"][0]["dockerfile"], STANDARD.encode("FROM scratch\n"));
        assert_eq!(image["annotations"], json!({"team": "shop"}));
    }
}

#[test]
fn what_cannot_be_begun_is_refused() {
    let new = Service::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    let passwords = home.path().join("passwords.yaml");
    fs_err::write(&passwords, "registries: [s3cret]\n").expect("the folder is writable");
    let passwords = passwords.display().to_string();
    let cases: [(&[&str], &str); 5] = [
        (&["migrate"], "required arguments were not provided"),
        (&["migrate", "/no/such/folder"], "/no/such/folder"),
        (&["migrate", "--from", "http://127.0.0.1:1/v1"], "could not access"),
        (&["migrate", "crates/cli/testdata/migrate", "--passwords", &passwords], "no file of passwords"),
        (&["migrate", "--from", &new.url, "--from-pass", "wrong"], "the old service does not let us in"),
    ];
    for (arguments, told) in cases {
        let run = new.client(arguments);
        assert_eq!(run.code, 2, "{}", run.transcript());
        assert!((run.stdout.clone() + &run.stderr).contains(told), "{}", run.transcript());
        assert!(!run.transcript().contains("s3cret"), "{}", run.transcript());
    }
}
