//! Contexts: servers that somebody logged in to, with the token of each. One file in the user's configuration folder, which
//! nobody else may read; passwords are not in it.

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use jiff::Timestamp;
use killick_fetch::oidc::{Client, Use};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::report_error::with_hint;

/// Bytes of the file.
const MAX_BYTES: u64 = 1 << 20;

/// How often it is tried to be the only one who changes it, and how long is waited in between: for a minute.
const LOCK_TURNS: u32 = 600;
const LOCK_TURN: Duration = Duration::from_millis(100);

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contexts {
    /// The one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<String>,
    /// All, by name.
    #[serde(default)]
    pub(super) contexts: BTreeMap<String, Context>,
}

/// A server, and how it knows us.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Context {
    /// Its address, with `/v1`.
    pub(super) url: String,
    /// Who logged in.
    pub(super) user: String,
    /// What is shown instead of the password.
    #[serde(serialize_with = "exposed")]
    pub(super) token: SecretString,
    /// Whether it is an API key of ours or a token of OAuth.
    #[serde(default)]
    pub(super) token_kind: TokenKind,
    /// By which the server knows the token, if it is one that can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_id: Option<String>,
    /// From when on the token opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Timestamp>,
    /// Whether the certificate of the server is not verified.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) insecure: bool,
    /// The provider of `OpenID` Connect that gave the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) oidc: Option<OidcLogin>,
}

/// A login at a provider of `OpenID` Connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OidcLogin {
    /// The provider.
    pub(super) issuer: String,
    /// As whom we came there.
    pub(super) client_id: String,
    /// Which of its tokens is shown.
    pub(super) token: Use,
    /// What others are given for.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed_if_any")]
    pub(super) refresh_token: Option<SecretString>,
}

impl OidcLogin {
    /// As whom we come to the provider again.
    pub(super) fn client(&self) -> Client {
        Client { id: self.client_id.clone(), scopes: Vec::new(), shown: self.token }
    }
}

/// How a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenKind {
    /// As the password of `_api_key`.
    #[default]
    ApiKey,
    /// As `Bearer`: what a provider gives, and an Anchore Engine, if it gives any.
    Bearer,
}

fn exposed<S: Serializer>(token: &SecretString, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(token.expose_secret())
}

#[expect(clippy::ref_option, reason = "it is what serde hands over")]
fn exposed_if_any<S: Serializer>(token: &Option<SecretString>, out: S) -> Result<S::Ok, S::Error> {
    token.as_ref().map(SecretString::expose_secret).serialize(out)
}

impl Context {
    /// Whether its token is replaced when it expires.
    pub(super) fn is_renewed(&self) -> bool {
        self.oidc.as_ref().is_some_and(|login| login.refresh_token.is_some())
    }

    /// Whether its token opens nothing any more.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now)
    }
}

