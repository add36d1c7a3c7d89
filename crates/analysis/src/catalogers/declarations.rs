//! What lock files have in common: packages named once each, and where those come from that no registry has.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;

use super::{Found, declared};

/// The packages of one lock file. One that it names many times (for several platforms, extras or places) is there once.
pub(super) struct Declarations<'a> {
    kind: PackageKind,
    location: &'a ImagePath,
    packages: BTreeMap<(String, String), Package>,
}

/// One entry of a lock file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Declaration<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// Repository or address as written, if that is no registry.
    pub(super) fetched_from: Option<&'a str>,
    /// Asked for by developers only, as far as this entry tells.
    pub(super) is_development: bool,
}

impl<'a> Declarations<'a> {
    pub(super) fn new(kind: PackageKind, location: &'a ImagePath) -> Self {
        Self { kind, location, packages: BTreeMap::new() }
    }

    /// Adds a package, or gives the one that is there already. `None` if the entry has no name, or nothing that tells
    /// one state of the package from another: a version, or else the place it was fetched from.
    pub(super) fn add(&mut self, entry: Declaration<'_>) -> Option<&mut Package> {
        let (name, version) = (entry.name.trim(), entry.version.trim());
        if name.is_empty() || (version.is_empty() && entry.fetched_from.is_none_or(str::is_empty)) {
            return None;
        }
        let key = (name.to_owned(), version.to_owned());
        let package = self.packages.entry(key).or_insert_with(|| Package {
            fetched_from: entry.fetched_from.map(address),
            is_development: entry.is_development,
            ..declared(self.kind, name, version, self.location)
        });
        // Whoever needs it for more than development, or has it from the registry, decides.
        package.is_development &= entry.is_development;
        if entry.fetched_from.is_none() {
            package.fetched_from = None;
        }
        Some(package)
    }

    /// Whether a package was added already.
    pub(super) fn has(&self, name: &str, version: &str) -> bool {
        self.packages.contains_key(&(name.to_owned(), version.to_owned()))
    }

    pub(super) fn finish(self, found: &mut Found) {
        found.packages.extend(self.packages.into_values());
    }
}

/// Whether dependencies of a group of this name are for developers. Formats that do not tell leave only the name.
pub(super) fn is_development_group(name: &str) -> bool {
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| {
        let word = word.to_ascii_lowercase();
        matches!(
            word.as_str(),
            "dev" | "develop" | "development" | "test" | "tests" | "testing" | "lint" | "doc" | "docs" | "typing"
        )
    })
}

/// A repository at a revision in the form of package URLs: `git+https://host/path@revision`.
pub(super) fn repository(system: &str, url: &str, revision: &str) -> String {
    let url = url.strip_prefix(system).and_then(|rest| rest.strip_prefix('+')).unwrap_or(url);
    let url = url.split(['#', '?']).next().unwrap_or(url);
    // `git@host:path`, as ssh writes it.
    let url = match url.split_once(':') {
        Some((host, path)) if !path.starts_with("//") && host.contains('@') => format!("ssh://{host}/{path}"),
        _ => url.to_owned(),
    };
    let url = without_credentials(&url);
    if revision.is_empty() { format!("{system}+{url}") } else { format!("{system}+{url}@{revision}") }
}

/// An address as lock files write them, in the form of package URLs and without what may be secret.
///
/// `git+ssh://git@host/path.git#revision` and `github:owner/name#revision` are repositories; any other address is one to
/// download from, and loses its query.
pub(super) fn address(text: &str) -> String {
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    // Yarn: `#commit=0123abc`; older tools add `&path:/sub`.
    let revision = fragment.strip_prefix("commit=").unwrap_or(fragment);
    let revision = revision.split(['&', '?']).next().unwrap_or_default();
    for (shorthand, host) in [("github:", "github.com"), ("gitlab:", "gitlab.com"), ("bitbucket:", "bitbucket.org")] {
        if let Some(path) = url.strip_prefix(shorthand) {
            return repository("git", &format!("https://{host}/{path}"), revision);
        }
    }
    for system in ["git", "hg", "svn", "bzr"] {
        if url.strip_prefix(system).is_some_and(|rest| rest.starts_with('+')) {
            return repository(system, url, revision);
        }
    }
    let is_git = url.starts_with("git://") || url.starts_with("git@") || url.starts_with("ssh://");
    let path = url.split('?').next().unwrap_or(url);
    if is_git || path.strip_suffix(".git").is_some() {
        return repository("git", url, revision);
    }
    without_credentials(path)
}

/// The user `git` is no secret; any other one, and what follows it, may be.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((user, host)) if user != "git" => format!("{scheme}://{host}{path}"),
        _ => url.to_owned(),
    }
}

/// Whether the file lies inside an installed package, below a folder named `folder`: then it tells how that package is
/// developed, which nobody does in the image.
pub(super) fn is_inside(path: &ImagePath, folder: &str) -> bool {
    path.as_bytes().split(|&byte| byte == b'/').any(|part| part == folder.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (written, want) in [
            ("git+ssh://git@github.com/a/b.git#0123", "git+ssh://git@github.com/a/b.git@0123"),
            ("git+https://user:secret@host/a/b#v1", "git+https://host/a/b@v1"),
            ("git@github.com:a/b.git", "git+ssh://git@github.com/a/b.git"),
            ("github:a/b#0123", "git+https://github.com/a/b@0123"),
            ("https://github.com/a/b.git#commit=0123", "git+https://github.com/a/b.git@0123"),
            ("git://host/a#0123&path:/sub", "git+git://host/a@0123"),
            ("hg+https://host/a@b", "hg+https://host/a@b"),
            ("https://token@host/a.tgz?sig=secret#sha", "https://host/a.tgz"),
            ("file:vendor/a.tgz", "file:vendor/a.tgz"),
            ("", ""),
        ] {
            assert_eq!(address(written), want, "{written}");
        }
        assert_eq!(repository("git", "https://host/a?rev=x#0123", "0123"), "git+https://host/a@0123");
        assert_eq!(repository("git", "git+https://host/a", ""), "git+https://host/a");
    }

    #[test]
    fn what_any_entry_needs_is_not_for_development() {
        let location = ImagePath::from("/srv/lock");
        let mut packages = Declarations::new(PackageKind::Npm, &location);
        let entry = Declaration { name: "a", version: "1", is_development: true, ..Declaration::default() };
        packages.add(entry);
        packages.add(Declaration { version: "2", ..entry });
        packages.add(Declaration { is_development: false, ..entry });
        assert!(packages.add(Declaration { name: " ", ..entry }).is_none());
        assert!(packages.add(Declaration { version: "", ..entry }).is_none());
        let mut found = Found::default();
        packages.finish(&mut found);
        let seen: Vec<_> = found.packages.iter().map(|package| (&*package.version, package.is_development)).collect();
        assert_eq!(seen, [("1", false), ("2", true)]);
    }

    #[test]
    fn groups_for_developers_go_by_their_names() {
        for name in ["dev", "requirements-dev", "test", "Docs", "unit_tests"] {
            assert!(is_development_group(name), "{name}");
        }
        for name in ["default", "main", "device", "postgres", "latest", ""] {
            assert!(!is_development_group(name), "{name}");
        }
    }
}
