//! Fetches the files of advisory providers into a folder that lies like their upstreams.
//!
//! Goes by the descriptions of [`killick_model::feed`], and knows of no provider by itself. Every file is asked for
//! only if it changed, goes on where it broke off, is bounded, is held against the checksum its publisher gives, and
//! appears when it is complete. What fails leaves what was there; no upstream waits for another.

mod argument;
mod error;
mod folder;
mod forms;
pub mod lists;
mod plausible;
mod transfer;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use killick_model::feed::{Health, Upstream};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

pub use self::argument::{NoUrl, UrlArgument};
pub use self::error::FeedError;
use self::folder::{Folder, State};
use self::work::{Shared, Work};
use crate::egress::Egress;
use crate::http::Proxy;
use crate::progress::{Event, Progress, report};
use crate::registry::Retry;
use crate::registry::timer::{Timer, TokioTimer};

/// Days that an incomplete file is kept which nobody goes on with.
const PART_DAYS: i64 = 14;

/// A provider as far as fetching goes.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub provider: &'static str,
    /// Where it is fetched from: its upstreams, or some of them.
    pub upstreams: Vec<Upstream>,
}

/// How feeds are fetched.
#[derive(Clone)]
pub struct FeedOptions {
    /// The folder they are fetched to.
    pub folder: PathBuf,
    /// What the addresses of an upstream begin with instead, by `provider/upstream`, or by the provider that has one.
    pub urls: BTreeMap<String, Url>,
    /// Where everything else is: `https://mirror.example.com/feeds/` for `…/feeds/HOST/PATH`.
    pub mirror: Option<Url>,
    /// Key of the NVD's API.
    pub nvd_api_key: Option<SecretString>,
    /// Through whom requests go.
    pub proxy: Proxy,
    /// Certificates in PEM to trust besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Where requests may go.
    pub egress: Egress,
    /// Providers that are fetched at the same time.
    pub providers: usize,
    /// Documents of one upstream that are fetched at the same time.
    pub documents: usize,
    /// Bytes of everything that is fetched at once.
    pub total_bytes: u64,
    /// Whether a file may be less than half of what it was.
    pub accept_smaller: bool,
    /// Whether upstreams are asked that were asked lately.
    pub is_forced: bool,
    /// How often to try again.
    pub retry: Retry,
    /// How time passes.
    pub timer: Arc<dyn Timer>,
    /// The time of day.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Who hears what is going on.
    pub progress: Option<Arc<dyn Progress>>,
}

impl FeedOptions {
    /// The usual ones.
    pub fn new(folder: PathBuf, now: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self {
            folder,
            urls: BTreeMap::new(),
            mirror: None,
            nvd_api_key: None,
            proxy: Proxy::default(),
            extra_ca_pem: None,
            egress: Egress::default(),
            providers: 6,
            documents: 6,
            total_bytes: 32 << 30,
            accept_smaller: false,
            is_forced: false,
            retry: Retry { resumes: 100, longest_pause: std::time::Duration::from_mins(2), ..Retry::default() },
            timer: Arc::new(TokioTimer::default()),
            now,
            progress: None,
        }
    }
}

/// What came of fetching one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The provider.
    pub provider: &'static str,
    /// Whether any of its files changed.
    pub changed: bool,
    /// Bytes that were fetched.
    pub fetched_bytes: u64,
    /// How its files are now, with the error of this run.
    pub health: Health,
}

