//! Image references, as Docker reads them (distribution/reference, "reference.go" grammar).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// `registry/repository[:tag][@digest]`, with the registry always explicit.
///
/// `nginx` is `docker.io/library/nginx:latest`: the default registry, its `library/` prefix and the default
/// tag are filled in. A digest without a tag has no tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// Host with optional port.
    pub registry: String,
    /// Path within the registry.
    pub repository: String,
    /// Tag.
    pub tag: Option<String>,
    /// Digest; wins over the tag.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

/// The registry of references that name none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| ReferenceError { text: text.chars().take(200).collect(), reason };
        if text.len() > 512 {
            return Err(error("it is longer than 512 bytes"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse::<Digest>().map_err(|_| error("the digest after `@` is malformed"))?))
            }
            None => (text, None),
        };
        let (registry, path) = match rest.split_once('/') {
            Some((host, path)) if is_host(host) && !host.starts_with('.') => (host, path),
            _ => (DEFAULT_REGISTRY, rest),
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(error(
                "a tag has 1 to 128 letters, digits, `_`, `.` or `-`, and begins with none of the last two",
            ));
        }
        if !path.split('/').all(is_path_component) {
            return Err(error(
                "a repository has lower-case letters and digits, separated by `.`, `_`, `__`, `-` or `/`",
            ));
        }
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, Some(_)) => None,
            (None, None) => Some("latest".to_owned()),
        };
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

fn is_host(text: &str) -> bool {
    (text.contains(['.', ':']) || text == "localhost")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && !text.starts_with(['.', '-'])
}

fn is_path_component(text: &str) -> bool {
    let mut words = text.split(['.', '_', '-']).peekable();
    let edges = text.bytes().next().zip(text.bytes().last());
    edges.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && words.all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
        && !text.contains("..")
        && !text.contains("___")
        && !text.contains("._")
        && !text.contains("_.")
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(out, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_completed() {
        for (text, want) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.25", "docker.io/library/nginx:1.25"),
            ("me/app", "docker.io/me/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
            ("ghcr.io/a/b__c-d", "ghcr.io/a/b__c-d:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ] {
            assert_eq!(text.parse::<Reference>().map(|reference| reference.to_string()), Ok(want.to_owned()));
        }
    }

    #[test]
    fn a_digest_needs_no_tag() {
        let digest = Digest::of(b"x");
        let reference: Reference = format!("r.io/a@{digest}").parse().unwrap();
        assert_eq!((reference.tag, reference.digest), (None, Some(digest)));
    }

    #[test]
    fn malformed_references_are_refused() {
        for text in ["", "UPPER", "a b", "a//b", "a:", "a:b:c", "-a", "a-", "x@sha256:12", "../etc/passwd", "a/:t"] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
