//! Literal terms of Erlang and Elixir, the syntax of their lock files and application resource files.
//!
//! Formats: Erlang Reference Manual, "Data Types"; Elixir documentation, "Syntax reference". Nothing is evaluated: a
//! call, a variable or an operator is an error, as it is to `file:consult/1`.

use super::super::nesting::{Malformed, Nodes};

/// A term, as far as lock files need to tell terms apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Term {
    /// An atom, a number or a character, as written.
    Word(String),
    /// A string, a binary or a charlist.
    Text(String),
    /// A tuple, or a pair of a map or keyword list.
    Tuple(Vec<Term>),
    /// A list or a map.
    List(Vec<Term>),
}

impl Term {
    /// The characters of an atom or string.
    pub(in super::super) fn text(&self) -> Option<&str> {
        match self {
            Self::Word(text) | Self::Text(text) => Some(text),
            Self::Tuple(_) | Self::List(_) => None,
        }
    }

    /// The characters of a string.
    pub(in super::super) fn string(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(in super::super) fn tuple(&self) -> &[Term] {
        match self {
            Self::Tuple(terms) => terms,
            _ => &[],
        }
    }

    pub(in super::super) fn list(&self) -> &[Term] {
        match self {
            Self::List(terms) => terms,
            _ => &[],
        }
    }

    /// The value of the first pair with this key.
    pub(in super::super) fn value(&self, key: &str) -> Option<&Term> {
        self.list().iter().find_map(|term| match term.tuple() {
            [found, value] if found.text() == Some(key) => Some(value),
            _ => None,
        })
    }
}

/// The terms of an Erlang file, each ended by a full stop.
pub(in super::super) fn erlang(text: &str) -> Result<Vec<Term>, Malformed> {
    Parser::new(text, b'%').all()
}

/// The terms of an Elixir file.
pub(in super::super) fn elixir(text: &str) -> Result<Vec<Term>, Malformed> {
    Parser::new(text, b'#').all()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// What begins a comment. The other of `%` and `#` begins a map.
    comment: u8,
    nodes: Nodes,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, comment: u8) -> Self {
        Self { text, at: 0, comment, nodes: Nodes::default() }
    }

    fn all(mut self) -> Result<Vec<Term>, Malformed> {
        let mut terms = Vec::new();
        loop {
            while self.take(b'.') {}
            if self.peek().is_none() {
                return Ok(terms);
            }
            terms.push(self.term()?);
        }
    }

    /// The next byte that is neither blank nor comment.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let byte = *rest.first()?;
            if byte == self.comment && !(byte == b'%' && rest.get(1) == Some(&b'{')) {
                self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            } else if byte.is_ascii_whitespace() {
                self.at += 1;
            } else {
                return Some(byte);
            }
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn malformed(&self, reason: &'static str) -> Malformed {
        Malformed::new(self.text, self.at, reason)
    }

    fn term(&mut self) -> Result<Term, Malformed> {
        let first = self.peek().ok_or_else(|| self.malformed("it ends in the middle"))?;
        if !self.nodes.add() {
            return Err(self.malformed("too many terms"));
        }
        match first {
            b'{' | b'[' | b'%' | b'#' => self.nested(first),
            b'"' => {
                let mut text = self.quoted()?;
                // Erlang joins strings that stand beside each other.
                while self.peek() == Some(b'"') {
                    text.push_str(&self.quoted()?);
                }
                Ok(Term::Text(text))
            }
            b'\'' => self.quoted().map(Term::Word),
            b'<' if self.rest().starts_with("<<") => self.binary().map(Term::Text),
            b':' => {
                self.at += 1;
                if self.rest().starts_with(['"', '\'']) { self.quoted().map(Term::Word) } else { self.word() }
            }
            b'$' => {
                // `$a`, `$\n`: of no use but as something that ends.
                let escaped = usize::from(self.rest().starts_with("$\\"));
                let letter = self.rest().chars().nth(1 + escaped).map_or(0, char::len_utf8);
                self.at += 1 + escaped + letter;
                Ok(Term::Word("$".to_owned()))
            }
            _ => self.word(),
        }
    }

