//! Whether an attestation is believed: signed by a key that was given, about the image, of the type that is wanted, and
//! made of knowledge that is not too old. Nothing in it is read before its signature is checked.

use jiff::{SignedDuration, Timestamp};
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_report::attestation::{Kind, MAX_BYTES, PAYLOAD_TYPE, Statement, StatementError, Verdict, VerdictError};
use killick_vulns::dsse::{Envelope, EnvelopeError, VerifyingKey};

/// Bytes of an envelope: base64 makes four of three.
pub(super) const MAX_ENVELOPE_BYTES: usize = MAX_BYTES / 3 * 4 + (1 << 20);

/// What an attestation must be like.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Digests that the image is known by: its own, and that of the index it was chosen from.
    pub(super) subject: Vec<Digest>,
    /// What is to be said of it.
    pub(super) kind: Option<Kind>,
    /// Any of them must have signed it.
    pub(super) keys: Vec<VerifyingKey>,
    /// When it is judged.
    pub(super) now: Timestamp,
    /// Whether advisories that expired are believed.
    pub(super) allow_expired: bool,
    /// Age in days from which advisories are not believed.
    pub(super) max_age_days: Option<u32>,
}

/// An attestation that is believed.
#[derive(Debug, Clone)]
pub(super) struct Trusted {
    /// Where it came from.
    pub(super) name: String,
    /// Names of the keys that signed it.
    pub(super) signers: Vec<String>,
    /// What it is about.
    pub(super) subject: Digest,
    /// What it is.
    pub(super) kind: Kind,
    /// What it says.
    pub(super) statement: Statement,
    /// What it says, if it is a verdict.
    pub(super) verdict: Option<Verdict>,
}

impl Trusted {
    /// When what it says was so, as far as it tells.
    pub(super) fn instant(&self) -> Option<Timestamp> {
        let text = |pointer: &str| self.statement.predicate.pointer(pointer)?.as_str()?.parse().ok();
        match self.kind {
            Kind::Verdict => self.verdict.as_ref().map(|verdict| verdict.time_verified),
            Kind::Vulnerabilities => text("/metadata/scanFinishedOn"),
            Kind::Sbom => text("/metadata/timestamp").or_else(|| text("/creationInfo/created")),
        }
    }
}

/// Why an attestation is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TrustError {
    #[error("`{0}` is larger than {MAX_ENVELOPE_BYTES} bytes")]
    Size(String),
    #[error("`{0}` cannot be read: {1}")]
    Unread(String, String),
    #[error("`{0}` is {1}")]
    Broken(String, EnvelopeError),
    #[error("`{0}` is no signed envelope")]
    NoEnvelope(String),
    #[error("`{0}` is not signed by anybody")]
    Unsigned(String),
    #[error("`{name}` is signed by none of the given keys; {named}")]
    OtherKey { name: String, named: String },
    #[error("`{name}` has a wrong signature of the given key `{key}`: what it says was changed after it was signed")]
    Altered { name: String, key: String },
    #[error("`{name}` is signed, but holds `{payload_type}` and not an in-toto statement")]
    PayloadType { name: String, payload_type: String },
    #[error("what is signed in `{0}` is {1}")]
    Statement(String, StatementError),
    #[error("`{name}` is about another image: {about}, and not {wanted}")]
    OtherSubject { name: String, about: String, wanted: String },
    #[error("`{name}` attests `{predicate_type}`, which is nothing that this program knows")]
    UnknownPredicate { name: String, predicate_type: String },
    #[error("`{name}` is a signed {found}, not the {wanted} that is wanted")]
    OtherKind { name: String, found: &'static str, wanted: &'static str },
    #[error("what is signed in `{0}` is {1}")]
    Verdict(String, VerdictError),
    #[error("the verdict in `{name}` rests on advisories that expired at {expired}")]
    Expired { name: String, expired: Timestamp },
    #[error("`{name}` rests on advisories of {date}, more than {days} {} ago", if *.days == 1 { "day" } else { "days" })]
    TooOld { name: String, date: Timestamp, days: u32 },
    #[error("`{0}` does not say how old the advisories are that it rests on")]
    Ageless(String),
}

impl Hint for TrustError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Size(_) | Self::Unread(..) | Self::Statement(..) | Self::Verdict(..) => return None,
            Self::Broken(..) | Self::NoEnvelope(_) | Self::PayloadType { .. } => {
                "give what `killick attest` or `cosign attest` wrote: a DSSE envelope, or a Sigstore bundle with one"
            }
            Self::Unsigned(_) => {
                "anybody can have written it; ask for one that is signed, as `killick attest --key FILE` writes it"
            }
            Self::OtherKey { .. } => {
                "give the signer's public key with `--key`: `killick db key show FILE` or `openssl pkey -in FILE -pubout` prints it"
            }
            Self::Altered { .. } => "do not believe it; fetch it again from whoever signed it",
            Self::OtherSubject { .. } => {
                "of an image with several platforms each is attested by itself: name the one with `--platform`, or by its digest"
            }
            Self::UnknownPredicate { .. } => {
                "SBOMs (CycloneDX, SPDX), vulnerability reports (in-toto, cosign) and verdicts (SLSA VSA) are known"
            }
            Self::OtherKind { .. } => "leave out `--type`, or give the attestation of that type",
            Self::Expired { .. } => {
                "judge again with `killick db update` and `killick attest`; `--allow-expired` believes it all the same"
            }
            Self::TooOld { .. } | Self::Ageless(_) => "judge again with newer advisories, or leave out `--max-age`",
        };
        Some(text.to_owned())
    }
}

