//! Settings, compiled: which inspectors run, what they want, and what layer facts are known by.

use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use super::rules::{Owned, Rules};
use super::settings::{Settings, SettingsError};
use super::{ClamdRun, Digesting, INSPECTORS, Inspector};
use crate::catalogers::CATALOGERS;
use crate::clamd::{Clamd, ClamdSettings};
use crate::matcher::{Matcher, Reader, readers, revision_key};

/// What an analysis looks for besides packages, compiled once and used for any number of images.
pub struct Inspections {
    pub(super) settings: Settings,
    pub(super) enabled: Vec<&'static dyn Inspector>,
    pub(crate) matcher: Matcher,
    /// What catalogers look for in programs.
    pub(crate) programs: Rules,
    /// `None` where no inspector has any.
    pub(crate) rules: Option<Rules>,
    /// Of which files other digests than SHA-256 are needed.
    pub(crate) digesting: Digesting,
    pub(crate) clamd: Option<ClamdSettings>,
    revision: String,
}

impl Inspections {
    /// No inspector at all.
    ///
    /// # Panics
    /// If a registered glob is malformed, which a test excludes.
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Inspections>> =
            LazyLock::new(|| Arc::new(Inspections::new(Settings::default()).expect("registered globs are tested")));
        Arc::clone(&NONE)
    }

    /// The inspectors that `settings` ask for.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let (mut enabled, mut rules) = (Vec::new(), Vec::new());
        let (mut digesting, mut clamd) = (Digesting::default(), None);
        let mut readers: Vec<Reader> = readers().collect();
        let mut key = Sha256::new();
        key.update(revision_key());
        for inspector in INSPECTORS {
            let Some(asks) = inspector.asks(&settings)? else { continue };
            enabled.push(*inspector);
            digesting = digesting.max(asks.digesting);
            clamd = asks.clamd.or(clamd);
            for part in [inspector.name(), &inspector.revision().to_string(), &asks.key] {
                key.update((part.len() as u64).to_le_bytes());
                key.update(part);
            }
            readers.extend(asks.files.map(|files| Reader::Inspector(inspector.name(), files)));
            let owned = (0..).zip(asks.rules);
            rules.extend(owned.map(|(number, rule)| Owned { inspector: inspector.name(), number, rule }));
        }
        let revision = if enabled.is_empty() { revision_key().to_owned() } else { hex::encode(&key.finalize()[..16]) };
        let rules = if rules.is_empty() { None } else { Some(Rules::new(rules)?) };
        let of_catalogers = CATALOGERS.iter().flat_map(|cataloger| {
            let rules = (0..).zip(cataloger.rules());
            rules.map(|(number, rule)| Owned { inspector: cataloger.name(), number, rule })
        });
        let programs = Rules::new(of_catalogers.collect())?;
        let matcher = Matcher::new(readers)
            .map_err(|fault| SettingsError::Pattern { name: "paths".to_owned(), reason: fault.to_string() })?;
        Ok(Self { settings, enabled, matcher, programs, rules, digesting, clamd, revision })
    }

    /// Changes whenever the facts of the same layer could: with a layer it is the identity of its facts. With a scanner
    /// they depend on its version too.
    pub(crate) fn revision_key(&self, clamd: Option<&Clamd>) -> String {
        let Some(clamd) = clamd else { return self.revision.clone() };
        let key = Sha256::digest(format!("{}\n{}", self.revision, clamd.version));
        hex::encode(&key[..16])
    }

    /// The clamd to be asked about an image, if it answers, and what became of asking.
    pub(crate) fn ask_clamd(&self) -> (Option<Clamd>, Option<ClamdRun>) {
        let Some(settings) = &self.clamd else { return (None, None) };
        let asked = Clamd::connect(settings);
        let version = asked.as_ref().map(|clamd| clamd.version.clone()).map_err(ToString::to_string);
        (asked.ok(), Some(ClamdRun { version, faults: Vec::new() }))
    }
}
