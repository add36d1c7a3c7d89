//! Headers: one package each, as tagged values (rpm documentation, "RPM V4 Package format", "Header").
//!
//! An index of 16-byte entries (tag, type, offset, count) before a store of values, all numbers big endian.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind, RpmSignature, SourcePackage};
use killick_model::path::ImagePath;

use super::signature;
use crate::catalogers::package;
use crate::catalogers::pages::Order;
use crate::limits::Limits;

/// Bytes of one text that are kept; longer ones are cut, as nothing that long is shown.
const TEXT_BYTES: usize = 64 << 10;

/// Value types.
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRING_ARRAY: u32 = 8;
const TRANSLATED: u32 = 9;

/// `FILEFLAGS`.
const IS_CONFIG: u64 = 1;
const IS_GHOST: u64 = 1 << 6;

/// `FILEVERIFYFLAGS`: what of a file does not change while it is in use.
const VERIFIES_DIGEST: u64 = 1;
const VERIFIES_SIZE: u64 = 1 << 1;
const VERIFIES_MODE: u64 = 1 << 6;

/// Signatures kept of one package; rpm 6 allows any number.
const MAX_SIGNATURES: usize = 16;

/// What may still be read of file lists, all headers of a database together.
pub(super) struct FileBudget {
    pub(super) files: usize,
    pub(super) bytes: usize,
    /// Files left out.
    pub(super) dropped: usize,
}

/// The package of a header. An error says what is wrong with it.
pub(super) fn read(
    bytes: &[u8],
    location: &ImagePath,
    limits: &Limits,
    budget: &mut FileBudget,
) -> Result<Package, String> {
    let header = Header::new(bytes).ok_or("a header is cut short")?;
    let needed = |tag, name: &str| header.text(tag).ok_or_else(|| format!("a header has no {name}"));
    let name = needed(1000, "name")?;
    let version = needed(1001, "version")?;
    let release = needed(1002, "release")?;
    let epoch = header.number(1003).and_then(|epoch| u32::try_from(epoch).ok());
    let full = match epoch {
        Some(epoch) => format!("{epoch}:{version}-{release}"),
        None => format!("{version}-{release}"),
    };
    let source_rpm = header.text(1044);
    let vendor = header.text(1011);
    let signatures = header.signatures();
    let mut package = package(PackageKind::Rpm, &name, &full, location);
    package.architecture = header.text(1022);
    package.source = source_rpm.as_deref().and_then(SourcePackage::of_rpm);
    package.licenses = header.text(1014).into_iter().collect();
    package.origin = vendor.clone().or_else(|| header.text(1015));
    package.size_bytes = header.number(5009).or_else(|| header.number(1009));
    package.files = header.files(limits, budget);
    package.details = PackageDetails::Rpm { epoch, source_rpm, module: header.text(5096), vendor, signatures };
    Ok(package)
}

struct Header<'a> {
    index: &'a [u8],
    store: &'a [u8],
}

