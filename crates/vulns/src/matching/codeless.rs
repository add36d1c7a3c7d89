//! Packages that hold none of the code an advisory about their source package is about.
//!
//! An advisory of a distribution is about a source package, and so about everything built from it. Two sorts of what is
//! built cannot have the flaw, by the facts of their name and their source:
//!
//! - of the Linux kernel's sources, headers and what compiles modules: C headers, makefiles and host tools, in no way the
//!   kernel. Debian Policy and the kernel handbooks (kernel-team.pages.debian.net/kernel-handbook, chapter 3) call them
//!   `linux-libc-dev`, `linux-headers-*`, `linux-kbuild-*`, `linux-compiler-*`; Ubuntu `linux-*-headers-*` for its flavours
//!   as well; Fedora and RHEL (`kernel.spec`) `kernel-headers` and `kernel-doc`. `kernel-devel` and `linux-source` stay:
//!   out of them kernels and modules are built.
//! - of any sources, documentation, translations and detached debugging symbols: `-doc`, `-docs`, `-locale`, `-dbg`,
//!   `-dbgsym`, `-debuginfo`, `-debugsource`. A package of that name whose source goes by the same name is judged: it is
//!   all there is of that source.
//!
//! No other `-dev` or `-devel` package is left out, because static libraries and inline code in headers are code.
//! Packages of languages never are. A statement that a distribution makes of such a package by its own name counts for it.

use killick_model::advisory::{Level, Statement};
use killick_model::package::{Package, PackageKind};

/// Headers and build files of Debian's and Ubuntu's kernels, and of Fedora's and RHEL's.
const KERNEL_PREFIXES: &[&str] =
    &["linux-libc-dev", "linux-headers", "linux-kbuild", "linux-compiler", "kernel-headers", "kernel-doc", "linux-doc"];

/// Endings of packages without programs, of Debian, Alpine, Arch and `OpenWrt`.
const SUFFIXES: &[&str] = &["-dbg", "-dbgsym", "-doc", "-docs", "-locale"];

/// The same of RPM.
const RPM_SUFFIXES: &[&str] = &["-debuginfo", "-debugsource", "-doc", "-docs"];

/// Whether what a statement says cannot be true of a package, because it has no code.
pub(super) fn is_codeless(statement: &Statement, package: &Package) -> bool {
    // Named by itself, and not after its source: whoever says so has looked.
    let is_named = statement.level == Level::Binary && statement.name == package.name;
    package.kind.is_os() && !is_named && holds_no_code(package)
}

/// Whether a package holds headers of the kernel, documentation or symbols only.
fn holds_no_code(package: &Package) -> bool {
    let (name, source) = (package.name.as_str(), package.source_name());
    if is_kernel(source) && (KERNEL_PREFIXES.iter().any(|prefix| is_of(name, prefix)) || is_flavour_headers(name)) {
        return true;
    }
    let suffixes = if package.kind == PackageKind::Rpm { RPM_SUFFIXES } else { SUFFIXES };
    source != name && suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// `linux`, `linux-6.1`, `linux-aws`, `linux-signed-amd64`; `kernel`, `kernel-rt`. Not `linux-pam`, `linux-firmware`.
fn is_kernel(source: &str) -> bool {
    const NOT_KERNELS: &[&str] = &["linux-pam", "linux-firmware", "linux-atm", "linux-base", "linux-wlan-ng"];
    let is_kernel = |name: &str| is_of(source, name);
    (is_kernel("linux") || is_kernel("kernel")) && !NOT_KERNELS.contains(&source)
}

/// `linux-aws-headers-5.4.0-1001`, `linux-hwe-5.15-headers-5.15.0-46`.
fn is_flavour_headers(name: &str) -> bool {
    name.strip_prefix("linux-").is_some_and(|rest| rest.split_once("-headers-").is_some())
}

/// The name itself, or one that goes on after a dash.
fn is_of(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use killick_model::package::SourcePackage;
    use killick_model::path::ImagePath;

    use super::*;

    #[test]
    fn only_what_has_no_code_is_left_out() {
        for (kind, source, name, want) in [
            (PackageKind::Deb, "linux", "linux-libc-dev", true),
            (PackageKind::Deb, "linux", "linux-headers-6.1.0-18-amd64", true),
            (PackageKind::Deb, "linux", "linux-headers-6.1.0-18-common", true),
            (PackageKind::Deb, "linux", "linux-kbuild-6.1", true),
            (PackageKind::Deb, "linux-signed-amd64", "linux-headers-amd64", true),
            (PackageKind::Deb, "linux-aws", "linux-aws-headers-5.4.0-1001", true),
            (PackageKind::Deb, "linux-hwe-5.15", "linux-hwe-5.15-headers-5.15.0-46", true),
            (PackageKind::Deb, "linux", "linux-doc-6.1", true),
            (PackageKind::Deb, "linux", "linux-image-6.1.0-18-amd64", false),
            (PackageKind::Deb, "linux", "linux-source-6.1", false),
            (PackageKind::Deb, "linux", "linux-perf", false),
            (PackageKind::Deb, "linux", "linux-cpupower", false),
            (PackageKind::Deb, "linux-firmware", "linux-headers-of-firmware", false),
            (PackageKind::Rpm, "kernel", "kernel-headers", true),
            (PackageKind::Rpm, "kernel-rt", "kernel-doc", true),
            (PackageKind::Rpm, "kernel", "kernel-core", false),
            (PackageKind::Rpm, "kernel", "kernel-devel", false),
            (PackageKind::Rpm, "kernelshark", "kernel-headers-of-nothing", false),
            // Static libraries and inline code are code.
            (PackageKind::Deb, "openssl", "libssl-dev", false),
            (PackageKind::Deb, "zlib", "zlib1g-dev", false),
            (PackageKind::Apk, "musl", "musl-dev", false),
            (PackageKind::Rpm, "glibc", "glibc-headers", false),
            (PackageKind::Rpm, "glibc", "glibc-devel", false),
            (PackageKind::Deb, "openssl", "libssl-doc", true),
            (PackageKind::Deb, "openssl", "openssl-dbgsym", true),
            (PackageKind::Rpm, "openssl", "openssl-debuginfo", true),
            (PackageKind::Apk, "openssl", "openssl-doc", true),
            // All there is of its source.
            (PackageKind::Deb, "some-doc", "some-doc", false),
            (PackageKind::Npm, "openssl", "openssl-doc", false),
        ] {
            let mut package = Package::new(kind, name, "1", ImagePath::default());
            package.source = Some(SourcePackage { name: source.to_owned(), version: "1".to_owned() });
            assert_eq!(kind.is_os() && holds_no_code(&package), want, "{source} {name}");
        }
    }
}
