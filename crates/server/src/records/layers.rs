//! What is known of layers, for all images and accounts.

use killick_analysis::cache::{LayerCache, LayerKey};
use killick_analysis::facts::LayerFacts;
use killick_model::digest::Digest;
use killick_store::Result;
use tokio::runtime::Handle;

use super::{DOCUMENT_BYTES, Records, now};

/// Stands in the revision's place for the Dockerfile guessed from a configuration, which depends on nothing else.
const GUESS: &str = "guessed-dockerfile";

/// The stored layer facts, for the threads that read layers. Must not be used on a thread of the runtime.
pub(crate) struct StoredFacts {
    records: Records,
    runtime: Handle,
}

impl StoredFacts {
    /// Must be made on the runtime.
    pub(crate) fn new(records: Records) -> Self {
        Self { records, runtime: Handle::current() }
    }
}

impl LayerCache for StoredFacts {
    fn get(&self, key: LayerKey<'_>) -> Option<LayerFacts> {
        let bytes = self.runtime.block_on(self.records.layer(&key.layer(), key.revision));
        match bytes {
            Ok(bytes) => LayerFacts::from_bytes(&bytes?),
            Err(error) => {
                tracing::warn!(layer.diff_id = %key.diff_id, error = %error, "kept facts of a layer cannot be read");
                None
            }
        }
    }

    fn put(&self, key: LayerKey<'_>, facts: &LayerFacts) {
        let Ok(bytes) = facts.to_bytes() else { return };
        if let Err(error) = self.runtime.block_on(self.records.keep_layer(&key.layer(), key.revision, bytes)) {
            tracing::warn!(layer.diff_id = %key.diff_id, error = %error, "facts of a layer cannot be kept");
        }
    }
}

impl Records {
    /// The Dockerfile that was guessed from this configuration.
    pub(super) async fn guess(&self, config_digest: &Digest) -> Result<Option<String>> {
        let bytes = self.layer(config_digest, GUESS).await?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Remembers the Dockerfile guessed from a configuration.
    pub(super) async fn keep_guess(&self, config_digest: &Digest, text: &str) -> Result<()> {
        self.keep_layer(config_digest, GUESS, text.as_bytes().to_vec()).await
    }

    async fn layer(&self, key: &Digest, revision: &str) -> Result<Option<Vec<u8>>> {
        let Some(blob) = self.store.layer_fact(key, revision, now()).await? else { return Ok(None) };
        self.store.blobs().get(&blob, DOCUMENT_BYTES).await.map(Some)
    }

    async fn keep_layer(&self, key: &Digest, revision: &str, bytes: Vec<u8>) -> Result<()> {
        let blob = self.store.blobs().put(bytes).await?;
        self.store.put_layer_fact(key, revision, &blob, now()).await
    }
}
