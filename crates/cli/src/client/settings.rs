//! Where the server is and who we are: flags, then environment, then the context in use, then the credentials file of
//! anchore-cli. What was said of one server is never told to another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use secrecy::SecretString;
use serde::Deserialize;

use super::ListFormat;
use super::contexts::{Context, Contexts};
use super::token::{Pass, Token};

/// Flags of every client command, spelled as in anchore-cli; like there, they stand before the command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server options")]
pub(crate) struct ClientArgs {
    /// Credentials file to read instead of `~/.anchore/credentials.yaml`
    #[arg(long = "config", value_name = "FILE", env = "ANCHORE_CLI_CONFIG")]
    client_config: Option<PathBuf>,
    /// User name (or `KILLICK_USER`, `ANCHORE_CLI_USER`)
    #[arg(long, value_name = "NAME")]
    u: Option<String>,
    /// Password (or `KILLICK_PASS`, `ANCHORE_CLI_PASS`)
    #[arg(long, value_name = "PASSWORD")]
    p: Option<String>,
    /// Server address (or `KILLICK_URL`, `ANCHORE_CLI_URL`)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where `policy hub` finds bundles (or `ANCHORE_CLI_HUB_URL`): a web folder with an `index.json`
    #[arg(long, value_name = "URL")]
    hub_url: Option<String>,
    /// Accepted for scripts written for anchore-cli; nothing needs it
    #[arg(long, value_name = "VERSION", hide = true)]
    api_version: Option<String>,
    /// Do not verify the server's TLS certificate (or `ANCHORE_CLI_SSL_VERIFY=n`)
    #[arg(long = "insecure")]
    insecure: bool,
    /// Print the server's answers as JSON
    #[arg(long, conflicts_with = "list_format")]
    json: bool,
    /// How to print the server's answers
    #[arg(long = "output", id = "list_format", value_enum, value_name = "FORMAT")]
    list_format: Option<ListFormat>,
    /// The server of this context, instead of the one in use (or `KILLICK_CONTEXT`); see `killick login`
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    context: Option<String>,
    /// Act in another account than the user's own
    #[arg(long, value_name = "ACCOUNT")]
    as_account: Option<String>,
    /// Print what is sent and received, without credentials
    #[arg(long, global = true)]
    pub(crate) debug: bool,
}

impl ClientArgs {
    /// Whether any flag was given that only means something to a server's client.
    pub(crate) fn is_given(&self) -> bool {
        self.u.is_some()
            || self.p.is_some()
            || self.url.is_some()
            || self.hub_url.is_some()
            || self.api_version.is_some()
            || self.as_account.is_some()
            || self.insecure
            || self.json
            || self.list_format.is_some()
            || self.context.is_some()
    }

    /// How answers are printed.
    pub(super) fn format(&self) -> ListFormat {
        let json = || self.json || variable(&["ANCHORE_CLI_JSON"]).is_some_and(|word| word.eq_ignore_ascii_case("y"));
        self.list_format.unwrap_or_else(|| if json() { ListFormat::Json } else { ListFormat::Table })
    }
}

/// Words of flags that stand before the command.
const BEFORE: &[&str] =
    &["--config", "--u", "--p", "--url", "--hub-url", "--insecure", "--json", "--output", "--context", "--as-account"];

/// The error about a flag of these behind the command, with where it belongs.
pub(crate) fn told_where(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg)
        && let Some(flag) = BEFORE.iter().find(|flag| given.split('=').next() == Some(**flag))
    {
        let value = if matches!(*flag, "--json" | "--insecure") { "" } else { " …" };
        let others = if matches!(*flag, "--json" | "--output") { "; other commands have `-o`" } else { "" };
        let tip =
            format!("`{flag}` stands before a command for servers, as in `killick {flag}{value} image list`{others}");
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// The settings in force.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) hub_url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) verify_tls: bool,
    pub(super) format: ListFormat,
    /// Whether errors are JSON too.
    pub(super) json: bool,
    pub(super) account: Option<String>,
    pub(super) debug: bool,
    /// The context whose token is shown.
    pub(super) context: Option<String>,
    pub(super) token: Option<Arc<Token>>,
    /// What was looked for and is not there, or is there and not in use: for whoever expected another server.
    pub(super) remark: Option<String>,
}

