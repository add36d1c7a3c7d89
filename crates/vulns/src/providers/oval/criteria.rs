//! The criteria of a definition, brought down to rows.

use std::collections::HashMap;

use super::{Kind, Limit, MAX_STATEMENTS, Named, Operation, Oval, Row, State, plain_name};
use crate::providers::xml::Element;

/// Rows of a definition.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) found: Vec<Row>,
    /// Platforms of all of them.
    size: usize,
}

/// What a criterion comes to.
enum Meaning {
    Packages(Vec<String>, Limit, Vec<String>),
    Platform(String),
    Architectures(Vec<String>),
    Module(String),
    /// Signatures and running kernels.
    Nothing,
    /// Its test is missing.
    Unknown,
}

/// What must hold for the packages of a branch.
#[derive(Clone, Default)]
pub(super) struct Context {
    platforms: Vec<String>,
    architectures: Vec<String>,
    module: Option<String>,
}

impl Oval {
    /// Adds a row for every package below `criteria`. Recursion is bounded by the depth of a record.
    pub(super) fn flatten(&self, criteria: &Element, outer: &Context, rows: &mut Rows) -> Result<(), String> {
        if criteria.attribute("negate") == Some("true") {
            return Ok(());
        }
        let is_or = criteria.attribute("operator") == Some("OR");
        let mut context = outer.clone();
        let mut packages: Vec<Row> = Vec::new();
        let (mut places, mut branches) = (HashMap::new(), Vec::new());
        for child in &criteria.children {
            match child.name.as_str() {
                "criterion" if child.attribute("negate") == Some("true") => {}
                "criterion" => match self.meaning(child) {
                    Meaning::Packages(names, limit, architectures) => {
                        let comment = child.attribute("comment").unwrap_or_default();
                        for name in names {
                            let place = places.get(&name).copied().filter(|_| !is_or);
                            if let Some(row) = place.and_then(|place: usize| packages.get_mut(place)) {
                                row.bounds.push(limit.clone());
                                row.architectures.extend(architectures.iter().cloned());
                                continue;
                            }
                            places.insert(name.clone(), packages.len());
                            packages.push(Row {
                                name,
                                bounds: vec![limit.clone()],
                                platforms: Vec::new(),
                                architectures: architectures.clone(),
                                module: None,
                                comment: comment.to_owned(),
                            });
                        }
                    }
                    Meaning::Unknown => {
                        return Err(format!("test `{}` is missing", child.attribute("test_ref").unwrap_or_default()));
                    }
                    // An alternative to packages narrows nothing.
                    meaning if !is_or => context.narrow(meaning),
                    _ => {}
                },
                "criteria" if !is_or && self.has_no_package(child) => context.narrow_by(self, child),
                "criteria" => branches.push(child),
                _ => {}
            }
        }
        rows.size = rows.size.saturating_add(packages.len().saturating_mul(context.platforms.len().max(1)));
        if rows.size > MAX_STATEMENTS {
            return Err(format!("more than {MAX_STATEMENTS} packages on platforms"));
        }
        rows.found.extend(packages.into_iter().map(|row| context.place(row)));
        branches.into_iter().try_for_each(|branch| self.flatten(branch, &context, rows))
    }

    fn has_no_package(&self, criteria: &Element) -> bool {
        criteria.children.iter().all(|child| match child.name.as_str() {
            "criteria" => self.has_no_package(child),
            "criterion" => !matches!(self.meaning(child), Meaning::Packages(..) | Meaning::Unknown),
            _ => true,
        })
    }

