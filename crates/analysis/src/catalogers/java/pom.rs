//! `META-INF/maven/GROUP/ARTIFACT/pom.properties` (Apache Maven Archiver; java.util.Properties).

/// Maven coordinates.
#[derive(Debug, Default)]
pub(super) struct Pom {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    /// The whole file.
    pub(super) text: Option<String>,
}

/// Whether a member is one. Archives that hold others unpacked have it below a folder.
pub(super) fn is_pom(member: &[u8]) -> bool {
    let Some(folder) = member.strip_suffix(b"/pom.properties") else { return false };
    folder.strip_prefix(b"META-INF/maven/").is_some_and(|rest| rest.split(|&byte| byte == b'/').count() == 2)
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

    /// Group, artifact, version.
    pub(super) fn coordinates(&self) -> [Option<&str>; 3] {
        [self.group.as_deref(), self.artifact.as_deref(), self.version.as_deref()]
    }
}
