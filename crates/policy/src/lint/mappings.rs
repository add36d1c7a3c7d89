//! Mappings and image lists: what is never reached, and what reaches nothing.

use std::collections::BTreeSet;

use killick_model::evaluation::Action;

use super::{Level, Remark, remark};
use crate::bundle::{Bundle, ListedImage, MappedRule};
use crate::image_rule::{ImageRule, Selector};
use crate::pattern::{Pattern, wildcard};

pub(super) fn of(bundle: &Bundle) -> Vec<Remark> {
    let rules: Vec<&MappedRule> = bundle.mappings.iter().filter_map(|mapping| mapping.rule.as_ref().ok()).collect();
    let mut remarks = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        remarks.extend(unmatchable(&rule.image, &rule.path));
        let earlier = rules.get(..at).unwrap_or_default();
        if let Some(earlier) = earlier.iter().find(|earlier| covers(&earlier.image, &rule.image)) {
            remarks.push(remark(
                "shadowed-mapping",
                Level::Warning,
                &rule.path,
                format!("`{}` matches every image that this mapping does, and comes first", earlier.path),
                "move it up, before the mapping that hides it, or remove it",
            ));
        }
        let mut named = BTreeSet::new();
        if let Some(twice) = rule.policy_ids.iter().find(|id| !named.insert(*id)) {
            remarks.push(remark(
                "repeated-policy",
                Level::Warning,
                format!("{}.policy_ids", rule.path),
                format!("it names the policy `{twice}` twice: each of its findings is reported twice"),
                "name it once",
            ));
        }
        let mut policies = bundle.policies.iter().filter(|policy| rule.policy_ids.contains(&policy.id)).peekable();
        let is_sound = policies.peek().is_some();
        if is_sound
            && policies.flat_map(|policy| &policy.rules).all(|rule| rule.action == Action::Go || rule.is_retired())
        {
            remarks.push(remark(
                "toothless-mapping",
                Level::Note,
                &rule.path,
                "no rule of its policies stops or warns: every image that it matches passes",
                "say so with an entry of the allowed images, or give its policies rules",
            ));
        }
    }
    let catches_all = rules.iter().any(|rule| is_any(&rule.image));
    if !catches_all && !bundle.mappings.is_empty() {
        remarks.push(remark(
            "no-catch-all",
            Level::Note,
            "mappings",
            "an image that no mapping matches passes without being judged",
            "end the mappings with one of registry `*`, repository `*` and tag `*`",
        ));
    }
    let named = |id: &str, ids: &dyn Fn(&MappedRule) -> Vec<String>| {
        rules.iter().any(|rule| ids(rule).iter().any(|known| known == id))
    };
    for (at, policy) in bundle.policies.iter().enumerate() {
        if !named(&policy.id, &|rule| rule.policy_ids.clone()) {
            remarks.push(remark(
                "unreferenced-policy",
                Level::Warning,
                format!("policies.{at}"),
                format!("no mapping names the policy `{}`: its rules are never evaluated", policy.id),
                "name it in the `policy_ids` of a mapping, or remove it",
            ));
        }
    }
    for (at, allowlist) in bundle.allowlists.iter().enumerate() {
        if !named(&allowlist.id, &|rule| rule.allowlist_ids.clone().unwrap_or_default()) {
            remarks.push(remark(
                "unreferenced-allowlist",
                Level::Warning,
                format!("whitelists.{at}"),
                format!("no mapping names the allowlist `{}`: it excuses nothing", allowlist.id),
                "name it in the `whitelist_ids` of a mapping, or remove it",
            ));
        }
    }
    listed(&bundle.denied_images, "blacklisted_images", &[], &mut remarks);
    listed(&bundle.allowed_images, "whitelisted_images", &bundle.denied_images, &mut remarks);
    remarks
}

/// Entries of an image list; those of `stronger` decide before them.
fn listed(images: &[ListedImage], list: &str, stronger: &[ListedImage], remarks: &mut Vec<Remark>) {
    let rules = || images.iter().enumerate().filter_map(|(at, image)| Some((at, image.rule.as_ref().ok()?)));
    for (at, rule) in rules() {
        let path = format!("{list}.{at}");
        remarks.extend(unmatchable(rule, &path));
        let denied = stronger.iter().filter_map(|image| image.rule.as_ref().ok()).any(|strong| covers(strong, rule));
        let earlier = rules().take_while(|(other, _)| *other < at).find(|(_, earlier)| covers(earlier, rule));
        let reason = match (denied, earlier) {
            (true, _) => "every image that it allows is denied, and that counts first".to_owned(),
            (false, Some((earlier, _))) => format!("`{list}.{earlier}` matches every image that it does"),
            (false, None) => continue,
        };
        remarks.push(remark("shadowed-image", Level::Warning, path, reason, "remove it, or the other entry"));
    }
}

