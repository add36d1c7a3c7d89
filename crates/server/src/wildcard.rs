//! Patterns with `*`, as rules of the archive and roles on resources write them.

/// Whether a text is as the pattern says, in which `*` stands for any characters.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while let Some(letter) = text.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if wanted == letter => {
                at += 1;
                seen += 1;
            }
            _ => {
                // The last star takes one letter more.
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, seen) = (place + 1, taken + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|letter| *letter == b'*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("*web", "shop/web", true),
            ("*a*b*", "xaybz", true),
            ("*a*b*", "xbya", false),
            ("?", "a", false),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn patterns_end(pattern in "[a*]{0,30}", text in "a{0,40}b?") {
            let only_stars = pattern.chars().all(|letter| letter == '*');
            let fitting = fits(&pattern, &text);
            prop_assert!(!only_stars || pattern.is_empty() || fitting);
        }
    }
}
