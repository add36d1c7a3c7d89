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
    /// Takes the records of one header, `LENGTH KEY=VALUE\n`; `None` if one is malformed.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Option<()> {
        while !records.is_empty() {
            let blank = records.iter().position(|&byte| byte == b' ')?;
            let length: usize = number(records.get(..blank)?)?;
            let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
            records = records.get(length..)?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            self.record(record.get(..equals)?, record.get(equals + 1..)?)?;
        }
        Some(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        // An empty value takes the record back.
        let text = || Some(value.to_vec()).filter(|value| !value.is_empty());
        let size = || number(value).filter(|size| i64::try_from(*size).is_ok());
        match key {
            b"" => return None,
            b"path" | b"linkpath" | b"GNU.sparse.name" if value.contains(&0) => return None,
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = Some(size()?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            _ => self.sparse.record(key.strip_prefix(b"GNU.sparse.").unwrap_or_default(), value)?,
        }
        Some(())
    }

    /// Whether and how the entry is sparse. Forms that nobody knows are no forms, as in Go.
    pub(super) fn take_sparse(&mut self) -> Result<Option<Sparse>, &'static str> {
        let records = std::mem::take(&mut self.sparse);
        let version = (records.major.as_deref(), records.minor.as_deref());
        let is_leading = match version {
            (Some(b"1"), Some(b"0")) => true,
            (Some(b"0"), Some(b"0" | b"1")) => false,
            (None, None) if records.numbers.is_some() => false,
            _ => return Ok(None),
        };
        let size = records.size.or(self.size).unwrap_or(0);
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
        match key {
            b"major" => self.major = Some(value.to_vec()),
            b"minor" => self.minor = Some(value.to_vec()),
            b"name" => self.name = Some(value.to_vec()).filter(|name| !name.is_empty()),
            b"size" | b"realsize" => self.size = Some(number(value)?),
            b"numblocks" => self.blocks = Some(number(value)?),
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
                self.numbers = Some(parts.map(number).collect::<Option<Vec<u64>>>()?);
            }
            _ => {}
        }
        Some(())
    }
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
            let _ = Extended::default().read(&bytes);
        }
    }

    #[test]
    fn records() {
        let mut extended = Extended::default();
        assert!(extended.read(b"12 path=a/b\n18 uid=4294967294\n").is_some());
        assert_eq!((extended.path, extended.uid), (Some(b"a/b".to_vec()), Some(4_294_967_294)));
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
            assert!(Extended::default().read(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
