//! Users and keys whose role is on some resources: they read all of the account, and change what it names.

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::registry::{self, Upstream};

const ALICE: &str = "alice:password1";

/// May something, but nothing of what there is.
const MALLORY: &str = "mallory:password1";

/// May what there is, and nothing beside it.
const OWEN: &str = "owen:password1";

/// What nobody says anything of but its name.
fn bundle(id: &str) -> Value {
    json!({
        "id": id, "version": "1_0", "name": id, "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules":
            [{"id": "r", "gate": "always", "trigger": "always", "action": "STOP", "params": []}]}],
        "mappings": [{"id": "m", "name": "m", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    })
}

/// An account with a user who may everything, and two whom roles narrow.
async fn service() -> (Service, Upstream) {
    let service = Service::start(|_: &mut Config| {}).await;
    let upstream = registry::serve(None).await;
    service.account_with_user("team1", "alice").await;
    for user in ["mallory", "owen"] {
        service.user("team1", user).await;
    }
    let named = |registry: &str, repository: &str, policy: &str| {
        json!([
            {"role": "developer", "on": [format!("repository:{registry}/{repository}")]},
            {"role": "policy-editor", "on": [format!("policy:{policy}")]},
            {"role": "account-admin", "on": [format!("registry:{registry}")]},
        ])
    };
    give(&service, "mallory", named("elsewhere.example.org", "*", "theirs")).await;
    give(&service, "owen", named(&upstream.address.to_string(), "tiny/alpine", "ours")).await;
    (service, upstream)
}

async fn give(service: &Service, user: &str, roles: Value) {
    let path = format!("/v2/users/{user}/roles");
    let (status, body) = service.call(ALICE, "PUT", &path, json!({"roles": roles.clone()})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(service.get(ALICE, &path).await["roles"].as_array().unwrap().len(), roles.as_array().unwrap().len());
}

/// What an error says, in the words of either version.
fn said(body: &Value) -> &str {
    body["message"].as_str().or_else(|| body["detail"].as_str()).unwrap_or_default()
}

/// Every operation that may change something, and of which resources it can be.
fn operations() -> Vec<(String, Option<String>)> {
    let document = killick_server::openapi();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in
            item.as_object().unwrap().iter().filter(|(_, member)| member["responses"].is_object())
        {
            if method != "get" {
                let narrowed_by = operation["x-narrowed-by"].as_str().map(str::to_owned);
                all.push((format!("{} {path}", method.to_ascii_uppercase()), narrowed_by));
            }
        }
    }
    all
}

/// A call that changes something, and the status of the answer to whoever may.
struct Change {
    operation: String,
    path: String,
    kind: &'static str,
    body: Vec<u8>,
    status: u16,
}

/// What there is to be changed.
struct Things {
    registry: String,
    images: [(String, String); 4],
    subscriptions: [String; 2],
    alert: String,
    import: String,
    archive: Vec<u8>,
}

