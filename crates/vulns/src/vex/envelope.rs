//! What documents are wrapped in: DSSE envelopes (secure-systems-lab/dsse, envelope.md), alone or in a Sigstore bundle
//! (sigstore/protobuf-specs, `sigstore_bundle.proto`), and in-toto statements (attestation/spec/v1/statement.md).
//!
//! A signature is checked by the keys that the user gives. What a bundle brings along to check it with (a certificate, an
//! entry of a log) is not looked at: it says who signed, not whether that person is believed.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use killick_model::digest::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::keys::VexKey;
use crate::publication::to_be_signed;

/// Signatures of one envelope that are looked at.
const MAX_SIGNATURES: usize = 32;

/// Subjects of an in-toto statement that are looked at.
const MAX_SUBJECTS: usize = 1_000;

/// Who signed a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signing {
    /// It came without an envelope.
    Unsigned,
    /// Nobody whose key was given.
    Unverified,
    /// Who has the key of this name.
    Verified(String),
}

/// A document out of what it was wrapped in.
pub(super) struct Unwrapped<'a> {
    pub(super) body: Cow<'a, [u8]>,
    pub(super) signing: Signing,
    /// Digests of what the statement is about, if it is in one.
    pub(super) subjects: Vec<Digest>,
}

/// What tells the wrappings apart.
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
    #[serde(rename = "predicateType")]
    predicate_type: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    #[serde(default)]
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(default)]
    sig: String,
}

#[derive(Deserialize)]
struct InToto {
    #[serde(default)]
    subject: Vec<InTotoSubject>,
    predicate: Value,
}

#[derive(Deserialize)]
struct InTotoSubject {
    #[serde(default)]
    digest: HashMap<String, String>,
}

/// Takes a document out of its wrappings; says what it is not, if they are broken.
pub(super) fn unwrap<'a>(bytes: &'a [u8], keys: &[VexKey]) -> Result<Unwrapped<'a>, String> {
    let probe = probe(bytes)?;
    let envelope = match (probe.envelope, probe.payload_type, probe.payload) {
        (Some(envelope), ..) => Some(envelope),
        (None, Some(payload_type), Some(payload)) => {
            Some(Envelope { payload_type, payload, signatures: probe.signatures })
        }
        _ if probe.message_signature.is_some() => {
            return Err("a Sigstore bundle with a signature and no document".to_owned());
        }
        _ => None,
    };
    let Some(envelope) = envelope else {
        let (body, subjects) = of_statement(Cow::Borrowed(bytes), probe.predicate_type.is_some())?;
        return Ok(Unwrapped { body, signing: Signing::Unsigned, subjects });
    };
    let payload = decoded(&envelope.payload).ok_or("an envelope whose payload is no base64")?;
    let signing = envelope.signer(&payload, keys);
    // Of one envelope within another the outer signature would not be of who said it.
    let inner = self::probe(&payload)?;
    let (body, subjects) = of_statement(Cow::Owned(payload), inner.predicate_type.is_some())?;
    Ok(Unwrapped { body, signing, subjects })
}

fn probe(bytes: &[u8]) -> Result<Probe, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("no JSON object ({error})"))
}

fn of_statement(bytes: Cow<'_, [u8]>, is_statement: bool) -> Result<(Cow<'_, [u8]>, Vec<Digest>), String> {
    if !is_statement {
        return Ok((bytes, Vec::new()));
    }
    let statement: InToto =
        serde_json::from_slice(&bytes).map_err(|error| format!("no in-toto statement ({error})"))?;
    let sha256 = |subject: InTotoSubject| {
        subject.digest.get("sha256").and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok())
    };
    let subjects = statement.subject.into_iter().take(MAX_SUBJECTS).filter_map(sha256).collect();
    // What cosign wrapped predicates of types in that it did not know.
    let predicate = match statement.predicate {
        Value::Object(mut fields) if fields.contains_key("Data") => match fields.remove("Data") {
            Some(Value::String(text)) => text.into_bytes(),
            Some(data) => data.to_string().into_bytes(),
            None => Vec::new(),
        },
        predicate => predicate.to_string().into_bytes(),
    };
    Ok((Cow::Owned(predicate), subjects))
}

impl Envelope {
    fn signer(&self, payload: &[u8], keys: &[VexKey]) -> Signing {
        if keys.is_empty() {
            return Signing::Unverified;
        }
        let message = to_be_signed(&self.payload_type, payload);
        let raw: Vec<Vec<u8>> =
            self.signatures.iter().take(MAX_SIGNATURES).filter_map(|signature| decoded(&signature.sig)).collect();
        let signer = keys.iter().find(|key| raw.iter().any(|signature| key.verify(&message, signature)));
        signer.map_or(Signing::Unverified, |key| Signing::Verified(key.id().to_owned()))
    }
}

/// Either alphabet, as DSSE demands of readers.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}
