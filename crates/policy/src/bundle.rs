//! The bundle document and the engine's layer of validation.
//!
//! The layer about the shape of the document is separate, as it is in the original: a client that is refused by the
//! one sees another answer than a client refused by the other.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::allowlist::Allowlist;
use crate::image_rule::ImageRule;
use crate::policy::{Policy, list, version_problem};
use crate::problem::BundleProblem;
use crate::python;
use crate::regexes::RegexCache;
use crate::schema;

/// A bundle, read once and evaluated any number of times.
#[derive(Debug)]
pub struct Bundle {
    /// As posted.
    pub document: Value,
    /// Its id.
    pub id: String,
    pub(crate) version_problem: Option<BundleProblem>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) allowlists: Vec<Allowlist>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) allowed_images: Vec<ListedImage>,
    pub(crate) denied_images: Vec<ListedImage>,
    pub(crate) regexes: RegexCache,
}

/// A text that is no bundle at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a policy bundle is a JSON object, not {found}")]
pub struct BundleError {
    found: String,
}

/// One mapping.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) document: Value,
    /// `Err` where the rule itself cannot be built.
    pub(crate) rule: Result<MappedRule, Box<BundleProblem>>,
}

/// What a mapping maps.
#[derive(Debug)]
pub(crate) struct MappedRule {
    pub(crate) image: ImageRule,
    pub(crate) policy_ids: Vec<String>,
    /// `Err` where the list is missing.
    pub(crate) allowlist_ids: Result<Vec<String>, Box<BundleProblem>>,
    pub(crate) path: String,
}

/// One entry of an image list.
#[derive(Debug)]
pub(crate) struct ListedImage {
    pub(crate) document: Value,
    pub(crate) rule: Result<ImageRule, Box<BundleProblem>>,
}

/// What a mapping leads to.
pub(crate) struct Selected<'b> {
    pub(crate) policies: Vec<&'b Policy>,
    pub(crate) allowlists: Vec<&'b Allowlist>,
    pub(crate) problems: Vec<BundleProblem>,
}

/// The bundle of accounts that have none.
///
/// # Panics
/// Never: the shipped document is read by a test.
pub fn default_bundle() -> Value {
    serde_json::from_str(include_str!("default_bundle.json")).expect("the shipped bundle is JSON, which a test proves")
}

impl Bundle {
    /// Reads a document. Anything but an object is an error; everything else is a matter of validation.
    ///
    /// Both the historic names (`whitelists`) and the current ones (`allowlists`) are understood.
    pub fn parse(document: &Value) -> Result<Self, BundleError> {
        if !document.is_object() {
            return Err(BundleError { found: python::value(document).chars().take(60).collect() });
        }
        let canonical = canonical(document);
        let regexes = RegexCache::default();
        let entries = |key: &str| match canonical.get(key) {
            Some(Value::Array(entries)) => entries.as_slice(),
            _ => &[],
        };
        let written = |key: &'static str| {
            let aliases = ALIASES.iter().filter(move |(_, name)| *name == key).map(|(alias, _)| *alias);
            std::iter::once(key)
                .chain(aliases)
                .find_map(|name| document.get(name).and_then(Value::as_array))
                .map_or(&[][..], Vec::as_slice)
        };
        let images = |key: &'static str| {
            let rules = entries(key).iter().zip(written(key)).enumerate();
            rules
                .map(|(at, (rule, document))| ListedImage {
                    document: document.clone(),
                    rule: ImageRule::build(rule, &format!("{key}.{at}"), &regexes),
                })
                .collect()
        };
        Ok(Self {
            id: canonical.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            version_problem: version_problem(canonical.get("version"), ""),
            policies: entries("policies")
                .iter()
                .enumerate()
                .map(|(at, policy)| Policy::build(policy, &format!("policies.{at}"), &regexes))
                .collect(),
            allowlists: entries("whitelists")
                .iter()
                .enumerate()
                .map(|(at, allowlist)| Allowlist::build(allowlist, &format!("whitelists.{at}"), &regexes))
                .collect(),
            mappings: entries("mappings")
                .iter()
                .zip(written("mappings"))
                .enumerate()
                .map(|(at, (mapping, document))| Mapping {
                    document: document.clone(),
                    rule: mapped(mapping, format!("mappings.{at}"), &regexes),
                })
                .collect(),
            allowed_images: images("whitelisted_images"),
            denied_images: images("blacklisted_images"),
            regexes,
            document: document.clone(),
        })
    }

    /// What the schema says against a document: the layer that refuses before the engine sees it.
    pub fn check_schema(document: &Value) -> Vec<BundleProblem> {
        schema::check(&canonical(document))
    }

    /// What the engine says against the bundle, as on saving: every mapping, and the policies and allowlists that
    /// some mapping names. The bundle may be saved unless a problem is an error.
    pub fn validate(&self) -> Vec<BundleProblem> {
        if let Some(problem) = &self.version_problem {
            return vec![problem.clone()];
        }
        let mut problems: Vec<BundleProblem> = self
            .mappings
            .iter()
            .filter_map(|mapping| mapping.rule.as_ref().err())
            .map(|problem| (**problem).clone())
            .collect();
        let lists = self.allowed_images.iter().chain(&self.denied_images);
        problems.extend(lists.filter_map(|image| image.rule.as_ref().err()).map(|problem| (**problem).clone()));
        if !problems.is_empty() {
            return problems;
        }
        for rule in self.mappings.iter().filter_map(|mapping| mapping.rule.as_ref().ok()) {
            let selected = self.select(rule);
            let mut found = selected.problems;
            let refused = selected.policies.iter().flat_map(|policy| policy.retired.iter().chain(&policy.bad_patterns));
            found.extend(refused.cloned());
            for problem in found {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems
    }

    /// How many items of its allowlists have ended by an instant.
    pub fn ended(&self, now: Timestamp) -> usize {
        let items = self.allowlists.iter().flat_map(|allowlist| &allowlist.items);
        items.filter(|item| item.is_ended(now)).count()
    }

    /// Resolves what a mapping names. The first policy that cannot be had ends the list of policies.
    pub(crate) fn select(&self, rule: &MappedRule) -> Selected<'_> {
        let mut selected = Selected { policies: Vec::new(), allowlists: Vec::new(), problems: Vec::new() };
        for id in &rule.policy_ids {
            let named: Vec<&Policy> = self.policies.iter().filter(|policy| policy.id == *id).collect();
            let policy = match unique(&named, "policy", id, &rule.path) {
                Ok(policy) => policy,
                Err(problem) => {
                    selected.problems.push(*problem);
                    break;
                }
            };
            selected.problems.extend(policy.problems.iter().cloned());
            selected.policies.push(policy);
            if policy.problems.iter().any(is_error) {
                break;
            }
        }
        match &rule.allowlist_ids {
            Err(problem) => selected.problems.push((**problem).clone()),
            Ok(ids) => {
                for id in ids {
                    let named: Vec<&Allowlist> = self.allowlists.iter().filter(|list| list.id == *id).collect();
                    match unique(&named, "whitelist", id, &rule.path) {
                        Ok(allowlist) => {
                            selected.problems.extend(allowlist.problems.iter().cloned());
                            selected.allowlists.push(allowlist);
                        }
                        Err(problem) => selected.problems.push(*problem),
                    }
                }
            }
        }
        selected
    }
}

