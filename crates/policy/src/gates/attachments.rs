//! What others attached to an image where it is stored: signatures, attestations, SBOMs, VEX documents. Not in the
//! original.

use killick_model::attachment::{Attachment, Document, DocumentKind, Subject, Verification};

use super::{Gate, State, Trigger};
use crate::certificate;
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};
use crate::pattern::wildcard;

/// Where cosign puts the certificate of a signature (cosign, `specs/SIGNATURE_SPEC.md`).
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

const KIND: Parameter = Parameter::required(
    "kind",
    Validator::OneOf(&["signature", "attestation", "sbom", "vex"]),
    Some("attestation"),
    "What the document is. An attested SBOM or VEX document is one of these as well as an attestation.",
);
const PREDICATE: Parameter = Parameter::optional(
    "predicate_type",
    Validator::Wildcard,
    Some("https://slsa.dev/provenance/*"),
    "Only attestations of this type, in which `*` stands for anything.",
);
const ISSUER: Parameter = Parameter::optional(
    "issuer",
    Validator::Wildcard,
    Some("https://github.com/example/*"),
    "Only those whose certificate names this identity, or who vouches for it, in which `*` stands for anything.",
);

pub(super) const GATE: Gate = Gate {
    name: "attachments",
    description: "Signatures, attestations, SBOMs and VEX documents that are attached to the image where it is stored. \
                  Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "absent",
            description: "Fires if no such document is attached to the image.",
            params: &[KIND, PREDICATE, ISSUER],
            check: absent,
        },
        Trigger {
            name: "present",
            description: "Fires for each such document that is attached to the image.",
            params: &[KIND, PREDICATE, ISSUER],
            check: present,
        },
    ],
};

/// The documents that meet the conditions. What is about something else is none of the image's.
fn found<'e>(check: &Check<'_, 'e>) -> Vec<(&'e Attachment, &'e Document)> {
    let params = check.params;
    let is_kind = |document: &Document| match params.text("kind") {
        Some("signature") => document.kind == DocumentKind::Signature,
        Some("attestation") => document.kind == DocumentKind::Attestation,
        Some("sbom") => document.kind == DocumentKind::Sbom || document.sbom.is_some(),
        _ => document.kind == DocumentKind::Vex || document.vex.is_some(),
    };
    let predicate = |document: &Document| {
        let wanted = params.text("predicate_type");
        wanted.is_none_or(|wanted| document.predicate_type.as_ref().is_some_and(|known| wildcard(wanted, known)))
    };
    let issuer = |attachment: &Attachment, document: &Document| {
        let wanted = params.text("issuer");
        wanted.is_none_or(|wanted| names(attachment, document).iter().any(|name| wildcard(wanted, name)))
    };
    let analysis = check.evidence.analysis;
    analysis
        .attachments
        .iter()
        .flat_map(|attachment| attachment.documents.iter().map(move |document| (attachment, document)))
        .filter(|(attachment, document)| {
            document.subject != Subject::Other
                && is_kind(document)
                && predicate(document)
                && issuer(attachment, document)
        })
        .collect()
}

fn names(attachment: &Attachment, document: &Document) -> Vec<String> {
    let written = document.annotations.get(CERTIFICATE).or_else(|| attachment.annotations.get(CERTIFICATE));
    written.map(|pem| certificate::names(pem)).unwrap_or_default()
}

/// What is asked for, in words: `attestation of type X by Y`.
fn wanted(check: &Check<'_, '_>) -> String {
    let kind = match check.params.text("kind") {
        Some("sbom") => "SBOM",
        Some("vex") => "VEX document",
        other => other.unwrap_or_default(),
    };
    let of = check.params.text("predicate_type").map(|wanted| format!(" of type `{wanted}`")).unwrap_or_default();
    let by = check.params.text("issuer").map(|wanted| format!(" by `{wanted}`")).unwrap_or_default();
    format!("{kind}{of}{by}")
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn absent(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let found = found(check);
    if found.iter().any(|(attachment, _)| attachment.verification == Verification::Unverified) {
        check.warn(
            "EvidenceWarning",
            "attachments.absent: signatures were not checked: whoever may write to the repository can attach anything"
                .to_owned(),
        );
    }
    if !found.is_empty() {
        return Ok(());
    }
    let wanted = wanted(check);
    let how = match check.params.text("kind") {
        Some("signature") => "sign the image after pushing it: `cosign sign IMAGE@DIGEST`",
        Some("attestation") => "attach one: `cosign attest --type TYPE --predicate FILE IMAGE@DIGEST`",
        Some("sbom") => "attach one: `killick sbom IMAGE -o spdx-json`, then `cosign attest --type spdxjson`",
        _ => "attach one: `killick scan IMAGE -o openvex-json`, then `cosign attest --type openvex`",
    };
    check.fire(format!("no {wanted} is attached to the image"), how.to_owned());
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn present(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let wanted = wanted(check);
    let mut found = found(check);
    found.sort_by_key(|(attachment, document)| (&document.digest, &attachment.digest));
    for (attachment, document) in found {
        let names = names(attachment, document);
        let by = if names.is_empty() { String::new() } else { format!(", by {}", names.join(", ")) };
        let what = document.predicate_type.as_ref().map(|known| format!(" ({known})")).unwrap_or_default();
        let digest = &document.digest;
        check.fire_as(
            digest.to_string(),
            Vec::new(),
            format!("{wanted} is attached to the image: {digest}{what}{by}"),
            Some(format!("remove `{}` from the repository", attachment.digest)),
        );
    }
    Ok(())
}
