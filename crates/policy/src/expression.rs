//! Expressions of rules in CEL, the Common Expression Language
//! (<https://github.com/google/cel-spec/blob/master/doc/langdef.md>).
//!
//! The syntax is the parser's of the `cel` crate. What an expression means is checked once, when the bundle is read: names,
//! fields, functions and types, so that a typing mistake is told with its place and never met in an evaluation
//! ([`compile`]). It is evaluated here ([`run`]), because bundles are hostile: with a number of steps that is counted, so
//! that the same expression on the same image always ends in the same way, and values that cannot grow
//! without bounds. Facts are read where they are ([`facts`]); nothing is copied for an expression that does not ask.
//!
//! Left out of CEL: unsigned integers, bytes, maps and messages as literals, and `dyn`. Facts that an image does not
//! have are the default of their type, as for messages; `has()` tells.

mod compile;
pub(crate) mod facts;
mod run;
#[cfg(test)]
mod tests;
mod types;
mod value;

use std::fmt;
use std::sync::Arc;

pub(crate) use compile::CompileError;
pub use facts::Scope;
pub(crate) use run::{Budget, EvaluationError};
pub(crate) use types::Type;
pub(crate) use value::{Record, Seen};

use compile::Node;
use value::Value;

/// Longest expression, in bytes.
pub(crate) const MAX_LENGTH: usize = 2048;
/// Deepest nesting of brackets: the parser calls itself for each.
pub(crate) const MAX_BRACKETS: u16 = 32;
/// Deepest nesting of what it consists of: every operator of a sum is a level.
pub(crate) const MAX_DEPTH: usize = 64;
/// Steps of one rule.
pub(crate) const MAX_STEPS_OF_RULE: u64 = 20_000_000;
/// Steps of all rules of an evaluation together.
pub(crate) const MAX_STEPS: u64 = 100_000_000;
/// Bytes of a text, and items of a list, that an expression makes.
pub(crate) const MAX_SIZE: usize = 1 << 16;

/// A compiled expression.
#[derive(Clone)]
pub(crate) struct Program {
    source: Arc<str>,
    node: Arc<Node>,
}

impl Program {
    /// Compiles an expression that sees the variables of `scope` and gives a value of type `wanted`.
    pub(crate) fn new(source: &str, scope: Scope, wanted: Type) -> Result<Self, CompileError> {
        let node = compile::compile(source, scope, wanted)?;
        Ok(Self { source: source.into(), node: Arc::new(node) })
    }

    /// Whether it is true of `subject`, which is what the variable of its scope stands for.
    pub(crate) fn is_true(
        &self,
        seen: Seen<'_>,
        subject: Record<'_>,
        budget: &mut Budget,
    ) -> Result<bool, EvaluationError> {
        match run::run(&self.node, seen, subject, budget)? {
            Value::Bool(answer) => Ok(answer),
            other => Err(EvaluationError::Fault(format!("it gives {}, not a truth value", other.kind()))),
        }
    }

    /// The text it gives for `subject`.
    pub(crate) fn text(
        &self,
        seen: Seen<'_>,
        subject: Record<'_>,
        budget: &mut Budget,
    ) -> Result<String, EvaluationError> {
        match run::run(&self.node, seen, subject, budget)? {
            Value::Text(text) => Ok(text.into_owned()),
            other => Err(EvaluationError::Fault(format!("it gives {}, not a text", other.kind()))),
        }
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Display for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.source)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Program({:?})", self.source)
    }
}
