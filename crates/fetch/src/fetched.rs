//! One small document of a given address, or the answer to a form, over verified TLS; in plain HTTP only from this machine.
//! It follows no redirect and nothing here retries.

use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::egress::{Egress, Reach, Refused};
use crate::http::{ClientOptions, HttpError, Proxy, client};

/// How documents are fetched.
#[derive(Clone, Default)]
pub struct FetchOptions {
    /// Certificates in PEM to trust besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Through whom.
    pub proxy: Proxy,
    /// Where it may go.
    pub egress: Egress,
    /// Who names the address, if the user does not: it must not be nearer than that.
    pub sent_by: Option<Url>,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no address, or one that nothing protects.
    #[error("`{url}` is not an `https://` address")]
    Address {
        /// As given.
        url: String,
    },
    /// The settings keep us from it.
    #[error("documents must not be fetched from {0}")]
    Refused(#[source] Refused),
    /// There is no HTTP client to ask with.
    #[error("cannot speak to `{host}`")]
    Client {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// No connection, or it broke.
    #[error("cannot reach `{host}`")]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It took too long.
    #[error("`{host}` did not answer within {seconds} seconds")]
    Timeout {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// It answered, and has none.
    #[error("`{host}` answered {status}")]
    Status {
        /// The host.
        host: String,
        /// As answered.
        status: u16,
    },
    /// It is too large.
    #[error("what `{host}` sends is larger than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The limit.
        limit: usize,
    },
}

/// The document at an address, of so many bytes at most, within a time.
pub async fn document(
    url: &str,
    options: &FetchOptions,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<u8>, FetchError> {
    match exchange(url, None, options, limit, timeout).await? {
        (200, bytes) => Ok(bytes),
        (status, _) => Err(FetchError::Status { host: host(url), status }),
    }
}

/// What is answered to a form that is posted, and with which status: of so many bytes at most, within a time.
pub async fn post_form(
    url: &str,
    form: &[(&str, &str)],
    options: &FetchOptions,
    limit: usize,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), FetchError> {
    exchange(url, Some(form), options, limit, timeout).await
}

/// The address, if it may be asked: HTTPS, or this machine, and not nearer than who sends us there.
pub fn address(url: &str, options: &FetchOptions) -> Result<Url, FetchError> {
    reach(url, options).map(|(url, _)| url)
}

fn reach(url: &str, options: &FetchOptions) -> Result<(Url, Arc<Reach>), FetchError> {
    let url = read(url)?;
    let reach = Reach::new(options.sent_by.as_ref().unwrap_or(&url), &options.egress).map_err(FetchError::Refused)?;
    reach.check(&url).map_err(FetchError::Refused)?;
    Ok((url, reach))
}

async fn exchange(
    url: &str,
    form: Option<&[(&str, &str)]>,
    options: &FetchOptions,
    limit: usize,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), FetchError> {
    let (url, reach) = reach(url, options)?;
    let host = host(url.as_str());
    let http = client(&ClientOptions {
        extra_ca_pem: options.extra_ca_pem.clone(),
        proxy: options.proxy.clone(),
        redirects: 0,
        reach: Some(reach),
        ..ClientOptions::default()
    });
    let http = http.map_err(|source| FetchError::Client { host: host.clone(), source })?;
    let request = match form {
        Some(form) => http.post(url).header("accept", "application/json").form(form),
        None => http.get(url),
    };
    let exchange = async {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while (form.is_some() || status == 200) && bytes.len() <= limit {
            let Some(chunk) = response.chunk().await? else { break };
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    };
    match tokio::time::timeout(timeout, exchange).await {
        Err(_) => Err(FetchError::Timeout { host, seconds: timeout.as_secs() }),
        Ok(Err(error)) => {
            let source: reqwest::Error = error;
            Err(FetchError::Unreachable { host, source: source.without_url() })
        }
        Ok(Ok((_, bytes))) if bytes.len() > limit => Err(FetchError::TooLarge { host, limit }),
        Ok(Ok(answer)) => Ok(answer),
    }
}

fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

fn read(text: &str) -> Result<Url, FetchError> {
    let url = Url::parse(text).ok().filter(|url| match url.host() {
        None => false,
        Some(_) if url.scheme() == "https" => true,
        Some(Host::Ipv4(address)) => url.scheme() == "http" && address.is_loopback(),
        Some(Host::Ipv6(address)) => url.scheme() == "http" && address.is_loopback(),
        Some(Host::Domain(name)) => url.scheme() == "http" && name == "localhost",
    });
    url.ok_or_else(|| FetchError::Address { url: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_asked_in_plain_http() {
        for (text, is_good) in [
            ("https://id.example.org/keys", true),
            ("http://127.0.0.1:81/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://id.example.org/keys", false),
            ("http://127.0.0.1.example.org/keys", false),
            ("file:///etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(read(text).is_ok(), is_good, "{text}");
        }
    }
}
