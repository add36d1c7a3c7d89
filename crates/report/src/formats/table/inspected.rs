//! What inspectors saw: secrets, malware, changed files of packages, and the number of what was looked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use killick_model::analysis::Analysis;
use killick_model::file::FileKind;
use killick_model::inspection::{ChangedFile, Difference, LicenseScan, MalwareScan, SecretScan};

use super::layout::{Colour, paint, plain, table};
use super::{Style, counted};

/// Changed files that are listed; documents for machines have all.
const MAX_ROWS: usize = 50;

/// Writes a section for each inspector that ran.
pub(super) fn write(text: &mut String, analysis: &Analysis, style: Style) {
    let inspection = &analysis.inspection;
    if let Some(scans) = &inspection.malware {
        malware(text, scans, style);
    }
    if let Some(scan) = &inspection.secrets {
        secrets(text, scan, style);
    }
    if let Some(changed) = &inspection.package_files {
        package_files(text, analysis, changed, style);
    }
    if let Some(scan) = &inspection.licenses {
        licenses(text, scan, style);
    }
    if let Some(files) = &inspection.content_search {
        let rows: Vec<_> = files
            .iter()
            .flat_map(|file| file.matches.iter().map(move |found| (file, found)))
            .map(|(file, found)| {
                let name = if found.name.is_empty() { &found.regex } else { &found.name };
                vec![plain(name), plain(&file.path.to_string()), lines(&found.lines)]
            })
            .collect();
        section(text, &["PATTERN", "FILE", "LINES"], rows, "match of a pattern", "matches of patterns", style);
    }
    if let Some(files) = &inspection.retrieved_files {
        let rows = files.iter().map(|file| vec![plain(&file.path.to_string()), file.content.len().to_string()]);
        section(text, &["RETRIEVED FILE", "BYTES"], rows.collect(), "file retrieved", "files retrieved", style);
    }
}

/// How many packages and files there are of each licence, the most frequent first.
fn licenses(text: &mut String, scan: &LicenseScan, style: Style) {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for package in &scan.packages {
        for license in package.expression.iter().chain(&package.unknown) {
            counts.entry(license).or_default().0 += 1;
        }
    }
    for file in &scan.files {
        let mut named: Vec<&str> = file.evidence.iter().map(|evidence| evidence.expression.as_str()).collect();
        named.sort_unstable();
        named.dedup();
        for license in named {
            counts.entry(license).or_default().1 += 1;
        }
    }
    let total = counts.len();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(license, (packages, files))| (Reverse(*packages), Reverse(*files), *license));
    let rows = counts
        .iter()
        .take(MAX_ROWS)
        .map(|(license, (packages, files))| cells([&shortened(license), &packages.to_string(), &files.to_string()]));
    section_of(text, &["LICENCE", "PACKAGES", "FILES"], rows.collect(), style);
    if total > MAX_ROWS {
        let _ = writeln!(text, "and {} more", total - MAX_ROWS);
    }
    let _ = writeln!(text, "{}", counted(total, "licence"));
}

