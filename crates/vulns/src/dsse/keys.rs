//! Keys of signers, in PEM (RFC 7468).
//!
//! Public ones are `SubjectPublicKeyInfo` (RFC 5280, section 4.1), as `cosign generate-key-pair` and `openssl pkey -pubout` write
//! them: Ed25519, ECDSA on P-256 and P-384, and RSA of 2048 bits and more; or the one line of `killick db key`. Private ones are
//! PKCS #8 (RFC 5208), as `openssl genpkey` and `killick db key generate` write them: Ed25519, and ECDSA on P-256.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};

use super::{Sign, Verify};
use crate::publication::PublicKey;

/// Keys of one file.
const MAX_KEYS: usize = 100;

/// Why a text has no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyingKeyError {
    /// It has no public key.
    #[error("no public key")]
    None,
    /// A key is of a kind that is not known, or broken.
    #[error("the public key {0} is neither Ed25519 nor ECDSA (P-256, P-384) nor RSA")]
    Unknown(usize),
    /// It has too many.
    #[error("more than {MAX_KEYS} public keys")]
    TooMany,
}

impl Hint for VerifyingKeyError {
    fn hint(&self) -> Option<String> {
        let text =
            "give a file with `-----BEGIN PUBLIC KEY-----`, such as `cosign.pub`, or `ed25519:` with the key in base64";
        Some(text.to_owned())
    }
}

/// Whose signature is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    kind: Kind,
    raw: Vec<u8>,
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
    P384,
    Rsa,
}

/// Object identifiers of algorithms and curves, as they are encoded.
const ED25519_ID: &[u8] = b"\x2b\x65\x70";
const EC_ID: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
const P256_ID: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384_ID: &[u8] = b"\x2b\x81\x04\x00\x22";
const RSA_ID: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const BITS: u8 = 0x03;

impl VerifyingKey {
    /// Reads all public keys of a PEM file, or the one on a line.
    pub fn read(text: &str) -> Result<Vec<Self>, VerifyingKeyError> {
        if text.trim_start().starts_with(PublicKey::PREFIX) {
            let key: PublicKey = text.parse().map_err(|_| VerifyingKeyError::Unknown(1))?;
            return Self::of_der(&key.spki()).map(|key| vec![key]).ok_or(VerifyingKeyError::Unknown(1));
        }
        let mut keys = Vec::new();
        for (at, block) in text.split("-----BEGIN PUBLIC KEY-----").skip(1).enumerate() {
            if keys.len() >= MAX_KEYS {
                return Err(VerifyingKeyError::TooMany);
            }
            let body = block.split("-----END PUBLIC KEY-----").next().unwrap_or_default();
            let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok();
            keys.push(der.and_then(|der| Self::of_der(&der)).ok_or(VerifyingKeyError::Unknown(at + 1))?);
        }
        if keys.is_empty() { Err(VerifyingKeyError::None) } else { Ok(keys) }
    }

    fn of_der(der: &[u8]) -> Option<Self> {
        let (info, rest) = value(der, SEQUENCE)?;
        let (algorithm, key) = value(info, SEQUENCE)?;
        let (name, parameters) = value(algorithm, OBJECT)?;
        let (bits, end) = value(key, BITS)?;
        if !rest.is_empty() || !end.is_empty() {
            return None;
        }
        // The first byte counts the bits that are not used.
        let raw = bits.strip_prefix(&[0])?.to_vec();
        let curve = value(parameters, OBJECT).map(|(curve, _)| curve);
        let kind = match (name, curve) {
            (ED25519_ID, None) if raw.len() == 32 => Kind::Ed25519,
            (EC_ID, Some(P256_ID)) if raw.len() == 65 => Kind::P256,
            (EC_ID, Some(P384_ID)) if raw.len() == 97 => Kind::P384,
            (RSA_ID, None) => Kind::Rsa,
            _ => return None,
        };
        Some(Self { kind, raw, id: Digest::of(der).hex() })
    }

