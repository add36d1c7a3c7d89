//! Keys of publishers: Ed25519 (RFC 8032) in the forms of RFC 8410, which `openssl genpkey -algorithm ed25519` and
//! `openssl pkey -pubout` write too, and public keys on one line.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::dsse::{Sign, SigningKeyError, Verify};

/// What stands before the 32 bytes of a private key in PKCS #8 version 1 (RFC 8410, section 7).
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// What stands before the 32 bytes of a public key (RFC 8410, section 4).
const SPKI: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no public key.
    #[error("not an Ed25519 public key")]
    Public,
    /// It is no private key.
    #[error("not an Ed25519 private key")]
    Private,
    /// The system has no random numbers.
    #[error("the system gives no random numbers for a key")]
    Random,
}

impl Hint for KeyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Public => {
                Some("give `ed25519:` with the key in base64, or a file with `-----BEGIN PUBLIC KEY-----`".to_owned())
            }
            Self::Private => Some("make one with `killick db key generate`".to_owned()),
            Self::Random => None,
        }
    }
}

/// Names a public key: SHA-256 of its 32 bytes, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub(super) String);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// Whose signature is believed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Begins a public key on one line.
    pub(crate) const PREFIX: &str = "ed25519:";

    pub(crate) const fn of_bytes(raw: [u8; 32]) -> Self {
        Self(raw)
    }

    /// As `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> Vec<u8> {
        [&SPKI[..], &self.0].concat()
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(&self.0).hex())
    }
}

impl Verify for PublicKey {
    fn id(&self) -> String {
        self.id().0
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads `ed25519:` and base64, or a PEM file.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let raw = match text.strip_prefix(Self::PREFIX) {
            Some(encoded) => STANDARD.decode(encoded.trim()).map_err(|_| KeyError::Public)?,
            None => pem(text, "PUBLIC KEY")
                .and_then(|der| Some(der.strip_prefix(&SPKI)?.to_vec()))
                .ok_or(KeyError::Public)?,
        };
        raw.try_into().map(Self).map_err(|_| KeyError::Public)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", Self::PREFIX, STANDARD.encode(self.0))
    }
}

/// What publishers sign with.
pub struct PrivateKey(Ed25519KeyPair);

impl PrivateKey {
    /// A new key, and the text to keep it as.
    pub fn generate() -> Result<(Self, String), KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
        Self::of_seed(&seed)
    }

    /// The key of 32 bytes that nobody else knows, and the text to keep it as.
    pub(super) fn of_seed(seed: &[u8; 32]) -> Result<(Self, String), KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Private)?;
        let encoded = STANDARD.encode([&PKCS8[..], seed].concat());
        Ok((Self(pair), format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n")))
    }

    /// Its other half.
    pub fn public(&self) -> PublicKey {
        let mut raw = [0; 32];
        raw.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(raw)
    }
}

impl Sign for PrivateKey {
    fn id(&self) -> String {
        self.public().id().0
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl FromStr for PrivateKey {
    type Err = KeyError;

    /// Reads a PEM file.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let der = pem(text, "PRIVATE KEY").ok_or(KeyError::Private)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(|_| KeyError::Private)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PrivateKey of {}", self.public())
    }
}

/// The bytes of the first block with this label (RFC 7468).
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}
