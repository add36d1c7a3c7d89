//! Executables, as the catalogers of compiled languages look at them.

use object::{File, Object as _, ObjectSection as _};

/// Beginnings of executables: ELF, PE, Mach-O (32 and 64 bit, both byte orders).
pub(super) const BEGINNINGS: &[&[u8]] =
    &[b"\x7fELF", b"MZ", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"];

/// Sections that are looked at; linked executables have some forty.
const SECTIONS: usize = 256;

/// Bytes of their names. In a hostile file each of a million sections has a name as long as the file.
const NAME_BYTES: usize = 64 << 10;

/// Where in the file the first section of one of these names lies: offset and size.
pub(super) fn section(executable: &File<'_>, names: &[&[u8]]) -> Option<(usize, usize)> {
    let mut allowance = NAME_BYTES;
    for section in executable.sections().take(SECTIONS) {
        let name = section.name_bytes().ok()?;
        if names.contains(&name) {
            let (offset, size) = section.file_range()?;
            return Some((usize::try_from(offset).ok()?, usize::try_from(size).ok()?));
        }
        allowance = allowance.checked_sub(name.len())?;
    }
    None
}
