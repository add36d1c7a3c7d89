//! Exceptions: findings that somebody answers for, for a time, and only as long as they are what was decided on.
//!
//! An exception is a decision of its own, beside the bundle: it says which findings it clears ([`Selector`]), why, who
//! answers for it and until when. It may remember what it was granted for ([`Granted`]): then it clears these findings
//! alone, and none of them any more once its evidence changed, which the evaluation says.
//!
//! Applied after allowlists, as a pure function of exceptions and evaluation. An exception only ever clears.

mod granted;
mod possible;
mod select;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use killick_model::evaluation::{
    Action, Evaluation, EvaluationProblem, ExceptionState, ExceptionUse, FinalActionReason, Finding,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use granted::{Facet, Granted};
pub use select::Selector;

use crate::plan;
use crate::reference::Target;
use crate::regexes::Steps;
use crate::written;
use select::CompiledSelector;

/// Days before its end from which an exception is reported, unless another number is asked for.
pub const DEFAULT_NOTICE_DAYS: u32 = 14;
/// Most exceptions of one document.
const MAX_EXCEPTIONS: usize = 10_000;
/// Most regular expressions of all exceptions together: with the size of one a bound on the memory they take.
const MAX_EXPRESSIONS: usize = 400;
/// Longest text of one member, in bytes.
const MAX_TEXT: usize = 4096;
/// Most findings that one exception remembers.
const MAX_GRANTED: usize = 10_000;
/// Most changes that an evaluation names for one exception.
const MAX_CHANGES: usize = 5;

/// An exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Its name, of which there is one.
    pub id: String,
    /// Which findings it clears.
    pub select: Selector,
    /// Why that is right.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was discussed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// From when it does not count any more: an instant, or a day, whose beginning in UTC is meant.
    #[serde(default, deserialize_with = "instant_or_day", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Who granted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "instant_or_day", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Changes that reopen it, if it remembers what it was granted for; without it, [`Facet::DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopen_on: Option<Vec<Facet>>,
    /// What it was granted for; empty for whatever it selects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_for: Vec<Granted>,
}

/// What is wrong with an exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {reason}")]
pub struct ExceptionProblem {
    /// Where in the document: `exceptions.2.select`.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

/// Exceptions, read once and applied to any number of evaluations.
#[derive(Debug, Default)]
pub struct Exceptions {
    all: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    exception: Exception,
    selector: CompiledSelector,
}

/// How an exception stands to a finding that it selects.
enum Word {
    Clears,
    Expired,
    Changed(Vec<String>),
}

impl Exception {
    /// Reads one exception; `path` is where it stands.
    pub fn parse(document: &Value, path: &str) -> Result<Self, ExceptionProblem> {
        let problem =
            |path: String, reason: String, remedy: &str| ExceptionProblem { path, reason, remedy: remedy.to_owned() };
        let exception: Self =
            written::read(document).map_err(|wrong| problem(wrong.path(path), wrong.reason, &wrong.remedy))?;
        let texts = [("id", &exception.id), ("reason", &exception.reason), ("owner", &exception.owner)];
        for (name, text) in texts {
            if text.trim().is_empty() {
                return Err(problem(format!("{path}.{name}"), "it is empty".to_owned(), "say it, so that others know"));
            }
        }
        let optional = [("ticket", &exception.ticket), ("created_by", &exception.created_by)];
        let optional = optional.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
        for (name, text) in texts.into_iter().chain(optional) {
            if text.len() > MAX_TEXT {
                let reason = format!("it is longer than {MAX_TEXT} bytes");
                return Err(problem(format!("{path}.{name}"), reason, "shorten it"));
            }
        }
        if exception.granted_for.len() > MAX_GRANTED {
            let reason = format!("it remembers more than {MAX_GRANTED} findings");
            return Err(problem(format!("{path}.granted_for"), reason, "select less"));
        }
        CompiledSelector::new(&exception.select, &format!("{path}.select"))?;
        possible::check(&exception, path)?;
        Ok(exception)
    }

    /// Whether it ends within so many days of `now`, or has ended.
    pub fn ends_within(&self, now: Timestamp, days: u32) -> bool {
        self.expires_at.is_some_and(|expiry| days_until(now, expiry) < i64::from(days))
    }

    /// Whether it has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }

