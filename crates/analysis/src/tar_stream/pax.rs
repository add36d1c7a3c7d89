//! Records of pax extended headers (POSIX.1-2017, "pax Extended Header"), and those GNU tar adds for files with holes.

use super::sparse;

/// What extended headers say of the entry that follows them.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    sparse: SparseRecords,
}

/// The `GNU.sparse` records.
#[derive(Debug, Default)]
struct SparseRecords {
    major: Option<Vec<u8>>,
    minor: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    size: Option<u64>,
    real_size: Option<u64>,
    blocks: Option<u64>,
    /// Offsets and lengths of the forms 0.0 and 0.1.
    numbers: Option<Vec<u64>>,
}

/// How an entry is sparse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sparse {
    pub(super) size: u64,
    pub(super) name: Option<Vec<u8>>,
    /// The map; in form 1.0 it precedes the content.
    pub(super) regions: Option<Vec<(u64, u64)>>,
}

impl Extended {
    /// The records of one header, `LENGTH KEY=VALUE\n`; `None` if one is malformed.
    pub(super) fn read(mut records: &[u8]) -> Option<Self> {
        let mut extended = Self::default();
        while !records.is_empty() {
            let blank = records.iter().position(|&byte| byte == b' ')?;
            let length: usize = number(records.get(..blank)?)?;
            let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
            records = records.get(length..)?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            extended.record(record.get(..equals)?, record.get(equals + 1..)?)?;
        }
        Some(extended)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        // An empty value takes the record back.
        let text = || Some(value.to_vec()).filter(|value| !value.is_empty());
        match key {
            b"" => return None,
            b"path" | b"linkpath" | b"GNU.sparse.name" if value.contains(&0) => return None,
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => {
                let mut size: Option<i64> = None;
                set(&mut size, value)?;
                self.size = size.map(i64::cast_unsigned);
            }
            b"uid" => set(&mut self.uid, value)?,
            b"gid" => set(&mut self.gid, value)?,
            _ => self.sparse.record(key.strip_prefix(b"GNU.sparse.").unwrap_or_default(), value)?,
        }
        Some(())
    }

    /// Whether and how the entry is sparse, whose header says `size`. Forms that nobody knows are no forms, as in Go.
    pub(super) fn take_sparse(&mut self, size: u64) -> Result<Option<Sparse>, &'static str> {
        let records = std::mem::take(&mut self.sparse);
        let version = (records.major.as_deref(), records.minor.as_deref());
        let is_leading = match version {
            (Some(b"1"), Some(b"0")) => true,
            (Some(b"0"), Some(b"0" | b"1")) => false,
            (None, None) if records.numbers.is_some() => false,
            _ => return Ok(None),
        };
        let size = records.size.or(records.real_size).or(self.size).unwrap_or(size);
        if is_leading {
            return Ok(Some(Sparse { size, name: records.name, regions: None }));
        }
        let regions = sparse::regions(&records.numbers.unwrap_or_default());
        let regions = regions.filter(|regions| records.blocks.is_none_or(|blocks| blocks == regions.len() as u64));
        let regions = regions.ok_or("the map of a file with holes is malformed")?;
        Ok(Some(Sparse { size, name: records.name, regions: Some(regions) }))
    }
}

impl SparseRecords {
    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = || Some(value.to_vec()).filter(|value| !value.is_empty());
        match key {
            b"major" => self.major = text(),
            b"minor" => self.minor = text(),
            b"name" => self.name = text(),
            b"size" => set(&mut self.size, value)?,
            b"realsize" => set(&mut self.real_size, value)?,
            b"numblocks" => set(&mut self.blocks, value)?,
            b"offset" | b"numbytes" => {
                let numbers = self.numbers.get_or_insert_default();
                let is_offset = numbers.len().is_multiple_of(2);
                if is_offset != (key == b"offset") {
                    return None;
                }
                numbers.push(number(value)?);
            }
            b"map" => {
                let parts = value.split(|&byte| byte == b',').filter(|part| !part.is_empty());
                let numbers = parts.map(number).collect::<Option<Vec<u64>>>()?;
                self.numbers = Some(numbers).filter(|numbers| !numbers.is_empty());
            }
            _ => {}
        }
        Some(())
    }
}

/// Sets a decimal number; an empty value takes the record back. `None` if it is neither.
fn set<T: std::str::FromStr>(field: &mut Option<T>, value: &[u8]) -> Option<()> {
    *field = if value.is_empty() { None } else { Some(number(value)?) };
    Some(())
}

/// A decimal number.
pub(super) fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_records_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Extended::read(&bytes);
        }
    }

    #[test]
    fn records() {
        let extended =
            Extended::read(b"12 path=a/b\n18 uid=4294967294\n8 uid=7\n7 uid=\n18 gid=4294967294\n8 size=\n").unwrap();
        assert_eq!((extended.path, extended.uid), (Some(b"a/b".to_vec()), None));
        assert_eq!((extended.gid, extended.size), (Some(4_294_967_294), None));
        for bad in [
            "99999999999999999999 path=x\n",
            "-5 path=x\n",
            "0 path=x\n",
            "10 path",
            "3 =\n",
            "12 path=a\0b\n",
            "11 size=-1\n",
            "23 GNU.sparse.offset=x\n",
            "25 GNU.sparse.numbytes=1\n",
        ] {
            assert!(Extended::read(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
