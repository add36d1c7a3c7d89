//! The registries that may have the images of one repository: mirrors, and the registry itself.
//!
//! A mirror that fails, whatever the reason, is passed over. What was found is verified by its digest, so it does not
//! matter where it comes from; only which digest a tag has is believed to whoever answers first.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use killick_model::digest::Digest;
use killick_model::reference::Reference;
use reqwest::Response;

use super::client::{Answer, Bytes, Client};
use super::error::RegistryError;
use super::mirrors::{self, MirrorFor, Place, Transport};
use super::referrers::{self, Listing};
use crate::credentials::Keychain;
use crate::documents;
use crate::stage::{StageError, StageOptions};

/// Tries of one request at a mirror.
const MIRROR_ATTEMPTS: u32 = 2;

/// Where one repository is to be had.
pub(super) struct Upstreams {
    places: Vec<Upstream>,
    /// The place that answered last, by digest or after another failed.
    current: AtomicUsize,
}

struct Upstream {
    client: Arc<Client>,
    serves: MirrorFor,
    is_own: bool,
}

/// One request on its way. Boxed, because the compiler cannot tell yet that an asynchronous closure may move between
/// threads.
pub(super) type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StageError>> + Send + 'a>>;

fn boxed<'a, T>(asking: impl Future<Output = Result<T, StageError>> + Send + 'a) -> Asking<'a, T> {
    Box::pin(asking)
}

impl Upstreams {
    pub(super) fn connect(reference: &Reference, options: &StageOptions) -> Result<Arc<Self>, RegistryError> {
        Self::of(&places(reference, options)?, options).map(Arc::new)
    }

    /// The registry itself, wherever the rules say that it is, without its mirrors: those have what somebody fetched.
    pub(super) fn own(reference: &Reference, options: &StageOptions) -> Result<Self, RegistryError> {
        Self::of(&own_places(reference, options)?, options)
    }

    /// The same without the repository: the registry as a whole, which has the images of repositories named like it.
    pub(super) fn own_registry(like: &Reference, options: &StageOptions) -> Result<Self, RegistryError> {
        let mut places = own_places(like, options)?;
        for place in &mut places {
            place.reference.repository.clear();
        }
        Self::of(&places, options)
    }

    fn of(places: &[Place], options: &StageOptions) -> Result<Self, RegistryError> {
        let connect = |place: &Place| {
            let options = options_at(place, options);
            let client = Client::new(&place.reference, Keychain::of(&options.registry), &options)?;
            Ok(Upstream { client: Arc::new(client), serves: place.serves, is_own: place.is_own })
        };
        let mut upstreams = Vec::new();
        for place in places {
            match connect(place) {
                Ok(upstream) => upstreams.push(upstream),
                Err(error) if !place.is_own => tracing::debug!("a mirror is left out: {error}"),
                Err(error) => return Err(error),
            }
        }
        Ok(Self { places: upstreams, current: AtomicUsize::new(0) })
    }

    /// Whether the credentials are taken, whatever is asked for with them. What one way of connecting refused is not sent
    /// by another, which may be in the clear.
    pub(super) async fn log_in(&self) -> Result<(), RegistryError> {
        let mut last = None;
        for Upstream { client, .. } in &self.places {
            match client.ping().await {
                Ok(()) => return Ok(()),
                Err(error @ RegistryError::Unauthorized { .. }) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| RegistryError::Address { registry: self.client().registry.clone() }))
    }

