//! The keywords of all rules, looked for in one pass.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, Input, MatchKind};

use super::{MAX_KEYWORD, Owned};

/// The keywords, compiled.
pub(super) enum Words {
    /// Some match in either case: an automaton that sees every byte. Rule of each keyword, and its exact bytes if the
    /// case matters.
    AnyCase(AhoCorasick, Vec<(u16, Option<Vec<u8>>)>),
    /// All are exact: up to 64 of them are looked for many bytes at a time. Longer ones go first, so that what is
    /// found at a place is the longest; with each are its rules, and those of all words that it begins with.
    Exact(AhoCorasick, Vec<Vec<(u16, usize)>>),
}

impl Words {
    pub(super) fn new(rules: &[Owned]) -> Result<Self, BuildError> {
        let all = || {
            let rules = (0_u16..).zip(rules);
            rules.flat_map(|(number, owned)| owned.rule.keywords.iter().map(move |word| (number, word)))
        };
        let cut = |bytes: &'_ [u8]| bytes.get(..MAX_KEYWORD).unwrap_or(bytes).to_vec();
        if all().any(|(_, word)| word.any_case) {
            let of_word = all().map(|(number, word)| (number, (!word.any_case).then(|| cut(&word.bytes)))).collect();
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(true)
                .kind(Some(AhoCorasickKind::DFA))
                .build(all().map(|(_, word)| cut(&word.bytes)))?;
            return Ok(Self::AnyCase(automaton, of_word));
        }
        let mut words: Vec<Vec<u8>> = all().map(|(_, word)| cut(&word.bytes)).collect();
        words.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        words.dedup();
        let rules_of = |found: &Vec<u8>| {
            let begin = all().map(|(number, word)| (number, cut(&word.bytes)));
            let begin = begin.filter(|(_, word)| found.starts_with(word));
            begin.map(|(number, word)| (number, word.len())).collect()
        };
        let of_word = words.iter().map(rules_of).collect();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words)?;
        Ok(Self::Exact(automaton, of_word))
    }

    /// Tells of every keyword that begins in `starts`: its place and its rule.
    pub(super) fn find(&self, bytes: &[u8], starts: Range<usize>, mut tell: impl FnMut(Range<usize>, u16)) {
        let end = bytes.len().min(starts.end.saturating_add(MAX_KEYWORD));
        match self {
            Self::AnyCase(automaton, of_word) => {
                let searched = bytes.get(starts.start..end).unwrap_or_default();
                for word in automaton.find_overlapping_iter(searched) {
                    let place = starts.start + word.start()..starts.start + word.end();
                    let Some((rule, exact)) = of_word.get(word.pattern().as_usize()) else { continue };
                    let is_it = exact.as_ref().is_none_or(|exact| bytes.get(place.clone()) == Some(exact));
                    if is_it && place.start < starts.end {
                        tell(place, *rule);
                    }
                }
            }
            Self::Exact(automaton, of_word) => {
                let mut at = starts.start;
                while at < starts.end.min(end) {
                    let Some(word) = automaton.find(Input::new(bytes).range(at..end)) else { return };
                    if word.start() >= starts.end {
                        return;
                    }
                    for (rule, length) in of_word.get(word.pattern().as_usize()).into_iter().flatten() {
                        tell(word.start()..word.start() + length, *rule);
                    }
                    at = word.start() + 1;
                }
            }
        }
    }
}
