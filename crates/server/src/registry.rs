//! How this service speaks to registries: which record applies, and in which order TLS and plain HTTP are tried.

mod images;
mod ways;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use killick_fetch::documents::DocumentError;
use killick_fetch::registry::{self, Polled, RegistryError, TagState, log_in};
use killick_fetch::{Source, StageError, StageOptions, stage};
use killick_model::hint::Hint;
use killick_model::image::StagedImage;
use killick_model::reference::{DEFAULT_REGISTRY, Reference};
use killick_store::StoreError;

pub(crate) use images::{Named, NamedImage, named};
pub(crate) use ways::{Ways, WaysError, forbidden_login};

use crate::app::App;
use crate::config::RegistriesConfig;
use crate::progress::Meter;
use crate::records::RegistryLogin;

/// Bytes of what is stored for a registry, at most.
pub(crate) const MAX_TITLE: usize = 512;
pub(crate) const MAX_LOGIN_KIND: usize = 64;
pub(crate) const MAX_USER: usize = 1024;
/// Passwords may be the keys of service accounts, which are documents.
pub(crate) const MAX_PASSWORD: usize = 64 << 10;

/// Whether it could be a host with a port and a repository, perhaps with `*` for the rest.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/_.-*[]".contains(&byte);
    name.len() <= 512
        && name.bytes().all(allowed)
        && !name.ends_with('/')
        && !name.starts_with("http://")
        && !name.starts_with("https://")
}

/// Whether the first part of a reference is a registry, and not of the name of a repository.
pub(crate) fn is_registry(first: &str) -> bool {
    first.contains([':', '.']) || ["localhost", "localhost.localdomain", "localbuild"].contains(&first)
}

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

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// What the account stored for the registry cannot be read.
    #[error("the credentials for `{registry}` cannot be read")]
    Login {
        /// The registry.
        registry: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The registry, or what it has.
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl FetchError {
    /// Whether to try again later.
    pub(crate) fn may_heal(&self) -> bool {
        match self {
            // Sealed with another secret, it stays so until a person stores it anew.
            Self::Login { source, .. } => {
                matches!(source, StoreError::Database { .. } | StoreError::Unreachable { .. })
            }
            Self::Stage(error) => error.may_heal(),
        }
    }
}

impl Hint for FetchError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Login { .. } => None,
            // What is taken of an index is no wish of the caller.
            Self::Stage(StageError::Document(
                DocumentError::NoPlatform { .. }
                | DocumentError::OtherPlatform { .. }
                | DocumentError::TooManyImages { .. },
            )) => Some("`analysis.platforms` of the service names those that are taken".to_owned()),
            Self::Stage(error) => error.hint(),
        }
    }
}

/// What an image is wanted for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// To know which it is.
    Lookup,
    /// To analyse it, with what is attached to it; whoever waits can read how far that is.
    Analysis(Arc<Meter>),
}

/// Stages an image from its registry with what the account stored for it.
pub(crate) async fn fetch(
    app: &App,
    account: &str,
    reference: &Reference,
    purpose: Purpose,
) -> Result<StagedImage, FetchError> {
    let source = Source::Registry(reference.clone());
    over_transports(app, account, reference, purpose, |options| {
        let source = source.clone();
        Box::pin(async move { stage(&source, &options).await })
    })
    .await
}

/// Whether the tag of a reference still names what is known; without anything known, what it names.
pub(crate) async fn poll(
    app: &App,
    account: &str,
    reference: &Reference,
    known: Option<&TagState>,
) -> Result<Polled, FetchError> {
    over_transports(app, account, reference, Purpose::Lookup, |options| {
        let (reference, known) = (reference.clone(), known.cloned());
        Box::pin(async move { registry::poll(&reference, known.as_ref(), &options).await })
    })
    .await
}

/// The tags of a repository, in the order of the registry.
pub(crate) async fn tags(
    app: &App,
    account: &str,
    registry: &str,
    repository: &str,
) -> Result<Vec<String>, FetchError> {
    let reference = as_registries_read(registry, repository, &format!("{registry}/{repository}"));
    let reference = reference.map_err(|_| RegistryError::Address { registry: registry.to_owned() });
    let reference = reference.map_err(StageError::from)?;
    over_transports(app, account, &reference, Purpose::Lookup, |options| {
        let reference = reference.clone();
        Box::pin(async move { registry::list_tags(&reference, &options).await })
    })
    .await
}

