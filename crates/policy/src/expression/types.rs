//! Types of expressions.

use std::fmt;

use crate::evidence::Evidence;

use super::value::{Record, Value};

/// The type of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    /// Known only when it is evaluated: an item of a list of lists.
    Any,
    Null,
    Bool,
    Int,
    Double,
    Text,
    /// An instant.
    Time,
    /// A length of time.
    Span,
    /// From text to text.
    Map,
    List(&'static Type),
    Record(&'static RecordType),
}

/// Something with fields.
#[derive(Debug)]
pub(crate) struct RecordType {
    /// For messages and documentation.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
    /// Itself, for lists of it.
    pub(crate) itself: &'static Type,
}

/// A field of a record.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    /// What it is, for the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds docs/policy.md to it"))]
    pub(crate) about: &'static str,
    /// Its value; `None` where the image has none.
    pub(crate) get: for<'a> fn(&'a Evidence<'a>, Record<'a>) -> Option<Value<'a>>,
}

impl fmt::Debug for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Field({}: {})", self.name, self.kind)
    }
}

impl Type {
    /// Lists of it. What has no name of its own is told apart when it is evaluated.
    pub(super) const fn list(self) -> Self {
        match self {
            Self::Bool => Self::List(&Self::Bool),
            Self::Int => Self::List(&Self::Int),
            Self::Double => Self::List(&Self::Double),
            Self::Text => Self::List(&Self::Text),
            Self::Time => Self::List(&Self::Time),
            Self::Span => Self::List(&Self::Span),
            Self::Record(record) => Self::List(record.itself),
            Self::Any | Self::Null | Self::Map | Self::List(_) => Self::List(&Self::Any),
        }
    }

    /// Whether a value of this type can be one of the other.
    pub(super) fn fits(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(other)) => one.fits(*other),
            (Self::Record(one), Self::Record(other)) => one.name == other.name,
            (one, other) => std::mem::discriminant(&one) == std::mem::discriminant(&other),
        }
    }

    /// The type of what is one or the other.
    pub(super) fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, other) => Some(other),
            (Self::List(Self::Any), Self::List(_)) => Some(other),
            (one, other) => one.fits(other).then_some(one),
        }
    }

    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Any)
    }

    /// Whether values of both can be put in an order.
    pub(super) fn orders_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Null | Self::Map | Self::List(_) | Self::Record(_), _)
            | (_, Self::Null | Self::Map | Self::List(_) | Self::Record(_)) => false,
            (one, other) => one.equals(other),
        }
    }

    /// Whether values of both can be equal.
    pub(super) fn equals(self, other: Self) -> bool {
        (self.is_number() && other.is_number()) || self.fits(other)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str("dyn"),
            Self::Null => out.write_str("null_type"),
            Self::Bool => out.write_str("bool"),
            Self::Int => out.write_str("int"),
            Self::Double => out.write_str("double"),
            Self::Text => out.write_str("string"),
            Self::Time => out.write_str("timestamp"),
            Self::Span => out.write_str("duration"),
            Self::Map => out.write_str("map(string, string)"),
            Self::List(item) => write!(out, "list({item})"),
            Self::Record(record) => out.write_str(record.name),
        }
    }
}
