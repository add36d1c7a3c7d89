//! Parameters of triggers: what they accept, and how a rule's values are bound to them.

use serde_json::{Value, json};

use crate::expression::Program;
use crate::problem::BundleProblem;
use crate::python;
use crate::written::suggestion;

pub(crate) mod validator;

pub use validator::{Linked, Validator};

/// A parameter of a trigger.
#[derive(Debug)]
pub struct Parameter {
    /// Name, lower case.
    pub name: &'static str,
    /// Other names that are accepted where the main one is absent.
    pub aliases: &'static [&'static str],
    /// What it does, for the specification.
    pub description: &'static str,
    /// A value one might write.
    pub example: Option<&'static str>,
    /// The rule is refused without it.
    pub required: bool,
    /// What it accepts.
    pub validator: Validator,
    /// Its value is a regular expression.
    pub is_regex: bool,
}

impl Parameter {
    /// An optional parameter.
    pub(crate) const fn optional(
        name: &'static str,
        validator: Validator,
        example: Option<&'static str>,
        description: &'static str,
    ) -> Self {
        Self { name, aliases: &[], description, example, required: false, validator, is_regex: false }
    }

    /// A required parameter.
    pub(crate) const fn required(
        name: &'static str,
        validator: Validator,
        example: Option<&'static str>,
        description: &'static str,
    ) -> Self {
        Self { required: true, ..Self::optional(name, validator, example, description) }
    }

    /// The same, with a value that is a regular expression.
    pub(crate) const fn regex(self) -> Self {
        Self { is_regex: true, ..self }
    }

    /// The same, known by other names too.
    pub(crate) const fn also_named(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The entry of the policy specification.
    pub(crate) fn spec(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "example": self.example,
            "required": self.required,
            "state": "active",
            "superceded_by": null,
            "validator": {
                "type": self.validator.wire_type(),
                "description": self.validator.description(),
                "criteria": self.validator.criteria(),
            },
        })
    }
}

/// A value after validation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Text(String),
    Flag(bool),
    List(Vec<String>),
    Integer(u64),
    Float(f64),
    Program(Program),
}

/// The values of one rule, by parameter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Values(Vec<(&'static str, Bound)>);

impl Values {
    fn get(&self, name: &str) -> Option<&Bound> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Bound::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn program(&self, name: &str) -> Option<&Program> {
        match self.get(name) {
            Some(Bound::Program(program)) => Some(program),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Bound::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The items of a list; none where it is not given.
    pub(crate) fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Bound::List(items)) => items,
            _ => &[],
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(Bound::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Bound::Float(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Where a rule stands, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) gate: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) rule_id: Option<&'a str>,
    /// Path of the rule in the document.
    pub(crate) path: &'a str,
}

impl Site<'_> {
    fn suffix(&self) -> String {
        format!("(gate={},trigger={},rule_id={})", self.gate, self.trigger, self.rule_id.unwrap_or("None"))
    }
}

/// Binds the values a rule gives to the parameters its trigger declares.
///
/// Names are already lower case. All problems of the rule are collected.
pub(crate) fn bind(
    parameters: &'static [Parameter],
    given: &[(String, Value)],
    site: Site<'_>,
) -> (Values, Vec<BundleProblem>) {
    let mut values = Values::default();
    // Names that there are not come first: one may be what a missing parameter was meant to be.
    let mut problems = unknown(parameters, given, site);
    for parameter in parameters {
        let value = lookup(parameter, given);
        let Some(validator) = parameter.validator.resolve(|name| values.text(name)) else {
            // It depends on a parameter that is itself wrong, which has been reported.
            continue;
        };
        let path = format!("{}.params.{}", site.path, parameter.name);
        let Some(value) = value else {
            if let Some(schema) = parameter.validator.refuses_absence(|name| values.text(name)) {
                problems.push(
                    invalid(&site, &path, "None is not of type 'string'", &schema)
                        .because(format!("parameter `{}` is missing", parameter.name))
                        .remedy(suggest(parameter)),
                );
            } else if parameter.required {
                problems.push(
                    BundleProblem::engine(
                        "ParameterValueInvalidError",
                        path,
                        format!("Required parameter {}", site.suffix()),
                    )
                    .because(format!("parameter `{}` is missing", parameter.name))
                    .remedy(suggest(parameter)),
                );
            }
            continue;
        };
        match validator.parse(value) {
            Ok(bound) => values.0.push((parameter.name, bound)),
            Err(detail) => problems.push(
                invalid(&site, &path, &detail, &validator.criteria())
                    .because(match validator {
                        Validator::Condition(_) | Validator::Message(_) => {
                            format!("parameter `{}`: {detail}", parameter.name)
                        }
                        _ => format!(
                            "parameter `{}` cannot be {}: expected {}",
                            parameter.name,
                            python::value(value),
                            validator.expectation()
                        ),
                    })
                    .remedy(suggest(parameter)),
            ),
        }
    }
    (values, problems)
}

/// What is wrong with names that the trigger does not declare.
fn unknown(parameters: &'static [Parameter], given: &[(String, Value)], site: Site<'_>) -> Vec<BundleProblem> {
    let known: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
    let is_known =
        |name: &str| parameters.iter().any(|parameter| parameter.name == name || parameter.aliases.contains(&name));
    let problem = |name: &String| {
        BundleProblem::engine(
            "InvalidParameterError",
            format!("{}.params.{name}", site.path),
            // The original loses the rule and the name here; clients compare the text.
            format!(
                "Rule validation error (gate={},trigger={},rule_id=None,parameter=None,valid_parameters={})",
                site.gate,
                site.trigger,
                python::list(known.iter().copied())
            ),
        )
        .because(format!("trigger `{}` has no parameter `{name}`", site.trigger))
        .remedy(match known.as_slice() {
            [] => "remove it: the trigger takes no parameters".to_owned(),
            known => suggestion(name, known).unwrap_or_else(|| format!("it takes: {}", known.join(", "))),
        })
    };
    given.iter().map(|(name, _)| name).filter(|name| !is_known(name)).map(problem).collect()
}

fn invalid(site: &Site<'_>, path: &str, detail: &str, schema: &Value) -> BundleProblem {
    BundleProblem::engine(
        "ParameterValueInvalidError",
        path,
        format!(
            "Parameter validation failed: JSON Schema validation failed. Schema={}, Detail={detail} {}",
            python::value(schema),
            site.suffix()
        ),
    )
}

fn suggest(parameter: &Parameter) -> String {
    match parameter.example {
        Some(example) => format!("for example `{}`: `{example}`", parameter.name),
        None => format!("give `{}` {}", parameter.name, parameter.validator.expectation()),
    }
}

/// The last value given under the name, or the first alias that is not empty.
fn lookup<'a>(parameter: &Parameter, given: &'a [(String, Value)]) -> Option<&'a Value> {
    let of = |name: &str| given.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
    let main = of(parameter.name).filter(|value| !value.is_null());
    main.or_else(|| {
        parameter.aliases.iter().filter_map(|alias| of(alias)).find(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        })
    })
}
