//! One rpm header: an index of tags, then their data.
//!
//! Format: rpm documentation, "RPM V4 Package format", section "Header"; tag numbers from `rpmtag.h`. Everything is
//! big endian.

use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind, SourcePackage};
use killick_model::path::ImagePath;

use super::bytes::{slice, u16_at, u32_at};
use crate::catalogers::package;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SIZE: u32 = 1009;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const PACKAGER: u32 = 1015;
const ARCH: u32 = 1022;
const OLD_FILE_NAMES: u32 = 1027;
const FILE_SIZES: u32 = 1028;
const FILE_MODES: u32 = 1030;
const FILE_DIGESTS: u32 = 1035;
const FILE_FLAGS: u32 = 1037;
const SOURCE_RPM: u32 = 1044;
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
const LONG_FILE_SIZES: u32 = 5008;
const LONG_SIZE: u32 = 5009;
const FILE_DIGEST_ALGORITHM: u32 = 5011;
const MODULARITY_LABEL: u32 = 5096;

/// `RPMFILE_CONFIG` of the file flags.
const CONFIG: u64 = 1;

/// Tags of one header, as rpm itself bounds them.
const TAGS: u32 = 0xffff;

/// The package of one header; `None` if it is no header, or lacks name, version or release.
pub(super) fn package_of(blob: &[u8], path: &ImagePath) -> Option<Package> {
    let header = Header::new(blob)?;
    let (name, version, release) = (header.text(NAME)?, header.text(VERSION)?, header.text(RELEASE)?);
    let epoch = header.numbers(EPOCH).first().and_then(|&epoch| u32::try_from(epoch).ok());
    let full = match epoch {
        Some(epoch) => format!("{epoch}:{version}-{release}"),
        None => format!("{version}-{release}"),
    };
    let mut package = package(PackageKind::Rpm, &name, &full, path);
    package.architecture = header.text(ARCH);
    package.licenses = header.text(LICENSE).into_iter().collect();
    let vendor = header.text(VENDOR);
    package.origin = vendor.clone().or_else(|| header.text(PACKAGER));
    package.size_bytes = header.numbers(LONG_SIZE).first().or(header.numbers(SIZE).first()).copied();
    let source_rpm = header.text(SOURCE_RPM);
    package.source = source_rpm.as_deref().and_then(source);
    package.files = files(&header);
    package.details = PackageDetails::Rpm { epoch, source_rpm, module: header.text(MODULARITY_LABEL), vendor };
    Some(package)
}

/// `bash-5.1.8-6.el9.src.rpm` is `bash` in `5.1.8-6.el9`.
fn source(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(SourcePackage { name: name.to_owned(), version: format!("{version}-{release}") })
}

fn files(header: &Header<'_>) -> Vec<OwnedFile> {
    let old = header.texts(OLD_FILE_NAMES);
    let paths: Vec<Option<ImagePath>> = if old.is_empty() {
        let folders = header.texts(DIR_NAMES);
        let indexes = header.numbers(DIR_INDEXES);
        let names = header.texts(BASE_NAMES);
        let folder = |index: &u64| usize::try_from(*index).ok().and_then(|index| folders.get(index));
        let join = |(name, index): (&&[u8], &u64)| ImagePath::new(&[*folder(index)?, b"/", name].concat());
        names.iter().zip(&indexes).map(join).collect()
    } else {
        old.iter().map(|name| ImagePath::new(name)).collect()
    };
    let algorithm = match header.numbers(FILE_DIGEST_ALGORITHM).first() {
        None | Some(1) => "md5",
        Some(2) => "sha1",
        Some(8) => "sha256",
        Some(9) => "sha384",
        Some(10) => "sha512",
        Some(_) => "",
    };
    let (digests, modes, flags) = (header.texts(FILE_DIGESTS), header.numbers(FILE_MODES), header.numbers(FILE_FLAGS));
    let long = header.numbers(LONG_FILE_SIZES);
    let sizes = if long.is_empty() { header.numbers(FILE_SIZES) } else { long };
    let digest = |index: usize| {
        let hex = std::str::from_utf8(digests.get(index)?).ok()?;
        (!hex.is_empty() && !algorithm.is_empty()).then(|| (algorithm.to_owned(), hex.to_ascii_lowercase()))
    };
    let owned = |(index, path): (usize, Option<ImagePath>)| {
        Some(OwnedFile {
            path: path?,
            digest: digest(index),
            mode: modes.get(index).and_then(|&mode| u32::try_from(mode).ok()),
            size: sizes.get(index).copied(),
            is_config: flags.get(index).is_some_and(|flags| flags & CONFIG != 0),
        })
    };
    paths.into_iter().enumerate().filter_map(owned).collect()
}

/// A header whose index lies within the blob.
struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn new(blob: &'a [u8]) -> Option<Self> {
        let tags = u32_at(blob, 0, true).filter(|tags| (1..=TAGS).contains(tags))?;
        let length = usize::try_from(tags).ok()?.checked_mul(16)?;
        let data = usize::try_from(u32_at(blob, 4, true)?).ok()?;
        Some(Self { index: slice(blob, 8, length)?, data: slice(blob, length.checked_add(8)?, data)? })
    }

    /// Type, data from its beginning on, and count of `tag`.
    fn entry(&self, tag: u32) -> Option<(u32, &'a [u8], usize)> {
        let entry = self.index.chunks_exact(16).find(|entry| u32_at(entry, 0, true) == Some(tag))?;
        let at = usize::try_from(u32_at(entry, 8, true)?).ok()?;
        let count = usize::try_from(u32_at(entry, 12, true)?).ok()?;
        Some((u32_at(entry, 4, true)?, self.data.get(at..)?, count))
    }

    /// The strings of a tag, without their ends; fewer than declared where the data ends before.
    fn texts(&self, tag: u32) -> Vec<&'a [u8]> {
        let Some((6 | 8 | 9, data, count)) = self.entry(tag) else { return Vec::new() };
        let mut texts: Vec<&[u8]> = data.split(|&byte| byte == 0).take(count.saturating_add(1)).collect();
        // What follows the last end is no string.
        if texts.len() > count || !data.ends_with(&[0]) {
            texts.pop();
        }
        texts.truncate(count);
        texts
    }

    fn text(&self, tag: u32) -> Option<String> {
        let texts = self.texts(tag);
        texts.first().filter(|text| !text.is_empty()).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// The integers of a tag; fewer than declared where the data ends before.
    fn numbers(&self, tag: u32) -> Vec<u64> {
        let Some((kind, data, count)) = self.entry(tag) else { return Vec::new() };
        let width = match kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => return Vec::new(),
        };
        let number = |bytes: &[u8]| match width {
            2 => u16_at(bytes, 0, true).map(u64::from),
            4 => u32_at(bytes, 0, true).map(u64::from),
            _ => bytes.try_into().ok().map(u64::from_be_bytes),
        };
        data.chunks_exact(width).take(count).filter_map(number).collect()
    }
}
