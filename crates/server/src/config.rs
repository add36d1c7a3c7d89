//! Settings: one tree, read from one TOML file, then `KILLICK__SECTION__KEY` variables, then flags of the caller.
//!
//! No other code of the service reads the environment. The commented default file is [`DEFAULT_FILE`].

mod check;
mod key;
mod load;
mod network;
mod oidc;
mod platforms;
mod secret;
mod storage;
mod timers;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;

use killick_analysis::inspectors::settings::Pattern;
use killick_analysis::limits::Limits as AnalysisLimits;
use killick_fetch::cloud::Provider;
use killick_fetch::egress::HostPattern;
use killick_fetch::feeds::UrlArgument;
use killick_fetch::registry::mirrors::MirrorArgument;
use killick_fetch::{Environment, Limits as FetchLimits};
use killick_policy::Compatibility;
use serde::{Deserialize, Serialize};

pub use check::SettingError;
pub(crate) use check::no_http_url;
pub use key::PublicationKey;
pub use load::ConfigError;
pub use network::Network;
pub use oidc::OidcConfig;
pub(crate) use platforms::MAX_OF_INDEX;
pub use platforms::TakenPlatforms;
pub use secret::Secret;
pub use storage::StorageConfig;
pub use webhooks::{CycleTimersConfig, EventLevel, EventLogConfig, WebhookConfig, WebhooksConfig};

/// The default settings with a comment on each: what `killick serve` runs on with an empty file.
pub const DEFAULT_FILE: &str = include_str!("../config/default.toml");

/// All settings of the service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP surface.
    pub server: ServerConfig,
    /// Where things are kept.
    pub storage: StorageConfig,
    /// The first account.
    pub accounts: AccountsConfig,
    /// Who may try to log in, how often.
    pub logins: LoginsConfig,
    /// Tokens of a provider instead of passwords.
    pub oidc: OidcConfig,
    /// How often a user may call.
    pub rate_limits: RateLimitsConfig,
    /// Advisories.
    pub knowledge: KnowledgeConfig,
    /// Analysis of images.
    pub analysis: AnalysisConfig,
    /// Bounds on what the analysis of one image may cost.
    pub limits: AnalysisLimits,
    /// Bounds on what an image's documents and its number of layers may be.
    pub fetch_limits: FetchLimits,
    /// What inspectors look for in images.
    pub inspections: InspectionsConfig,
    /// How policies are evaluated.
    pub policies: PoliciesConfig,
    /// What monitoring reads.
    pub metrics: MetricsConfig,
    /// Registries.
    pub registries: RegistriesConfig,
    /// Where the service may go.
    pub egress: EgressConfig,
    /// Where notifications are posted to.
    pub webhooks: WebhooksConfig,
    /// Whether events are sent.
    pub event_log: EventLogConfig,
    /// How often is looked for what is to be told.
    pub cycle_timers: CycleTimersConfig,
    /// Tokens instead of passwords.
    pub oauth: OauthConfig,
    /// The analysis archive.
    pub archive: ArchiveConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// What the process was told by its environment: who it is in a cloud.
    #[serde(skip)]
    pub environment: Environment,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers requests.
    Api,
    /// Analyses images.
    Worker,
    /// Runs what runs on a timer.
    Scheduler,
}

impl Role {
    /// Its word in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        }
    }
}

/// The HTTP surface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Address and port on which a process that answers no calls has `/health` and `/metrics`; none without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<SocketAddr>,
    /// The URL others reach this service by, in service records; empty for the listening address.
    pub public_url: String,
    /// Name of this process in service records.
    pub host_id: String,
    /// What this process does.
    pub roles: Vec<Role>,
    /// A request is given up after this time; an upload of an analysis, when nothing comes for so long. An update of the
    /// advisories is waited for.
    pub request_timeout_seconds: u64,
    /// A connection is closed on which no whole header of a request, the first or the next, comes within this time.
    pub header_timeout_seconds: u64,
    /// Largest request body.
    pub body_limit_bytes: usize,
    /// How long running requests and tasks may take after a signal to stop.
    pub shutdown_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8228)),
            probes: None,
            public_url: String::new(),
            host_id: "killick".to_owned(),
            roles: vec![Role::Api, Role::Worker, Role::Scheduler],
            request_timeout_seconds: 180,
            header_timeout_seconds: 30,
            body_limit_bytes: 16 << 20,
            shutdown_seconds: 10,
        }
    }
}

