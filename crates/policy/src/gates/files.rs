//! Names, attributes and contents of the files of the image.

use killick_model::file::{FileEntry, FileKind};
use killick_model::inspection::PatternMatch;

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};

const OPERATION: Validator = Validator::OneOf(&["equals", "not_equals"]);
/// What the original has in place of the digest of anything but a regular file.
const NO_CHECKSUM: &str = "DIRECTORY_OR_OTHER";

pub(super) const GATE: Gate = Gate {
    name: "files",
    description: "Files of the image: names, attributes, and what the content search found in them.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "content_regex_match",
            description: "Fires for each file and each configured pattern of the content search that matched in it.",
            params: &[Parameter::optional(
                "regex_name",
                Validator::Text,
                Some(".*password.*"),
                "Only this pattern, by its name or its text.",
            )],
            check: content_regex_match,
        },
        Trigger {
            name: "name_match",
            description: "Fires for each file whose path matches. A pattern must match from the leading slash on.",
            params: &[Parameter::required("regex", Validator::Text, Some(".*\\.pem"), "Pattern of the path.").regex()],
            check: name_match,
        },
        Trigger {
            name: "attribute_match",
            description: "Fires if a file has the attributes given, all of them.",
            params: &[
                Parameter::required("filename", Validator::Text, Some("/etc/passwd"), "Path of the file."),
                Parameter::optional(
                    "checksum_algorithm",
                    Validator::OneOf(&["sha256"]),
                    Some("sha256"),
                    "Kind of the checksum. Default: sha256.",
                ),
                Parameter::optional(
                    "checksum",
                    Validator::Text,
                    Some("832cd0f75b227d13aac82b1f70b7f90191a4186c151f9db50851d209c45ede11"),
                    "Checksum to compare with, in lower case.",
                ),
                Parameter::optional(
                    "checksum_match",
                    OPERATION,
                    Some("equals"),
                    "Whether the checksum must be equal or different. Default: equals.",
                ),
                Parameter::optional(
                    "mode",
                    Validator::Text,
                    Some("00644"),
                    "Permissions to compare with, octal, with the setuid, setgid and sticky bits.",
                ),
                Parameter::optional(
                    "mode_op",
                    OPERATION,
                    Some("equals"),
                    "Whether the permissions must be equal or different. Default: equals.",
                ),
                Parameter::optional(
                    "skip_missing",
                    Validator::Boolean,
                    Some("true"),
                    "Whether a file that is not there is passed over. If not, its absence fires. Default: true.",
                ),
            ],
            check: attribute_match,
        },
        Trigger {
            name: "suid_or_guid_set",
            description: "Fires for each file with the setuid or the setgid bit.",
            params: &[],
            check: suid_or_guid_set,
        },
    ],
};

