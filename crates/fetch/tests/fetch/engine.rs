//! Container engines: an Engine API on a socket that behaves like the real ones.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use futures_util::stream;
use killick_fetch::{Source, StageError, StageOptions, stage};
use killick_model::digest::Digest;
use killick_model::hint::Hint as _;
use killick_model::image::StagedImage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::made_images::{
    TestImage, append, config_of, drain, drain_all, gzip, index_of, layer_error, link, manifest_of, noise, tar_of,
};

/// An engine that has one image, `app:v1`.
struct Fake {
    folder: TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

/// What it exports, and what it says of it.
#[derive(Clone, Default)]
struct Export {
    archive: Vec<u8>,
    id: String,
    digests: Vec<String>,
    /// Answered to the request for the archive in its place.
    refusal: Option<(u16, &'static str)>,
    /// Bytes after which the connection breaks.
    breaks: Option<usize>,
}

const VERSION: &str = "1.47";

fn reply(status: u16, body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder().status(status).header("api-version", VERSION);
    response.header("content-type", "application/json").body(body.into()).unwrap()
}

fn message(status: u16, text: &str) -> Response<Body> {
    reply(status, json!({"message": text}).to_string())
}

/// Chunked, as both engines send archives.
fn chunked(export: &Export) -> Response<Body> {
    let mut pieces: Vec<std::io::Result<Bytes>> = Vec::new();
    let end = export.breaks.unwrap_or(export.archive.len());
    pieces.extend(export.archive[..end].chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))));
    if export.breaks.is_some() {
        pieces.push(Err(std::io::Error::other("the engine fell over")));
    }
    reply(200, Body::from_stream(stream::iter(pieces)))
}

fn answer(export: &Export, target: &str) -> Response<Body> {
    if target == "/_ping" {
        return reply(200, "OK");
    }
    let Some((version, rest)) = target.trim_start_matches('/').split_once('/') else {
        return message(404, "page not found");
    };
    match version.strip_prefix("v1.").and_then(|minor| minor.parse::<u32>().ok()) {
        Some(24..=47) => {}
        Some(48..) => {
            return message(
                400,
                &format!("client version {version} is too new. Maximum supported API version is {VERSION}"),
            );
        }
        _ => {
            return message(
                400,
                &format!("client version {version} is too old. Minimum supported API version is 1.24"),
            );
        }
    }
    let (path, _query) = rest.split_once('?').unwrap_or((rest, ""));
    match path {
        "images/app:v1/json" => {
            let inspected = json!({
                "Id": export.id, "RepoTags": ["app:v1", "app:latest"], "RepoDigests": export.digests,
                "Architecture": "amd64", "Os": "linux", "RootFS": {"Type": "layers"},
            });
            reply(200, inspected.to_string())
        }
        "images/broken:v1/json" => message(500, "layer does not exist"),
        "images/odd:v1/json" => reply(200, "[]"),
        path if path == format!("images/{}/get", export.id) => match export.refusal {
            Some((status, text)) => message(status, text),
            None => chunked(export),
        },
        path => {
            let name = path.trim_start_matches("images/").trim_end_matches("/json");
            message(404, &format!("No such image: {name}"))
        }
    }
}

impl Fake {
    fn start(export: Export) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let seen = Arc::clone(&log);
        let service = move |request: Request<Body>| {
            let target = request.uri().to_string();
            seen.lock().unwrap().push(target.clone());
            std::future::ready(answer(&export, &target))
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(service)).await });
        Self { folder, log }
    }

    fn options(&self) -> StageOptions {
        options(&self.folder.path().join("engine.sock"))
    }

    async fn stage(&self, source: &str) -> Result<StagedImage, StageError> {
        stage(&Source::parse(source).unwrap(), &self.options()).await
    }

    async fn refusal(&self, source: &str) -> String {
        self.stage(source).await.map(|image| image.name).expect_err("it is refused").to_string()
    }

    /// How often an archive was asked for.
    fn exports(&self) -> usize {
        self.log.lock().unwrap().iter().filter(|target| target.contains("/get")).count()
    }
}

fn options(socket: &Path) -> StageOptions {
    let host = format!("unix://{}", socket.display());
    let environment = [("DOCKER_HOST", host.clone()), ("CONTAINER_HOST", host)].into_iter().collect();
    StageOptions { environment, ..StageOptions::default() }
}

/// Layers too large to be kept when the archive is indexed.
fn large_tars() -> Vec<Vec<u8>> {
    (0..4).map(|number| tar_of(&format!("file{number}"), &noise(1_100_000 + number * 10_000))).collect()
}

fn borrowed(tars: &[Vec<u8>]) -> Vec<&[u8]> {
    tars.iter().map(Vec::as_slice).collect()
}

fn finished(builder: tar::Builder<Vec<u8>>) -> Vec<u8> {
    builder.into_inner().unwrap()
}

