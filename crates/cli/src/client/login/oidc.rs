//! Logging in at the provider of `OpenID` Connect that a server names.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use killick_fetch::fetched::{self, FetchOptions};
use killick_fetch::oidc::{Client, Device, OidcError, Provider, Tokens, Use};
use killick_model::printable::printable;
use serde::Deserialize;

use super::{Revoked, redirect};
use crate::client::api::{Api, Failure};
use crate::client::contexts::{Context, Contexts, OidcLogin, TokenKind};
use crate::client::settings::Settings;
use crate::client::token::{expiry, told};
use crate::report_error::with_hint;

/// Bytes of each text that the server says of its provider, and how many scopes there may be.
const MAX_TEXT: usize = 2000;
const MAX_SCOPES: usize = 100;

/// How long a browser is waited for.
const PATIENCE: Duration = Duration::from_mins(10);

/// The provider of a server, and as whom to come there.
#[derive(Debug, Deserialize)]
pub(super) struct WayIn {
    issuer: String,
    client_id: String,
    scopes: Vec<String>,
    token: Use,
}

#[derive(Deserialize)]
struct Ways {
    oidc: Option<WayIn>,
}

impl WayIn {
    /// What the server says, which nobody knows yet; nothing if it has no provider, or none that it could be trusted with.
    pub(super) async fn of(api: &Api) -> Result<Option<Self>, Failure> {
        let settings = &api.settings;
        if settings.verify_tls && fetched::address(&settings.url, &FetchOptions::default()).is_err() {
            let hint = "name the server with `https://`: whoever listens would get the token";
            return Err(Failure::local("a provider's tokens are not sent in plain HTTP").hinting(hint));
        }
        let reply = api.ask_openly("/v2/login").await?;
        let ways: Ways = serde_json::from_value(reply.body)
            .map_err(|_| Failure::local("what the server says of logging in makes no sense"))?;
        let is_short = |way: &Self| {
            let texts = way.scopes.iter().chain([&way.issuer, &way.client_id]);
            way.scopes.len() <= MAX_SCOPES && texts.into_iter().all(|text| text.len() <= MAX_TEXT)
        };
        match ways.oidc {
            Some(way) if !is_short(&way) => Err(Failure::local("what the server says of its provider is too long")),
            oidc => Ok(oidc),
        }
    }

    fn client(&self) -> Client {
        Client { id: self.client_id.clone(), scopes: self.scopes.clone(), shown: self.token }
    }

    fn refused(&self, error: &OidcError) -> anyhow::Error {
        let hint = match error {
            OidcError::Denied | OidcError::Expired => "`killick login` begins anew".to_owned(),
            OidcError::Fetch(_) => format!("is `{}` the right address, and the provider there?", self.issuer),
            _ => format!("whoever runs the provider knows what the client `{}` may there", self.client_id),
        };
        with_hint(format!("cannot log in at {}: {}", self.issuer, told(error)), hint)
    }
}

/// Logs in to the server of `api`: what to remember of it.
pub(super) async fn log_in(api: &Api, way: &WayIn) -> anyhow::Result<Context> {
    let provider = Provider::discover(&way.issuer, &FetchOptions::default()).await;
    let provider = provider.map_err(|error| way.refused(&error))?;
    let tokens = tokens(&provider, way, &api.settings.url).await?;
    let (now, client) = (crate::clock::wall(), way.client());
    let root = tokens.root().clone();
    let context = Context {
        url: api.settings.url.clone(),
        user: String::new(),
        token: tokens.shown,
        token_kind: TokenKind::Bearer,
        token_id: None,
        expires_at: expiry(tokens.lifetime, now),
        insecure: !api.settings.verify_tls,
        oidc: Some(OidcLogin {
            issuer: way.issuer.clone(),
            client_id: client.id.clone(),
            token: client.shown,
            refresh_token: tokens.refresh_token,
        }),
    };
    match user(api, &context).await {
        Ok(user) => Ok(Context { user, ..context }),
        Err(error) => {
            // What opens nothing is not left behind, unless another login would end with it. It is not what the user has to know of.
            let shares = |login| Contexts::load().is_ok_and(|contexts| contexts.share(login));
            if !context.oidc.as_ref().is_some_and(shares) {
                let _ = provider.revoke(&client, &root).await;
            }
            Err(error)
        }
    }
}

