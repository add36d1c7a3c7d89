//! A registry in this process that has every image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use killick_model::digest::Digest;
use serde_json::{Value, json};

use crate::image::{Image, MANIFEST};

const INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Every image is there, each for two platforms: `debian` and `base` are what the example stands on, all others are the
/// example. It ends with the value.
pub(crate) struct EveryImage {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    shelf: Arc<Shelf>,
    _runtime: tokio::runtime::Runtime,
}

impl EveryImage {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback is there");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let shelf = Arc::new(Shelf::new());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, shelf, _runtime: runtime }
    }

    /// How often a layer was fetched.
    pub(crate) fn layers_sent(&self) -> usize {
        self.shelf.layers_sent.load(Ordering::Relaxed)
    }

    /// Digests that the example may be named by on this machine: of the index, and of the image in it.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        let index: Value = serde_json::from_slice(&self.shelf.app).expect("the index is JSON");
        let at = usize::from(std::env::consts::ARCH == "aarch64");
        let image = index["manifests"][at]["digest"].as_str().and_then(|digest| digest.parse().ok());
        vec![Digest::of(&self.shelf.app), image.expect("a digest")]
    }
}

#[derive(Default)]
struct Shelf {
    app: Vec<u8>,
    base: Vec<u8>,
    blobs: BTreeMap<String, (&'static str, Vec<u8>)>,
    layers: BTreeSet<String>,
    layers_sent: AtomicUsize,
}

impl Shelf {
    fn new() -> Self {
        let mut shelf = Self::default();
        shelf.app = shelf.index([Image::example(), Image::example().on("arm64")]);
        shelf.base = shelf.index([base(), base().on("arm64")]);
        shelf
    }

    fn index(&mut self, images: [Image; 2]) -> Vec<u8> {
        let mut manifests = Vec::new();
        for (image, architecture) in images.into_iter().zip(["amd64", "arm64"]) {
            let (digest, size) = (Digest::of(&image.manifest), image.manifest.len());
            let platform = json!({"os": "linux", "architecture": architecture});
            manifests.push(json!({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform}));
            self.blobs.insert(digest.to_string(), (MANIFEST, image.manifest));
            self.layers.extend(image.layers.iter().map(|layer| Digest::of(layer).to_string()));
            for blob in image.layers.into_iter().chain([image.config]) {
                self.blobs.insert(Digest::of(&blob).to_string(), ("application/octet-stream", blob));
            }
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string().into_bytes();
        self.blobs.insert(Digest::of(&index).to_string(), (INDEX, index.clone()));
        index
    }
}

/// The lowest layer of the example.
fn base() -> Image {
    let image = Image::example();
    let mut config: Value = serde_json::from_slice(&image.config).expect("the configuration is JSON");
    config["rootfs"]["diff_ids"].as_array_mut().expect("layers").truncate(1);
    config["history"].as_array_mut().expect("steps").truncate(1);
    Image::assemble(config.to_string().into_bytes(), image.layers.into_iter().take(1).collect())
}

async fn answer(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let (repository, name) = path.rsplit_once('/').unwrap_or_default();
    if shelf.layers.contains(name) {
        shelf.layers_sent.fetch_add(1, Ordering::Relaxed);
    }
    let found = match shelf.blobs.get(name) {
        Some((kind, bytes)) if !repository.ends_with("/referrers") => Some((*kind, bytes.clone())),
        _ if path == "/v2" => Some(("application/json", b"{}".to_vec())),
        _ if name == "list" => {
            Some(("application/json", json!({"name": repository, "tags": ["1.0"]}).to_string().into()))
        }
        _ if repository.ends_with("/manifests") && !name.contains("sha256") => {
            let is_base = ["/debian/manifests", "/base/manifests"].iter().any(|end| repository.ends_with(end));
            Some((INDEX, if is_base { shelf.base.clone() } else { shelf.app.clone() }))
        }
        _ => None,
    };
    match found {
        Some((kind, bytes)) => {
            let digest = Digest::of(&bytes).to_string();
            ([("content-type", kind.to_owned()), ("docker-content-digest", digest)], bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
