//! How this service speaks to registries: which record applies, and in which order TLS and plain HTTP are tried.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;
use killick_fetch::registry::{RegistryError, RegistryOptions, Retry, Timeouts};
use killick_fetch::{Credentials, Source, StageError, StageOptions, stage};
use killick_model::hint::Hint as _;
use killick_model::image::StagedImage;
use killick_model::reference::Reference;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::config::RegistriesConfig;
use crate::records::RegistryLogin;

/// How to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    /// TLS, certificates verified.
    Verified,
    /// TLS, any certificate.
    Unverified,
    /// No TLS.
    Plain,
}

/// Stages an image from its registry with what the account stored for it.
pub(crate) async fn fetch(app: &App, account: &str, reference: &Reference) -> Result<StagedImage, StageError> {
    let name = format!("{}/{}", reference.registry, reference.repository);
    let login = app.records().login(account, &name).await.ok().flatten();
    let source = Source::Registry(reference.clone());
    let transports = transports(&app.config().registries, &reference.registry, login.as_ref());
    let mut last = None;
    for transport in transports {
        let options = options(app, login.as_ref(), transport);
        match stage(&source, &options).await {
            Err(StageError::Registry(error)) if is_wrong_transport(&error, transport) => last = Some(error),
            result => return result,
        }
    }
    Err(last.map_or_else(
        || StageError::Registry(RegistryError::Address { registry: reference.registry.clone() }),
        StageError::Registry,
    ))
}

/// Why a registry did not take a login. What tells more comes later.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// Nobody answered, or not in a way we understand.
    NoAnswer(String),
    /// Somebody answered who is no registry, at least not over this transport.
    NoRegistry(String),
    /// The registry answered, and does not want these credentials.
    Credentials(String),
}

/// Whether a registry takes a login, told in one sentence where it does not.
pub(crate) async fn try_login(app: &App, registry: &str, login: &RegistryLogin) -> Result<(), String> {
    let host = registry.split('/').next().unwrap_or(registry);
    let mut refusals = Vec::new();
    for transport in transports(&app.config().registries, host, Some(login)) {
        match ping(app, host, login, transport).await {
            Ok(()) => return Ok(()),
            Err(refusal) => {
                let is_final = matches!(refusal, Refusal::Credentials(_));
                refusals.push(refusal);
                // What a registry refused is not sent to it once more in the clear.
                if is_final {
                    break;
                }
            }
        }
    }
    let why = match refusals.into_iter().max() {
        Some(Refusal::NoAnswer(why) | Refusal::NoRegistry(why) | Refusal::Credentials(why)) => why,
        None => String::new(),
    };
    Err(format!("cannot ping supplied registry with supplied credentials - {why}"))
}

async fn ping(app: &App, host: &str, login: &RegistryLogin, transport: Transport) -> Result<(), Refusal> {
    let timeout = Duration::from_secs(app.config().registries.timeout_seconds);
    let options = killick_fetch::http::ClientOptions {
        extra_ca_pem: app.extra_ca().map(<[u8]>::to_vec),
        skip_tls_verify: transport != Transport::Verified,
        read_timeout: timeout,
        ..Default::default()
    };
    let client = killick_fetch::http::client(&options).map_err(|error| Refusal::NoAnswer(error.to_string()))?;
    let scheme = if transport == Transport::Plain { "http" } else { "https" };
    let url = format!("{scheme}://{host}/v2/");
    let no_answer = |_| Refusal::NoAnswer(format!("registry `{host}` cannot be reached"));
    let answer = client.get(&url).send().await.map_err(no_answer)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if status != StatusCode::UNAUTHORIZED {
        return Err(Refusal::NoRegistry(format!("`{host}` answers {status} and is no registry of version 2")));
    }
    let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let url = match challenge.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => token_url(rest)
            .ok_or_else(|| Refusal::NoRegistry(format!("registry `{host}` asks for a token and does not say where")))?,
        _ => url,
    };
    let request = client.get(url);
    let request = match login.user.as_str() {
        "" => request,
        user => request.basic_auth(user, Some(login.password.expose_secret())),
    };
    let status = request.send().await.map_err(no_answer)?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Refusal::Credentials(match login.user.as_str() {
        "" => format!("registry `{host}` wants credentials ({status})"),
        user => format!("registry `{host}` refused the credentials of `{user}` ({status})"),
    }))
}

