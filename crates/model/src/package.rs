//! Installed packages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::path::ImagePath;

pub mod cpe;
mod kind;
pub mod symbols;

pub use kind::PackageKind;
use symbols::Symbols;

/// Position of a package in [`Analysis::packages`](crate::analysis::Analysis::packages).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageId(pub u32);

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Packaging system.
    pub kind: PackageKind,
    /// Name as published. Java: the artifact id; the group is in `details`.
    pub name: String,
    /// Complete version as the system writes it: Debian with epoch and revision, RPM `[epoch:]version-release`,
    /// apk with `-rN`, Go with its `v`.
    pub version: String,
    /// Architecture as the packaging system names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The source package it was built from, where that is not the package itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// Licence texts as declared, one entry per declared licence, in declaration order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
    /// Maintainer, vendor or author, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Installed size in bytes, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The file that says the package is there (package database, `METADATA`, `package.json`, archive, executable).
    pub location: ImagePath,
    /// For a package inside an archive: the chain of member names from `location` inwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<String>,
    /// Index of the layer that introduced this version of the package (0 is the lowest).
    pub layer: u32,
    /// Name of the cataloger that found it.
    pub cataloger: String,
    /// CPE 2.3 names that whatever tells of it gives it, best first; see [`Package::cpe_names`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpes: Vec<String>,
    /// Files the package database lists as belonging to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OwnedFile>,
    /// The distribution package whose file list contains `location`, if any: then the distribution answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PackageId>,
    /// The distribution it is of, where that is not the image's: it answers for the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// What kind of evidence says that it is there.
    #[serde(default, skip_serializing_if = "PackageEvidence::is_installed")]
    pub evidence: PackageEvidence,
    /// Where it was fetched from, if not from a registry: a repository at a revision, such as
    /// `git+https://host/path@commit`, or an address to download from. A registry's package of the same name need not
    /// be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_from: Option<String>,
    /// Declared for developing or testing only: an installation for production leaves it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_development: bool,
    /// What only this kind of package has.
    #[serde(default)]
    pub details: PackageDetails,
}

/// How sure it is that a package is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageEvidence {
    /// Its files or its record in a package database are there.
    #[default]
    Installed,
    /// A file is there that a package is known to contain, without the package's record: copied by a build.
    Copied,
    /// A document inside the image, such as an SBOM, claims it.
    Claimed,
    /// A lock file or a manifest asks for it. Whether it was installed, nothing tells.
    Declared,
}

impl PackageEvidence {
    /// The stable name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Copied => "copied",
            Self::Claimed => "claimed",
            Self::Declared => "declared",
        }
    }

    /// Whether the package itself is there.
    pub const fn is_installed(&self) -> bool {
        matches!(self, Self::Installed)
    }

    /// Whether the package or a file of it is there.
    pub const fn is_there(&self) -> bool {
        matches!(self, Self::Installed | Self::Copied)
    }
}

/// The source package of a binary package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Name.
    pub name: String,
    /// Complete version; for RPM without epoch, because `SOURCERPM` has none.
    pub version: String,
}

impl SourcePackage {
    /// The source package of an RPM, from the name of its file: `NAME-VERSION-RELEASE.src.rpm`, or `.nosrc.rpm`.
    pub fn of_rpm(file_name: &str) -> Option<Self> {
        let stem = file_name.strip_suffix(".src.rpm").or_else(|| file_name.strip_suffix(".nosrc.rpm"))?;
        let mut dashes = stem.rmatch_indices('-').map(|(at, _)| at);
        let (_release, version) = (dashes.next()?, dashes.next()?);
        let (name, version) = (stem.get(..version)?, stem.get(version + 1..)?);
        (!name.is_empty()).then(|| Self { name: name.to_owned(), version: version.to_owned() })
    }
}

/// A file a package database lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedFile {
    /// Where the package put it.
    pub path: ImagePath,
    /// Digest the database gives, as `(algorithm, lower-case hex)` with algorithm `md5`, `sha1`, `sha224`, `sha256`,
    /// `sha384`, `sha512`, or `sha256-160`: the first 160 bits of a SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<(String, String)>,
    /// Mode the database gives, with or without file type bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Size in bytes the database gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// A configuration file, expected to change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_config: bool,
}

