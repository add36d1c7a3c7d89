//! What the service knows about vulnerabilities: the open advisory index, swapped when a new file appears.
//!
//! Readers hold the index they began with. The last one that was replaced is kept beside the current one.

mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use jiff::Timestamp;
use killick_fetch::publication::{Place, PlaceError};
use killick_model::digest::Digest;
use killick_model::feed::Health;
use killick_vulns::publication::{Allowed, Contents, sign};
use killick_vulns::{Index, IndexError, Status, status};
use secrecy::SecretString;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

pub(crate) use self::sync::{Failure, Fetch, SyncError};
use crate::api::error::ApiError;
use crate::config::{Config, Keeping, Role};
use crate::publications::{self, Origin, Taking};
use crate::registry::Ways;
use crate::update::{self, Selection, UnknownFeed, Update};
use crate::{clock, cpu};

/// Name of the index in the data folder.
const INDEX_FILE: &str = "advisories.db";

/// Folder of upstream files in the data folder.
const FEEDS_FOLDER: &str = "feeds";

/// The advisories this process judges by.
pub(crate) struct Knowledge {
    path: PathBuf,
    feeds: Feeds,
    opened: RwLock<Opened>,
    /// Held from looking at the file until its index is swapped in.
    reloading: std::sync::Mutex<()>,
    syncing: Mutex<()>,
}

/// The open indexes, which are swapped together.
#[derive(Default)]
struct Opened {
    current: Option<Arc<Current>>,
    /// The one before: to tell what changed, and for those who are fetching it.
    previous: Option<Arc<Current>>,
}

/// What the index is built of, or where it is taken from.
enum Feeds {
    /// What is fetched.
    Fetched(Box<Update>),
    /// What is in a folder.
    Folder(PathBuf),
    /// What somebody publishes.
    Published(Box<Taking>),
    /// Nothing.
    None,
}

