//! Executables, as the catalogers of compiled languages look at them: where their sections and segments lie in the file,
//! whatever their format and size.
//!
//! Formats: ELF (gABI), PE/COFF (Microsoft's specification), Mach-O (`mach-o/loader.h`, `mach-o/fat.h`).

mod symbols;

use memchr::memmem;
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _};
use object::read::macho::{FatArch, MachHeader, MachOFatFile, Section as _, Segment as _};
use object::read::pe::ImageNtHeaders;
use object::{Endianness, FileKind, LittleEndian, elf, macho, pe};

use self::symbols::SymbolTable;
use crate::content::Content;

/// Beginnings of executables: ELF, PE, Mach-O (32 and 64 bit, both byte orders, universal).
pub(super) const BEGINNINGS: &[&[u8]] = &[
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
];

/// Whether this beginning of a file, of which 8 bytes are enough, is that of machine code of any kind.
pub(crate) fn is_code(beginning: &[u8]) -> bool {
    BEGINNINGS.iter().any(|other| beginning.starts_with(other)) && !is_java_class(beginning)
}

/// Whether this beginning of a file, of which 18 bytes are enough, is that of a program or a shared library. Object files,
/// kernel modules and memory images are none.
pub(crate) fn is_program(beginning: &[u8]) -> bool {
    let Some(of_elf) = beginning.strip_prefix(b"\x7fELF") else {
        return is_code(beginning);
    };
    // elf(5): `e_ident[EI_DATA]` is the byte order, `e_type` follows the 16 bytes of `e_ident`: 2 and 3 are programs.
    match (of_elf.get(1), of_elf.get(12..14)) {
        (Some(2), Some(&[0, low])) => matches!(low, 2 | 3),
        (_, Some(&[low, 0])) => matches!(low, 2 | 3),
        _ => false,
    }
}

/// Classes of Java begin as universal Mach-O files do. What follows is the version of the class file, 45 or more, or the
/// number of programs in one.
fn is_java_class(beginning: &[u8]) -> bool {
    let follows = beginning.strip_prefix(b"\xca\xfe\xba\xbe").and_then(|rest| rest.first_chunk());
    follows.is_some_and(|number| u32::from_be_bytes(*number) >= 45)
}

/// Sections that are looked at; linked executables have some forty, kernel modules up to some hundred.
const SECTIONS: usize = 1024;

/// Segments that are looked at.
const SEGMENTS: usize = 256;

/// Bytes of the names of sections. In a hostile file each of a million has a name as long as the file.
const NAME_BYTES: usize = 64 << 10;

/// Bytes in which the header of a packer is looked for: after those of the format.
const PACKER_BYTES: u64 = 4096;

/// Programs in a universal file; real ones have up to four.
const PROGRAMS: usize = 8;

/// A program, for one processor.
pub(super) struct Executable<'a> {
    /// All of it.
    pub(super) content: Content<'a>,
    pub(super) format: Format,
    pub(super) is_big_endian: bool,
    is_64: bool,
    sections: Vec<Section<'a>>,
    segments: Vec<Segment>,
    /// Where the notes of ELF are: offset and size.
    pub(super) notes: Vec<(u64, u64)>,
    /// Where the symbols are that others may see.
    symbols: SymbolTable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Elf,
    Pe,
    MachO,
}

/// A section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a [u8],
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

