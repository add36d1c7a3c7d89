//! The depot, with what it cost, and digests of what came.

use std::io::{self, Read as _};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::super::{Blob, PublicationError};
use super::{Depot, PIECE_BYTES};

pub(super) struct Fetching<'a> {
    depot: &'a dyn Depot,
    pub(super) bytes: AtomicU64,
    pub(super) requests: AtomicU64,
}

impl<'a> Fetching<'a> {
    pub(super) fn new(depot: &'a dyn Depot) -> Self {
        Self { depot, bytes: AtomicU64::new(0), requests: AtomicU64::new(0) }
    }

    /// Hands over exactly the bytes that were asked for.
    pub(super) fn read(
        &self,
        blob: &Blob,
        part: Option<Range<u64>>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Outcome>,
    ) -> Result<(), Outcome> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let wanted = part.as_ref().map_or(blob.bytes, |part| part.end.saturating_sub(part.start));
        let mut reader = self.depot.open(blob, part)?.take(wanted.saturating_add(1));
        let mut buffer = vec![0; usize::try_from(PIECE_BYTES.min(wanted).max(1)).unwrap_or(1)];
        let mut came = 0_u64;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.bytes.fetch_add(count as u64, Ordering::Relaxed);
            came += count as u64;
            if came > wanted {
                return Err(Outcome::Wrong(format!("it has more than {wanted} bytes")));
            }
            take(buffer.get(..count).unwrap_or_default())?;
        }
        if came < wanted {
            return Err(Outcome::Wrong(format!("it ends after {came} of {wanted} bytes")));
        }
        Ok(())
    }

    /// A small blob or a small part, in memory.
    pub(super) fn bytes(&self, blob: &Blob, part: Option<Range<u64>>) -> Result<Vec<u8>, Outcome> {
        let mut bytes = Vec::new();
        self.read(blob, part, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// A small blob, verified.
    pub(super) fn whole(&self, blob: &Blob, part: &str) -> Result<Vec<u8>, PublicationError> {
        let bytes = self.bytes(blob, None).map_err(|outcome| outcome.of(part))?;
        if Digest::of(&bytes) != blob.digest {
            return Err(Outcome::Wrong("wrong checksum".to_owned()).of(part));
        }
        Ok(bytes)
    }
}

/// Why bytes did not come.
pub(super) enum Outcome {
    Unreadable(io::Error),
    Wrong(String),
    Failed(PublicationError),
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<PublicationError> for Outcome {
    fn from(error: PublicationError) -> Self {
        Self::Failed(error)
    }
}

impl Outcome {
    pub(super) fn of(self, part: &str) -> PublicationError {
        let part = part.to_owned();
        match self {
            Self::Unreadable(source) => PublicationError::Fetch { part, source },
            Self::Wrong(detail) => PublicationError::Corrupt { part, detail },
            Self::Failed(error) => error,
        }
    }
}

/// A digest in the making.
#[derive(Default)]
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn is(self, digest: &Digest) -> bool {
        *self.0.finalize() == *digest.as_bytes()
    }
}

/// Whether bytes have that digest.
pub(super) fn is(bytes: &[u8], digest: &[u8; 32]) -> bool {
    *Sha256::digest(bytes) == *digest
}
