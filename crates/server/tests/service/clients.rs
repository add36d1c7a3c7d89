//! What the Kubernetes admission controller and the Jenkins plugin ask, in their order, and what they read of the
//! answers. Both are written for Anchore Engine and know nothing of this service.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::conformance::build_index;
use crate::registry;

/// The policy that stops one of the images, and lets another pass by an allowlist.
const POLICY: &str = "no-3.21";

/// A service whose active policy stops one of the tags of its registry.
async fn service() -> (Service, registry::Upstream) {
    let service = Service::start(|config| build_index(config)).await;
    let upstream = registry::serve(None).await;
    let mapping = |tag: &str, policy: &str, whitelists: &[&str]| {
        json!({"id": tag, "name": tag, "registry": "*", "repository": "*", "image": {"type": "tag", "value": tag},
            "policy_ids": [policy], "whitelist_ids": whitelists})
    };
    let rule =
        |action: &str| json!({"id": action, "gate": "always", "trigger": "always", "action": action, "params": []});
    let bundle = json!({"id": POLICY, "name": POLICY, "version": "1_0",
        "whitelists": [{"id": "lets", "name": "lets", "version": "1_0", "items": [{"gate": "always", "trigger_id": "*"}]}],
        "policies": [
            {"id": "stops", "name": "stops", "version": "1_0", "rules": [rule("STOP"), rule("WARN")]},
            {"id": "warns", "name": "warns", "version": "1_0", "rules": [rule("WARN")]}
        ],
        "mappings": [mapping("3.21", "stops", &[]), mapping("debian", "stops", &["lets"]), mapping("*", "warns", &[])]});
    let (status, record) = service.call(ADMIN, "POST", "/policies", bundle).await;
    assert_eq!(status, 200, "{record}");
    let (status, answer) = service.call(ADMIN, "PUT", &format!("/policies/{POLICY}?active=true"), record).await;
    assert_eq!(status, 200, "{answer}");
    (service, upstream)
}

