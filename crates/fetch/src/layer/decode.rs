//! From stored bytes to the verified tar: gzip (RFC 1952, any number of members), zstd (RFC 8878, any number of
//! frames), or as it is.

use std::io::{self, BufRead as _, Read};

use flate2::bufread::GzDecoder;
use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::LayerError;
use super::raw::RawReader;
use crate::progress::{self, Event};

/// Decompressed and hashed in pieces of this size, however small the caller's reads are.
const CHUNK_BYTES: usize = 64 << 10;

/// Enough bytes to recognise a tar header.
const MAGIC_BYTES: usize = 512;

/// The uncompressed tar of one layer.
pub(super) struct LayerReader {
    stage: Stage,
    chunk: Box<[u8]>,
    start: usize,
    end: usize,
    hasher: Sha256,
    diff_id: Digest,
    zstd_window_log: u32,
    /// A complaint that came behind good bytes, which are handed out first.
    fault: Option<io::Error>,
}

enum Stage {
    /// Nothing was read yet.
    Fresh(RawReader),
    Plain(RawReader),
    Gzip(Box<GzDecoder<RawReader>>),
    Zstd(Box<zstd::Decoder<'static, RawReader>>),
    Verified,
    Failed,
}

impl LayerReader {
    pub(super) fn new(raw: RawReader, zstd_window_log: u32) -> Self {
        Self {
            diff_id: raw.promise().diff_id.clone(),
            stage: Stage::Fresh(raw),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            hasher: Sha256::new(),
            zstd_window_log,
            fault: None,
        }
    }

    /// Refills the chunk. It stays empty at the verified end.
    fn refill(&mut self) -> io::Result<()> {
        (self.start, self.end) = (0, 0);
        loop {
            match std::mem::replace(&mut self.stage, Stage::Failed) {
                Stage::Verified => {
                    self.stage = Stage::Verified;
                    return Ok(());
                }
                Stage::Failed => return Err(LayerError::Failed { layer: self.diff_id.clone() }.into()),
                Stage::Fresh(raw) => self.stage = recognise(raw, self.zstd_window_log)?,
                Stage::Plain(mut raw) => {
                    self.end = raw.read(&mut self.chunk)?;
                    if self.end > 0 {
                        self.stage = Stage::Plain(raw);
                        return Ok(());
                    }
                    let actual = raw.digest().cloned();
                    self.finish(&raw, actual)?;
                }
                Stage::Gzip(mut decoder) => match self.decode(&mut decoder) {
                    (0, Ok(())) => {
                        let mut raw = decoder.into_inner();
                        // Another member follows only if it looks like one; padding and rubbish behind the last
                        // member are not content, but are part of the stored bytes.
                        if raw.fill_buf()?.first() == Some(&0x1f) {
                            self.stage = Stage::Gzip(Box::new(GzDecoder::new(raw)));
                        } else {
                            raw.drain()?;
                            let actual = Digest::from_sha256(self.hasher.finalize_reset().into());
                            self.finish(&raw, Some(actual))?;
                        }
                    }
                    (0, Err(error)) => return Err(self.explain("gzip", error, decoder.into_inner())),
                    (count, result) => {
                        self.fault = result.err();
                        self.accept(count, Stage::Gzip(decoder));
                        return Ok(());
                    }
                },
                Stage::Zstd(mut decoder) => match self.decode(&mut decoder) {
                    (0, Ok(())) => {
                        let mut raw = decoder.finish();
                        raw.drain()?;
                        let actual = Digest::from_sha256(self.hasher.finalize_reset().into());
                        self.finish(&raw, Some(actual))?;
                    }
                    (0, Err(error)) => return Err(self.explain("zstd", error, decoder.finish())),
                    (count, result) => {
                        self.fault = result.err();
                        self.accept(count, Stage::Zstd(decoder));
                        return Ok(());
                    }
                },
            }
        }
    }

    /// Fills the chunk as far as possible. An error may come behind good bytes; it is to be kept, because a
    /// decompressor does not repeat it.
    fn decode(&mut self, decoder: &mut impl Read) -> (usize, io::Result<()>) {
        if let Some(fault) = self.fault.take() {
            return (0, Err(fault));
        }
        let mut count = 0;
        while count < self.chunk.len() {
            match decoder.read(&mut self.chunk[count..]) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (count, Err(error)),
            }
        }
        (count, Ok(()))
    }

    fn accept(&mut self, count: usize, stage: Stage) {
        self.hasher.update(&self.chunk[..count]);
        self.end = count;
        self.stage = stage;
    }

    /// The content came to its end: is it the promised one?
    fn finish(&mut self, raw: &RawReader, actual: Option<Digest>) -> Result<(), LayerError> {
        let layer = self.diff_id.clone();
        let actual = actual.ok_or(LayerError::Failed { layer: layer.clone() })?;
        if actual != layer {
            return Err(LayerError::WrongDiffId { layer, actual });
        }
        progress::report(raw.progress(), Event::LayerVerified { diff_id: &layer });
        self.stage = Stage::Verified;
        Ok(())
    }

    /// Finds the cause of a decompressor's complaint: if the stored bytes are wrong, that is what is wrong.
    fn explain(&self, format: &'static str, source: io::Error, mut raw: RawReader) -> io::Error {
        if raw.has_failed() {
            return source;
        }
        match raw.drain() {
            Err(error) => error,
            Ok(()) => LayerError::Decompress { layer: self.diff_id.clone(), format, source }.into(),
        }
    }
}

impl Read for LayerReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.start == self.end {
            self.refill()?;
        }
        let ready = &self.chunk[self.start..self.end];
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.start += count;
        Ok(count)
    }
}

fn recognise(mut raw: RawReader, zstd_window_log: u32) -> io::Result<Stage> {
    let layer = raw.promise().diff_id.clone();
    let magic = raw.peek(MAGIC_BYTES)?;
    let is_tar = magic.get(257..262) == Some(b"ustar");
    match *magic {
        [0x1f, 0x8b, ..] => Ok(Stage::Gzip(Box::new(GzDecoder::new(raw)))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let fail = |source| LayerError::Decompress { layer: layer.clone(), format: "zstd", source };
            let mut decoder = zstd::Decoder::with_buffer(raw).map_err(fail)?;
            decoder.window_log_max(zstd_window_log).map_err(fail)?;
            Ok(Stage::Zstd(Box::new(decoder)))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(LayerError::Unsupported { layer, format: "xz" }.into()),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] if !is_tar => {
            Err(LayerError::Unsupported { layer, format: "bzip2" }.into())
        }
        _ => Ok(Stage::Plain(raw)),
    }
}
