//! Python regular expressions, anchored at the start as `re.match` does, with bounded size and steps.
//!
//! Bundles were written for Python's `re`. The dialects agree on nearly everything people write; what Python reads
//! otherwise (`\Z`, literal braces and brackets) is rewritten first. Look-around and backreferences, which bundles
//! use, need backtracking: such patterns run with a step limit, all others in linear time.

use std::collections::HashMap;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::{Arc, Mutex, PoisonError};

use fancy_regex::RegexBuilder;

/// Longest pattern that is compiled, in bytes.
const MAX_PATTERN: usize = 16 * 1024;
/// Largest compiled program, in bytes. `\w` takes some ten kilobytes, because it means Unicode.
const MAX_PROGRAM: usize = 256 * 1024;
/// Most different patterns of one bundle: with [`MAX_PROGRAM`] a bound on what a bundle may hold.
const MAX_PATTERNS: usize = 400;
/// Most backtracking steps for one text.
const MAX_STEPS: usize = 200_000;
/// Most backtracking steps for all the texts that one rule tries a pattern on.
const MAX_STEPS_OF_RULE: usize = 2_000_000_000;
/// Backtracking steps for one text, however many there are.
const MIN_STEPS: usize = 2_000;

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not compile.
    #[error("`{pattern}` is no regular expression: {reason}")]
    Malformed {
        /// The pattern, shortened.
        pattern: String,
        /// What the compiler says.
        reason: String,
    },
    /// The bundle has more patterns than are allowed.
    #[error("the regular expression `{pattern}` is one too many: a bundle may have {MAX_PATTERNS} different ones")]
    TooMany {
        /// The pattern, shortened.
        pattern: String,
    },
    /// It needs more steps than are allowed for one text.
    #[error("the regular expression `{pattern}` takes too many steps")]
    TooSlow {
        /// The pattern, shortened.
        pattern: String,
    },
}

/// Steps for one text of so many: the more there are, the fewer each may take. In halves, so that images of about the same
/// number of files take the same compiled pattern.
fn steps_for(texts: usize) -> usize {
    let steps = MAX_STEPS_OF_RULE.checked_div(texts).unwrap_or(MAX_STEPS);
    let mut halved = MAX_STEPS;
    while halved > steps && halved > MIN_STEPS {
        halved /= 2;
    }
    halved.max(MIN_STEPS)
}

/// A compiled regular expression that must match at the start of a text.
#[derive(Clone)]
pub struct StartRegex {
    source: Arc<str>,
    compiled: Arc<fancy_regex::Regex>,
}

impl StartRegex {
    /// Compiles a Python pattern.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Self::with_steps(pattern, MAX_STEPS)
    }

    fn with_steps(pattern: &str, steps: usize) -> Result<Self, PatternError> {
        let malformed = |reason: String| PatternError::Malformed { pattern: shorten(pattern), reason };
        if pattern.len() > MAX_PATTERN {
            return Err(malformed(format!("it is longer than {MAX_PATTERN} bytes")));
        }
        let translated = translate(pattern);
        let compile = |text: &str| {
            RegexBuilder::new(text)
                .backtrack_limit(steps)
                .delegate_size_limit(MAX_PROGRAM)
                .delegate_dfa_size_limit(MAX_PROGRAM)
                .build()
                .map_err(|error| malformed(error.to_string().lines().last().unwrap_or_default().trim().to_owned()))
        };
        // By itself first: `a)(b` must not become right by being wrapped.
        drop(compile(&translated)?);
        let compiled = compile(&format!("\\A(?:{translated})"))?;
        Ok(Self { source: pattern.into(), compiled: Arc::new(compiled) })
    }

    /// Whether it matches at the start of `text`.
    pub fn is_match(&self, text: &str) -> Result<bool, PatternError> {
        self.compiled.is_match(text).map_err(|_| PatternError::TooSlow { pattern: shorten(&self.source) })
    }
}

impl fmt::Display for StartRegex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.source)
    }
}

impl fmt::Debug for StartRegex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "StartRegex({:?})", self.source)
    }
}

/// The regular expressions of one bundle, each compiled once.
#[derive(Debug, Default)]
pub(crate) struct RegexCache(Mutex<HashMap<String, Result<Kept, PatternError>>>);

/// A pattern with as many steps as there may be, and with fewer as it was last asked for.
#[derive(Debug)]
struct Kept {
    usual: StartRegex,
    fewer: Option<(usize, StartRegex)>,
}

impl RegexCache {
    /// The compiled form of `pattern`.
    pub(crate) fn get(&self, pattern: &str) -> Result<StartRegex, PatternError> {
        self.get_for(pattern, 1)
    }

    /// The same for a rule that tries it on so many texts.
    pub(crate) fn get_for(&self, pattern: &str, texts: usize) -> Result<StartRegex, PatternError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(pattern) {
            if known.len() >= MAX_PATTERNS {
                return Err(PatternError::TooMany { pattern: shorten(pattern) });
            }
            let usual = StartRegex::new(pattern);
            known.insert(pattern.to_owned(), usual.map(|usual| Kept { usual, fewer: None }));
        }
        let Some(kept) = known.get_mut(pattern) else { return StartRegex::new(pattern) };
        let kept = kept.as_mut().map_err(|error| error.clone())?;
        let steps = steps_for(texts);
        if steps == MAX_STEPS {
            return Ok(kept.usual.clone());
        }
        if let Some((_, regex)) = kept.fewer.as_ref().filter(|(known, _)| *known == steps) {
            return Ok(regex.clone());
        }
        let regex = StartRegex::with_steps(pattern, steps)?;
        kept.fewer = Some((steps, regex.clone()));
        Ok(regex)
    }
}

