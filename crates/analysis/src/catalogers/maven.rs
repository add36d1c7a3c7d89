//! Maven artifacts that a project asks for: the dependencies of `pom.xml`.
//!
//! Versions are resolved as Maven does it (Apache Maven, "Introduction to the POM" and "Introduction to the Dependency
//! Mechanism"), as far as the image has what it takes: properties, the parent and its parents, imported lists. What is
//! only for tests is left out, and so are the artifacts that dependencies ask for in turn, of which nothing is here.

pub(super) mod model;

use std::collections::{BTreeSet, HashMap};

use killick_model::package::{PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use self::model::{Dependency, Model};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, xml};

/// Finds the dependencies of projects.
pub(super) struct Maven;

/// Parents of parents that are followed, and lists that lists import.
const ANCESTORS: usize = 16;

/// Properties that are followed to resolve one text.
const REFERENCES: usize = 16;

/// Bytes of a resolved text.
const TEXT_BYTES: usize = 300;

/// Dependencies looked at in one image, each in all parents of its project.
const LOOKUPS: usize = 200_000;

impl Cataloger for Maven {
    fn name(&self) -> &'static str {
        "maven"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Java]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/pom.xml"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        // What was unpacked from an archive tells about the archive, and an archetype is no project yet.
        let path = [b"/", file.path.as_bytes()].concat();
        let parts = [b"/META-INF/maven/".as_slice(), b"/archetype-resources/"];
        if parts.iter().any(|part| memchr::memmem::find(&path, part).is_some()) {
            return;
        }
        let Some(root) = xml::read(file, found).filter(|root| root.name == "project") else { return };
        found.pieces.extend(serde_json::to_vec(&Model::of(&root)).ok());
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut models = Vec::new();
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
            let model: Option<Model> = found.pieces.first().and_then(|piece| serde_json::from_slice(piece).ok());
            models.extend(model.map(|model| (*path, *layer, model)));
        }
        let projects = Projects::new(&models);
        let mut lookups = LOOKUPS;
        for (path, layer, model) in &models {
            let found = projects.dependencies(path, model, &mut lookups);
            joined.take(self.name(), path, *layer, &found);
        }
    }
}

/// The projects of an image.
struct Projects<'a> {
    by_path: HashMap<&'a ImagePath, Project<'a>>,
    by_coordinates: HashMap<(&'a str, &'a str), &'a ImagePath>,
}

struct Project<'a> {
    model: &'a Model,
    /// By group and artifact: what is managed, as written.
    managed: HashMap<(&'a str, &'a str), &'a Dependency>,
}

