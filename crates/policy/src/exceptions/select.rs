//! Which findings an exception speaks of.

use killick_model::evaluation::Finding;
use serde::{Deserialize, Serialize};

use super::ExceptionProblem;
use crate::pattern::Pattern;
use crate::reference::Target;
use crate::regexes::Steps;

/// Which findings: those that meet everything it says. Texts are patterns as in mappings: `*` for any text, or `regexp:`
/// and an expression.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// On these images; without it, on all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSelector>,
    /// About this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageSelector>,
    /// About one of these vulnerabilities, by any of its names, in any case.
    #[serde(skip_serializing_if = "OneOrMore::is_empty")]
    pub vulnerability: OneOrMore,
    /// About this file, or a package at this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of this gate, trigger and id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingSelector>,
}

/// Which images. The reference is read as mappings read it: no `library/` is added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSelector {
    /// Registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Digest of the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Which packages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackageSelector {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version, complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Type, such as `deb` or `npm`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Package URL; one without version or qualifiers is that of all versions, and of all qualifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// Which findings of all that are about the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FindingSelector {
    /// Gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Trigger id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_id: Option<String>,
}

/// A text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "it is neither a text nor a list of texts: write one")]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl OneOrMore {
    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// The reference and the digest of an image.
type Image = (Target, String);
/// Patterns with what they are held against.
type Conditions<Of> = Vec<(Part<Of>, Pattern)>;
type Part<Of> = fn(&Of) -> Option<&str>;

/// A selector, compiled.
#[derive(Debug)]
pub(super) struct CompiledSelector {
    image: Conditions<Image>,
    finding: Conditions<Finding>,
    purl: Option<(String, Pattern)>,
    vulnerabilities: Vec<Name>,
}

/// The name of a vulnerability, in any case, or the pattern of some.
#[derive(Debug)]
enum Name {
    Exact(String),
    Pattern(Pattern),
}

impl Name {
    fn is(&self, name: &str, steps: &Steps) -> bool {
        match self {
            Self::Exact(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Pattern(pattern @ Pattern::Wildcard(_)) => does_match(pattern, &name.to_ascii_lowercase(), steps),
            Self::Pattern(pattern) => does_match(pattern, name, steps),
        }
    }
}

impl CompiledSelector {
    pub(super) fn new(selector: &Selector, path: &str) -> Result<Self, ExceptionProblem> {
        let (image, package, finding) = (selector.image.clone(), selector.package.clone(), selector.finding.clone());
        let (image, package, finding) =
            (image.unwrap_or_default(), package.unwrap_or_default(), finding.unwrap_or_default());
        let compile = |name: &str, text: &str| {
            Pattern::new(text).map_err(|error| ExceptionProblem {
                path: format!("{path}.{name}"),
                reason: error.to_string(),
                remedy: "correct the expression after `regexp:`, or use a pattern with `*`".to_owned(),
            })
        };
        let mut compiled = Self { image: Vec::new(), finding: Vec::new(), purl: None, vulnerabilities: Vec::new() };
        let of_image: [(&str, Option<String>, Part<Image>); 4] = [
            ("image.registry", image.registry, |(target, _)| target.registry.as_deref()),
            ("image.repository", image.repository, |(target, _)| target.repository.as_deref()),
            ("image.tag", image.tag, |(target, _)| target.tag.as_deref()),
            ("image.digest", image.digest, |(_, digest)| Some(digest)),
        ];
        for (name, text, part) in of_image {
            if let Some(text) = text {
                compiled.image.push((part, compile(name, &text)?));
            }
        }
        let of_finding: [(&str, Option<String>, Part<Finding>); 7] = [
            ("package.name", package.name, |finding| Some(&finding.subject.package.as_ref()?.name)),
            ("package.version", package.version, |finding| Some(&finding.subject.package.as_ref()?.version)),
            ("package.type", package.kind.map(|kind| kind.to_lowercase()), |finding| {
                Some(finding.subject.package.as_ref()?.kind.name())
            }),
            ("path", selector.path.clone(), |finding| finding.subject.path.as_deref()),
            ("finding.gate", finding.gate.map(|gate| gate.to_lowercase()), |finding| Some(&finding.gate)),
            ("finding.trigger", finding.trigger.map(|trigger| trigger.to_lowercase()), |finding| {
                Some(&finding.trigger)
            }),
            ("finding.trigger_id", finding.trigger_id, |finding| Some(&finding.trigger_id)),
        ];
        for (name, text, part) in of_finding {
            if let Some(text) = text {
                compiled.finding.push((part, compile(name, &text)?));
            }
        }
        for text in selector.vulnerability.as_slice() {
            compiled.vulnerabilities.push(match compile("vulnerability", text)? {
                Pattern::Wildcard(text) if text.contains('*') => {
                    Name::Pattern(Pattern::Wildcard(text.to_ascii_lowercase()))
                }
                Pattern::Wildcard(text) => Name::Exact(text),
                regex @ Pattern::Regex(_) => Name::Pattern(regex),
            });
        }
        if let Some(purl) = package.purl {
            compiled.purl = Some((purl.clone(), compile("package.purl", &purl)?));
        }
        if compiled.finding.is_empty() && compiled.purl.is_none() && compiled.vulnerabilities.is_empty() {
            return Err(ExceptionProblem {
                path: path.to_owned(),
                reason: "it selects no findings".to_owned(),
                remedy: "name a `package`, a `vulnerability`, a `path` or a `finding`; a whole image belongs on the \
                         bundle's list of allowed images"
                    .to_owned(),
            });
        }
        Ok(compiled)
    }

