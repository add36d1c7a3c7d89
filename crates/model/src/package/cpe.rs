//! The CPE 2.3 names a package may go by (NISTIR 7695, formatted string binding).
//!
//! Mostly guesses: hardly anybody tells a package its CPE. Vendor and product are the name with its usual variants. They
//! are made where they are asked for, because they are a multiple of what they are made of.

use std::borrow::Cow;

use super::{Package, PackageDetails, PackageKind};

/// Bytes of a name that others wrote: no dictionary has longer ones.
const NAME_BYTES: usize = 1000;

/// Candidates at most.
const MAX_CANDIDATES: usize = 24;

impl Package {
    /// The CPE names that were found with the package; where there are none, those it may go by, likeliest first.
    pub fn cpe_names(&self) -> Cow<'_, [String]> {
        if self.cpes.is_empty() { Cow::Owned(candidates(self)) } else { Cow::Borrowed(&self.cpes) }
    }
}

fn candidates(package: &Package) -> Vec<String> {
    let length = package.name.len() + package.version.len();
    if package.name.is_empty() || package.version.is_empty() || length > NAME_BYTES {
        return Vec::new();
    }
    // It is judged with its kernel; its name is that of something else.
    if package.kind == PackageKind::LinuxKernelModule {
        return Vec::new();
    }
    let (vendors, products) = vendors_and_products(package);
    let version = escape(version(package));
    let mut cpes = Vec::new();
    for vendor in &vendors {
        for product in &products {
            let cpe = format!("cpe:2.3:a:{}:{}:{version}:*:*:*:*:*:*:*", escape(vendor), escape(product));
            if cpes.len() < MAX_CANDIDATES && !cpes.contains(&cpe) {
                cpes.push(cpe);
            }
        }
    }
    cpes
}

/// A name in the older form (NISTIR 7695, URI binding), `cpe:/a:VENDOR:PRODUCT[:VERSION]`, for a package of this
/// version. Where the name has a version of its own, that holds.
pub fn from_uri(uri: &str, version: Option<&str>) -> Option<String> {
    let mut parts = uri.trim().strip_prefix("cpe:/")?.split(':');
    let (part, vendor, product) = (parts.next()?, parts.next()?, parts.next()?);
    if !matches!(part, "a" | "o" | "h") || vendor.is_empty() || product.is_empty() {
        return None;
    }
    // Without what packagers add behind it.
    let upstream = version.map(|version| version.rsplit_once('-').map_or(version, |(upstream, _)| upstream));
    let version = parts.next().filter(|version| !version.is_empty()).or(upstream);
    let version = version.map_or_else(|| "*".to_owned(), escape);
    let [vendor, product] = [vendor, product].map(escape);
    Some(format!("cpe:2.3:{part}:{vendor}:{product}:{version}:*:*:*:*:*:*:*"))
}

/// The name of a version of `vendor:product`.
pub fn of(product: &str, version: &str) -> Option<String> {
    let (vendor, product) = product.split_once(':')?;
    Some(format!("cpe:2.3:a:{}:{}:{}:*:*:*:*:*:*:*", escape(vendor), escape(product), escape(version)))
}

/// A name as a document of somebody else has it, in either form.
pub fn written(name: &str) -> Option<String> {
    let name = name.trim();
    let Some(rest) = name.strip_prefix("cpe:2.3:") else { return from_uri(name, None) };
    let (part, rest) = rest.split_once(':')?;
    // Vendor, product, version and seven others. Bitnami leaves the part open.
    let is_whole = rest.len() <= NAME_BYTES && rest.replace("\\:", "").matches(':').count() == 9;
    let part = if part == "*" { "a" } else { part };
    (is_whole && matches!(part, "a" | "o" | "h")).then(|| format!("cpe:2.3:{part}:{rest}"))
}

