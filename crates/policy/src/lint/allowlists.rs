//! Allowlist items: those that excuse nothing, and those that end.

use killick_model::evaluation::Finding;
use killick_model::spelling::nearest;

use super::mappings::includes;
use super::{Level, LintOptions, Remark, ending, remark};
use crate::allowlist::{Allowlist, Item};
use crate::bundle::Bundle;
use crate::gates::{self, GATES, State};
use crate::pattern::Pattern;

/// Gates all of whose ids are hashes of messages.
const HASHED: &[&str] =
    &["dockerfile", "files", "licenses", "metadata", "npms", "packages", "passwd_file", "ruby_gems", "secret_scans"];

pub(super) fn of(bundle: &Bundle, options: &LintOptions<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for list in &bundle.allowlists {
        let gates = gates_beside(bundle, list);
        for (at, item) in list.items.iter().enumerate() {
            if let Some(expiry) = item.expires_on
                && let Some((code, when)) =
                    ending(options.now, expiry, options.notice_days, ["allowlist-expired", "allowlist-expiring"])
            {
                let path = format!("{}.expires_on", item.path);
                let remedy = "remove it, or decide on it again and write a later `expires_on`";
                remarks.push(remark(code, Level::Warning, path, format!("the item {when}"), remedy));
            }
            let wrong = unknown_gate(item).or_else(|| malformed(item));
            if let Some(wrong) = wrong {
                remarks.push(wrong);
                continue;
            }
            let earlier = list.items.get(..at).unwrap_or_default().iter();
            if let Some(earlier) = earlier.clone().find(|earlier| hides(earlier, item)) {
                let reason = format!("`{}` excuses all that this item does", earlier.path);
                remarks.push(remark("allowlist-shadowed", Level::Warning, &item.path, reason, "remove one of them"));
            }
            match &gates {
                Some(gates) if !gates.contains(&item.gate.as_str()) => remarks.push(remark(
                    "allowlist-idle",
                    Level::Warning,
                    format!("{}.gate", item.path),
                    format!("no rule of the policies that go with this allowlist is of the gate `{}`", item.gate),
                    "remove it, or correct its gate",
                )),
                _ if !options.against.is_empty() && !is_used(item, options) => remarks.push(remark(
                    "allowlist-unused",
                    Level::Note,
                    &item.path,
                    format!(
                        "`{}` excuses no finding of the images that were given ({})",
                        item.trigger_id,
                        options.against.len()
                    ),
                    "remove it if no other image needs it",
                )),
                _ => {}
            }
        }
    }
    remarks
}

/// The gates of the rules that the list is applied to; `None` where it is applied to none.
fn gates_beside<'b>(bundle: &'b Bundle, list: &Allowlist) -> Option<Vec<&'b str>> {
    let rules = bundle.mappings.iter().filter_map(|mapping| mapping.rule.as_ref().ok());
    let with_list: Vec<_> =
        rules.filter(|rule| rule.allowlist_ids.as_ref().is_ok_and(|ids| ids.contains(&list.id))).collect();
    if with_list.is_empty() {
        return None;
    }
    let policies =
        bundle.policies.iter().filter(|policy| with_list.iter().any(|rule| rule.policy_ids.contains(&policy.id)));
    Some(policies.flat_map(|policy| &policy.rules).map(|rule| rule.gate.name).collect())
}

fn unknown_gate(item: &Item) -> Option<Remark> {
    let path = format!("{}.gate", item.path);
    match gates::find(&item.gate) {
        Some(gate) if gate.state == State::Active => None,
        Some(gate) => {
            let remedy = match gate.superseded_by {
                Some(new) => format!("write `{new}`, and the ids of its findings"),
                None => "remove it".to_owned(),
            };
            let reason = format!("the gate `{}` was retired: the item excuses nothing", gate.name);
            Some(remark("allowlist-unknown-gate", Level::Warning, path, reason, remedy))
        }
        None => {
            let active = GATES.iter().filter(|gate| gate.state == State::Active).map(|gate| gate.name);
            let remedy = match nearest(&item.gate, active) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "write the gate of the finding".to_owned(),
            };
            let reason = format!("there is no gate `{}`: the item excuses nothing", item.gate);
            Some(remark("allowlist-unknown-gate", Level::Warning, path, reason, remedy))
        }
    }
}

/// Why no finding of the gate has an id like this.
fn malformed(item: &Item) -> Option<Remark> {
    let id = item.trigger_id.as_str();
    let told = |reason: String, remedy: String| {
        Some(remark("allowlist-malformed-id", Level::Warning, format!("{}.trigger_id", item.path), reason, remedy))
    };
    if id.is_empty() {
        return told("it is empty: no finding has such an id".to_owned(), "write the id, or `*` for all".to_owned());
    }
    if id.trim() != id {
        return told("it has blanks around it, which no id has".to_owned(), format!("write `{}`", id.trim()));
    }
    if item.pattern.is_some() {
        return None;
    }
    let is_hash = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match item.gate.as_str() {
        "vulnerabilities" | "threats" if !is_hash && !id.contains('+') => told(
            format!("`{id}` names no package: ids of this gate are like `CVE-2020-1+openssl`"),
            format!("write `{id}+*` for all packages, or name one"),
        ),
        "vulnerabilities" | "threats" if id.starts_with("cve-") => {
            told(format!("`{id}` is in lower case, which ids are not"), "write `CVE-` in capitals".to_owned())
        }
        "always" if id != "always" => told(format!("`{id}` is not the id of this gate"), "write `always`".to_owned()),
        gate if HASHED.contains(&gate) && !is_hash && id != "evaluation_error" => told(
            format!("ids of this gate are 32 hexadecimal digits in lower case, not `{id}`"),
            "copy the id of the finding; it changes when its message does".to_owned(),
        ),
        _ => None,
    }
}

fn hides(earlier: &Item, item: &Item) -> bool {
    let lasts = match (earlier.expires_on, item.expires_on) {
        (None, _) => true,
        (Some(earlier), Some(this)) => earlier >= this,
        (Some(_), None) => false,
    };
    let pattern = |item: &Item| match &item.pattern {
        None => Some(Pattern::Wildcard(item.trigger_id.clone())),
        Some(pattern) => pattern.clone().ok(),
    };
    let (Some(wide), Some(narrow)) = (pattern(earlier), pattern(item)) else { return false };
    lasts && earlier.gate == item.gate && includes(&wide, &narrow)
}

fn is_used(item: &Item, options: &LintOptions<'_>) -> bool {
    let excuses =
        |finding: &Finding| finding.gate == item.gate && ids(finding).iter().any(|id| item.names(id, &mut Vec::new()));
    options.against.iter().flat_map(|evaluation| &evaluation.findings).any(excuses)
}

/// The ids under which a finding may be excused.
fn ids(finding: &Finding) -> Vec<String> {
    let mut ids = vec![finding.trigger_id.clone()];
    if let (Some(vulnerability), Some((_, rest))) = (&finding.subject.vulnerability, finding.trigger_id.split_once('+'))
    {
        let names = std::iter::once(&vulnerability.id).chain(&vulnerability.aliases);
        ids.extend(names.map(|name| format!("{name}+{rest}")));
    }
    ids
}
