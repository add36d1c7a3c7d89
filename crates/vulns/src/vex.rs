//! VEX documents: decisions of their issuers, held against matches.
//!
//! Three formats are read into one shape: `OpenVEX` (`openvex`), CSAF 2.0 (`csaf`) and CycloneDX (`cyclonedx`), each
//! also as the predicate of an in-toto statement and in a signed envelope (`envelope`). `product` tells whether what a document speaks of is the image or a
//! package of it, [`apply()`] what follows. The providers of the index read VEX documents too, as the data of
//! distributions; here they are anybody's, about any product, and somebody decides whether they count:
//!
//! - What the user gives counts, unless it is in an envelope whose signature is by none of [`VexSettings::keys`]. What is
//!   attached to an image counts if its issuer is one of [`VexSettings::issuers`]; the issuer is what the document says.
//! - Where there are keys, only what one of them signed counts, whoever gave it; issuers narrow that further.
//! - A document that does not count never hides a finding. What it says is told as a claim beside the finding.
//! - Of one issuer's statements the newest counts. Of several issuers heard at the same place of
//!   [`VexSettings::order`], who says affected does.
//! - Documents older than [`VexSettings::max_age_days`], drafts, and statements about nothing that can be identified count
//!   for nothing, and are told as problems.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::problem::Problem;
use killick_model::vex::{VexFormat, VexOrigin};
use serde::Deserialize;
use serde::de::IgnoredAny;

pub use self::apply::apply;
use self::envelope::Signing;
pub use self::product::Image;
use self::statement::Document;
use crate::dsse::VerifyingKey;

mod apply;
mod csaf;
mod cyclonedx;
mod envelope;
mod openvex;
mod product;
mod statement;
#[cfg(test)]
mod tests;

/// Bytes of a document. Red Hat's largest are half of it.
pub const MAX_BYTES: usize = 32 << 20;

/// Documents that are held against one image.
const MAX_DOCUMENTS: usize = 10_000;

/// Who decides whether a finding is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The documents the user gives.
    User,
    /// The distribution, about its own packages, and what else the index says does not apply.
    Vendor,
    /// Trusted documents that are attached to the image.
    Attached,
}

impl Voice {
    /// The usual order.
    pub const ORDER: [Self; 3] = [Self::User, Self::Vendor, Self::Attached];

    /// The word in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Vendor => "vendor",
            Self::Attached => "attached",
        }
    }
}

/// What counts, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexSettings {
    /// Issuers whose attached documents count; upper and lower case are the same.
    pub issuers: Vec<String>,
    /// Keys of which one must have signed what counts; none if no signature is asked for.
    pub keys: Vec<VerifyingKey>,
    /// Who is heard first. Who is not named comes last, in the usual order.
    pub order: Vec<Voice>,
    /// Age in days from which what a document says is no longer believed; `None` for never.
    pub max_age_days: Option<u32>,
    /// The instant from which the age is counted.
    pub now: Timestamp,
}

impl VexSettings {
    /// The usual settings at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { issuers: Vec::new(), keys: Vec::new(), order: Vec::new(), max_age_days: None, now }
    }

    fn voices(&self) -> impl Iterator<Item = Voice> {
        let rest = Voice::ORDER.into_iter().filter(|voice| !self.order.contains(voice));
        self.order.iter().copied().chain(rest)
    }

    fn is_trusted(&self, document: &Document, origin: VexOrigin) -> bool {
        let issuer = document.issuer.trim();
        let is_listed =
            || !issuer.is_empty() && self.issuers.iter().any(|known| known.trim().eq_ignore_ascii_case(issuer));
        match (&document.signing, origin) {
            (Signing::Verified(_), VexOrigin::User) => true,
            (Signing::Verified(_), VexOrigin::Attached) => self.issuers.is_empty() || is_listed(),
            (Signing::Unsigned, VexOrigin::User) => self.keys.is_empty(),
            (Signing::Unverified, VexOrigin::User) => false,
            (Signing::Unsigned | Signing::Unverified, VexOrigin::Attached) => self.keys.is_empty() && is_listed(),
        }
    }

    /// Why a document does not count although it might, for want of a signature.
    fn objection(&self, document: &Document, origin: VexOrigin) -> Option<&'static str> {
        match (&document.signing, origin) {
            (Signing::Unverified, VexOrigin::User) if self.keys.is_empty() => {
                Some("is signed, and there is no key to check that with (`--vex-key`)")
            }
            (Signing::Unverified, _) if !self.keys.is_empty() => Some("is signed by none of the given keys"),
            (Signing::Unsigned, _) if !self.keys.is_empty() => Some("is not signed by any of the given keys"),
            _ => None,
        }
    }

    /// Whether something that was said at `instant` is too old.
    fn is_stale(&self, instant: Option<Timestamp>) -> bool {
        let Some(days) = self.max_age_days else { return false };
        let age = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
        // What does not say how old it is cannot be told to be young.
        instant.is_none_or(|instant| self.now.duration_since(instant) > age)
    }
}

/// Documents, and what counts of them.
#[derive(Debug, Clone)]
pub struct Vex {
    settings: VexSettings,
    documents: Vec<(Arc<Document>, VexOrigin)>,
    problems: Vec<Problem>,
}

impl Vex {
    /// No documents.
    pub fn new(settings: VexSettings) -> Self {
        Self { settings, documents: Vec::new(), problems: Vec::new() }
    }

