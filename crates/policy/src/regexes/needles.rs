//! Texts one of which is in whatever a pattern matches. To look for them in many texts at once takes a fraction of the time
//! that it takes to try the pattern on each.

use aho_corasick::AhoCorasick;
use regex_syntax::hir::literal::{Extractor, Literal};
use regex_syntax::hir::{Hir, HirKind};

/// Most needles of a pattern: with more, looking for them is no quicker.
const MOST: usize = 64;
/// Fewest bytes of each: shorter ones are everywhere.
const SHORTEST: usize = 2;
/// Parts of a pattern that are looked at.
const PARTS: usize = 32;

/// What finds the needles of a pattern; `None` if it has no good ones.
pub(super) fn of(pattern: &str) -> Option<AhoCorasick> {
    let mut hir = regex_syntax::parse(pattern).ok()?;
    while let HirKind::Capture(capture) = hir.kind() {
        hir = (*capture.sub).clone();
    }
    // What matches the whole has in it what matches its end: the needles of the pattern are those of what begins with
    // any of its parts.
    let ends: Vec<Hir> = match hir.kind() {
        HirKind::Concat(parts) => {
            (0..parts.len().min(PARTS)).filter_map(|at| Some(Hir::concat(parts.get(at..)?.to_vec()))).collect()
        }
        _ => vec![hir],
    };
    let needles = ends.iter().filter_map(beginnings).max_by_key(|needles| shortest(needles))?;
    AhoCorasick::new(needles.iter().map(Literal::as_bytes)).ok()
}

/// Texts with one of which everything begins that the pattern matches.
fn beginnings(hir: &Hir) -> Option<Vec<Literal>> {
    let found = Extractor::new().extract(hir).literals()?.to_vec();
    (!found.is_empty() && found.len() <= MOST && shortest(&found) >= SHORTEST).then_some(found)
}

fn shortest(needles: &[Literal]) -> usize {
    needles.iter().map(Literal::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_needles() {
        let needles = |pattern: &str| of(pattern).map(|finder| finder.patterns_len());
        for (pattern, want) in [
            (".*\\.(pem|key|p12)", Some(3)),
            ("(.*\\.pem)", Some(1)),
            ("/root/\\..*", Some(1)),
            ("(?i).*pem", Some(8)),
            (".*", None),
            ("a", None),
            ("(a|.*)", None),
            ("", None),
            ("[a-z]+x?", None),
        ] {
            assert_eq!(needles(pattern), want, "{pattern}");
        }
    }
}
