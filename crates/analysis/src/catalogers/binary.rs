//! Programs that no package speaks of, recognised by their bytes: a table says which names and which bytes.
//!
//! A program of any size is looked at once, with all others, while its layer is read; what the bytes say is kept under
//! their digest, whatever the names of the file. Names count where the layers come together. What a distribution
//! package owns is left to it, see [`owners`](crate::owners).

mod programs;

use std::collections::BTreeMap;

use killick_model::file::FileKind;
use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::tree;

use self::programs::{Evidence, PROGRAMS, Program, REVISION};
use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants};
use crate::inspectors::rules::Rule;
use crate::inspectors::{Hit, SeenFile};
use killick_model::package::cpe;

/// Bytes of a text file that are looked at.
const TEXT_BYTES: usize = 64 << 10;

/// Files of which one package is told to consist.
const FILES: usize = 10_000;

/// Recognises programs.
pub(crate) struct Binary;

impl Cataloger for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn revision(&self) -> u32 {
        REVISION
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Binary]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/go/VERSION",
                "**/releases/*/OTP_VERSION",
                "**/dart-sdk/version",
                "**/bin/elasticsearch",
                "**/bin/opensearch",
                "**/wp-includes/version.php",
            ],
            executables: &[],
        }
    }

    fn rules(&self) -> Vec<Rule> {
        PROGRAMS.rules()
    }

    fn knows_program(&self, path: &ImagePath) -> bool {
        PROGRAMS.know(path.as_bytes())
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let text = file.bytes.get(..TEXT_BYTES).unwrap_or(file.bytes);
        for program in PROGRAMS.of(file.path.as_bytes()) {
            for evidence in &program.evidence {
                match evidence {
                    Evidence::Text(regex) => {
                        let captures = regex.regex().and_then(|regex| regex.captures(text));
                        let version = captures.as_ref().and_then(|captures| captures.name("version"));
                        found.pieces.extend(version.map(|version| version.as_bytes().to_vec()));
                    }
                    // The file is there; what lies beside it, the merged image tells.
                    Evidence::Beside(_) => found.pieces.push(Vec::new()),
                    Evidence::Bytes { .. } => {}
                }
            }
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut found = Versions::default();
        let mut by_library = Vec::new();
        for file in image.hits.iter().filter(|file| file.is_visible) {
            for program in PROGRAMS.of(file.path.as_bytes()) {
                match version_in(program, file) {
                    Ok(Some(Said::Version(version))) => found.add(program, version, file.path, file.layer),
                    Ok(Some(Said::Library(library))) => by_library.push((program, library, file)),
                    Ok(None) => {}
                    Err(versions) => {
                        let message =
                            format!("looks like `{}` in several versions ({versions}): none is told", program.name);
                        joined.problems.push(Problem::new("ambiguous-version", file.path.to_string(), message));
                    }
                }
            }
        }
        for (path, layer, text) in image.found {
            for program in PROGRAMS.of(path.as_bytes()) {
                if let Some(version) = version_of_text(program, path, text, image) {
                    found.add(program, version, path, *layer);
                }
            }
        }
        for (program, library, file) in by_library {
            if let Some(version) = found.of_library(program, &library, file.path, image) {
                found.add(program, version, file.path, file.layer);
            }
        }
        found.into_packages(self.name(), joined);
    }
}

/// What the bytes of a program say.
enum Said {
    Version(String),
    /// The shared library that has the program.
    Library(String),
}

/// What the hits in a file say of a program, by the best evidence that says something clear; an error if all that
/// anything says are several versions.
fn version_in(program: &Program, file: &SeenFile<'_>) -> Result<Option<Said>, String> {
    let of_rule = |rule: u16| file.hits.iter().filter(move |hit| hit.rule == rule);
    let mut ambiguous = None;
    for evidence in &program.evidence {
        let Evidence::Bytes { rule, and, name } = evidence else { continue };
        if and.is_some_and(|and| of_rule(and).next().is_none()) {
            continue;
        }
        let series = name.as_ref().and_then(|name| name.regex()?.captures(file.path.file_name())?.name("version"));
        match only_one(of_rule(*rule), series.map(|series| series.as_bytes())) {
            Ok(Some(said)) => return Ok(Some(said)),
            Ok(None) => {}
            Err(versions) => ambiguous = ambiguous.or(Some(versions)),
        }
    }
    ambiguous.map_or(Ok(None), Err)
}