/// `default:` of the credentials file.
#[derive(Debug, Default, Deserialize)]
struct CredentialsFile {
    #[serde(default)]
    default: DefaultCredentials,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DefaultCredentials {
    #[serde(rename = "ANCHORE_CLI_USER")]
    user: Option<String>,
    #[serde(rename = "ANCHORE_CLI_PASS")]
    password: Option<String>,
    #[serde(rename = "ANCHORE_CLI_URL")]
    url: Option<String>,
    #[serde(rename = "ANCHORE_CLI_HUB_URL")]
    hub_url: Option<String>,
    #[serde(rename = "ANCHORE_CLI_SSL_VERIFY")]
    ssl_verify: Option<String>,
}

const DEFAULT_URL: &str = "http://localhost:8228/v1";

impl Settings {
    /// Reads all places.
    pub(super) fn load(args: &ClientArgs) -> anyhow::Result<Self> {
        let given = Given::of(args);
        let context = chosen(args, &given)?;
        // With a context, nothing of the file is about this server.
        let file = if context.is_some() { DefaultCredentials::default() } else { credentials_file(args)?.default };
        let verify = variable(&["ANCHORE_CLI_SSL_VERIFY"]).or(file.ssl_verify);
        let is_unverified = args.insecure || verify.is_some_and(|word| word.eq_ignore_ascii_case("n"));
        let settings = Self {
            url: given.url.or(file.url).unwrap_or_else(|| DEFAULT_URL.to_owned()),
            hub_url: args
                .hub_url
                .clone()
                .or_else(|| variable(&["KILLICK_HUB_URL", "ANCHORE_CLI_HUB_URL"]))
                .or(file.hub_url),
            user: given.user.clone().or(file.user),
            password: given.password.clone().or(file.password),
            verify_tls: !is_unverified,
            format: args.format(),
            json: args.format() == ListFormat::Json,
            account: args.as_account.clone().or_else(|| variable(&["ANCHORE_CLI_ACCOUNT"])),
            debug: args.debug || variable(&["ANCHORE_CLI_DEBUG"]).is_some_and(|word| word.eq_ignore_ascii_case("y")),
            context: None,
            token: None,
            remark: if context.is_some() { None } else { remark(args) },
        };
        let Some((name, context)) = context else { return Ok(settings) };
        let verify_tls = settings.verify_tls && !context.insecure;
        let settings = Self { url: context.url.clone(), verify_tls, ..settings };
        let says_who = given.user.is_some() || given.password.is_some();
        if says_who && args.context.is_none() {
            return Ok(settings);
        }
        let token = Some(Arc::new(Token::of(&name, &context)));
        Ok(Self { user: Some(context.user), password: None, context: Some(name), token, ..settings })
    }

    /// Those of who logs in to `url`: what is said in the environment counts if it is of no other server.
    pub(super) fn for_login(args: &ClientArgs, url: &str) -> Self {
        let elsewhere = variable(&URL).is_some_and(|other| !is_same(&other, url));
        let said = |flag: &Option<String>, names| flag.clone().or_else(|| variable(names).filter(|_| !elsewhere));
        let is_unverified = variable(&["ANCHORE_CLI_SSL_VERIFY"]).is_some_and(|word| word.eq_ignore_ascii_case("n"));
        Self {
            user: said(&args.u, &USER),
            password: said(&args.p, &PASSWORD),
            verify_tls: !args.insecure && !is_unverified,
            debug: args.debug,
            ..Self::of(url)
        }
    }

