//! Linux kernels and their modules.
//!
//! Kernels go by names, because what is in them is mostly compressed: Linux, `Documentation/arch/x86/boot.rst` (the
//! version in the header of a bzImage), `Documentation/arch/arm64/booting.rst`, `init/version-timestamp.c` (the banner),
//! `drivers/firmware/efi/libstub/zboot-header.S`. Modules say of themselves what they are: `include/linux/moduleinfo.h`,
//! section `.modinfo`.
//!
//! A module that comes with the kernel (`intree`) has its version, unless it has one of its own.

mod image;
mod module;
mod packed;

use killick_model::package::PackageKind;
use killick_model::problem::Problem;

use super::{Cataloger, Found, WantedFile, Wants};
use crate::limits::Limits;

/// Finds kernels and modules.
pub(super) struct LinuxKernel;

impl Cataloger for LinuxKernel {
    fn name(&self) -> &'static str {
        "linux-kernel"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::LinuxKernel, PackageKind::LinuxKernelModule]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/vmlinuz",
                "**/vmlinuz[-.]*",
                "**/vmlinux",
                "**/vmlinux-*",
                "**/vmlinux.{gz,xz,zst}",
                "**/bzImage*",
                "boot/kernel-*",
                "**/boot/Image*",
                "**/boot/kernel",
                "**/*.ko",
                "**/*.ko.{gz,xz,zst}",
            ],
            executables: &[],
        }
    }

    fn unpacks(&self, size: u64, _limits: &Limits) -> u64 {
        packed::room(size)
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        let is_module = name.ends_with(b".ko") || memchr::memmem::find(name, b".ko.").is_some();
        let package = if is_module {
            packed::whole(file.bytes).and_then(|bytes| module::read(&bytes, file.path))
        } else {
            image::read(file.bytes, file.path)
        };
        match package {
            Ok(package) => found.packages.push(package),
            Err(fault) => {
                let what = if is_module { "kernel module" } else { "kernel" };
                let message = format!("as a {what} it is {fault}");
                found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            }
        }
    }
}
