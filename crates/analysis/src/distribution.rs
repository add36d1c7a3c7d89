//! Which distribution an image is built on.
//!
//! os-release(5) first, then its forerunners in the order of `SOURCES`; `etc/debian_version` and
//! `etc/alpine-release` complete a missing version. Quoting is read leniently, as images come with all kinds.
//!
//! Images of Red Hat tell which repositories their packages are from, in `content_sets` of a manifest per layer, or since
//! 2025 of one file ("Technical Guidance for Vulnerability Scanning Vendors", Red Hat Product Security, and the schema
//! `content_manifest.json` of atomic-reactor).

use std::collections::BTreeSet;

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::problem::Problem;
use killick_model::tree;
use serde::Deserialize;

use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants};
use crate::claims;

/// Bytes of such a file that are looked at.
const FILE_BYTES: usize = 64 << 10;

/// Content sets of one image.
const MAX_CONTENT_SETS: usize = 1_000;

/// Letters of the name of one.
const MAX_LETTERS: usize = 200;

/// Where manifests lie that tell content sets; the second place is that of a copy.
const MANIFESTS: &[&str] = &["root/buildinfo/content_manifests/", "usr/share/buildinfo/content-sets.json"];

/// A manifest, as far as it matters here.
#[derive(Deserialize)]
struct ContentManifest {
    #[serde(default)]
    content_sets: Option<Vec<String>>,
}

/// That nothing lists the packages of a distribution that has some: an image without vulnerabilities looks the same.
pub(crate) fn check_packages(distribution: Option<&Distribution>, packages: &[Package]) -> Option<Problem> {
    let distribution = distribution.filter(|found| claims::kind(found).is_some())?;
    if packages.iter().any(|package| package.kind.is_os() && package.evidence.is_installed()) {
        return None;
    }
    let label = distribution.label();
    let message = format!(
        "no package database that lists anything was found, so that nothing is known of the packages of {label}, nor of \
         their vulnerabilities"
    );
    Some(Problem::new("no-package-database", label, message))
}

/// Keeps the files that tell the distribution. Finds no packages.
pub(crate) struct DistributionFiles;

