//! Analyses that were read from an SBOM instead of an image: what kind of document it was, and how much it tells.
//!
//! Also what documents of our own carry besides what their formats have places for, so that they are read back without
//! loss: [`PackageFacts`] and [`ImageFacts`], as JSON in a property or an annotation of these names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, LayerSummary};
use crate::attachment::SbomFormat;
use crate::digest::Digest;
use crate::distribution::Distribution;
use crate::package::Package;

/// Where our documents have the [`PackageFacts`] of a package.
pub const PACKAGE_FACTS: &str = "killick:package:facts";

/// Where our documents have the [`ImageFacts`].
pub const IMAGE_FACTS: &str = "killick:image:facts";

/// Name of the schema of our own reports (`scan -o json`).
pub const REPORT: &str = "killick-report";

/// Kind of the problem that says what an SBOM cannot answer.
pub const NOT_ANALYZED: &str = "not-analyzed";

/// The document that an analysis was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomOrigin {
    /// Its format.
    pub format: SbomFormat,
    /// Version of the format, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What wrote it, with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// When it was written, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// How much it tells.
    pub fidelity: Fidelity,
}

impl SbomOrigin {
    /// `CycloneDX 1.6 by syft 1.18.1`.
    pub fn title(&self) -> String {
        let mut title = self.format.title().to_owned();
        for (before, part) in [(" ", &self.version), (" by ", &self.tool)] {
            if let Some(part) = part {
                title.push_str(before);
                title.push_str(part);
            }
        }
        title
    }
}

/// How much of what judging an image takes a document tells: 100, less what is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// From 0 to 100.
    pub score: u8,
    /// What is missing, in the order of [`Lack`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deductions: Vec<Deduction>,
}

impl Fidelity {
    /// The score that these deductions leave.
    pub fn of(mut deductions: Vec<Deduction>) -> Self {
        deductions.sort_by_key(|deduction| deduction.lack);
        let lost = deductions.iter().fold(0_u8, |sum, deduction| sum.saturating_add(deduction.points));
        Self { score: 100_u8.saturating_sub(lost), deductions }
    }
}

/// One thing that a document does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deduction {
    /// What.
    pub lack: Lack,
    /// What it costs.
    pub points: u8,
    /// What follows from it, for people.
    pub reason: String,
}

/// What a document may not tell, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// The distribution and its release.
    Distribution,
    /// Which package an entry is.
    Identity,
    /// Versions.
    Version,
    /// Package URLs.
    Purl,
    /// Packaging systems for which somebody collects advisories.
    Ecosystem,
    /// Source packages.
    SourcePackages,
    /// Digest of the image.
    ImageDigest,
    /// Which package of the distribution brought what.
    Ownership,
    /// Where packages are.
    Locations,
    /// When it was written.
    Timestamp,
}

impl Lack {
    /// The stable name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Identity => "identity",
            Self::Version => "version",
            Self::Purl => "purl",
            Self::Ecosystem => "ecosystem",
            Self::SourcePackages => "source-packages",
            Self::ImageDigest => "image-digest",
            Self::Ownership => "ownership",
            Self::Locations => "locations",
            Self::Timestamp => "timestamp",
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// All that a document of ours says of a package. Files that its database lists are left out: they are many, and no
/// finding rests on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// Its number in the document, by which `owner` names others.
    pub id: u32,
    /// The package.
    pub package: Package,
}

impl PackageFacts {
    /// Those of a package of an analysis.
    pub fn of(id: u32, package: &Package) -> Self {
        Self { id, package: Package { files: Vec::new(), ..package.clone() } }
    }

    /// As documents have them.
    pub fn text(&self) -> String {
        plain(self)
    }
}

/// What a document of ours says of the image itself. Its settings and its history may hold secrets, and stay out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Digest of its manifest.
    pub manifest_digest: Digest,
    /// Digest of the index it was chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_digest: Option<Digest>,
    /// Digest of its configuration.
    pub config_digest: Digest,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// Processor.
    #[serde(default)]
    pub architecture: String,
    /// Processor variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When it was built, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Its layers, without the build steps that made them.
    #[serde(default)]
    pub layers: Vec<LayerSummary>,
    /// Its distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
}

impl ImageFacts {
    /// Those of an analysis.
    pub fn of(analysis: &Analysis) -> Self {
        let layers = analysis.layers.iter().cloned().map(|layer| LayerSummary { created_by: None, ..layer });
        Self {
            manifest_digest: analysis.manifest_digest.clone(),
            index_digest: analysis.index_digest.clone(),
            config_digest: analysis.config_digest.clone(),
            os: analysis.config.os.clone(),
            architecture: analysis.config.architecture.clone(),
            variant: analysis.config.variant.clone(),
            created: analysis.config.created.clone(),
            layers: layers.collect(),
            distribution: analysis.distribution.clone(),
        }
    }

    /// As documents have them.
    pub fn text(&self) -> String {
        plain(self)
    }
}

/// JSON of letters that no format changes or forbids.
fn plain(facts: &impl Serialize) -> String {
    let json = serde_json::to_string(facts).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(letter, ' '..='~') && letter != '<' {
            text.push(letter);
        } else {
            // All of them stand in texts, where JSON has them as UTF-16.
            for unit in letter.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::PackageKind;
    use crate::path::ImagePath;

    #[test]
    fn facts_are_plain_letters_and_come_back() {
        let name = "a<b>\u{7f}\u{202e}ü😀\n\"]]>";
        let package = Package::new(PackageKind::Npm, name, "1", ImagePath::from("srv/ü"));
        let text = PackageFacts::of(7, &package).text();
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'<'), "{text}");
        let back: PackageFacts = serde_json::from_str(&text).unwrap();
        assert_eq!(back, PackageFacts { id: 7, package });
    }

    #[test]
    fn scores_end_at_nothing() {
        let deduction = |lack, points| Deduction { lack, points, reason: String::new() };
        let fidelity = Fidelity::of(vec![deduction(Lack::Timestamp, 5), deduction(Lack::Distribution, 30)]);
        assert_eq!(fidelity.score, 65);
        assert_eq!(fidelity.deductions[0].lack, Lack::Distribution);
        assert_eq!(Fidelity::of(vec![deduction(Lack::Version, 250), deduction(Lack::Purl, 250)]).score, 0);
    }

    #[test]
    fn lacks_have_one_name() {
        for lack in [Lack::Distribution, Lack::SourcePackages, Lack::ImageDigest, Lack::Timestamp] {
            assert_eq!(serde_json::to_value(lack).unwrap(), lack.name());
        }
    }
}
