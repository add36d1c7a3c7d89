//! Requests to the token services of a cloud.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{CloudError, CloudOptions, Endpoints, Provider};
use crate::egress::Reach;
use crate::environment::Environment;
use crate::http::{self, ClientOptions, Proxy};

/// Bytes of an answer or a file.
const ANSWER_BYTES: u64 = 256 << 10;
/// Characters of a service's word for what is wrong.
const REASON_CHARS: usize = 80;

/// A way to ask the services of one cloud.
pub(super) struct Exchange<'a> {
    pub(super) provider: Provider,
    options: &'a CloudOptions,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(provider: Provider, options: &'a CloudOptions) -> Self {
        Self { provider, options }
    }

    pub(super) fn environment(&self) -> &'a Environment {
        &self.options.environment
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.options.clock)()
    }

    /// Where a service is: `usual`, if no other place is given.
    pub(super) fn endpoint(
        &self,
        service: &'static str,
        choose: impl Fn(&Endpoints) -> Option<&Url>,
        usual: &str,
    ) -> Result<Url, CloudError> {
        match choose(&self.options.endpoints) {
            Some(url) => Ok(url.clone()),
            None => usual.parse().map_err(|_| self.malformed(service)),
        }
    }

    /// A client for a service in the network.
    pub(super) fn far(&self, service: &'static str, url: &Url) -> Result<reqwest::Client, CloudError> {
        self.client(service, url, ClientOptions { proxy: self.options.proxy.clone(), ..ClientOptions::default() })
    }

    /// A client for a service of this machine's own link, which is there at once or not at all.
    pub(super) fn near(&self, service: &'static str, url: &Url) -> Result<reqwest::Client, CloudError> {
        let connect_timeout = self.options.timeout.min(Duration::from_secs(1));
        self.client(service, url, ClientOptions { connect_timeout, proxy: Proxy::Direct, ..ClientOptions::default() })
    }

    fn client(&self, service: &'static str, url: &Url, options: ClientOptions) -> Result<reqwest::Client, CloudError> {
        let provider = self.provider;
        let reach = Reach::new(url, &self.options.egress).map_err(|refused| CloudError::Forbidden {
            provider,
            service,
            refused,
        })?;
        http::client(&ClientOptions { redirects: 0, reach: Some(reach), ..options })
            .map_err(|source| CloudError::Client { provider, source })
    }

    /// The answer to a request.
    pub(super) async fn send(&self, service: &'static str, request: RequestBuilder) -> Result<Vec<u8>, CloudError> {
        let provider = self.provider;
        let exchange = async {
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() as u64 + chunk.len() as u64 > ANSWER_BYTES {
                    return Ok((status, None));
                }
                body.extend_from_slice(&chunk);
            }
            Ok((status, Some(body)))
        };
        let Ok(answer) = tokio::time::timeout(self.options.timeout, exchange).await else {
            return Err(CloudError::Slow { provider, service });
        };
        // An address may carry a secret.
        let unreachable =
            |source: reqwest::Error| CloudError::Unreachable { provider, service, source: source.without_url() };
        match answer.map_err(unreachable)? {
            (200..=299, Some(body)) => Ok(body),
            (200..=299, None) => Err(self.malformed(service)),
            (status, body) => {
                let reason = body.as_deref().map(reason).unwrap_or_default();
                Err(CloudError::Refused { provider, service, status, reason })
            }
        }
    }

    /// The answer to a request, as JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        service: &'static str,
        request: RequestBuilder,
    ) -> Result<T, CloudError> {
        let body = self.send(service, request).await?;
        // What is wrong with it is not told: it is a secret.
        serde_json::from_slice(&body).map_err(|_| self.malformed(service))
    }

    /// The text of a file.
    pub(super) fn read(&self, path: &Path) -> Result<String, CloudError> {
        let mut text = String::new();
        let read = fs_err::File::open(path).and_then(|file| file.take(ANSWER_BYTES).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(text),
            Err(source) => Err(CloudError::File { provider: self.provider, path: path.to_owned(), source }),
        }
    }

    /// The text of a file, if there is one.
    pub(super) fn read_if_there(&self, path: &Path) -> Result<Option<String>, CloudError> {
        match self.read(path) {
            Ok(text) => Ok(Some(text)),
            Err(CloudError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn malformed(&self, service: &'static str) -> CloudError {
        CloudError::Malformed { provider: self.provider, service }
    }

    pub(super) fn unusable(&self, what: impl Into<String>, reason: &'static str) -> CloudError {
        CloudError::Unusable { provider: self.provider, what: what.into(), reason }
    }
}

/// The word that a service has for what is wrong: `OAuth2`'s `error`, Amazon's `__type` or `Code`. Never more, because
/// answers repeat what was sent.
fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        error: Option<String>,
        #[serde(default, rename = "__type")]
        kind: Option<String>,
    }
    let text = String::from_utf8_lossy(body);
    let word = match serde_json::from_slice::<Fault>(body) {
        Ok(fault) => fault.error.or(fault.kind),
        Err(_) => element(&text, "Code").map(str::to_owned),
    };
    let word = word.unwrap_or_default();
    let word = word.rsplit('#').next().unwrap_or_default();
    let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    word.chars().take(REASON_CHARS).filter(|_| is_word).collect()
}

/// The content of the first element of this name, in answers that have no more structure than that.
pub(super) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

/// Whether a service is not there at all: this machine is none of that cloud's.
pub(super) fn is_absent(error: &CloudError) -> bool {
    matches!(error, CloudError::Unreachable { .. } | CloudError::Slow { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_are_told() {
        for (body, want) in [
            (r#"{"error":"invalid_grant","error_description":"s3cret"}"#, "invalid_grant"),
            (r#"{"__type":"com.amazonaws#AccessDeniedException","message":"s3cret"}"#, "AccessDeniedException"),
            ("<E><Error><Code>InvalidIdentityToken</Code></Error></E>", "InvalidIdentityToken"),
            (r#"{"error":"a secret = x"}"#, ""),
            ("s3cret", ""),
            ("{}", ""),
        ] {
            assert_eq!(reason(body.as_bytes()), want, "{body}");
        }
    }
}
