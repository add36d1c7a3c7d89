//! Blobs from a registry, whole or in part: resumed where they broke off, handed from the runtime to a blocking reader.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::CONTENT_RANGE;
use killick_model::digest::Digest;
use killick_model::listing::Unusable;
use reqwest::{Response, StatusCode};
use tokio::runtime::Handle;
use url::Url;

use super::client::Bytes as Wanted;
use super::error::RegistryError;
use super::upstreams::Upstreams;
use crate::channel::{ChannelWriter, channel};
use crate::layer::Blob;

/// Time of waiting for bytes after which their rate is looked at.
const GRACE: Duration = Duration::from_secs(30);

/// A pause of the reader for which a registry, or what is between, may close the connection.
const PAUSE: Duration = Duration::from_secs(10);

/// A layer blob in a registry or its mirrors, or where its manifest says.
pub(super) struct RegistryBlob {
    upstreams: Arc<Upstreams>,
    digest: Digest,
    size: u64,
    urls: Vec<Url>,
    runtime: Handle,
}

impl RegistryBlob {
    /// To be called on the runtime that will download.
    pub(super) fn new(upstreams: Arc<Upstreams>, digest: Digest, size: u64, urls: Vec<Url>) -> Self {
        Self { upstreams, digest, size, urls, runtime: Handle::current() }
    }
}

impl Blob for RegistryBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(self.start(None))
    }

    fn open_part(&self, part: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        Ok(self.start(Some(part)))
    }
}

impl RegistryBlob {
    fn start(&self, part: Option<Range<u64>>) -> Box<dyn Read + Send> {
        let (writer, reader) = channel();
        let mut download =
            Download::new(Arc::clone(&self.upstreams), self.digest.clone(), self.size, self.urls.clone());
        if let Some(part) = part {
            (download.begin, download.offset, download.size, download.is_part) =
                (part.start, part.start, part.end, true);
        }
        // Ends by itself when the blob or the reader does.
        self.runtime.spawn(download.run(writer));
        Box::new(reader)
    }
}

/// One blob on its way.
struct Download {
    upstreams: Arc<Upstreams>,
    /// Where it may be if they do not have it.
    urls: Vec<Url>,
    digest: Digest,
    /// Where what is wanted begins and ends.
    begin: u64,
    size: u64,
    /// Only a part of the blob is wanted, and not to be had at the price of all of it.
    is_part: bool,
    /// The place it comes from: by its number among the registries, and then among the addresses.
    place: usize,
    /// Places that broke off too often.
    given_up: Vec<usize>,
    what: String,
    /// The first byte that was not handed out yet.
    offset: u64,
    /// Bytes of the current answer that were handed out before.
    repeated: u64,
    response: Option<Response>,
    /// When bytes were handed out last.
    handed_out: Duration,
    /// The current answer had to wait for the reader.
    was_paused: bool,
    /// Answers that broke off, but for those that had to wait.
    resumes: u32,
    /// Those since the last new byte.
    fruitless: u32,
    /// Time spent waiting for bytes, answers and the next try, but not for the reader.
    waited: Duration,
}

impl Download {
    fn new(upstreams: Arc<Upstreams>, digest: Digest, size: u64, urls: Vec<Url>) -> Self {
        let what = format!("layer `{digest}`");
        Self {
            upstreams,
            urls,
            digest,
            begin: 0,
            size,
            is_part: false,
            place: 0,
            given_up: Vec::new(),
            what,
            offset: 0,
            repeated: 0,
            response: None,
            handed_out: Duration::ZERO,
            was_paused: false,
            resumes: 0,
            fruitless: 0,
            waited: Duration::ZERO,
        }
    }

