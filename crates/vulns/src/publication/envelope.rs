//! The envelope around a publication: it and its signatures are replaced at once.

use super::keys::{KeyId, PrivateKey, PublicKey};
use super::{Publication, PublicationError};
use crate::dsse;

/// Type of what is signed.
const PAYLOAD_TYPE: &str = "application/vnd.killick.publication+json";

/// A publication with its signatures.
pub(super) struct Envelope(dsse::Envelope);

/// The envelope of a publication, signed with each key.
///
/// # Panics
/// Never: Ed25519, which these keys are of, signs without anything that can fail.
pub fn sign(publication: &Publication, keys: &[PrivateKey]) -> Vec<u8> {
    let payload = super::json(publication).into_bytes();
    let sealed = dsse::Envelope::seal_with(PAYLOAD_TYPE, &payload, keys);
    super::json(&sealed.expect("Ed25519 needs no random numbers to sign")).into_bytes()
}

impl Envelope {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PublicationError> {
        let malformed = |detail: String| PublicationError::Malformed { detail };
        if bytes.len() as u64 > super::MAX_MANIFEST_BYTES {
            return Err(malformed(format!("{} bytes are too many", bytes.len())));
        }
        let found = dsse::Envelope::find(bytes).map_err(|error| malformed(error.to_string()))?;
        let envelope = found.ok_or_else(|| malformed("no signed envelope".to_owned()))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed(format!("the envelope holds `{:.80}`", envelope.payload_type)));
        }
        Ok(Self(envelope))
    }

    /// What may have been signed.
    pub(super) fn payload(&self) -> Result<Vec<u8>, PublicationError> {
        self.0.payload().map_err(|error| PublicationError::Malformed { detail: error.to_string() })
    }

    /// Those of `keys` that signed the payload.
    pub(super) fn signers(&self, payload: &[u8], keys: &[PublicKey]) -> Result<Vec<KeyId>, PublicationError> {
        let signers = self.0.signers_among(payload, keys);
        let mut right = Vec::new();
        for key in signers.right.iter().map(|key| key.id()) {
            if !right.contains(&key) {
                right.push(key);
            }
        }
        match signers.wrong.last() {
            Some(key) if right.is_empty() => Err(PublicationError::WrongSignature { key: key.id().to_string() }),
            _ => Ok(right),
        }
    }

    /// Who says to have signed it, for people.
    pub(super) fn said_signers(&self) -> String {
        if !self.0.is_signed() {
            return "it has no signature".to_owned();
        }
        let shown: Vec<String> = self.0.named().map(|name| format!("`{name:.64}`")).collect();
        format!("it names {}", shown.join(", "))
    }
}