/// The programs in a file: one, or those of a universal file.
pub(super) fn executables(content: Content<'_>) -> Vec<Executable<'_>> {
    let arches = match FileKind::parse(content) {
        Ok(FileKind::MachOFat32) => arches::<macho::FatArch32>(content),
        Ok(FileKind::MachOFat64) => arches::<macho::FatArch64>(content),
        _ => return Executable::parse(content).into_iter().collect(),
    };
    arches.into_iter().filter_map(|(start, size)| Executable::parse(content.part(start, size))).collect()
}

fn arches<Fat: FatArch>(content: Content<'_>) -> Vec<(u64, u64)> {
    let Ok(file) = MachOFatFile::<Fat>::parse(content) else { return Vec::new() };
    file.arches().iter().take(PROGRAMS).map(FatArch::file_range).collect()
}

impl<'a> Executable<'a> {
    fn parse(content: Content<'a>) -> Option<Self> {
        match FileKind::parse(content).ok()? {
            FileKind::Elf32 => Self::elf::<elf::FileHeader32<Endianness>>(content),
            FileKind::Elf64 => Self::elf::<elf::FileHeader64<Endianness>>(content),
            FileKind::Pe32 => Self::pe::<pe::ImageNtHeaders32>(content),
            FileKind::Pe64 => Self::pe::<pe::ImageNtHeaders64>(content),
            FileKind::MachO32 => Self::macho::<macho::MachHeader32<Endianness>>(content),
            FileKind::MachO64 => Self::macho::<macho::MachHeader64<Endianness>>(content),
            _ => None,
        }
    }

    fn new(content: Content<'a>, format: Format, is_big_endian: bool, is_64: bool) -> Self {
        let (sections, segments, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { content, format, is_big_endian, is_64, sections, segments, notes, symbols: SymbolTable::None }
    }

    fn elf<Elf: FileHeader<Endian = Endianness>>(content: Content<'a>) -> Option<Self> {
        let header = Elf::parse(content).ok()?;
        let endian = header.endian().ok()?;
        let mut found = Self::new(content, Format::Elf, endian == Endianness::Big, header.is_class_64());
        let segments = header.program_headers(endian, content).unwrap_or_default();
        let loaded = segments.iter().take(SEGMENTS).filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
        found.segments.extend(loaded.map(|segment| Segment {
            address: segment.p_vaddr(endian).into(),
            offset: segment.p_offset(endian).into(),
            size: segment.p_filesz(endian).into(),
        }));
        let notes = segments.iter().take(SEGMENTS).filter(|segment| segment.p_type(endian) == elf::PT_NOTE);
        found.notes.extend(notes.map(|segment| segment.file_range(endian)));
        let Ok(sections) = header.sections(endian, content) else { return Some(found) };
        let mut allowance = NAME_BYTES;
        for section in sections.iter().take(SECTIONS) {
            let Ok(name) = sections.section_name(endian, section) else { break };
            let Some(rest) = allowance.checked_sub(name.len()) else { break };
            allowance = rest;
            let Some((offset, size)) = section.file_range(endian) else { continue };
            found.sections.push(Section { name, offset, size });
            if section.sh_type(endian) == elf::SHT_DYNSYM {
                let strings = usize::try_from(section.sh_link(endian)).ok();
                let strings = strings.and_then(|number| sections.section(object::SectionIndex(number)).ok());
                if let Some(strings) = strings.and_then(|strings| strings.file_range(endian)) {
                    found.symbols = SymbolTable::Elf { symbols: (offset, size), strings };
                }
            }
        }
        // Not every linker makes segments of them.
        if found.notes.is_empty() {
            found.notes.extend(found.section(&[b".note.package"]).map(|section| (section.offset, section.size)));
        }
        Some(found)
    }

    fn pe<Pe: ImageNtHeaders>(content: Content<'a>) -> Option<Self> {
        let mut offset = pe::ImageDosHeader::parse(content).ok()?.nt_headers_offset().into();
        let (headers, directories) = Pe::parse(content, &mut offset).ok()?;
        let base = object::read::pe::ImageOptionalHeader::image_base(headers.optional_header());
        let mut found = Self::new(content, Format::Pe, false, headers.is_type_64());
        if let Some(exports) = directories.get(pe::IMAGE_DIRECTORY_ENTRY_EXPORT) {
            found.symbols = SymbolTable::Pe { base, exports: exports.virtual_address.get(LittleEndian).into() };
        }
        for section in headers.sections(content, offset).ok()?.iter().take(SECTIONS) {
            let (offset, size) = section.pe_file_range();
            let (offset, size) = (u64::from(offset), u64::from(size));
            let address = base.wrapping_add(section.virtual_address.get(LittleEndian).into());
            found.segments.push(Segment { address, offset, size });
            found.sections.push(Section { name: section.raw_name(), offset, size });
        }
        Some(found)
    }

    fn macho<Mach: MachHeader<Endian = Endianness>>(content: Content<'a>) -> Option<Self> {
        let header = Mach::parse(content, 0).ok()?;
        let endian = header.endian().ok()?;
        let mut found = Self::new(content, Format::MachO, endian == Endianness::Big, header.is_type_64());
        let mut commands = header.load_commands(endian, content, 0).ok()?;
        while let Ok(Some(command)) = commands.next() {
            if let Ok(Some(table)) = command.symtab() {
                let entries = u64::from(table.nsyms.get(endian));
                let size = entries.saturating_mul(if found.is_64 { 16 } else { 12 });
                found.symbols = SymbolTable::MachO {
                    symbols: (table.symoff.get(endian).into(), size),
                    strings: (table.stroff.get(endian).into(), table.strsize.get(endian).into()),
                };
            }
            let Ok(Some((segment, data))) = <Mach::Segment as object::read::macho::Segment>::from_command(command)
            else {
                continue;
            };
            if found.segments.len() >= SEGMENTS {
                break;
            }
            let (offset, size) = segment.file_range(endian);
            found.segments.push(Segment { address: segment.vmaddr(endian).into(), offset, size });
            for section in segment.sections(endian, data).unwrap_or_default() {
                if found.sections.len() >= SECTIONS {
                    break;
                }
                let Some((offset, size)) = section.file_range(endian, section.offset(endian).into()) else { continue };
                found.sections.push(Section { name: section.name(), offset, size });
            }
        }
        Some(found)
    }

    /// The first section of one of these names.
    pub(super) fn section(&self, names: &[&[u8]]) -> Option<Section<'a>> {
        self.sections.iter().find(|section| names.contains(&section.name)).copied()
    }

    /// The bytes of a section, as many as the file has, and no more than `limit`.
    pub(super) fn bytes_of(&self, section: Section<'_>, limit: u64) -> Option<&'a [u8]> {
        self.content.at_most(section.offset, section.size.min(limit))
    }

    /// Where in the file the byte is that is loaded to this address.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let offset = address.checked_sub(segment.address).filter(|offset| *offset < segment.size)?;
            segment.offset.checked_add(offset)
        })
    }

    /// What is loaded to an address.
    pub(super) fn at_address(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        self.content.get(self.offset_of(address)?, size)
    }

    /// A number of 4 or 8 bytes in the byte order of the program.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<u64> {
        unsigned(bytes, self.is_big_endian)
    }

    /// Whether UPX has packed it: its header (UPX source, `linker.h`, `l_info`) follows those of ELF and Mach-O, and
    /// sections of PE are called so.
    pub(super) fn is_packed(&self) -> bool {
        match self.format {
            Format::Pe => self.sections.iter().any(|section| section.name.starts_with(b"UPX0")),
            Format::Elf | Format::MachO => {
                let beginning = self.content.at_most(0, PACKER_BYTES).unwrap_or_default();
                memmem::find(beginning, b"UPX!").is_some() && self.section(&[b".text", b"__text"]).is_none()
            }
        }
    }
}

