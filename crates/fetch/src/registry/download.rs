//! Blobs from a registry: resumed where they broke off, handed from the runtime to a blocking reader.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::CONTENT_RANGE;
use killick_model::digest::Digest;
use reqwest::{Response, StatusCode};
use tokio::runtime::Handle;

use super::client::Client;
use super::error::RegistryError;
use crate::channel::{ChannelWriter, channel};
use crate::layer::Blob;

/// Time of waiting for bytes after which their rate is looked at.
const GRACE: Duration = Duration::from_secs(30);

/// A layer blob in a registry.
pub(super) struct RegistryBlob {
    client: Arc<Client>,
    digest: Digest,
    size: u64,
    runtime: Handle,
}

impl RegistryBlob {
    /// To be called on the runtime that will download.
    pub(super) fn new(client: Arc<Client>, digest: Digest, size: u64) -> Self {
        Self { client, digest, size, runtime: Handle::current() }
    }
}

impl Blob for RegistryBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let (writer, reader) = channel();
        let download = Download::new(Arc::clone(&self.client), self.digest.clone(), self.size);
        // Ends by itself when the blob or the reader does.
        self.runtime.spawn(download.run(writer));
        Ok(Box::new(reader))
    }
}

/// One blob on its way.
struct Download {
    client: Arc<Client>,
    digest: Digest,
    size: u64,
    what: String,
    /// Bytes handed out.
    offset: u64,
    /// Bytes of the current answer that were handed out before.
    repeated: u64,
    response: Option<Response>,
    /// Answers that broke off.
    resumes: u32,
    /// Those since the last new byte.
    fruitless: u32,
    /// Time spent waiting for bytes, answers and the next try, but not for the reader.
    waited: Duration,
}

impl Download {
    fn new(client: Arc<Client>, digest: Digest, size: u64) -> Self {
        let what = format!("layer `{digest}`");
        Self {
            client,
            digest,
            size,
            what,
            offset: 0,
            repeated: 0,
            response: None,
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
                Err(error) => return writer.fail(error).await,
            }
        }
    }

    /// The next new bytes; `None` when all that were declared came. What comes beyond is cut off with the connection,
    /// unless it comes with the last bytes: then the layer's reader refuses it.
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let (begun, waited) = (self.client.options.timer.now(), self.waited);
        while self.offset < self.size {
            let mut response = match self.response.take() {
                Some(response) => response,
                None => self.start().await?,
            };
            let chunk = response.chunk().await;
            self.waited = waited.saturating_add(self.client.options.timer.now().saturating_sub(begun));
            self.check_pace()?;
            match chunk {
                Ok(Some(mut bytes)) => {
                    self.response = Some(response);
                    let repeated = usize::try_from(self.repeated).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.advance(repeated);
                    self.repeated -= repeated as u64;
                    if !bytes.is_empty() {
                        self.offset += bytes.len() as u64;
                        self.fruitless = 0;
                        return Ok(Some(bytes));
                    }
                }
                Ok(None) | Err(_) => self.broke_off().await?,
            }
        }
        Ok(None)
    }

    /// Asks for what is missing.
    async fn start(&mut self) -> Result<Response, RegistryError> {
        let response = self.client.blob(&self.digest, self.offset, &self.what).await?;
        let begins = response.headers().get(CONTENT_RANGE).and_then(|value| begin(value.to_str().ok()?));
        self.repeated = match (response.status(), begins) {
            (StatusCode::PARTIAL_CONTENT, Some(begin)) if begin <= self.offset => self.offset - begin,
            (StatusCode::PARTIAL_CONTENT, _) => return Err(self.interrupted()),
            // The whole blob again: what we have is passed over.
            _ => self.offset,
        };
        Ok(response)
    }

    async fn broke_off(&mut self) -> Result<(), RegistryError> {
        self.resumes += 1;
        self.fruitless += 1;
        let retry = &self.client.options.retry;
        if self.resumes > retry.resumes || self.fruitless >= retry.attempts {
            return Err(self.interrupted());
        }
        self.client.pause(self.fruitless, None, &self.what).await;
        Ok(())
    }

    /// Gives up on a layer that comes in drops, or does not come to an end.
    fn check_pace(&self) -> Result<(), RegistryError> {
        let timeouts = &self.client.options.timeouts;
        let is_slow =
            self.waited > GRACE && self.offset / self.waited.as_secs().max(1) < timeouts.layer_bytes_per_second;
        if is_slow || self.waited > timeouts.layer {
            return Err(self.client.too_slow(&self.what));
        }
        Ok(())
    }

    fn interrupted(&self) -> RegistryError {
        RegistryError::Interrupted {
            registry: self.client.registry.clone(),
            what: self.what.clone(),
            received: self.offset,
            size: self.size,
        }
    }
}

/// The first byte of `bytes FIRST-LAST/SIZE`.
fn begin(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
