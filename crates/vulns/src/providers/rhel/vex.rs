//! One CSAF document: rows of packages by release, stream and module.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use killick_model::advisory::{Level, License, Qualifier, Statement};
use killick_model::severity::Severity;
use killick_model::version::{Scheme, compare};

use super::super::Sink;
use super::super::csaf::{Document, Placed, Products, Vulnerability};
use super::super::said::{self, Said};
use super::product::{Release, mark, release};
use crate::index::Coverage;

/// A package of a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    namespace: String,
    module: Option<String>,
    name: String,
    level: Level,
}

/// Builds that fix it.
#[derive(Debug, Default)]
struct Builds {
    main: BTreeMap<String, Build>,
    apart: BTreeMap<String, Build>,
}

#[derive(Debug, Default)]
struct Build {
    architectures: BTreeSet<String>,
    advisories: BTreeSet<String>,
    severity: Option<Severity>,
}

pub(super) fn file(document: &Document, sink: &mut Sink) {
    let products = document.products();
    for vulnerability in &document.vulnerabilities {
        let Some(cve) = vulnerability.cve.as_deref().filter(|cve| said::is_cve(cve)) else {
            sink.skip(&document.meta.tracking.id, "a vulnerability without a CVE");
            continue;
        };
        let statements = statements(cve, vulnerability, document, &products, sink);
        let coverage = if document.meta.category == "csaf_vex" { Coverage::Full } else { Coverage::FixedOnly };
        let mut advisory = said::advisory(cve, License::Attribution);
        advisory.published = vulnerability.published().or_else(|| document.published());
        advisory.modified = document.modified();
        advisory.ratings = vulnerability.ratings("rhel");
        advisory.cwes = vulnerability.cwes();
        let mut namespaces: Vec<&str> = statements.iter().map(|(namespace, _)| namespace.as_str()).collect();
        namespaces.dedup();
        for namespace in namespaces {
            sink.file(namespace, || super::namespace(namespace, coverage)).advisory(&advisory);
        }
        for (namespace, statement) in &statements {
            sink.file(namespace, || super::namespace(namespace, coverage)).statement(statement);
        }
    }
}

