//! What roles can be given on: repositories, policies and registries of an account, by their names or by patterns of those.

use std::fmt;

use crate::registry::is_registry;
use crate::wildcard::fits;

/// Bytes of a pattern, as many as a reference to an image may have.
const MAX_BYTES: usize = 512;

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    /// A repository of images, as their tags name it: `ghcr.io/acme/app`.
    Repository,
    /// A policy, by its id.
    Policy,
    /// The login that is stored for a registry, by its name.
    Registry,
}

impl ResourceKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 3] = [Self::Repository, Self::Policy, Self::Registry];

    /// Its name.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Policy => "policy",
            Self::Registry => "registry",
        }
    }
}

/// A resource of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(super) kind: ResourceKind,
    name: String,
}

impl Resource {
    /// A repository in a registry.
    pub(crate) fn repository(registry: &str, repository: &str) -> Self {
        Self { kind: ResourceKind::Repository, name: format!("{registry}/{repository}") }
    }

    /// The policy of an id.
    pub(crate) fn policy(id: &str) -> Self {
        Self { kind: ResourceKind::Policy, name: id.to_owned() }
    }

    /// The registry of a name.
    pub(crate) fn registry(name: &str) -> Self {
        Self { kind: ResourceKind::Registry, name: name.to_owned() }
    }
}

/// As a role would be given on it.
impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind.slug(), self.name)
    }
}

/// Some resources of one kind: those whose names are as the text, in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(super) kind: ResourceKind,
    text: String,
}

impl Pattern {
    /// Reads `KIND:NAME`; or why that names nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        let kinds = ResourceKind::ALL.map(ResourceKind::slug);
        let split = text.split_once(':').filter(|(_, name)| !name.is_empty());
        let known = split.and_then(|(slug, name)| {
            ResourceKind::ALL.into_iter().find(|kind| kind.slug() == slug).map(|kind| (kind, name))
        });
        let Some((kind, name)) = known else {
            return Err(format!("`{shown}` names no resource: write `KIND:NAME`, and for KIND {}", kinds.join(", ")));
        };
        if text.len() > MAX_BYTES {
            return Err(format!("`{shown}` is longer than {MAX_BYTES} bytes"));
        }
        if name.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(format!("`{shown}` has blanks in it: write `*` for them"));
        }
        if kind == ResourceKind::Repository {
            let (registry, repository) = name.split_once('/').unwrap_or((name, ""));
            if !registry.contains('*') && (repository.is_empty() || !is_registry(registry)) {
                return Err(format!("`{shown}` is no repository: name its registry, too, as in `docker.io/team/app`"));
            }
            if repository.contains([':', '@']) {
                return Err(format!("`{shown}` has a tag or digest: a role is given on whole repositories"));
            }
        }
        Ok(Self { kind, text: name.to_owned() })
    }

    /// Whether it names the resource.
    pub(crate) fn names(&self, resource: &Resource) -> bool {
        self.kind == resource.kind && fits(&self.text, &resource.name)
    }

    /// Whether it names whatever the other one does: a star of that, as a letter, is taken by nothing but a star.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.kind == other.kind && fits(&self.text, &other.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind.slug(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_name_resources() {
        for (text, resource, want) in [
            ("repository:r.io/team/app", Resource::repository("r.io", "team/app"), true),
            ("repository:r.io/team/app", Resource::repository("r.io", "team/app2"), false),
            ("repository:r.io/team/*", Resource::repository("r.io", "team/a/b"), true),
            ("repository:r.io/team/*", Resource::repository("r.io", "team2/a"), false),
            ("repository:r.io/team/*", Resource::repository("r.io:5000", "team/a"), false),
            ("repository:*/team/app", Resource::repository("r.io:5000", "team/app"), true),
            ("repository:localhost:5000/*", Resource::repository("localhost:5000", "a"), true),
            ("repository:*", Resource::policy("p"), false),
            ("policy:prod*", Resource::policy("production"), true),
            ("policy:r.io/a", Resource::registry("r.io/a"), false),
            ("registry:r.io", Resource::registry("r.io"), true),
            // The login for whatever is in there is another thing.
            ("registry:r.io/app", Resource::registry("r.io/*"), false),
            ("registry:r.io/*", Resource::registry("r.io/*"), true),
        ] {
            assert_eq!(pattern(text).names(&resource), want, "{text} {resource}");
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn patterns_include_others() {
        for (wide, narrow, want) in [
            ("repository:r.io/*", "repository:r.io/team/*", true),
            ("repository:r.io/team/*", "repository:r.io/*", false),
            ("repository:r.io/a", "repository:r.io/a", true),
            ("repository:r.io/a", "repository:r.io/*", false),
            ("repository:*", "repository:r.io/*-web", true),
            ("repository:r.io/*-web", "repository:r.io/a*-web", true),
            ("repository:r.io/a*-web", "repository:r.io/*-web", false),
            ("policy:*", "registry:r.io", false),
        ] {
            assert_eq!(pattern(wide).includes(&pattern(narrow)), want, "{wide} {narrow}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for (text, told) in [
            ("", "names no resource"),
            ("repository", "names no resource"),
            ("repository:", "names no resource"),
            ("image:r.io/a", "names no resource"),
            ("Policy:p", "names no resource"),
            ("repository:team/app", "name its registry"),
            ("repository:app", "name its registry"),
            ("repository:r.io", "name its registry"),
            ("repository:r.io/app:1.0", "has a tag or digest"),
            ("repository:r.io/app@sha256:ab", "has a tag or digest"),
            ("policy:my policy", "blanks"),
            ("registry:r.io\u{7}", "blanks"),
        ] {
            let why = Pattern::parse(text).unwrap_err();
            assert!(why.contains(told), "{text}: {why}");
        }
        assert!(Pattern::parse(&format!("policy:{}", "p".repeat(MAX_BYTES))).unwrap_err().contains("longer"));
    }

    proptest! {
        #[test]
        fn what_is_included_names_no_more(wide in "[ab*]{1,6}", narrow in "[ab*]{1,6}", name in "[ab]{0,8}") {
            let [wide, narrow] = [wide, narrow].map(|text| pattern(&format!("policy:{text}")));
            let policy = Resource::policy(&name);
            prop_assert!(!(wide.includes(&narrow) && narrow.names(&policy)) || wide.names(&policy));
        }
    }
}
