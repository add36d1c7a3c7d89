//! What an account knows of the files of packages, from the images that were analysed for it.

use std::collections::HashMap;

use killick_analysis::known::{KnownFiles, KnownPackage, merged};
use killick_store::Result;
use killick_store::known_files::NewKnownPackage;
use tokio::runtime::Handle;

use super::{Records, now};

/// The stored files of one account, for the threads that put images together. Must not be used on a thread of the runtime.
pub(crate) struct StoredFiles {
    records: Records,
    account: String,
    runtime: Handle,
}

impl StoredFiles {
    /// Must be made on the runtime.
    pub(crate) fn new(records: Records, account: &str) -> Self {
        Self { records, account: account.to_owned(), runtime: Handle::current() }
    }
}

impl KnownFiles for StoredFiles {
    fn find(&self, contents: &[[u8; 32]]) -> Vec<KnownPackage> {
        match self.runtime.block_on(self.records.known_packages(&self.account, contents)) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(account.name = %self.account, error = %error, "known files cannot be looked up");
                Vec::new()
            }
        }
    }
}

impl Records {
    /// The packages that contain any of these contents, as far as the account knows.
    async fn known_packages(&self, account: &str, contents: &[[u8; 32]]) -> Result<Vec<KnownPackage>> {
        let digests: Vec<String> = contents.iter().map(hex::encode).collect();
        let mut packages: HashMap<String, Vec<[u8; 32]>> = HashMap::new();
        for row in self.store.known_files(account, &digests).await? {
            let mut content = [0; 32];
            if hex::decode_to_slice(&row.sha256, &mut content).is_ok() {
                packages.entry(row.document).or_default().push(content);
            }
        }
        let known = packages.into_iter().filter_map(|(document, files)| {
            Some(KnownPackage { package: serde_json::from_str(&document).ok()?, files })
        });
        Ok(merged(known))
    }

    /// Remembers what an image taught the account.
    pub(crate) async fn learn(&self, account: &str, lessons: &[KnownPackage], max_files: u32) -> Result<()> {
        let package = |lesson: &KnownPackage| {
            let document = serde_json::to_string(&lesson.package).ok()?;
            Some(NewKnownPackage { document, files: lesson.files.iter().map(hex::encode).collect() })
        };
        let packages: Vec<NewKnownPackage> = lessons.iter().filter_map(package).collect();
        self.store.learn_files(account, &packages, i64::from(max_files), now()).await
    }
}
