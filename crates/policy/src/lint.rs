//! What is odd about a bundle: rules that cannot fire, mappings that are never reached, allowlist items that excuse
//! nothing. A bundle may be valid and full of it.

mod allowlists;
mod mappings;
mod never;
mod problems;
mod rules;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use killick_model::evaluation::Evaluation;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::exceptions::{Exceptions, days_until};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It does not do what it seems to say.
    Warning,
    /// The bundle is refused, or part of it can never work.
    Error,
}

impl Level {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One remark on a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Which kind of remark: one of [`CODES`].
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// Where in the document, such as `policies.0.rules.2.params.users`; empty for the whole.
    pub path: String,
    /// What is odd.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// Every kind of remark, with what it means.
pub const CODES: &[(&str, &str)] = &[
    ("invalid", "the bundle is refused because of it"),
    ("questionable", "it is accepted, and may not do what it seems to say"),
    ("retired-gate", "a rule of a gate that was retired does nothing"),
    ("unreferenced-policy", "no mapping names the policy"),
    ("unreferenced-allowlist", "no mapping names the allowlist"),
    ("shadowed-mapping", "an earlier mapping matches every image that this one does"),
    ("unmatchable-image", "no image can match"),
    ("shadowed-image", "another entry of the image lists decides before this one"),
    ("no-catch-all", "images that no mapping matches pass"),
    ("toothless-mapping", "no rule of its policies stops or warns"),
    ("repeated-policy", "a mapping names a policy twice"),
    ("duplicate-rule", "another rule of the policy asks the same"),
    ("go-rule", "a rule with the action GO lets nothing pass that others stop"),
    ("moot-rule", "the policy stops every image whatever this rule says"),
    ("impossible-condition", "no image can meet the conditions of the rule"),
    ("unused-parameter", "a parameter has no effect without another"),
    ("unmatchable-pattern", "no text can match the regular expression"),
    ("allowlist-unknown-gate", "an allowlist item names a gate that there is not"),
    ("allowlist-malformed-id", "no finding has an id like that of the allowlist item"),
    ("allowlist-idle", "no rule of the policies that go with the allowlist is of the item's gate"),
    ("allowlist-unused", "the item excuses no finding of the images that were given"),
    ("allowlist-shadowed", "an earlier item excuses all that this one does"),
    ("allowlist-expired", "the item does not count any more"),
    ("allowlist-expiring", "the item ends soon"),
    ("exception-expired", "the exception does not count any more"),
    ("exception-expiring", "the exception ends soon"),
    ("exception-endless", "the exception never ends"),
];

/// What to hold a bundle against.
#[derive(Debug, Clone, Copy)]
pub struct LintOptions<'a> {
    /// The present.
    pub now: Timestamp,
    /// Days before its end from which an item or an exception is remarked on.
    pub notice_days: u32,
    /// What the bundle makes of some images; empty if there are none to hold it against.
    pub against: &'a [Evaluation],
}

/// Everything odd about a bundle, by place.
pub fn lint(bundle: &Bundle, options: &LintOptions<'_>) -> Vec<Remark> {
    let mut remarks = problems::of(bundle);
    remarks.extend(mappings::of(bundle));
    remarks.extend(rules::of(bundle));
    remarks.extend(allowlists::of(bundle, options));
    remarks.sort_by(|a, b| by_place(&a.path).cmp(&by_place(&b.path)).then(b.level.cmp(&a.level)));
    remarks.dedup();
    remarks
}

/// Exceptions that ended, end soon, or never end.
pub fn lint_exceptions(exceptions: &Exceptions, now: Timestamp, notice_days: u32) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (at, exception) in exceptions.iter().enumerate() {
        let path = format!("exceptions.{at}");
        let whose = format!("the exception `{}` of {}", exception.id, exception.owner);
        let Some(expiry) = exception.expires_at else {
            remarks.push(remark(
                "exception-endless",
                Level::Note,
                path,
                format!("{whose} never ends"),
                "give it `expires_at`",
            ));
            continue;
        };
        if let Some((code, when)) = ending(now, expiry, notice_days, ["exception-expired", "exception-expiring"]) {
            let remedy = "decide on it again: remove it, or give it a later `expires_at`";
            remarks.push(remark(code, Level::Warning, format!("{path}.expires_at"), format!("{whose} {when}"), remedy));
        }
    }
    remarks
}

/// Which of two codes, for what ended or ends soon, and when that is.
fn ending(now: Timestamp, expiry: Timestamp, days: u32, codes: [&'static str; 2]) -> Option<(&'static str, String)> {
    let day = TimeZone::UTC.to_datetime(expiry).date();
    let [ended, ends] = codes;
    if expiry <= now {
        return Some((ended, format!("ended on {day}")));
    }
    match days_until(now, expiry) {
        left if left >= i64::from(days) => None,
        0 => Some((ends, format!("ends on {day}, within a day"))),
        1 => Some((ends, format!("ends on {day}, in 1 day"))),
        left => Some((ends, format!("ends on {day}, in {left} days"))),
    }
}

fn remark(
    code: &'static str,
    level: Level,
    path: impl Into<String>,
    reason: impl Into<String>,
    remedy: impl Into<String>,
) -> Remark {
    Remark { code, level, path: path.into(), reason: reason.into(), remedy: remedy.into() }
}

/// Numbers in paths in their own order.
fn by_place(path: &str) -> Vec<(u64, &str)> {
    path.split('.').map(|part| part.parse().map_or((0, part), |number: u64| (number, ""))).collect()
}
