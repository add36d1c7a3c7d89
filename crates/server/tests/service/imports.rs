//! Images that somebody else analysed.

use flate2::read::GzDecoder;
use killick_model::digest::Digest;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::told::{masked, named, told};

/// What Syft says of an Alpine with two packages.
fn packages() -> Vec<u8> {
    let package = |name: &str, version: &str, metadata: Value| {
        json!({"id": name, "name": name, "version": version, "type": "apk", "foundBy": "apkdb-cataloger",
            "locations": [{"path": "/lib/apk/db/installed"}], "licenses": ["MIT"], "language": "",
            "cpes": [format!("cpe:2.3:a:{name}:{name}:{version}:*:*:*:*:*:*:*")], "metadataType": "ApkMetadata",
            "metadata": metadata})
    };
    let musl =
        json!({"originPackage": "musl", "maintainer": "Timo", "architecture": "x86_64", "installedSize": 600_000});
    json!({
        "artifacts": [
            package("musl", "1.1.20-r5", musl),
            package("libssl1.1", "1.1.1a-r1", json!({"originPackage": "openssl", "installedSize": 530_000})),
        ],
        "source": {"type": "image", "target": {"imageSize": 9}},
        "distro": {"name": "alpine", "version": "3.9.6", "idLike": ""},
        "descriptor": {"name": "syft", "version": "0.33.0"},
    })
    .to_string()
    .into_bytes()
}

fn manifest() -> Vec<u8> {
    let digest = |text: &str| Digest::of(text.as_bytes());
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("config"), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest("layer"), "size": 1297}]})
    .to_string()
    .into_bytes()
}

fn config() -> Vec<u8> {
    json!({"architecture": "amd64", "os": "linux", "history": [{"created_by": "/bin/sh -c #(nop) ADD file:1 in / "}],
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"diff")]}})
    .to_string()
    .into_bytes()
}

/// Begins an import; its identity.
async fn begun(service: &Service) -> String {
    let (status, body) = service.call(ADMIN, "POST", "/imports/images", Value::Null).await;
    assert_eq!(status, 200, "{body}");
    body["uuid"].as_str().unwrap().to_owned()
}