/// Why the settings of advisories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The index cannot be opened.
    #[error("cannot open the advisory index")]
    Index(#[from] IndexError),
    /// A name is none of a provider.
    #[error("a setting of advisories cannot be used")]
    Selection(#[from] UnknownFeed),
    /// The mirror is none.
    #[error("`knowledge.mirror` is no address: `{text}`")]
    Mirror {
        /// What it is.
        text: String,
    },
    /// An index is to be built and to be taken over.
    #[error("`knowledge.feeds_dir` and `knowledge.from` are both set: use one")]
    Two,
    /// Anybody could publish.
    #[error("`knowledge.from` needs `knowledge.keys`: the public keys that the publication must be signed with")]
    NoKeys,
    /// It is no place.
    #[error("`knowledge.from` cannot be used")]
    Place(#[source] PlaceError),
}

/// One open index.
pub(crate) struct Current {
    /// The index.
    pub(crate) index: Index,
    /// Names its content: verdicts by the same digest are the same.
    pub(crate) digest: Digest,
    /// The file it is from; none for the index that ships with the program.
    stamp: Option<Stamp>,
    /// Where the blobs lie that others fetch; only known once somebody asked.
    contents: OnceCell<Contents>,
}

/// What tells one file from the next under the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Knowledge {
    /// Opens the index of the configuration, or the one that ships with the program while there is none.
    pub(crate) fn open(config: &Config, ways: &Ways) -> Result<Self, KnowledgeError> {
        let settings = &config.knowledge;
        let some = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        let path = some(&settings.index).unwrap_or_else(|| config.storage.data_dir.join(INDEX_FILE));
        let feeds = match (settings.update, some(&settings.feeds_dir)) {
            (_, folder) if !settings.from.is_empty() => {
                if folder.is_some() {
                    return Err(KnowledgeError::Two);
                }
                Feeds::Published(Box::new(published(config, ways, path.clone())?))
            }
            (Keeping::Auto, folder) => {
                let folder = folder.unwrap_or_else(|| config.storage.data_dir.join(FEEDS_FOLDER));
                Feeds::Fetched(Box::new(upstreams(config, ways, folder, path.clone())?))
            }
            (Keeping::Off, Some(folder)) => Feeds::Folder(folder),
            (Keeping::Off, None) => Feeds::None,
        };
        let knowledge = Self {
            path,
            feeds,
            opened: RwLock::default(),
            reloading: std::sync::Mutex::default(),
            syncing: Mutex::default(),
        };
        knowledge.reload()?;
        if is_left_behind(config, &knowledge.path) {
            tracing::warn!(
                "there is no advisory index at `{}`, and this process never makes one: it judges by the built-in one until a \
                 process with the role `scheduler` puts it there (set `knowledge.index` to a file in a folder that both \
                 share, or `knowledge.from` to where an index is published)",
                knowledge.path.display()
            );
        }
        Ok(knowledge)
    }

    /// The index to judge by, if there is any.
    pub(crate) fn current(&self) -> Option<Arc<Current>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// Opens the file if it is another than the open one. Whether it was.
    pub(crate) fn reload(&self) -> Result<bool, IndexError> {
        // Whoever opened a new file a second time would take it for the one before itself.
        let _only = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if self.current().is_some_and(|current| current.stamp == stamp) {
            return Ok(false);
        }
        let index = match stamp.as_ref().map(|_| Index::open(&self.path)) {
            Some(Ok(index)) => index,
            // What an earlier version of the program left is no reason not to start: the next update replaces it.
            Some(Err(error @ IndexError::Format { found, expected, .. }))
                if found < expected && self.current().is_none() =>
            {
                tracing::warn!("{error}: judging by the built-in one until the next update");
                Index::starter()?
            }
            Some(Err(error)) => return Err(error),
            None => Index::starter()?,
        };
        let digest = digest(&index);
        tracing::info!(index.digest = %digest, "opened the advisory index `{}`", index.name());
        let current = Arc::new(Current { index, digest, stamp, contents: OnceCell::new() });
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        opened.previous = opened.current.replace(current);
        Ok(true)
    }

    /// The index before the current one, if this process opened one.
    pub(crate) fn previous(&self) -> Option<Arc<Current>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).previous.clone()
    }

    /// The blobs of an index. The first to ask waits until all of it was read once.
    pub(crate) async fn contents<'a>(&self, current: &'a Arc<Current>) -> Result<&'a Contents, ApiError> {
        let read = || async {
            let current = Arc::clone(current);
            let contents = cpu::run(move || Contents::of(&current.index)).await;
            contents.map_err(|error| ApiError::internal(&error))
        };
        current.contents.get_or_try_init(read).await
    }

    /// The signed document of an index: the one it came with, which may be signed anew from time to time; or else one
    /// that nobody signed.
    pub(crate) async fn envelope(&self, current: &Arc<Current>) -> Result<Vec<u8>, ApiError> {
        let contents = self.contents(current).await?.clone();
        let (path, current) = (self.path.clone(), Arc::clone(current));
        let envelope = cpu::run(move || match publications::envelope_of(&path, &current.index) {
            Some((envelope, _)) => envelope,
            None => sign(&contents.publish(publications::DEFAULT_NAME, None, contents.built(), None), &[]),
        });
        Ok(envelope.await)
    }

    /// How the fetched files of each provider are; nothing where none are fetched.
    pub(crate) fn health(&self) -> Vec<Health> {
        match &self.feeds {
            Feeds::Fetched(update) => update::health(&update.feeds.folder, Some(&update.selection), clock::now()),
            Feeds::Folder(_) | Feeds::Published(_) | Feeds::None => Vec::new(),
        }
    }

    /// Where the index came from, if there is one.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let current = self.current()?;
        let path = current.stamp.is_some().then_some(self.path.as_path());
        Some(Origin::of(&current.index, path))
    }

    /// What the index consists of.
    pub(crate) fn status(&self) -> Option<Status> {
        self.current().map(|current| status(&current.index, clock::now()))
    }

    /// Records of each namespace; of sources that share one, those of the largest, because they speak of the same.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for source in self.status().into_iter().flat_map(|status| status.sources) {
            let count = counts.entry(source.namespace).or_insert(0_u64);
            *count = source.advisories.max(*count);
        }
        counts
    }

    /// Groups that hold what these failures are about. A provider of which nothing is known yet is one by its own name.
    pub(crate) fn failed_groups(&self, failures: &[Failure]) -> BTreeSet<String> {
        let sources = self.status().map_or_else(Vec::new, |status| status.sources);
        let mut groups = BTreeSet::new();
        for Failure { provider, .. } in failures {
            let mut of_it = sources.iter().filter(|source| source.provider == *provider).peekable();
            if of_it.peek().is_none() {
                groups.insert(provider.clone());
            }
            groups.extend(of_it.map(|source| source.namespace.clone()));
        }
        groups
    }

    /// When the index was built.
    pub(crate) fn built(&self) -> Option<Timestamp> {
        self.current()?.index.manifest().built.timestamp()
    }
}

/// What is taken over, by the settings.
fn published(config: &Config, ways: &Ways, target: PathBuf) -> Result<Taking, KnowledgeError> {
    let settings = &config.knowledge;
    if settings.keys.is_empty() {
        return Err(KnowledgeError::NoKeys);
    }
    Ok(Taking {
        place: Place::parse(&settings.from).map_err(KnowledgeError::Place)?,
        options: ways.place_options(config),
        keys: settings.keys.iter().map(|key| key.0.clone()).collect(),
        allowed: Allowed::default(),
        now: clock::now(),
        target,
        progress: None,
    })
}

