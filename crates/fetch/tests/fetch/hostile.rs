//! Registries that mean harm: each ends in the image, or in an error with a name, within bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use killick_fetch::StageOptions;
use killick_model::digest::Digest;

use crate::fake::{Answer, Fake, Seen, cut, manifest, options, reply, serve, with_password};
use crate::made_images::{TestImage, drain_all, gzip};

/// What a registry does with a request for one part of the image.
type Doing = fn(&TestImage, &Seen) -> Answer;

/// A registry that does something else where `is_meant` says so.
async fn registry(is_meant: fn(&TestImage, &Seen) -> bool, doing: Doing) -> Fake {
    let image = TestImage::usual();
    Fake::start(move |seen| if is_meant(&image, seen) { doing(&image, seen) } else { serve(&image, seen) }).await
}

fn is_manifest(_: &TestImage, seen: &Seen) -> bool {
    seen.path.contains("/manifests/")
}

fn is_config(image: &TestImage, seen: &Seen) -> bool {
    seen.path.ends_with(&Digest::of(&image.config).hex())
}

fn is_layer(image: &TestImage, seen: &Seen) -> bool {
    seen.path.ends_with(&Digest::of(&image.blob).hex())
}

/// How staging and reading all layers ends.
async fn outcome(fake: &Fake, options: StageOptions) -> String {
    let read = match fake.stage(options).await {
        Ok(staged) => drain_all(staged).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok(layers) => {
            assert!(layers == [TestImage::usual().tar], "what was read is the image");
            "the image".to_owned()
        }
        Err(error) => error.replace(&fake.host, "HOST"),
    }
}

/// The beginning of a body, and then the same for ever.
fn endless(first: &[u8], again: &'static [u8]) -> Body {
    let (first, again) = (Bytes::copy_from_slice(first), Bytes::from_static(again));
    let chunks = futures_util::StreamExt::chain(stream::iter([first]), stream::repeat(again));
    Body::from_stream(futures_util::StreamExt::map(chunks, Ok::<_, std::io::Error>))
}

/// A body that begins and never goes on.
fn hanging(first: &[u8]) -> Body {
    let first = Bytes::copy_from_slice(first);
    let never = stream::pending::<Result<Bytes, std::io::Error>>();
    Body::from_stream(futures_util::StreamExt::chain(stream::iter([Ok(first)]), never))
}

/// Options that wait a moment only.
fn impatient() -> StageOptions {
    let mut options = options().0;
    options.registry.timeouts.document = Duration::from_millis(300);
    options.registry.timeouts.read = Duration::from_millis(300);
    options
}

const MANIFEST: (&str, &str) = ("content-type", "application/vnd.oci.image.manifest.v1+json");
static MORE: [u8; 65_536] = [b' '; 65_536];

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_do_not_end_are_cut_off() {
    for (is_meant, doing, want) in [
        (
            is_manifest as fn(&TestImage, &Seen) -> bool,
            (|image, _| reply(200, &[MANIFEST], endless(&image.manifest, &MORE))) as Doing,
            "registry `HOST` sent more than 4194304 bytes for image `HOST/app:v1`",
        ),
        (
            is_manifest,
            |image, _| reply(200, &[MANIFEST], hanging(&image.manifest[..40])),
            "registry `HOST` took too long to send image `HOST/app:v1`",
        ),
        (
            is_config,
            |_, _| reply(200, &[], endless(b"{", &MORE)),
            "registry `HOST` sent more than 231 bytes for configuration",
        ),
        (is_config, |_, _| reply(200, &[], hanging(b"{")), "registry `HOST` took too long to send configuration"),
    ] {
        let fake = registry(is_meant, doing).await;
        let outcome = outcome(&fake, impatient()).await;
        let want = want.replace("231", &TestImage::usual().config.len().to_string());
        assert!(outcome.starts_with(&want), "{outcome}");
    }
}

