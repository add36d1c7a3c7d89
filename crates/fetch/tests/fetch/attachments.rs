//! What is attached to an image, in registries that know of it, that do not, and that misbehave.

use std::sync::Arc;
use std::time::Duration;

use killick_fetch::{Source, StageOptions, stage};
use killick_model::attachment::Origin;
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen, manifest, options, reply, serve, with_password};
use crate::local::{file, layout};
use crate::made_images::{
    TestImage, append, artifact_of, config_of, descriptor, index_with_attestations, manifest_of, referrers_of,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// What a registry says to a request.
type Saying = fn(&Seen) -> Answer;
/// The same, by the path below the repository and two artifacts.
type Answering = fn(&str, &[u8], &[u8]) -> Option<Answer>;

const IN_TOTO: &str = "application/vnd.in-toto+json";

fn wanted() -> StageOptions {
    StageOptions { attachments: true, ..options().0 }
}

/// Origin and documents of each attachment, each document with what was read of it; then the problems.
async fn found(staged: StagedImage) -> Vec<String> {
    let work = move || {
        let attachments = staged.surroundings.attachments.iter().map(|staged| {
            let origin = serde_json::to_value(&staged.attachment.origin).unwrap();
            let documents: Vec<String> = staged
                .attachment
                .documents
                .iter()
                .zip(&staged.sources)
                .map(|(document, source)| {
                    let read = source
                        .read(1000)
                        .map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
                    format!("{}={read}", document.media_type)
                })
                .collect();
            format!("{} {}", origin.as_str().map_or_else(|| origin.to_string(), str::to_owned), documents.join(" "))
        });
        let problems =
            staged.surroundings.problems.iter().map(|problem| format!("{}: {}", problem.kind, problem.message));
        attachments.chain(problems).collect()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// What is attached to the usual image by `attached`: path below the repository, answer.
async fn registry(attached: impl Fn(&str, &Seen) -> Option<Answer> + Send + Sync + 'static) -> Fake {
    let image = TestImage::usual();
    Fake::start(move |seen| {
        let path = seen.path.strip_prefix("/v2/app/").unwrap_or_default();
        attached(path, seen).unwrap_or_else(|| serve(&image, seen))
    })
    .await
}

/// The manifest of the usual image, and the tag that stands for it.
fn usual() -> (Vec<u8>, String) {
    let manifest = TestImage::usual().manifest;
    let tag = format!("sha256-{}", Digest::of(&manifest).hex());
    (manifest, tag)
}

/// Artifacts by digest, and their documents.
fn blobs(path: &str, artifacts: &[&[u8]], documents: &[&[u8]]) -> Option<Answer> {
    let digest = path.strip_prefix("manifests/").or_else(|| path.strip_prefix("blobs/"))?;
    let find =
        |blobs: &[&[u8]]| blobs.iter().find(|blob| Digest::of(blob).to_string() == digest).map(|blob| blob.to_vec());
    find(artifacts).map(|bytes| manifest(&bytes)).or_else(|| find(documents).map(|bytes| reply(200, &[], bytes)))
}

fn index(bytes: Vec<u8>) -> Answer {
    reply(200, &[("content-type", INDEX)], bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_referrers_api_is_read_page_by_page() {
    let (subject, _) = usual();
    let one = artifact_of("application/vnd.a", &[("text/spdx", b"one")], Some(&subject));
    let two = artifact_of("application/vnd.b", &[("text/spdx", b"two"), (IN_TOTO, b"three")], Some(&subject));
    let fake = registry(move |path, seen| {
        if path.starts_with("referrers/") {
            return Some(match seen.query.as_str() {
                "" => {
                    reply(200, &[("content-type", INDEX), ("link", "<?page=2>; rel=\"next\"")], referrers_of(&[&one]))
                }
                query => {
                    assert_eq!(query, "page=2");
                    index(referrers_of(&[&two, &one]))
                }
            });
        }
        blobs(path, &[&one, &two], &[b"one", b"two", b"three"])
    })
    .await;
    let staged = fake.stage(wanted()).await.unwrap();
    let attachment = &staged.surroundings.attachments[0].attachment;
    assert_eq!(attachment.artifact_type.as_deref(), Some("application/vnd.a"));
    assert_eq!(attachment.about, staged.manifest_digest);
    assert_eq!(attachment.annotations["org.opencontainers.image.created"], "2026-01-02T03:04:05Z");
    assert_eq!(
        found(staged).await,
        ["referrers text/spdx=one", "referrers text/spdx=two application/vnd.in-toto+json=three"]
    );
    // Nobody looks unless asked to.
    let before = fake.log().len();
    fake.stage(options().0).await.unwrap();
    assert_eq!(fake.log().len() - before, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_the_api_has_a_tag_instead() {
    let (subject, tag) = usual();
    let artifact = artifact_of("application/vnd.a", &[("text/spdx", b"one")], Some(&subject));
    let ways: [(&str, Saying); 8] = [
        ("not found", |_| reply(404, &[], "{}")),
        ("no such method", |_| reply(405, &[], "")),
        ("refused", |_| reply(403, &[], "")),
        ("not implemented", |_| reply(501, &[], "")),
        ("a page", |_| reply(200, &[("content-type", "text/html")], "<html>Sign in</html>")),
        ("a page called text", |_| reply(200, &[("content-type", "text/plain")], "<html>")),
        ("an answer of some other kind", |_| reply(200, &[("content-type", "application/json")], "{\"name\":\"app\"}")),
        ("a redirect to a page", |seen| match seen.query.as_str() {
            "" => reply(303, &[("location", &format!("http://{}/login?x", seen.header("host")))], ""),
            _ => reply(200, &[("content-type", "text/html")], "<html>"),
        }),
    ];
    for (name, way) in ways {
        let (artifact, tag) = (artifact.clone(), tag.clone());
        let fake = registry(move |path, seen| {
            if path.starts_with("referrers/") {
                return Some(way(seen));
            }
            if path == format!("manifests/{tag}") {
                return Some(index(referrers_of(&[&artifact])));
            }
            blobs(path, &[&artifact], &[b"one"])
        })
        .await;
        assert_eq!(found(fake.stage(wanted()).await.unwrap()).await, ["referrers-tag text/spdx=one"], "{name}");
    }
    // A registry that has neither has nothing, and that is no problem.
    let fake = registry(|_, _| None).await;
    assert_eq!(found(fake.stage(wanted()).await.unwrap()).await, [""; 0]);
    assert_eq!(fake.log().len(), 7, "image, configuration, list, its tag, three of cosign: {:?}", fake.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_cosign_are_followed() {
    let (_, tag) = usual();
    let [signature, attestation, sbom] = [("sig", b"s"), ("att", b"a"), ("sbom", b"b")]
        .map(|(kind, document)| artifact_of(&format!("application/vnd.{kind}"), &[(kind, document)], None));
    let fake = registry(move |path, seen| {
        let answer = match path.strip_prefix(&format!("manifests/{tag}"))? {
            ".sig" => &signature,
            // Some know no HEAD.
            ".att" if seen.method == "HEAD" => return Some(reply(405, &[], "")),
            ".att" => &attestation,
            ".sbom" => &sbom,
            _ => return None,
        };
        Some(manifest(answer))
    })
    .await;
    let staged = fake.stage(wanted()).await.unwrap();
    let origins: Vec<&Origin> =
        staged.surroundings.attachments.iter().map(|staged| &staged.attachment.origin).collect();
    assert_eq!(
        origins,
        [".sig", ".att", ".sbom"].map(|ending| Origin::Tag(ending.to_owned())).iter().collect::<Vec<_>>()
    );
    let texts = found(staged).await;
    assert!(texts.iter().all(|text| text.contains("registry `127.0.0.1:")), "their documents are not there: {texts:?}");
}

/// A layout with this entry in its `index.json`.
pub(crate) fn platform_layout(entry: &Value, top: &[u8], parts: &[Vec<u8>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    let blobs: Vec<&[u8]> = parts.iter().map(Vec::as_slice).chain([top]).collect();
    layout(folder.path(), index.as_bytes(), &blobs);
    folder
}

/// An image for each of two platforms, with what `BuildKit` attests of it.
fn attested() -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut blobs = Vec::new();
    let mut images = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let image = TestImage::usual();
        let config = config_of(&[&image.tar], architecture);
        let manifest = manifest_of(&config, &[&image.blob]);
        let statement = format!("statement of {architecture}").into_bytes();
        let attestation = artifact_of("", &[(IN_TOTO, &statement)], None);
        images.push((manifest.clone(), architecture, attestation.clone()));
        blobs.extend([config, image.blob, manifest, statement, attestation]);
    }
    let images: Vec<(&[u8], &str, &[u8])> = images
        .iter()
        .map(|(manifest, architecture, attestation)| (&manifest[..], *architecture, &attestation[..]))
        .collect();
    let index = index_with_attestations(&images);
    blobs.push(index.clone());
    (index, blobs)
}

#[tokio::test(flavor = "multi_thread")]
async fn attestations_of_an_index_are_about_one_of_its_images() {
    let (whole, all) = attested();
    let fake = Fake::start({
        let (whole, all) = (whole.clone(), all.clone());
        move |seen| {
            let path = seen.path.strip_prefix("/v2/app/").unwrap_or_default();
            if path == "manifests/v1" {
                return index(whole.clone());
            }
            let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
            blobs(path, &[], &all).unwrap_or_else(|| reply(404, &[], ""))
        }
    })
    .await;
    let folder = platform_layout(&descriptor(INDEX, &whole), &whole, &all);
    for architecture in ["amd64", "arm64"] {
        let platform = Some(format!("linux/{architecture}").parse().unwrap());
        let options = StageOptions { platform, ..wanted() };
        let want = [format!("index {IN_TOTO}=statement of {architecture}")];
        assert_eq!(found(fake.stage(options.clone()).await.unwrap()).await, want);
        let source = Source::parse(&format!("oci:{}", folder.path().display())).unwrap();
        assert_eq!(found(stage(&source, &options).await.unwrap()).await, want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_a_problem_of_the_image() {
    let (subject, _) = usual();
    let good = artifact_of("application/vnd.a", &[("text/spdx", b"one")], Some(&subject));
    let stranger = artifact_of("application/vnd.a", &[("text/spdx", b"one")], Some(b"another image"));
    let cases: [(&str, Answering, &str); 8] = [
        (
            "faults",
            |path, _, _| path.starts_with("referrers/").then(|| reply(500, &[], "")),
            "attachments-unread: what is attached to it cannot be asked for: registry `HOST` answered 500 to the request for what is attached to `DIGEST`",
        ),
        (
            "no JSON",
            |path, _, _| path.starts_with("referrers/").then(|| index(b"{".to_vec())),
            "attachments-unread: what is attached to it cannot be asked for: the manifest of `list of what is attached to `DIGEST`` is malformed: EOF while parsing an object at line 1 column 1",
        ),
        (
            "too large",
            |path, _, _| path.starts_with("referrers/").then(|| index(vec![b' '; 5 << 20])),
            "attachments-unread: what is attached to it cannot be asked for: registry `HOST` sent more than 4194304 bytes for what is attached to `DIGEST`",
        ),
        (
            "a list that goes on elsewhere",
            |path, _, _| {
                path.starts_with("referrers/").then(|| {
                    reply(
                        200,
                        &[("content-type", INDEX), ("link", "<http://169.254.169.254/v2/>; rel=next")],
                        referrers_of(&[]),
                    )
                })
            },
            "attachments-unread: there may be more attached to it: the list goes on at an address that is not the registry's",
        ),
        (
            "a list that never ends",
            |path, _, _| {
                path.starts_with("referrers/")
                    .then(|| reply(200, &[("content-type", INDEX), ("link", "<?again>; rel=next")], referrers_of(&[])))
            },
            "attachments-unread: there may be more attached to it: the list has too many pages",
        ),
        (
            "a filtered list",
            |path, _, _| {
                path.starts_with("referrers/").then(|| {
                    reply(200, &[("content-type", INDEX), ("oci-filters-applied", "artifactType")], referrers_of(&[]))
                })
            },
            "attachments-unread: there may be more attached to it: the registry filtered the list, which was not asked for",
        ),
        (
            "another subject",
            |path, _, stranger| {
                if path.starts_with("referrers/") {
                    Some(index(referrers_of(&[stranger])))
                } else {
                    blobs(path, &[stranger], &[])
                }
            },
            "attachment-subject: it is listed as attached to this image, but says that it is attached to something else",
        ),
        (
            "other bytes",
            |path, good, stranger| {
                if path.starts_with("referrers/") {
                    Some(index(referrers_of(&[good])))
                } else {
                    (path == format!("manifests/{}", Digest::of(good))).then(|| manifest(stranger))
                }
            },
            "attachment-unread: what is attached cannot be read: the manifest `sha256:",
        ),
    ];
    for (name, answering, want) in cases {
        let (good, stranger) = (good.clone(), stranger.clone());
        let fake = registry(move |path, _| answering(path, &good, &stranger)).await;
        let staged = fake.stage(wanted()).await.unwrap();
        let digest = staged.manifest_digest.to_string();
        let texts: Vec<String> = found(staged)
            .await
            .iter()
            .map(|text| text.replace(&fake.host, "HOST").replace(&digest, "DIGEST"))
            .collect();
        assert_eq!(texts.len(), 1, "{name}: {texts:?}");
        assert!(texts[0].starts_with(want), "{name}: {texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_too_long_ends() {
    let (subject, _) = usual();
    let artifact = artifact_of("application/vnd.a", &[("text/spdx", b"one")], Some(&subject));
    let hanging = || {
        let never = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
        reply(200, &[("content-type", INDEX)], axum::body::Body::from_stream(never))
    };
    let (one, other) = (artifact.clone(), artifact);
    for (hangs_at, want) in [
        ("referrers/", "attachments-unread"),
        ("blobs/", "referrers text/spdx=reading what is attached takes too long"),
    ] {
        let (one, other) = (one.clone(), other.clone());
        let fake = registry(move |path, _| {
            if path.starts_with("blobs/") && Digest::of(b"one").to_string() != path["blobs/".len()..] {
                return None;
            }
            if path.starts_with(hangs_at) {
                return Some(hanging());
            }
            if path.starts_with("referrers/") {
                Some(index(referrers_of(&[&one])))
            } else {
                blobs(path, &[&other], &[])
            }
        })
        .await;
        let mut options = wanted();
        options.registry.timeouts.attachments = Duration::from_millis(200);
        let texts = found(fake.stage(options).await.unwrap()).await;
        assert!(texts.len() == 1 && texts[0].starts_with(want), "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_are_read() {
    let (subject, _) = usual();
    let artifacts: Vec<Vec<u8>> =
        (0..5).map(|number| artifact_of(&format!("application/vnd.a{number}"), &[], Some(&subject))).collect();
    let fake = registry(move |path, _| {
        let all: Vec<&[u8]> = artifacts.iter().map(Vec::as_slice).collect();
        if path.starts_with("referrers/") { Some(index(referrers_of(&all))) } else { blobs(path, &all, &[]) }
    })
    .await;
    let mut options = wanted();
    options.limits.attachments = 2;
    assert_eq!(
        found(fake.stage(options).await.unwrap()).await,
        ["referrers ", "referrers ", "limit-attachments: more than 2 manifests are attached to it"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_we_are_is_not_told_for_what_need_not_be_there() {
    let image = TestImage::usual();
    let service = Fake::start(|_| reply(200, &[], r#"{"token":"stranger"}"#)).await;
    let realm = format!("Bearer realm=\"http://{}/token\"", service.host);
    let fake = Fake::start(move |seen| match seen.header("authorization") {
        "Bearer stranger" => serve(&image, seen),
        _ => reply(401, &[("www-authenticate", &realm)], ""),
    })
    .await;
    let options = StageOptions { attachments: true, ..with_password("s3cret") };
    assert_eq!(found(fake.stage(options).await.unwrap()).await, [""; 0]);
    assert_eq!(service.log(), ["/token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn layouts_have_attachments_in_their_index() {
    let image = Arc::new(TestImage::usual());
    let (subject, tag) = usual();
    let referrer = artifact_of("application/vnd.a", &[("text/spdx", b"one")], Some(&subject));
    let other = artifact_of("application/vnd.a", &[], Some(b"another image"));
    let listed = artifact_of("application/vnd.b", &[("text/spdx", b"missing")], Some(&subject));
    let list = referrers_of(&[&listed]);
    let tagged = artifact_of("", &[("application/vnd.c", b"c")], None);
    let saved = artifact_of("", &[("application/vnd.d", b"d")], None);
    let entry = |bytes: &[u8], annotations: Value, artifact_type: Option<&str>| {
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", bytes);
        entry["annotations"] = annotations;
        if let Some(kind) = artifact_type {
            entry["artifactType"] = json!(kind);
        }
        entry
    };
    let name = |name: &str| json!({"org.opencontainers.image.ref.name": name});
    let mut of_list = entry(&list, name(&tag), None);
    of_list["mediaType"] = json!(INDEX);
    let top = json!({"schemaVersion": 2, "manifests": [
        entry(&referrer, json!({}), Some("application/vnd.a")),
        entry(&image.manifest, name("v1"), None),
        entry(&other, json!({}), Some("application/vnd.a")),
        of_list,
        entry(&tagged, name(&format!("{tag}.att")), None),
        entry(&saved, json!({"kind": "dev.cosignproject.cosign/sigs"}), None),
        entry(b"not there", json!({"kind": "dev.cosignproject.cosign/sigs"}), None),
    ]})
    .to_string();
    let documents: [&[u8]; 10] =
        [&image.manifest, &image.config, &image.blob, &referrer, &other, &listed, &list, &tagged, &saved, b"one"];
    let folder = tempfile::tempdir().unwrap();
    layout(folder.path(), top.as_bytes(), &[&documents[..], &[b"c", b"d"]].concat());
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "index.json", top.as_bytes());
    for blob in documents.into_iter().chain([&b"c"[..], b"d"]) {
        append(&mut archive, &format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
    }
    let (_archive_folder, archive) = file("image.tar", &archive.into_inner().unwrap());
    let missing = format!("referrers-tag text/spdx=the blob `{}` is missing", Digest::of(b"missing"));
    let want =
        ["layout text/spdx=one", &missing, "{\"tag\":\".att\"} application/vnd.c=c", "layout application/vnd.d=d"];
    // Without a tag too: what is attached is no image.
    for source in [format!("oci:{}", folder.path().display()), format!("oci-archive:{archive}")] {
        let staged = stage(&Source::parse(&source).unwrap(), &wanted()).await.unwrap();
        assert_eq!(staged.manifest_digest, Digest::of(&image.manifest));
        assert_eq!(found(staged).await, want, "{source}");
    }
}
