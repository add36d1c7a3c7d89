//! Evaluation, step by counted step.

mod functions;

use std::borrow::Cow;
use std::rc::Rc;

use super::compile::{Each, Gather, Literal, Node};
use super::value::{List, Record, Seen, Value};
use super::{MAX_SIZE, MAX_STEPS, MAX_STEPS_OF_RULE};

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
pub(super) fn run<'a>(node: &'a Node, seen: Seen<'a>, subject: Record<'a>, budget: &mut Budget) -> Outcome<Value<'a>> {
    Run { seen, subject, variables: Vec::new(), budget }.value(node)
}

pub(super) struct Run<'a, 'b> {
    seen: Seen<'a>,
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
        if !matches!(node, Node::Not(_) | Node::And(..) | Node::Or(..)) {
            // Those take their step in `truth`.
            self.budget.take(1)?;
        }
        Ok(match node {
            Node::Not(_) | Node::And(..) | Node::Or(..) => Value::Bool(self.truth(node)?),
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
                let value = self.record(operand)?.and_then(|record| (field.get)(self.seen.evidence, record));
                let value = value.unwrap_or_else(|| Value::default_of(field.kind));
                self.weigh(&value)?;
                value
            }
            Node::HasField(operand, field) => {
                let record = self.record(operand)?;
                Value::Bool(record.is_some_and(|record| (field.get)(self.seen.evidence, record).is_some()))
            }
            Node::Key(operand, key) => {
                let map = self.value(operand)?;
                self.entry(&map, key)?
            }
            Node::HasKey(operand, key) => {
                let map = self.value(operand)?;
                Value::Bool(self.lookup(&map, key)?.is_some())
            }
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
            Node::Call(function, arguments) => match arguments.as_slice() {
                [one, other] => {
                    let (one, other) = (self.value(one)?, self.value(other)?);
                    self.binary(*function, &one, &other)?
                }
                [only] => {
                    let only = self.value(only)?;
                    self.unary(*function, &only)?
                }
                _ => return fault("a function has one argument or two"),
            },
        })
    }

    /// The variable of a number: the image, the instant, what the scope is about if that is not the image, and then
    /// those that the expression makes.
    fn variable(&self, at: usize) -> Option<Value<'a>> {
        Some(match (at, self.subject) {
            (0, _) => Value::Record(Record::Image),
            (1, _) => Value::Time(self.seen.evidence.now),
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

    /// Most of what is asked of many files is made of connectives, which need no value of their own.
    fn truth(&mut self, node: &'a Node) -> Outcome<bool> {
        match node {
            Node::Not(operand) => {
                self.budget.take(1)?;
                Ok(!self.truth(operand)?)
            }
            Node::And(one, other) => self.decided(one, other, false),
            Node::Or(one, other) => self.decided(one, other, true),
            _ => match self.value(node)? {
                Value::Bool(truth) => Ok(truth),
                other => fault(format!("a bool is asked for, not {}", other.kind())),
            },
        }
    }

    /// `&&` (decided by false) and `||` (decided by true): what one side decides needs no other, even if that has none.
    fn decided(&mut self, one: &'a Node, other: &'a Node, by: bool) -> Outcome<bool> {
        self.budget.take(1)?;
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
        let seen = self.seen;
        let own = each.variable.saturating_sub(self.of_scope());
        for at in 0..items.len(seen) {
            let Some(item) = items.get(seen, at) else { break };
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
        let seen = self.seen;
        if one.len(seen) != other.len(seen) {
            return Ok(false);
        }
        for at in 0..one.len(seen) {
            let (Some(one), Some(other)) = (one.get(seen, at), other.get(seen, at)) else { return Ok(false) };
            if !self.same(&one, &other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn contained(&mut self, item: &Value<'a>, range: &Value<'a>) -> Outcome<Value<'a>> {
        if let (Value::Text(key), Value::Map(_)) = (item, range) {
            return Ok(Value::Bool(self.lookup(range, key)?.is_some()));
        }
        let Value::List(list) = range else { return fault(format!("{} has no items", range.kind())) };
        let seen = self.seen;
        for at in 0..list.len(seen) {
            let Some(other) = list.get(seen, at) else { break };
            if self.same(item, &other)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }
}
