//! What is stored, in the shapes the service works with: instants instead of numbers, images with their tags,
//! documents read from their blobs. Every function names the account whose things it touches.

mod accounts;
mod archives;
mod exceptions;
mod images;
mod imports;
mod known_files;
mod layers;
mod packages;
mod policies;
mod registries;
mod users;
mod verdicts;

use jiff::Timestamp;
use killick_store::{Store, StoreError};

pub(crate) use accounts::{Account, AccountKind, AccountState, User};
pub(crate) use archives::Restored;
pub(crate) use exceptions::StoredException;
pub(crate) use images::{
    AnalysisStatus, Deletion, Image, ImageStatus, IndexPlace, Naming, NewImage, Tag, TagName, Urgency,
};
pub(crate) use imports::NewImport;
pub(crate) use known_files::StoredFiles;
pub(crate) use layers::StoredFacts;
pub(crate) use packages::{Carrier, kind as package_kind};
pub(crate) use policies::Policy;
pub(crate) use registries::{NewRegistry, Registry, RegistryLogin};
pub(crate) use users::{Standing, StoredKey};
pub(crate) use verdicts::{Remembered, Verdict};

use crate::api::error::ApiError;

/// Bytes of one document at most: an analysis of the largest images.
const DOCUMENT_BYTES: u64 = 1 << 30;

/// The stored things.
#[derive(Clone)]
pub(crate) struct Records {
    store: Store,
}

impl Records {
    /// Over an open store.
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The store, for tasks and housekeeping.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

/// Absence as `None`; every other failure stays one.
pub(crate) fn optional<T>(result: killick_store::Result<T>) -> killick_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The instant of a stored number; the store only gives back what it was given.
pub(crate) fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// This instant, as the store keeps it.
pub(crate) fn now() -> i64 {
    crate::clock::now().as_microsecond()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::not_found(error.to_string()),
            StoreError::AlreadyExists { .. } | StoreError::Refused { .. } => Self::conflict(error.to_string()),
            error if error.is_unavailable() => Self::unavailable(&error),
            error if error.is_full() => Self::full(&error),
            error => Self::internal(&error),
        }
    }
}
