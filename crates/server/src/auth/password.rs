//! Passwords: argon2id in the PHC string format, never anything else.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// Why a password could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash the password: {reason}")]
pub struct PasswordError {
    reason: String,
}

/// Hashes a password with a fresh salt. Takes tens of milliseconds on purpose: call through [`super::Logins::hash`].
pub(crate) fn hash(password: &SecretString) -> Result<String, PasswordError> {
    let hashed = Argon2::default().hash_password(password.expose_secret().as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| PasswordError { reason: error.to_string() })
}

/// Whether the password is the one that was hashed. As slow as [`hash`].
pub(crate) fn verify(password: &SecretString, hashed: &str) -> bool {
    PasswordHash::new(hashed)
        .is_ok_and(|hashed| Argon2::default().verify_password(password.expose_secret().as_bytes(), &hashed).is_ok())
}

/// A password of 122 random bits.
pub(crate) fn random() -> SecretString {
    SecretString::from(URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_verifies() {
        let hashed = hash(&SecretString::from("correct")).unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        assert!(verify(&SecretString::from("correct"), &hashed));
        assert!(!verify(&SecretString::from("wrong"), &hashed));
        assert!(!verify(&SecretString::from("correct"), "not a hash"));
    }
}