impl Things {
    /// Images of one repository, a policy, a registry, and what hangs on them.
    async fn make(service: &Service, upstream: &Upstream) -> Self {
        let registry = upstream.address.to_string();
        let made = async |method: &str, path: &str, body: Value| {
            let (status, body) = service.call(ALICE, method, path, body).await;
            assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
            body
        };
        let mut images = Vec::new();
        for tag in ["3.20", "3.21", "debian", "copied"] {
            let digest = service.analyzed(ALICE, &format!("{registry}/tiny/alpine:{tag}")).await;
            let id = service.get(ALICE, &format!("/images/{digest}")).await[0]["image_detail"][0]["imageId"].clone();
            images.push((digest, id.as_str().unwrap().to_owned()));
        }
        let mut subscriptions = Vec::new();
        for kind in ["alerts", "policy_eval"] {
            let key = format!("{registry}/tiny/alpine:3.20");
            let found =
                service.get(ALICE, &format!("/subscriptions?subscription_key={key}&subscription_type={kind}")).await;
            let found = if found[0].is_object() {
                found
            } else {
                let new = json!({"subscription_key": key, "subscription_type": kind, "active": true});
                made("POST", "/subscriptions", new).await
            };
            subscriptions.push(found[0]["subscription_id"].as_str().unwrap().to_owned());
        }
        made("POST", "/policies", bundle("stops")).await;
        made("POST", "/v2/policies/stops/activate", Value::Null).await;
        made("POST", "/policies", bundle("ours")).await;
        service.app().look_due().await;
        let alert = service.get(ALICE, "/v2/alerts").await["items"][0]["id"].to_string();
        let login = json!({"registry": registry, "registry_user": "", "registry_pass": ""});
        made("POST", "/registries?validate=false", login).await;
        made("POST", "/archives/images", json!([images[0].0, images[1].0])).await;
        let document = format!("/archives/images/{}/document", images[0].0);
        let (_, archive) = service.send(Some(&basic(ALICE)), "GET", &document, "application/json", Vec::new()).await;
        let import = made("POST", "/imports/images", Value::Null).await["uuid"].as_str().unwrap().to_owned();
        Self {
            archive,
            registry,
            images: images.try_into().unwrap(),
            subscriptions: subscriptions.try_into().unwrap(),
            alert,
            import,
        }
    }

    /// A change by each operation that can be narrowed, in an order in which all can be made. The import is the caller's.
    fn changes(&self, import: &str) -> Vec<Change> {
        let Self { registry, images, subscriptions: [first, second], alert, .. } = self;
        let [(digest, _), (bulk, _), (by_digest, _), (_, by_id)] = images;
        let (tag, repository) = (format!("{registry}/tiny/alpine:3.20"), format!("{registry}/tiny/alpine"));
        let mut all = Vec::new();
        let mut change = |operation: &str, path: &str, body: Value, status| {
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            let (operation, path) = (operation.to_owned(), path.to_owned());
            all.push(Change { operation, path, kind: "application/json", body, status });
        };
        let login = json!({"registry": registry, "registry_user": "", "registry_pass": ""});
        change("POST /images", "/images?force=true", json!({"tag": tag, "annotations": {"by": "owen"}}), 200);
        change("POST /v2/images", "/v2/images", json!({"reference": tag, "annotations": {"by": "owen"}}), 200);
        change("POST /repositories", &format!("/repositories?repository={repository}"), Value::Null, 200);
        change(
            "POST /subscriptions",
            "/subscriptions",
            json!({"subscription_key": format!("{repository}:new"), "subscription_type": "tag_update"}),
            200,
        );
        change(
            "POST /v2/subscriptions",
            "/v2/subscriptions",
            json!({"key": format!("{repository}:newer"), "type": "alerts"}),
            201,
        );
        change("PATCH /v2/alerts/{alert_id}", &format!("/v2/alerts/{alert}"), json!({"state": "closed"}), 200);
        change(
            "PUT /subscriptions/{subscriptionId}",
            &format!("/subscriptions/{first}"),
            json!({"active": false}),
            200,
        );
        change("DELETE /subscriptions/{subscriptionId}", &format!("/subscriptions/{first}"), Value::Null, 200);
        let path = format!("/v2/subscriptions/{second}");
        change("PATCH /v2/subscriptions/{subscription_id}", &path, json!({"active": true}), 200);
        change("DELETE /v2/subscriptions/{subscription_id}", &path, Value::Null, 204);
        change("POST /policies", "/policies", bundle("ours"), 200);
        let policy = json!({"policyId": "ours", "active": false, "policybundle": bundle("ours")});
        change("PUT /policies/{policyId}", "/policies/ours", policy, 200);
        change("DELETE /policies/{policyId}", "/policies/ours", Value::Null, 200);
        change("PUT /v2/policies/{policy_id}", "/v2/policies/ours", bundle("ours"), 201);
        change("DELETE /v2/policies/{policy_id}", "/v2/policies/ours", Value::Null, 204);
        let path = format!("/registries/{registry}");
        change("PUT /registries/{registry}", &format!("{path}?validate=false"), login.clone(), 200);
        change("DELETE /registries/{registry}", &path, Value::Null, 200);
        change("POST /registries", "/registries?validate=false", login, 200);
        let path = format!("/v2/registries/{registry}");
        change("PUT /v2/registries/{registry}", &format!("{path}?validate=false"), json!({"username": ""}), 200);
        change("DELETE /v2/registries/{registry}", &path, Value::Null, 204);
        change("POST /imports/images", "/imports/images", Value::Null, 200);
        let path = format!("/imports/images/{import}");
        change(
            "POST /imports/images/{operation_id}/{kind}",
            &format!("{path}/image_config"),
            json!({"os": "linux"}),
            200,
        );
        change("DELETE /imports/images/{operation_id}", &path, Value::Null, 200);
        change("POST /archives/images", "/archives/images", json!([digest]), 200);
        change("POST /v2/archive/images", "/v2/archive/images", json!({"image_digest": by_digest}), 201);
        let path = format!("/v2/archive/images/{digest}");
        change("POST /v2/archive/images/{image_digest}/restore", &format!("{path}/restore"), Value::Null, 409);
        change("DELETE /v2/archive/images/{image_digest}", &format!("/v2/archive/images/{bulk}"), Value::Null, 202);
        change("DELETE /archives/images/{imageDigest}", &format!("/archives/images/{digest}"), Value::Null, 200);
        change("DELETE /images", &format!("/images?imageDigests={bulk}&force=true"), Value::Null, 200);
        change("DELETE /images/{imageDigest}", &format!("/images/{by_digest}?force=true"), Value::Null, 200);
        change("DELETE /images/by_id/{imageId}", &format!("/images/by_id/{by_id}?force=true"), Value::Null, 200);
        change("DELETE /v2/images/{image_digest}", &format!("/v2/images/{digest}?force=true"), Value::Null, 202);
        all
    }