fn shorten(pattern: &str) -> String {
    pattern.chars().take(200).collect()
}

/// Rewrites what Python reads differently.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut letters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => escape(&mut letters, in_class, &mut out),
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket right at the beginning of a class stands for itself.
                if letters.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Nested classes and set operations exist in our dialect only.
            '[' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(letter);
            }
            '{' if !in_class && !is_quantifier(&letters) => out.push_str("\\{"),
            letter => out.push(letter),
        }
    }
    out
}

fn escape(letters: &mut Peekable<Chars<'_>>, in_class: bool, out: &mut String) {
    match letters.next() {
        Some('Z') if !in_class => out.push_str("\\z"),
        Some(letter @ ('<' | '>' | '"' | '\'' | '/' | ' ' | ',' | ':' | ';' | '=' | '@' | '!' | '%' | '`' | '_')) => {
            out.push(letter);
        }
        Some(letter) => {
            out.push('\\');
            out.push(letter);
        }
        None => out.push('\\'),
    }
}

/// Whether what follows a `{` is `m}`, `m,}`, `,n}` or `m,n}`.
fn is_quantifier(rest: &Peekable<Chars<'_>>) -> bool {
    let inner: Option<String> = {
        let mut taken = String::new();
        let mut closed = false;
        for letter in rest.clone().take(24) {
            if letter == '}' {
                closed = true;
                break;
            }
            taken.push(letter);
        }
        closed.then_some(taken)
    };
    let Some(inner) = inner else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        Some((low, high)) => digits(low) && digits(high) && !(low.is_empty() && high.is_empty()),
        None => !inner.is_empty() && digits(&inner),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bundle_cannot_hold_any_number_of_patterns() {
        let cache = RegexCache::default();
        for at in 0..MAX_PATTERNS {
            assert!(cache.get(&format!("a{at}")).is_ok());
        }
        assert!(cache.get("a0").is_ok(), "a known one is no new one");
        assert!(matches!(cache.get("b"), Err(PatternError::TooMany { .. })));
        assert!(StartRegex::new(r"(?:\w{25}){30}").is_err(), "nor a huge one");
    }

    #[test]
    fn patterns_mean_what_python_means() {
        for (pattern, text, want) in [
            ("pem", "/a/key.pem", false),
            (".*\\.pem", "/a/key.pem", true),
            ("/etc", "/etc/passwd", true),
            ("abc\\Z", "abcd", false),
            ("(?i)ABC", "abc", true),
            ("a{b}", "a{b}", true),
            ("a{2}", "aa", true),
            ("[]x]+", "]x", true),
            ("[[a]", "[", true),
            ("[a&&b]", "&", true),
            ("\\<a", "<a", true),
            ("(a)\\1", "aa", true),
            ("(?!root).*", "root", false),
            ("(?<=a)b", "ab", false),
            (".", "\n", false),
            ("a|b", "xb", false),
            ("", "anything", true),
        ] {
            let regex = StartRegex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(regex.is_match(text), Ok(want), "{pattern} on {text}");
        }
        for pattern in ["*\\.pem", "[", "a)|(b", "(", "a{99999999}"] {
            assert!(StartRegex::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn runaway_patterns_end() {
        let regex = StartRegex::new("(a*)*\\1b(?!c)").unwrap();
        assert!(matches!(regex.is_match(&"a".repeat(200)), Ok(false) | Err(PatternError::TooSlow { .. })));
    }

    #[test]
    fn steps_are_halved_until_they_are_few_enough() {
        for (texts, steps) in [
            (0, 200_000),
            (1, 200_000),
            (10_000, 200_000),
            (10_001, 100_000),
            (20_000, 100_000),
            (20_001, 50_000),
            (1_000_000, 2_000),
            (usize::MAX, 2_000),
        ] {
            assert_eq!(steps_for(texts), steps, "{texts}");
        }
    }

    #[test]
    fn what_is_compiled_is_kept() {
        let cache = RegexCache::default();
        for texts in [1, 10_001, 100_000] {
            let same = |one: &StartRegex, other: &StartRegex| Arc::ptr_eq(&one.compiled, &other.compiled);
            let regex = cache.get_for("a.*b", texts).unwrap();
            assert!(same(&regex, &cache.get_for("a.*b", texts).unwrap()), "{texts}");
        }
    }

    #[test]
    fn the_more_texts_the_fewer_steps() {
        // Backtracks over every way to split the text.
        let pattern = "(?:a|a)*(?!b)c";
        let text = "a".repeat(14);
        let cache = RegexCache::default();
        for _ in 0..2 {
            assert_eq!(cache.get_for(pattern, 10).unwrap().is_match(&text), Ok(false));
            let regex = cache.get_for(pattern, 10_000_000).unwrap();
            assert!(matches!(regex.is_match(&text), Err(PatternError::TooSlow { .. })));
        }
        let linear = cache.get_for("(?:a|a)*c", 10_000_000).unwrap();
        assert_eq!(linear.is_match(&text), Ok(false), "without look-around there is nothing to try again");
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[\\[\\](){}*+?|^$.,a-c0-9&~Z<\\\\-]{0,24}", text in "[a-c]{0,12}") {
            if let Ok(regex) = StartRegex::new(&pattern) {
                let _ = regex.is_match(&text);
            }
        }
    }
}
