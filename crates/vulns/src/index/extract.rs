//! An index of some of the segments of another one, whose bytes are the same.

use std::fs::File;
use std::io::{self, Write as _};

use super::format::HEADER_BYTES;
use super::source::Source;
use super::write::{beginning, ending};
use super::{Index, IndexError, Manifest, Segment, encode};

/// Bytes that are copied at once.
const PIECE_BYTES: u64 = 1 << 20;

impl Index {
    /// The index without the segments that are not `wanted`. It is a file without a name, gone when it is dropped.
    pub fn extract(&self, wanted: impl Fn(&Segment) -> bool) -> Result<Self, IndexError> {
        let name = format!("part of {}", self.name);
        let write = |source| IndexError::Write { index: name.clone(), source };
        let mut file = tempfile::tempfile().map_err(write)?;
        file.write_all(&beginning()).map_err(write)?;
        let mut manifest = Manifest { built: self.manifest.built, segments: Vec::new() };
        let mut offset = HEADER_BYTES as u64;
        for (at, segment) in self.manifest.segments.iter().enumerate().filter(|(_, segment)| wanted(segment)) {
            let end = segment.end().ok_or_else(|| self.corrupt(at, "bytes", "it lies nowhere"))?;
            let mut from = segment.offset;
            while from < end {
                let to = from.saturating_add(PIECE_BYTES).min(end);
                file.write_all(&self.bytes(from..to)?).map_err(write)?;
                from = to;
            }
            manifest.segments.push(Segment { offset, ..segment.clone() });
            offset = offset.saturating_add(end.saturating_sub(segment.offset));
        }
        file.write_all(&ending(offset, encode(&manifest))).map_err(write)?;
        let source = measure(file).map_err(write)?;
        Self::new(name, source)
    }
}

fn measure(file: File) -> io::Result<Source> {
    let len = file.metadata()?.len();
    Ok(Source::File { file, len })
}
