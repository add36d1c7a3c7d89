//! Whether a product of a document is the image, or a package of it.
//!
//! A package URL without a version means all versions, one without qualifiers all builds. A qualifier that it has must be
//! that of the package, except for where and what the file is (`download_url`, `checksum` and the like); `arch=source`
//! means a source package and everything built from it, as Ubuntu writes. A CPE must agree in part, vendor and product, and
//! in version where it has one. An image is known by digests (of its manifest, index and configuration) or, without one, by
//! the repository it was named with, in `pkg:oci` and `pkg:docker`. Where a document gives a range, the version must
//! lie in it by the package's own order; where that cannot be told, nothing is said of the package.
//!
//! A product with parts means those parts within it: packages of the image, files that belong to the package, or what is in
//! the same file as the package.

use std::collections::{BTreeSet, HashMap};

use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use killick_model::purl::{purl, python_name};
use killick_model::reference::Reference;
use percent_encoding::percent_decode_str;

use crate::matching::Subject;
use crate::purl::Purl;
use crate::vers::Vers;
use crate::{names, namespaces};

/// Qualifiers that do not tell packages apart.
const IDLE: &[&str] = &["checksum", "download_url", "vcs_url", "file_name", "filename", "package-id"];

/// Types whose names are the same in upper and lower case.
const CASELESS: &[&str] = &["composer", "github", "bitbucket", "golang", "hex", "nuget", "deb", "apk", "rpm", "alpm"];

/// Something a document speaks of, and the parts of it that are meant, if not all of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Product {
    pub(super) component: Component,
    pub(super) parts: Vec<Component>,
}

/// Something by its names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Component {
    /// As the document writes it.
    pub(super) name: String,
    pub(super) identifiers: Vec<Identifier>,
    /// Versions that are meant, if not all of those that the identifiers mean.
    pub(super) versions: Vec<String>,
    /// The same, by ranges.
    pub(super) ranges: Vec<Vers>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Identifier {
    Purl {
        purl: Purl,
        /// Its qualifier `vers`.
        range: Option<Vers>,
    },
    Cpe {
        /// As written: `cpe:/o:redhat:enterprise_linux:9`.
        text: String,
        /// Part, vendor, product, version, … .
        attributes: Vec<String>,
    },
    Digest(Digest),
}

/// What of a product a package is.
pub(super) enum Meant<'p> {
    /// The product, or anything in it.
    Whole,
    /// This part of it.
    Part(&'p Component),
}

impl Product {
    pub(super) fn of(component: Component) -> Self {
        Self { component, parts: Vec::new() }
    }

    /// Whether it, and its parts where it has any, can be compared with something.
    pub(super) fn is_identified(&self) -> bool {
        !self.component.identifiers.is_empty() && self.parts.iter().all(|part| !part.identifiers.is_empty())
    }

    pub(super) fn size(&self) -> usize {
        self.parts.len().saturating_add(1)
    }

    /// Whether it says which versions it means.
    pub(super) fn is_versioned(&self) -> bool {
        let of = |component: &Component| {
            let has_version = |identifier: &Identifier| match identifier {
                Identifier::Purl { purl, range } => {
                    purl.version.is_some() || range.as_ref().is_some_and(Vers::is_limited)
                }
                Identifier::Cpe { attributes, .. } => names::cpe_version(attributes).is_some(),
                Identifier::Digest(_) => true,
            };
            !component.versions.is_empty()
                || component.ranges.iter().any(Vers::is_limited)
                || component.identifiers.iter().any(has_version)
        };
        if self.parts.is_empty() { of(&self.component) } else { self.parts.iter().all(of) }
    }

    /// What it is called, with its parts.
    pub(super) fn describe(&self, meant: &Meant<'_>) -> String {
        match meant {
            Meant::Part(part) => format!("{} in {}", part.name, self.component.name),
            Meant::Whole => self.component.name.clone(),
        }
    }
}

impl Component {
    pub(super) fn new<'a>(name: &str, identifiers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found: Vec<Identifier> = Vec::new();
        for identifier in identifiers.into_iter().filter_map(Identifier::parse) {
            if !found.contains(&identifier) {
                found.push(identifier);
            }
        }
        let name = super::statement::shortened(name, 300);
        Self { name, identifiers: found, versions: Vec::new(), ranges: Vec::new() }
    }

    pub(super) fn of_digest(digest: &Digest) -> Self {
        Self { identifiers: vec![Identifier::Digest(digest.clone())], ..Self::new(&digest.to_string(), []) }
    }

    /// Whether it says by itself, besides its identifiers, which versions it means.
    fn is_limited(&self) -> bool {
        !self.versions.is_empty() || !self.ranges.is_empty()
    }

    /// Whether one of its names is an image's digest.
    pub(super) fn has_digest(&self) -> bool {
        self.identifiers.iter().any(|identifier| match identifier {
            Identifier::Digest(_) => true,
            Identifier::Purl { purl, .. } => is_image_type(&purl.kind) && version_digest(purl).is_some(),
            Identifier::Cpe { .. } => false,
        })
    }
}