/// All statements about a vulnerability with their namespaces, ordered by them.
fn statements(
    cve: &str,
    vulnerability: &Vulnerability,
    document: &Document,
    products: &Products<'_>,
    sink: &mut Sink,
) -> Vec<(String, Statement)> {
    let details = vulnerability.details(document);
    let status = &vulnerability.product_status;
    let mut fixed: BTreeMap<Row, Builds> = BTreeMap::new();
    let fixes = status.fixed.iter().chain(&status.first_fixed).chain(&status.recommended);
    for id in fixes {
        let Some((placed, release)) = of_release(id, products, sink) else { continue };
        let Some(version) = placed.component.version.clone() else {
            sink.skip(&format!("{cve}/{id}"), "fixed, but in no version");
            continue;
        };
        let builds = fixed.entry(row(&placed, &release, true)).or_default();
        let builds = if release.is_apart { &mut builds.apart } else { &mut builds.main };
        let build = builds.entry(version).or_default();
        build.architectures.extend(placed.component.architecture);
        build.advisories.extend(details.advisory(id).map(str::to_owned));
        build.severity = details.severity(id);
    }
    let mut stated: BTreeMap<Row, (Said, Option<Severity>)> = BTreeMap::new();
    // What is worse comes last and counts.
    for (ids, said) in [
        (&status.known_not_affected, Some(Said::NotAffected)),
        (&status.under_investigation, Some(Said::UnderInvestigation)),
        (&status.known_affected, None),
    ] {
        for id in ids {
            let Some((placed, release)) = of_release(id, products, sink) else { continue };
            // A package an advisory lists as untouched; in streams apart that says nothing about others.
            if release.is_apart {
                continue;
            }
            let is_listed = placed.component.version.is_some();
            let said = said.clone().unwrap_or_else(|| Said::Unfixed(details.fix_state(id)));
            stated.insert(row(&placed, &release, is_listed), (said, details.severity(id)));
        }
    }
    leave_implied(&mut stated);
    let has_binaries: BTreeSet<(String, Option<String>)> = fixed
        .keys()
        .filter(|row| row.level == Level::Binary)
        .map(|row| (row.namespace.clone(), row.module.clone()))
        .collect();
    let mut found = Vec::new();
    for (row, builds) in fixed {
        // The source package of binaries that are listed themselves.
        if row.level == Level::Source && has_binaries.contains(&(row.namespace.clone(), row.module.clone())) {
            continue;
        }
        found.extend(of_builds(cve, &row, builds, sink).into_iter().map(|said| (row.namespace.clone(), said)));
    }
    for (row, (said, severity)) in stated {
        let mut statement = said.statement(cve, &row.name, row.level, Scheme::Rpm);
        statement.severity = severity;
        statement.qualifiers.extend(row.module.clone().map(Qualifier::Module));
        found.push((row.namespace, statement));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// The product on its release; `None`, counted, where it is not of the distribution.
fn of_release<'a>(id: &'a str, products: &Products<'a>, sink: &mut Sink) -> Option<(Placed<'a>, Release)> {
    let placed = products.place(id);
    let found = placed.and_then(|placed| {
        let release = release(placed.cpe?)?;
        Some((placed, release))
    });
    if found.is_none() {
        sink.leave_out();
    }
    found
}

/// Open issues name source packages; since 2025 their binary packages too, and the source package as such.
fn row(placed: &Placed<'_>, release: &Release, is_build: bool) -> Row {
    let component = &placed.component;
    Row {
        namespace: release.namespace.clone(),
        module: component.module.clone(),
        name: component.name.clone(),
        level: match component.architecture.as_deref() {
            Some("src") => Level::Source,
            _ if is_build => Level::Binary,
            _ => Level::Any,
        },
    }
}

/// Where source packages are named as such, other names are binary packages, and say nothing new if they say what all
/// source packages say.
fn leave_implied(stated: &mut BTreeMap<Row, (Said, Option<Severity>)>) {
    let mut sources: HashMap<(String, Option<String>), Vec<Said>> = HashMap::new();
    for (row, (said, _)) in stated.iter().filter(|(row, _)| row.level == Level::Source) {
        sources.entry((row.namespace.clone(), row.module.clone())).or_default().push(said.clone());
    }
    let all = std::mem::take(stated);
    for (mut row, stating) in all {
        let of_sources = sources.get(&(row.namespace.clone(), row.module.clone()));
        if let Some(sources) = of_sources.filter(|_| row.level == Level::Any) {
            if sources.iter().all(|said| *said == stating.0) {
                continue;
            }
            row.level = Level::Binary;
        }
        stated.insert(row, stating);
    }
}

/// The highest build of the main stream is the fix; every other one only for builds that carry its mark.
fn of_builds(cve: &str, row: &Row, builds: Builds, sink: &mut Sink) -> Vec<Statement> {
    let order = |a: &str, b: &str| compare(Scheme::Rpm, a, b).unwrap_or(Ordering::Equal);
    let Builds { mut main, apart } = builds;
    let highest = main.keys().max_by(|a, b| order(a, b)).cloned();
    let highest = highest.and_then(|version| main.remove_entry(&version));
    let mut found = Vec::new();
    if let Some((version, build)) = highest {
        found.push(fix(cve, row, version, build, None));
    }
    // Of one stream the highest build counts as well: a fix may have been incomplete.
    let mut marked: BTreeMap<String, (String, Build)> = BTreeMap::new();
    for (version, build) in apart.into_iter().chain(main) {
        let Some(mark) = mark(&version).map(str::to_owned) else {
            sink.leave_out();
            continue;
        };
        match marked.entry(mark) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert((version, build));
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                if order(&version, &slot.get().0).is_gt() {
                    slot.insert((version, build));
                }
            }
        }
    }
    found.extend(marked.into_iter().map(|(mark, (version, build))| fix(cve, row, version, build, Some(mark))));
    found
}

fn fix(cve: &str, row: &Row, version: String, build: Build, mark: Option<String>) -> Statement {
    let mut statement = Said::FixedIn(version).statement(cve, &row.name, row.level, Scheme::Rpm);
    statement.severity = build.severity;
    statement.fix.advisories = build.advisories.into_iter().collect();
    statement.qualifiers.extend(row.module.clone().map(Qualifier::Module));
    statement.qualifiers.extend(mark.map(Qualifier::Build));
    if row.level == Level::Binary {
        statement.qualifiers.extend(said::architectures(build.architectures.iter().map(String::as_str)));
    }
    statement
}
