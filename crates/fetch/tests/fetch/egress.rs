//! Where a registry may send us, and whether it takes a login.

use std::net::IpAddr;
use std::sync::Arc;

use killick_fetch::egress::{Egress, Lookup, Names};
use killick_fetch::registry::{RegistryError, log_in};
use killick_fetch::{Credentials, RegistryOptions, Source, StageOptions, stage};
use killick_model::hint::Hint as _;

use crate::fake::{Fake, options, reply, serve, with_password};
use crate::made_images::{TestImage, drain_all};

/// A name server of our own.
struct Hosts(&'static [(&'static str, &'static str)]);

impl Lookup for Hosts {
    fn addresses<'a>(&'a self, name: &'a str) -> Names<'a> {
        let of_name = self.0.iter().filter(|(other, _)| *other == name);
        let found: Vec<IpAddr> = of_name.map(|(_, address)| address.parse().unwrap()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

const HOSTS: Hosts =
    Hosts(&[("r.example", "127.0.0.1"), ("cdn.example", "127.0.0.1"), ("meta.example", "169.254.169.254")]);

fn egress(allowed: &[&str]) -> Egress {
    let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
    Egress { allowed, lookup: Arc::new(HOSTS), ..Egress::default() }
}

/// Stages `app:v1` from `name`, which is where `fake` is.
async fn stage_by_name(fake: &Fake, name: &str, egress: Egress) -> Result<Vec<Vec<u8>>, String> {
    let port = fake.host.rsplit_once(':').unwrap().1;
    let mut options: StageOptions = options().0;
    options.registry.plain_http = true;
    options.registry.egress = egress;
    let source = Source::parse(&format!("registry:{name}:{port}/app:v1")).unwrap();
    let staged = stage(&source, &options).await.map_err(|error| error.to_string())?;
    drain_all(staged).await.map_err(|error| error.to_string())
}

/// A registry whose blobs are at another host.
async fn with_blobs_at(host: &'static str) -> (Fake, TestImage) {
    let image = TestImage::usual();
    let served = TestImage::usual();
    let fake = Fake::start(move |seen| {
        let port = seen.header("host").rsplit_once(':').unwrap().1;
        if seen.path.contains("/blobs/") && !seen.header("host").starts_with("cdn.") {
            return reply(307, &[("location", &format!("http://{host}:{port}{}", seen.path))], "");
        }
        serve(&served, seen)
    })
    .await;
    (fake, image)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_to_where_the_registry_is_itself() {
    let (fake, image) = with_blobs_at("cdn.example").await;
    assert_eq!(stage_by_name(&fake, "r.example", egress(&[])).await, Ok(vec![image.tar]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_name_of_the_metadata_service_is_refused() {
    let (fake, _) = with_blobs_at("meta.example").await;
    let error = stage_by_name(&fake, "r.example", egress(&[])).await.unwrap_err();
    let want = "leads to `meta.example`, an address of the local link or a cloud's metadata service";
    assert!(error.ends_with(want), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_service_named_like_the_metadata_service_is_refused() {
    let fake = Fake::start(|_| {
        reply(401, &[("www-authenticate", "Bearer realm=\"http://meta.example/latest/meta-data\"")], "")
    })
    .await;
    let error = stage_by_name(&fake, "r.example", egress(&[])).await.unwrap_err();
    assert!(error.contains("leads to `meta.example`"), "{error}");
    assert_eq!(fake.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_not_allowed_are_not_asked() {
    let (fake, image) = with_blobs_at("cdn.example").await;
    let error = stage_by_name(&fake, "r.example", egress(&["r.example"])).await.unwrap_err();
    assert!(error.ends_with("leads to `cdn.example`, which is not among the allowed hosts"), "{error}");
    let error = stage_by_name(&fake, "r.example", egress(&["cdn.example"])).await.unwrap_err();
    assert!(error.ends_with("leads to `r.example`, which is not among the allowed hosts"), "{error}");
    assert_eq!(stage_by_name(&fake, "r.example", egress(&["*.example"])).await, Ok(vec![image.tar]));
}

async fn log_in_to(fake: &Fake, options: StageOptions) -> Result<(), RegistryError> {
    log_in(&fake.host, &RegistryOptions { plain_http: true, ..options.registry }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_tried_with_the_credentials_only_where_they_are_asked_for() {
    let fake = Fake::start(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v2/", "Basic bWU6czNjcmV0") => reply(200, &[], "{}"),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await;
    assert!(log_in_to(&fake, with_password("s3cret")).await.is_ok());
    assert_eq!(fake.log(), ["/v2/", "/v2/ Basic bWU6czNjcmV0"]);
    for (options, want) in
        [(with_password("wrong"), "refused the credentials"), (options().0, "refused anonymous access")]
    {
        let error = log_in_to(&fake, options).await.unwrap_err();
        assert!(error.to_string().ends_with(want), "{error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_token_asks_for_no_repository() {
    let fake = Fake::start(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/token", "Basic bWU6czNjcmV0") => {
            assert_eq!(seen.query, "service=reg");
            reply(200, &[], r#"{"token":"mine"}"#)
        }
        ("/token", "") => reply(200, &[], r#"{"token":"anyones"}"#),
        ("/v2/", "Bearer mine") => reply(200, &[], "{}"),
        ("/v2/", _) => {
            let challenge = format!("Bearer realm=\"http://{}/token\",service=\"reg\"", seen.header("host"));
            reply(401, &[("www-authenticate", &challenge)], "")
        }
        _ => reply(401, &[], ""),
    })
    .await;
    assert!(log_in_to(&fake, with_password("s3cret")).await.is_ok());
    // That anyone's token opens nothing says nothing about a login that is none.
    assert!(log_in_to(&fake, options().0).await.is_ok());
    let error = log_in_to(&fake, with_password("wrong")).await.unwrap_err();
    assert!(error.to_string().ends_with("refused the credentials"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_shown_neither_to_another_host_nor_to_what_is_no_registry() {
    let other = Fake::start(|_| reply(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let target = format!("http://{}/v2/", other.host);
    let fake = Fake::start(move |_| reply(307, &[("location", &target)], "")).await;
    assert!(log_in_to(&fake, with_password("s3cret")).await.is_err());
    assert!(other.log().iter().all(|line| !line.contains("Basic")), "{:?}", other.log());

    let fake = Fake::start(|_| reply(404, &[], "")).await;
    let error = log_in_to(&fake, with_password("s3cret")).await.unwrap_err();
    assert_eq!(error.to_string().replace(&fake.host, "HOST"), "`HOST` answers 404 and is no registry of version 2");
    assert_eq!(fake.log(), ["/v2/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_kind_are_none_for_basic() {
    let fake = Fake::start(|_| reply(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let mut options = options().0;
    options.registry.credentials = Some(Credentials::IdentityToken("t".into()));
    let error = log_in_to(&fake, options).await.unwrap_err();
    assert!(error.to_string().ends_with("refused the credentials"), "{error}");
}
