//! Packaging systems, and what follows from each: one row of one table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::version::Scheme;

/// The packaging system a package belongs to. Decides version order, purl type and which advisories apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// dpkg.
    Deb,
    /// RPM.
    Rpm,
    /// Alpine and Wolfi.
    Apk,
    /// Arch Linux.
    Pacman,
    /// Gentoo.
    Portage,
    /// `OpenWrt` and Yocto.
    Opkg,
    /// Snap packages.
    Snap,
    /// Paths of a Nix or Guix store.
    Nix,
    /// Bitnami's components.
    Bitnami,
    /// A Linux kernel image.
    LinuxKernel,
    /// A loadable module of a Linux kernel.
    LinuxKernelModule,
    /// Python distributions.
    Python,
    /// Conda packages.
    Conda,
    /// Node packages.
    Npm,
    /// Ruby gems.
    Gem,
    /// Java archives and what is nested in them.
    Java,
    /// Go modules built into a binary.
    Go,
    /// Rust crates built into a binary.
    Rust,
    /// `NuGet` packages and .NET assemblies.
    Dotnet,
    /// Composer packages.
    Composer,
    /// PHP extensions from PECL.
    Pecl,
    /// PHP packages from PEAR.
    Pear,
    /// Hex packages: Erlang and Elixir.
    Hex,
    /// Applications of Erlang/OTP.
    Otp,
    /// Dart and Flutter packages.
    Pub,
    /// Swift packages.
    Swift,
    /// `CocoaPods`.
    Cocoapods,
    /// Conan: C and C++.
    Conan,
    /// vcpkg: C and C++.
    Vcpkg,
    /// Haskell packages.
    Hackage,
    /// OCaml packages.
    Opam,
    /// R packages.
    Cran,
    /// `LuaRocks`.
    Luarocks,
    /// Perl distributions.
    Cpan,
    /// Julia packages.
    Julia,
    /// `WordPress` plugins and themes.
    Wordpress,
    /// Terraform and `OpenTofu` providers.
    Terraform,
    /// Actions of GitHub workflows.
    GithubAction,
    /// Software recognised by its bytes, or named by a document that knows no packaging system.
    Binary,
}

/// What follows from the packaging system.
struct Facts {
    kind: PackageKind,
    name: &'static str,
    /// Type in package URLs: <https://github.com/package-url/purl-spec>, `generic` where there is none.
    purl_type: &'static str,
    scheme: Scheme,
    /// The ecosystem in the words of OSV, where language advisories speak of such packages.
    ecosystem: Option<&'static str>,
}

const fn row(
    kind: PackageKind,
    name: &'static str,
    purl_type: &'static str,
    scheme: Scheme,
    ecosystem: Option<&'static str>,
) -> Facts {
    Facts { kind, name, purl_type, scheme, ecosystem }
}

