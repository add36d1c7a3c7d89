//! The size of an image: the bytes of its layers' tars. Counted while they are read, remembered for the next image.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use killick_model::image::{LayerSource, StagedImage};
use killick_store::Result;

use crate::records::Records;

/// Bytes read of each layer.
type Counts = Vec<Arc<AtomicU64>>;

/// A layer whose bytes are counted.
struct Counted {
    source: Arc<dyn LayerSource>,
    bytes: Arc<AtomicU64>,
}

/// A reader that counts.
struct Counting {
    reader: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl LayerSource for Counted {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.bytes.store(0, Ordering::Relaxed);
        Ok(Box::new(Counting { reader: self.source.open()?, bytes: self.bytes.clone() }))
    }
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The same image with a counter at each layer.
pub(super) fn counted(mut image: StagedImage) -> (StagedImage, Counts) {
    let mut counts = Counts::new();
    for layer in &mut image.layers {
        let bytes = Arc::new(AtomicU64::new(0));
        layer.source = Arc::new(Counted { source: layer.source.clone(), bytes: bytes.clone() });
        counts.push(bytes);
    }
    (image, counts)
}

/// Adds up what was counted now or before. A layer nobody ever counted counts as its blob.
pub(super) async fn total(records: &Records, image: &StagedImage, counts: &Counts) -> Result<u64> {
    let mut total = 0_u64;
    for (layer, count) in image.layers.iter().zip(counts) {
        let bytes = match count.load(Ordering::Relaxed) {
            0 => records.layer_size(&layer.diff_id).await?.unwrap_or(layer.size),
            bytes => {
                records.keep_layer_size(&layer.diff_id, bytes).await?;
                bytes
            }
        };
        total = total.saturating_add(bytes);
    }
    Ok(total)
}