async fn upload(service: &Service, import: &str, kind: &str, content_type: &str, bytes: Vec<u8>) -> (u16, Value) {
    let path = format!("/imports/images/{import}/{kind}");
    let (status, body) = service.send(Some(&basic(ADMIN)), "POST", &path, content_type, bytes).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Uploads everything; the `contents` that name it.
async fn uploaded(service: &Service, import: &str) -> Value {
    let mut contents = json!({});
    for (kind, content_type, bytes) in [
        ("packages", "application/json", packages()),
        ("manifest", "application/vnd.oci.image.manifest.v1+json", manifest()),
        ("image_config", "application/vnd.oci.image.config.v1+json", config()),
        ("dockerfile", "text/plain", b"FROM scratch\nADD x /\n".to_vec()),
    ] {
        let want = Digest::of(&bytes).hex();
        let (status, body) = upload(service, import, kind, content_type, bytes).await;
        assert_eq!((status, body["digest"].as_str()), (200, Some(want.as_str())), "{kind}: {body}");
        contents[kind] = body["digest"].clone();
    }
    contents
}

fn source(import: &str, contents: &Value) -> Value {
    json!({"source": {"import": {"tags": ["r.io/alp/alpine:imported", "r.io/alp/alpine:3.9"],
        "digest": Digest::of(&manifest()), "operation_uuid": import, "contents": contents}}})
}

#[tokio::test]
async fn an_image_is_imported() {
    let service = Service::start(|_| {}).await;
    let import = begun(&service).await;
    let contents = uploaded(&service, &import).await;
    let digest = Digest::of(&manifest()).to_string();
    let at = |path: &str| format!("/images/{digest}{path}");
    let path = format!("/imports/images/{import}");
    let hex = Digest::of(&packages()).hex();
    let names = [(import.as_str(), "<import>"), (digest.as_str(), "<digest>"), (hex.as_str(), "<packages>")];
    let (status, added) = service.call(ADMIN, "POST", "/images", source(&import, &contents)).await;
    assert_eq!(status, 200, "{added}");
    let added = serde_json::to_string_pretty(&masked(&added)).unwrap();
    let processed = told(&service, ADMIN, &names, vec![("GET", path.clone(), Value::Null)]).await;
    insta::assert_snapshot!("imported_added", format!("{}\n{processed}", named(added, &names)));

    service.app().work_until_idle().await;
    let calls = vec![
        ("GET", path.clone(), Value::Null),
        ("GET", at(""), Value::Null),
        ("GET", at("/content/os"), Value::Null),
        ("GET", at("/content/files"), Value::Null),
        ("GET", at("/content/npm"), Value::Null),
        ("GET", at("/metadata/dockerfile"), Value::Null),
        ("GET", at("/artifacts/problems"), Value::Null),
        ("GET", at("/check?tag=r.io/alp/alpine:3.9&detail=false"), Value::Null),
        ("GET", "/query/images/by_package?name=musl".to_owned(), Value::Null),
        ("GET", format!("/images/by_id/{digest}/content/gem"), Value::Null),
        ("DELETE", path.clone(), Value::Null),
        ("POST", "/images".to_owned(), source(&import, &contents)),
    ];
    let answers = told(&service, ADMIN, &names, calls).await;
    let masked = regex_free(&answers);
    insta::assert_snapshot!("imported", masked);
}

/// Without the instant of a verdict.
fn regex_free(text: &str) -> String {
    let line = |line: &str| match line.split_once("\"last_evaluation\": ") {
        Some((before, _)) => format!("{before}\"last_evaluation\": <last_evaluation>,"),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn calls_good_and_bad() {
    let service = Service::start(|_| {}).await;
    let (import, other) = (begun(&service).await, begun(&service).await);
    let contents = uploaded(&service, &import).await;
    assert_eq!(service.call(ADMIN, "DELETE", &format!("/imports/images/{other}"), Value::Null).await.0, 200);
    let to = |path: &str| format!("/imports/images/{path}");
    let mut wrong = contents.clone();
    wrong["packages"] = json!("0".repeat(64));
    let mut lacking = contents.clone();
    lacking.as_object_mut().unwrap().remove("manifest");
    let images = || "/images".to_owned();
    let mut without_tags = source(&import, &contents);
    without_tags["source"]["import"]["tags"] = json!([]);
    let names: Vec<(&str, &str)> = vec![(&import, "<import>"), (&other, "<other>")];
    let calls = vec![
        ("GET", to(""), Value::Null),
        ("GET", to(&other), Value::Null),
        ("GET", to("00"), Value::Null),
        ("DELETE", to("00"), Value::Null),
        ("GET", to(&format!("{import}/manifest")), Value::Null),
        ("GET", to(&format!("{import}/parent_manifest")), Value::Null),
        ("GET", to(&format!("{import}/nothing")), Value::Null),
        ("GET", to("00/packages"), Value::Null),
        ("POST", to(&format!("{import}/packages")), json!({"x": 1})),
        (
            "POST",
            to(&format!("{import}/packages")),
            json!({"artifacts": [{"name": "a"}], "source": {"type": ""}, "distro": {}}),
        ),
        ("POST", to(&format!("{import}/manifest")), json!([1])),
        ("POST", to(&format!("{import}/nothing")), json!({})),
        ("POST", to(&format!("{other}/manifest")), json!({})),
        ("POST", to("00/manifest"), json!({})),
        ("PUT", to(&import), json!({})),
        ("POST", images(), source("00", &contents)),
        ("POST", images(), source(&other, &contents)),
        ("POST", images(), source(&import, &wrong)),
        ("POST", images(), source(&import, &lacking)),
        ("POST", images(), without_tags),
    ];
    let answers = told(&service, ADMIN, &names, calls).await;
    insta::assert_snapshot!("imports_bad", answers);
    let types = [("text/plain", 415), ("application/vnd.docker.distribution.manifest.v2+json", 200)];
    for (content_type, want) in types {
        assert_eq!(upload(&service, &import, "manifest", content_type, b"{}".to_vec()).await.0, want, "{content_type}");
    }
    let limit = usize::try_from(service.app().config().fetch_limits.document_bytes).unwrap();
    let large = format!("{{{}}}", " ".repeat(limit)).into_bytes();
    assert_eq!(upload(&service, &import, "image_config", "application/json", large).await.0, 413);
    // More than other bodies may have.
    let mut padded = packages();
    padded.extend(" ".repeat(service.app().config().server.body_limit_bytes).bytes());
    assert_eq!(upload(&service, &import, "packages", "application/json", padded).await.0, 200);
}

#[tokio::test]
async fn imports_of_others_are_not_there() {
    let service = Service::start(|_| {}).await;
    let import = begun(&service).await;
    let contents = uploaded(&service, &import).await;
    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    let alice = "alice:password1";
    assert_eq!(service.get(alice, "/imports/images").await, json!([]));
    for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/packages"), ("POST", "/manifest")] {
        let (status, _) = service.call(alice, method, &format!("/imports/images/{import}{path}"), json!({})).await;
        assert_eq!(status, 404, "{method} {path}");
    }
    assert_eq!(service.call(alice, "POST", "/images", source(&import, &contents)).await.0, 404);
}

#[tokio::test]
async fn an_image_that_is_there_uses_an_import_up() {
    let service = Service::start(|_| {}).await;
    let first = begun(&service).await;
    let contents = uploaded(&service, &first).await;
    assert_eq!(service.call(ADMIN, "POST", "/images", source(&first, &contents)).await.0, 200);
    service.app().work_until_idle().await;
    let second = begun(&service).await;
    let contents = uploaded(&service, &second).await;
    let (status, image) = service.call(ADMIN, "POST", "/images", source(&second, &contents)).await;
    assert_eq!((status, image[0]["analysis_status"].as_str()), (200, Some("analyzed")));
    assert_eq!(service.get(ADMIN, &format!("/imports/images/{second}")).await["status"], "complete");
    let third = begun(&service).await;
    let contents = uploaded(&service, &third).await;
    let (_, image) = service.call(ADMIN, "POST", "/images?force=true", source(&third, &contents)).await;
    assert_eq!(image[0]["analysis_status"], "not_analyzed");
    service.app().work_until_idle().await;
    assert_eq!(service.get(ADMIN, &format!("/imports/images/{third}")).await["status"], "complete");
}

#[tokio::test]
async fn what_cannot_be_imported_fails_with_its_cause() {
    let service = Service::start(|config| config.limits.packages = 1).await;
    let import = begun(&service).await;
    let contents = uploaded(&service, &import).await;
    assert_eq!(service.call(ADMIN, "POST", "/images", source(&import, &contents)).await.0, 200);
    service.app().work_until_idle().await;
    let digest = Digest::of(&manifest());
    assert_eq!(service.get(ADMIN, &format!("/images/{digest}")).await[0]["analysis_status"], "analysis_failed");
    assert_eq!(service.get(ADMIN, &format!("/imports/images/{import}")).await["status"], "failed");
}

/// What is downloaded of an image is what can be imported of it.
#[tokio::test]
async fn the_native_sbom_is_imported_again() {
    let service = Service::start(|_| {}).await;
    let upstream = crate::registry::serve(None).await;
    let digest = service.analyzed(ADMIN, &format!("{}/tiny/alpine:3.20", upstream.address)).await;
    let (status, headers, bytes) = service.read(&format!("/images/{digest}/sboms/native"), &[]).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/gzip");
    assert_eq!(headers["content-disposition"], format!("attachment; filename={digest}_native.json.gzip").as_str());
    let mut text = Vec::new();
    std::io::copy(&mut GzDecoder::new(bytes.as_slice()), &mut text).unwrap();
    killick_analysis::imported::check(&text).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let address = upstream.address.to_string();
    let shown = named(
        serde_json::to_string_pretty(&document).unwrap(),
        &[(&address, "<registry>"), (env!("CARGO_PKG_VERSION"), "<version>")],
    );
    insta::assert_snapshot!("native", shown);

    let import = begun(&service).await;
    let mut contents = uploaded(&service, &import).await;
    let (_, body) = upload(&service, &import, "packages", "application/json", text).await;
    contents["packages"] = body["digest"].clone();
    assert_eq!(service.call(ADMIN, "POST", "/images", source(&import, &contents)).await.0, 200);
    service.app().work_until_idle().await;
    let copy = Digest::of(&manifest());
    for kind in ["os", "npm", "java"] {
        let content = async |digest: &str| {
            service.get(ADMIN, &format!("/images/{digest}/content/{kind}")).await["content"].clone()
        };
        assert_eq!(content(&copy.to_string()).await, content(&digest).await, "{kind}");
    }
    for missing in [format!("sha256:{}", "0".repeat(64)), "by_id".to_owned()] {
        assert_eq!(service.read(&format!("/images/{missing}/sboms/native"), &[]).await.0, 404);
    }
}
