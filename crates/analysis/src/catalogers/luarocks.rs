//! Lua rocks: what a tree of `LuaRocks` holds, rockspecs beside sources, and `luarocks.lock`.
//!
//! Formats: `LuaRocks` documentation, "Rockspec format", "File locations" and "Pinning dependencies". A rockspec is a
//! Lua program, of which the assignments of literals are read, and strings joined of such. In a tree the folders say
//! which rock it is: `rocks-5.4/NAME/VERSION/NAME-VERSION.rockspec`.

use std::collections::{BTreeSet, HashMap};

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;

use super::tokens::{self, Syntax, Token};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds rocks.
pub(super) struct Luarocks;

const SYNTAX: Syntax =
    Syntax { line_comments: &["--", "#!"], block_comments: &[], quotes: &["\"", "'"], long_brackets: true };

/// Letters of a string that is joined of others.
const JOINED: usize = 1024;

impl Cataloger for Luarocks {
    fn name(&self) -> &'static str {
        "luarocks"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Luarocks]
    }

    fn wants(&self) -> Wants {
        let globs = &["**/*.rockspec", "**/lib/luarocks/rocks*/manifest", "**/luarocks.lock"];
        Wants { globs, executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(text) = document::short_text(file, found) else { return };
        let tokens = match tokens::read(&text, &SYNTAX) {
            Ok(tokens) => tokens,
            Err(error) => return document::malformed(file, format!("no Lua: {error}"), found),
        };
        match file.path.file_name() {
            b"manifest" => manifest(&tokens, file, found),
            b"luarocks.lock" => lock(&tokens, file, found),
            _ => rockspec(&tokens, file, found),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let (manifests, rocks): (Vec<_>, Vec<_>) =
            image.found.iter().copied().partition(|(path, ..)| path.file_name() == b"manifest");
        let mut known: BTreeSet<(Vec<u8>, &str, &str)> = BTreeSet::new();
        for (path, layer, found) in rocks {
            joined.take(self.name(), path, layer, found);
            let Some(tree) = tree(path) else { continue };
            known.extend(found.packages.iter().map(|rock| (tree.to_vec(), &*rock.name, &*rock.version)));
        }
        // Rocks whose rockspecs were removed to save room.
        for (path, layer, found) in manifests {
            let tree = path.parent().unwrap_or_default();
            let mut rest = found.clone();
            rest.packages.retain(|rock| !known.contains(&(tree.to_vec(), rock.name.as_str(), rock.version.as_str())));
            joined.take(self.name(), path, layer, &rest);
        }
    }
}

/// The tree of `TREE/NAME/VERSION/NAME-VERSION.rockspec`, if the folders are named so.
fn tree(path: &ImagePath) -> Option<&[u8]> {
    let mut parts = path.as_bytes().rsplitn(4, |&byte| byte == b'/');
    let (file, version, name, tree) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (file == [name, b"-", version, b".rockspec"].concat()).then_some(tree)
}

fn rockspec(tokens: &[Token], file: &WantedFile<'_>, found: &mut Found) {
    let values = assignments(tokens);
    let text = |name: &str| values.get(name).and_then(|value| value.text());
    let path = file.path.to_string();
    let mut package = if tree(file.path).is_some() {
        let mut folders = path.rsplit('/').skip(1);
        let (version, name) = (folders.next().unwrap_or_default(), folders.next().unwrap_or_default());
        package(PackageKind::Luarocks, name, version, file.path)
    } else {
        let (Some(name), Some(version)) = (text("package"), text("version")) else {
            return document::malformed(file, "a rockspec without literal package and version", found);
        };
        // LuaRocks knows rocks by lower case.
        declared(PackageKind::Luarocks, &name.to_lowercase(), version, file.path)
    };
    let description = values.get("description").and_then(|value| value.group('{')).unwrap_or_default();
    let description = assignments(description);
    let text = |name: &str| description.get(name).and_then(|value| value.text()).map(str::to_owned);
    package.licenses = text("license").into_iter().collect();
    package.origin = text("maintainer");
    found.packages.push(package);
}

/// `repository = { name = { ["version"] = { { arch = "installed", … } } } }`.
fn manifest(tokens: &[Token], file: &WantedFile<'_>, found: &mut Found) {
    let values = assignments(tokens);
    let table = |value: &Token| value.group('{').map(assignments).unwrap_or_default();
    let mut rocks: Vec<Package> = Vec::new();
    for (name, versions) in values.get("repository").map(table).unwrap_or_default() {
        for (version, builds) in table(&versions) {
            // Other trees, of servers, list sources and binary packages.
            let builds = builds.group('{').unwrap_or_default().iter();
            let is_installed =
                builds.map(table).any(|build| build.get("arch").and_then(Token::text) == Some("installed"));
            if is_installed {
                rocks.push(package(PackageKind::Luarocks, &name, &version, file.path));
            }
        }
    }
    rocks.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    found.packages.extend(rocks);
}

/// `return { dependencies = { name = "version", … } }`.
fn lock(tokens: &[Token], file: &WantedFile<'_>, found: &mut Found) {
    let table = tokens.iter().find_map(|token| token.group('{')).unwrap_or_default();
    for (section, entries) in assignments(table) {
        let is_development = matches!(section.as_str(), "build_dependencies" | "test_dependencies");
        if section != "dependencies" && !is_development {
            continue;
        }
        for (name, version) in assignments(entries.group('{').unwrap_or_default()) {
            // Lua itself is no rock.
            if let (Some(version), true) = (version.text(), name != "lua") {
                let package = declared(PackageKind::Luarocks, &name, version, file.path);
                found.packages.push(Package { is_development, ..package });
            }
        }
    }
    found.packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
}

/// `name = value` and `["name"] = value`, of a table or a program; the first of several with one name counts.
fn assignments(tokens: &[Token]) -> HashMap<String, Token> {
    let mut values: HashMap<String, Token> = HashMap::new();
    for at in 0..tokens.len() {
        let [key, equals, rest @ ..] = &tokens[at..] else { break };
        // `==` compares.
        if !equals.is('=') || rest.first().is_none_or(|token| token.is('=')) {
            continue;
        }
        let name = match key {
            Token::Word(word) => word.as_str(),
            Token::Group('[', inner) => match inner.as_slice() {
                [Token::Text(text)] => text.as_str(),
                _ => continue,
            },
            _ => continue,
        };
        if let Some(value) = value(rest, &values) {
            values.entry(name.to_owned()).or_insert(value);
        }
    }
    values
}

/// A literal, or strings and earlier names joined by `..`.
fn value(tokens: &[Token], known: &HashMap<String, Token>) -> Option<Token> {
    let mut text = String::new();
    let mut rest = tokens;
    loop {
        let (first, after) = rest.split_first()?;
        let is_joined = matches!(after, [one, two, ..] if one.is('.') && two.is('.'));
        match first {
            Token::Group('{', _) if text.is_empty() => return Some(first.clone()),
            Token::Text(part) => text.push_str(part),
            Token::Word(name) => match known.get(name) {
                Some(Token::Text(part)) => text.push_str(part),
                Some(_) | None => return None,
            },
            _ => return None,
        }
        if !is_joined || text.len() > JOINED {
            return Some(Token::Text(text));
        }
        rest = after.get(2..)?;
    }
}
