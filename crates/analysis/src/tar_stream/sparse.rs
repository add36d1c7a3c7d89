//! Where the content of a file with holes lies (GNU tar manual, "Storing Sparse Files").

/// Regions of one file at most; two numbers each, as many as a mebibyte holds.
pub(super) const MAX_REGIONS: usize = 1 << 16;

/// The regions of one file that are stored; everything between them is zero.
#[derive(Debug)]
pub(super) struct Map {
    /// Offset and length, ascending.
    regions: Vec<(u64, u64)>,
    size: u64,
    /// The first region that is not behind the position.
    next: usize,
    position: u64,
}

/// What comes next of a file with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Hole(u64),
    Stored(u64),
    End,
}

impl Map {
    /// The map of a file of `size` bytes of which `stored` are stored; `None` where engines refuse it.
    pub(super) fn new(regions: Vec<(u64, u64)>, size: u64, stored: u64) -> Option<Self> {
        let (mut end, mut sum) = (0_u64, 0_u64);
        for (offset, length) in &regions {
            if *offset < end {
                return None;
            }
            end = offset.checked_add(*length)?;
            sum = sum.checked_add(*length)?;
        }
        (end <= size && sum == stored && i64::try_from(size).is_ok()).then_some(Self {
            regions,
            size,
            next: 0,
            position: 0,
        })
    }

    /// Bytes of the whole file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn piece(&mut self) -> Piece {
        while let Some((offset, length)) = self.regions.get(self.next) {
            // Offsets were checked against the size, so the sums stay within it.
            if self.position < *offset {
                return Piece::Hole(offset - self.position);
            }
            if self.position < offset + length {
                return Piece::Stored(offset + length - self.position);
            }
            self.next += 1;
        }
        if self.position < self.size { Piece::Hole(self.size - self.position) } else { Piece::End }
    }

    pub(super) fn advance(&mut self, count: u64) {
        self.position = self.position.saturating_add(count);
    }
}

/// Pairs of numbers as regions; `None` if one is left over or there are too many.
pub(super) fn regions(numbers: &[u64]) -> Option<Vec<(u64, u64)>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    (rest.is_empty() && pairs.len() <= MAX_REGIONS).then(|| pairs.iter().map(|[a, b]| (*a, *b)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut map: Map) -> Vec<Piece> {
        let mut pieces = Vec::new();
        loop {
            let piece = map.piece();
            match piece {
                Piece::End => return pieces,
                Piece::Hole(count) | Piece::Stored(count) => map.advance(count),
            }
            pieces.push(piece);
        }
    }

    #[test]
    fn holes_and_content_alternate() {
        use Piece::{Hole, Stored};
        for (regions, size, want) in [
            (vec![], 0, vec![]),
            (vec![], 5, vec![Hole(5)]),
            (vec![(0, 2), (2, 0), (4, 1)], 9, vec![Stored(2), Hole(2), Stored(1), Hole(4)]),
            (vec![(3, 1), (4, 0)], 4, vec![Hole(3), Stored(1)]),
        ] {
            let stored = regions.iter().map(|region: &(u64, u64)| region.1).sum();
            assert_eq!(pieces(Map::new(regions, size, stored).unwrap()), want);
        }
    }

    #[test]
    fn impossible_maps_are_refused() {
        assert!(regions(&[1, 2, 3]).is_none());
        for (regions, size, stored) in [
            (vec![(2, 2), (1, 1)], 9, 3),
            (vec![(0, 3), (2, 1)], 9, 4),
            (vec![(0, 10)], 9, 10),
            (vec![(u64::MAX, 2)], 9, 2),
            (vec![(0, 2)], 9, 3),
            (vec![], u64::MAX, 0),
        ] {
            assert!(Map::new(regions.clone(), size, stored).is_none(), "{regions:?}");
        }
    }
}
