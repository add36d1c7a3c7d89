//! Files that the analysis keeps whole: whether they are there, and what is in them.

use std::borrow::Cow;

use killick_model::inspection::RetrievedFile;

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::evaluate::Compatibility;
use crate::params::{Parameter, Validator};
use crate::python;

const PATH: Parameter =
    Parameter::required("path", Validator::Text, Some("/etc/httpd.conf"), "Path of a file that the analysis keeps.");

pub(super) const GATE: Gate = Gate {
    name: "retrieved_files",
    description: "Files that the analysis keeps whole: whether they are there, and what is in them.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "content_not_available",
            description: "Fires if the file was not kept in the analysis.",
            params: &[PATH],
            check: content_not_available,
        },
        Trigger {
            name: "content_regex",
            description: "Fires if a word of the file matches, or if none does. Words are what stands between blanks; a \
                          pattern must match from the beginning of a word on.",
            params: &[
                PATH,
                Parameter::required(
                    "check",
                    Validator::OneOf(&["match", "no_match"]),
                    Some("match"),
                    "Whether it fires if a word matches or if none does.",
                ),
                Parameter::required("regex", Validator::Text, Some(".*SSlEnabled.*"), "Pattern of the word.").regex(),
            ],
            check: content_regex,
        },
    ],
};

/// The content as text. The original fails on what is not UTF-8.
pub(super) fn text<'e>(check: &mut Check<'_, 'e>, file: &'e RetrievedFile) -> Result<Cow<'e, str>, TriggerError> {
    match std::str::from_utf8(&file.content) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) if check.repair("Q-51") => Ok(String::from_utf8_lossy(&file.content)),
        Err(_) => Err(TriggerError::Unanswerable(format!("{} is not UTF-8", file.path))),
    }
}

/// Tells a file that nobody kept from one that the image has not.
pub(super) fn warn_if_not_kept(check: &mut Check<'_, '_>, path: &str) {
    let inside = path.strip_prefix('/').unwrap_or(path).as_bytes();
    if check.compatibility == Compatibility::Repaired && check.evidence.analysis.file(inside).is_some() {
        check.warn_unseen(&format!("the image has `{path}`, but the analysis did not keep it"));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn content_not_available(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let path = check.params.text("path").unwrap_or_default();
    if check.shared.retrieved_file(path).is_some() {
        return Ok(());
    }
    warn_if_not_kept(check, path);
    // Where nothing at all was kept the original says so twice.
    let times = if check.shared.retrieved().is_empty() && !check.repair("Q-12") { 2 } else { 1 };
    for _ in 0..times {
        check.fire(
            "Cannot locate file in the image analysis".to_owned(),
            format!("add `{path}` to the image, and to `inspections.retrieve_files` of the server"),
        );
    }
    Ok(())
}

fn content_regex(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let (shared, params) = (check.shared, check.params);
    let path = params.text("path").unwrap_or_default();
    let Some(file) = shared.retrieved_file(path) else {
        if shared.retrieved().is_empty() {
            warn_if_not_kept(check, path);
            return Ok(());
        }
        check.regex("regex")?;
        warn_if_not_kept(check, path);
        return Ok(());
    };
    let text = text(check, file)?;
    let Some(regex) = check.regex("regex")? else { return Ok(()) };
    let mut is_found = false;
    for word in python::words(&text) {
        if regex.is_match(word)? {
            is_found = true;
            break;
        }
    }
    let condition = params.text("check").unwrap_or_default();
    if is_found == (condition == "match") {
        check.fire_as(
            format!("{}+file://{path}", check.rule_id.unwrap_or("None")),
            Vec::new(),
            format!("Content regex '{regex}' check '{condition}' found in retrieved file '{path}'"),
            Some(if is_found {
                format!("remove from `{path}` what matches `{regex}`")
            } else {
                format!("add to `{path}` what `{regex}` asks for")
            }),
        );
        check.about_path(&path);
    }
    Ok(())
}
