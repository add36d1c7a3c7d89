//! The Dockerfile that the history of an image suggests.
//!
//! A history (OCI image specification, config.md, "history") has what each step was made by, in words that its builder
//! chose and no document specifies. Three families are read:
//!
//! - Docker's classic builder and Buildah: `/bin/sh -c #(nop) CMD ["x"]` for what changes the configuration,
//!   `/bin/sh -c make` or `|1 A=b /bin/sh -c make` for `RUN`.
//! - `BuildKit`: `CMD ["x"]`, `COPY . /app # buildkit`, `RUN |1 A=b /bin/sh -c make # buildkit`; kaniko without the mark.
//! - Tools that build without a Dockerfile, such as jib, ko and Bazel: their word becomes a comment.
//!
//! What both builders print as Go values (`EXPOSE map[80/tcp:{}]`, `HEALTHCHECK &{["CMD" "x"] "30s" …}`) is written as it
//! would be in a Dockerfile. `RUN` of the classic builder keeps its shell, as v1 shows it and policies know it.

use serde_json::Value;

use crate::image::ImageConfig;

mod go_values;

use go_values::{health, list, quoted};

/// Most history steps that are read.
const MAX_STEPS: usize = 10_000;

/// Instructions that a step may begin with.
const KEYWORDS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Beginnings of what tools write that build without a Dockerfile.
const TOOLS: [&str; 9] =
    ["apko", "bazel ", "buildpacks", "jib", "ko build", "ko publish", "nix", "rules_docker", "rules_oci"];

/// The lines of the Dockerfile, without line breaks: `FROM scratch`, one for each step, and what the configuration says
/// that no step does.
pub fn infer(config: &ImageConfig) -> Vec<String> {
    let mut lines = vec!["FROM scratch".to_owned()];
    let mut shell = "/bin/sh -c".to_owned();
    for step in config.history.iter().take(MAX_STEPS) {
        let Some(line) = step.created_by.as_deref().and_then(|command| instruction(command, &shell)) else { continue };
        if let Some(words) =
            line.strip_prefix("SHELL ").and_then(|words| serde_json::from_str::<Vec<String>>(words).ok())
        {
            shell = words.join(" ");
        }
        lines.push(line);
    }
    complete(&mut lines, &config.config);
    lines
}

/// The same as one text.
pub fn text(config: &ImageConfig) -> String {
    infer(config).join("\n")
}

/// The instruction that a step stands for.
fn instruction(command: &str, shell: &str) -> Option<String> {
    // A step is one instruction, however many lines its command has.
    let command = if command.contains('\n') {
        command.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    } else {
        command.to_owned()
    };
    let plain = command.trim();
    let plain = plain.strip_suffix("# buildkit").unwrap_or(plain).trim();
    if plain.is_empty() {
        return None;
    }
    if let Some((before, rest)) = command.split_once("#(nop)")
        && is_shell(before)
    {
        let rest = rest.trim_start();
        return (!rest.is_empty()).then(|| normal(rest));
    }
    let keyword = plain.split(' ').next().unwrap_or_default();
    if keyword == "RUN" {
        let run = without_arguments(plain.get(4..).unwrap_or_default().trim(), shell);
        let words = [shell, "/bin/sh -c"].into_iter().find_map(|shell| run.strip_prefix(shell)?.strip_prefix(' '));
        return Some(format!("RUN {}", words.unwrap_or(run).trim()));
    }
    if KEYWORDS.contains(&keyword) {
        return Some(normal(plain));
    }
    let lower = plain.to_ascii_lowercase();
    if plain.starts_with('#') {
        return Some(plain.to_owned());
    }
    if TOOLS.iter().any(|tool| lower.starts_with(tool)) {
        return Some(format!("# {plain}"));
    }
    Some(format!("RUN {}", without_arguments(plain, shell)))
}

/// What stands before `#(nop)`: a shell with its options and nothing that it would run.
fn is_shell(before: &str) -> bool {
    let before = before.trim();
    ["-c", "/C", "/c", "-Command"].iter().any(|option| before.ends_with(option)) || before.starts_with('|')
}

