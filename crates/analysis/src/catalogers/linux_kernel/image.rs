//! What a kernel says of itself: in the header that boot loaders read, or in the banner that it prints first.

use std::io::{Cursor, Read};
use std::sync::LazyLock;

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use memchr::memmem;
use regex::Regex;

use super::packed;
use crate::catalogers::package;
use killick_model::package::cpe;

/// Bytes of an unpacked kernel that are searched; large ones have some hundred million.
const KERNEL_BYTES: u64 = 512 << 20;

/// Bytes that are searched at once, and that a banner may have.
const STEP: usize = 256 << 10;
const BANNER_BYTES: usize = 1024;

/// What the banner begins with. Elsewhere in a kernel a format for one follows, no number.
const BANNER: &[u8] = b"Linux version ";

/// A release and what is said of the build.
type Said = (String, String);

pub(super) fn read(bytes: &[u8], path: &ImagePath) -> Result<Package, String> {
    let (said, architecture) = match x86(bytes) {
        Some((said, architecture)) => (said, Some(architecture)),
        None => (banner(bytes)?, if is_arm64(bytes) { Some("aarch64") } else { None }),
    };
    let (release, build) = said;
    let mut package = package(PackageKind::LinuxKernel, "linux-kernel", &release, path);
    package.architecture = architecture.map(str::to_owned);
    package.cpes = cpe::from_uri("cpe:/o:linux:linux_kernel", Some(&upstream(&release, &build))).into_iter().collect();
    package.details = PackageDetails::LinuxKernel { build: (!build.is_empty()).then_some(build) };
    Ok(package)
}

/// The header of a bzImage: `HdrS` at 0x202, at 0x20e where the version is, less 0x200, at 0x236 whether it is for 64
/// bits.
fn x86(bytes: &[u8]) -> Option<(Said, &'static str)> {
    if bytes.get(0x1fe..0x200)? != [0x55, 0xaa] || bytes.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let number = |at: usize| bytes.get(at..)?.first_chunk().map(|raw| u16::from_le_bytes(*raw));
    let at = usize::from(number(0x20e).filter(|at| *at != 0)?) + 0x200;
    let is_64 = number(0x206)? >= 0x20c && number(0x236)? & 1 != 0;
    let said = said(bytes.get(at..)?)?;
    Some((said, if is_64 { "x86_64" } else { "i386" }))
}

fn is_arm64(bytes: &[u8]) -> bool {
    bytes.get(56..60) == Some(b"ARM\x64")
}

/// The banner, wherever it is in the kernel or what is packed in it.
fn banner(bytes: &[u8]) -> Result<Said, String> {
    let damaged = |fault: std::io::Error| format!("damaged: {fault}");
    let inner = zboot(bytes).unwrap_or(bytes);
    let reader: Box<dyn Read + '_> = match packed::unpacking(inner).map_err(damaged)? {
        Some(reader) => reader,
        None => Box::new(Cursor::new(inner)),
    };
    let mut reader = reader.take(packed::likely(inner.len() as u64).min(KERNEL_BYTES));
    let mut window = Vec::new();
    loop {
        let read = (&mut reader).take(STEP as u64).read_to_end(&mut window);
        for at in memmem::find_iter(&window, BANNER) {
            if let Some(said) = window.get(at + BANNER.len()..).and_then(said) {
                return Ok(said);
            }
        }
        // What follows the end of a packed kernel is none of it.
        if read.map_err(damaged)? == 0 {
            return Err("none whose version can be seen".to_owned());
        }
        let gone = window.len().saturating_sub(BANNER_BYTES);
        window.drain(..gone);
    }
}

/// The payload of an EFI program that unpacks the kernel: its offset and size are at 8 and 12.
fn zboot(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.starts_with(b"MZ") || bytes.get(4..8)? != b"zimg" {
        return None;
    }
    let number = |at: usize| {
        let number = bytes.get(at..)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))?;
        usize::try_from(number).ok()
    };
    let (start, size) = (number(8)?, number(12)?);
    bytes.get(start..start.checked_add(size)?)
}

