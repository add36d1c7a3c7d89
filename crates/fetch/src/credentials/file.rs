//! The files that `docker login` (`config.json`) and `podman login` (`auth.json`) write.
//!
//! Docker asks a helper of the registry (`credHelpers`), else the store (`credsStore`), else looks under `auths`. We do
//! the same, and go on where one of them has nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use killick_model::reference::DEFAULT_REGISTRY;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Credentials, CredentialsError};

/// Bytes of a `config.json` that are read.
const CONFIG_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

/// What a file says about one repository.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Helpers to ask, best first.
    pub(super) helpers: Vec<String>,
    /// What stands in the file itself.
    pub(super) credentials: Option<Credentials>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: Option<SecretString>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretString>,
    #[serde(default)]
    identitytoken: Option<SecretString>,
}

/// What the file at `path` says about `registry/repository`; one that does not exist says nothing.
///
/// An entry of the host itself wins, in whatever form it is written. Without one, the entry with the longest path that
/// the repository lies in counts: entries like `host/path` are written by other clients than Docker.
pub(super) fn read(path: &Path, registry: &str, repository: &str) -> Result<Said, CredentialsError> {
    let read = |source| CredentialsError::Read { path: path.to_owned(), source };
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Said::default()),
        Err(error) => return Err(read(error)),
    };
    let mut text = Vec::new();
    file.take(CONFIG_BYTES).read_to_end(&mut text).map_err(read)?;
    if text.is_empty() {
        return Ok(Said::default());
    }
    let config: DockerConfig = serde_json::from_slice(&text)
        .map_err(|source| CredentialsError::Malformed { path: path.to_owned(), source })?;
    let own = config
        .helpers
        .iter()
        .filter(|(key, _)| matches!(rank(key, registry, repository), Some(Rank::Host | Rank::Address)));
    let helpers: Vec<String> =
        own.map(|(_, name)| name).chain(&config.store).filter(|name| !name.is_empty()).cloned().collect();
    if let Some(name) = helpers.iter().find(|name| !is_helper(name)) {
        let name = name.chars().take(80).collect();
        return Err(CredentialsError::HelperName { path: path.to_owned(), name });
    }
    let ranked = config.auths.into_iter().filter_map(|(key, entry)| Some((rank(&key, registry, repository)?, entry)));
    let best = ranked.filter(|(_, entry)| !entry.is_empty()).min_by_key(|(rank, _)| *rank);
    let credentials = match best.map(|(_, entry)| entry.credentials()) {
        None => None,
        Some(Ok(credentials)) => credentials,
        Some(Err(Undecodable)) => {
            return Err(CredentialsError::Entry { path: path.to_owned(), registry: registry.to_owned() });
        }
    };
    Ok(Said { helpers, credentials })
}

/// Whether a name makes a program's name that is no path.
fn is_helper(name: &str) -> bool {
    name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// An `auth` field that is not `user:password` in base64.
struct Undecodable;

impl Entry {
    /// Whether it only says that a helper has the secret.
    fn is_empty(&self) -> bool {
        let has =
            |secret: &Option<SecretString>| secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty());
        !has(&self.identitytoken) && !has(&self.auth) && (self.username.is_none() || self.password.is_none())
    }

    /// None if the entry only says that a helper has the secret.
    fn credentials(self) -> Result<Option<Credentials>, Undecodable> {
        if let Some(token) = self.identitytoken.filter(|token| !token.expose_secret().is_empty()) {
            return Ok(Some(Credentials::IdentityToken(token)));
        }
        if let (Some(user), Some(password)) = (self.username, self.password) {
            return Ok(Some(Credentials::Password { user, password }));
        }
        let Some(auth) = self.auth.filter(|auth| !auth.expose_secret().is_empty()) else {
            return Ok(None);
        };
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth.expose_secret());
        let text = String::from_utf8(decoded.map_err(|_| Undecodable)?).map_err(|_| Undecodable)?;
        let (user, password) = text.split_once(':').ok_or(Undecodable)?;
        Ok(Some(Credentials::password(user, password.trim_end_matches('\0'))))
    }
}

/// How well a key of `auths` fits a repository: the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The host, as it is.
    Host,
    /// An old-style address of the host, or another name of Docker Hub.
    Address,
    /// A path the repository lies in; the longer, the better.
    Within(Reverse<usize>),
}

