//! Logging in to the registries of clouds with what the cloud's own tools would use.
//!
//! A registry's name decides what is sent where, and names come from strangers. So only the exact forms of names that a
//! cloud gives to its own registries are looked at, without a port, and what is sent there is a registry token made for
//! it; keys go to nobody but the cloud's token services, whose addresses are fixed here and not taken from answers.

mod aws;
mod azure;
mod exchange;
mod google;
mod host;
mod sigv4;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::credentials::Credentials;
use crate::egress::{Egress, Refused};
use crate::environment::Environment;
use crate::http::{HttpError, Proxy};
use exchange::Exchange;
use host::Registry;
pub(crate) use sigv4::{Keys, Signed};

/// A cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon: ECR, private and public.
    Aws,
    /// Google: Artifact Registry and Container Registry.
    Google,
    /// Microsoft: Azure Container Registry.
    Azure,
}

impl Provider {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Google, Self::Azure];

    /// As settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Google => "google",
            Self::Azure => "azure",
        }
    }
}

/// A text that names no cloud.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of the clouds `aws`, `google`, `azure`")]
pub struct NoProvider(String);

impl FromStr for Provider {
    type Err = NoProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|provider| provider.name() == text).ok_or_else(|| NoProvider(text.to_owned()))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Why there is no login to the registry of a cloud.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A file of the cloud's tools cannot be read.
    #[error("cannot read `{}` to log in to {provider}", path.display())]
    File {
        /// Which cloud.
        provider: Provider,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is configured cannot be used.
    #[error("cannot log in to {provider} with {what}: {reason}")]
    Unusable {
        /// Which cloud.
        provider: Provider,
        /// A file, variable or profile.
        what: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no HTTP client to ask with.
    #[error("cannot speak to {provider}")]
    Client {
        /// Which cloud.
        provider: Provider,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// The address of a service is not to be gone to.
    #[error("the {service} of {provider} leads to {refused}")]
    Forbidden {
        /// Which cloud.
        provider: Provider,
        /// Which service.
        service: &'static str,
        /// Why not.
        refused: Refused,
    },
    /// A service cannot be reached.
    #[error("cannot reach the {service} of {provider}")]
    Unreachable {
        /// Which cloud.
        provider: Provider,
        /// Which service.
        service: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A service does not answer in time.
    #[error("the {service} of {provider} took too long to answer")]
    Slow {
        /// Which cloud.
        provider: Provider,
        /// Which service.
        service: &'static str,
    },
    /// A service says no.
    #[error("the {service} of {provider} answered {status}{}", because(reason))]
    Refused {
        /// Which cloud.
        provider: Provider,
        /// Which service.
        service: &'static str,
        /// As answered.
        status: u16,
        /// Its word for why, or nothing.
        reason: String,
    },
    /// A service says what makes no sense.
    #[error("the {service} of {provider} gave no proper answer")]
    Malformed {
        /// Which cloud.
        provider: Provider,
        /// Which service.
        service: &'static str,
    },
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

impl CloudError {
    fn provider(&self) -> Provider {
        match self {
            Self::File { provider, .. }
            | Self::Unusable { provider, .. }
            | Self::Client { provider, .. }
            | Self::Forbidden { provider, .. }
            | Self::Unreachable { provider, .. }
            | Self::Slow { provider, .. }
            | Self::Refused { provider, .. }
            | Self::Malformed { provider, .. } => *provider,
        }
    }
}

impl Hint for CloudError {
    fn hint(&self) -> Option<String> {
        let text = match self.provider() {
            Provider::Aws => "try `aws ecr get-login-password`; its answer is the password of the user `AWS`",
            Provider::Google => {
                "try `gcloud auth print-access-token`; its answer is the password of `oauth2accesstoken`"
            }
            Provider::Azure => "try `az acr login --name NAME`, or give a service principal's id and secret",
        };
        Some(text.to_owned())
    }
}

/// Where the services are, if not where they usually are.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// Amazon's ECR API.
    pub ecr: Option<Url>,
    /// Amazon's public ECR API.
    pub ecr_public: Option<Url>,
    /// Amazon's security token service.
    pub sts: Option<Url>,
    /// The metadata service of Amazon's machines.
    pub aws_metadata: Option<Url>,
    /// Google's token service, whatever a key file says.
    pub google_token: Option<Url>,
    /// The metadata service of Google's machines.
    pub google_metadata: Option<Url>,
    /// Microsoft's login service.
    pub azure_login: Option<Url>,
    /// The metadata service of Microsoft's machines.
    pub azure_metadata: Option<Url>,
    /// The token exchange of an Azure registry.
    pub azure_exchange: Option<Url>,
}

/// A clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How clouds are logged in to.
#[derive(Clone)]
pub struct CloudOptions {
    /// To which.
    pub providers: Vec<Provider>,
    /// What says who we are.
    pub environment: Environment,
    /// Where the services are.
    pub endpoints: Endpoints,
    /// What requests are dated with.
    pub clock: Clock,
    /// How long a service may take to answer.
    pub timeout: Duration,
    /// Where services may be.
    pub egress: Egress,
    /// Through whom services in the network are reached.
    pub proxy: Proxy,
}

impl CloudOptions {
    /// All clouds, as `environment` says.
    pub fn new(environment: Environment, clock: Clock) -> Self {
        let timeout = Duration::from_secs(10);
        let (endpoints, egress) = (Endpoints::default(), Egress::default());
        Self { providers: Provider::ALL.to_vec(), environment, endpoints, clock, timeout, egress, proxy: Proxy::System }
    }
}

/// Credentials that are good until an instant.
struct Login {
    credentials: Credentials,
    until: Timestamp,
}

/// Who we are at Amazon, where somebody said so for one registry.
#[derive(Clone)]
pub enum AwsIdentity {
    /// A key.
    Key {
        /// Its id.
        id: String,
        /// The key.
        secret: SecretString,
    },
    /// A role, taken on by whoever we are by the environment.
    Role {
        /// Its resource name.
        arn: String,
        /// What its owner gave us for it.
        external_id: Option<String>,
    },
}

impl AwsIdentity {
    /// Tells logins of different identities apart.
    fn key(&self) -> String {
        let text = match self {
            Self::Key { id, secret } => format!("{id}\n{}", secret.expose_secret()),
            Self::Role { arn, external_id } => format!("{arn}\n{}\n", external_id.as_deref().unwrap_or_default()),
        };
        Digest::of(text.as_bytes()).hex()
    }
}

/// Logs in to registries of clouds, and remembers for how long.
#[derive(Clone)]
pub struct Cloud {
    options: Arc<CloudOptions>,
    aws: Option<AwsIdentity>,
    logins: Arc<Mutex<BTreeMap<String, Login>>>,
}

/// Seconds before its end from which a login is not used any more.
const MARGIN: i64 = 60;
/// Logins remembered.
const LOGINS: usize = 1000;

impl Cloud {
    /// With these options.
    pub fn new(options: CloudOptions) -> Self {
        Self { options: Arc::new(options), aws: None, logins: Arc::default() }
    }

    /// Whether `provider` is logged in to as the environment says.
    pub fn is_for(&self, provider: Provider) -> bool {
        self.options.providers.contains(&provider)
    }

    /// The same as somebody else at Amazon, whether or not it is logged in to otherwise.
    #[must_use]
    pub fn as_aws(&self, identity: AwsIdentity) -> Self {
        Self { aws: Some(identity), ..self.clone() }
    }

    /// Who we are at the registry `host`; `None` if it is none of a cloud's, or nothing says who we are.
    pub async fn log_in(&self, host: &str) -> Result<Option<Credentials>, CloudError> {
        let Some(registry) = Registry::of(host) else { return Ok(None) };
        let aws = self.aws.as_ref().filter(|_| registry.provider() == Provider::Aws);
        if aws.is_none() && !self.options.providers.contains(&registry.provider()) {
            return Ok(None);
        }
        let name = format!("{host} {}", aws.map(AwsIdentity::key).unwrap_or_default());
        if let Some(credentials) = self.remembered(&name) {
            return Ok(Some(credentials));
        }
        let exchange = Exchange::new(registry.provider(), &self.options);
        let login = match &registry {
            Registry::Ecr(_) | Registry::EcrPublic => aws::log_in(&registry, aws, &exchange).await?,
            Registry::Google => google::log_in(&exchange).await?,
            Registry::Acr => azure::log_in(host, &exchange).await?,
        };
        Ok(login.map(|login| self.remember(name, login)))
    }

    /// The keys of whoever we are at Amazon, if we are anybody there.
    pub(crate) async fn aws_keys(&self, region: &str) -> Result<Option<Keys>, CloudError> {
        if self.aws.is_none() && !self.is_for(Provider::Aws) {
            return Ok(None);
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        aws::keys::of(self.aws.as_ref(), &Exchange::new(Provider::Aws, &self.options), region, domain).await
    }

    /// What requests are dated with.
    pub(crate) fn now(&self) -> Timestamp {
        (self.options.clock)()
    }

    fn remembered(&self, name: &str) -> Option<Credentials> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins.get(name)?;
        let left = login.until.duration_since((self.options.clock)()).as_secs();
        (left > MARGIN).then(|| login.credentials.clone())
    }

    fn remember(&self, name: String, login: Login) -> Credentials {
        let credentials = login.credentials.clone();
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= LOGINS {
            logins.clear();
        }
        logins.insert(name, login);
        credentials
    }
}
