//! Values of expressions: borrowed facts, and what is made of them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use killick_model::analysis::LayerSummary;
use killick_model::file::FileEntry;
use killick_model::matching::Match;
use killick_model::package::Package;

use super::types::Type;
use crate::evidence::Evidence;
use crate::order::Order;

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    Time(Timestamp),
    Span(SignedDuration),
    Map(Rc<Vec<(Cow<'a, str>, Cow<'a, str>)>>),
    List(List<'a>),
    Record(Record<'a>),
}

/// Something of the image, by reference.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record<'a> {
    Image,
    Package(&'a Package),
    Vulnerability(&'a Match),
    File(&'a FileEntry),
    Layer(&'a LayerSummary),
}

/// What expressions see: the image, and the order of its things.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) evidence: &'a Evidence<'a>,
    pub(crate) order: &'a Order,
}

/// A list: of the image's own things, or made.
#[derive(Debug, Clone)]
pub(crate) enum List<'a> {
    Packages,
    Vulnerabilities,
    Files,
    Layers,
    Made(Rc<Vec<Value<'a>>>),
}

impl<'a> Record<'a> {
    pub(super) const fn package(self) -> Option<&'a Package> {
        match self {
            Self::Package(package) => Some(package),
            _ => None,
        }
    }

    pub(super) const fn vulnerability(self) -> Option<&'a Match> {
        match self {
            Self::Vulnerability(found) => Some(found),
            _ => None,
        }
    }

    pub(super) const fn file(self) -> Option<&'a FileEntry> {
        match self {
            Self::File(file) => Some(file),
            _ => None,
        }
    }

    pub(super) const fn layer(self) -> Option<&'a LayerSummary> {
        match self {
            Self::Layer(layer) => Some(layer),
            _ => None,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self, seen: Seen<'_>) -> usize {
        let evidence = seen.evidence;
        match self {
            Self::Packages => evidence.analysis.packages.len(),
            Self::Vulnerabilities => evidence.matches.matches.len(),
            Self::Files => evidence.analysis.files.len(),
            Self::Layers => evidence.analysis.layers.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(&self, seen: Seen<'a>, at: usize) -> Option<Value<'a>> {
        let Seen { evidence, order } = seen;
        let record = match self {
            Self::Packages => Record::Package(order.package(evidence, at)?),
            Self::Vulnerabilities => Record::Vulnerability(order.vulnerability(evidence, at)?),
            Self::Files => Record::File(order.file(evidence, at)?),
            Self::Layers => Record::Layer(evidence.analysis.layers.get(at)?),
            Self::Made(items) => return items.get(at).cloned(),
        };
        Some(Value::Record(record))
    }
}

impl<'a> Value<'a> {
    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(List::Made(Rc::new(items)))
    }

    pub(super) fn texts<'t: 'a>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        Self::list(texts.into_iter().map(|text| Self::Text(Cow::Borrowed(text))).collect())
    }

    /// What a field is that the image does not have.
    pub(super) fn default_of(kind: Type) -> Self {
        match kind {
            Type::Bool => Self::Bool(false),
            Type::Int => Self::Int(0),
            Type::Double => Self::Double(0.0),
            Type::Text => Self::Text(Cow::Borrowed("")),
            Type::Time => Self::Time(Timestamp::UNIX_EPOCH),
            Type::Span => Self::Span(SignedDuration::ZERO),
            Type::Map => Self::Map(Rc::default()),
            Type::List(_) => Self::list(Vec::new()),
            Type::Any | Type::Null | Type::Record(_) => Self::Null,
        }
    }

    /// The name of its type.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Double(_) => "a double",
            Self::Text(_) => "a string",
            Self::Time(_) => "a timestamp",
            Self::Span(_) => "a duration",
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
            Self::Record(_) => "an object",
        }
    }

    /// Whether both are the same; numbers by what they are worth. Lists are compared by the evaluator, which counts.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Map(one), Self::Map(other)) => one == other,
            (Self::Record(one), Self::Record(other)) => match (one, other) {
                (Record::Image, Record::Image) => true,
                (Record::Package(one), Record::Package(other)) => std::ptr::eq(*one, *other),
                (Record::Vulnerability(one), Record::Vulnerability(other)) => std::ptr::eq(*one, *other),
                (Record::File(one), Record::File(other)) => std::ptr::eq(*one, *other),
                (Record::Layer(one), Record::Layer(other)) => std::ptr::eq(*one, *other),
                _ => false,
            },
            (one, other) => one.order(other) == Some(Ordering::Equal),
        }
    }

    /// The order of two values that have one.
    #[expect(clippy::cast_precision_loss, reason = "an int and a double are compared as doubles, as CEL allows")]
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Int(one), Self::Double(other)) => (*one as f64).partial_cmp(other),
            (Self::Double(one), Self::Int(other)) => one.partial_cmp(&(*other as f64)),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => Some(one.cmp(other)),
            (Self::Span(one), Self::Span(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}
