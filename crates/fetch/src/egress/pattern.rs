//! Hosts as settings name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A host (`registry.example.com`, `10.0.0.7`, `[fd00::1]`), any below a domain (`*.example.com`), either with or
/// without a port. Without one it stands for every port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    host: Wanted,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Host(Host),
    /// With the dot in front.
    Below(String),
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no host: expected `host`, `host:port` or `*.domain`")]
pub struct NoHost {
    text: String,
}

impl HostPattern {
    /// Whether it stands for where `url` leads.
    pub fn matches(&self, url: &Url) -> bool {
        let host = url.host().map(|host| host.to_owned());
        host.is_some_and(|host| self.matches_host(&host))
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }

    /// Whether it stands for some port of `host`.
    pub(super) fn matches_host(&self, host: &Host) -> bool {
        match (&self.host, host) {
            // A name may be written with the dot of the root.
            (Wanted::Host(Host::Domain(wanted)), Host::Domain(name)) => wanted == name.trim_end_matches('.'),
            (Wanted::Host(wanted), host) => wanted == host,
            (Wanted::Below(domain), Host::Domain(name)) => name.trim_end_matches('.').ends_with(domain.as_str()),
            (Wanted::Below(_), _) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        let none = || NoHost { text: text.to_owned() };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().map_err(|_| none())?)),
            _ => (text, None),
        };
        let (below, name) = host.strip_prefix("*.").map_or((false, host), |domain| (true, domain));
        let name = name.trim_end_matches('.');
        let host = match Host::parse(name).map_err(|_| none())? {
            Host::Domain(domain) if below => Wanted::Below(format!(".{domain}")),
            _ if below => return Err(none()),
            Host::Domain(domain) if domain.contains('*') => return Err(none()),
            host => Wanted::Host(host),
        };
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for HostPattern {
    type Error = NoHost;

    fn try_from(text: String) -> Result<Self, NoHost> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Wanted::Host(host) => write!(out, "{host}")?,
            Wanted::Below(domain) => write!(out, "*{domain}")?,
        }
        self.port.map_or(Ok(()), |port| write!(out, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_hosts() {
        for (pattern, matching, others) in [
            (
                "r.io",
                "https://r.io https://r.io:5000/v2/ http://R.IO. https://r.io./",
                "https://a.r.io https://r.io.evil",
            ),
            ("r.io:5000", "https://r.io:5000", "https://r.io http://r.io:5001"),
            ("r.io:443", "https://r.io", "http://r.io"),
            ("*.r.io", "https://a.r.io https://a.b.r.io:1", "https://r.io https://evilr.io https://10.0.0.1"),
            ("*.r.io:80", "http://a.r.io", "https://a.r.io"),
            ("10.0.0.1", "http://10.0.0.1 http://0xa000001", "http://10.0.0.10"),
            ("[fd00::1]:5000", "https://[fd00:0::1]:5000", "https://[fd00::1] https://[fd00::2]:5000"),
            ("[fd00::1]", "https://[fd00::1]:5000", "https://[fd00::2]"),
            ("R.io.", "https://r.io", "https://q.io"),
        ] {
            let read: HostPattern = pattern.parse().expect("a pattern");
            assert_eq!(read.to_string().parse(), Ok(read.clone()), "{pattern}");
            for (want, urls) in [(true, matching), (false, others)] {
                for url in urls.split_whitespace() {
                    assert_eq!(read.matches(&url.parse().expect("an address")), want, "{pattern} {url}");
                }
            }
        }
        for text in ["", "*", "*.", "a.*.b", "*.10.0.0.1", "r.io:x", "r.io:99999", "a b", "http://r.io", "r.io/path"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