    /// What the account has, as its own user reads it.
    async fn all(&self, service: &Service) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            "/images?image_status=all",
            "/subscriptions",
            "/v2/alerts",
            "/policies?detail=true",
            "/registries",
            "/v2/archive/images",
            "/archives/rules",
            "/v2/exceptions",
            "/v2/events",
            "/accounts/team1/users",
            "/v2/users/owen/roles",
            &format!("/imports/images/{}", self.import),
            &format!("/imports/images/{}/image_config", self.import),
        ] {
            all.push(service.get(ALICE, path).await);
        }
        all
    }
}

async fn make(service: &Service, login: &str, change: &Change) -> (u16, Value) {
    let method = change.operation.split(' ').next().unwrap();
    let authorization = basic(login);
    let sent = service.send(Some(&authorization), method, &change.path, change.kind, change.body.clone()).await;
    (sent.0, serde_json::from_slice(&sent.1).unwrap_or_default())
}

/// The restoring of an archive, which is sent as a form.
fn upload(archive: &[u8]) -> Change {
    let mut body = b"--b\r\ncontent-disposition: form-data; name=\"archive_file\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend_from_slice(archive);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let path = "/import/images?add_again=true".to_owned();
    let operation = "POST /import/images".to_owned();
    Change { operation, path, kind: "multipart/form-data; boundary=b", body, status: 200 }
}

/// What changes nothing of the account, or only what is the caller's own.
const OWN: &[&str] = &[
    "DELETE /v2/api-keys/{key_id}",
    "POST /imports/images",
    "POST /oauth/token",
    "POST /user/credentials",
    "POST /v2/api-keys",
    "POST /v2/policies/dry-run",
];

