//! Package URLs: <https://github.com/package-url/purl-spec>.

pub mod parse;

use std::str::FromStr as _;

use packageurl::PackageUrl;

use crate::distribution::Distribution;
use crate::package::{Package, PackageDetails, PackageKind};

/// The package URL of a package of an image with this distribution.
///
/// Names follow the rules of their type: PEP 503 for Python, the scope of a node package and all but the last
/// segment of a Go module path as the namespace. An RPM epoch is a qualifier, a Debian one part of the version.
pub fn purl(package: &Package, distribution: Option<&Distribution>) -> String {
    if let PackageDetails::Binary { purl } = &package.details
        && let Ok(mut purl) = PackageUrl::from_str(purl)
    {
        // A version may have any letters: they are escaped.
        let _ = purl.with_version(package.version.clone());
        return purl.to_string();
    }
    let distribution = package.distribution.as_ref().or(distribution);
    let (namespace, name) = name(package, distribution);
    let name = if name.is_empty() { "unnamed" } else { name.as_str() };
    // The specification wants Go paths in lower case, but modules are told apart by case; so the path is written
    // under a type without that rule.
    let is_go = package.kind == PackageKind::Go;
    let written_type = match package.kind {
        PackageKind::Go => "generic",
        // What a workflow runs may be an image instead of an action.
        PackageKind::GithubAction if package.name.starts_with(DOCKER) => "docker",
        kind => kind.purl_type(),
    };
    let Ok(mut purl) = PackageUrl::new(written_type, name.to_owned()) else {
        return format!("pkg:{}/unnamed", package.kind.purl_type());
    };
    if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
        // A namespace that the type does not allow is left out rather than the package.
        let _ = purl.with_namespace(namespace);
    }
    if let Some(version) = version(package) {
        let _ = purl.with_version(version.to_owned());
    }
    if let Some(subpath) = subpath(package) {
        // In the same way.
        let _ = purl.with_subpath(subpath.to_owned());
    }
    for (key, value) in qualifiers(package, distribution) {
        let _ = purl.add_qualifier(key.to_owned(), value);
    }
    let text = purl.to_string();
    if is_go { text.replacen("pkg:generic/", "pkg:golang/", 1) } else { text }
}

/// A Python name as PEP 503 compares it: lower case, runs of `-`, `_` and `.` as one `-`.
pub fn python_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            letter => normal.extend(letter.to_lowercase()),
        }
    }
    normal
}

fn name(package: &Package, distribution: Option<&Distribution>) -> (Option<String>, String) {
    let own = || package.name.clone();
    match (package.kind, &package.details) {
        (PackageKind::Deb | PackageKind::Rpm | PackageKind::Apk | PackageKind::Pacman | PackageKind::Opkg, _) => {
            (Some(vendor(package.kind, distribution).to_owned()), own())
        }
        (PackageKind::Python, _) => (None, python_name(&package.name)),
        (PackageKind::Npm, _) => match package.name.split_once('/') {
            Some((scope, name)) if scope.starts_with('@') => (Some(scope.to_owned()), name.to_owned()),
            _ => (None, own()),
        },
        (PackageKind::Java, PackageDetails::Java { group, .. }) => (group.clone(), own()),
        // Scope and name in a package registry, where packages have no address.
        (PackageKind::Swift, _) if !package.name.contains('/') => match package.name.split_once('.') {
            Some((scope, name)) => (Some(scope.to_owned()), name.to_owned()),
            None => (None, own()),
        },
        // `plugin/NAME` and `theme/NAME`; nobody has a type for them.
        (PackageKind::Wordpress, _) => match last_segment(&package.name) {
            (Some(what), name) => (Some(format!("wordpress/{what}")), name),
            alone => alone,
        },
        (PackageKind::Terraform, _) => last_segment(terraform_address(&package.name).1),
        (PackageKind::GithubAction, _) => {
            last_segment(image_reference(&package.name).map_or(package.name.as_str(), |(_, repository)| repository))
        }
        // Category, vendor, host and path: everything before the last segment.
        (PackageKind::Go | PackageKind::Portage | PackageKind::Composer | PackageKind::Swift, _) => {
            last_segment(&package.name)
        }
        (PackageKind::Cocoapods, _) => (None, package.name.split_once('/').map_or_else(own, |(pod, _)| pod.to_owned())),
        (PackageKind::Hex | PackageKind::Otp | PackageKind::Luarocks, details) => {
            (namespace(details), package.name.to_lowercase())
        }
        (_, details) => (namespace(details), own()),
    }
}