    /// What could not be read or does not count, so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether there is nothing to apply and nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.problems.is_empty()
    }

    /// Adds a document, or several of which each is a line (`cosign download attestation` prints envelopes so); one that
    /// cannot be read becomes a problem, which calls it `name`. Whether all could be read.
    pub fn add(&mut self, name: &str, bytes: &[u8], origin: VexOrigin) -> bool {
        let Some(lines) = lines(bytes) else { return self.add_of(name, bytes, origin, "") };
        let mut all = true;
        for (number, line) in lines {
            all &= self.add_of(&format!("{name}:{number}"), line, origin, "");
        }
        all
    }

    /// [`Self::add`], of `publisher` where the document says nobody's name.
    fn add_of(&mut self, name: &str, bytes: &[u8], origin: VexOrigin, publisher: &str) -> bool {
        let mut problem = |kind: &str, message: String| self.problems.push(Problem::new(kind, name, message));
        if self.documents.len() >= MAX_DOCUMENTS {
            problem("limit-vex", format!("more than {MAX_DOCUMENTS} VEX documents: it was not read"));
            return false;
        }
        let document = match read(bytes, &self.settings.keys) {
            Ok(document) if document.issuer.is_empty() => Document { issuer: publisher.to_owned(), ..document },
            Ok(document) => document,
            Err(reason) => {
                problem("malformed-vex", format!("the VEX document is {reason}: it was not applied"));
                return false;
            }
        };
        if document.is_draft {
            problem("draft-vex", "the VEX document is a draft: it was not applied".to_owned());
            return true;
        }
        if let Some(objection) = self.settings.objection(&document, origin) {
            problem("unverified-vex", format!("the VEX document {objection}: what it says is told, and hides nothing"));
        }
        if document.skipped > 0 {
            problem("malformed-vex", format!("{} statements of the VEX document cannot be read", document.skipped));
        }
        if document.unidentified > 0 {
            let message =
                format!("{} products of the VEX document have no identity that can be compared", document.unidentified);
            problem("unidentified-vex", message);
        }
        if document.left_out > 0 {
            problem("limit-vex", format!("{} statements of the VEX document are left out", document.left_out));
        }
        let stale = document.statements.iter().filter(|statement| self.settings.is_stale(statement.said_at)).count();
        if stale > 0 {
            let days = self.settings.max_age_days.unwrap_or_default();
            problem("stale-vex", format!("{stale} statements of the VEX document are older than {days} days"));
        }
        if !self.documents.iter().any(|(known, from)| known.digest == document.digest && *from == origin) {
            self.documents.push((Arc::new(document), origin));
            // The same documents in another order are the same decision.
            self.documents.sort_by(|(a, from_a), (b, from_b)| from_a.cmp(from_b).then_with(|| a.digest.cmp(&b.digest)));
        }
        true
    }

    /// These documents, and those that are attached to the image. Of who issued one that says nobody's name no more is known
    /// than that they may write to `repository`, as `registry.example.com/team/app`: that is their name then.
    #[must_use]
    pub fn with_attached(&self, analysis: &Analysis, repository: Option<&str>) -> Self {
        let mut all = self.clone();
        for document in analysis.attachments.iter().flat_map(|attachment| &attachment.documents) {
            if let Some(text) = &document.vex {
                let (name, publisher) = (document.digest.to_string(), repository.unwrap_or_default());
                all.add_of(&name, text.as_bytes(), VexOrigin::Attached, publisher);
            }
        }
        all
    }
}

/// The numbered lines of several documents. Whose first line is a whole one has one in each.
fn lines(bytes: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
    let mut lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let (first, second) = (lines.next()?, lines.next()?);
    serde_json::from_slice::<IgnoredAny>(first.1).ok()?;
    Some([first, second].into_iter().chain(lines.take(MAX_DOCUMENTS)).collect())
}

/// What tells the formats apart.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "@context")]
    context: Option<serde_json::Value>,
    document: Option<IgnoredAny>,
    #[serde(rename = "bomFormat")]
    bom_format: Option<String>,
}

/// Reads a document of any format; tells what it is, if that is none.
fn read(bytes: &[u8], keys: &[VerifyingKey]) -> Result<Document, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("larger than {MAX_BYTES} bytes"));
    }
    let envelope::Unwrapped { body, signing, subjects } = envelope::unwrap(bytes, keys)?;
    let probe: Probe = serde_json::from_slice(&body).map_err(|error| format!("no JSON object ({error})"))?;
    let is_openvex = probe.context.is_some_and(|context| context.to_string().contains("openvex"));
    let (format, result) = if is_openvex {
        (VexFormat::OpenVex, openvex::read(&body, &subjects))
    } else if probe.bom_format.is_some_and(|format| format == "CycloneDX") {
        (VexFormat::CycloneDx, cyclonedx::read(&body))
    } else if probe.document.is_some() {
        (VexFormat::Csaf, csaf::read(&body))
    } else {
        return Err("neither OpenVEX nor CSAF nor CycloneDX".to_owned());
    };
    let document = result.map_err(|error| format!("malformed ({error})"))?;
    Ok(Document { format, signing, digest: Digest::of(bytes), ..document })
}

/// Reads a document and forgets it: for the fuzz target.
pub fn probe(bytes: &[u8]) -> bool {
    read(bytes, &[]).is_ok()
}
