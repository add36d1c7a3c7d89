//! Allowlists: findings a bundle knows of and accepts, some for a time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use killick_model::evaluation::{Allowlisted, EvaluationProblem};
use serde_json::Value;

use crate::pattern::Pattern;
use crate::policy::{list, version_problem};
use crate::problem::BundleProblem;
use crate::python;
use crate::regexes::{PatternError, RegexCache, Steps};

/// An allowlist, built as far as it could be.
#[derive(Debug)]
pub(crate) struct Allowlist {
    pub(crate) id: String,
    name: Option<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) problems: Vec<BundleProblem>,
}

/// An item of an allowlist.
#[derive(Debug)]
pub(crate) struct Item {
    id: Option<String>,
    /// Lower case.
    pub(crate) gate: String,
    pub(crate) trigger_id: String,
    /// `None` where the id is literal.
    pub(crate) pattern: Option<Result<Pattern, PatternError>>,
    pub(crate) expires_on: Option<Timestamp>,
    /// Where it stands.
    pub(crate) path: String,
}

impl Allowlist {
    /// Builds an allowlist; whatever is wrong is in its problems.
    pub(crate) fn build(document: &Value, path: &str, regexes: &RegexCache) -> Self {
        let text = |object: &Value, key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut allowlist = Self {
            id: text(document, "id").unwrap_or_default(),
            name: text(document, "name"),
            items: Vec::new(),
            problems: Vec::new(),
        };
        if let Some(problem) = version_problem(document.get("version"), path) {
            allowlist.problems.push(problem);
            return allowlist;
        }
        let items = match list(document, "items", "TypeError", path) {
            Ok(items) => items,
            Err(problem) => {
                allowlist.problems.push(*problem);
                return allowlist;
            }
        };
        for (at, item) in items.iter().enumerate() {
            let path = format!("{path}.items.{at}");
            let expires_on = match item.get("expires_on") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) if text.is_empty() => None,
                Some(value) => {
                    let Some(instant) = value.as_str().and_then(instant) else {
                        allowlist.problems.push(bad_expiry(value, &path));
                        continue;
                    };
                    Some(instant)
                }
            };
            let trigger_id = text(item, "trigger_id").unwrap_or_default();
            let special = trigger_id.contains('*') || trigger_id.trim_start().starts_with("regexp:");
            let pattern = special.then(|| Pattern::of_bundle(&trigger_id, regexes));
            if let Some(Err(error)) = &pattern {
                allowlist.problems.push(bad_pattern(error, &format!("{path}.trigger_id")));
            }
            allowlist.items.push(Item {
                id: text(item, "id"),
                gate: text(item, "gate").unwrap_or_default().to_lowercase(),
                trigger_id,
                pattern,
                expires_on,
                path,
            });
        }
        allowlist
    }

    /// The first item that is still valid at `now` and names the gate and one of the ids.
    pub(crate) fn excuse(
        &self,
        gate: &str,
        ids: &[&str],
        now: Timestamp,
        steps: &Steps,
        problems: &mut Vec<EvaluationProblem>,
    ) -> Option<Allowlisted> {
        let item = self.items.iter().find(|item| {
            item.gate == gate && !item.is_ended(now) && ids.iter().any(|id| item.names_within(id, steps, problems))
        })?;
        Some(Allowlisted { allowlist_id: self.id.clone(), allowlist_name: self.name.clone(), item_id: item.id.clone() })
    }
}

impl Item {
    /// Whether it does not count any more.
    pub(crate) fn is_ended(&self, now: Timestamp) -> bool {
        self.expires_on.is_some_and(|expiry| expiry <= now)
    }

    /// Whether it is about the finding of this id. A pattern that cannot be tried names nothing, and is a problem.
    pub(crate) fn names(&self, id: &str, problems: &mut Vec<EvaluationProblem>) -> bool {
        self.names_within(id, &Steps::new(), problems)
    }

    fn names_within(&self, id: &str, steps: &Steps, problems: &mut Vec<EvaluationProblem>) -> bool {
        if self.trigger_id == id {
            return true;
        }
        let answer = match &self.pattern {
            None => return false,
            Some(Ok(pattern)) => pattern.matches_within(id, steps),
            Some(Err(error)) => Err(error.clone()),
        };
        answer.unwrap_or_else(|error| {
            let problem = EvaluationProblem {
                severity: "warn".to_owned(),
                problem_type: "AllowlistItemWarning".to_owned(),
                details: format!("{error}; the allowlist item is ignored"),
            };
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            false
        })
    }
}

/// The problem of a `regexp:` pattern that does not compile.
pub(crate) fn bad_pattern(error: &PatternError, path: &str) -> BundleProblem {
    BundleProblem::engine("error", path, error.to_string())
        .remedy("correct the expression after `regexp:`, or use a pattern with `*`")
}

fn bad_expiry(value: &Value, path: &str) -> BundleProblem {
    BundleProblem::engine(
        "Exception",
        format!("{path}.expires_on"),
        format!("could not convert input value {} to a date and time", python::value(value)),
    )
    .because(format!("{} is no instant", python::value(value)))
    .remedy("write UTC like `2030-12-31T00:00:00Z`")
}

/// `YYYY-MM-DDThh:mm:ssZ`, with `.` or `:` and up to six digits of a second's fraction before the `Z`.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (digits(time.next()?)?, digits(time.next()?)?, time.next()?);
    let (second, fraction) = second.split_once(['.', ':']).unwrap_or((second, "0"));
    if date.next().is_some() || fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let micros: i32 = format!("{fraction:0<6}").parse().ok().filter(|_| digits(fraction).is_some())?;
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(digits(second)?).ok()?,
        micros * 1000,
    );
    TimeZone::UTC.to_timestamp(civil.ok()?).ok()
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_utc_in_three_spellings() {
        for (text, want) in [
            ("2099-01-01T00:00:00Z", Some("2099-01-01T00:00:00Z")),
            ("2099-01-01T00:00:00.5Z", Some("2099-01-01T00:00:00.5Z")),
            ("2099-01-01T00:00:00:123Z", Some("2099-01-01T00:00:00.123Z")),
            ("2099-01-01T00:00:00", None),
            ("2099-13-01T00:00:00Z", None),
            ("2099-01-01", None),
            ("2099-01-01T00:00:00+01:00", None),
            ("2099-01-01T00:00:00.1234567Z", None),
            ("", None),
            ("Z", None),
        ] {
            assert_eq!(instant(text).map(|instant| instant.to_string()).as_deref(), want, "{text}");
        }
    }
}
