//! Where the store lives, by the settings, and how its documents move elsewhere.

use std::time::Duration;

use killick_store::blobs::{BlobsAt, Bucket, Migrated};
use killick_store::{Settings, Store, StoreError};
use secrecy::SecretString;
use url::Url;

use crate::config::{Config, StorageConfig};

/// A place for documents that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{place}` is no place for documents: `folder`, `database` or `s3://BUCKET/PREFIX`")]
pub struct StorageSettingError {
    place: String,
}

/// Why documents were not moved.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It is not known where from or where to.
    #[error(transparent)]
    Setting(#[from] StorageSettingError),
    /// It is the same place.
    #[error("the documents are in `{place}` already")]
    Same {
        /// The place.
        place: String,
    },
    /// Reading or writing failed.
    #[error("the documents cannot be copied")]
    Store(#[from] StoreError),
}

/// How the store is opened.
pub(crate) fn settings(config: &StorageConfig) -> Result<Settings, StorageSettingError> {
    Ok(Settings {
        data_dir: config.data_dir.clone(),
        database_url: config.database_url.get().map(SecretString::from),
        secret: config.secret_key.get().map(SecretString::from),
        blobs: place(config, &config.blobs)?,
        max_connections: config.max_connections,
        patience: Duration::from_secs(config.database_wait_seconds),
    })
}

/// Copies documents to another place, from where the settings say or from `from`. `told` hears of each; what was copied
/// before is not copied again.
pub async fn migrate(
    config: &Config,
    from: Option<&str>,
    to: &str,
    told: impl FnMut(&Migrated),
) -> Result<Migrated, MigrateError> {
    let from = from.unwrap_or(&config.storage.blobs);
    let (source, target) = (place(&config.storage, from)?, place(&config.storage, to)?);
    let name = |place: &BlobsAt| match place {
        BlobsAt::Folder => "folder".to_owned(),
        BlobsAt::Database => "database".to_owned(),
        BlobsAt::Bucket(bucket) => format!("s3://{}/{}", bucket.name, bucket.prefix),
    };
    if name(&source) == name(&target) {
        return Err(MigrateError::Same { place: name(&target) });
    }
    let settings = Settings { blobs: source, ..settings(&config.storage)? };
    let store = Store::open(&settings).await?;
    let done = store.migrate_blobs(&settings, &target, told).await;
    store.close().await;
    Ok(done?)
}

fn place(config: &StorageConfig, place: &str) -> Result<BlobsAt, StorageSettingError> {
    match place {
        "" | "folder" => return Ok(BlobsAt::Folder),
        "database" => return Ok(BlobsAt::Database),
        _ => {}
    }
    let none = || StorageSettingError { place: place.chars().take(200).collect() };
    let url = Url::parse(place).ok().filter(|url| url.scheme() == "s3").ok_or_else(none)?;
    let name = url.host_str().filter(|name| !name.is_empty()).ok_or_else(none)?;
    Ok(BlobsAt::Bucket(Bucket {
        name: name.to_owned(),
        prefix: url.path().trim_matches('/').to_owned(),
        endpoint: config.s3_endpoint.clone(),
        region: config.s3_region.clone(),
        access_key_id: config.s3_access_key_id.clone(),
        secret_access_key: config.s3_secret_access_key.get().map(SecretString::from),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_names() {
        let config = StorageConfig { s3_region: "eu-1".to_owned(), ..StorageConfig::default() };
        assert!(matches!(place(&config, ""), Ok(BlobsAt::Folder)));
        assert!(matches!(place(&config, "folder"), Ok(BlobsAt::Folder)));
        assert!(matches!(place(&config, "database"), Ok(BlobsAt::Database)));
        for (text, name, prefix) in [("s3://scans", "scans", ""), ("s3://scans/of/killick/", "scans", "of/killick")] {
            let Ok(BlobsAt::Bucket(bucket)) = place(&config, text) else { panic!("{text}") };
            assert_eq!((bucket.name.as_str(), bucket.prefix.as_str(), bucket.region.as_str()), (name, prefix, "eu-1"));
        }
        for none in ["sql", "s3://", "https://scans", "s3:scans", "/var/lib"] {
            let told = place(&config, none).unwrap_err().to_string();
            assert_eq!(
                told,
                format!("`{none}` is no place for documents: `folder`, `database` or `s3://BUCKET/PREFIX`")
            );
        }
    }
}
