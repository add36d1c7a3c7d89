//! Azure Linux and CBL-Mariner: OVAL definitions per release.
//!
//! <https://github.com/microsoft/AzureLinuxVulnerabilityData>: `azurelinux-3.0-oval.xml`, `cbl-mariner-2.0-oval.xml`.
//! Names are those of source packages. A definition that is not patchable speaks of an open issue.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Level, License, Verdict};
use killick_model::feed::{Each, File, Form, Upstream};
use killick_model::matching::FixState;
use killick_model::version::Scheme;

use super::oval::{Definition, Oval};
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, said};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "azurelinux",
    title: "Azure Linux and CBL-Mariner vulnerability data",
    upstreams: UPSTREAMS,
    find,
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "oval",
    base: "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main/",
    folder: "azurelinux",
    is_default: true,
    max_bytes: 256 << 20,
    hours: 0,
    notes_date: false,
    form: Form::Files {
        each: Each::Once,
        files: &[
            File::new("azurelinux-3.0-oval.xml", "azurelinux-3.0-oval.xml"),
            File::new("cbl-mariner-2.0-oval.xml", "cbl-mariner-2.0-oval.xml").optional(),
            File::new("cbl-mariner-1.0-oval.xml", "cbl-mariner-1.0-oval.xml").optional(),
        ],
    },
}];

const FOLDER: &str = "azurelinux";

fn find(root: &Path) -> Vec<Vec<PathBuf>> {
    // A preview repeats what the file of its release says.
    let files = files_in(root, FOLDER, |name| namespace(name).is_some() && !name.contains("-preview-"));
    files.into_iter().map(|path| vec![path]).collect()
}

/// `azurelinux:3.0` of `azurelinux-3.0-oval.xml.gz`.
fn namespace(name: &str) -> Option<String> {
    let name = name.strip_suffix(".gz").unwrap_or(name).strip_suffix("-oval.xml")?;
    let (id, release) = match name.strip_prefix("cbl-mariner-") {
        Some(release) => ("mariner", release),
        None => ("azurelinux", name.strip_prefix("azurelinux-")?),
    };
    let release = release.split('-').next()?;
    let is_release = release.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !release.is_empty();
    is_release.then(|| format!("{id}:{release}"))
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let name = input.path.file_name().and_then(|name| name.to_str()).and_then(namespace);
    let Some(name) = name else { return Err(input.malformed("its name tells no release")) };
    let oval = Oval::load(input, sink)?;
    oval.definitions(input, sink, |definition, sink| file(&name, definition, sink))?;
    sink.seen(oval.timestamp);
    Ok(())
}

fn file(name: &str, definition: &Definition, sink: &mut Sink) {
    let Some(cve) = definition.cves().into_iter().next() else {
        return sink.skip(&definition.id, "it names no CVE");
    };
    if definition.rows.is_empty() {
        return sink.skip(&definition.id, "it names no package");
    }
    let patchable = definition.metadata.text_of("patchable").unwrap_or_default();
    let filing = sink.file(name, || Namespace {
        name: name.to_owned(),
        ecosystem: name.to_owned(),
        coverage: Coverage::Full,
        license: License::Attribution,
        attribution: "Azure Linux vulnerability data, MIT".to_owned(),
    });
    let mut advisory = said::advisory(&cve, License::Attribution);
    advisory.published = definition.published();
    filing.advisory(&advisory);
    for row in &definition.rows {
        let mut statement = row.statement(&cve, Level::Source, Scheme::Rpm);
        statement.severity = definition.severity();
        if patchable.eq_ignore_ascii_case("Not Applicable") {
            statement.verdict = Verdict::NotAffected;
            statement.fix.state = FixState::Unknown;
            statement.fix.versions.clear();
        } else if patchable.eq_ignore_ascii_case("false") {
            statement.fix.state = FixState::NotFixed;
            statement.fix.versions.clear();
        }
        filing.statement(&statement);
    }
}

#[cfg(test)]
mod tests {
    use super::namespace;

    #[test]
    fn files_are_releases() {
        for (name, expected) in [
            ("azurelinux-3.0-oval.xml", Some("azurelinux:3.0")),
            ("azurelinux-3.0-oval.xml.gz", Some("azurelinux:3.0")),
            ("cbl-mariner-2.0-oval.xml", Some("mariner:2.0")),
            ("cbl-mariner-2.0-preview-oval.xml", Some("mariner:2.0")),
            ("azurelinux--oval.xml", None),
            ("debian-12-oval.xml", None),
        ] {
            assert_eq!(namespace(name).as_deref(), expected, "{name}");
        }
    }
}
