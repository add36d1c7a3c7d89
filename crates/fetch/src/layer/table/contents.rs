//! The contents of wanted files, one behind the other, each compared with its digest at its end.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use killick_model::digest::Digest;
use killick_model::listing::Unusable;
use sha2::{Digest as _, Sha256};

use super::build::{Piece, Table};
use super::parts::Parts;
use super::{Format, LayerError, unusable};
use crate::registry::RegistryError;

/// Reads files of a table in their order. Bytes are given out before they are verified; a reader that comes to its end
/// without an error has verified all.
pub(super) struct Contents {
    table: Arc<Table>,
    /// The files that are wanted, and which of them is next.
    files: Vec<u32>,
    next: usize,
    window_log: u32,
    diff_id: Digest,
    stored: Stored,
    file: Option<File>,
}

/// The stored bytes, or what unpacks them.
enum Stored {
    Raw(Box<Parts>),
    /// What is unpacked, where it began, and how much was unpacked.
    Gzip(Box<GzDecoder<Box<Parts>>>, u64, u64),
    Zstd(Box<zstd::Decoder<'static, Box<Parts>>>),
    /// Something failed.
    Lost,
}

/// The file that is being read.
struct File {
    number: u32,
    hasher: Sha256,
    /// Its pieces that are read, counting the current one.
    pieces: usize,
    /// Bytes of the current piece that are yet to come.
    left: u64,
    of_piece: Option<Sha256>,
    is_zeros: bool,
}

impl Contents {
    pub(super) fn new(parts: Parts, table: Arc<Table>, files: Vec<u32>, window_log: u32) -> Self {
        let diff_id = parts.diff_id().clone();
        let stored = Stored::Raw(Box::new(parts));
        Self { table, files, next: 0, window_log, diff_id, stored, file: None }
    }

    /// Goes to the next file, or to the next piece of the current one. False at the end of all.
    fn advance(&mut self) -> io::Result<bool> {
        let table = Arc::clone(&self.table);
        let mut file = if let Some(file) = self.file.take() {
            let Some(file) = self.end_piece(&table, file)? else { return Ok(true) };
            file
        } else {
            let Some(number) = self.files.get(self.next).copied() else { return Ok(false) };
            self.next += 1;
            File { number, hasher: Sha256::new(), pieces: 0, left: 0, of_piece: None, is_zeros: false }
        };
        if let Some(piece) = table.pieces(file.number).get(file.pieces) {
            if !piece.is_zeros {
                self.begin(piece)?;
            }
            file.left = piece.size;
            file.is_zeros = piece.is_zeros;
            file.of_piece = piece.sha256.filter(|_| !piece.is_zeros).map(|_| Sha256::new());
        }
        file.pieces += 1;
        self.file = Some(file);
        Ok(true)
    }

    /// Verifies the piece that came to its end, and the file if it was the last; gives the file if it was not.
    fn end_piece(&self, table: &Table, mut file: File) -> Result<Option<File>, LayerError> {
        let pieces = table.pieces(file.number);
        let read = file.pieces.checked_sub(1).and_then(|read| pieces.get(read));
        if let (Some(expected), Some(hasher)) = (read.and_then(|piece| piece.sha256), file.of_piece.take()) {
            self.compare(file.number, expected, hasher)?;
        }
        if file.pieces < pieces.len() {
            return Ok(Some(file));
        }
        let expected = table.entries().get(file.number as usize).map(|entry| entry.sha256);
        self.compare(file.number, expected.unwrap_or_default(), file.hasher)?;
        Ok(None)
    }

