//! Evaluation, step by counted step.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use killick_model::version;

use super::compile::{Each, Function, Gather, Literal, Node};
use super::value::{List, Record, Value};
use super::{MAX_SIZE, MAX_STEPS, MAX_STEPS_OF_RULE};
use crate::evidence::Evidence;

/// Bytes of a text that is read for which a step counts.
const BYTES_OF_STEP: usize = 32;
/// Bytes of a text that is made for which a step counts: steps bound the memory as well.
const MADE_BYTES_OF_STEP: usize = 4;
/// Steps that count for each item of a list or map that is made.
const STEPS_OF_ITEM: usize = 8;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluationError {
    /// The expression asks for something that is not there, such as the tenth item of nine.
    #[error("{0}")]
    Fault(String),
    /// It takes too long, or makes too much.
    #[error("{0}")]
    Limit(String),
}

/// How many steps are left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    each: u64,
    of_rule: u64,
    of_evaluation: u64,
}

impl Budget {
    /// That of a whole evaluation.
    pub(crate) const fn new() -> Self {
        Self::of(MAX_STEPS_OF_RULE, MAX_STEPS)
    }

    /// So many steps for each rule, and for all of them.
    pub(super) const fn of(each: u64, all: u64) -> Self {
        Self { each, of_rule: each, of_evaluation: all }
    }

    /// That of the next rule.
    pub(crate) const fn next_rule(self) -> Self {
        Self { of_rule: self.each, ..self }
    }

    fn take(&mut self, steps: usize) -> Result<(), EvaluationError> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = self.of_rule.checked_sub(steps).zip(self.of_evaluation.checked_sub(steps));
        let Some((of_rule, of_evaluation)) = left else {
            (self.of_rule, self.of_evaluation) = (0, self.of_evaluation.saturating_sub(steps));
            return Err(EvaluationError::Limit(format!(
                "the expression takes more steps than {MAX_STEPS_OF_RULE}, or all of the bundle more than {MAX_STEPS}"
            )));
        };
        (self.of_rule, self.of_evaluation) = (of_rule, of_evaluation);
        Ok(())
    }
}

type Outcome<T> = Result<T, EvaluationError>;

/// Evaluates `node` for `subject`.
pub(super) fn run<'a>(
    node: &'a Node,
    evidence: &'a Evidence<'a>,
    subject: Record<'a>,
    budget: &mut Budget,
) -> Outcome<Value<'a>> {
    Run { evidence, subject, variables: Vec::new(), budget }.value(node)
}

struct Run<'a, 'b> {
    evidence: &'a Evidence<'a>,
    subject: Record<'a>,
    /// Those that the expression makes; the first ones are its scope's ([`Run::variable`]).
    variables: Vec<Value<'a>>,
    budget: &'b mut Budget,
}

fn fault<T>(message: impl Into<String>) -> Outcome<T> {
    Err(EvaluationError::Fault(message.into()))
}