impl ServerConfig {
    /// The URL others reach this service by.
    pub fn base_url(&self) -> String {
        if self.public_url.is_empty() { format!("http://{}", self.listen) } else { self.public_url.clone() }
    }

    /// Whether this process has the role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// The first account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsConfig {
    /// Password of user `admin` at the first start; empty to have one made up and printed once.
    pub admin_password: Secret,
    /// File holding `admin_password` instead.
    pub admin_password_file: PathBuf,
    /// E-mail address of account `admin`.
    pub admin_email: String,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            admin_password: Secret::default(),
            admin_password_file: PathBuf::new(),
            admin_email: "admin@myanchore".to_owned(),
        }
    }
}

/// Who may try to log in, how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginsConfig {
    /// Wrong passwords of one client that cost no waiting.
    pub client_failures: u32,
    /// Wrong passwords for one user, from whatever clients, that cost no waiting.
    pub user_failures: u32,
    /// The pause after the first that does; doubled with each further one.
    pub pause_seconds: u64,
    /// The longest pause of one client.
    pub longest_client_pause_seconds: u64,
    /// The longest pause for one user. Short, because anybody can bring it about.
    pub longest_user_pause_seconds: u64,
    /// Reverse proxies (addresses or networks) whose `X-Forwarded-For` tells the client.
    pub trusted_proxies: Vec<Network>,
}

impl Default for LoginsConfig {
    fn default() -> Self {
        Self {
            client_failures: 10,
            user_failures: 20,
            pause_seconds: 1,
            longest_client_pause_seconds: 60,
            longest_user_pause_seconds: 10,
            trusted_proxies: Vec::new(),
        }
    }
}

/// How often a user may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitsConfig {
    /// Requests of one user in a minute, in the long run, to each process; 0 for any number.
    pub user_requests_per_minute: u32,
    /// Requests that may come at once.
    pub user_burst: u32,
}

impl Default for RateLimitsConfig {
    fn default() -> Self {
        Self { user_requests_per_minute: 0, user_burst: 300 }
    }
}

/// Advisories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnowledgeConfig {
    /// The advisory index; empty for `advisories.db` in the data folder. While there is no such file, the one that
    /// ships with the program is used.
    pub index: PathBuf,
    /// Whether the files of upstreams are fetched, and the index built of them, every now and then and on request.
    pub update: Keeping,
    /// How often.
    pub update_seconds: u64,
    /// Folder of upstream files; empty for `feeds` in the data folder. If `update` is off, the index is built of what is
    /// in it when that is asked for, and without a folder never.
    pub feeds_dir: PathBuf,
    /// Providers, or upstreams of them (`nvd/api`), that are fetched; empty for the usual ones.
    pub providers: Vec<String>,
    /// Those that are fetched as well.
    pub also: Vec<String>,
    /// Those that are not fetched, and left out of the index.
    pub exclude: Vec<String>,
    /// Where upstreams are instead: `debian/tracker=https://mirror.example.com/debian/`.
    pub urls: Vec<UrlArgument>,
    /// Where everything else is, by host and path: `https://mirror.example.com/feeds/`; empty for where it is.
    pub mirror: String,
    /// Key of the NVD's API.
    pub nvd_api_key: Secret,
    /// Where the index is published that this service takes over, instead of building one of its own:
    /// `https://HOST/PATH`, `s3://BUCKET/PREFIX`, `oci://REGISTRY/REPOSITORY:TAG`, a folder; empty for none.
    pub from: String,
    /// Public keys (`ed25519:…`), any of which must have signed it.
    pub keys: Vec<PublicationKey>,
    /// How often to look there.
    pub refresh_seconds: u64,
    /// How often to look whether the index was replaced.
    pub reload_seconds: u64,
}