/// Whether a problem refuses the bundle.
pub(crate) fn is_error(problem: &BundleProblem) -> bool {
    problem.severity == crate::problem::ProblemSeverity::Error
}

fn unique<'b, T>(named: &[&'b T], kind: &str, id: &str, path: &str) -> Result<&'b T, Box<BundleProblem>> {
    match named {
        [one] => Ok(one),
        [] => Err(Box::new(
            BundleProblem::engine(
                "ReferencedObjectNotFoundError",
                path,
                format!("Referenced object not found (reference_type={kind},reference_id={id})"),
            )
            .because(format!("the mapping names the {kind} `{id}`, which the bundle does not have"))
            .remedy(format!("add it, or correct the id in `{path}`")),
        )),
        _ => Err(Box::new(
            BundleProblem::engine(
                "DuplicateIdentifierFoundError",
                path,
                format!("Object identifier found multiple times, not unique (identifier={id},identifier_type={kind})"),
            )
            .because(format!("the bundle has more than one {kind} with the id `{id}`"))
            .remedy("give each an id of its own"),
        )),
    }
}

fn mapped(document: &Value, path: String, regexes: &RegexCache) -> Result<MappedRule, Box<BundleProblem>> {
    let image = ImageRule::build(document, &path, regexes)?;
    let one = document.get("policy_id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let many = document.get("policy_ids").and_then(Value::as_array).filter(|ids| !ids.is_empty());
    let refuse = |details: String, reason: &str| {
        let problem = BundleProblem::engine("ValidationError", path.as_str(), format!("{details} ()"));
        Box::new(problem.because(reason).remedy("write `\"policy_ids\": [\"…\"]`"))
    };
    let policy_ids = match (one, many) {
        (Some(_), Some(_)) => {
            return Err(refuse(
                "Cannot specify both policy_id and policy_ids properties in mapping rule, must use one or the other"
                    .to_owned(),
                "the mapping has both `policy_id` and `policy_ids`",
            ));
        }
        (Some(id), None) => vec![id.to_owned()],
        (None, Some(ids)) => texts(ids),
        (None, None) => {
            return Err(refuse(
                format!("No policy_id or policy_ids property found for mapping rule: {}", python::value(document)),
                "the mapping names no policy",
            ));
        }
    };
    let allowlist_ids = list(document, "whitelist_ids", "TypeError", &path).map(texts);
    Ok(MappedRule { image, policy_ids, allowlist_ids, path })
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(|value| value.as_str().map_or_else(|| python::value(value), str::to_owned)).collect()
}

/// Current names and the historic ones they stand for.
const ALIASES: &[(&str, &str)] = &[
    ("rule_sets", "policies"),
    ("rule_set_ids", "policy_ids"),
    ("allowlists", "whitelists"),
    ("allowlist_ids", "whitelist_ids"),
    ("allowlisted_images", "whitelisted_images"),
    ("denylisted_images", "blacklisted_images"),
];

/// The document with historic names, at the top and in mappings. Where both names are given the historic one counts.
pub(crate) fn canonical(document: &Value) -> Value {
    let Value::Object(fields) = document else { return document.clone() };
    let mut fields = renamed(fields);
    if let Some(Value::Array(mappings)) = fields.get_mut("mappings") {
        for mapping in mappings {
            if let Value::Object(rule) = mapping {
                *mapping = Value::Object(renamed(rule));
            }
        }
    }
    Value::Object(fields)
}

fn renamed(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut out = fields.clone();
    for (alias, name) in ALIASES {
        if !out.contains_key(*name)
            && let Some(value) = out.get(*alias).cloned()
        {
            out.insert((*name).to_owned(), value);
        }
    }
    out
}