impl Identifier {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with("pkg:") {
            let purl = Purl::parse(text)?;
            let range = purl.qualifier("vers").map(Vers::parse).transpose().ok()?;
            return Some(Self::Purl { purl, range });
        }
        if text.starts_with("cpe:") {
            return cpe(text).map(|attributes| Self::Cpe { text: text.to_owned(), attributes });
        }
        let digest = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
        digest.parse().ok().map(Self::Digest)
    }
}

/// The attributes of a CPE of version 2.3, or of 2.2 (a URI).
fn cpe(text: &str) -> Option<Vec<String>> {
    let Some(uri) = text.strip_prefix("cpe:/") else { return names::cpe_attributes(text) };
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let attributes: Option<Vec<String>> = uri.split(':').map(decoded).collect();
    let mut attributes = attributes.filter(|attributes| attributes.len() >= 3)?;
    attributes.resize(attributes.len().max(4), "*".to_owned());
    Some(attributes)
}

fn is_image_type(kind: &str) -> bool {
    matches!(kind, "oci" | "docker")
}

fn version_digest(purl: &Purl) -> Option<Digest> {
    purl.version.as_deref().and_then(|version| version.parse().ok())
}

/// An image as documents may speak of it.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    pub(super) subject: Subject<'a>,
    digests: Vec<Digest>,
    reference: Option<&'a Reference>,
    purls: Vec<Option<Purl>>,
    /// Packages of languages by the file that they are in.
    by_file: HashMap<&'a ImagePath, Vec<usize>>,
    /// Packages by their names in package URLs, and by those of their sources.
    by_name: HashMap<String, Vec<usize>>,
}

/// Packages in the file of another that are looked at.
const MAX_NEAR: usize = 5_000;

impl<'a> Image<'a> {
    /// An analysed image, and the reference it was named by, if it was.
    pub fn new(analysis: &'a Analysis, reference: Option<&'a Reference>) -> Self {
        let index = analysis.index_digest.iter();
        let digests = [&analysis.manifest_digest, &analysis.config_digest].into_iter().chain(index).cloned().collect();
        Self::of_packages(analysis.into(), digests, reference)
    }

    /// Packages of an image that is known by these digests.
    pub fn of_packages(subject: Subject<'a>, digests: Vec<Digest>, reference: Option<&'a Reference>) -> Self {
        let purls: Vec<Option<Purl>> =
            subject.packages.iter().map(|package| Purl::parse(&purl(package, subject.distribution))).collect();
        let mut by_file: HashMap<&ImagePath, Vec<usize>> = HashMap::new();
        for (at, package) in subject.packages.iter().enumerate().filter(|(_, package)| !package.kind.is_os()) {
            by_file.entry(&package.location).or_default().push(at);
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, (package, purl)) in subject.packages.iter().zip(&purls).enumerate() {
            let own = purl.as_ref().map(|purl| key(&purl.name));
            let source = Some(key(package.source_name())).filter(|source| own.as_ref() != Some(source));
            for name in own.into_iter().chain(source) {
                by_name.entry(name).or_default().push(at);
            }
        }
        Self { subject, digests, reference, purls, by_file, by_name }
    }

    /// The packages that may be what a product means, apart from the image as a whole.
    pub(super) fn candidates(&self, product: &Product) -> BTreeSet<usize> {
        let meant = if product.parts.is_empty() { std::slice::from_ref(&product.component) } else { &product.parts };
        let mut found = BTreeSet::new();
        for identifier in meant.iter().flat_map(|component| &component.identifiers) {
            match identifier {
                Identifier::Purl { purl, .. } => found.extend(self.by_name.get(&key(&purl.name)).into_iter().flatten()),
                Identifier::Cpe { .. } => {
                    let packages = self.subject.packages.iter().enumerate();
                    found.extend(packages.filter(|(_, package)| !package.cpes.is_empty()).map(|(at, _)| at));
                }
                Identifier::Digest(_) => {}
            }
        }
        found
    }

