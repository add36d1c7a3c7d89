//! Tokens that stand for a password for a while: JSON Web Tokens (RFC 7519), signed with a secret (HS256) or an RSA key
//! (RS256).
//!
//! The algorithm is the configured one; what a token says of it is only compared. A token holds as long as the password
//! it was given for: it names the stored hash by a digest.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::OauthConfig;

/// Who issues tokens, by the contract.
const ISSUER: &str = "anchore-engine";

/// Bytes of a token that is looked at.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// Bytes of a secret: as many as the digest has (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// Why there can be no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// Too short a secret.
    #[error("`oauth.secret` has fewer than {MIN_SECRET_BYTES} bytes: whoever guesses it can be anybody")]
    Secret,
    /// Two keys.
    #[error("`oauth.secret` and `oauth.private_key_file` are both given: use one")]
    Twice,
    /// The file cannot be read.
    #[error("`{path}` holds no private key in PEM")]
    Pem {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The key is no RSA key, or too small.
    #[error("the key in `{path}` cannot sign, it must be an RSA key of 2048 to 4096 bits: {reason}")]
    Key {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
}

/// What signs tokens.
pub(crate) struct Tokens {
    key: Key,
    seconds: u64,
}

enum Key {
    Secret(hmac::Key),
    Rsa(Box<RsaKeyPair>),
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: i64,
    iat: i64,
    jti: String,
    /// Of the password's hash.
    #[serde(rename = "gen")]
    generation: String,
}

/// Who a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The user.
    pub(crate) user: String,
    generation: String,
}

impl Bearer {
    /// Whether the user's password is still the one the token was given for.
    pub(crate) fn holds_for(&self, stored_hash: &str) -> bool {
        self.generation == generation(stored_hash)
    }
}

impl Tokens {
    /// Those of the settings, if they have a key.
    pub(crate) fn new(config: &OauthConfig) -> Result<Option<Self>, TokensError> {
        let path = &config.private_key_file;
        let key = match (config.secret.get(), path.as_os_str().is_empty()) {
            (None, true) => return Ok(None),
            (Some(_), false) => return Err(TokensError::Twice),
            (Some(secret), true) if secret.len() < MIN_SECRET_BYTES => return Err(TokensError::Secret),
            (Some(secret), true) => Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
            (None, false) => Key::Rsa(Box::new(read_key(path)?)),
        };
        Ok(Some(Self { key, seconds: config.token_seconds }))
    }

    /// How long a token holds.
    pub(crate) fn seconds(&self) -> u64 {
        self.seconds
    }

    /// A token for a user with that hash of a password.
    pub(crate) fn issue(&self, user: &str, stored_hash: &str, now: Timestamp) -> Option<String> {
        let header = Header { alg: self.algorithm().to_owned(), typ: "JWT".to_owned() };
        let issued = now.as_second();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.to_owned(),
            exp: issued.saturating_add(i64::try_from(self.seconds).unwrap_or(i64::MAX)),
            iat: issued,
            jti: uuid::Uuid::new_v4().simple().to_string(),
            generation: generation(stored_hash),
        };
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let signed = format!("{}.{}", part(serde_json::to_vec(&header).ok()?), part(serde_json::to_vec(&claims).ok()?));
        let signature = self.sign(signed.as_bytes())?;
        Some(format!("{signed}.{}", part(signature)))
    }

    /// Who a token is for, if it is one of ours that has not expired.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Bearer> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        if !self.is_signed(signed.as_bytes(), &bytes(signature)?) {
            return None;
        }
        let header: Header = serde_json::from_slice(&bytes(header)?).ok()?;
        let claims: Claims = serde_json::from_slice(&bytes(claims)?).ok()?;
        let holds = header.alg == self.algorithm() && claims.iss == ISSUER && now.as_second() < claims.exp;
        holds.then_some(Bearer { user: claims.sub, generation: claims.generation })
    }

    fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Secret(_) => "HS256",
            Key::Rsa(_) => "RS256",
        }
    }

    fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match &self.key {
            Key::Secret(key) => Some(hmac::sign(key, bytes).as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).ok()?;
                Some(signature)
            }
        }
    }

    fn is_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Secret(key) => hmac::verify(key, bytes, signature).is_ok(),
            Key::Rsa(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref())
                .verify(bytes, signature)
                .is_ok(),
        }
    }
}

