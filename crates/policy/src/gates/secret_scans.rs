//! Keys, tokens and passwords that the secret search found.

use std::collections::BTreeMap;

use killick_model::path::ImagePath;

use super::files::named_pattern;
use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};

pub(super) const GATE: Gate = Gate {
    name: "secret_scans",
    description: "Keys, tokens and passwords in files of the image.",
    state: State::Active,
    superseded_by: None,
    triggers: &[Trigger {
        name: "content_regex_checks",
        description: "Fires for each file and each rule of the secret search that found something in it, or if none \
                      did.",
        params: &[
            Parameter::optional(
                "content_regex_name",
                Validator::Text,
                Some("AWS_ACCESS_KEY"),
                "Only these rules: names with commas between, or the text of one pattern.",
            ),
            Parameter::optional(
                "filename_regex",
                Validator::Text,
                Some("/etc/.*"),
                "Only files whose path matches, from the leading slash on.",
            )
            .regex(),
            Parameter::optional(
                "match_type",
                Validator::OneOf(&["notfound", "found"]),
                Some("found"),
                "Whether it fires for what is found or if nothing is. Default: found.",
            ),
        ],
        check: content_regex_checks,
    }],
};

/// The patterns the original has under these names. They are part of its trigger ids, so they stand for ours there.
const ORIGINAL_PATTERNS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY", r"(?i).*aws_access_key_id( *=+ *).*(?<![A-Z0-9])[A-Z0-9]{20}(?![A-Z0-9]).*"),
    (
        "AWS_SECRET_KEY",
        r"(?i).*aws_secret_access_key( *=+ *).*(?<![A-Za-z0-9/+=])[A-Za-z0-9/+=]{40}(?![A-Za-z0-9/+=]).*",
    ),
    ("PRIV_KEY", r"(?i)-+BEGIN(.*)PRIVATE KEY-+"),
    ("DOCKER_AUTH", r#"(?i).*"auth": *".+""#),
    ("API_KEY", r"(?i).*api(-|_)key( *=+ *).*(?<![A-Z0-9])[A-Z0-9]{20,60}(?![A-Z0-9]).*"),
];

/// What one rule found in one file.
struct Hit<'e> {
    path: &'e ImagePath,
    rule: &'e str,
    /// Its pattern: the original's where it has one of the name, and what findings print.
    pattern: &'e str,
    /// The pattern that was searched for.
    own_pattern: &'e str,
    /// The rule came with the search, so its pattern changes with releases and is no part of ids.
    is_built_in: bool,
    /// Only in lower layers: upper ones replaced or deleted the file.
    is_hidden: bool,
    /// The first line.
    line: u64,
}

/// What was found, once for each file and rule, in the order of both; `None` where nobody looked.
fn hits<'e>(check: &Check<'_, 'e>) -> Option<Vec<Hit<'e>>> {
    let scan = check.evidence.analysis.inspection.secrets.as_ref()?;
    let mut hits: BTreeMap<(&ImagePath, &str), Hit<'_>> = BTreeMap::new();
    for secret in &scan.findings {
        let own_pattern = scan.patterns.get(&secret.rule).map_or("", String::as_str);
        let original = ORIGINAL_PATTERNS.iter().find(|(name, _)| *name == secret.rule).map(|(_, pattern)| *pattern);
        let hit = hits.entry((&secret.path, &secret.rule)).or_insert_with(|| Hit {
            path: &secret.path,
            rule: &secret.rule,
            pattern: original.unwrap_or(own_pattern),
            own_pattern,
            is_built_in: original.is_none() && !secret.about.is_empty(),
            is_hidden: true,
            line: u64::MAX,
        });
        if hit.is_hidden && !secret.is_hidden {
            (hit.is_hidden, hit.line) = (false, secret.line);
        } else if hit.is_hidden == secret.is_hidden {
            hit.line = hit.line.min(secret.line);
        }
    }
    Some(hits.into_values().collect())
}

impl Hit<'_> {
    /// Whether the parameter names it: by name, one of several, or by its pattern.
    fn is_named(&self, names: &str) -> bool {
        names == self.pattern || names == self.own_pattern || names.split(',').any(|name| name.trim() == self.rule)
    }

    /// The same in the original, which looks for name and pattern inside the parameter.
    fn is_named_by_engine(&self, names: &str) -> bool {
        let mut texts = [self.pattern, self.own_pattern, self.rule].into_iter();
        texts.any(|text| !text.is_empty() && names.contains(text))
    }

    fn printed(&self) -> String {
        if self.is_built_in || self.pattern.is_empty() {
            self.rule.to_owned()
        } else {
            named_pattern(self.rule, self.pattern)
        }
    }

    fn remedy(&self) -> String {
        let (path, line) = (self.path, self.line);
        if self.is_hidden {
            format!("revoke the secret at `{path}:{line}`, and rebuild without the layer that has it")
        } else {
            format!("revoke the secret at `{path}:{line}`, and give it to the container when it runs")
        }
    }
}

fn content_regex_checks(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let params = check.params;
    let hits = hits(check);
    if hits.is_none() {
        check.warn_unseen("secrets were not searched for");
    }
    let hits = hits.unwrap_or_default();
    let names = params.text("content_regex_name").filter(|names| !names.is_empty());
    let path_regex = check.regex("filename_regex")?;
    let wants_none = params.text("match_type") == Some("notfound");
    let mut is_found = false;
    for hit in &hits {
        if let Some(regex) = &path_regex
            && !regex.is_match(&hit.path.to_string())?
        {
            continue;
        }
        if let Some(names) = names {
            let (ours, theirs) = (hit.is_named(names), hit.is_named_by_engine(names));
            let is_named = if ours == theirs || check.repair("Q-10") { ours } else { theirs };
            if !is_named {
                continue;
            }
        }
        if hit.is_hidden && !check.repair("Q-50") {
            continue;
        }
        is_found = true;
        if !wants_none {
            check.fire(
                format!(
                    "Secret content search analyzer found regexp match in container: file={} regexp={}",
                    hit.path,
                    hit.printed()
                ),
                hit.remedy(),
            );
            check.about_path(&hit.path);
        }
    }
    if wants_none && !is_found {
        check.fire(
            format!(
                "Secret content search analyzer did not find regexp match in container: filename_regex={} \
                 content_regex_name={}",
                path_regex.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string),
                names.unwrap_or("all")
            ),
            "add to the image what the rule asks for, or remove the rule".to_owned(),
        );
    }
    Ok(())
}
