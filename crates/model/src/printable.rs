//! Text of strangers, made fit for a terminal.

use std::borrow::Cow;

/// `text` without characters that could rewrite the screen or hide what is written: control characters but for line
/// ends and tabs, and the invisible ones that reorder or join letters (Unicode bidirectional controls, zero-width
/// characters). Each becomes U+FFFD.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if is_plain(letter) { letter } else { '\u{fffd}' }).collect())
}

fn is_plain(letter: char) -> bool {
    match letter {
        '\n' | '\t' => true,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => false,
        letter => !letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rewrites_the_screen_is_replaced() {
        for (text, want) in [
            ("naïve\tline\n", "naïve\tline\n"),
            ("a\u{1b}[2Jb", "a\u{fffd}[2Jb"),
            ("x\u{202e}y\r", "x\u{fffd}y\u{fffd}"),
        ] {
            assert_eq!(printable(text), want);
        }
    }
}
