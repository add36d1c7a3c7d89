//! The gates: what a rule can ask about an image.
//!
//! A gate is data. The policy specification, validation and evaluation all read the same list, so they cannot
//! disagree.

use serde_json::{Value, json};

use crate::check::{Check, TriggerError};
use crate::params::Parameter;

mod always;
mod attachments;
mod base_image;
mod cel;
mod completeness;
mod dockerfile;
mod eol;
pub(crate) mod files;
mod knowledge;
mod layers;
mod licenses;
mod lifecycle;
mod malware;
mod metadata;
mod npms;
mod packages;
pub(crate) mod passwd_file;
mod published;
mod retrieved_files;
mod ruby_gems;
mod sbom;
mod secret_scans;
mod threats;
mod vex;
pub(crate) mod vulnerabilities;

/// Every gate, in the order the policy specification shows them: the original's, then ours, then what it retired.
pub const GATES: &[&Gate] = &[
    &always::GATE,
    &dockerfile::GATE,
    &files::GATE,
    &ruby_gems::GATE,
    &metadata::GATE,
    &licenses::GATE,
    &malware::GATE,
    &npms::GATE,
    &packages::GATE,
    &passwd_file::GATE,
    &retrieved_files::GATE,
    &secret_scans::GATE,
    &vulnerabilities::GATE,
    &threats::GATE,
    &lifecycle::GATE,
    &completeness::GATE,
    &knowledge::GATE,
    &vex::GATE,
    &attachments::GATE,
    &base_image::GATE,
    &layers::GATE,
    &sbom::GATE,
    &cel::GATE,
    &eol::SUIDDIFF,
    &eol::IMAGECHECK,
    &eol::PKGDIFF,
    &eol::ANCHORESEC,
    &eol::PKGCHECK,
    &eol::DOCKERFILECHECK,
    &eol::FILECHECK,
    &eol::FILEPARSE_PASSWD,
    &eol::GEMCHECK,
    &eol::METADATACHECK,
    &eol::LICBLACKLIST,
    &eol::NPMCHECK,
    &eol::PKGBLACKLIST,
    &eol::SECRETCHECK,
];

/// The names clients see in the error about an unknown gate: the original's, in its order of registration.
const NAMES_IN_ERRORS: &[&str] = &[
    "always",
    "dockerfile",
    "suiddiff",
    "imagecheck",
    "pkgdiff",
    "anchoresec",
    "pkgcheck",
    "dockerfilecheck",
    "filecheck",
    "fileparse_passwd",
    "gemcheck",
    "metadatacheck",
    "licblacklist",
    "npmcheck",
    "pkgblacklist",
    "secretcheck",
    "files",
    "ruby_gems",
    "metadata",
    "licenses",
    "malware",
    "npms",
    "packages",
    "passwd_file",
    "retrieved_files",
    "secret_scans",
    "vulnerabilities",
];

/// Whether a gate may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It may.
    Active,
    /// Bundles that use it cannot be saved; in stored ones its rules do nothing but say so.
    EndOfLife,
}

impl State {
    /// The word of the v1 API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::EndOfLife => "eol",
        }
    }
}

/// A group of triggers about one kind of evidence.
#[derive(Debug)]
pub struct Gate {
    /// Name, lower case.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Whether it may still be used.
    pub state: State,
    /// The gate that replaced it.
    pub superseded_by: Option<&'static str>,
    /// Its triggers, in the order of the specification.
    pub triggers: &'static [Trigger],
}

/// One question, asked with parameters.
#[derive(Debug)]
pub struct Trigger {
    /// Name, lower case.
    pub name: &'static str,
    /// When it fires.
    pub description: &'static str,
    /// Its parameters, in the order of the specification.
    pub params: &'static [Parameter],
    /// Reports what it finds.
    pub(crate) check: fn(&mut Check<'_, '_>) -> Result<(), TriggerError>,
}

impl Gate {
    /// The trigger called `name`, in any case; `denylist` and `allowlist` are understood in names.
    pub(crate) fn trigger(&self, name: &str) -> Option<&'static Trigger> {
        let name = name.to_lowercase();
        let of = |name: &str| self.triggers.iter().find(|trigger| trigger.name == name);
        of(&name).or_else(|| of(&name.replace("denylist", "blacklist").replace("allowlist", "whitelist")))
    }
}

/// The gate called `name`, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Gate> {
    let name = name.to_lowercase();
    GATES.iter().copied().find(|gate| gate.name == name)
}

/// Whether a rule asks about what only the image itself tells: files, what is in them, settings, build steps. An SBOM has
/// nothing of it.
pub(crate) fn reads_image(gate: &str, trigger: &str) -> bool {
    match gate {
        "dockerfile" | "files" | "passwd_file" | "retrieved_files" | "secret_scans" | "malware" | "base_image" => true,
        "layers" | "cel" => trigger == "file",
        "packages" => trigger == "verify",
        _ => false,
    }
}

/// The names for the error about an unknown gate.
pub(crate) fn names_in_errors() -> impl Iterator<Item = &'static str> {
    NAMES_IN_ERRORS.iter().copied()
}

/// The document of `GET /system/policy_spec`: every gate, active ones first.
pub fn spec() -> Value {
    let mut gates: Vec<_> = GATES.iter().collect();
    gates.sort_by_key(|gate| gate.state.name());
    gates.into_iter().map(|gate| gate_spec(gate)).collect()
}

fn gate_spec(gate: &Gate) -> Value {
    let triggers: Vec<_> = gate
        .triggers
        .iter()
        .map(|trigger| {
            json!({
                "name": trigger.name,
                "description": trigger.description,
                "state": gate.state.name(),
                "superceded_by": null,
                "parameters": trigger.params.iter().map(Parameter::spec).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "name": gate.name,
        "description": gate.description,
        "state": gate.state.name(),
        "superceded_by": gate.superseded_by,
        "triggers": triggers,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut seen = BTreeSet::new();
        for gate in GATES {
            assert!(seen.insert(gate.name), "{}", gate.name);
            let mut triggers = BTreeSet::new();
            for trigger in gate.triggers {
                assert!(triggers.insert(trigger.name), "{}.{}", gate.name, trigger.name);
                assert_eq!(trigger.name, trigger.name.to_lowercase());
                let params: BTreeSet<_> = trigger.params.iter().map(|param| param.name).collect();
                assert_eq!(params.len(), trigger.params.len(), "{}.{}", gate.name, trigger.name);
            }
            let ours = [
                "threats",
                "lifecycle",
                "completeness",
                "knowledge",
                "vex",
                "attachments",
                "base_image",
                "layers",
                "sbom",
                "cel",
            ];
            let is_ours = ours.contains(&gate.name);
            assert_ne!(NAMES_IN_ERRORS.contains(&gate.name), is_ours, "{}", gate.name);
        }
    }

    #[test]
    fn the_specification_is_stable() {
        insta::assert_json_snapshot!("policy_spec", spec());
    }
}
