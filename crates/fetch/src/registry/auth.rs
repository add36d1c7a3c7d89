//! Proving who we are: Basic, or a bearer token (Docker's registry token protocol, "token.md" and "oauth.md").
//!
//! The first request goes out without credentials, which are looked for and shown only when asked for: as Basic to the
//! registry itself, or to the token service it names. As with other clients that service may be any host; but it is
//! never reached in plain HTTP if the registry is not, nor on this machine if the registry is elsewhere, and one that
//! does not belong to the registry's own site sees credentials only if its token for strangers is not enough.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use http::header::{AUTHORIZATION, DATE, HeaderValue, RETRY_AFTER};
use jiff::SignedDuration;
use jiff::fmt::rfc2822;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use url::Url;

use super::address;
use super::challenge::Challenge;
use super::client::{Client, Failure, Try};
use super::error::RegistryError;
use crate::credentials::Credentials;
use crate::egress::Refused;

/// How long a token is good if its service does not say, by the specification.
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
/// How long a token is believed to be good at most, whatever its service says.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// A token this close to its end is not used for a new request.
const MARGIN: Duration = Duration::from_secs(10);

/// What a token is asked for.
struct About<'a> {
    realm: &'a Url,
    service: Option<&'a str>,
    scope: Option<&'a str>,
}

/// What convinced the registry last time.
#[derive(Default)]
pub(super) struct Pass(Mutex<Option<Held>>);

struct Held {
    header: HeaderValue,
    /// Given to a stranger, although we could say who we are.
    is_strangers: bool,
    /// By the client's timer.
    until: Option<Duration>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Pass {
    /// The header to send, while it is good.
    pub(super) fn current(&self, now: Duration) -> Option<HeaderValue> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().and_then(|held| held.until).is_some_and(|until| until <= now) {
            *held = None;
        }
        held.as_ref().map(|held| held.header.clone())
    }

    /// Whether saying who we are may convince the registry better.
    pub(super) fn is_strangers(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|held| held.is_strangers)
    }

    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn keep(&self, header: HeaderValue, is_strangers: bool, until: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held { header, is_strangers, until });
    }
}