/// Where the token of a bearer challenge is to be had.
fn token_url(challenge: &str) -> Option<String> {
    let value = |name: &str| {
        let rest = challenge.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0)
    };
    let mut url = url::Url::parse(value("realm")?).ok()?;
    if let Some(service) = value("service") {
        url.query_pairs_mut().append_pair("service", service);
    }
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

/// What may be tried, in order. Plain HTTP only where the configuration or the registry's record allows it.
fn transports(config: &RegistriesConfig, host: &str, login: Option<&RegistryLogin>) -> Vec<Transport> {
    let verify = login.is_none_or(|login| login.verify_tls);
    let tls = if verify { Transport::Verified } else { Transport::Unverified };
    let is_plain = config.plain_http.iter().any(|plain| plain == host);
    if is_plain || (config.plain_http_on_loopback && is_loopback(host)) {
        return vec![Transport::Plain, tls];
    }
    if verify { vec![tls] } else { vec![tls, Transport::Plain] }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the other end speaks, but not the way we tried. Asked without TLS, some that want it hang up.
fn is_wrong_transport(error: &RegistryError, tried: Transport) -> bool {
    match error {
        RegistryError::PlainHttp { .. } | RegistryError::Status { status: 400, .. } => true,
        RegistryError::Broken { .. } => tried == Transport::Plain,
        _ => false,
    }
}

fn options(app: &App, login: Option<&RegistryLogin>, transport: Transport) -> StageOptions {
    let timeout = Duration::from_secs(app.config().registries.timeout_seconds);
    let credentials = login.filter(|login| !login.user.is_empty());
    let credentials =
        credentials.map(|login| Credentials::password(login.user.clone(), login.password.expose_secret()));
    let registry = RegistryOptions {
        credentials,
        plain_http: transport == Transport::Plain,
        skip_tls_verify: transport == Transport::Unverified,
        extra_ca_pem: app.extra_ca().map(<[u8]>::to_vec),
        timeouts: Timeouts { read: timeout, document: timeout, ..Timeouts::default() },
        retry: Retry { attempts: 2, ..Retry::default() },
        ..RegistryOptions::default()
    };
    StageOptions { registry, ..StageOptions::default() }
}

/// An error with all its causes and what to do, in one line.
pub(crate) fn told(error: &StageError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    match error.hint() {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(verify_tls: bool) -> RegistryLogin {
        RegistryLogin { user: String::new(), password: secrecy::SecretString::from(""), verify_tls }
    }

    #[test]
    fn plain_http_is_only_tried_where_allowed() {
        let config = RegistriesConfig { plain_http: vec!["reg:80".to_owned()], ..RegistriesConfig::default() };
        let of = |host: &str, login: Option<&RegistryLogin>| transports(&config, host, login);
        assert_eq!(of("quay.io", None), [Transport::Verified]);
        assert_eq!(of("quay.io", Some(&login(true))), [Transport::Verified]);
        assert_eq!(of("quay.io", Some(&login(false))), [Transport::Unverified, Transport::Plain]);
        assert_eq!(of("127.0.0.1:5000", None), [Transport::Plain, Transport::Verified]);
        assert_eq!(of("[::1]:5000", None), [Transport::Plain, Transport::Verified]);
        assert_eq!(of("reg:80", Some(&login(false))), [Transport::Plain, Transport::Unverified]);
        assert_eq!(of("localhost.evil.example", None), [Transport::Verified]);
    }

    #[test]
    fn token_services_are_read_from_the_challenge() {
        let challenge = "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"";
        assert_eq!(token_url(challenge).unwrap(), "https://auth.docker.io/token?service=registry.docker.io");
        assert_eq!(token_url("realm=\"file:///etc/passwd\""), None);
        assert_eq!(token_url("x"), None);
    }
}
