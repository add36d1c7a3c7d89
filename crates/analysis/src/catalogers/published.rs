//! What a package URL says besides name and version, as lock files tell it.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageDetails};

/// Gathers [`PackageDetails::Published`]. Whatever is not known or empty is left out.
#[derive(Debug, Default)]
pub(super) struct Published {
    namespace: Option<String>,
    subpath: Option<String>,
    qualifiers: BTreeMap<String, String>,
    checksum: Option<(String, String)>,
}

impl Published {
    pub(super) fn namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = present(namespace);
        self
    }

    pub(super) fn subpath(mut self, subpath: Option<&str>) -> Self {
        self.subpath = present(subpath);
        self
    }

    pub(super) fn qualifier(mut self, key: &str, value: Option<&str>) -> Self {
        self.qualifiers.extend(present(value).map(|value| (key.to_owned(), value)));
        self
    }

    pub(super) fn checksum(mut self, algorithm: &str, digest: Option<&str>) -> Self {
        self.checksum = present(digest).map(|digest| (algorithm.to_owned(), digest.to_lowercase())).or(self.checksum);
        self
    }

    /// The package with these details.
    pub(super) fn of(self, mut package: Package) -> Package {
        let Self { namespace, subpath, qualifiers, checksum } = self;
        if namespace.is_some() || subpath.is_some() || !qualifiers.is_empty() || checksum.is_some() {
            package.details = PackageDetails::Published { namespace, subpath, qualifiers, checksum };
        }
        package
    }
}

fn present(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Where a package was fetched from: a repository under `git`, `hg` and the like, at a revision if that is known.
pub(super) fn repository(system: &str, url: &str, revision: Option<&str>) -> Option<String> {
    let url = without_credentials(url.trim());
    if url.is_empty() {
        return None;
    }
    let revision = present(revision).map(|revision| format!("@{revision}")).unwrap_or_default();
    // `git@host:path` is an address by itself, which the form of package URLs writes with a scheme.
    let url = match url.split_once(':') {
        Some((host, path)) if !path.starts_with("//") && host.contains('@') => format!("ssh://{host}/{path}"),
        _ => url,
    };
    Some(format!("{system}+{url}{revision}"))
}

/// An address without the password or token that may stand before its host.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        // A bare user name, as in `ssh://git@host`, is no secret.
        Some((user, _)) if scheme == "ssh" && !user.contains(':') => url.to_owned(),
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_no_secrets() {
        for (url, revision, address) in [
            ("https://example.org/a.git", Some("0a"), Some("git+https://example.org/a.git@0a")),
            ("https://user:token@example.org/a.git", None, Some("git+https://example.org/a.git")),
            ("https://token@example.org", None, Some("git+https://example.org")),
            ("ssh://git@example.org/a.git", Some(" "), Some("git+ssh://git@example.org/a.git")),
            ("git@example.org:a/b.git", Some("0a"), Some("git+ssh://git@example.org/a/b.git@0a")),
            ("", Some("0a"), None),
        ] {
            assert_eq!(repository("git", url, revision).as_deref(), address, "{url}");
        }
    }
}
