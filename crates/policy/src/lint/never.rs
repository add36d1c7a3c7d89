//! Regular expressions that no text matches.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::regexes::translate;

/// Nesting up to which expressions are looked at.
const MAX_NESTING: u32 = 100;

/// What the texts are that an expression is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// Anything.
    Any,
    /// Complete paths.
    Paths,
}

/// Why no text matches, if none does. What cannot be told (look-around, backreferences) is nothing.
pub(super) fn matches(pattern: &str, texts: Texts) -> Option<&'static str> {
    let hir = ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(&translate(pattern)).ok()?;
    if fails(&hir) {
        return Some("it contradicts itself: no text matches");
    }
    // The text must match from its beginning.
    let prefixes = Extractor::new().extract(&hir);
    let is_other = |prefix: &[u8]| prefix.first().is_some_and(|first| *first != b'/');
    let starts_otherwise =
        prefixes.literals().is_some_and(|all| !all.is_empty() && all.iter().all(|prefix| is_other(prefix.as_bytes())));
    (texts == Texts::Paths && starts_otherwise)
        .then_some("it must match from the beginning, and every path begins with `/`: no file matches")
}

fn fails(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => false,
        HirKind::Class(_) => hir.properties().minimum_len().is_none(),
        HirKind::Repetition(repetition) => repetition.min > 0 && fails(&repetition.sub),
        HirKind::Capture(capture) => fails(&capture.sub),
        HirKind::Alternation(ways) => ways.iter().all(fails),
        HirKind::Concat(parts) => parts.iter().any(fails) || contradicts(parts),
    }
}

/// Whether something must come before the beginning of the text, or after its end.
fn contradicts(parts: &[Hir]) -> bool {
    let takes = |part: &Hir| part.properties().minimum_len().is_some_and(|least| least > 0);
    let is_look = |part: &Hir, wanted: Look| matches!(part.kind(), HirKind::Look(look) if *look == wanted);
    let start = parts.iter().rposition(|part| is_look(part, Look::Start));
    let end = parts.iter().position(|part| is_look(part, Look::End));
    start.is_some_and(|at| parts.iter().take(at).any(takes)) || end.is_some_and(|at| parts.iter().skip(at).any(takes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_patterns_are_told() {
        for (pattern, texts, is_impossible) in [
            (".*\\.pem", Texts::Paths, false),
            ("/etc/.*", Texts::Paths, false),
            ("etc/passwd", Texts::Paths, true),
            ("(etc|usr)/.*", Texts::Paths, true),
            ("(etc|/usr)/.*", Texts::Paths, false),
            ("\\.pem$", Texts::Paths, true),
            ("etc/passwd", Texts::Any, false),
            ("$a", Texts::Any, true),
            ("a^", Texts::Any, true),
            ("(a$)b|c", Texts::Any, false),
            ("[^\\s\\S]", Texts::Any, true),
            ("a|[^\\s\\S]", Texts::Any, false),
            ("([^\\s\\S])*", Texts::Any, false),
            ("", Texts::Paths, false),
            ("(?!root).*", Texts::Any, false),
            ("[", Texts::Any, false),
        ] {
            assert_eq!(matches(pattern, texts).is_some(), is_impossible, "{pattern} {texts:?}");
        }
    }
}
