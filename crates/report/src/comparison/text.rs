//! A comparison for people: in a terminal, or under a pull request.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use killick_model::severity::Severity;

use crate::formats::markdown::{code, limited};
use crate::formats::one_line;

use super::{Change, Comparison, FileChange, PackageChange, SettingChange, VulnerabilityChange};

/// Rows of one kind in a comment, whose length is limited where it is shown.
const MAX_COMMENTED: usize = 50;

/// For a terminal. Files are counted, and listed if `files` says so.
pub fn text(comparison: &Comparison, files: bool) -> String {
    let mut text = String::new();
    let Comparison { before, after, layers, .. } = comparison;
    let _ = writeln!(text, "before  {}  {}", one_line(&before.source), before.digest);
    let _ = writeln!(text, "after   {}  {}", one_line(&after.source), after.digest);
    if comparison.is_same() {
        text.push_str("\nnothing is different\n");
        return text;
    }
    if layers.removed.is_empty() && layers.added.is_empty() {
        let _ = writeln!(text, "\nlayers: the same {}", layers.shared);
    } else {
        let (shared, removed, added) = (layers.shared, layers.removed.len(), layers.added.len());
        let _ = writeln!(text, "\nlayers: {shared} shared, {removed} removed, {added} added");
    }
    let _ = writeln!(text, "size: {}", sizes(before.size_bytes, after.size_bytes));
    if !comparison.settings.is_empty() {
        text.push_str("\nsettings\n");
        for setting in &comparison.settings {
            let _ = writeln!(text, "  {}", one_line(&setting_text(setting)));
        }
    }
    let _ = writeln!(text, "\npackages: {}", counts(comparison.packages.iter().map(|package| package.change)));
    for package in &comparison.packages {
        let _ = writeln!(text, "  {}", one_line(&package_text(package)));
    }
    let _ = writeln!(text, "\nfiles: {}", counts(comparison.files.iter().map(|file| file.change)));
    if files {
        for file in &comparison.files {
            let _ = writeln!(text, "  {}", one_line(&file_text(file)));
        }
    }
    let vulnerabilities = &comparison.vulnerabilities;
    let _ = writeln!(
        text,
        "\nvulnerabilities: {} new{}, {} gone{}, {} as before",
        vulnerabilities.appeared.len(),
        by_severity(&vulnerabilities.appeared),
        vulnerabilities.gone.len(),
        by_severity(&vulnerabilities.gone),
        vulnerabilities.shared
    );
    let signed = vulnerabilities.appeared.iter().map(|one| ('+', one));
    for (sign, found) in signed.chain(vulnerabilities.gone.iter().map(|one| ('-', one))) {
        let _ = writeln!(text, "  {sign} {}", one_line(&vulnerability_text(sign, found)));
    }
    text
}

/// For a comment under a pull request: tables in GitHub's flavour of Markdown, of bounded length.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    let Comparison { before, after, .. } = comparison;
    let _ = writeln!(text, "### {} → {}\n", code(&before.source), code(&after.source));
    if comparison.is_same() {
        text.push_str("Nothing is different.\n");
        return text;
    }
    let vulnerabilities = &comparison.vulnerabilities;
    text.push_str("| | before | after |\n|---|---|---|\n");
    let _ = writeln!(text, "| vulnerabilities | {} | {} |", before.vulnerabilities, after.vulnerabilities);
    let _ = writeln!(text, "| packages | {} | {} |", before.packages, after.packages);
    let _ = writeln!(text, "| files | {} | {} |", before.files, after.files);
    let _ = writeln!(text, "| size | {} | {} |", bytes(before.size_bytes), bytes(after.size_bytes));
    let found = |list: &[VulnerabilityChange]| -> Vec<Vec<String>> {
        let row = |one: &VulnerabilityChange| {
            let other = one.other_version.clone().unwrap_or_else(|| "not there".to_owned());
            vec![
                one.severity.title().to_owned(),
                one.vulnerability.clone(),
                one.package.clone(),
                one.version.clone(),
                other,
            ]
        };
        list.iter().map(row).collect()
    };
    table(
        &mut text,
        "new vulnerabilities",
        &["severity", "vulnerability", "package", "after", "before"],
        &found(&vulnerabilities.appeared),
    );
    table(
        &mut text,
        "vulnerabilities that are gone",
        &["severity", "vulnerability", "package", "before", "after"],
        &found(&vulnerabilities.gone),
    );
    let packages: Vec<Vec<String>> = comparison.packages.iter().map(package_row).collect();
    table(&mut text, "packages that changed", &["change", "package", "before", "after"], &packages);
    let value = |value: &Option<String>| value.as_deref().map(limited).unwrap_or_default();
    let settings: Vec<Vec<String>> = comparison
        .settings
        .iter()
        .map(|setting| vec![setting.name.clone(), value(&setting.before), value(&setting.after)])
        .collect();
    table(&mut text, "settings that changed", &["setting", "before", "after"], &settings);
    text
}

