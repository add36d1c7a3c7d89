//! The bytes of a layer, counted against its limits.

use std::io::{self, BufRead, Read};

use crate::deadline::Deadline;
use crate::error::ReadError;
use crate::limits::Limits;

/// Bytes that any layer may have, however well it compresses.
const FREE_BYTES: u64 = 64 << 20;

/// What a layer stored in `stored_bytes` may have uncompressed by its ratio alone.
pub(super) fn by_ratio(stored_bytes: u64, limits: &Limits) -> u64 {
    stored_bytes.saturating_mul(limits.compression_ratio).max(FREE_BYTES)
}

/// Fails if a layer is already known to have more bytes than it may.
pub(super) fn check_size(bytes: u64, stored_bytes: u64, limits: &Limits) -> Result<(), ReadError> {
    if bytes > limits.layer_bytes {
        return Err(ReadError::Limit("limit-layer-bytes", limits.layer_bytes));
    }
    if bytes > by_ratio(stored_bytes, limits) {
        return Err(ReadError::Limit("limit-compression-ratio", limits.compression_ratio));
    }
    Ok(())
}

/// A limit on its way through readers that only know I/O errors.
#[derive(Debug, thiserror::Error)]
#[error("the limit `{name}` of {limit}")]
struct Hit {
    name: &'static str,
    limit: u64,
}

/// Fails on the first byte beyond a limit, or too late.
pub(super) struct Metered<'a, R> {
    inner: R,
    read: u64,
    /// What the layer may have by its ratio alone.
    by_ratio: u64,
    limits: &'a Limits,
    deadline: Deadline<'a>,
}

impl<'a, R> Metered<'a, R> {
    pub(super) fn new(inner: R, stored_bytes: u64, limits: &'a Limits, deadline: Deadline<'a>) -> Self {
        Self { inner, read: 0, by_ratio: by_ratio(stored_bytes, limits), limits, deadline }
    }
}

impl<R: BufRead> BufRead for Metered<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let ready = self.inner.fill_buf()?;
        if let Err(ReadError::Limit(name, limit)) = self.deadline.check() {
            return Err(io::Error::other(Hit { name, limit }));
        }
        // What is there counts before it is given out.
        let read = self.read.saturating_add(ready.len() as u64);
        if read > self.limits.layer_bytes {
            return Err(io::Error::other(Hit { name: "limit-layer-bytes", limit: self.limits.layer_bytes }));
        }
        if read > self.by_ratio {
            let limit = self.limits.compression_ratio;
            return Err(io::Error::other(Hit { name: "limit-compression-ratio", limit }));
        }
        Ok(ready)
    }

    fn consume(&mut self, count: usize) {
        self.read = self.read.saturating_add(count as u64);
        self.inner.consume(count);
    }
}

impl<R: BufRead> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// Gives a limit that travelled as an I/O error its name back.
pub(super) fn unwrap_limit(error: ReadError) -> ReadError {
    match &error {
        ReadError::Io(source) => match source.get_ref().and_then(|source| source.downcast_ref::<Hit>()) {
            Some(hit) => ReadError::Limit(hit.name, hit.limit),
            None => error,
        },
        _ => error,
    }
}
