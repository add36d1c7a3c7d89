//! `killick login` and `killick context`: servers by name, and tokens instead of passwords.

mod oidc;
mod redirect;

use std::io::BufRead as _;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::api::{Api, Failure};
use super::columns::Columns;
use super::contexts::{Context as Server, Contexts, TokenKind};
use super::prompt::{ask, ask_secret};
use super::settings::Settings;
use super::{ClientArgs, ListFormat, python, yaml};
use crate::exit::Exit;
use crate::report_error::with_hint;

/// Seconds for which any token of OAuth may be good.
const LONGEST_TOKEN: i64 = 10 * 365 * 24 * 3600;

/// Days for which a token is good, if nothing else is said.
const DAYS: u32 = 90;

/// Bytes of a password that is read from a pipe.
const MAX_PASSWORD: u64 = 4096;

/// Arguments of `login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The server: `killick.example.com`, `https://killick.example.com:8228`
    #[arg(value_name = "SERVER")]
    server: String,
    /// Log in at the server's identity provider, in a browser (default: if it has one, and nobody says a user)
    #[arg(long, conflicts_with_all = ["user", "password_stdin", "expires"])]
    oidc: bool,
    /// User name (default: `--u`, `KILLICK_USER`, or asked for)
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Read the password from standard input (default: `--p`, `KILLICK_PASS`, or asked for)
    #[arg(long)]
    password_stdin: bool,
    /// What to call the server from now on (default: its host)
    #[arg(long, value_name = "CONTEXT")]
    name: Option<String>,
    /// Days for which the token is good that is given for a password (default: 90)
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires: Option<u32>,
}

/// What can be done with contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// The servers that somebody logged in to; `*` marks the one in use
    List,
    /// Use another one from now on; `--context` is for one command
    Use(Named),
    /// Forget one, and revoke its token
    Remove(Named),
}

/// Which context.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its name
    #[arg(value_name = "CONTEXT")]
    name: String,
}

/// Logs in, and remembers the token. Interrupted, it leaves the terminal as it was, and remembers nothing.
pub(crate) async fn login(args: Login, client: &ClientArgs) -> anyhow::Result<Exit> {
    let replaced = tokio::select! {
        outcome = log_in(args, client) => outcome?,
        () = crate::serve::stopped() => return Err(anyhow::anyhow!("interrupted: nobody is logged in")),
    };
    // The token that is replaced opens nothing any more.
    if let Some((api, before)) = replaced {
        tokio::select! {
            _ = revoke(&api, &before) => {}
            () = crate::serve::stopped() => {}
        }
    }
    Ok(Exit::Success)
}

/// What it replaces is still to be revoked: by itself, if it still opens anything.
async fn log_in(args: Login, client: &ClientArgs) -> anyhow::Result<Option<(Api, Server)>> {
    let url = address(&args.server)?;
    // What cannot be remembered is not begun.
    drop(Contexts::lock().await?);
    let name = args.name.clone().unwrap_or_else(|| host(&url));
    let given = Settings::for_login(client, &url);
    let server = match Box::pin(by_provider(&args, &given)).await? {
        Some(server) => server,
        None => by_password(args, given).await?,
    };
    let mut locked = Contexts::lock().await?;
    let before = locked.contexts.contexts.insert(name.clone(), server.clone());
    locked.contexts.current = Some(name.clone());
    let path = locked.store()?.display().to_string();
    let before = before.filter(|before| !before.oidc.as_ref().is_some_and(|login| locked.contexts.share(login)));
    drop(locked);
    let until = match server.expires_at {
        _ if server.is_renewed() => "renewed while the provider allows it".to_owned(),
        Some(at) => format!("good until {at}"),
        None => "good until it is revoked".to_owned(),
    };
    crate::stdout::print(&format!(
        "Logged in to {url} as {}: the context `{name}` is in use, its token is {until} ({path})\n",
        server.user
    ))?;
    let Some(before) = before else { return Ok(None) };
    let by = if before.is_expired(crate::clock::wall()) { &server } else { &before };
    Ok(Some((Api::new(Settings::of_context(client, &name, by))?, before)))
}

