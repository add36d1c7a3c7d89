//! Whether a program links what an advisory says is flawed of a module.
//!
//! Go's vulnerability database (<https://go.dev/security/vuln/database>, `ecosystem_specific.imports`) names packages and
//! of them functions, any one of which is enough; a package without functions is flawed as a whole.

use std::collections::HashMap;

use killick_model::advisory::{Qualifier, Statement};
use killick_model::matching::Linkage;
use killick_model::package::symbols::Symbols;
use killick_model::package::{Package, PackageDetails, PackageKind};

use super::identity::Identity;
use crate::index::{Index, IndexError};
use crate::names;

/// The standard library, as advisories call it.
const STDLIB: &str = "stdlib";

/// Whether the program links what `statement` names, which was found under `name`; `None` where it names nothing.
pub(super) fn of(statement: &Statement, package: &Package, name: &str) -> Option<Linkage> {
    let mut imports = imports(statement).peekable();
    imports.peek()?;
    // By its toolchain a program is judged for the standard library, while its symbols are those of its own module.
    let symbols = symbols(package).filter(|_| (name == STDLIB) == (package.name == STDLIB));
    let Some(symbols) = symbols else { return Some(Linkage::Unknown) };
    let is_linked = imports.any(|(path, functions)| {
        symbols.has_package(path)
            && (functions.is_empty() || functions.iter().any(|function| symbols.has(path, function)))
    });
    Some(if is_linked { Linkage::Linked } else { Linkage::NotLinked })
}

fn imports(statement: &Statement) -> impl Iterator<Item = (&str, &[String])> {
    statement.qualifiers.iter().filter_map(|qualifier| match qualifier {
        Qualifier::GoImport { path, symbols } => Some((path.as_str(), symbols.as_slice())),
        _ => None,
    })
}

fn symbols(package: &Package) -> Option<&Symbols> {
    match &package.details {
        PackageDetails::Go { symbols, .. } => symbols.as_ref(),
        _ => None,
    }
}

/// Takes apart the packages of one identity that link differently, where an advisory about their name asks for it.
pub(super) fn split<'a>(
    index: &Index,
    packages: &'a [Package],
    identities: Vec<(Identity<'a>, Vec<usize>)>,
) -> Result<Vec<(Identity<'a>, Vec<usize>)>, IndexError> {
    let mut asked: HashMap<&str, bool> = HashMap::new();
    let mut found = Vec::with_capacity(identities.len());
    for (identity, members) in identities {
        let mut parts: Vec<(Identity<'a>, Vec<usize>)> = Vec::new();
        if identity.package.kind == PackageKind::Go && members.len() > 1 {
            let mut of: HashMap<Option<&Symbols>, usize> = HashMap::new();
            for (at, package) in members.iter().filter_map(|at| Some((*at, packages.get(*at)?))) {
                let part = *of.entry(symbols(package)).or_insert(parts.len());
                match parts.get_mut(part) {
                    Some((_, members)) => members.push(at),
                    None => parts.push((Identity { package, ..identity }, vec![at])),
                }
            }
        }
        if parts.len() > 1 && is_asked(index, &mut asked, &identity.package.name)? {
            found.append(&mut parts);
        } else {
            found.push((identity, members));
        }
    }
    Ok(found)
}

/// Whether any statement about a module names what of it is flawed.
fn is_asked<'a>(index: &Index, asked: &mut HashMap<&'a str, bool>, module: &'a str) -> Result<bool, IndexError> {
    if let Some(known) = asked.get(module) {
        return Ok(*known);
    }
    let ecosystem = PackageKind::Go.ecosystem().unwrap_or_default();
    let name = names::normalise(ecosystem, module);
    let mut found = false;
    for (segment, _) in index.segments_of(ecosystem) {
        found |= index.statements(segment, &name)?.iter().any(|statement| imports(statement).next().is_some());
    }
    asked.insert(module, found);
    Ok(found)
}
