//! A database file as pages and numbers, either byte order.

/// Byte order of the numbers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16 bit number at an offset.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }

    /// The 32 bit number at an offset.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        })
    }
}

/// Pages of equal size, each handed out once.
///
/// In a sound database every page has one use. So a page asked for twice is a loop, or a claim to unpack one page
/// many times over; refusing it bounds all reading by the size of the file.
pub(crate) struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    taken: Vec<bool>,
}

impl<'a> Pages<'a> {
    /// Pages of `size` bytes, which must not be 0.
    pub(crate) fn new(bytes: &'a [u8], size: usize) -> Self {
        Self { bytes, size, taken: vec![false; bytes.len() / size] }
    }

    /// How many whole pages there are.
    pub(crate) fn count(&self) -> usize {
        self.taken.len()
    }

    /// The page, whether taken or not.
    pub(crate) fn get(&self, number: usize) -> Option<&'a [u8]> {
        let start = number.checked_mul(self.size)?;
        self.bytes.get(start..start.checked_add(self.size)?)
    }

    /// The page, if nobody took it before.
    pub(crate) fn take(&mut self, number: usize) -> Option<&'a [u8]> {
        let taken = self.taken.get_mut(number)?;
        if std::mem::replace(taken, true) {
            return None;
        }
        self.get(number)
    }
}
