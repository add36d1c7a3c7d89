//! Where packed blobs lie: a folder, a bucket, rows of the database. All three behave alike but for their removal, which
//! is in [`orphans`](super::orphans).

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use killick_model::digest::Digest;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt as _};
use secrecy::{ExposeSecret as _, SecretString};

use super::{aside, blob_error, key, path};
use crate::Result;
use crate::error::{During as _, StoreError};
use crate::sql::Pool;
use crate::statements as sql;

/// Where to keep documents.
#[derive(Debug, Clone, Default)]
pub enum BlobsAt {
    /// In the folder `blobs` of the data folder.
    #[default]
    Folder,
    /// In the database.
    Database,
    /// In a bucket.
    Bucket(Bucket),
}

/// A bucket of S3, or of what speaks like it.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Before the names of all objects; may be empty.
    pub prefix: String,
    /// The address of the service; empty for AWS.
    pub endpoint: String,
    /// The region; empty for that of the environment.
    pub region: String,
    /// Who asks; empty for whoever the environment says.
    pub access_key_id: String,
    /// The secret of the key.
    pub secret_access_key: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Files, whose renaming is one step.
    Folder(Arc<dyn ObjectStore>, PathBuf),
    /// Objects, whose renaming is not.
    Objects(Arc<dyn ObjectStore>),
    /// Rows.
    Rows(Pool),
}

impl Place {
    pub(super) fn folder(dir: &FilePath) -> Result<Self> {
        fs_err::create_dir_all(dir).map_err(|source| StoreError::Folder { path: dir.to_owned(), source })?;
        let store = LocalFileSystem::new_with_prefix(dir)
            .map_err(|source| StoreError::Blob { key: dir.display().to_string(), source })?;
        Ok(Self::Folder(Arc::new(store.with_fsync(true)), dir.to_owned()))
    }

    pub(super) fn memory() -> Self {
        Self::Objects(Arc::new(InMemory::new()))
    }