impl<'a> Projects<'a> {
    fn new(models: &'a [(&'a ImagePath, u32, Model)]) -> Self {
        let mut projects = Self { by_path: HashMap::new(), by_coordinates: HashMap::new() };
        for (path, _, model) in models {
            let mut managed = HashMap::new();
            for dependency in &model.managed {
                managed.entry((dependency.group.as_str(), dependency.artifact.as_str())).or_insert(dependency);
            }
            projects.by_path.insert(path, Project { model, managed });
            if let (Some(group), Some(artifact), _) = model.coordinates() {
                projects.by_coordinates.entry((group, artifact)).or_insert(path);
            }
        }
        projects
    }

    fn dependencies(&self, path: &'a ImagePath, model: &Model, lookups: &mut usize) -> Found {
        let chain = self.chain(path);
        let mut wanted = BTreeSet::new();
        let mut unresolved = 0;
        // What a parent needs its children need too; it is told once, with the parent.
        for dependency in &model.dependencies {
            let Some(left) = lookups.checked_sub(chain.len()) else {
                unresolved += 1;
                continue;
            };
            *lookups = left;
            let managed = Self::managed(&chain, dependency);
            let scope = dependency.scope.as_deref().or_else(|| managed?.scope.as_deref());
            if matches!(scope, Some("test" | "import")) {
                continue;
            }
            let version = dependency.version.as_deref().or_else(|| managed?.version.as_deref());
            let version = version.map(str::to_owned).or_else(|| self.imported(&chain, dependency));
            let texts = [Some(dependency.group.as_str()), Some(&dependency.artifact), version.as_deref()];
            match texts.map(|text| resolve(text?, &chain)) {
                [Some(group), Some(artifact), Some(version)] => match exact(&version) {
                    Some(version) => {
                        wanted.extend([(group, artifact, version.to_owned(), dependency.kind.clone())]);
                    }
                    None => unresolved += 1,
                },
                _ => unresolved += 1,
            }
        }
        let mut found = Found::default();
        for (group, artifact, version, kind) in wanted {
            let mut package = declared(PackageKind::Java, &artifact, &version, path);
            package.details = PackageDetails::Java {
                group: Some(group),
                specification_version: None,
                implementation_version: None,
                maven_version: Some(version),
                pom_properties: None,
                extension: kind,
            };
            found.packages.push(package);
        }
        if unresolved > 0 && model.artifact.is_some() {
            let message = format!("{unresolved} versions are set elsewhere or ranges: left out");
            found.problems.push(Problem::new("unresolved-version", path.to_string(), message));
        }
        found
    }

    /// The project and its parents, nearest first.
    fn chain(&self, path: &'a ImagePath) -> Vec<&Project<'a>> {
        let mut chain: Vec<&Project<'a>> = Vec::new();
        let mut at = Some(path);
        while let Some(project) = at.and_then(|at| self.by_path.get(at)).filter(|_| chain.len() < ANCESTORS) {
            if chain.iter().any(|known| std::ptr::eq::<Project<'_>>(*known, project)) {
                break;
            }
            chain.push(project);
            at = at.and_then(|at| self.parent(at, project.model));
        }
        chain
    }

    /// The file of the parent: where it is said to be, if it is that one, or anywhere in the image.
    fn parent(&self, path: &ImagePath, model: &Model) -> Option<&'a ImagePath> {
        let parent = model.parent.as_ref()?;
        let (group, artifact) = (parent.group.as_deref()?, parent.artifact.as_deref()?);
        let folder = path.parent().unwrap_or_default();
        let beside = (!parent.path.is_empty()).then(|| [folder, b"/", parent.path.as_bytes()].concat());
        let beside = beside.and_then(|place| ImagePath::new(&normal(&place)?));
        let candidates = beside.iter().flat_map(|place| {
            let inside = [place.as_bytes(), b"/pom.xml"].concat();
            [ImagePath::new(&inside), Some(place.clone())].into_iter().flatten()
        });
        let found = candidates.filter_map(|place| self.by_path.get_key_value(&place)).find(|(_, project)| {
            let (its_group, its_artifact, _) = project.model.coordinates();
            its_group == Some(group) && its_artifact == Some(artifact)
        });
        found.map(|(place, _)| *place).or_else(|| self.by_coordinates.get(&(group, artifact)).copied())
    }

    fn managed<'b>(chain: &[&Project<'b>], dependency: &Dependency) -> Option<&'b Dependency> {
        let key = (dependency.group.as_str(), dependency.artifact.as_str());
        chain.iter().find_map(|project| project.managed.get(&key).copied())
    }

    /// The version in a list that the project imports, if that is in the image too.
    fn imported(&self, chain: &[&Project<'a>], dependency: &Dependency) -> Option<String> {
        let managed = chain.iter().flat_map(|project| &project.model.managed);
        let imports = managed.filter(|managed| managed.scope.as_deref() == Some("import")).take(ANCESTORS);
        imports.into_iter().find_map(|import| {
            let (group, artifact) = (resolve(&import.group, chain)?, resolve(&import.artifact, chain)?);
            let list = self.chain(self.by_coordinates.get(&(group.as_str(), artifact.as_str()))?);
            resolve(Self::managed(&list, dependency)?.version.as_deref()?, &list)
        })
    }
}

/// A path with its `.` and `..` resolved; `None` if it leads out.
fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The text with every `${…}` replaced, as the nearest project of the chain sees it; `None` if one is not known.
fn resolve(text: &str, chain: &[&Project<'_>]) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..REFERENCES {
        let Some((before, rest)) = text.split_once("${") else { return Some(text) };
        let (name, after) = rest.split_once('}')?;
        text = format!("{before}{}{after}", property(name.trim(), chain)?);
        if text.len() > TEXT_BYTES {
            return None;
        }
    }
    None
}

fn property<'a>(name: &str, chain: &[&'a Project<'_>]) -> Option<&'a str> {
    let nearest = chain.first()?.model;
    // `pom.` and no prefix at all are old spellings of `project.`.
    let own = name.strip_prefix("project.").or_else(|| name.strip_prefix("pom.")).unwrap_or(name);
    let (group, artifact, version) = nearest.coordinates();
    let parent = nearest.parent.as_ref();
    let of_project = match own {
        "groupId" => group,
        "artifactId" => artifact,
        "version" => version,
        "parent.groupId" => parent.and_then(|parent| parent.group.as_deref()),
        "parent.artifactId" => parent.and_then(|parent| parent.artifact.as_deref()),
        "parent.version" => parent.and_then(|parent| parent.version.as_deref()),
        _ => None,
    };
    of_project.or_else(|| chain.iter().find_map(|project| project.model.properties.get(name)).map(String::as_str))
}

/// The one version that is meant: `1.2.3`, or `[1.2.3]`.
fn exact(version: &str) -> Option<&str> {
    let version = version.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(version).trim();
    let is_range = version.contains(['[', ']', '(', ')', ',', '$', ' ']);
    (!version.is_empty() && !is_range && !matches!(version, "LATEST" | "RELEASE")).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_versions() {
        assert_eq!(normal(b"a/b/../c/./d").as_deref(), Some(b"a/c/d".as_slice()));
        assert_eq!(normal(b"a/../../b"), None);
        for (text, want) in
            [("1.0", Some("1.0")), ("[1.0]", Some("1.0")), ("[1,2)", None), ("LATEST", None), ("", None)]
        {
            assert_eq!(exact(text), want);
        }
    }
}