/// A pattern as the original writes it: with its name before it, if it has one.
pub(super) fn named_pattern(name: &str, regex: &str) -> String {
    if name.is_empty() { regex.to_owned() } else { format!("{name}={regex}") }
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn content_regex_match(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let analysis = check.evidence.analysis;
    let wanted = check.params.text("regex_name").filter(|name| !name.is_empty());
    let Some(searched) = &analysis.inspection.content_search else {
        check.warn_unseen("no content search was made: there is nothing to match");
        return Ok(());
    };
    let mut files: Vec<_> = searched.iter().collect();
    files.sort_by_key(|file| &file.path);
    let is_wanted = |found: &&PatternMatch| wanted.is_none_or(|name| name == found.regex || name == found.name);
    for file in files {
        for found in file.matches.iter().filter(is_wanted) {
            let (path, pattern) = (&file.path, named_pattern(&found.name, &found.regex));
            check.fire(
                format!("File content analyzer found regexp match in container: file={path} regexp={pattern}"),
                format!("remove from `{path}` what the pattern looks for, or the file from the image"),
            );
            check.about_path(&path);
        }
    }
    Ok(())
}

fn name_match(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let shared = check.shared;
    if shared.files().is_empty() {
        return Ok(());
    }
    let Some(regex) = check.regex("regex")? else { return Ok(()) };
    for (_, path) in shared.files_matching(&regex, |_| true)? {
        check.fire(
            format!("Application of regex matched file found in container: file={path} regexp={regex}"),
            format!("remove `{path}` from the image"),
        );
        check.about_path(&path);
    }
    Ok(())
}

fn attribute_match(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let params = check.params;
    let name = params.text("filename").unwrap_or_default();
    let files = check.shared.files();
    let inside = name.strip_prefix('/').filter(|inside| !inside.is_empty());
    let at = inside.and_then(|inside| files.binary_search_by(|file| file.path.as_bytes().cmp(inside.as_bytes())).ok());
    let Some(file) = at.and_then(|at| files.get(at)) else {
        if params.flag("skip_missing") == Some(false) {
            check.fire(format!("filename={name} and skip_missing=False"), format!("add `{name}` to the image"));
            check.about_path(&name);
        }
        return Ok(());
    };
    let mut pieces = vec![format!("filename={name}")];
    let mut remedies = Vec::new();
    if let Some(wanted) = params.text("checksum").filter(|wanted| !wanted.is_empty()) {
        let operation = params.text("checksum_match").unwrap_or("equals");
        let actual = file.sha256.map_or_else(|| NO_CHECKSUM.to_owned(), hex::encode);
        if (actual == wanted) != (operation == "equals") {
            return Ok(());
        }
        pieces.push(format!("checksum={actual} op={operation} specified_checksum={wanted}"));
        remedies.push(if operation == "equals" { "replace its content" } else { "restore the content expected of it" });
    }
    if let Some(text) = params.text("mode").filter(|text| !text.is_empty()) {
        let operation = params.text("mode_op").unwrap_or("equals");
        let wanted = octal(text).ok_or_else(|| TriggerError::Unanswerable(format!("`{text}` is no octal number")))?;
        let actual = file.mode & 0o7777;
        if (actual == wanted) != (operation == "equals") {
            return Ok(());
        }
        pieces.push(format!("mode={actual:#o} op={operation} specified_mode={wanted:#o}"));
        remedies.push("change its permissions with chmod");
    }
    // Without a condition nothing is asked.
    if !remedies.is_empty() {
        check.fire(pieces.join(" and "), format!("`{name}`: {}, or remove it", remedies.join(" or ")));
        check.about_path(&name);
    }
    Ok(())
}

/// What Python's `int(text, 8)` reads, without signs and separators.
pub(crate) fn octal(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix("0O")).unwrap_or(text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| u32::from_str_radix(digits, 8).ok())?
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn suid_or_guid_set(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    for file in check.shared.files().iter().filter(|file| file.mode & 0o6000 != 0) {
        let (path, mode) = (&file.path, full_mode(file));
        check.fire(
            format!("SUID or SGID found set on file {path}. Mode: {mode:#o}"),
            format!("`RUN chmod a-s {path}`, or remove it"),
        );
        check.about_path(&path);
    }
    Ok(())
}

/// The mode with the bits that tell the type.
const fn full_mode(file: &FileEntry) -> u32 {
    let kind = match file.kind {
        FileKind::File => 0o100_000,
        FileKind::Directory => 0o040_000,
        FileKind::Symlink => 0o120_000,
        FileKind::CharacterDevice => 0o020_000,
        FileKind::BlockDevice => 0o060_000,
        FileKind::Fifo => 0o010_000,
    };
    kind | (file.mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_in_several_spellings() {
        for (text, want) in [
            ("644", Some(0o644)),
            ("00644", Some(0o644)),
            ("0o644", Some(0o644)),
            (" 4755 ", Some(0o4755)),
            ("888", None),
            ("", None),
            ("0o", None),
            ("-1", None),
            ("77777777777777", None),
        ] {
            assert_eq!(octal(text), want, "{text}");
        }
    }
}
