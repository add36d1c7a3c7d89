//! Derivations: what is built, and from what (Nix manual, "`ATerm` format of derivations").
//!
//! `Derive([outputs], [inputs], [sources], system, builder, [arguments], [environment])`, in terms of strings, lists and
//! tuples. The environment has the name and the version apart where the builder was told them so.

use killick_model::problem::Problem;
use serde::Deserialize;

use super::Fact;
use crate::catalogers::{Found, WantedFile};

/// Bytes of a derivation; those with large texts in them have a megabyte.
const DERIVATION_BYTES: usize = 8 << 20;

/// Lists in lists: the format has three.
const DEPTH: u32 = 8;

/// Outputs of one derivation.
const MAX_OUTPUTS: usize = 100;

/// Every output, with what the derivation says of it.
pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) -> Vec<Fact> {
    // Of a kind that only experiments use.
    if file.bytes.starts_with(b"DrvWithVersion(") {
        return Vec::new();
    }
    let terms = if file.bytes.len() > DERIVATION_BYTES { None } else { derivation(file.bytes) };
    let Some(terms) = terms else {
        let message = "not the derivation it should be";
        found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
        return Vec::new();
    };
    let environment = terms.get(6).map(Term::list).unwrap_or_default();
    let variable = |name: &str| {
        let pair = environment.iter().map(Term::list).find(|pair| pair.first().is_some_and(|key| key.is(name)))?;
        pair.get(1)?.text()
    };
    let attributes = variable("__json").and_then(|json| serde_json::from_str::<Attributes>(&json).ok());
    let attributes = attributes.unwrap_or_default();
    let name = variable("pname").or(attributes.pname).filter(|name| !name.is_empty());
    let version = variable("version").or(attributes.version).filter(|version| !version.is_empty());
    let outputs = terms.first().map(Term::list).unwrap_or_default();
    let facts = outputs.iter().take(MAX_OUTPUTS).filter_map(|output| {
        let output = output.list();
        Some(Fact {
            output: output.first().and_then(Term::text),
            path: output.get(1)?.text()?,
            name: name.clone(),
            version: version.clone(),
            system: terms.get(3).and_then(Term::text),
            deriver: Some(file.path.to_string()),
            size: None,
        })
    });
    facts.collect()
}

/// What a builder is told in one variable, in the newer form.
#[derive(Default, Deserialize)]
struct Attributes {
    pname: Option<String>,
    version: Option<String>,
}

enum Term {
    Text(Vec<u8>),
    List(Vec<Term>),
}

impl Term {
    fn list(&self) -> &[Self] {
        match self {
            Self::List(terms) => terms,
            Self::Text(_) => &[],
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Text(bytes) => String::from_utf8(bytes.clone()).ok(),
            Self::List(_) => None,
        }
    }

    fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(bytes) if bytes == text.as_bytes())
    }
}

/// The terms of a derivation.
fn derivation(bytes: &[u8]) -> Option<Vec<Term>> {
    let mut rest = bytes.strip_prefix(b"Derive(")?;
    let terms = terms(&mut rest, b')', DEPTH)?;
    rest.trim_ascii().is_empty().then_some(terms)
}

/// Terms between commas, up to the closing bracket.
fn terms(rest: &mut &[u8], close: u8, depth: u32) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let depth = depth.checked_sub(1)?;
    if rest.first() == Some(&close) {
        *rest = rest.get(1..)?;
        return Some(terms);
    }
    loop {
        let (&first, after) = rest.split_first()?;
        *rest = after;
        terms.push(match first {
            b'"' => Term::Text(text(rest)?),
            b'[' => Term::List(self::terms(rest, b']', depth)?),
            b'(' => Term::List(self::terms(rest, b')', depth)?),
            _ => return None,
        });
        let (&next, after) = rest.split_first()?;
        *rest = after;
        match next {
            b',' => {}
            _ if next == close => return Some(terms),
            _ => return None,
        }
    }
}

/// What is left of a text, without its quote.
fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        text.extend_from_slice(rest.get(..end)?);
        let is_quote = rest.get(end) == Some(&b'"');
        if is_quote {
            *rest = rest.get(end + 1..)?;
            return Some(text);
        }
        text.push(match rest.get(end + 1)? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            &other => other,
        });
        *rest = rest.get(end + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let terms = derivation(br#"Derive([("out","/a","","")],[],[],"s\"\\\n",[])"#).unwrap();
        assert_eq!(terms.len(), 5);
        assert_eq!(terms[0].list()[0].list().len(), 4);
        assert_eq!(terms[3].text().as_deref(), Some("s\"\\\n"));
        assert_eq!(derivation(b"Derive()").map(|terms| terms.len()), Some(0));
        let deep = format!("Derive({}{})", "[".repeat(50), "]".repeat(50));
        for broken in
            ["", "Derive(", "Derive([)", "Derive(\"", "Derive(\"\\", "Derive(x)", "Derive([],)", "Derive()x", &deep]
        {
            assert!(derivation(broken.as_bytes()).is_none(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_term_ends(text in "[\\[\\](),\"a\\\\]{0,60}") {
            let _ = derivation(format!("Derive({text}").as_bytes());
        }
    }
}
