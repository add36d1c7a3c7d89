//! Text of formats that are nearly programs, as a tree of words, strings and brackets: Lua tables, HCL blocks, opam
//! files.
//!
//! What a format means by them is its cataloger's affair. Nothing is evaluated.

use super::nesting::{Malformed, Nodes};

/// A piece of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A string without its quotes.
    Text(String),
    /// A name or a number.
    Word(String),
    /// Anything else, one character each.
    Symbol(char),
    /// What stands between brackets, with the opening one.
    Group(char, Vec<Token>),
}

impl Token {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    /// What stands between brackets of this kind.
    pub(super) fn group(&self, bracket: char) -> Option<&[Token]> {
        match self {
            Self::Group(found, tokens) if *found == bracket => Some(tokens),
            _ => None,
        }
    }

    pub(super) fn is(&self, symbol: char) -> bool {
        *self == Self::Symbol(symbol)
    }
}

/// What a format writes in its own way.
pub(super) struct Syntax {
    /// What begins a comment up to the end of its line.
    pub(super) line_comments: &'static [&'static str],
    /// Beginning and end of comments that may have lines.
    pub(super) block_comments: &'static [(&'static str, &'static str)],
    /// Quotes of strings with escapes, longer ones first.
    pub(super) quotes: &'static [&'static str],
    /// Whether `[[` and `[=[` begin strings as they do in Lua, and comments after `--`.
    pub(super) long_brackets: bool,
}

