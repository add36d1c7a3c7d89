//! OVAL definitions 5.x: trees of tests that come down to rows of packages.
//!
//! <https://oval.mitre.org/language/version5.11/>. A definition is a tree of criteria over tests; a test looks up an
//! object (a package) and compares it with states (a version, an architecture, a signature). What vendors say is
//! always "on these platforms, for these architectures, with this module: this package before that version", so a
//! tree is flattened to one row per package and branch. Tests come after the definitions that use them, so a file is
//! read twice: for its tests, then for its definitions.

use std::collections::HashMap;

use killick_model::advisory::{Instant, Level, Qualifier, Statement};
use killick_model::version::Scheme;
use killick_model::version::range::{Bound, Interval, Range};

use super::said::{self, Said};
use super::xml::{Element, records};
use super::{Input, ReadError, Sink};

mod criteria;
#[cfg(test)]
mod tests;

use self::criteria::{Context, Rows};

/// Tests, objects, states or variables of a file, each.
const MAX_PARTS: usize = 4_000_000;

/// Statements that one definition comes to: its packages on its platforms, for each of its vulnerabilities.
const MAX_STATEMENTS: usize = 2_000_000;

/// What the definitions of a file refer to.
#[derive(Default)]
pub(super) struct Oval {
    tests: HashMap<String, Test>,
    /// Names of packages; several for a variable.
    objects: HashMap<String, Named>,
    states: HashMap<String, State>,
    variables: HashMap<String, Vec<String>>,
    /// When the file was generated.
    pub(super) timestamp: Option<Instant>,
}

struct Test {
    kind: Kind,
    object: String,
    states: Vec<String>,
    is_absence: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Package,
    Text,
    Other,
}

enum Named {
    Name(String),
    Variable(String),
}

/// A state, as far as it tells something.
#[derive(Default)]
struct State {
    version: Option<(Operation, String)>,
    is_zero: bool,
    architecture: Option<String>,
    is_else: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

/// A definition.
pub(super) struct Definition {
    /// Its id.
    pub(super) id: String,
    /// What it is about.
    pub(super) metadata: Element,
    /// What it says.
    pub(super) rows: Vec<Row>,
}

/// What one branch of the criteria says about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    bounds: Vec<Limit>,
    /// Comments of the platform tests, any of which must hold; empty where none is tested.
    pub(super) platforms: Vec<String>,
    /// `x86_64`; empty for any.
    pub(super) architectures: Vec<String>,
    /// `name:stream`.
    pub(super) module: Option<String>,
    /// What the criterion says of itself.
    pub(super) comment: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Limit {
    Version(Operation, String),
    /// It is installed, in any version.
    Installed,
    /// The test never holds: said of packages that are not affected.
    Never,
}

impl Oval {
    /// Reads what definitions refer to.
    pub(super) fn load(input: &Input<'_>, sink: &mut Sink) -> Result<Self, ReadError> {
        let mut oval = Self::default();
        let mut parts = 0;
        let is_part = |name: &str| {
            ["_test", "_object", "_state"].iter().any(|end| name.ends_with(end))
                || matches!(name, "constant_variable" | "timestamp")
        };
        records(input, is_part, |record| match record {
            Ok(_) if parts >= MAX_PARTS => parts += 1,
            Ok(element) => {
                parts += 1;
                oval.add(&element);
            }
            Err(reason) => sink.skip(&input.label(), reason),
        })?;
        if parts > MAX_PARTS {
            return Err(input.malformed(format!("{parts} tests, objects and states are too many")));
        }
        Ok(oval)
    }

    fn add(&mut self, element: &Element) {
        if element.name == "timestamp" {
            self.timestamp = self.timestamp.or_else(|| Instant::parse(element.text()));
            return;
        }
        let Some(id) = element.attribute("id").map(str::to_owned) else { return };
        if element.name == "constant_variable" {
            let values = element.all("value").map(|value| value.text().to_owned()).collect();
            self.variables.insert(id, values);
        } else if element.name.ends_with("_test") {
            self.tests.insert(id, Test::new(element));
        } else if element.name.ends_with("_object") {
            let name = element.child("name").or_else(|| element.child("pattern"));
            let variable = name.and_then(|name| name.attribute("var_ref"));
            let named = match (variable, name) {
                (Some(variable), _) => Named::Variable(variable.to_owned()),
                (None, Some(name)) => Named::Name(name.text().to_owned()),
                (None, None) => return,
            };
            self.objects.insert(id, named);
        } else {
            self.states.insert(id, State::new(element));
        }
    }