fn namespace(details: &PackageDetails) -> Option<String> {
    match details {
        PackageDetails::Published { namespace, .. } => namespace.clone(),
        _ => None,
    }
}

fn last_segment(path: &str) -> (Option<String>, String) {
    match path.rsplit_once('/') {
        Some((path, name)) => (Some(path.to_owned()), name.to_owned()),
        None => (None, path.to_owned()),
    }
}

/// How a workflow marks an image that it runs.
const DOCKER: &str = "docker://";

/// The registry, if it is not Docker Hub, and the repository of an image that a workflow runs.
fn image_reference(name: &str) -> Option<(Option<&str>, &str)> {
    let reference = name.strip_prefix(DOCKER)?;
    Some(match reference.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), rest),
        _ => (None, reference),
    })
}

/// The registry, if it is not Terraform's own, and the rest of the address of a provider or module.
fn terraform_address(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some(("registry.terraform.io", rest)) => (None, rest),
        Some((host, rest)) if host.contains(['.', ':']) => (Some(host), rest),
        _ => (None, name),
    }
}

/// The part of the package that is meant: an action in a repository of several, a subspec of a pod.
fn subpath(package: &Package) -> Option<&str> {
    match (package.kind, &package.details) {
        (PackageKind::Cocoapods, _) => Some(package.name.split_once('/')?.1),
        (_, PackageDetails::Published { subpath, .. }) => subpath.as_deref(),
        _ => None,
    }
}

/// The namespace of distribution packages: the distribution, under the name its vendor has in package URLs.
fn vendor(kind: PackageKind, distribution: Option<&Distribution>) -> &str {
    match (distribution.map(|distribution| distribution.id.as_str()), kind) {
        (Some("rhel"), _) => "redhat",
        (Some(id), _) => id,
        (None, PackageKind::Deb) => "debian",
        (None, PackageKind::Apk) => "alpine",
        (None, PackageKind::Pacman) => "arch",
        (None, PackageKind::Opkg) => "openwrt",
        (None, _) => "",
    }
}

fn version(package: &Package) -> Option<&str> {
    let version = match package.kind {
        PackageKind::Rpm => package.version.split_once(':').map_or(package.version.as_str(), |(_, rest)| rest),
        PackageKind::Gem => package.version.split_once('-').map_or(package.version.as_str(), |(version, _)| version),
        PackageKind::Vcpkg => package.version.split_once('#').map_or(package.version.as_str(), |(version, _)| version),
        _ => package.version.as_str(),
    };
    (!version.is_empty()).then_some(version)
}

