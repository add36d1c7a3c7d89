//! Callers whom a provider of `OpenID` Connect vouches for: its tokens, checked against its keys, become users of accounts as
//! the settings say. The keys are fetched when the first token comes, and again when they are old or do not fit.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use killick_fetch::fetched::{FetchError, FetchOptions, document};
use killick_fetch::oidc::{self, Use};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::jwt::{Expected, KeySet, Refused, claimed_issuer};
use super::roles::GivenRole;
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
    /// Programs would ask for what no provider has.
    #[error("`oidc.scopes` has `{scope}`, which is no scope")]
    Scope {
        /// As written.
        scope: String,
    },
    /// There would be no token that is for us.
    #[error("`oidc.client_id` is `oidc.audience`, so that ID tokens are shown: `oidc.scopes` needs `openid`")]
    IdToken,
    /// A role that does not exist, or cannot be given so.
    #[error("`oidc` gives the role `{role}`, which cannot be: {why}")]
    Role {
        /// As written.
        role: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Why the keys of the provider are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// They cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] oidc::OidcError),
    /// Its configuration names no keys.
    #[error("the provider's configuration names no keys")]
    Nowhere,
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
    pub(crate) roles: Vec<GivenRole>,
}

/// The provider.
pub(crate) struct Provider {
    config: OidcConfig,
    roles: Vec<(String, GivenRole)>,
    /// That of users whom none of them is of.
    default_role: Option<GivenRole>,
    source: Source,
    known: Arc<RwLock<Known>>,
    /// Held by whoever fetches the keys, so that nobody else does.
    fetching: Arc<Mutex<()>>,
    clock: fn() -> Instant,
}

/// Where the keys are.
#[derive(Clone)]
struct Source {
    issuer: String,
    jwks_url: String,
    options: FetchOptions,
}

