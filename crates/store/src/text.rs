//! Texts of images as columns take them: images say what they like.

/// Bytes that are kept. Eight of them fit into the row of an index of PostgreSQL, which has 2704 bytes at most; no true
/// name, version or vendor is as long.
const MAX_BYTES: usize = 300;

/// The text without NUL, which PostgreSQL refuses, and not longer than an index takes.
#[must_use]
pub fn column(text: &str) -> String {
    let mut text = text.replace('\0', "");
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_column_takes_is_left_out() {
        for (text, want) in [("musl", "musl"), ("", ""), ("a\0b\0", "ab"), ("\0", "")] {
            assert_eq!(column(text), want);
        }
        assert_eq!(column(&"a".repeat(1000)).len(), MAX_BYTES);
        assert_eq!(column(&format!("a{}", "ä".repeat(1000))).len(), MAX_BYTES - 1, "letters stay whole");
    }
}
