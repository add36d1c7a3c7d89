//! What is attached to an image in a registry: the referrers API (OCI distribution specification, "Listing Referrers"),
//! the tag that stands for it, and cosign's tags.
//!
//! Most registries have a way of their own to say that they know none of this: 404, 405, another 4xx, a redirect to a
//! web page, or that page itself. All of that means "nothing here". What sounds like a fault is a problem.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::LINK;
use killick_model::attachment::{Document as AttachedDocument, DocumentSource, Origin};
use killick_model::digest::Digest;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use super::client::{Answer, Client};
use super::error::RegistryError;
use super::upstreams::Upstreams;
use crate::attachments::{COSIGN_ENDINGS, FoundArtifact, Gathered, check_limit, companions, tag_of, told};
use crate::documents::{self, Document, DocumentError, Entry};
use crate::stage::{StageError, StageOptions};

/// Pages of one list.
const PAGES: usize = 20;

/// Says by what a list was filtered.
const FILTERED: &str = "oci-filters-applied";

/// What the referrers API lists.
pub(super) struct Listing {
    entries: Vec<Entry>,
    /// Why it may not be all.
    doubt: Option<&'static str>,
}

/// Asks one place for the list, page by page.
pub(super) async fn list(client: &Client, digest: &Digest) -> Result<Listing, StageError> {
    let mut listing = Listing { entries: Vec::new(), doubt: None };
    let mut page = None;
    for _ in 0..PAGES {
        let (answer, headers) = client.referrers(digest, page.take()).await?;
        let subject = format!("list of what is attached to `{digest}`");
        let media_type = answer.media_type.unwrap_or_default();
        match documents::read_document(&subject, &answer.body, Some(&media_type), &client.limits) {
            Ok(Document::Index(entries)) => listing.entries.extend(entries),
            Err(error) if documents::is_index(&media_type) => return Err(error.into()),
            // Some other answer of somebody who does not know the question.
            Ok(Document::Manifest(_)) | Err(_) => {
                return Err(DocumentError::Unsupported { what: "list", subject, media_type }.into());
            }
        }
        if headers.contains_key(FILTERED) {
            listing.doubt = Some("the registry filtered the list, which was not asked for");
        }
        if listing.entries.len() > client.limits.attachments {
            // The rest would not be taken.
            return Ok(listing);
        }
        let Some(target) = next_page(&headers) else { return Ok(listing) };
        page = client.next_page(&format!("referrers/{digest}"), target);
        if page.is_none() {
            listing.doubt = Some("the list goes on at an address that is not the registry's");
            return Ok(listing);
        }
    }
    listing.doubt = Some("the list has too many pages");
    Ok(listing)
}

/// What `Link` (RFC 8288) calls the next page.
pub(super) fn next_page(headers: &HeaderMap) -> Option<&str> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|value| value.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        is_next.then_some(target)
    })
}

/// Whether an answer says that there is nothing, in one of the ways that registries say so.
fn is_nothing(error: &StageError) -> bool {
    match error {
        StageError::Registry(error) => match error {
            RegistryError::Status { status, .. } => matches!(status, 400..=407 | 409..=428 | 430..=499 | 501),
            RegistryError::NotFound { .. }
            | RegistryError::Unauthorized { .. }
            | RegistryError::Challenge { .. }
            | RegistryError::Redirect { .. }
            | RegistryError::Forbidden { .. } => true,
            _ => false,
        },
        // A page for people, or whatever else is no list.
        StageError::Document(DocumentError::Unsupported { .. }) => true,
        _ => false,
    }
}

/// A search for what is attached to one manifest or index.
struct Search<'a> {
    upstreams: &'a Arc<Upstreams>,
    options: &'a StageOptions,
    patience: Arc<Patience>,
    gathered: Gathered,
}

/// Gathers what is attached to `about`; of the image's index, the entries that are about it.
pub(super) async fn gather(
    upstreams: &Arc<Upstreams>,
    name: &str,
    about: &Digest,
    in_index: &[Entry],
    options: &StageOptions,
) -> Gathered {
    let limit = options.registry.timeouts.attachments;
    let gathered = Gathered::new(name, &options.limits);
    let mut search = Search { upstreams, options, patience: Patience::new(limit), gathered };
    let place = upstreams.place();
    if timeout(limit, search.run(about, in_index)).await.is_err() {
        let seconds = limit.as_secs();
        let message = format!("what is attached to it was not found within {seconds} seconds: there may be more");
        search.gathered.problem("attachments-unread", message);
    }
    // It may lie elsewhere than the layers, which still come from where the image was found.
    upstreams.come_back(place);
    search.gathered
}

