//! Tags that are watched, and tags that move.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use killick_fetch::registry::{TagState, poll};
use killick_model::digest::Digest;
use killick_model::reference::Reference;

use crate::fake::{Answer, Fake, manifest, options, reply, serve};
use crate::made_images::TestImage;

/// How a registry answers HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Right,
    /// With an `ETag`, and 304 where it fits.
    Etag,
    WithoutDigest,
    WrongDigest,
    /// Says that it is what is known, and gives another length.
    WrongLength,
    NotAllowed,
    NotFound,
}

fn answer(kind: Head, image: &TestImage, seen: &crate::fake::Seen) -> Answer {
    let digest = Digest::of(&image.manifest).to_string();
    let zero = format!("sha256:{}", "0".repeat(64));
    let length = image.manifest.len().to_string();
    let headers = |digest: &str, length: &str| {
        let pairs = [("docker-content-digest", digest), ("content-length", length), ("etag", "\"one\"")];
        reply(200, &pairs, "")
    };
    if seen.method == "GET" {
        return manifest(&image.manifest);
    }
    match kind {
        Head::Etag if seen.header("if-none-match") == "\"one\"" => reply(304, &[], ""),
        Head::Right | Head::Etag => headers(&digest, &length),
        Head::WithoutDigest => reply(200, &[("content-length", &length)], ""),
        Head::WrongDigest => headers(&zero, &length),
        Head::WrongLength => headers(&digest, "7"),
        Head::NotAllowed => reply(405, &[], ""),
        Head::NotFound => reply(404, &[], ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_as_cheaply_as_the_registry_allows() {
    let image = Arc::new(TestImage::usual());
    let actual = Digest::of(&image.manifest);
    let size = Some(image.manifest.len() as u64);
    let same = TagState { digest: actual.clone(), size, etag: None };
    let with_etag = TagState { etag: Some("\"one\"".to_owned()), ..same.clone() };
    let other = TagState { digest: Digest::of(b"other"), size: Some(5), etag: None };
    for (kind, known, changed, requests) in [
        (Head::Right, Some(&same), false, &["HEAD"] as &[_]),
        (Head::Etag, Some(&with_etag), false, &["HEAD"]),
        (Head::Right, Some(&other), true, &["HEAD", "GET"]),
        (Head::Right, None, true, &["HEAD", "GET"]),
        (Head::WithoutDigest, Some(&same), false, &["HEAD", "GET"]),
        (Head::WithoutDigest, Some(&other), true, &["HEAD", "GET"]),
        (Head::WrongDigest, Some(&same), false, &["HEAD", "GET"]),
        (Head::WrongLength, Some(&same), false, &["HEAD", "GET"]),
        (Head::NotAllowed, Some(&same), false, &["HEAD", "GET"]),
        (Head::NotFound, Some(&other), true, &["HEAD", "GET"]),
    ] {
        let methods = Arc::new(std::sync::Mutex::new(Vec::new()));
        let fake = Fake::start({
            let (image, methods) = (Arc::clone(&image), Arc::clone(&methods));
            move |seen| {
                methods.lock().unwrap().push(seen.method.clone());
                answer(kind, &image, seen)
            }
        })
        .await;
        let mut options = options().0;
        options.registry.plain_http = true;
        let reference: Reference = format!("{}/app:v1", fake.host).parse().unwrap();
        let polled = poll(&reference, known, &options).await.unwrap();
        assert_eq!(polled.changed.map(|state| state.digest), changed.then(|| actual.clone()), "{kind:?} {known:?}");
        assert_eq!(*methods.lock().unwrap(), requests, "{kind:?} {known:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_gone_is_an_error() {
    let fake = Fake::start(|_| reply(404, &[], "")).await;
    let mut options = options().0;
    options.registry.plain_http = true;
    let reference: Reference = format!("{}/app:v1", fake.host).parse().unwrap();
    let error = poll(&reference, None, &options).await.unwrap_err();
    assert!(error.to_string().ends_with("/app:v1`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_during_a_pull_is_noticed() {
    let (first, second) = (Arc::new(TestImage::usual()), TestImage::new(b"x".to_vec(), b"x".to_vec()));
    let moved = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start({
        let (first, moved) = (Arc::clone(&first), Arc::clone(&moved));
        let second = second.manifest.clone();
        move |seen| match seen.path.as_str() {
            "/v2/app/manifests/v1" if moved.load(Ordering::SeqCst) == 1 => manifest(&second),
            _ => serve(&first, seen),
        }
    })
    .await;
    let staged = fake.stage(options().0).await.unwrap();
    let name = staged.surroundings.name.clone().unwrap();
    let ask = move || {
        tokio::task::spawn_blocking({
            let name = Arc::clone(&name);
            move || name.moved_to().unwrap()
        })
    };
    assert_eq!(ask().await.unwrap(), None);
    moved.store(1, Ordering::SeqCst);
    assert_eq!(ask().await.unwrap(), Some(Digest::of(&second.manifest)));
    // What was staged is read by its digests all the same.
    assert!(crate::made_images::drain_all(staged).await.unwrap() == [first.tar.clone()]);
    let by_digest = fake.stage_named(&format!("app@{}", Digest::of(&first.manifest)), options().0).await.unwrap();
    assert!(by_digest.surroundings.name.is_none(), "a digest does not move");
}