/// `6.1.0-13-amd64 (builder@host) #1 SMP …`, which ends with its line.
fn said(text: &[u8]) -> Option<Said> {
    let text = text.get(..BANNER_BYTES).unwrap_or(text);
    let end = text.iter().position(|byte| matches!(byte, 0 | b'\n'))?;
    let text = std::str::from_utf8(text.get(..end)?).ok()?.trim();
    let (release, build) = text.split_once(' ').unwrap_or((text, ""));
    let is_release = release.starts_with(|first: char| first.is_ascii_digit()) && release.contains('.');
    is_release.then(|| (release.to_owned(), build.trim().to_owned()))
}

/// The version of Linux that it is. Debian's releases tell only the series, what is said of the build tells more.
fn upstream(release: &str, build: &str) -> String {
    static DEBIAN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"Debian ([0-9]+\.[0-9]+(?:\.[0-9]+)?)").expect("a constant"));
    let of_debian = DEBIAN.captures(build).and_then(|captures| Some(captures.get(1)?.as_str()));
    let numbers = |text: &str| -> String {
        let end = text.find(|next: char| !(next.is_ascii_digit() || next == '.')).unwrap_or(text.len());
        text.get(..end).unwrap_or_default().trim_end_matches('.').to_owned()
    };
    of_debian.map_or_else(|| numbers(release), str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn upstream_versions_are_told() {
        for (release, build, want) in [
            ("6.1.0-50-cloud-amd64", "(x@y) #1 SMP Debian 6.1.176-1 (2026-07-02)", "6.1.176"),
            ("6.6.13-linuxkit", "(root@x) #1 SMP", "6.6.13"),
            ("5.14.0-427.el9.x86_64", "", "5.14.0"),
            ("6.12.0+", "", "6.12.0"),
            ("6.8.0-rc1", "", "6.8.0"),
        ] {
            assert_eq!(upstream(release, build), want);
        }
    }

    #[test]
    fn packed_kernels_are_searched_as_far_as_kernels_go() {
        let banner_text = b"Linux version 6.12.1 (a@b) #1\n".as_slice();
        for (zeros, is_found) in [(1000, true), (4 << 20, false)] {
            let kernel = [vec![0; zeros], banner_text.to_vec()].concat();
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut gzip, &kernel).unwrap();
            assert_eq!(banner(&gzip.finish().unwrap()).is_ok(), is_found);
        }
    }

    #[test]
    fn the_window_that_linux_asks_of_xz_is_granted() {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        options.dict_size(128 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let stream = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
        let mut packed = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        std::io::Write::write_all(&mut packed, b"Linux version 6.12.1 (a@b) #1\n").unwrap();
        assert_eq!(banner(&packed.finish().unwrap()), Ok(("6.12.1".to_owned(), "(a@b) #1".to_owned())));
    }

    #[test]
    fn banners_are_found_across_steps() {
        for before in [0, STEP - 20, STEP - 5, 3 * STEP - 1000] {
            let mut kernel = vec![b'x'; before];
            kernel.extend_from_slice(b"Linux version %s (%s)\nLinux version 6.1.2 (a@b) #1\n");
            assert_eq!(banner(&kernel), Ok(("6.1.2".to_owned(), "(a@b) #1".to_owned())), "{before}");
        }
        assert!(banner(b"Linux version %s").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 0..6_usize, bytes in vec(any::<u8>(), 0..700)) {
            let beginning: &[u8] =
                [b"".as_slice(), b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"MZ\0\0zimg", b"Linux version 1."][kind];
            let mut file = [beginning, &bytes].concat();
            let _ = read(&file, &ImagePath::default());
            if file.len() > 0x240 {
                file[0x1fe..0x206].copy_from_slice(b"\x55\xaa\0\0HdrS");
                let _ = x86(&file);
            }
            let _ = packed::whole(&file);
        }
    }
}
