//! Turns feeds into an advisory index and packages into matches.
//!
//! Three steps, none of which knows the next: [`build()`] reads feeds through [`PROVIDERS`] into an [`Index`] file;
//! [`Index`] answers what is known about a name; [`match_packages`] judges packages by it and keeps the evidence.
//! [`explain()`] tells the same judgement about one vulnerability, including why it does not apply.
//! [`publication`] is how an index is handed on, [`dsse`] how anything is signed. Nothing here fetches anything.

pub use self::build::{Audience, BuildError, BuildOptions, BuildReport, InputReport, build};
pub use self::explain::{
    AdvisorySummary, Explanation, Outcome, PackageExplanation, Question, Remark, RemarkKind, StatementExplanation,
    Verdict, Why, explain,
};
pub use self::index::{Coverage, Index, IndexError, Manifest, Segment, Table};
pub use self::lookup::{Affected, Told, look_up, packages_of};
pub use self::matching::{CpeUse, MatchOptions, Subject, Suppressions, match_packages};
pub use self::providers::{PROVIDERS, Provider};
pub use self::scores::{SEVERITY_ORDER, SeverityOrder};
pub use self::sources::sources;
pub use self::status::{SourceStatus, Status, status};

mod build;
pub mod dsse;
mod explain;
pub mod fleet;
pub mod index;
pub mod lifecycle;
mod lookup;
mod matching;
pub mod names;
mod namespaces;
pub mod providers;
pub mod publication;
mod purl;
pub mod risk;
mod scores;
mod sources;
mod starter;
mod status;
mod vers;
pub mod vex;
