//! `META-INF/maven/GROUP/ARTIFACT/pom.properties` (Apache Maven Archiver; java.util.Properties).

use crate::catalogers::maven::model::Model;
use crate::catalogers::xml;

/// Maven coordinates.
#[derive(Debug, Default)]
pub(super) struct Pom {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    /// The whole file.
    pub(super) text: Option<String>,
    /// Of the `pom.xml` beside it.
    pub(super) licenses: Vec<String>,
}

/// Whether a member is one. Archives that hold others unpacked have it below a folder.
pub(super) fn is_pom(member: &[u8]) -> bool {
    folder(member, b"/pom.properties").is_some()
}

/// Whether a member is the project that the archive, or what was merged into it, was built from.
pub(super) fn is_project(member: &[u8]) -> bool {
    folder(member, b"/pom.xml").is_some()
}

fn folder<'a>(member: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let folder = member.strip_suffix(name)?.strip_prefix(b"META-INF/maven/")?;
    (folder.split(|&byte| byte == b'/').count() == 2).then_some(folder)
}

impl Pom {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut pom = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!'])) {
            let Some((key, value)) = line.split_once(['=', ':']) else { continue };
            let value = value.trim().replace('\\', "");
            // A placeholder that the build did not fill in says nothing.
            let value = (!value.is_empty() && !value.contains("${")).then_some(value);
            match key.trim() {
                "groupId" => pom.group = value,
                "artifactId" => pom.artifact = value,
                "version" => pom.version = value,
                _ => {}
            }
        }
        pom.text = Some(text.into_owned());
        pom
    }

    /// What a `pom.xml` says, unless its coordinates are left to properties.
    pub(super) fn of_project(text: &str) -> Option<Self> {
        let root = xml::parse(text).ok().filter(|root| root.name == "project")?;
        let model = Model::of(&root);
        let (group, artifact, version) = model.coordinates();
        let known = |text: Option<&str>| text.filter(|text| !text.contains("${")).map(str::to_owned);
        let (group, artifact, version) = (known(group), known(artifact), known(version));
        Some(Self { group, artifact, version, text: None, licenses: model.licenses })
    }

    /// Group, artifact, version.
    pub(super) fn coordinates(&self) -> [Option<&str>; 3] {
        [self.group.as_deref(), self.artifact.as_deref(), self.version.as_deref()]
    }
}
