//! The service: its settings, what it remembers, what it knows, and who may come in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use killick_analysis::analyze::Options;
use killick_analysis::budget::Budget;
use killick_analysis::inspectors::Inspections;
use killick_policy::Needs;
use killick_store::{Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::auth::{self, Bearer, Caller, Grants, Logins, Provider, Rates, Tokens, Turned};
use crate::config::{Config, SettingError};
use crate::events::EventType;
use crate::following::Concerned;
use crate::herald::{Herald, Service};
use crate::judge::cache::Cache;
use crate::knowledge::Knowledge;
use crate::metrics::Metrics;
use crate::presence::Beats;
use crate::records::{Account, NewRegistry, Policy, Records, RegistryLogin, Standing, User};
use crate::registry::{Ways, WaysError};
use crate::streams::Streams;
use crate::watching::Nudges;
use crate::webhooks::Webhooks;
use crate::{clock, cpu, jobs, records, registry, storage};

/// The version of the engine whose clients this service satisfies.
pub(crate) const PRODUCT_VERSION: &str = "1.1.0";
/// The version of the database schema those clients print.
pub(crate) const DB_VERSION: &str = "0.0.16";

/// A service that is ready to answer. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: Config,
    records: Records,
    knowledge: Knowledge,
    logins: Logins,
    tokens: Option<Tokens>,
    rates: Rates,
    streams: Streams,
    provider: Option<Provider>,
    cache: Cache,
    metrics: Metrics,
    /// How registries are reached.
    ways: Ways,
    /// Bytes of files held at once by all analyses of this process.
    budget: Arc<Budget>,
    inspections: Arc<Inspections>,
    herald: Arc<Herald>,
    webhooks: Webhooks,
    process: String,
    beats: Beats,
    nudges: Nudges,
    concerned: Concerned,
    /// Where layers are read: they may wait for a registry, and answers must not wait for them.
    analysts: rayon::ThreadPool,
}

/// Who is calling.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user: String,
    /// Their account.
    pub(crate) account: String,
    /// Whether they may do everything.
    pub(crate) is_admin: bool,
    /// What they may do.
    pub(crate) grants: Grants,
    /// How they proved who they are.
    pub(crate) via: Via,
    /// Whether the account may do anything.
    pub(crate) enabled: bool,
}

impl Identity {
    fn of(user: User, standing: &Standing, via: Via) -> Self {
        let grants = standing.grants();
        Self {
            user: user.name,
            account: user.account,
            is_admin: grants.is_system(),
            grants,
            via,
            enabled: standing.enabled,
        }
    }
}

/// How a caller proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// With the password.
    Password,
    /// With a token that was given for the password.
    Token,
    /// With the API key of this id.
    Key(String),
    /// With a token of the provider.
    Oidc,
}

