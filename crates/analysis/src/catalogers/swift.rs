//! Swift packages of `Package.resolved`.
//!
//! Format: Swift Package Manager, `Sources/PackageGraph/PinsStore.swift` (`ResolvedPackagesStore.swift` since 6.0):
//! version 1 has its pins in an object and names repositories, versions 2 and 3 have locations and kinds. Swift
//! packages have no names of their own: advisories and package URLs know them by the address of their repository.

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::published::{Published, repository};
use super::{Cataloger, Found, WantedFile, Wants, declared, document};

/// Finds Swift packages.
pub(super) struct Swift;

#[derive(Deserialize)]
struct Resolved {
    /// Versions 2 and 3.
    pins: Option<Vec<Pin>>,
    /// Version 1.
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    pins: Vec<Pin>,
}

#[derive(Deserialize)]
struct Pin {
    identity: Option<String>,
    kind: Option<String>,
    #[serde(alias = "repositoryURL")]
    location: Option<String>,
    state: State,
}

/// The version of a tag, or the revision of a branch or commit.
#[derive(Deserialize)]
struct State {
    version: Option<String>,
    branch: Option<String>,
    revision: Option<String>,
}

impl Cataloger for Swift {
    fn name(&self) -> &'static str {
        "swift"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Swift]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/Package.resolved", "**/.package.resolved"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(resolved) = document::json::<Resolved>(file, found) else { return };
        let pins = match (resolved.pins, resolved.object) {
            (Some(pins), _) => pins,
            (None, Some(object)) => object.pins,
            (None, None) => return document::malformed(file, "resolved packages without pins", found),
        };
        for pin in pins {
            let location = pin.location.as_deref().unwrap_or_default();
            let kind = pin.kind.as_deref().unwrap_or("remoteSourceControl");
            let is_registry = kind == "registry";
            let name = match kind {
                "registry" => pin.identity.clone(),
                // A repository on the machine that resolved it.
                "localSourceControl" | "fileSystem" => None,
                _ => address(location),
            };
            let State { version, branch, revision } = pin.state;
            let at = version.as_deref().or(revision.as_deref());
            let (Some(name), Some(at)) = (name, at) else { continue };
            let mut package = declared(PackageKind::Swift, &name, at, file.path);
            // A tag may move; what was built is the commit.
            package.fetched_from = if is_registry { None } else { repository("git", location, revision.as_deref()) };
            let published = Published::default().qualifier("branch", branch.as_deref());
            found.packages.push(published.of(package));
        }
    }
}

/// `https://host/path.git`, `ssh://git@host/path`, `git@host:path.git`: the host and the path.
fn address(location: &str) -> Option<String> {
    let (scheme, rest) = location.split_once("://").unwrap_or(("", location));
    let (authority, path) = if scheme.is_empty() { rest.split_once(':')? } else { rest.split_once('/')? };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let is_address = scheme != "file" && !host.is_empty() && !path.is_empty();
    is_address.then(|| format!("{}/{path}", host.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_one_name_however_they_are_reached() {
        for (location, name) in [
            ("https://github.com/apple/swift-nio.git", Some("github.com/apple/swift-nio")),
            ("https://GitHub.com/Alamofire/Alamofire", Some("github.com/Alamofire/Alamofire")),
            ("https://user:token@example.org:8443/a/b/c.git/", Some("example.org/a/b/c")),
            ("ssh://git@github.com/apple/swift-nio.git", Some("github.com/apple/swift-nio")),
            ("git@github.com:apple/swift-nio.git", Some("github.com/apple/swift-nio")),
            ("file:///srv/git/a.git", None),
            ("/srv/git/a.git", None),
            ("../a", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(address(location).as_deref(), name, "{location}");
        }
    }
}
