//! `WWW-Authenticate` (RFC 9110, section 11.6.1), as far as registries use it.

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// Bytes of a header that are read.
const HEADER_BYTES: usize = 8192;

/// The best of the challenges in these headers: a token rather than a password.
pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let all: Vec<Challenge> = headers.filter(|text| text.len() <= HEADER_BYTES).flat_map(parse_header).collect();
    let bearer = all.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(all.first()).cloned()
}

/// All challenges of one header that we know.
fn parse_header(text: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut scanner = Scanner { rest: text };
    let mut scheme = None;
    let mut parameters = Vec::new();
    loop {
        scanner.skip_separators();
        let word = scanner.token();
        if word.is_empty() {
            break;
        }
        if let Some(value) = scanner.value() {
            parameters.push((word.to_ascii_lowercase(), value));
        } else {
            finish(scheme.replace(word), &mut parameters, &mut found);
        }
    }
    finish(scheme, &mut parameters, &mut found);
    found
}

fn finish(scheme: Option<&str>, parameters: &mut Vec<(String, String)>, found: &mut Vec<Challenge>) {
    let parameters = std::mem::take(parameters);
    let get = |key: &str| {
        let pair = parameters.iter().find(|(name, _)| name == key)?;
        (!pair.1.is_empty()).then(|| pair.1.clone())
    };
    match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("basic") => found.push(Challenge::Basic),
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer") => {
            if let Some(realm) = get("realm") {
                found.push(Challenge::Bearer { realm, service: get("service"), scope: get("scope") });
            }
        }
        _ => {}
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip_separators(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }

    fn token(&mut self) -> &'a str {
        let end = self.rest.find([' ', '\t', ',', '=', '"']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// The value behind `=`, if that comes next.
    fn value(&mut self) -> Option<String> {
        let after = self.rest.trim_start_matches([' ', '\t']).strip_prefix('=')?.trim_start_matches([' ', '\t']);
        let Some(quoted) = after.strip_prefix('"') else {
            let end = after.find([' ', '\t', ',']).unwrap_or(after.len());
            let (word, rest) = after.split_at(end);
            self.rest = rest;
            return Some(word.to_owned());
        };
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = quoted.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
                letter => value.push(letter),
            }
        }
        self.rest = "";
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) }
    }

    #[test]
    fn challenges_are_understood() {
        for (text, want) in [
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                Some(bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )),
            ),
            (r#"BEARER Realm = "https://t" , error="x""#, Some(bearer("https://t", None, None))),
            (r"Bearer realm=https://t/a,service=s", Some(bearer("https://t/a", Some("s"), None))),
            (r#"Basic realm="a, b", Bearer realm="https://t""#, Some(bearer("https://t", None, None))),
            (r#"Bearer realm="a\"b"#, Some(bearer("a\"b", None, None))),
            (r#"Bearer service="x""#, None),
            ("Negotiate", None),
            ("", None),
            ("=,=\"", None),
        ] {
            assert_eq!(parse(std::iter::once(text)), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", odd in r#"(Bearer|Basic| |,|=|"|\\|realm|é){0,20}"#) {
            let _ = parse([text.as_str(), odd.as_str()].into_iter());
        }
    }
}
