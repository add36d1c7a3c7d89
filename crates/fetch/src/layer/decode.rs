//! From stored bytes to the tar: gzip (RFC 1952, any number of members), zstd (RFC 8878, any number of
//! frames), or as it is.

use std::io::{self, BufRead as _, Read};

use flate2::bufread::GzDecoder;
use killick_model::digest::Digest;

use super::LayerError;
use super::raw::RawReader;

/// Enough bytes to recognise a tar header.
const MAGIC_BYTES: usize = 512;

/// Decompresses the stored bytes of one layer, and verifies those.
pub(super) struct Decoder {
    stage: Stage,
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
    /// The stored bytes came to their end and are the promised ones. If they are the tar, this is its digest.
    Ended(Option<Digest>),
    Failed,
}

impl Decoder {
    pub(super) fn new(raw: RawReader, zstd_window_log: u32) -> Self {
        Self { diff_id: raw.promise().diff_id.clone(), stage: Stage::Fresh(raw), zstd_window_log, fault: None }
    }

    /// The digest of the tar, where the stored bytes are the tar and came to their end.
    pub(super) fn stored_tar(&self) -> Option<Digest> {
        match &self.stage {
            Stage::Ended(digest) => digest.clone(),
            _ => None,
        }
    }

    /// Fills the buffer as far as possible, and not at all at the end of the layer.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Failed) {
                Stage::Ended(digest) => {
                    self.stage = Stage::Ended(digest);
                    return Ok(0);
                }
                Stage::Failed => return Err(LayerError::Failed { layer: self.diff_id.clone() }.into()),
                Stage::Fresh(raw) => self.stage = recognise(raw, self.zstd_window_log)?,
                Stage::Plain(mut raw) => {
                    let count = raw.read(buffer)?;
                    if count > 0 {
                        self.stage = Stage::Plain(raw);
                        return Ok(count);
                    }
                    self.stage = Stage::Ended(raw.digest().cloned());
                }
                Stage::Gzip(mut decoder) => match self.decode(&mut decoder, buffer) {
                    (0, Ok(())) => {
                        let mut raw = decoder.into_inner();
                        // Another member follows only if it looks like one; padding and rubbish behind the last
                        // member are not content, but are part of the stored bytes.
                        if raw.fill_buf()?.first() == Some(&0x1f) {
                            self.stage = Stage::Gzip(Box::new(GzDecoder::new(raw)));
                        } else {
                            raw.drain()?;
                            self.stage = Stage::Ended(None);
                        }
                    }
                    (0, Err(error)) => return Err(self.explain("gzip", error, decoder.into_inner())),
                    (count, result) => {
                        self.fault = result.err();
                        self.stage = Stage::Gzip(decoder);
                        return Ok(count);
                    }
                },
                Stage::Zstd(mut decoder) => match self.decode(&mut decoder, buffer) {
                    (0, Ok(())) => {
                        decoder.finish().drain()?;
                        self.stage = Stage::Ended(None);
                    }
                    (0, Err(error)) => return Err(self.explain("zstd", error, decoder.finish())),
                    (count, result) => {
                        self.fault = result.err();
                        self.stage = Stage::Zstd(decoder);
                        return Ok(count);
                    }
                },
            }
        }
    }

    /// Fills the buffer as far as possible. An error may come behind good bytes; it is to be kept, because a
    /// decompressor does not repeat it.
    fn decode(&mut self, decoder: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
        if let Some(fault) = self.fault.take() {
            return (0, Err(fault));
        }
        let mut count = 0;
        while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
            match decoder.read(rest) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (count, Err(error)),
            }
        }
        (count, Ok(()))
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