/// A licence expression may name all that a distribution package holds.
fn shortened(text: &str) -> String {
    const MAX_LETTERS: usize = 80;
    match text.char_indices().nth(MAX_LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Files that run as their owner or group, whoever starts them.
pub(super) fn privileged(text: &mut String, analysis: &Analysis) {
    const MAX_PATHS: usize = 10;
    let privileged = analysis.files.iter().filter(|file| file.kind == FileKind::File && file.mode & 0o6000 != 0);
    let paths: Vec<String> = privileged.map(|file| plain(&file.path.to_string())).collect();
    if paths.is_empty() {
        return;
    }
    let shown = paths.get(..MAX_PATHS).unwrap_or(&paths).join(", ");
    let more = if paths.len() > MAX_PATHS { format!(" and {} more", paths.len() - MAX_PATHS) } else { String::new() };
    let _ = writeln!(text, "{} with setuid or setgid: {shown}{more}", counted(paths.len(), "file"));
}

fn malware(text: &mut String, scans: &[MalwareScan], style: Style) {
    let rows: Vec<_> = scans
        .iter()
        .flat_map(|scan| scan.findings.iter().map(move |found| (scan, found)))
        .map(|(scan, found)| {
            let place = place(&found.path.to_string(), found.is_hidden);
            cells([&found.signature, &place, &found.layer.to_string(), &scan.scanner])
        })
        .collect();
    section(text, &["MALWARE", "FILE", "LAYER", "SCANNER"], rows, "piece of malware", "pieces of malware", style);
    for scan in scans.iter().filter(|scan| !scan.is_complete) {
        let note = format!("{} did not see every file", plain(&scan.scanner));
        let _ = writeln!(text, "{}", paint(&note, Colour::Yellow, style));
    }
    if scans.is_empty() {
        let _ = writeln!(text, "{}", paint("no scanner looked for malware", Colour::Yellow, style));
    }
}

fn secrets(text: &mut String, scan: &SecretScan, style: Style) {
    let rows = scan.findings.iter().map(|secret| {
        let place = place(&format!("{}:{}", secret.path, secret.line), secret.is_hidden);
        cells([&secret.rule, &place, &secret.layer.to_string(), &secret.preview])
    });
    section(text, &["SECRET", "FILE", "LAYER", "BEGINS"], rows.collect(), "secret", "secrets", style);
}

fn package_files(text: &mut String, analysis: &Analysis, changed: &[ChangedFile], style: Style) {
    // What was never installed, such as documentation, is counted; what is not as it should be is shown.
    let is_missing = |file: &&ChangedFile| file.differences.contains(&Difference::Missing);
    let missing = changed.iter().filter(is_missing).count();
    let expected = changed.iter().filter(|file| file.is_config && !is_missing(file)).count();
    let others: Vec<&ChangedFile> = changed.iter().filter(|file| !file.is_config && !is_missing(file)).collect();
    let rows = others.iter().take(MAX_ROWS).map(|file| {
        let what: Vec<&str> = file
            .differences
            .iter()
            .map(|difference| match difference {
                Difference::Missing => "missing",
                Difference::Digest { .. } => "content",
                Difference::Mode { .. } => "mode",
                Difference::Size { .. } => "size",
            })
            .collect();
        let package = &analysis.package(file.package).name;
        cells([&file.path.to_string(), package, &what.join(", ")])
    });
    section_of(text, &["CHANGED FILE", "PACKAGE", "WHAT"], rows.collect(), style);
    if others.len() > MAX_ROWS {
        let _ = writeln!(text, "and {} more", others.len() - MAX_ROWS);
    }
    let _ = writeln!(
        text,
        "{} of packages changed, {expected} more in configuration, {missing} missing",
        counted(others.len(), "file")
    );
}

/// A table if there are rows, and how many there are.
fn section(text: &mut String, header: &[&str], rows: Vec<Vec<String>>, one: &str, many: &str, style: Style) {
    let count = rows.len();
    section_of(text, header, rows, style);
    match count {
        0 => drop(writeln!(text, "no {many}")),
        1 => drop(writeln!(text, "1 {one}")),
        count => drop(writeln!(text, "{count} {many}")),
    }
}

fn section_of(text: &mut String, header: &[&str], rows: Vec<Vec<String>>, style: Style) {
    text.push('\n');
    if !rows.is_empty() {
        text.push_str(&table(header, &[], rows, style));
        text.push('\n');
    }
}

fn cells<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(plain).to_vec()
}

fn place(path: &str, is_hidden: bool) -> String {
    if is_hidden { format!("{path} (deleted later)") } else { path.to_owned() }
}

/// The first few line numbers.
fn lines(lines: &[u64]) -> String {
    let shown: Vec<String> = lines.iter().take(5).map(u64::to_string).collect();
    if lines.len() > 5 { format!("{}, …", shown.join(", ")) } else { shown.join(", ") }
}
