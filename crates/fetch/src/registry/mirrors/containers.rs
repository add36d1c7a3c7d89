//! `registries.conf`, which Podman, Skopeo and CRI-O share (containers-registries.conf(5), version 2).

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Location, Mirror, MirrorFor, MirrorRule};
use crate::environment::Environment;

/// Bytes of a file that are read.
const FILE_BYTES: u64 = 1 << 20;
/// Files beside it that are read.
const FILES: usize = 1000;

/// Why `registries.conf` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no TOML, or not of version 2.
    #[error("`{}` is no `registries.conf` of version 2", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        #[source]
        source: toml::de::Error,
    },
}

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    registry: Vec<Registry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registry {
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<RawMirror>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawMirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Option<String>,
}

/// The file that Podman would read, if it exists.
pub fn usual_containers_conf(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.path("CONTAINERS_REGISTRIES_CONF") {
        return Some(path);
    }
    let user = environment.path("XDG_CONFIG_HOME").or_else(|| environment.home(".config"));
    let user = user.map(|folder| folder.join("containers/registries.conf"));
    let system = PathBuf::from("/etc/containers/registries.conf");
    user.into_iter().chain([system]).find(|path| path.exists())
}

/// The rules of `path`, and of the files in the folder `registries.conf.d` beside it, which come later and replace
/// rules of the same prefix.
pub fn read_containers_conf(path: &Path) -> Result<Vec<MirrorRule>, ConfError> {
    let mut rules: Vec<MirrorRule> = Vec::new();
    for file in std::iter::once(path.to_owned()).chain(beside(path)?) {
        for rule in read(&file)? {
            rules.retain(|other| other.prefix != rule.prefix);
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn beside(path: &Path) -> Result<Vec<PathBuf>, ConfError> {
    let folder = path.with_file_name("registries.conf.d");
    let entries = match fs_err::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ConfError::Read { path: folder, source }),
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).take(FILES).collect();
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<MirrorRule>, ConfError> {
    let mut text = String::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(FILE_BYTES).read_to_string(&mut text))
        .map_err(|source| ConfError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|source| ConfError::Malformed { path: path.to_owned(), source })
}

/// The rules of one text.
fn parse(text: &str) -> Result<Vec<MirrorRule>, toml::de::Error> {
    let conf: Conf = toml::from_str(text)?;
    Ok(conf.registry.into_iter().filter_map(rule).collect())
}

/// A rule needs a prefix, which may be its location.
fn rule(registry: Registry) -> Option<MirrorRule> {
    let prefix = registry.prefix.clone().filter(|prefix| !prefix.is_empty()).or_else(|| registry.location.clone())?;
    let mirrors = registry.mirror.into_iter().map(|mirror| Mirror {
        serves: match mirror.pull_from_mirror.as_deref() {
            Some("digest-only") => MirrorFor::Digests,
            Some("tag-only") => MirrorFor::Tags,
            _ if registry.mirror_by_digest_only => MirrorFor::Digests,
            _ => MirrorFor::All,
        },
        location: Location { place: mirror.location, plain_http: mirror.insecure, skip_tls_verify: mirror.insecure },
    });
    Some(MirrorRule {
        moved_to: registry.location.filter(|location| *location != prefix && !location.is_empty()),
        prefix,
        is_insecure: registry.insecure,
        is_blocked: registry.blocked,
        mirrors: mirrors.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Blocked, places};
    use super::*;

    fn shown(rules: &[MirrorRule], name: &str) -> Vec<String> {
        match places(rules, &name.parse().unwrap()) {
            Ok(places) => {
                let show = |place: super::super::Place| {
                    format!("{} {:?} {:?}", place.reference, place.transport, place.serves)
                };
                places.into_iter().map(show).collect()
            }
            Err(Blocked) => vec!["blocked".to_owned()],
        }
    }

    #[test]
    fn a_file_and_those_beside_it_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registries.conf");
        let text = r#"
            unqualified-search-registries = ["docker.io"]
            short-name-mode = "enforcing"
            [[registry]]
            prefix = "docker.io"
            location = "hub.corp.example/proxy"
            [[registry.mirror]]
            location = "mirror-1.example/hub"
            [[registry.mirror]]
            location = "mirror-2.example"
            insecure = true
            pull-from-mirror = "digest-only"
            [[registry]]
            location = "old.example"
            blocked = true
            [[registry]]
            location = "lab.example:5000"
            insecure = true
            mirror-by-digest-only = true
            mirror = [{ location = "m.example" }]
            "#;
        fs_err::write(&path, text).unwrap();
        fs_err::create_dir(folder.path().join("registries.conf.d")).unwrap();
        let beside =
            |name: &str, text: &str| fs_err::write(folder.path().join("registries.conf.d").join(name), text).unwrap();
        beside("10.conf", "[[registry]]\nlocation = \"old.example\"\n");
        beside("20.conf.bak", "rubbish");
        let rules = read_containers_conf(&path).unwrap();
        for (name, want) in [
            (
                "alpine:3",
                &[
                    "mirror-1.example/hub/library/alpine:3 Some(Verified) All",
                    "mirror-2.example/library/alpine:3 Some(Unverified) Digests",
                    "mirror-2.example/library/alpine:3 Some(Plain) Digests",
                    "hub.corp.example/proxy/library/alpine:3 None All",
                ] as &[_],
            ),
            ("old.example/x:1", &["old.example/x:1 None All"]),
            (
                "lab.example:5000/x:1",
                &[
                    "m.example/x:1 Some(Verified) Digests",
                    "lab.example:5000/x:1 Some(Unverified) All",
                    "lab.example:5000/x:1 Some(Plain) All",
                ],
            ),
        ] {
            assert_eq!(shown(&rules, name), want, "{name}");
        }
        fs_err::remove_dir_all(folder.path().join("registries.conf.d")).unwrap();
        assert_eq!(shown(&read_containers_conf(&path).unwrap(), "old.example/x"), ["blocked"]);
    }

    #[test]
    fn what_is_no_such_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registries.conf");
        assert!(matches!(read_containers_conf(&path), Err(ConfError::Read { .. })));
        for text in
            ["[[registry]", "registry = 5", "[registries.search]\nregistries = ['x']\n[[registry]]\nblocked = 7"]
        {
            fs_err::write(&path, text).unwrap();
            assert!(matches!(read_containers_conf(&path), Err(ConfError::Malformed { .. })), "{text}");
        }
        fs_err::write(&path, "[[registry]]\nblocked = true\n").unwrap();
        assert!(read_containers_conf(&path).unwrap().is_empty(), "of no images");
    }
}
