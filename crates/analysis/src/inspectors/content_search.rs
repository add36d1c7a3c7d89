//! Patterns of the user's, looked for in every line of every file, text or not.
//!
//! A pattern must match from the beginning of a line, as Python's `re.match` does: those that users have begin with
//! `.*` where they mean anywhere. Lines of more than [`LINE_REACH`](super::rules::LINE_REACH) bytes are seen in pieces.

use std::collections::BTreeMap;

use killick_model::inspection::{Inspection, PatternMatch, SearchedFile};
use killick_model::problem::Problem;

use super::rules::{Reach, Rule};
use super::{Asks, Inspector, Seen, SeenFile, required};
use crate::inspectors::settings::{Pattern, Settings, SettingsError, check_patterns};

/// The inspector.
pub(super) struct ContentSearch;

impl Inspector for ContentSearch {
    fn name(&self) -> &'static str {
        "content-search"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError> {
        if settings.content_search.is_empty() {
            return Ok(None);
        }
        check_patterns("content_search", &settings.content_search)?;
        let rules = settings.content_search.iter().map(rule).collect::<Result<_, _>>()?;
        let key = settings.content_search.iter().map(|pattern| format!("{:?}\n", pattern.regex)).collect();
        Ok(Some(Asks { key, rules, ..Asks::default() }))
    }

    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, _problems: &mut Vec<Problem>) {
        let visible = seen.hits.iter().filter(|file| file.is_visible);
        let files = visible.map(|file| searched(file, &seen.settings.content_search));
        inspection.content_search = Some(files.collect());
    }
}

fn rule(pattern: &Pattern) -> Result<Rule, SettingsError> {
    let regex = pattern.compile()?;
    let keywords = required::keywords(&pattern.regex);
    Ok(Rule { keywords, regex: regex.into(), reach: Reach::Line, judge: None })
}

fn searched(file: &SeenFile<'_>, patterns: &[Pattern]) -> SearchedFile {
    let mut lines: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for hit in file.hits {
        lines.entry(hit.rule).or_default().push(hit.line);
    }
    // A line that is longer than what is seen at once may have several.
    lines.values_mut().for_each(Vec::dedup);
    let matches = lines.into_iter().filter_map(|(rule, lines)| {
        let pattern = patterns.get(usize::from(rule))?;
        Some(PatternMatch { name: pattern.name.clone(), regex: pattern.regex.clone(), lines })
    });
    SearchedFile { path: file.path.clone(), layer: file.layer, matches: matches.collect() }
}