    /// Those of a server that nothing is said about.
    pub(super) fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            hub_url: None,
            user: None,
            password: None,
            verify_tls: true,
            format: ListFormat::default(),
            json: false,
            account: None,
            debug: false,
            context: None,
            token: None,
            remark: None,
        }
    }

    /// Those of a context, whichever is in use.
    pub(super) fn of_context(args: &ClientArgs, name: &str, context: &Context) -> Self {
        let token = Some(Arc::new(Token::of(name, context)));
        let verify_tls = !args.insecure && !context.insecure;
        let settings = Self::for_login(args, &context.url);
        Self { verify_tls, context: Some(name.to_owned()), token, ..settings }
    }

    /// The same with a token that nobody remembers yet.
    pub(super) fn of_token(given: &Self, context: &Context) -> Self {
        let token = Some(Arc::new(Token::of("", context)));
        Self { user: None, password: None, token, ..given.clone() }
    }

    /// What to show to the server; nothing, if nobody said who asks. Fails if it is a token that opens nothing any more.
    pub(super) async fn pass(&self) -> anyhow::Result<Option<Pass>> {
        if let Some(token) = &self.token {
            return token.pass(crate::clock::wall()).await.map(Some);
        }
        let password = self.password.clone().map(SecretString::from);
        Ok(self.user.clone().map(|user| Pass::Basic(user, password)))
    }
}

/// Contexts that are named in an error.
const MAX_NAMES: usize = 5;

const URL: [&str; 2] = ["KILLICK_URL", "ANCHORE_CLI_URL"];
const USER: [&str; 2] = ["KILLICK_USER", "ANCHORE_CLI_USER"];
const PASSWORD: [&str; 2] = ["KILLICK_PASS", "ANCHORE_CLI_PASS"];

/// What flags and environment say.
struct Given {
    url: Option<String>,
    user: Option<String>,
    password: Option<String>,
}

impl Given {
    fn of(args: &ClientArgs) -> Self {
        let said = |flag: &Option<String>, names| flag.clone().or_else(|| variable(names));
        Self { url: said(&args.url, &URL), user: said(&args.u, &USER), password: said(&args.p, &PASSWORD) }
    }
}

/// The context that counts: the one of the flag, else the one of the environment or in use, if nobody names another
/// server or another credentials file.
fn chosen(args: &ClientArgs, given: &Given) -> anyhow::Result<Option<(String, Context)>> {
    if let Some(name) = &args.context {
        return Ok(Some((name.clone(), Contexts::load()?.named(name)?.clone())));
    }
    let said_all = given.url.is_some() && given.user.is_some() && given.password.is_some();
    if said_all || args.client_config.is_some() {
        return Ok(None);
    }
    let contexts = Contexts::load()?;
    let name = match variable(&["KILLICK_CONTEXT"]) {
        Some(name) => {
            contexts.named(&name)?;
            Some(name)
        }
        None => contexts.current.clone(),
    };
    let found = name.and_then(|name| contexts.contexts.get(&name).map(|context| (name.clone(), context.clone())));
    Ok(found.filter(|(_, context)| given.url.as_ref().is_none_or(|url| is_same(url, &context.url))))
}

/// What may have been meant, where neither a context nor a credentials file counts.
fn remark(args: &ClientArgs) -> Option<String> {
    if let Some(path) = &args.client_config {
        return (!path.exists()).then(|| format!("there is no credentials file `{}`", path.display()));
    }
    let contexts = Contexts::load().ok()?;
    let names: Vec<&str> = contexts.contexts.keys().map(String::as_str).take(MAX_NAMES).collect();
    let none_in_use = contexts.current.is_none() && !names.is_empty();
    none_in_use.then(|| format!("no context is in use: `killick context use NAME` takes one of {}", names.join(", ")))
}

/// Whether both are the address of one server.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[expect(clippy::disallowed_methods, reason = "the one place where client settings are read from the environment")]
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty())
}

fn credentials_file(args: &ClientArgs) -> anyhow::Result<CredentialsFile> {
    let path = match (&args.client_config, etcetera::home_dir()) {
        (Some(path), _) => path.clone(),
        (None, Ok(home)) => home.join(".anchore").join("credentials.yaml"),
        (None, Err(_)) => return Ok(CredentialsFile::default()),
    };
    read_credentials(&path)
}

fn read_credentials(path: &Path) -> anyhow::Result<CredentialsFile> {
    if !path.exists() {
        return Ok(CredentialsFile::default());
    }
    let text = fs_err::read_to_string(path)?;
    if text.trim().is_empty() {
        return Ok(CredentialsFile::default());
    }
    serde_saphyr::from_str(&text)
        .with_context(|| format!("cannot read the credentials file `{}` as YAML", path.display()))
}