/// The one version or library that the hits have, if they have one: the shortest of several that begin with it, because
/// builds add to a version.
fn only_one<'a>(hits: impl Iterator<Item = &'a Hit>, series: Option<&[u8]>) -> Result<Option<Said>, String> {
    let mut noted: Vec<&[u8]> = hits.map(|hit| hit.note.as_slice()).filter(|note| !note.is_empty()).collect();
    if let Some(series) = series {
        noted.retain(|version| version.strip_prefix(series).is_some_and(|rest| rest.starts_with(b".")));
    }
    noted.sort_unstable();
    noted.dedup();
    let Some(first) = noted.first() else { return Ok(None) };
    if noted.iter().any(|other| !other.starts_with(first)) {
        let versions: Vec<_> = noted.iter().take(4).map(|version| text(version)).collect();
        return Err(versions.join(", "));
    }
    Ok(Some(first.strip_prefix(b"\0").map_or_else(|| Said::Version(text(first)), |name| Said::Library(text(name)))))
}

fn version_of_text(program: &Program, path: &ImagePath, text_found: &Found, image: &Image<'_>) -> Option<String> {
    let piece = text_found.pieces.first()?;
    program.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Text(_) if !piece.is_empty() => Some(text(piece)),
        Evidence::Beside(regex) => {
            // The folder above the one the file is in.
            let above = path.parent()?;
            let above = above.get(..above.iter().rposition(|&byte| byte == b'/')?)?;
            let prefix = [above, b"/"].concat();
            let from = image.files.partition_point(|file| file.path.as_bytes() < prefix.as_slice());
            let below = image.files.get(from..)?.iter().map_while(|file| file.path.as_bytes().strip_prefix(&*prefix));
            below
                .filter_map(|name| regex.regex()?.captures(name)?.name("version"))
                .map(|version| text(version.as_bytes()))
                .next()
        }
        _ => None,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The versions of programs that were found, with the files that have them.
#[derive(Default)]
struct Versions<'a>(BTreeMap<(&'a str, String), Files<'a>>);

struct Files<'a> {
    program: &'a Program,
    files: BTreeMap<&'a ImagePath, u32>,
}

impl<'a> Versions<'a> {
    fn add(&mut self, program: &'a Program, version: String, path: &'a ImagePath, layer: u32) {
        let new = || Files { program, files: BTreeMap::new() };
        let files = &mut self.0.entry((&program.name, version)).or_insert_with(new).files;
        if files.len() < FILES {
            files.insert(path, layer);
        }
    }

    /// The version of a library of this name, if it is clear which one a program gets: the one in the folders where it
    /// would look, or the only one of the image.
    fn of_library(&self, program: &Program, library: &str, path: &ImagePath, image: &Image<'_>) -> Option<String> {
        let folder = path.parent().unwrap_or_default();
        let version_at = |path: &[u8]| {
            let of_program = self.0.iter().filter(|((name, _), _)| *name == program.name);
            let has = |files: &Files<'_>| files.files.keys().any(|known| known.as_bytes() == path);
            of_program.filter(|(_, files)| has(files)).map(|((_, version), _)| version.clone()).next()
        };
        for place in [b"/../lib/".as_slice(), b"/../lib64/", b"/"] {
            let at = [folder, place, library.as_bytes()].concat();
            let file = tree::follow(image.files, &at).filter(|file| file.kind == FileKind::File);
            if let Some(version) = file.and_then(|file| version_at(file.path.as_bytes())) {
                return Some(version);
            }
        }
        let mut versions = self.0.iter().filter(|((name, _), files)| {
            *name == program.name && files.files.keys().any(|path| path.file_name() == library.as_bytes())
        });
        let ((_, version), _) = versions.next()?;
        versions.next().is_none().then(|| version.clone())
    }

    fn into_packages(self, cataloger: &str, joined: &mut Joined) {
        for ((name, version), Files { program, files }) in self.0 {
            let Some((location, layer)) = files.first_key_value().map(|(path, layer)| ((*path).clone(), *layer)) else {
                continue;
            };
            let mut package = Package::new(PackageKind::Binary, name, &version, location);
            package.layer = layer;
            cataloger.clone_into(&mut package.cataloger);
            package.cpes = program.cpes.iter().filter_map(|cpe| cpe::of(cpe, &version)).collect();
            package.details = PackageDetails::Binary { purl: program.purl.clone() };
            let file = |path: &ImagePath| OwnedFile {
                path: path.clone(),
                digest: None,
                mode: None,
                size: None,
                is_config: false,
            };
            package.files = files.keys().map(|path| file(path)).collect();
            joined.packages.push(package);
        }
    }
}

/// Whether build information that names this main module of Go tells as much as the row that found the package.
pub(crate) fn is_known_by_module(package: &Package, module: &str) -> bool {
    PROGRAMS.know_module(&package.name, module)
}