/// Checks `bytes`, which are called `name`.
pub(super) fn check(name: &str, bytes: &[u8], wanted: &Wanted) -> Result<Trusted, TrustError> {
    let name = || name.to_owned();
    if bytes.len() > MAX_ENVELOPE_BYTES {
        return Err(TrustError::Size(name()));
    }
    let broken = |error| TrustError::Broken(name(), error);
    let envelope = Envelope::find(bytes).map_err(broken)?.ok_or_else(|| TrustError::NoEnvelope(name()))?;
    if !envelope.is_signed() {
        return Err(TrustError::Unsigned(name()));
    }
    let payload = envelope.payload().map_err(broken)?;
    let signers = envelope.signers(&payload, &wanted.keys);
    if signers.right.is_empty() {
        return Err(match signers.wrong.first() {
            Some(key) => TrustError::Altered { name: name(), key: key.id().to_owned() },
            None => TrustError::OtherKey { name: name(), named: named(&envelope) },
        });
    }
    let signers = signers.right.iter().map(|key| key.id().to_owned()).collect();
    if envelope.payload_type != PAYLOAD_TYPE {
        let payload_type = short(&envelope.payload_type);
        return Err(TrustError::PayloadType { name: name(), payload_type });
    }
    let statement = Statement::parse(&payload).map_err(|error| TrustError::Statement(name(), error))?;
    let Some(subject) = wanted.subject.iter().find(|digest| statement.is_about(digest)).cloned() else {
        return Err(other_subject(name(), &statement, &wanted.subject));
    };
    let Some(kind) = statement.kind() else {
        let predicate_type = short(&statement.predicate_type);
        return Err(TrustError::UnknownPredicate { name: name(), predicate_type });
    };
    if let Some(other) = wanted.kind.filter(|wanted| *wanted != kind) {
        return Err(TrustError::OtherKind { name: name(), found: kind.title(), wanted: other.title() });
    }
    let verdict = (kind == Kind::Verdict).then(|| Verdict::parse(&statement.predicate)).transpose();
    let verdict = verdict.map_err(|error| TrustError::Verdict(name(), error))?;
    let trusted = Trusted { name: name(), signers, subject, kind, statement, verdict };
    check_age(&trusted, wanted)?;
    Ok(trusted)
}

fn check_age(trusted: &Trusted, wanted: &Wanted) -> Result<(), TrustError> {
    let name = || trusted.name.clone();
    let advisories =
        trusted.verdict.as_ref().and_then(|verdict| verdict.inputs.as_ref()).map(|inputs| &inputs.advisories);
    let expires = advisories.and_then(|advisories| advisories.expires);
    if let Some(expired) = expires.filter(|expires| *expires <= wanted.now && !wanted.allow_expired) {
        return Err(TrustError::Expired { name: name(), expired });
    }
    let Some(days) = wanted.max_age_days else { return Ok(()) };
    let date = match trusted.kind {
        // What is in an image does not change.
        Kind::Sbom => return Ok(()),
        Kind::Verdict => advisories.and_then(|advisories| advisories.newest_data.or(advisories.built)),
        Kind::Vulnerabilities => {
            let date = trusted.statement.predicate.pointer("/scanner/db/lastUpdate");
            date.and_then(|date| date.as_str()?.parse().ok())
        }
    };
    let Some(date) = date else { return Err(TrustError::Ageless(name())) };
    let most = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
    if wanted.now.duration_since(date) > most {
        return Err(TrustError::TooOld { name: name(), date, days });
    }
    Ok(())
}

/// Who says to have signed it, for people.
fn named(envelope: &Envelope) -> String {
    let names: Vec<String> = envelope.named().map(|name| format!("`{}`", short(name))).collect();
    if names.is_empty() {
        "it names none, and may have been changed".to_owned()
    } else {
        format!("it names {}", names.join(", "))
    }
}

fn other_subject(name: String, statement: &Statement, wanted: &[Digest]) -> TrustError {
    let list = |digests: Vec<String>| digests.into_iter().take(3).collect::<Vec<_>>().join(", ");
    let about = statement.subject.iter().filter_map(|subject| Some(subject.digest()?.to_string())).collect();
    let wanted = wanted.iter().map(ToString::to_string).collect();
    TrustError::OtherSubject { name, about: list(about), wanted: list(wanted) }
}

/// Texts of strangers may be of any length.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
