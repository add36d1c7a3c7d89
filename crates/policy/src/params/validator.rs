//! The kinds of values parameters accept, with the names and patterns of the v1 contract.

use killick_model::package::PackageKind;
use serde_json::{Value, json};

use super::Bound;
use crate::expression::{MAX_LENGTH, Program, Scope, Type};
use crate::python;

/// What a parameter accepts. Values are always texts; a JSON number or boolean is refused.
#[derive(Debug, Clone, Copy)]
pub enum Validator {
    /// Any text.
    Text,
    /// `true` or `false`, in any case.
    Boolean,
    /// One of these, exactly.
    OneOf(&'static [&'static str]),
    /// Texts with commas between.
    List,
    /// Some of these, with commas between.
    SomeOf(&'static [&'static str]),
    /// Whole numbers with commas between.
    Numbers,
    /// A whole number.
    Integer,
    /// A number with or without decimals.
    Float,
    /// A number above zero that is at most this.
    UpTo(u8),
    /// A text in which `*` stands for anything. What begins with `regexp:` would be no such text, and never match.
    Wildcard,
    /// Several of them, with commas between.
    Wildcards,
    /// Kinds of packages, by our names, with commas between.
    Kinds,
    /// A size: a whole number with `kb`, `mb`, `gb` or `tb`, or bytes.
    Size,
    /// A CEL expression that gives a bool.
    Condition(Scope),
    /// A CEL expression that gives a text.
    Message(Scope),
    /// Depends on the value of another parameter, which must be declared before.
    Linked(&'static Linked),
}

