//! Which packages of distributions contain which files, learnt by one account for that account.

use std::collections::BTreeMap;

use killick_model::digest::Digest;

use crate::batch::batches;
use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

/// How old the note that a package was seen may become, in microseconds: a day.
const STALE: i64 = 86_400_000_000;

row! {
    /// A file, and a package that contains it.
    pub struct KnownFile {
        /// SHA-256 of the content, in hexadecimal digits.
        pub sha256: String,
        /// The package, as it was given.
        pub document: String,
    }
}

row! {
    /// That a package is known.
    pub struct Seen {
        digest: Digest,
        seen_at: i64,
    }
}

/// A package to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKnownPackage {
    /// What tells it from others, in the caller's spelling.
    pub document: String,
    /// SHA-256 of its files, in hexadecimal digits.
    pub files: Vec<String>,
}

impl NewKnownPackage {
    /// What it is known by: the package together with its files, because one may be installed in parts.
    fn digest(&self) -> Digest {
        let mut text = self.document.clone();
        for file in &self.files {
            text.push('\n');
            text.push_str(file);
        }
        Digest::of(text.as_bytes())
    }
}

impl Store {
    /// The packages that contain any of these contents.
    pub async fn known_files(&self, account: &str, contents: &[String]) -> Result<Vec<KnownFile>> {
        let mut found: Vec<KnownFile> = Vec::new();
        for batch in batches(contents) {
            let rows: Vec<KnownFile> = read!(self.pool, db => {
                let mut query = sqlx::query_as(sql::FIND_KNOWN_FILES);
                for content in batch {
                    query = query.bind(content);
                }
                query.bind(account).fetch_all(db).await
            })
            .during("looking up files")?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// Learns packages, and that known ones were seen. When an account knows more than so many files, it forgets what it has
    /// not seen for longest.
    pub async fn learn_files(
        &self,
        account: &str,
        packages: &[NewKnownPackage],
        max_files: i64,
        now: i64,
    ) -> Result<()> {
        const DOING: &str = "learning files";
        // In one order, so that two who learn the same do not wait for each other.
        let mut new: BTreeMap<String, &NewKnownPackage> =
            packages.iter().map(|package| (package.digest().to_string(), package)).collect();
        let digests: Vec<String> = new.keys().cloned().collect();
        for batch in batches(&digests) {
            let seen: Vec<Seen> = read!(self.pool, db => {
                let mut query = sqlx::query_as(sql::KNOWN_PACKAGES);
                for digest in batch {
                    query = query.bind(digest);
                }
                query.bind(account).fetch_all(db).await
            })
            .during(DOING)?;
            for seen in seen.iter().filter(|seen| seen.seen_at >= now.saturating_sub(STALE)) {
                new.remove(&seen.digest.to_string());
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        transaction!(self.pool, tx => {
            for (digest, package) in &new {
                let files = i64::try_from(package.files.len()).unwrap_or(i64::MAX);
                let id: i64 = sqlx::query_scalar(sql::PUT_KNOWN_PACKAGE).bind(account).bind(digest).bind(&package.document)
                    .bind(files).bind(now).fetch_one(&mut *tx).await.creating("known package", digest)?;
                for batch in batches(&package.files) {
                    let mut add = sqlx::query(sql::ADD_KNOWN_FILES);
                    for file in batch {
                        add = add.bind(file);
                    }
                    add.bind(id).execute(&mut *tx).await.during(DOING)?;
                }
            }
            sqlx::query(sql::FORGET_KNOWN_PACKAGES).bind(account).bind(max_files).execute(&mut *tx).await.during(DOING)?;
        });
        Ok(())
    }

    /// Forgets packages that were not seen since an instant; answers how many.
    pub async fn delete_old_known_packages(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_KNOWN_PACKAGES, before, "forgetting known files").await
    }
}
