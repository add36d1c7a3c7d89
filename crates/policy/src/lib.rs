//! Turns a bundle plus evidence into an evaluation.
//!
//! A bundle is a document in Anchore's format: policies of rules, allowlists, mappings from references to both, and
//! images that are always let through or always refused. Everything here is a pure function: the same bundle,
//! evidence, reference and instant give the same [`Evaluation`](killick_model::evaluation::Evaluation).
//!
//! The original engine has defects that change verdicts. They are repaired, and an evaluation whose outcome a repair
//! changed carries a warning that names it; [`Compatibility::Engine11`] asks for the original's outcome.

mod allowlist;
mod base;
mod bundle;
pub mod cases;
mod certificate;
mod check;
pub mod diff;
mod dockerfile;
mod evaluate;
mod evidence;
mod exceptions;
mod expression;
mod files;
pub mod gates;
mod image_rule;
pub mod lint;
mod needs;
mod order;
pub mod params;
mod pattern;
mod plan;
mod policy;
mod problem;
mod python;
mod reference;
mod regexes;
mod schema;
mod schema_document;
mod subject;
pub mod v1;
mod written;

pub use bundle::{Bundle, BundleError, default_bundle};
pub use evaluate::{Compatibility, CompatibilityError, Options, evaluate};
pub use evidence::{Dockerfile, DockerfileMode, Evidence, FeedGroup, JudgingSource, PackageFeed, PublishedPackage};
pub use exceptions::{
    DEFAULT_NOTICE_DAYS, Exception, ExceptionProblem, Exceptions, Facet, Granted, Selector as ExceptionSelector,
};
pub use expression::Scope;
pub use gates::spec;
pub use needs::Needs;
pub use problem::{BundleProblem, Layer, ProblemSeverity};
pub use regexes::{PatternError, StartRegex};
pub use schema_document::bundle_schema;
