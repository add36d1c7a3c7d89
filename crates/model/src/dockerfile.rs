//! The Dockerfile an image may have been built from, guessed from its history.
//!
//! Nobody can tell where the base image ends, so the guess begins `FROM scratch` and holds the steps of the base.

use crate::image::ImageConfig;

/// One instruction a line, oldest first. Both the classic builder's and `BuildKit`'s way of writing history are
/// understood; what is neither is a command that was run.
pub fn guess(config: &ImageConfig) -> String {
    let mut text = String::from("FROM scratch\n");
    for step in config.history.iter().filter_map(|step| step.created_by.as_deref()) {
        let instruction = instruction(step);
        if !instruction.is_empty() {
            text.push_str(&instruction);
            text.push('\n');
        }
    }
    text
}

/// Instructions as `BuildKit` writes them into the history.
const INSTRUCTIONS: [&str; 15] = [
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
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
];

fn instruction(step: &str) -> String {
    let step = step.trim();
    if let Some(rest) = step.strip_prefix("/bin/sh -c #(nop)") {
        return ports(rest.trim());
    }
    let step = step.strip_suffix("# buildkit").unwrap_or(step).trim_end();
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    match word {
        "" => String::new(),
        "RUN" => format!("RUN {}", command(rest)),
        "WORKDIR" => step.to_owned(),
        word if INSTRUCTIONS.contains(&word) => ports(step),
        _ => format!("RUN {step}"),
    }
}

/// What a shell was given: `|1 version=2 /bin/sh -c make` is `make`.
fn command(text: &str) -> &str {
    let shell = "/bin/sh -c ";
    match text.find(shell) {
        Some(0) => &text[shell.len()..],
        Some(at) if text.starts_with('|') => &text[at + shell.len()..],
        _ => text,
    }
}

/// `EXPOSE map[80/tcp:{} 443/tcp:{}]` lists ports the way Go prints a map.
fn ports(instruction: &str) -> String {
    match instruction.strip_prefix("EXPOSE map[").and_then(|rest| rest.strip_suffix(']')) {
        Some(list) => format!("EXPOSE {}", list.replace(":{}", "")),
        None => instruction.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_builders_are_understood() {
        for (step, want) in [
            ("/bin/sh -c #(nop)  CMD [\"bash\"]", "CMD [\"bash\"]"),
            ("/bin/sh -c #(nop) ADD file:4b in / ", "ADD file:4b in /"),
            ("/bin/sh -c apt-get update", "RUN /bin/sh -c apt-get update"),
            ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
            ("RUN |1 version=2 /bin/sh -c make # buildkit", "RUN make"),
            ("COPY . /app # buildkit", "COPY . /app"),
            ("USER app", "USER app"),
            ("WORKDIR /app", "WORKDIR /app"),
            ("EXPOSE map[8080/tcp:{} 53/udp:{}]", "EXPOSE 8080/tcp 53/udp"),
            ("/bin/sh -c #(nop)  EXPOSE 80", "EXPOSE 80"),
            ("bazel build ...", "RUN bazel build ..."),
            ("", ""),
        ] {
            assert_eq!(instruction(step), want);
        }
    }
}
