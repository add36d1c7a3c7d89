//! How often a registry may be asked (draft-ietf-httpapi-ratelimit-headers; Docker Hub, "Usage and limits").

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

/// What a registry says of how often it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in the window.
    pub limit: Option<u64>,
    /// Requests left.
    pub remaining: Option<u64>,
    /// The window.
    pub window: Option<Duration>,
}

impl RateLimit {
    /// `RateLimit-Limit: 100;w=21600` and `RateLimit-Remaining: 76;w=21600`.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let read = |name: &str| {
            let mut parts = headers.get(name)?.to_str().ok()?.split([';', ',']).map(str::trim);
            let count = parts.next()?.parse::<u64>().ok()?;
            let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok()).map(Duration::from_secs);
            Some((count, window))
        };
        let (limit, remaining) = (read("ratelimit-limit"), read("ratelimit-remaining"));
        let window = [limit, remaining].into_iter().flatten().find_map(|(_, window)| window);
        (limit.is_some() || remaining.is_some()).then_some(Self {
            limit: limit.map(|(count, _)| count),
            remaining: remaining.map(|(count, _)| count),
            window,
        })
    }
}

/// `3 of 100 requests left in 6 hours`.
impl fmt::Display for RateLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.remaining, self.limit) {
            (Some(remaining), Some(limit)) => write!(out, "{remaining} of {limit} requests left")?,
            (Some(remaining), None) => write!(out, "{remaining} requests left")?,
            (None, limit) => write!(out, "{} requests allowed", limit.unwrap_or_default())?,
        }
        match self.window.map(|window| window.as_secs()) {
            None => Ok(()),
            Some(seconds) if seconds >= 3600 && seconds % 3600 == 0 => write!(out, " in {} hours", seconds / 3600),
            Some(seconds) if seconds >= 60 && seconds % 60 == 0 => write!(out, " in {} minutes", seconds / 60),
            Some(seconds) => write!(out, " in {seconds} seconds"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn rates_are_understood() {
        for (limit, remaining, want) in [
            (Some("100;w=21600"), Some("76;w=21600"), "76 of 100 requests left in 6 hours"),
            (Some("100"), Some("0"), "0 of 100 requests left"),
            (None, Some("5; w=90"), "5 requests left in 90 seconds"),
            (Some("10, 10;w=60"), None, "10 requests allowed in 1 minutes"),
            (Some("many"), Some(""), ""),
            (None, None, ""),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(
                limit.map(|text| (http::HeaderName::from_static("ratelimit-limit"), HeaderValue::from_static(text))),
            );
            headers
                .extend(remaining.map(|text| {
                    (http::HeaderName::from_static("ratelimit-remaining"), HeaderValue::from_static(text))
                }));
            let rate = RateLimit::of(&headers).map_or_else(String::new, |rate| rate.to_string());
            assert_eq!(rate, want, "{limit:?} {remaining:?}");
        }
    }
}
