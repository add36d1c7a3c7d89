//! API keys as text. They are long and random, so that one round of SHA-256 keeps them as safe as argon2 does
//! passwords.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// How keys begin, so that they are known by sight, also to those who look for lost secrets.
const PREFIX: &str = "killick_";

/// Hexadecimal digits of a key.
const DIGITS: usize = 64;

/// A new key of 244 random bits.
pub(crate) fn make() -> SecretString {
    let (first, second) = (uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    SecretString::from(format!("{PREFIX}{first}{second}"))
}

/// Whether a text has the form of a key.
pub(crate) fn is_key(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX);
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What is kept of a key.
pub(crate) fn hash(key: &SecretString) -> String {
    hex::encode(Sha256::digest(key.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_other_texts_and_from_each_other() {
        let (one, other) = (make(), make());
        assert!(is_key(one.expose_secret()));
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(hash(&one), hash(&one));
        for text in ["", "killick_", "killick_xyz", &one.expose_secret()[1..], &format!("{}0", one.expose_secret())] {
            assert!(!is_key(text), "{text}");
        }
    }
}