/// At the provider of the server, if that is wanted, or it has one and nothing is said of a password.
async fn by_provider(args: &Login, given: &Settings) -> anyhow::Result<Option<Server>> {
    let says_password = args.user.is_some() || args.password_stdin || args.expires.is_some();
    if !args.oidc && (says_password || given.user.is_some() || given.password.is_some()) {
        return Ok(None);
    }
    let api = Api::new(Settings { user: None, password: None, ..given.clone() })?;
    let url = &api.settings.url;
    match oidc::WayIn::of(&api).await {
        Ok(Some(way)) => oidc::log_in(&api, &way).await.map(Some),
        Ok(None) if args.oidc => Err(with_hint(
            format!("{url} names no provider to log in at"),
            "whoever runs it sets `oidc.issuer` and `oidc.client_id`; with a password, `killick login SERVER --user NAME` logs in",
        )),
        Err(failure) if args.oidc => {
            let hint = failure.hint(&api.settings).unwrap_or_else(|| format!("is a Killick server running at {url}?"));
            Err(with_hint(format!("cannot log in to {url}: {}", failure.told()), hint))
        }
        Err(failure) => {
            match failure.status() {
                // What knows of no providers is asked with a password; what is not there cannot be, which is told then.
                None | Some(404) => tracing::debug!("{}", failure.told()),
                Some(_) => tracing::warn!("cannot tell whether {url} has a provider to log in at: {}", failure.told()),
            }
            Ok(None)
        }
        Ok(None) => Ok(None),
    }
}

/// With a user name and a password.
async fn by_password(args: Login, given: Settings) -> anyhow::Result<Server> {
    let user = match args.user.or_else(|| given.user.clone()) {
        Some(user) => user,
        None => ask("User").await?,
    };
    let password = match &given.password {
        // On a thread of its own, so that whoever waits can be interrupted.
        _ if args.password_stdin => {
            tokio::task::spawn_blocking(from_stdin).await.context("reading was interrupted")??
        }
        Some(password) => password.clone(),
        None => ask_secret("Password").await?,
    };
    let insecure = !given.verify_tls;
    let api = Api::new(Settings { user: Some(user.clone()), password: Some(password.clone()), ..given })?;
    let now = crate::clock::wall();
    let expires_at = now + SignedDuration::from_hours(24 * i64::from(args.expires.unwrap_or(DAYS)));
    let granted = match api_key(&api, expires_at).await {
        Err(failure) if failure.status() == Some(404) => engine_token(&api, &user, &password, now).await?,
        other => other.map_err(|failure| refused(&api, &user, &failure))?,
    };
    let Granted { token, token_kind, token_id, expires_at } = granted;
    Ok(Server { url: api.settings.url, user, token, token_kind, token_id, expires_at, insecure, oidc: None })
}

/// What a server gives for a password.
struct Granted {
    token: SecretString,
    token_kind: TokenKind,
    token_id: Option<String>,
    expires_at: Option<Timestamp>,
}

/// A new API key.
async fn api_key(api: &Api, expires_at: Timestamp) -> Result<Granted, Failure> {
    let body = json!({"name": "killick login", "expires_at": expires_at.to_string()});
    let reply = api.send("POST", "/v2/api-keys", &[], Some(&body)).await?;
    let text = |key: &str| reply.body[key].as_str().map(str::to_owned);
    let key = text("key").ok_or_else(|| Failure::local("the server made an API key and did not tell it"))?;
    let expires_at = text("expires_at").and_then(|at| at.parse().ok());
    Ok(Granted { token: SecretString::from(key), token_kind: TokenKind::ApiKey, token_id: text("id"), expires_at })
}