    /// Brings the decompressor to the beginning of a piece.
    fn begin(&mut self, piece: &Piece) -> io::Result<()> {
        let mut parts = match std::mem::replace(&mut self.stored, Stored::Lost) {
            // More than one file may be packed together.
            Stored::Gzip(decoder, first, unpacked) if first == piece.first && unpacked <= piece.inner => {
                self.stored = Stored::Gzip(decoder, first, unpacked);
                return self.pass_over(piece.inner.saturating_sub(unpacked));
            }
            Stored::Gzip(decoder, ..) => decoder.into_inner(),
            Stored::Zstd(decoder) => decoder.finish(),
            Stored::Raw(parts) => parts,
            Stored::Lost => return Err(self.lost()),
        };
        parts.go_to(piece.first..piece.end)?;
        self.stored = match self.table.format {
            Format::Estargz => Stored::Gzip(Box::new(GzDecoder::new(parts)), piece.first, 0),
            Format::ZstdChunked => {
                let mut decoder = zstd::Decoder::with_buffer(parts)?;
                decoder.window_log_max(self.window_log)?;
                Stored::Zstd(Box::new(decoder))
            }
        };
        self.pass_over(piece.inner)
    }

    fn pass_over(&mut self, mut count: u64) -> io::Result<()> {
        let mut rest = [0; 8 << 10];
        while count > 0 {
            let room = usize::try_from(count).unwrap_or(usize::MAX).min(rest.len());
            let passed = self.unpack(rest.get_mut(..room).unwrap_or_default())?;
            count = count.saturating_sub(passed as u64);
        }
        Ok(())
    }

    /// Unpacks at least one byte.
    fn unpack(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let outcome = match &mut self.stored {
            Stored::Gzip(decoder, _, unpacked) => {
                decoder.read(out).inspect(|count| *unpacked = unpacked.saturating_add(*count as u64))
            }
            Stored::Zstd(decoder) => decoder.read(out),
            Stored::Raw(_) | Stored::Lost => return Err(self.lost()),
        };
        match outcome {
            Ok(0) => Err(unusable("a file is not where it says")),
            // What the source of the bytes says stands as it is.
            Err(error) if Unusable::is_in(&error) || is_registrys(&error) => Err(error),
            Err(error) => Err(unusable(format!("a file is not where it says: {error}"))),
            outcome => outcome,
        }
    }

    fn compare(&self, number: u32, expected: [u8; 32], hasher: Sha256) -> Result<(), LayerError> {
        let actual: [u8; 32] = hasher.finalize().into();
        if actual == expected {
            return Ok(());
        }
        let path = self.table.entries().get(number as usize).map(|entry| String::from_utf8_lossy(&entry.path));
        Err(LayerError::WrongContent {
            layer: self.diff_id.clone(),
            path: path.unwrap_or_default().into_owned(),
            expected: Digest::from_sha256(expected),
            actual: Digest::from_sha256(actual),
        })
    }

    fn lost(&self) -> io::Error {
        LayerError::Failed { layer: self.diff_id.clone() }.into()
    }

    fn try_read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if matches!(self.stored, Stored::Lost) {
            return Err(self.lost());
        }
        loop {
            let Some(file) = self.file.as_ref().filter(|file| file.left > 0) else {
                if self.advance()? {
                    continue;
                }
                return Ok(0);
            };
            let room = usize::try_from(file.left).unwrap_or(usize::MAX).min(out.len());
            let out = out.get_mut(..room).unwrap_or_default();
            if out.is_empty() {
                return Ok(0);
            }
            let count = if file.is_zeros {
                out.fill(0);
                out.len()
            } else {
                self.unpack(out)?
            };
            let bytes = out.get(..count).unwrap_or_default();
            if let Some(file) = &mut self.file {
                file.hasher.update(bytes);
                if let Some(hasher) = &mut file.of_piece {
                    hasher.update(bytes);
                }
                file.left = file.left.saturating_sub(count as u64);
            }
            return Ok(count);
        }
    }
}

fn is_registrys(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<RegistryError>()).is_some()
}

impl Read for Contents {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let outcome = self.try_read(out);
        if outcome.is_err() {
            self.stored = Stored::Lost;
        }
        outcome
    }
}