/// Who keeps the advisory index up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keeping {
    /// The service, from the upstreams.
    Auto,
    /// Somebody else.
    Off,
}

impl Default for KnowledgeConfig {
    fn default() -> Self {
        Self {
            index: PathBuf::new(),
            update: Keeping::Auto,
            update_seconds: 6 * 60 * 60,
            feeds_dir: PathBuf::new(),
            providers: Vec::new(),
            also: Vec::new(),
            exclude: Vec::new(),
            urls: Vec::new(),
            mirror: String::new(),
            nvd_api_key: Secret::default(),
            from: String::new(),
            keys: Vec::new(),
            refresh_seconds: 3600,
            reload_seconds: 10,
        }
    }
}

/// Analysis of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnalysisConfig {
    /// Images analysed at the same time by this process.
    pub workers: usize,
    /// How long a worker may be silent before its task is given to another.
    pub lease_seconds: u64,
    /// How often an idle worker looks for work that was queued by another process.
    pub poll_seconds: u64,
    /// Largest compressed image to accept, in megabytes; 0 for any.
    pub max_compressed_image_size_mb: u64,
    /// Look for SBOMs, attestations and signatures that are attached to an image.
    pub attachments: bool,
    /// Images of an index that are taken, the first of which is the one that a tag means; empty for that of the service's
    /// own processor.
    pub platforms: TakenPlatforms,
}

impl Default for AnalysisConfig {
    fn default() -> Self {
        Self {
            workers: 2,
            lease_seconds: 60,
            poll_seconds: 2,
            max_compressed_image_size_mb: 0,
            attachments: true,
            platforms: TakenPlatforms::default(),
        }
    }
}

/// What inspectors look for in images. The default is what the original looks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InspectionsConfig {
    /// Keys, tokens and passwords.
    pub secrets: bool,
    /// Names of secret rules whose findings are left out.
    pub ignore_secret_rules: Vec<String>,
    /// Patterns of secrets, besides the rules that are built in.
    pub secret_patterns: Vec<Pattern>,
    /// Patterns to look for in every file.
    pub content_search: Vec<Pattern>,
    /// Files to keep whole.
    pub retrieve_files: Vec<String>,
    /// Larger files are not kept, in kilobytes.
    pub retrieve_max_file_kb: u64,
    /// Licences that packages declare, and those of licence files by their text.
    pub licenses: bool,
    /// Files of distribution packages, compared with the package databases.
    pub verify_packages: bool,
    /// Socket of the clamd that scans for malware, `unix:/path` or `tcp:host:port`; empty for none.
    pub clamd: String,
    /// Files of more are not sent to clamd, in megabytes: at most its own `StreamMaxLength`.
    pub clamd_max_file_mb: u64,
    /// How long clamd may be silent.
    pub clamd_timeout_seconds: u64,
    /// Files of digests of files that should not be there.
    pub hash_lists: Vec<PathBuf>,
}

impl Default for InspectionsConfig {
    fn default() -> Self {
        Self {
            secrets: true,
            ignore_secret_rules: Vec::new(),
            secret_patterns: Vec::new(),
            content_search: Vec::new(),
            retrieve_files: vec!["/etc/passwd".to_owned()],
            retrieve_max_file_kb: 1000,
            licenses: true,
            verify_packages: true,
            clamd: String::new(),
            clamd_max_file_mb: 100,
            clamd_timeout_seconds: 120,
            hash_lists: Vec::new(),
        }
    }
}

/// How policies are evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoliciesConfig {
    /// Which outcome is wanted where the original has a defect.
    pub compatibility: Compatibility,
    /// The rules of the active policy of an account add to what inspectors look for in its images.
    pub extend_inspections: bool,
    /// Rules of one bundle, those of all its policies together. Each may have findings on every package of an image.
    pub max_rules: usize,
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self { compatibility: Compatibility::default(), extend_inspections: true, max_rules: 10_000 }
    }
}

/// What monitoring reads, at `/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Whether there is such a page.
    pub enabled: bool,
    /// Whether it is shown to anybody; else only to those who log in.
    pub auth_disabled: bool,
}