/// The token of an Anchore Engine, which has no API keys, and tokens only if OAuth is set up there. Whether the password is
/// right is asked first: it says no more of a wrong one than that it failed.
async fn engine_token(api: &Api, user: &str, password: &str, now: Timestamp) -> anyhow::Result<Granted> {
    match api.get("/user", &[]).await {
        Err(failure) if failure.status() == Some(404) => {
            let hint = "is there an API of Killick or Anchore Engine at this address? it ends in `/v1` mostly";
            return Err(with_hint(format!("cannot log in to {}: {}", api.settings.url, failure.told()), hint));
        }
        known => known.map_err(|failure| refused(api, user, &failure))?,
    };
    let form = [("grant_type", "password"), ("username", user), ("password", password), ("client_id", "anonymous")];
    let reply = api.post_form("/oauth/token", &form).await.map_err(|failure| {
        let url = &api.settings.url;
        tracing::debug!("{}", failure.told());
        with_hint(
            format!("the user `{user}` and the password are right, but {url} gives no token to keep in place of the password"),
            format!(
                "it is an Anchore Engine without OAuth: say who you are with KILLICK_URL={url}, KILLICK_USER and KILLICK_PASS, \
                 or in `~/.anchore/credentials.yaml` as for anchore-cli"
            ),
        )
    })?;
    let token = reply.body["access_token"].as_str().context("the server gave a token and did not tell it")?;
    let seconds = reply.body["expires_in"].as_i64().map(|seconds| seconds.clamp(0, LONGEST_TOKEN));
    Ok(Granted {
        token: SecretString::from(token),
        token_kind: TokenKind::Bearer,
        token_id: None,
        expires_at: seconds.map(|seconds| now + SignedDuration::from_secs(seconds)),
    })
}

fn refused(api: &Api, user: &str, failure: &Failure) -> anyhow::Error {
    let url = &api.settings.url;
    let hint = match failure.status() {
        Some(401) => "are the user name and the password right?".to_owned(),
        Some(_) => "without a token, say who you are with KILLICK_USER and KILLICK_PASS".to_owned(),
        None => "is a server running there? `killick serve` starts one; `--insecure` does not verify its certificate"
            .to_owned(),
    };
    with_hint(format!("cannot log in to {url} as `{user}`: {}", failure.told()), hint)
}

/// Shows, switches and forgets contexts.
pub(crate) async fn context(command: ContextCommand, client: &ClientArgs) -> anyhow::Result<Exit> {
    match command {
        ContextCommand::List => {
            crate::stdout::print(&list(&Contexts::load()?, client.format(), crate::clock::wall()))?;
        }
        ContextCommand::Use(Named { name }) => {
            let mut locked = Contexts::lock().await?;
            let url = locked.contexts.named(&name)?.url.clone();
            locked.contexts.current = Some(name.clone());
            locked.store()?;
            crate::stdout::print(&format!("The context `{name}` ({url}) is in use\n"))?;
        }
        ContextCommand::Remove(Named { name }) => remove(&name, client).await?,
    }
    Ok(Exit::Success)
}

/// Forgets a context, and tells what becomes of its token.
async fn remove(name: &str, client: &ClientArgs) -> anyhow::Result<()> {
    let mut locked = Contexts::lock().await?;
    let contexts = &mut locked.contexts;
    let server = contexts.named(name)?.clone();
    contexts.contexts.remove(name);
    if contexts.current.as_deref() == Some(name) {
        contexts.current = None;
    }
    locked.store()?;
    let is_shared = server.oidc.as_ref().is_some_and(|login| locked.contexts.share(login));
    drop(locked);
    let api = Api::new(Settings::of_context(client, name, &server))?;
    let revoked = if is_shared { Revoked::Shared } else { Box::pin(revoke(&api, &server)).await };
    crate::stdout::print(&format!(
        "The context `{name}` ({}) is forgotten, {}\n",
        server.url,
        revoked.told(server.oidc.is_some(), server.expires_at)
    ))
}

fn list(contexts: &Contexts, format: ListFormat, now: Timestamp) -> String {
    let expires = |server: &Server| match server.expires_at {
        _ if server.is_renewed() => "renewed".to_owned(),
        None => "never".to_owned(),
        Some(at) if server.is_expired(now) => format!("expired at {at}"),
        Some(at) => at.to_string(),
    };
    let current = |name: &String| contexts.current.as_ref() == Some(name);
    let mut table = Columns::new(&["In use", "Context", "Server", "User", "Token expires"]);
    let mut items = Vec::new();
    for (name, server) in &contexts.contexts {
        let mark = if current(name) { "*" } else { "" };
        table.row(vec![mark.to_owned(), name.clone(), server.url.clone(), server.user.clone(), expires(server)]);
        items.push(json!({"context": name, "current": current(name), "url": server.url, "user": server.user,
            "expires_at": server.expires_at, "renewed": server.is_renewed()}));
    }
    let items = Value::Array(items);
    match format {
        ListFormat::Table if contexts.contexts.is_empty() => {
            "No contexts: `killick login SERVER` makes one\n".to_owned()
        }
        ListFormat::Table => table.render() + "\n",
        ListFormat::Json => python::dumps(&items) + "\n",
        ListFormat::Yaml => yaml::dump(&items),
        ListFormat::Csv => table.csv() + "\n",
    }
}

