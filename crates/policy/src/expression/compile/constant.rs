//! Parts of an expression that are the same on every image. One that has no value is a mistake that would make the rule
//! fail on each of them.

use jiff::Timestamp;
use killick_model::analysis::{Analysis, LayerSummary};
use killick_model::digest::Digest;
use killick_model::image::ImageConfig;
use killick_model::inspection::Inspection;
use killick_model::matching::Matches;

use super::{CompileError, Gather, Node, error};
use crate::evidence::Evidence;
use crate::expression::facts::Scope;
use crate::expression::run::{self, Budget, EvaluationError};
use crate::expression::types::Type;
use crate::expression::value::{Record, Seen, Value};
use crate::order::Order;

/// Steps to find the value of one part; what takes more is not judged here.
const MAX_STEPS: u64 = 10_000;

/// Refuses an expression of which a part that no fact goes into has no value, or which by itself gives another kind of value
/// than is wanted.
pub(super) fn check(node: &Node, scope: Scope, wanted: Type) -> Result<(), CompileError> {
    let digest = || Digest::of(b"");
    let analysis = Analysis {
        manifest_digest: digest(),
        index_digest: None,
        config_digest: digest(),
        config: ImageConfig::default(),
        layers: Vec::new(),
        distribution: None,
        packages: Vec::new(),
        files: Vec::new(),
        inspection: Inspection::default(),
        attachments: Vec::new(),
        sbom: None,
        problems: Vec::new(),
    };
    let matches = Matches::default();
    let layer =
        LayerSummary { diff_id: digest(), digest: digest(), media_type: String::new(), size: 0, created_by: None };
    let (evidence, order) = (Evidence::new(&analysis, &matches, Timestamp::UNIX_EPOCH), Order::default());
    let subject = if scope == Scope::Image { Record::Image } else { Record::Layer(&layer) };
    let seen = Seen { evidence: &evidence, order: &order };
    let known = scope.variables().len();
    let value = parts(node, known, &|part| run::run(part, seen, subject, &mut Budget::of(MAX_STEPS, MAX_STEPS)))?;
    match (value, wanted) {
        (None | Some(Value::Bool(_)), Type::Bool) | (None | Some(Value::Text(_)), Type::Text) | (None, _) => Ok(()),
        (Some(value), wanted) => Err(error(format!("it gives {}, and has to give {wanted}", value.kind()))),
    }
}

/// The value of `node` if it has one that is always the same; what has none is the error.
fn parts<'a>(
    node: &'a Node,
    known: usize,
    value_of: &dyn Fn(&'a Node) -> Result<Value<'a>, EvaluationError>,
) -> Result<Option<Value<'a>>, CompileError> {
    if is_constant(node, known) {
        return match value_of(node) {
            Ok(value) => Ok(Some(value)),
            Err(EvaluationError::Limit(_)) => Ok(None),
            Err(EvaluationError::Fault(fault)) => Err(error(format!("it has no value on any image: {fault}"))),
        };
    }
    // Inside a macro nothing is known of the item, and whether there is any.
    let inner = if let Node::Each(each) = node { vec![&each.range] } else { children(node) };
    for part in inner {
        parts(part, known, value_of)?;
    }
    Ok(None)
}

/// Whether nothing goes into it but what it says itself: the first so many variables are the scope's.
fn is_constant(node: &Node, known: usize) -> bool {
    !matches!(node, Node::Variable(at) if *at < known)
        && children(node).into_iter().all(|part| is_constant(part, known))
}

fn children(node: &Node) -> Vec<&Node> {
    match node {
        Node::Literal(_) | Node::Variable(_) => Vec::new(),
        Node::Field(one, _)
        | Node::HasField(one, _)
        | Node::Key(one, _)
        | Node::HasKey(one, _)
        | Node::Not(one)
        | Node::Matches(one, _) => vec![one],
        Node::And(one, other) | Node::Or(one, other) => vec![one, other],
        Node::Choose(three) => three.iter().collect(),
        Node::Call(_, all) | Node::List(all) => all.iter().collect(),
        Node::Each(each) => {
            let mut all = vec![&each.range];
            match &each.what {
                Gather::All(one) | Gather::Exists(one) | Gather::ExistsOne(one) => all.push(one),
                Gather::Collect(condition, item) => all.extend(condition.iter().chain([item])),
            }
            all
        }
    }
}
