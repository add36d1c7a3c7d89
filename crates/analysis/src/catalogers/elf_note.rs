//! What ELF files say of the package that they were built for, in a note that distributions let the linker write.
//!
//! Format: systemd, "Package Metadata for ELF Files": a note of owner `FDO` and type `0xcafe1a7e` whose value is JSON. The
//! name in it is that of the source package.
//!
//! A file with such a note that no package of the image owns was copied from elsewhere: a build did so, or the package
//! database was removed.

use std::collections::BTreeMap;

use killick_model::distribution::Distribution;
use killick_model::package::{OwnedFile, Package, PackageDetails, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde_json::Value;

use super::executable::{Executable, executables};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, package};

/// Finds the packages that ELF files were built for.
pub(super) struct ElfNote;

/// `n_type`.
const TYPE: u64 = 0xcafe_1a7e;

const OWNER: &[u8] = b"FDO\0";

/// Bytes of the notes of a file; real ones have some hundred.
const NOTES_BYTES: u64 = 64 << 10;

/// Notes of a file.
const NOTES: usize = 256;

/// Bytes of a name or a version.
const FIELD_BYTES: usize = 1000;

/// Files of which one package is told to consist.
const FILES: usize = 10_000;

impl Cataloger for ElfNote {
    fn name(&self) -> &'static str {
        "elf-note"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[
            PackageKind::Deb,
            PackageKind::Rpm,
            PackageKind::Apk,
            PackageKind::Pacman,
            PackageKind::Portage,
            PackageKind::Opkg,
            PackageKind::Binary,
        ]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &[], executables: &[b"\x7fELF"] }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let mut values = executables(file.content).into_iter().filter_map(|executable| value(&executable));
        let Some(value) = values.next() else { return };
        match read(value, file.path) {
            Ok(package) => found.packages.push(package),
            Err(fault) => {
                let message = format!("the note about its package is {fault}");
                found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            }
        }
    }

    /// The files of one package are told together.
    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut packages: BTreeMap<_, Package> = BTreeMap::new();
        for (path, layer, found) in image.found {
            joined.problems.extend(found.problems.iter().cloned());
            for package in &found.packages {
                let distribution = package.distribution.as_ref().map(Distribution::label);
                let identity = (package.kind, &package.name, &package.version, &package.architecture, distribution);
                let known = packages.entry(identity).or_insert_with(|| {
                    let cataloger = self.name().to_owned();
                    Package { layer: *layer, cataloger, ..package.clone() }
                });
                if known.files.len() < FILES {
                    let path = (*path).clone();
                    known.files.push(OwnedFile { path, digest: None, mode: None, size: None, is_config: false });
                }
            }
        }
        joined.packages.extend(packages.into_values());
    }
}

/// The value of the note, if there is one.
fn value<'a>(executable: &Executable<'a>) -> Option<&'a [u8]> {
    let mut allowance = NOTES_BYTES;
    for (offset, size) in &executable.notes {
        let notes = executable.content.at_most(*offset, (*size).min(allowance))?;
        if let Some(value) = value_in(executable, notes) {
            return Some(value);
        }
        allowance -= notes.len() as u64;
    }
    None
}

