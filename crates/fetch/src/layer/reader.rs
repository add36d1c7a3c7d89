//! The verified tar of a layer: decompressed on one thread, hashed and handed out on the reader's, which parses it
//! meanwhile. Together they are about as fast as the slower one.
//!
//! A few buffers go round between the two, so memory is bounded and neither runs ahead of the other.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::LayerError;
use super::decode::Decoder;
use crate::progress::{self, Event, Progress};

const BUFFER_BYTES: usize = 256 << 10;
const BUFFERS: usize = 4;

/// What the decompressing thread says.
enum Piece {
    /// More of the tar.
    Bytes(Vec<u8>),
    /// Its end, with its digest if that is known already: that of the stored bytes, if those are the tar.
    End(Option<Digest>),
}

/// A reader that comes to its end without an error has verified the diffID.
pub(super) struct LayerReader {
    filled: Receiver<io::Result<Piece>>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    state: State,
    diff_id: Digest,
    progress: Option<Arc<dyn Progress>>,
}

enum State {
    Reading(Sha256),
    Verified,
    Failed,
}

impl LayerReader {
    /// Starts to decompress. The error is that there is no thread.
    pub(super) fn start(
        decoder: Decoder,
        diff_id: Digest,
        progress: Option<Arc<dyn Progress>>,
    ) -> io::Result<LayerReader> {
        let (filled_in, filled) = sync_channel(BUFFERS);
        let (empty, empty_out) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // There is room for all of them.
            let _ = empty.send(Vec::new());
        }
        // It ends with the layer, or when the reader is dropped and nobody takes its buffers any more.
        thread::Builder::new().name("layer".to_owned()).spawn(move || fill(decoder, &empty_out, &filled_in))?;
        let state = State::Reading(Sha256::new());
        Ok(LayerReader { filled, empty, current: Vec::new(), at: 0, state, diff_id, progress })
    }

    /// Takes the next piece. Whatever goes wrong, the reader stays failed.
    fn next(&mut self) -> io::Result<()> {
        let hasher = match std::mem::replace(&mut self.state, State::Failed) {
            State::Reading(hasher) => hasher,
            State::Verified => {
                self.state = State::Verified;
                return Ok(());
            }
            State::Failed => return Err(self.failed().into()),
        };
        // The other thread ends with a word, unless it panics.
        let piece = self.filled.recv().map_err(|_| io::Error::from(self.failed()))??;
        self.state = match piece {
            Piece::Bytes(bytes) => {
                self.at = 0;
                // The other thread may have ended, which the next turn tells.
                let _ = self.empty.send(std::mem::replace(&mut self.current, bytes));
                State::Reading(hasher.chain_update(&self.current))
            }
            Piece::End(known) => {
                let actual = known.unwrap_or_else(|| Digest::from_sha256(hasher.finalize().into()));
                if actual != self.diff_id {
                    return Err(LayerError::WrongDiffId { layer: self.diff_id.clone(), actual }.into());
                }
                progress::report(self.progress.as_ref(), Event::LayerVerified { diff_id: &self.diff_id });
                State::Verified
            }
        };
        Ok(())
    }

    fn failed(&self) -> LayerError {
        LayerError::Failed { layer: self.diff_id.clone() }
    }
}

/// Fills buffers until the layer or the interest in it ends.
fn fill(mut decoder: Decoder, empty: &Receiver<Vec<u8>>, filled: &SyncSender<io::Result<Piece>>) {
    for mut buffer in empty {
        buffer.resize(BUFFER_BYTES, 0);
        let piece = decoder.fill(&mut buffer).map(|count| {
            buffer.truncate(count);
            if count > 0 { Piece::Bytes(buffer) } else { Piece::End(decoder.stored_tar()) }
        });
        let is_last = !matches!(piece, Ok(Piece::Bytes(_)));
        if filled.send(piece).is_err() || is_last {
            return;
        }
    }
}

impl BufRead for LayerReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.current.len() {
            self.next()?;
        }
        Ok(self.current.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }
}

impl Read for LayerReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}
