//! Who an attached document is about, and what kind of thing it says.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use killick_model::attachment::DocumentKind;
use killick_model::digest::Digest;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Form;
use super::kinds::SIGN_PREDICATE;

/// Bytes of a predicate type that is told.
const TYPE_BYTES: usize = 1024;
/// Subjects of a statement that are kept; the others cost no memory.
const SUBJECTS: usize = 10_000;

/// The media type of what an envelope holds.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What a document says before it comes to the point.
pub(super) struct Statement<'a> {
    pub(super) kind: DocumentKind,
    /// Nothing, where the form has no place for it.
    pub(super) subjects: Option<Vec<Digest>>,
    pub(super) predicate_type: Option<String>,
    /// The statement itself.
    pub(super) payload: Cow<'a, [u8]>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(default, rename = "dsseEnvelope")]
    envelope: Option<Envelope>,
    #[serde(default, rename = "messageSignature")]
    signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
struct MessageSignature {
    #[serde(default, rename = "messageDigest")]
    digest: Option<MessageDigest>,
}

#[derive(Deserialize)]
struct MessageDigest {
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    digest: String,
}

#[derive(Deserialize)]
struct InToto {
    #[serde(default, rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    subject: InTotoSubjects,
}

/// The digests that subjects are named by; nothing if there is no subject.
#[derive(Default)]
struct InTotoSubjects(Option<Vec<Digest>>);

#[derive(Deserialize)]
struct InTotoSubject {
    #[serde(default)]
    digest: DigestSet,
}

#[derive(Deserialize, Default)]
struct DigestSet {
    #[serde(default)]
    sha256: Option<String>,
}

#[derive(Deserialize)]
struct SimpleSigning {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: SignedImage,
}

#[derive(Deserialize)]
struct SignedImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
struct Jws {
    payload: String,
}

#[derive(Deserialize)]
struct Notary {
    #[serde(rename = "targetArtifact")]
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    digest: String,
}

impl<'a> Statement<'a> {
    /// Reads a document of `form`; says what it is not, if it is not what it should be.
    pub(super) fn read(form: Form, bytes: &'a [u8]) -> Result<Self, &'static str> {
        match form {
            Form::Statement => Self::in_toto(Cow::Borrowed(bytes)),
            Form::Envelope => Self::envelope(&json(bytes, "no DSSE envelope")?),
            Form::Bundle => {
                let bundle: Bundle = json(bytes, "no Sigstore bundle")?;
                match (bundle.envelope, bundle.signature) {
                    (Some(envelope), _) => Self::envelope(&envelope),
                    (None, Some(signature)) => {
                        Ok(Self::signature(signature.digest.map(|digest| digest.as_digest().into_iter().collect())))
                    }
                    (None, None) => Err("a Sigstore bundle of nothing"),
                }
            }
            Form::SimpleSigning => {
                let signed: SimpleSigning = json(bytes, "no payload of a signature")?;
                Ok(Self::signature(Some(signed.critical.image.digest.parse().into_iter().collect())))
            }
            Form::Jws => {
                let jws: Jws = json(bytes, "no JSON web signature")?;
                let payload = decoded(&jws.payload)?;
                let notary: Notary = json(&payload, "no signature of Notary Project")?;
                Ok(Self::signature(Some(notary.target.digest.parse().into_iter().collect())))
            }
            Form::Signature => Ok(Self::signature(None)),
            Form::Sbom | Form::Vex | Form::Other => {
                Ok(Self { kind: form.kind(), subjects: None, predicate_type: None, payload: Cow::Borrowed(bytes) })
            }
        }
    }

    fn signature(subjects: Option<Vec<Digest>>) -> Self {
        Self { kind: DocumentKind::Signature, subjects, predicate_type: None, payload: Cow::Borrowed(&[]) }
    }

    fn envelope(envelope: &Envelope) -> Result<Self, &'static str> {
        if envelope.payload_type != IN_TOTO {
            return Err("an envelope of something else than an in-toto statement");
        }
        Self::in_toto(Cow::Owned(decoded(&envelope.payload)?))
    }

    fn in_toto(payload: Cow<'a, [u8]>) -> Result<Self, &'static str> {
        let statement: InToto = json(&payload, "no in-toto statement")?;
        if statement.predicate_type.is_empty() {
            return Err("an in-toto statement of no type");
        }
        let is_signature = statement.predicate_type == SIGN_PREDICATE;
        Ok(Self {
            kind: if is_signature { DocumentKind::Signature } else { DocumentKind::Attestation },
            // Some builders leave it out, and say what they mean where they attach it.
            subjects: statement.subject.0,
            predicate_type: Some(statement.predicate_type).filter(|text| text.len() <= TYPE_BYTES),
            payload,
        })
    }
}

impl<'de> Deserialize<'de> for InTotoSubjects {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = InTotoSubjects;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of subjects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<InTotoSubjects, A::Error> {
                let mut subjects = InTotoSubjects::default();
                while let Some(subject) = list.next_element::<InTotoSubject>()? {
                    let digests = subjects.0.get_or_insert_default();
                    let digest = subject.digest.sha256.and_then(|hex| format!("sha256:{hex}").parse().ok());
                    digests.extend(digest.filter(|_| digests.len() < SUBJECTS));
                }
                Ok(subjects)
            }
        }
        input.deserialize_seq(Visit)
    }
}

impl MessageDigest {
    fn as_digest(&self) -> Option<Digest> {
        let bytes: [u8; 32] = decoded(&self.digest).ok()?.try_into().ok()?;
        (self.algorithm == "SHA2_256").then(|| Digest::from_sha256(bytes))
    }
}

fn json<'de, T: Deserialize<'de>>(bytes: &'de [u8], otherwise: &'static str) -> Result<T, &'static str> {
    serde_json::from_slice(bytes).map_err(|_| otherwise)
}

/// Either alphabet, as DSSE demands of readers.
fn decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    let text = text.trim();
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .or_else(|_| URL_SAFE_NO_PAD.decode(text))
        .map_err(|_| "an envelope whose payload is no base64")
}
