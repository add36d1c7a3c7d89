//! A registry on loopback with a few tiny images, made here.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use killick_model::digest::Digest;
use serde_json::{Value, json};

/// The name under which the images are served.
const NAME: &str = "tiny/alpine";

/// Tags, and the release each image says it is.
const RELEASES: [(&str, &str); 2] = [("3.20", "3.20.3"), ("3.21", "3.21.0")];

/// The tag of the image that an SBOM is attached to, as cosign does it.
const SBOM_TAG: &str = "3.21";

/// The media type of images.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How a registry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(dead_code, reason = "not every test crate makes it sick")]
pub(crate) enum Health {
    /// Well.
    #[default]
    Well,
    /// It answers this to whoever asks for a blob.
    Blobs(u16),
    /// It answers this to whoever asks for a manifest.
    Manifests(u16),
    /// It sends other bytes than it promises.
    OtherBytes,
}

/// A running registry.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    served: Arc<Served>,
}

impl Upstream {
    /// Makes it sick, or well again.
    #[allow(dead_code, reason = "not every test crate makes it sick")]
    pub(crate) fn be(&self, health: Health) {
        *self.served.health.lock().unwrap() = health;
    }

    /// Lets a tag, new or not, point to the image of another.
    #[allow(dead_code, reason = "not every test crate moves tags")]
    pub(crate) fn point(&self, tag: &str, to: &str) {
        let mut manifests = self.served.manifests.lock().unwrap();
        let manifest = manifests[to].clone();
        manifests.insert(tag.to_owned(), manifest);
    }

    /// The digest of what a tag points to.
    #[allow(dead_code, reason = "not every test crate has indexes")]
    pub(crate) fn digest(&self, tag: &str) -> String {
        Digest::of(&self.served.manifests.lock().unwrap()[tag]).to_string()
    }

    /// Lets another repository hold one image of these files, under one tag; its digest.
    #[allow(dead_code, reason = "not every test crate has several repositories")]
    pub(crate) fn hold(&self, repository: &str, tag: &str, files: &[(&str, &str)]) -> String {
        let image = image_of(files);
        let digest = Digest::of(&image.manifest).to_string();
        self.served.blobs.lock().unwrap().extend(image.blobs);
        self.served.others.lock().unwrap().insert(repository.to_owned(), (tag.to_owned(), image.manifest));
        digest
    }

    /// Lets a tag point to an index of these platforms and manifests, there or not; its digest.
    #[allow(dead_code, reason = "not every test crate has indexes")]
    pub(crate) fn index(&self, tag: &str, of: &[(&str, &str)]) -> String {
        let mut manifests = self.served.manifests.lock().unwrap();
        let entry = |(platform, digest): &(&str, &str)| {
            let mut parts = platform.split('/');
            let platform = json!({"os": parts.next(), "architecture": parts.next()});
            let size = manifests.get(*digest).map_or(1, Vec::len);
            json!({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform})
        };
        let entries: Vec<Value> = of.iter().map(entry).collect();
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).to_string().into_bytes();
        let digest = Digest::of(&index).to_string();
        manifests.insert(tag.to_owned(), index.clone());
        manifests.insert(digest.clone(), index);
        digest
    }
}

#[derive(Default)]
struct Served {
    /// By tag and by digest.
    manifests: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The manifests of other repositories, each with its only tag.
    others: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    health: Mutex<Health>,
}

