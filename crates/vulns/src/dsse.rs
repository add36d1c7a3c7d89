//! Signed envelopes: signatures beside the bytes that were signed (DSSE, "Dead Simple Signing Envelope", secure-systems-lab/dsse,
//! envelope.md and protocol.md), so that nothing is parsed before it is verified; alone or in a Sigstore bundle
//! (sigstore/protobuf-specs, `sigstore_bundle.proto`).
//!
//! A signature is checked by the keys that the user gives, whatever key it says to be of. What a bundle brings along to
//! check it with (a certificate, an entry of a log) is not looked at: it says who signed, not whether that person is
//! believed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

mod keys;
#[cfg(test)]
mod tests;

pub use self::keys::{SigningKey, SigningKeyError, VerifyingKey, VerifyingKeyError};

/// Signatures of one envelope.
const MAX_SIGNATURES: usize = 32;

/// What was signed, and who says to have signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Type of what was signed.
    pub payload_type: String,
    /// What was signed, in base64.
    payload: String,
    #[serde(default)]
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    #[serde(default)]
    sig: String,
}

/// Why there is no envelope to be had from a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not even JSON.
    #[error("no JSON object ({0})")]
    Json(String),
    /// A Sigstore bundle may hold a signature of something that lies elsewhere.
    #[error("a Sigstore bundle with a signature and no document")]
    Detached,
    /// What was signed cannot be read.
    #[error("an envelope whose payload is no base64")]
    Payload,
    /// Each would have to be checked.
    #[error("an envelope with more than {MAX_SIGNATURES} signatures")]
    Signatures,
}

/// What signs.
pub(crate) trait Sign {
    /// Name of its public half.
    fn id(&self) -> String;
    /// Its signature under `message`.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError>;
}

/// What checks signatures.
pub(crate) trait Verify {
    /// Its name.
    fn id(&self) -> String;
    /// Whether it signed `message`.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// How the keys that somebody believes stand to an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers<'k, K> {
    /// They signed the payload.
    pub right: Vec<&'k K>,
    /// They are named, and did not sign these bytes.
    pub wrong: Vec<&'k K>,
}

/// What tells an envelope and a bundle from anything else.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "payloadType")]
    payload_type: Option<String>,
    payload: Option<String>,
    #[serde(default)]
    signatures: Vec<Signature>,
    #[serde(rename = "dsseEnvelope")]
    envelope: Option<Envelope>,
    #[serde(rename = "messageSignature")]
    message_signature: Option<serde::de::IgnoredAny>,
}

impl Envelope {
    /// The envelope that `bytes` are, or are a bundle of; nothing if they are another JSON object.
    pub fn find(bytes: &[u8]) -> Result<Option<Self>, EnvelopeError> {
        let probe: Probe = serde_json::from_slice(bytes).map_err(|error| EnvelopeError::Json(error.to_string()))?;
        let envelope = match (probe.envelope, probe.payload_type, probe.payload) {
            (Some(envelope), ..) => envelope,
            (None, Some(payload_type), Some(payload)) => Self { payload_type, payload, signatures: probe.signatures },
            _ if probe.message_signature.is_some() => return Err(EnvelopeError::Detached),
            _ => return Ok(None),
        };
        if envelope.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::Signatures);
        }
        Ok(Some(envelope))
    }

    /// Signs `payload` with each key.
    pub fn seal(payload_type: &str, payload: &[u8], keys: &[SigningKey]) -> Result<Self, SigningKeyError> {
        Self::seal_with(payload_type, payload, keys)
    }

    pub(crate) fn seal_with(payload_type: &str, payload: &[u8], keys: &[impl Sign]) -> Result<Self, SigningKeyError> {
        let message = to_be_signed(payload_type, payload);
        let signature =
            |key: &_| Ok(Signature { keyid: Some(Sign::id(key)), sig: STANDARD.encode(Sign::sign(key, &message)?) });
        let signatures = keys.iter().map(signature).collect::<Result<_, _>>()?;
        Ok(Self { payload_type: payload_type.to_owned(), payload: STANDARD.encode(payload), signatures })
    }

    /// What may have been signed.
    pub fn payload(&self) -> Result<Vec<u8>, EnvelopeError> {
        decoded(&self.payload).ok_or(EnvelopeError::Payload)
    }

    /// Those of `keys` that signed `payload`, which is what [`Self::payload`] gave.
    pub fn signers<'k>(&self, payload: &[u8], keys: &'k [VerifyingKey]) -> Signers<'k, VerifyingKey> {
        self.signers_among(payload, keys)
    }

    pub(crate) fn signers_among<'k, K: Verify>(&self, payload: &[u8], keys: &'k [K]) -> Signers<'k, K> {
        let message = to_be_signed(&self.payload_type, payload);
        let raw: Vec<Vec<u8>> = self.signatures.iter().filter_map(|signature| decoded(&signature.sig)).collect();
        let mut signers = Signers { right: Vec::new(), wrong: Vec::new() };
        for key in keys {
            if raw.iter().any(|signature| key.verify(&message, signature)) {
                signers.right.push(key);
            } else if self.named().any(|named| named == key.id()) {
                signers.wrong.push(key);
            }
        }
        signers
    }

    /// Names of the keys that are said to have signed it.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().filter_map(|signature| signature.keyid.as_deref()).filter(|name| !name.is_empty())
    }

    /// Whether anybody signed anything.
    pub fn is_signed(&self) -> bool {
        !self.signatures.is_empty()
    }
}

/// PAE, "pre-authentication encoding".
fn to_be_signed(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

/// Either alphabet, as DSSE demands of readers.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}
