//! The pattern language of mappings and allowlist items: `*`, and `regexp:` for a Python regular expression.
//!
//! A wildcard pattern must match the whole text; `*` is any run of characters without a line break, and nothing
//! else is special. A regular expression is anchored at the start only. Matching is case-sensitive.

use std::fmt;

use crate::regexes::{PatternError, RegexCache, StartRegex, Steps};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// Literal text with `*`.
    Wildcard(String),
    /// `regexp:` and what follows.
    Regex(StartRegex),
}

impl Pattern {
    /// Compiles `text`; only a `regexp:` pattern can fail.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        Self::compiled(text, StartRegex::new)
    }

    /// The same as one of the patterns of a bundle.
    pub(crate) fn of_bundle(text: &str, regexes: &RegexCache) -> Result<Self, PatternError> {
        Self::compiled(text, |pattern| regexes.get(pattern))
    }

    fn compiled(
        text: &str,
        compile: impl FnOnce(&str) -> Result<StartRegex, PatternError>,
    ) -> Result<Self, PatternError> {
        if text.trim_start().starts_with("regexp:") {
            // The original cuts seven characters before it looks at blanks; so patterns with leading blanks are
            // as broken here as there.
            let rest: String = text.chars().skip("regexp:".len()).collect();
            return compile(&rest).map(Self::Regex);
        }
        Ok(Self::Wildcard(text.to_owned()))
    }

    /// Whether `text` matches. A regular expression that gives up is an error.
    pub(crate) fn matches(&self, text: &str) -> Result<bool, PatternError> {
        self.matches_within(text, &Steps::new())
    }

    /// The same, with the steps that others took already.
    pub(crate) fn matches_within(&self, text: &str, steps: &Steps) -> Result<bool, PatternError> {
        match self {
            Self::Wildcard(pattern) => Ok(wildcard(pattern, text)),
            Self::Regex(regex) => regex.is_match_within(text, steps),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wildcard(pattern) => out.write_str(pattern),
            Self::Regex(regex) => write!(out, "regexp:{regex}"),
        }
    }
}

/// Whether the whole `text` matches `pattern`, in time proportional to the product of their lengths at worst.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where to resume: just after the last `*`, and the first byte that `*` does not yet cover.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, from));
            }
            Some(&want) if want == byte => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((after, covered)) if text.get(covered) != Some(&b'\n') => {
                    star = Some((after, covered + 1));
                    at = after;
                    from = covered + 1;
                }
                _ => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_documented() {
        for (pattern, text, want) in [
            ("docker.*", "docker.io", true),
            ("docker?io", "docker.io", false),
            ("DOCKER.IO", "docker.io", false),
            ("nginx", "library/nginx", false),
            ("library/*", "library/nginx", true),
            ("*nginx", "library/nginx", true),
            ("a/b/*", "a/b/c/d", true),
            ("*-dev", "1-dev", true),
            ("lat*", "latest", true),
            (" docker.io ", "docker.io", false),
            ("*", "", true),
            ("*", "a\nb", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("regexp:library/(nginx|redis)", "library/nginx", true),
            ("regexp:nginx", "library/nginx", false),
            ("regexp:library/ng", "library/nginx", true),
            ("CVE-1+*", "CVE-1+openssl", true),
            ("CVE-1+*", "CVE-10+openssl", false),
            ("CVE-?+openssl", "CVE-1+openssl", false),
            ("CVE-10+libstdc++", "CVE-10+libstdc++", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text).unwrap(), want, "{pattern} on {text}");
        }
        assert!(Pattern::new("regexp:[").is_err());
    }

    proptest! {
        #[test]
        fn any_pattern_and_text_are_survived(pattern in ".{0,40}", text in ".{0,40}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                let _ = pattern.matches(&text);
            }
            if let Ok(pattern) = Pattern::new(&format!("regexp:{pattern}")) {
                let _ = pattern.matches(&text);
            }
        }

        #[test]
        fn a_text_matches_itself_with_stars_put_in(text in "[a-c]{0,12}", cut in 0usize..12) {
            let cut = cut.min(text.len());
            let pattern = format!("{}*{}", &text[..cut], &text[cut..]);
            prop_assert!(wildcard(&pattern, &text));
        }
    }
}
