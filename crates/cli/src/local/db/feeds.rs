//! Which advisory feeds are fetched, how, and to where: from the words of the command line to the options of `fetch`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use etcetera::BaseStrategy as _;
use killick_fetch::egress::{Egress, HostPattern};
use killick_fetch::feeds::{FeedOptions, UrlArgument};
use killick_fetch::http::Proxy;
use killick_server::update::Selection;
use secrecy::SecretString;
use url::Url;

/// Which feeds, and where they are kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Feeds")]
pub(crate) struct FeedArgs {
    /// Folder of upstream files (default: in the user's cache)
    #[arg(long, value_name = "DIR", env = "KILLICK_FEEDS")]
    feeds: Option<PathBuf>,
    /// Fetch this provider only, or this upstream of one (`nvd/api`); may be repeated
    #[arg(long = "provider", value_name = "NAME", env = "KILLICK_FEED_PROVIDERS", value_delimiter = ',')]
    providers: Vec<String>,
    /// Fetch this one besides the usual ones; may be repeated
    #[arg(long, value_name = "NAME", env = "KILLICK_FEED_ALSO", value_delimiter = ',')]
    also: Vec<String>,
    /// Do not fetch this one, and leave it out of the index; may be repeated
    #[arg(long, value_name = "NAME", env = "KILLICK_FEED_EXCLUDE", value_delimiter = ',')]
    exclude: Vec<String>,
}

impl FeedArgs {
    /// Which providers are fetched.
    pub(super) fn selection(&self) -> Selection {
        Selection { only: self.providers.clone(), also: self.also.clone(), exclude: self.exclude.clone() }
    }

    /// Where upstream files are kept.
    pub(super) fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.feeds {
            return Ok(folder.clone());
        }
        let folders = etcetera::choose_base_strategy().context("cannot tell where this user's cache is")?;
        Ok(folders.cache_dir().join("killick").join("feeds"))
    }
}

/// How feeds are fetched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ways to feeds")]
pub(crate) struct FetchArgs {
    /// Where an upstream is instead; may be repeated
    #[arg(long = "feed-url", value_name = "NAME=URL", env = "KILLICK_FEED_URLS", value_delimiter = ',')]
    urls: Vec<UrlArgument>,
    /// Where everything else is, by host and path: `https://mirror.example.com/feeds/`
    #[arg(long = "feed-mirror", value_name = "URL", env = "KILLICK_FEED_MIRROR")]
    mirror: Option<Url>,
    /// Key of the NVD's API, for `nvd/api`; better given as `KILLICK_NVD_API_KEY`
    #[arg(long, value_name = "KEY", env = "KILLICK_NVD_API_KEY", hide_env_values = true)]
    nvd_api_key: Option<String>,
    /// Trust the certificates of this PEM file too
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Proxy (default: from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`)
    #[arg(long, value_name = "URL", env = "KILLICK_PROXY", hide_env_values = true)]
    proxy: Option<String>,
    /// Hosts, domains and networks to be reached without the proxy
    #[arg(long, value_name = "HOST", env = "KILLICK_NO_PROXY", value_delimiter = ',', requires = "proxy")]
    no_proxy: Vec<String>,
    /// Host on a private network that a public upstream may lead to
    #[arg(long = "private-host", value_name = "HOST", env = "KILLICK_PRIVATE_HOSTS", value_delimiter = ',')]
    private_hosts: Vec<HostPattern>,
    /// Ask for everything, and build the index even if nothing changed
    #[arg(long)]
    force: bool,
    /// Believe a file that lost more than half of what it was
    #[arg(long)]
    accept_smaller: bool,
}

impl FetchArgs {
    /// The options they stand for.
    pub(super) fn options(&self, folder: PathBuf) -> anyhow::Result<FeedOptions> {
        let proxy = match &self.proxy {
            Some(url) => Proxy::Given { url: SecretString::from(url.as_str()), except: self.no_proxy.clone() },
            None => Proxy::System,
        };
        Ok(FeedOptions {
            urls: self.urls.iter().map(|argument| (argument.name.clone(), argument.url.clone())).collect(),
            mirror: self.mirror.clone(),
            nvd_api_key: self.nvd_api_key.as_deref().map(SecretString::from),
            proxy,
            extra_ca_pem: self.ca_file.as_ref().map(fs_err::read).transpose()?,
            egress: Egress { private: self.private_hosts.clone(), ..Egress::default() },
            is_forced: self.force,
            accept_smaller: self.accept_smaller,
            ..FeedOptions::new(folder, Arc::new(crate::clock::now))
        })
    }
}
