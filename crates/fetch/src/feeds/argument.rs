//! Where upstreams are instead, as settings say it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// `debian/tracker=https://mirror.example.com/debian/`: what the addresses of an upstream begin with instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlArgument {
    /// The upstream, or the provider that has one.
    pub name: String,
    /// Where it is.
    pub url: Url,
}

/// A text that says no such thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not `NAME=URL`, as in `debian/tracker=https://mirror.example.com/debian/`")]
pub struct NoUrl {
    text: String,
}

impl FromStr for UrlArgument {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let none = || NoUrl { text: text.to_owned() };
        let (name, url) = text.split_once('=').ok_or_else(none)?;
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(none)?;
        if name.is_empty() { Err(none()) } else { Ok(Self { name: name.to_owned(), url }) }
    }
}

impl fmt::Display for UrlArgument {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.name, self.url)
    }
}

impl TryFrom<String> for UrlArgument {
    type Error = NoUrl;

    fn try_from(text: String) -> Result<Self, NoUrl> {
        text.parse()
    }
}

impl From<UrlArgument> for String {
    fn from(argument: UrlArgument) -> Self {
        argument.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::UrlArgument;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let read = |text: &str| text.parse::<UrlArgument>().map(|argument| argument.to_string());
        assert_eq!(read("nvd/api=https://x.example/a?b=c").unwrap(), "nvd/api=https://x.example/a?b=c");
        for text in ["", "kev", "kev=", "kev=x", "=https://x.example/", "kev=file:///etc/passwd"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