    /// An atom or a number.
    fn word(&mut self) -> Result<Term, Malformed> {
        let rest = self.rest();
        let mut end = 0;
        for (at, letter) in rest.char_indices() {
            // A dot belongs to a number or a name if more of it follows.
            let inner = letter == '.' && rest.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
            let sign = (letter == '-' || letter == '+') && at == 0;
            let radix = letter == '#' && rest.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit());
            if !(letter.is_alphanumeric() || matches!(letter, '_' | '@' | '?' | '!') || inner || sign || radix) {
                break;
            }
            end = at + letter.len_utf8();
        }
        if end == 0 {
            return Err(self.malformed("no literal term"));
        }
        self.at += end;
        Ok(Term::Word(rest[..end].to_owned()))
    }

    /// What stands between two equal quotes.
    fn quoted(&mut self) -> Result<String, Malformed> {
        let start = self.at;
        let mut letters = self.rest().char_indices();
        let quote = letters.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            if Some(letter) == quote {
                self.at = start + at + 1;
                return Ok(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            match letters.next().map(|(_, letter)| letter) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('s') => text.push(' '),
                // A numeric escape: such letters are of no interest here.
                Some('x' | 'u') => text.push('\u{fffd}'),
                Some(other) => text.push(other),
                None => break,
            }
        }
        self.at = self.text.len();
        Err(Malformed::new(self.text, start, "a string that never ends"))
    }

    /// `<<"text">>`, `<<"text"/utf8>>`, `<<1, 2>>`.
    fn binary(&mut self) -> Result<String, Malformed> {
        self.at += 2;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.malformed("a binary that never ends")),
                Some(b'"') => text.push_str(&self.quoted()?),
                Some(b'>') if self.rest().starts_with(">>") => {
                    self.at += 2;
                    return Ok(text);
                }
                Some(_) => self.at += self.rest().chars().next().map_or(1, char::len_utf8),
            }
        }
    }

    /// A tuple, a list or a map.
    fn nested(&mut self, first: u8) -> Result<Term, Malformed> {
        let is_map = matches!(first, b'%' | b'#');
        self.at += if is_map { 2 } else { 1 };
        if is_map && self.text.as_bytes().get(self.at - 1) != Some(&b'{') {
            return Err(self.malformed("no literal term"));
        }
        if !self.nodes.enter() {
            return Err(self.malformed("nested too deep"));
        }
        let close = if first == b'[' { b']' } else { b'}' };
        let mut terms = Vec::new();
        while !self.take(close) {
            let term = self.term()?;
            terms.push(self.pair(term)?);
            // The tail of a list counts as one more of its terms.
            if !self.take(b',') && !self.take(b'|') && self.peek() != Some(close) {
                return Err(self.malformed("neither a comma nor an end"));
            }
        }
        self.nodes.leave();
        Ok(if first == b'{' { Term::Tuple(terms) } else { Term::List(terms) })
    }

    /// The term by itself, or with what `=>` or `:` joins to it.
    fn pair(&mut self, key: Term) -> Result<Term, Malformed> {
        // `key:` has its colon at once, `key => value` may have blanks.
        let is_keyword = self.rest().starts_with(':');
        if is_keyword {
            self.at += 1;
        } else {
            self.peek();
            let rest = self.rest();
            if !rest.starts_with("=>") && !rest.starts_with(":=") {
                return Ok(key);
            }
            self.at += 2;
        }
        Ok(Term::Tuple(vec![key, self.term()?]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(text: &str) -> Term {
        Term::Word(text.to_owned())
    }

    fn text(text: &str) -> Term {
        Term::Text(text.to_owned())
    }

    #[test]
    fn erlang_terms_are_read() {
        let read = erlang(
            "%% comment with {\n{application, 'my app', [{vsn,\"1.\" \"2\"}, {n, -16#ff}, {f, 1.5}, {c, $\\n},\n\
             {b, <<\"x\"/utf8>>}, {raw, <<1,2:8>>}, {m, #{k => \"v\"}}, [a|b]]}.\n[].\n",
        )
        .unwrap();
        let [Term::Tuple(application), Term::List(empty)] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!(empty, &[]);
        assert_eq!(application[0], word("application"));
        assert_eq!(application[1], word("my app"));
        let fields = &application[2];
        assert_eq!(fields.value("vsn"), Some(&text("1.2")));
        assert_eq!(fields.value("n"), Some(&word("-16#ff")));
        assert_eq!(fields.value("f"), Some(&word("1.5")));
        assert_eq!(fields.value("b"), Some(&text("x")));
        assert_eq!(fields.value("raw"), Some(&text("")));
        assert_eq!(fields.value("m").and_then(|map| map.value("k")), Some(&text("v")));
        assert_eq!(fields.list().last(), Some(&Term::List(vec![word("a"), word("b")])));
    }

    #[test]
    fn elixir_terms_are_read() {
        let read = elixir(
            "# comment\n%{\"a\": {:hex, :\"a-b\", \"1.0\", [:mix], [{:c, \"~> 1.0\", [hex: :c, optional: true]}], nil},\n\
             \"d\" => {:git, \"url\", \"rev\", []},\n}\n",
        )
        .unwrap();
        let [map] = read.as_slice() else { panic!("{read:?}") };
        let a = map.value("a").unwrap().tuple();
        assert_eq!(a[..3], [word("hex"), word("a-b"), text("1.0")]);
        assert_eq!(a[4].list()[0].tuple()[2].value("optional"), Some(&word("true")));
        assert_eq!(map.value("d").unwrap().tuple().len(), 4);
    }

    #[test]
    fn what_is_no_literal_is_an_error_with_its_line() {
        for (source, message) in [
            ("{a,\n b,", "line 2: it ends in the middle"),
            ("{\"a", "line 1: a string that never ends"),
            ("\n\n=", "line 3: no literal term"),
            ("{a b}", "line 1: neither a comma nor an end"),
            ("#a", "line 1: no literal term"),
            ("<<\"a\"", "line 1: a binary that never ends"),
        ] {
            assert_eq!(erlang(source).unwrap_err().to_string(), message, "{source}");
        }
        assert_eq!(erlang(&"[".repeat(100_000)).unwrap_err().to_string(), "line 1: nested too deep");
        assert_eq!(erlang(&"[],".repeat(10)).unwrap_err().to_string(), "line 1: no literal term");
        assert_eq!(elixir("%").unwrap_err().to_string(), "line 1: no literal term");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"([\[\]{}%#<>"':,.|$=\\ \n]|[a-z0-9é]{1,3}){0,60}"#) {
            let _ = erlang(&text);
            let _ = elixir(&text);
        }
    }
}
