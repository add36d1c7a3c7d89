//! Whether a publication is taken: signed by somebody who is trusted, not expired, not older than what was taken before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::digest::Digest;
use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::keys::{KeyId, PublicKey};
use super::{Publication, PublicationError};

/// What a publication must be like to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Any of them must have signed it.
    pub keys: &'a [PublicKey],
    /// When it is taken.
    pub now: Timestamp,
    /// What was taken before.
    pub seen: &'a Seen,
    /// What is overlooked on purpose.
    pub allowed: Allowed,
}

/// What is overlooked on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// That nobody who is trusted signed it. Only counts where no keys are given.
    pub unsigned: bool,
    /// That it expired.
    pub expired: bool,
    /// That a newer one was taken before.
    pub rollback: bool,
}

/// A publication that may be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What is published.
    pub publication: Publication,
    /// The trusted keys that signed it; none where nobody had to.
    pub signers: Vec<KeyId>,
    /// Digest of what was signed.
    digest: Digest,
}

/// Versions that were taken, by key and name. A publisher who changes his key signs with both for a while: then the new
/// key's versions are known when the old one is not trusted any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen(BTreeMap<KeyId, BTreeMap<String, Mark>>);

/// The newest state of one publication that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    version: u64,
    digest: Digest,
}

impl Seen {
    /// Reads what [`Self::to_json`] wrote.
    pub fn parse(bytes: &[u8]) -> Result<Self, PublicationError> {
        serde_json::from_slice(bytes).map_err(|error| PublicationError::Memory { detail: error.to_string() })
    }

    /// The text to keep.
    pub fn to_json(&self) -> String {
        super::json(self)
    }

    /// Remembers that a publication was taken. Who went back on purpose begins there.
    pub fn remember(&mut self, accepted: &Accepted) {
        let Accepted { publication, signers, digest } = accepted;
        for signer in signers {
            let mark = Mark { version: publication.version, digest: digest.clone() };
            self.0.entry(signer.clone()).or_default().insert(publication.name.clone(), mark);
        }
    }
}

/// Verifies the envelope and judges what is in it.
pub fn accept(envelope: &[u8], trust: &Trust<'_>) -> Result<Accepted, PublicationError> {
    let envelope = Envelope::parse(envelope)?;
    let payload = envelope.payload()?;
    let signers = if trust.keys.is_empty() {
        if !trust.allowed.unsigned {
            return Err(PublicationError::NoKeys);
        }
        Vec::new()
    } else {
        let signers = envelope.signers(&payload, trust.keys)?;
        if signers.is_empty() {
            return Err(PublicationError::Untrusted { signers: envelope.said_signers() });
        }
        signers
    };
    let publication = Publication::parse(&payload)?;
    let Publication { name, version, published, .. } = &publication;
    if let Some(expired) = publication.expires.filter(|expires| *expires <= trust.now && !trust.allowed.expired) {
        return Err(PublicationError::Expired {
            name: name.clone(),
            version: *version,
            published: *published,
            expired,
        });
    }
    let digest = Digest::of(&payload);
    if !trust.allowed.rollback {
        for mark in signers.iter().filter_map(|signer| trust.seen.0.get(signer)?.get(name)) {
            if mark.version > *version {
                return Err(PublicationError::Rollback { name: name.clone(), version: *version, seen: mark.version });
            }
            if mark.version == *version && mark.digest != digest {
                return Err(PublicationError::Equivocation { name: name.clone(), version: *version });
            }
        }
    }
    Ok(Accepted { publication, signers, digest })
}

/// What an envelope says, believed without a look at its signatures: for a publisher who looks at his own last state.
pub fn peek(envelope: &[u8]) -> Result<Publication, PublicationError> {
    Publication::parse(&Envelope::parse(envelope)?.payload()?)
}
