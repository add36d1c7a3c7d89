//! What an evaluation judges: borrowed facts and knowledge, and the instant it speaks for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_model::package::Package;

/// Everything triggers may look at. Nothing else influences a verdict.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The image.
    pub analysis: &'a Analysis,
    /// Its vulnerabilities, including those the vendor will not fix.
    pub matches: &'a Matches,
    /// When each match was first seen on this image, parallel to [`Matches::matches`]. A missing entry counts as
    /// seen at `now`.
    pub first_seen: &'a [Option<Timestamp>],
    /// The Dockerfile. With `None` it is guessed from the history of the image.
    pub dockerfile: Option<Dockerfile<'a>>,
    /// Size of the image in bytes.
    pub image_size_bytes: Option<u64>,
    /// The feeds there are, and how fresh.
    pub feeds: &'a [FeedGroup],
    /// The sources that judged packages of this image, and how new what they know is.
    pub sources: &'a [JudgingSource],
    /// What of the image is past the end of its support.
    pub unsupported: &'a [Unsupported],
    /// What the npm registry says of packages, if that is known.
    pub npm_feed: Option<&'a PackageFeed>,
    /// What RubyGems says of gems, if that is known.
    pub gem_feed: Option<&'a PackageFeed>,
    /// Whether packages that a lock file, a manifest or a document declares count like installed ones: of a source
    /// folder, where nothing is installed yet. Of an image they do not count in the contract of version 1.
    pub declared_packages: bool,
    /// The instant the evaluation speaks for.
    pub now: Timestamp,
}

impl<'a> Evidence<'a> {
    /// Evidence of an image and its matches; everything else is absent until set.
    pub const fn new(analysis: &'a Analysis, matches: &'a Matches, now: Timestamp) -> Self {
        Self {
            analysis,
            matches,
            first_seen: &[],
            dockerfile: None,
            image_size_bytes: None,
            feeds: &[],
            sources: &[],
            unsupported: &[],
            npm_feed: None,
            gem_feed: None,
            declared_packages: false,
            now,
        }
    }

    /// Whether the package counts. What was copied from a package is there as well as what was installed.
    pub(crate) const fn counts(&self, package: &Package) -> bool {
        self.declared_packages || package.evidence.is_there()
    }
}

/// A Dockerfile and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dockerfile<'a> {
    /// The text.
    pub text: &'a str,
    /// Where it comes from.
    pub mode: DockerfileMode,
}

/// Where the text of a Dockerfile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DockerfileMode {
    /// Somebody supplied it with the image.
    Actual,
    /// It was derived from the history of the image.
    Guessed,
    /// Nobody knows; then it is not judged.
    Unknown,
}

impl DockerfileMode {
    /// The word of the v1 API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actual => "Actual",
            Self::Guessed => "Guessed",
            Self::Unknown => "Unknown",
        }
    }
}

/// One namespace of the advisory index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedGroup {
    /// Name, such as `debian:12` or `npm`.
    pub namespace: String,
    /// Number of records.
    pub records: u64,
    /// When it was last brought up to date.
    pub last_sync: Option<Timestamp>,
}

/// A source of vulnerability data that speaks of packages of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgingSource {
    /// Who provides it, such as `debian` or `osv`.
    pub provider: String,
    /// What of it, such as `debian:12` or `npm`.
    pub namespace: String,
    /// The newest date in its data, else when they were read; `None` where nobody knows.
    pub newest_data: Option<Timestamp>,
}

/// What a registry of packages says of the names it knows; only those of the image are needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageFeed {
    /// By name.
    pub packages: BTreeMap<String, PublishedPackage>,
}

/// A package of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishedPackage {
    /// The version its authors call the latest.
    pub latest: String,
    /// All versions, in the order of the feed.
    pub versions: Vec<String>,
}