fn qualifiers<'a>(package: &'a Package, distribution: Option<&Distribution>) -> Vec<(&'a str, String)> {
    let mut qualifiers = Vec::new();
    if package.kind.is_os() {
        qualifiers.extend(package.architecture.clone().map(|architecture| ("arch", architecture)));
        qualifiers.extend(distribution.map(|distribution| ("distro", distribution.label().replace(':', "-"))));
    }
    match (package.kind, &package.details) {
        (PackageKind::Rpm, PackageDetails::Rpm { epoch, source_rpm, module, .. }) => {
            qualifiers.extend(epoch.map(|epoch| ("epoch", epoch.to_string())));
            qualifiers.extend(module.clone().map(|module| ("rpmmod", module)));
            qualifiers.extend(source_rpm.clone().map(|source| ("upstream", source)));
        }
        (PackageKind::Deb | PackageKind::Apk | PackageKind::Pacman | PackageKind::Opkg, _) => {
            qualifiers.extend(package.source.as_ref().map(|source| {
                let is_same = source.version == package.version || source.version.is_empty();
                let upstream =
                    if is_same { source.name.clone() } else { format!("{}@{}", source.name, source.version) };
                ("upstream", upstream)
            }));
        }
        (PackageKind::Java, PackageDetails::Java { extension, .. }) if !matches!(extension.as_str(), "" | "jar") => {
            qualifiers.push(("type", extension.clone()));
        }
        (PackageKind::Gem, _) => {
            let platform = package.version.split_once('-').map(|(_, platform)| platform);
            let platform = platform.or(package.architecture.as_deref());
            qualifiers.extend(platform.map(|platform| ("platform", platform.to_owned())));
        }
        (PackageKind::Conda, PackageDetails::Conda { build, channel, subdir }) => {
            qualifiers.extend(build.clone().map(|build| ("build", build)));
            qualifiers.extend(channel.clone().map(|channel| ("channel", channel)));
            qualifiers.extend(subdir.clone().map(|subdir| ("subdir", subdir)));
        }
        (PackageKind::Vcpkg, _) => {
            qualifiers.extend(package.version.split_once('#').map(|(_, port)| ("port_version", port.to_owned())));
        }
        (PackageKind::Terraform, _) => {
            let registry = terraform_address(&package.name).0;
            qualifiers.extend(registry.map(|host| ("repository_url", format!("https://{host}"))));
        }
        (PackageKind::GithubAction, _) => {
            let registry = image_reference(&package.name).and_then(|(registry, _)| registry);
            qualifiers.extend(registry.map(|host| ("repository_url", host.to_owned())));
        }
        _ => {}
    }
    if let PackageDetails::Published { qualifiers: own, .. } = &package.details {
        qualifiers.extend(own.iter().map(|(key, value)| (key.as_str(), value.clone())));
    }
    if let Some(address) = &package.fetched_from {
        let is_repository = ["git+", "hg+", "svn+", "bzr+"].iter().any(|prefix| address.starts_with(prefix));
        qualifiers.push((if is_repository { "vcs_url" } else { "download_url" }, address.clone()));
    }
    // An empty qualifier is the same as none.
    qualifiers.retain(|(_, value)| !value.is_empty());
    qualifiers
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(kind: &str, name: &str, version: &str, more: Value) -> Package {
        let mut value = json!({
            "kind": kind, "name": name, "version": version,
            "location": "/x", "layer": 0, "cataloger": "test",
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        serde_json::from_value(value).expect("a package")
    }

    fn published(mut fields: Value) -> Value {
        fields["kind"] = "published".into();
        json!({ "details": fields })
    }

    fn distribution(id: &str, version: &str) -> Distribution {
        Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() }
    }

    #[test]
    fn urls() {
        let debian = distribution("debian", "12");
        let rhel = distribution("rhel", "9.4");
        let alpine = distribution("alpine", "3.19.1");
        let java = json!({"details": {"kind": "java", "group": "org.apache", "specification_version": null,
            "implementation_version": null, "maven_version": null, "pom_properties": null, "extension": "war"}});
        let rpm = json!({"architecture": "x86_64", "details": {"kind": "rpm", "epoch": 1,
            "source_rpm": "openssl-3.0.7-27.el9.src.rpm", "module": "nodejs:18:1:2", "vendor": null}});
        for (package, distribution, want) in [
            (
                package(
                    "deb",
                    "libssl3",
                    "3.0.11-1~deb12u2",
                    json!({"architecture": "amd64", "source": {"name": "openssl", "version": "3.0.11-1~deb12u2"}}),
                ),
                Some(&debian),
                "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12&upstream=openssl",
            ),
            (
                package(
                    "deb",
                    "libss2",
                    "1:1.47.0-2+b2",
                    json!({"source": {"name": "e2fsprogs", "version": "1:1.47.0-2"}}),
                ),
                Some(&debian),
                "pkg:deb/debian/libss2@1:1.47.0-2%2Bb2?distro=debian-12&upstream=e2fsprogs%401:1.47.0-2",
            ),
            (
                package("rpm", "openssl", "1:3.0.7-27.el9", rpm),
                Some(&rhel),
                "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=x86_64&distro=rhel-9.4&epoch=1&rpmmod=nodejs:18:1:2\
                 &upstream=openssl-3.0.7-27.el9.src.rpm",
            ),
            (
                package("apk", "libcrypto3", "3.1.4-r5", json!({"source": {"name": "openssl", "version": "3.1.4-r5"}})),
                Some(&alpine),
                "pkg:apk/alpine/libcrypto3@3.1.4-r5?distro=alpine-3.19.1&upstream=openssl",
            ),
            (package("npm", "@scope/name", "1.0.0", json!({})), None, "pkg:npm/%40scope/name@1.0.0"),
            (package("python", "Ruamel__yaml.clib", "0.2", json!({})), None, "pkg:pypi/ruamel-yaml-clib@0.2"),
            (package("java", "core", "1.0", java), None, "pkg:maven/org.apache/core@1.0?type=war"),
            (
                package("go", "github.com/Azure/b/v2", "v2.1.0", json!({})),
                None,
                "pkg:golang/github.com/Azure/b/v2@v2.1.0",
            ),
            (package("go", "stdlib", "go1.22.1", json!({})), None, "pkg:golang/stdlib@go1.22.1"),
            (
                package("gem", "nokogiri", "1.13.10-x86_64-linux", json!({})),
                None,
                "pkg:gem/nokogiri@1.13.10?platform=x86_64-linux",
            ),
            (
                package("gem", "nokogiri", "1.13.10", json!({"architecture": "x86_64-linux"})),
                None,
                "pkg:gem/nokogiri@1.13.10?platform=x86_64-linux",
            ),
            (
                package("python", "Flask", "1.0", json!({"fetched_from": "git+https://example.org/flask.git@0123abc"})),
                None,
                "pkg:pypi/flask@1.0?vcs_url=git%2Bhttps:%2F%2Fexample.org%2Fflask.git%400123abc",
            ),
            (
                package("npm", "left", "1.0.0", json!({"fetched_from": "https://example.org/left.tgz"})),
                None,
                "pkg:npm/left@1.0.0?download_url=https:%2F%2Fexample.org%2Fleft.tgz",
            ),
            (
                package(
                    "conda",
                    "numpy",
                    "1.21.0",
                    json!({"details": {"kind": "conda", "build": "py39_0",
                    "channel": "conda-forge", "subdir": "linux-64"}}),
                ),
                None,
                "pkg:conda/numpy@1.21.0?build=py39_0&channel=conda-forge&subdir=linux-64",
            ),
            (package("rust", "serde", "1.0.0", json!({})), None, "pkg:cargo/serde@1.0.0"),
            (package("binary", "node", "20.1.0", json!({})), None, "pkg:generic/node@20.1.0"),
            (package("npm", "", "", json!({})), None, "pkg:npm/unnamed"),
            (
                package("pacman", "pacman", "6.0.1-1", json!({"architecture": "x86_64"})),
                None,
                "pkg:alpm/arch/pacman@6.0.1-1?arch=x86_64",
            ),
            (
                package("portage", "dev-libs/openssl", "3.0.9-r1", json!({})),
                None,
                "pkg:ebuild/dev-libs/openssl@3.0.9-r1",
            ),
            (
                package("composer", "symfony/http-kernel", "v4.2.0", json!({})),
                None,
                "pkg:composer/symfony/http-kernel@v4.2.0",
            ),
            (
                package("swift", "github.com/apple/swift-nio", "2.40.0", json!({})),
                None,
                "pkg:swift/github.com/apple/swift-nio@2.40.0",
            ),
            (package("hex", "phoenix", "1.4.0", json!({})), None, "pkg:hex/phoenix@1.4.0"),
        ] {
            assert_eq!(purl(&package, distribution), want);
        }
    }

    #[test]
    fn urls_of_many_registries() {
        for (package, want) in [
            (
                package(
                    "hex",
                    "Foo",
                    "2.3.0",
                    published(json!({"namespace": "Acme",
                    "qualifiers": {"repository_url": "https://hex.example.org"}})),
                ),
                "pkg:hex/acme/foo@2.3.0?repository_url=https:%2F%2Fhex.example.org",
            ),
            (package("otp", "public_key", "1.13.3", json!({})), "pkg:otp/public_key@1.13.3"),
            (package("pub", "http", "0.13.6", json!({})), "pkg:pub/http@0.13.6"),
            (package("swift", "mona.LinkedList", "1.2.0", json!({})), "pkg:swift/mona/LinkedList@1.2.0"),
            (
                package("cocoapods", "GoogleUtilities/NSData+zlib", "7.5.2", json!({})),
                "pkg:cocoapods/GoogleUtilities@7.5.2#NSData%2Bzlib",
            ),
            (
                package(
                    "conan",
                    "openssl",
                    "1.1.1k",
                    published(json!({"qualifiers": {"user": "bincrafters",
                    "channel": "stable", "rrev": "0123"}})),
                ),
                "pkg:conan/openssl@1.1.1k?channel=stable&rrev=0123&user=bincrafters",
            ),
            (package("vcpkg", "bzip2", "1.0.8#6", json!({})), "pkg:vcpkg/bzip2@1.0.8?port_version=6"),
            (
                package("vcpkg", "fmt", "", published(json!({"qualifiers": {"repository_revision": "41dfc53"}}))),
                "pkg:vcpkg/fmt?repository_revision=41dfc53",
            ),
            (package("wordpress", "wordpress", "6.4.2", json!({})), "pkg:generic/wordpress@6.4.2"),
            (package("wordpress", "plugin/akismet", "5.3", json!({})), "pkg:generic/wordpress/plugin/akismet@5.3"),
            (package("hackage", "HTTP", "4000.3.16", json!({})), "pkg:hackage/HTTP@4000.3.16"),
            (package("opam", "git", "3/16.1", json!({})), "pkg:opam/git@3/16.1"),
            (package("cran", "R6", "2.5-1", json!({})), "pkg:cran/R6@2.5-1"),
            (package("luarocks", "LuaSocket", "3.1.0-1", json!({})), "pkg:luarocks/luasocket@3.1.0-1"),
            (package("cpan", "URI", "5.19", published(json!({"namespace": "OALDERS"}))), "pkg:cpan/OALDERS/URI@5.19"),
            (
                package(
                    "julia",
                    "HTTP",
                    "1.9.0",
                    published(json!({"qualifiers":
                    {"uuid": "cd3eb016-35fb-5094-929b-558a96fad6f3"}})),
                ),
                "pkg:julia/HTTP@1.9.0?uuid=cd3eb016-35fb-5094-929b-558a96fad6f3",
            ),
            (
                package("terraform", "registry.terraform.io/hashicorp/aws", "4.9.0", json!({})),
                "pkg:terraform/hashicorp/aws@4.9.0",
            ),
            (
                package("terraform", "registry.opentofu.org/hashicorp/aws", "4.9.0", json!({})),
                "pkg:terraform/hashicorp/aws@4.9.0?repository_url=https:%2F%2Fregistry.opentofu.org",
            ),
            (package("github-action", "Actions/checkout", "v4", json!({})), "pkg:github/actions/checkout@v4"),
            (
                package("github-action", "github/codeql-action", "v3", published(json!({"subpath": "upload/sarif"}))),
                "pkg:github/github/codeql-action@v3#upload/sarif",
            ),
            (package("github-action", "docker://alpine", "3.19", json!({})), "pkg:docker/alpine@3.19"),
            (
                package("github-action", "docker://ghcr.io/owner/image", "sha256:0a", json!({})),
                "pkg:docker/owner/image@sha256:0a?repository_url=ghcr.io",
            ),
        ] {
            assert_eq!(purl(&package, None), want);
        }
    }
}
