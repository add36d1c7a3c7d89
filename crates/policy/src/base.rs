//! What an image was built on, as far as the image and its Dockerfile tell.
//!
//! Nothing proves it. Names come from the last `FROM` of a supplied Dockerfile, else from the annotations that the OCI image
//! specification reserves (`org.opencontainers.image.base.name` and `.digest`, annotations.md) where they are labels. Where
//! the base ends comes from the number of instructions behind that `FROM`, else from the history: images are
//! usually finished with `CMD` or `ENTRYPOINT`, so what is built on one comes after.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::Timestamp;
use killick_model::image::ImageConfig;
use killick_model::reference::Reference;

use crate::dockerfile::Instructions;

/// Most `FROM`s and variables that are followed.
const MAX_STAGES: usize = 1000;

/// What is known of the base of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Base {
    /// As written, and completed: `debian:12`, `docker.io/library/debian:12`. `scratch` for none.
    pub(crate) names: Vec<String>,
    /// Of its manifest or index.
    pub(crate) digests: Vec<String>,
    /// How many of the image's layers are the base's; `None` where nothing tells.
    pub(crate) layers: Option<u32>,
    /// When its last step was made, or else its first.
    pub(crate) built: Option<Timestamp>,
}

impl Base {
    /// Reads a supplied Dockerfile, if there is one, and the configuration.
    pub(crate) fn of(dockerfile: Option<&Instructions>, config: &ImageConfig) -> Self {
        let stage = dockerfile.and_then(last_stage);
        let mut base = Self::default();
        let label = |key: &str| config.config.get("Labels")?.get(key)?.as_str().filter(|text| !text.is_empty());
        if let Some(stage) = &stage {
            base.name(&stage.from);
        } else {
            if let Some(name) = label("org.opencontainers.image.base.name") {
                base.name(name);
            }
            base.digests.extend(label("org.opencontainers.image.base.digest").map(str::to_owned));
        }
        let steps = match &stage {
            Some(stage) => config.history.len().checked_sub(stage.steps),
            None => finished_before(config),
        };
        let of_base = steps.map(|steps| config.history.iter().take(steps));
        base.layers = of_base
            .clone()
            .map(|steps| u32::try_from(steps.filter(|step| !step.empty_layer).count()).unwrap_or(u32::MAX));
        let instant = |text: Option<&str>| text?.parse::<Timestamp>().ok().filter(|instant| is_real(*instant));
        base.built = match of_base {
            Some(steps) => steps.filter_map(|step| instant(step.created.as_deref())).max(),
            // The lowest layer is never newer than the base it belongs to.
            None => config
                .history
                .iter()
                .find(|step| !step.empty_layer)
                .map_or(config.created.as_deref(), |step| step.created.as_deref())
                .and_then(|text| instant(Some(text))),
        };
        base
    }

    fn name(&mut self, text: &str) {
        let mut known = vec![text.to_owned()];
        if text != "scratch"
            && let Ok(reference) = Reference::from_str(text)
        {
            known.push(reference.to_string());
        }
        self.digests.extend(text.split_once('@').map(|(_, digest)| digest.to_owned()));
        known.dedup();
        self.names = known;
    }
}

/// Builds that can be repeated have no time but the beginning of an epoch, Unix's or DOS's.
fn is_real(instant: Timestamp) -> bool {
    const AFTER: i64 = 11 * 366 * 86_400;
    instant.as_second() > AFTER
}

/// The image that the last stage is made of, and how many steps it adds.
struct Stage {
    from: String,
    steps: usize,
}

/// Follows the last `FROM` to an image, through stages of the same file.
fn last_stage(dockerfile: &Instructions) -> Option<Stage> {
    let mut stages: Vec<(String, Option<String>, usize)> = Vec::new();
    let mut variables = BTreeMap::new();
    for (keyword, line) in dockerfile.lines() {
        match keyword {
            "FROM" => {
                let mut words = line.split_whitespace().skip(1).skip_while(|word| word.starts_with("--"));
                let from = substitute(words.next()?, &variables);
                let name = words.next().filter(|word| word.eq_ignore_ascii_case("as")).and_then(|_| words.next());
                stages.push((from, name.map(str::to_lowercase), 0));
            }
            // Only what stands before the first stage counts in a `FROM`.
            "ARG" if stages.is_empty() && variables.len() < MAX_STAGES => {
                let (name, value) = line.split_once(char::is_whitespace)?.1.trim().split_once('=').unwrap_or_default();
                variables.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
            }
            _ => {
                if let Some((_, _, steps)) = stages.last_mut() {
                    *steps += 1;
                }
            }
        }
    }
    let (mut from, _, mut steps) = stages.last().cloned()?;
    // A stage can only be made of one before it, so this ends.
    let mut before = stages.len().checked_sub(1)?;
    while let Some(at) = stages.iter().take(before).rposition(|(_, name, _)| *name == Some(from.to_lowercase())) {
        let (next, _, more) = stages.get(at)?;
        steps = steps.saturating_add(*more);
        from.clone_from(next);
        before = at;
    }
    Some(Stage { from, steps })
}