/// What became of a token that nobody needs any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revoked {
    Yes,
    /// Another context logged in at the same provider, which may end both.
    Shared,
    /// Whoever gave it takes none back.
    Impossible,
    No,
}

impl Revoked {
    /// What became of a token that a provider gave, or the server itself, and that is good until then.
    fn told(self, is_of_provider: bool, expires_at: Option<Timestamp>) -> String {
        let until = expires_at.map_or_else(|| "as long as nobody revokes it".to_owned(), |at| format!("until {at}"));
        match self {
            // A server looks at the signature of such a token alone.
            Self::Yes if is_of_provider => format!("its login is revoked; the token it had is good {until}"),
            Self::Yes => "its token is revoked".to_owned(),
            Self::Shared => {
                format!("its token is good {until}: it is not revoked, for another context has the same login")
            }
            Self::Impossible if is_of_provider => format!("its token is good {until}: the provider cannot revoke it"),
            Self::Impossible if expires_at.is_some() => {
                format!("its token is good {until}: the server cannot revoke it")
            }
            Self::Impossible | Self::No => "its token could not be revoked".to_owned(),
        }
    }
}

/// Best effort: a token that expired or a server that is gone must not keep anybody from forgetting it.
async fn revoke(api: &Api, server: &Server) -> Revoked {
    if let Some(login) = &server.oidc {
        return oidc::revoke(login, server).await;
    }
    let Some(id) = &server.token_id else { return Revoked::Impossible };
    if server.url != api.settings.url {
        return Revoked::No;
    }
    let path = format!("/v2/api-keys/{}", super::api::percent_encode(id));
    if api.send("DELETE", &path, &[], None).await.is_ok() { Revoked::Yes } else { Revoked::No }
}

/// The address of the API. Without a scheme it is `https`, but for this machine.
fn address(server: &str) -> anyhow::Result<String> {
    let is_here = ["localhost", "127.", "[::1]"].iter().any(|here| server.starts_with(here));
    let scheme = if is_here { "http" } else { "https" };
    let text = if server.contains("://") { server.to_owned() } else { format!("{scheme}://{server}") };
    let wrong =
        |why: &str| with_hint(format!("`{server}` is no address of a server: {why}"), "write `https://HOST:PORT`");
    let mut url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it is neither `http` nor `https`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a user and a password do not belong in it"));
    }
    url.set_query(None);
    url.set_fragment(None);
    if matches!(url.path(), "" | "/") {
        url.set_path("/v1");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What a server is called if it has no other name.
fn host(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return url.to_owned() };
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn from_stdin() -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut line = String::new();
    std::io::BufReader::new(std::io::stdin().take(MAX_PASSWORD)).read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    anyhow::ensure!(!password.is_empty(), "there is no password on standard input");
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_as_people_name_them() {
        for (server, want, name) in [
            ("killick.example.com", "https://killick.example.com/v1", "killick.example.com"),
            ("killick.example.com:8228", "https://killick.example.com:8228/v1", "killick.example.com:8228"),
            ("localhost:8228", "http://localhost:8228/v1", "localhost:8228"),
            ("http://killick.example.com/", "http://killick.example.com/v1", "killick.example.com"),
            ("https://example.com/killick/v1/", "https://example.com/killick/v1", "example.com"),
            ("https://a.example/v1?x#y", "https://a.example/v1", "a.example"),
        ] {
            let url = address(server).unwrap();
            assert_eq!((url.as_str(), host(&url).as_str()), (want, name), "{server}");
        }
        for server in ["", "ftp://a.example", "https://me:secret@a.example", "https://"] {
            assert!(address(server).is_err(), "{server}");
        }
    }
}