    /// Calls `each` with every definition.
    pub(super) fn definitions(
        &self,
        input: &Input<'_>,
        sink: &mut Sink,
        mut each: impl FnMut(&Definition, &mut Sink),
    ) -> Result<(), ReadError> {
        records(
            input,
            |name| name == "definition",
            |record| match record {
                Ok(element) => match self.definition(element) {
                    Ok(definition) => each(&definition, sink),
                    Err((id, reason)) => sink.skip(&id, reason),
                },
                Err(reason) => sink.skip(&input.label(), reason),
            },
        )
    }

    fn definition(&self, mut element: Element) -> Result<Definition, (String, String)> {
        let id = element.attribute("id").unwrap_or("a definition without an id").to_owned();
        let mut rows = Rows::default();
        for criteria in element.all("criteria") {
            self.flatten(criteria, &Context::default(), &mut rows).map_err(|reason| (id.clone(), reason))?;
        }
        let rows = join_architectures(rows.found);
        let metadata = element.children.iter_mut().find(|child| child.name == "metadata");
        let metadata = metadata.map(std::mem::take).ok_or_else(|| (id.clone(), "no metadata".to_owned()))?;
        Ok(Definition { id, metadata, rows })
    }
}

/// One row for all architectures that have the same builds.
fn join_architectures(rows: Vec<Row>) -> Vec<Row> {
    let mut joined: Vec<Row> = Vec::with_capacity(rows.len());
    let mut places = HashMap::new();
    for row in rows {
        let key = (
            row.name.clone(),
            row.bounds.clone(),
            row.platforms.clone(),
            row.module.clone(),
            row.architectures.is_empty(),
        );
        let place: Option<&usize> = places.get(&key);
        if let Some(known) = place.and_then(|place| joined.get_mut(*place)) {
            known.architectures.extend(row.architectures);
        } else {
            places.insert(key, joined.len());
            joined.push(row);
        }
    }
    joined
}

impl Row {
    /// The statement a row makes: affected in its versions, or not affected.
    pub(super) fn statement(&self, advisory: &str, level: Level, scheme: Scheme) -> Statement {
        let bare = |version: &str| version.strip_prefix("0:").unwrap_or(version).to_owned();
        let (mut lower, mut upper, mut fixed) = (None, None, None);
        for limit in &self.bounds {
            match limit {
                Limit::Never => {
                    return self.qualified(Said::NotAffected.statement(advisory, &self.name, level, scheme));
                }
                Limit::Installed => {}
                Limit::Version(Operation::Below, version) => {
                    upper = Some(Bound::exclusive(bare(version)));
                    fixed = Some(bare(version));
                }
                Limit::Version(Operation::AtMost, version) => upper = Some(Bound::inclusive(bare(version))),
                Limit::Version(Operation::Above, version) if bare(version) == "0-0" => {}
                Limit::Version(Operation::Above, version) => lower = Some(Bound::exclusive(bare(version))),
                Limit::Version(Operation::AtLeast, version) => lower = Some(Bound::inclusive(bare(version))),
                Limit::Version(Operation::Equal, version) => {
                    lower = Some(Bound::inclusive(bare(version)));
                    upper.clone_from(&lower);
                }
            }
        }
        let said = match fixed {
            Some(version) => Said::FixedIn(version),
            None => Said::Unfixed(killick_model::matching::FixState::NotFixed),
        };
        let mut statement = said.statement(advisory, &self.name, level, scheme);
        statement.versions = Range::new(scheme, vec![Interval { lower, upper }], Vec::new());
        self.qualified(statement)
    }

