//! What is shown to a server instead of a password, and renewed where a provider of `OpenID` Connect does that.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use killick_fetch::fetched::FetchOptions;
use killick_fetch::oidc::{OidcError, Provider, Tokens};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::contexts::{Context, Contexts, OidcLogin, TokenKind};
use crate::report_error::with_hint;

/// The name under which servers know API keys.
const KEY_USER: &str = "_api_key";

/// A token is renewed so long before it ends: it has to get there.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// What is shown to the server.
pub(super) enum Pass {
    /// A name and a password.
    Basic(String, Option<SecretString>),
    /// A token alone.
    Bearer(SecretString),
}

/// The token of a context.
pub(super) struct Token {
    /// The name of the context.
    context: String,
    /// As it was remembered when the token was looked at last.
    known: Mutex<Context>,
}

impl Token {
    /// That of a context.
    pub(super) fn of(name: &str, context: &Context) -> Self {
        Self { context: name.to_owned(), known: Mutex::new(context.clone()) }
    }

    /// What to show now; fails if the token opens nothing any more, and there is no other.
    pub(super) async fn pass(&self, now: Timestamp) -> anyhow::Result<Pass> {
        // Who comes in between waits for the same token.
        let mut known = self.known.lock().await;
        if known.is_renewed() && known.is_expired(now + MARGIN) {
            // A task of its own: who asks may be out of time, and the provider takes a refresh token once.
            let renewing = tokio::spawn(renewed(self.context.clone(), known.clone(), now));
            match renewing.await.context("renewing the login was interrupted").flatten() {
                Ok(renewed) => *known = renewed,
                Err(error) if known.is_expired(now) => return Err(error),
                Err(error) => tracing::debug!("{error:#}"),
            }
        } else if let Some(expired) = known.expires_at.filter(|_| known.is_expired(now)) {
            let what = format!("the token of the context `{}` for {} expired at {expired}", self.context, known.url);
            return Err(with_hint(what, again(&self.context, &known)));
        }
        let token = known.token.clone();
        Ok(match known.token_kind {
            TokenKind::ApiKey => Pass::Basic(KEY_USER.to_owned(), Some(token)),
            TokenKind::Bearer => Pass::Bearer(token),
        })
    }
}

/// The context with another token. Of several commands one fetches it.
async fn renewed(name: String, known: Context, now: Timestamp) -> anyhow::Result<Context> {
    let cannot = |why: String, hint: String| {
        with_hint(format!("the login of the context `{name}` for {} cannot be renewed: {why}", known.url), hint)
    };
    let mut locked = Contexts::lock().await?;
    let mut context = locked.contexts.named(&name)?.clone();
    // What is kept there now is not for this server.
    let issuer = |context: &Context| context.oidc.as_ref().map(|login| login.issuer.clone());
    let is_ours = context.url == known.url && issuer(&context) == issuer(&known);
    let login = context.oidc.take().filter(|_| is_ours);
    let Some((mut kept, refresh_token)) = login.and_then(|login| Some((login.clone(), login.refresh_token?))) else {
        return Err(cannot("somebody logged in otherwise meanwhile".to_owned(), "do that again".to_owned()));
    };
    if context.token.expose_secret() != known.token.expose_secret()
        && context.expires_at.is_none_or(|expires| expires > now + MARGIN)
    {
        return Ok(Context { oidc: Some(kept), ..context });
    }
    let tokens = fetched(&kept, &refresh_token).await.map_err(|error| {
        let again = again(&name, &known);
        let hint = if error.is_final() { again } else { format!("is {} there? if it is, {again}", kept.issuer) };
        cannot(told(&error), hint)
    })?;
    kept.refresh_token = tokens.refresh_token.or(Some(refresh_token));
    context.oidc = Some(kept);
    context.expires_at = expiry(tokens.lifetime, now);
    context.token = tokens.shown;
    locked.contexts.contexts.insert(name, context.clone());
    if let Err(error) = locked.store() {
        // The provider takes the token of before no more: who goes on, goes on with this one.
        tracing::warn!("the renewed login of the context `{}` is not remembered: {error:#}", known.url);
    }
    Ok(context)
}

fn again(name: &str, context: &Context) -> String {
    let way = if context.oidc.is_some() { " --oidc" } else { "" };
    format!("log in again: `killick login {}{way} --name {name}`", context.url)
}

async fn fetched(login: &OidcLogin, refresh_token: &SecretString) -> Result<Tokens, OidcError> {
    let provider = Provider::discover(&login.issuer, &FetchOptions::default()).await?;
    provider.renewed(&login.client(), refresh_token).await
}

/// When what is good for so long from now on is not any more.
pub(super) fn expiry(lifetime: Option<std::time::Duration>, now: Timestamp) -> Option<Timestamp> {
    now.checked_add(lifetime?).ok()
}

/// An error with what caused it.
pub(super) fn told(error: &OidcError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