/// As Docker up to 24 exports: a folder for each layer, in the order of their names.
fn old_docker(tars: &[Vec<u8>]) -> Export {
    let mut builder = tar::Builder::new(Vec::new());
    let config = config_of(&borrowed(tars), "amd64");
    let mut names: Vec<(String, usize)> = (0..tars.len())
        .map(|number| (format!("{}/layer.tar", Digest::of(&[u8::try_from(number).unwrap()]).hex()), number))
        .collect();
    let layers: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    for (name, number) in names {
        append(&mut builder, &name, &tars[number]);
    }
    let id = Digest::of(&config);
    let config_name = format!("{}.json", id.hex());
    append(&mut builder, &config_name, &config);
    let manifest: Value = json!([{"Config": config_name, "RepoTags": null, "Layers": layers}]);
    append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
    Export { archive: finished(builder), id: id.to_string(), ..Export::default() }
}

/// As Podman exports: layers first, and links for old readers.
fn podman(tars: &[Vec<u8>]) -> Export {
    let mut builder = tar::Builder::new(Vec::new());
    let config = config_of(&borrowed(tars), "amd64");
    let mut layers = Vec::new();
    for tar in tars {
        let name = format!("{}.tar", Digest::of(tar).hex());
        append(&mut builder, &name, tar);
        layers.push(name);
    }
    let id = Digest::of(&config);
    let config_name = format!("{}.json", id.hex());
    append(&mut builder, &config_name, &config);
    for (number, name) in layers.iter().enumerate() {
        link(&mut builder, tar::EntryType::Symlink, &format!("{number}/layer.tar"), &format!("../{name}"));
    }
    let manifest: Value = json!([{"Config": config_name, "RepoTags": [], "Layers": layers}]);
    append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
    Export { archive: finished(builder), id: id.to_string(), ..Export::default() }
}

