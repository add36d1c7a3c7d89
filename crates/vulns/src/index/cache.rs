//! Decompressed blocks, kept as long as they are few.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::entries::{Entries, Malformed};

/// Which block: segment, table in the directory, block in the table.
pub(crate) type BlockId = (usize, usize, usize);

/// Bytes of decompressed blocks that are kept. Look-ups come in order, so starting over when full is good enough.
const CACHE_BYTES: usize = 48 << 20;

/// A decompressed block. Where its entries begin is found out when one is looked for the first time.
#[derive(Debug)]
pub(crate) struct Unpacked {
    bytes: Box<[u8]>,
    starts: OnceLock<Result<Box<[u32]>, Malformed>>,
}

impl Unpacked {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), starts: OnceLock::new() }
    }

    /// The value under `key`, if there is such an entry.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<&[u8]>, Malformed> {
        let starts = self.starts.get_or_init(|| starts(&self.bytes)).as_ref().map_err(|malformed| *malformed)?;
        let at = |start: u32| Entries::new(self.bytes.get(start as usize..)?).next()?.ok();
        let found = starts.binary_search_by(|start| at(*start).map_or(&[][..], |(found, _)| found).cmp(key));
        Ok(found.ok().and_then(|number| at(*starts.get(number)?)).map(|(_, value)| value))
    }
}

impl Deref for Unpacked {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

fn starts(block: &[u8]) -> Result<Box<[u32]>, Malformed> {
    let (mut starts, mut entries) = (Vec::new(), Entries::new(block));
    let mut start = 0;
    while let Some(place) = entries.next_place(block.len()) {
        starts.push(u32::try_from(start).map_err(|_| Malformed)?);
        start = place?.1.end;
    }
    Ok(starts.into())
}

#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    blocks: HashMap<BlockId, Arc<Unpacked>>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn get(&self, id: BlockId) -> Option<Arc<Unpacked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).blocks.get(&id).cloned()
    }

    pub(crate) fn put(&self, id: BlockId, block: &Arc<Unpacked>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes.saturating_add(block.len()) > CACHE_BYTES {
            kept.blocks.clear();
            kept.bytes = 0;
        }
        if kept.blocks.insert(id, Arc::clone(block)).is_none() {
            kept.bytes += block.len();
        }
    }
}
