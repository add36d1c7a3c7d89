//! Logging in at a provider of `OpenID` Connect, as a program at a terminal that keeps no secret of its own: what the
//! provider has (`OpenID` Connect Discovery 1.0), the two ways to its tokens (`device` and `code`), and what is done with
//! them (`tokens`).
//!
//! Whatever the provider answers is bounded, and believed only of itself.

mod code;
mod device;
mod tokens;

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use code::Authorization;
pub use device::Device;
pub use tokens::{Tokens, Use};

use crate::fetched::{self, FetchError, FetchOptions, document, post_form};

/// Bytes of an answer.
const MAX_ANSWER: usize = 1 << 20;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Letters of what the provider says of an error.
const MAX_SAID: usize = 200;

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider cannot be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its configuration is another's.
    #[error("the provider's configuration is not that of `{issuer}`")]
    Issuer {
        /// Whose it should be.
        issuer: String,
    },
    /// What it has not.
    #[error("the provider has no {what}")]
    Missing {
        /// The endpoint.
        what: &'static str,
    },
    /// It answers something that means nothing, or lies.
    #[error("the provider's answer cannot be used: {what}")]
    Answer {
        /// What is wrong.
        what: &'static str,
    },
    /// It refuses.
    #[error("the provider refuses (`{code}`{})", .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Refused {
        /// Its word for why.
        code: String,
        /// Its words for people.
        said: Option<String>,
    },
    /// Whoever was asked said no.
    #[error("the login was denied at the provider")]
    Denied,
    /// Nothing can be made up that nobody guesses.
    #[error("the system gives no random numbers")]
    Random,
    /// Nobody said anything.
    #[error("nobody confirmed the login in time")]
    Expired,
}

impl OidcError {
    /// Whether it refuses this way to log in, and others may be open.
    pub fn is_of_the_way(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Refused { code, .. } => matches!(code.as_str(), "unauthorized_client" | "unsupported_grant_type"),
            _ => false,
        }
    }

    /// Whether the provider was asked and will not change its mind.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Denied | Self::Answer { .. } | Self::Missing { .. })
    }
}

const fn unusable(what: &'static str) -> OidcError {
    OidcError::Answer { what }
}

/// As whom we come to the provider, and for what.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name for us.
    pub id: String,
    /// What we ask for.
    pub scopes: Vec<String>,
    /// Which of its tokens we show.
    pub shown: Use,
}

/// A provider, as it describes itself.
pub struct Provider {
    issuer: String,
    configuration: Configuration,
    options: FetchOptions,
}

/// `OpenID` Connect Discovery 1.0, section 3; RFC 8414, RFC 8628 and RFC 9207 for what is not there.
#[derive(Debug, Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Provider {
    /// Asks the provider what it has. It must be the one that was asked for.
    pub async fn discover(issuer: &str, options: &FetchOptions) -> Result<Self, OidcError> {
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let home = fetched::address(&at, options)?;
        let bytes = document(&at, options, MAX_ANSWER, TIMEOUT).await?;
        let configuration: Configuration = read(&bytes)?;
        if configuration.issuer != issuer {
            return Err(OidcError::Issuer { issuer: issuer.to_owned() });
        }
        let options = FetchOptions { sent_by: Some(home), ..options.clone() };
        Ok(Self { issuer: issuer.to_owned(), configuration, options })
    }

    /// Who it is.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where its keys are.
    pub fn jwks_uri(&self) -> Option<&str> {
        self.configuration.jwks_uri.as_deref()
    }

    /// An address that a browser is sent to.
    fn page(&self, url: &str) -> Result<Url, OidcError> {
        Ok(fetched::address(url, &self.options)?)
    }

    /// What it answers to a form.
    async fn ask<T: DeserializeOwned>(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<T, OidcError> {
        let (status, bytes) = post_form(endpoint, form, &self.options, MAX_ANSWER, TIMEOUT).await?;
        if (200..300).contains(&status) {
            return read(&bytes);
        }
        Err(refusal(endpoint, status, &bytes))
    }
}

fn refusal(endpoint: &str, status: u16, bytes: &[u8]) -> OidcError {
    let host = || Url::parse(endpoint).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    match read::<Refusal>(bytes) {
        Ok(refusal) => refused(&refusal.error, refusal.error_description.as_deref()),
        Err(_) => FetchError::Status { host: host(), status }.into(),
    }
}

/// What an error of the provider means.
fn refused(code: &str, said: Option<&str>) -> OidcError {
    let shortened = |text: &str| text.chars().take(MAX_SAID).collect::<String>();
    match code {
        "access_denied" => OidcError::Denied,
        "expired_token" => OidcError::Expired,
        code => OidcError::Refused { code: shortened(code), said: said.map(shortened) },
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, OidcError> {
    // What serde says could repeat a token.
    serde_json::from_slice(bytes).map_err(|_| unusable("it is not the JSON that was asked for"))
}