/// The keys, as they are known.
#[derive(Clone, Default)]
struct Known {
    keys: Arc<KeySet>,
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
        let role = |text: &str| GivenRole::parse(text).map_err(|why| OidcError::Role { role: text.to_owned(), why });
        let mut roles = Vec::new();
        for (value, text) in &config.roles {
            roles.push((value.clone(), role(text)?));
        }
        let default_role = Some(config.default_role.as_str()).filter(|text| !text.is_empty()).map(role).transpose()?;
        let is_scope = |scope: &str| {
            !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
        };
        if let Some(scope) = config.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(OidcError::Scope { scope: scope.clone() });
        }
        if shown(config) == Use::IdToken && !config.scopes.iter().any(|scope| scope == "openid") {
            return Err(OidcError::IdToken);
        }
        let source = Source { issuer: config.issuer.clone(), jwks_url: config.jwks_url.clone(), options };
        Ok(Some(Self {
            config: config.clone(),
            roles,
            default_role,
            source,
            known: Arc::default(),
            fetching: Arc::default(),
            clock,
        }))
    }

    /// Who vouches, as it is kept with the users.
    pub(crate) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// As whom a program logs in at the provider, if it can.
    pub(crate) fn client(&self) -> Option<oidc::Client> {
        let OidcConfig { client_id, scopes, .. } = &self.config;
        let client = oidc::Client { id: client_id.clone(), scopes: scopes.clone(), shown: shown(&self.config) };
        Some(client).filter(|client| !client.id.is_empty())
    }

    /// Whether a token claims to be of this provider.
    pub(crate) fn is_of(&self, token: &str) -> bool {
        claimed_issuer(token).is_some_and(|issuer| issuer == self.config.issuer)
    }

    /// Whom a token is for; nobody if it does not hold, or the settings give them neither account nor role.
    pub(crate) async fn read(&self, token: &str, now: Timestamp) -> Result<Option<Vouched>, KeysError> {
        let expected = Expected { issuer: &self.config.issuer, audience: &self.config.audience };
        let before = self.known();
        let mut claims = before.keys.claims(token, expected, now);
        let turn = match claims {
            // Whom the known keys vouch for fetches others if that is due, but waits for nobody who does.
            Ok(_) => Arc::clone(&self.fetching).try_lock_owned().ok(),
            Err(Refused::UnknownKey | Refused::Signature) => Some(Arc::clone(&self.fetching).lock_owned().await),
            // Other keys would not make it better.
            Err(Refused::Malformed | Refused::Issuer | Refused::Audience | Refused::Time) => None,
        };
        if let Some(turn) = turn {
            match self.refresh(turn, claims.as_ref().err()).await {
                Ok(()) => {}
                // Those of before are better than none.
                Err(error) if claims.is_ok() => {
                    tracing::warn!(error = %error, "the keys of `{}` cannot be fetched: {error}", self.config.issuer);
                }
                Err(error) => return Err(error),
            }
            let known = self.known();
            if !Arc::ptr_eq(&known.keys, &before.keys) {
                claims = known.keys.claims(token, expected, now);
            }
            if known.failed && claims == Err(Refused::UnknownKey) {
                return Err(KeysError::Lately);
            }
        }
        match claims {
            Ok(claims) => Ok(self.vouched(&claims)),
            Err(refused) => {
                tracing::info!("a token of `{}` is refused: {refused}", self.config.issuer);
                Ok(None)
            }
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys if that is due; `refused` is what the known ones say of the token at hand.
    async fn refresh(&self, turn: OwnedMutexGuard<()>, refused: Option<&Refused>) -> Result<(), KeysError> {
        let (instant, before) = ((self.clock)(), self.known());
        let wanted_after = match refused {
            _ if before.failed => PAUSE,
            Some(Refused::UnknownKey) => PAUSE,
            _ => Duration::from_secs(self.config.keys_seconds).max(PAUSE),
        };
        if before.tried_at.is_some_and(|tried| instant.saturating_duration_since(tried) < wanted_after) {
            return Ok(());
        }
        let (source, known) = (self.source.clone(), Arc::clone(&self.known));
        // A task of its own: others wait for it, whether or not the caller who began it stays.
        let fetching = tokio::spawn(async move {
            let _turn = turn;
            let fetched = source.keys().await;
            let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
            known.tried_at = Some(instant);
            known.failed = fetched.is_err();
            known.keys = Arc::new(fetched?);
            Ok(())
        });
        fetching.await.unwrap_or(Err(KeysError::Lately))
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
        let mut roles: Vec<GivenRole> = Vec::new();
        for (value, role) in &self.roles {
            if values.contains(&value.as_str()) {
                role.clone().join(&mut roles);
            }
        }
        if roles.is_empty() {
            roles.extend(self.default_role.clone());
        }
        let vouched = Vouched { user: user.to_owned(), account: account.to_owned(), roles };
        Some(vouched).filter(|vouched| !vouched.roles.is_empty())
    }
}

impl Source {
    async fn keys(&self) -> Result<KeySet, KeysError> {
        let Self { issuer, options, .. } = self;
        let keys_at = if self.jwks_url.is_empty() {
            let provider = oidc::Provider::discover(issuer, options).await?;
            provider.jwks_uri().ok_or(KeysError::Nowhere)?.to_owned()
        } else {
            self.jwks_url.clone()
        };
        let bytes = document(&keys_at, options, MAX_DOCUMENT, TIMEOUT).await?;
        KeySet::read(&bytes).ok_or(KeysError::Keys)
    }
}

/// Which token is for us: what the client is told of its user where we are the client, else what opens something.
fn shown(config: &OidcConfig) -> Use {
    if config.client_id == config.audience { Use::IdToken } else { Use::AccessToken }
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
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use axum::Router;
    use axum::extract::State;
    use axum::routing::get;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_util::FutureExt as _;
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    /// Tells that the keys are asked for, and answers when it may.
    async fn keys(State((asked, answers)): State<(UnboundedSender<()>, Arc<Semaphore>)>) -> &'static str {
        asked.send(()).unwrap();
        answers.acquire().await.unwrap().forget();
        include_str!("../../testdata/oidc/jwks.json")
    }

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

    fn vouched(provider: &Provider, claims: Value) -> Option<(String, String, Vec<String>)> {
        let Value::Object(claims) = claims else { unreachable!() };
        let vouched = provider.vouched(&claims)?;
        let roles = vouched.roles.iter().map(ToString::to_string).collect();
        Some((vouched.user, vouched.account, roles))
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn roles_may_be_given_on_resources() {
        let teams = provider(|config| {
            config.roles =
                [("a", "developer on repository:r.io/a/* repository:r.io/b"), ("b", "developer on repository:r.io/b")]
                    .map(|(team, role)| (team.to_owned(), role.to_owned()))
                    .into();
            config.default_role = "policy-editor on policy:trial".to_owned();
        });
        let teams = teams.unwrap().unwrap();
        let roles = |roles: Value| {
            let claims = json!({"sub": "alice", "realm_access": {"roles": roles}});
            vouched(&teams, claims).unwrap().2
        };
        assert_eq!(roles(json!(["b"])), ["developer on repository:r.io/b"]);
        assert_eq!(roles(json!(["b", "a"])), ["developer on repository:r.io/a/* repository:r.io/b"]);
        assert_eq!(roles(json!([])), ["policy-editor on policy:trial"]);
    }

    #[test]
    fn claims_become_accounts_and_roles() {
        let all = provider(|_| {}).unwrap().unwrap();
        let claims = json!({"sub": "alice", "realm_access": {"roles": ["devs", "ops", "devs", 1]}});
        let want = ("alice".to_owned(), "team1".to_owned(), words(&["developer", "account-admin"]));
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
        assert_eq!(
            vouched(&by_claim, claims),
            Some(("a@example.org".to_owned(), "team2".to_owned(), words(&["reader"])))
        );
        assert_eq!(vouched(&by_claim, json!({"email": "a@example.org"})), None, "of no account");
    }

    #[tokio::test]
    async fn only_those_who_need_other_keys_wait_for_a_slow_provider() {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        static HOURS: AtomicU64 = AtomicU64::new(0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (sender, mut asked) = unbounded_channel();
        let answers = Arc::new(Semaphore::new(1));
        let router = Router::new().route("/keys", get(keys)).with_state((sender, Arc::clone(&answers)));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let provider = provider(|config| {
            config.jwks_url = url;
            config.default_role = "reader".to_owned();
        });
        let mut provider = provider.unwrap().unwrap();
        provider.clock = || *BEGIN + Duration::from_hours(HOURS.load(Ordering::Relaxed));
        let read = |token| provider.read(token, Timestamp::from_second(1500).unwrap());
        let known = include_str!("../../testdata/oidc/rs256.jwt").trim();
        let (_, claims) = known.split_once('.').unwrap();
        let unknown = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"another"}"#));
        assert!(read(known).await.unwrap().is_some());
        asked.recv().await.unwrap();

        // The keys are old now: who comes first fetches them.
        HOURS.store(2, Ordering::Relaxed);
        let mut first = Box::pin(read(known));
        assert!(first.as_mut().now_or_never().is_none());
        asked.recv().await.unwrap();
        assert!(read(known).now_or_never().expect("the known keys are enough").unwrap().is_some());
        let mut other = Box::pin(read(&unknown));
        assert!(other.as_mut().now_or_never().is_none(), "its key may be among those that are fetched");
        // What the first one began goes on without it.
        drop(first);
        answers.add_permits(1);
        assert_eq!(other.await.unwrap(), None);
        assert!(asked.try_recv().is_err(), "nobody else has fetched them");
    }

    #[test]
    fn settings_must_fit() {
        assert!(provider(|config| config.issuer.clear()).unwrap().is_none());
        assert!(matches!(provider(|config| config.audience.clear()), Err(OidcError::Audience)));
        assert!(matches!(provider(|config| config.account.clear()), Err(OidcError::Account)));
        let scope = provider(|config| config.scopes = vec!["openid email".to_owned()]);
        assert!(matches!(scope, Err(OidcError::Scope { scope }) if scope == "openid email"));
        let as_ourselves = |scopes: &[&str]| {
            provider(|config| {
                config.client_id = "killick".to_owned();
                config.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
            })
        };
        assert!(matches!(as_ourselves(&["email"]), Err(OidcError::IdToken)));
        assert!(as_ourselves(&["openid", "email"]).unwrap().unwrap().client().is_some());
        for text in ["king", "developer on policy:p", "reader on repository:r.io/a"] {
            let role = provider(|config| config.default_role = text.to_owned());
            assert!(matches!(role, Err(OidcError::Role { role, .. }) if role == text));
        }
    }
}