/// A reference as its registry reads it, where short names of the default registry get their `library/`.
pub(crate) fn as_registries_read(registry: &str, repository: &str, text: &str) -> Result<Reference, String> {
    let mut reference: Reference = text.parse().map_err(|error| format!("{error}"))?;
    // A host of one word is a registry in version 1, and part of the repository for registries.
    if reference.registry != registry && registry != DEFAULT_REGISTRY {
        registry.clone_into(&mut reference.registry);
        repository.clone_into(&mut reference.repository);
    }
    Ok(reference)
}

/// One question on its way.
type Asking<T> = Pin<Box<dyn Future<Output = Result<T, StageError>> + Send>>;

/// Asks a registry with what the account stored for it, over one transport after the other that may be tried.
async fn over_transports<T>(
    app: &App,
    account: &str,
    reference: &Reference,
    purpose: Purpose,
    ask: impl Fn(StageOptions) -> Asking<T> + Send + Sync,
) -> Result<T, FetchError> {
    let registry = &reference.registry;
    let login = app.records().login(account, &format!("{registry}/{}", reference.repository)).await;
    let login = login.map_err(|source| FetchError::Login { registry: registry.clone(), source })?;
    let mut last = RegistryError::Address { registry: registry.clone() };
    for transport in transports(&app.config().registries, registry, login.as_ref()) {
        match ask(app.ways().stage_options(app.config(), login.as_ref(), transport, &purpose)).await {
            Err(StageError::Registry(error)) if is_wrong_transport(&error, transport) => last = error,
            result => return Ok(result?),
        }
    }
    Err(FetchError::Stage(last.into()))
}

/// Whether a registry takes a login, told in one sentence where it does not.
pub(crate) async fn try_login(app: &App, registry: &str, login: &RegistryLogin) -> Result<(), String> {
    let host = registry.split('/').next().unwrap_or(registry);
    let mut refusals = Vec::new();
    for transport in transports(&app.config().registries, host, Some(login)) {
        match log_in(registry, &app.ways().options(app.config(), Some(login), transport)).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                refusals.push(error);
                // What a registry refused is not sent to it once more in the clear.
                if refusals.last().is_some_and(|error| weight(error) == REFUSED) {
                    break;
                }
            }
        }
    }
    let why = refusals.iter().max_by_key(|error| weight(error)).map_or_else(String::new, |error| match error {
        // The host may be another one than that of the name.
        RegistryError::Unauthorized { registry, with_credentials: true, .. } => {
            format!("registry `{registry}` refused the credentials of `{}`", login.user)
        }
        RegistryError::Unauthorized { registry, with_credentials: false, .. } => {
            format!("registry `{registry}` wants credentials")
        }
        error => told(error),
    });
    Err(format!("cannot ping supplied registry with supplied credentials - {why}"))
}

/// The weight of a registry that answered and does not want the credentials.
const REFUSED: u8 = 2;

/// How much an error of one transport tells, beside those of others: that somebody answered, more than that nobody
/// did; what the registry says to the credentials, most.
fn weight(error: &RegistryError) -> u8 {
    match error {
        RegistryError::Unauthorized { .. } | RegistryError::Token { .. } | RegistryError::Challenge { .. } => REFUSED,
        RegistryError::NoRegistry { .. } | RegistryError::RateLimited { .. } | RegistryError::Forbidden { .. } => 1,
        _ => 0,
    }
}

/// What may be tried, in order. Plain HTTP only where the configuration or the registry's record allows it.
fn transports(config: &RegistriesConfig, host: &str, login: Option<&RegistryLogin>) -> Vec<Transport> {
    // The logins of a cloud are for its own registries, which all can be verified.
    let verify = login.is_none_or(|login| login.verify_tls || ways::is_aws(login));
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

/// An error with all its causes and what to do, in one line.
pub(crate) fn told<E: std::error::Error + Hint>(error: &E) -> String {
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
        let (kind, user) = (String::new(), String::new());
        RegistryLogin { kind, user, password: secrecy::SecretString::from(""), verify_tls }
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
    fn what_tells_most_weighs_most() {
        let registry = || "r.io".to_owned();
        let refused =
            RegistryError::Unauthorized { registry: registry(), repository: None, with_credentials: true, fault: None };
        let errors = [
            RegistryError::Timeout { registry: registry(), what: "its version".to_owned() },
            RegistryError::NoRegistry { registry: registry(), status: 404 },
            refused,
        ];
        assert!(errors.iter().map(weight).is_sorted_by(|less, more| less < more));
    }
}
