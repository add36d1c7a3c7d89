//! From the text of an expression to what is evaluated: names become places, types are checked.

use std::fmt;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use cel::parser::PrattParser;
use regex::{Regex, RegexBuilder};

use super::facts::Scope;
use super::types::{Field, Type};
use super::{MAX_BRACKETS, MAX_DEPTH, MAX_LENGTH};

mod constant;
mod functions;
mod place;

pub(super) use functions::Function;
#[cfg(test)]
pub(super) use functions::named as functions_for_documentation;
use place::{Role, place};

/// Largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 256 * 1024;
/// How the parser calls what a macro gathers.
const GATHERED: &str = "@result";

/// Why an expression is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompileError {
    /// Line and column, from 1; `None` for the whole.
    pub(crate) place: Option<(usize, usize)>,
    pub(crate) message: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((1, column)) => write!(out, "at column {column}: {}", self.message),
            Some((line, column)) => write!(out, "at line {line}, column {column}: {}", self.message),
            None => out.write_str(&self.message),
        }
    }
}

/// What is evaluated.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Literal),
    /// By its position among those that are visible.
    Variable(usize),
    Field(Box<Node>, &'static Field),
    HasField(Box<Node>, &'static Field),
    Key(Box<Node>, String),
    HasKey(Box<Node>, String),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Choose(Box<[Node; 3]>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Regex),
    List(Vec<Node>),
    Each(Box<Each>),
}

/// A constant.
#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

/// A macro over the items of a list, or the keys of a map.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) range: Node,
    /// Position of the variable that stands for the item.
    pub(super) variable: usize,
    pub(super) what: Gather,
}

/// What is made of the items.
#[derive(Debug)]
pub(super) enum Gather {
    All(Node),
    Exists(Node),
    ExistsOne(Node),
    /// Those for which the first is true, if there is one, as the second makes them.
    Collect(Option<Node>, Node),
}

/// Compiles an expression about `scope` that gives a value of type `wanted`.
pub(super) fn compile(source: &str, scope: Scope, wanted: Type) -> Result<Node, CompileError> {
    let whole = |message: String| CompileError { place: None, message };
    if source.len() > MAX_LENGTH {
        return Err(whole(format!("the expression is longer than {MAX_LENGTH} bytes")));
    }
    if source.trim().is_empty() {
        return Err(whole("the expression is empty".to_owned()));
    }
    let parsed = PrattParser::new().max_recursion_depth(MAX_BRACKETS).parse(source).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        first.map_or_else(
            || whole("it is no expression".to_owned()),
            |error| {
                let place = usize::try_from(error.pos.0).ok().zip(usize::try_from(error.pos.1).ok());
                let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg).trim();
                CompileError { place: place.filter(|place| place.0 > 0), message: message.to_owned() }
            },
        )
    });
    let expression = parsed?;
    let mut compiler = Compiler { source, variables: Vec::new() };
    compiler.variables.extend(scope.variables().into_iter().map(|(name, kind)| (name.to_owned(), kind)));
    let (node, kind) = compiler.node(&expression, 0)?;
    if !kind.fits(wanted) {
        return Err(whole(format!("it gives {kind}, and has to give {wanted}")));
    }
    constant::check(&node, scope, wanted)?;
    Ok(node)
}

struct Compiler<'s> {
    source: &'s str,
    /// Those visible, the innermost last.
    variables: Vec<(String, Type)>,
}

type Typed = (Node, Type);

/// An error about the whole: what the parser reads as an operator has no place.
fn error(message: impl Into<String>) -> CompileError {
    CompileError { place: None, message: message.into() }
}

