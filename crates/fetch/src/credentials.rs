//! Who we are at a registry: given by the caller, or looked for where other tools keep it.
//!
//! Nothing is looked for before a registry asks for it. What fails while looking is told when the registry then refuses
//! us, and not otherwise: a broken helper must not keep anybody from a public image.

mod file;
mod helper;
mod keychain;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use helper::Helpers;
pub(crate) use keychain::Keychain;

use crate::cloud::CloudError;
use crate::environment::Environment;

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

/// The files that Docker's and Podman's own commands would read, best first.
pub fn usual_files(environment: &Environment) -> Vec<PathBuf> {
    let docker = environment.path("DOCKER_CONFIG").or_else(|| environment.home(".docker"));
    let config = environment.path("XDG_CONFIG_HOME").or_else(|| environment.home(".config"));
    let podman = [environment.path("XDG_RUNTIME_DIR"), config].into_iter().flatten();
    let files = [environment.path("REGISTRY_AUTH_FILE"), docker.map(|folder| folder.join("config.json"))];
    files.into_iter().flatten().chain(podman.map(|folder| folder.join("containers/auth.json"))).collect()
}

/// Why credentials could not be had from where they may be.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
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
    /// The name of a helper is none.
    #[error("`{name}` in `{}` is not the name of a credential helper", path.display())]
    HelperName {
        /// The file.
        path: PathBuf,
        /// As written.
        name: String,
    },
    /// The helper is not installed.
    #[error("the credential helper `{program}` is not in the search path")]
    NoHelper {
        /// Its program.
        program: String,
    },
    /// The helper does not run, or not to its end.
    #[error("the credential helper `{program}` cannot be run")]
    RunHelper {
        /// Its program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The helper does not come to its end.
    #[error("the credential helper `{program}` gave no answer in {limit:?}")]
    SlowHelper {
        /// Its program.
        program: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The helper fails, or says what makes no sense. What it says is not shown: it may be a secret.
    #[error("the credential helper `{program}` {reason}")]
    Helper {
        /// Its program.
        program: String,
        /// What happened.
        reason: String,
    },
    /// A cloud's service.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_files_are_known() {
        let of = |variables: &[(&str, &str)]| {
            let files = usual_files(&variables.iter().copied().collect());
            files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[("HOME", "/h")]), "/h/.docker/config.json /h/.config/containers/auth.json");
        let all = [
            ("HOME", "/h"),
            ("DOCKER_CONFIG", "/d"),
            ("XDG_RUNTIME_DIR", "/r"),
            ("XDG_CONFIG_HOME", "/c"),
            ("REGISTRY_AUTH_FILE", "/a.json"),
        ];
        assert_eq!(of(&all), "/a.json /d/config.json /r/containers/auth.json /c/containers/auth.json");
    }
}
