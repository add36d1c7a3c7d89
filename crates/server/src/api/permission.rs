//! What a caller may do. The only way to the service's state is through a permission, so no handler forgets one.
//!
//! The router's state is [`Guarded`]: nothing can be done with it except handing it to an extractor of this module.
//! [`Permission<P>`] authenticates, decides, and only then gives the handler the [`App`] and the caller: it is for those who may
//! do `P` whatever it is about. [`PermissionOn<P>`] also lets in whom a role narrows to some resources, and gives the same once
//! the handler has named what it is about.

mod on_resources;

use std::collections::HashMap;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_fetch::oidc::Client;
use secrecy::SecretString;

use crate::api::error::ApiError;
use crate::api::{client, recording};
use crate::app::{App, Identity};
use crate::auth::{Caller, Grants, keys, only_reads};
use crate::clock;

pub(crate) use on_resources::PermissionOn;

/// The header by which an administrator acts in another account.
const ACCOUNT_HEADER: &str = "x-anchore-account";

/// The service's state, out of reach until somebody was let in.
#[derive(Clone)]
pub(crate) struct Guarded(App);

impl Guarded {
    /// Locks the state away.
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Any user who proved who they are.
    Anyone,
    /// Users of the account acted in; administrators everywhere.
    Namespace,
    /// Users of the account named in the path; administrators.
    PathAccount,
    /// Administrators.
    System,
}

/// One thing a caller may or may not do.
pub(crate) trait Action: Send + Sync + 'static {
    /// Its name in the v1 API.
    const NAME: &'static str;
    /// Who may.
    const SCOPE: Scope;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $scope:ident;)*) => {
        $($(#[$doc])* pub(crate) struct $type;
        impl Action for $type {
            const NAME: &'static str = $name;
            const SCOPE: Scope = Scope::$scope;
        })*
    };
}

actions! {
    /// Only to be known.
    Authenticated = "authenticated", Anyone;
    /// Change the own password.
    UpdateOwnCredentials = "updateOwnCredentials", Anyone;
    /// List API keys.
    ListApiKeys = "listApiKeys", Anyone;
    /// Make an API key.
    CreateApiKey = "createApiKey", Anyone;
    /// Revoke an API key.
    DeleteApiKey = "deleteApiKey", Anyone;
    /// Add an image.
    CreateImage = "createImage", Namespace;
    /// List images.
    ListImages = "listImages", Namespace;
    /// Read one image and what is in it.
    GetImage = "getImage", Namespace;
    /// Delete an image.
    DeleteImage = "deleteImage", Namespace;
    /// Judge an image.
    GetEvaluation = "getImageEvaluation", Namespace;
    /// List policies.
    ListPolicies = "listPolicies", Namespace;
    /// Add a policy.
    CreatePolicy = "createPolicy", Namespace;
    /// Read a policy.
    GetPolicy = "getPolicy", Namespace;
    /// Change a policy.
    UpdatePolicy = "updatePolicy", Namespace;
    /// Delete a policy.
    DeletePolicy = "deletePolicy", Namespace;
    /// List registries.
    ListRegistries = "listRegistries", Namespace;
    /// Add a registry.
    CreateRegistry = "createRegistry", Namespace;
    /// Read a registry.
    GetRegistry = "getRegistry", Namespace;
    /// Change a registry.
    UpdateRegistry = "updateRegistry", Namespace;
    /// Delete a registry.
    DeleteRegistry = "deleteRegistry", Namespace;
    /// List subscriptions.
    ListSubscriptions = "listSubscriptions", Namespace;
    /// Add a subscription.
    CreateSubscription = "createSubscription", Namespace;
    /// Read a subscription.
    GetSubscription = "getSubscription", Namespace;
    /// Change a subscription.
    UpdateSubscription = "updateSubscription", Namespace;
    /// Delete a subscription.
    DeleteSubscription = "deleteSubscription", Namespace;
    /// Watch a repository.
    CreateRepository = "createRepository", Namespace;
    /// List events.
    ListEvents = "listEvents", Namespace;
    /// Read an event.
    GetEvent = "getEvent", Namespace;
    /// Acknowledge an event.
    UpdateEvent = "updateEvent", Namespace;
    /// Delete an event.
    DeleteEvent = "deleteEvent", Namespace;
    /// Delete many events.
    DeleteEvents = "deleteEvents", Namespace;
    /// Try a webhook.
    TestWebhook = "testWebhook", System;
    /// List imports.
    ListImports = "listImports", Namespace;
    /// Upload the documents of an image, or an archived analysis.
    ImportImages = "importImage", Namespace;
    /// Read how much is archived.
    GetArchive = "getArchive", Namespace;
    /// List archived images.
    ListArchivedImages = "listArchivedImages", Namespace;
    /// Archive images.
    ArchiveImages = "archiveImage", Namespace;
    /// Read an archived image.
    GetArchivedImage = "getArchivedImage", Namespace;
    /// Delete an archived image.
    DeleteArchivedImage = "deleteArchivedImage", Namespace;
    /// List rules of the archive.
    ListArchiveRules = "listArchiveRules", Namespace;
    /// Add a rule of the archive.
    CreateArchiveRule = "createArchiveRule", Namespace;
    /// Read a rule of the archive.
    GetArchiveRule = "getArchiveRule", Namespace;
    /// Delete a rule of the archive.
    DeleteArchiveRule = "deleteArchiveRule", Namespace;
    /// Read the account acted in.
    GetAccount = "getAccount", Namespace;
    /// List accounts.
    ListAccounts = "listAccounts", System;
    /// Add an account.
    CreateAccount = "createAccount", System;
    /// Enable or disable an account.
    UpdateAccount = "updateAccount", System;
    /// Delete an account.
    DeleteAccount = "deleteAccount", System;
    /// Read the account of the path.
    ReadAccount = "getAccount", PathAccount;
    /// List users.
    ListUsers = "listUsers", PathAccount;
    /// Add a user.
    CreateUser = "createUser", PathAccount;
    /// Read a user.
    GetUser = "getUser", PathAccount;
    /// Change the credentials of a user.
    UpdateUser = "updateUser", PathAccount;
    /// Read the roles of a user.
    GetUserRoles = "getUserRoles", Namespace;
    /// Give a user roles.
    AssignRoles = "assignRoles", Namespace;
    /// Read the audit log.
    ListAudit = "listAudit", Namespace;
    /// Delete a user.
    DeleteUser = "deleteUser", PathAccount;
    /// List services.
    ListServices = "listServices", System;
    /// Delete a service record.
    DeleteService = "deleteService", System;
    /// Update the advisories.
    UpdateFeeds = "updateFeeds", System;
}

