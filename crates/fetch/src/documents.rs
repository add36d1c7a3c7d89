//! Manifests, indexes and configurations: read leniently, verified strictly.
//!
//! Formats: OCI image specification (manifest.md, image-index.md, config.md) and Docker's image manifest version 2,
//! schema 2. The types are our own serde subsets, not `oci-spec`'s: those refuse configurations that engines run
//! (`"architecture": null`), drop what Docker adds (`Healthcheck`), fail a whole index for one odd entry, and bring
//! `derive_builder`, `getset` and `strum` along. What we do not need is not kept.

mod artifact;
mod config;
mod described;
mod descriptor;
mod error;
mod manifest;

pub(crate) use artifact::read_artifact;
pub(crate) use config::read_config;
pub use described::{Described, describe};
pub(crate) use descriptor::{Entry, Layer};
pub use error::DocumentError;
pub(crate) use manifest::{Document, Manifest, is_index, read_document, synthesise};

use killick_model::digest::Digest;

use crate::limits::Limits;

/// Media types that a client says it accepts, most telling first.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Fails unless `bytes` have `digest` and, if given, `size`.
pub(crate) fn verify(what: &'static str, bytes: &[u8], digest: &Digest, size: u64) -> Result<(), DocumentError> {
    let actual_size = bytes.len() as u64;
    if actual_size != size {
        return Err(DocumentError::WrongSize { what, digest: digest.clone(), declared: size, actual: actual_size });
    }
    let actual = Digest::of(bytes);
    if actual != *digest {
        return Err(DocumentError::WrongDigest { what, expected: digest.clone(), actual });
    }
    Ok(())
}

/// Fails if `size` is more than a document may have.
pub(crate) fn check_size(what: &'static str, subject: &str, size: u64, limits: &Limits) -> Result<(), DocumentError> {
    if size > limits.document_bytes {
        return Err(DocumentError::TooLarge { what, subject: subject.to_owned(), limit: limits.document_bytes });
    }
    Ok(())
}