/// `$NAME`, `${NAME}` and `${NAME:-value}`; what is not known stays as it is.
fn substitute(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        let (name, default) = name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
        let value = variables.get(name).map(String::as_str).filter(|value| !value.is_empty()).or(default);
        if let Some(value) = value {
            out.push_str(value);
        } else {
            out.push('$');
            out.push_str(after.strip_suffix(tail).unwrap_or(after));
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The number of steps up to the last `CMD` or `ENTRYPOINT` that a step with a layer follows.
fn finished_before(config: &ImageConfig) -> Option<usize> {
    let is_end = |command: &str| {
        let command = command.strip_prefix("/bin/sh -c #(nop)").unwrap_or(command).trim_start();
        ["CMD ", "CMD[", "ENTRYPOINT ", "ENTRYPOINT["].iter().any(|keyword| command.starts_with(keyword))
    };
    let last_layer = config.history.iter().rposition(|step| !step.empty_layer)?;
    let mut ends = config.history.iter().take(last_layer);
    ends.rposition(|step| step.empty_layer && step.created_by.as_deref().is_some_and(is_end)).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use killick_model::image::History;
    use serde_json::{Value, json};

    use super::*;
    use crate::evaluate::Compatibility;

    fn config(labels: &Value, steps: &[(&str, &str, bool)]) -> ImageConfig {
        let history = steps.iter().map(|&(created, command, empty_layer)| History {
            created: Some(created.to_owned()),
            created_by: Some(command.to_owned()),
            empty_layer,
            ..History::default()
        });
        ImageConfig { config: json!({"Labels": labels}), history: history.collect(), ..ImageConfig::default() }
    }

    fn stage(text: &str) -> Option<(String, usize)> {
        last_stage(&Instructions::parse(text, Compatibility::Repaired)).map(|stage| (stage.from, stage.steps))
    }

    #[test]
    fn the_last_from_is_followed_to_an_image() {
        for (text, want) in [
            ("FROM debian:12\nRUN a\nCMD b", Some(("debian:12", 2))),
            ("FROM --platform=linux/amd64 debian:12 AS x", Some(("debian:12", 0))),
            ("FROM a AS build\nRUN x\nFROM debian\nCOPY --from=build /x /x", Some(("debian", 1))),
            ("FROM debian AS Base\nRUN x\nFROM golang\nRUN y\nFROM base\nRUN z", Some(("debian", 2))),
            ("FROM a AS a\nRUN x\nFROM a AS a\nRUN y", Some(("a", 2))),
            ("ARG V=12\nARG N=\"debian\"\nFROM ${N}:$V-slim", Some(("debian:12-slim", 0))),
            ("FROM ${N:-debian}:${V}", Some(("debian:${V}", 0))),
            ("ARG V\nFROM a:$V", Some(("a:$V", 0))),
            ("RUN x", None),
            ("FROM", None),
        ] {
            assert_eq!(stage(text), want.map(|(from, steps)| (from.to_owned(), steps)), "{text}");
        }
    }

    #[test]
    fn labels_and_history_tell_where_there_is_no_dockerfile() {
        let labels = json!({
            "org.opencontainers.image.base.name": "debian:12", "org.opencontainers.image.base.digest": "sha256:1",
        });
        let steps = [
            ("2026-01-01T00:00:00Z", "/bin/sh -c #(nop) ADD file:1 in /", false),
            ("2026-01-01T00:00:01Z", "/bin/sh -c #(nop)  CMD [\"bash\"]", true),
            ("2026-01-02T00:00:00Z", "RUN a # buildkit", false),
            ("2026-01-02T00:00:01Z", "CMD [\"python3\"]", true),
            ("2026-01-03T00:00:00Z", "COPY . . # buildkit", false),
            ("2026-01-03T00:00:00Z", "CMD [\"app\"]", true),
        ];
        let base = Base::of(None, &config(&labels, &steps));
        assert_eq!(base.names, ["debian:12", "docker.io/library/debian:12"]);
        assert_eq!(base.digests, ["sha256:1"]);
        assert_eq!(
            (base.layers, base.built.map(|built| built.to_string())),
            (Some(2), Some("2026-01-02T00:00:01Z".into()))
        );

        let dockerfile =
            Instructions::parse("FROM debian@sha256:2\nRUN a\nCMD b\nCOPY . .\nCMD c", Compatibility::Repaired);
        let base = Base::of(Some(&dockerfile), &config(&labels, &steps));
        assert_eq!(
            (base.names.first().map(String::as_str), base.digests.as_slice()),
            (Some("debian@sha256:2"), &["sha256:2".to_owned()][..])
        );
        assert_eq!(base.layers, Some(1));

        // Nothing was built on it: when it was made itself is all there is.
        let alone = Base::of(None, &config(&json!(null), &steps[..2]));
        assert_eq!(
            (alone.layers, alone.built.map(|built| built.to_string())),
            (None, Some("2026-01-01T00:00:00Z".into()))
        );
        let repeatable = [("1970-01-01T00:00:00Z", "ADD a", false), ("1980-01-01T00:00:00Z", "CMD [\"a\"]", true)];
        assert_eq!(Base::of(None, &config(&json!(5), &repeatable)).built, None);
        assert_eq!(Base::of(None, &ImageConfig::default()), Base::default());
        let longer = Instructions::parse("FROM a\nRUN b", Compatibility::Repaired);
        assert_eq!(Base::of(Some(&longer), &ImageConfig::default()).layers, None, "more steps than the image has");
    }
}