fn read_key(path: &Path) -> Result<RsaKeyPair, TokensError> {
    let path = path.to_owned();
    let key = PrivateKeyDer::from_pem_file(&path);
    let key = match key {
        Ok(key) => key,
        Err(source) => return Err(TokensError::Pem { path, source }),
    };
    let pair = match &key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        other => RsaKeyPair::from_pkcs8(other.secret_der()),
    };
    pair.map_err(|error| TokensError::Key { path, reason: error.to_string() })
}

/// What tells a stored hash from others, and nothing of it.
fn generation(stored_hash: &str) -> String {
    let digest: [u8; 32] = Sha256::new().chain_update("token ").chain_update(stored_hash).finalize().into();
    hex::encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test, of 2048 bits.
    const RSA_KEY: &str = include_str!("../../testdata/oauth/rsa.pem");

    fn tokens(change: impl FnOnce(&mut OauthConfig)) -> Result<Option<Tokens>, TokensError> {
        let mut config = OauthConfig::default();
        change(&mut config);
        Tokens::new(&config)
    }

    fn with_secret(letter: &str) -> Tokens {
        tokens(|config| config.secret = letter.repeat(32).as_str().into()).unwrap().unwrap()
    }

    fn with_key() -> Tokens {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs_err::write(&path, RSA_KEY).unwrap();
        tokens(|config| config.private_key_file = path).unwrap().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn tokens_hold_for_their_time_and_their_password() {
        for tokens in [with_secret("a"), with_key()] {
            let token = tokens.issue("alice", "hash", at(1000)).unwrap();
            let bearer = tokens.read(&token, at(1000 + 3599)).unwrap();
            assert_eq!(bearer.user, "alice");
            assert!(bearer.holds_for("hash") && !bearer.holds_for("other hash"));
            assert_eq!(tokens.read(&token, at(1000 + 3600)), None);
        }
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let (ours, theirs, rsa) = (with_secret("a"), with_secret("b"), with_key());
        let token = ours.issue("alice", "hash", at(0)).unwrap();
        assert_eq!(theirs.read(&token, at(1)), None);
        assert_eq!(rsa.read(&token, at(1)), None);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims =
            format!("{{\"iss\":\"{ISSUER}\",\"sub\":\"admin\",\"exp\":9,\"iat\":0,\"jti\":\"\",\"gen\":\"\"}}");
        let unsigned = format!("{}.{}.", part("{\"alg\":\"none\",\"typ\":\"JWT\"}"), part(&claims));
        for token in ["", ".", "..", "a.b.c", unsigned.as_str(), token.trim_end_matches(|letter| letter != '.')] {
            assert_eq!(ours.read(token, at(1)), None, "{token}");
            assert_eq!(rsa.read(token, at(1)), None, "{token}");
        }
        // Signed by us, but as if by another algorithm.
        let signed = format!("{}.{}", part("{\"alg\":\"RS256\",\"typ\":\"JWT\"}"), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(ours.sign(signed.as_bytes()).unwrap());
        assert_eq!(ours.read(&format!("{signed}.{signature}"), at(1)), None);
    }

    #[test]
    fn weak_keys_are_refused() {
        assert!(tokens(|_| {}).unwrap().is_none());
        assert!(matches!(tokens(|config| config.secret = "short".into()), Err(TokensError::Secret)));
        let both = tokens(|config| {
            config.secret = "a".repeat(32).as_str().into();
            config.private_key_file = "key.pem".into();
        });
        assert!(matches!(both, Err(TokensError::Twice)));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        for (text, is_pem) in
            [("nonsense", false), ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", true)]
        {
            fs_err::write(&path, text).unwrap();
            let error = tokens(|config| config.private_key_file = path.clone()).err().unwrap();
            assert_eq!(matches!(error, TokensError::Key { .. }), is_pem, "{error:?}");
        }
    }
}