/// Proof that the caller may do `P`, with what is needed to do it.
pub(crate) struct Permission<P> {
    /// The service.
    pub(crate) app: App,
    /// Who is calling.
    pub(crate) caller: Identity,
    /// The account acted in.
    pub(crate) account: String,
    action: PhantomData<P>,
}

impl<P: Action> FromRequestParts<Guarded> for Permission<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, guarded: &Guarded) -> Result<Self, ApiError> {
        admit(parts, guarded, Grants::may).await
    }
}

/// Lets the caller in whose grants allow the action.
async fn admit<P: Action>(
    parts: &mut Parts,
    guarded: &Guarded,
    allow: fn(&Grants, &str, Scope) -> bool,
) -> Result<Permission<P>, ApiError> {
    let caller = authenticate(&guarded.0, parts).await?;
    guarded.0.rates().take(&caller.user, clock::steady()).map_err(ApiError::too_often)?;
    let wanted = parts.headers.get(ACCOUNT_HEADER).map(|name| name.to_str());
    let account = match wanted {
        None | Some(Ok("")) => caller.account.clone(),
        Some(Ok(name)) => name.to_owned(),
        Some(Err(_)) => return Err(ApiError::bad_request("the header `x-anchore-account` is no account name")),
    };
    let domain = match P::SCOPE {
        Scope::Anyone => None,
        Scope::Namespace => Some(account.clone()),
        Scope::System => Some("system".to_owned()),
        Scope::PathAccount => Some(path_account(parts).await),
    };
    match &domain {
        Some(domain) if !caller.is_admin && (P::SCOPE == Scope::System || *domain != caller.account) => {
            return Err(ApiError::forbidden(domain, P::NAME, "*"));
        }
        _ => {}
    }
    if !allow(&caller.grants, P::NAME, P::SCOPE) {
        return Err(ApiError::forbidden(domain.as_ref().unwrap_or(&caller.account), P::NAME, "*"));
    }
    if !only_reads(P::NAME, P::SCOPE) {
        // Lists of an account that is not there are empty; nothing is written into it.
        let is_missing = P::SCOPE == Scope::Namespace
            && account != caller.account
            && guarded.0.records().account(&account).await?.is_none();
        if is_missing {
            return Err(ApiError::not_found(format!("there is no account `{account}`")));
        }
        // Anybody may name any account where it is not looked at: that is not to reach its log.
        let acted_in = match P::SCOPE {
            Scope::Anyone => &caller.account,
            Scope::PathAccount => domain.as_ref().unwrap_or(&account),
            Scope::Namespace | Scope::System => &account,
        };
        recording::begin(&guarded.0, parts, &caller, acted_in, P::NAME);
    }
    Ok(Permission { app: guarded.0.clone(), caller, account, action: PhantomData })
}

/// What anybody may ask without a name. It gives nothing, so that nothing of the service can be told.
pub(crate) struct Open;

impl FromRequestParts<Guarded> for Open {
    type Rejection = ApiError;

    async fn from_request_parts(_parts: &mut Parts, _guarded: &Guarded) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

/// Of whom and as whom people get tokens, which anybody may ask without a name, too, and nothing else of the service.
pub(crate) struct WayIn(pub(crate) Option<(String, Client)>);

impl FromRequestParts<Guarded> for WayIn {
    type Rejection = ApiError;