/// Where advisories are fetched from, by the settings.
fn upstreams(config: &Config, ways: &Ways, folder: PathBuf, index: PathBuf) -> Result<Update, KnowledgeError> {
    let settings = &config.knowledge;
    let mirror = match settings.mirror.as_str() {
        "" => None,
        text => Some(Url::parse(text).map_err(|_| KnowledgeError::Mirror { text: text.to_owned() })?),
    };
    let selection =
        Selection { only: settings.providers.clone(), also: settings.also.clone(), exclude: settings.exclude.clone() };
    selection.sources()?;
    let mut feeds = ways.feed_options(config, folder);
    feeds.urls = settings.urls.iter().map(|argument| (argument.name.clone(), argument.url.clone())).collect();
    feeds.mirror = mirror;
    feeds.nvd_api_key = settings.nvd_api_key.get().map(SecretString::from);
    Ok(Update { feeds, selection, index, is_offline: false })
}

/// Whether this process answers by an index that others are to make, of which there is none where it looks: of processes
/// on one machine it soon is there, of those on several it may never be.
fn is_left_behind(config: &Config, index: &Path) -> bool {
    let roles = &config.server;
    let has_company = config.storage.database_url.get().is_some();
    let needs_another = roles.has(Role::Api) && !roles.has(Role::Scheduler) && config.knowledge.from.is_empty();
    needs_another && has_company && !index.exists()
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs_err::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), bytes: metadata.len() })
    }
}

fn digest(index: &Index) -> Digest {
    let mut text = Vec::new();
    for segment in &index.manifest().segments {
        text.extend_from_slice(segment.provider.as_bytes());
        text.push(0);
        text.extend_from_slice(segment.namespace.as_bytes());
        text.push(0);
        text.extend_from_slice(&segment.digest);
    }
    Digest::of(&text)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use killick_vulns::{BuildOptions, build};
    use serde_json::json;

    use super::*;

    /// Puts an index of so many advisories where the service looks for it.
    fn put_index(data_dir: &Path, advisories: usize) {
        let feeds = tempfile::tempdir().unwrap();
        let advisory = |number: usize| {
            json!({"Vulnerability": {
                "Name": format!("CVE-2099-{number}"), "NamespaceName": "alpine:3.20", "Severity": "High", "Metadata": {},
                "Link": "https://example.org/", "FixedIn": [{"Name": format!("package-{number}"), "Version": "1.2-r0",
                "VersionFormat": "apk", "NamespaceName": "alpine:3.20", "VendorAdvisory": {"NoAdvisory": false}}]}})
        };
        let advisories: Vec<_> = (0..advisories).map(advisory).collect();
        fs_err::create_dir(feeds.path().join("vulnerabilities")).unwrap();
        let file = feeds.path().join("vulnerabilities/alpine.json");
        fs_err::write(file, json!({"data": advisories}).to_string()).unwrap();
        build(&[feeds.path().to_owned()], &data_dir.join(INDEX_FILE), &BuildOptions::default()).unwrap();
    }

    #[test]
    fn who_waits_for_an_index_in_vain_is_known() {
        let data = tempfile::tempdir().unwrap();
        let index = data.path().join(INDEX_FILE);
        let of = |settings: &str| is_left_behind(&toml::from_str(settings).unwrap(), &index);
        let alone = "[server]\nroles = ['api']\n[storage]\ndatabase_url = 'postgres://db/killick'\n";
        assert!(of(alone));
        assert!(of(&alone.replace("'api'", "'api', 'worker'")));
        for settings in [
            "[server]\nroles = ['api']",
            &alone.replace("'api'", "'api', 'scheduler'"),
            &alone.replace("'api'", "'worker'"),
            &format!("{alone}[knowledge]\nfrom = '/somewhere'"),
        ] {
            assert!(!of(settings), "{settings}");
        }
        put_index(data.path(), 1);
        assert!(!of(alone));
    }

    #[test]
    fn of_all_who_see_a_new_file_one_opens_it() {
        const READERS: usize = 8;
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = data.path().to_owned();
        config.knowledge.update = Keeping::Off;
        put_index(data.path(), 1);
        let knowledge = Knowledge::open(&config, &Ways::new(&config).unwrap()).unwrap();
        let old = knowledge.current().unwrap();
        put_index(data.path(), 100);
        let together = Barrier::new(READERS);
        let reload = || {
            together.wait();
            knowledge.reload().unwrap()
        };
        let opened: Vec<bool> = thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reload)).collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        assert_eq!(opened.into_iter().filter(|opened| *opened).count(), 1);
        assert_ne!(knowledge.current().unwrap().digest, old.digest);
        assert_eq!(knowledge.previous().unwrap().digest, old.digest);
    }
}
