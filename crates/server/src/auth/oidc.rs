//! Callers whom a provider of `OpenID` Connect vouches for: its tokens, checked against its keys, become users of accounts as
//! the settings say. The keys are fetched when the first token comes, and again when they are old or do not fit.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use killick_fetch::fetched::{FetchError, FetchOptions, document};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::jwt::{Expected, KeySet, Refused, claimed_issuer};
use super::roles::UserRole;
use crate::config::OidcConfig;

/// Bytes of a document of the provider.
const MAX_DOCUMENT: usize = 1 << 20;

/// How long the provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Keys are not fetched more often, whoever sends tokens with unknown ones.
const PAUSE: Duration = Duration::from_mins(1);

/// Values of a claim that are looked at.
const MAX_VALUES: usize = 1000;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// Tokens for anybody would be taken.
    #[error("`oidc.audience` is empty: say for whom the tokens must be")]
    Audience,
    /// Nobody would be of any account.
    #[error("neither `oidc.account` nor `oidc.account_claim` says of what account users are")]
    Account,
    /// A role that does not exist.
    #[error("`oidc.roles` gives the role `{role}`, which there is not")]
    Role {
        /// As written.
        role: String,
    },
}

/// Why the keys of the provider are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// They cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its configuration is of another issuer, or has no keys.
    #[error("the provider's configuration is not that of `{issuer}`, or names no keys")]
    Configuration {
        /// The issuer of the settings.
        issuer: String,
    },
    /// It is no JWKS.
    #[error("the keys of the provider cannot be read")]
    Keys,
    /// It failed a moment ago.
    #[error("the keys of the provider could not be fetched a moment ago")]
    Lately,
}

/// Whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// The name of the user.
    pub(crate) user: String,
    /// Their account.
    pub(crate) account: String,
    /// Their roles, at least one.
    pub(crate) roles: Vec<UserRole>,
}

/// The provider.
pub(crate) struct Provider {
    config: OidcConfig,
    roles: Vec<(String, UserRole)>,
    options: FetchOptions,
    known: Mutex<Known>,
    clock: fn() -> Instant,
}

#[derive(Default)]
struct Known {
    keys: KeySet,
    /// When they were fetched last, or tried to.
    tried_at: Option<Instant>,
    /// Whether that failed.
    failed: bool,
}

impl Provider {
    /// That of the settings, if there is one.
    pub(crate) fn new(
        config: &OidcConfig,
        options: FetchOptions,
        clock: fn() -> Instant,
    ) -> Result<Option<Self>, OidcError> {
        if config.issuer.is_empty() {
            return Ok(None);
        }
        if config.audience.is_empty() {
            return Err(OidcError::Audience);
        }
        if config.account.is_empty() && config.account_claim.is_empty() {
            return Err(OidcError::Account);
        }
        let role = |slug: &str| UserRole::named(slug).ok_or_else(|| OidcError::Role { role: slug.to_owned() });
        let mut roles = Vec::new();
        for (value, slug) in &config.roles {
            roles.push((value.clone(), role(slug)?));
        }
        if !config.default_role.is_empty() {
            role(&config.default_role)?;
        }
        Ok(Some(Self { config: config.clone(), roles, options, known: Mutex::default(), clock }))
    }

    /// Who vouches, as it is kept with the users.
    pub(crate) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Whether a token claims to be of this provider.
    pub(crate) fn is_of(&self, token: &str) -> bool {
        claimed_issuer(token).is_some_and(|issuer| issuer == self.config.issuer)
    }