impl<'a> Header<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let entries = usize::try_from(Order::Big.u32(bytes, 0)?).ok()?;
        let stored = usize::try_from(Order::Big.u32(bytes, 4)?).ok()?;
        let (index, rest) = bytes.get(8..)?.split_at_checked(entries.checked_mul(16)?)?;
        Some(Self { index, store: rest.get(..stored)? })
    }

    /// Type, count and the store from the value on. The last entry of a tag holds: it was added on installation
    /// to what the package brought.
    fn value(&self, tag: u32) -> Option<(u32, usize, &'a [u8])> {
        let entry = self.index.chunks_exact(16).rfind(|entry| Order::Big.u32(entry, 0) == Some(tag))?;
        let offset = usize::try_from(Order::Big.u32(entry, 8)?).ok()?;
        let count = usize::try_from(Order::Big.u32(entry, 12)?).ok()?;
        Some((Order::Big.u32(entry, 4)?, count, self.store.get(offset..)?))
    }

    /// The bytes of a binary value.
    fn binary(&self, tag: u32) -> Option<&'a [u8]> {
        let (kind, count, bytes) = self.value(tag)?;
        if kind == BINARY { bytes.get(..count) } else { None }
    }

    /// Signatures of the header, and of header and payload together: `OPENPGP` of rpm 6, then those with one tag for
    /// each algorithm and extent (`RSAHEADER`, `DSAHEADER`, `SIGPGP`, `SIGGPG`). One key signs several of them.
    fn signatures(&self) -> Vec<RpmSignature> {
        let mut signatures = Vec::new();
        let new = self.texts(278).take(MAX_SIGNATURES).filter_map(|text| {
            let text: Vec<u8> =
                text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(TEXT_BYTES).collect();
            signature::read(&STANDARD.decode(text).ok()?)
        });
        let old = [268, 267, 259, 262].into_iter().filter_map(|tag| signature::read(self.binary(tag)?));
        for signature in new.chain(old) {
            if !signatures.contains(&signature) {
                signatures.push(signature);
            }
        }
        signatures
    }

    /// Texts, each up to its zero byte.
    fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (kind, count, bytes) = self.value(tag).unwrap_or_default();
        let count = if matches!(kind, STRING | STRING_ARRAY | TRANSLATED) { count } else { 0 };
        bytes.split(|&byte| byte == 0).take(count)
    }

    /// A text that says something. In a translated one the first is the untranslated.
    fn text(&self, tag: u32) -> Option<String> {
        let bytes = self.texts(tag).next()?;
        let text = String::from_utf8_lossy(bytes.get(..TEXT_BYTES).unwrap_or(bytes)).trim().to_owned();
        (!text.is_empty() && text != "(none)").then_some(text)
    }

    /// Whole numbers of any width.
    fn numbers(&self, tag: u32) -> impl Iterator<Item = u64> + use<'a> {
        let (kind, count, bytes) = self.value(tag).unwrap_or_default();
        let width = match kind {
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            _ => 1,
        };
        let count = if matches!(kind, 1..=INT64) { count } else { 0 };
        let number = |raw: &[u8]| raw.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        bytes.chunks_exact(width).take(count).map(number)
    }

    fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag).next()
    }

    /// The files that the package brought.
    ///
    /// Left out: those not installed (documentation excluded by configuration), replaced by another package's or of
    /// another architecture's colour, and ghosts, which the package owns but does not bring.
    fn files(&self, limits: &Limits, budget: &mut FileBudget) -> Vec<OwnedFile> {
        let algorithm = digest_algorithm(self.number(5011));
        let mut digests = self.texts(1035);
        let mut modes = self.numbers(1030);
        let is_long = self.value(5008).is_some();
        let mut sizes = self.numbers(if is_long { 5008 } else { 1028 });
        let mut flags = self.numbers(1037);
        let mut states = self.numbers(1029);
        let mut verified = self.numbers(1045);
        let mut files = Vec::new();
        for path in self.paths(limits) {
            let digest = digests.next().unwrap_or_default();
            let (mode, size) = (modes.next(), sizes.next());
            let (flags, state) = (flags.next().unwrap_or_default(), states.next().unwrap_or_default());
            let verified = verified.next().unwrap_or(u64::MAX);
            if state != 0 || flags & IS_GHOST != 0 {
                continue;
            }
            let Some(path) = path else {
                budget.dropped += 1;
                continue;
            };
            let cost = path.as_bytes().len() + digest.len();
            if budget.files == 0 || budget.bytes < cost {
                budget.dropped += 1;
                continue;
            }
            budget.files -= 1;
            budget.bytes -= cost;
            files.push(OwnedFile {
                path,
                digest: algorithm.and_then(|algorithm| self::digest(algorithm, digest)),
                mode: mode.filter(|_| verified & VERIFIES_MODE != 0).and_then(|mode| u32::try_from(mode & 0xffff).ok()),
                size: size.filter(|_| verified & VERIFIES_SIZE != 0),
                // What is not to be verified is expected to change as well: caches, lists of users.
                is_config: flags & IS_CONFIG != 0 || verified & VERIFIES_DIGEST == 0,
            });
        }
        files
    }

    /// Paths in the order of the other file tags: whole ones, or folders and names apart. `None` for one that is too
    /// long or leads nowhere.
    fn paths(&self, limits: &Limits) -> impl Iterator<Item = Option<ImagePath>> {
        let longest = limits.path_bytes;
        let folders: Vec<&[u8]> = self.texts(1118).collect();
        let apart = self.texts(1117).zip(self.numbers(1116)).map(move |(name, folder)| {
            let folder = folders.get(usize::try_from(folder).ok()?)?;
            if folder.len().saturating_add(name.len()) > longest {
                return None;
            }
            ImagePath::new(&[folder, name].concat())
        });
        let whole = self.texts(1027).map(move |path| if path.len() > longest { None } else { ImagePath::new(path) });
        apart.chain(whole)
    }
}

/// `FILEDIGESTALGO`, a hash algorithm of RFC 4880, and its number of hexadecimal digits.
fn digest_algorithm(code: Option<u64>) -> Option<(&'static str, usize)> {
    Some(match code {
        None | Some(1) => ("md5", 32),
        Some(2) => ("sha1", 40),
        Some(8) => ("sha256", 64),
        Some(9) => ("sha384", 96),
        Some(10) => ("sha512", 128),
        Some(11) => ("sha224", 56),
        Some(_) => return None,
    })
}

/// The digest of a file; folders and links have none.
fn digest((name, digits): (&str, usize), text: &[u8]) -> Option<(String, String)> {
    let is_digest = text.len() == digits && text.iter().all(u8::is_ascii_hexdigit);
    is_digest.then(|| (name.to_owned(), String::from_utf8_lossy(text).to_ascii_lowercase()))
}