/// A command without `|2 NAME=value NAME=value`, the build arguments that both builders put before it. Values may have
/// blanks in them, so the shell is what ends them.
fn without_arguments<'c>(command: &'c str, shell: &str) -> &'c str {
    let Some(arguments) = command.strip_prefix('|') else { return command };
    let counts = arguments
        .split(' ')
        .next()
        .is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()));
    let shells = [shell, "/bin/sh -c", "/bin/bash -c", "cmd /S /C"];
    let at = shells.iter().filter_map(|shell| command.find(&format!(" {shell} "))).min();
    at.filter(|_| counts).and_then(|at| command.get(at + 1..)).unwrap_or(command)
}

/// An instruction without Go's way of printing values.
fn normal(line: &str) -> String {
    let Some((keyword, value)) = line.split_once(' ') else { return line.to_owned() };
    let value = value.trim_start();
    let json = |words: &[String]| serde_json::to_string(words).unwrap_or_default();
    let written = match keyword {
        "CMD" | "ENTRYPOINT" | "SHELL" => {
            let inner = value.trim_end().strip_prefix("&{").and_then(|inner| inner.strip_suffix('}'));
            let inner = inner.unwrap_or(value);
            quoted(inner).or_else(|| if keyword == "SHELL" { list(inner) } else { None }).map(|words| json(&words))
        }
        "EXPOSE" | "VOLUME" => list(value).map(|words| words.join(" ")),
        "USER" | "STOPSIGNAL" => list(value).filter(|words| words.len() == 1).map(|words| words.concat()),
        "HEALTHCHECK" => health(value),
        _ => None,
    };
    written.map_or_else(|| line.to_owned(), |value| format!("{keyword} {value}"))
}

/// Adds what the runtime configuration says and no instruction does.
fn complete(lines: &mut Vec<String>, config: &Value) {
    let has = |lines: &[String], keyword: &str| {
        lines.iter().any(|line| line.strip_prefix(keyword).is_some_and(|rest| rest.starts_with(' ')))
    };
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let keys =
        |key: &str| config.get(key).and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str());
    if let Some(directory) = text("WorkingDir").filter(|directory| *directory != "/" && !has(lines, "WORKDIR")) {
        lines.push(format!("WORKDIR {directory}"));
    }
    if let Some(user) = text("User") {
        let line = format!("USER {user}");
        let last = lines.iter().rfind(|line| line.starts_with("USER ")).map(|line| line.trim_end());
        if last != Some(line.as_str()) {
            lines.push(line);
        }
    }
    let exposed: Vec<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("EXPOSE "))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    for port in keys("ExposedPorts") {
        let bare = port.strip_suffix("/tcp").unwrap_or(port);
        if !exposed.iter().any(|token| token == port || token == bare) {
            lines.push(format!("EXPOSE {port}"));
        }
    }
    if !has(lines, "VOLUME") {
        lines.extend(keys("Volumes").map(|path| format!("VOLUME {path}")));
    }
    if let Some(signal) = text("StopSignal").filter(|_| !has(lines, "STOPSIGNAL")) {
        lines.push(format!("STOPSIGNAL {signal}"));
    }
    let words = |value: Option<&Value>| -> Vec<String> {
        let words = value.and_then(Value::as_array).into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let test = words(config.get("Healthcheck").and_then(|check| check.get("Test")));
    if let Some((kind, command)) = test.split_first().filter(|(kind, _)| *kind != "NONE" && !has(lines, "HEALTHCHECK"))
    {
        let command =
            if kind == "CMD" { serde_json::to_string(command).unwrap_or_default() } else { command.join(" ") };
        lines.push(format!("HEALTHCHECK CMD {command}"));
    }
    for (key, keyword) in [("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")] {
        let words = words(config.get(key));
        if !words.is_empty() && !has(lines, keyword) {
            lines.push(format!("{keyword} {}", serde_json::to_string(&words).unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests;
