//! Dockerfiles as lines of instructions: one that was supplied, or what the history of an image suggests
//! ([`killick_model::dockerfile`]).
//!
//! No stages, no variables, no heredocs, no parser directives: rules were written against lines. The original
//! also fails to join continued lines; that is repaired (register) and kept for compatibility.

use killick_model::dockerfile::infer;
use killick_model::image::ImageConfig;

use crate::evaluate::Compatibility;

/// Most history steps that a guess reads.
const MAX_STEPS: usize = 10_000;

/// The lines of a Dockerfile with their keywords, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Instructions(Vec<(String, String)>);

impl Instructions {
    /// Reads a text.
    pub(crate) fn parse(text: &str, compatibility: Compatibility) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let joint = match compatibility {
            Compatibility::Repaired => "\\",
            Compatibility::Engine11 => "\\$",
        };
        let mut out = Self::default();
        let mut pending = String::new();
        for line in lines {
            let continued = match compatibility {
                Compatibility::Repaired => line.strip_suffix(joint).map(str::to_owned),
                Compatibility::Engine11 => line.contains(joint).then(|| line.replace(joint, "")),
            };
            if let Some(part) = continued {
                pending.push_str(&part);
                continue;
            }
            pending.push_str(line);
            out.push(std::mem::take(&mut pending));
        }
        // The original loses a continued last line; Docker does not.
        if compatibility == Compatibility::Repaired && !pending.trim().is_empty() {
            out.push(pending.trim().to_owned());
        }
        out
    }

    /// What the history and the configuration of an image suggest.
    pub(crate) fn guess(config: &ImageConfig, compatibility: Compatibility) -> Self {
        if compatibility == Compatibility::Engine11 {
            return Self::parse(&original_guess(config), compatibility);
        }
        let mut out = Self::default();
        for line in infer(config) {
            let line = line.trim();
            if !line.starts_with('#') {
                out.push(line.to_owned());
            }
        }
        out
    }

    fn push(&mut self, line: String) {
        let keyword = line.split(' ').next().unwrap_or_default().to_uppercase();
        self.0.push((keyword, line));
    }

    /// Whether nothing was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keywords and whole lines, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(keyword, line)| (keyword.as_str(), line.as_str()))
    }

    /// Whole lines of one keyword, in order.
    pub(crate) fn of<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == keyword).map(|(_, line)| line.as_str())
    }
}

/// The text that the original infers, which knows only the classic builder's notation.
fn original_guess(config: &ImageConfig) -> String {
    let mut lines = vec!["FROM scratch".to_owned()];
    for step in config.history.iter().take(MAX_STEPS) {
        let Some(command) = step.created_by.as_deref().filter(|command| !command.is_empty()) else { continue };
        match command.strip_prefix("/bin/sh -c #(nop)") {
            Some(rest) if rest.starts_with(' ') => lines.push(rest.trim_start().to_owned()),
            _ => lines.push(format!("RUN {command}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use killick_model::image::History;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn config(steps: &[&str], config: Value) -> ImageConfig {
        let history =
            steps.iter().map(|&step| History { created_by: Some(step.into()), ..History::default() }).collect();
        ImageConfig { config, history, ..ImageConfig::default() }
    }

    fn lines(instructions: &Instructions) -> Vec<&str> {
        instructions.0.iter().map(|(_, line)| line.as_str()).collect()
    }

    #[test]
    fn lines_are_read_with_their_keywords() {
        let read = Instructions::parse("# syntax\n\n  from a\nRun b\nRUN\tx\n", Compatibility::Repaired);
        assert_eq!(read.of("FROM").collect::<Vec<_>>(), ["from a"]);
        assert_eq!(read.of("RUN").collect::<Vec<_>>(), ["Run b"]);
        assert_eq!(read.of("RUN\tX").collect::<Vec<_>>(), ["RUN\tx"]);
        assert!(Instructions::parse("# only\n\n# comments", Compatibility::Repaired).is_empty());
    }

    #[test]
    fn continued_lines_are_joined_unless_the_original_is_wanted() {
        let text = "RUN a && \\\n  b";
        assert_eq!(lines(&Instructions::parse(text, Compatibility::Repaired)), ["RUN a && b"]);
        assert_eq!(lines(&Instructions::parse(text, Compatibility::Engine11)), ["RUN a && \\", "b"]);
        let text = "RUN echo \\$HOME\nUSER bob";
        assert_eq!(lines(&Instructions::parse(text, Compatibility::Repaired)), ["RUN echo \\$HOME", "USER bob"]);
        assert_eq!(lines(&Instructions::parse(text, Compatibility::Engine11)), ["RUN echo HOMEUSER bob"]);
    }

    #[test]
    fn a_guess_knows_both_builders_and_the_configuration() {
        let image = config(
            &[
                "/bin/sh -c #(nop) ADD file:1 in /",
                "/bin/sh -c #(nop)  EXPOSE map[443/tcp:{}]",
                "USER app",
                "EXPOSE map[8080/tcp:{}]",
                "RUN /bin/sh -c apt-get\n update # buildkit",
                "/bin/sh -c make",
            ],
            json!({"User": "app", "ExposedPorts": {"443/tcp": {}, "53/udp": {}}, "Healthcheck": {"Test": ["CMD", "x"]}}),
        );
        assert_eq!(
            lines(&Instructions::guess(&image, Compatibility::Repaired)),
            [
                "FROM scratch",
                "ADD file:1 in /",
                "EXPOSE 443/tcp",
                "USER app",
                "EXPOSE 8080/tcp",
                "RUN apt-get update",
                "RUN /bin/sh -c make",
                "EXPOSE 53/udp",
                "HEALTHCHECK CMD [\"x\"]"
            ]
        );
        assert_eq!(
            original_guess(&image),
            "FROM scratch\nADD file:1 in /\nEXPOSE map[443/tcp:{}]\nRUN USER app\nRUN EXPOSE map[8080/tcp:{}]\n\
             RUN RUN /bin/sh -c apt-get\n update # buildkit\nRUN /bin/sh -c make"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "([A-Z]{1,6}[ \\t\\\\$#a-z\\[\\]:{}]{0,12}\\n?){0,8}") {
            for compatibility in [Compatibility::Repaired, Compatibility::Engine11] {
                let _ = Instructions::parse(&text, compatibility);
                let _ = Instructions::guess(&config(&[&text], json!({"User": text})), compatibility);
            }
        }
    }
}