/// `Accept-Encoding` is never sent, so what comes packed is not unpacked: a bomb stays small.
#[tokio::test(flavor = "multi_thread")]
async fn packed_answers_are_not_unpacked() {
    let fake = registry(is_manifest, |image, seen| {
        assert_eq!(seen.header("accept-encoding"), "");
        let bomb = gzip(&[&image.manifest[..], &vec![b' '; 8 << 20]].concat());
        reply(200, &[MANIFEST, ("content-encoding", "gzip")], bomb)
    })
    .await;
    assert_eq!(outcome(&fake, options().0).await, "the manifest of `HOST/app:v1` is malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_breaks_off_is_asked_for_again() {
    let fake = registry(is_manifest, |image, seen| match seen.before {
        0 | 1 => cut(200, &[MANIFEST], &image.manifest[..50], image.manifest.len()),
        _ => manifest(&image.manifest),
    })
    .await;
    assert_eq!(outcome(&fake, options().0).await, "the image");
    let fake =
        registry(is_manifest, |image, _| cut(200, &[MANIFEST], &image.manifest[..50], image.manifest.len())).await;
    assert_eq!(
        outcome(&fake, options().0).await,
        "registry `HOST` gave no proper answer to the request for image `HOST/app:v1`"
    );
    assert_eq!(fake.log().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_do_not_end_or_do_not_come_are_cut_off() {
    let size = TestImage::usual().blob.len();
    for (doing, want) in [
        // What comes beyond the size that the manifest promises is not waited for.
        ((|image, _| reply(200, &[], endless(&image.blob, &MORE))) as Doing, "the image".to_owned()),
        (|image, _| reply(200, &[], hanging(&image.blob[..100])), format!("100 of {size} bytes")),
        (|_, _| reply(404, &[], ""), "registry `HOST` has no layer".to_owned()),
        (|image, _| reply(200, &[("content-length", "10")], image.blob[..10].to_vec()), format!("10 of {size} bytes")),
    ] {
        let fake = registry(is_layer, doing).await;
        let outcome = outcome(&fake, impatient()).await;
        assert!(outcome.contains(&want), "{outcome}");
    }
}

/// The first 30,000 bytes of a layer.
fn broken_off(image: &TestImage) -> Answer {
    cut(200, &[], &image.blob[..30_000], image.blob.len())
}

/// Names a token service of the registry's own.
fn challenge(seen: &Seen, more: &str) -> Answer {
    let realm = format!("Bearer realm=\"http://{}/token\"{more}", seen.header("host"));
    reply(401, &[("www-authenticate", &realm)], "")
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_were_not_asked_for_are_not_taken() {
    // The first answer breaks off after 30,000 bytes; then:
    let size = TestImage::usual().blob.len();
    for (doing, want) in [
        // bytes from before the place, which are passed over,
        (
            (|image, seen| {
                if seen.range().is_none() {
                    return broken_off(image);
                }
                let range = format!("bytes 10000-{}/{}", image.blob.len() - 1, image.blob.len());
                reply(206, &[("content-range", &range)], image.blob[10_000..].to_vec())
            }) as Doing,
            "the image".to_owned(),
        ),
        // bytes from behind the place,
        (
            |image, seen| {
                if seen.range().is_none() {
                    return broken_off(image);
                }
                let range = format!("bytes 40000-{}/{}", image.blob.len() - 1, image.blob.len());
                reply(206, &[("content-range", &range)], image.blob[40_000..].to_vec())
            },
            format!("30000 of {size} bytes"),
        ),
        // bytes of which nothing says where they are from,
        (
            |image, seen| match seen.range() {
                None => broken_off(image),
                Some(_) => reply(206, &[("content-range", "bytes */*")], image.blob[30_000..].to_vec()),
            },
            format!("30000 of {size} bytes"),
        ),
        // others than those that are there.
        (
            |image, seen| match seen.range() {
                None => broken_off(image),
                Some(first) => {
                    let range = format!("bytes {first}-{}/{}", image.blob.len() - 1, image.blob.len());
                    let other: Vec<u8> = image.blob[first..].iter().map(|byte| !byte).collect();
                    reply(206, &[("content-range", &range)], other)
                }
            },
            "the layer's blob".to_owned(),
        ),
    ] {
        let fake = registry(is_layer, doing).await;
        let outcome = outcome(&fake, options().0).await;
        assert!(outcome.contains(&want) || want == "the layer's blob" && outcome.contains("digest"), "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_of_blobs_come_to_an_end() {
    for (doing, want) in [
        ((|_, seen| reply(307, &[("location", &seen.path)], "")) as Doing, "again and again"),
        (
            |_, seen| {
                let next = format!("http://{}{}?hop={}", seen.header("host"), seen.path, seen.before + 1);
                reply(302, &[("location", &next)], "")
            },
            "again and again",
        ),
        (|_, _| reply(307, &[("location", "file:///etc/passwd")], ""), "to an address that is neither HTTP nor HTTPS"),
        (|_, _| reply(307, &[("location", "gopher://127.0.0.1/")], ""), "to an address that is neither HTTP nor HTTPS"),
        (|_, _| reply(307, &[("location", "http://[::1")], ""), "to nowhere"),
        (|_, _| reply(307, &[], ""), "to nowhere"),
    ] {
        for is_meant in [is_config as fn(&TestImage, &Seen) -> bool, is_layer] {
            let fake = registry(is_meant, doing).await;
            let outcome = outcome(&fake, options().0).await;
            assert!(outcome.contains("redirected the request for") && outcome.ends_with(want), "{outcome}");
            assert!(fake.log().len() < 20, "{:?}", fake.log());
        }
    }
}

/// What only this machine can reach is not asked for by a registry that is elsewhere, and nothing of it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_the_link_or_to_the_metadata_service() {
    for target in ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://[fe80::1]/"] {
        let target = target.to_owned();
        let image = TestImage::usual();
        let fake = Fake::start({
            let target = target.clone();
            move |seen| {
                if is_config(&image, seen) { reply(307, &[("location", &target)], "") } else { serve(&image, seen) }
            }
        })
        .await;
        let refused = outcome(&fake, options().0).await;
        assert!(refused.contains("leads to"), "{target}: {refused}");
        let realm = format!("Bearer realm=\"{target}\"");
        let fake = Fake::start(move |_| reply(401, &[("www-authenticate", &realm)], "")).await;
        let refused = outcome(&fake, with_password("s3cret")).await;
        assert!(refused.contains("leads to"), "{target}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registries_that_always_ask_who_we_are_end() {
    let asked = |seen: &Seen| seen.path == "/token";
    // A token that is never enough,
    let token = r#"{"token":"t"}"#;
    let fake = Fake::start(move |seen| if asked(seen) { reply(200, &[], token) } else { challenge(seen, "") }).await;
    assert_eq!(outcome(&fake, with_password("s3cret")).await, "registry `HOST` refused the credentials for `app`");
    assert!(fake.log().len() <= 4, "{:?}", fake.log());
    // a token service that gives none,
    for (status, body, want) in [
        (404, "{}", "gave no token: it answered 404"),
        (200, "rubbish", "gave no token: the answer is no token"),
        (200, r#"{"token":"a\nb"}"#, "gave no token: it has bytes that no header has"),
        (200, r#"{"token":""}"#, "gave no token: the answer is no token"),
    ] {
        let service = format!(",service=\"{}\"", "x".repeat(5000));
        let answer = move |seen: &Seen| if asked(seen) { reply(status, &[], body) } else { challenge(seen, &service) };
        let outcome = outcome(&Fake::start(answer).await, options().0).await;
        assert!(outcome.ends_with(want), "{outcome}");
    }
    // one that does not end,
    let rubbish = || reply(200, &[], endless(b"{\"token\":\"", &MORE));
    let fake = Fake::start(move |seen| if asked(seen) { rubbish() } else { challenge(seen, "") }).await;
    assert_eq!(outcome(&fake, options().0).await, "registry `HOST` sent more than 4194304 bytes for a token");
    // and one that sends us on.
    let on = || reply(307, &[("location", "http://169.254.169.254/")], "");
    let fake = Fake::start(move |seen| if asked(seen) { on() } else { challenge(seen, "") }).await;
    let outcome = outcome(&fake, with_password("s3cret")).await;
    assert!(outcome.ends_with("gave no token: it answered 307"), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_shown_to_nobody_else() {
    let image = Arc::new(TestImage::usual());
    let other = Fake::start(|_| reply(200, &[], r#"{"token":"t"}"#)).await;
    // A token service elsewhere whose token for strangers is enough sees none; nor does one that a blob is redirected to.
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"x\"", other.host);
    let target = format!("http://{}/cdn", other.host);
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| match seen.header("authorization") {
            "Bearer t" if is_layer(&image, seen) => reply(307, &[("location", &target)], ""),
            "Bearer t" => serve(&image, seen),
            _ => reply(401, &[("www-authenticate", &realm)], ""),
        }
    })
    .await;
    let staged = fake.stage(with_password("s3cret")).await.unwrap();
    // What the other host gives is not the layer.
    drain_all(staged).await.unwrap_err();
    assert!(other.log().iter().any(|line| line.starts_with("/cdn")), "{:?}", other.log());
    assert!(other.log().iter().all(|line| !line.contains("Basic") && !line.contains("Bearer")), "{:?}", other.log());
}

/// Headers without end are refused by the HTTP client, which says so in words of its own.
#[tokio::test(flavor = "multi_thread")]
async fn headers_are_bounded() {
    let fake = registry(is_manifest, |image, _| {
        let large = "x".repeat(1 << 20);
        reply(200, &[MANIFEST, ("x-large", &large)], image.manifest.clone())
    })
    .await;
    assert_eq!(
        outcome(&fake, options().0).await,
        "registry `HOST` gave no proper answer to the request for image `HOST/app:v1`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_is_forgiven_and_other_bytes_are_not() {
    let fake =
        registry(is_manifest, |image, _| reply(200, &[("content-type", "text/plain")], image.manifest.clone())).await;
    assert_eq!(outcome(&fake, options().0).await, "the image");
    // By digest, a manifest that is nearly the same.
    let image = TestImage::usual();
    let by_digest = format!("app@{}", Digest::of(&image.manifest));
    let fake = registry(is_manifest, |image, _| manifest(&[&image.manifest[..], b" "].concat())).await;
    let error = fake.stage_named(&by_digest, options().0).await.map(|image| image.name).unwrap_err().to_string();
    assert!(error.starts_with("the manifest has the digest"), "{error}");
    let fake = registry(is_config, |image, _| {
        let other: Vec<u8> = image.config.iter().map(|byte| byte ^ 1).collect();
        reply(200, &[], other)
    })
    .await;
    assert!(outcome(&fake, options().0).await.starts_with("the configuration has the digest"));
}
