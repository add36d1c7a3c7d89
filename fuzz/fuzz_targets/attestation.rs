//! An attestation: the envelope, keys, and the statement in it, as if it were signed.
#![no_main]

use killick_report::attestation::{Statement, Verdict};
use killick_vulns::dsse::{Envelope, SigningKey, VerifyingKey};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = SigningKey::read(&text);
    let keys = VerifyingKey::read(&text).unwrap_or_default();
    let payload = match Envelope::find(data) {
        Ok(Some(envelope)) => {
            let payload = envelope.payload().unwrap_or_default();
            let _ = envelope.signers(&payload, &keys);
            payload
        }
        _ => data.to_vec(),
    };
    if let Ok(statement) = Statement::parse(&payload) {
        let _ = (statement.kind(), statement.to_json());
        if let Ok(verdict) = Verdict::parse(&statement.predicate) {
            let _ = verdict.inputs.as_ref().map(|inputs| inputs.differences(inputs));
        }
    }
});
