//! Perl distributions from CPAN: what clients installed, what Carton locked, and what unpacked sources say of
//! themselves.
//!
//! Formats: `App::cpanminus` (`.meta/NAME-VERSION/install.json`, and the distribution's `MYMETA.json` beside it);
//! `ExtUtils::Packlist` and `perllocal(1)` (`auto/NAME/.packlist` lists files, `perllocal.pod` tells versions);
//! Carton's `cpanfile.snapshot`; `CPAN::Meta::Spec` (`META.json`, `META.yml`). Distributions have names with dashes,
//! modules with colons; the main module of a distribution is named like it, as a rule.

use std::collections::{HashMap, HashSet};

use killick_model::package::{OwnedFile, Package, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::published::Published;
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds Perl distributions.
pub(super) struct Perl;

/// Files of one distribution.
const FILES: usize = 200_000;

/// What a file tells the join.
#[derive(Debug, Serialize, Deserialize)]
enum Piece {
    /// The files of a distribution, of `.packlist`.
    Files(Vec<String>),
    /// Versions by module, of `perllocal.pod`, the latest last.
    Versions(Vec<(String, String)>),
    /// Licences and authors, of `MYMETA.json`.
    Metadata { licenses: Vec<String>, authors: Vec<String> },
}

#[derive(Deserialize)]
struct Install {
    /// The main module; the distribution is in `dist`.
    name: Option<String>,
    version: Option<String>,
    dist: Option<String>,
    /// `A/AU/AUTHOR/Name-Version.tar.gz`.
    pathname: Option<String>,
}

/// `META.json` and `META.yml`, whose first version has one licence and no list.
#[derive(Deserialize)]
struct Meta {
    name: Option<String>,
    /// Text, because `1.50` is no number.
    version: Option<String>,
    #[serde(default)]
    license: Value,
    #[serde(default)]
    author: Value,
    #[serde(rename = "meta-spec")]
    spec: Option<Value>,
    generated_by: Option<Value>,
}

impl Cataloger for Perl {
    fn name(&self) -> &'static str {
        "perl"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Cpan]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/.meta/*/install.json",
                "**/.meta/*/MYMETA.json",
                "**/auto/**/.packlist",
                "**/perllocal.pod",
                "**/cpanfile.snapshot",
                "**/META.json",
                "**/META.yml",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        match file.path.file_name() {
            b"install.json" => installed(file, found),
            b"MYMETA.json" => {
                let Some(meta) = document::json::<Meta>(file, found) else { return };
                piece(&Piece::Metadata { licenses: texts(&meta.license), authors: texts(&meta.author) }, found);
            }
            b"META.json" | b"META.yml" => meta(file, found),
            name => {
                let Some(text) = document::short_text(file, found) else { return };
                match name {
                    b".packlist" => {
                        // Attributes may follow the path.
                        let files = text.lines().filter_map(|line| line.split_whitespace().next());
                        piece(&Piece::Files(files.take(FILES).map(str::to_owned).collect()), found);
                    }
                    b"perllocal.pod" => piece(&Piece::Versions(versions(&text)), found),
                    _ => snapshot(&text, file, found),
                }
            }
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut beside: HashMap<&[u8], (Vec<String>, Vec<String>)> = HashMap::new();
        let mut versions: HashMap<String, String> = HashMap::new();
        for (path, _, found) in image.found {
            for piece in &found.pieces {
                match postcard::from_bytes(piece) {
                    Ok(Piece::Metadata { licenses, authors }) => {
                        beside.insert(path.parent().unwrap_or_default(), (licenses, authors));
                    }
                    Ok(Piece::Versions(list)) => versions.extend(list),
                    _ => {}
                }
            }
        }
        let mut known: HashSet<(String, String)> = HashSet::new();
        for (path, layer, found) in image.found {
            let from = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            if path.file_name() != b"install.json" {
                continue;
            }
            for package in &mut joined.packages[from..] {
                known.insert((package.name.clone(), package.version.clone()));
                if let Some((licenses, authors)) = beside.get(path.parent().unwrap_or_default()) {
                    package.licenses.clone_from(licenses);
                    package.origin = (!authors.is_empty()).then(|| authors.join(", "));
                }
            }
        }
        for (path, layer, found) in image.found {
            let Some(module) = module(path) else { continue };
            // The list of Perl itself has no version here, nor have modules of other builders.
            let Some(version) = versions.get(&module) else { continue };
            let name = module.replace("::", "-");
            if known.contains(&(name.clone(), version.clone())) {
                continue;
            }
            let mut package = package(PackageKind::Cpan, &name, version, path);
            package.layer = *layer;
            self.name().clone_into(&mut package.cataloger);
            package.files = found.pieces.iter().flat_map(|piece| files(piece)).collect();
            joined.packages.push(package);
        }
    }
}

fn piece(piece: &Piece, found: &mut Found) {
    found.pieces.push(postcard::to_stdvec(piece).expect("a piece serialises into memory"));
}

fn files(piece: &[u8]) -> Vec<OwnedFile> {
    let Ok(Piece::Files(files)) = postcard::from_bytes(piece) else { return Vec::new() };
    let owned = |file: &String| {
        let path = ImagePath::new(file.as_bytes())?;
        Some(OwnedFile { path, digest: None, mode: None, size: None, is_config: false })
    };
    files.iter().filter_map(owned).collect()
}

/// The module of `auto/Name/Of/Module/.packlist`.
fn module(path: &ImagePath) -> Option<String> {
    let path = path.to_string();
    let (_, folders) = path.strip_suffix("/.packlist")?.rsplit_once("/auto/")?;
    Some(folders.replace('/', "::"))
}

