//! Whether a tag still names the same image, asked as cheaply as the registry allows.
//!
//! `HEAD` costs a registry little and counts as no pull. Its answer is believed where it says "the same"; a change is
//! made sure of by the body itself, because some registries send wrong headers, or none.

use std::io;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::image::NameSource;
use killick_model::reference::Reference;
use tokio::runtime::Handle;

use super::client::Answer;
use super::error::RegistryError;
use super::rate::RateLimit;
use super::upstreams::Upstreams;
use crate::stage::{StageError, StageOptions};

/// What a tag named when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagState {
    /// Of the manifest or index.
    pub digest: Digest,
    /// Its bytes, if known.
    pub size: Option<u64>,
    /// What the registry calls this state of it, if it says so.
    pub etag: Option<String>,
}

/// What a look at a tag told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// What it names now, if that is not what it named before.
    pub changed: Option<TagState>,
    /// How often the registry may be asked, if it says so.
    pub rate_limit: Option<RateLimit>,
}

/// Whether the tag of `reference` still names what is known; without anything known, what it names.
pub async fn poll(
    reference: &Reference,
    known: Option<&TagState>,
    options: &StageOptions,
) -> Result<Polled, StageError> {
    let upstreams = Upstreams::connect(reference, options)?;
    let tag = reference.tag.as_deref().unwrap_or("latest");
    let changed = look(&upstreams, tag, known).await?;
    Ok(Polled { changed, rate_limit: upstreams.client().rate() })
}

/// What the tag names now, if that is not what is known.
async fn look(upstreams: &Upstreams, tag: &str, known: Option<&TagState>) -> Result<Option<TagState>, StageError> {
    match upstreams.head(tag, known.and_then(|known| known.etag.as_deref())).await {
        Ok(None) => return Ok(None),
        Ok(Some(answer)) if known.is_some_and(|known| is_same(known, &answer)) => return Ok(None),
        // A change is made sure of; and registries that do not know HEAD say so in many ways.
        Ok(Some(_))
        | Err(StageError::Registry(RegistryError::Status { status: 400..=499, .. } | RegistryError::NotFound { .. })) =>
            {}
        Err(error) => return Err(error),
    }
    let answer = upstreams.tagged(tag).await?;
    let now = TagState {
        digest: Digest::of(&answer.body),
        size: Some(answer.body.len() as u64),
        // A header that lied about the digest may lie about this too.
        etag: answer.etag.filter(|_| answer.digest.as_ref().is_none_or(|digest| *digest == Digest::of(&answer.body))),
    };
    Ok(Some(now).filter(|now| known.is_none_or(|known| known.digest != now.digest)))
}

/// Whether headers speak of what is known.
fn is_same(known: &TagState, answer: &Answer) -> bool {
    let has_size = match (known.size, answer.size) {
        // Some send the length of the empty body.
        (Some(known), Some(said)) => said == 0 || known == said,
        _ => true,
    };
    answer.digest.as_ref() == Some(&known.digest) && has_size
}

/// A tag that was staged.
pub(super) struct TagName {
    upstreams: Arc<Upstreams>,
    tag: String,
    known: TagState,
    runtime: Handle,
}

impl TagName {
    /// To be called on the runtime that will ask.
    pub(super) fn new(upstreams: &Arc<Upstreams>, tag: &str, digest: &Digest, answer: &Answer) -> Self {
        Self {
            upstreams: Arc::clone(upstreams),
            tag: tag.to_owned(),
            known: TagState { digest: digest.clone(), size: Some(answer.body.len() as u64), etag: answer.etag.clone() },
            runtime: Handle::current(),
        }
    }
}

impl NameSource for TagName {
    fn moved_to(&self) -> io::Result<Option<Digest>> {
        match self.runtime.block_on(look(&self.upstreams, &self.tag, Some(&self.known))) {
            Ok(changed) => Ok(changed.map(|state| state.digest)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
