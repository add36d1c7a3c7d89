//! Integers at offsets, in either byte order; `None` outside the bytes.

/// `length` bytes at `at`.
pub(super) fn slice(data: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    data.get(at..at.checked_add(length)?)
}

/// Two bytes at `at`.
pub(super) fn u16_at(data: &[u8], at: usize, big_endian: bool) -> Option<u16> {
    let bytes = slice(data, at, 2)?.try_into().ok()?;
    Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// Four bytes at `at`.
pub(super) fn u32_at(data: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let bytes = slice(data, at, 4)?.try_into().ok()?;
    Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

/// Four bytes at `at` as a position or length.
pub(super) fn size_at(data: &[u8], at: usize, big_endian: bool) -> Option<usize> {
    usize::try_from(u32_at(data, at, big_endian)?).ok()
}
