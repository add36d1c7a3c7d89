//! Files of the PE format: assemblies, native libraries and programs of Windows.
//!
//! Format: Microsoft, "PE Format". An assembly has a CLI header (ECMA-335, II.25.3.3); its name is in its metadata, the
//! version that its makers mean mostly in the version resource, which compilers write for every platform.

use object::pe::{self, ImageDosHeader, ImageNtHeaders32, ImageNtHeaders64};
use object::read::pe::ImageNtHeaders;
use object::{FileKind, LittleEndian};
use serde::{Deserialize, Serialize};

use super::{metadata, resource};

/// Position of the CLI header among the data directories.
const CLI_HEADER: usize = pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR;

/// Where the CLI header says where the metadata is.
const METADATA: usize = 8;

/// A file of the PE format that says what it is.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Portable {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) company: Option<String>,
    /// An assembly.
    pub(super) is_managed: bool,
}

/// What the file says, if it is one of the format and has a version.
pub(super) fn read(bytes: &[u8], file_name: &[u8]) -> Option<Portable> {
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    match FileKind::parse(bytes).ok()? {
        FileKind::Pe32 => image::<ImageNtHeaders32>(bytes, file_name),
        FileKind::Pe64 => image::<ImageNtHeaders64>(bytes, file_name),
        _ => None,
    }
}

fn image<Headers: ImageNtHeaders>(bytes: &[u8], file_name: &[u8]) -> Option<Portable> {
    let mut offset = ImageDosHeader::parse(bytes).ok()?.nt_headers_offset().into();
    let (headers, directories) = Headers::parse(bytes, &mut offset).ok()?;
    let sections = headers.sections(bytes, offset).ok()?;
    let cli = directories.get(CLI_HEADER).filter(|cli| cli.virtual_address.get(LittleEndian) != 0);
    let assembly = cli.and_then(|cli| {
        let header = sections.pe_data_at(bytes, cli.virtual_address.get(LittleEndian))?;
        let address = header.get(METADATA..)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))?;
        metadata::assembly(sections.pe_data_at(bytes, address)?)
    });
    let resource = directories.resource_directory(bytes, &sections).ok().flatten();
    let texts = resource.and_then(|resource| resource::texts(resource, bytes, &sections)).unwrap_or_default();
    let version = texts.version().or_else(|| assembly.as_ref().map(|assembly| assembly.version.clone()))?;
    let name = match (&assembly, cli) {
        (Some(assembly), _) => assembly.name.clone(),
        // Without its metadata an assembly still has the name of its file, by which it is found.
        (None, Some(_)) => stem(file_name)?,
        (None, None) => texts.get("ProductName").map(str::to_owned).or_else(|| stem(file_name))?,
    };
    Some(Portable { name, version, company: texts.get("CompanyName").map(str::to_owned), is_managed: cli.is_some() })
}

/// The name of a file without its extension.
fn stem(file_name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(file_name).ok()?;
    Some(name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()).filter(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IMAGE: &[u8] = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/catalogers/dotnet/assemblies/image/opt/app/Example.Managed.dll"
    ));

    proptest! {
        #[test]
        fn damaged_images_end(changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..30)) {
            let mut bytes = IMAGE.to_vec();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = read(&bytes, b"x.dll");
        }
    }
}