impl fmt::Display for Via {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => out.write_str("password"),
            Self::Token => out.write_str("token"),
            Self::Key(id) => write!(out, "key:{id}"),
            Self::Oidc => out.write_str("oidc"),
        }
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting cannot work.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The data cannot be opened.
    #[error("cannot open the data in `{path}`")]
    Store {
        /// The data folder.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The first account cannot be made.
    #[error("cannot make the first account")]
    FirstAccount(#[source] StoreError),
    /// Tokens cannot be signed.
    #[error(transparent)]
    Tokens(#[from] auth::TokensError),
    /// The provider of tokens cannot be used as the settings say.
    #[error(transparent)]
    Oidc(#[from] auth::OidcError),
    /// Nobody can log in.
    #[error(transparent)]
    Logins(#[from] auth::LoginsError),
    /// The advisory index cannot be read, or not be kept up to date as the settings say.
    #[error(transparent)]
    Knowledge(#[from] crate::knowledge::KnowledgeError),
    /// The threads that read layers cannot be started.
    #[error("cannot start the threads that read layers")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The inspectors cannot be set up.
    #[error("a setting of inspections cannot be used")]
    Inspections(#[source] crate::inspections::InspectionsError),
    /// The ways to registries cannot be set up.
    #[error("a setting of registries cannot be used")]
    Ways(#[source] WaysError),
    /// Documents cannot be kept as the settings say.
    #[error(transparent)]
    Storage(#[from] storage::StorageSettingError),
    /// Nobody can be told as the settings say.
    #[error(transparent)]
    Webhooks(#[from] crate::notifications::formats::WebhookSettingError),
}

impl App {
    /// Opens the data, and makes the first account where there is none.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        config.check()?;
        crate::notifications::formats::check(&config.webhooks)?;
        let store = Store::open(&storage::settings(&config.storage)?).await;
        let store = store.map_err(|source| OpenError::Store { path: config.storage.data_dir.clone(), source })?;
        let ways = Ways::new(&config).map_err(OpenError::Ways)?;
        let provider = Provider::new(&config.oidc, ways.fetch_options(&config), clock::steady)?;
        let knowledge = Knowledge::open(&config, &ways)?;
        let herald = Arc::new(Herald::new(&config));
        let app = Self(Arc::new(Inner {
            ways,
            records: Records::new(store.told_by(Arc::<Herald>::clone(&herald))),
            herald,
            webhooks: Webhooks::default(),
            process: Uuid::new_v4().to_string(),
            beats: Beats::default(),
            nudges: Nudges::default(),
            concerned: Concerned::default(),
            knowledge,
            logins: Logins::new(&config.logins, clock::steady)?,
            tokens: Tokens::new(&config.oauth)?,
            rates: Rates::new(&config.rate_limits),
            streams: Streams::default(),
            provider,
            cache: Cache::default(),
            metrics: Metrics::new(),
            budget: Arc::new(Budget::new(config.limits.held_bytes)),
            inspections: crate::inspections::compile(&config.inspections).map_err(OpenError::Inspections)?,
            analysts: rayon::ThreadPoolBuilder::new()
                .thread_name(|number| format!("analysis-{number}"))
                .build()
                .map_err(OpenError::Threads)?,
            config,
        }));
        app.make_first_account().await?;
        Ok(app)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Follows the rules of the archive, and removes what was deleted and is old. For tests and one-shot use; [`serve`](crate::serve)
    /// does so all the time.
    pub async fn keep_house(&self) -> Result<(), StoreError> {
        crate::archive::rules::apply(self).await?;
        jobs::retention::clean(self).await
    }

    /// Runs the worker until nothing is queued. For tests and one-shot use; [`serve`](crate::serve) runs workers all
    /// the time.
    pub async fn work_until_idle(&self) {
        while jobs::analysis::work_once(self).await {}
    }

    /// Looks at everything that is watched, whatever is due. For tests and one-shot use.
    pub async fn look_now(&self) -> Result<(), StoreError> {
        jobs::look_now(self).await
    }

    /// Looks at what is watched and due. For tests and one-shot use.
    pub async fn look_due(&self) {
        jobs::look_due(self).await;
    }

    /// Removes what deleted accounts own. For tests and one-shot use.
    pub async fn drain(&self) -> Result<(), StoreError> {
        jobs::drain(self).await
    }

    /// Sends the notifications that are due after so long. For tests and one-shot use.
    pub async fn deliver(&self, after: Duration) -> Result<(), StoreError> {
        let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
        jobs::deliver(self, records::now().saturating_add(after)).await
    }

    /// Ends running statements and closes the database.
    pub(crate) async fn close(&self) {
        self.records().store().close().await;
    }

    pub(crate) fn records(&self) -> &Records {
        &self.0.records
    }

    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.0.knowledge
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// How an image is analysed, beginning now, for rules that need this.
    pub(crate) fn analysis_options(&self, needs: &Needs) -> Options {
        let (limits, budget) = (self.config().limits.clone(), Arc::clone(&self.0.budget));
        let wider = crate::inspections::with_needs(&self.config().inspections, needs);
        let inspections = wider.and_then(|wider| {
            let compiled = crate::inspections::compile(&wider);
            compiled
                .inspect_err(
                    |error| tracing::warn!(error = %error, "the policy asks for what cannot be looked for: {error}"),
                )
                .ok()
        });
        let inspections = inspections.unwrap_or_else(|| Arc::clone(&self.0.inspections));
        Options { limits, budget, inspections, elapsed: Some(clock::stopwatch()), ..Options::default() }
    }

    /// Where layers are read.
    pub(crate) fn analysts(&self) -> &rayon::ThreadPool {
        &self.0.analysts
    }

    /// Answers that go on for long.
    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// Who puts what happens into words.
    pub(crate) fn herald(&self) -> &Herald {
        &self.0.herald
    }

    /// The places that notifications go to.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    /// The id of this process among those on the database.
    pub(crate) fn process(&self) -> &str {
        &self.0.process
    }

    /// Since when this process is there.
    pub(crate) fn beats(&self) -> &Beats {
        &self.0.beats
    }

    /// What the last change of the advisories concerns.
    pub(crate) fn concerned(&self) -> &Concerned {
        &self.0.concerned
    }

    /// What wakes watchers.
    pub(crate) fn nudges(&self) -> &Nudges {
        &self.0.nudges
    }

    /// Records an event that belongs to no change in the store. A failure costs only that.
    pub(crate) async fn tell(
        &self,
        kind: &EventType,
        service: Service,
        account: &str,
        resource: Option<&str>,
        details: Value,
    ) {
        let now = records::now();
        let news = self.herald().event(kind, service, account, resource, details, now);
        if let Err(error) = self.records().store().tell(&news, now).await {
            tracing::error!(error = %error, "the event `{}` cannot be recorded: {error}", kind.name);
        }
    }

    /// How registries are reached.
    pub(crate) fn ways(&self) -> &Ways {
        &self.0.ways
    }

    /// What signs tokens, if there are any.
    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        self.0.tokens.as_ref()
    }

    /// The caller of this name and password, or nobody.
    pub(crate) async fn authenticate(
        &self,
        caller: &Caller,
        password: SecretString,
    ) -> Result<Option<Identity>, ApiError> {
        Ok(self.authenticated(caller, password).await?.map(|(identity, _)| identity))
    }

    /// The caller of this name and password with the stored hash of it, or nobody.
    pub(crate) async fn authenticated(
        &self,
        caller: &Caller,
        password: SecretString,
    ) -> Result<Option<(Identity, String)>, ApiError> {
        let found = self.records().user_and_standing(&caller.user).await?;
        let stored = found.as_ref().and_then(|(user, _)| user.password_hash.clone());
        if !self.0.logins.is_right(caller, password, stored.clone()).await? {
            return Ok(None);
        }
        Ok(found.zip(stored).map(|((user, standing), stored)| (Identity::of(user, &standing, Via::Password), stored)))
    }

    /// The caller with this token, if it was given for the password of today.
    pub(crate) async fn bearer(&self, bearer: &Bearer) -> Result<Option<Identity>, ApiError> {
        let found = self.records().user_and_standing(&bearer.user).await?;
        let holds = |user: &User| user.password_hash.as_deref().is_some_and(|hash| bearer.holds_for(hash));
        let found = found.filter(|(user, _)| holds(user));
        Ok(found.map(|(user, standing)| Identity::of(user, &standing, Via::Token)))
    }

    /// The caller with this API key, or nobody. A key allows what its role and its user may both.
    pub(crate) async fn holder(&self, key: &SecretString) -> Result<Option<Identity>, ApiError> {
        let Some(key) = self.records().key_of(key).await? else { return Ok(None) };
        let Some((user, standing)) = self.records().user_and_standing(&key.username).await? else { return Ok(None) };
        let identity = Identity::of(user, &standing, Via::Key(key.id));
        let grants = identity.grants.with_key(key.role.as_deref());
        Ok(Some(Identity { is_admin: grants.is_system(), grants, ..identity }))
    }

    /// The provider whose tokens are taken, if there is one.
    pub(crate) fn provider(&self) -> Option<&Provider> {
        self.0.provider.as_ref()
    }

    /// The caller whom a token of the provider is for, or nobody. Who comes for the first time is added.
    pub(crate) async fn vouched_for(&self, provider: &Provider, token: &str) -> Result<Option<Identity>, ApiError> {
        let vouched = provider.read(token, clock::now()).await.map_err(|error| {
            tracing::error!(error = %error, "tokens of `{}` cannot be checked: {error}", provider.issuer());
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "tokens cannot be checked now: try again")
        })?;
        let Some(vouched) = vouched else { return Ok(None) };
        let account = self.records().account(&vouched.account).await?;
        let Some(account) = account.filter(|account| account.state != records::AccountState::Deleting) else {
            return Ok(None);
        };
        let user = match self.records().user(&vouched.user).await? {
            Some(user) => user,
            None => self.records().create_external_user(&account.name, &vouched.user, provider.issuer()).await?,
        };
        if user.source.as_deref() != Some(provider.issuer()) || !user.is_external() || user.account != account.name {
            tracing::warn!("a token is for `{}` of `{}`, which is somebody else's name", user.name, account.name);
            return Ok(None);
        }
        let grants = Grants::of(&vouched.roles);
        Ok(Some(Identity {
            user: user.name,
            is_admin: grants.is_system(),
            grants,
            via: Via::Oidc,
            enabled: account.state == records::AccountState::Enabled,
            account: account.name,
        }))
    }

    /// What a user may do.
    pub(crate) async fn grants_of(&self, user: &User) -> Result<Grants, ApiError> {
        let found = self.records().user_and_standing(&user.name).await?;
        Ok(found.map_or_else(Grants::none, |(_, standing)| standing.grants()))
    }

    /// How often users may call.
    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// Adds an account with the default policy.
    pub(crate) async fn create_account(&self, name: &str, email: Option<&str>) -> Result<Account, ApiError> {
        if self.records().account(name).await?.is_some() {
            return Err(ApiError::bad_request("Account already exists"));
        }
        Ok(self.records().create_account(name, records::AccountKind::User, email).await?)
    }

    /// Adds a user.
    pub(crate) async fn create_user(
        &self,
        account: &str,
        name: &str,
        password: SecretString,
    ) -> Result<User, ApiError> {
        if self.records().user(name).await?.is_some() {
            return Err(ApiError::bad_request(format!("the user `{name}` exists already")));
        }
        let hashed = self.hashed(password).await?;
        Ok(self.records().create_user(account, name, &hashed).await?)
    }

    /// Replaces the password of a user.
    pub(crate) async fn set_password(
        &self,
        account: &str,
        name: &str,
        password: SecretString,
    ) -> Result<User, ApiError> {
        let hashed = self.hashed(password).await?;
        self.records().set_password(account, name, Some(&hashed)).await?;
        let user = self.records().user(name).await?;
        user.ok_or_else(|| ApiError::not_found("User not found"))
    }

    /// Checks a bundle and stores it under its id.
    pub(crate) async fn save_policy(&self, account: &str, bundle: Value) -> Result<Policy, ApiError> {
        if self.records().account(account).await?.is_none() {
            return Err(ApiError::not_found(format!("there is no account `{account}`")));
        }
        let max_rules = self.config().policies.max_rules;
        let bundle = cpu::run(move || crate::judge::check_bundle(&bundle, max_rules).map(|()| bundle)).await?;
        let policy = self.records().save_policy(account, &bundle, "local").await?;
        if policy.active {
            self.nudges().decisions();
        }
        Ok(policy)
    }

    /// Makes a policy the active one.
    pub(crate) async fn activate_policy(&self, account: &str, id: &str) -> Result<Policy, ApiError> {
        self.records().activate_policy(account, id).await?;
        self.nudges().decisions();
        let policy = self.records().policy(account, id).await?;
        policy.ok_or_else(|| ApiError::not_found(format!("there is no policy `{id}`")))
    }

    /// Whether a registry takes the credentials, told in one sentence where it does not.
    pub(crate) async fn try_registry(&self, wanted: &NewRegistry) -> Result<(), String> {
        let login = RegistryLogin {
            kind: wanted.kind.clone().unwrap_or_default(),
            user: wanted.user.clone(),
            password: wanted.password.clone(),
            verify_tls: wanted.verify_tls,
        };
        registry::try_login(self, &wanted.name, &login).await
    }

    async fn hashed(&self, password: SecretString) -> Result<String, ApiError> {
        self.0.logins.hash(password).await?.map_err(|error| ApiError::internal(&error))
    }

    async fn make_first_account(&self) -> Result<(), OpenError> {
        // The user, which is made last: an account alone is what a start that was cut short left.
        if self.records().user("admin").await.map_err(OpenError::FirstAccount)?.is_some() {
            return Ok(());
        }
        let accounts = &self.config().accounts;
        let made_up = accounts.admin_password.get().is_none().then(auth::random);
        let password = match (&made_up, accounts.admin_password.get()) {
            (None, Some(given)) => SecretString::from(given),
            (made_up, _) => made_up.clone().unwrap_or_else(auth::random),
        };
        let hashed = self.0.logins.hash(password).await;
        let hashed = hashed.expect("nobody else is waiting yet").map_err(auth::LoginsError::Password)?;
        let email = accounts.admin_email.as_str();
        let made = self.records().make_first_account(email, &hashed).await.map_err(OpenError::FirstAccount)?;
        // Of several processes that start at once, one makes it, and tells the password that holds. Who is killed before that
        // can be told another by `killick reset-password`.
        if made {
            if let Some(password) = made_up {
                announce(&password);
            }
            tracing::info!(at = %clock::now(), "made the account `admin`");
        }
        Ok(())
    }
}

/// Tells the operator the one password nobody else knows. Never logged, never told again.
#[expect(clippy::print_stderr, reason = "the only way to hand over a password that must not be in a log")]
fn announce(password: &SecretString) {
    eprintln!("user `admin` has the password `{}`: it is not shown again", password.expose_secret());
}

impl From<Turned> for ApiError {
    fn from(turned: Turned) -> Self {
        match turned {
            Turned::Away(wait) => Self::too_many(wait),
            Turned::Busy => Self::busy(),
        }
    }
}
