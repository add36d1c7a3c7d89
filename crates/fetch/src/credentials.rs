//! Who we are at a registry: given by the caller, or read from Docker's `config.json`.
//!
//! Only what stands in the file is used (`auths`). Credential helpers are programs, and are not run.

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

/// The credentials for `registry` in the Docker configuration at `path`; a file that does not exist has none.
pub fn from_docker_config(path: &Path, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
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
    let Some((_, entry)) = config.auths.into_iter().find(|(key, _)| names(key, registry)) else {
        return Ok(None);
    };
    let registry = registry.to_owned();
    entry.credentials().map_err(|Undecodable| CredentialsError::Entry { path: path.to_owned(), registry })
}

/// An `auth` field that is not `user:password` in base64.
struct Undecodable;

impl Entry {
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

/// Whether a key of `auths`, a host or an old-style URL, means `registry`.
fn names(key: &str, registry: &str) -> bool {
    let host = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or(host);
    let is_hub = |host: &str| matches!(host, "index.docker.io" | "registry-1.docker.io" | DEFAULT_REGISTRY);
    host == registry || (is_hub(host) && is_hub(registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(text: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs_err::write(&path, text).unwrap();
        from_docker_config(&path, registry)
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
    fn a_missing_file_has_no_credentials() {
        assert!(from_docker_config(Path::new("/none/config.json"), "r.io").unwrap().is_none());
    }
}
