//! The envelope: signatures beside the bytes that were signed (DSSE, "Dead Simple Signing Envelope", envelope.md and
//! protocol.md), so that nothing is parsed before it is verified, and both are replaced at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::keys::{KeyId, PrivateKey, PublicKey};
use super::{Publication, PublicationError};

/// Type of what is signed.
const PAYLOAD_TYPE: &str = "application/vnd.killick.publication+json";

/// Signatures of one envelope.
const MAX_SIGNATURES: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    payload_type: String,
    payload: String,
    #[serde(default)]
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// The envelope of a publication, signed with each key.
pub fn sign(publication: &Publication, keys: &[PrivateKey]) -> Vec<u8> {
    let payload = super::json(publication).into_bytes();
    let message = to_be_signed(PAYLOAD_TYPE, &payload);
    let signature =
        |key: &PrivateKey| Signature { keyid: key.public().id().to_string(), sig: STANDARD.encode(key.sign(&message)) };
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(&payload),
        signatures: keys.iter().map(signature).collect(),
    };
    super::json(&envelope).into_bytes()
}

/// PAE, "pre-authentication encoding".
pub(crate) fn to_be_signed(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

impl Envelope {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PublicationError> {
        let malformed = |detail: String| PublicationError::Malformed { detail };
        if bytes.len() as u64 > super::MAX_MANIFEST_BYTES {
            return Err(malformed(format!("{} bytes are too many", bytes.len())));
        }
        let envelope: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(format!("no signed envelope: {error}")))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed(format!("the envelope holds `{:.80}`", envelope.payload_type)));
        }
        if envelope.signatures.len() > MAX_SIGNATURES {
            return Err(malformed(format!("more than {MAX_SIGNATURES} signatures")));
        }
        Ok(envelope)
    }

    /// What may have been signed.
    pub(super) fn payload(&self) -> Result<Vec<u8>, PublicationError> {
        STANDARD
            .decode(&self.payload)
            .map_err(|error| PublicationError::Malformed { detail: format!("its payload is no base64: {error}") })
    }

    /// Those of `keys` that signed the payload.
    pub(super) fn signers(&self, payload: &[u8], keys: &[PublicKey]) -> Result<Vec<KeyId>, PublicationError> {
        let message = to_be_signed(&self.payload_type, payload);
        let mut signers = Vec::new();
        let mut wrong = None;
        for key in keys {
            let id = key.id();
            let mut of_key = self.signatures.iter().filter(|signature| signature.keyid == id.0).peekable();
            let is_named = of_key.peek().is_some();
            let is_right =
                of_key.any(|signature| STANDARD.decode(&signature.sig).is_ok_and(|raw| key.verify(&message, &raw)));
            if is_right && !signers.contains(&id) {
                signers.push(id);
            } else if is_named && !is_right {
                wrong = Some(id);
            }
        }
        match wrong {
            Some(key) if signers.is_empty() => Err(PublicationError::WrongSignature { key: key.to_string() }),
            _ => Ok(signers),
        }
    }

    /// Who says to have signed it, for people.
    pub(super) fn said_signers(&self) -> String {
        if self.signatures.is_empty() {
            return "it has no signature".to_owned();
        }
        let shown: Vec<String> = self.signatures.iter().map(|signature| format!("`{:.64}`", signature.keyid)).collect();
        format!("it names {}", shown.join(", "))
    }
}
