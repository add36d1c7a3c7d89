//! Small forms of the wire: time stamps.

use jiff::Timestamp;

/// RFC 3339 in UTC with whole seconds.
pub(super) fn seconds(stamp: Timestamp) -> String {
    stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_whole_seconds() {
        let stamp: Timestamp = "2024-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(seconds(stamp), "2024-01-02T03:04:05Z");
    }
}
