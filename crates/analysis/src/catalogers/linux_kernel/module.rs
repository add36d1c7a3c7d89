//! What a module says of itself.

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;

use crate::catalogers::executable::executables;
use crate::catalogers::package;
use crate::content::Content;

/// Bytes of what it says; drivers with many parameters and devices have some ten thousand.
const INFO_BYTES: u64 = 1 << 20;

/// Licences and authors kept.
const NAMES: usize = 100;

pub(super) fn read(bytes: &[u8], path: &ImagePath) -> Result<Package, String> {
    let executables = executables(Content::whole(bytes));
    let executable = executables.first().ok_or("no ELF file")?;
    let section = executable.section(&[b".modinfo"]).ok_or("without a section `.modinfo`")?;
    let info = executable.bytes_of(section, INFO_BYTES).ok_or("cut short")?;
    let fields: Vec<(String, String)> = info.split(|&byte| byte == 0).filter_map(field).collect();
    let all = |name: &'static str| fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
    let one = |name: &'static str| all(name).next().filter(|value| !value.is_empty());

    let file_name = String::from_utf8_lossy(path.file_name()).into_owned();
    let stem = file_name.split(".ko").next().unwrap_or_default().replace('-', "_");
    // The release, then what the kernel must have been built with.
    let release = one("vermagic").and_then(|magic| magic.split(' ').next());
    let is_in_tree = one("intree") == Some("Y");
    let version = one("version").or(release.filter(|_| is_in_tree)).unwrap_or_default();
    let mut package = package(PackageKind::LinuxKernelModule, one("name").unwrap_or(&stem), version, path);
    package.licenses = all("license").take(NAMES).map(str::to_owned).collect();
    package.licenses.dedup();
    let authors: Vec<&str> = all("author").take(NAMES).collect();
    package.origin = (!authors.is_empty()).then(|| authors.join(", "));
    package.details = PackageDetails::LinuxKernelModule {
        kernel_release: release.map(str::to_owned),
        source_hash: one("srcversion").map(str::to_owned),
    };
    Ok(package)
}

/// `KEY=VALUE`.
fn field(entry: &[u8]) -> Option<(String, String)> {
    let entry = String::from_utf8_lossy(entry);
    let (key, value) = entry.split_once('=')?;
    Some((key.to_owned(), value.trim().to_owned()))
}