fn package_row(package: &PackageChange) -> Vec<String> {
    let version = |version: &Option<String>| version.clone().unwrap_or_default();
    vec![
        word(package.change).to_owned(),
        format!("{} ({})", package.name, package.kind),
        version(&package.before),
        version(&package.after),
    ]
}

fn table(text: &mut String, title: &str, header: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n<details><summary>{} {title}</summary>\n", rows.len());
    let _ = writeln!(text, "| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for row in rows.iter().take(MAX_COMMENTED) {
        let cells: Vec<String> = row.iter().map(|cell| code(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if rows.len() > MAX_COMMENTED {
        let _ = writeln!(text, "\nand {} more", rows.len() - MAX_COMMENTED);
    }
    text.push_str("\n</details>\n");
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Upgraded => "upgraded",
        Change::Downgraded => "downgraded",
        Change::Changed => "changed",
    }
}

const fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Upgraded => '^',
        Change::Downgraded => 'v',
        Change::Changed => '~',
    }
}

fn counts(changes: impl Iterator<Item = Change>) -> String {
    let mut by_change: BTreeMap<Change, usize> = BTreeMap::new();
    for change in changes {
        *by_change.entry(change).or_default() += 1;
    }
    if by_change.is_empty() {
        return "as before".to_owned();
    }
    let all: Vec<String> = by_change.into_iter().map(|(change, count)| format!("{count} {}", word(change))).collect();
    all.join(", ")
}

fn by_severity(found: &[VulnerabilityChange]) -> String {
    let mut counts: BTreeMap<Severity, usize> = BTreeMap::new();
    for one in found {
        *counts.entry(one.severity).or_default() += 1;
    }
    if counts.is_empty() {
        return String::new();
    }
    let all: Vec<String> = counts.iter().rev().map(|(severity, count)| format!("{count} {severity}")).collect();
    format!(" ({})", all.join(", "))
}

fn sizes(before: u64, after: u64) -> String {
    let change = if after >= before {
        format!("{} more", bytes(after - before))
    } else {
        format!("{} less", bytes(before - after))
    };
    if before == after { bytes(after) } else { format!("{} -> {}, {change}", bytes(before), bytes(after)) }
}

/// Decimal units, as registries tell sizes.
#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn setting_text(setting: &SettingChange) -> String {
    match (&setting.before, &setting.after) {
        (Some(before), Some(after)) => format!("~ {}: {} -> {}", setting.name, limited(before), limited(after)),
        (None, Some(after)) => format!("+ {}: {}", setting.name, limited(after)),
        (Some(before), None) => format!("- {}: {}", setting.name, limited(before)),
        (None, None) => setting.name.clone(),
    }
}

fn package_text(package: &PackageChange) -> String {
    let versions = match (&package.before, &package.after) {
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (Some(version), None) | (None, Some(version)) => version.clone(),
        (None, None) => String::new(),
    };
    format!("{} {} {versions} ({})", sign(package.change), package.name, package.kind)
}

fn file_text(file: &FileChange) -> String {
    let mut text = format!("{} {}", sign(file.change), file.path);
    if !file.what.is_empty() {
        let _ = write!(text, " ({})", file.what.join(", "));
    }
    text
}

fn vulnerability_text(sign: char, found: &VulnerabilityChange) -> String {
    let VulnerabilityChange { vulnerability, severity, package, version, .. } = found;
    let because = match (&found.other_version, sign) {
        (None, '+') => ", which is new".to_owned(),
        (None, _) => ", which is not there any more".to_owned(),
        (Some(other), _) if other == version => ", of the same version".to_owned(),
        (Some(other), '+') => format!(", before {other}"),
        (Some(other), _) => format!(", now {other}"),
    };
    format!("{vulnerability} {severity} in {package} {version}{because}")
}