/// A parameter whose validator depends on the value of another.
#[derive(Debug)]
pub struct Linked {
    /// The other parameter.
    pub on: &'static str,
    /// Validators for certain of its values.
    pub cases: &'static [(&'static str, Validator)],
    /// The validator for all others.
    pub otherwise: Validator,
    /// May be absent only if this parameter has one of these values.
    pub optional_if: (&'static str, &'static [&'static str]),
}

const LIST_PATTERN: &str = r"^\s*(\s*([^,]+)\s*,)*\s*([^,]+){1}\s*$";
const NUMBERS_PATTERN: &str = r"^\s*(\s*(\d+)\s*,)*\s*(\d+){1}\s*$";
const INTEGER_PATTERN: &str = r"^\s*[\d]+\s*$";
const FLOAT_PATTERN: &str = r"^\s*-*(\d)*(\.\d*)?\s*$";
const WILDCARD_PATTERN: &str = r"^(?!\s*regexp:).*\S.*$";
const WILDCARDS_PATTERN: &str = r"^(?!\s*regexp:)[^,]*[^,\s][^,]*(,(?!\s*regexp:)[^,]*[^,\s][^,]*)*$";
const SIZE_PATTERN: &str = "^([0-9]+)([kmgt]b)?$";

impl Validator {
    /// Its name in the policy specification.
    pub const fn wire_type(self) -> &'static str {
        match self {
            Self::Text => "type",
            Self::Boolean => "BooleanString",
            Self::OneOf(_) => "EnumString",
            Self::List | Self::SomeOf(_) | Self::Wildcards | Self::Kinds => "CommaDelimitedStringList",
            Self::Numbers => "CommaDelimitedStringOfNumbers",
            Self::Integer => "IntegerString",
            Self::Float | Self::UpTo(_) => "FloatString",
            Self::Size | Self::Wildcard => "RegexValidator",
            Self::Condition(_) | Self::Message(_) => "CelExpression",
            Self::Linked(_) => "LinkedValidator",
        }
    }

    /// One sentence for the policy specification.
    pub(crate) fn description(self) -> String {
        match self {
            Self::Linked(linked) => format!("What is accepted depends on the parameter `{}`", linked.on),
            other => format!("Accepts {}", other.expectation()),
        }
    }

    /// What is accepted, to be put after "expected".
    pub(crate) fn expectation(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Boolean => "`true` or `false`, in any case".to_owned(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::List => "texts separated by commas".to_owned(),
            Self::SomeOf(words) => format!("some of {}, separated by commas", words.join(", ")),
            Self::Numbers => "whole numbers separated by commas".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Float => "a number such as 7.5".to_owned(),
            Self::UpTo(most) => format!("a number above 0 that is at most {most}"),
            Self::Wildcard => "a text, in which `*` stands for anything; `regexp:` is not understood here".to_owned(),
            Self::Wildcards => {
                "texts separated by commas, in which `*` stands for anything; `regexp:` is not understood here"
                    .to_owned()
            }
            Self::Kinds => format!("some of {}, separated by commas", kinds().join(", ")),
            Self::Size => "a size such as `500mb`".to_owned(),
            Self::Condition(_) => "a CEL expression that gives a bool".to_owned(),
            Self::Message(_) => "a CEL expression that gives a string".to_owned(),
            Self::Linked(linked) => format!("what `{}` asks for", linked.on),
        }
    }

    /// The JSON Schema fragment of the policy specification.
    pub(crate) fn criteria(self) -> Value {
        let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Boolean => json!({"type": "string", "enum": ["true", "false"]}),
            Self::OneOf(words) => json!({"type": "string", "enum": words}),
            Self::List => pattern(LIST_PATTERN),
            Self::SomeOf(words) => pattern(&some_of(words)),
            Self::Numbers => pattern(NUMBERS_PATTERN),
            Self::Integer => pattern(INTEGER_PATTERN),
            Self::Float | Self::UpTo(_) => pattern(FLOAT_PATTERN),
            Self::Wildcard => pattern(WILDCARD_PATTERN),
            Self::Wildcards => pattern(WILDCARDS_PATTERN),
            Self::Kinds => pattern(&some_of(&kinds())),
            Self::Size => pattern(SIZE_PATTERN),
            Self::Condition(_) | Self::Message(_) => json!({"type": "string", "maxLength": MAX_LENGTH}),
            Self::Linked(_) => {
                json!({"anyOf": [Self::Size.criteria(), Self::Text.criteria(), Self::Integer.criteria()]})
            }
        }
    }

    /// The JSON Schema fragment for editors: the engine's reading, which is in places stricter or wider than what the
    /// specification tells with the original.
    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Boolean => json!({
                "type": "string",
                "anyOf": [{"enum": ["true", "false"]}, {"pattern": "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"}],
            }),
            Self::OneOf(words) => {
                let words: Vec<&str> = words.iter().flat_map(spellings).copied().collect();
                json!({"type": "string", "enum": words})
            }
            Self::Float | Self::UpTo(_) => {
                json!({"type": "string", "pattern": r"^\s*-?([0-9]+\.?[0-9]*|\.[0-9]+)\s*$"})
            }
            Self::List => json!({"type": "string", "pattern": "^[^,]+(,[^,]+)*$"}),
            Self::Linked(_) => json!({"type": "string"}),
            other => other.criteria(),
        }
    }

    /// The validator to use, given the values bound so far; `None` where the parameter it depends on has none.
    pub(crate) fn resolve<'v>(self, value_of: impl Fn(&'static str) -> Option<&'v str>) -> Option<Self> {
        let Self::Linked(linked) = self else { return Some(self) };
        let on = value_of(linked.on)?;
        Some(linked.cases.iter().find(|(case, _)| *case == on).map_or(linked.otherwise, |(_, validator)| *validator))
    }

    /// The schema that a missing value violates, if it does although the parameter is declared optional.
    pub(crate) fn refuses_absence<'v>(self, value_of: impl Fn(&'static str) -> Option<&'v str>) -> Option<Value> {
        let Self::Linked(linked) = self else { return None };
        let (parameter, values) = linked.optional_if;
        match value_of(parameter) {
            Some(value) if !values.contains(&value) => self.resolve(value_of).map(Self::criteria),
            _ => None,
        }
    }

    /// Reads a value, or says what is wrong with it in the words of the v1 contract.
    pub(crate) fn parse(self, value: &Value) -> Result<Bound, String> {
        if matches!(self, Self::Boolean) {
            return boolean(value);
        }
        let Value::String(text) = value else {
            return Err(format!("{} is not of type 'string'", python::value(value)));
        };
        let mismatch = |pattern: &str| format!("{} does not match {}", python::repr(text), python::repr(pattern));
        match self {
            Self::Text | Self::Boolean | Self::Linked(_) => Ok(Bound::Text(text.clone())),
            Self::OneOf(words) => {
                let text = neutral(text, words);
                if words.contains(&text) {
                    return Ok(Bound::Text(text.to_owned()));
                }
                Err(format!("{} is not one of {}", python::repr(text), python::list(words.iter().copied())))
            }
            Self::List => {
                // Every piece has at least one character, so only blanks between commas are an empty item.
                if text.is_empty() || text.split(',').any(str::is_empty) {
                    return Err(mismatch(LIST_PATTERN));
                }
                Ok(Bound::List(text.split(',').map(|item| item.trim().to_owned()).collect()))
            }
            Self::SomeOf(words) => words_of(text, words).ok_or_else(|| mismatch(&some_of(words))),
            Self::Kinds => words_of(text, &kinds()).ok_or_else(|| mismatch(&some_of(&kinds()))),
            Self::Wildcard if is_wildcard(text) => Ok(Bound::Text(text.clone())),
            Self::Wildcard => Err(mismatch(WILDCARD_PATTERN)),
            Self::Wildcards if text.split(',').all(is_wildcard) => {
                Ok(Bound::List(text.split(',').map(|item| item.trim().to_owned()).collect()))
            }
            Self::Wildcards => Err(mismatch(WILDCARDS_PATTERN)),
            Self::UpTo(most) => {
                let number = float(text.trim()).ok_or_else(|| mismatch(FLOAT_PATTERN))?;
                let is_within = number > 0.0 && number <= f64::from(most);
                let refusal = || format!("{} is not {}", python::repr(text), self.expectation());
                is_within.then_some(Bound::Float(number)).ok_or_else(refusal)
            }
            Self::Numbers => {
                let numbers: Option<Vec<_>> = text.split(',').map(|item| number(item.trim())).collect();
                numbers.map(Bound::List).ok_or_else(|| mismatch(NUMBERS_PATTERN))
            }
            Self::Integer => {
                let digits = number(text.trim()).ok_or_else(|| mismatch(INTEGER_PATTERN))?;
                // Whatever exceeds 64 bits is as good as endless: days, layers.
                Ok(Bound::Integer(digits.parse().unwrap_or(u64::MAX)))
            }
            Self::Float => float(text.trim()).map(Bound::Float).ok_or_else(|| mismatch(FLOAT_PATTERN)),
            Self::Condition(scope) => compiled(text, scope, Type::Bool),
            Self::Message(scope) => compiled(text, scope, Type::Text),
            Self::Size => size(text).map(Bound::Integer).ok_or_else(|| mismatch(SIZE_PATTERN)),
        }
    }
}

