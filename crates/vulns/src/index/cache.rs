//! Decompressed blocks, kept as long as they are few.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Which block: segment, table in the directory, block in the table.
pub(crate) type BlockId = (usize, usize, usize);

/// Bytes of decompressed blocks that are kept. Look-ups come in order, so starting over when full is good enough.
const CACHE_BYTES: usize = 48 << 20;

#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    blocks: HashMap<BlockId, Arc<[u8]>>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn get(&self, id: BlockId) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).blocks.get(&id).cloned()
    }

    pub(crate) fn put(&self, id: BlockId, block: &Arc<[u8]>) {
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