#[tokio::test]
async fn who_is_narrowed_to_other_things_changes_nothing() {
    let (service, upstream) = service().await;
    let things = Things::make(&service, &upstream).await;
    let mut changes = things.changes(&things.import);
    changes.push(upload(&things.archive));
    let before = things.all(&service).await;
    for (operation, narrowed_by) in operations() {
        let (_, path) = operation.split_once(' ').unwrap();
        let own: Vec<&Change> = changes.iter().filter(|change| change.operation == operation).collect();
        assert_eq!(own.is_empty(), narrowed_by.is_none(), "{operation} is changed by {narrowed_by:?}");
        let path = path.replace("{accountname}", "team1").replace("{username}", "owen").replace("{policy_id}", "ours");
        let any = Change {
            operation: operation.clone(),
            path: path.replace(['{', '}'], ""),
            kind: "application/json",
            body: b"{}".to_vec(),
            status: 403,
        };
        for change in if own.is_empty() { vec![&any] } else { own } {
            let (status, body) = make(&service, MALLORY, change).await;
            if !OWN.contains(&operation.as_str()) {
                assert_eq!(status, 403, "{operation} {}: {body}", change.path);
                assert!(said(&body).starts_with("Not authorized. Requires permissions: "), "{operation}: {body}");
            }
        }
    }
    assert_eq!(things.all(&service).await, before, "and changed nothing");
}

#[tokio::test]
async fn who_is_narrowed_to_them_changes_them() {
    let (service, upstream) = service().await;
    let things = Things::make(&service, &upstream).await;
    let (status, import) = service.call(OWEN, "POST", "/imports/images", Value::Null).await;
    assert_eq!(status, 200, "{import}");
    let mut changes = things.changes(import["uuid"].as_str().unwrap());
    changes.insert(0, upload(&things.archive));
    for change in changes {
        let (status, body) = make(&service, OWEN, &change).await;
        assert_eq!(status, change.status, "{} {}: {body}", change.operation, change.path);
        service.app().work_until_idle().await;
    }
    let images = service.get(ALICE, "/images?image_status=active").await;
    assert_eq!(images, json!([]), "they are gone");
}

/// The text of the refusal of a call.
async fn refused(service: &Service, login: &str, method: &str, path: &str, body: Value) -> String {
    let (status, body) = service.call(login, method, path, body).await;
    assert_eq!(status, 403, "{method} {path}: {body}");
    said(&body).to_owned()
}

#[tokio::test]
async fn an_image_is_of_all_its_repositories() {
    let (service, upstream) = service().await;
    let repository = format!("{}/tiny/alpine", upstream.address);
    let (ours, theirs) = (format!("{repository}:3.20"), "theirs.example.org/app:1");
    let digest = service.analyzed(OWEN, &ours).await;
    let pinned = format!("{repository}@{digest}");
    let shared = json!({"reference": pinned, "tag": theirs});
    let missing = "Not authorized. Requires permissions: domain=team1 action=createImage target=repository:theirs.example.org/app";
    assert_eq!(refused(&service, OWEN, "POST", "/v2/images", shared.clone()).await, missing);
    assert_eq!(service.call(ALICE, "POST", "/v2/images", shared).await.0, 200);

    // Another tag of theirs is no matter of the others; what holds for all of them is.
    let again = json!({"tag": format!("{repository}:again"), "digest": pinned});
    assert_eq!(service.call(OWEN, "POST", "/images", again.clone()).await.0, 200);
    for (path, more) in [
        ("/images?force=true", json!({})),
        ("/images", json!({"annotations": {"by": "owen"}})),
        ("/images?force=true", json!({"dockerfile": "RlJPTSBzY3JhdGNoCg=="})),
    ] {
        let mut body = again.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(refused(&service, OWEN, "POST", path, body).await, missing);
    }
    let id = service.get(OWEN, &format!("/images/{digest}")).await[0]["image_detail"][0]["imageId"].clone();
    let id = id.as_str().unwrap();
    for (method, path, body) in [
        ("DELETE", format!("/images/{digest}?force=true"), Value::Null),
        ("DELETE", format!("/images/by_id/{id}?force=true"), Value::Null),
        ("DELETE", format!("/images/by_id/{digest}?force=true"), Value::Null),
        ("DELETE", format!("/images?force=true&imageDigests=sha256:0,{digest}"), Value::Null),
        ("DELETE", format!("/v2/images/{digest}?force=true"), Value::Null),
        ("POST", "/archives/images".to_owned(), json!([digest])),
        ("POST", "/v2/archive/images".to_owned(), json!({"image_digest": digest})),
    ] {
        let why = refused(&service, OWEN, method, &path, body).await;
        assert!(why.ends_with("target=repository:theirs.example.org/app"), "{method} {path}: {why}");
    }
    assert_eq!(service.get(ALICE, &format!("/images/{digest}")).await[0]["image_status"], "active");
    // What is not there is nobody's.
    let (status, gone) = service.call(OWEN, "DELETE", "/images?imageDigests=sha256:0", Value::Null).await;
    assert_eq!((status, &gone[0]["status"]), (200, &json!("not_found")));
    give(
        &service,
        "owen",
        json!([{"role": "developer", "on": [format!("repository:{repository}"), "repository:theirs.example.org/*"]}]),
    )
    .await;
    assert_eq!(service.call(OWEN, "DELETE", &format!("/v2/images/{digest}?force=true"), Value::Null).await.0, 202);
}