/// Reads a text to its end.
pub(super) fn read(text: &str, syntax: &Syntax) -> Result<Vec<Token>, Malformed> {
    let mut reader = Reader { text, at: 0, syntax, nodes: Nodes::default() };
    // The groups that are open, from the outside inwards.
    let mut open: Vec<(char, Vec<Token>)> = Vec::new();
    let mut tokens = Vec::new();
    while let Some(letter) = reader.skip()? {
        if !reader.nodes.add() {
            return Err(reader.malformed("too many words"));
        }
        let token = match letter {
            _ if reader.long_bracket().is_some() => Token::Text(reader.long_string()?),
            '(' | '[' | '{' => {
                if !reader.nodes.enter() {
                    return Err(reader.malformed("nested too deep"));
                }
                reader.at += 1;
                open.push((letter, std::mem::take(&mut tokens)));
                continue;
            }
            ')' | ']' | '}' => {
                let opening = if letter == ')' {
                    '('
                } else if letter == ']' {
                    '['
                } else {
                    '{'
                };
                let outside = open.pop().filter(|(bracket, _)| *bracket == opening);
                let Some((bracket, outside)) = outside else {
                    return Err(reader.malformed("a bracket that closes nothing"));
                };
                reader.at += 1;
                reader.nodes.leave();
                Token::Group(bracket, std::mem::replace(&mut tokens, outside))
            }
            _ => reader.token(letter)?,
        };
        tokens.push(token);
    }
    if open.is_empty() { Ok(tokens) } else { Err(reader.malformed("a bracket that is never closed")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    syntax: &'a Syntax,
    nodes: Nodes,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn malformed(&self, reason: &'static str) -> Malformed {
        Malformed::new(self.text, self.at, reason)
    }

    /// Goes on to the next letter that is neither blank nor in a comment.
    fn skip(&mut self) -> Result<Option<char>, Malformed> {
        loop {
            let rest = self.rest();
            let Some(letter) = rest.chars().next() else { return Ok(None) };
            if letter.is_whitespace() {
                self.at += letter.len_utf8();
            } else if self.syntax.long_brackets && rest.starts_with("--[") && long_bracket(&rest[2..]).is_some() {
                self.at += 2;
                self.long_string()?;
            } else if let Some((begin, end)) =
                self.syntax.block_comments.iter().find(|(begin, _)| rest.starts_with(begin))
            {
                let length = rest[begin.len()..].find(end);
                let length = length.ok_or_else(|| self.malformed("a comment that never ends"))?;
                self.at += begin.len() + length + end.len();
            } else if self.syntax.line_comments.iter().any(|begin| rest.starts_with(begin)) {
                self.at += memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            } else {
                return Ok(Some(letter));
            }
        }
    }

    /// A string, a word or a symbol.
    fn token(&mut self, letter: char) -> Result<Token, Malformed> {
        if let Some(quote) = self.syntax.quotes.iter().find(|quote| self.rest().starts_with(**quote)) {
            return self.quoted(quote).map(Token::Text);
        }
        let rest = self.rest();
        let mut end = 0;
        for (at, letter) in rest.char_indices() {
            // Dots and dashes belong to a word if more of it follows.
            let inner = matches!(letter, '.' | '-') && at > 0 && rest[at + 1..].starts_with(char::is_alphanumeric);
            if !(letter.is_alphanumeric() || letter == '_' || inner) {
                break;
            }
            end = at + letter.len_utf8();
        }
        if end == 0 {
            self.at += letter.len_utf8();
            return Ok(Token::Symbol(letter));
        }
        self.at += end;
        Ok(Token::Word(rest[..end].to_owned()))
    }

    fn quoted(&mut self, quote: &str) -> Result<String, Malformed> {
        let body = &self.rest()[quote.len()..];
        let mut text = String::new();
        let mut letters = body.char_indices();
        while let Some((at, letter)) = letters.next() {
            if body[at..].starts_with(quote) {
                self.at += quote.len() + at + quote.len();
                return Ok(text);
            }
            match letter {
                '\\' => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    // A line that goes on.
                    Some('\n') => {}
                    Some(other) => text.push(other),
                    None => break,
                },
                letter => text.push(letter),
            }
        }
        Err(self.malformed("a string that never ends"))
    }

    fn long_bracket(&self) -> Option<usize> {
        if self.syntax.long_brackets { long_bracket(self.rest()) } else { None }
    }

    /// `[[…]]` or `[==[…]==]`, where no escapes count.
    fn long_string(&mut self) -> Result<String, Malformed> {
        let level = long_bracket(self.rest()).unwrap_or_default();
        let close = format!("]{}]", "=".repeat(level));
        let body = self.rest().get(level + 2..).unwrap_or_default();
        let end = body.find(&close).ok_or_else(|| self.malformed("a string that never ends"))?;
        self.at += level + 2 + end + close.len();
        // A line break at the beginning is not part of it.
        let text = &body[..end];
        Ok(text.strip_prefix('\n').unwrap_or(text).to_owned())
    }
}

/// The number of `=` in a long bracket at the beginning of the text.
fn long_bracket(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let rest = inside.trim_start_matches('=');
    rest.starts_with('[').then(|| inside.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LUA: Syntax =
        Syntax { line_comments: &["--"], block_comments: &[], quotes: &["\"", "'"], long_brackets: true };
    const OPAM: Syntax = Syntax {
        line_comments: &["#"],
        block_comments: &[("(*", "*)")],
        quotes: &["\"\"\"", "\""],
        long_brackets: false,
    };

    fn shown(tokens: &[Token]) -> String {
        let shown = |token: &Token| match token {
            Token::Text(text) => format!("<{text}>"),
            Token::Word(word) => word.clone(),
            Token::Symbol(symbol) => symbol.to_string(),
            Token::Group(bracket, tokens) => format!("{bracket}{}", shown(tokens)),
        };
        tokens.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pieces_are_told_apart() {
        let lua = "a = { ['b'] = \"c\\\"\", 5.1; x.y } --[[ no\n ]] d = [=[\n]]e]=] -- f\ng..'h'";
        assert_eq!(shown(&read(lua, &LUA).unwrap()), "a = {[<b> = <c\"> , 5.1 ; x.y d = <]]e> g . . <h>");
        let opam = "a: [\"b\" {>= \"1\" & with-test}] # c\n(* d *) e: \"\"\"f \"g\"\nh\"\"\"";
        assert_eq!(shown(&read(opam, &OPAM).unwrap()), "a : [<b> {> = <1> & with-test e : <f \"g\"\nh>");
    }

    #[test]
    fn what_does_not_end_is_an_error_with_its_line() {
        for (text, message) in [
            ("a\n{", "line 2: a bracket that is never closed"),
            ("(]", "line 1: a bracket that closes nothing"),
            ("\n)", "line 2: a bracket that closes nothing"),
            ("\"a", "line 1: a string that never ends"),
            ("\"a\\", "line 1: a string that never ends"),
            ("[==[a]=]", "line 1: a string that never ends"),
        ] {
            assert_eq!(read(text, &LUA).unwrap_err().to_string(), message, "{text}");
        }
        assert_eq!(read("(* a", &OPAM).unwrap_err().to_string(), "line 1: a comment that never ends");
        assert_eq!(read(&"{".repeat(100_000), &LUA).unwrap_err().to_string(), "line 1: nested too deep");
        assert_eq!(read(&",".repeat(600_000), &LUA).unwrap_err().to_string(), "line 1: too many words");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"([\[\]{}()"'=#*/.,;\\ \n-]|[a-z0-9é]{1,3}|"""){0,60}"#) {
            let _ = read(&text, &LUA);
            let _ = read(&text, &OPAM);
        }
    }
}
