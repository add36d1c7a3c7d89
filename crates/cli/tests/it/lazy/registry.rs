//! A registry in this process that gives parts of blobs, and counts what it gave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use killick_model::digest::Digest;
use serde_json::{Value, json};

use super::writers::Layer;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The registry; it ends with its runtime.
pub(crate) struct Registry {
    pub(crate) address: String,
    /// Configurations, layers and manifests, by digest.
    blobs: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    /// Whether it sends whole blobs whatever is asked for.
    pub(crate) ignores_ranges: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let blobs = Arc::new(Mutex::new(HashMap::<String, Vec<u8>>::new()));
        let (requests, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let ignores_ranges = Arc::new(AtomicBool::new(false));
        let service = {
            let (blobs, requests, bytes) = (Arc::clone(&blobs), Arc::clone(&requests), Arc::clone(&bytes));
            let ignores_ranges = Arc::clone(&ignores_ranges);
            move |request: Request<Body>| {
                let range = request.headers().get("range").and_then(|value| value.to_str().ok()).map(str::to_owned);
                let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
                let range = range.filter(|_| !ignores_ranges.load(Ordering::Relaxed));
                let answer = answer(&blobs.lock().unwrap(), &name, range.as_deref());
                if request.uri().path().contains("/blobs/") {
                    requests.fetch_add(1, Ordering::Relaxed);
                    bytes.fetch_add(answer.1.len(), Ordering::Relaxed);
                }
                let mut response = Response::builder().status(answer.0);
                if let Some(range) = answer.2 {
                    response = response.header("content-range", range);
                }
                if request.uri().path().contains("/manifests/") {
                    response = response.header("content-type", MANIFEST);
                }
                std::future::ready(response.body(Body::from(answer.1)).unwrap())
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(service)).await });
        Self { address, blobs, ignores_ranges, requests, bytes }
    }

    /// Keeps an image of these layers and gives its reference.
    pub(crate) fn push(&self, layers: Vec<Layer>) -> String {
        self.blobs.lock().unwrap().clear();
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
        let of_layer = |layer: &Layer| {
            let is_gzip = layer.blob.starts_with(&[0x1f, 0x8b]);
            let kind = if is_gzip { "gzip" } else { "zstd" };
            let mut of_layer = descriptor(&format!("application/vnd.oci.image.layer.v1.tar+{kind}"), &layer.blob);
            of_layer["annotations"] = layer.annotations.clone();
            of_layer
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers.iter().map(of_layer).collect::<Vec<Value>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let digest = Digest::of(&manifest);
        for bytes in layers.into_iter().map(|layer| layer.blob).chain([config, manifest]) {
            self.replace(&Digest::of(&bytes), bytes);
        }
        format!("{}/app@{digest}", self.address)
    }

    /// Gives these bytes for this digest, right or not.
    pub(crate) fn replace(&self, digest: &Digest, bytes: Vec<u8>) {
        self.blobs.lock().unwrap().insert(digest.to_string(), bytes);
    }

    /// Requests for blobs, and bytes of them that were sent, since it was last asked.
    pub(crate) fn sent(&self) -> (usize, usize) {
        (self.requests.swap(0, Ordering::Relaxed), self.bytes.swap(0, Ordering::Relaxed))
    }
}

fn answer(blobs: &HashMap<String, Vec<u8>>, name: &str, range: Option<&str>) -> (u16, Vec<u8>, Option<String>) {
    let Some(blob) = blobs.get(name) else { return (404, Vec::new(), None) };
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return (200, blob.clone(), None);
    };
    let first: usize = range.0.parse().unwrap();
    let last: usize = range.1.parse().unwrap_or(blob.len() - 1);
    match blob.get(first..=last) {
        Some(part) => (206, part.to_vec(), Some(format!("bytes {first}-{last}/{}", blob.len()))),
        None => (416, Vec::new(), None),
    }
}
