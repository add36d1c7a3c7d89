//! How registries are reached: from the words of the command line to the options of `fetch`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use killick_fetch::cloud::{CloudOptions, NoProvider, Provider};
use killick_fetch::credentials::{self, Helpers};
use killick_fetch::egress::{Egress, HostPattern};
use killick_fetch::http::Proxy;
use killick_fetch::registry::mirrors::{self, MirrorArgument, MirrorRule};
use killick_fetch::registry::usual_certificate_folders;
use killick_fetch::{Cloud, Credentials, Environment, RegistryOptions};
use secrecy::{SecretSlice, SecretString};

/// How registries are reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct RegistryArgs {
    /// Speak HTTP without TLS to the registry
    #[arg(long)]
    plain_http: bool,
    /// Accept any certificate of the registry
    #[arg(long)]
    skip_tls_verify: bool,
    /// Trust the certificates of this PEM file too
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Show the registry this certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The private key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// User at the registry (default: from the files and helpers of docker and podman, or the cloud's own login)
    #[arg(long, value_name = "NAME", env = "KILLICK_REGISTRY_USER")]
    registry_user: Option<String>,
    /// Password at the registry; better given as `KILLICK_REGISTRY_PASS`
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "KILLICK_REGISTRY_PASS",
        hide_env_values = true,
        requires = "registry_user"
    )]
    registry_pass: Option<String>,
    /// Clouds whose registries are logged in to as their own tools would do it, or none
    #[arg(
        long,
        value_name = "CLOUD",
        env = "KILLICK_CLOUD_LOGIN",
        value_delimiter = ',',
        default_value = "aws,google,azure"
    )]
    cloud_login: Vec<CloudName>,
    /// Where images of a registry are too, tried first; may be repeated
    #[arg(long = "mirror", value_name = "REGISTRY=LOCATION", env = "KILLICK_MIRRORS", value_delimiter = ',')]
    mirrors: Vec<MirrorArgument>,
    /// Rules of mirrors (default: `registries.conf` of podman, if there is one)
    #[arg(long, value_name = "FILE")]
    registries_conf: Option<PathBuf>,
    /// Proxy to registries (default: from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`)
    #[arg(long, value_name = "URL", env = "KILLICK_PROXY", hide_env_values = true)]
    proxy: Option<String>,
    /// Hosts, domains and networks to be reached without the proxy
    #[arg(long, value_name = "HOST", env = "KILLICK_NO_PROXY", value_delimiter = ',', requires = "proxy")]
    no_proxy: Vec<String>,
    /// Host on a private network that a public registry may lead to
    #[arg(long = "private-host", value_name = "HOST", env = "KILLICK_PRIVATE_HOSTS", value_delimiter = ',')]
    private_hosts: Vec<HostPattern>,
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

impl RegistryArgs {
    /// Whether there is a password that every registry would be shown.
    pub(super) fn has_password_for_all(&self) -> bool {
        self.registry_user.is_some()
    }

    /// The options they stand for.
    pub(super) fn options(&self, environment: &Environment) -> anyhow::Result<RegistryOptions> {
        let password = || self.registry_pass.clone().unwrap_or_default();
        let credentials = self.registry_user.as_ref().map(|user| Credentials::password(user, password()));
        let identity_pem = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => {
                let parts = [fs_err::read(certificate)?, b"\n".to_vec(), fs_err::read(key)?];
                Some(SecretSlice::from(parts.concat()))
            }
            _ => None,
        };
        let proxy = match &self.proxy {
            Some(url) => Proxy::Given { url: SecretString::from(url.as_str()), except: self.no_proxy.clone() },
            None => Proxy::System,
        };
        let egress = Egress { private: self.private_hosts.clone(), ..Egress::default() };
        let cloud = CloudOptions {
            providers: self.cloud_login.iter().filter_map(|name| name.0).collect(),
            egress: egress.clone(),
            proxy: proxy.clone(),
            ..CloudOptions::new(environment.clone(), Arc::new(crate::clock::now))
        };
        Ok(RegistryOptions {
            credentials,
            credential_files: credentials::usual_files(environment),
            helpers: Some(Helpers::of(environment)),
            cloud: Some(Cloud::new(cloud)),
            plain_http: self.plain_http,
            skip_tls_verify: self.skip_tls_verify,
            extra_ca_pem: self.ca_file.as_ref().map(fs_err::read).transpose()?,
            identity_pem,
            certificate_folders: usual_certificate_folders(environment),
            mirrors: self.mirror_rules(environment)?,
            proxy,
            egress,
            ..RegistryOptions::default()
        })
    }

    /// What is said here replaces what the file says of the same prefix.
    fn mirror_rules(&self, environment: &Environment) -> anyhow::Result<Vec<MirrorRule>> {
        let given = mirrors::merge(self.mirrors.iter().cloned());
        let path = self.registries_conf.clone().or_else(|| mirrors::usual_containers_conf(environment));
        let mut rules = match path {
            Some(path) => mirrors::read_containers_conf(&path)?,
            None => Vec::new(),
        };
        rules.retain(|rule| given.iter().all(|other| other.prefix != rule.prefix));
        rules.extend(given);
        Ok(rules)
    }
}
