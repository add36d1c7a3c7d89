//! Settings, compiled: which inspectors run, what they want, and what layer facts are known by.

use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use super::rules::{Owned, Rules};
use super::settings::{Settings, SettingsError};
use super::{INSPECTORS, Inspector};
use crate::matcher::{Matcher, Reader, readers, revision_key};

/// What an analysis looks for besides packages, compiled once and used for any number of images.
pub struct Inspections {
    pub(super) settings: Settings,
    pub(super) enabled: Vec<&'static dyn Inspector>,
    pub(crate) matcher: Matcher,
    /// `None` where no inspector has any.
    pub(crate) rules: Option<Rules>,
    /// Whether files are hashed as package databases hash them.
    pub(crate) package_digests: bool,
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
        let (mut enabled, mut rules, mut package_digests) = (Vec::new(), Vec::new(), false);
        let mut readers: Vec<Reader> = readers().collect();
        let mut key = Sha256::new();
        key.update(revision_key());
        for inspector in INSPECTORS {
            let Some(asks) = inspector.asks(&settings)? else { continue };
            enabled.push(*inspector);
            package_digests |= asks.package_digests;
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
        let matcher = Matcher::new(readers)
            .map_err(|fault| SettingsError::Pattern { name: "paths".to_owned(), reason: fault.to_string() })?;
        Ok(Self { settings, enabled, matcher, rules, package_digests, revision })
    }

    /// Changes whenever the facts of the same layer could: with a layer it is the identity of its facts.
    pub fn revision_key(&self) -> &str {
        &self.revision
    }
}
