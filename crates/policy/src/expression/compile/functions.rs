//! Operators and functions: which there are, and what they take and give.

use cel::common::ast::operators;

use super::Type;
use crate::expression::facts::PACKAGE;

/// Something that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) enum Function {
    Equals,
    NotEquals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Negate,
    In,
    Index,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    ToInt,
    ToDouble,
    ToText,
    ToTime,
    ToSpan,
    Hours,
    Minutes,
    Seconds,
    OlderThan,
}

/// What is called by a name: as written, with what it takes and gives, for messages and the documentation.
const NAMED: &[(&str, &str)] = &[
    ("size", "`size(x)`, `x.size()`: characters of a string, items of a list or a map"),
    ("contains", "`text.contains(part)`"),
    ("startsWith", "`text.startsWith(part)`"),
    ("endsWith", "`text.endsWith(part)`"),
    ("matches", "`text.matches('pattern')`: whether a part matches; the pattern has to be written out"),
    ("lowerAscii", "`text.lowerAscii()`"),
    ("upperAscii", "`text.upperAscii()`"),
    ("int", "`int(x)` of a double, a string or a timestamp (seconds since 1970)"),
    ("double", "`double(x)` of an int or a string"),
    ("string", "`string(x)` of a bool, a number, a timestamp or a duration"),
    ("timestamp", "`timestamp('2026-01-31T00:00:00Z')`"),
    ("duration", "`duration('72h')`, with `h`, `m` and `s`"),
    ("getHours", "`span.getHours()` of a duration"),
    ("getMinutes", "`span.getMinutes()` of a duration"),
    ("getSeconds", "`span.getSeconds()` of a duration"),
    ("olderThan", "`pkg.olderThan('1.2.3')`: by the rules of its kind of package"),
];

