//! Publishing the advisory index, and taking it over from where it was published: `killick db export` and `db import`,
//! and what a server does by itself.
//!
//! Here meet what brings bytes (`killick-fetch`) and what judges them (`killick-vulns`). Beside an index that was taken
//! over lie the signed document it came with, so that it can be handed on with its publisher's signatures, a note where
//! it came from, and the versions that were taken before.

mod origin;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use killick_fetch::publication::{Edition, Opened, Place, PlaceError, PlaceOptions, Sent, Upload};
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_vulns::publication::{
    Accepted, Allowed, Assembly, Blob, Contents, Depot, MAX_MANIFEST_BYTES, PrivateKey, PublicKey, Publication,
    PublicationError, Seen, Trust, accept, assemble, peek, sign,
};
use killick_vulns::{Index, IndexError, Segment};

pub use self::origin::{Origin, Published};

/// Why an index is not published or not taken.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Where it is or should be.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// What was published.
    #[error(transparent)]
    Publication(#[from] PublicationError),
    /// It would be passed on what may not be.
    #[error("the terms of {} do not let them be passed on to others", listed(sources))]
    Restricted {
        /// The sources.
        sources: Vec<String>,
    },
    /// There is nothing that may be passed on.
    #[error("the terms of no source of the index let it be passed on to others")]
    NothingLeft,
    /// A file beside the index.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was remembered of earlier publications.
    #[error("`{}` cannot be used", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PublicationError,
    },
}

impl Hint for TransferError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Place(error) => error.hint(),
            Self::Publication(error) | Self::Memory { source: error, .. } => error.hint(),
            Self::Restricted { .. } => Some(
                "leave them out with `--public`; or, if all readers are your own and you accepted the terms, pass them on with \
                 `--private`"
                    .to_owned(),
            ),
            Self::NothingLeft | Self::File { .. } => None,
        }
    }
}

/// Sources that are named in one message.
const MAX_NAMED: usize = 20;

fn listed(sources: &[String]) -> String {
    let named = sources.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match sources.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

impl From<IndexError> for TransferError {
    fn from(error: IndexError) -> Self {
        Self::Publication(error.into())
    }
}

/// Hears how many bytes of the new file, of how many, are there.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// What is taken, and how it is judged.
#[derive(Clone)]
pub struct Taking {
    /// Where it was published.
    pub place: Place,
    /// How that is reached.
    pub options: PlaceOptions,
    /// Any of them must have signed it.
    pub keys: Vec<PublicKey>,
    /// What is overlooked on purpose.
    pub allowed: Allowed,
    /// When it is taken.
    pub now: Timestamp,
    /// Where the index goes. What is there already is not fetched.
    pub target: PathBuf,
    /// Who hears about it.
    pub progress: Option<Progress>,
}

/// What was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// What was published.
    pub accepted: Accepted,
    /// What it took; nothing where that very index is in place.
    pub assembly: Option<Assembly>,
}

/// Takes over what was published. The index appears when it is complete; until then, and for readers who have it open
/// afterwards, the old one stays.
pub async fn take(taking: Taking) -> Result<Taken, TransferError> {
    let memory = beside(&taking.target, "trust.json");
    let seen = recall(&memory)?;
    let options = PlaceOptions { manifest_bytes: MAX_MANIFEST_BYTES, ..taking.options.clone() };
    let opened = Opened::new(&taking.place, &options).await?;
    let envelope = opened.manifest(&options).await?;
    let work = move || {
        let trust = Trust { keys: &taking.keys, now: taking.now, seen: &seen, allowed: taking.allowed };
        let accepted = accept(&envelope, &trust)?;
        let installed = Index::open(&taking.target).ok();
        let is_in_place = installed
            .as_ref()
            .is_some_and(|index| index.digest().is_ok_and(|digest| digest == accepted.publication.manifest.digest));
        let mut assembly = None;
        if !is_in_place {
            let old = installed.or_else(|| Index::starter().ok());
            let progress = |done, all| {
                if let Some(progress) = &taking.progress {
                    progress(done, all);
                }
            };
            let depot = Source(opened);
            assembly = Some(assemble(&accepted.publication, &taking.target, old.as_ref(), &depot, &progress)?);
        }
        replace(&beside(&taking.target, "publication.json"), &envelope)?;
        let place = taking.place.to_string();
        Origin::note_publication(&taking.target, place, &accepted, assembly.is_some(), taking.now)?;
        let mut seen = seen;
        seen.remember(&accepted);
        replace(&memory, seen.to_json().as_bytes())?;
        Ok(Taken { accepted, assembly })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The blobs of a place.
struct Source(Opened);

impl Depot for Source {
    fn open(&self, blob: &Blob, part: Option<std::ops::Range<u64>>) -> io::Result<Box<dyn io::Read + Send>> {
        self.0.blob(&blob.digest, blob.bytes, part)
    }
}

/// What is published, and where.
pub struct Publishing<'a> {
    /// The index.
    pub index: Arc<Index>,
    /// Where it goes.
    pub place: Place,
    /// How that is reached.
    pub options: PlaceOptions,
    /// Who signs it.
    pub keys: &'a [PrivateKey],
    /// Which publication it is; if not given, the one that is there.
    pub name: Option<String>,
    /// When it is published.
    pub now: Timestamp,
    /// From when on nobody should believe that it is the newest.
    pub expires: Option<Timestamp>,
    /// What becomes of sources whose terms do not let them be passed on.
    pub restricted: Restricted,
}

/// What becomes of sources whose terms do not let them be passed on, when an index is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restricted {
    /// Nothing is published.
    #[default]
    Refused,
    /// They are left out.
    LeftOut,
    /// They are published too: for machines of those who accepted the terms.
    Included,
}

