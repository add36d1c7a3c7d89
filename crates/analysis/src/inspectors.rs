//! Inspectors: each looks for one kind of thing in the contents of files.
//!
//! To add one: a file in `inspectors/`, its line in [`INSPECTORS`], a folder of cases in `testdata/inspectors/<name>/`.
//!
//! An inspector runs only where [`Settings`] ask for it, and costs nothing otherwise. What several of them look for is
//! compiled into one matcher of paths and one pass over contents ([`Inspections`]). A content is inspected once: what
//! was seen is kept under its digest with the facts of its layer, and says nothing of the names it has.

mod compiled;
mod content_search;
mod contents;
mod licenses;
mod malware;
pub(crate) mod memo;
mod package_files;
pub(crate) mod pass;
pub(crate) mod required;
mod retrieved_files;
pub mod rules;
mod secrets;
pub mod settings;

use killick_model::file::FileEntry;
use killick_model::inspection::Inspection;
use killick_model::package::Package;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::{Deserialize, Serialize};

pub use compiled::Inspections;
pub(crate) use contents::SeenContents;

use crate::catalogers::Found;
use crate::clamd::ClamdSettings;
use crate::inspectors::rules::Rule;
use crate::inspectors::settings::{Settings, SettingsError};
use crate::limits::Limits;

/// Every inspector.
pub const INSPECTORS: &[&dyn Inspector] = &[
    &package_files::PackageFiles,
    &retrieved_files::RetrievedFiles,
    &content_search::ContentSearch,
    &secrets::Secrets,
    &malware::Malware,
    &licenses::Licenses,
];

/// Looks for one kind of thing in the contents of files.
///
/// As with catalogers, reading is per layer and kept with it, joining is per image and cheap.
pub trait Inspector: Sync {
    /// Stable name. No cataloger has the same.
    fn name(&self) -> &'static str;

    /// Bumped when the result for the same bytes changes; invalidates cached layer facts.
    fn revision(&self) -> u32;

    /// What it asks of the reading of layers; `None` where the settings do not ask for it.
    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError>;

    /// Puts what was seen in an image into its inspection. Called only if it asked for something.
    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, problems: &mut Vec<Problem>);
}

/// What an inspector asks of the reading of layers.
#[derive(Default)]
pub struct Asks {
    /// The settings that its findings depend on: part of what layer facts are known by.
    pub key: String,
    /// What it looks for in every content, in the common pass.
    pub rules: Vec<Rule>,
    /// Files it wants to see whole.
    pub files: Option<WholeFiles>,
    /// Of which files MD5 and SHA-1 are needed.
    pub digesting: Digesting,
    /// The clamd that is to see every content.
    pub clamd: Option<ClamdSettings>,
}

/// Of which files MD5 and SHA-1 are computed, besides the SHA-256 of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Digesting {
    /// None.
    #[default]
    Nowhere,
    /// Those that distribution packages may own.
    Packaged,
    /// All.
    Everywhere,
}

/// What became of asking clamd about an image.
pub struct ClamdRun {
    /// What answered, or why nothing did.
    pub version: Result<String, String>,
    /// Why it did not see everything.
    pub faults: Vec<String>,
}

/// Files an inspector wants to see whole.
pub struct WholeFiles {
    /// Globs over the whole path without leading `/`, as those of catalogers.
    pub globs: Vec<String>,
    /// Larger ones are not held, and a problem says so.
    pub max_bytes: u64,
    /// What one of them says, or `None`. Depends on its bytes alone, because files of the same content are read once.
    pub read: fn(&[u8], &Limits) -> Option<Vec<u8>>,
}

/// A place in a content where a rule found something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Number of the rule in [`Asks::rules`].
    pub rule: u16,
    /// Line, the first is 1.
    pub line: u64,
    /// What the rule notes, in a form of the inspector's own.
    pub note: Vec<u8>,
}

/// What one inspector saw in an image.
pub struct Seen<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// Files with hits, ordered by path and layer.
    pub hits: &'a [SeenFile<'a>],
    /// What whole files said, for each that survives: path, layer, and in `pieces` what `read` gave.
    pub whole: &'a [(&'a ImagePath, u32, &'a Found)],
    /// What became of asking clamd, if it was to be asked.
    pub clamd: Option<&'a ClamdRun>,
    /// Files of the merged image, ordered by path.
    pub files: &'a [FileEntry],
    /// Packages of the image.
    pub packages: &'a [Package],
}

/// A file with hits.
#[derive(Debug, Clone, Copy)]
pub struct SeenFile<'a> {
    /// Where it is.
    pub path: &'a ImagePath,
    /// The layer that brought it.
    pub layer: u32,
    /// Whether the merged image still has it; if not, an upper layer replaced or deleted it, and anybody who has the
    /// layers can read it all the same.
    pub is_visible: bool,
    /// In the order of their lines.
    pub hits: &'a [Hit],
}
