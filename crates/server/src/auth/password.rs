//! Passwords: argon2id in the PHC string format, never anything else.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// KiB and rounds. Of the choices that OWASP's Password Storage Cheat Sheet calls equally strong, the one that takes the least
/// memory: the allocator keeps what a thread used once, so the default of 19 MiB is a fifth of an idle server.
const MEMORY_KIB: u32 = 7_168;
const ROUNDS: u32 = 5;

/// Whether a text may be a password: 6 to 128 characters, and no line breaks.
pub(crate) fn is_password(text: &str) -> bool {
    (6..=128).contains(&text.chars().count()) && !text.contains(['\n', '\r', '\u{2028}', '\u{2029}'])
}

/// Why a password could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash the password: {reason}")]
pub struct PasswordError {
    reason: String,
}

/// Hashes a password with a fresh salt. Takes tens of milliseconds on purpose: call through [`super::Logins::hash`].
pub(crate) fn hash(password: &SecretString) -> Result<String, PasswordError> {
    let params = Params::new(MEMORY_KIB, ROUNDS, 1, None);
    let params = params.map_err(|error| PasswordError { reason: error.to_string() })?;
    let hashed =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password(password.expose_secret().as_bytes());
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
        assert!(hashed.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{hashed}");
        assert!(verify(&SecretString::from("correct"), &hashed));
        assert!(!verify(&SecretString::from("wrong"), &hashed));
        assert!(!verify(&SecretString::from("correct"), "not a hash"));
        // Hashes say what they were made with: those of other settings count as well.
        let other = Argon2::default().hash_password(b"correct").unwrap().to_string();
        assert!(verify(&SecretString::from("correct"), &other));
    }
}
