//! Where everything is kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Secret;

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Folder for everything that has no URL of its own.
    pub data_dir: PathBuf,
    /// `postgres://user:password@host/database`; empty for a SQLite file in `data_dir`.
    pub database_url: Secret,
    /// Secret that encrypts registry credentials at rest, long and random; empty for a key file in `data_dir`.
    pub secret_key: Secret,
    /// File holding `secret_key` instead.
    pub secret_key_file: PathBuf,
    /// Where documents are kept: empty for a folder in `data_dir`, `database`, or `s3://bucket/prefix`.
    pub blobs: String,
    /// The address of what speaks S3; empty for AWS.
    pub s3_endpoint: String,
    /// The region of the bucket; empty for that of the environment.
    pub s3_region: String,
    /// Who reads and writes the bucket; empty for whoever the environment says.
    pub s3_access_key_id: String,
    /// The secret of that key.
    pub s3_secret_access_key: Secret,
    /// File holding `s3_secret_access_key` instead.
    pub s3_secret_access_key_file: PathBuf,
    /// Most connections to the database.
    pub max_connections: u32,
    /// How long to wait at the start for a PostgreSQL that does not answer yet.
    pub database_wait_seconds: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("killick-data"),
            database_url: Secret::default(),
            secret_key: Secret::default(),
            secret_key_file: PathBuf::new(),
            blobs: String::new(),
            s3_endpoint: String::new(),
            s3_region: String::new(),
            s3_access_key_id: String::new(),
            s3_secret_access_key: Secret::default(),
            s3_secret_access_key_file: PathBuf::new(),
            max_connections: 8,
            database_wait_seconds: 60,
        }
    }
}
