//! References as mappings see them.
//!
//! Not [`killick_model::reference`]: no `library/` is added, nothing is refused, and a dot-less first segment is
//! never a registry. Mappings were written against exactly this reading.

/// The parts of a reference that mapping rules look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Target {
    pub(crate) registry: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
    pub(crate) image_id: Option<String>,
}

const DEFAULT_REGISTRY: &str = "docker.io";

impl Target {
    /// Reads a reference. Nothing fails: what is missing stays `None`.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        let replaced;
        let text = match text.strip_prefix("dockerhub/") {
            Some(rest) => {
                replaced = format!("{DEFAULT_REGISTRY}/{rest}");
                replaced.as_str()
            }
            None => text,
        };
        if text.starts_with("sha256:") {
            return Self { registry: Some(DEFAULT_REGISTRY.into()), digest: Some(text.into()), ..Self::default() };
        }
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self { image_id: Some(text.into()), ..Self::default() };
        }
        let (registry, rest) = match text.split_once('/') {
            Some((host, rest)) if is_host(host) => (host, rest),
            _ => (DEFAULT_REGISTRY, text),
        };
        let (repository, tag, digest) = match rest.rsplit_once('@') {
            Some((named, digest)) => match named.rsplit_once(':') {
                Some((repository, tag)) => (repository, Some(tag), Some(digest)),
                None => (named, None, Some(digest)),
            },
            None => match rest.rsplit_once(':') {
                Some((repository, tag)) => (repository, Some(tag), None),
                None => (rest, Some("latest"), None),
            },
        };
        Self {
            registry: Some(registry.to_owned()),
            repository: Some(repository.to_owned()),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            image_id: None,
        }
    }
}

fn is_host(text: &str) -> bool {
    text.contains([':', '.']) || matches!(text, "localhost" | "localbuild")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_mappings_expect() {
        let id = "a".repeat(64);
        for (text, registry, repository, tag, digest) in [
            ("nginx", Some("docker.io"), Some("nginx"), Some("latest"), None),
            ("foo/a:1", Some("docker.io"), Some("foo/a"), Some("1"), None),
            ("docker.io/library/nginx:latest", Some("docker.io"), Some("library/nginx"), Some("latest"), None),
            ("localhost:5000/x:1", Some("localhost:5000"), Some("x"), Some("1"), None),
            ("reg:5000/a:1", Some("reg:5000"), Some("a"), Some("1"), None),
            ("dockerhub/library/nginx:1", Some("docker.io"), Some("library/nginx"), Some("1"), None),
            ("x@sha256:abc", Some("docker.io"), Some("x"), None, Some("sha256:abc")),
            ("reg:5000/x:1@sha256:abc", Some("reg:5000"), Some("x"), Some("1"), Some("sha256:abc")),
            ("sha256:abc", Some("docker.io"), None, None, Some("sha256:abc")),
            ("*/*:*", Some("docker.io"), Some("*/*"), Some("*"), None),
            (id.as_str(), None, None, None, None),
        ] {
            let target = Target::parse(text);
            assert_eq!(
                (
                    target.registry.as_deref(),
                    target.repository.as_deref(),
                    target.tag.as_deref(),
                    target.digest.as_deref()
                ),
                (registry, repository, tag, digest),
                "{text}"
            );
            assert_eq!(target.image_id.is_some(), text == id);
        }
    }
}
