//! Python regular expressions, anchored at the start as `re.match` does, with bounded size and steps.
//!
//! Bundles were written for Python's `re`. The dialects agree on nearly everything people write; what Python reads
//! otherwise (`\Z`, literal braces and brackets) is rewritten first ([`dialect`]). Nearly all patterns take linear time.
//! Look-around and backreferences, which bundles use, need backtracking: such patterns take counted steps, of which
//! an evaluation has so many and no more ([`Steps`]).

mod dialect;
mod needles;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aho_corasick::AhoCorasick;

pub(crate) use dialect::translate;

/// Longest pattern that is compiled, in bytes.
const MAX_PATTERN: usize = 16 * 1024;
/// Largest compiled program, in bytes. `\w` takes some ten kilobytes, because it means Unicode.
const MAX_PROGRAM: usize = 256 * 1024;
/// Most instructions of a backtracking program, beside the linear programs it is made of.
const MAX_INSTRUCTIONS: usize = 20_000;
/// Most different patterns of one bundle: with [`MAX_PROGRAM`] a bound on what a bundle may hold.
pub(crate) const MAX_PATTERNS: usize = 400;
/// Backtracking steps of all patterns and texts of one evaluation together: some seconds at the very worst.
const MAX_STEPS: u64 = 20_000_000;
/// Backtracking steps for one text. The engine does not tell how many it took, so it is given few at first, and what it was
/// given counts.
const LIMITS: [u32; 7] = [16, 64, 256, 1024, 8192, 65_536, 262_144];
/// Bytes of a text for which a step counts once more: it may look at all of them.
const BYTES_OF_STEP: usize = 256;

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
    /// All steps of the evaluation were taken.
    #[error(
        "the regular expression `{pattern}` cannot be tried: those with look-around or backreferences took all \
         {MAX_STEPS} steps that one evaluation has"
    )]
    NoSteps {
        /// The pattern, shortened.
        pattern: String,
    },
}

/// Backtracking steps that patterns may still take.
#[derive(Debug)]
pub(crate) struct Steps(Cell<u64>);

impl Steps {
    /// Those of one evaluation.
    pub(crate) const fn new() -> Self {
        Self(Cell::new(MAX_STEPS))
    }

    /// Takes some, if there are so many. If not there are none any more, so that what comes next fails in the same way.
    fn take(&self, steps: u64) -> bool {
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// A compiled regular expression that must match at the start of a text.
#[derive(Clone)]
pub struct StartRegex {
    source: Arc<str>,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Linear(Arc<Linear>),
    Backtracking(Arc<Backtracking>),
}

/// A program, and what finds the texts that are worth trying, made when it is first needed.
struct Linear {
    regex: regex::Regex,
    translated: String,
    needles: OnceLock<Option<AhoCorasick>>,
}

/// The same program with more and more steps, each compiled when it is first needed.
struct Backtracking {
    translated: String,
    programs: [OnceLock<Option<fancy_regex::Regex>>; LIMITS.len()],
}

impl StartRegex {
    /// Compiles a Python pattern.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let malformed = |reason: String| PatternError::Malformed { pattern: shorten(pattern), reason };
        let told = |error: &dyn fmt::Display| {
            malformed(error.to_string().lines().last().unwrap_or_default().trim().to_owned())
        };
        if pattern.len() > MAX_PATTERN {
            return Err(malformed(format!("it is longer than {MAX_PATTERN} bytes")));
        }
        let translated = translate(pattern);
        // By itself, because `a)(b` must not become right by being wrapped.
        let parsed = fancy_regex::Expr::parse_tree(&translated).map_err(|error| told(&error))?;
        let source = Arc::from(pattern);
        // Only what gives nothing back has the same spelling in both engines and another meaning.
        let is_atomic = |node: &fancy_regex::Expr| matches!(node, fancy_regex::Expr::AtomicGroup(_));
        if !parsed.expr.has_descendant_or_self(is_atomic)
            && let Ok(regex) = regex::RegexBuilder::new(&anchored(&translated))
                .size_limit(MAX_PROGRAM)
                .dfa_size_limit(MAX_PROGRAM)
                .build()
        {
            let linear = Linear { regex, translated, needles: OnceLock::new() };
            return Ok(Self { source, engine: Engine::Linear(Arc::new(linear)) });
        }
        let programs: [OnceLock<_>; LIMITS.len()] = Default::default();
        if let (Some(program), Some(steps)) = (programs.first(), LIMITS.first()) {
            let compiled = backtracking(&translated, *steps).map_err(|error| told(&error))?;
            program.get_or_init(|| Some(compiled));
        }
        Ok(Self { source, engine: Engine::Backtracking(Arc::new(Backtracking { translated, programs })) })
    }

    /// What finds in many texts those that it may match: no other text has one of these needles.
    pub(crate) fn needles(&self) -> Option<&AhoCorasick> {
        match &self.engine {
            Engine::Linear(linear) => linear.needles.get_or_init(|| needles::of(&linear.translated)).as_ref(),
            Engine::Backtracking(_) => None,
        }
    }

    /// Whether it matches at the start of `text`.
    pub fn is_match(&self, text: &str) -> Result<bool, PatternError> {
        self.is_match_within(text, &Steps::new())
    }

    /// The same, with the steps that others took already.
    pub(crate) fn is_match_within(&self, text: &str, steps: &Steps) -> Result<bool, PatternError> {
        let backtracking = match &self.engine {
            Engine::Linear(linear) => return Ok(linear.regex.is_match(text)),
            Engine::Backtracking(backtracking) => backtracking,
        };
        let weight = u64::try_from(text.len() / BYTES_OF_STEP).unwrap_or(u64::MAX).saturating_add(1);
        for at in 0..LIMITS.len() {
            let Some((limit, program)) = backtracking.with_limit(at) else { break };
            if !steps.take(weight.saturating_mul(u64::from(limit))) {
                return Err(PatternError::NoSteps { pattern: shorten(&self.source) });
            }
            if let Ok(answer) = program.is_match(text) {
                return Ok(answer);
            }
        }
        Err(PatternError::TooSlow { pattern: shorten(&self.source) })
    }
}

impl Backtracking {
    /// The program that may take the `at`th number of steps, and the number.
    fn with_limit(&self, at: usize) -> Option<(u32, &fancy_regex::Regex)> {
        let (limit, program) = (*LIMITS.get(at)?, self.programs.get(at)?);
        let program = program.get_or_init(|| backtracking(&self.translated, limit).ok());
        Some((limit, program.as_ref()?))
    }
}

fn anchored(translated: &str) -> String {
    format!("\\A(?:{translated})")
}

fn backtracking(translated: &str, steps: u32) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(&anchored(translated))
        .backtrack_limit(usize::try_from(steps).unwrap_or(usize::MAX))
        .delegate_size_limit(MAX_PROGRAM)
        .delegate_dfa_size_limit(MAX_PROGRAM)
        .delegate_dfa_skip_cache_capacity_check(false)
        .max_prog_size(MAX_INSTRUCTIONS)
        .build()
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
pub(crate) struct RegexCache(Mutex<HashMap<String, Result<StartRegex, PatternError>>>);

impl RegexCache {
    /// The compiled form of `pattern`.
    pub(crate) fn get(&self, pattern: &str) -> Result<StartRegex, PatternError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return regex.clone();
        }
        if known.len() >= MAX_PATTERNS {
            return Err(PatternError::TooMany { pattern: shorten(pattern) });
        }
        let regex = StartRegex::new(pattern);
        known.insert(pattern.to_owned(), regex.clone());
        regex
    }
}

