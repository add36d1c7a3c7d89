//! Executables, as the catalogers of compiled languages look at them.

use object::{File, Object as _, ObjectSection as _};

/// Beginnings of executables: ELF, PE, Mach-O (32 and 64 bit, both byte orders).
pub(super) const BEGINNINGS: &[&[u8]] =
    &[b"\x7fELF", b"MZ", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"];

/// Whether this beginning of a file, of which 18 bytes are enough, is that of a program or a shared library. Object files,
/// kernel modules and memory images are none.
pub(crate) fn is_program(beginning: &[u8]) -> bool {
    let Some(of_elf) = beginning.strip_prefix(b"\x7fELF") else {
        return BEGINNINGS.iter().any(|other| beginning.starts_with(other));
    };
    // elf(5): `e_ident[EI_DATA]` is the byte order, `e_type` follows the 16 bytes of `e_ident`: 2 and 3 are programs.
    match (of_elf.get(1), of_elf.get(12..14)) {
        (Some(2), Some(&[0, low])) => matches!(low, 2 | 3),
        (_, Some(&[low, 0])) => matches!(low, 2 | 3),
        _ => false,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_objects() {
        let elf = |order: u8, kind: [u8; 2]| [b"\x7fELF\x02".as_slice(), &[order], &[1; 10], &kind, b"more"].concat();
        for (beginning, want) in [
            (elf(1, [2, 0]), true),
            (elf(1, [3, 0]), true),
            (elf(2, [0, 3]), true),
            (elf(1, [1, 0]), false),
            (elf(2, [0, 1]), false),
            (elf(1, [4, 0]), false),
            (b"\x7fELF".to_vec(), false),
            (b"MZ".to_vec(), true),
            (b"\xcf\xfa\xed\xfe".to_vec(), true),
            (b"#!/bin/sh".to_vec(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_program(&beginning), want, "{beginning:?}");
        }
    }
}