    /// What of `product` the package at `at` is; `None` where it is not meant at all.
    pub(super) fn meant<'p>(&self, product: &'p Product, at: usize) -> Option<Meant<'p>> {
        let part = || product.parts.iter().find(|part| self.is_package(part, at));
        if self.is_image(&product.component) {
            return if product.parts.is_empty() { Some(Meant::Whole) } else { part().map(Meant::Part) };
        }
        if product.parts.is_empty() {
            return self.is_package(&product.component, at).then_some(Meant::Whole);
        }
        let part = part()?;
        self.near(at).any(|near| self.is_package(&product.component, near)).then_some(Meant::Part(part))
    }

    /// Whether a component is this image.
    pub(super) fn is_image(&self, component: &Component) -> bool {
        // No order tells which images lie in a range.
        let is_ranged = |identifier: &Identifier| matches!(identifier, Identifier::Purl { range: Some(_), .. });
        if !component.ranges.is_empty() || component.identifiers.iter().any(is_ranged) {
            return false;
        }
        component.identifiers.iter().any(|identifier| match identifier {
            Identifier::Digest(digest) => self.digests.contains(digest),
            Identifier::Purl { purl, .. } if is_image_type(&purl.kind) => match version_digest(purl) {
                Some(digest) => self.digests.contains(&digest),
                None => self.is_repository(purl),
            },
            Identifier::Purl { .. } => false,
            // What Red Hat calls a platform: everything that is installed of the distribution.
            Identifier::Cpe { text, .. } => self.is_platform(text),
        })
    }

    fn is_platform(&self, cpe: &str) -> bool {
        let Some(distribution) = self.subject.distribution else { return false };
        crate::providers::rhel::release(cpe).is_some_and(|release| {
            !release.is_apart && namespaces::of_distribution(distribution).contains(&release.namespace)
        })
    }

    /// Whether a package URL names the repository that the image was named with.
    fn is_repository(&self, purl: &Purl) -> bool {
        let Some(reference) = self.reference else { return false };
        let own = format!("{}/{}", reference.registry, reference.repository);
        let last = own.rsplit('/').next().unwrap_or_default();
        let given = purl.qualifier("repository_url");
        let given = given.map(|url| url.trim_start_matches("https://").trim_end_matches('/').to_owned());
        let wanted = match (purl.kind.as_str(), given) {
            // The address with the name, or without it.
            ("oci", Some(url)) if url == own => url,
            ("oci", Some(url)) => format!("{url}/{}", purl.name),
            ("docker", url) => {
                let namespace = if purl.namespace.is_empty() { "library" } else { &purl.namespace };
                format!("{}/{namespace}/{}", url.as_deref().unwrap_or("docker.io"), purl.name)
            }
            _ => return false,
        };
        let tag = purl.qualifier("tag").or(purl.version.as_deref().filter(|_| purl.kind == "docker"));
        wanted == own
            && purl.name.eq_ignore_ascii_case(last)
            && tag.is_none_or(|tag| reference.tag.as_deref() == Some(tag))
    }

    /// Whether a component is the package at `at`.
    fn is_package(&self, component: &Component, at: usize) -> bool {
        let (Some(package), Some(own)) = (self.subject.packages.get(at), self.purls.get(at)) else { return false };
        let own_version = own.as_ref().and_then(|own| own.version.as_ref());
        let is_version = |version: &String| *version == package.version || own_version == Some(version);
        let is_in = |range: &Vers, is_source: bool| {
            let version = if is_source { package.source_version() } else { &package.version };
            range.contains(package.kind.scheme(), version) == Some(true)
        };
        let is_limit = |is_source: bool| {
            !component.is_limited()
                || component.versions.iter().any(is_version)
                || component.ranges.iter().any(|range| is_in(range, is_source))
        };
        component.identifiers.iter().any(|identifier| match identifier {
            Identifier::Purl { purl: wanted, range } => {
                let is_source = is_source(wanted, package);
                own.as_ref().is_some_and(|own| self.covers(wanted, own, package))
                    && range.as_ref().is_none_or(|range| is_in(range, is_source))
                    && is_limit(is_source)
            }
            Identifier::Cpe { attributes, .. } => is_product(attributes, package) && is_limit(false),
            Identifier::Digest(_) => false,
        })
    }

    /// The package itself is not near itself: its owner is, and what is in the same file.
    fn near(&self, at: usize) -> impl Iterator<Item = usize> {
        let package = self.subject.packages.get(at);
        let owner = package.and_then(|package| package.owner).map(|owner| owner.0 as usize);
        let beside =
            package.filter(|package| !package.kind.is_os()).and_then(|package| self.by_file.get(&package.location));
        let beside = beside.into_iter().flatten().copied().filter(move |near| *near != at).take(MAX_NEAR);
        owner.into_iter().chain(beside)
    }

    fn covers(&self, wanted: &Purl, own: &Purl, package: &Package) -> bool {
        let kind = match wanted.kind.as_str() {
            "alpine" => "apk",
            "arch" => "alpm",
            kind => kind,
        };
        let is_source = is_source(wanted, package);
        let name = if is_source { package.source_name() } else { &own.name };
        let is_namespace = match (wanted.namespace.as_str(), own.namespace.as_str()) {
            ("rhel" | "redhat", "rhel" | "redhat") => true,
            (wanted, own) => same_name(kind, wanted, own),
        };
        if kind != own.kind || !is_namespace || !same_name(kind, &wanted.name, name) {
            return false;
        }
        let version = if is_source { Some(package.source_version()) } else { own.version.as_deref() };
        let is_version = |wanted: &String| {
            let bare = |text: &str| text.strip_prefix('v').filter(|_| kind == "golang").unwrap_or(text).to_owned();
            version.is_some_and(|own| bare(own) == bare(wanted)) || (!is_source && *wanted == package.version)
        };
        if !wanted.version.as_ref().is_none_or(is_version) {
            return false;
        }
        wanted.qualifiers.iter().all(|(key, value)| match key.as_str() {
            "arch" if is_source => true,
            "distro" => self.distribution_of(package).is_some_and(|distribution| is_distribution(distribution, value)),
            "epoch" if value == "0" => own.qualifier("epoch").is_none_or(|epoch| epoch == "0"),
            // Written in several ways, where the name of the package tells as much; looked at beside the version.
            "upstream" | "vers" => true,
            "type" if kind == "maven" && value == "jar" => own.qualifier("type").is_none(),
            key if IDLE.contains(&key) => true,
            key => own.qualifier(key) == Some(value),
        })
    }

    fn distribution_of<'s>(&'s self, package: &'s Package) -> Option<&'s Distribution> {
        package.distribution.as_ref().or(self.subject.distribution)
    }
}

