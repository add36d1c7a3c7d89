//! Licences: what packages declare, as SPDX expressions, and what the texts of licence files say, with the lines.
//!
//! Three kinds of evidence are told apart: a text that is (nearly) that of a licence, a field of Debian's machine-readable
//! copyright format, and an `SPDX-License-Identifier` tag.

mod declared;
mod expression;
mod texts;

use std::collections::HashMap;

use killick_model::inspection::{Inspection, LicenseEvidence, LicenseFile, LicenseScan, PackageLicense};
use killick_model::package::PackageId;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use super::{Asks, Inspector, Seen, WholeFiles};
use crate::inspectors::settings::{Settings, SettingsError};
use crate::limits::Limits;

/// Bytes of the largest file that is read: attributions of large programs have some hundred thousand.
const MAX_FILE_BYTES: u64 = 2 << 20;

/// Most files told.
const MAX_FILES: usize = 100_000;

/// The inspector.
pub(super) struct Licenses;

impl Inspector for Licenses {
    fn name(&self) -> &'static str {
        "licenses"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError> {
        if !settings.licenses {
            return Ok(None);
        }
        let globs = [
            "**/[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*",
            "**/*[-_.][Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*",
            "**/[Uu][Nn][Ll][Ii][Cc][Ee][Nn][Ss][Ee]*",
            "**/[Cc][Oo][Pp][Yy][Ii][Nn][Gg]*",
            "**/[Cc][Oo][Pp][Yy][Rr][Ii][Gg][Hh][Tt]*",
            "**/LICENSES/*",
            "usr/share/licenses/**",
        ];
        let globs = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let files = Some(WholeFiles { globs, max_bytes: MAX_FILE_BYTES, read });
        Ok(Some(Asks { files, ..Asks::default() }))
    }

    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, problems: &mut Vec<Problem>) {
        let owners = Owners::of(seen);
        let mut files = Vec::new();
        let mut left_out = 0_usize;
        for (path, layer, found) in seen.whole.iter().filter(|(path, ..)| !is_code(path)) {
            let evidence =
                found.pieces.first().and_then(|piece| postcard::from_bytes::<Vec<LicenseEvidence>>(piece).ok());
            let Some(evidence) = evidence else { continue };
            if files.len() >= MAX_FILES {
                left_out += 1;
                continue;
            }
            let package = owners.owner(path);
            files.push(LicenseFile { path: (*path).clone(), layer: *layer, package, evidence });
        }
        if left_out > 0 {
            problems.push(Problem::new(
                "limit-licenses",
                "image",
                format!("{left_out} more licence files are not shown"),
            ));
        }
        let declaring = (0..).zip(seen.packages).filter(|(_, package)| !package.licenses.is_empty());
        let packages = declaring.map(|(id, package)| {
            let (expression, unknown) = expression::of_package(package.kind, &package.licenses);
            PackageLicense { package: PackageId(id), expression, unknown }
        });
        inspection.licenses = Some(LicenseScan { packages: packages.collect(), files });
    }
}

/// What a licence file says.
fn read(bytes: &[u8], _limits: &Limits) -> Option<Vec<u8>> {
    // Texts only: names like these are also those of programs and pictures.
    if bytes.get(..8192).unwrap_or(bytes).contains(&0) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let mut evidence = declared::fields(&text);
    evidence.extend(declared::tags(&text));
    evidence.extend(texts::classify(&text));
    evidence.sort_by(|a, b| (a.first_line, &a.expression).cmp(&(b.first_line, &b.expression)));
    if evidence.is_empty() { None } else { postcard::to_stdvec(&evidence).ok() }
}

/// Whether a name is that of code about licences rather than of a licence.
fn is_code(path: &ImagePath) -> bool {
    const EXTENSIONS: &[&[u8]] = &[
        b"c", b"cc", b"class", b"cpp", b"cs", b"css", b"gif", b"go", b"gz", b"h", b"ini", b"java", b"js", b"json",
        b"jsx", b"map", b"php", b"pl", b"pm", b"png", b"py", b"pyc", b"rb", b"rs", b"sh", b"so", b"svg", b"ts", b"tsx",
        b"xml", b"yaml", b"yml",
    ];
    let name = path.file_name().to_ascii_lowercase();
    let extension = name.iter().rposition(|&byte| byte == b'.').and_then(|dot| name.get(dot + 1..));
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// Which package a licence file came with.
struct Owners<'a> {
    /// By folder: packages that say they are there by a file in it.
    by_folder: HashMap<&'a [u8], PackageId>,
    /// By path: packages whose database lists it.
    by_path: HashMap<&'a [u8], PackageId>,
}

impl<'a> Owners<'a> {
    fn of(seen: &Seen<'a>) -> Self {
        let mut owners = Self { by_folder: HashMap::new(), by_path: HashMap::new() };
        for (path, ..) in seen.whole {
            owners.by_path.insert(path.as_bytes(), PackageId(u32::MAX));
        }
        for (id, package) in (0..).zip(seen.packages) {
            if !package.kind.is_os() {
                let folder = package.location.parent().unwrap_or_default();
                if package.nested.is_empty() && !folder.is_empty() {
                    owners.by_folder.entry(folder).or_insert(PackageId(id));
                }
                continue;
            }
            for file in &package.files {
                if let Some(owner) = owners.by_path.get_mut(file.path.as_bytes()) {
                    *owner = PackageId(id);
                }
            }
        }
        owners
    }

    /// The package whose database lists the file, or that is in its folder or one of the two above.
    fn owner(&self, path: &ImagePath) -> Option<PackageId> {
        let listed = self.by_path.get(path.as_bytes()).copied().filter(|id| id.0 != u32::MAX);
        let mut folder = path.as_bytes();
        let above = std::iter::from_fn(|| {
            let slash = folder.iter().rposition(|&byte| byte == b'/')?;
            folder = folder.get(..slash)?;
            Some(folder)
        });
        listed.or_else(|| above.take(3).find_map(|folder| self.by_folder.get(folder).copied()))
    }
}
