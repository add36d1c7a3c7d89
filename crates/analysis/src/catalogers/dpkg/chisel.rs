//! `var/lib/chisel/manifest.wall`: what Ubuntu's chisel cut out of which packages (chisel documentation, "Manifest" and
//! "jsonwall").
//!
//! JSON values, one a line, compressed with zstd: a head, then packages, paths with the slices they are in, and others. A
//! slice is `PACKAGE_NAME`. Sources and maintainers are not told.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _};

use killick_model::package::{OwnedFile, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::Deserialize;

use crate::catalogers::{Found, WantedFile, package};

/// Bytes of the unpacked manifest; real ones have some hundred kilobytes. Unpacked line by line.
const MANIFEST_BYTES: u64 = 32 << 20;
const LINE_BYTES: u64 = 64 << 10;

/// Binary logarithm of what zstd may look back, in bytes.
const WINDOW: u32 = 24;

const MAX_PACKAGES: usize = 100_000;

/// Packages that one path is told of.
const OWNERS: usize = 16;

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Package {
        name: String,
        version: String,
        arch: Option<String>,
    },
    Path {
        path: String,
        mode: Option<String>,
        #[serde(default)]
        slices: Vec<String>,
        sha256: Option<String>,
        /// After the scripts of the slices ran.
        final_sha256: Option<String>,
        size: Option<u64>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Head {
    jsonwall: String,
}

pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) {
    let mut problem = |kind, message: String| {
        found.problems.push(Problem::new(kind, file.path.to_string(), message));
    };
    let mut lines = match lines(file.bytes) {
        Ok(lines) => lines,
        Err(error) => return problem("malformed-database", format!("not the zstd stream it should be: {error}")),
    };
    let head = lines.next().and_then(|line| serde_json::from_slice::<Head>(&line.ok()?).ok());
    if head.is_none_or(|head| !head.jsonwall.starts_with("1.")) {
        problem("malformed-database", "not the list of JSON values it should be".to_owned());
        return;
    }
    let mut packages = Vec::new();
    let mut files: HashMap<String, Vec<OwnedFile>> = HashMap::new();
    let mut broken = 0_usize;
    for line in lines {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                problem("malformed-database", format!("cannot be read to its end: {error}"));
                break;
            }
        };
        match serde_json::from_slice(&line) {
            Ok(Line::Package { name, version, arch }) if packages.len() < MAX_PACKAGES => {
                let mut package = package(PackageKind::Deb, &name, &version, file.path);
                package.architecture = arch;
                packages.push(package);
            }
            Ok(Line::Path { path, mode, slices, sha256, final_sha256, size }) => {
                let Some(path) = ImagePath::new(path.as_bytes()).filter(|path| !path.as_bytes().is_empty()) else {
                    continue;
                };
                let digest = final_sha256.or(sha256).filter(|digits| is_sha256(digits));
                let owned = OwnedFile {
                    path,
                    digest: digest.map(|digits| ("sha256".to_owned(), digits.to_ascii_lowercase())),
                    mode: mode.and_then(|mode| u32::from_str_radix(&mode, 8).ok()),
                    size,
                    is_config: false,
                };
                let mut owners: Vec<&str> =
                    slices.iter().filter_map(|slice| Some(slice.rsplit_once('_')?.0)).take(OWNERS).collect();
                owners.dedup();
                for owner in owners {
                    files.entry(owner.to_owned()).or_default().push(owned.clone());
                }
            }
            Ok(_) => {}
            Err(_) => broken += 1,
        }
    }
    if broken > 0 {
        problem("malformed-database", format!("{broken} lines are not what they should be, skipped"));
    }
    for package in &mut packages {
        package.files = files.remove(&package.name).unwrap_or_default();
    }
    found.packages.extend(packages);
}

/// The lines of the unpacked manifest that have something on them.
fn lines(packed: &[u8]) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let mut wall = zstd::Decoder::new(packed)?;
    wall.window_log_max(WINDOW)?;
    let mut wall = BufReader::new(wall.take(MANIFEST_BYTES));
    Ok(std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            match wall.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) if wall.get_ref().limit() == 0 => {
                    return Some(Err(io::Error::other(format!("it has more than {MANIFEST_BYTES} bytes"))));
                }
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(line)),
                Err(error) => return Some(Err(error)),
            }
        }
    }))
}

fn is_sha256(digits: &str) -> bool {
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
