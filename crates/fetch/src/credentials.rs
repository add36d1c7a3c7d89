//! Who we are at a registry: given by the caller, or read from Docker's `config.json`.
//!
//! Only what stands in the file is used (`auths`). Credential helpers are programs, and are not run.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use killick_model::reference::DEFAULT_REGISTRY;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Bytes of a `config.json` that are read.
const CONFIG_BYTES: u64 = 4 << 20;

/// What proves who we are.
#[derive(Clone)]
pub enum Credentials {
    /// User name and password, or personal access token.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// An `OAuth2` refresh token, as `docker login` stores for some registries.
    IdentityToken(SecretString),
}

impl Credentials {
    /// User name and password.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password { user: user.into(), password: SecretString::from(password.into()) }
    }
}

/// Shows the user, never the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(out, "Password({user})"),
            Self::IdentityToken(_) => out.write_str("IdentityToken"),
        }
    }
}

/// Why a credentials file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("cannot read the credentials file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what Docker writes.
    #[error("the credentials file `{}` is malformed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where. The text itself is not shown.
        #[source]
        source: serde_json::Error,
    },
    /// One entry is not `user:password` in base64.
    #[error("the entry for `{registry}` in `{}` is malformed", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The registry.
        registry: String,
    },
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default, deserialize_with = "secret")]
    auth: Option<SecretString>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    identitytoken: Option<SecretString>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// The credentials for `registry/repository` in the Docker configuration at `path`; a file that does not exist has none.
///
/// An entry of the host itself wins, in whatever form it is written. Without one, the entry with the longest path that
/// the repository lies in counts: entries like `host/path` are written by other clients than Docker.
pub fn from_docker_config(
    path: &Path,
    registry: &str,
    repository: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let read = |source| CredentialsError::Read { path: path.to_owned(), source };
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let mut text = Vec::new();
    file.take(CONFIG_BYTES).read_to_end(&mut text).map_err(read)?;
    let config: DockerConfig = serde_json::from_slice(&text)
        .map_err(|source| CredentialsError::Malformed { path: path.to_owned(), source })?;
    let ranked = config.auths.into_iter().filter_map(|(key, entry)| Some((rank(&key, registry, repository)?, entry)));
    let Some((_, entry)) = ranked.filter(|(_, entry)| !entry.is_empty()).min_by_key(|(rank, _)| *rank) else {
        return Ok(None);
    };
    let registry = registry.to_owned();
    entry.credentials().map_err(|Undecodable| CredentialsError::Entry { path: path.to_owned(), registry })
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

    fn lookup(text: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs_err::write(&path, text).unwrap();
        from_docker_config(&path, registry, "team/app")
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
        assert!(from_docker_config(Path::new("/none/config.json"), "r.io", "app").unwrap().is_none());
    }
}
