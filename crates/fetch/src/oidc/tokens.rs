//! Tokens of a provider: how they come (RFC 6749, section 5.1), what an ID token must say (`OpenID` Connect Core 1.0, section
//! 3.1.3.7), renewing (RFC 6749, section 6) and revoking them (RFC 7009).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Client, MAX_ANSWER, OidcError, Provider, TIMEOUT, refusal, unusable};
use crate::fetched::post_form;

/// Bytes of a token.
const MAX_TOKEN: usize = 16 << 10;

/// Seconds for which any token may be good.
const MAX_SECONDS: u64 = 365 * 24 * 3600;

/// Which token is shown to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// What says who logged in, for the client.
    IdToken,
    /// What opens something, for whom it is.
    AccessToken,
}

/// What a provider gives.
#[derive(Debug)]
pub struct Tokens {
    /// What is shown.
    pub shown: SecretString,
    /// For how long that is good.
    pub lifetime: Option<Duration>,
    /// What others are given for.
    pub refresh_token: Option<SecretString>,
    access_token: SecretString,
}

/// Section 5.1 of RFC 6749, and 3.1.3.3 of `OpenID` Connect Core.
#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    token_type: String,
    expires_in: Option<u64>,
    refresh_token: Option<SecretString>,
    id_token: Option<SecretString>,
}

impl Tokens {
    /// What is revoked to revoke all: the refresh token takes the others with it.
    pub fn root(&self) -> &SecretString {
        self.refresh_token.as_ref().unwrap_or(&self.access_token)
    }
}

impl Provider {
    /// What the provider gives for a form. An ID token must be ours.
    pub(super) async fn tokens(
        &self,
        form: &[(&str, &str)],
        client: &Client,
        nonce: Option<&str>,
    ) -> Result<Tokens, OidcError> {
        let endpoint = self.configuration.token_endpoint.as_deref();
        let endpoint = endpoint.ok_or(OidcError::Missing { what: "token endpoint" })?;
        let answer: Answer = self.ask(endpoint, form).await?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(unusable("its tokens are of a type that is not `Bearer`"));
        }
        let all = [Some(&answer.access_token), answer.refresh_token.as_ref(), answer.id_token.as_ref()];
        let is_token = |token: &&SecretString| {
            let text = token.expose_secret();
            (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !all.into_iter().flatten().all(|token| is_token(&token)) {
            return Err(unusable("its tokens are no text, or too long"));
        }
        if let Some(token) = &answer.id_token {
            self.check(token, client, nonce)?;
        }
        let Answer { access_token, expires_in, refresh_token, id_token, .. } = answer;
        let (shown, lifetime) = match client.shown {
            Use::AccessToken => {
                let lifetime = expires_in.or_else(|| lifetime(&access_token));
                (access_token.clone(), lifetime)
            }
            Use::IdToken => {
                let token = id_token.ok_or(unusable("there is no ID token in it (is `openid` among the scopes?)"))?;
                let lifetime = lifetime(&token);
                (token, lifetime)
            }
        };
        let lifetime = lifetime.map(|seconds| Duration::from_secs(seconds.min(MAX_SECONDS)));
        Ok(Tokens { shown, lifetime, refresh_token, access_token })
    }

    /// Whether an ID token is of this provider, for us, and the answer to our question. Its signature is what the server looks at;
    /// it came from the provider itself.
    fn check(&self, token: &SecretString, client: &Client, nonce: Option<&str>) -> Result<(), OidcError> {
        let claims = claims(token).ok_or(unusable("its ID token is none"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let is_for_us = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == client.id,
            Some(Value::Array(audiences)) => audiences.iter().any(|one| one.as_str() == Some(&client.id)),
            _ => false,
        };
        if text("iss") != Some(&self.issuer) || !is_for_us {
            return Err(unusable("its ID token is of another issuer, or for another client"));
        }
        if nonce.is_some_and(|nonce| text("nonce") != Some(nonce)) {
            return Err(unusable("its ID token is of another login"));
        }
        Ok(())
    }

    /// New tokens for a refresh token, which the provider may replace, too.
    pub async fn renewed(&self, client: &Client, refresh_token: &SecretString) -> Result<Tokens, OidcError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
            ("client_id", client.id.as_str()),
        ];
        self.tokens(&form, client, None).await
    }

    /// Has the provider forget a token, and those that came of it.
    pub async fn revoke(&self, client: &Client, token: &SecretString) -> Result<(), OidcError> {
        let endpoint = self.configuration.revocation_endpoint.as_deref();
        let endpoint = endpoint.ok_or(OidcError::Missing { what: "revocation endpoint" })?;
        let form = [("token", token.expose_secret()), ("client_id", client.id.as_str())];
        match post_form(endpoint, &form, &self.options, MAX_ANSWER, TIMEOUT).await? {
            (200, _) => Ok(()),
            (status, bytes) => Err(refusal(endpoint, status, &bytes)),
        }
    }
}

/// What a token says of itself. Nothing has been checked.
fn claims(token: &SecretString) -> Option<Map<String, Value>> {
    let claims = token.expose_secret().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// Seconds for which a token says it is good, from when it was given; whatever the clocks say.
fn lifetime(token: &SecretString) -> Option<u64> {
    let claims = claims(token)?;
    let second = |name: &str| claims.get(name).and_then(Value::as_f64);
    let (begins, ends) = (second("iat")?, second("exp")?);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float beyond the range becomes its end"
    )]
    Some((ends - begins) as u64)
}
