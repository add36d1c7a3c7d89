//! A registry on loopback with one tiny image, made here, so that something is always replayed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use killick_model::digest::Digest;
use serde_json::{Value, json};

/// Stands for the registry's address in our own recordings, because the port is chosen anew each time.
pub(crate) const PLACEHOLDER: &str = "registry.test:5000";

/// The name under which the image is served.
const NAME: &str = "tiny/alpine";

/// A running registry.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
}

struct Served {
    manifest: Vec<u8>,
    blobs: BTreeMap<String, Vec<u8>>,
}

/// Starts a registry for the life of the test.
pub(crate) async fn serve() -> Upstream {
    let served = Arc::new(image());
    let router = Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route("/v2/tiny/alpine/manifests/{reference}", get(manifest))
        .route("/v2/tiny/alpine/blobs/{digest}", get(blob))
        .fallback(|| async { (StatusCode::NOT_FOUND, error("NAME_UNKNOWN")) })
        .with_state(served);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Upstream { address }
}

async fn manifest(State(served): State<Arc<Served>>, Path(reference): Path<String>) -> Response {
    let digest = Digest::of(&served.manifest).to_string();
    if reference != "3.20" && reference != digest {
        return (StatusCode::NOT_FOUND, error("MANIFEST_UNKNOWN")).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/vnd.oci.image.manifest.v1+json".to_owned()),
        ("docker-content-digest", digest),
    ];
    (headers, served.manifest.clone()).into_response()
}

async fn blob(State(served): State<Arc<Served>>, Path(digest): Path<String>) -> Response {
    match served.blobs.get(&digest) {
        Some(bytes) => bytes.clone().into_response(),
        None => (StatusCode::NOT_FOUND, error("BLOB_UNKNOWN")).into_response(),
    }
}

fn error(code: &str) -> String {
    json!({"errors": [{"code": code, "message": "unknown", "detail": Value::Null}]}).to_string()
}

/// An Alpine of two packages and a node module, always the same bytes.
fn image() -> Served {
    let files: [(&str, &str); 3] = [
        ("etc/os-release", "ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n"),
        (
            "lib/apk/db/installed",
            "P:musl\nV:1.2.5-r0\nA:x86_64\nS:400000\nI:600000\nT:the C library\nL:MIT\no:musl\nm:Some One <one@example.org>\n\n\
             P:busybox\nV:1.36.1-r28\nA:x86_64\nS:500000\nI:900000\nT:small utilities\nL:GPL-2.0-only\no:busybox\nm:Some One <one@example.org>\n\n",
        ),
        (
            "srv/node_modules/left-pad/package.json",
            "{\"name\": \"left-pad\", \"version\": \"1.3.0\", \"license\": \"WTFPL\"}\n",
        ),
    ];
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&tar).unwrap();
    let layer = gzip.finish().unwrap();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"], "ExposedPorts": {"22/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]},
        "history": [
            {"created": "2024-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:tiny in / "},
            {"created": "2024-01-01T00:00:01Z", "created_by": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]", "empty_layer": true}
        ]
    })
    .to_string()
    .into_bytes();
    let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "size": bytes.len(), "digest": Digest::of(bytes).to_string()});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)]
    })
    .to_string()
    .into_bytes();
    let blobs = [config, layer].into_iter().map(|bytes| (Digest::of(&bytes).to_string(), bytes)).collect();
    Served { manifest, blobs }
}

/// The reference of the image as our own recordings write it.
#[test]
fn the_image_is_always_the_same() {
    let (one, other) = (image(), image());
    assert_eq!(one.manifest, other.manifest);
    assert!(NAME.starts_with("tiny/"));
}