impl Cataloger for DistributionFiles {
    fn name(&self) -> &'static str {
        "distribution"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[]
    }

    fn wants(&self) -> Wants {
        // os-release is a link in most images, sometimes by way of a folder.
        Wants {
            globs: &[
                "etc/*-release",
                "etc/*_version",
                "etc/system-release-cpe",
                "usr/lib/*-release",
                "usr/lib/os.release.d/*",
                "usr/lib/os-release.d/*",
                "etc/os-release.d/*",
                "root/buildinfo/content_manifests/*.json",
                "usr/share/buildinfo/content-sets.json",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_manifest(file.path.as_bytes()) {
            match serde_json::from_slice::<ContentManifest>(file.bytes) {
                Ok(manifest) => {
                    let names =
                        manifest.content_sets.unwrap_or_default().into_iter().filter(|name| is_content_set(name));
                    found.pieces = names.take(MAX_CONTENT_SETS).map(String::into_bytes).collect();
                }
                Err(error) => {
                    let message = format!("the content sets cannot be read: {error}");
                    found.problems.push(Problem::new("malformed-metadata", file.path.to_string(), message));
                }
            }
            return;
        }
        found.pieces.push(file.bytes.get(..FILE_BYTES).unwrap_or(file.bytes).to_vec());
    }

    fn join(&self, _image: &Image<'_>, _joined: &mut Joined) {}
}

type Parse = fn(&str) -> Option<Distribution>;

/// Files that name a distribution, best first.
const SOURCES: &[(&str, Parse)] = &[
    ("etc/os-release", os_release),
    ("usr/lib/os-release", os_release),
    ("etc/system-release-cpe", system_release_cpe),
    ("etc/redhat-release", redhat_release),
    ("etc/centos-release", redhat_release),
    ("etc/system-release", redhat_release),
];

/// The distribution of a merged image, if any file tells.
pub(crate) fn detect(image: &Image<'_>) -> Option<Distribution> {
    let text = |path: &str| {
        let file = tree::follow(image.files, path.as_bytes())?;
        let at = image.found.binary_search_by(|(path, _, _)| (*path).cmp(&file.path)).ok()?;
        Some(String::from_utf8_lossy(image.found.get(at)?.2.pieces.first()?).into_owned())
    };
    let named = SOURCES.iter().find_map(|(path, parse)| parse(&text(path)?));
    let debian =
        text("etc/debian_version").map(|version| version.trim().to_owned()).filter(|version| !version.is_empty());
    let alpine =
        text("etc/alpine-release").map(|version| version.trim().to_owned()).filter(|version| !version.is_empty());
    let plain =
        |id: &str, version: Option<String>| Distribution { id: id.to_owned(), version, ..Distribution::default() };
    let mut distribution = match named {
        Some(named) => named,
        None if alpine.is_some() => plain("alpine", alpine.clone()),
        None if debian.is_some() => plain("debian", None),
        None if tree::follow(image.files, b"bin/busybox").is_some() => plain("busybox", None),
        None => return None,
    };
    if distribution.version.is_none() {
        match distribution.id.as_str() {
            "debian" => complete_debian(&mut distribution, debian),
            "alpine" => distribution.version = alpine,
            _ => {}
        }
    }
    distribution.content_sets = content_sets(image);
    Some(distribution)
}

fn is_manifest(path: &[u8]) -> bool {
    MANIFESTS.iter().any(|place| path.starts_with(place.as_bytes()))
}

fn is_content_set(name: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= MAX_LETTERS && name.bytes().all(is_letter)
}

/// What all manifests name: each is of one layer, and an image has the packages of all.
fn content_sets(image: &Image<'_>) -> Vec<String> {
    let manifests = image.found.iter().filter(|(path, _, _)| is_manifest(path.as_bytes()));
    let names = manifests.flat_map(|(_, _, found)| &found.pieces);
    let names: BTreeSet<String> = names.filter_map(|name| String::from_utf8(name.clone()).ok()).collect();
    names.into_iter().take(MAX_CONTENT_SETS).collect()
}

/// `etc/debian_version` has a number (`12.5`) on releases, and codenames (`trixie/sid`) before. The version of a
/// Debian distribution is its major number.
fn complete_debian(distribution: &mut Distribution, text: Option<String>) {
    let Some(text) = text else { return };
    match text.split_once('/') {
        Some((codename, _)) => {
            distribution.codename.get_or_insert_with(|| codename.to_owned());
        }
        None if text.starts_with(|first: char| first.is_ascii_digit()) => {
            distribution.version = text.split('.').next().map(str::to_owned);
        }
        None => {}
    }
}

fn os_release(text: &str) -> Option<Distribution> {
    let mut distribution = Distribution::default();
    for line in text.lines() {
        let line = line.trim();
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let value = unquote(value.trim());
        if value.is_empty() || value.len() > 1000 {
            continue;
        }
        match key.trim().trim_start_matches("export ").trim() {
            "ID" => distribution.id = value.to_ascii_lowercase(),
            "VERSION_ID" => distribution.version = Some(value),
            "VERSION_CODENAME" => distribution.codename = Some(value),
            "ID_LIKE" => distribution.like = value.split_whitespace().map(str::to_ascii_lowercase).collect(),
            "PRETTY_NAME" => distribution.pretty_name = Some(value),
            _ => {}
        }
    }
    (!distribution.id.is_empty()).then_some(distribution)
}

/// A shell word, as far as such files go: quotes of either kind, backslashes, an end that may be missing.
fn unquote(word: &str) -> String {
    let quote = word.chars().next().filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote else {
        return word.split(" #").next().unwrap_or_default().trim().to_owned();
    };
    let mut value = String::new();
    let mut letters = word.chars().skip(1);
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote == '"' => value.extend(letters.next()),
            letter if letter == quote => break,
            letter => value.push(letter),
        }
    }
    value
}

/// `cpe:/o:centos:linux:6:GA`, or the same in CPE 2.3.
fn system_release_cpe(text: &str) -> Option<Distribution> {
    let mut parts = text.trim().strip_prefix("cpe:")?.trim_start_matches("2.3:").trim_start_matches('/').split(':');
    let (_, vendor, product, version) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let id = match vendor {
        "redhat" => "rhel",
        "fedoraproject" => "fedora",
        "oracle" => "ol",
        "amazon" => "amzn",
        "" => product,
        vendor => vendor,
    };
    let version = version.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let version = Some(version.to_owned()).filter(|version| !version.is_empty());
    Some(Distribution { id: id.to_owned(), version, ..Distribution::default() })
}

