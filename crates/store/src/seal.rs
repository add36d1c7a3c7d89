//! Encryption of registry passwords at rest: XChaCha20-Poly1305, bound to account and registry.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use killick_model::digest::Digest;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::Column;

const NONCE_BYTES: usize = 24;

/// The key, ready for use; never shown.
#[derive(Clone)]
pub(crate) struct Seal(Arc<XChaCha20Poly1305>);

impl fmt::Debug for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Seal(…)")
    }
}

/// An encrypted password; never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sealed(Vec<u8>);

impl Sealed {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealed(…)")
    }
}

impl Column for Sealed {
    type Stored = Vec<u8>;
    fn from_stored(stored: Vec<u8>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(Self(stored))
    }
}

impl Seal {
    /// Takes the configured secret, else the key file of the data folder, made when missing.
    pub(crate) fn open(dir: &Path, secret: Option<&SecretString>) -> Result<Self, StoreError> {
        let key = match secret {
            Some(secret) if secret.expose_secret().len() < 16 => {
                return Err(StoreError::Key { reason: "a secret has at least 16 characters" });
            }
            Some(secret) => *Digest::of(secret.expose_secret().as_bytes()).as_bytes(),
            None => key_file(&dir.join("secret.key"))?,
        };
        Ok(Self(Arc::new(XChaCha20Poly1305::new(&Key::from(key)))))
    }

    pub(crate) fn seal(&self, account: &str, registry: &str, plain: &SecretString) -> Result<Sealed, StoreError> {
        let nonce = XNonce::generate();
        let aad = context(account, registry);
        let payload = Payload { msg: plain.expose_secret().as_bytes(), aad: &aad };
        let sealed =
            self.0.encrypt(&nonce, payload).map_err(|_| StoreError::Key { reason: "the password is too long" })?;
        Ok(Sealed([nonce.as_slice(), &sealed].concat()))
    }

    pub(crate) fn open_sealed(
        &self,
        account: &str,
        registry: &str,
        sealed: &Sealed,
    ) -> Result<SecretString, StoreError> {
        let error = || StoreError::Unsealable { registry: registry.to_owned() };
        let (nonce, sealed) = sealed.0.split_first_chunk::<NONCE_BYTES>().ok_or_else(error)?;
        let aad = context(account, registry);
        let payload = Payload { msg: sealed, aad: &aad };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| error())?;
        Ok(String::from_utf8(plain).map_err(|_| error())?.into())
    }
}

/// Length-prefixed, so that no two pairs share a context.
fn context(account: &str, registry: &str) -> Vec<u8> {
    [&(account.len() as u64).to_le_bytes()[..], account.as_bytes(), registry.as_bytes()].concat()
}

fn key_file(path: &Path) -> Result<[u8; 32], StoreError> {
    let error = |source| StoreError::Folder { path: path.to_owned(), source };
    if !path.exists() {
        // Written beside and linked into place, so that no other process ever sees half a key or another one.
        let draft = path.with_extension(Uuid::new_v4().to_string());
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&draft).and_then(|mut file| {
            file.write_all(hex::encode(Key::generate()).as_bytes())?;
            file.sync_all()?;
            match fs_err::hard_link(&draft, path) {
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        });
        let removed = fs_err::remove_file(&draft);
        written.and(removed).map_err(error)?;
    }
    let text = fs_err::read_to_string(path).map_err(error)?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| StoreError::Key { reason: "the key file does not hold 64 hexadecimal digits" })?;
    Ok(key)
}
