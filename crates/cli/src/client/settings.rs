//! Where the server is and who we are: flags, then environment, then the credentials file of anchore-cli.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

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
    #[arg(long)]
    json: bool,
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
    }
}

/// The settings in force.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) hub_url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) verify_tls: bool,
    pub(super) json: bool,
    pub(super) account: Option<String>,
    pub(super) debug: bool,
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
    /// Reads all three places.
    pub(super) fn load(args: &ClientArgs) -> anyhow::Result<Self> {
        let file = credentials_file(args)?.default;
        let verify = variable(&["ANCHORE_CLI_SSL_VERIFY"]).or(file.ssl_verify);
        let url = args.url.clone().or_else(|| variable(&["KILLICK_URL", "ANCHORE_CLI_URL"])).or(file.url);
        Ok(Self {
            url: url.unwrap_or_else(|| DEFAULT_URL.to_owned()),
            hub_url: args
                .hub_url
                .clone()
                .or_else(|| variable(&["KILLICK_HUB_URL", "ANCHORE_CLI_HUB_URL"]))
                .or(file.hub_url),
            user: args.u.clone().or_else(|| variable(&["KILLICK_USER", "ANCHORE_CLI_USER"])).or(file.user),
            password: args.p.clone().or_else(|| variable(&["KILLICK_PASS", "ANCHORE_CLI_PASS"])).or(file.password),
            verify_tls: !args.insecure && !verify.is_some_and(|word| word.eq_ignore_ascii_case("n")),
            json: args.json || variable(&["ANCHORE_CLI_JSON"]).is_some_and(|word| word.eq_ignore_ascii_case("y")),
            account: args.as_account.clone().or_else(|| variable(&["ANCHORE_CLI_ACCOUNT"])),
            debug: args.debug || variable(&["ANCHORE_CLI_DEBUG"]).is_some_and(|word| word.eq_ignore_ascii_case("y")),
        })
    }
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
