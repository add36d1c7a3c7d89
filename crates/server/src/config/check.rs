//! Settings that can be read and cannot work: told at the start, and not by what does not happen later.

use killick_fetch::http::Proxy;
use killick_fetch::webhook::is_signing_secret;
use secrecy::SecretString;
use url::Url;

use super::{Config, Keeping, Role};

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
        if server.body_limit_bytes == 0 {
            return refused("server.body_limit_bytes", "with 0 bytes, nothing can be sent to the service".to_owned());
        }
        if self.analysis.workers == 0 {
            let reason = "nothing is ever analysed with 0: leave `worker` out of `server.roles` where others do that";
            return refused("analysis.workers", reason.to_owned());
        }
        if self.analysis.lease_seconds == 0 {
            let reason = "with 0 seconds, a task is taken from its worker as soon as it begins";
            return refused("analysis.lease_seconds", reason.to_owned());
        }
        if self.retention.every_seconds == 0 {
            let reason = "with 0, images and accounts that somebody deletes would never go; leave `scheduler` out of \
                          `server.roles` where others remove them";
            return refused("retention.every_seconds", reason.to_owned());
        }
        if self.knowledge.update_seconds == 0 {
            let reason = "upstreams would be asked without end with 0 seconds: to fetch nothing, set `knowledge.update` to \"off\"";
            return refused("knowledge.update_seconds", reason.to_owned());
        }
        if self.knowledge.refresh_seconds == 0 {
            let reason =
                "it would be asked without end with 0 seconds: to take nothing over, leave `knowledge.from` out";
            return refused("knowledge.refresh_seconds", reason.to_owned());
        }
        for (setting, is_zero) in self.bounds_on_everything() {
            if is_zero {
                return refused(setting, "with 0, nothing of any image can be analysed".to_owned());
            }
        }
        if self.registries.proxy.get().is_some_and(|url| !is_proxy(url)) {
            let reason = "it is no address of a proxy: write it as `http://HOST:PORT`";
            return refused("registries.proxy", reason.to_owned());
        }
        if self.webhooks.signing_secret.get().is_some_and(|secret| !is_signing_secret(&SecretString::from(secret))) {
            let reason = "behind `whsec_` there is no base64: copy it whole, or take a secret without `whsec_`";
            return refused("webhooks.signing_secret", reason.to_owned());
        }
        if let Some(reason) = self.no_feeds() {
            return refused("knowledge.feeds_dir", reason);
        }
        Ok(())
    }

    /// Bounds that leave nothing of any image if they are 0, and whether they are. With others it is some images, or parts.
    fn bounds_on_everything(&self) -> [(&'static str, bool); 11] {
        let (limits, fetch) = (&self.limits, &self.fetch_limits);
        [
            ("limits.layer_bytes", limits.layer_bytes == 0),
            ("limits.layer_entries", limits.layer_entries == 0),
            ("limits.layers", limits.layers == 0),
            ("limits.path_bytes", limits.path_bytes == 0),
            ("limits.path_depth", limits.path_depth == 0),
            ("limits.tree_bytes", limits.tree_bytes == 0),
            ("limits.file_bytes", limits.file_bytes == 0),
            ("limits.held_bytes", limits.held_bytes == 0),
            ("limits.packages", limits.packages == 0),
            ("fetch_limits.document_bytes", fetch.document_bytes == 0),
            ("fetch_limits.layers", fetch.layers == 0),
        ]
    }

    /// Why the index cannot be built of a folder of files that somebody else keeps. Where files are fetched, it is made.
    fn no_feeds(&self) -> Option<String> {
        let knowledge = &self.knowledge;
        let folder = &knowledge.feeds_dir;
        let is_given = !folder.as_os_str().is_empty();
        // The index is built by who is asked to.
        let is_read = knowledge.update == Keeping::Off && knowledge.from.is_empty() && self.server.has(Role::Api);
        (is_given && is_read && !folder.is_dir())
            .then(|| format!("there is no folder `{}`: make it, or leave the setting out", folder.display()))
    }
}

fn is_proxy(url: &str) -> bool {
    // Of another scheme, the client would take no notice, and go without a proxy. `HOST:PORT` has none.
    let is_foreign = Url::parse(url).is_ok_and(|url| url.has_host() && !matches!(url.scheme(), "http" | "https"));
    !is_foreign && Proxy::Given { url: SecretString::from(url), except: Vec::new() }.check().is_ok()
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
            ("[registries]\nproxy = 'http://me:secret@proxy.example.com:3128'", ""),
            ("[registries]\nproxy = '10.0.0.1:3128'", ""),
            (
                "[registries]\nproxy = '::::'",
                "`registries.proxy` cannot be used: it is no address of a proxy: write it as `http://HOST:PORT`",
            ),
            (
                "[registries]\nproxy = 'socks5://127.0.0.1:1080'",
                "`registries.proxy` cannot be used: it is no address of a proxy: write it as `http://HOST:PORT`",
            ),
            ("[webhooks]\nsigning_secret = 'a secret of words'", ""),
            ("[webhooks]\nsigning_secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'", ""),
            (
                "[webhooks]\nsigning_secret = 'whsec_!!!'",
                "`webhooks.signing_secret` cannot be used: behind `whsec_` there is no base64: copy it whole, or take a secret \
                 without `whsec_`",
            ),
            (
                "[knowledge]\nupdate = 'off'\nfeeds_dir = '/no/such/folder'",
                "`knowledge.feeds_dir` cannot be used: there is no folder `/no/such/folder`: make it, or leave the setting out",
            ),
            // It is made when files are fetched; and who answers no requests needs none.
            ("[knowledge]\nfeeds_dir = '/no/such/folder'", ""),
            ("[server]\nroles = ['worker']\n[knowledge]\nupdate = 'off'\nfeeds_dir = '/no/such/folder'", ""),
            (
                "[analysis]\nlease_seconds = 0",
                "`analysis.lease_seconds` cannot be used: with 0 seconds, a task is taken from its worker as soon as it begins",
            ),
            ("[archive]\nrules_every_seconds = 0", ""),
            (
                "[retention]\nevery_seconds = 0",
                "`retention.every_seconds` cannot be used: with 0, images and accounts that somebody deletes would never go; leave \
                 `scheduler` out of `server.roles` where others remove them",
            ),
            (
                "[knowledge]\nupdate_seconds = 0",
                "`knowledge.update_seconds` cannot be used: upstreams would be asked without end with 0 seconds: to fetch nothing, \
                 set `knowledge.update` to \"off\"",
            ),
            (
                "[knowledge]\nrefresh_seconds = 0",
                "`knowledge.refresh_seconds` cannot be used: it would be asked without end with 0 seconds: to take nothing over, \
                 leave `knowledge.from` out",
            ),
            (
                "[server]\nbody_limit_bytes = 0",
                "`server.body_limit_bytes` cannot be used: with 0 bytes, nothing can be sent to the service",
            ),
            // Any, or none of what most images lack.
            ("[limits]\nanalysis_seconds = 0\nhole_bytes = 0\narchive_depth = 0\nattachment_bytes = 0", ""),
            ("[limits]\nlayers = 0", "`limits.layers` cannot be used: with 0, nothing of any image can be analysed"),
            (
                "[fetch_limits]\ndocument_bytes = 0",
                "`fetch_limits.document_bytes` cannot be used: with 0, nothing of any image can be analysed",
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