/// Notes stand one after another: three numbers (the lengths of owner and value, the type), the owner, the value, both
/// filled up to four bytes.
fn value_in<'a>(executable: &Executable<'_>, mut notes: &'a [u8]) -> Option<&'a [u8]> {
    for _ in 0..NOTES {
        let number = |at: usize| executable.number(notes.get(at..at + 4)?);
        let (owner, value, kind) = (number(0)?, number(4)?, number(8)?);
        let (owner, value) = (usize::try_from(owner).ok()?, usize::try_from(value).ok()?);
        let start = 12_usize.checked_add(owner.checked_next_multiple_of(4)?)?;
        let end = start.checked_add(value)?;
        if kind == TYPE && notes.get(12..)?.starts_with(OWNER) {
            return notes.get(start..end);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
    None
}

fn read(value: &[u8], path: &ImagePath) -> Result<Package, String> {
    let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let document: Value =
        serde_json::from_slice(value.get(..end).unwrap_or(value)).map_err(|fault| format!("no JSON: {fault}"))?;
    let field = |name: &str| {
        let text = document.get(name)?.as_str()?.trim();
        (!text.is_empty() && text.len() <= FIELD_BYTES).then(|| text.to_owned())
    };
    let (Some(name), Some(version)) = (field("name"), field("version")) else {
        return Err("without a name or a version".to_owned());
    };
    let kind = match field("type").as_deref() {
        Some("deb") => PackageKind::Deb,
        Some("rpm") => PackageKind::Rpm,
        Some("apk") => PackageKind::Apk,
        Some("alpm" | "pacman" | "arch") => PackageKind::Pacman,
        Some("ebuild" | "portage" | "gentoo") => PackageKind::Portage,
        Some("opkg" | "ipk") => PackageKind::Opkg,
        _ => PackageKind::Binary,
    };
    let mut package = package(kind, &name, &version, path);
    package.architecture = field("architecture");
    if kind.is_os() {
        package.evidence = PackageEvidence::Copied;
        package.distribution = distribution(field("os"), field("osVersion"), field("osCpe"));
    } else {
        package.details = PackageDetails::Binary { purl: format!("pkg:generic/{}", name.replace('@', "%40")) };
    }
    Ok(package)
}

/// As os-release has it, or else as the CPE name of the system does.
fn distribution(id: Option<String>, version: Option<String>, cpe: Option<String>) -> Option<Distribution> {
    let cpe = cpe.unwrap_or_default();
    let mut parts =
        cpe.strip_prefix("cpe:/o:").or_else(|| cpe.strip_prefix("cpe:2.3:o:")).unwrap_or_default().split(':');
    let (vendor, product, release, update) = (parts.next(), parts.next(), parts.next(), parts.next());
    let id = id.or_else(|| {
        Some(match (vendor?, product?) {
            ("redhat", "enterprise_linux") => "rhel".to_owned(),
            ("oracle", "linux") => "ol".to_owned(),
            ("amazon", _) => "amzn".to_owned(),
            ("microsoft", "azure_linux" | "azurelinux") => "azurelinux".to_owned(),
            ("microsoft", _) => "mariner".to_owned(),
            ("opensuse", "leap") => "opensuse-leap".to_owned(),
            ("opensuse", "tumbleweed") => "opensuse-tumbleweed".to_owned(),
            ("debian", _) => "debian".to_owned(),
            ("canonical", _) => "ubuntu".to_owned(),
            (_, product) => product.to_owned(),
        })
    })?;
    // SUSE's service packs: `15:sp5` is 15.5.
    let pack = update.and_then(|update| update.strip_prefix("sp"));
    let release = release.filter(|release| !matches!(*release, "" | "*" | "-"));
    let release = release.map(|release| pack.map_or(release.to_owned(), |pack| format!("{release}.{pack}")));
    Some(Distribution { id: id.to_lowercase(), version: version.or(release), ..Distribution::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_those_of_os_release() {
        let label = |os: Option<&str>, version: Option<&str>, cpe: Option<&str>| {
            let [os, version, cpe] = [os, version, cpe].map(|text| text.map(str::to_owned));
            distribution(os, version, cpe).map(|distribution| distribution.label())
        };
        for (found, want) in [
            (label(None, None, Some("cpe:/o:fedoraproject:fedora:40")), Some("fedora:40")),
            (label(None, None, Some("cpe:/o:redhat:enterprise_linux:9")), Some("rhel:9")),
            (label(None, None, Some("cpe:2.3:o:opensuse:leap:15.6:*:*:*:*:*:*:*")), Some("opensuse-leap:15.6")),
            (label(None, None, Some("cpe:/o:suse:sles:15:sp5")), Some("sles:15.5")),
            (label(None, None, Some("cpe:/o:suse:sles:15")), Some("sles:15")),
            (label(None, None, Some("cpe:2.3:o:canonical:ubuntu_linux:24.04:*:*:*:lts:*:*:*")), Some("ubuntu:24.04")),
            (label(Some("Debian"), Some("13"), None), Some("debian:13")),
            (label(Some("debian"), None, None), Some("debian")),
            (label(None, Some("13"), None), None),
            (label(None, None, Some("cpe:/a:x:y")), None),
        ] {
            assert_eq!(found.as_deref(), want);
        }
    }
}
