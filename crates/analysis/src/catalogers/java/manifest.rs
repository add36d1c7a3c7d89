//! The main section of `META-INF/MANIFEST.MF` (JAR File Specification, "Manifest Specification").

use std::collections::BTreeMap;

use super::name;

/// Bytes of one value that are kept. `Import-Package` may be very long, and says nothing here.
const VALUE_BYTES: usize = 2 << 10;

/// Attributes kept.
const MAX_ATTRIBUTES: usize = 200;

/// Attributes by lower-case name.
#[derive(Debug, Default)]
pub(super) struct Manifest(BTreeMap<String, String>);

impl Manifest {
    /// Reads the lines up to the first empty one. A line that begins with a space continues the one above, which may
    /// have been cut within a letter.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut attributes: Vec<Vec<u8>> = Vec::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match line {
                [] if attributes.is_empty() => {}
                [] => break,
                [b' ', rest @ ..] => {
                    if let Some(last) = attributes.last_mut().filter(|last| last.len() < VALUE_BYTES) {
                        last.extend_from_slice(rest.get(..VALUE_BYTES).unwrap_or(rest));
                    }
                }
                _ if attributes.len() >= MAX_ATTRIBUTES => break,
                line => attributes.push(line.get(..VALUE_BYTES).unwrap_or(line).to_vec()),
            }
        }
        let mut manifest = Self::default();
        for attribute in attributes {
            let text = String::from_utf8_lossy(&attribute);
            let Some((name, value)) = text.split_once(':') else { continue };
            manifest.0.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| value.trim().to_owned());
        }
        manifest
    }

    /// An attribute that says something; a placeholder that the build did not fill in does not.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(&name.to_ascii_lowercase())?.as_str();
        (!value.is_empty() && !value.contains("${")).then_some(value)
    }

    /// The version, by the attribute most likely to be that of the artifact.
    pub(super) fn version(&self) -> Option<&str> {
        ["Implementation-Version", "Plugin-Version", "Specification-Version", "Bundle-Version"]
            .into_iter()
            .find_map(|name| self.get(name))
            // `2.0.8 2003-12-28 11:00:13`: with the time of the build.
            .and_then(|version| version.split_whitespace().next())
    }

    pub(super) fn vendor(&self) -> Option<String> {
        let names = ["Implementation-Vendor", "Specification-Vendor", "Bundle-Vendor", "Vendor"];
        names.into_iter().find_map(|name| self.get(name)).map(str::to_owned)
    }

    /// `Bundle-License: Apache-2.0;link="…",MIT`.
    pub(super) fn licenses(&self) -> Vec<String> {
        let licenses = self.get("Bundle-License").unwrap_or_default().split(',');
        let names = licenses.map(|license| license.split(';').next().unwrap_or_default().trim().trim_matches('"'));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The Maven group of the artifact, guessed: names of bundles and modules are mostly group and artifact
    /// with a part in common.
    pub(super) fn group(&self, artifact: &str) -> Option<String> {
        let is_group = |value: &&str| value.contains('.') && !value.contains([' ', '/', ':']);
        for id in ["Group-Id", "Implementation-Vendor-Id"] {
            if let Some(group) = self.get(id).filter(is_group) {
                return Some(group.to_owned());
            }
        }
        let bundle =
            self.symbolic_name().filter(is_group).or_else(|| self.get("Automatic-Module-Name").filter(is_group))?;
        let suffix = format!(".{}", name::dotted(artifact));
        let group = match name::dotted(bundle).strip_suffix(&suffix) {
            // `org.eclipse.jdt.core`: without the artifact there would be no organisation left.
            Some(group) if group.contains('.') => bundle.get(..group.len()).unwrap_or(bundle),
            _ => bundle,
        };
        Some(group.to_owned())
    }

    /// Whether a name of the manifest is that of the artifact.
    pub(super) fn names(&self, artifact: &str) -> bool {
        let names = [self.symbolic_name(), self.get("Implementation-Title"), self.get("Short-Name")];
        names
            .into_iter()
            .flatten()
            .any(|name| name == artifact || name.strip_suffix(artifact).is_some_and(|rest| rest.ends_with(['.', ':'])))
    }

    /// `Bundle-SymbolicName` without its directives.
    fn symbolic_name(&self) -> Option<&str> {
        self.get("Bundle-SymbolicName").and_then(|name| name.split(';').next()).map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_section_only() {
        let manifest = Manifest::parse(
            b"Manifest-Version: 1.0\r\nBundle-SymbolicName: org.apache.struts.str\r\n uts2.core; singleton:=true\r\n\
              Implementation-Version: ${version}\r\nBundle-Version: 2.3.31\r\n\r\nName: x\r\nPlugin-Version: 9\r\n",
        );
        assert_eq!(manifest.version(), Some("2.3.31"));
        assert_eq!(manifest.group("struts2-core").as_deref(), Some("org.apache.struts"));
        assert!(manifest.names("core"));
        assert!(!manifest.names("re"));
    }

    #[test]
    fn licenses() {
        let manifest = Manifest::parse(b"Bundle-License: Apache-2.0;link=\"https://x\", \"MIT\"\n");
        assert_eq!(manifest.licenses(), ["Apache-2.0", "MIT"]);
    }
}