impl Contexts {
    /// Reads the file of this user; no file is no contexts.
    pub(super) fn load() -> anyhow::Result<Self> {
        path().map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let mut text = String::new();
        match fs_err::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)),
        }
        .with_context(|| format!("cannot read the contexts `{}`", path.display()))?;
        serde_json::from_str(&text).map_err(|error| {
            let hint = "remove the file, and log in again with `killick login`";
            with_hint(format!("the contexts `{}` make no sense: {error}", path.display()), hint)
        })
    }

    /// Reads the file to change it. Until that is let go, other commands that want to change it wait.
    pub(super) async fn lock() -> anyhow::Result<Locked> {
        // On a thread of its own, so that whoever waits can be interrupted.
        tokio::task::spawn_blocking(|| {
            let path = path().context("cannot tell where this user's settings belong: HOME is not set")?;
            Self::lock_file(&path).with_context(|| format!("cannot change the contexts `{}`", path.display()))
        })
        .await
        .context("waiting for other commands was interrupted")?
    }

    fn lock_file(path: &Path) -> anyhow::Result<Locked> {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        // The file itself is replaced by each change.
        let beside = path.with_extension("lock");
        let lock = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside)?;
        let mut turns = 0;
        loop {
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) if turns < LOCK_TURNS => turns += 1,
                Err(TryLockError::WouldBlock) => {
                    let what = format!("another command has held `{}` for a minute", beside.display());
                    return Err(with_hint(what, "let it go on, or end it"));
                }
                // Where the file system has no locks, two commands at once are a risk, and none is no use.
                Err(TryLockError::Error(error)) if error.kind() != std::io::ErrorKind::Unsupported => {
                    return Err(error.into());
                }
                _ => break,
            }
            std::thread::sleep(LOCK_TURN);
        }
        Ok(Locked { contexts: Self::read(path)?, path: path.to_owned(), _lock: lock })
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        // Whoever writes holds the lock: what was left behind by one that was killed is replaced.
        let beside = path.with_extension("new");
        let create = || {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            // One that was left behind may have had other rights.
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        let created = create();
        if created.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        Ok(created?)
    }

    /// Whether one of them logged in at the same provider as the same client: revoking a token there may end that login, too.
    pub(super) fn share(&self, login: &OidcLogin) -> bool {
        let mut logins = self.contexts.values().filter_map(|context| context.oidc.as_ref());
        logins.any(|other| other.issuer == login.issuer && other.client_id == login.client_id)
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &str) -> anyhow::Result<&Context> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<String> = self.contexts.keys().map(|name| format!("`{name}`")).collect();
            let hint = if known.is_empty() {
                "there is none yet: `killick login SERVER` makes one".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            with_hint(format!("there is no context `{name}`"), hint)
        })
    }
}

/// What is remembered, while nobody else changes it.
pub(super) struct Locked {
    pub(super) contexts: Contexts,
    path: PathBuf,
    _lock: std::fs::File,
}

impl Locked {
    /// Writes the file, beside the old one first.
    pub(super) fn store(&self) -> anyhow::Result<&Path> {
        let path = &self.path;
        self.contexts.write(path).with_context(|| format!("cannot write the contexts `{}`", path.display()))?;
        Ok(path)
    }
}

fn path() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("killick").join("contexts.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_may_read_them_and_nothing_prints_them() {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("killick/contexts.json");
        assert!(Contexts::read(&path).unwrap().contexts.is_empty());
        let context = Context {
            url: "https://a.example/v1".to_owned(),
            user: "me".to_owned(),
            token: SecretString::from("killick_secret"),
            token_kind: TokenKind::ApiKey,
            token_id: None,
            expires_at: Some("2026-09-21T00:00:00Z".parse().unwrap()),
            insecure: false,
            oidc: Some(OidcLogin {
                issuer: "https://id.example".to_owned(),
                client_id: "killick".to_owned(),
                token: Use::IdToken,
                refresh_token: Some(SecretString::from("refresh_secret")),
            }),
        };
        assert!(!format!("{context:?}").contains("secret"));
        let (before, at) = ("2026-09-20T23:59:59Z", "2026-09-21T00:00:00Z");
        assert!(!context.is_expired(before.parse().unwrap()) && context.is_expired(at.parse().unwrap()));
        let contexts = Contexts { current: Some("a".to_owned()), contexts: [("a".to_owned(), context)].into() };
        contexts.write(&path).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        contexts.write(&path).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Contexts::read(&path).unwrap();
        assert_eq!(read.named("a").unwrap().token.expose_secret(), "killick_secret");
        let login = read.named("a").unwrap().oidc.as_ref().unwrap();
        assert_eq!(login.refresh_token.as_ref().unwrap().expose_secret(), "refresh_secret");
        assert_eq!(fs_err::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        fs_err::write(&path, "{").unwrap();
        assert!(Contexts::read(&path).unwrap_err().to_string().contains("make no sense"));
    }
}
