//! What the Dockerfile says: the one supplied with the image, or the one its history suggests.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::evaluate::Compatibility;
use crate::evidence::DockerfileMode;
use crate::params::{Parameter, Validator};

const INSTRUCTIONS: &[&str] = &[
    "ADD",
    "ARG",
    "COPY",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "USER",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "VOLUME",
    "WORKDIR",
];
const CHECKS: &[&str] = &["=", "!=", "exists", "not_exists", "like", "not_like", "in", "not_in"];
const LIST_TYPES: &[&str] = &["whitelist", "blacklist"];

const ACTUAL_ONLY: Parameter = Parameter::optional(
    "actual_dockerfile_only",
    Validator::Boolean,
    Some("true"),
    "Judge only a Dockerfile that was supplied with the image, not one derived from its history. Default: false.",
);
const LIST_TYPE: Parameter = Parameter::required(
    "type",
    Validator::OneOf(LIST_TYPES),
    Some("blacklist"),
    "Whether the list names what is allowed (`whitelist`) or what is refused (`blacklist`).",
);

pub(super) const GATE: Gate = Gate {
    name: "dockerfile",
    description: "The Dockerfile supplied with the image or, without one, the instructions its history suggests.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "instruction",
            description: "Fires for each line of an instruction that meets the condition, or once if it must not be \
                          missing and is.",
            params: &[
                Parameter::required(
                    "instruction",
                    Validator::OneOf(INSTRUCTIONS),
                    Some("FROM"),
                    "The instruction, in capitals.",
                ),
                Parameter::required("check", Validator::OneOf(CHECKS), Some("="), "The condition."),
                Parameter::optional(
                    "value",
                    Validator::Text,
                    Some("scratch"),
                    "What the rest of the line is compared with; for `in` and `not_in` a list with commas, for `like` \
                     and `not_like` a regular expression that must match at the start.",
                ),
                ACTUAL_ONLY,
            ],
            check: instruction,
        },
        Trigger {
            name: "effective_user",
            description: "Fires if the user that processes run as is refused, or is not among those allowed.",
            params: &[
                Parameter::required("users", Validator::Text, Some("root,docker"), "User names with commas between."),
                LIST_TYPE,
            ],
            check: effective_user,
        },
        Trigger {
            name: "exposed_ports",
            description: "Fires for each exposed port that is refused, or is not among those allowed.",
            params: &[
                Parameter::required("ports", Validator::Numbers, Some("80,8080,8088"), "Port numbers."),
                LIST_TYPE,
                ACTUAL_ONLY,
            ],
            check: exposed_ports,
        },
        Trigger {
            name: "no_dockerfile_provided",
            description: "Fires if no Dockerfile was supplied with the image.",
            params: &[],
            check: no_dockerfile_provided,
        },
    ],
};

/// Whether there is a Dockerfile that the rule wants judged.
fn applies(check: &Check<'_, '_>) -> bool {
    let mode = check.shared.dockerfile_mode();
    if mode == DockerfileMode::Unknown || check.shared.dockerfile(check.compatibility).is_empty() {
        return false;
    }
    mode == DockerfileMode::Actual || check.params.flag("actual_dockerfile_only") != Some(true)
}

/// Notes which repairs of reading were in effect, where the two readings differ.
fn note_reading(check: &mut Check<'_, '_>) {
    let same = check.shared.dockerfile(Compatibility::Repaired) == check.shared.dockerfile(Compatibility::Engine11);
    if same {
        return;
    }
    if check.evidence.dockerfile.is_none() {
        check.repair("Q-09");
    } else {
        check.repair("Q-05");
    }
}