/// The names of all kinds of packages.
fn kinds() -> Vec<&'static str> {
    PackageKind::all().map(PackageKind::name).collect()
}

/// Words with commas between, if they are all known.
fn words_of(text: &str, words: &[&str]) -> Option<Bound> {
    let items: Vec<_> = text.split(',').map(str::trim).collect();
    let are_known = items.iter().all(|item| words.contains(item));
    are_known.then(|| Bound::List(items.into_iter().map(str::to_owned).collect()))
}

fn is_wildcard(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && !text.starts_with("regexp:")
}

/// The pattern of a list of these words, which are plain.
fn some_of(words: &[&str]) -> String {
    let word = words.join("|");
    format!(r"^\s*({word})\s*(,\s*({word})\s*)*$")
}

fn compiled(text: &str, scope: Scope, wanted: Type) -> Result<Bound, String> {
    Program::new(text, scope, wanted).map(Bound::Program).map_err(|error| error.to_string())
}

/// A word of the contract, and the one that is understood in its place.
fn spellings<'w>(word: &'w &'w str) -> &'w [&'w str] {
    match *word {
        "whitelist" => &["whitelist", "allowlist"],
        "blacklist" => &["blacklist", "denylist"],
        _ => std::slice::from_ref(word),
    }
}

/// `allowlist` and `denylist` are understood where the contract says `whitelist` and `blacklist`.
fn neutral<'t>(text: &'t str, words: &[&str]) -> &'t str {
    match text {
        "allowlist" if words.contains(&"whitelist") => "whitelist",
        "denylist" if words.contains(&"blacklist") => "blacklist",
        text => text,
    }
}

fn boolean(value: &Value) -> Result<Bound, String> {
    let text = match value {
        Value::String(text) => text.to_lowercase(),
        other => python::value(other).to_lowercase(),
    };
    match text.as_str() {
        "true" => Ok(Bound::Flag(true)),
        "false" => Ok(Bound::Flag(false)),
        _ => Err(format!("{} is not one of ['true', 'false']", python::repr(&text))),
    }
}

/// A run of digits, printed as a number is: without leading zeros.
fn number(text: &str) -> Option<String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = text.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { digits.to_owned() })
}