/// What cpanminus and its like leave for each distribution that they install.
fn installed(file: &WantedFile<'_>, found: &mut Found) {
    let Some(install) = document::json::<Install>(file, found) else { return };
    let folder = file.path.parent().unwrap_or_default().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let folder = String::from_utf8_lossy(folder);
    let distribution = install.dist.as_deref().unwrap_or(&folder);
    let named = install.name.as_deref().map(|name| name.replace("::", "-"));
    let (name, version) = match (split(distribution), named.as_deref(), install.version.as_deref()) {
        (Some(split), ..) => split,
        (None, Some(name), Some(version)) => (name, version),
        _ => return document::malformed(file, "a distribution without name or version", found),
    };
    let author = install.pathname.as_deref().and_then(author);
    let package = package(PackageKind::Cpan, name, version, file.path);
    found.packages.push(Published::default().namespace(author).of(package));
}

/// Name and version of `Name-Of-Distribution-1.02` or `Name-v1.2.3-TRIAL`.
fn split(distribution: &str) -> Option<(&str, &str)> {
    let is_version = |text: &str| text.strip_prefix('v').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    let dashes = distribution.rmatch_indices('-');
    let mut splits = dashes.map(|(at, _)| (&distribution[..at], &distribution[at + 1..]));
    splits.find(|(name, version)| !name.is_empty() && is_version(version))
}

/// The author of `A/AU/AUTHOR/Name-Version.tar.gz`.
fn author(pathname: &str) -> Option<&str> {
    let mut folders = pathname.trim_start_matches("authors/id/").split('/');
    let (one, two, author) = (folders.next()?, folders.next()?, folders.next()?);
    (author.starts_with(two) && two.starts_with(one)).then_some(author)
}

/// The sources of a distribution, unpacked.
fn meta(file: &WantedFile<'_>, found: &mut Found) {
    // Others have files of this name as well, in forms of their own, whose errors are none here.
    let mut apart = Found::default();
    let is_json = file.path.file_name() == b"META.json";
    let meta: Option<Meta> = if is_json { document::json(file, &mut apart) } else { document::yaml(file, &mut apart) };
    let Some(meta) = meta else { return };
    let address = meta.spec.as_ref().and_then(|spec| spec.get("url")).and_then(Value::as_str).unwrap_or_default();
    let generator = meta.generated_by.as_ref().and_then(Value::as_str).unwrap_or_default();
    let is_perl =
        |text: &str| ["cpan", "module-build", "Module::", "ExtUtils::"].iter().any(|word| text.contains(word));
    if !is_perl(&address.replace("CPAN", "cpan")) && !is_perl(generator) {
        return;
    }
    let (Some(name), Some(version)) = (meta.name, meta.version) else { return };
    if name.is_empty() || version.is_empty() {
        return;
    }
    let mut package = declared(PackageKind::Cpan, &name.replace("::", "-"), &version, file.path);
    package.licenses = texts(&meta.license);
    let authors = texts(&meta.author);
    package.origin = (!authors.is_empty()).then(|| authors.join(", "));
    found.packages.push(package);
}

/// A text, or a list of texts, but for those that say nothing.
fn texts(value: &Value) -> Vec<String> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    let texts = values.iter().filter_map(Value::as_str).filter(|text| !matches!(*text, "" | "unknown"));
    texts.map(str::to_owned).collect()
}

/// `=head2 DATE: C<Module> L<Name|Name>`, and below it `C<VERSION: 1.02>`.
fn versions(text: &str) -> Vec<(String, String)> {
    let mut versions = Vec::new();
    let mut module = None;
    for line in text.lines() {
        if let Some((_, name)) = line.strip_prefix("=head2 ").and_then(|line| line.split_once("C<Module> L<")) {
            module = name.split(['|', '>']).next();
        }
        let version = line.strip_prefix("C<VERSION: ").and_then(|line| line.strip_suffix('>'));
        if let (Some(module), Some(version)) = (module, version) {
            versions.push((module.to_owned(), version.to_owned()));
        }
    }
    versions
}

/// Distributions at two blanks, what is known of each at four.
fn snapshot(text: &str, file: &WantedFile<'_>, found: &mut Found) {
    let mut latest: Option<Package> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match line.len() - trimmed.len() {
            2 => {
                found.packages.extend(latest.take());
                let distribution = split(trimmed.trim_end());
                latest = distribution.map(|(name, version)| declared(PackageKind::Cpan, name, version, file.path));
            }
            4 => {
                let Some(path) = trimmed.strip_prefix("pathname: ") else { continue };
                latest = latest.map(|package| Published::default().namespace(author(path.trim())).of(package));
            }
            _ => {}
        }
    }
    found.packages.extend(latest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_split_where_their_version_begins() {
        for (distribution, expected) in [
            ("Foo-Bar-1.02", Some(("Foo-Bar", "1.02"))),
            ("libwww-perl-6.67", Some(("libwww-perl", "6.67"))),
            ("Text-CSV_XS-1.50", Some(("Text-CSV_XS", "1.50"))),
            ("Moose-v2.2015.0-TRIAL", Some(("Moose", "v2.2015.0-TRIAL"))),
            ("Foo", None),
            ("-1.0", None),
        ] {
            assert_eq!(split(distribution), expected, "{distribution}");
        }
    }

    #[test]
    fn authors_are_the_third_folder() {
        assert_eq!(author("S/SR/SRI/Mojolicious-9.31.tar.gz"), Some("SRI"));
        assert_eq!(author("authors/id/S/SR/SRI/Mojolicious-9.31.tar.gz"), Some("SRI"));
        assert_eq!(author("a/b/c/d"), None);
        assert_eq!(author(""), None);
    }
}