/// What only one kind of package has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PackageDetails {
    /// Nothing beyond the common fields.
    #[default]
    None,
    /// RPM header tags.
    Rpm {
        /// `EPOCH`; `None` where the header has none, which compares as 0.
        epoch: Option<u32>,
        /// `SOURCERPM` as written, or `None` for source-less pseudo packages such as `gpg-pubkey`.
        source_rpm: Option<String>,
        /// `MODULARITYLABEL`.
        module: Option<String>,
        /// `VENDOR`.
        vendor: Option<String>,
        /// Who signed it, as the header says; nothing is verified.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signatures: Vec<RpmSignature>,
    },
    /// What few packages of dpkg and opkg have.
    Deb {
        /// `Essential`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        essential: bool,
        /// `Multi-Arch`: `same`, `foreign` or `allowed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        multi_arch: Option<String>,
        /// The state, where it is not `installed`: `unpacked`, `half-configured`, `triggers-pending` and the like.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
    },
    /// An apk package.
    Apk {
        /// Digest of the package, as `(algorithm, lower-case hex)`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checksum: Option<(String, String)>,
        /// Other names it goes by: `cmd:ash=1.36.1-r15`, `so:libc.musl-x86_64.so.1=1`, `openssl-dev=3.1`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        provides: Vec<String>,
        /// The tag of the repository it is pinned to, such as `edge`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository_tag: Option<String>,
    },
    /// A pacman package.
    Pacman {
        /// How it was verified on installation: `pgp`, `sha256`, `md5` or `none`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        validation: Vec<String>,
        /// Other names it goes by.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        provides: Vec<String>,
        /// Installed for the sake of another package.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_dependency: bool,
    },
    /// A Gentoo package.
    Portage {
        /// `SLOT`, with the sub-slot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<String>,
        /// The repository it was built from, `gentoo` or an overlay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<String>,
        /// The `USE` flags it was built with.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        use_flags: Vec<String>,
    },
    /// A snap.
    Snap {
        /// `app`, `base`, `core`, `os`, `kernel`, `gadget` or `snapd`.
        snap_type: String,
        /// The snap whose files it runs on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<String>,
        /// Number of its upload in the store, `x1` and the like for local ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<String>,
        /// The channel it follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
    },
    /// A path of a Nix or Guix store.
    Nix {
        /// The hash of the store path.
        hash: String,
        /// The output, such as `bin` or `dev`, where it is not the main one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
        /// The derivation it was built by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deriver: Option<String>,
    },
    /// A Linux kernel image.
    LinuxKernel {
        /// What the kernel says of itself after its release: who built it where and when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<String>,
    },
    /// A loadable module of a Linux kernel.
    LinuxKernelModule {
        /// Release of the kernel it was built for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kernel_release: Option<String>,
        /// `srcversion`: a hash over its sources.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_hash: Option<String>,
    },
    /// A Python distribution.
    Python {
        /// The directory it is installed in, such as `usr/lib/python3/dist-packages`.
        site_packages: ImagePath,
        /// Names of `top_level.txt`.
        top_level: Vec<String>,
        /// What installed it, in its own word: `pip`, `uv`, `conda`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        installer: Option<String>,
    },
    /// A conda package.
    Conda {
        /// Build string.
        build: Option<String>,
        /// Name or address of the channel, without credentials.
        channel: Option<String>,
        /// Platform folder of the channel: `linux-64`, `noarch`.
        subdir: Option<String>,
    },
    /// An installed node package.
    Npm {
        /// `homepage` or repository address.
        homepage: Option<String>,
        /// Says of itself that it is never to be published: no registry has it, whatever its name.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_private: bool,
    },
    /// A Java archive.
    Java {
        /// Maven group id, from `pom.properties` or else the manifest.
        group: Option<String>,
        /// `Specification-Version` of the manifest.
        specification_version: Option<String>,
        /// `Implementation-Version` of the manifest.
        implementation_version: Option<String>,
        /// Version of `pom.properties`.
        maven_version: Option<String>,
        /// The text of `pom.properties`.
        pom_properties: Option<String>,
        /// File extension of the archive: `jar`, `war`, `ear`, `jpi`, `hpi`.
        extension: String,
    },
    /// A Go module of a binary.
    Go {
        /// The module the binary was built from, rather than one of its dependencies.
        main: bool,
        /// The Go release that built the binary, such as `go1.22.1`.
        toolchain: Option<String>,
        /// Module checksum, `h1:…`.
        checksum: Option<String>,
        /// The setting of the build that told the version, where the module has none of its own: a flag of the linker,
        /// such as `-X main.version`, or `vcs.revision`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_from: Option<String>,
        /// Packages and functions of the module that are in the binary; `None` if it does not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        symbols: Option<Symbols>,
    },
    /// A package that name and version alone do not tell apart, or whose registry says more of it.
    Published {
        /// Who publishes it, where names are not unique without: a CPAN author, a Hex organisation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Which part of the package is meant: the folder of an action in its repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subpath: Option<String>,
        /// What the package URL says besides, under the keys of its type: `uuid`, `channel`, `repository_url`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        qualifiers: BTreeMap<String, String>,
        /// Digest of what is fetched, as `(algorithm, digest)` in the spelling of the lock file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checksum: Option<(String, String)>,
    },
    /// A program recognised by its bytes.
    Binary {
        /// Its package URL, without version.
        purl: String,
    },
}

