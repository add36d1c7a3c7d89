//! Images of a container engine on this machine or another: Docker, or Podman through the same API.
//!
//! The engine exports an image as one archive that cannot seek. It is streamed once to find manifest, configuration
//! and where the layers lie, keeping what is small, and once more when layers are read. Nothing is written to disk.
//!
//! Docker with its own image store, and Podman, export a Docker archive, whose identity we derive as for
//! `docker-archive:`. Docker with containerd's image store exports the very index and
//! manifest that were pulled, which are then the identity.

mod address;
mod api;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use killick_model::hint::Hint;
use killick_model::image::StagedImage;
use tokio::runtime::Handle;

use crate::archive::{Archive, ArchiveError};
use crate::carousel::Carousel;
use crate::docker_archive;
use crate::documents::{self, Document};
use crate::http::HttpError;
use crate::layout;
use crate::stage::{StageError, StageOptions, meant};
use api::{Api, Inspected};

/// A kind of container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Docker, and what speaks its API at its place.
    Docker,
    /// Podman.
    Podman,
}

impl Engine {
    /// The word before the colon of a source, which is also the command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// How long to wait for an engine.
#[derive(Debug, Clone)]
pub struct EngineTimeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte. Engines prepare an export before they send its first.
    pub read: Duration,
}

impl Default for EngineTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), read: Duration::from_mins(10) }
    }
}

/// Why an engine did not give an image.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its address cannot be used.
    #[error("{engine} cannot be reached at `{address}`: {reason}")]
    Address {
        /// Which engine.
        engine: Engine,
        /// As configured.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that says how to reach it cannot be used.
    #[error("cannot read `{}`, which says how to reach {engine}", path.display())]
    Settings {
        /// Which engine.
        engine: Engine,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no HTTP client to ask with.
    #[error("cannot speak to {engine}")]
    Client {
        /// Which engine.
        engine: Engine,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// Nobody is there, or nobody we may speak to.
    #[error("cannot reach {engine} at `{address}`")]
    Unreachable {
        /// Which engine.
        engine: Engine,
        /// Its socket or address.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The name is none.
    #[error("`{image}` is not the name or id of an image")]
    Name {
        /// As written.
        image: String,
    },
    /// It has no such image.
    #[error("{engine} has no image `{image}`")]
    NoImage {
        /// Which engine.
        engine: Engine,
        /// As asked for.
        image: String,
    },
    /// It answers with an error.
    #[error("{engine} answered {status} to the request for {what}: {message}")]
    Refused {
        /// Which engine.
        engine: Engine,
        /// What was asked for.
        what: &'static str,
        /// As answered.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The connection broke.
    #[error("{engine} broke off while sending {what}")]
    Broken {
        /// Which engine.
        engine: Engine,
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing came for too long.
    #[error("{engine} took too long to send {what}")]
    Slow {
        /// Which engine.
        engine: Engine,
        /// What was asked for.
        what: &'static str,
    },
    /// The answer makes no sense.
    #[error("{engine} gave no proper answer to the request for {what}")]
    Malformed {
        /// Which engine.
        engine: Engine,
        /// What was asked for.
        what: &'static str,
    },
}

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Address { engine: Engine::Docker, .. } => Some(
                "set `DOCKER_HOST` to `unix:///PATH` or `tcp://HOST:PORT`; a remote socket can be forwarded with `ssh \
                 -L /tmp/docker.sock:/var/run/docker.sock HOST`"
                    .to_owned(),
            ),
            Self::Address { engine: Engine::Podman, .. } => {
                Some("set `CONTAINER_HOST` to `unix:///PATH` or `tcp://HOST:PORT`".to_owned())
            }
            Self::Client { source, .. } => source.hint(),
            Self::Unreachable { engine: Engine::Docker, .. } => Some(
                "start Docker, or set `DOCKER_HOST`; to use its socket, your user must be in the group `docker`"
                    .to_owned(),
            ),
            Self::Unreachable { engine: Engine::Podman, .. } => Some(
                "start its socket with `systemctl --user start podman.socket`, or run `podman system service`"
                    .to_owned(),
            ),
            Self::NoImage { engine, image } => Some(format!(
                "pull it with `{engine} pull {image}`, or leave out `{engine}:` to read it from its registry"
            )),
            _ => None,
        }
    }
}

/// Stages the image that `engine` knows by the name or id `image`.
pub(crate) async fn stage(
    engine: Engine,
    image: &str,
    name: String,
    options: &StageOptions,
) -> Result<StagedImage, StageError> {
    let api = Api::connect(engine, options).await?;
    let inspected = api.inspect(image, options).await?;
    let runtime = Handle::current();
    let exported = api.clone();
    // By id, so that both passes read the same image wherever its name goes.
    let (id, platform) = (inspected.id.clone(), options.platform.clone());
    let stream = Carousel::new(Box::new(move || Ok(Box::new(exported.export(&runtime, id.clone(), platform.clone())))));
    let (wanted, options) = (image.to_owned(), options.clone());
    let staging = tokio::task::spawn_blocking(move || {
        let archive = Archive::stream(name.clone(), stream, &options.limits).map_err(cause)?;
        let mut image = if has_own_manifest(&archive, &inspected, &options) {
            layout::stage(&archive, name, None, &options)?
        } else {
            docker_archive::stage(&archive, name, None, &options)?
        };
        // An export by id names nothing.
        image.tags = meant(inspected.tags, Some(&wanted));
        Ok(image)
    });
    match staging.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What an engine said, rather than that an archive cannot be read.
fn cause(error: ArchiveError) -> StageError {
    match error {
        ArchiveError::Read { source, archive } => match source.downcast::<EngineError>() {
            Ok(error) => error.into(),
            Err(source) => ArchiveError::Read { source, archive }.into(),
        },
        error => error.into(),
    }
}

/// Whether the layout within the archive has the manifest that was pulled, and not one made for the export.
fn has_own_manifest(archive: &Archive, inspected: &Inspected, options: &StageOptions) -> bool {
    let limits = &options.limits;
    let Ok(bytes) = archive.read(b"index.json", limits.document_bytes) else { return false };
    let Ok(Document::Index(entries)) = documents::read_document("index.json", &bytes, None, limits) else {
        return false;
    };
    entries.iter().any(|entry| inspected.is_known_as(&entry.digest))
}