fn shorten(pattern: &str) -> String {
    pattern.chars().take(200).collect()
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
    fn only_what_needs_it_backtracks() {
        for (pattern, is_linear) in [
            (".*\\.pem", true),
            ("(?i)(a|b)+?$", true),
            ("(?P<name>a){2,3}\\Z", true),
            ("(?!root).*", false),
            (".*(?<=a)b", false),
            ("(a)\\1", false),
            ("(b(a++))", false),
        ] {
            let regex = StartRegex::new(pattern).unwrap();
            assert_eq!(matches!(regex.engine, Engine::Linear(_)), is_linear, "{pattern}");
        }
    }

    /// Tries every way to split the text.
    const RUNAWAY: &str = "(?:a|a)*(?!b)c";

    #[test]
    fn runaway_patterns_end() {
        let regex = StartRegex::new(RUNAWAY).unwrap();
        assert_eq!(regex.is_match(&"a".repeat(10)), Ok(false));
        let slow = regex.is_match(&"a".repeat(60)).unwrap_err();
        assert!(matches!(slow, PatternError::TooSlow { .. }), "{slow}");
    }

    #[test]
    fn steps_are_counted_over_texts_and_patterns() {
        const SOME: u64 = 2_000_000;
        let steps = Steps(Cell::new(SOME));
        let (slow, other) = (StartRegex::new(RUNAWAY).unwrap(), StartRegex::new("(?!b)").unwrap());
        let of_one: u64 = LIMITS.iter().map(|limit| u64::from(*limit)).sum();
        for _ in 0..SOME / of_one {
            assert!(matches!(slow.is_match_within(&"a".repeat(60), &steps), Err(PatternError::TooSlow { .. })));
            assert_eq!(other.is_match_within("a", &steps), Ok(true));
        }
        assert!(matches!(slow.is_match_within(&"a".repeat(60), &steps), Err(PatternError::NoSteps { .. })));
        assert!(matches!(other.is_match_within("a", &steps), Err(PatternError::NoSteps { .. })));
        let linear = StartRegex::new("a|b").unwrap();
        assert_eq!(linear.is_match_within("a", &steps), Ok(true), "it takes none");
    }

    #[test]
    fn a_step_over_a_long_text_counts_for_many() {
        let (steps, long) = (Steps::new(), "a".repeat(1 << 20));
        let regex = StartRegex::new("(?!b)a").unwrap();
        let tries = (0..1_000).take_while(|_| regex.is_match_within(&long, &steps) == Ok(true)).count();
        assert_eq!(tries, 305);
    }

    #[test]
    fn an_image_of_usual_size_is_looked_through() {
        let steps = Steps::new();
        for pattern in ["(?!.*test).*\\.pem", ".*(?<!\\.pub)\\.key", "/(?!usr/|var/).*", "/(.)\\1"] {
            let regex = StartRegex::new(pattern).unwrap();
            for at in 0..20_000 {
                let path = format!("/usr/share/doc/package-{at}/examples/certificates/file-{at}.txt");
                assert!(regex.is_match_within(&path, &steps).is_ok(), "{pattern} {path}");
            }
        }
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