/// One row for each kind, in the order of the variants.
const FACTS: &[Facts] = &[
    row(PackageKind::Deb, "deb", "deb", Scheme::Dpkg, None),
    row(PackageKind::Rpm, "rpm", "rpm", Scheme::Rpm, None),
    row(PackageKind::Apk, "apk", "apk", Scheme::Apk, None),
    row(PackageKind::Pacman, "pacman", "alpm", Scheme::Pacman, None),
    row(PackageKind::Portage, "portage", "ebuild", Scheme::Portage, None),
    row(PackageKind::Opkg, "opkg", "opkg", Scheme::Dpkg, None),
    row(PackageKind::Snap, "snap", "generic", Scheme::Generic, None),
    row(PackageKind::Nix, "nix", "nix", Scheme::Generic, None),
    row(PackageKind::Bitnami, "bitnami", "bitnami", Scheme::Semver, Some("Bitnami")),
    row(PackageKind::LinuxKernel, "linux-kernel", "generic", Scheme::Generic, None),
    row(PackageKind::LinuxKernelModule, "linux-kernel-module", "generic", Scheme::Generic, None),
    row(PackageKind::Python, "python", "pypi", Scheme::Pep440, Some("PyPI")),
    row(PackageKind::Conda, "conda", "conda", Scheme::Generic, None),
    row(PackageKind::Npm, "npm", "npm", Scheme::Semver, Some("npm")),
    row(PackageKind::Gem, "gem", "gem", Scheme::RubyGems, Some("RubyGems")),
    row(PackageKind::Java, "java", "maven", Scheme::Maven, Some("Maven")),
    row(PackageKind::Go, "go", "golang", Scheme::Go, Some("Go")),
    row(PackageKind::Rust, "rust", "cargo", Scheme::Semver, Some("crates.io")),
    row(PackageKind::Dotnet, "dotnet", "nuget", Scheme::Nuget, Some("NuGet")),
    row(PackageKind::Composer, "composer", "composer", Scheme::Composer, Some("Packagist")),
    row(PackageKind::Pecl, "pecl", "pecl", Scheme::Composer, None),
    row(PackageKind::Pear, "pear", "pear", Scheme::Composer, None),
    row(PackageKind::Hex, "hex", "hex", Scheme::Hex, Some("Hex")),
    row(PackageKind::Otp, "otp", "otp", Scheme::Generic, None),
    row(PackageKind::Pub, "pub", "pub", Scheme::Pub, Some("Pub")),
    row(PackageKind::Swift, "swift", "swift", Scheme::Semver, Some("SwiftURL")),
    row(PackageKind::Cocoapods, "cocoapods", "cocoapods", Scheme::Generic, None),
    row(PackageKind::Conan, "conan", "conan", Scheme::Generic, None),
    row(PackageKind::Vcpkg, "vcpkg", "vcpkg", Scheme::Generic, None),
    row(PackageKind::Hackage, "hackage", "hackage", Scheme::Pvp, Some("Hackage")),
    row(PackageKind::Opam, "opam", "opam", Scheme::Dpkg, Some("opam")),
    row(PackageKind::Cran, "cran", "cran", Scheme::Cran, Some("CRAN")),
    row(PackageKind::Luarocks, "luarocks", "luarocks", Scheme::Generic, None),
    row(PackageKind::Cpan, "cpan", "cpan", Scheme::Generic, None),
    row(PackageKind::Julia, "julia", "julia", Scheme::Pub, Some("Julia")),
    row(PackageKind::Wordpress, "wordpress", "generic", Scheme::Generic, None),
    row(PackageKind::Terraform, "terraform", "terraform", Scheme::Semver, None),
    row(PackageKind::GithubAction, "github-action", "github", Scheme::Semver, Some("GitHub Actions")),
    row(PackageKind::Binary, "binary", "generic", Scheme::Generic, None),
];

impl PackageKind {
    const fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// Every kind, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(|facts| facts.kind)
    }

    /// Packages a Linux distribution built and answers for.
    pub const fn is_os(self) -> bool {
        matches!(self, Self::Deb | Self::Rpm | Self::Apk | Self::Pacman | Self::Portage | Self::Opkg)
    }

    /// The stable name in reports and on the command line.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The type in package URLs.
    pub const fn purl_type(self) -> &'static str {
        self.facts().purl_type
    }

    /// The order of versions.
    pub const fn scheme(self) -> Scheme {
        self.facts().scheme
    }

    /// The ecosystem, as OSV names it, whose advisories speak of packages of this kind; `None` for distribution
    /// packages and where nobody collects advisories by package.
    pub const fn ecosystem(self) -> Option<&'static str> {
        self.facts().ecosystem
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for (at, facts) in FACTS.iter().enumerate() {
            assert_eq!(facts.kind as usize, at, "{} stands in the wrong place", facts.name);
            let written = serde_json::to_value(facts.kind).expect("a word");
            assert_eq!(written, facts.name, "reports and stored facts use one name");
        }
        assert_eq!(PackageKind::Binary as usize + 1, FACTS.len(), "the last kind has the last row");
    }
}