/// `5.`, `.5`, `-1`; not `.`, `--5`, nothing, which the original accepts and then fails on.
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn size(text: &str) -> Option<u64> {
    let (digits, power) = match text.len().checked_sub(2).and_then(|cut| text.split_at_checked(cut)) {
        Some((digits, "kb")) => (digits, 1),
        Some((digits, "mb")) => (digits, 2),
        Some((digits, "gb")) => (digits, 3),
        Some((digits, "tb")) => (digits, 4),
        _ => (text, 0),
    };
    let digits = number(digits)?;
    let bytes: u64 = digits.parse().unwrap_or(u64::MAX);
    Some(bytes.saturating_mul(1024_u64.pow(power)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Validator; 12] = [
        Validator::Text,
        Validator::Boolean,
        Validator::OneOf(&["whitelist", "blacklist"]),
        Validator::List,
        Validator::Numbers,
        Validator::Integer,
        Validator::Float,
        Validator::Size,
        Validator::UpTo(1),
        Validator::Wildcard,
        Validator::Wildcards,
        Validator::Kinds,
    ];

    fn parse(validator: Validator, text: &str) -> Option<Bound> {
        validator.parse(&Value::String(text.to_owned())).ok()
    }

    #[test]
    fn kinds_accept_and_refuse_as_documented() {
        let list = |items: &[&str]| Some(Bound::List(items.iter().map(|&item| item.to_owned()).collect()));
        for (validator, text, want) in [
            (Validator::Text, "", Some(Bound::Text(String::new()))),
            (Validator::Boolean, "TRUE", Some(Bound::Flag(true))),
            (Validator::Boolean, "False", Some(Bound::Flag(false))),
            (Validator::Boolean, "yes", None),
            (Validator::Boolean, "1", None),
            (Validator::Boolean, "", None),
            (Validator::OneOf(&["a"]), " a", None),
            (Validator::OneOf(&["a"]), "A", None),
            (Validator::OneOf(&["whitelist"]), "allowlist", Some(Bound::Text("whitelist".into()))),
            (Validator::List, "a,", None),
            (Validator::List, ",a", None),
            (Validator::List, "a,,b", None),
            (Validator::List, "", None),
            (Validator::List, " ", list(&[""])),
            (Validator::List, "a, ,b", list(&["a", "", "b"])),
            (Validator::Numbers, "1,2", list(&["1", "2"])),
            (Validator::Numbers, " 1 , 02 ", list(&["1", "2"])),
            (Validator::Numbers, "-1", None),
            (Validator::Numbers, "1.5", None),
            (Validator::Numbers, "1,", None),
            (Validator::Numbers, "80-90", None),
            (Validator::Integer, "007", Some(Bound::Integer(7))),
            (Validator::Integer, "-1", None),
            (Validator::Integer, "+1", None),
            (Validator::Integer, "1.0", None),
            (Validator::Integer, "", None),
            (Validator::Float, "5.", Some(Bound::Float(5.0))),
            (Validator::Float, ".5", Some(Bound::Float(0.5))),
            (Validator::Float, " 5 ", Some(Bound::Float(5.0))),
            (Validator::Float, "-1", Some(Bound::Float(-1.0))),
            (Validator::Float, "5e1", None),
            (Validator::Float, "+1", None),
            (Validator::Float, "", None),
            (Validator::Float, ".", None),
            (Validator::Float, "--5", None),
            (Validator::Size, "1kb", Some(Bound::Integer(1024))),
            (Validator::Size, "100mb", Some(Bound::Integer(104_857_600))),
            (Validator::Size, "12", Some(Bound::Integer(12))),
            (Validator::Size, "1GB", None),
            (Validator::Size, "100 mb", None),
            (Validator::Size, "-1", None),
            (Validator::Size, "10b", None),
            (Validator::Size, "", None),
            (Validator::UpTo(1), "0.1", Some(Bound::Float(0.1))),
            (Validator::UpTo(1), "1", Some(Bound::Float(1.0))),
            (Validator::UpTo(1), "0", None),
            (Validator::UpTo(1), "-1", None),
            (Validator::UpTo(1), "2", None),
            (Validator::UpTo(100), "150", None),
            (Validator::UpTo(100), "x", None),
            (Validator::Wildcard, "https://*", Some(Bound::Text("https://*".into()))),
            (Validator::Wildcard, " ", None),
            (Validator::Wildcard, "regexp:.*", None),
            (Validator::Wildcards, "debian:12*, sha256:1", list(&["debian:12*", "sha256:1"])),
            (Validator::Wildcards, "debian, regexp:[", None),
            (Validator::Wildcards, "debian,,alpine", None),
            (Validator::Kinds, "deb, npm", list(&["deb", "npm"])),
            (Validator::Kinds, "debian", None),
            (Validator::Kinds, "", None),
        ] {
            assert_eq!(parse(validator, text), want, "{validator:?} {text:?}");
        }
        for validator in ALL {
            assert!(validator.parse(&json!(1)).is_err(), "{validator:?}");
        }
    }

    #[test]
    fn refusals_are_worded_as_in_the_contract() {
        let refusal = |validator: Validator, text: &str| validator.parse(&Value::String(text.to_owned())).unwrap_err();
        assert_eq!(
            refusal(Validator::OneOf(&["whitelist", "blacklist"]), "sometimes"),
            "'sometimes' is not one of ['whitelist', 'blacklist']"
        );
        assert_eq!(refusal(Validator::Integer, "x"), "'x' does not match '^\\\\s*[\\\\d]+\\\\s*$'");
        assert_eq!(refusal(Validator::UpTo(1), "2"), "'2' is not a number above 0 that is at most 1");
        assert_eq!(Validator::Text.parse(&json!(5)).unwrap_err(), "5 is not of type 'string'");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,30}") {
            for validator in ALL {
                let _ = parse(validator, &text);
            }
        }
    }
}
