//! What documents are wrapped in: signed envelopes ([`crate::dsse`]), and in-toto statements (attestation/spec/v1/statement.md).

use std::borrow::Cow;
use std::collections::HashMap;

use killick_model::digest::Digest;
use serde::Deserialize;
use serde_json::Value;

use crate::dsse::{Envelope, VerifyingKey};

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

/// What tells a statement from anything else.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "predicateType")]
    predicate_type: Option<String>,
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
pub(super) fn unwrap<'a>(bytes: &'a [u8], keys: &[VerifyingKey]) -> Result<Unwrapped<'a>, String> {
    let Some(envelope) = Envelope::find(bytes).map_err(|error| error.to_string())? else {
        let (body, subjects) = of_statement(Cow::Borrowed(bytes))?;
        return Ok(Unwrapped { body, signing: Signing::Unsigned, subjects });
    };
    let payload = envelope.payload().map_err(|error| error.to_string())?;
    let signer = envelope.signers(&payload, keys).right.first().map(|key| key.id().to_owned());
    // Of one envelope within another the outer signature would not be of who said it.
    let (body, subjects) = of_statement(Cow::Owned(payload))?;
    Ok(Unwrapped { body, signing: signer.map_or(Signing::Unverified, Signing::Verified), subjects })
}

fn of_statement(bytes: Cow<'_, [u8]>) -> Result<(Cow<'_, [u8]>, Vec<Digest>), String> {
    let probe: Probe = serde_json::from_slice(&bytes).map_err(|error| format!("no JSON object ({error})"))?;
    if probe.predicate_type.is_none() {
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
