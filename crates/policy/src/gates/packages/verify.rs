//! Comparing the files of the image with what package databases say of them.

use killick_model::file::{FileEntry, FileKind};
use killick_model::inspection::Difference;
use killick_model::package::{OwnedFile, PackageKind};
use killick_model::verification;

use crate::check::{Check, TriggerError};

pub(super) fn verify(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let (shared, params) = (check.shared, check.params);
    if check.evidence.analysis.files.is_empty() {
        if !check.repair("Q-16") {
            return Err(TriggerError::Unanswerable("the image has no list of files".to_owned()));
        }
        check.warn("TriggerEvaluationWarning", "packages.verify: the image has no list of files to compare".to_owned());
        return Ok(());
    }
    let names = params.list("only_packages");
    let directories = params.list("only_directories");
    let wanted = params.text("check");
    // What was only copied or declared has no record that its files could be compared with.
    for package in shared.packages().iter().filter(|package| package.evidence.is_installed()) {
        if !names.is_empty() && !names.contains(&package.name) {
            continue;
        }
        for file in &package.files {
            let path = file.path.to_string();
            let times = selected(check, directories, &path);
            if times == 0 {
                continue;
            }
            let analysis = check.evidence.analysis;
            let ours = status(package.kind, file, &analysis.files);
            let theirs = engine_status(file, analysis.file(file.path.as_bytes()));
            let status = if ours == theirs || check.repair("Q-49") { ours } else { theirs };
            let Some(status) = status else { continue };
            if wanted.is_some_and(|wanted| wanted != status) {
                continue;
            }
            for _ in 0..times {
                check.fire(
                    format!(
                        "VERIFY check against package db for package '{}' failed on entry '{path}' with status: \
                         '{status}'",
                        package.name
                    ),
                    format!("reinstall `{}`, or do not touch `{path}` after installing it", package.name),
                );
                check.about_owned(package, &path);
            }
        }
    }
    Ok(())
}

/// How often the path is looked at: once per directory it is in, or once if all are.
fn selected(check: &mut Check<'_, '_>, directories: &[String], path: &str) -> usize {
    if directories.is_empty() {
        return 1;
    }
    let mut times = 0;
    for directory in directories {
        let plain = path.starts_with(directory.as_str());
        // The original hands the directory to SQL's `like`.
        let like = if directory.contains(['%', '_']) { begins_like(directory, path) } else { plain };
        let inside = if plain == like || check.repair("Q-43") { plain } else { like };
        times += usize::from(inside);
    }
    times
}

/// Whether `path` begins with something `like` the pattern.
fn begins_like(pattern: &str, path: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let path: Vec<char> = path.chars().collect();
    // Which lengths of the pattern are used up by the characters so far.
    let mut reached = vec![false; pattern.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    let skip_any = |reached: &mut Vec<bool>| {
        for (at, letter) in pattern.iter().enumerate() {
            if *letter == '%'
                && reached.get(at) == Some(&true)
                && let Some(next) = reached.get_mut(at + 1)
            {
                *next = true;
            }
        }
    };
    skip_any(&mut reached);
    for letter in path {
        if reached.last() == Some(&true) {
            return true;
        }
        let mut next = vec![false; pattern.len() + 1];
        for (at, want) in pattern.iter().enumerate() {
            if reached.get(at) != Some(&true) {
                continue;
            }
            let (stay, advance) = (*want == '%', *want == '_' || *want == letter);
            if stay && let Some(same) = next.get_mut(at) {
                *same = true;
            }
            if !stay
                && advance
                && let Some(after) = next.get_mut(at + 1)
            {
                *after = true;
            }
        }
        skip_any(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

/// What is wrong with a file, if anything. Of a configuration file only that it is gone: it is there to be changed.
fn status(kind: PackageKind, record: &OwnedFile, files: &[FileEntry]) -> Option<&'static str> {
    match verification::differences(kind, record, files).first()? {
        Difference::Missing => Some("missing"),
        _ if record.is_config => None,
        _ => Some("changed"),
    }
}

/// The same by the original's rules: paths are compared as written, sizes of nothing count as unknown, an apk database
/// without a word on a mode allows any, and so does one whose digests are of a kind it does not know.
fn engine_status(record: &OwnedFile, entry: Option<&FileEntry>) -> Option<&'static str> {
    let Some(entry) = entry else { return Some("missing") };
    if record.is_config {
        return None;
    }
    let is_file = entry.kind == FileKind::File;
    let is_changed = (is_file && digests_differ(record, entry))
        || ((is_file || entry.kind == FileKind::Directory) && modes_differ(record, entry))
        || (is_file && matches!(record.size, Some(size) if size != 0 && entry.size != 0 && size != entry.size));
    is_changed.then_some("changed")
}

fn digests_differ(record: &OwnedFile, entry: &FileEntry) -> bool {
    let Some((algorithm, wanted)) = &record.digest else { return false };
    let actual = match algorithm.as_str() {
        "sha256" => entry.sha256.map(hex::encode),
        "md5" => entry.md5.map(hex::encode),
        "sha1" => entry.sha1.as_ref().map(|raw| hex::encode(raw.as_slice())),
        _ => None,
    };
    !wanted.is_empty() && actual.is_some_and(|actual| !actual.eq_ignore_ascii_case(wanted))
}

/// Compares modes by the octal digits both have, from the right.
fn modes_differ(record: &OwnedFile, entry: &FileEntry) -> bool {
    let Some(wanted) = record.mode.filter(|&mode| mode != 0) else { return false };
    let actual = entry.mode | if entry.kind == FileKind::Directory { 0o40_000 } else { 0o100_000 };
    let digits = wanted.ilog(8).min(actual.ilog(8)) + 1;
    let mask = 8_u32.checked_pow(digits).map_or(u32::MAX, |power| power - 1);
    entry.mode != 0 && wanted & mask != actual & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns_are_prefixes() {
        for (pattern, path, want) in [
            ("/us_", "/usr/lib", true),
            ("/us_/l", "/usr/lib", true),
            ("%lib", "/usr/lib/x", true),
            ("/opt%", "/usr", false),
            ("_", "", false),
            ("%", "", true),
        ] {
            assert_eq!(begins_like(pattern, path), want, "{pattern} {path}");
        }
    }
}