fn instruction(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    note_reading(check);
    if !applies(check) {
        return Ok(());
    }
    let (shared, params) = (check.shared, check.params);
    let keyword = params.text("instruction").unwrap_or_default();
    let condition = params.text("check").unwrap_or_default();
    let value = params.text("value").unwrap_or_default();
    let lines: Vec<&str> = shared.dockerfile(check.compatibility).of(keyword).collect();
    if condition == "not_exists" {
        if lines.is_empty() {
            check.fire(
                format!("Dockerfile directive '{keyword}' not found, matching condition '{condition}' check"),
                format!("add a `{keyword}` instruction to the Dockerfile"),
            );
        }
        return Ok(());
    }
    if condition != "exists" && value.is_empty() {
        return Ok(());
    }
    let regex = match condition {
        "like" | "not_like" if !lines.is_empty() => check.regex("value")?,
        _ => None,
    };
    for line in lines {
        let rest = line.get(keyword.len()..).unwrap_or_default().trim();
        let listed = || value.split(',').any(|item| item.trim() == rest);
        let fires = match condition {
            "=" => rest == value,
            "!=" => rest != value,
            "in" => listed(),
            "not_in" => !listed(),
            "exists" => true,
            like => match &regex {
                Some(regex) => regex.is_match(rest)? == (like == "like"),
                None => false,
            },
        };
        if fires {
            let remedy = match condition {
                "!=" | "not_in" => format!("write one of the wanted values ({value}) instead of `{line}`"),
                "not_like" => format!("change `{line}` so that it matches `{value}`"),
                _ => format!("remove or change the line `{line}`"),
            };
            check.fire(
                format!(
                    "Dockerfile directive '{keyword}' check '{condition}' matched against '{value}' for line '{rest}'"
                ),
                remedy,
            );
        }
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn effective_user(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    note_reading(check);
    if !applies(check) {
        return Ok(());
    }
    let shared = check.shared;
    let user = match shared.dockerfile(check.compatibility).of("USER").last() {
        None => "root",
        Some(line) => {
            // The original looks for capitals only and says nothing about `user root`.
            if !line.contains("USER") && !check.repair("Q-26") {
                return Ok(());
            }
            let Some(user) = user_of(line) else { return Ok(()) };
            user
        }
    };
    let listed = check
        .params
        .text("users")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .any(|item| !item.is_empty() && item == user);
    let remedy = || format!("end the Dockerfile with a `USER` instruction that names another user than `{user}`");
    match (check.params.text("type"), listed) {
        (Some("whitelist"), false) => {
            check.fire(format!("User {user} found as effective user, which is not on the allowed list"), remedy());
        }
        (Some("blacklist"), true) => {
            check.fire(format!("User {user} found as effective user, which is explicity not allowed"), remedy());
        }
        _ => {}
    }
    Ok(())
}

/// The user of a `USER` line: without the brackets some builders write.
fn user_of(line: &str) -> Option<&str> {
    let rest = line.get("USER".len()..)?;
    let trimmed = rest.trim_start();
    if trimmed.len() == rest.len() {
        return None;
    }
    let inner = trimmed.strip_prefix('[').unwrap_or(trimmed);
    let user = inner.split(']').next().unwrap_or_default();
    (!user.is_empty()).then_some(user)
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn exposed_ports(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    note_reading(check);
    if !applies(check) {
        return Ok(());
    }
    let (shared, params) = (check.shared, check.params);
    let ports = params.list("ports");
    let allowed = params.text("type") == Some("whitelist");
    for line in shared.dockerfile(check.compatibility).of("EXPOSE") {
        let Some(rest) = line.strip_prefix("EXPOSE").or_else(|| line.strip_prefix("expose")) else { continue };
        let mut tokens: Vec<&str> = rest.split_whitespace().collect();
        if allowed {
            for port in ports {
                remove_allowed(check, &mut tokens, port);
            }
            for token in tokens {
                check.fire(
                    format!("Dockerfile exposes port ({token}) which is not in policy file ALLOWEDPORTS list"),
                    format!("remove `{token}` from `{line}`"),
                );
            }
            continue;
        }
        for port in ports {
            let named = [port.clone(), format!("{port}/tcp"), format!("{port}/udp")];
            if let Some(token) = named.iter().find(|token| tokens.contains(&token.as_str())) {
                check.fire(
                    format!("Dockerfile exposes port ({token}) which is in policy file DENIEDPORTS list"),
                    format!("remove `{token}` from `{line}`"),
                );
            }
        }
    }
    Ok(())
}

/// Takes the forms of an allowed port out of the tokens of a line.
fn remove_allowed(check: &mut Check<'_, '_>, tokens: &mut Vec<&str>, port: &str) {
    let named = [port.to_owned(), format!("{port}/tcp"), format!("{port}/udp")];
    let occurrences = |tokens: &[&str], name: &str| tokens.iter().filter(|&&token| token == name).count();
    if named.iter().any(|name| occurrences(tokens, name) > 1) && check.repair("Q-07") {
        tokens.retain(|token| !named.iter().any(|name| name == token));
        return;
    }
    // The original removes one of each, again only while it found one for UDP.
    loop {
        let mut again = false;
        for name in &named {
            let Some(at) = tokens.iter().position(|token| token == name) else { continue };
            tokens.remove(at);
            again = name.ends_with("/udp");
        }
        if !again {
            return;
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn no_dockerfile_provided(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    if check.shared.dockerfile_mode() != DockerfileMode::Actual {
        check.fire(
            "Image was not analyzed with an actual Dockerfile".to_owned(),
            "supply the Dockerfile when the image is added".to_owned(),
        );
    }
    Ok(())
}
