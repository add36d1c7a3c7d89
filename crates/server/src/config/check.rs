//! Settings that can be read and cannot work: told at the start, and not by what does not happen later.

use url::Url;

use super::Config;

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` cannot be used: {reason}")]
pub struct SettingError {
    setting: &'static str,
    reason: String,
}

impl Config {
    /// Looks at settings that are wrong by themselves. What others mean is looked at where they are used.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let refused = |setting, reason: String| Err(SettingError { setting, reason });
        let server = &self.server;
        if server.roles.is_empty() {
            return refused(
                "server.roles",
                "a process without a role does nothing: there are api, worker, scheduler".to_owned(),
            );
        }
        for (setting, value) in [
            ("server.request_timeout_seconds", server.request_timeout_seconds),
            ("server.header_timeout_seconds", server.header_timeout_seconds),
        ] {
            if value == 0 {
                return refused(setting, "with 0 seconds, every request is given up at once".to_owned());
            }
        }
        if !server.public_url.is_empty()
            && let Some(reason) = no_http_url(&server.public_url)
        {
            return refused("server.public_url", reason);
        }
        if self.analysis.workers == 0 {
            let reason = "nothing is ever analysed with 0: leave `worker` out of `server.roles` where others do that";
            return refused("analysis.workers", reason.to_owned());
        }
        Ok(())
    }
}

/// Why a text is no address to ask by HTTP. Without the text, which may be secret.
pub(crate) fn no_http_url(text: &str) -> Option<String> {
    let told = |why: String| Some(format!("it is no `http://` or `https://` address: {why}"));
    match Url::parse(text) {
        Err(error) => told(error.to_string()),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => told(format!("`{}` is another scheme", url.scheme())),
        // There is always a host with these schemes.
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_named() {
        for (settings, told) in [
            ("", ""),
            ("[server]\npublic_url = 'https://killick.example.com/scans'", ""),
            ("[server]\nroles = ['scheduler']", ""),
            (
                "[server]\nroles = []",
                "`server.roles` cannot be used: a process without a role does nothing: there are api, worker, scheduler",
            ),
            (
                "[server]\nrequest_timeout_seconds = 0",
                "`server.request_timeout_seconds` cannot be used: with 0 seconds, every request is given up at once",
            ),
            (
                "[server]\nheader_timeout_seconds = 0",
                "`server.header_timeout_seconds` cannot be used: with 0 seconds, every request is given up at once",
            ),
            (
                "[analysis]\nworkers = 0",
                "`analysis.workers` cannot be used: nothing is ever analysed with 0: leave `worker` out of `server.roles` where \
                 others do that",
            ),
            (
                "[server]\npublic_url = 'killick.example.com'",
                "`server.public_url` cannot be used: it is no `http://` or `https://` address: relative URL without a base",
            ),
            (
                "[server]\npublic_url = 'ftp://killick.example.com'",
                "`server.public_url` cannot be used: it is no `http://` or `https://` address: `ftp` is another scheme",
            ),
            (
                "[server]\npublic_url = 'https://'",
                "`server.public_url` cannot be used: it is no `http://` or `https://` address: empty host",
            ),
        ] {
            let config: Config = toml::from_str(settings).unwrap();
            let outcome = config.check();
            assert_eq!(outcome.map_or_else(|error| error.to_string(), |()| String::new()), told, "{settings}");
        }
    }
}