/// Registries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistriesConfig {
    /// Registries on this machine may be spoken to in plain HTTP, as container runtimes do.
    pub plain_http_on_loopback: bool,
    /// Hosts (`host` or `host:port`) that may be spoken to in plain HTTP.
    pub plain_http: Vec<String>,
    /// Certificate authorities to trust besides the public ones, PEM files.
    pub ca_files: Vec<PathBuf>,
    /// A request to a registry is given up after this time without an answer.
    pub timeout_seconds: u64,
    /// Clouds (`aws`, `google`, `azure`) whose registries every account may read as whoever this process is there.
    pub clouds: Vec<Provider>,
    /// Where images of a registry are too, tried first: `REGISTRY=HOST[/PATH]`, with `http://` before the host for one
    /// without TLS.
    pub mirrors: Vec<MirrorArgument>,
    /// Rules of mirrors in a file of its own, Podman's `registries.conf`; empty for none.
    pub containers_conf: PathBuf,
    /// Folders with certificates for single registries (`certs.d`).
    pub certificate_folders: Vec<PathBuf>,
    /// Proxy to registries; empty for that of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy: Secret,
    /// Hosts, domains and networks that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// Layers that a registry does not have are fetched from the URLs that their manifest names.
    pub foreign_layers: bool,
}

impl Default for RegistriesConfig {
    fn default() -> Self {
        Self {
            plain_http_on_loopback: true,
            plain_http: Vec::new(),
            ca_files: Vec::new(),
            timeout_seconds: 30,
            clouds: Vec::new(),
            mirrors: Vec::new(),
            containers_conf: PathBuf::new(),
            certificate_folders: Vec::new(),
            proxy: Secret::default(),
            no_proxy: Vec::new(),
            foreign_layers: false,
        }
    }
}

/// Where the service may go when somebody who uses it names a host, or a registry sends it to one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// The only hosts that registries, webhooks and upstreams of advisories may be at (`host`, `host:port`, `*.domain`); empty for any.
    pub allowed_hosts: Vec<HostPattern>,
    /// Hosts on a private network that a public registry may send us to.
    pub private_hosts: Vec<HostPattern>,
}

/// Tokens instead of passwords, for clients that ask for them. Without a key, there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OauthConfig {
    /// The secret that signs tokens (HS256), long and random.
    pub secret: Secret,
    /// File holding `secret` instead.
    pub secret_file: PathBuf,
    /// File with the RSA key, in PEM, that signs tokens (RS256) instead of a secret.
    pub private_key_file: PathBuf,
    /// How long a token is good for.
    pub token_seconds: u64,
}

impl Default for OauthConfig {
    fn default() -> Self {
        Self {
            secret: Secret::default(),
            secret_file: PathBuf::new(),
            private_key_file: PathBuf::new(),
            token_seconds: 3600,
        }
    }
}

/// The analysis archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// How often the rules are followed; 0 for never.
    pub rules_every_seconds: u64,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self { rules_every_seconds: 12 * 60 * 60 }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// How often the retention job runs.
    pub every_seconds: u64,
    /// Days an evaluation is kept that is not the newest of its image, tag and bundle, and an alert that is closed and not
    /// the last of its tag.
    pub evaluations_days: u32,
    /// Days a finished or failed task is kept.
    pub tasks_days: u32,
    /// Days an event is kept.
    pub events_days: u32,
    /// Days an entry of the audit log is kept.
    pub audit_days: u32,
    /// Days an API key is shown after it expired.
    pub api_keys_days: u32,
    /// Days the facts of a layer are kept that no analysis needed; then it is read again.
    pub layer_facts_days: u32,
    /// Files of packages that an account remembers, to recognise copies of them in other images; 0 for none.
    pub known_files: u32,
    /// Days such a package is remembered that no analysed image had.
    pub known_files_days: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            every_seconds: 60,
            evaluations_days: 365,
            tasks_days: 7,
            events_days: 90,
            audit_days: 365,
            api_keys_days: 30,
            layer_facts_days: 90,
            known_files: 1_000_000,
            known_files_days: 365,
        }
    }
}