#[tokio::test]
async fn what_was_archived_under_other_tags_stays() {
    let (service, upstream) = service().await;
    let repository = format!("{}/tiny/alpine", upstream.address);
    let digest = service.analyzed(ALICE, &format!("{repository}:3.20")).await;
    let shared = json!({"reference": format!("{repository}@{digest}"), "tag": "theirs.example.org/app:1"});
    for (method, path, body) in [
        ("POST", "/v2/images", shared),
        ("POST", "/archives/images", json!([digest])),
        ("DELETE", &format!("/images/{digest}?force=true"), Value::Null),
    ] {
        let (status, answer) = service.call(ALICE, method, path, body).await;
        assert!(status < 300, "{path}: {answer}");
    }
    service.app().keep_house().await.unwrap();
    let restore = json!({"source": {"archive": {"digest": digest}}});
    let why = refused(&service, OWEN, "POST", "/images", restore).await;
    assert!(why.ends_with("target=repository:theirs.example.org/app"), "{why}");
    // The image is theirs alone now, and the archived one is not.
    assert_eq!(service.analyzed(OWEN, &format!("{repository}:3.20")).await, digest);
    let why = refused(&service, OWEN, "POST", "/v2/archive/images", json!({"image_digest": digest})).await;
    assert!(why.ends_with("target=repository:theirs.example.org/app"), "{why}");
    for path in [format!("/v2/archive/images/{digest}"), format!("/archives/images/{digest}")] {
        refused(&service, OWEN, "DELETE", &path, Value::Null).await;
    }
}

#[tokio::test]
async fn a_policy_that_judges_everything_is_chosen_by_who_may_all() {
    let (service, _upstream) = service().await;
    let stored = |active: bool| json!({"policyId": "ours", "active": active, "policybundle": bundle("ours")});
    assert_eq!(service.call(OWEN, "POST", "/policies", bundle("ours")).await.0, 200);
    for (method, path, body) in [
        ("POST", "/v2/policies/ours/activate", Value::Null),
        ("PUT", "/policies/ours", stored(true)),
        ("PUT", "/policies/ours?active=true", stored(false)),
        ("POST", "/v2/exceptions", json!({"id": "e", "select": {"path": "/x"}, "reason": "r", "owner": "o"})),
    ] {
        let why = refused(&service, OWEN, method, path, body).await;
        assert!(why.ends_with("target=*"), "{path}: {why}");
    }
    assert_eq!(service.call(ALICE, "POST", "/v2/policies/ours/activate", Value::Null).await.0, 200);
    // It is theirs to write when it judges, too.
    assert_eq!(service.call(OWEN, "PUT", "/policies/ours", stored(true)).await.0, 200);
    assert_eq!(service.get(OWEN, "/v2/policies/ours").await["active"], true);
}