/// The function of a name for arguments of these types, a target first, and what it gives.
pub(super) fn find(name: &str, has_target: bool, kinds: &[Type]) -> Result<(Function, Type), String> {
    use Function as F;
    let given = || kinds.iter().map(Type::to_string).collect::<Vec<_>>().join(" and ");
    let is = |at: usize, wanted: Type| kinds.get(at).is_some_and(|kind| kind.fits(wanted));
    let first = kinds.first().copied().unwrap_or(Type::Null);
    let second = kinds.get(1).copied().unwrap_or(Type::Null);
    let number = |function: F, sign: &str| match (first, second) {
        (Type::Int | Type::Any, Type::Int) | (Type::Int, Type::Any) => Ok((function, Type::Int)),
        (Type::Double | Type::Any, Type::Double) | (Type::Double, Type::Any) => Ok((function, Type::Double)),
        (Type::Any, Type::Any) => Ok((function, Type::Any)),
        _ => Err(format!("`{sign}` asks for two numbers of the same type, not for {}", given())),
    };
    let compared = |function: F, sign: &str| {
        let fits = first.orders_with(second);
        fits.then_some((function, Type::Bool)).ok_or_else(|| format!("`{sign}` cannot compare {}", given()))
    };
    let equal = |function: F, sign: &str| {
        let fits = first.equals(second);
        fits.then_some((function, Type::Bool)).ok_or_else(|| format!("`{sign}` cannot compare {}", given()))
    };
    match (name, kinds.len()) {
        (operators::EQUALS, 2) => return equal(F::Equals, "=="),
        (operators::NOT_EQUALS, 2) => return equal(F::NotEquals, "!="),
        (operators::LESS, 2) => return compared(F::Less, "<"),
        (operators::LESS_EQUALS, 2) => return compared(F::LessOrEqual, "<="),
        (operators::GREATER, 2) => return compared(F::Greater, ">"),
        (operators::GREATER_EQUALS, 2) => return compared(F::GreaterOrEqual, ">="),
        (operators::MULTIPLY, 2) => return number(F::Multiply, "*"),
        (operators::DIVIDE, 2) => return number(F::Divide, "/"),
        (operators::MODULO, 2) if is(0, Type::Int) && is(1, Type::Int) => return Ok((F::Remainder, Type::Int)),
        (operators::MODULO, 2) => return Err(format!("`%` asks for two ints, not for {}", given())),
        (operators::NEGATE, 1) if first.is_number() => return Ok((F::Negate, first)),
        (operators::NEGATE, 1) => return Err(format!("`-` asks for a number, not for {first}")),
        (operators::ADD, 2) => {
            let kind = match (first, second) {
                (Type::Text, Type::Text) => Type::Text,
                (Type::Time, Type::Span) | (Type::Span, Type::Time) => Type::Time,
                (Type::Span, Type::Span) => Type::Span,
                (Type::List(_), Type::List(_)) => first
                    .join(second)
                    .ok_or_else(|| format!("`+` asks for lists of the same type, not for {}", given()))?,
                _ => return number(F::Add, "+").map_err(|_| format!("`+` cannot add {}", given())),
            };
            return Ok((F::Add, kind));
        }
        (operators::SUBSTRACT, 2) => {
            let kind = match (first, second) {
                (Type::Time, Type::Time) | (Type::Span, Type::Span) => Type::Span,
                (Type::Time, Type::Span) => Type::Time,
                _ => return number(F::Subtract, "-").map_err(|_| format!("`-` cannot subtract {}", given())),
            };
            return Ok((F::Subtract, kind));
        }
        (operators::IN, 2) => {
            let fits = match second {
                Type::List(item) => first.equals(*item),
                Type::Map => first.fits(Type::Text),
                Type::Any => true,
                _ => false,
            };
            let refused =
                || format!("`in` asks for an item and a list of such, or a key and a map, not for {}", given());
            return fits.then_some((F::In, Type::Bool)).ok_or_else(refused);
        }
        (operators::INDEX, 2) => match (first, second) {
            (Type::List(item), Type::Int | Type::Any) => return Ok((F::Index, *item)),
            (Type::Map, Type::Text | Type::Any) => return Ok((F::Index, Type::Text)),
            (Type::Any, Type::Int | Type::Text | Type::Any) => return Ok((F::Index, Type::Any)),
            _ => return Err(format!("`[]` asks for a list and a number, or a map and a string, not for {}", given())),
        },
        _ => {}
    }
    let found = match (name, has_target, kinds.len()) {
        ("size", _, 1) if matches!(first, Type::Text | Type::List(_) | Type::Map | Type::Any) => (F::Size, Type::Int),
        ("contains", true, 2) if is(0, Type::Text) && is(1, Type::Text) => (F::Contains, Type::Bool),
        ("startsWith", true, 2) if is(0, Type::Text) && is(1, Type::Text) => (F::StartsWith, Type::Bool),
        ("endsWith", true, 2) if is(0, Type::Text) && is(1, Type::Text) => (F::EndsWith, Type::Bool),
        ("lowerAscii", true, 1) if is(0, Type::Text) => (F::LowerAscii, Type::Text),
        ("upperAscii", true, 1) if is(0, Type::Text) => (F::UpperAscii, Type::Text),
        ("int", false, 1) if first.is_number() || matches!(first, Type::Text | Type::Time) => (F::ToInt, Type::Int),
        ("double", false, 1) if first.is_number() || is(0, Type::Text) => (F::ToDouble, Type::Double),
        ("string", false, 1) if !matches!(first, Type::Null | Type::List(_) | Type::Map | Type::Record(_)) => {
            (F::ToText, Type::Text)
        }
        ("timestamp", false, 1) if is(0, Type::Text) => (F::ToTime, Type::Time),
        ("duration", false, 1) if is(0, Type::Text) => (F::ToSpan, Type::Span),
        ("getHours", true, 1) if is(0, Type::Span) => (F::Hours, Type::Int),
        ("getMinutes", true, 1) if is(0, Type::Span) => (F::Minutes, Type::Int),
        ("getSeconds", true, 1) if is(0, Type::Span) => (F::Seconds, Type::Int),
        ("olderThan", true, 2) if is(0, Type::Record(&PACKAGE)) && is(1, Type::Text) => (F::OlderThan, Type::Bool),
        _ => {
            if let Some((_, usage)) = NAMED.iter().find(|(known, _)| *known == name) {
                return Err(format!("`{name}` is used as {usage}; it was given {}", given()));
            }
            let known: Vec<_> = NAMED.iter().map(|(known, _)| *known).collect();
            let known = known.join(", ");
            return Err(format!(
                "there is no function `{name}`; there are has, all, exists, exists_one, map, filter, {known}"
            ));
        }
    };
    Ok(found)
}

/// What is called by a name, for the test of the documentation.
#[cfg(test)]
pub(in crate::expression) fn named() -> &'static [(&'static str, &'static str)] {
    NAMED
}
