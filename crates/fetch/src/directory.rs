//! A root file system in a directory, as an image of one layer.
//!
//! The layer is a tar made while it is read: names in byte order, owners, modes and times as they are, links as links,
//! special files as entries that are never opened. It is made twice, first only to learn its diffID, so that the
//! identity of a directory is its content, and a directory that changes while it is read is found out like any other
//! layer that is not what was promised. Other file systems mounted below are left out.

mod entry;
mod walk;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::image::{StagedImage, StagedLayer, Surroundings};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::documents;
use crate::layer::{Blob, Promise, StoredLayer};
use crate::progress::{self, Event, Progress};
use crate::stage::{StageError, StageOptions};
use walk::{Bounds, TarReader};

/// Why a directory cannot be an image.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be read at all.
    #[error("cannot read the directory `{}`", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a file.
    #[error("`{}` is no directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// More entries or bytes than we read.
    #[error("the directory `{}` has more than {limit} {what}", path.display())]
    TooLarge {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
}

impl Hint for DirectoryError {
    fn hint(&self) -> Option<String> {
        matches!(self, Self::NotADirectory { .. })
            .then(|| "give an archive as `docker-archive:FILE` or `oci-archive:FILE`".to_owned())
    }
}

/// Makes the tar of a directory each time it is opened.
struct DirectoryBlob {
    root: PathBuf,
    bounds: Bounds,
}

impl DirectoryBlob {
    fn reader(&self) -> Result<TarReader, DirectoryError> {
        TarReader::open(&self.root, self.bounds)
    }
}

impl Blob for DirectoryBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.reader().map_err(io::Error::other)?))
    }
}

/// Stages the directory at `path`.
pub(crate) fn stage(path: PathBuf, name: String, options: &StageOptions) -> Result<StagedImage, StageError> {
    let limits = &options.limits;
    let blob = DirectoryBlob {
        root: path,
        bounds: Bounds {
            entries: limits.directory_entries,
            bytes: limits.directory_bytes,
            depth: limits.directory_depth,
        },
    };
    let (diff_id, size) = measure(&blob, options.progress.as_ref())?;
    let config_bytes = json!({"rootfs": {"type": "layers", "diff_ids": [&diff_id]}}).to_string().into_bytes();
    let config = documents::read_config(&name, &config_bytes, limits)?.config;
    let promise = Promise { diff_id: diff_id.clone(), digest: Some(diff_id.clone()), size };
    let layer = StagedLayer {
        digest: diff_id.clone(),
        diff_id,
        media_type: "application/vnd.docker.image.rootfs.diff.tar".to_owned(),
        size,
        source: Arc::new(StoredLayer {
            promise,
            blob: Arc::new(blob),
            table: None,
            limits: limits.clone(),
            progress: options.progress.clone(),
        }),
    };
    let layers = vec![layer];
    let manifest = documents::synthesise(&config_bytes, &layers);
    Ok(StagedImage {
        name,
        manifest_digest: Digest::of(&manifest),
        manifest,
        index: None,
        config_digest: Digest::of(&config_bytes),
        config_bytes,
        config,
        layers,
        tags: Vec::new(),
        surroundings: Surroundings::default(),
    })
}

/// Reads the whole tar for its digest and size.
fn measure(blob: &DirectoryBlob, listener: Option<&Arc<dyn Progress>>) -> Result<(Digest, u64), DirectoryError> {
    let mut reader = blob.reader()?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 128 << 10];
    let mut size = 0_u64;
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&chunk[..count]);
                size += count as u64;
            }
            Err(source) => return Err(reader.describe(source)),
        }
    }
    for problem in reader.problems() {
        tracing::warn!("left out `{}`: {}", problem.subject, problem.message);
        progress::report(listener, Event::Problem(problem));
    }
    Ok((Digest::from_sha256(hasher.finalize().into()), size))
}