/// How the admission controller decodes an image: a wrong type anywhere fails it.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoding is what is tested")]
struct TypedImage {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    #[serde(rename = "parentDigest")]
    parent_digest: String,
    #[serde(rename = "userId")]
    user_id: String,
    image_type: String,
    image_status: String,
    analysis_status: String,
    annotations: Map<String, Value>,
    image_content: Map<String, Value>,
    created_at: Timestamp,
    last_updated: Timestamp,
    image_detail: Vec<TypedDetail>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoding is what is tested")]
struct TypedDetail {
    fulltag: String,
    fulldigest: String,
    #[serde(rename = "userId")]
    user_id: String,
    #[serde(rename = "imageId")]
    image_id: Option<String>,
    registry: String,
    repo: String,
    dockerfile: Option<String>,
    created_at: Timestamp,
    last_updated: Timestamp,
}

/// How it decodes an error.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoding is what is tested")]
struct TypedError {
    code: Option<i64>,
    error_type: Option<String>,
    message: Option<String>,
    detail: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedVersion {
    service: TypedNumber,
    api: TypedNumber,
    db: TypedSchema,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedNumber {
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSchema {
    schema_version: Option<String>,
}

/// The admission controller in front of a service.
struct Controller<'a> {
    service: &'a Service,
    login: String,
}

impl<'a> Controller<'a> {
    /// It starts, if it finds version 1 and not version 2.
    async fn start(service: &'a Service) -> Self {
        let (status, _, body) = service.exchange(&[], "GET", "/v2/version", Vec::new()).await;
        let speaks_second = status < 300 && String::from_utf8_lossy(&body).contains("version");
        assert!(!speaks_second, "it would speak the version 2 of another service");
        let (status, headers, body) = service.exchange(&[], "GET", "/version", Vec::new()).await;
        assert!(status < 300 && is_json(&headers), "{status} {headers:?}");
        let version: TypedVersion = serde_json::from_slice(&body).unwrap();
        assert!(version.service.version.is_some() && version.db.schema_version.is_some());
        assert_eq!(version.api.version, None, "the controller panics if there is one");
        Self { service, login: basic(ADMIN) }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Vec<u8>) {
        let headers = [
            ("authorization", self.login.as_str()),
            ("accept", "application/json"),
            ("content-type", "application/json"),
        ];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (status, headers, body) = self.service.exchange(&headers, method, path, body).await;
        assert!(is_json(&headers), "{method} {path}: {headers:?}");
        (status, body)
    }

    /// The image of a pod, if it is known: the oldest of what is found.
    async fn find(&self, image: &str) -> Option<TypedImage> {
        let (status, body) = self.ask("GET", &format!("/images?fulltag={}", escaped(image)), Value::Null).await;
        if status == 404 {
            serde_json::from_slice::<TypedError>(&body).unwrap();
            return None;
        }
        assert_eq!(status, 200, "anything else is an error to it");
        let mut images: Vec<TypedImage> = serde_json::from_slice(&body).unwrap();
        images.sort_by_key(|image| image.created_at);
        assert_eq!(images.len(), 1, "none is an error to it, and of several it takes the oldest");
        Some(images.remove(0))
    }

    /// Wants the image to be analysed; its digest.
    async fn request(&self, image: &str) -> String {
        let body = json!({"annotations": {"requestor": "anchore-admission-controller"},
            "created_at": "2024-01-02T03:04:05Z", "source": {"tag": {"pullstring": image}}});
        let (status, body) = self.ask("POST", "/images?autosubscribe=false", body).await;
        assert!(status < 300, "{status}");
        let images: Vec<TypedImage> = serde_json::from_slice(&body).unwrap();
        images[0].image_digest.clone()
    }

    /// Whether the pod is let in.
    async fn admits(&self, digest: &str, image: &str, policy: &str) -> bool {
        let policy = if policy.is_empty() { String::new() } else { format!("&policyId={policy}") };
        let path = format!("/images/{digest}/check?tag={}&interactive=true{policy}", escaped(image));
        let (status, body) = self.ask("GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let answer: Vec<HashMap<String, HashMap<String, Vec<Value>>>> = serde_json::from_slice(&body).unwrap();
        let by_tag = answer[0].get(&digest.replace("%3A", ":")).unwrap();
        assert_eq!((answer.len(), answer[0].len(), by_tag.len()), (1, 1, 1), "it takes the only one");
        let evaluation = &by_tag.values().next().unwrap()[0];
        evaluation["status"].as_str().unwrap().eq_ignore_ascii_case("pass")
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("application/json")
}

/// As Go writes a value into a query.
fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn the_admission_controller_lets_pods_in() {
    let (service, upstream) = service().await;
    let controller = Controller::start(&service).await;
    for (tag, is_let_in) in [("3.20", true), ("3.21", false)] {
        let image = format!("{}/tiny/alpine:{tag}", upstream.address);
        assert!(controller.find(&image).await.is_none(), "nobody knows it yet");
        let digest = controller.request(&image).await;
        let found = controller.find(&image).await.unwrap();
        assert_eq!((found.image_digest.as_str(), found.analysis_status.as_str()), (&*digest, "not_analyzed"));
        assert_eq!(found.annotations["requestor"], "anchore-admission-controller");
        // It asks for the verdict at once, and is told to come again.
        let check = format!("/images/{digest}/check?tag={}&interactive=true", escaped(&image));
        let (status, body) = controller.ask("GET", &check, Value::Null).await;
        let error: TypedError = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 404);
        assert!(error.message.unwrap().contains("analysis_status: not_analyzed"));

        service.app().work_until_idle().await;
        assert_eq!(controller.find(&image).await.unwrap().analysis_status, "analyzed");
        for policy in ["", POLICY] {
            assert_eq!(controller.admits(&digest, &image, policy).await, is_let_in, "{image} {policy}");
        }
        // Pods name images with both, and with the digest alone.
        for pinned in [format!("{image}@{digest}"), format!("{}/tiny/alpine@{digest}", upstream.address)] {
            assert_eq!(controller.find(&pinned).await.unwrap().image_digest, digest, "{pinned}");
            assert_eq!(controller.admits(&digest, &pinned, "").await, is_let_in, "{pinned}");
        }
        // Some clients escape the digest in the path.
        assert_eq!(controller.admits(&digest.replace(':', "%3A"), &image, "").await, is_let_in, "{image}");
        let history = service.get(ADMIN, &format!("/images/{digest}/check?tag={image}&history=true")).await;
        assert_eq!(history[0][&digest][&image].as_array().unwrap().len(), 1, "what it asked was not kept");
    }
    // Pods name images as short as they like: what nobody knows is not there, however it is spelled.
    for unknown in
        ["nginx", "nginx:1.25", "library/nginx", &format!("example.com:5000/a/b/c@sha256:{}", "0".repeat(64))]
    {
        assert!(controller.find(unknown).await.is_none(), "{unknown}");
    }
    // A tag that was given to another image means that one.
    upstream.point("3.20", "3.21");
    let image = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = controller.request(&image).await;
    assert_eq!(
        (digest.as_str(), &*controller.find(&image).await.unwrap().image_digest),
        (&*upstream.digest("3.21"), &*digest)
    );
    // What no registry has: the pod is not let in, and the answer is one that it can read.
    let missing = json!({"source": {"tag": {"pullstring": format!("{}/tiny/alpine:nothing", upstream.address)}}});
    let (status, body) = controller.ask("POST", "/images?autosubscribe=false", missing).await;
    assert_eq!(status, 400);
    serde_json::from_slice::<TypedError>(&body).unwrap();
}

#[tokio::test]
async fn what_is_pinned_is_judged_under_its_newest_tag() {
    let (service, upstream) = service().await;
    let controller = Controller::start(&service).await;
    let repository = format!("{}/tiny/alpine", upstream.address);
    let digest = service.analyzed(ADMIN, &format!("{repository}:3.20")).await;
    let pinned = format!("{repository}@{digest}");
    assert!(controller.admits(&digest, &pinned, "").await);
    upstream.point("3.21", "3.20");
    assert_eq!(service.analyzed(ADMIN, &format!("{repository}:3.21")).await, digest);
    assert!(!controller.admits(&digest, &pinned, "").await, "what is tagged so is stopped");
    let answer = service.get(ADMIN, &format!("/images/{digest}/check?tag={pinned}&detail=false")).await;
    let tags: Vec<&String> = answer[0][&digest].as_object().unwrap().keys().collect();
    assert_eq!(tags, [&format!("{repository}:3.21")]);
    let verdict = service.get(ADMIN, &format!("/v2/images/{digest}/verdict?tag={pinned}")).await;
    assert_eq!((&verdict["tag"], &verdict["action"]), (&json!(format!("{repository}:3.21")), &json!("stop")));
    for wrong in ["!!bad!!", "elsewhere.example.com/x@sha256:00"] {
        let path = format!("/v2/images/{digest}/verdict?tag={wrong}");
        assert_eq!(service.call(ADMIN, "GET", &path, Value::Null).await.0, 400, "{wrong}");
    }
}

/// The Jenkins plugin sends credentials only after it was asked for them.
async fn jenkins(service: &Service, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("/v1{path}");
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let kind = ("content-type", "application/json");
    let (status, headers, _) = service.exchange(&[kind], method, &url, body.clone()).await;
    let challenge = headers[header::WWW_AUTHENTICATE].to_str().unwrap().to_ascii_lowercase();
    assert!(status == 401 && challenge.starts_with("basic realm="), "{method} {path}: {status} {challenge}");
    let login = basic(ADMIN);
    let (status, _, body) = service.exchange(&[kind, ("authorization", &login)], method, &url, body).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// Rows of a check as the plugin reads them: by the labels of the header, and only those as long as it.
fn rows(table: &Value) -> Vec<(String, String, bool)> {
    let header: Vec<&str> = table["header"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    let at = |label: &str| header.iter().position(|known| *known == label).unwrap();
    let (gate, action, whitelisted) = (at("Gate"), at("Gate_Action"), at("Whitelisted"));
    at("Repo_Tag");
    let rows = table["rows"].as_array().unwrap().iter().filter_map(Value::as_array);
    let rows = rows.filter(|row| row.len() == header.len()).map(|row| {
        let is_whitelisted = !matches!(&row[whitelisted], Value::Bool(false)) && row[whitelisted] != "none";
        (row[gate].as_str().unwrap().to_owned(), row[action].as_str().unwrap().to_uppercase(), is_whitelisted)
    });
    rows.collect()
}

#[tokio::test]
async fn the_jenkins_plugin_reports_on_a_build() {
    let (service, upstream) = service().await;
    let always = |action: &str| ("always".to_owned(), action.to_owned(), false);
    let mut reported = 0;
    for (tag, verdict, action, want) in [
        ("3.20", "pass", "WARN", vec![always("WARN")]),
        ("3.21", "fail", "STOP", vec![always("STOP"), always("WARN")]),
        ("debian", "pass", "GO", vec![("always".to_owned(), "GO".to_owned(), true); 2]),
    ] {
        let image = format!("{}/tiny/alpine:{tag}", upstream.address);
        let add = json!({"tag": image, "dockerfile": "RlJPTSBzY3JhdGNoCg==", "annotations": {"added-by": "jenkins"}});
        let (status, added) = jenkins(&service, "POST", "/images?autosubscribe=false&force=true", add).await;
        assert_eq!(status, 200, "{added}");
        let digest = added[0]["imageDigest"].as_str().unwrap();
        for policy in [String::new(), format!("&policyId={POLICY}")] {
            let check = format!("/images/{digest}/check?tag={image}&detail=true{policy}");
            if policy.is_empty() {
                assert_eq!(jenkins(&service, "GET", &check, Value::Null).await.0, 404, "not yet");
                service.app().work_until_idle().await;
            }
            let (status, answer) = jenkins(&service, "GET", &check, Value::Null).await;
            assert_eq!(status, 200, "{answer}");
            let by_tag = answer[0][digest].as_object().unwrap();
            let evaluation = &by_tag.values().next().unwrap()[0];
            assert_eq!(evaluation["status"], verdict);
            let tables = evaluation["detail"]["result"]["result"].as_object().unwrap();
            let tables: Vec<&Value> = tables.values().filter(|value| value.is_object()).collect();
            assert_eq!(tables.len(), 1, "every object is the table of an image to it");
            assert_eq!(tables[0]["result"]["final_action"].as_str().unwrap().to_uppercase(), action);
            let mut found = rows(&tables[0]["result"]);
            found.sort();
            assert_eq!(found, want);
        }
        let (status, answer) = jenkins(&service, "GET", &format!("/images/{digest}/vuln/all"), Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        for row in answer["vulnerabilities"].as_array().unwrap() {
            for name in ["vuln", "severity", "package", "fix", "url"] {
                assert!(row[name].is_string(), "{name} of {row}");
            }
            reported += 1;
        }
    }
    assert!(reported > 0, "there are vulnerabilities to report");
    // It may send no more than a tag.
    let image = format!("{}/tiny/alpine:3.20", upstream.address);
    let (status, added) = jenkins(&service, "POST", "/images", json!({"tag": image})).await;
    assert_eq!((status, &added[0]["analysis_status"]), (200, &json!("analyzed")), "{added}");
    // A build of what was never pushed fails with an answer, not with a time-out.
    let missing = json!({"tag": format!("{}/tiny/alpine:nothing", upstream.address)});
    let (status, answer) = jenkins(&service, "POST", "/images", missing).await;
    assert_eq!((status, answer["httpcode"].as_u64()), (400, Some(400)), "{answer}");
}