/// `CentOS release 6.10 (Final)`.
fn redhat_release(text: &str) -> Option<Distribution> {
    let line = text.lines().find(|line| !line.trim().is_empty())?.trim();
    let lower = line.to_ascii_lowercase();
    let id = [
        ("red hat", "rhel"),
        ("centos", "centos"),
        ("fedora", "fedora"),
        ("oracle", "ol"),
        ("amazon", "amzn"),
        ("rocky", "rocky"),
        ("alma", "almalinux"),
        ("scientific", "scientific"),
    ];
    let id = id.iter().find(|(word, _)| lower.starts_with(word)).map(|(_, id)| *id)?;
    let version =
        lower.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit())).map(str::to_owned);
    Some(Distribution { id: id.to_owned(), version, pretty_name: Some(line.to_owned()), ..Distribution::default() })
}

#[cfg(test)]
mod tests {
    use killick_model::path::ImagePath;

    use super::*;

    #[test]
    fn files() {
        for (parse, text, want) in [
            (os_release as Parse, "ID=debian\nVERSION_ID=\"12\"\n", "debian:12"),
            (os_release, "ID='alpine'\r\nVERSION_ID=3.19.1\r\n", "alpine:3.19.1"),
            (os_release, "# x\nexport ID=\"RHEL\nVERSION_ID=9.4 # comment\n", "rhel:9.4"),
            (os_release, "ID=$(id)\nVERSION_ID='\nID=debian\nVERSION_ID=12\n=\n\u{0}", "debian:12"),
            (system_release_cpe, "cpe:/o:centos:linux:6:GA\n", "centos:6"),
            (system_release_cpe, "cpe:/o:redhat:enterprise_linux:7.9:ga:server", "rhel:7.9"),
            (system_release_cpe, "cpe:2.3:o:amazon:amazon_linux:2", "amzn:2"),
            (redhat_release, "CentOS release 6.10 (Final)\n", "centos:6.10"),
            (redhat_release, "Red Hat Enterprise Linux Server release 7.9 (Maipo)", "rhel:7.9"),
            (redhat_release, "Rocky Linux release 9.3 (Blue Onyx)", "rocky:9.3"),
        ] {
            assert_eq!(parse(text).map(|distribution| distribution.label()).as_deref(), Some(want), "{text:?}");
        }
        assert_eq!(os_release("VERSION_ID=1"), None);
        assert_eq!(system_release_cpe("nonsense"), None);
        assert_eq!(redhat_release("\n\n"), None);
    }

    /// A manifest per layer, and the one file of newer images; what is none is a problem.
    #[test]
    fn content_sets_are_those_of_all_manifests() {
        let limits = crate::limits::Limits::default();
        let read = |path: &str, text: &str| {
            let path = ImagePath::new(path.as_bytes()).expect("a path");
            let mut found = Found::default();
            DistributionFiles.read(&mut WantedFile::whole(&path, text.as_bytes(), &limits), &mut found);
            (path, found)
        };
        let folder = "root/buildinfo/content_manifests";
        let files = [
            read("etc/os-release", "ID=rhel\nVERSION_ID=9.2\n"),
            read(
                &format!("{folder}/base-9.2-483.json"),
                r#"{"content_sets": ["rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2"]}"#,
            ),
            read(
                &format!("{folder}/app-1.json"),
                r#"{"metadata": {"icm_version": 1}, "content_sets": ["rhocp-4.16-for-rhel-9-x86_64-rpms", "no name", "", 
                    "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2"]}"#,
            ),
            read(&format!("{folder}/none.json"), r#"{"content_sets": null}"#),
            read(&format!("{folder}/broken.json"), r#"{"content_sets": ["#),
            read("usr/share/buildinfo/content-sets.json", r#"{"from_dnf_hint": true, "content_sets": ["rhel-9-x"]}"#),
        ];
        let problems: Vec<&str> =
            files.iter().flat_map(|(_, found)| &found.problems).map(|problem| problem.subject.as_str()).collect();
        assert_eq!(problems, ["/root/buildinfo/content_manifests/broken.json"]);
        let found: Vec<(&ImagePath, u32, &Found)> = files.iter().map(|(path, found)| (path, 0, found)).collect();
        let image = Image { found: &found, hidden: &[], hits: &[], files: &[] };
        let wanted = ["rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2", "rhel-9-x", "rhocp-4.16-for-rhel-9-x86_64-rpms"];
        assert_eq!(content_sets(&image), wanted);
    }

    #[test]
    fn debian_versions_are_completed() {
        for (text, version, codename) in [("12.5", Some("12"), None), ("trixie/sid", None, Some("trixie"))] {
            let mut distribution = Distribution { id: "debian".to_owned(), ..Distribution::default() };
            complete_debian(&mut distribution, Some(text.to_owned()));
            assert_eq!((distribution.version.as_deref(), distribution.codename.as_deref()), (version, codename));
        }
    }
}