/// The name of a publication that was given none.
pub(crate) const DEFAULT_NAME: &str = "advisories";

/// Publishes an index. What the last publication at this place needs stays there, for who is reading it.
pub async fn publish(publishing: Publishing<'_>) -> Result<(Publication, Sent), TransferError> {
    let Publishing { index, place, options, keys, name, now, expires, restricted } = publishing;
    let index = permitted(index, restricted).await?;
    let options = PlaceOptions { manifest_bytes: MAX_MANIFEST_BYTES, ..options };
    let previous = previous(&place, &options).await;
    let hashed = Arc::clone(&index);
    let contents = match tokio::task::spawn_blocking(move || Contents::of(&hashed)).await {
        Ok(contents) => contents?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let name = name.or_else(|| previous.as_ref().map(|previous| previous.name.clone()));
    // Versions are counted by name.
    let name = name.unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let same = previous.as_ref().filter(|previous| previous.name == name);
    let publication = contents.publish(&name, same, now, expires);
    let titles = publication.segments.iter().map(killick_vulns::publication::PublishedSegment::label);
    let titles = titles.chain(["manifest".to_owned()]);
    let mut uploads: Vec<Upload> = Vec::new();
    for ((blob, _), title) in contents.blobs().zip(titles) {
        if uploads.iter().all(|upload| upload.digest != blob.digest) {
            uploads.push(Upload { digest: blob.digest.clone(), bytes: blob.bytes, title });
        }
    }
    let read = |upload: &Upload| {
        let range = contents.range(&upload.digest).unwrap_or_default();
        index.bytes(range).map_err(io::Error::other)
    };
    let keep: Option<Vec<Digest>> =
        previous.as_ref().map(|previous| previous.blobs().into_iter().map(|blob| blob.digest.clone()).collect());
    let envelope = sign(&publication, keys);
    let edition = Edition { manifest: &envelope, uploads: &uploads, read: &read, keep: keep.as_deref() };
    let sent = killick_fetch::publication::publish(&place, &edition, &options).await?;
    Ok((publication, sent))
}

/// The index as it may be published.
async fn permitted(index: Arc<Index>, restricted: Restricted) -> Result<Arc<Index>, TransferError> {
    let is_restricted = |segment: &&Segment| !segment.license.may_ship();
    let sources: Vec<String> = index.manifest().segments.iter().filter(is_restricted).map(Segment::label).collect();
    if sources.is_empty() || restricted == Restricted::Included {
        return Ok(index);
    }
    if restricted == Restricted::Refused {
        return Err(TransferError::Restricted { sources });
    }
    if sources.len() == index.manifest().segments.len() {
        return Err(TransferError::NothingLeft);
    }
    let left = tokio::task::spawn_blocking(move || index.extract(|segment| segment.license.may_ship())).await;
    match left {
        Ok(left) => Ok(Arc::new(left?)),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What is published there now. Whether it is signed does not matter to who replaces it.
async fn previous(place: &Place, options: &PlaceOptions) -> Option<Publication> {
    let envelope = match Opened::new(place, options).await {
        Ok(opened) => opened.manifest(options).await,
        Err(error) => Err(error),
    };
    match envelope {
        Ok(envelope) => peek(&envelope).ok(),
        Err(error) => {
            tracing::debug!("nothing is published at `{place}` yet: {error}");
            None
        }
    }
}

/// The signed document that came with the index at `path`, if it is about that index.
pub fn envelope_of(path: &Path, index: &Index) -> Option<(Vec<u8>, Publication)> {
    let envelope = fs_err::read(beside(path, "publication.json")).ok()?;
    let publication = peek(&envelope).ok()?;
    let is_of = index.digest().is_ok_and(|digest| digest == publication.manifest.digest);
    is_of.then_some((envelope, publication))
}

fn beside(index: &Path, extension: &str) -> PathBuf {
    index.with_extension(extension)
}

fn recall(memory: &Path) -> Result<Seen, TransferError> {
    match fs_err::read(memory) {
        Ok(bytes) => Seen::parse(&bytes).map_err(|source| TransferError::Memory { path: memory.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen::default()),
        Err(source) => Err(TransferError::File { doing: "read", path: memory.to_owned(), source }),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), TransferError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let write = || {
        fs_err::write(&new, bytes)?;
        fs_err::rename(&new, path)
    };
    write().map_err(|source| TransferError::File { doing: "write", path: path.to_owned(), source })
}