    /// Whom a token is for; nobody if it does not hold, or the settings give them neither account nor role.
    pub(crate) async fn read(&self, token: &str, now: Timestamp) -> Result<Option<Vouched>, KeysError> {
        let expected = Expected { issuer: &self.config.issuer, audience: &self.config.audience };
        let mut known = self.known.lock().await;
        let instant = (self.clock)();
        let age = known.tried_at.map(|tried| instant.saturating_duration_since(tried));
        let mut claims = known.keys.claims(token, expected, now);
        let wanted_after = match claims {
            _ if known.failed => PAUSE,
            Err(Refused::UnknownKey) => PAUSE,
            _ => Duration::from_secs(self.config.keys_seconds).max(PAUSE),
        };
        if age.is_none_or(|age| age >= wanted_after) {
            known.tried_at = Some(instant);
            let fetched = self.fetch().await;
            known.failed = fetched.is_err();
            match fetched {
                Ok(keys) => known.keys = keys,
                // Those of before are better than none.
                Err(error) if claims.is_ok() => {
                    tracing::warn!(error = %error, "the keys of `{}` cannot be fetched: {error}", self.config.issuer);
                }
                Err(error) => return Err(error),
            }
            claims = known.keys.claims(token, expected, now);
        } else if known.failed && claims == Err(Refused::UnknownKey) {
            return Err(KeysError::Lately);
        }
        drop(known);
        match claims {
            Ok(claims) => Ok(self.vouched(&claims)),
            Err(refused) => {
                tracing::info!("a token of `{}` is refused: {refused}", self.config.issuer);
                Ok(None)
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, KeysError> {
        let issuer = &self.config.issuer;
        let keys_at = if self.config.jwks_url.is_empty() {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let bytes = document(&url, &self.options, MAX_DOCUMENT, TIMEOUT).await?;
            let configuration: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let text = |name: &str| configuration.get(name).and_then(Value::as_str);
            match text("jwks_uri").filter(|_| text("issuer") == Some(issuer)) {
                Some(url) => url.to_owned(),
                None => return Err(KeysError::Configuration { issuer: issuer.clone() }),
            }
        } else {
            self.config.jwks_url.clone()
        };
        let bytes = document(&keys_at, &self.options, MAX_DOCUMENT, TIMEOUT).await?;
        KeySet::read(&bytes).ok_or(KeysError::Keys)
    }

    fn vouched(&self, claims: &Map<String, Value>) -> Option<Vouched> {
        let text = |name: &str| claim(claims, name).and_then(Value::as_str);
        let user = text(&self.config.user_claim).filter(|name| is_name(name))?;
        let account = if self.config.account_claim.is_empty() { None } else { text(&self.config.account_claim) };
        let account = account.or(Some(self.config.account.as_str()).filter(|account| !account.is_empty()))?;
        let values = match claim(claims, &self.config.roles_claim) {
            Some(Value::String(value)) => vec![value.as_str()],
            Some(Value::Array(values)) => values.iter().take(MAX_VALUES).filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut roles: Vec<UserRole> = Vec::new();
        for (value, role) in &self.roles {
            if values.contains(&value.as_str()) && !roles.contains(role) {
                roles.push(*role);
            }
        }
        if roles.is_empty() {
            roles.extend(UserRole::named(&self.config.default_role));
        }
        let vouched = Vouched { user: user.to_owned(), account: account.to_owned(), roles };
        Some(vouched).filter(|vouched| !vouched.roles.is_empty())
    }
}

/// Whether a text can be the name of a user: an e-mail address can, and nothing that means more than a name in a path.
fn is_name(text: &str) -> bool {
    (3..=128).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "@._-+".contains(letter))
}

/// A claim, by its name or, where that is none, by the path to it: `realm_access.roles`.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    let inner = claims.get(first)?;
    rest.split('.').try_fold(inner, |value, step| value.get(step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider(change: impl FnOnce(&mut OidcConfig)) -> Result<Option<Provider>, OidcError> {
        let mut config = OidcConfig {
            issuer: "https://id.example.org".to_owned(),
            audience: "killick".to_owned(),
            account: "team1".to_owned(),
            roles_claim: "realm_access.roles".to_owned(),
            roles: [("devs".to_owned(), "developer".to_owned()), ("ops".to_owned(), "account-admin".to_owned())].into(),
            ..OidcConfig::default()
        };
        change(&mut config);
        Provider::new(&config, FetchOptions::default(), Instant::now)
    }

    fn vouched(provider: &Provider, claims: Value) -> Option<(String, String, Vec<&'static str>)> {
        let Value::Object(claims) = claims else { unreachable!() };
        let vouched = provider.vouched(&claims)?;
        let roles = vouched.roles.iter().map(|role| role.slug()).collect();
        Some((vouched.user, vouched.account, roles))
    }

    #[test]
    fn claims_become_accounts_and_roles() {
        let all = provider(|_| {}).unwrap().unwrap();
        let claims = json!({"sub": "alice", "realm_access": {"roles": ["devs", "ops", "devs", 1]}});
        let want = ("alice".to_owned(), "team1".to_owned(), vec!["developer", "account-admin"]);
        assert_eq!(vouched(&all, claims), Some(want));
        for claims in [
            json!({"sub": "alice"}),
            json!({"sub": "alice", "realm_access": {"roles": ["others"]}}),
            json!({"sub": 7, "realm_access": {"roles": ["devs"]}}),
            json!({"sub": "../admin", "realm_access": {"roles": ["devs"]}}),
            json!({"realm_access": {"roles": ["devs"]}}),
        ] {
            assert_eq!(vouched(&all, claims.clone()), None, "{claims}");
        }
        let by_claim = provider(|config| {
            config.account.clear();
            config.account_claim = "team".to_owned();
            config.user_claim = "email".to_owned();
            config.default_role = "reader".to_owned();
        });
        let by_claim = by_claim.unwrap().unwrap();
        let claims = json!({"email": "a@example.org", "team": "team2"});
        assert_eq!(vouched(&by_claim, claims), Some(("a@example.org".to_owned(), "team2".to_owned(), vec!["reader"])));
        assert_eq!(vouched(&by_claim, json!({"email": "a@example.org"})), None, "of no account");
    }

    #[test]
    fn settings_must_fit() {
        assert!(provider(|config| config.issuer.clear()).unwrap().is_none());
        assert!(matches!(provider(|config| config.audience.clear()), Err(OidcError::Audience)));
        assert!(matches!(provider(|config| config.account.clear()), Err(OidcError::Account)));
        let role = provider(|config| config.default_role = "king".to_owned());
        assert!(matches!(role, Err(OidcError::Role { role }) if role == "king"));
    }
}