impl Search<'_> {
    async fn run(&mut self, about: &Digest, in_index: &[Entry]) {
        for entry in companions(in_index, about) {
            self.fetch(Origin::Index, about, entry).await;
        }
        let tag = tag_of(about);
        let [signatures, attestations, sboms] = COSIGN_ENDINGS.map(|ending| format!("{tag}{ending}"));
        let (listed, signatures, attestations, sboms) = tokio::join!(
            self.upstreams.referrers(about),
            self.upstreams.optional_tagged(&signatures),
            self.upstreams.optional_tagged(&attestations),
            self.upstreams.optional_tagged(&sboms),
        );
        match listed {
            Ok(listing) => {
                for entry in &listing.entries {
                    self.fetch(Origin::Referrers, about, entry).await;
                }
                if let Some(doubt) = listing.doubt {
                    self.gathered.problem("attachments-unread", format!("there may be more attached to it: {doubt}"));
                }
            }
            Err(error) => {
                self.note(&error);
                let listed = self.upstreams.optional_tagged(&tag).await;
                self.take_listed(about, listed).await;
            }
        }
        for (ending, answer) in COSIGN_ENDINGS.into_iter().zip([signatures, attestations, sboms]) {
            match answer {
                Ok(answer) => self.take(Origin::Tag(ending.to_owned()), about, answer, ""),
                Err(error) => self.note(&error),
            }
        }
    }

    /// That something could not be asked for, unless it is not there.
    fn note(&mut self, error: &StageError) {
        if is_nothing(error) {
            tracing::debug!("nothing is attached: {error}");
        } else {
            let message = format!("what is attached to it cannot be asked for: {}", told(error));
            self.gathered.problem("attachments-unread", message);
        }
    }

    /// The index that stands for the referrers API.
    async fn take_listed(&mut self, about: &Digest, answer: Result<Answer, StageError>) {
        let limits = &self.options.limits;
        let read = answer.and_then(|answer| {
            let read = documents::read_document(&tag_of(about), &answer.body, answer.media_type.as_deref(), limits);
            Ok(read?)
        });
        match read {
            Ok(Document::Index(entries)) => {
                for entry in &entries {
                    self.fetch(Origin::ReferrersTag, about, entry).await;
                }
            }
            Ok(Document::Manifest(_)) => {}
            Err(error) => self.note(&error),
        }
    }

    /// An artifact that a list names.
    async fn fetch(&mut self, origin: Origin, about: &Digest, entry: &Entry) {
        if !self.gathered.wants(&entry.digest) {
            return;
        }
        let answer = match documents::check_size("manifest", "attachment", entry.size, &self.options.limits) {
            Ok(()) => self.upstreams.manifest(&entry.digest, Some(entry.size)).await,
            Err(error) => Err(error.into()),
        };
        match answer {
            Ok(answer) => self.taken(origin, about, entry.digest.clone(), answer, &entry.media_type),
            Err(error) => self.gathered.unread(&entry.digest, &error),
        }
    }

    /// An artifact that a tag named.
    fn take(&mut self, origin: Origin, about: &Digest, answer: Answer, media_type: &str) {
        let digest = Digest::of(&answer.body);
        if self.gathered.wants(&digest) {
            self.taken(origin, about, digest, answer, media_type);
        }
    }

    fn taken(&mut self, origin: Origin, about: &Digest, digest: Digest, answer: Answer, media_type: &str) {
        let media_type =
            if media_type.is_empty() { answer.media_type.unwrap_or_default() } else { media_type.to_owned() };
        let found = FoundArtifact { origin, about: about.clone(), digest, media_type, bytes: answer.body };
        let (upstreams, patience, runtime) = (self.upstreams, &self.patience, Handle::current());
        self.gathered.take(found, &self.options.limits, |document| {
            Arc::new(RegistryDocument::new(upstreams, patience, &runtime, document))
        });
    }
}

/// How long reading all documents of one search may take in all.
struct Patience(Mutex<Duration>);

impl Patience {
    fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self(Mutex::new(limit)))
    }

    fn left(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spend(&self, time: Duration) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(time);
    }
}

/// A document in a registry.
struct RegistryDocument {
    upstreams: Arc<Upstreams>,
    patience: Arc<Patience>,
    runtime: Handle,
    digest: Digest,
    size: u64,
}

impl RegistryDocument {
    fn new(
        upstreams: &Arc<Upstreams>,
        patience: &Arc<Patience>,
        runtime: &Handle,
        document: &AttachedDocument,
    ) -> Self {
        Self {
            upstreams: Arc::clone(upstreams),
            patience: Arc::clone(patience),
            runtime: runtime.clone(),
            digest: document.digest.clone(),
            size: document.size,
        }
    }
}

impl DocumentSource for RegistryDocument {
    fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        check_limit(self.size, limit)?;
        let slow = || io::Error::new(io::ErrorKind::TimedOut, "reading what is attached takes too long");
        let left = self.patience.left();
        if left.is_zero() {
            return Err(slow());
        }
        self.runtime.block_on(async {
            let begun = Instant::now();
            let outcome = timeout(left, self.upstreams.blob("document", &self.digest, self.size)).await;
            self.patience.spend(begun.elapsed());
            outcome.map_err(|_| slow())?.map_err(io::Error::other)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found() {
        for (links, want) in [
            (&[r#"</v2/a/referrers/x?n=2>; rel="next""#] as &[_], Some("/v2/a/referrers/x?n=2")),
            (&["<?last=1>;rel=next"], Some("?last=1")),
            (&[r#"<a>; rel="prev", <b>; title="x"; Rel="NEXT""#], Some("b")),
            (&["<a>; rel=prev", "<b>; rel=next"], Some("b")),
            (&["a; rel=next", "<a; rel=next", "<a> rel", ""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for link in links {
                headers.append(LINK, link.parse().unwrap());
            }
            assert_eq!(next_page(&headers), want, "{links:?}");
        }
    }
}
