//! What an attached document is, by what is said of it.

use killick_model::attachment::{DocumentKind, Origin};

/// The form of an attached document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An in-toto statement as it is.
    Statement,
    /// A DSSE envelope.
    Envelope,
    /// A Sigstore bundle: an envelope or a signature with what is needed to check it.
    Bundle,
    /// What cosign signs, with the signature in an annotation.
    SimpleSigning,
    /// A signature of Notary Project as JSON.
    Jws,
    /// Another signature, which is not read.
    Signature,
    /// An SBOM, in JSON, in XML, or as tags and values.
    Sbom,
    /// A VEX document.
    Vex,
    /// Anything else, which is not read.
    Other,
}

impl Form {
    /// The form of a document of this media type in an artifact of this type.
    pub fn of(media_type: &str, artifact_type: Option<&str>, origin: &Origin) -> Self {
        let by_tag = match origin {
            Origin::Tag(ending) if ending == ".sig" => Self::Signature,
            _ => Self::Other,
        };
        let forms = [Some(media_type), artifact_type].into_iter().flatten().map(Self::of_type);
        forms.into_iter().find(|form| *form != Self::Other).unwrap_or(by_tag)
    }

    fn of_type(media_type: &str) -> Self {
        let plain = media_type.split(';').next().unwrap_or(media_type).trim().to_ascii_lowercase();
        match plain.as_str() {
            "application/vnd.in-toto+json" => Self::Statement,
            "application/vnd.dsse.envelope.v1+json" | "application/vnd.in-toto.dsse+json" => Self::Envelope,
            "application/vnd.dev.cosign.simplesigning.v1+json" => Self::SimpleSigning,
            "application/jose+json" => Self::Jws,
            "application/cose" | "application/vnd.cncf.notary.signature" => Self::Signature,
            "application/vnd.cyclonedx+json"
            | "application/vnd.cyclonedx+xml"
            | "text/spdx+xml"
            | "application/vnd.cyclonedx"
            | "application/spdx+json"
            | "text/spdx"
            | "text/spdx+json"
            | "application/vnd.syft+json"
            | "application/vnd.spdx+json" => Self::Sbom,
            "application/vnd.openvex+json"
            | "application/openvex+json"
            | "text/openvex+json"
            | "application/vnd.oasis.csaf+json"
            | "application/csaf+json"
            | "application/vnd.cyclonedx.vex+json" => Self::Vex,
            bundle if bundle.starts_with("application/vnd.dev.sigstore.bundle") => Self::Bundle,
            _ => Self::Other,
        }
    }

    /// What it is before it was read.
    pub fn kind(self) -> DocumentKind {
        match self {
            Self::Statement | Self::Envelope | Self::Bundle => DocumentKind::Attestation,
            Self::SimpleSigning | Self::Jws | Self::Signature => DocumentKind::Signature,
            Self::Sbom => DocumentKind::Sbom,
            Self::Vex => DocumentKind::Vex,
            Self::Other => DocumentKind::Other,
        }
    }

    /// Whether there is anything to read in it.
    pub(super) fn is_read(self) -> bool {
        !matches!(self, Self::Signature | Self::Other)
    }
}

/// What cosign's signatures attest since they are bundles.
pub(super) const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Whether an attestation of this type says what is in its subject.
pub(super) fn is_sbom_predicate(predicate_type: &str) -> bool {
    let address = predicate_type.trim_end_matches('/');
    address == "https://spdx.dev/Document"
        || address.starts_with("https://spdx.dev/Document/")
        || address == "https://cyclonedx.org/bom"
        || address.starts_with("https://cyclonedx.org/bom/")
        || address == "https://cyclonedx.org/schema"
        || address == "https://syft.dev/bom"
}

/// Whether an attestation of this type says something about vulnerabilities of its subject: `OpenVEX` (ATTESTING.md of its
/// specification), and what cosign calls `vex` and `csaf`.
pub(super) fn is_vex_predicate(predicate_type: &str) -> bool {
    let address = predicate_type.trim_end_matches('/');
    address == "https://openvex.dev/ns"
        || address.starts_with("https://openvex.dev/ns/")
        || address == "https://cyclonedx.org/vex"
        || address.starts_with("https://docs.oasis-open.org/csaf/")
}