#[tokio::test]
async fn an_import_is_gone_on_with_by_who_began_it() {
    let (service, upstream) = service().await;
    let begun = async |login: &str| {
        let (status, body) = service.call(login, "POST", "/imports/images", Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body["uuid"].as_str().unwrap().to_owned()
    };
    let (alices, owens) = (begun(ALICE).await, begun(OWEN).await);
    let digest = format!("sha256:{}", "a".repeat(64));
    let source = |import: &str, tags: Value| {
        let contents = json!({"packages": digest, "manifest": digest, "image_config": digest});
        json!({"source": {"import": {"tags": tags, "digest": digest, "operation_uuid": import, "contents": contents}}})
    };
    let own = json!(["elsewhere.example.org/app:1"]);
    for (import, tags) in [
        (&alices, own.clone()),
        (&owens, own.clone()),
        (&begun(MALLORY).await, json!(["elsewhere.example.org/app:1", "theirs.example.org/app:1"])),
    ] {
        let why = refused(&service, MALLORY, "POST", "/images", source(import, tags)).await;
        assert!(why.contains("action=createImage"), "{why}");
    }
    // It does not come through what is somebody else's.
    let others = service.analyzed(ALICE, &format!("{}/tiny/alpine:3.20", upstream.address)).await;
    let mut through = source(&begun(MALLORY).await, own.clone());
    through["source"]["import"]["parent_digest"] = others.into();
    let why = refused(&service, MALLORY, "POST", "/images", through).await;
    assert!(why.contains("/tiny/alpine"), "{why}");
    let (status, answer) = service.call(MALLORY, "POST", "/images", source(&begun(MALLORY).await, own)).await;
    assert_eq!(status, 400, "nothing was uploaded to it: {answer}");
    refused(&service, OWEN, "DELETE", &format!("/imports/images/{alices}"), Value::Null).await;
    assert_eq!(service.call(ALICE, "DELETE", &format!("/imports/images/{owens}"), Value::Null).await.0, 200);
    give(&service, "owen", json!(["reader"])).await;
    refused(&service, OWEN, "POST", "/imports/images", Value::Null).await;
}

#[tokio::test]
async fn the_key_of_a_pipeline_is_for_its_repository() {
    let (service, upstream) = service().await;
    let repository = format!("repository:{}/tiny/alpine", upstream.address);
    let role = json!({"role": "developer", "on": [repository]});
    let wanted = json!({"name": "pipeline", "role": role});
    let (status, key) = service.call(ALICE, "POST", "/v2/api-keys", wanted).await;
    assert_eq!((status, &key["role"]), (201, &role), "{key}");
    assert_eq!(service.get(ALICE, "/v2/api-keys").await["items"][0]["role"], role);
    let entry = service.get(ALICE, "/v2/audit?action=createApiKey").await["items"][0].clone();
    assert_eq!(entry["after"]["role"], role, "{entry}");
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let call = async |method: &str, path: &str, body: Value| {
        let (status, _, body) = service.ask(&[("authorization", &bearer)], method, path, body).await;
        (status, body)
    };
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let (status, added) = call("POST", "/images", json!({"tag": tag})).await;
    assert_eq!(status, 200, "{added}");
    let (status, answer) = call("POST", "/images", json!({"tag": "docker.io/library/nginx:latest"})).await;
    let missing = "Not authorized. Requires permissions: domain=team1 action=createImage target=repository:docker.io/library/nginx";
    assert_eq!((status, said(&answer), &answer["httpcode"]), (403, missing, &json!(403)), "in the words of version 1");
    assert_eq!(call("GET", "/policies", Value::Null).await.0, 200);
    let digest = added[0]["imageDigest"].as_str().unwrap();
    assert_eq!(call("DELETE", &format!("/images/{digest}?force=true"), Value::Null).await.0, 200);
    // It is no wider than its user is now.
    assert_eq!(service.call(ADMIN, "PUT", "/v2/users/alice/roles", json!({"roles": ["policy-editor"]})).await.0, 200);
    assert_eq!(call("POST", "/images", json!({"tag": tag})).await.0, 403);
    // Nor is one that is made by somebody who is narrowed.
    for (role, status) in [
        (json!("developer"), 403),
        (role.clone(), 201),
        (json!({"role": "developer", "on": ["repository:*"]}), 403),
        (json!({"role": "policy-editor", "on": ["policy:ours"]}), 201),
        (json!({"role": "policy-editor", "on": ["policy:ours*"]}), 403),
        (json!("reader"), 201),
        (json!({"role": "reader", "on": ["policy:ours"]}), 400),
        (json!({"role": "developer", "on": []}), 400),
    ] {
        let (made, answer) = service.call(OWEN, "POST", "/v2/api-keys", json!({"name": "k", "role": role})).await;
        assert_eq!(made, status, "{role}: {answer}");
    }
}

#[tokio::test]
async fn nobody_who_is_narrowed_gives_or_manages() {
    let (service, _upstream) = service().await;
    give(&service, "mallory", json!([{"role": "account-admin", "on": ["registry:*", "repository:*", "policy:*"]}]))
        .await;
    service.user("team1", "carol").await;
    give(&service, "carol", json!(["reader"])).await;
    for (method, path, body) in [
        ("PUT", "/v2/users/carol/roles", json!({"roles": ["reader"]})),
        ("GET", "/v2/users/carol/roles", Value::Null),
        ("POST", "/accounts/team1/users/carol/credentials", json!({"type": "password", "value": "stolen"})),
        ("DELETE", "/accounts/team1/users/carol", Value::Null),
        ("POST", "/accounts/team1/users", json!({"username": "dave", "password": "password1"})),
        ("GET", "/v2/api-keys?username=carol", Value::Null),
        ("POST", "/archives/rules", json!({"transition": "archive"})),
        ("GET", "/v2/audit", Value::Null),
    ] {
        refused(&service, MALLORY, method, path, body).await;
    }
    // The audit log has what was given, before and after.
    give(&service, "carol", json!([{"role": "developer", "on": ["repository:r.io/a", "repository:r.io/b"]}])).await;
    let entry = service.get(ALICE, "/v2/audit?action=assignRoles").await["items"][0].clone();
    let given = json!([{"role": "developer", "on": ["repository:r.io/a", "repository:r.io/b"]}]);
    assert_eq!((&entry["before"], &entry["after"]["roles"]), (&json!(["reader"]), &given), "{entry}");
}

#[tokio::test]
async fn a_verdict_on_what_is_not_theirs_is_not_kept() {
    let (service, upstream) = service().await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ALICE, &tag).await;
    let kept = async |login: &str| {
        let path = format!("/images/{digest}/check?tag={tag}&history=true&detail=false");
        service.get(login, &path).await[0][&digest][&tag].as_array().unwrap().len()
    };
    assert_eq!((kept(MALLORY).await, kept(MALLORY).await), (1, 1), "that of now alone");
    assert_eq!(kept(OWEN).await, 1);
    assert_eq!(kept(MALLORY).await, 2, "that of now, and the one that was kept");
    // By a name of their own it is still somebody else's.
    let own = "elsewhere.example.org/app:1";
    for _ in 0..2 {
        let path = format!("/images/{digest}/check?tag={own}&history=true&detail=false");
        assert_eq!(service.get(MALLORY, &path).await[0][&digest][own].as_array().unwrap().len(), 1);
    }
}

/// Roles of users of an older release stay as they are; of a later one, they allow nothing.
#[tokio::test]
async fn stored_roles_mean_what_they_meant() {
    let (service, _upstream) = service().await;
    give(&service, "owen", json!(["developer"])).await;
    let watch = async |name: &str| {
        let body = json!({"key": format!("any.example.org/{name}:1"), "type": "tag_update"});
        service.call(OWEN, "POST", "/v2/subscriptions", body).await.0
    };
    assert_eq!(watch("one").await, 201);
    service.tamper("update user_role set role = 'developer on galaxy:m31' where username = 'owen'").await;
    assert_eq!(watch("two").await, 403);
    assert_eq!(service.call(OWEN, "GET", "/images", Value::Null).await.0, 403);
    assert_eq!(service.get(ALICE, "/v2/users/owen/roles").await["roles"], json!(["developer on galaxy:m31"]));
}
