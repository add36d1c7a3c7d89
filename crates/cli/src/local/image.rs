//! From the word on the command line to an analysis.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use etcetera::BaseStrategy as _;
use killick_analysis::analyze::{Options, analyze};
use killick_analysis::cache::{FolderCache, LayerCache};
use killick_analysis::inspectors::Inspections;
use killick_fetch::cloud::{CloudOptions, NoProvider, Provider};
use killick_fetch::credentials::{self, Helpers};
use killick_fetch::egress::{Egress, HostPattern};
use killick_fetch::{Cloud, Credentials, Environment, RegistryOptions, Source, StageOptions};
use killick_model::analysis::Analysis;
use killick_model::image::{Platform, StagedImage};

use crate::progress::Display;
use crate::report_error::hinted;

/// Which image, and how to reach it.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// An image reference, an archive, an OCI layout or a directory; also registry:REF, docker:REF, podman:REF,
    /// docker-archive:FILE, oci-archive:FILE, oci:DIR or oci:DIR:TAG, dir:PATH
    #[arg(value_name = "IMAGE")]
    pub(super) source: String,
    /// Which image of a multi-platform index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Speak HTTP without TLS to the registry
    #[arg(long, help_heading = "Registry options")]
    plain_http: bool,
    /// Accept any certificate of the registry
    #[arg(long, help_heading = "Registry options")]
    skip_tls_verify: bool,
    /// Trust the certificates of this PEM file too
    #[arg(long, value_name = "FILE", help_heading = "Registry options")]
    ca_file: Option<PathBuf>,
    /// User at the registry (default: from the files and helpers of docker and podman, or the cloud's own login)
    #[arg(long, value_name = "NAME", env = "KILLICK_REGISTRY_USER", help_heading = "Registry options")]
    registry_user: Option<String>,
    /// Password at the registry; better given as `KILLICK_REGISTRY_PASS`
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "KILLICK_REGISTRY_PASS",
        hide_env_values = true,
        requires = "registry_user",
        help_heading = "Registry options"
    )]
    registry_pass: Option<String>,
    /// Host on a private network that a public registry may lead to
    #[arg(
        long = "private-host",
        value_name = "HOST",
        env = "KILLICK_PRIVATE_HOSTS",
        value_delimiter = ',',
        help_heading = "Registry options"
    )]
    private_hosts: Vec<HostPattern>,
    /// Clouds whose registries are logged in to as their own tools would do it, or none
    #[arg(
        long,
        value_name = "CLOUD",
        env = "KILLICK_CLOUD_LOGIN",
        value_delimiter = ',',
        default_value = "aws,google,azure",
        help_heading = "Registry options"
    )]
    cloud_login: Vec<CloudName>,
    /// Folder of layer facts (default: killick/layers in the user's cache folder)
    #[arg(long, value_name = "DIR", env = "KILLICK_CACHE")]
    cache: Option<PathBuf>,
    /// Neither read nor write layer facts
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

/// A cloud, or none of them.
#[derive(Debug, Clone, Copy)]
struct CloudName(Option<Provider>);

impl FromStr for CloudName {
    type Err = NoProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|provider| Self(Some(provider))) }
    }
}

/// Stages and analyses the image.
pub(super) async fn analyse(args: &ImageArgs, inspections: Arc<Inspections>) -> anyhow::Result<Analysis> {
    let source = Source::parse(&args.source).map_err(hinted)?;
    let display = Arc::new(Display::new());
    let environment = crate::environment::read();
    let options = StageOptions {
        platform: args.platform.clone(),
        registry: registry_options(args, &environment)?,
        environment,
        progress: Some(display.clone()),
        ..StageOptions::default()
    };
    let staged = killick_fetch::stage(&source, &options).await.map_err(hinted)?;
    let cache = cache(args);
    let analysis = tokio::task::spawn_blocking(move || read(&staged, cache.as_ref(), inspections))
        .await
        .context("the analysis was interrupted")?;
    display.finish();
    analysis
}

fn read(staged: &StagedImage, cache: Option<&FolderCache>, inspections: Arc<Inspections>) -> anyhow::Result<Analysis> {
    let cache = cache.map(|cache| cache as &dyn LayerCache);
    let options = Options { inspections, ..Options::default() };
    analyze(staged, cache, &options).map_err(hinted)
}

fn registry_options(args: &ImageArgs, environment: &Environment) -> anyhow::Result<RegistryOptions> {
    let credentials = args
        .registry_user
        .as_ref()
        .map(|user| Credentials::password(user, args.registry_pass.clone().unwrap_or_default()));
    let extra_ca_pem = args.ca_file.as_ref().map(fs_err::read).transpose()?;
    let providers: Vec<Provider> = args.cloud_login.iter().filter_map(|name| name.0).collect();
    let egress = Egress { private: args.private_hosts.clone(), ..Egress::default() };
    let cloud = CloudOptions::new(environment.clone(), Arc::new(crate::clock::now));
    let cloud = CloudOptions { providers, egress: egress.clone(), ..cloud };
    Ok(RegistryOptions {
        credentials,
        credential_files: credentials::usual_files(environment),
        helpers: Some(Helpers::of(environment)),
        cloud: Some(Cloud::new(cloud)),
        plain_http: args.plain_http,
        skip_tls_verify: args.skip_tls_verify,
        extra_ca_pem,
        egress,
        ..RegistryOptions::default()
    })
}

fn cache(args: &ImageArgs) -> Option<FolderCache> {
    if args.no_cache {
        return None;
    }
    let usual = || Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("killick").join("layers"));
    args.cache.clone().or_else(usual).map(FolderCache::new)
}