/// Who that is for the server.
async fn user(api: &Api, context: &Context) -> anyhow::Result<String> {
    let api = Api::new(Settings::of_token(&api.settings, context))?;
    let reply = api.get("/user", &[]).await.map_err(|failure| {
        let url = &api.settings.url;
        let hint = match failure.status() {
            Some(401) => {
                "does `oidc.audience` there name whom the token is for, and do `oidc.roles` give one of your groups a role? the \
                 log of the server tells"
            }
            _ => "is a server running there?",
        };
        with_hint(format!("the provider knows you, but {url} does not let you in: {}", failure.told()), hint)
    })?;
    let name = reply.body["username"].as_str().filter(|name| name.len() <= MAX_TEXT);
    name.map(|name| printable(name).into_owned())
        .ok_or_else(|| anyhow::anyhow!("{} does not tell who you are there", api.settings.url))
}

/// The tokens, by whichever way is open.
async fn tokens(provider: &Provider, way: &WayIn, server: &str) -> anyhow::Result<Tokens> {
    let client = way.client();
    let refused = |error: OidcError| way.refused(&error);
    let (issuer, id, scopes) = (provider.issuer(), &client.id, client.scopes.join(" "));
    say(&format!(
        "The server {server} asks for a token of {issuer}, for the client `{id}` ({scopes})\n\
         With a password instead: `killick login {server} --user NAME`\n\n"
    ))?;
    let head = "To log in, open in a browser";
    let closed = match provider.device(&client).await {
        Ok(device) => {
            say(&format!("{head}\n\n{}", instructions(&device)))?;
            return provider.confirmed(&client, &device, tokio::time::sleep).await.map_err(refused);
        }
        Err(error) if error.is_of_the_way() => error,
        Err(error) => return Err(refused(error)),
    };
    let (listener, redirect_uri) = redirect::place().await?;
    let authorization = match provider.authorization(&client, &redirect_uri) {
        Err(OidcError::Missing { .. }) if !matches!(closed, OidcError::Missing { .. }) => return Err(refused(closed)),
        authorization => Arc::new(authorization.map_err(refused)?),
    };
    let minutes = PATIENCE.as_secs() / 60;
    let url = &authorization.url;
    say(&format!("{head} of this machine\n\n    {url}\n\nWaiting for that, {minutes} minutes at most …\n"))?;
    let answer = tokio::time::timeout(PATIENCE, redirect::answer(listener, Arc::clone(&authorization))).await;
    let answer = answer.map_err(|_| refused(OidcError::Expired))??;
    provider.redeemed(&client, &authorization, &answer).await.map_err(refused)
}

fn instructions(device: &Device) -> String {
    let Device { user_code, verification_uri, verification_uri_complete, expires_in, .. } = device;
    let complete = verification_uri_complete.as_ref();
    let complete = complete.map(|url| format!("or open, and compare the code\n\n    {url}\n\n")).unwrap_or_default();
    let minutes = expires_in.as_secs().div_ceil(60);
    format!(
        "    {verification_uri}\n\nand type the code\n\n    {user_code}\n\n{complete}Waiting for that, {minutes} minutes at most …\n"
    )
}

/// Tells whoever sits at the terminal. Most of it comes from elsewhere.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(anstream::stderr().write_all(printable(text).as_bytes())?)
}

/// Has the provider forget the tokens that it gave.
pub(super) async fn revoke(login: &OidcLogin, context: &Context) -> Revoked {
    let token = match (&login.refresh_token, login.token) {
        (Some(token), _) => token,
        (None, Use::AccessToken) => &context.token,
        // What only says who somebody is cannot be taken back.
        (None, Use::IdToken) => return Revoked::Impossible,
    };
    let revoked = async {
        let provider = Provider::discover(&login.issuer, &FetchOptions::default()).await?;
        provider.revoke(&login.client(), token).await
    };
    match revoked.await {
        Ok(()) => Revoked::Yes,
        Err(OidcError::Missing { .. }) => Revoked::Impossible,
        Err(error) => {
            tracing::debug!("{}", told(&error));
            Revoked::No
        }
    }
}
