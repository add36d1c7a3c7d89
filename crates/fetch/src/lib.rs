//! Brings bytes here: registries, container engines, image archives, OCI layouts, root directories, feed downloads.
//!
//! [`Source::parse`] reads what the user typed, [`stage`](stage::stage) turns it into a
//! [`StagedImage`](killick_model::image::StagedImage): documents verified and in memory, layers ready to be opened as
//! verified streams. Nothing is written to disk, nothing is unpacked, and no size that an image declares is ever
//! allocated.

mod archive;
mod attachments;
mod carousel;
mod channel;
pub mod cloud;
pub mod credentials;
mod directory;
mod docker_archive;
pub mod documents;
pub mod egress;
pub mod engine;
pub mod environment;
pub mod feeds;
pub mod fetched;
pub mod healing;
pub mod http;
pub mod index;
pub mod layer;
mod layout;
pub mod limits;
pub mod mail;
pub mod oidc;
pub mod platform;
pub mod progress;
pub mod publication;
pub mod registry;
pub mod sbom;
pub mod source;
pub mod stage;
pub mod webhook;

pub use archive::ArchiveError;
pub use cloud::Cloud;
pub use credentials::Credentials;
pub use directory::DirectoryError;
pub use docker_archive::DockerArchiveError;
pub use engine::EngineError;
pub use environment::Environment;
pub use index::{IndexedImage, Platforms, Staged, StagedIndex};
pub use layout::LayoutError;
pub use limits::Limits;
pub use registry::RegistryOptions;
pub use source::Source;
pub use stage::{StageError, StageOptions, stage, stage_several};