    /// What one client after the other is asked that has nothing to do with a tag or a digest.
    pub(super) async fn any<'a, T>(&self, ask: impl Fn(Arc<Client>) -> Asking<'a, T>) -> Result<T, StageError> {
        self.each(MirrorFor::Tags, &[], ask).await.map(|(_, answer)| answer)
    }

    /// The manifest or index with this tag.
    pub(super) async fn tagged(&self, tag: &str) -> Result<Answer, StageError> {
        let ask = |client: Arc<Client>| boxed(async move { Ok(client.manifest(tag).await?) });
        self.each(MirrorFor::Tags, &[], ask).await.map(|(_, answer)| answer)
    }

    /// What is said of the manifest or index with this tag; `None` if it still is the one of `etag`.
    pub(super) async fn head(&self, tag: &str, etag: Option<&str>) -> Result<Option<Answer>, StageError> {
        let ask = |client: Arc<Client>| boxed(async move { Ok(client.head(tag, etag).await?) });
        self.each(MirrorFor::Tags, &[], ask).await.map(|(_, answer)| answer)
    }

    /// The manifest or index with this digest, verified; its size too, if that is known.
    pub(super) async fn manifest(&self, digest: &Digest, size: Option<u64>) -> Result<Answer, StageError> {
        let ask = |client: Arc<Client>| {
            boxed(async move {
                let answer = client.manifest(&digest.to_string()).await?;
                documents::verify("manifest", &answer.body, digest, size.unwrap_or(answer.body.len() as u64))?;
                Ok(answer)
            })
        };
        self.each(MirrorFor::Digests, &[], ask).await.map(|(_, answer)| answer)
    }

    /// The manifest or index with this tag, which need not be there.
    pub(super) async fn optional_tagged(&self, tag: &str) -> Result<Answer, StageError> {
        let ask = |client: Arc<Client>| boxed(async move { Ok(client.optional_manifest(tag).await?) });
        self.each(MirrorFor::Tags, &[], ask).await.map(|(_, answer)| answer)
    }

    /// What is said to refer to a manifest or index.
    pub(super) async fn referrers(&self, digest: &Digest) -> Result<Listing, StageError> {
        let ask = |client: Arc<Client>| boxed(async move { referrers::list(&client, digest).await });
        self.each(MirrorFor::Tags, &[], ask).await.map(|(_, listing)| listing)
    }

    /// The place that answered last, to come back to with [`Self::come_back`].
    pub(super) fn place(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Begins with this place again.
    pub(super) fn come_back(&self, place: usize) {
        self.current.store(place, Ordering::Relaxed);
    }

    /// A small blob, verified. The caller has found its size acceptable.
    pub(super) async fn blob(&self, what: &'static str, digest: &Digest, size: u64) -> Result<Vec<u8>, StageError> {
        let ask = |client: Arc<Client>| {
            boxed(async move {
                let named = format!("{what} `{digest}` in `{}`", client.repository);
                let bytes = client.small_blob(digest, size, &named).await?;
                documents::verify(what, &bytes, digest, size)?;
                Ok(bytes)
            })
        };
        self.each(MirrorFor::Digests, &[], ask).await.map(|(_, bytes)| bytes)
    }

    /// Starts to read the wanted bytes of a blob, which the answer may ignore, at a place that is not among those given
    /// up. Says which.
    pub(super) async fn start(
        &self,
        digest: &Digest,
        wanted: Bytes,
        what: &str,
        given_up: &[usize],
    ) -> Result<(usize, Response), RegistryError> {
        let ask = |client: Arc<Client>| boxed(async move { Ok(client.blob(digest, wanted, what).await?) });
        match self.each(MirrorFor::Digests, given_up, ask).await {
            Ok(started) => Ok(started),
            Err(StageError::Registry(error)) => Err(error),
            Err(_) => unreachable!("only the registry is asked"),
        }
    }

    /// The place that answered last, or else the first.
    pub(super) fn client(&self) -> &Arc<Client> {
        let current = self.places.get(self.current.load(Ordering::Relaxed)).or(self.places.first());
        &current.expect("the registry itself is always there").client
    }

    /// How many places there are.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Asks one place after the other, beginning with the one that answered last.
    async fn each<'a, T>(
        &self,
        kind: MirrorFor,
        given_up: &[usize],
        ask: impl Fn(Arc<Client>) -> Asking<'a, T>,
    ) -> Result<(usize, T), StageError> {
        // A name is asked for in the order of the configuration: it decides what the name means.
        let current = if kind == MirrorFor::Digests { self.current.load(Ordering::Relaxed) } else { 0 };
        let serves = |index: &usize| {
            let place = self.places.get(*index);
            place.is_some_and(|place| place.serves == MirrorFor::All || place.serves == kind)
        };
        let order = std::iter::once(current).chain((0..self.places.len()).filter(|index| *index != current));
        let mut failure: Option<(bool, StageError)> = None;
        for index in order.filter(serves).filter(|index| !given_up.contains(index)) {
            let Some(place) = self.places.get(index) else { continue };
            match ask(Arc::clone(&place.client)).await {
                Ok(value) => {
                    if kind == MirrorFor::Digests || failure.is_some() {
                        self.current.store(index, Ordering::Relaxed);
                    }
                    return Ok((index, value));
                }
                Err(error) => {
                    tracing::debug!("`{}` is passed over: {error}", place.client.registry);
                    // What the registry itself says counts more than what a mirror says.
                    if failure.as_ref().is_none_or(|(is_own, _)| place.is_own || !is_own) {
                        failure = Some((place.is_own, error));
                    }
                }
            }
        }
        let registry = self.client().registry.clone();
        Err(failure.map_or_else(|| RegistryError::Address { registry }.into(), |(_, error)| error))
    }
}

fn places(reference: &Reference, options: &StageOptions) -> Result<Vec<Place>, RegistryError> {
    mirrors::places(&options.registry.mirrors, reference)
        .map_err(|_| RegistryError::Blocked { name: format!("{}/{}", reference.registry, reference.repository) })
}

fn own_places(reference: &Reference, options: &StageOptions) -> Result<Vec<Place>, RegistryError> {
    let mut places = places(reference, options)?;
    places.retain(|place| place.is_own);
    Ok(places)
}

/// The options for one place: what was given for the registry itself is not for its mirrors.
fn options_at(place: &Place, options: &StageOptions) -> StageOptions {
    let mut options = options.clone();
    let registry = &mut options.registry;
    if !place.is_own {
        registry.credentials = None;
        registry.identity_pem = None;
        registry.retry.attempts = registry.retry.attempts.min(MIRROR_ATTEMPTS);
    }
    if let Some(transport) = place.transport {
        registry.plain_http = transport == Transport::Plain;
        registry.skip_tls_verify = transport == Transport::Unverified;
    }
    options
}