/// Whether a package URL means a source package, and everything built from it.
fn is_source(wanted: &Purl, package: &Package) -> bool {
    matches!(wanted.qualifier("arch"), Some("source" | "src")) && package.kind.is_os()
}

/// Names that are the same in some type have the same key.
fn key(name: &str) -> String {
    python_name(name)
}

fn same_name(kind: &str, wanted: &str, own: &str) -> bool {
    match kind {
        "pypi" => python_name(wanted) == python_name(own),
        kind if CASELESS.contains(&kind) => wanted.eq_ignore_ascii_case(own),
        _ => wanted == own,
    }
}

/// Whether `debian-12`, `debian-12.5`, `bookworm`, `debian-bookworm` or `12` is what the distribution may be called.
fn is_distribution(distribution: &Distribution, label: &str) -> bool {
    let id = if distribution.id == "rhel" { &["rhel", "redhat"][..] } else { &[distribution.id.as_str()] };
    let rest = id.iter().find_map(|id| label.strip_prefix(id)?.strip_prefix(['-', '@', '/'])).unwrap_or(label);
    let version = distribution.version.as_deref().unwrap_or_default();
    let is_version = !version.is_empty()
        && (rest == version || version.strip_prefix(rest).is_some_and(|minor| minor.starts_with('.')));
    is_version || distribution.codename.as_deref().is_some_and(|codename| codename == rest)
}

/// Whether a package goes by this CPE: one that was found with it. Guesses must not hide anything.
fn is_product(wanted: &[String], package: &Package) -> bool {
    let same = |a: &[String], b: &[String], at: usize| match (a.get(at), b.get(at)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    // Without a vendor and a product, anything would be meant.
    let is_named = |at: usize| wanted.get(at).is_some_and(|word| !matches!(word.as_str(), "" | "*" | "-"));
    if !is_named(1) || !is_named(2) || package.kind == PackageKind::LinuxKernelModule {
        return false;
    }
    package.cpes.iter().filter_map(|cpe| names::cpe_attributes(cpe)).any(|own| {
        let version = names::cpe_version(wanted);
        let own_version = names::cpe_version(&own).unwrap_or_else(|| package.version.clone());
        (0..3).all(|at| same(wanted, &own, at)) && version.is_none_or(|version| version == own_version)
    })
}
