//! Which images a mapping, or an entry of an image list, speaks of.

use serde_json::Value;

use crate::allowlist::bad_pattern;
use crate::pattern::Pattern;
use crate::problem::BundleProblem;
use crate::reference::Target;
use crate::regexes::{PatternError, RegexCache, Steps};

/// An image as selection sees it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) target: Target,
    /// `sha256:` and 64 digits.
    pub(crate) digest: String,
    /// 64 digits.
    pub(crate) id: String,
}

/// What the `image` of a rule compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    Tag,
    Digest,
    Id,
    /// A word that means nothing: such a rule never matches.
    Other,
}

/// Registry, repository, and tag, digest or id.
#[derive(Debug)]
pub(crate) struct ImageRule {
    pub(crate) registry: Pattern,
    pub(crate) repository: Pattern,
    pub(crate) selector: Selector,
    pub(crate) value: String,
    pub(crate) tag: Option<Pattern>,
}

impl ImageRule {
    /// Reads a rule; `path` is where it stands.
    pub(crate) fn build(document: &Value, path: &str, regexes: &RegexCache) -> Result<Self, Box<BundleProblem>> {
        let pattern = |key: &str| {
            let Some(text) = document.get(key).and_then(Value::as_str) else {
                return Err(Box::new(missing(path, key)));
            };
            Pattern::of_bundle(text, regexes).map_err(|error| Box::new(bad_pattern(&error, &format!("{path}.{key}"))))
        };
        let (registry, repository) = (pattern("registry")?, pattern("repository")?);
        let image = |key: &str| document.get("image").and_then(|image| image.get(key)).and_then(Value::as_str);
        let value = image("value").ok_or_else(|| Box::new(missing(path, "image.value")))?.to_owned();
        let selector = match image("type") {
            Some("tag") => Selector::Tag,
            Some("digest") => Selector::Digest,
            Some("id") => Selector::Id,
            _ => Selector::Other,
        };
        let tag = match selector {
            Selector::Tag => Some(
                Pattern::of_bundle(&value, regexes)
                    .map_err(|error| Box::new(bad_pattern(&error, &format!("{path}.image.value"))))?,
            ),
            _ => None,
        };
        Ok(Self { registry, repository, selector, value, tag })
    }

    /// Whether registry and repository match.
    pub(crate) fn names_repository(&self, target: &Target, steps: &Steps) -> Result<bool, PatternError> {
        let (Some(registry), Some(repository)) = (&target.registry, &target.repository) else { return Ok(false) };
        Ok(self.registry.matches_within(registry, steps)? && self.repository.matches_within(repository, steps)?)
    }

    /// Whether it speaks of the image.
    pub(crate) fn matches(&self, subject: &Subject, steps: &Steps) -> Result<bool, PatternError> {
        if !self.names_repository(&subject.target, steps)? {
            return Ok(false);
        }
        match self.selector {
            Selector::Digest => Ok(self.value == subject.digest),
            Selector::Id => Ok(self.value == subject.id),
            // An image without a tag is only spoken of by rules about any tag.
            Selector::Tag => {
                let tag = subject.target.tag.as_deref().unwrap_or_default();
                self.tag.as_ref().map_or(Ok(false), |pattern| pattern.matches_within(tag, steps))
            }
            Selector::Other => Ok(false),
        }
    }
}

fn missing(path: &str, key: &str) -> BundleProblem {
    BundleProblem::engine("AttributeError", format!("{path}.{key}"), "'NoneType' object has no attribute 'strip'")
        .because(format!("`{key}` is missing"))
        .remedy(format!("write `\"{key}\": \"*\"` for any"))
}
