//! How registries are reached by the settings: clouds, mirrors, proxy, certificates; and by the records of an account.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use killick_fetch::cloud::{AwsIdentity, CloudOptions, Provider};
use killick_fetch::egress::Egress;
use killick_fetch::feeds::FeedOptions;
use killick_fetch::fetched::FetchOptions;
use killick_fetch::http::Proxy;
use killick_fetch::mail::MailOptions;
use killick_fetch::progress::Progress;
use killick_fetch::publication::PlaceOptions;
use killick_fetch::registry::mirrors::{self, ConfError, MirrorRule};
use killick_fetch::registry::{RegistryOptions, Retry, Timeouts};
use killick_fetch::webhook::WebhookOptions;
use killick_fetch::{Cloud, Credentials, StageOptions};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Purpose, Transport};
use crate::clock;
use crate::config::{Config, EgressConfig};
use crate::progress::Meter;
use crate::records::RegistryLogin;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WaysError {
    /// The file of mirrors cannot be read.
    #[error("cannot read the mirrors of registries")]
    Mirrors(#[from] ConfError),
    /// A file of certificates cannot be read.
    #[error("cannot read the certificate authorities")]
    Certificates(#[from] io::Error),
}

/// What all registries have in common, by the settings.
pub(crate) struct Ways {
    cloud: Cloud,
    mirrors: Vec<MirrorRule>,
    proxy: Proxy,
    extra_ca: Option<Vec<u8>>,
}

impl Ways {
    pub(crate) fn new(config: &Config) -> Result<Self, WaysError> {
        let registries = &config.registries;
        let given = mirrors::merge(registries.mirrors.iter().cloned());
        let mut rules = match registries.containers_conf.as_os_str() {
            path if path.is_empty() => Vec::new(),
            _ => mirrors::read_containers_conf(&registries.containers_conf)?,
        };
        // What the settings say themselves replaces what the file says of the same prefix.
        rules.retain(|rule| given.iter().all(|other| other.prefix != rule.prefix));
        rules.extend(given);
        let proxy = match registries.proxy.get() {
            Some(url) => Proxy::Given { url: SecretString::from(url), except: registries.no_proxy.clone() },
            None => Proxy::System,
        };
        let mut extra_ca = Vec::new();
        for file in &registries.ca_files {
            extra_ca.extend(fs_err::read(file)?);
        }
        let cloud = Cloud::new(CloudOptions {
            providers: registries.clouds.clone(),
            egress: egress(config),
            proxy: proxy.clone(),
            ..CloudOptions::new(config.environment.clone(), Arc::new(clock::now))
        });
        Ok(Self { cloud, mirrors: rules, proxy, extra_ca: Some(extra_ca).filter(|pem| !pem.is_empty()) })
    }

    /// How the files of advisory providers are fetched.
    pub(crate) fn feed_options(&self, config: &Config, folder: PathBuf) -> FeedOptions {
        FeedOptions {
            proxy: self.proxy.clone(),
            extra_ca_pem: self.extra_ca.clone(),
            egress: egress(config),
            ..FeedOptions::new(folder, Arc::new(clock::now))
        }
    }

    /// How an image is staged.
    pub(super) fn stage_options(
        &self,
        config: &Config,
        login: Option<&RegistryLogin>,
        transport: Transport,
        purpose: &Purpose,
    ) -> StageOptions {
        let progress = match purpose {
            Purpose::Lookup => None,
            Purpose::Analysis(meter) => Some(Arc::<Meter>::clone(meter) as Arc<dyn Progress>),
        };
        StageOptions {
            registry: self.options(config, login, transport),
            limits: config.fetch_limits.clone(),
            foreign_layers: config.registries.foreign_layers,
            attachments: config.analysis.attachments && matches!(purpose, Purpose::Analysis(_)),
            progress,
            ..StageOptions::default()
        }
    }

    /// How single documents are fetched.
    pub(crate) fn fetch_options(&self, config: &Config) -> FetchOptions {
        FetchOptions {
            extra_ca_pem: self.extra_ca.clone(),
            proxy: self.proxy.clone(),
            egress: egress(config),
            ..FetchOptions::default()
        }
    }

    /// How letters are sent.
    pub(crate) fn mail_options(&self, config: &Config, verify_tls: bool) -> MailOptions {
        let timeout = Duration::from_secs(config.webhooks.timeout_seconds.max(1));
        MailOptions { verify_tls, extra_ca_pem: self.extra_ca.clone(), egress: egress(config), timeout }
    }

    /// How webhooks are posted to.
    pub(crate) fn webhook_options(&self, config: &Config, verify_tls: bool, timeout: Duration) -> WebhookOptions {
        WebhookOptions {
            verify_tls,
            extra_ca_pem: self.extra_ca.clone(),
            proxy: self.proxy.clone(),
            egress: egress(config),
            timeout,
            ..WebhookOptions::default()
        }
    }

    /// How the place is reached where advisories are published.
    pub(crate) fn place_options(&self, config: &Config) -> PlaceOptions {
        let registry = RegistryOptions { retry: Retry::default(), ..self.options(config, None, Transport::Verified) };
        PlaceOptions { registry, environment: config.environment.clone(), ..PlaceOptions::default() }
    }

    /// How a registry is spoken to.
    pub(super) fn options(
        &self,
        config: &Config,
        login: Option<&RegistryLogin>,
        transport: Transport,
    ) -> RegistryOptions {
        let timeout = Duration::from_secs(config.registries.timeout_seconds);
        let password = login.filter(|login| !login.user.is_empty() && !is_aws(login));
        let aws = login.filter(|login| is_aws(login)).and_then(|login| identity(config, login));
        RegistryOptions {
            credentials: password
                .map(|login| Credentials::password(login.user.clone(), login.password.expose_secret())),
            cloud: Some(aws.map_or_else(|| self.cloud.clone(), |identity| self.cloud.as_aws(identity))),
            mirrors: self.mirrors.clone(),
            proxy: self.proxy.clone(),
            certificate_folders: config.registries.certificate_folders.clone(),
            plain_http: transport == Transport::Plain,
            skip_tls_verify: transport == Transport::Unverified,
            extra_ca_pem: self.extra_ca.clone(),
            timeouts: Timeouts { read: timeout, document: timeout, ..Timeouts::default() },
            retry: Retry { attempts: 2, ..Retry::default() },
            egress: egress(config),
            ..RegistryOptions::default()
        }
    }
}

fn egress(config: &Config) -> Egress {
    let EgressConfig { allowed_hosts, private_hosts } = &config.egress;
    Egress { allowed: allowed_hosts.clone(), private: private_hosts.clone(), ..Egress::default() }
}

/// The type of records for Amazon's registries.
const AWS: &str = "awsecr";
/// The user, or password, that stands for whoever this process is.
const AWS_AMBIENT: &str = "awsauto";
/// The user whose password is a role, and perhaps an external id behind a semicolon.
const AWS_ROLE: &str = "_iam_role";

pub(super) fn is_aws(login: &RegistryLogin) -> bool {
    login.kind == AWS
}

/// Who a record for Amazon's registries is; nobody of its own, where it stands for this process.
fn identity(config: &Config, login: &RegistryLogin) -> Option<AwsIdentity> {
    let password = login.password.expose_secret();
    if login.user.is_empty() || login.user == AWS_AMBIENT || password == AWS_AMBIENT {
        return None;
    }
    if login.user != AWS_ROLE {
        return Some(AwsIdentity::Key { id: login.user.clone(), secret: login.password.clone() });
    }
    // A role is taken on by this process, which must be meant to be somebody there.
    config.registries.clouds.contains(&Provider::Aws).then(|| {
        let (arn, external_id) = password.split_once(';').unwrap_or((password, ""));
        let external_id = Some(external_id.trim().to_owned()).filter(|id| !id.is_empty());
        AwsIdentity::Role { arn: arn.trim().to_owned(), external_id }
    })
}

/// Why an account may not store this login, if so: it would be this process, which is meant to be nobody there.
pub(crate) fn forbidden_login(config: &Config, user: &str, password: &str) -> Option<String> {
    let word = [user, password].into_iter().find(|word| matches!(*word, AWS_AMBIENT | AWS_ROLE))?;
    let is_allowed = config.registries.clouds.contains(&Provider::Aws);
    (!is_allowed).then(|| format!("`{word}` is not permitted on this service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(kind: &str, user: &str, password: &str) -> RegistryLogin {
        let (kind, user) = (kind.to_owned(), user.to_owned());
        RegistryLogin { kind, user, password: SecretString::from(password), verify_tls: true }
    }

    fn config(registries: &str) -> Config {
        toml::from_str(&format!("[registries]\n{registries}")).unwrap()
    }

    /// Who a record is, in a word.
    fn told(config: &Config, login: &RegistryLogin) -> String {
        match identity(config, login) {
            None => "the process".to_owned(),
            Some(AwsIdentity::Key { id, secret }) => format!("{id}:{}", secret.expose_secret()),
            Some(AwsIdentity::Role { arn, external_id }) => format!("{arn} {external_id:?}"),
        }
    }

    #[test]
    fn records_for_amazon_are_somebody() {
        let with_aws = config("clouds = ['aws']");
        for (user, password, want, without) in [
            ("AKIA", "key", "AKIA:key", "AKIA:key"),
            ("awsauto", "", "the process", "the process"),
            ("AKIA", "awsauto", "the process", "the process"),
            ("", "", "the process", "the process"),
            ("_iam_role", "arn:aws:iam::1:role/r;ext", "arn:aws:iam::1:role/r Some(\"ext\")", "the process"),
            ("_iam_role", "arn:aws:iam::1:role/r", "arn:aws:iam::1:role/r None", "the process"),
        ] {
            let login = login("awsecr", user, password);
            assert_eq!(told(&with_aws, &login), want, "{user}");
            assert_eq!(told(&Config::default(), &login), without, "{user}");
        }
    }

    #[test]
    fn this_process_is_stored_only_where_it_may_be_somebody() {
        for (user, password, want) in [
            ("awsauto", "", Some("`awsauto` is not permitted on this service")),
            ("AKIA", "awsauto", Some("`awsauto` is not permitted on this service")),
            ("_iam_role", "arn", Some("`_iam_role` is not permitted on this service")),
            ("AKIA", "key", None),
        ] {
            assert_eq!(forbidden_login(&Config::default(), user, password).as_deref(), want);
            assert_eq!(forbidden_login(&config("clouds = ['aws']"), user, password), None);
        }
    }

    #[test]
    fn settings_reach_the_client() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs_err::write(path("ca.pem"), "PEM\n").unwrap();
        let conf = "[[registry]]\nprefix = 'quay.io'\nlocation = 'quay.io'\n[[registry.mirror]]\nlocation = 'q.example'\n\
                    [[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'old.example'\n";
        fs_err::write(path("registries.conf"), conf).unwrap();
        let config = config(&format!(
            "mirrors = ['docker.io=mirror.example/hub']\ncontainers_conf = '{}'\nca_files = ['{}']\n\
             certificate_folders = ['/etc/docker/certs.d']\nproxy = 'http://me:secret@proxy.example:3128'\n\
             no_proxy = ['.corp.example']\nforeign_layers = true\ntimeout_seconds = 7\n\
             [egress]\nallowed_hosts = ['*.example']",
            path("registries.conf"),
            path("ca.pem"),
        ));
        let ways = Ways::new(&config).unwrap();
        let login = login("docker_v2", "me", "s3cret");
        let options =
            ways.stage_options(&config, Some(&login), Transport::Verified, &Purpose::Analysis(Arc::default()));
        assert!(options.foreign_layers && options.attachments);
        assert!(!ways.stage_options(&config, None, Transport::Verified, &Purpose::Lookup).attachments);
        let registry = &options.registry;
        let prefixes: Vec<&str> = registry.mirrors.iter().map(|rule| rule.prefix.as_str()).collect();
        assert_eq!(prefixes, ["quay.io", "docker.io"], "the file's own rule for `docker.io` is replaced");
        assert_eq!(
            registry.mirrors.last().map(|rule| rule.mirrors[0].location.place.as_str()),
            Some("mirror.example/hub")
        );
        let Proxy::Given { url, except } = &registry.proxy else { panic!("a proxy is given") };
        assert_eq!(
            (url.expose_secret(), except.as_slice()),
            ("http://me:secret@proxy.example:3128", &[".corp.example".to_owned()][..])
        );
        assert_eq!(registry.certificate_folders, [PathBuf::from("/etc/docker/certs.d")]);
        assert_eq!(registry.extra_ca_pem.as_deref(), Some(&b"PEM\n"[..]));
        assert_eq!(registry.timeouts.read, Duration::from_secs(7));
        assert_eq!(registry.egress.allowed.len(), 1);
        assert!(registry.credentials.is_some() && registry.cloud.is_some() && !registry.plain_http);
        // The password of a record for Amazon is a key, which no registry must see.
        let amazon = RegistryLogin { kind: "awsecr".to_owned(), ..login };
        assert!(ways.options(&config, Some(&amazon), Transport::Verified).credentials.is_none());
        for broken in ["ca_files = ['/none']", "containers_conf = '/none'"] {
            assert!(Ways::new(&self::config(broken)).is_err(), "{broken}");
        }
    }
}
