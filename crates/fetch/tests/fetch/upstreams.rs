//! Ways to a registry: mirrors, proxies, certificates, and layers that are elsewhere.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderName, HeaderValue};
use killick_fetch::http::Proxy;
use killick_fetch::progress::{Event, Progress};
use killick_fetch::registry::mirrors::{MirrorArgument, MirrorFor, MirrorRule, merge};
use killick_fetch::{Credentials, Source, StageError, StageOptions, stage};
use killick_model::digest::Digest;
use killick_model::hint::Hint as _;
use killick_model::image::StagedImage;
use secrecy::{SecretSlice, SecretString};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, cut, options, reply, serve, with_password};
use crate::made_images::{TestImage, descriptor, drain_all};
use crate::tls;

/// A registry with one image that wants a password.
async fn private(image: &Arc<TestImage>) -> Fake {
    let image = Arc::clone(image);
    Fake::start(move |seen| match seen.header("authorization") {
        "Basic bWU6czNjcmV0" => serve(&image, seen),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await
}

fn mirrored(registry: &Fake, mirrors: &[&Fake], mut options: StageOptions) -> StageOptions {
    let argument =
        |mirror: &&Fake| format!("{}=http://{}", registry.host, mirror.host).parse::<MirrorArgument>().unwrap();
    options.registry.mirrors = merge(mirrors.iter().map(argument));
    options
}

/// What of the log was asked for, shortened.
fn asked(fake: &Fake) -> Vec<String> {
    let short = |line: String| {
        let mut words = line.split(' ');
        let path = words.next().unwrap_or_default().trim_start_matches("/v2/app/");
        let path = if path.len() > 20 { &path[..20] } else { path };
        [path].into_iter().chain(words).collect::<Vec<_>>().join(" ")
    };
    fake.log().into_iter().map(short).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_asked_first_and_alone() {
    let image = Arc::new(TestImage::usual());
    let registry = private(&image).await;
    let mirror = Fake::start({
        let image = Arc::clone(&image);
        move |seen| serve(&image, seen)
    })
    .await;
    let staged = registry.stage(mirrored(&registry, &[&mirror], with_password("s3cret"))).await.unwrap();
    assert_eq!(staged.name, format!("{}/app:v1", registry.host));
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    assert!(registry.log().is_empty(), "{:?}", registry.log());
    assert!(mirror.log().iter().all(|line| !line.contains("Basic")), "credentials are the registry's");
    assert_eq!(mirror.log().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mirror_does_not_have_comes_from_the_registry() {
    let image = Arc::new(TestImage::usual());
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let gone = Fake { host: gone, log: Arc::default() };
    let broken = Fake::start(|_| reply(500, &[], "")).await;
    let empty = Fake::start(|_| reply(404, &[], "{}")).await;
    let closed = Fake::start(|_| reply(403, &[], "")).await;
    let lying = Fake::start(|_| reply(200, &[("content-type", "text/html")], "<html>")).await;
    for mirror in [&gone, &broken, &empty, &closed] {
        let registry = private(&image).await;
        let staged = registry.stage(mirrored(&registry, &[mirror], with_password("s3cret"))).await.unwrap();
        assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
        assert_eq!(asked(&registry).len(), 4, "{:?}", asked(&registry));
    }
    // By digest, a wrong answer is as good as none.
    let registry = private(&image).await;
    let by_digest = format!("app@{}", Digest::of(&image.manifest));
    let options = mirrored(&registry, &[&lying], with_password("s3cret"));
    let staged = registry.stage_named(&by_digest, options).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    // What the registry says counts more than what a mirror says.
    let registry = Fake::start(|_| reply(404, &[], "{}")).await;
    let refusal = registry.refusal(mirrored(&registry, &[&broken], options_only())).await;
    assert_eq!(refusal, "registry `HOST` has no image `HOST/app:v1`");
}

fn options_only() -> StageOptions {
    options().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_a_mirror_breaks_off_is_finished_by_the_registry() {
    let image = Arc::new(TestImage::usual());
    let registry = private(&image).await;
    let mirror = Fake::start({
        let image = Arc::clone(&image);
        move |seen| {
            let is_layer = seen.path.ends_with(&Digest::of(&image.blob).hex());
            match (is_layer, seen.range()) {
                (true, None) => cut(200, &[], &image.blob[..30_000], image.blob.len()),
                (true, Some(first)) => {
                    let range = format!("bytes {first}-{}/{}", image.blob.len() - 1, image.blob.len());
                    cut(206, &[("content-range", &range)], b"", image.blob.len() - first)
                }
                _ => serve(&image, seen),
            }
        }
    })
    .await;
    let staged = registry.stage(mirrored(&registry, &[&mirror], with_password("s3cret"))).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    let log = asked(&registry);
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[1].ends_with("bytes=30000-"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_serve_what_they_are_for() {
    let image = Arc::new(TestImage::usual());
    for (serves, at_registry, at_mirror) in [(MirrorFor::Digests, 2, 2), (MirrorFor::Tags, 3, 1)] {
        let registry = private(&image).await;
        let mirror = Fake::start({
            let image = Arc::clone(&image);
            move |seen| serve(&image, seen)
        })
        .await;
        let mut options = mirrored(&registry, &[&mirror], with_password("s3cret"));
        for rule in &mut options.registry.mirrors {
            for mirror in &mut rule.mirrors {
                mirror.serves = serves;
            }
        }
        drain_all(registry.stage(options).await.unwrap()).await.unwrap();
        // The registry is asked once without the password each time it is new to it.
        assert_eq!((asked(&registry).len(), asked(&mirror).len()), (at_registry, at_mirror), "{serves:?}");
    }
    let registry = private(&image).await;
    let mut options = with_password("s3cret");
    let blocked = MirrorRule { is_blocked: true, ..MirrorRule::new(registry.host.clone(), Vec::new()) };
    options.registry.mirrors = vec![blocked];
    assert_eq!(registry.refusal(options).await, "images of `HOST/app` are blocked by a rule for registries");
    assert!(registry.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy() {
    let image = Arc::new(TestImage::usual());
    let proxy = Fake::start({
        let image = Arc::clone(&image);
        move |seen| match (seen.host.as_str(), seen.header("proxy-authorization")) {
            ("registry.example", "Basic bWU6cHc=") => serve(&image, seen),
            ("registry.example", _) => reply(407, &[], ""),
            _ => reply(502, &[], ""),
        }
    })
    .await;
    let source = Source::parse("registry:registry.example/app:v1").unwrap();
    let through = |url: String, except: &[&str]| {
        let mut options = options_only();
        options.registry.plain_http = true;
        let except = except.iter().map(|name| (*name).to_owned()).collect();
        options.registry.proxy = Proxy::Given { url: SecretString::from(url), except };
        options
    };
    let with_password = format!("http://me:pw@{}", proxy.host);
    let staged = stage(&source, &through(with_password.clone(), &[])).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    assert_eq!(proxy.log().len(), 3);
    let refused = |options| {
        let source = source.clone();
        async move { stage(&source, &options).await.map(|image| image.name).unwrap_err().to_string() }
    };
    let closed = refused(through(format!("http://{}", proxy.host), &[])).await;
    assert_eq!(closed, "registry `registry.example` answered 407 to the request for image `registry.example/app:v1`");
    let before = proxy.log().len();
    let registry = Fake::start({
        let image = Arc::clone(&image);
        move |seen| serve(&image, seen)
    })
    .await;
    let host = registry.host.split(':').next().unwrap();
    registry.stage(through(with_password, &[host])).await.unwrap();
    assert_eq!(proxy.log().len(), before, "not for what is excepted");
    assert_eq!(refused(through("no proxy".to_owned(), &[])).await, "cannot speak to registry `registry.example`");
}

/// Where this repository has its certificates.
fn certificate(name: &str) -> Vec<u8> {
    fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_shown_and_trusted() {
    let image = Arc::new(TestImage::usual());
    let open = tls::start(&image, false).await;
    let strict = tls::start(&image, true).await;
    let result = |host: String, options: StageOptions| async move {
        let source = Source::parse(&format!("registry:{host}/app:v1")).unwrap();
        let staged: Result<StagedImage, StageError> = stage(&source, &options).await;
        match staged {
            Ok(staged) => drain_all(staged).await.map(|_| "read".to_owned()).unwrap(),
            Err(error) => error.to_string().replace(&host, "HOST"),
        }
    };
    let unknown = "the TLS certificate of registry `HOST` cannot be verified";
    assert_eq!(result(open.clone(), options_only()).await, unknown);
    let mut trusting = options_only();
    trusting.registry.extra_ca_pem = Some(certificate("ca.crt"));
    assert_eq!(result(open.clone(), trusting.clone()).await, "read");
    let without = result(strict.clone(), trusting.clone()).await;
    assert_ne!(without, "read", "it wants to know who we are");
    let mut known = trusting.clone();
    known.registry.identity_pem =
        Some(SecretSlice::from([certificate("client.cert"), certificate("client.key")].concat()));
    assert_eq!(result(strict.clone(), known).await, "read");
    // The same from a folder, of the registry's own name and port.
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(&strict);
    fs_err::create_dir(&own).unwrap();
    for name in ["ca.crt", "client.cert", "client.key"] {
        fs_err::write(own.join(name), certificate(name)).unwrap();
    }
    let mut from_folder = options_only();
    from_folder.registry.certificate_folders = vec!["/none".into(), folder.path().to_owned()];
    assert_eq!(result(strict.clone(), from_folder.clone()).await, "read");
    assert_eq!(result(open, from_folder.clone()).await, unknown, "another port is another registry");
    fs_err::remove_file(own.join("client.key")).unwrap();
    let missing = result(strict, from_folder).await;
    assert!(missing.starts_with("cannot read the certificates for registry `HOST` in `"), "{missing}");
}

/// An image whose layer is said to be at `urls` only.
fn foreign(image: &TestImage, urls: &[String]) -> Vec<u8> {
    let mut layer = descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", &image.blob);
    layer["urls"] = json!(urls);
    let manifest: Value = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &image.config), "layers": [layer],
    });
    manifest.to_string().into_bytes()
}

async fn without_the_layer(image: &Arc<TestImage>, urls: Vec<String>) -> Fake {
    let image = Arc::clone(image);
    Fake::start(move |seen| match seen.header("authorization") {
        "Basic bWU6czNjcmV0" if seen.path.ends_with(&Digest::of(&image.blob).hex()) => reply(404, &[], "{}"),
        "Basic bWU6czNjcmV0" if seen.path.contains("/manifests/") => {
            let bytes =
                foreign(&image, &urls.iter().map(|url| url.replace("HOST", seen.header("host"))).collect::<Vec<_>>());
            reply(200, &[("content-type", "application/vnd.oci.image.manifest.v1+json")], bytes)
        }
        "Basic bWU6czNjcmV0" => serve(&image, seen),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_layers_are_fetched_only_if_wanted() {
    let image = Arc::new(TestImage::usual());
    let elsewhere = Fake::start({
        let image = Arc::clone(&image);
        move |seen| match seen.path.as_str() {
            "/layer" => reply(200, &[], image.blob.clone()),
            "/other" => reply(200, &[], vec![b'x'; image.blob.len()]),
            _ => reply(404, &[], ""),
        }
    })
    .await;
    let at = |path: &str| format!("http://{}/{path}", elsewhere.host);
    let registry = without_the_layer(&image, vec![at("none"), "file:///etc/passwd".to_owned(), at("layer")]).await;
    let refusal = registry.stage(with_password("s3cret")).await.map(|image| image.name).unwrap_err();
    assert!(refusal.to_string().contains("is foreign"), "{refusal}");
    assert!(refusal.hint().is_some());
    assert!(elsewhere.log().is_empty());
    let wanted = || StageOptions { foreign_layers: true, ..with_password("s3cret") };
    let staged = registry.stage(wanted()).await.unwrap();
    assert!(drain_all(staged).await.unwrap() == [image.tar.clone()]);
    assert_eq!(elsewhere.log(), ["/none", "/layer"], "as a stranger");
    for (urls, want) in [
        (vec![at("other")], "have the digest"),
        (vec![at("none")], "has no layer"),
        // It would be asked with our password for something that is no layer.
        (vec!["http://HOST/v2/secret".to_owned()], "has no layer"),
        (vec!["http://169.254.169.254/".to_owned()], "has no layer"),
    ] {
        let registry = without_the_layer(&image, urls.clone()).await;
        let error = drain_all(registry.stage(wanted()).await.unwrap()).await.unwrap_err().to_string();
        assert!(error.contains(want), "{urls:?}: {error}");
        assert!(!registry.log().iter().any(|line| line.contains("secret")), "{:?}", registry.log());
    }
}

/// Hears of rate limits.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Progress for Listener {
    fn report(&self, event: Event<'_>) {
        if let Event::RateLimit { rate, .. } = event {
            self.0.lock().unwrap().push(rate.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_are_told() {
    let image = TestImage::usual();
    let rates = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")];
    let fake = Fake::start(move |seen| {
        if seen.path.contains("/manifests/") {
            let mut answer: Answer = serve(&image, seen);
            answer
                .headers_mut()
                .extend(rates.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
            return answer;
        }
        reply(429, &[rates[0], rates[1], ("retry-after", "3600")], "")
    })
    .await;
    let listener = Arc::new(Listener::default());
    let options = StageOptions { progress: Some(listener.clone()), ..options_only() };
    assert_eq!(
        fake.refusal(options).await,
        "registry `HOST` limits the rate of requests (0 of 100 requests left in 6 hours) and asks to wait 3600 seconds"
    );
    assert_eq!(*listener.0.lock().unwrap(), ["0 of 100 requests left in 6 hours"; 2]);
}

#[test]
fn credentials_show_no_secret() {
    assert_eq!(format!("{:?}", Credentials::password("me", "s3cret")), "Password(me)");
}