    fn facets(&self) -> &[Facet] {
        self.reopen_on.as_deref().unwrap_or(Facet::DEFAULT)
    }
}

impl Exceptions {
    /// Reads a document: `{"exceptions": […]}`, or the list itself. All of its problems are the error.
    pub fn parse(document: &Value) -> Result<Self, Vec<ExceptionProblem>> {
        let whole = |reason: String, remedy: &str| {
            vec![ExceptionProblem { path: "exceptions".to_owned(), reason, remedy: remedy.to_owned() }]
        };
        let list = document.get("exceptions").unwrap_or(document);
        let Some(list) = list.as_array() else {
            return Err(whole("there is no list of exceptions".to_owned(), "write `exceptions:` and a list"));
        };
        if list.len() > MAX_EXCEPTIONS {
            let reason = format!("there are {} exceptions, more than {MAX_EXCEPTIONS}", list.len());
            return Err(whole(reason, "allow whole images in the bundle instead"));
        }
        let mut problems = Vec::new();
        let mut read = Vec::new();
        for (at, entry) in list.iter().enumerate() {
            match Exception::parse(entry, &format!("exceptions.{at}")) {
                Ok(exception) => read.push(exception),
                Err(problem) => problems.push(problem),
            }
        }
        let mut ids = std::collections::BTreeSet::new();
        for (at, exception) in read.iter().enumerate() {
            if problems.is_empty() && !ids.insert(&exception.id) {
                problems.push(ExceptionProblem {
                    path: format!("exceptions.{at}.id"),
                    reason: format!("there is another exception `{}`", exception.id),
                    remedy: "give each an id of its own".to_owned(),
                });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let number = read.len();
        let compiled = Self::of(read);
        if compiled.all.len() < number {
            let reason = format!("they have more than {MAX_EXPRESSIONS} regular expressions");
            return Err(whole(reason, "write patterns with `*` in place of `regexp:`"));
        }
        Ok(compiled)
    }

    /// Exceptions that were read before. Those with more regular expressions than are allowed are left out: they clear
    /// nothing.
    pub fn of(exceptions: impl IntoIterator<Item = Exception>) -> Self {
        let mut left = MAX_EXPRESSIONS;
        let compile = |exception: Exception| {
            let selector = CompiledSelector::new(&exception.select, "select").ok()?;
            left = left.checked_sub(selector.expressions())?;
            Some(Compiled { exception, selector })
        };
        Self { all: exceptions.into_iter().filter_map(compile).collect() }
    }

    /// Whether one more may be added without too many regular expressions.
    pub fn has_room_for(&self, exception: &Exception) -> bool {
        let selectors = self.all.iter().filter(|compiled| compiled.exception.id != exception.id);
        let taken: usize = selectors.map(|compiled| compiled.selector.expressions()).sum();
        let more = CompiledSelector::new(&exception.select, "select").map_or(0, |selector| selector.expressions());
        taken + more <= MAX_EXPRESSIONS
    }

    /// Every exception, as given.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.all.iter().map(|compiled| &compiled.exception)
    }

    /// How many have ended by an instant, and how many end within so many days of it: as long as neither changes, they do
    /// to an evaluation what they did.
    pub fn ended(&self, now: Timestamp, notice_days: u32) -> (usize, usize) {
        let count = |is: &dyn Fn(&Exception) -> bool| self.iter().filter(|exception| is(exception)).count();
        (count(&|exception| exception.is_expired(now)), count(&|exception| exception.ends_within(now, notice_days)))
    }

    /// Clears findings of an evaluation. Those that are about to end, have ended, or are void because something changed
    /// are named in its problems; `notice_days` is how long before their end.
    pub fn apply(&self, evaluation: &mut Evaluation, notice_days: u32) {
        if self.all.is_empty() {
            return;
        }
        let now = evaluation.evaluated_at;
        let (target, steps) = (Target::parse(&evaluation.reference), Steps::new());
        let speaking: Vec<&Compiled> = self
            .all
            .iter()
            .filter(|compiled| compiled.selector.names_image(&target, &evaluation.image_digest, &steps))
            .collect();
        let mut uses: Vec<Use> = speaking.iter().map(|_| Use::default()).collect();
        let mut has_cleared = false;
        for finding in &mut evaluation.findings {
            if finding.action == Action::Go || finding.allowlisted.is_some() {
                continue;
            }
            let mut refused: Vec<(usize, Word)> = Vec::new();
            for (at, compiled) in speaking.iter().enumerate() {
                if !compiled.selector.selects(finding, &steps) {
                    continue;
                }
                match compiled.word(finding, now) {
                    Word::Clears => {
                        finding.action = Action::Go;
                        finding.exception = Some(compiled.exception.id.clone());
                        has_cleared = true;
                        if let Some(used) = uses.get_mut(at) {
                            used.cleared += 1;
                        }
                        break;
                    }
                    word => refused.push((at, word)),
                }
            }
            if finding.exception.is_some() {
                continue;
            }
            for (at, word) in refused {
                let Some(used) = uses.get_mut(at) else { continue };
                used.not_cleared += 1;
                if let Word::Changed(changes) = word {
                    let new = changes.into_iter().filter(|change| !used.changes.contains(change)).collect::<Vec<_>>();
                    used.changes.extend(new);
                }
            }
        }
        for (compiled, mut used) in speaking.into_iter().zip(uses) {
            if used.cleared == 0 && used.not_cleared == 0 {
                continue;
            }
            used.changes.truncate(MAX_CHANGES);
            let told = compiled.exception.used(used, now, notice_days);
            evaluation.problems.extend(notice(&told, now));
            evaluation.exceptions.push(told);
        }
        if has_cleared {
            plan::forget_cleared(&evaluation.findings, &mut evaluation.steps);
            let action = evaluation.findings.iter().map(|finding| finding.action).min().unwrap_or(Action::Go);
            evaluation.policy_action = action;
            if evaluation.final_action_reason == FinalActionReason::PolicyEvaluation {
                evaluation.final_action = action;
            }
        }
    }

    /// The exceptions, each with what it is granted for where it did not say so: the findings of these evaluations that
    /// it selects.
    #[must_use]
    pub fn granted_for<'e>(&self, evaluations: impl IntoIterator<Item = &'e Evaluation>) -> Vec<Exception> {
        let mut all: Vec<Exception> = self.iter().cloned().collect();
        for evaluation in evaluations {
            let (target, steps) = (Target::parse(&evaluation.reference), Steps::new());
            for (compiled, exception) in self.all.iter().zip(&mut all) {
                let is_new = compiled.exception.granted_for.is_empty();
                if !is_new || !compiled.selector.names_image(&target, &evaluation.image_digest, &steps) {
                    continue;
                }
                let selects = |finding: &&Finding| compiled.selector.selects(finding, &steps);
                let selected = evaluation.findings.iter().filter(selects);
                for granted in selected.map(Granted::of) {
                    if !exception.granted_for.contains(&granted) && exception.granted_for.len() < MAX_GRANTED {
                        exception.granted_for.push(granted);
                    }
                }
            }
        }
        all
    }
}

/// What became of the findings that an exception selects.
#[derive(Debug, Default)]
struct Use {
    cleared: u64,
    not_cleared: u64,
    changes: Vec<String>,
}

impl Compiled {
    fn word(&self, finding: &Finding, now: Timestamp) -> Word {
        if self.exception.is_expired(now) {
            return Word::Expired;
        }
        match granted::changes(&self.exception.granted_for, self.exception.facets(), finding) {
            changes if changes.is_empty() => Word::Clears,
            changes => Word::Changed(changes),
        }
    }
}

impl Exception {
    fn used(&self, used: Use, now: Timestamp, notice_days: u32) -> ExceptionUse {
        let state = if self.is_expired(now) {
            ExceptionState::Expired
        } else if used.not_cleared > 0 {
            ExceptionState::Reopened
        } else if self.ends_within(now, notice_days) {
            ExceptionState::Expiring
        } else {
            ExceptionState::Applied
        };
        ExceptionUse {
            id: self.id.clone(),
            state,
            owner: self.owner.clone(),
            expires_at: self.expires_at,
            cleared: used.cleared,
            not_cleared: used.not_cleared,
            changes: used.changes,
        }
    }
}

/// What the reader of an evaluation must know of an exception.
fn notice(used: &ExceptionUse, now: Timestamp) -> Option<EvaluationProblem> {
    let whose = format!("the exception `{}` of {}", used.id, used.owner);
    let findings = |count: u64| if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") };
    let day = |instant: Timestamp| TimeZone::UTC.to_datetime(instant).date();
    let details = match (used.state, used.expires_at) {
        (ExceptionState::Expired, Some(expiry)) => {
            format!("{whose} expired on {}: {} not cleared any more", day(expiry), findings(used.not_cleared))
        }
        (ExceptionState::Expiring, Some(expiry)) => format!(
            "{whose} expires on {}, {}: it clears {}",
            day(expiry),
            match days_until(now, expiry) {
                0 => "within a day".to_owned(),
                1 => "in 1 day".to_owned(),
                days => format!("in {days} days"),
            },
            findings(used.cleared)
        ),
        (ExceptionState::Reopened, _) => format!(
            "{whose} has to be decided on again, {} not cleared: {}",
            findings(used.not_cleared),
            used.changes.join("; ")
        ),
        _ => return None,
    };
    Some(EvaluationProblem { severity: "warn".to_owned(), problem_type: "ExceptionWarning".to_owned(), details })
}

/// Whole days from now to then.
pub(crate) fn days_until(now: Timestamp, then: Timestamp) -> i64 {
    (then.as_second() - now.as_second()).div_euclid(24 * 60 * 60)
}

fn instant_or_day<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
    let day = || text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let midnight = |day: Date| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
    let instant = text.parse::<Timestamp>().ok().or_else(|| day().and_then(midnight));
    let wanted =
        || serde::de::Error::custom(format!("`{text}` is no date: write `2030-12-31` or `2030-12-31T12:00:00Z`"));
    instant.map(Some).ok_or_else(wanted)
}
