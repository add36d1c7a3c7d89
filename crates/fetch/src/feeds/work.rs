//! What the forms of upstreams have in common: one provider's notes, addresses, and several documents at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use killick_model::feed::Upstream;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use url::Url;

use super::FeedOptions;
use super::error::{FeedError, shown};
use super::folder::{FileState, Folder, State};
use super::transfer::{Got, Wanted};
use crate::egress::Reach;
use crate::http::{self, ClientOptions};

/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// Documents after which notes are taken.
const NOTED_DOCUMENTS: usize = 200;

/// Whether a request carries a secret, which must not follow a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Secrecy {
    Open,
    Secret,
}

/// A client, and where it may go.
type Client = (reqwest::Client, Arc<Reach>);

/// What all providers share.
pub(super) struct Shared {
    pub(super) options: FeedOptions,
    pub(super) folder: Folder,
    /// Bytes that were fetched.
    bytes: AtomicU64,
    /// Reading the system's certificates takes its time: one client a server.
    clients: Mutex<BTreeMap<(String, Secrecy), Client>>,
}

impl Shared {
    pub(super) fn new(options: FeedOptions, folder: Folder) -> Self {
        Self { options, folder, bytes: AtomicU64::new(0), clients: Mutex::default() }
    }

    /// A client for a server that the user, or a description, names.
    fn client(&self, base: &Url, secrecy: Secrecy) -> Result<Client, FeedError> {
        let key = (base.origin().ascii_serialization(), secrecy);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&key) {
            return Ok(known.clone());
        }
        let reach = Reach::new(base, &self.options.egress)
            .map_err(|refused| FeedError::Refused { url: shown(base), refused })?;
        let client = http::client(&ClientOptions {
            extra_ca_pem: self.options.extra_ca_pem.clone(),
            proxy: self.options.proxy.clone(),
            redirects: if secrecy == Secrecy::Open { REDIRECTS } else { 0 },
            reach: Some(Arc::clone(&reach)),
            ..ClientOptions::default()
        })?;
        clients.insert(key, (client.clone(), Arc::clone(&reach)));
        Ok((client, reach))
    }
}

/// One provider.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) provider: &'static str,
    pub(super) shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
    changed: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
}

impl Work {
    pub(super) fn new(provider: &'static str, shared: Arc<Shared>, state: State) -> Self {
        let (changed, bytes) = (Arc::default(), Arc::default());
        Self { provider, shared, state: Arc::new(Mutex::new(state)), changed, bytes }
    }

    pub(super) fn of(&self, upstream: Upstream) -> Task {
        Task { work: self.clone(), upstream }
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    pub(super) fn fetched_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Writes down what is known by now.
    pub(super) fn save(&self) -> Result<(), FeedError> {
        let state = self.with(|state| state.clone());
        self.shared.folder.save(self.provider, &state)
    }

    /// The same, after a last change.
    pub(super) fn finish(&self, change: impl FnOnce(&mut State)) -> Result<State, FeedError> {
        self.with(change);
        self.save()?;
        Ok(self.with(|state| state.clone()))
    }

    pub(super) fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One upstream of a provider.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) work: Work,
    pub(super) upstream: Upstream,
}

