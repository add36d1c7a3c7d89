//! What Python's `re` reads otherwise than our engines do.

use std::iter::Peekable;
use std::str::Chars;

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
