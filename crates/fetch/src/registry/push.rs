//! The only requests that change something: blobs and manifests of our own artifacts (OCI distribution specification,
//! "Pushing a blob monolithically: POST then PUT", "Pushing Manifests").

use bytes::Bytes;
use http::Method;
use http::header::LOCATION;
use killick_model::digest::Digest;
use url::Url;

use super::client::{Ask, Client, Failure};
use super::error::RegistryError;

/// What is sent.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) kind: &'static str,
    pub(super) bytes: Bytes,
}

impl Client {
    /// Whether the repository has the blob.
    pub(super) async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let what = format!("blob `{digest}` in `{}`", self.repository);
        let ask = Ask { method: Method::HEAD, ..Ask::get(format!("blobs/{digest}")) };
        match self.repeatedly(&what, || self.in_time(&what, self.send(&ask, &what))).await {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a blob. A registry that has it already takes it again.
    pub(super) async fn push_blob(&self, digest: &Digest, bytes: Bytes) -> Result<(), RegistryError> {
        let what = format!("upload of `{digest}` to `{}`", self.repository);
        let begin = Ask {
            method: Method::POST,
            body: Some(Body { kind: "application/octet-stream", bytes: Bytes::new() }),
            ..Ask::get("blobs/uploads/".to_owned())
        };
        let session = self.repeatedly(&what, || self.in_time(&what, self.send(&begin, &what))).await?;
        let location = session.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|location| session.url().join(location).ok());
        let mut target: Url = target.ok_or_else(|| RegistryError::Redirect {
            registry: self.registry.clone(),
            what: what.clone(),
            reason: "to nowhere",
        })?;
        self.reach.check(&target).map_err(|refused| self.forbidden(refused))?;
        target.query_pairs_mut().append_pair("digest", &digest.to_string());
        let body = Some(Body { kind: "application/octet-stream", bytes });
        let end = Ask { method: Method::PUT, page: Some(target), body, ..Ask::get(String::new()) };
        // Once: the session may be over after a failure.
        match self.send(&end, &what).await {
            Ok(_) => Ok(()),
            Err(Failure::Final(error) | Failure::Again { error, .. }) => Err(error),
        }
    }

    /// Puts a manifest under a tag.
    pub(super) async fn push_manifest(&self, tag: &str, kind: &'static str, bytes: Bytes) -> Result<(), RegistryError> {
        let what = format!("upload of the manifest `{tag}` to `{}`", self.repository);
        let body = Some(Body { kind, bytes });
        let ask = Ask { method: Method::PUT, body, ..Ask::get(format!("manifests/{tag}")) };
        self.repeatedly(&what, || self.send(&ask, &what)).await.map(drop)
    }
}
