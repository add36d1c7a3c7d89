//! Decompressing on one thread while another parses and hashes: together they are about as fast as the slower one.
//!
//! A few buffers go round between the two, so memory is bounded and neither runs ahead of the other.

use std::io::{self, BufRead, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

const BUFFER_BYTES: usize = 256 << 10;
const BUFFERS: usize = 4;

/// Runs `work` on the bytes of `input`, which another thread reads meanwhile. The error is that there is no thread.
pub(super) fn read_ahead<T>(input: impl Read + Send, work: impl FnOnce(ReadAhead) -> T) -> io::Result<T> {
    thread::scope(|scope| {
        let (filled_in, filled) = sync_channel(BUFFERS);
        let (empty, empty_out) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // There is room for all of them.
            let _ = empty.send(Vec::new());
        }
        let reading = thread::Builder::new().spawn_scoped(scope, move || read(input, &empty_out, &filled_in))?;
        // Dropped by `work`, which ends the other thread if it has not come to its end.
        let outcome = work(ReadAhead { filled, empty, current: Vec::new(), at: 0, has_ended: false });
        match reading.join() {
            Ok(()) => Ok(outcome),
            Err(panic) => resume_unwind(panic),
        }
    })
}

/// Fills buffers until the input or the interest in it ends.
fn read(mut input: impl Read, empty: &Receiver<Vec<u8>>, filled: &SyncSender<io::Result<Vec<u8>>>) {
    for mut buffer in empty {
        buffer.resize(BUFFER_BYTES, 0);
        let mut length = 0;
        let mut fault = None;
        while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match input.read(rest) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        buffer.truncate(length);
        // An empty buffer is the end.
        if (length > 0 || fault.is_none()) && filled.send(Ok(buffer)).is_err() {
            return;
        }
        if let Some(error) = fault {
            // Nobody may be listening any more, which is no matter.
            let _ = filled.send(Err(error));
            return;
        }
        if length == 0 {
            return;
        }
    }
}

/// The bytes that the other thread has read.
pub(super) struct ReadAhead {
    filled: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.current.len() && !self.has_ended {
            let next = self.filled.recv().map_err(|_| io::Error::other("the layer ended with an error before"))??;
            self.has_ended = next.is_empty();
            self.at = 0;
            // The other thread may have ended, which the next turn tells.
            let _ = self.empty.send(std::mem::replace(&mut self.current, next));
        }
        Ok(self.current.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }
}

impl Read for ReadAhead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_order_to_the_end() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let read = read_ahead(bytes.as_slice(), |mut reader| {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"");
            read
        });
        assert!(read.unwrap() == bytes);
    }

    #[test]
    fn an_endless_input_ends_with_the_interest() {
        assert_eq!(read_ahead(io::repeat(7), |mut reader| reader.fill_buf().unwrap()[0]).unwrap(), 7);
    }

    #[test]
    fn errors_come_after_the_bytes_before_them() {
        struct Broken(u32);
        impl Read for Broken {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                out.fill(1);
                if self.0 > 3 { Err(io::Error::other("broken")) } else { Ok(1000) }
            }
        }
        read_ahead(Broken(0), |mut reader| {
            let mut read = Vec::new();
            let error = reader.read_to_end(&mut read).unwrap_err();
            assert_eq!((read.len(), error.to_string().as_str()), (3000, "broken"));
            assert!(reader.fill_buf().is_err());
        })
        .unwrap();
    }
}