impl<'a> Run<'a, '_> {
    fn value(&mut self, node: &'a Node) -> Outcome<Value<'a>> {
        self.budget.take(1)?;
        Ok(match node {
            Node::Literal(literal) => match literal {
                Literal::Null => Value::Null,
                Literal::Bool(value) => Value::Bool(*value),
                Literal::Int(value) => Value::Int(*value),
                Literal::Double(value) => Value::Double(*value),
                Literal::Text(value) => Value::Text(Cow::Borrowed(value)),
            },
            Node::Variable(at) => match self.variable(*at) {
                Some(value) => value,
                None => return fault("a variable has no value"),
            },
            Node::Field(operand, field) => {
                let value = self.record(operand)?.and_then(|record| (field.get)(self.evidence, record));
                let value = value.unwrap_or_else(|| Value::default_of(field.kind));
                self.weigh(&value)?;
                value
            }
            Node::HasField(operand, field) => {
                let record = self.record(operand)?;
                Value::Bool(record.is_some_and(|record| (field.get)(self.evidence, record).is_some()))
            }
            Node::Key(operand, key) => {
                let map = self.value(operand)?;
                self.entry(&map, key)?
            }
            Node::HasKey(operand, key) => {
                let map = self.value(operand)?;
                Value::Bool(self.lookup(&map, key)?.is_some())
            }
            Node::Not(operand) => Value::Bool(!self.truth(operand)?),
            Node::And(one, other) => Value::Bool(self.decided(one, other, false)?),
            Node::Or(one, other) => Value::Bool(self.decided(one, other, true)?),
            Node::Choose(three) => {
                let [condition, yes, no] = three.as_ref();
                let chosen = if self.truth(condition)? { yes } else { no };
                self.value(chosen)?
            }
            Node::Matches(text, regex) => match self.value(text)? {
                Value::Text(text) => {
                    self.budget.take(text.len() / 4)?;
                    Value::Bool(regex.is_match(&text))
                }
                other => return fault(format!("`matches` asks for a string, not for {}", other.kind())),
            },
            Node::List(nodes) => {
                let items: Outcome<Vec<_>> = nodes.iter().map(|node| self.value(node)).collect();
                Value::list(items?)
            }
            Node::Each(each) => self.each(each)?,
            Node::Call(function, arguments) => {
                let mut values = arguments.iter().map(|argument| self.value(argument)).collect::<Outcome<Vec<_>>>()?;
                match (values.pop(), values.pop()) {
                    (Some(last), Some(first)) => self.binary(*function, &first, &last)?,
                    (Some(only), None) => self.unary(*function, &only)?,
                    (None, _) => return fault("a function has no argument"),
                }
            }
        })
    }

    /// The variable of a number: the image, the instant, what the scope is about if that is not the image, and then
    /// those that the expression makes.
    fn variable(&self, at: usize) -> Option<Value<'a>> {
        Some(match (at, self.subject) {
            (0, _) => Value::Record(Record::Image),
            (1, _) => Value::Time(self.evidence.now),
            (2, subject) if !matches!(subject, Record::Image) => Value::Record(subject),
            _ => self.variables.get(at.checked_sub(self.of_scope())?)?.clone(),
        })
    }

    /// How many variables the scope has.
    const fn of_scope(&self) -> usize {
        if matches!(self.subject, Record::Image) { 2 } else { 3 }
    }

    /// What the fields are of; nothing where that is a default.
    fn record(&mut self, node: &'a Node) -> Outcome<Option<Record<'a>>> {
        Ok(match self.value(node)? {
            Value::Record(record) => Some(record),
            _ => None,
        })
    }

    /// Lets a text or a map that was made cost what it is long.
    fn weigh(&mut self, value: &Value<'_>) -> Outcome<()> {
        match value {
            Value::Text(Cow::Owned(text)) => self.budget.take(text.len() / MADE_BYTES_OF_STEP),
            Value::Map(map) => self.budget.take(map.len().saturating_mul(STEPS_OF_ITEM)),
            Value::List(List::Made(items)) => self.budget.take(items.len().saturating_mul(STEPS_OF_ITEM)),
            _ => Ok(()),
        }
    }

    fn truth(&mut self, node: &'a Node) -> Outcome<bool> {
        match self.value(node)? {
            Value::Bool(truth) => Ok(truth),
            other => fault(format!("a bool is asked for, not {}", other.kind())),
        }
    }

    /// `&&` (decided by false) and `||` (decided by true): what one side decides needs no other, even if that has none.
    fn decided(&mut self, one: &'a Node, other: &'a Node, by: bool) -> Outcome<bool> {
        let first = match self.truth(one) {
            Ok(truth) if truth == by => return Ok(by),
            Err(limit @ EvaluationError::Limit(_)) => return Err(limit),
            first => first,
        };
        let second = self.truth(other)?;
        if second == by { Ok(by) } else { first }
    }

    fn lookup(&mut self, map: &Value<'a>, key: &str) -> Outcome<Option<Value<'a>>> {
        let Value::Map(map) = map else { return fault(format!("{} has no keys", map.kind())) };
        self.budget.take(map.len())?;
        Ok(map.iter().find(|(known, _)| known == key).map(|(_, value)| Value::Text(value.clone())))
    }

    fn entry(&mut self, map: &Value<'a>, key: &str) -> Outcome<Value<'a>> {
        match self.lookup(map, key)? {
            Some(value) => Ok(value),
            None => fault(format!("there is no key `{}`; `has()` tells", key.chars().take(60).collect::<String>())),
        }
    }

    /// Items of a list, keys of a map.
    fn items(&mut self, range: &Value<'a>) -> Outcome<List<'a>> {
        match range {
            Value::List(list) => Ok(list.clone()),
            Value::Map(map) => {
                self.budget.take(map.len().saturating_mul(STEPS_OF_ITEM))?;
                Ok(List::Made(Rc::new(map.iter().map(|(key, _)| Value::Text(key.clone())).collect())))
            }
            other => fault(format!("{} has no items", other.kind())),
        }
    }

    fn each(&mut self, each: &'a Each) -> Outcome<Value<'a>> {
        let range = self.value(&each.range)?;
        let items = self.items(&range)?;
        let (mut count, mut collected, mut deferred) = (0_usize, Vec::new(), None);
        let evidence = self.evidence;
        let own = each.variable.saturating_sub(self.of_scope());
        for at in 0..items.len(evidence) {
            let Some(item) = items.get(evidence, at) else { break };
            self.variables.truncate(own);
            self.variables.push(item);
            match &each.what {
                Gather::All(asked) | Gather::Exists(asked) => {
                    let decides = matches!(each.what, Gather::Exists(_));
                    match self.truth(asked) {
                        Ok(truth) if truth == decides => {
                            self.variables.truncate(own);
                            return Ok(Value::Bool(decides));
                        }
                        Ok(_) => {}
                        Err(limit @ EvaluationError::Limit(_)) => return Err(limit),
                        Err(error) => deferred = deferred.or(Some(error)),
                    }
                }
                Gather::ExistsOne(asked) => count += usize::from(self.truth(asked)?),
                Gather::Collect(asked, item) => {
                    if asked.as_ref().map_or(Ok(true), |asked| self.truth(asked))? {
                        if collected.len() >= MAX_SIZE {
                            return Err(EvaluationError::Limit(format!("a list has more than {MAX_SIZE} items")));
                        }
                        let value = self.value(item)?;
                        self.budget.take(STEPS_OF_ITEM)?;
                        collected.push(value);
                    }
                }
            }
        }
        self.variables.truncate(own);
        match (&each.what, deferred) {
            (_, Some(error)) => Err(error),
            (Gather::All(_), None) => Ok(Value::Bool(true)),
            (Gather::Exists(_), None) => Ok(Value::Bool(false)),
            (Gather::ExistsOne(_), None) => Ok(Value::Bool(count == 1)),
            (Gather::Collect(..), None) => Ok(Value::list(collected)),
        }
    }

    /// Whether two values are the same, lists item by item.
    fn same(&mut self, one: &Value<'a>, other: &Value<'a>) -> Outcome<bool> {
        self.budget.take(1)?;
        if let (Value::Text(one), Value::Text(other)) = (one, other) {
            self.budget.take(one.len().min(other.len()) / BYTES_OF_STEP)?;
        }
        let (Value::List(one), Value::List(other)) = (one, other) else { return Ok(one.is(other)) };
        let evidence = self.evidence;
        if one.len(evidence) != other.len(evidence) {
            return Ok(false);
        }
        for at in 0..one.len(evidence) {
            let (Some(one), Some(other)) = (one.get(evidence, at), other.get(evidence, at)) else { return Ok(false) };
            if !self.same(&one, &other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn binary(&mut self, function: Function, one: &Value<'a>, other: &Value<'a>) -> Outcome<Value<'a>> {
        use Function as F;
        let order = |wanted: fn(Ordering) -> bool| match one.order(other) {
            Some(order) => Ok(Value::Bool(wanted(order))),
            None => fault(format!("{} and {} have no order", one.kind(), other.kind())),
        };
        match function {
            F::Equals => return Ok(Value::Bool(self.same(one, other)?)),
            F::NotEquals => return Ok(Value::Bool(!self.same(one, other)?)),
            F::Less => return order(Ordering::is_lt),
            F::LessOrEqual => return order(Ordering::is_le),
            F::Greater => return order(Ordering::is_gt),
            F::GreaterOrEqual => return order(Ordering::is_ge),
            F::In => return self.contained(one, other),
            _ => {}
        }
        match (function, one, other) {
            (F::Add, Value::Text(one), Value::Text(other)) => {
                let length = one.len().saturating_add(other.len());
                if length > MAX_SIZE {
                    return Err(EvaluationError::Limit(format!("a text has more than {MAX_SIZE} bytes")));
                }
                self.budget.take(length / MADE_BYTES_OF_STEP)?;
                Ok(Value::Text(Cow::Owned(format!("{one}{other}"))))
            }
            (F::Add, Value::List(one), Value::List(other)) => {
                let evidence = self.evidence;
                let length = one.len(evidence).saturating_add(other.len(evidence));
                if length > MAX_SIZE {
                    return Err(EvaluationError::Limit(format!("a list has more than {MAX_SIZE} items")));
                }
                self.budget.take(length.saturating_mul(STEPS_OF_ITEM))?;
                let of = |list: &List<'a>| {
                    (0..list.len(evidence)).filter_map(|at| list.get(evidence, at)).collect::<Vec<_>>()
                };
                Ok(Value::list([of(one), of(other)].concat()))
            }
            (F::Contains | F::StartsWith | F::EndsWith, Value::Text(text), Value::Text(part)) => {
                self.budget.take(text.len() / BYTES_OF_STEP)?;
                Ok(Value::Bool(match function {
                    F::Contains => text.contains(part.as_ref()),
                    F::StartsWith => text.starts_with(part.as_ref()),
                    _ => text.ends_with(part.as_ref()),
                }))
            }
            (F::Index, Value::List(list), Value::Int(at)) => {
                let item = usize::try_from(*at).ok().and_then(|at| list.get(self.evidence, at));
                item.map_or_else(|| fault(format!("the list has no item {at}")), Ok)
            }
            (F::Index, map @ Value::Map(_), Value::Text(key)) => self.entry(map, key),
            (F::OlderThan, Value::Record(Record::Package(package)), Value::Text(version)) => {
                let scheme = package.kind.scheme();
                match version::compare(scheme, &package.version, version) {
                    Some(order) => Ok(Value::Bool(order.is_lt())),
                    None => fault(format!(
                        "the versions `{}` and `{version}` of `{}` cannot be compared by the rules of {scheme}",
                        package.version, package.name
                    )),
                }
            }
            _ => arithmetic(function, one, other),
        }
    }

    fn contained(&mut self, item: &Value<'a>, range: &Value<'a>) -> Outcome<Value<'a>> {
        if let (Value::Text(key), Value::Map(_)) = (item, range) {
            return Ok(Value::Bool(self.lookup(range, key)?.is_some()));
        }
        let Value::List(list) = range else { return fault(format!("{} has no items", range.kind())) };
        let evidence = self.evidence;
        for at in 0..list.len(evidence) {
            let Some(other) = list.get(evidence, at) else { break };
            if self.same(item, &other)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn unary(&mut self, function: Function, value: &Value<'a>) -> Outcome<Value<'a>> {
        use Function as F;
        if let Value::Text(text) = value {
            self.budget.take(text.len() / MADE_BYTES_OF_STEP)?;
        }
        let size = |size: usize| Value::Int(i64::try_from(size).unwrap_or(i64::MAX));
        let text = |text: String| Value::Text(Cow::Owned(text));
        let unreadable = |text: &str, what: &str| {
            let text: String = text.chars().take(60).collect();
            fault(format!("`{text}` is no {what}"))
        };
        Ok(match (function, value) {
            (F::Size, Value::Text(text)) => size(text.chars().count()),
            (F::Size, Value::List(list)) => size(list.len(self.evidence)),
            (F::Size, Value::Map(map)) => size(map.len()),
            (F::LowerAscii, Value::Text(word)) => text(word.to_ascii_lowercase()),
            (F::UpperAscii, Value::Text(word)) => text(word.to_ascii_uppercase()),
            (F::Negate, Value::Int(number)) => match number.checked_neg() {
                Some(number) => Value::Int(number),
                None => return fault("a number is too large"),
            },
            (F::Negate, Value::Double(number)) => Value::Double(-number),
            (F::ToInt, Value::Int(number)) => Value::Int(*number),
            (F::ToInt, Value::Double(number)) => Value::Int(whole(*number)?),
            (F::ToInt, Value::Time(instant)) => Value::Int(instant.as_second()),
            (F::ToInt, Value::Text(word)) => match word.parse() {
                Ok(number) => Value::Int(number),
                Err(_) => return unreadable(word, "whole number"),
            },
            #[expect(clippy::cast_precision_loss, reason = "what a double cannot hold is rounded, as CEL asks for")]
            (F::ToDouble, Value::Int(number)) => Value::Double(*number as f64),
            (F::ToDouble, Value::Double(number)) => Value::Double(*number),
            (F::ToDouble, Value::Text(word)) => match word.parse() {
                Ok(number) => Value::Double(number),
                Err(_) => return unreadable(word, "number"),
            },
            (F::ToText, Value::Text(word)) => Value::Text(word.clone()),
            (F::ToText, Value::Bool(truth)) => text(truth.to_string()),
            (F::ToText, Value::Int(number)) => text(number.to_string()),
            (F::ToText, Value::Double(number)) => text(number.to_string()),
            (F::ToText, Value::Time(instant)) => text(instant.to_string()),
            (F::ToText, Value::Span(span)) => text(format!("{}s", span.as_secs())),
            (F::ToTime, Value::Text(word)) => match word.parse::<Timestamp>() {
                Ok(instant) => Value::Time(instant),
                Err(_) => return unreadable(word, "timestamp, such as `2026-01-31T00:00:00Z`"),
            },
            (F::ToSpan, Value::Text(word)) => match span(word) {
                Some(span) => Value::Span(span),
                None => return unreadable(word, "duration, such as `72h` or `1h30m`"),
            },
            (F::Hours, Value::Span(span)) => Value::Int(span.as_hours()),
            (F::Minutes, Value::Span(span)) => Value::Int(span.as_mins()),
            (F::Seconds, Value::Span(span)) => Value::Int(span.as_secs()),
            (_, value) => return fault(format!("a function cannot be asked of {}", value.kind())),
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(number: f64) -> Outcome<i64> {
    const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;
    if number > -TOO_LARGE && number < TOO_LARGE { Ok(number as i64) } else { fault(format!("{number} is no int")) }
}

/// `1h30m`, `45s`, `-5m`: whole numbers with their units.
fn span(text: &str) -> Option<SignedDuration> {
    let (digits, is_negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let mut seconds: i64 = 0;
    let mut rest = digits;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = rest.split_at(end);
        let mut letters = unit.chars();
        let unit = match letters.next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = letters.as_str();
    }
    (!digits.is_empty()).then(|| SignedDuration::from_secs(if is_negative { -seconds } else { seconds }))
}

fn arithmetic<'a>(function: Function, one: &Value<'a>, other: &Value<'a>) -> Outcome<Value<'a>> {
    use Function as F;
    let value = match (one, other) {
        (Value::Int(one), Value::Int(other)) => {
            if matches!(function, F::Divide | F::Remainder) && *other == 0 {
                return fault("a number is divided by zero");
            }
            let number = match function {
                F::Add => one.checked_add(*other),
                F::Subtract => one.checked_sub(*other),
                F::Multiply => one.checked_mul(*other),
                F::Divide => one.checked_div(*other),
                F::Remainder => one.checked_rem(*other),
                _ => None,
            };
            number.map(Value::Int)
        }
        (Value::Double(one), Value::Double(other)) => match function {
            F::Add => Some(Value::Double(one + other)),
            F::Subtract => Some(Value::Double(one - other)),
            F::Multiply => Some(Value::Double(one * other)),
            F::Divide => Some(Value::Double(one / other)),
            _ => None,
        },
        (Value::Time(one), Value::Time(other)) if function == F::Subtract => {
            Some(Value::Span(one.duration_since(*other)))
        }
        (Value::Time(instant), Value::Span(span)) | (Value::Span(span), Value::Time(instant)) => match function {
            F::Add => instant.checked_add(*span).ok().map(Value::Time),
            F::Subtract => instant.checked_sub(*span).ok().map(Value::Time),
            _ => None,
        },
        (Value::Span(one), Value::Span(other)) => match function {
            F::Add => one.checked_add(*other).map(Value::Span),
            F::Subtract => one.checked_sub(*other).map(Value::Span),
            _ => None,
        },
        _ => None,
    };
    value.map_or_else(
        || fault(format!("{} and {} cannot be calculated with, or the result is too large", one.kind(), other.kind())),
        Ok,
    )
}
