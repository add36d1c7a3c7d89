//! Where advisories are fetched from: what a provider says of its upstreams, and what whoever fetches goes by.
//!
//! Plain data. Providers declare it beside the code that reads the files; nothing here fetches or reads anything.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that a provider is fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream {
    /// Name within its provider: `secdb` of `alpine/secdb`.
    pub name: &'static str,
    /// The beginning of all its addresses, with a slash at the end: what a mirror replaces.
    pub base: &'static str,
    /// The folder below the feeds folder that it fills.
    pub folder: &'static str,
    /// Whether it is fetched when nobody says anything about it.
    pub is_default: bool,
    /// Most bytes of one of its files.
    pub max_bytes: u64,
    /// Hours in which it is not asked for again: for what is large and changes a little every time.
    pub hours: u32,
    /// Whether the date that the server gives a file is noted beside it: for data that carry none of their own.
    pub notes_date: bool,
    /// How it is kept up to date.
    pub form: Form,
}

/// How an upstream is kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Whole files, asked for again only if they changed.
    Files {
        /// What stands for the braces in their names.
        each: Each,
        /// The files.
        files: &'static [File],
    },
    /// Repositories of packages: `repodata/repomd.xml` names the file of updates and its checksum.
    Repositories {
        /// What stands for the braces in their paths.
        each: Each,
        /// Their paths below the base, and below the folder.
        paths: &'static [&'static str],
        /// Name of a list below each path whose first line is the address of the repository itself.
        mirrors: Option<&'static str>,
    },
    /// An archive of all documents, and lists of those that were changed and deleted since (`CSAF 2.0`, section 7.1).
    Changes {
        /// The archive.
        archive: Archive,
        /// Folder of the single documents and the lists, below base and folder; empty, or with a slash at the end.
        documents: &'static str,
        /// Whether there is a list of documents that were deleted.
        has_deletions: bool,
    },
    /// An ecosystem of OSV's bucket: `all.zip`, `modified_id.csv`, and single records.
    Bucket,
    /// A list of documents, one path a line, which do not change once they are published.
    Listing {
        /// The list.
        index: &'static str,
        /// What names of wanted documents begin with, after their folders.
        prefix: &'static str,
    },
    /// A JSON document that names a file and its checksum (`path`, `checksum`).
    Pointer {
        /// The document.
        file: &'static str,
        /// What names of the file begin with; older files of that beginning are deleted.
        prefix: &'static str,
    },
    /// Releases of a repository on GitHub: every day one file of everything, and files of what changed since.
    Releases,
    /// Pages of the NVD's API, by the time at which records were changed.
    Windows,
}

/// What stands for the braces in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// Nothing: there are none.
    Once,
    /// Numbers from the first to the last known, whichever of them exist, and those after as long as there are any.
    Number {
        /// The first.
        first: u32,
        /// The last that is known.
        known: u32,
    },
    /// Years from this one on to the present.
    Year {
        /// The first.
        first: u32,
    },
    /// The names of topics (`topics`, `n`) in this JSON document below the base; none if it does not exist.
    Topic(&'static str),
}

/// One file of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Where it is below the base.
    pub from: &'static str,
    /// Where it lies below the folder.
    pub to: &'static str,
    /// Whether it is no error that it does not exist.
    pub is_optional: bool,
    /// What its content is held against.
    pub proof: Proof,
}

impl File {
    /// A file that must exist and has no checksum.
    pub const fn new(from: &'static str, to: &'static str) -> Self {
        Self { from, to, is_optional: false, proof: Proof::None }
    }

    /// The same, where it may as well not exist.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// The same with a checksum.
    #[must_use]
    pub const fn proved(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }
}

/// What the content of a file is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: its publisher says nothing of it.
    None,
    /// The NVD's `.meta` beside it, with the SHA-256 of the unpacked content. A file is not asked for while that stays.
    Meta,
}

/// The archive of all documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// Its name is in this document, and has a day in it; its SHA-256 is beside it in `.sha256`, if anywhere.
    Latest(&'static str),
    /// Always of this name, and made anew every day. It is asked for again when many documents changed since.
    Fixed(&'static str),
}

/// How the files of one provider are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The provider.
    pub provider: String,
    /// Whether it is fetched.
    pub enabled: bool,
    /// When its files were last found to be those of its upstreams.
    pub last_success: Option<Timestamp>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// When a file of it last changed.
    pub last_change: Option<Timestamp>,
    /// Why the last try failed, if it did.
    pub last_error: Option<String>,
    /// Seconds from the last success to now.
    pub age_seconds: Option<u64>,
    /// Files that are here.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}