/// A signature in the header of an RPM, unverified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RpmSignature {
    /// Public key and hash algorithm, such as `rsa/sha256`.
    pub algorithm: String,
    /// Key id, 16 hexadecimal digits; the last ones of the fingerprint of a version 4 key, the first of later ones.
    pub key_id: String,
    /// The fingerprint of the key, where the signature has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Package {
    /// The licences of a distribution package as the v1 contract tells them, once each. It separates them by spaces, so
    /// of Debian's (`GPL-3+ with Bison exception`) it has the first word, and nothing of `none`.
    pub fn license_words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        for license in &self.licenses {
            let word = match self.kind {
                PackageKind::Deb => license.split_whitespace().next().filter(|word| *word != "none"),
                _ => Some(license.as_str()),
            };
            words.extend(word.filter(|word| !words.contains(word)));
        }
        words
    }

    /// An installed package with nothing but the fields that all have.
    pub fn new(kind: PackageKind, name: &str, version: &str, location: ImagePath) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: None,
            source: None,
            licenses: Vec::new(),
            origin: None,
            size_bytes: None,
            location,
            nested: Vec::new(),
            layer: 0,
            cataloger: String::new(),
            cpes: Vec::new(),
            files: Vec::new(),
            owner: None,
            distribution: None,
            evidence: PackageEvidence::Installed,
            fetched_from: None,
            is_development: false,
            details: PackageDetails::None,
        }
    }

    /// The kind in words, with what sets the package apart from an installed one of the image's distribution: `deb`,
    /// `npm (declared, development)`, `deb (copied, debian:12)`.
    pub fn described_kind(&self) -> String {
        let kind = self.kind.name();
        let evidence = Some(self.evidence.name()).filter(|_| !self.evidence.is_installed());
        let development = (self.is_development && !self.evidence.is_installed()).then_some("development");
        let mut words: Vec<&str> = evidence.into_iter().chain(development).collect();
        let distribution = self.distribution.as_ref().map(Distribution::label);
        words.extend(distribution.as_deref());
        if words.is_empty() { kind.to_owned() } else { format!("{kind} ({})", words.join(", ")) }
    }

    /// Version and release apart: RPM and apk at the last `-`; any other kind has no release.
    /// The RPM epoch is not part of the version.
    pub fn version_and_release(&self) -> (&str, Option<&str>) {
        let version = match (self.kind, self.version.split_once(':')) {
            (PackageKind::Rpm, Some((_, rest))) => rest,
            _ => self.version.as_str(),
        };
        match (self.kind, version.rsplit_once('-')) {
            (PackageKind::Rpm | PackageKind::Apk, Some((version, release))) => (version, Some(release)),
            _ => (version, None),
        }
    }

    /// Name of the source package, which is the package's own name where it has no other.
    pub fn source_name(&self) -> &str {
        self.source.as_ref().map_or(self.name.as_str(), |source| source.name.as_str())
    }

    /// Version of the source package, which is the package's own where it has no other.
    pub fn source_version(&self) -> &str {
        self.source.as_ref().map_or(self.version.as_str(), |source| source.version.as_str())
    }

    /// The location with the members of nested archives, joined by `:` as the v1 API writes it.
    pub fn virtual_path(&self) -> String {
        let mut path = self.location.to_string();
        for member in &self.nested {
            path.push(':');
            path.push_str(member);
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_a_package_apart_is_told() {
        let debian =
            Distribution { id: "debian".to_owned(), version: Some("12".to_owned()), ..Distribution::default() };
        for (evidence, is_development, distribution, want) in [
            (PackageEvidence::Installed, true, None, "deb"),
            (PackageEvidence::Declared, true, None, "deb (declared, development)"),
            (PackageEvidence::Claimed, false, None, "deb (claimed)"),
            (PackageEvidence::Copied, false, Some(&debian), "deb (copied, debian:12)"),
        ] {
            let package = Package {
                evidence,
                is_development,
                distribution: distribution.cloned(),
                ..Package::new(PackageKind::Deb, "a", "1", ImagePath::default())
            };
            assert_eq!(package.described_kind(), want);
        }
    }

    #[test]
    fn sources_of_rpm() {
        for (file_name, want) in [
            ("bash-5.1.8-6.el9_1.src.rpm", Some(("bash", "5.1.8-6.el9_1"))),
            ("java-1.8.0-openjdk-1.8.0.362.b09-2.el8.nosrc.rpm", Some(("java-1.8.0-openjdk", "1.8.0.362.b09-2.el8"))),
            ("bash-5.1.8.src.rpm", None),
            ("-1-2.src.rpm", None),
            ("(none)", None),
        ] {
            let found = SourcePackage::of_rpm(file_name);
            assert_eq!(found.as_ref().map(|source| (source.name.as_str(), source.version.as_str())), want);
        }
    }
}
