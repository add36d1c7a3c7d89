//! Whatever compressed a kernel or a module, told by how it begins: gzip (RFC 1952), zstd (RFC 8878), xz (its format
//! specification).

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// Bytes of an unpacked module; with all symbols for debugging large ones have some ten million.
const MODULE_BYTES: u64 = 96 << 20;

/// Modules and kernels shrink to a third or a fifth.
const RATIO: u64 = 16;

/// Bytes of the window of zstd, as a power of two, and that xz may take in memory. Modules are packed so that a running
/// system can unpack them; xz packs kernels with 128 MiB since Linux 6.12 (`scripts/xz_wrap.sh`).
const ZSTD_WINDOW: u32 = 25;
const XZ_BYTES: u64 = 144 << 20;

/// Bytes that unpacking a module of `size` bytes may take.
pub(super) fn room(size: u64) -> u64 {
    likely(size).min(MODULE_BYTES)
}

/// Bytes beyond which what is packed in `size` bytes is no kernel and no module.
pub(super) fn likely(size: u64) -> u64 {
    size.saturating_mul(RATIO).saturating_add(1 << 20)
}

/// Reads what is unpacked; `None` if the bytes are not packed.
pub(super) fn unpacking<'a>(bytes: &'a [u8]) -> io::Result<Option<Box<dyn Read + 'a>>> {
    Ok(Some(match bytes {
        [0x1f, 0x8b, ..] => Box::new(GzDecoder::new(bytes)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            // Linux has what follows the frame for itself: the length of what was packed.
            Box::new(decoder.single_frame())
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let stream = Stream::new_stream_decoder(XZ_BYTES, CONCATENATED).map_err(io::Error::other)?;
            Box::new(XzDecoder::new_stream(bytes, stream))
        }
        _ => return Ok(None),
    }))
}

/// A module, unpacked.
pub(super) fn whole(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let damaged = |fault: io::Error| format!("damaged: {fault}");
    let Some(reader) = unpacking(bytes).map_err(damaged)? else { return Ok(Cow::Borrowed(bytes)) };
    let limit = room(bytes.len() as u64);
    let mut unpacked = Vec::new();
    reader.take(limit + 1).read_to_end(&mut unpacked).map_err(damaged)?;
    if unpacked.len() as u64 > limit {
        return Err(format!("larger than {limit} bytes when unpacked"));
    }
    Ok(Cow::Owned(unpacked))
}
