//! `db.sqlite` of a Nix or Guix store (Nix source, `src/libstore/schema.sql`): valid paths, and which derivation has which
//! of them as its output.

use std::collections::BTreeMap;

use killick_model::problem::Problem;

use super::Fact;
use crate::catalogers::sqlite::{self, Row};
use crate::catalogers::{Found, WantedFile};

/// Paths that are kept; a large system has some ten thousands.
const MAX_PATHS: usize = 200_000;

/// Bytes of one value.
const TEXT_BYTES: usize = 4096;

pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) -> Vec<Fact> {
    let mut facts: BTreeMap<String, Fact> = BTreeMap::new();
    let mut broken: Option<(usize, String)> = None;
    let mut left_out = 0_usize;
    let mut problem = |kind, message: String| found.problems.push(Problem::new(kind, file.path.to_string(), message));
    let mut each = |table: &str, take: &mut dyn FnMut(Row<'_>) -> Option<(String, Fact)>| {
        let outcome = sqlite::rows(file.bytes, table, &mut |row| match row {
            Ok(row) => {
                let Some((path, fact)) = take(row) else { return };
                if facts.len() < MAX_PATHS || facts.contains_key(&path) {
                    facts.entry(path).or_default().merge(fact);
                } else {
                    left_out += 1;
                }
            }
            Err(reason) => broken.get_or_insert((0, reason)).0 += 1,
        });
        if let Err(reason) = outcome {
            problem("malformed-database", reason);
        }
    };
    // id, path, hash, time, deriver, size.
    each("ValidPaths", &mut |row| {
        let path = text(row, 1)?;
        let fact = Fact { path: path.clone(), deriver: text(row, 4), size: row.integer(5), ..Fact::default() };
        // Derivations and sources are valid paths as well.
        (!path.as_bytes().ends_with(b".drv")).then_some((path, fact))
    });
    // derivation, output, path.
    each("DerivationOutputs", &mut |row| {
        let path = text(row, 2)?;
        let fact = Fact { path: path.clone(), output: text(row, 1), ..Fact::default() };
        Some((path, fact))
    });
    if let Some((count, first)) = broken {
        problem("malformed-database", format!("{count} rows cannot be read, the first because {first}"));
    }
    if left_out > 0 {
        problem("limit-packages", format!("{left_out} paths are left out"));
    }
    facts.into_values().collect()
}

fn text(row: Row<'_>, index: usize) -> Option<String> {
    let text = row.text(index).filter(|text| text.len() <= TEXT_BYTES)?;
    Some(String::from_utf8_lossy(text).into_owned())
}