    async fn run(mut self, writer: ChannelWriter) {
        loop {
            match self.next().await {
                Ok(Some(bytes)) => {
                    if !writer.send(bytes).await {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error @ (RegistryError::NoParts { .. } | RegistryError::Status { status: 400..=499, .. }))
                    if self.is_part =>
                {
                    return writer.fail(Unusable(error.to_string())).await;
                }
                Err(error) => return writer.fail(error).await,
            }
        }
    }

    /// The next new bytes; `None` when all that were declared came. What comes beyond is cut off with the connection,
    /// unless it comes with the last bytes: then the layer's reader refuses it.
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let (begun, waited) = (self.now(), self.waited);
        let limit = self.upstreams.client().options.timeouts.read;
        self.was_paused |= self.response.is_some() && begun.saturating_sub(self.handed_out) >= PAUSE;
        while self.offset < self.size {
            let mut response = match self.response.take() {
                Some(response) => response,
                None => self.start().await?,
            };
            let chunk = tokio::time::timeout(limit, response.chunk()).await;
            let now = self.now();
            self.waited = waited.saturating_add(now.saturating_sub(begun));
            self.check_pace()?;
            match chunk {
                Ok(Ok(Some(mut bytes))) => {
                    self.response = Some(response);
                    let repeated = usize::try_from(self.repeated).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.advance(repeated);
                    self.repeated -= repeated as u64;
                    if self.is_part {
                        let wanted = self.size.saturating_sub(self.offset);
                        bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
                    }
                    if !bytes.is_empty() {
                        self.offset += bytes.len() as u64;
                        self.fruitless = 0;
                        self.handed_out = now;
                        return Ok(Some(bytes));
                    }
                }
                Ok(Ok(None) | Err(_)) | Err(_) => self.broke_off().await?,
            }
        }
        Ok(None)
    }

    /// Asks for what is missing.
    async fn start(&mut self) -> Result<Response, RegistryError> {
        let response = self.ask().await?;
        let begins = response.headers().get(CONTENT_RANGE).and_then(|value| begin(value.to_str().ok()?));
        self.repeated = match (response.status(), begins) {
            (StatusCode::PARTIAL_CONTENT, Some(begin)) if begin <= self.offset => self.offset - begin,
            (StatusCode::PARTIAL_CONTENT, _) => return Err(self.interrupted()),
            _ if self.is_part => {
                let registry = self.upstreams.client().registry.clone();
                return Err(RegistryError::NoParts { registry, what: self.what.clone() });
            }
            // The whole blob again: what we have is passed over.
            _ => self.offset,
        };
        Ok(response)
    }

    /// Asks the registries, and then whoever else may have it.
    async fn ask(&mut self) -> Result<Response, RegistryError> {
        let wanted = Wanted { first: self.offset, end: Some(self.size).filter(|_| self.is_part) };
        let refused = match self.upstreams.start(&self.digest, wanted, &self.what, &self.given_up).await {
            Ok((place, response)) => {
                self.place = place;
                return Ok(response);
            }
            Err(error) => error,
        };
        for (place, url) in (self.upstreams.count()..).zip(&self.urls) {
            if self.given_up.contains(&place) {
                continue;
            }
            match self.upstreams.client().elsewhere(url, wanted, &self.what).await {
                Ok(response) => {
                    self.place = place;
                    return Ok(response);
                }
                Err(error) => tracing::debug!("a foreign layer is not where its manifest says: {error}"),
            }
        }
        Err(refused)
    }

    async fn broke_off(&mut self) -> Result<(), RegistryError> {
        // Whoever had to wait for us did nothing wrong.
        self.resumes += u32::from(!std::mem::take(&mut self.was_paused));
        self.fruitless += 1;
        let client = self.upstreams.client();
        let retry = &client.options.retry;
        if self.resumes > retry.resumes {
            return Err(self.interrupted());
        }
        if self.fruitless >= retry.attempts {
            self.given_up.push(self.place);
            if self.given_up.len() >= self.upstreams.count() + self.urls.len() {
                return Err(self.interrupted());
            }
            self.fruitless = 0;
            return Ok(());
        }
        client.pause(self.fruitless, None, &self.what).await;
        Ok(())
    }

    fn now(&self) -> Duration {
        self.upstreams.client().options.timer.now()
    }

    /// Gives up on a layer that comes in drops, or does not come to an end.
    fn check_pace(&self) -> Result<(), RegistryError> {
        let client = self.upstreams.client();
        let timeouts = &client.options.timeouts;
        let came = self.offset.saturating_sub(self.begin);
        let is_slow = self.waited > GRACE && came / self.waited.as_secs().max(1) < timeouts.layer_bytes_per_second;
        if is_slow || self.waited > timeouts.layer {
            return Err(client.too_slow(&self.what));
        }
        Ok(())
    }

    fn interrupted(&self) -> RegistryError {
        RegistryError::Interrupted {
            registry: self.upstreams.client().registry.clone(),
            what: self.what.clone(),
            received: self.offset,
            size: self.size,
        }
    }
}

/// The first byte of `bytes FIRST-LAST/SIZE`.
pub(crate) fn begin(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests;