    fn qualified(&self, mut statement: Statement) -> Statement {
        statement.qualifiers.extend(self.module.clone().map(Qualifier::Module));
        statement.qualifiers.extend(said::architectures(self.architectures.iter().map(String::as_str)));
        statement
    }
}

impl Definition {
    /// Why it is not spelled out for so many vulnerabilities.
    pub(super) fn is_too_large(&self, vulnerabilities: usize) -> Option<String> {
        let platforms: usize = self.rows.iter().map(|row| row.platforms.len().max(1)).sum();
        let statements = platforms.saturating_mul(vulnerabilities);
        (statements > MAX_STATEMENTS).then(|| format!("{statements} statements are too many"))
    }

    /// CVEs it is about, in order.
    pub(super) fn cves(&self) -> Vec<String> {
        let references = self.metadata.all("reference").filter_map(|reference| reference.attribute("ref_id"));
        let listed = self.metadata.child("advisory");
        let listed = listed.into_iter().flat_map(|advisory| advisory.all("cve")).map(Element::text);
        let words = references.chain(listed).flat_map(str::split_whitespace).filter(|word| said::is_cve(word));
        let mut found: Vec<String> = words.map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The id of the first reference of this source.
    pub(super) fn reference(&self, source: &str) -> Option<&str> {
        let mut references = self.metadata.all("reference");
        let found = references
            .find(|reference| reference.attribute("source").is_some_and(|found| found.eq_ignore_ascii_case(source)));
        found?.attribute("ref_id")
    }

    /// The vendor's rating.
    pub(super) fn severity(&self) -> Option<killick_model::severity::Severity> {
        let word = self.metadata.at(&["advisory", "severity"]).or_else(|| self.metadata.child("severity"));
        said::severity(word?.text())
    }

    /// When it was issued.
    pub(super) fn published(&self) -> Option<Instant> {
        let issued = self.metadata.at(&["advisory", "issued"]).and_then(|issued| issued.attribute("date"));
        let issued = issued.or_else(|| self.metadata.text_of("advisory_date"));
        issued.or_else(|| self.metadata.child("advisory")?.text_of("public_date")).and_then(date)
    }

    /// When it was last changed.
    pub(super) fn modified(&self) -> Option<Instant> {
        self.metadata.at(&["advisory", "updated"]).and_then(|updated| updated.attribute("date")).and_then(date)
    }
}

/// A date, or a date and time as Ubuntu writes them, `2023-12-18 15:00:00 UTC`.
fn date(text: &str) -> Option<Instant> {
    Instant::parse(text).or_else(|| Instant::parse(text.strip_suffix(" UTC")?))
}

impl Test {
    fn new(element: &Element) -> Self {
        let reference = |child: &str, attribute: &str| -> Vec<String> {
            element.all(child).filter_map(|found| Some(found.attribute(attribute)?.to_owned())).collect()
        };
        Self {
            kind: match element.name.as_str() {
                "rpminfo_test" | "dpkginfo_test" => Kind::Package,
                "textfilecontent54_test" => Kind::Text,
                _ => Kind::Other,
            },
            object: reference("object", "object_ref").into_iter().next().unwrap_or_default(),
            states: reference("state", "state_ref"),
            is_absence: element.attribute("check_existence") == Some("none_exist"),
        }
    }
}

impl State {
    fn new(element: &Element) -> Self {
        let mut state = Self::default();
        for child in &element.children {
            let operation = Operation::parse(child.attribute("operation"));
            match (child.name.as_str(), operation) {
                ("evr" | "subexpression", Some(operation)) => {
                    state.version = Some((operation, child.text().to_owned()));
                }
                ("version", Some(Operation::Equal)) if child.text() == "0" => state.is_zero = true,
                ("arch", _) => state.architecture = Some(child.text().to_owned()),
                _ => state.is_else = true,
            }
        }
        state
    }
}

impl Operation {
    fn parse(word: Option<&str>) -> Option<Self> {
        Some(match word {
            Some("less than") => Self::Below,
            Some("less than or equal") => Self::AtMost,
            Some("greater than") => Self::Above,
            Some("greater than or equal") => Self::AtLeast,
            Some("equals") | None => Self::Equal,
            Some(_) => return None,
        })
    }
}

/// `openssh-client` of `openssh-client` or of the pattern `^openssh-client(?::\w+|)\s+(.*)$`.
fn plain_name(pattern: &str) -> Option<String> {
    let name = pattern.trim_start_matches('^').split("(?").next()?.replace('\\', "");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "+-._".contains(letter);
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}
