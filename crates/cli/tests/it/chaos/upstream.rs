//! A registry whose tags can be moved; now and then it has no blob to give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use killick_model::digest::Digest;
use serde_json::json;

use super::dice::Dice;
use crate::image::{Image, MANIFEST};

#[derive(Default)]
struct Shelf {
    /// By `repository:tag`.
    tags: BTreeMap<String, String>,
    manifests: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// Blobs that are refused the next time.
    refused: BTreeSet<String>,
}

/// A running registry.
pub(super) struct Upstream {
    /// `127.0.0.1:port`.
    pub(super) address: String,
    shelf: Arc<Mutex<Shelf>>,
    dice: Mutex<Dice>,
}

impl Upstream {
    pub(super) async fn start(seed: u64) -> Self {
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shelf, dice: Mutex::new(Dice::new(seed, "upstream")) }
    }

    /// Lets `repository:tag` point to an image of this content from now on; its digest.
    pub(super) fn publish(&self, name: &str, content: &str) -> String {
        let image = image(content);
        let digest = Digest::of(&image.manifest).to_string();
        let mut shelf = self.shelf.lock().unwrap();
        for blob in image.layers.into_iter().chain([image.config]) {
            let key = Digest::of(&blob).to_string();
            if self.dice.lock().unwrap().below(20) == 0 {
                shelf.refused.insert(key.clone());
            }
            shelf.blobs.insert(key, blob);
        }
        shelf.manifests.insert(digest.clone(), image.manifest);
        shelf.tags.insert(name.to_owned(), digest.clone());
        digest
    }
}

/// Two packages: one that advisories are about, and one of its own.
fn image(content: &str) -> Image {
    let package = |name: &str| format!("P:{name}\nV:1.0-r0\nA:x86_64\nL:MIT\no:{name}\n\n");
    let installed = package("chaos") + &package(&format!("own-{content}"));
    Image::of_files(&[
        ("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n"),
        ("lib/apk/db/installed", installed.as_bytes()),
    ])
}

async fn answer(State(shelf): State<Arc<Mutex<Shelf>>>, request: Request) -> Response<Body> {
    let path = request.uri().path().trim_start_matches("/v2/").to_owned();
    let mut shelf = shelf.lock().unwrap();
    if path.is_empty() {
        return Response::new(Body::from("{}"));
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        let of_it = |name: &String| Some(name.strip_prefix(repository)?.strip_prefix(':')?.to_owned());
        let tags: Vec<String> = shelf.tags.keys().filter_map(of_it).collect();
        return Response::new(Body::from(json!({"name": repository, "tags": tags}).to_string()));
    }
    let found = if let Some((repository, name)) = path.split_once("/manifests/") {
        let digest = shelf.tags.get(&format!("{repository}:{name}")).map_or(name, String::as_str);
        shelf.manifests.get(digest).map(|manifest| (MANIFEST, digest.to_owned(), manifest.clone()))
    } else if let Some((_, digest)) = path.split_once("/blobs/") {
        if shelf.refused.remove(digest) {
            return Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Body::empty()).unwrap();
        }
        shelf.blobs.get(digest).map(|blob| ("application/octet-stream", digest.to_owned(), blob.clone()))
    } else {
        None
    };
    let Some((kind, digest, bytes)) = found else {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::from("{}")).unwrap();
    };
    let head = Response::builder().header("content-type", kind).header("docker-content-digest", digest);
    let head = head.header("content-length", bytes.len());
    let body = if request.method() == "HEAD" { Body::empty() } else { Body::from(bytes) };
    head.body(body).unwrap()
}