/// As Docker from 25 on exports: a layout, and `manifest.json` for old readers. With containerd's store (`pulled`) the
/// manifest is the one from the registry and the layers are compressed; otherwise it is made for the export.
fn new_docker(tars: &[Vec<u8>], pulled: bool) -> Export {
    let blobs: Vec<Vec<u8>> = tars.iter().map(|tar| if pulled { gzip(tar) } else { tar.clone() }).collect();
    let config = config_of(&borrowed(tars), "amd64");
    let manifest = manifest_of(&config, &borrowed(&blobs));
    let arm = b"not here".to_vec();
    let attestation = b"not here either".to_vec();
    let index = index_of(&[
        (&arm, "linux/s390x", None),
        (&manifest, "linux/amd64", None),
        (&attestation, "unknown/unknown", None),
    ]);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let name = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let layers: Vec<String> = blobs.iter().map(|blob| name(blob)).collect();
    files.extend(blobs.iter().map(|blob| (name(blob), blob.clone())));
    files.push((name(&config), config.clone()));
    files.push((name(&manifest), manifest.clone()));
    let top = if pulled {
        files.push((name(&index), index.clone()));
        let mut top: Value = serde_json::from_slice(&index_of(&[(&index, "", Some("v1"))])).unwrap();
        top["manifests"][0]["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
        top.to_string().into_bytes()
    } else {
        index_of(&[(&manifest, "", Some("v1"))])
    };
    files.push(("index.json".to_owned(), top));
    files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    let compatible = json!([{"Config": name(&config), "RepoTags": null, "Layers": layers}]);
    files.push(("manifest.json".to_owned(), compatible.to_string().into_bytes()));
    files.sort();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in &files {
        append(&mut builder, name, bytes);
    }
    let pulled_as = Digest::of(&index);
    // Without containerd's store the manifest it was pulled as is not kept.
    let id = if pulled { pulled_as.clone() } else { Digest::of(&config) };
    let digests = vec![format!("app@{pulled_as}")];
    Export { archive: finished(builder), id: id.to_string(), digests, ..Export::default() }
}

/// The same image from a file.
async fn from_file(archive: &[u8]) -> StagedImage {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    fs_err::write(&path, archive).unwrap();
    stage(&Source::parse(&format!("docker-archive:{}", path.display())).unwrap(), &StageOptions::default())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_export_is_the_same_image() {
    let tars = large_tars();
    let archived = from_file(&podman(&tars).archive).await;
    for (kind, export) in [("old", old_docker(&tars)), ("podman", podman(&tars)), ("new", new_docker(&tars, false))] {
        let fake = Fake::start(export);
        let image = fake.stage("docker:app:v1").await.unwrap();
        assert_eq!(image.manifest_digest, archived.manifest_digest, "{kind}");
        assert_eq!(image.config_bytes, archived.config_bytes, "{kind}");
        assert_eq!(image.tags, ["app:v1"], "{kind}: as it was asked for");
        assert_eq!(image.name, "docker:app:v1");
        assert!(drain_all(image).await.unwrap() == tars, "{kind}");
        let image = fake.stage("podman:app:v1").await.unwrap();
        assert_eq!(image.name, "podman:app:v1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_the_containerd_store_is_what_was_pulled() {
    let tars = large_tars();
    let export = new_docker(&tars, true);
    let fake = Fake::start(export.clone());
    let image = fake.stage("docker:app:v1").await.unwrap();
    assert_eq!(image.index.as_ref().unwrap().0.to_string(), export.id);
    assert_eq!(image.config.architecture, "amd64", "the platform that is there");
    assert!(image.layers.iter().zip(&tars).all(|(layer, tar)| layer.digest == Digest::of(&gzip(tar))));
    assert!(drain_all(image).await.unwrap() == tars);
    let mut options = fake.options();
    options.platform = Some("linux/s390x".parse().unwrap());
    let error = stage(&Source::parse("docker:app:v1").unwrap(), &options).await.map(|image| image.name).unwrap_err();
    assert!(error.to_string().ends_with("is missing from `docker:app:v1`"), "{error}");
    assert!(error.hint().unwrap().contains("platform"));
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_in_their_order_come_in_one_pass() {
    let tars = large_tars();
    for export in [old_docker(&tars), new_docker(&tars, false)] {
        let fake = Fake::start(export);
        let image = fake.stage("docker:app:v1").await.unwrap();
        assert_eq!(fake.exports(), 1, "to find the layers");
        let read = tokio::task::spawn_blocking(move || {
            let mut layers = image.layers;
            layers.sort_by_key(|layer| layer.source.position());
            layers.iter().map(|layer| (layer.diff_id.clone(), Digest::of(&drain(layer).unwrap()))).collect::<Vec<_>>()
        });
        let read = read.await.unwrap();
        assert!(read.len() == 4 && read.iter().all(|(promised, actual)| promised == actual));
        assert_eq!(fake.exports(), 2, "and to read them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_image_is_exported_once() {
    let fake = Fake::start(podman(&[tar_of("etc/hello", b"hello")]));
    drain_all(fake.stage("docker:app:v1").await.unwrap()).await.unwrap();
    assert_eq!(
        *fake.log.lock().unwrap(),
        [
            "/_ping".to_owned(),
            "/v1.47/images/app:v1/json".to_owned(),
            format!("/v1.47/images/{}/get", podman(&[tar_of("etc/hello", b"hello")]).id)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_named() {
    let image = TestImage::usual();
    let good = podman(std::slice::from_ref(&image.tar));
    let fake = Fake::start(good.clone());
    for (source, want) in [
        ("docker:none", "docker has no image `none`"),
        ("podman:localhost/team/none:v2", "podman has no image `localhost/team/none:v2`"),
        ("docker:broken:v1", "docker answered 500 to the request for an image: layer does not exist"),
        ("docker:odd:v1", "docker gave no proper answer to the request for an image"),
        ("docker:../containers", "`../containers` is not the name or id of an image"),
        ("docker:a?b", "`a?b` is not the name or id of an image"),
    ] {
        assert_eq!(fake.refusal(source).await, want);
    }
    let hint = fake.stage("docker:none").await.map(|image| image.name).unwrap_err().hint().unwrap();
    assert!(hint.contains("`docker pull none`"), "{hint}");
    for (export, want) in [
        (
            Export { refusal: Some((500, "no space left on device")), ..good.clone() },
            "docker answered 500 to the request for an archive of the image: no space left on device".to_owned(),
        ),
        (
            Export { refusal: Some((404, "No such image")), ..good.clone() },
            format!("docker has no image `{}`", good.id),
        ),
        (
            Export { breaks: Some(50_000), ..good.clone() },
            "docker broke off while sending an archive of the image".to_owned(),
        ),
        (Export { archive: b"rubbish".to_vec(), ..good.clone() }, "`docker:app:v1` is no tar archive".to_owned()),
        (
            Export { archive: good.archive[..100_000].to_vec(), ..good.clone() },
            format!("the archive `docker:app:v1` ends in the middle of `{}.tar`", Digest::of(&image.tar).hex()),
        ),
    ] {
        assert_eq!(Fake::start(export).refusal("docker:app:v1").await, want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_not_there_is_named() {
    let source = Source::parse("docker:app").unwrap();
    let path = PathBuf::from("/none/docker.sock");
    let error = stage(&source, &options(&path)).await.map(|image| image.name).unwrap_err();
    assert_eq!(error.to_string(), "cannot reach docker at `/none/docker.sock`");
    assert!(error.hint().unwrap().contains("DOCKER_HOST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_not_the_promised_one_is_found_out() {
    let tars = large_tars();
    let mut export = podman(&tars);
    let begin = &noise(1_100_000)[..4];
    let at = export.archive.windows(4).position(|window| window == begin).unwrap();
    export.archive[at + 500_000] ^= 1;
    let fake = Fake::start(export);
    let image = fake.stage("docker:app:v1").await.unwrap();
    assert_eq!(layer_error(drain_all(image).await.map(|_| Vec::new())), "WrongDiffId");
}
