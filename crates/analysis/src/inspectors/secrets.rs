//! Secrets: keys, tokens and passwords that should not be in an image.
//!
//! What they look like is data (`secrets/rules.toml`). A finding never has the secret: it has the rule, the place, at most
//! its first few characters and a digest of it, so that the same secret can be recognised elsewhere.
//!
//! Files of lower layers that upper ones replaced or deleted are searched too, because anybody who can pull the image
//! can read them.

mod check;
mod rules;

use std::collections::{BTreeMap, HashSet};

use globset::Candidate;
use killick_model::inspection::{Inspection, Secret, SecretScan};
use killick_model::problem::Problem;
use regex::bytes::Captures;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rules::{Reach, Rule};
use super::{Asks, Hit, Inspector, Seen, SeenFile, required};
use crate::inspectors::settings::{Pattern, Settings, SettingsError, check_patterns};
use rules::{RULES, SecretRule};

/// Most findings of one image.
const MAX_SECRETS: usize = 20_000;

/// The inspector.
pub(super) struct Secrets;

impl Inspector for Secrets {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError> {
        let settings = &settings.secrets;
        if !settings.enabled {
            return Ok(None);
        }
        check_patterns("secrets.patterns", &settings.patterns)?;
        let own = settings.patterns.iter().map(own_rule);
        let rules = RULES.iter().map(|rule| Ok(rule.compiled())).chain(own).collect::<Result<_, _>>()?;
        let key = settings.patterns.iter().map(|pattern| format!("{:?}\n", pattern.regex)).collect();
        Ok(Some(Asks { key, rules, ..Asks::default() }))
    }

    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, problems: &mut Vec<Problem>) {
        let settings = &seen.settings.secrets;
        let mut secrets: Vec<Secret> = Vec::new();
        let mut left_out = 0_usize;
        for file in seen.hits {
            let mut found = of_file(file, &settings.patterns);
            found.retain(|secret| !settings.ignore.contains(&secret.rule));
            left_out += (secrets.len() + found.len()).saturating_sub(MAX_SECRETS);
            found.truncate(MAX_SECRETS - secrets.len());
            secrets.append(&mut found);
        }
        if left_out > 0 {
            let message = format!("{left_out} more secrets are not shown");
            problems.push(Problem::new("limit-secrets", "image", message));
        }
        inspection.secrets = Some(SecretScan { patterns: patterns(&secrets, &settings.patterns), findings: secrets });
    }
}

/// What a hit notes. Nothing of it tells the secret.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    preview: String,
    fingerprint: [u8; 8],
}

impl Note {
    fn of(secret: &[u8], preview: String) -> Option<Vec<u8>> {
        let mut hash = Sha256::new();
        hash.update(b"killick secret\0");
        hash.update(secret);
        let mut fingerprint = [0; 8];
        fingerprint.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        postcard::to_stdvec(&Self { preview, fingerprint }).ok()
    }
}

/// The first four characters, which in most tokens only say whose it is; of short secrets nothing.
fn preview(secret: &[u8]) -> String {
    let shown = if secret.len() < 20 { 0 } else { 4 };
    let shown = secret.iter().take(shown).map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '.' });
    shown.chain(['…']).collect()
}

impl SecretRule {
    fn compiled(&'static self) -> Rule {
        Rule {
            keywords: self.keywords.clone(),
            regex: self.regex.clone(),
            reach: self.reach,
            judge: Some(Box::new(|captures: &Captures<'_>| {
                let secret = captures.get(1)?.as_bytes();
                if self.accepts(secret) { Note::of(secret, preview(secret)) } else { None }
            })),
        }
    }
}

/// A pattern of the user's: any line that it matches.
fn own_rule(pattern: &Pattern) -> Result<Rule, SettingsError> {
    let regex = pattern.compile()?;
    let keywords = required::keywords(&pattern.regex);
    let judge = |captures: &Captures<'_>| Note::of(captures.get(0)?.as_bytes(), preview(b""));
    Ok(Rule { keywords, regex: regex.into(), reach: Reach::Line, judge: Some(Box::new(judge)) })
}

fn of_file(file: &SeenFile<'_>, own: &[Pattern]) -> Vec<Secret> {
    let path = std::ffi::OsStr::new(std::str::from_utf8(file.path.as_bytes()).unwrap_or_default());
    let candidate = Candidate::new(path);
    let mut found: Vec<(Secret, bool)> = Vec::new();
    for hit in file.hits {
        let number = usize::from(hit.rule);
        let (rule, about, yields) = if let Some(rule) = RULES.get(number) {
            if !rule.files.as_ref().is_none_or(|files| files.is_match_candidate(&candidate)) {
                continue;
            }
            (rule.name.as_str(), rule.about.as_str(), rule.yields)
        } else {
            let Some(pattern) = own.get(number - RULES.len()) else { continue };
            (pattern.name.as_str(), "", false)
        };
        let Some(secret) = secret(file, hit, rule, about) else { continue };
        found.push((secret, yields));
    }
    let others: HashSet<String> =
        found.iter().filter(|(_, yields)| !yields).map(|(secret, _)| secret.fingerprint.clone()).collect();
    found.retain(|(secret, yields)| !yields || !others.contains(&secret.fingerprint));
    let mut secrets: Vec<Secret> = found.into_iter().map(|(secret, _)| secret).collect();
    secrets.sort_by(|a, b| (a.line, &a.rule, &a.fingerprint).cmp(&(b.line, &b.rule, &b.fingerprint)));
    secrets.dedup_by(|a, b| (a.line, &a.rule, &a.fingerprint) == (b.line, &b.rule, &b.fingerprint));
    secrets
}

/// The patterns of the rules that found something, those of one name joined.
fn patterns(secrets: &[Secret], own: &[Pattern]) -> BTreeMap<String, String> {
    let built_in = RULES.iter().map(|rule| (&rule.name, rule.regex.as_str()));
    let all = built_in.chain(own.iter().map(|pattern| (&pattern.name, pattern.regex.as_str())));
    let found: HashSet<&String> = secrets.iter().map(|secret| &secret.rule).collect();
    let mut patterns: BTreeMap<String, String> = BTreeMap::new();
    for (name, regex) in all.filter(|(name, _)| found.contains(name)) {
        let pattern = patterns.entry(name.clone()).or_default();
        if !pattern.is_empty() {
            pattern.push('|');
        }
        pattern.push_str(regex);
    }
    patterns
}

fn secret(file: &SeenFile<'_>, hit: &Hit, rule: &str, about: &str) -> Option<Secret> {
    let note: Note = postcard::from_bytes(&hit.note).ok()?;
    Some(Secret {
        rule: rule.to_owned(),
        about: about.to_owned(),
        path: file.path.clone(),
        layer: file.layer,
        line: hit.line,
        preview: note.preview,
        fingerprint: hex::encode(note.fingerprint),
        is_hidden: !file.is_visible,
    })
}

#[cfg(test)]
mod tests;
