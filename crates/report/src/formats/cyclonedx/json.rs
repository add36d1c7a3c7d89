//! The notation in JSON.

use std::io::{self, Write};

use super::Contents;
use super::document::Bom;
use crate::formats::{Each, pretty};

pub(super) fn write(contents: &Contents<'_>, serial_number: Option<String>, out: &mut dyn Write) -> io::Result<()> {
    let bom = Bom {
        format: "CycloneDX",
        spec_version: contents.version.name(),
        serial_number,
        version: 1,
        metadata: contents.metadata(),
        components: Each(|| contents.components()),
        dependencies: Each(|| contents.dependencies()),
        vulnerabilities: contents
            .vulnerabilities()
            .is_some()
            .then_some(Each(|| contents.vulnerabilities().into_iter().flatten())),
    };
    pretty(&bom, out)
}
