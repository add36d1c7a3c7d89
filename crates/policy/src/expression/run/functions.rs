//! What functions and operators give.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use killick_model::version;

use super::super::MAX_SIZE;
use super::super::compile::Function;
use super::super::value::{List, Record, Value};
use super::{BYTES_OF_STEP, EvaluationError, MADE_BYTES_OF_STEP, Outcome, Run, STEPS_OF_ITEM, fault};

impl<'a> Run<'a, '_> {
    pub(super) fn binary(&mut self, function: Function, one: &Value<'a>, other: &Value<'a>) -> Outcome<Value<'a>> {
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
                let seen = self.seen;
                let length = one.len(seen).saturating_add(other.len(seen));
                if length > MAX_SIZE {
                    return Err(EvaluationError::Limit(format!("a list has more than {MAX_SIZE} items")));
                }
                self.budget.take(length.saturating_mul(STEPS_OF_ITEM))?;
                let of = |list: &List<'a>| (0..list.len(seen)).filter_map(|at| list.get(seen, at)).collect::<Vec<_>>();
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
                let item = usize::try_from(*at).ok().and_then(|at| list.get(self.seen, at));
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

    pub(super) fn unary(&mut self, function: Function, value: &Value<'a>) -> Outcome<Value<'a>> {
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
            (F::Size, Value::List(list)) => size(list.len(self.seen)),
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