/// A feeds folder that nobody else changes.
pub struct Lock(#[expect(dead_code, reason = "it is held")] folder::Lock);

/// Keeps everybody else away from a feeds folder, until the lock is dropped or the process ends.
pub fn lock(folder: &Path) -> Result<Lock, FeedError> {
    Folder::new(folder).lock().map(Lock)
}

/// Fetches the upstreams of all `sources`, side by side, to the folder that is locked. What came of each, in the order
/// of `sources`.
///
/// Fails as a whole only where nothing can be done, such as when the folder cannot be written.
pub async fn fetch(sources: &[Source], options: &FeedOptions, _lock: &Lock) -> Result<Vec<Outcome>, FeedError> {
    let folder = Folder::new(&options.folder);
    check_names(sources, &options.urls)?;
    folder.clean(PART_DAYS, (options.now)());
    let shared = Arc::new(Shared::new(options.clone(), folder));
    let turns = Arc::new(Semaphore::new(options.providers.max(1)));
    let mut running = JoinSet::new();
    for (at, source) in sources.iter().cloned().enumerate() {
        let (shared, turns) = (Arc::clone(&shared), Arc::clone(&turns));
        running.spawn(async move {
            let _turn = turns.acquire().await;
            (at, fetch_one(source, &shared).await)
        });
    }
    let mut outcomes = Vec::new();
    while let Some(done) = running.join_next().await {
        match done {
            Ok((at, outcome)) => outcomes.push((at, outcome?)),
            // Nobody cancels them but who drops all of it.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
    outcomes.sort_by_key(|(at, _)| *at);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Removes what was fetched for these providers from the folder that is locked, and what is noted of it: the next time,
/// all of it is fetched. Files that somebody else put there stay.
pub fn clear(folder: &Path, providers: &[&str], _lock: &Lock) -> Result<(), FeedError> {
    let folder = Folder::new(folder);
    for provider in providers {
        for path in folder.load(provider).files.keys() {
            folder.remove(path)?;
        }
        folder.forget(provider)?;
    }
    folder.drop_parts()
}

async fn fetch_one(source: Source, shared: &Arc<Shared>) -> Result<Outcome, FeedError> {
    let Source { provider, upstreams } = source;
    let listener = shared.options.progress.as_ref();
    report(listener, Event::FeedStarted { provider });
    let now = || (shared.options.now)();
    let mut state = shared.folder.load(provider);
    state.last_attempt = Some(now());
    let work = Work::new(provider, Arc::clone(shared), state);
    work.save()?;
    let mut errors = Vec::new();
    for upstream in upstreams {
        let found = forms::fetch(&work.of(upstream)).await;
        errors.extend(found.into_iter().map(|error| error.told()));
        work.save()?;
    }
    let (changed, fetched_bytes) = (work.has_changed(), work.fetched_bytes());
    let state = work.finish(|state| {
        state.last_error = told(&errors);
        if errors.is_empty() {
            state.last_success = Some(now());
        }
        if changed {
            state.last_change = Some(now());
        }
    })?;
    let health = health_of(provider, true, &state, now());
    report(listener, Event::FeedDone { provider, changed, bytes: fetched_bytes, error: health.last_error.as_deref() });
    Ok(Outcome { provider, changed, fetched_bytes, health })
}

/// The first error, and how many more there are.
fn told(errors: &[String]) -> Option<String> {
    let first = errors.first()?;
    let more = errors.len() - 1;
    Some(if more == 0 { first.clone() } else { format!("{first} (and {more} more)") })
}

/// That every name of `urls` is one of an upstream.
fn check_names(sources: &[Source], urls: &BTreeMap<String, Url>) -> Result<(), FeedError> {
    let is_known = |name: &str| {
        let (provider, upstream) = name.split_once('/').map_or((name, None), |(provider, rest)| (provider, Some(rest)));
        sources.iter().filter(|source| source.provider == provider).any(|source| match upstream {
            Some(upstream) => source.upstreams.iter().any(|known| known.name == upstream),
            None => source.upstreams.len() == 1,
        })
    };
    let provider_of = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let is_asked = |name: &str| sources.iter().any(|source| source.provider == provider_of(name));
    match urls.keys().find(|name| is_asked(name) && !is_known(name)) {
        Some(name) => Err(FeedError::Unknown { name: name.clone() }),
        None => Ok(()),
    }
}

/// How the files of providers are, by what was noted when they were fetched. `enabled` tells which are fetched.
pub fn health(folder: &Path, providers: &[(&str, bool)], now: Timestamp) -> Vec<Health> {
    let folder = Folder::new(folder);
    providers.iter().map(|(provider, enabled)| health_of(provider, *enabled, &folder.load(provider), now)).collect()
}

fn health_of(provider: &str, enabled: bool, state: &State, now: Timestamp) -> Health {
    let age = |at: Timestamp| u64::try_from(now.as_second().saturating_sub(at.as_second())).unwrap_or(0);
    Health {
        provider: provider.to_owned(),
        enabled,
        last_success: state.last_success,
        last_attempt: state.last_attempt,
        last_change: state.last_change,
        last_error: state.last_error.clone(),
        age_seconds: state.last_success.map(age),
        files: state.files.len() as u64,
        bytes: state.files.values().map(|file| file.bytes).fold(0, u64::saturating_add),
    }
}

/// A digest of everything that was fetched for these providers: it stays while nothing changes.
pub fn fingerprint(folder: &Path, providers: &[&str]) -> [u8; 32] {
    let folder = Folder::new(folder);
    let mut hash = Sha256::new();
    for provider in providers {
        for (path, file) in folder.load(provider).files {
            for part in [*provider, path.as_str(), file.sha256.as_str()] {
                hash.update(part);
                hash.update([0]);
            }
        }
    }
    hash.finalize().into()
}

/// Whether a file name has this extension.
fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
