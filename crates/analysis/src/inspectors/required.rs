//! What every match of a pattern must contain: the keywords by which the common pass finds places to look at.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind};

use super::rules::Keyword;

/// Shorter ones are everywhere and tell nothing.
const MIN_BYTES: usize = 3;
/// Most alternatives of one pattern.
const MAX_KEYWORDS: usize = 50;

/// One of these is in whatever the pattern matches; empty if nothing can be said.
pub(crate) fn keywords(pattern: &str) -> Vec<Keyword> {
    let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
    let Ok(hir) = parser.parse(pattern) else { return Vec::new() };
    required(&hir).unwrap_or_default()
}

/// Whether a text is a pattern: parsed, which takes a hundredth of the time that compiling does.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).is_ok()
}

/// Bytes of the longest text that a pattern can match; `None` if there is no end to it.
pub(crate) fn longest(pattern: &str) -> Option<usize> {
    ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?.properties().maximum_len()
}

/// The best set of words of which each match has one.
fn required(hir: &Hir) -> Option<Vec<Keyword>> {
    match hir.kind() {
        HirKind::Literal(_) | HirKind::Class(_) => literal(std::slice::from_ref(hir)),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
            }
            (all.len() <= MAX_KEYWORDS).then_some(all)
        }
        HirKind::Concat(parts) => {
            let runs = parts.chunk_by(|a, b| is_literal(a) && is_literal(b));
            let sets = runs.filter_map(|run| if run.len() > 1 { literal(run) } else { required(run.first()?) });
            // The longer the shortest word, the rarer.
            sets.max_by_key(|set| set.iter().map(|word| word.bytes.len()).min())
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

fn is_literal(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(_) => true,
        HirKind::Class(class) => letter(class).is_some(),
        _ => false,
    }
}

/// A run of literals and of letters in either case, as one word.
fn literal(run: &[Hir]) -> Option<Vec<Keyword>> {
    let (mut bytes, mut any_case) = (Vec::new(), false);
    for hir in run {
        match hir.kind() {
            HirKind::Literal(literal) => bytes.extend_from_slice(&literal.0),
            HirKind::Class(class) => {
                bytes.push(letter(class)?);
                any_case = true;
            }
            _ => return None,
        }
    }
    (bytes.len() >= MIN_BYTES).then(|| vec![Keyword { bytes, any_case }])
}

/// The letter of a class that has it in both cases and nothing else.
fn letter(class: &Class) -> Option<u8> {
    let Class::Bytes(class) = class else { return None };
    let letters: Vec<u8> = members(class)?;
    match letters.as_slice() {
        [upper, lower] if upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == *lower => Some(*lower),
        _ => None,
    }
}

fn members(class: &ClassBytes) -> Option<Vec<u8>> {
    let mut members = Vec::new();
    for range in class.ranges() {
        if range.end().saturating_sub(range.start()) > 1 {
            return None;
        }
        members.extend(range.start()..=range.end());
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_match_has_one() {
        for (pattern, want) in [
            (".*password.*", "password"),
            ("(?i).*Api_Key( *=+ *).*", "api_key/i"),
            ("(?i)api(-|_)key", "key/i"),
            ("(abc|defg)x+", "abc defg"),
            ("abc?", ""),
            ("(abc)?defghi", "defghi"),
            ("(abc){2}", "abc"),
            (".*", ""),
            ("ab", ""),
            ("abcd|e", ""),
            ("[Aa][Bb]cd", "abcd/i"),
            ("short.+much longer", "much longer"),
        ] {
            let words = keywords(pattern)
                .iter()
                .map(|word| {
                    let text = String::from_utf8(word.bytes.clone()).unwrap();
                    if word.any_case { format!("{text}/i") } else { text }
                })
                .collect::<Vec<_>>();
            assert_eq!(words.join(" "), want, "{pattern}");
        }
    }
}