/// Starts a registry for the life of the test, for anybody or for one `user:password`.
pub(crate) async fn serve(login: Option<&'static str>) -> Upstream {
    let mut manifests = BTreeMap::new();
    let mut blobs = BTreeMap::new();
    let releases = RELEASES.map(|(tag, release)| (tag, image(release)));
    // A library of a distribution, and an image that it was copied into.
    let library = "\u{7f}ELF of openssl ".repeat(1000);
    let debian = image_of(&[
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("usr/lib/libssl.so.3", &library),
        ("var/lib/dpkg/info/libssl3:amd64.list", "/.\n/usr/lib/libssl.so.3\n"),
        (
            "var/lib/dpkg/status",
            "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.9-1\n\n",
        ),
    ]);
    let copied = image_of(&[("app/lib/libssl.so.3", &library)]);
    for (tag, image) in releases.into_iter().chain([("debian", debian), ("copied", copied)]) {
        manifests.insert(tag.to_owned(), image.manifest.clone());
        if tag == SBOM_TAG {
            let sbom = sbom();
            let tag = format!("sha256-{}.sbom", Digest::of(&image.manifest).hex());
            manifests.insert(tag, sbom.manifest);
            blobs.extend(sbom.blobs);
        }
        manifests.insert(Digest::of(&image.manifest).to_string(), image.manifest);
        blobs.extend(image.blobs);
    }
    let served = Served { manifests: Mutex::new(manifests), blobs: Mutex::new(blobs), ..Served::default() };
    let served = Arc::new(served);
    let router = Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route(&format!("/v2/{NAME}/tags/list"), get(tags))
        .route(&format!("/v2/{NAME}/manifests/{{reference}}"), get(manifest))
        .route(&format!("/v2/{NAME}/blobs/{{digest}}"), get(blob))
        .route("/v2/{owner}/{name}/tags/list", get(other_tags))
        .route("/v2/{owner}/{name}/manifests/{reference}", get(other_manifest))
        .route("/v2/{owner}/{name}/blobs/{digest}", get(other_blob))
        .fallback(|| async { (StatusCode::NOT_FOUND, error("NAME_UNKNOWN")) })
        .with_state(Arc::clone(&served))
        .layer(from_fn(move |request, next| admit(login, request, next)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Upstream { address, served }
}

async fn admit(login: Option<&'static str>, request: Request, next: Next) -> Response {
    let wanted = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if wanted.is_none() || wanted.as_deref() == given {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"tiny\"")];
    (StatusCode::UNAUTHORIZED, challenge, error("UNAUTHORIZED")).into_response()
}

async fn manifest(State(served): State<Arc<Served>>, Path(reference): Path<String>) -> Response {
    if let Health::Manifests(status) = *served.health.lock().unwrap() {
        return (StatusCode::from_u16(status).unwrap(), error("SICK")).into_response();
    }
    let found = served.manifests.lock().unwrap().get(&reference).cloned();
    let Some(manifest) = found else {
        return (StatusCode::NOT_FOUND, error("MANIFEST_UNKNOWN")).into_response();
    };
    with_digest(manifest)
}

fn with_digest(manifest: Vec<u8>) -> Response {
    let read: Value = serde_json::from_slice(&manifest).unwrap();
    let headers = [
        (header::CONTENT_TYPE.as_str(), read["mediaType"].as_str().unwrap_or(MANIFEST).to_owned()),
        ("docker-content-digest", Digest::of(&manifest).to_string()),
    ];
    (headers, manifest).into_response()
}

/// The tags of images: digests are none, and what is attached is not shown.
async fn tags(State(served): State<Arc<Served>>) -> String {
    let manifests = served.manifests.lock().unwrap();
    let tags: Vec<&String> = manifests.keys().filter(|name| !name.starts_with("sha256")).collect();
    json!({"name": NAME, "tags": tags}).to_string()
}

async fn other_tags(State(served): State<Arc<Served>>, Path((owner, name)): Path<(String, String)>) -> Response {
    let name = format!("{owner}/{name}");
    match served.others.lock().unwrap().get(&name) {
        Some((tag, _)) => json!({"name": name, "tags": [tag]}).to_string().into_response(),
        None => (StatusCode::NOT_FOUND, error("NAME_UNKNOWN")).into_response(),
    }
}

async fn other_manifest(
    State(served): State<Arc<Served>>,
    Path((owner, name, reference)): Path<(String, String, String)>,
) -> Response {
    match served.others.lock().unwrap().get(&format!("{owner}/{name}")) {
        Some((tag, manifest)) if *tag == reference || Digest::of(manifest).to_string() == reference => {
            with_digest(manifest.clone())
        }
        Some(_) => (StatusCode::NOT_FOUND, error("MANIFEST_UNKNOWN")).into_response(),
        None => (StatusCode::NOT_FOUND, error("NAME_UNKNOWN")).into_response(),
    }
}

async fn other_blob(served: State<Arc<Served>>, Path((.., digest)): Path<(String, String, String)>) -> Response {
    blob(served, Path(digest)).await
}

async fn blob(State(served): State<Arc<Served>>, Path(digest): Path<String>) -> Response {
    let health = *served.health.lock().unwrap();
    if let Health::Blobs(status) = health {
        return (StatusCode::from_u16(status).unwrap(), error("SICK")).into_response();
    }
    match served.blobs.lock().unwrap().get(&digest) {
        Some(bytes) if health == Health::OtherBytes => {
            bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>().into_response()
        }
        Some(bytes) => bytes.clone().into_response(),
        None => (StatusCode::NOT_FOUND, error("BLOB_UNKNOWN")).into_response(),
    }
}

fn error(code: &str) -> String {
    json!({"errors": [{"code": code, "message": "unknown", "detail": Value::Null}]}).to_string()
}

struct Image {
    manifest: Vec<u8>,
    blobs: BTreeMap<String, Vec<u8>>,
}

/// An Alpine of two packages and a node module, always the same bytes.
fn image(release: &str) -> Image {
    let os_release = format!("ID=alpine\nVERSION_ID={release}\nPRETTY_NAME=\"Alpine Linux v3.20\"\n");
    image_of(&[
        ("etc/os-release", &os_release),
        (
            "lib/apk/db/installed",
            "P:musl\nV:1.2.5-r0\nA:x86_64\nS:400000\nI:600000\nT:the C library\nL:MIT\no:musl\nm:Some One <one@example.org>\n\n\
             P:busybox\nV:1.36.1-r28\nA:x86_64\nS:500000\nI:900000\nT:small utilities\nL:GPL-2.0-only\no:busybox\nm:Some One <one@example.org>\n\n",
        ),
        (
            "srv/node_modules/left-pad/package.json",
            "{\"name\": \"left-pad\", \"version\": \"1.3.0\", \"license\": \"WTFPL\"}\n",
        ),
    ])
}

/// One layer of these files.
fn image_of(files: &[(&str, &str)]) -> Image {
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
    Image { manifest, blobs }
}

/// What claims a package that no image has, and one that nobody can tell.
fn sbom() -> Image {
    let bom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        {"type": "library", "name": "right-pad", "version": "1.0.1", "purl": "pkg:npm/right-pad@1.0.1"},
        {"type": "library", "name": "nobody-knows", "version": "1"}
    ]})
    .to_string()
    .into_bytes();
    let layer = json!({"mediaType": "application/vnd.cyclonedx+json", "size": bom.len(), "digest": Digest::of(&bom)});
    let manifest = json!({"schemaVersion": 2, "config": {}, "layers": [layer]}).to_string().into_bytes();
    Image { manifest, blobs: BTreeMap::from([(Digest::of(&bom).to_string(), bom)]) }
}

#[test]
fn the_images_are_always_the_same() {
    assert_eq!(image("3.20.3").manifest, image("3.20.3").manifest);
    assert_ne!(image("3.20.3").manifest, image("3.21.0").manifest);
}
