//! The Device Authorization Grant (RFC 8628): somebody confirms a code in whatever browser they have, and we ask until they did.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{Client, OidcError, Provider, Tokens, unusable};
use crate::fetched::FetchError;

/// The pause between questions, if the provider names none (section 3.2), and by how much it grows when that is too short
/// (section 3.5).
const INTERVAL: u64 = 5;

/// The longest pause that a provider may begin with.
const MAX_INTERVAL: u64 = 60;

/// How long a code may be good.
const MAX_SECONDS: u64 = 3600;

/// Letters of a code that people type.
const MAX_CODE: usize = 64;

/// A code that waits to be confirmed.
#[derive(Debug)]
pub struct Device {
    /// What is typed.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// Where it need not be typed.
    pub verification_uri_complete: Option<Url>,
    /// How long it is good.
    pub expires_in: Duration,
    code: SecretString,
    interval: Duration,
}

/// Section 3.2.
#[derive(Deserialize)]
struct Answer {
    device_code: SecretString,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

impl Provider {
    /// Asks for a code.
    pub async fn device(&self, client: &Client) -> Result<Device, OidcError> {
        let endpoint = self.configuration.device_authorization_endpoint.as_deref();
        let endpoint = endpoint.ok_or(OidcError::Missing { what: "device authorization endpoint" })?;
        let form = [("client_id", client.id.as_str()), ("scope", &client.scopes.join(" "))];
        let answer: Answer = self.ask(endpoint, &form).await?;
        let is_code = (1..=MAX_CODE).contains(&answer.user_code.len())
            && answer.user_code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !is_code {
            return Err(unusable("the code is none that people could type"));
        }
        let complete = answer.verification_uri_complete.as_deref().map(|url| self.page(url)).transpose()?;
        Ok(Device {
            user_code: answer.user_code,
            verification_uri: self.page(&answer.verification_uri)?,
            verification_uri_complete: complete,
            expires_in: Duration::from_secs(answer.expires_in.min(MAX_SECONDS)),
            code: answer.device_code,
            interval: Duration::from_secs(answer.interval.unwrap_or(INTERVAL).clamp(1, MAX_INTERVAL)),
        })
    }

    /// Asks until the code is confirmed, refused, or too old. `pause` waits.
    pub async fn confirmed(
        &self,
        client: &Client,
        device: &Device,
        pause: impl AsyncFn(Duration),
    ) -> Result<Tokens, OidcError> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device.code.expose_secret()),
            ("client_id", &client.id),
        ];
        let mut interval = device.interval;
        let mut left = device.expires_in;
        loop {
            left = left.checked_sub(interval).ok_or(OidcError::Expired)?;
            pause(interval).await;
            match self.tokens(&form, client, None).await {
                Err(OidcError::Refused { code, .. }) if code == "authorization_pending" => {}
                Err(OidcError::Refused { code, .. }) if code == "slow_down" => {
                    interval += Duration::from_secs(INTERVAL);
                }
                // It has too much to do, or is out of reach for a moment.
                Err(OidcError::Fetch(
                    FetchError::Timeout { .. }
                    | FetchError::Unreachable { .. }
                    | FetchError::Status { status: 429 | 500..=599, .. },
                )) => interval *= 2,
                outcome => return outcome,
            }
        }
    }
}