/// Why no image can match, if none can.
fn unmatchable(rule: &ImageRule, path: &str) -> Option<Remark> {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let value = rule.value.as_str();
    let (place, reason, remedy) = match rule.selector {
        Selector::Other => (
            "image.type",
            "its `type` is none of `tag`, `digest` and `id`: no image matches".to_owned(),
            "write `tag`, `digest` or `id`".to_owned(),
        ),
        Selector::Digest if !value.strip_prefix("sha256:").is_some_and(is_hex) => (
            "image.value",
            format!("`{value}` is no digest; patterns are for tags: no image matches"),
            "write `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
        ),
        Selector::Id if !is_hex(value) => (
            "image.value",
            format!("`{value}` is no image id: no image matches"),
            match value.strip_prefix("sha256:").filter(|id| is_hex(id)) {
                Some(id) => format!("leave out `sha256:`: `{id}`"),
                None => "write 64 hexadecimal digits in lower case".to_owned(),
            },
        ),
        _ => {
            let names = [
                ("registry", Some(&rule.registry)),
                ("repository", Some(&rule.repository)),
                ("image.value", rule.tag.as_ref()),
            ];
            let blank = names.into_iter().find_map(|(name, pattern)| match pattern {
                Some(Pattern::Wildcard(text)) if text.is_empty() || text.trim() != text => Some((name, text.clone())),
                _ => None,
            });
            let (name, text) = blank?;
            (
                name,
                format!("`{text}` is nothing, or has blanks around it, which no reference has: no image matches"),
                "write it without blanks, or `*` for any".to_owned(),
            )
        }
    };
    Some(remark("unmatchable-image", Level::Error, format!("{path}.{place}"), reason, remedy))
}

fn is_any(rule: &ImageRule) -> bool {
    let any = |pattern: &Pattern| matches!(pattern, Pattern::Wildcard(text) if !text.is_empty() && text.bytes().all(|byte| byte == b'*'));
    any(&rule.registry) && any(&rule.repository) && rule.tag.as_ref().is_some_and(any)
}

/// Whether every image of `narrow` is one of `wide`. What cannot be told is no.
fn covers(wide: &ImageRule, narrow: &ImageRule) -> bool {
    let names = includes(&wide.registry, &narrow.registry) && includes(&wide.repository, &narrow.repository);
    names
        && match (&wide.selector, &narrow.selector) {
            (Selector::Tag, Selector::Tag) => match (&wide.tag, &narrow.tag) {
                (Some(wide), Some(narrow)) => includes(wide, narrow),
                _ => false,
            },
            // Whatever the tag is.
            (Selector::Tag, Selector::Digest | Selector::Id) => {
                wide.tag.as_ref().is_some_and(|tag| includes(tag, &Pattern::Wildcard("*".to_owned())))
            }
            (Selector::Digest, Selector::Digest) | (Selector::Id, Selector::Id) => wide.value == narrow.value,
            _ => false,
        }
}

/// Whether every text of `narrow` is one of `wide`.
pub(super) fn includes(wide: &Pattern, narrow: &Pattern) -> bool {
    match (wide, narrow) {
        // A `*` of the narrow one is a letter that only a `*` of the wide one can stand for.
        (Pattern::Wildcard(wide), Pattern::Wildcard(narrow)) => wildcard(wide, narrow),
        (Pattern::Wildcard(wide), Pattern::Regex(_)) => !wide.is_empty() && wide.bytes().all(|byte| byte == b'*'),
        (Pattern::Regex(wide), Pattern::Regex(narrow)) => wide.to_string() == narrow.to_string(),
        // Anchored at the start only: what it says of a literal text it says of that text.
        (Pattern::Regex(wide), Pattern::Wildcard(narrow)) => !narrow.contains('*') && wide.is_match(narrow) == Ok(true),
    }
}