    pub(super) fn bucket(bucket: &Bucket) -> Result<Self> {
        // The client takes the provider of the process; another may have set the same one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Whatever the settings leave out, the environment may say: a role of the machine, or of the pod.
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&bucket.name);
        if !bucket.endpoint.is_empty() {
            let plain = bucket.endpoint.starts_with("http://");
            builder = builder.with_endpoint(&bucket.endpoint);
            builder = builder.with_client_options(ClientOptions::new().with_allow_http(plain));
        }
        if !bucket.region.is_empty() {
            builder = builder.with_region(&bucket.region);
        } else if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
            builder = builder.with_region("us-east-1");
        }
        if !bucket.access_key_id.is_empty() {
            builder = builder.with_access_key_id(&bucket.access_key_id);
        }
        if let Some(secret) = &bucket.secret_access_key {
            builder = builder.with_secret_access_key(secret.expose_secret());
        }
        // Deletions in bulk are not in everything that speaks S3.
        let store = builder.with_disable_bulk_delete(true).build();
        let store = store.map_err(|source| StoreError::Blob { key: format!("s3://{}", bucket.name), source })?;
        let prefix = bucket.prefix.trim_matches('/');
        if prefix.is_empty() {
            return Ok(Self::Objects(Arc::new(store)));
        }
        Ok(Self::Objects(Arc::new(PrefixStore::new(store, Path::from(prefix)))))
    }

    pub(super) async fn write(&self, key: &Digest, packed: Vec<u8>) -> Result<()> {
        match self {
            Self::Folder(store, _) | Self::Objects(store) => {
                let put = store.put(&path(key), Bytes::from(packed).into()).await;
                // Of what is written, nothing but the place itself can be missing.
                put.map(drop).map_err(|source| StoreError::Blob { key: key.to_string(), source })
            }
            Self::Rows(pool) => {
                let written_at = now();
                write!(*pool, db => sqlx::query(sql::PUT_BLOB).bind(key.to_string()).bind(&packed).bind(written_at)
                    .execute(db).await.map(drop))
                .during("writing a blob")
            }
        }
    }

    /// The packed bytes, at most so many.
    pub(super) async fn read(&self, key: &Digest, limit_bytes: u64) -> Result<Bytes> {
        let too_large = || StoreError::BlobTooLarge { key: key.to_string(), limit_bytes };
        match self {
            Self::Folder(store, _) => fetch(store, key, &path(key), limit_bytes).await,
            Self::Objects(store) => match fetch(store, key, &path(key), limit_bytes).await {
                // It was set aside because nothing named it then; whoever names it now shall have it.
                Err(StoreError::NotFound { .. }) => {
                    let bytes = fetch(store, key, &aside(key), limit_bytes).await?;
                    self.write(key, bytes.to_vec()).await?;
                    Ok(bytes)
                }
                done => done,
            },
            Self::Rows(pool) => {
                let limit = i64::try_from(limit_bytes).unwrap_or(i64::MAX);
                let packed: Option<Vec<u8>> =
                    read!(*pool, db => sqlx::query_scalar(sql::BLOB).bind(key.to_string()).bind(limit)
                    .fetch_optional(db).await)
                    .during("reading a blob")?;
                match packed {
                    Some(packed) => Ok(Bytes::from(packed)),
                    None if self.size(key).await?.is_some() => Err(too_large()),
                    None => Err(missing(key)),
                }
            }
        }
    }

    /// Bytes of a blob as it is stored; nothing if it is not.
    pub(super) async fn size(&self, key: &Digest) -> Result<Option<u64>> {
        match self {
            Self::Folder(store, _) | Self::Objects(store) => match store.head(&path(key)).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(source) => Err(blob_error(key, source)),
            },
            Self::Rows(pool) => {
                let size: Option<i64> =
                    read!(*pool, db => sqlx::query_scalar(sql::BLOB_SIZE).bind(key.to_string()).fetch_optional(db).await)
                        .during("looking for a blob")?;
                Ok(size.and_then(|size| u64::try_from(size).ok()))
            }
        }
    }

    pub(super) async fn remove(&self, key: &Digest) -> Result<()> {
        match self {
            Self::Folder(store, _) | Self::Objects(store) => match store.delete(&path(key)).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(source) => Err(blob_error(key, source)),
            },
            Self::Rows(pool) => write!(*pool, db => sqlx::query(sql::DELETE_BLOB).bind(key.to_string()).bind(i64::MAX)
                .execute(db).await.map(drop))
            .during("removing a blob"),
        }
    }

    /// The blobs whose digests begin with a byte, each with when it was written: all of them are 256 times as many.
    pub(super) async fn shard(&self, first: u8) -> Result<Vec<(Digest, i64)>> {
        match self {
            Self::Folder(store, _) | Self::Objects(store) => {
                let error = |source| StoreError::Blob { key: "*".to_owned(), source };
                let folder = Path::from(format!("{first:02x}"));
                let all: Vec<_> = store.list(Some(&folder)).try_collect().await.map_err(error)?;
                let known = all.into_iter().filter_map(|meta| {
                    let key = key(&meta.location).filter(|key| path(key) == meta.location)?;
                    Some((key, meta.last_modified.timestamp_micros()))
                });
                Ok(known.collect())
            }
            Self::Rows(pool) => {
                // `g` comes after the last digit.
                let (from, to) = (format!("sha256:{first:02x}"), format!("sha256:{first:02x}g"));
                let rows: Vec<(String, i64)> =
                    read!(*pool, db => sqlx::query_as(sql::BLOBS_BETWEEN).bind(&from).bind(&to)
                    .fetch_all(db).await)
                    .during("listing blobs")?;
                Ok(rows.into_iter().filter_map(|(digest, at)| Some((digest.parse().ok()?, at))).collect())
            }
        }
    }
}

async fn fetch(store: &Arc<dyn ObjectStore>, key: &Digest, at: &Path, limit_bytes: u64) -> Result<Bytes> {
    let answer = store.get(at).await.map_err(|source| blob_error(key, source))?;
    if answer.meta.size > limit_bytes {
        return Err(StoreError::BlobTooLarge { key: key.to_string(), limit_bytes });
    }
    answer.bytes().await.map_err(|source| blob_error(key, source))
}

fn missing(key: &Digest) -> StoreError {
    StoreError::NotFound { entity: "blob", name: key.to_string() }
}

#[expect(clippy::disallowed_methods, reason = "the instant that a file system would note by itself")]
fn now() -> i64 {
    super::micros(SystemTime::now())
}
