//! Statements over a fixed number of rows, written out when the crate is compiled, so that they stay static.
//!
//! A shorter batch is filled up by repeating its last row; the statements ignore what is there already.

/// Rows of one batch.
pub(crate) const ROWS: usize = 50;
/// Columns of a name that a package is looked up under: the identity, the ecosystem, the name. As many has its document: the
/// identity, the digest, the text.
pub(crate) const NAME_COLUMNS: usize = 10;
/// Columns of a name to look up, and of nothing but a number.
pub(crate) const WANTED_COLUMNS: usize = 2;
/// Columns of a number.
pub(crate) const NUMBER_COLUMN: usize = 1;
/// Columns of a package identity.
pub(crate) const PACKAGE_COLUMNS: usize = 8;
/// A digest.
pub(crate) const DIGEST_COLUMN: usize = 1;
/// Vulnerability and package.
pub(crate) const SEEN_COLUMNS: usize = 2;

/// Bytes of [`filled`].
pub(crate) const fn filled_length(before: &str, rows: usize, columns: usize, after: &str) -> usize {
    let mut length = before.len() + after.len();
    let mut number = 1;
    while number <= rows * columns {
        // A parameter, what stands before it, and the last bracket of a row.
        length +=
            2 + digits(number) + (number % columns == 0) as usize + (is_first(number, columns) && number > 1) as usize;
        number += 1;
    }
    length
}

/// `before ($1,$2),($3,$4) after`.
pub(crate) const fn filled<const LENGTH: usize>(
    before: &str,
    rows: usize,
    columns: usize,
    after: &str,
) -> [u8; LENGTH] {
    let (mut out, mut at) = copy([b' '; LENGTH], 0, before);
    let mut number = 1;
    while number <= rows * columns {
        let open = if !is_first(number, columns) {
            ",$"
        } else if number == 1 {
            "($"
        } else {
            ",($"
        };
        (out, at) = copy(out, at, open);
        let mut place = digits(number);
        let mut rest = number;
        while place > 0 {
            place -= 1;
            out[at + place] = b"0123456789"[rest % 10];
            rest /= 10;
        }
        at += digits(number);
        if number % columns == 0 {
            (out, at) = copy(out, at, ")");
        }
        number += 1;
    }
    copy(out, at, after).0
}

/// Whether a parameter begins a row.
const fn is_first(number: usize, columns: usize) -> bool {
    (number - 1).is_multiple_of(columns)
}

const fn copy<const LENGTH: usize>(mut out: [u8; LENGTH], at: usize, text: &str) -> ([u8; LENGTH], usize) {
    let mut index = 0;
    while index < text.len() {
        out[at + index] = text.as_bytes()[index];
        index += 1;
    }
    (out, at + text.len())
}

const fn digits(mut number: usize) -> usize {
    let mut count = 1;
    while number >= 10 {
        number /= 10;
        count += 1;
    }
    count
}

/// One statement over [`ROWS`] rows of so many columns, between two texts.
macro_rules! filled {
    ($columns:expr, $before:literal, $after:expr) => {{
        const BYTES: [u8; filled_length($before, ROWS, $columns, $after)] = filled($before, ROWS, $columns, $after);
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("texts and digits are UTF-8"),
        }
    }};
}

/// The rows in batches of exactly [`ROWS`].
pub(crate) fn batches<T>(rows: &[T]) -> impl Iterator<Item = impl Iterator<Item = &T>> {
    rows.chunks(ROWS).map(|batch| batch.iter().chain(std::iter::repeat_n(batch.last(), ROWS - batch.len()).flatten()))
}

#[cfg(test)]
mod tests {
    use super::{ROWS, batches, filled, filled_length};

    #[test]
    fn rows_are_written_out() {
        const LENGTH: usize = filled_length("values ", 6, 2, ";");
        let text = filled::<LENGTH>("values ", 6, 2, ";");
        let want = b"values ($1,$2),($3,$4),($5,$6),($7,$8),($9,$10),($11,$12);";
        assert_eq!(text.as_slice(), want.as_slice());
    }

    #[test]
    fn rows_may_have_one_column() {
        const LENGTH: usize = filled_length("values ", 10, 1, ";");
        let text = filled::<LENGTH>("values ", 10, 1, ";");
        let want = b"values ($1),($2),($3),($4),($5),($6),($7),($8),($9),($10);";
        assert_eq!(text.as_slice(), want.as_slice());
    }

    #[test]
    fn batches_are_full() {
        let rows: Vec<_> = (0..=ROWS).collect();
        let all: Vec<Vec<_>> = batches(&rows).map(|batch| batch.copied().collect()).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], rows[..ROWS]);
        assert_eq!(all[1], vec![ROWS; ROWS]);
        assert_eq!(batches::<u8>(&[]).count(), 0);
    }
}