    /// Its name: SHA-256 of the key as it is encoded, in hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it signed `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithms: &[&'static dyn VerificationAlgorithm] = match self.kind {
            Kind::Ed25519 => &[&ED25519],
            Kind::P256 => &[&ECDSA_P256_SHA256_ASN1],
            // Sigstore's own tools changed from the one to the other.
            Kind::P384 => &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA256_ASN1],
            Kind::Rsa => &[&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256],
        };
        algorithms
            .iter()
            .any(|algorithm| UnparsedPublicKey::new(*algorithm, &self.raw).verify(message, signature).is_ok())
    }
}

impl Verify for VerifyingKey {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify(message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "VerifyingKey({:?} {})", self.kind, self.id)
    }
}

/// Why nothing can be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It has no private key.
    #[error("no private key")]
    None,
    /// It is the half that everybody may have.
    #[error("a public key, not a private one")]
    Public,
    /// It needs a password.
    #[error("an encrypted private key")]
    Encrypted,
    /// It is in a form that says nothing but what is of its kind.
    #[error("a private key in the form `{0}`, which is not PKCS #8")]
    Form(String),
    /// It is of another kind, or broken.
    #[error("neither an Ed25519 nor an ECDSA (P-256) private key")]
    Unknown,
    /// The system has no random numbers.
    #[error("the system gives no random numbers for a signature")]
    Random,
}

impl Hint for SigningKeyError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::None | Self::Unknown => {
                "make one with `killick db key generate --out FILE`, or with `openssl genpkey -algorithm ed25519 -out FILE`"
            }
            Self::Public => "give the file with `-----BEGIN PRIVATE KEY-----` that belongs to it",
            Self::Encrypted => {
                "take the password away with `openssl pkcs8 -in FILE -out NEW`, and keep the new file safe"
            }
            Self::Form(_) => "write it anew with `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW`",
            Self::Random => return None,
        };
        Some(text.to_owned())
    }
}

/// What somebody signs with.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// What stands before the point of a public key on P-256 (RFC 5480, section 2).
const P256_SPKI: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

impl SigningKey {
    /// Reads the private key of a PEM file.
    pub fn read(text: &str) -> Result<Self, SigningKeyError> {
        let labels = || text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
        let is_there = |label: &str| labels().any(|found| found == label);
        if !is_there("PRIVATE KEY") {
            return Err(match labels().find(|label| label.ends_with("PRIVATE KEY")) {
                Some(label) if label.starts_with("ENCRYPTED ") => SigningKeyError::Encrypted,
                Some(label) => SigningKeyError::Form(label.chars().take(80).collect()),
                None if is_there("PUBLIC KEY") => SigningKeyError::Public,
                None => SigningKeyError::None,
            });
        }
        let block = text.split("-----BEGIN PRIVATE KEY-----").nth(1).unwrap_or_default();
        let body = block.split("-----END PRIVATE KEY-----").next().unwrap_or_default();
        let der = STANDARD.decode(body.split_whitespace().collect::<String>());
        der.ok().and_then(|der| Self::of_pkcs8(&der)).ok_or(SigningKeyError::Unknown)
    }

    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let raw = pair.public_key().as_ref().try_into().ok()?;
            let public = VerifyingKey::of_der(&PublicKey::of_bytes(raw).spki())?;
            return Some(Self { pair: Pair::Ed25519(pair), public });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new()).ok()?;
        let public = VerifyingKey::of_der(&[P256_SPKI, pair.public_key().as_ref()].concat())?;
        Some(Self { pair: Pair::P256(pair), public })
    }

    /// Its other half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }
}

impl Sign for SigningKey {
    fn id(&self) -> String {
        self.public.id.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| SigningKeyError::Random)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SigningKey of {:?}", self.public)
    }
}

/// What is in the element with this tag that `der` begins with, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}
