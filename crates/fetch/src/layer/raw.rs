//! Stored bytes on their way to the decompressor: buffered, counted, hashed.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{LayerError, Promise};
use crate::progress::{self, Event, Progress};

const BUFFER_BYTES: usize = 128 << 10;

/// Fails on the first byte too many, and at the end if bytes are missing or are others than promised.
pub(super) struct RawReader {
    inner: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    count: u64,
    hasher: Sha256,
    digest: Option<Digest>,
    failed: bool,
    promise: Promise,
    progress: Option<Arc<dyn Progress>>,
}

impl RawReader {
    pub(super) fn new(inner: Box<dyn Read + Send>, promise: Promise, progress: Option<Arc<dyn Progress>>) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            count: 0,
            hasher: Sha256::new(),
            digest: None,
            failed: false,
            promise,
            progress,
        }
    }

    /// The first bytes, up to `wanted`, without consuming them. To be called before anything was consumed.
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end < wanted && self.more()? {}
        Ok(&self.buffer[self.start..self.end])
    }

    /// Reads what is left, so that it is verified too.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        loop {
            self.start = self.end;
            if self.fill_buf()?.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Whether the last error was about the stored bytes rather than about what a decompressor made of them.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Digest of the stored bytes, once they came to their end.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Appends to the buffer, which must have room. False at the verified end.
    fn more(&mut self) -> io::Result<bool> {
        if self.digest.is_some() {
            return Ok(false);
        }
        let result = self.try_more();
        self.failed |= result.is_err();
        result
    }

    fn try_more(&mut self) -> io::Result<bool> {
        let read = loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if read == 0 {
            self.verify()?;
            return Ok(false);
        }
        let fresh = &self.buffer[self.end..self.end + read];
        self.hasher.update(fresh);
        self.end += read;
        self.count += read as u64;
        if self.count > self.promise.size {
            let (layer, declared) = (self.promise.diff_id.clone(), self.promise.size);
            return Err(LayerError::TooLong { layer, declared }.into());
        }
        let event = Event::LayerBytes { diff_id: &self.promise.diff_id, bytes: read as u64 };
        progress::report(self.progress.as_ref(), event);
        Ok(true)
    }

    fn verify(&mut self) -> Result<(), LayerError> {
        let layer = self.promise.diff_id.clone();
        if self.count != self.promise.size {
            return Err(LayerError::Truncated { layer, declared: self.promise.size, actual: self.count });
        }
        let actual = Digest::from_sha256(self.hasher.finalize_reset().into());
        if let Some(expected) = self.promise.digest.clone().filter(|expected| *expected != actual) {
            return Err(LayerError::WrongDigest { layer, expected, actual });
        }
        self.digest = Some(actual);
        Ok(())
    }
}

impl BufRead for RawReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.more()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.end.min(self.start.saturating_add(amount));
    }
}

impl Read for RawReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}
