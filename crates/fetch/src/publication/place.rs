//! The words for places.

use std::fmt;
use std::path::{Path, PathBuf};

use killick_model::reference::Reference;
use url::Url;

use super::PlaceError;

/// Where a publication lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// One tar file with what would be in the folder.
    Bundle(PathBuf),
    /// The folder as a web server serves it. The path ends with a slash.
    Web(Url),
    /// The folder as objects of S3, or something that speaks like it.
    Bucket {
        /// Its name.
        bucket: String,
        /// What the names of all objects begin with: nothing, or something that ends with a slash.
        prefix: String,
    },
    /// An artifact in an OCI registry.
    Registry(Reference),
}

impl Place {
    /// Reads what the user typed. A path that is not there yet is a bundle if its name ends with `.tar`, else a folder.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let malformed = |reason: &str| PlaceError::Malformed { text: text.to_owned(), reason: reason.to_owned() };
        if let Some(name) = text.strip_prefix("oci://") {
            let reference: Reference = name.parse().map_err(|error| malformed(&format!("{error}")))?;
            return Ok(Self::Registry(reference));
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if bucket.len() < 3 || !bucket.bytes().all(is_plain) || bucket.contains("..") {
                return Err(malformed("it names no bucket"));
            }
            let prefix = prefix.trim_matches('/');
            if !prefix.is_empty() && !prefix.split('/').all(|part| is_segment(part) && part.bytes().all(is_plain)) {
                return Err(malformed("the prefix may have letters, digits, `-`, `.`, `_` between its slashes"));
            }
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            return Ok(Self::Bucket { bucket: bucket.to_owned(), prefix });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let mut url: Url = text.parse().map_err(|error| malformed(&format!("{error}")))?;
            if url.query().is_some() || url.fragment().is_some() {
                return Err(malformed("the address must end with a path"));
            }
            if !url.path().ends_with('/') {
                let path = format!("{}/", url.path());
                url.set_path(&path);
            }
            return Ok(Self::Web(url));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(malformed(&format!("nothing is known of `{scheme}://`")));
        }
        let path = Path::new(text);
        let is_folder = if path.exists() {
            path.is_dir()
        } else {
            text.ends_with('/') || path.extension().is_none_or(|extension| extension != "tar")
        };
        Ok(if is_folder { Self::Folder(path.to_owned()) } else { Self::Bundle(path.to_owned()) })
    }
}

fn is_segment(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

impl fmt::Display for Place {
    /// Without a password that is part of an address.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::Bundle(path) => path.display().fmt(out),
            Self::Web(url) => {
                let mut url = url.clone();
                let _ = url.set_password(None);
                out.write_str(url.as_str())
            }
            Self::Bucket { bucket, prefix } => write!(out, "s3://{bucket}/{prefix}"),
            Self::Registry(reference) => write!(out, "oci://{reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_places() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().display().to_string();
        for (text, want) in [
            ("https://example.org/advisories", "Web https://example.org/advisories/"),
            ("http://u:secret@example.org", "Web http://u@example.org/"),
            ("s3://bucket", "Bucket s3://bucket/"),
            ("s3://bucket/a/b/", "Bucket s3://bucket/a/b/"),
            ("oci://registry.example:5000/a/b:c", "Registry oci://registry.example:5000/a/b:c"),
            ("new.tar", "Bundle new.tar"),
            ("new/", "Folder new/"),
            ("new", "Folder new"),
            (&there, &format!("Folder {there}")),
        ] {
            let place = Place::parse(text).unwrap();
            let kind = format!("{place:?}").split(['(', ' ']).next().unwrap().to_owned();
            assert_eq!(format!("{kind} {place}"), want);
        }
        for (text, want) in [
            ("ftp://example.org/", "nothing is known of `ftp://`"),
            ("s3://", "names no bucket"),
            ("s3://a/b", "names no bucket"),
            ("s3://bucket/a b", "the prefix may have"),
            ("s3://bucket/a/../b", "the prefix may have"),
            ("https://", "empty host"),
            ("https://example.org/?a=b", "must end with a path"),
            ("oci://UPPER/x y", "is no place"),
        ] {
            let error = Place::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