impl Client {
    /// Does what a registry asks for, so that the next request may succeed.
    pub(super) async fn authenticate(&self, challenge: Option<Challenge>) -> Result<(), RegistryError> {
        let credentials = self.keychain.look_up(&self.registry, &self.repository).await;
        match (challenge, credentials) {
            (Some(Challenge::Basic), Some(Credentials::Password { user, password })) => {
                self.pass.keep(basic(user, password.expose_secret()), false, None);
                Ok(())
            }
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                let realm = self.realm(&realm)?;
                let scope = scope.or_else(|| self.default_scope());
                let about = About { realm: &realm, service: service.as_deref(), scope: scope.as_deref() };
                let is_shy = credentials.is_some()
                    && self.is_shy.load(Ordering::Relaxed)
                    && !address::is_same_site(&self.base, &realm);
                if is_shy {
                    match self.token(&about, None).await {
                        Ok(token) => return self.keep_token(&about, token, true),
                        Err(RegistryError::Unauthorized { .. }) => self.is_shy.store(false, Ordering::Relaxed),
                        Err(error) => return Err(error),
                    }
                }
                let token = self.token(&about, credentials).await?;
                self.keep_token(&about, token, false)
            }
            (Some(Challenge::Basic), _) => Err(self.unauthorized()),
            (None, _) => Err(RegistryError::Challenge {
                registry: self.registry.clone(),
                reason: "neither Basic nor Bearer with a realm".to_owned(),
            }),
        }
    }

    fn keep_token(
        &self,
        about: &About<'_>,
        (token, life): (String, Duration),
        is_strangers: bool,
    ) -> Result<(), RegistryError> {
        let until = self.options.timer.now().saturating_add(life.saturating_sub(MARGIN));
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| self.no_token(about.realm, "it has bytes that no header has".to_owned()))?;
        header.set_sensitive(true);
        self.pass.keep(header, is_strangers, Some(until));
        Ok(())
    }

    /// What is asked for where the registry does not say: to read the repository, if there is one.
    fn default_scope(&self) -> Option<String> {
        (!self.repository.is_empty()).then(|| format!("repository:{}:pull", self.repository))
    }

    /// The token service, if we may go there.
    fn realm(&self, text: &str) -> Result<Url, RegistryError> {
        let refuse = |reason: &str| RegistryError::Challenge {
            registry: self.registry.clone(),
            reason: format!("its token service is {reason}"),
        };
        let realm: Url = text.parse().map_err(|_| refuse("no address"))?;
        match self.reach.check(&realm) {
            Ok(()) => Ok(realm),
            Err(Refused::Scheme | Refused::Plain) => Err(refuse("less secure than the registry")),
            Err(refused) => Err(self.forbidden(refused)),
        }
    }

    async fn token(
        &self,
        about: &About<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<(String, Duration), RegistryError> {
        self.repeatedly("a token", || self.try_token(about, credentials)).await
    }

    async fn try_token(&self, about: &About<'_>, credentials: Option<&Credentials>) -> Try<(String, Duration)> {
        let realm = about.realm;
        let about = [("scope", about.scope), ("service", about.service)];
        let about = about.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let request = match credentials {
            Some(Credentials::IdentityToken(refresh)) => {
                let mut form = vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", refresh.expose_secret()),
                    ("client_id", "killick"),
                ];
                form.extend(about);
                self.http.post(realm.clone()).form(&form)
            }
            other => {
                let request = self.http.get(realm.clone()).query(&about.collect::<Vec<_>>());
                match other {
                    Some(Credentials::Password { user, password }) => {
                        let header = basic(user, password.expose_secret());
                        request.header(AUTHORIZATION, header)
                    }
                    _ => request,
                }
            }
        };
        let exchange = async {
            let response = request.send().await.map_err(|error| self.broken("a token", error))?;
            let status = response.status().as_u16();
            match status {
                200..=299 => Ok(self.body(response, self.limits.document_bytes, "a token").await?),
                401 | 403 => Err(self.unauthorized().into()),
                408 | 429 | 500.. => Err(Failure::Again {
                    after: retry_after(response.headers()),
                    error: self.no_token(realm, format!("it answered {status}")),
                }),
                _ => Err(self.no_token(realm, format!("it answered {status}")).into()),
            }
        };
        let body = self.in_time("a token", exchange).await?;
        let malformed = || self.no_token(realm, "the answer is no token".to_owned());
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| malformed())?;
        let given = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
        Ok((given.ok_or_else(malformed)?, life(answer.expires_in)))
    }

    fn no_token(&self, realm: &Url, reason: String) -> RegistryError {
        let mut shown = realm.clone();
        shown.set_query(None);
        // Cannot fail for the addresses that were accepted, and only hides what may be secret.
        let _ = shown.set_password(None);
        RegistryError::Token { registry: self.registry.clone(), realm: shown.to_string(), reason }
    }
}

/// How long a token is used, by what its service says in seconds.
fn life(expires_in: Option<u64>) -> Duration {
    expires_in.map_or(DEFAULT_LIFE, |seconds| Duration::from_secs(seconds).clamp(DEFAULT_LIFE, LONGEST_LIFE))
}

/// What `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a date, which is measured from the answer's own date.
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    let now = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?.timestamp();
    Duration::try_from(at.duration_since(now).max(SignedDuration::ZERO)).ok()
}

pub(crate) fn basic(user: &str, password: &str) -> HeaderValue {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut header = HeaderValue::try_from(format!("Basic {text}")).expect("base64 is visible ASCII");
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_live_neither_too_short_nor_too_long() {
        for (said, want) in [(None, 60), (Some(0), 60), (Some(300), 300), (Some(u64::MAX), 86_400)] {
            assert_eq!(life(said), Duration::from_secs(want), "{said:?}");
        }
    }

    #[test]
    fn when_to_come_back_is_understood() {
        for (said, date, want) in [
            ("7", None, Some(7)),
            (" 120 ", None, Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:49:07 GMT"), Some(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 09:49:07 GMT"), Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, None),
            ("-1", None, None),
            ("soon", Some("soon"), None),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(said));
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{said}");
        }
    }
}
