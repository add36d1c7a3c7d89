//! The parts of a `pom.xml` that say what a project is, needs and is licensed under.
//!
//! Format: Apache Maven, "POM Reference" and "Introduction to the POM".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogers::xml::Element;

/// Dependencies of one project; the largest real ones manage some thousand.
const DEPENDENCIES: usize = 20_000;

/// A project, with what it takes from its parent left open.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::catalogers) struct Model {
    pub(in crate::catalogers) group: Option<String>,
    pub(in crate::catalogers) artifact: Option<String>,
    pub(in crate::catalogers) version: Option<String>,
    pub(super) parent: Option<Parent>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) managed: Vec<Dependency>,
    pub(super) dependencies: Vec<Dependency>,
    pub(in crate::catalogers) licenses: Vec<String>,
}

/// The project that another one inherits from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parent {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    /// Where its file or folder is; empty: not beside this one.
    pub(super) path: String,
}

/// One that is needed, or whose version is settled for those that are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Dependency {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: Option<String>,
    /// `jar` if nothing else is said.
    pub(super) kind: String,
    pub(super) scope: Option<String>,
}

impl Model {
    pub(in crate::catalogers) fn of(project: &Element) -> Self {
        let text = |name| project.text_of(name).map(str::to_owned);
        let parent = project.child("parent").map(|parent| Parent {
            group: parent.text_of("groupId").map(str::to_owned),
            artifact: parent.text_of("artifactId").map(str::to_owned),
            version: parent.text_of("version").map(str::to_owned),
            path: parent.child("relativePath").map_or("..", |path| path.text().unwrap_or_default()).to_owned(),
        });
        let properties =
            project.child("properties").map(|properties| properties.children.as_slice()).unwrap_or_default();
        let licenses = project.child("licenses").into_iter().flat_map(|licenses| licenses.all("license"));
        Self {
            group: text("groupId"),
            artifact: text("artifactId"),
            version: text("version"),
            parent,
            properties: properties
                .iter()
                .map(|property| (property.name.clone(), property.text().unwrap_or_default().to_owned()))
                .collect(),
            managed: project.child("dependencyManagement").map(dependencies).unwrap_or_default(),
            dependencies: dependencies(project),
            licenses: licenses
                .filter_map(|license| license.text_of("name").or_else(|| license.text_of("url")).map(str::to_owned))
                .collect(),
        }
    }

    /// Group, artifact and version as written, the parent's where they are left out.
    pub(in crate::catalogers) fn coordinates(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        let parent = self.parent.as_ref();
        (
            self.group.as_deref().or_else(|| parent?.group.as_deref()),
            self.artifact.as_deref(),
            self.version.as_deref().or_else(|| parent?.version.as_deref()),
        )
    }
}

fn dependencies(of: &Element) -> Vec<Dependency> {
    let list = of.child("dependencies").into_iter().flat_map(|list| list.all("dependency"));
    let dependencies = list.filter_map(|element| {
        Some(Dependency {
            group: element.text_of("groupId")?.to_owned(),
            artifact: element.text_of("artifactId")?.to_owned(),
            version: element.text_of("version").map(str::to_owned),
            kind: element.text_of("type").unwrap_or("jar").to_owned(),
            scope: element.text_of("scope").map(str::to_owned),
        })
    });
    dependencies.take(DEPENDENCIES).collect()
}