    async fn from_request_parts(_parts: &mut Parts, guarded: &Guarded) -> Result<Self, ApiError> {
        let provider = guarded.0.provider();
        Ok(Self(provider.and_then(|provider| Some((provider.issuer().to_owned(), provider.client()?)))))
    }
}

async fn path_account(parts: &mut Parts) -> String {
    let Ok(params) = RawPathParams::from_request_parts(parts, &()).await else { return String::new() };
    params.iter().find(|(name, _)| *name == "accountname").map(|(_, value)| value.to_owned()).unwrap_or_default()
}

async fn authenticate(app: &App, parts: &Parts) -> Result<Identity, ApiError> {
    if let Some(key) = key(&parts.headers) {
        let identity = app.holder(&key).await?.ok_or_else(ApiError::unauthorized)?;
        return let_in(identity);
    }
    let token = bearer(&parts.headers);
    if let Some((provider, token)) = app.provider().zip(token).filter(|(provider, token)| provider.is_of(token)) {
        let identity = app.vouched_for(provider, token).await?.ok_or_else(ApiError::unauthorized)?;
        return let_in(identity);
    }
    if let Some((tokens, token)) = app.tokens().zip(bearer(&parts.headers)) {
        let bearer = tokens.read(token, clock::now()).ok_or_else(ApiError::unauthorized)?;
        let identity = app.bearer(&bearer).await?.ok_or_else(ApiError::unauthorized)?;
        return let_in(identity);
    }
    let (user, password) = basic(&parts.headers).ok_or_else(ApiError::unauthorized)?;
    let caller = Caller { client: client::address(parts, &app.config().logins.trusted_proxies), user };
    let Some(identity) = app.authenticate(&caller, password).await? else {
        return Err(ApiError::unauthorized());
    };
    let_in(identity)
}

fn let_in(identity: Identity) -> Result<Identity, ApiError> {
    if !identity.enabled {
        return Err(ApiError::forbidden(&identity.account, "*", "*"));
    }
    Ok(identity)
}

/// The one client of the password grant.
const CLIENT: &str = "anonymous";

/// A token that was issued.
#[derive(Debug)]
pub(crate) struct Token {
    /// What the client sends from then on.
    pub(crate) text: String,
    /// How long it holds.
    pub(crate) seconds: u64,
}

/// Why no token was issued.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no key to sign it with.
    NotConfigured,
    /// Only passwords are exchanged for tokens.
    GrantType(Option<String>),
    /// There is one client, and this is not it.
    Client,
    /// User or password is missing.
    Incomplete,
    /// The password is wrong, or the account may do nothing.
    Credentials,
    /// Nobody looked.
    Turned(ApiError),
}

/// What came of the wish for a token. As with [`Permission`], nothing of the service is in reach.
pub(crate) struct Granted(pub(crate) Result<Token, Refusal>);

impl FromRequest<Guarded> for Granted {
    type Rejection = ApiError;

    async fn from_request(request: Request, guarded: &Guarded) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await.map_err(|rejection| {
            ApiError::problem(rejection.status(), "The request body is too large or could not be read")
        })?;
        Ok(Self(grant(&guarded.0, &parts, &body).await))
    }
}

async fn grant(app: &App, parts: &Parts, body: &[u8]) -> Result<Token, Refusal> {
    let tokens = app.tokens().ok_or(Refusal::NotConfigured)?;
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let (user, password) = match basic(&parts.headers) {
        Some(login) if form.is_empty() => login,
        _ => {
            let grant = form.get("grant_type");
            if grant.map(String::as_str) != Some("password") {
                return Err(Refusal::GrantType(grant.cloned()));
            }
            if form.get("client_id").map(String::as_str) != Some(CLIENT) {
                return Err(Refusal::Client);
            }
            match (form.get("username"), form.get("password")) {
                (Some(user), Some(password)) if !user.contains('\0') => {
                    (user.clone(), SecretString::from(password.as_str()))
                }
                _ => return Err(Refusal::Incomplete),
            }
        }
    };
    let caller = Caller { client: client::address(parts, &app.config().logins.trusted_proxies), user };
    let (_, hash) = app
        .authenticated(&caller, password)
        .await
        .map_err(Refusal::Turned)?
        .filter(|(identity, _)| identity.enabled)
        .ok_or(Refusal::Credentials)?;
    let text = tokens.issue(&caller.user, &hash, clock::now()).ok_or(Refusal::NotConfigured)?;
    Ok(Token { text, seconds: tokens.seconds() })
}

/// The token of the `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let is_token = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("jwt");
    is_token.then(|| token.trim())
}

/// The user name under which clients that know nothing else send an API key as a password.
const KEY_USER: &str = "_api_key";

/// The API key of the `Authorization` header.
fn key(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") && keys::is_key(rest.trim()) {
        return Some(SecretString::from(rest.trim()));
    }
    basic(headers).filter(|(user, _)| user == KEY_USER).map(|(_, key)| key)
}

/// User and password of the `Authorization` header.
fn basic(headers: &HeaderMap) -> Option<(String, SecretString)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':').filter(|(name, _)| !name.contains('\0'))?;
    Some((name.to_owned(), SecretString::from(password)))
}