fn rank(key: &str, registry: &str, repository: &str) -> Option<Rank> {
    if key == registry {
        return Some(Rank::Host);
    }
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let is_hub = |host: &str| matches!(host, "index.docker.io" | "registry-1.docker.io" | DEFAULT_REGISTRY);
    if host != registry && !(is_hub(host) && is_hub(registry)) {
        return None;
    }
    let path = path.trim_end_matches('/');
    if matches!(path, "" | "v1" | "v2") {
        return Some(Rank::Address);
    }
    let rest = repository.strip_prefix(path)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(Rank::Within(Reverse(path.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, registry: &str) -> Result<Said, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs_err::write(&path, text).unwrap();
        read(&path, registry, "team/app")
    }

    fn lookup(text: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        Ok(said(text, registry)?.credentials)
    }

    /// Who would log in to `r.io/team/app`.
    fn chosen(auths: &str) -> String {
        let found = lookup(&format!("{{\"auths\":{auths}}}"), "r.io").unwrap();
        found.map_or_else(String::new, |found| format!("{found:?}"))
    }

    #[test]
    fn docker_config_is_understood() {
        let text = r#"{"credsStore":"x","auths":{
            "https://index.docker.io/v1/":{"auth":"bWU6czNjOnJldA=="},
            "r.io":{"username":"you","password":"pw"},
            "t.io":{"auth":"eDp5","identitytoken":"tok"},
            "h.io":{},
            "bad.io":{"auth":"%%%"}}}"#;
        for (registry, want) in [
            ("docker.io", Some("Password(me) s3c:ret")),
            ("r.io", Some("Password(you) pw")),
            ("t.io", Some("IdentityToken tok")),
            ("h.io", None),
            ("other.io", None),
        ] {
            let found = lookup(text, registry).unwrap().map(|found| match &found {
                Credentials::Password { password, .. } => format!("{found:?} {}", password.expose_secret()),
                Credentials::IdentityToken(token) => format!("{found:?} {}", token.expose_secret()),
            });
            assert_eq!(found.as_deref(), want, "{registry}");
        }
        assert!(matches!(lookup(text, "bad.io"), Err(CredentialsError::Entry { .. })));
        assert!(matches!(lookup("[", "r.io"), Err(CredentialsError::Malformed { .. })));
    }

    #[test]
    fn the_entry_that_fits_best_is_chosen() {
        for (auths, want) in [
            (r#"{"r.io/team":{"username":"team","password":"x"},"r.io":{"username":"host","password":"x"}}"#, "host"),
            (
                r#"{"https://r.io/v1/":{"username":"old","password":"x"},"r.io":{"username":"host","password":"x"}}"#,
                "host",
            ),
            (
                r#"{"r.io/aaa":{"username":"other","password":"x"},"https://r.io":{"username":"url","password":"x"}}"#,
                "url",
            ),
            (r#"{"r.io/team":{"username":"team","password":"x"},"r.io/v1/":{"username":"v1","password":"x"}}"#, "v1"),
            (r#"{"r.io":{},"r.io/team":{"username":"team","password":"x"}}"#, "team"),
            (
                r#"{"r.io/team":{"username":"team","password":"x"},"r.io/team/app":{"username":"app","password":"x"}}"#,
                "app",
            ),
            (r#"{"r.io/tea":{"username":"tea","password":"x"}}"#, ""),
            (r#"{"r.io/team/app/x":{"username":"deeper","password":"x"}}"#, ""),
            (r#"{"r.io.evil":{"username":"evil","password":"x"},"evil/r.io":{"username":"evil","password":"x"}}"#, ""),
            (r#"{"r.io":{"auth":""},"https://r.io":{"identitytoken":""}}"#, ""),
        ] {
            let want = if want.is_empty() { String::new() } else { format!("Password({want})") };
            assert_eq!(chosen(auths), want, "{auths}");
        }
    }

    #[test]
    fn a_missing_file_has_no_credentials() {
        assert!(read(Path::new("/none/config.json"), "r.io", "app").unwrap().credentials.is_none());
        assert!(said("", "r.io").unwrap().credentials.is_none(), "an empty one too");
    }

    #[test]
    fn helpers_of_the_host_come_before_the_store() {
        let text =
            r#"{"credsStore":"desktop","credHelpers":{"r.io":"gcloud","https://docker.io":"hub","x.io/team":"no"}}"#;
        for (registry, want) in [
            ("r.io", &["gcloud", "desktop"] as &[_]),
            ("docker.io", &["hub", "desktop"]),
            ("x.io", &["desktop"]),
            ("r.io.evil", &["desktop"]),
        ] {
            assert_eq!(said(text, registry).unwrap().helpers, want, "{registry}");
        }
        for text in [r#"{"credsStore":"../sh"}"#, r#"{"credHelpers":{"r.io":"a b"}}"#] {
            assert!(matches!(said(text, "r.io"), Err(CredentialsError::HelperName { .. })), "{text}");
        }
    }
}
