//! Contents as a whole and in pieces.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::facts::SeenIn;

fn rule(keywords: &[&str], regex: &str, reach: Reach) -> Rule {
    let word = |word: &&str| Keyword { bytes: word.as_bytes().to_vec(), any_case: false };
    let regex = Expression::later(regex);
    Rule { keywords: keywords.iter().map(word).collect(), regex, reach, judge: None }
}

fn rules(rules: Vec<Rule>) -> Rules {
    let owned = (0..).zip(rules).map(|(number, rule)| Owned { inspector: "test", number, rule });
    Rules::new(owned.collect()).unwrap()
}

/// Rule and line of each hit.
fn hits(seen: &[SeenIn]) -> Vec<(u16, u64)> {
    seen.iter().flat_map(|seen| &seen.hits).map(|hit| (hit.rule, hit.line)).collect()
}

/// The same, of the content in pieces of these sizes, over and over.
fn in_pieces(rules: &Rules, content: &[u8], sizes: &[usize]) -> Vec<(u16, u64)> {
    let mut scan = rules.scan();
    let mut rest = content;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        scan.piece(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    hits(&scan.end().0)
}

#[test]
fn matches_near_keywords_are_hits() {
    let rules = rules(vec![
        rule(&["tok_"], r"\btok_[0-9]{4}\b", Reach::Bytes(1, 16)),
        rule(&["key", "Key"], r"\A.*[Kk]ey=\w", Reach::Line),
        rule(&[], r"\A=+$", Reach::Line),
    ]);
    for (content, want) in [
        ("", &[][..]),
        ("tok_1234", &[(0, 1)]),
        ("tok_12345 xtok_1234 tok_123", &[]),
        ("a\n\ntok_1234 tok_5678\ntok_9999", &[(0, 3), (0, 3), (0, 4)]),
        // The case of a keyword counts, a line is one hit, and no rule sees beyond it.
        ("KEY=1\nkey=1 key=2 Key=3\nkey=\n1", &[(1, 2)]),
        ("==\n= =\n===\n\nkey=1", &[(2, 1), (2, 3), (1, 5)]),
        ("==", &[(2, 1)]),
    ] {
        assert_eq!(hits(&rules.scan().whole(content.as_bytes()).0), want, "{content:?}");
        assert_eq!(in_pieces(&rules, content.as_bytes(), &[1]), want, "{content:?}");
    }
}

#[test]
fn large_contents_are_seen_through_a_window() {
    let rules = rules(vec![
        rule(&["tok_"], r"\btok_[0-9]{4}\b", Reach::Bytes(1, 16)),
        rule(&["needle"], r"\A.*needle", Reach::Line),
        rule(&[], r"\A=+$", Reach::Line),
    ]);
    // A hit on each side of every place where the window may move, and long lines.
    let mut content = Vec::new();
    let mut want = Vec::new();
    for line in 1..=16_000_u64 {
        match line % 700 {
            0 => {
                content.extend_from_slice(b"needle in hay\n");
                want.push((1, line));
            }
            1 => {
                content.extend_from_slice(b"tok_1234 tok_5678\n");
                want.extend([(0, line), (0, line)]);
            }
            2 => {
                content.extend_from_slice(b"=====\n");
                want.push((2, line));
            }
            3 => {
                content.extend(vec![b'x'; 20_000]);
                content.push(b'\n');
            }
            _ => content.extend_from_slice(b"some more of the hay\n"),
        }
    }
    assert!(content.len() > 700_000);
    for sizes in [&[100_000][..], &[3, 262_143, 17, 8_192]] {
        assert_eq!(in_pieces(&rules, &content, sizes), want);
    }
    assert_eq!(hits(&rules.scan().whole(&content).0), want);
}

#[test]
fn one_content_leaves_nothing_for_the_next() {
    let rules = rules(vec![rule(&["a"], "ab", Reach::Bytes(0, 2)), rule(&[], r"\Ac", Reach::Line)]);
    let mut scan = rules.scan();
    scan.piece(b"ab\nc\na");
    assert_eq!(hits(&scan.end().0), [(0, 1), (1, 2)]);
    assert_eq!(hits(&scan.whole(b"b\nab").0), [(0, 2)]);
    assert_eq!(hits(&scan.whole(b"b\nab").0), [(0, 2)]);
}

#[test]
fn work_and_hits_are_bounded() {
    // Every byte is a keyword of every rule.
    let many = rules((0..60).map(|_| rule(&["a"], "ab", Reach::Bytes(8_000, 8_000))).collect());
    let content = vec![b'a'; 600 << 10];
    let mut scan = many.scan();
    let (seen, is_cut_short) = scan.whole(&content);
    assert!(seen.is_empty() && is_cut_short);
    assert!(!scan.whole(b"b").1);

    let all = rules(vec![rule(&["ab"], "ab", Reach::Bytes(0, 2))]);
    let content = "ab\n".repeat(5_000);
    let (seen, is_cut_short) = all.scan().whole(content.as_bytes());
    assert_eq!((seen[0].hits.len(), seen[0].hits[999].line, is_cut_short), (MAX_HITS, 1_000, false));
}

#[test]
fn a_judge_may_refuse_and_note() {
    let judge: Judge = Box::new(|captures| captures.get(1).map(|digits| digits.as_bytes().to_vec()));
    let rule = Rule { judge: Some(judge), ..rule(&["n="], "n=([0-9])?", Reach::Bytes(0, 3)) };
    let (seen, _) = rules(vec![rule]).scan().whole(b"n=x n=7");
    let notes: Vec<_> = seen[0].hits.iter().map(|hit| hit.note.as_slice()).collect();
    assert_eq!(notes, [b"7"]);
}

proptest! {
    #[test]
    fn pieces_are_seen_as_the_whole(
        content in "([ab=\\n]{0,4}(key=|tok_1234|=|\\n){0,2}){0,20}",
        sizes in proptest::collection::vec(1_usize..40, 1..4),
    ) {
        static RULES: LazyLock<Rules> = LazyLock::new(|| rules(vec![
            rule(&["tok_"], r"\btok_[0-9]{4}\b", Reach::Bytes(1, 16)),
            rule(&["key"], r"\A.*key=", Reach::Line),
            rule(&[], r"\A=+$", Reach::Line),
        ]));
        let whole = hits(&RULES.scan().whole(content.as_bytes()).0);
        prop_assert_eq!(in_pieces(&RULES, content.as_bytes(), &sizes), whole);
    }
}
