//! How version 1 reads an image reference. Not quite as registries do: `library/` is never filled in, and the words
//! `localhost`, `localhost.localdomain` and `localbuild` are registries.

use killick_model::reference::{DEFAULT_REGISTRY, Reference};

use crate::api::error::ApiError;
use crate::images::{AddImage, Wanted};
use crate::records::{Image, Tag};
use crate::registry::{as_registries_read, is_registry};

/// What a caller named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PullString {
    /// 64 hexadecimal digits: the digest of a configuration.
    ImageId(String),
    /// A digest without a repository.
    Digest(String),
    /// A reference.
    Reference(Named),
}

/// A repository, and what is wanted from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Host with optional port.
    pub(crate) registry: String,
    /// Path within the registry.
    pub(crate) repository: String,
    /// Tag or digest.
    pub(crate) pick: Pick,
}

/// What is wanted from a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pick {
    /// A tag.
    Tag(String),
    /// A digest, as written: it may still turn out malformed.
    Digest(String),
}

impl PullString {
    /// Reads a pull string; only its characters can be wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"@:/_.-".contains(&byte);
        if text.is_empty() || text.len() > 512 || !text.bytes().all(allowed) {
            let shown: String = text.chars().take(80).collect();
            return Err(ApiError::bad_request(format!("`{shown}` is not an image reference")));
        }
        if text.starts_with("sha256:") {
            return Ok(Self::Digest(text.to_owned()));
        }
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::ImageId(text.to_owned()));
        }
        Ok(Self::Reference(Named::parse(text)))
    }
}

impl Named {
    fn parse(text: &str) -> Self {
        let (registry, rest) = match text.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest),
            _ => (DEFAULT_REGISTRY, text),
        };
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (rest, "latest"),
        };
        let pick = digest.map_or_else(|| Pick::Tag(tag.to_owned()), |digest| Pick::Digest(digest.to_owned()));
        Self { registry: registry.to_owned(), repository: repository.to_owned(), pick }
    }

    /// The image of a tag.
    pub(crate) fn tagged(text: &str) -> Result<Self, ApiError> {
        match PullString::parse(text)? {
            PullString::Reference(named) if named.tag().is_some() => Ok(named),
            _ => Err(ApiError::bad_request(format!("`{text}` does not name an image by tag"))),
        }
    }

    /// The full tag under which an image is judged that goes by this: the tag itself, or the newest that the image has in the
    /// repository. Tags come the oldest first.
    pub(crate) fn judged(&self, image: &Image) -> Option<String> {
        if self.tag().is_some() {
            return Some(self.text());
        }
        let there = |tag: &&Tag| tag.registry == self.registry && tag.repository == self.repository;
        image.tags.iter().rev().find(there).map(Tag::full)
    }

    /// The tag, where it is not a digest that is wanted.
    pub(crate) fn tag(&self) -> Option<&str> {
        match &self.pick {
            Pick::Tag(tag) => Some(tag),
            Pick::Digest(_) => None,
        }
    }

    /// `registry/repository:tag` or `registry/repository@digest`.
    pub(super) fn text(&self) -> String {
        match &self.pick {
            Pick::Tag(tag) => format!("{}/{}:{tag}", self.registry, self.repository),
            Pick::Digest(digest) => format!("{}/{}@{digest}", self.registry, self.repository),
        }
    }

    /// The reference as the registry reads it, where short names of the default registry do get their `library/`.
    pub(super) fn reference(&self) -> Result<Reference, String> {
        as_registries_read(&self.registry, &self.repository, &self.text())
    }
}

impl AddImage {
    /// What a tag points to.
    pub(crate) fn by_tag(tag: Named, force: bool) -> Self {
        Self::new(tag.clone().into(), tag.into(), force)
    }

    /// An image by its digest, which is bare or a whole pull string, under a tag.
    pub(crate) fn by_digest(tag: Named, digest: &str, force: bool) -> Result<Self, ApiError> {
        let pull = match PullString::parse(digest)? {
            PullString::Digest(digest) => Named { pick: Pick::Digest(digest), ..tag.clone() },
            PullString::Reference(named @ Named { pick: Pick::Digest(_), .. }) => named,
            _ => return Err(ApiError::bad_request(format!("`{digest}` does not name an image by digest"))),
        };
        Ok(Self::new(pull.into(), tag.into(), force))
    }
}

impl From<Named> for Wanted {
    fn from(named: Named) -> Self {
        Self {
            text: named.text(),
            tag: named.tag().map(str::to_owned),
            reference: named.reference(),
            registry: named.registry,
            repository: named.repository,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_version_1_does() {
        for (text, want) in [
            ("nginx", "docker.io/nginx:latest"),
            ("library/nginx:1.19", "docker.io/library/nginx:1.19"),
            ("myhost:5000/a/b:t", "myhost:5000/a/b:t"),
            ("myhost:5000/a/b", "myhost:5000/a/b:latest"),
            ("quay.io/x/y", "quay.io/x/y:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localbuild/x:1", "localbuild/x:1"),
            ("a/b", "docker.io/a/b:latest"),
            ("repo@sha256:abc", "docker.io/repo@sha256:abc"),
            ("repo:tag@sha256:abc", "docker.io/repo@sha256:abc"),
        ] {
            let PullString::Reference(named) = PullString::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(named.text(), want, "{text}");
        }
    }

    #[test]
    fn digests_and_ids_stand_alone() {
        let id = "ab".repeat(32);
        assert_eq!(PullString::parse(&id).unwrap(), PullString::ImageId(id));
        assert_eq!(PullString::parse("sha256:x").unwrap(), PullString::Digest("sha256:x".to_owned()));
    }

    #[test]
    fn strange_characters_are_refused() {
        for text in ["", "a b", "a;b", "a\nb", "ä"] {
            assert!(PullString::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_registry_gets_its_own_spelling() {
        let PullString::Reference(named) = PullString::parse("nginx").unwrap() else { panic!() };
        assert_eq!(named.reference().unwrap().to_string(), "docker.io/library/nginx:latest");
        let PullString::Reference(named) = PullString::parse("localbuild/x:1").unwrap() else { panic!() };
        assert_eq!(named.reference().unwrap().to_string(), "localbuild/x:1");
    }
}
