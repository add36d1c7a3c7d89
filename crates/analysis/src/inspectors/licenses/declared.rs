//! Licences that a file names: fields of Debian's machine-readable copyright format
//! (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>) and `SPDX-License-Identifier` tags.

use std::collections::BTreeMap;

use killick_model::inspection::{EvidenceKind, LicenseEvidence};
use killick_model::package::PackageKind;

use super::expression;

/// Most names of one file.
const MAX_NAMES: usize = 200;

/// The `License:` fields, each name once, at its first line. None if the file does not say that it is of this format.
pub(super) fn fields(text: &str) -> Vec<LicenseEvidence> {
    let says_so = text.lines().take(20).any(|line| {
        line.split_once(':').is_some_and(|(key, value)| {
            matches!(key, "Format" | "Format-Specification") && value.contains("copyright-format")
                || value.contains("/dep5")
        })
    });
    if !says_so {
        return Vec::new();
    }
    let names = (1_u64..).zip(text.lines()).filter_map(|(number, line)| {
        let (key, name) = line.split_once(':')?;
        key.eq_ignore_ascii_case("License").then(|| (name.trim().to_owned(), number))
    });
    collect(names, PackageKind::Deb, EvidenceKind::Declared)
}

/// `SPDX-License-Identifier: MIT`.
pub(super) fn tags(text: &str) -> Vec<LicenseEvidence> {
    let names = (1_u64..).zip(text.lines()).filter_map(|(number, line)| {
        let (_, name) = line.split_once("SPDX-License-Identifier:")?;
        Some((name.trim().trim_end_matches("*/").trim_end_matches("-->").trim().to_owned(), number))
    });
    collect(names, PackageKind::Binary, EvidenceKind::Tag)
}

fn collect(
    names: impl Iterator<Item = (String, u64)>,
    kind: PackageKind,
    evidence: EvidenceKind,
) -> Vec<LicenseEvidence> {
    let mut first: BTreeMap<String, u64> = BTreeMap::new();
    for (name, line) in names.filter(|(name, _)| !name.is_empty() && name.len() <= 200) {
        if first.len() < MAX_NAMES {
            first.entry(name).or_insert(line);
        }
    }
    let evidence = first.into_iter().map(|(name, line)| LicenseEvidence {
        expression: expression::normal(kind, &name).unwrap_or(name),
        kind: evidence,
        confidence: 100,
        first_line: line,
        last_line: line,
    });
    evidence.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_their_lines() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nSource: x\n\nFiles: *\n\
                    Copyright: 2001 A\nLicense: GPL-2+ or Expat\n\nFiles: b\nlicense: Weird-1\n\nLicense: GPL-2+ or Expat\n text\n";
        let found: Vec<_> = fields(text).into_iter().map(|found| (found.expression, found.first_line)).collect();
        assert_eq!(found, [("GPL-2.0-or-later OR MIT".to_owned(), 6), ("Weird-1".to_owned(), 9)]);
        assert!(fields("License: MIT\n").is_empty());
        let tagged = tags("/* SPDX-License-Identifier: (MIT OR Apache-2.0) */\n# SPDX-License-Identifier: gpl-2.0+\n");
        let tagged: Vec<_> = tagged.into_iter().map(|found| (found.expression, found.first_line)).collect();
        assert_eq!(tagged, [("(MIT OR Apache-2.0)".to_owned(), 1), ("GPL-2.0-or-later".to_owned(), 2)]);
    }
}