fn vendors_and_products(package: &Package) -> (Vec<String>, Vec<String>) {
    let name = package.name.as_str();
    let names = spellings(name);
    match package.kind {
        PackageKind::Python => {
            let mut vendors = names.clone();
            let mut products = names;
            let python = format!("python-{name}");
            vendors.extend(spellings(&python));
            products.extend(spellings(&python));
            vendors.push("python".to_owned());
            (vendors, products)
        }
        PackageKind::Gem => {
            let mut vendors = names.clone();
            vendors.extend(["ruby-lang".to_owned(), "ruby".to_owned()]);
            (vendors, names)
        }
        PackageKind::Npm => {
            let (scope, bare) = name.strip_prefix('@').and_then(|name| name.split_once('/')).unwrap_or((name, name));
            (spellings(scope), spellings(bare))
        }
        PackageKind::Java => {
            let PackageDetails::Java { group: Some(group), .. } = &package.details else {
                return (names.clone(), names);
            };
            // `org.apache.tomcat`: the organisation, then the project.
            let mut vendors: Vec<String> =
                group.split('.').skip(1).filter(|part| !part.is_empty()).take(2).flat_map(spellings).collect();
            vendors.extend(names.clone());
            (vendors, names)
        }
        PackageKind::Go => {
            let mut parts: Vec<&str> = name.split('/').collect();
            let is_major = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
            if parts.len() > 1 && parts.last().is_some_and(|part| is_major(part)) {
                parts.pop();
            }
            let product = parts.last().copied().unwrap_or(name);
            let vendor = if parts.len() > 2 { parts.get(1).copied().unwrap_or(product) } else { product };
            (spellings(vendor), spellings(product))
        }
        // Applications of Erlang itself and of Elixir have the names of everyday things.
        PackageKind::Otp => (vec!["erlang".to_owned(), "elixir-lang".to_owned()], names),
        // Known by an address: whose, and what.
        PackageKind::Swift | PackageKind::GithubAction => match name.trim_end_matches('/').rsplit_once('/') {
            Some((owner, product)) => (spellings(owner.rsplit('/').next().unwrap_or(owner)), spellings(product)),
            None => (names.clone(), names),
        },
        PackageKind::Terraform => match name.rsplit_once('/') {
            Some((owner, provider)) => {
                let product = format!("terraform-provider-{provider}");
                (spellings(owner.rsplit('/').next().unwrap_or(owner)), spellings(&product))
            }
            None => (names.clone(), names),
        },
        // A subspec is part of its pod.
        PackageKind::Cocoapods => {
            let pod = spellings(name.split('/').next().unwrap_or(name));
            (pod.clone(), pod)
        }
        _ => (names.clone(), names),
    }
}

/// The name, with `-` and `_` exchanged.
fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![name.to_owned()];
    for other in [name.replace('-', "_"), name.replace('_', "-")] {
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

fn version(package: &Package) -> &str {
    match package.kind {
        PackageKind::Go => package.version.trim_start_matches('v'),
        PackageKind::Vcpkg => package.version.split('#').next().unwrap_or_default(),
        _ => &package.version,
    }
}

/// An attribute value: letters in lower case, anything but letters, digits, `_`, `-` and `.` quoted.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        if !(letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')) {
            escaped.push('\\');
        }
        escaped.extend(letter.to_lowercase());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::ImagePath;

    fn package(kind: PackageKind, name: &str, version: &str) -> Package {
        Package::new(kind, name, version, ImagePath::default())
    }

    #[test]
    fn older_names() {
        for (uri, want) in [
            ("cpe:/a:haxx:libcurl", Some("a:haxx:libcurl:7.83.1")),
            ("cpe:/a:test:Pkg:1.0", Some("a:test:pkg:1.0")),
            ("cpe:/o:linux:linux_kernel::", Some("o:linux:linux_kernel:7.83.1")),
            ("cpe:/x:a:b", None),
            ("cpe:/a:a", None),
            ("cpe:2.3:a:a:b", None),
        ] {
            let want = want.map(|name| format!("cpe:2.3:{name}:*:*:*:*:*:*:*"));
            assert_eq!(from_uri(uri, Some("7.83.1-1")), want, "{uri}");
        }
    }

    #[test]
    fn names_of_others() {
        for (name, want) in [
            ("cpe:/a:haxx:libcurl", Some("a:haxx:libcurl:*")),
            ("cpe:2.3:a:x:y\\:z:1.0:*:*:*:*:*:*:*", Some("a:x:y\\:z:1.0")),
            ("cpe:2.3:*:apache:http_server:2.4.62:*:*:*:*:*:*:*", Some("a:apache:http_server:2.4.62")),
            ("cpe:2.3:a:x:y", None),
            ("cpe:2.3:x:a:b:1:*:*:*:*:*:*:*", None),
            ("nonsense", None),
        ] {
            let want = want.map(|name| format!("cpe:2.3:{name}:*:*:*:*:*:*:*"));
            assert_eq!(written(name), want, "{name}");
        }
    }

    #[test]
    fn likeliest_first() {
        for (kind, name, version, first, count) in [
            (PackageKind::Deb, "apt", "2.6.1", "apt:apt:2.6.1", 1),
            (PackageKind::Deb, "base-files", "12.4+deb12u15", "base-files:base-files:12.4\\+deb12u15", 4),
            (PackageKind::Deb, "libstdc++6", "1:12.2~x", "libstdc\\+\\+6:libstdc\\+\\+6:1\\:12.2\\~x", 1),
            (PackageKind::Npm, "@babel/core", "7.0.0", "babel:core:7.0.0", 1),
            (PackageKind::Go, "github.com/gin-gonic/gin/v2", "v2.1.0", "gin-gonic:gin:2.1.0", 2),
            (PackageKind::Gem, "rack", "2.0", "rack:rack:2.0", 3),
            (PackageKind::Python, "Flask", "1.0", "flask:flask:1.0", 12),
        ] {
            let cpes = candidates(&package(kind, name, version));
            assert_eq!(cpes[0], format!("cpe:2.3:a:{first}:*:*:*:*:*:*:*"));
            assert_eq!(cpes.len(), count, "{cpes:#?}");
        }
        assert!(candidates(&package(PackageKind::Deb, "", "1")).is_empty());
    }
}