    /// Regular expressions in it, each of which takes memory.
    pub(super) fn expressions(&self) -> usize {
        let of_image = self.image.iter().map(|(_, pattern)| pattern);
        let of_finding = self.finding.iter().map(|(_, pattern)| pattern);
        let of_vulnerability = self.vulnerabilities.iter().filter_map(|name| match name {
            Name::Exact(_) => None,
            Name::Pattern(pattern) => Some(pattern),
        });
        let of_purl = self.purl.iter().map(|(_, pattern)| pattern);
        let all = of_image.chain(of_finding).chain(of_vulnerability).chain(of_purl);
        all.filter(|pattern| matches!(pattern, Pattern::Regex(_))).count()
    }

    /// Whether it speaks of the image at all.
    pub(super) fn names_image(&self, target: &Target, digest: &str, steps: &Steps) -> bool {
        let image: Image = (target.clone(), digest.to_owned());
        meets(&self.image, &image, steps)
    }

    /// Whether it speaks of the finding, on an image of which it speaks.
    pub(super) fn selects(&self, finding: &Finding, steps: &Steps) -> bool {
        let subject = &finding.subject;
        let names_vulnerability = || {
            let Some(vulnerability) = &subject.vulnerability else { return false };
            let mut names = std::iter::once(&vulnerability.id).chain(&vulnerability.aliases);
            names.any(|name| self.vulnerabilities.iter().any(|wanted| wanted.is(name, steps)))
        };
        let names_purl = |(text, pattern): &(String, Pattern)| {
            subject.package.as_ref().is_some_and(|package| is_purl_of(text, pattern, &package.purl, steps))
        };
        // What is cheap and rules out most comes first.
        (self.vulnerabilities.is_empty() || names_vulnerability())
            && meets(&self.finding, finding, steps)
            && self.purl.as_ref().is_none_or(names_purl)
    }
}

/// A pattern that gives up does not match: then nothing is cleared.
fn does_match(pattern: &Pattern, text: &str, steps: &Steps) -> bool {
    pattern.matches_within(text, steps) == Ok(true)
}

fn meets<Of>(conditions: &Conditions<Of>, subject: &Of, steps: &Steps) -> bool {
    conditions.iter().all(|(part, pattern)| part(subject).is_some_and(|text| does_match(pattern, text, steps)))
}

/// Whether the pattern names the package URL, with what it leaves open.
fn is_purl_of(text: &str, pattern: &Pattern, purl: &str, steps: &Steps) -> bool {
    let without_qualifiers = purl.split(['?', '#']).next().unwrap_or_default();
    let name = without_qualifiers.rsplit_once('@').map_or(without_qualifiers, |(name, _)| name);
    let given: &str = if text.contains(['?', '#']) {
        purl
    } else if text.rsplit('/').next().is_some_and(|last| last.contains('@')) {
        without_qualifiers
    } else {
        name
    };
    does_match(pattern, given, steps) || does_match(pattern, purl, steps)
}
