//! Users in `/etc/passwd`.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Gate, State, Trigger, retrieved_files};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};
use crate::python;

pub(crate) const PATH: &str = "/etc/passwd";

pub(super) const GATE: Gate = Gate {
    name: "passwd_file",
    description: "Users that /etc/passwd has: names, numbers, shells and whole entries.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "content_not_available",
            description: "Fires if /etc/passwd was not kept in the analysis, or is empty.",
            params: &[],
            check: content_not_available,
        },
        Trigger {
            name: "blacklist_usernames",
            description: "Fires for each of the names that has an entry.",
            params: &[Parameter::required("user_names", Validator::List, Some("daemon,ftp"), "Names of users.")
                .also_named(&["usernameblacklist"])],
            check: names,
        },
        Trigger {
            name: "blacklist_userids",
            description: "Fires for each entry with any of the user numbers.",
            params: &[Parameter::required("user_ids", Validator::Numbers, Some("0,1"), "Numbers of users.")
                .also_named(&["useridblacklist"])],
            check: user_ids,
        },
        Trigger {
            name: "blacklist_groupids",
            description: "Fires for each entry with any of the group numbers.",
            params: &[Parameter::required("group_ids", Validator::Numbers, Some("999,20"), "Numbers of groups.")],
            check: group_ids,
        },
        Trigger {
            name: "blacklist_shells",
            description: "Fires for each entry with any of the shells.",
            params: &[Parameter::required(
                "shells",
                Validator::List,
                Some("/bin/bash,/bin/zsh"),
                "Login shells, as entries name them.",
            )],
            check: shells,
        },
        Trigger {
            name: "blacklist_full_entry",
            description: "Fires if an entry is exactly this.",
            params: &[Parameter::required(
                "entry",
                Validator::Text,
                Some("ftp:x:14:50:FTP User:/var/ftp:/sbin/nologin"),
                "A whole entry.",
            )],
            check: full_entry,
        },
    ],
};

/// Entries: the trimmed lines, of which the last one of each name counts.
///
/// A blank line is an entry without a name, as in the original; it is what tells a file without users from no file.
fn entries(text: &str) -> Vec<&str> {
    let mut entries: Vec<&str> = python::lines(text).map(str::trim).collect();
    // Backwards, so that the last line of a name is met first.
    entries.reverse();
    let mut seen = HashSet::new();
    entries.retain(|line| seen.insert(name_of(line)));
    entries.reverse();
    entries
}

fn name_of(line: &str) -> &str {
    line.split_once(':').map_or(line, |(name, _)| name)
}

/// The text of the file, if it was kept.
fn text<'e>(check: &mut Check<'_, 'e>) -> Result<Option<Cow<'e, str>>, TriggerError> {
    let Some(file) = check.shared.retrieved_file(PATH) else {
        retrieved_files::warn_if_not_kept(check, PATH);
        return Ok(None);
    };
    retrieved_files::text(check, file).map(Some)
}

fn content_not_available(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let text = text(check)?;
    if text.is_none_or(|text| entries(&text).is_empty()) {
        check.fire(
            "Cannot locate /etc/passwd in image stored files archive: check analyzer settings.".to_owned(),
            "add `/etc/passwd` to the image, and to `inspections.retrieve_files` of the server".to_owned(),
        );
    }
    Ok(())
}

fn names(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    field(check, "user_names", 0, |name, entry| {
        format!("Blacklisted user '{name}' found in image's /etc/passwd: pentry={entry}")
    })
}

fn user_ids(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    field(check, "user_ids", 2, |id, entry| {
        format!("Blacklisted uid '{id}' found in image's /etc/passwd: pentry={entry}")
    })
}

fn group_ids(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    field(check, "group_ids", 3, |id, entry| {
        format!("Blacklisted gid '{id}' found in image's /etc/passwd: pentry={entry}")
    })
}

fn shells(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    field(check, "shells", 6, |shell, entry| {
        format!("Blacklisted shell '{shell}' found in image's /etc/passwd: pentry={entry}")
    })
}

/// Fires for each entry that has any of the listed values in the field at `position`.
fn field(
    check: &mut Check<'_, '_>,
    parameter: &str,
    position: usize,
    message: impl Fn(&str, &str) -> String,
) -> Result<(), TriggerError> {
    let Some(text) = text(check)? else { return Ok(()) };
    let listed = check.params.list(parameter);
    for entry in entries(&text) {
        let Some(value) = entry.split(':').nth(position) else {
            if !check.repair("Q-17") {
                return Err(TriggerError::Unanswerable(format!("the line `{entry}` of {PATH} has too few fields")));
            }
            continue;
        };
        if listed.iter().any(|listed| listed == value) {
            check.fire(message(value, entry), remedy(entry));
            check.about_path(&PATH);
        }
    }
    Ok(())
}

fn full_entry(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let Some(text) = text(check)? else { return Ok(()) };
    let wanted = check.params.text("entry").unwrap_or_default().trim();
    if entries(&text).contains(&wanted) {
        check.fire(
            format!("Blacklisted pentry '{wanted}' found in image's /etc/passwd: pentry={wanted}"),
            remedy(wanted),
        );
        check.about_path(&PATH);
    }
    Ok(())
}

fn remedy(entry: &str) -> String {
    format!("remove the user `{}` or change its entry in /etc/passwd", name_of(entry))
}
