//! What a manifest promises of a layer's table of contents: annotations of the layer's descriptor.

use std::ops::Range;

use killick_model::digest::Digest;

/// Of eStargz: the digest of the list as JSON.
const ESTARGZ: &str = "containerd.io/snapshot/stargz/toc.digest";

/// Of zstd:chunked, by two writers: the digest of the list as stored, and `OFFSET:BYTES:UNPACKED:TYPE`.
const ZSTD_CHUNKED: [(&str, &str); 2] = [
    ("io.github.containers.zstd-chunked.manifest-checksum", "io.github.containers.zstd-chunked.manifest-position"),
    ("io.containers.zstd-chunked.manifest-checksum", "io.containers.zstd-chunked.manifest-position"),
];

/// The one type of list that there is.
const TYPE: u64 = 1;

/// A table of contents that can be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TablePromise {
    pub(super) digest: Digest,
    pub(super) position: Position,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// Where the end of the layer says: eStargz.
    Footer,
    /// In a frame of zstd:chunked.
    Frame { stored: Range<u64>, unpacked: u64 },
}

impl TablePromise {
    /// Reads the annotations. A layer with two tables could be read in two ways, so it counts as one without.
    pub(crate) fn read<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let estargz =
            annotation(ESTARGZ).map(|digest| Some(Self { digest: digest.parse().ok()?, position: Position::Footer }));
        let chunked = ZSTD_CHUNKED.iter().filter_map(|(checksum, position)| {
            let digest = annotation(checksum)?;
            let position = annotation(position).and_then(self::position);
            Some(digest.parse().ok().zip(position).map(|(digest, position)| Self { digest, position }))
        });
        let mut all = estargz.into_iter().chain(chunked);
        let first = all.next()?;
        first.filter(|_| all.next().is_none())
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }
}

fn position(text: &str) -> Option<Position> {
    let numbers: Vec<u64> = text.split(':').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [offset, bytes, unpacked, TYPE] = numbers[..] else { return None };
    Some(Position::Frame { stored: offset..offset.checked_add(bytes)?, unpacked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_read() {
        let digest = Digest::of(b"x");
        let text = digest.to_string();
        let read = |all: &[(&str, &str)]| {
            let find = |key: &str| all.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            TablePromise::read(find).map(|promise| promise.position)
        };
        let frame = Some(Position::Frame { stored: 7..10, unpacked: 9 });
        let [(checksum, place), (other_checksum, other_place)] = ZSTD_CHUNKED;
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[(ESTARGZ, &text)]), Some(Position::Footer));
        assert_eq!(read(&[(ESTARGZ, "sha512:00")]), None);
        assert_eq!(read(&[(checksum, &text), (place, "7:3:9:1")]), frame);
        assert_eq!(read(&[(other_checksum, &text), (other_place, "7:3:9:1")]), frame);
        assert_eq!(read(&[(checksum, &text)]), None, "it is not said where");
        assert_eq!(read(&[(place, "7:3:9:1")]), None, "it cannot be verified");
        assert_eq!(read(&[(checksum, &text), (place, "7:3:9:1"), (ESTARGZ, &text)]), None, "which of them?");
        for odd in ["", "7:3:9", "7:3:9:2", "7:3:9:1:1", "-7:3:9:1", "18446744073709551615:3:9:1", "7:3:9:1 "] {
            assert_eq!(read(&[(checksum, &text), (place, odd)]), None, "{odd}");
        }
    }
}
