//! OCaml packages: what an opam switch has installed, and what `*.opam.locked` locks.
//!
//! Formats: opam manual, "Package definitions", "File hierarchies" (`.opam-switch/switch-state` and
//! `.opam-switch/packages/NAME.VERSION/opam`) and "opam lock". Names have no dots, so that the first one in
//! `NAME.VERSION` is where the version begins.

use std::collections::{BTreeMap, HashSet};

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use super::tokens::{self, Syntax, Token};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds opam packages.
pub(super) struct Opam;

const SYNTAX: Syntax =
    Syntax { line_comments: &["#"], block_comments: &[("(*", "*)")], quotes: &["\"\"\"", "\""], long_brackets: false };

/// What the state of a switch says is installed, as `NAME.VERSION`.
#[derive(Debug, Serialize, Deserialize)]
struct Installed(Vec<String>);

impl Cataloger for Opam {
    fn name(&self) -> &'static str {
        "opam"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Opam]
    }

    fn wants(&self) -> Wants {
        let globs =
            &["**/.opam-switch/switch-state", "**/.opam-switch/packages/*/opam", "**/*.opam.locked", "**/opam.locked"];
        Wants { globs, executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(text) = document::short_text(file, found) else { return };
        let tokens = match tokens::read(&text, &SYNTAX) {
            Ok(tokens) => tokens,
            Err(error) => return document::malformed(file, format!("no opam file: {error}"), found),
        };
        match file.path.file_name() {
            b"switch-state" => {
                let installed = texts(field(&tokens, "installed"));
                let piece = postcard::to_stdvec(&Installed(installed)).expect("a piece serialises into memory");
                found.pieces.push(piece);
            }
            b"opam" => found.packages.extend(definition(&tokens, file)),
            _ => locked(&tokens, file, found),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut switches: BTreeMap<&[u8], HashSet<String>> = BTreeMap::new();
        for (path, _, found) in image.found.iter().filter(|(path, ..)| path.file_name() == b"switch-state") {
            let installed = found.pieces.iter().filter_map(|piece| postcard::from_bytes::<Installed>(piece).ok());
            let installed: HashSet<String> = installed.flat_map(|Installed(packages)| packages).collect();
            switches.insert(path.parent().unwrap_or_default(), installed);
        }
        for (path, layer, found) in image.found {
            let is_definition = path.file_name() == b"opam";
            let installed = if is_definition { switches.get_mut(switch(path)) } else { None };
            // Definitions may be left of what was removed.
            if installed.is_none_or(|installed| installed.remove(folder(path).as_str())) {
                joined.take(self.name(), path, *layer, found);
            }
        }
        // What is installed without its definition.
        for (path, layer, _) in image.found.iter().filter(|(path, ..)| path.file_name() == b"switch-state") {
            let Some(rest) = switches.remove(path.parent().unwrap_or_default()) else { continue };
            let mut rest: Vec<String> = rest.into_iter().collect();
            rest.sort();
            for (name, version) in rest.iter().filter_map(|identity| identity.split_once('.')) {
                let mut package = package(PackageKind::Opam, name, version, path);
                package.layer = *layer;
                self.name().clone_into(&mut package.cataloger);
                joined.packages.push(package);
            }
        }
    }
}

/// The `.opam-switch` of `.opam-switch/packages/NAME.VERSION/opam`.
fn switch(path: &ImagePath) -> &[u8] {
    path.as_bytes().rsplitn(4, |&byte| byte == b'/').nth(3).unwrap_or_default()
}

/// The `NAME.VERSION` of `.opam-switch/packages/NAME.VERSION/opam`.
fn folder(path: &ImagePath) -> String {
    let folder = path.as_bytes().rsplit(|&byte| byte == b'/').nth(1).unwrap_or_default();
    String::from_utf8_lossy(folder).into_owned()
}

/// The value of a field at this level: what stands after its colon.
fn field<'a>(tokens: &'a [Token], name: &str) -> Option<&'a Token> {
    let at = tokens.windows(2).position(|pair| pair[0].word() == Some(name) && pair[1].is(':'))?;
    tokens.get(at + 2)
}

/// A string, or a list of them.
fn texts(value: Option<&Token>) -> Vec<String> {
    let texts = |tokens: &[Token]| tokens.iter().filter_map(Token::text).map(str::to_owned).collect();
    value.map_or_else(Vec::new, |value| value.group('[').map_or_else(|| texts(std::slice::from_ref(value)), texts))
}

fn definition(tokens: &[Token], file: &WantedFile<'_>) -> Option<Package> {
    let folder = folder(file.path);
    let (name, version) = folder.split_once('.')?;
    let mut package = package(PackageKind::Opam, name, version, file.path);
    package.licenses = texts(field(tokens, "license"));
    let maintainers = texts(field(tokens, "maintainer"));
    package.origin = (!maintainers.is_empty()).then(|| maintainers.join(", "));
    Some(package)
}

/// `depends: ["name" {= "version" & with-test} …]`, and `pin-depends: [["name.version" "address"] …]`.
fn locked(tokens: &[Token], file: &WantedFile<'_>, found: &mut Found) {
    let pins = field(tokens, "pin-depends").and_then(|value| value.group('['));
    let pins: BTreeMap<&str, &str> = pins
        .unwrap_or_default()
        .iter()
        .filter_map(|pin| match pin.group('[')? {
            [identity, address, ..] => Some((identity.text()?, address.text()?)),
            _ => None,
        })
        .collect();
    let depends = field(tokens, "depends").and_then(|value| value.group('[')).unwrap_or_default();
    for pair in depends.windows(2) {
        let (Some(name), Some(condition)) = (pair[0].text(), pair[1].group('{')) else { continue };
        // `>=` is two symbols.
        let exact = condition.windows(2).enumerate().find_map(|(at, pair)| {
            let before = at.checked_sub(1).and_then(|before| condition.get(before));
            let is_equal =
                pair[0].is('=') && !before.is_some_and(|token| token.is('<') || token.is('>') || token.is('!'));
            if is_equal { pair[1].text() } else { None }
        });
        let Some(version) = exact else { continue };
        let mut package = declared(PackageKind::Opam, name, version, file.path);
        let words = condition.iter().filter_map(Token::word);
        package.is_development =
            words.into_iter().any(|word| matches!(word, "with-test" | "with-doc" | "with-dev-setup"));
        package.fetched_from = pins.get(format!("{name}.{version}").as_str()).map(|address| pinned(address));
        found.packages.push(package);
    }
}

/// `git+https://host/path#commit`, whose revision package URLs write after an `@`.
fn pinned(address: &str) -> String {
    let address = super::published::without_credentials(address);
    match address.split_once('#') {
        Some((url, revision)) if url.starts_with("git+") || url.starts_with("hg+") => format!("{url}@{revision}"),
        _ => address,
    }
}