/// A number of 4 or 8 bytes.
pub(super) fn unsigned(bytes: &[u8], is_big_endian: bool) -> Option<u64> {
    Some(match (bytes.len(), is_big_endian) {
        (4, true) => u32::from_be_bytes(bytes.try_into().ok()?).into(),
        (4, false) => u32::from_le_bytes(bytes.try_into().ok()?).into(),
        (8, true) => u64::from_be_bytes(bytes.try_into().ok()?),
        (8, false) => u64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

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
            (b"\xca\xfe\xba\xbe\x00\x00\x00\x02".to_vec(), true),
            (b"\xca\xfe\xba\xbe\x00\x00\x00\x41".to_vec(), false),
            (b"#!/bin/sh".to_vec(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_program(&beginning), want, "{beginning:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(beginning in 0..BEGINNINGS.len(), class in 0..4_u8, bytes in vec(any::<u8>(), 0..400)) {
            let file = [BEGINNINGS[beginning], &[class, 1], &bytes].concat();
            for found in executables(Content::whole(&file)) {
                for section in &found.sections {
                    let _ = found.bytes_of(*section, u64::MAX);
                }
                let _ = found.at_address(u64::from(class), 3);
                let _ = found.addresses([b"sbom", b"sbom_length"]);
            }
        }
    }
}