    fn meaning(&self, criterion: &Element) -> Meaning {
        let comment = criterion.attribute("comment").unwrap_or_default();
        let platform = || {
            let is_platform = [" is installed", " must be installed"].iter().any(|end| comment.ends_with(end));
            if is_platform { Meaning::Platform(comment.to_owned()) } else { Meaning::Nothing }
        };
        let Some(test) = criterion.attribute("test_ref").and_then(|id| self.tests.get(id)) else {
            // Files are cut by product at times, with the tests gone; what they test is in the comment as well.
            return match platform() {
                Meaning::Nothing => by_comment(comment),
                known => known,
            };
        };
        if let Some(module) = comment.strip_prefix("Module ").and_then(|rest| rest.strip_suffix(" is enabled")) {
            return Meaning::Module(module.to_owned());
        }
        let names = match (test.kind, self.objects.get(&test.object)) {
            (Kind::Package, Some(Named::Name(name))) => vec![name.clone()],
            (Kind::Package | Kind::Text, Some(Named::Variable(variable))) => {
                let values = self.variables.get(variable).into_iter().flatten();
                values.filter_map(|value| plain_name(value)).collect()
            }
            _ => return platform(),
        };
        let states: Vec<&State> = test.states.iter().filter_map(|id| self.states.get(id)).collect();
        let version = states.iter().find_map(|state| state.version.clone());
        let architectures: Vec<String> = states
            .iter()
            .filter_map(|state| state.architecture.as_deref())
            .flat_map(|pattern| pattern.split('|').map(|name| name.trim_matches(['(', ')', '^', '$']).to_owned()))
            .collect();
        let is_release = names.iter().any(|name| name.ends_with("-release"));
        // A rolling release is told by a version of its release package that is not too old.
        let is_platform = |operation: Operation| is_release && operation != Operation::Below;
        if let Some((operation, version)) = version.filter(|(operation, _)| !is_platform(*operation)) {
            return Meaning::Packages(names, Limit::Version(operation, version), architectures);
        }
        if is_release && !architectures.is_empty() {
            return Meaning::Architectures(architectures);
        }
        if is_release {
            return Meaning::Platform(comment.to_owned());
        }
        if test.is_absence || states.iter().any(|state| state.is_zero) {
            return Meaning::Packages(names, Limit::Never, architectures);
        }
        if states.iter().any(|state| state.is_else) {
            return Meaning::Nothing;
        }
        Meaning::Packages(names, Limit::Installed, architectures)
    }
}

/// What a criterion comes to by its comment, where that is unmistakable.
fn by_comment(comment: &str) -> Meaning {
    if let Some((name, version)) = comment.split_once(" is earlier than ")
        && let (Some(name), false) = (plain_name(name), version.is_empty() || version.contains(' '))
    {
        return Meaning::Packages(vec![name], Limit::Version(Operation::Below, version.to_owned()), Vec::new());
    }
    match comment.split_once(" arch is ") {
        Some((_, architecture)) => Meaning::Architectures(vec![architecture.to_owned()]),
        None if comment.contains(" is signed with ") || comment.ends_with(" is ksplice-based") => Meaning::Nothing,
        None => Meaning::Unknown,
    }
}

impl Context {
    fn narrow(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Platform(comment) => self.platforms = vec![comment],
            Meaning::Architectures(names) => self.architectures = names,
            Meaning::Module(module) => self.module = Some(module),
            Meaning::Packages(..) | Meaning::Nothing | Meaning::Unknown => {}
        }
    }

    /// By a branch that tests no package: all its platforms are alternatives.
    fn narrow_by(&mut self, oval: &Oval, criteria: &Element) {
        let mut found = Self::default();
        let mut open = vec![criteria];
        while let Some(criteria) = open.pop() {
            for child in &criteria.children {
                match (child.name.as_str(), oval.meaning(child)) {
                    ("criteria", _) => open.push(child),
                    ("criterion", Meaning::Platform(comment)) => found.platforms.push(comment),
                    ("criterion", Meaning::Architectures(names)) => found.architectures.extend(names),
                    ("criterion", Meaning::Module(module)) => found.module = Some(module),
                    _ => {}
                }
            }
        }
        if !found.platforms.is_empty() {
            self.platforms = found.platforms;
        }
        if !found.architectures.is_empty() {
            self.architectures = found.architectures;
        }
        self.module = found.module.or(self.module.take());
    }

    fn place(&self, mut row: Row) -> Row {
        row.platforms.clone_from(&self.platforms);
        row.module.clone_from(&self.module);
        if row.architectures.is_empty() {
            row.architectures.clone_from(&self.architectures);
        }
        row
    }
}