impl Task {
    pub(super) fn options(&self) -> &FeedOptions {
        &self.work.shared.options
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.work.shared.folder
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.options().now)()
    }

    /// The path below the feeds folder of what is `below` the upstream's own.
    pub(super) fn place(&self, below: &str) -> String {
        let folder = self.upstream.folder;
        let separator = if folder.is_empty() { "" } else { "/" };
        format!("{folder}{separator}{below}")
    }

    /// What all addresses begin with: as the user says, or the upstream.
    fn base(&self) -> Result<Url, FeedError> {
        let urls = &self.options().urls;
        let full = format!("{}/{}", self.work.provider, self.upstream.name);
        if let Some(url) = urls.get(&full).or_else(|| urls.get(self.work.provider)) {
            return Ok(url.clone());
        }
        self.mirrored(&address(self.upstream.base)?)
    }

    /// Where the mirror has what is at `url`.
    fn mirrored(&self, url: &Url) -> Result<Url, FeedError> {
        let Some(mirror) = &self.options().mirror else { return Ok(url.clone()) };
        let host = url.host_str().unwrap_or_default();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        address(&format!("{}/{host}{}{query}", mirror.as_str().trim_end_matches('/'), url.path()))
    }

    /// The address of what is `below` the base.
    pub(super) fn url(&self, below: &str) -> Result<Url, FeedError> {
        address(&format!("{}/{}", self.base()?.as_str().trim_end_matches('/'), below.trim_start_matches('/')))
    }

    /// An address that the upstream gives, as it is for us: where its base is elsewhere, so is what is below it.
    pub(super) fn given_url(&self, text: &str) -> Result<Url, FeedError> {
        match text.strip_prefix(self.upstream.base) {
            Some(below) => self.url(below),
            None => self.mirrored(&address(text)?),
        }
    }

    /// The client for an address, which it may go to.
    pub(super) fn client(&self, url: &Url, secrecy: Secrecy) -> Result<reqwest::Client, FeedError> {
        let (client, reach) = self.work.shared.client(&self.base()?, secrecy)?;
        reach.check(url).map_err(|refused| FeedError::Refused { url: shown(url), refused })?;
        Ok(client)
    }

    /// Counts bytes that arrived; an error if they are too many for one run.
    pub(super) fn count(&self, bytes: u64) -> Result<(), FeedError> {
        self.work.bytes.fetch_add(bytes, Ordering::Relaxed);
        let all = self.work.shared.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let limit = self.options().total_bytes;
        if all > limit { Err(FeedError::TooMuch { limit }) } else { Ok(()) }
    }

    /// What is known of a file, if it is there as it was fetched.
    pub(super) fn known(&self, path: &str) -> Option<FileState> {
        let known = self.work.with(|state| state.files.get(path).cloned())?;
        let bytes = fs_err::metadata(self.folder().at(path)).ok()?.len();
        (bytes == known.bytes).then_some(known)
    }

    /// Notes a file that was put in place.
    pub(super) fn note(&self, path: &str, file: FileState) {
        self.work.changed.store(true, Ordering::Relaxed);
        self.work.with(|state| state.files.insert(path.to_owned(), file));
    }

    /// Puts a file in place that is at hand as a whole.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<(), FeedError> {
        self.folder().write(path, bytes)?;
        let sha256 = hex::encode(Sha256::digest(bytes));
        self.note(path, FileState { sha256, bytes: bytes.len() as u64, ..FileState::default() });
        Ok(())
    }

    /// Notes another version for a file whose content is the same.
    pub(super) fn note_version(&self, path: &str, version: Option<&str>) {
        self.work.with(|state| {
            if let Some(file) = state.files.get_mut(path) {
                file.version = version.map(str::to_owned);
            }
        });
    }

    /// Removes a file that upstream has no more.
    pub(super) fn remove(&self, path: &str) -> Result<(), FeedError> {
        self.folder().remove(path)?;
        if self.work.with(|state| state.files.remove(path)).is_some() {
            self.work.changed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Paths of files that are known below this one.
    pub(super) fn known_below(&self, path: &str) -> Vec<String> {
        self.work.with(|state| state.files.keys().filter(|known| known.starts_with(path)).cloned().collect())
    }

    /// What was noted of this upstream under a name.
    pub(super) fn mark(&self, name: &str) -> Option<String> {
        let key = format!("{}/{name}", self.upstream.name);
        self.work.with(|state| state.marks.get(&key).cloned())
    }

    /// Notes something under a name, or forgets it.
    pub(super) fn set_mark(&self, name: &str, value: Option<String>) {
        let key = format!("{}/{name}", self.upstream.name);
        self.work.with(|state| match value {
            Some(value) => state.marks.insert(key, value),
            None => state.marks.remove(&key),
        });
    }

    /// A time that was noted under a name.
    pub(super) fn instant(&self, name: &str) -> Option<Timestamp> {
        self.mark(name)?.parse().ok()
    }

    /// Fetches documents, several at once; one that does not exist is removed here. The errors.
    pub(super) async fn documents(&self, wanted: Vec<Wanted>) -> Vec<FeedError> {
        let (mut errors, mut done) = (Vec::new(), 0_usize);
        let mut wanted = wanted.into_iter();
        let mut running: JoinSet<Result<(), FeedError>> = JoinSet::new();
        loop {
            while running.len() < self.options().documents.max(1)
                && let Some(document) = wanted.next()
            {
                let task = self.clone();
                running.spawn(async move {
                    match task.fetch(&document).await? {
                        Got::Missing => task.remove(&document.path),
                        Got::Same | Got::Changed => Ok(()),
                    }
                });
            }
            match running.join_next().await {
                None => return errors,
                Some(Ok(result)) => errors.extend(result.err()),
                Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            }
            done += 1;
            // So that what is here by now is not fetched again if this process ends.
            if done.is_multiple_of(NOTED_DOCUMENTS) {
                errors.extend(self.work.save().err());
            }
            // A server that is down is not asked for thousands of documents.
            if errors.len() > self.options().documents.max(1) * 2 {
                return errors;
            }
        }
    }
}

fn address(text: &str) -> Result<Url, FeedError> {
    Url::parse(text).map_err(|_| FeedError::Address { url: text.to_owned() })
}
