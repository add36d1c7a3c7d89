//! Registries, well-behaved and not, on the loopback interface.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use killick_fetch::credentials::Helpers;
use killick_fetch::{Environment, Source, StageOptions, stage};
use killick_model::digest::Digest;
use killick_model::hint::Hint as _;

use crate::fake::{Fake, Seen, cut, manifest, options, reply, serve, ticking, with_password};
use crate::made_images::{TestImage, config_of, drain_all, index_of, layer_error, manifest_of};

fn is_layer(image: &TestImage, seen: &Seen) -> bool {
    seen.path.ends_with(&Digest::of(&image.blob).hex())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_staged_and_verified() {
    let image = Arc::new(TestImage::usual());
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| serve(&image, seen)
    })
    .await;
    let staged = fake.stage(options().0).await.unwrap();
    assert_eq!(staged.manifest_digest, Digest::of(&image.manifest));
    assert_eq!(staged.config.architecture, "amd64");
    assert_eq!(staged.tags, [format!("{}/app:v1", fake.host)]);
    assert!(drain_all(staged.clone()).await.unwrap() == [image.tar.clone()]);
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()], "opened again");
    let by_digest = format!("app@{}", Digest::of(&image.manifest));
    assert_eq!(fake.stage_named(&by_digest, options().0).await.unwrap().manifest, image.manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_credentials_are_shown_when_asked_for() {
    let image = TestImage::usual();
    let fake = Fake::start(move |seen| match seen.header("authorization") {
        "Basic bWU6czNjcmV0" => serve(&image, seen),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await;
    let staged = fake.stage(with_password("s3cret")).await.unwrap();
    drain_all(staged).await.unwrap();
    assert_eq!(fake.log()[..2], ["/v2/app/manifests/v1", "/v2/app/manifests/v1 Basic bWU6czNjcmV0"]);
    assert_eq!(fake.refusal(with_password("wrong")).await, "registry `HOST` refused the credentials for `app`");
    assert_eq!(fake.refusal(options().0).await, "registry `HOST` refused anonymous access for `app`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_once_and_kept() {
    let image = TestImage::usual();
    let fake = Fake::start(move |seen| {
        if seen.path == "/token" {
            assert_eq!(seen.query, "scope=repository%3Aapp%3Apull&service=reg");
            return match seen.header("authorization") {
                "Basic bWU6czNjcmV0" | "" => reply(200, &[], r#"{"access_token":"t0k","expires_in":300}"#),
                _ => reply(401, &[], ""),
            };
        }
        let challenge = format!(
            "Bearer realm=\"http://{}/token\",service=\"reg\",scope=\"repository:app:pull\"",
            seen.header("host")
        );
        match seen.header("authorization") {
            "Bearer t0k" => serve(&image, seen),
            _ => reply(401, &[("www-authenticate", &challenge)], ""),
        }
    })
    .await;
    for options in [options().0, with_password("s3cret")] {
        let before = fake.log().len();
        drain_all(fake.stage(options).await.unwrap()).await.unwrap();
        let log = fake.log().split_off(before);
        assert_eq!(log.iter().filter(|line| line.starts_with("/token")).count(), 1, "{log:?}");
        assert_eq!(log.len(), 5);
    }
    assert_eq!(fake.refusal(with_password("wrong")).await, "registry `HOST` refused the credentials for `app`");
}

/// A registry whose token service is another server, which gives strangers what `for_strangers` says.
async fn with_token_service_elsewhere(for_strangers: (u16, &'static str), private: u16) -> (Fake, Fake) {
    let image = TestImage::usual();
    let service = Fake::start(move |seen| match (seen.header("authorization"), for_strangers) {
        ("", (200, token)) => reply(200, &[], format!(r#"{{"token":"{token}"}}"#)),
        ("", (status, _)) => reply(status, &[], ""),
        _ => reply(200, &[], r#"{"token":"known"}"#),
    })
    .await;
    let realm = format!("Bearer realm=\"http://{}/token\"", service.host);
    let registry = Fake::start(move |seen| match (seen.header("authorization"), private) {
        ("Bearer known", _) | ("Bearer stranger", 200) => serve(&image, seen),
        ("Bearer stranger", 401) | ("", _) => reply(401, &[("www-authenticate", &realm)], ""),
        (_, status) => reply(status, &[], ""),
    })
    .await;
    (registry, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_service_elsewhere_sees_credentials_only_where_they_are_needed() {
    let basic = "/token Basic bWU6czNjcmV0";
    for (for_strangers, private, want) in [
        ((200, "stranger"), 200, &["/token"] as &[_]),
        ((200, "stranger"), 401, &["/token", basic]),
        ((200, "stranger"), 403, &["/token", basic]),
        ((200, "stranger"), 404, &["/token", basic]),
        ((401, ""), 401, &["/token", basic]),
        ((403, ""), 401, &["/token", basic]),
    ] {
        let (registry, service) = with_token_service_elsewhere(for_strangers, private).await;
        drain_all(registry.stage(with_password("s3cret")).await.unwrap()).await.unwrap();
        assert_eq!(service.log(), want, "{for_strangers:?} {private}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_why_there_were_no_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs_err::write(&path, r#"{"credsStore":"none-such"}"#).unwrap();
    let with_file = || {
        let (mut options, _) = options();
        options.registry.credential_files = vec![path.clone()];
        options.registry.helpers = Some(Helpers::of(&Environment::default()));
        options
    };
    let fake = Fake::start(|_| reply(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let error = fake.stage(with_file()).await.map(|image| image.name).unwrap_err();
    assert_eq!(error.to_string().replace(&fake.host, "HOST"), "registry `HOST` refused anonymous access for `app`");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the credential helper `docker-credential-none-such` is not in the search path");
    // What is public is to be had all the same.
    let image = TestImage::usual();
    let fake = Fake::start(move |seen| serve(&image, seen)).await;
    fake.stage(with_file()).await.unwrap();
    fs_err::write(&path, format!(r#"{{"auths":{{"{}":{{"auth":"bWU6czNjcmV0"}}}}}}"#, fake.host)).unwrap();
    fake.stage(with_file()).await.unwrap();
    assert!(fake.log().iter().all(|line| !line.contains("Basic")), "nobody asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_claims_to_be_good_for_ever_is_taken() {
    let image = TestImage::usual();
    let fake = Fake::start(move |seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/token", _) => reply(200, &[], r#"{"token":"t0k","expires_in":18446744073709551615}"#),
        (_, "Bearer t0k") => serve(&image, seen),
        _ => {
            let challenge = format!("Bearer realm=\"http://{}/token\"", seen.header("host"));
            reply(401, &[("www-authenticate", &challenge)], "")
        }
    })
    .await;
    drain_all(fake.stage(ticking(Duration::from_secs(1)).0).await.unwrap()).await.unwrap();
    assert_eq!(fake.log().iter().filter(|line| line.starts_with("/token")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_challenges_are_named() {
    for (challenge, want) in [
        (
            "Negotiate",
            "registry `HOST` asks for authentication in a way that cannot be answered: neither Basic nor Bearer with a realm",
        ),
        (
            "Bearer realm=\"file:///etc/passwd\"",
            "registry `HOST` asks for authentication in a way that cannot be answered: its token service is less secure than the registry",
        ),
        (
            "Bearer realm=\"x\"",
            "registry `HOST` asks for authentication in a way that cannot be answered: its token service is no address",
        ),
        (
            "Bearer realm=\"http://HOST/rubbish\"",
            "the token service `http://HOST/rubbish` of registry `HOST` gave no token: the answer is no token",
        ),
        (
            "Bearer realm=\"http://HOST/none\"",
            "the token service `http://HOST/none` of registry `HOST` gave no token: it answered 404",
        ),
        ("Bearer realm=\"http://HOST/good\"", "registry `HOST` refused anonymous access for `app`"),
    ] {
        let fake = Fake::start(move |seen| match seen.path.as_str() {
            "/rubbish" => reply(200, &[], "<html>"),
            "/none" => reply(404, &[], ""),
            "/good" => reply(200, &[], r#"{"token":"t"}"#),
            _ => reply(401, &[("www-authenticate", &challenge.replace("HOST", seen.header("host")))], ""),
        })
        .await;
        assert_eq!(fake.refusal(options().0).await, want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_registries_are_asked_again() {
    let image = TestImage::usual();
    let fake = Fake::start(move |seen| match seen.before {
        0 => reply(429, &[("retry-after", "7")], ""),
        1 => reply(503, &[], ""),
        _ => serve(&image, seen),
    })
    .await;
    let (options, timer) = options();
    drain_all(fake.stage(options).await.unwrap()).await.unwrap();
    let each = [Duration::from_secs(7), Duration::from_millis(450)];
    assert_eq!(*timer.pauses.lock().unwrap(), [each, each, each].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_named_and_have_hints() {
    for (status, headers, pauses, want) in [
        (404, &[] as &[(&str, &str)], 0, "registry `HOST` has no image `HOST/app:v1`"),
        (403, &[], 0, "registry `HOST` refused anonymous access for `app`"),
        (
            429,
            &[("retry-after", "3600")],
            0,
            "registry `HOST` limits the rate of requests and asks to wait 3600 seconds",
        ),
        (429, &[], 3, "registry `HOST` limits the rate of requests"),
        (500, &[], 3, "registry `HOST` answered 500 to the request for image `HOST/app:v1`"),
        (400, &[], 0, "registry `HOST` answered 400 to the request for image `HOST/app:v1`"),
    ] {
        let fake = Fake::start(move |_| reply(status, headers, "")).await;
        let (options, timer) = options();
        let error = fake.stage(options).await.map(|image| image.name).unwrap_err();
        assert_eq!(error.to_string().replace(&fake.host, "HOST"), want);
        assert!(error.hint().is_some(), "{want}");
        assert_eq!(timer.pauses.lock().unwrap().len(), pauses, "{want}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_registry_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let fake = Fake { host, log: Arc::default() };
    assert_eq!(fake.refusal(options().0).await, "cannot reach registry `HOST`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_tls_is_named() {
    let fake = Fake::start(|_| reply(200, &[], "")).await;
    let source = Source::parse(&format!("registry:{}/app:v1", fake.host)).unwrap();
    let error = stage(&source, &options().0).await.map(|image| image.name).unwrap_err();
    assert_eq!(
        error.to_string().replace(&fake.host, "HOST"),
        "registry `HOST` answered in plain HTTP to an HTTPS request"
    );
    assert!(error.hint().unwrap().contains("--plain-http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_is_resumed_where_it_broke() {
    let image = Arc::new(TestImage::usual());
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| {
            let size = image.blob.len();
            match (is_layer(&image, seen), seen.before, seen.range()) {
                (true, 0, None) => cut(200, &[], &image.blob[..30_000], size),
                (true, 1, Some(first)) => {
                    let range = format!("bytes {first}-{}/{size}", size - 1);
                    cut(206, &[("content-range", &range)], &image.blob[first..first + 10_000], size - first)
                }
                _ => serve(&image, seen),
            }
        }
    })
    .await;
    let (options, timer) = options();
    let staged = fake.stage(options).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    let ranges: Vec<String> =
        fake.log().iter().filter_map(|line| Some(line.split_once("bytes=")?.1.to_owned())).collect();
    assert_eq!(ranges, ["30000-", "40000-"]);
    assert_eq!(timer.pauses.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_ranges_is_coped_with() {
    let image = Arc::new(TestImage::usual());
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| match (is_layer(&image, seen), seen.before) {
            (true, 0) => cut(200, &[], &image.blob[..30_000], image.blob.len()),
            (true, _) => reply(200, &[], image.blob.clone()),
            _ => serve(&image, seen),
        }
    })
    .await;
    let staged = fake.stage(options().0).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_always_breaks_ends() {
    let image = Arc::new(TestImage::usual());
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| {
            if is_layer(&image, seen) {
                cut(200, &[], &image.blob[..30_000], image.blob.len())
            } else {
                serve(&image, seen)
            }
        }
    })
    .await;
    let error = drain_all(fake.stage(options().0).await.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("broke off while sending layer"), "{error}");
    assert!(error.to_string().contains(&format!("30000 of {} bytes", image.blob.len())), "{error}");
}

/// A registry whose layer comes in many small pieces, which a clock that moves on with each look makes slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_comes_in_drops_is_given_up() {
    let image = Arc::new(TestImage::usual());
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| match (is_layer(&image, seen), seen.range()) {
            (true, first) => {
                let size = image.blob.len();
                let first = first.unwrap_or_default();
                let range = format!("bytes {first}-{}/{size}", size - 1);
                let status = if first == 0 { 200 } else { 206 };
                let end = (first + 1000).min(size);
                cut(status, &[("content-range", &range)], &image.blob[first..end], size - first)
            }
            _ => serve(&image, seen),
        }
    })
    .await;
    for (step, least, longest, want) in [
        (20, 32 << 10, 3600, Some("took too long to send layer")),
        (20, 0, 90, Some("took too long to send layer")),
        (0, 32 << 10, 3600, None),
    ] {
        let mut options = ticking(Duration::from_secs(step)).0;
        options.registry.timeouts.layer_bytes_per_second = least;
        options.registry.timeouts.layer = Duration::from_secs(longest);
        options.registry.retry.resumes = 10_000;
        let result = drain_all(fake.stage(options).await.unwrap()).await.map(drop).map_err(|error| error.to_string());
        match want {
            Some(want) => assert!(result.clone().unwrap_err().contains(want), "{result:?}"),
            None => assert_eq!(result, Ok(())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_are_not_the_promised_ones_are_found_out() {
    let image = Arc::new(TestImage::usual());
    let mut other = image.blob.clone();
    other[50_000] ^= 1;
    let longer = [&image.blob[..], b"more"].concat();
    for (blob, want) in [(other, "WrongDigest"), (longer, "TooLong")] {
        let image = Arc::clone(&image);
        let fake =
            Fake::start(
                move |seen| {
                    if is_layer(&image, seen) { reply(200, &[], blob.clone()) } else { serve(&image, seen) }
                },
            )
            .await;
        let result = drain_all(fake.stage(options().0).await.unwrap()).await;
        assert_eq!(layer_error(result.map(|_| Vec::new())), want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_not_the_promised_ones_are_refused() {
    let image = Arc::new(TestImage::usual());
    let zero = format!("sha256:{}", "0".repeat(64));
    for (what, want) in [
        ("header", format!("the manifest has the digest `{}` instead of `{zero}`", Digest::of(&image.manifest))),
        (
            "config",
            format!("the configuration `{}` has 1 bytes instead of {}", Digest::of(&image.config), image.config.len()),
        ),
        ("large", "registry `HOST` sent more than 4194304 bytes for image `HOST/app:v1`".to_owned()),
        (
            "schema1",
            "`HOST/app:v1` is only available as a Docker manifest of schema 1, which cannot be verified".to_owned(),
        ),
        ("html", "the manifest of `HOST/app:v1` has the unsupported media type `text/html`".to_owned()),
    ] {
        let (image, zero) = (Arc::clone(&image), zero.clone());
        let fake = Fake::start(move |seen| match (what, seen.path.contains("/manifests/")) {
            ("header", true) => reply(200, &[("docker-content-digest", &zero)], image.manifest.clone()),
            ("large", true) => reply(200, &[], vec![b' '; 5 << 20]),
            ("schema1", true) => reply(
                200,
                &[("content-type", "application/vnd.docker.distribution.manifest.v1+prettyjws")],
                r#"{"schemaVersion":1}"#,
            ),
            ("html", true) => reply(200, &[("content-type", "text/html")], "<html>"),
            ("config", false) => reply(200, &[], "x"),
            _ => serve(&image, seen),
        })
        .await;
        assert_eq!(fake.refusal(options().0).await, want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let image = Arc::new(TestImage::usual());
    let other = Fake::start({
        let image = Arc::clone(&image);
        move |seen| serve(&image, seen)
    })
    .await;
    let target = other.host.clone();
    let fake = Fake::start({
        let image = Arc::clone(&image);
        move |seen| match seen.header("authorization") {
            "Basic bWU6czNjcmV0" if seen.path.contains("/blobs/") => {
                reply(307, &[("location", &format!("http://{target}{}", seen.path))], "")
            }
            "Basic bWU6czNjcmV0" => serve(&image, seen),
            _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        }
    })
    .await;
    let staged = fake.stage(with_password("s3cret")).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    assert_eq!(other.log().len(), 2);
    assert!(other.log().iter().all(|line| !line.contains("Basic")), "{:?}", other.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_come_to_an_end() {
    for (location, want) in [
        ("/v2/app/manifests/v1", "registry `HOST` redirected the request for image `HOST/app:v1` again and again"),
        (
            "file:///etc/passwd",
            "registry `HOST` redirected the request for image `HOST/app:v1` to an address that is neither HTTP nor HTTPS",
        ),
    ] {
        let fake = Fake::start(move |_| reply(307, &[("location", location)], "")).await;
        assert_eq!(fake.refusal(options().0).await, want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wanted_platform_is_fetched() {
    let amd = TestImage::usual();
    let config = config_of(&[&amd.tar], "arm64");
    let arm = TestImage { manifest: manifest_of(&config, &[&amd.blob]), config, ..TestImage::usual() };
    let index = index_of(&[
        (&amd.manifest, "linux/amd64", None),
        (&arm.manifest, "linux/arm64", None),
        (b"attestation", "unknown/unknown", None),
    ]);
    let (index_digest, arm_digest) = (Digest::of(&index), Digest::of(&arm.manifest));
    let fake = Fake::start(move |seen| {
        if seen.path == "/v2/app/manifests/v1" {
            return manifest(&index);
        }
        let answer = serve(&arm, seen);
        if answer.status() == StatusCode::NOT_FOUND { serve(&amd, seen) } else { answer }
    })
    .await;
    let choose = |platform: &str| StageOptions { platform: Some(platform.parse().unwrap()), ..options().0 };
    let staged = fake.stage(choose("linux/arm64")).await.unwrap();
    assert_eq!((staged.manifest_digest, staged.index.unwrap().0), (arm_digest, index_digest));
    assert_eq!(staged.config.architecture, "arm64");
    assert_eq!(
        fake.refusal(choose("linux/s390x")).await,
        "`HOST/app:v1` has no image for `linux/s390x`: it has `linux/amd64`, `linux/arm64`"
    );
}