impl Compiler<'_> {
    /// An error about a name that is written in the expression.
    fn error_at(&self, name: &str, role: Role, message: String) -> CompileError {
        CompileError { place: place(self.source, name, role), message }
    }

    fn node(&mut self, at: &IdedExpr, depth: usize) -> Result<Typed, CompileError> {
        if depth > MAX_DEPTH {
            return Err(error(format!("it is nested deeper than {MAX_DEPTH}")));
        }
        match &at.expr {
            Expr::Literal(literal) => Self::literal(literal),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.select(select, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::Comprehension(each) => self.each(each, depth),
            Expr::List(list) => {
                let mut nodes = Vec::with_capacity(list.elements.len());
                let mut kind = Type::Any;
                for element in &list.elements {
                    let (node, item) = self.node(element, depth + 1)?;
                    kind = kind
                        .join(item)
                        .ok_or_else(|| error(format!("a list cannot have items of type {kind} and of type {item}")))?;
                    nodes.push(node);
                }
                Ok((Node::List(nodes), kind.list()))
            }
            Expr::Map(_) => Err(error("maps cannot be written here")),
            Expr::Struct(_) => Err(error("messages cannot be written here")),
            Expr::Unspecified => Err(error("something is missing")),
        }
    }

    fn literal(literal: &LiteralValue) -> Result<Typed, CompileError> {
        let (literal, kind) = match literal {
            LiteralValue::Null => (Literal::Null, Type::Null),
            LiteralValue::Boolean(value) => (Literal::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => (Literal::Int(*value.inner()), Type::Int),
            LiteralValue::Double(value) => (Literal::Double(*value.inner()), Type::Double),
            LiteralValue::String(value) => (Literal::Text(value.inner().to_owned()), Type::Text),
            LiteralValue::UInt(_) => return Err(error("write the number without `u`: there is only int here")),
            LiteralValue::Bytes(_) => return Err(error("write a string without `b`: there are no bytes here")),
        };
        Ok((Node::Literal(literal), kind))
    }

    fn variable(&self, name: &str) -> Result<Typed, CompileError> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let known = self.variables.iter().enumerate().rev().find(|(_, (known, _))| known == name);
        let Some((position, (_, kind))) = known else {
            let known: Vec<_> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
            return Err(self.error_at(
                name,
                Role::Variable,
                format!("there is no variable `{name}`; there are {}", known.join(", ")),
            ));
        };
        Ok((Node::Variable(position), *kind))
    }

    fn select(&mut self, select: &SelectExpr, depth: usize) -> Result<Typed, CompileError> {
        let (operand, kind) = self.node(&select.operand, depth + 1)?;
        let operand = Box::new(operand);
        match kind {
            Type::Record(record) => {
                let Some(field) = record.fields.iter().find(|field| field.name == select.field) else {
                    let known: Vec<_> = record.fields.iter().map(|field| field.name).collect();
                    let message =
                        format!("{} has no field `{}`; it has {}", record.name, select.field, known.join(", "));
                    return Err(self.error_at(&select.field, Role::Member, message));
                };
                let has = select.test;
                Ok(if has {
                    (Node::HasField(operand, field), Type::Bool)
                } else {
                    (Node::Field(operand, field), field.kind)
                })
            }
            Type::Map if select.test => Ok((Node::HasKey(operand, select.field.clone()), Type::Bool)),
            Type::Map => Ok((Node::Key(operand, select.field.clone()), Type::Text)),
            other => {
                let message = format!("{other} has no fields, so no `{}`", select.field);
                Err(self.error_at(&select.field, Role::Member, message))
            }
        }
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Result<Typed, CompileError> {
        let all: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        if (call.func_name.as_str(), all.len()) == ("matches", 2) {
            return self.matches(call, depth);
        }
        let mut nodes = Vec::with_capacity(all.len());
        let mut kinds = Vec::with_capacity(all.len());
        for argument in all {
            let (node, kind) = self.node(argument, depth + 1)?;
            nodes.push(node);
            kinds.push(kind);
        }
        let refuse = |wanted: &str| {
            let given: Vec<_> = kinds.iter().map(Type::to_string).collect();
            error(format!("{wanted}, not of {}", given.join(" and ")))
        };
        let is = |at: usize, wanted: Type| kinds.get(at).is_some_and(|kind| kind.fits(wanted));
        let mut taken = nodes.into_iter();
        let mut next = || taken.next().map(Box::new);
        match call.func_name.as_str() {
            operators::LOGICAL_NOT if is(0, Type::Bool) => {
                if let Some(one) = next() {
                    return Ok((Node::Not(one), Type::Bool));
                }
            }
            operators::LOGICAL_NOT => return Err(refuse("`!` asks for a bool")),
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                if !is(0, Type::Bool) || !is(1, Type::Bool) {
                    return Err(refuse("`&&` and `||` ask for two bools"));
                }
                if let (Some(one), Some(other)) = (next(), next()) {
                    let is_and = call.func_name == operators::LOGICAL_AND;
                    return Ok((if is_and { Node::And(one, other) } else { Node::Or(one, other) }, Type::Bool));
                }
            }
            operators::CONDITIONAL => {
                let joined = kinds.get(1).zip(kinds.get(2)).and_then(|(one, other)| one.join(*other));
                let (true, Some(kind)) = (is(0, Type::Bool), joined) else {
                    return Err(refuse("`?:` asks for a bool and two values of the same type"));
                };
                if let (Some(one), Some(two), Some(three)) = (next(), next(), next()) {
                    return Ok((Node::Choose(Box::new([*one, *two, *three])), kind));
                }
            }
            name => {
                let function = functions::find(name, call.target.is_some(), &kinds)
                    .map_err(|message| self.error_at(name, Role::Function, message))?;
                return Ok((Node::Call(function.0, taken.collect()), function.1));
            }
        }
        Err(error("something is missing"))
    }

    /// Patterns are compiled once, so they have to be known.
    fn matches(&mut self, call: &CallExpr, depth: usize) -> Result<Typed, CompileError> {
        let mut all = call.target.as_deref().into_iter().chain(&call.args);
        let (Some(text), Some(pattern)) = (all.next(), all.next()) else {
            return Err(error("`matches` asks for a string and a pattern"));
        };
        let (node, kind) = self.node(text, depth + 1)?;
        if !kind.fits(Type::Text) {
            return Err(error(format!("`matches` asks for a string, not for {kind}")));
        }
        let Expr::Literal(LiteralValue::String(pattern_text)) = &pattern.expr else {
            return Err(error("the pattern of `matches` has to be written out, in quotes"));
        };
        let built = RegexBuilder::new(pattern_text.inner()).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).build();
        let regex = built.map_err(|reason| {
            let reason = reason.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            error(format!("the pattern of `matches` is no regular expression: {reason}"))
        })?;
        Ok((Node::Matches(Box::new(node), regex), Type::Bool))
    }

    fn each(&mut self, each: &ComprehensionExpr, depth: usize) -> Result<Typed, CompileError> {
        let (range, kind) = self.node(&each.iter_range, depth + 1)?;
        let item = match kind {
            Type::List(item) => *item,
            Type::Map => Type::Text,
            Type::Any => Type::Any,
            other => return Err(error(format!("a macro goes through a list or a map, not through {other}"))),
        };
        let variable = self.variables.len();
        self.variables.push((each.iter_var.clone(), item));
        let gathered = self.gather(each, depth + 1);
        self.variables.truncate(variable);
        let (what, kind) = gathered?;
        Ok((Node::Each(Box::new(Each { range, variable, what })), kind))
    }

    /// Tells the standard macros by what the parser makes of them.
    fn gather(&mut self, each: &ComprehensionExpr, depth: usize) -> Result<(Gather, Type), CompileError> {
        let is_gathered = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if name == GATHERED);
        let unknown = || error("there is no such macro here");
        let Expr::Call(step) = &each.loop_step.expr else { return Err(unknown()) };
        if each.accu_var != GATHERED || each.iter_var2.is_some() {
            return Err(unknown());
        }
        match (&each.accu_init.expr, step.func_name.as_str(), step.args.as_slice()) {
            (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [first, asked]) if is_gathered(first) => {
                Ok((Gather::Exists(self.condition(asked, depth)?), Type::Bool))
            }
            (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [first, asked]) if is_gathered(first) => {
                Ok((Gather::All(self.condition(asked, depth)?), Type::Bool))
            }
            (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [asked, _, last]) if is_gathered(last) => {
                Ok((Gather::ExistsOne(self.condition(asked, depth)?), Type::Bool))
            }
            (Expr::List(_), operators::CONDITIONAL, [asked, added, last]) if is_gathered(last) => {
                let condition = self.condition(asked, depth)?;
                let (item, kind) = self.added(added, depth)?.ok_or_else(unknown)?;
                Ok((Gather::Collect(Some(condition), item), kind.list()))
            }
            (Expr::List(_), operators::ADD, _) => {
                let (item, kind) = self.added(&each.loop_step, depth)?.ok_or_else(unknown)?;
                Ok((Gather::Collect(None, item), kind.list()))
            }
            _ => Err(unknown()),
        }
    }

    fn condition(&mut self, at: &IdedExpr, depth: usize) -> Result<Node, CompileError> {
        let (node, kind) = self.node(at, depth + 1)?;
        if kind.fits(Type::Bool) {
            return Ok(node);
        }
        Err(error(format!("the condition of a macro is a bool, not {kind}")))
    }

    /// The item of `@result + [item]`.
    fn added(&mut self, at: &IdedExpr, depth: usize) -> Result<Option<Typed>, CompileError> {
        let Expr::Call(call) = &at.expr else { return Ok(None) };
        let (operators::ADD, [_, added]) = (call.func_name.as_str(), call.args.as_slice()) else { return Ok(None) };
        let Expr::List(list) = &added.expr else { return Ok(None) };
        let [item] = list.elements.as_slice() else { return Ok(None) };
        self.node(item, depth + 1).map(Some)
    }
}
