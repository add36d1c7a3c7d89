//! Public keys of issuers: `SubjectPublicKeyInfo` (RFC 5280, section 4.1) in PEM (RFC 7468), as `cosign generate-key-pair`
//! and `openssl pkey -pubout` write them. Ed25519, ECDSA on P-256 and P-384, and RSA of 2048 bits and more.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

/// Keys of one file.
const MAX_KEYS: usize = 100;

/// Why a text has no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VexKeyError {
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

impl Hint for VexKeyError {
    fn hint(&self) -> Option<String> {
        Some("give a file with `-----BEGIN PUBLIC KEY-----`, such as `cosign.pub`".to_owned())
    }
}

/// Whose signature under a VEX document is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct VexKey {
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

impl VexKey {
    /// Reads all public keys of a PEM file.
    pub fn read(text: &str) -> Result<Vec<Self>, VexKeyError> {
        let mut keys = Vec::new();
        for (at, block) in text.split("-----BEGIN PUBLIC KEY-----").skip(1).enumerate() {
            if keys.len() >= MAX_KEYS {
                return Err(VexKeyError::TooMany);
            }
            let body = block.split("-----END PUBLIC KEY-----").next().unwrap_or_default();
            let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok();
            keys.push(der.and_then(|der| Self::of_der(&der)).ok_or(VexKeyError::Unknown(at + 1))?);
        }
        if keys.is_empty() { Err(VexKeyError::None) } else { Ok(keys) }
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
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
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

impl fmt::Debug for VexKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "VexKey({:?} {})", self.kind, self.id)
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
