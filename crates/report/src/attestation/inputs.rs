//! What a verdict follows from, by digests: whoever has the same can find out whether it is the same verdict.

use std::io;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::{Digest, Digester};
use killick_model::problem::Problem;
use serde::{Deserialize, Serialize};

/// Everything that influences a verdict: facts, knowledge, decisions, and the instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Version of Killick.
    pub killick: String,
    /// The instant the verdict speaks for.
    pub evaluated_at: Timestamp,
    /// The name the image was judged under.
    pub reference: String,
    /// Whether that is the name of an image in a registry; of a file it is only what mappings compare.
    pub from_registry: bool,
    /// The image.
    pub facts: Facts,
    /// What was known.
    pub advisories: Advisories,
    /// The bundle.
    pub bundle: Named,
    /// The file of exceptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<Digest>,
    /// The VEX documents that were given, ascending; those attached to the image are facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<Digest>,
    /// How it was judged.
    pub settings: Settings,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of its configuration.
    pub config: Digest,
    /// Who read it, looking for what, under which limits.
    pub readers: String,
    /// Digest of what they saw.
    pub digest: Digest,
    /// Digests of the manifests that were attached to it, ascending. What is attached later changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Digest>,
}

/// The advisory index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advisories {
    /// Digest of its manifest, which names everything in it.
    pub digest: Digest,
    /// When it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Timestamp>,
    /// The newest date in its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_data: Option<Timestamp>,
    /// When it expires, if it was published by somebody who said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A document with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub id: String,
    /// Digest of its file.
    pub digest: Digest,
}

/// What is said on the command line, and not in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Where the original has a defect that changes a verdict: `repaired` or `engine-1.1`.
    pub compatibility: String,
    /// Days before its end from which an exception is reported.
    pub exceptions_notice_days: u32,
    /// Whether packages that attached SBOMs claim count.
    pub attached_sboms: bool,
    /// Whose severity counts first.
    pub severity_order: Vec<String>,
    /// Whether every package was looked up by CPE as well.
    pub cpe: bool,
    /// Issuers whose attached VEX documents count.
    pub vex_issuers: Vec<String>,
    /// Names of the keys of which one must have signed a VEX document, ascending.
    pub vex_keys: Vec<String>,
    /// Who is heard first.
    pub vex_order: Vec<String>,
    /// Age in days from which VEX statements are not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vex_max_age_days: Option<u32>,
}

impl Facts {
    /// The facts of an analysis by `readers`.
    pub fn of(analysis: &Analysis, readers: String) -> Self {
        let mut attachments: Vec<Digest> =
            analysis.attachments.iter().map(|attachment| attachment.digest.clone()).collect();
        attachments.sort();
        attachments.dedup();
        Self {
            manifest: analysis.manifest_digest.clone(),
            config: analysis.config_digest.clone(),
            readers,
            digest: digest(analysis),
            attachments,
        }
    }
}

/// Digest of what was seen in the layers. By which index the image was chosen is no fact about it, and what is attached to it
/// has digests of its own.
fn digest(analysis: &Analysis) -> Digest {
    let mut digester = Digester::default();
    let Analysis { manifest_digest, config_digest, config, layers, distribution, packages, files, inspection, .. } =
        analysis;
    let problems: Vec<&Problem> = analysis.problems.iter().collect();
    let facts =
        ((manifest_digest, config_digest, config, layers, distribution), (packages, files, inspection, problems));
    let written = serde_json::to_writer(io::BufWriter::new(&mut digester), &facts);
    written.expect("our documents have nothing that JSON cannot say, and a digest takes any bytes");
    digester.digest()
}

/// One input that is another one than was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub input: &'static str,
    /// What was recorded.
    pub recorded: String,
    /// What there is.
    pub found: String,
}

impl Inputs {
    /// The inputs that differ, those that say most first.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let text = |digest: &Option<Digest>| digest.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let list = |digests: &[Digest]| {
            let all: Vec<String> = digests.iter().map(ToString::to_string).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        let words = |settings: &Settings| serde_json::to_string(settings).unwrap_or_default();
        let pairs = [
            ("manifest", self.facts.manifest.to_string(), found.facts.manifest.to_string()),
            ("config", self.facts.config.to_string(), found.facts.config.to_string()),
            ("bundle", self.bundle.digest.to_string(), found.bundle.digest.to_string()),
            ("exceptions", text(&self.exceptions), text(&found.exceptions)),
            ("vex", list(&self.vex), list(&found.vex)),
            ("advisories", self.advisories.described(), found.advisories.described()),
            ("attachments", list(&self.facts.attachments), list(&found.facts.attachments)),
            ("settings", words(&self.settings), words(&found.settings)),
            ("readers", self.facts.readers.clone(), found.facts.readers.clone()),
            ("facts", self.facts.digest.to_string(), found.facts.digest.to_string()),
            ("killick", self.killick.clone(), found.killick.clone()),
        ];
        let differs = |(input, recorded, found): (&'static str, String, String)| {
            (recorded != found).then_some(Difference { input, recorded, found })
        };
        pairs.into_iter().filter_map(differs).collect()
    }
}

impl Advisories {
    /// For people.
    pub fn described(&self) -> String {
        let built = self.built.map(|built| format!(", built {built}")).unwrap_or_default();
        format!("{}{built}", self.digest)
    }
}
