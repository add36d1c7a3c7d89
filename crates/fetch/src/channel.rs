//! From the runtime to a blocking reader, through a short channel, so that what is read is never held in memory.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

/// Pieces between the network and the reader.
const PIECES: usize = 8;
/// Bytes of such a piece.
const PIECE_BYTES: usize = 64 << 10;

/// The end that is written to.
pub(crate) struct ChannelWriter(mpsc::Sender<io::Result<Bytes>>);

/// The end that is read from, outside the runtime.
pub(crate) struct ChannelReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

/// Both ends.
pub(crate) fn channel() -> (ChannelWriter, ChannelReader) {
    let (sender, receiver) = mpsc::channel(PIECES);
    (ChannelWriter(sender), ChannelReader { receiver, current: Bytes::new() })
}

impl ChannelWriter {
    /// Hands bytes over in small pieces. False if the reader is gone.
    pub(crate) async fn send(&self, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            if self.0.send(Ok(piece)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Ends with an error, which nobody hears if the reader is gone.
    pub(crate) async fn fail(self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        let _ = self.0.send(Err(io::Error::other(error))).await;
    }
}

impl Read for ChannelReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(Ok(bytes)) => self.current = bytes,
                Some(Err(error)) => return Err(error),
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(out.len());
        self.current.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
